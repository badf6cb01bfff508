/* egress: which addresses a message leaves from, and the names that are said
 * there. Like sender, it asks by way of a question whose answer somebody else
 * fetches. Pure. */
#ifndef POLICY_EGRESS_H
#define POLICY_EGRESS_H

#include "policy/address.h"
#include "policy/arena.h"
#include "policy/fault.h"
#include "policy/network.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	EGRESS_PARENTS = 7, /* domains above the sender's that are asked for */
	EGRESS_KEYS = 1 + 2 + EGRESS_PARENTS + 1,
};

/* The keys to look up in a map of egress addresses, all in lower case, in this
 * order; the first that is there answers: "transport:NAME", "user@domain",
 * "@domain", "@.parent" of the nearest EGRESS_PARENTS parents, "*". If none is
 * there the message leaves from all addresses of the configuration. */
struct egress_question {
	const char *keys[EGRESS_KEYS];
	size_t count;
};

/* Which keys decide? transport is the recipients' as the MTA names it; NULL or
 * "": it isn't known. sender is the envelope's; its domain is NULL for the
 * null sender, which has no keys of its own. Keys live in arena. False: no
 * memory. */
bool egress_question(const char *transport, const struct mailbox *sender,
    struct arena *arena, struct egress_question *question_out);

/* Can key, in lower case, ever be asked for? */
bool egress_is_key(const char *key);

/* Read one "ADDRESS" or "ADDRESS HELO" of length octets. Without HELO
 * egress_out->helo is NULL. HELO is a domain with a dot in it, normalised. The
 * texts live in arena. False with words: FAULT_PERMANENT if it isn't one. */
bool egress_parse(const char *text, size_t length, struct arena *arena,
    struct egress *egress_out, struct fault *fault);

/* Read the value of such a key: "ADDRESS[ HELO][, ADDRESS[ HELO]]...", at most
 * PREFLIGHT_EGRESS of them, none twice. An address without HELO has that of
 * the same address in known. *egress_out has *count_out entries, at least one,
 * in arena. False with words. */
bool egress_read(const char *value, const struct egress *known,
    size_t known_count, struct arena *arena, const struct egress **egress_out,
    size_t *count_out, struct fault *fault);

/* Is it an address that no receiver out in the Internet sees: loopback,
 * link-local, private (RFC 1918, RFC 4193), shared (RFC 6598), or none at
 * all? */
bool egress_is_private(const struct address *address);

#endif
