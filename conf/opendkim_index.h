/* opendkim_index: from texts to the numbers of what has them, in one step. It
 * holds numbers only; whose text it is, the caller knows. Names come from
 * customers, so that its hash is keyed. For conf/opendkim alone. */
#ifndef CONF_OPENDKIM_INDEX_H
#define CONF_OPENDKIM_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPENDKIM_NONE UINT32_MAX

struct opendkim_slot {
	uint32_t tag;    /* of the hash */
	uint32_t number; /* OPENDKIM_NONE: free */
};

struct opendkim_index {
	uint64_t seed[2];
	struct opendkim_slot *slots;
	size_t mask; /* of places in slots, which are a power of two */
};

/* Make room for count numbers. False: no memory. */
bool opendkim_index_init(struct opendkim_index *index, size_t count);

/* What numbers are put and found under. */
uint64_t
opendkim_index_hash(const struct opendkim_index *index, const char *text);

/* The place of the first number that may have been put under hash, or, after
 * not NULL, of the next one; NULL: there is no more. */
uint32_t *opendkim_index_find(
    const struct opendkim_index *index, uint64_t hash, const uint32_t *after);

/* Put one more number; no more than there is room for. */
void opendkim_index_put(
    struct opendkim_index *index, uint64_t hash, uint32_t number);

/* Free it; one that was only zeroed, too. */
void opendkim_index_clear(struct opendkim_index *index);

#endif
