/* opendkim_find: the lines of a SigningTable that fit an address, found in
 * time that grows with the address and not with the table. For conf/opendkim
 * alone. */
#ifndef CONF_OPENDKIM_FIND_H
#define CONF_OPENDKIM_FIND_H

#include "conf/opendkim_rules.h"

#include <stdbool.h>
#include <stddef.h>

struct opendkim_pick {
	const struct opendkim_entry *entry;
	const char *signer; /* of its line; NULL: none */
	size_t order;
};

/* The entries found for a question, each once, the least order first: a few
 * of them, however many there are. */
struct opendkim_picks {
	struct opendkim_pick *picks;
	size_t most;
	size_t count;
};

/* Make room for the most entries that a question wants, in arena. False: no
 * memory. */
bool opendkim_picks_init(
    struct opendkim_picks *picks, struct arena *arena, size_t most);

/* Add an entry, unless it is there already or there are enough before it. */
void opendkim_picks_add(
    struct opendkim_picks *picks, const struct opendkim_pick *pick);

/* Add the entries for an address, as OpenDKIM's MultipleSignatures would: for
 * a refile those of all lines that fit, in the file's order; for a plain file
 * those of user@host, host, user@.domain and .domain for what is behind each
 * dot of the host, user@* and *. local is in lower case, domain normalised.
 * False: no memory. */
bool opendkim_find(const struct opendkim_rules *rules,
    const struct opendkim_keys *keys, const char *local, const char *domain,
    struct arena *arena, struct opendkim_picks *picks);

#endif
