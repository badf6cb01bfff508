/* refusals: who is known to be over a limit or blocked, remembered in this
 * process so that he is refused at MAIL without asking the store. Locked
 * inside. Bounded: when full, the one that ends soonest goes (it then merely
 * costs a round trip to the store). */
#ifndef MILTER_IO_REFUSALS_H
#define MILTER_IO_REFUSALS_H

#include "milter/io/store.h"
#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct refusals;

/* What is remembered of one key. Mere data. */
struct refusal {
	enum reason reason; /* REASON_LIMIT or REASON_BLOCKED */
	char limit_name[LIMIT_NAME_OCTETS + 1];
	uint64_t max; /* what the limit allows this key */
	/* When it ends, by the monotonic clock; UINT64_MAX: not before it is
	 * forgotten. */
	uint64_t until_ms;
	char words[STORE_WORDS + 1]; /* why it is blocked; "" nothing said */
};

/* An empty memory for at most most keys. NULL: no memory. */
struct refusals *refusals_open(size_t most);

/* Remember a refusal of the key of that kind; all is copied. Of two limits the
 * one that ends later stays, of one what was learnt last. A block stays in the
 * place of any limit. */
void refusals_add(struct refusals *refusals, enum limit_key kind,
    const char *key, const struct refusal *refusal);

/* Is the key remembered at now_ms? *refusal_out is then filled. While nothing
 * is remembered it costs no lock. */
bool refusals_find(struct refusals *refusals, enum limit_key kind,
    const char *key, uint64_t now_ms, struct refusal *refusal_out);

/* Forget all (a reset, another override, a new configuration). */
void refusals_clear(struct refusals *refusals);

/* How many are remembered, those that have ended not counted. */
size_t refusals_count(struct refusals *refusals, uint64_t now_ms);

/* Free it. Empties the pointer; takes NULL. */
void refusals_close(struct refusals **refusals);

#endif
