/* spf_known: what an SPF check knows from the DNS so far: of each answer only
 * what the check can need, so that a large one takes little memory. */
#ifndef POLICY_SPF_KNOWN_H
#define POLICY_SPF_KNOWN_H

#include "policy/arena.h"
#include "policy/dns.h"
#include "policy/network.h"
#include "policy/spf.h"
#include "policy/spf_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* What was asked, and as many answers to hints. */
	SPF_KNOWN_MOST = 2 * SPF_QUESTIONS,
	/* Octets of TXT records that are learned from hints. */
	SPF_LEARNED_OCTETS = 65536,
};

/* An answer. */
struct spf_known {
	const char *name;
	enum dns_type type;
	uint32_t hash; /* of the name */
	enum dns_status status;
	uint32_t ttl_s;
	size_t count; /* of the records in the answer */

	/* A, AAAA: the most leading bits that any address has in common with
	 * the client's (0 to 32, 0 to 128). */
	unsigned nearest;

	/* MX, in order of preference, and PTR: the names that can be asked for;
	 * of MX none if there are more than SPF_NAMES records, of PTR only
	 * those of the first SPF_NAMES. */
	const char **names;
	size_t name_count;

	/* TXT: how many SPF records there are, and the one if it's alone
	 * (NULL if longer than SPF_RECORD_OCTETS). */
	size_t spf_count;
	const struct spf_record *record;
	const char *both[2];  /* if there are two, neither of them longer than
				 SPF_BOTH_OCTETS; a NUL as '?' */
	struct spf_spec sole; /* the only TXT record; no text: not alone */
};

struct spf_table {
	struct arena *arena;
	struct address client;
	bool is_v4; /* is the client */
	struct spf_known *entries[SPF_KNOWN_MOST];
	size_t count;
	size_t learned; /* entries that answer hints */
	size_t learned_octets;
};

/* An empty table, whose entries will live in arena (borrowed). */
void spf_known_init(
    struct spf_table *table, struct arena *arena, const struct address *client);

/* The answer to the question; NULL: it isn't known. */
const struct spf_known *spf_known_find(
    const struct spf_table *table, const char *name, enum dns_type type);

/* Keep the answer to a question that isn't known. The name must live as long
 * as the table; the answer is borrowed for the call. NULL: no memory. */
const struct spf_known *spf_known_add(struct spf_table *table,
    const struct dns_question *question, const struct dns_answer *answer);

/* The same for the answer to a hint. Nothing is kept that is too large, or
 * lost: then the question may yet be asked. */
void spf_known_learn(struct spf_table *table,
    const struct dns_question *question, const struct dns_answer *answer);

/* How many leading bits the octets have in common. */
unsigned
spf_known_common_bits(const uint8_t *one, const uint8_t *other, size_t octets);

/* A hash of name, for those that keep lists of names. */
uint32_t spf_known_hash(const char *name);

#endif
