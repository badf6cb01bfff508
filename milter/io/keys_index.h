/* keys_index: the cache's entries by name and place, found in a time that
 * doesn't grow with how many there are: a hash table with chains, which grows
 * as it fills. Names come from outside; the seed is drawn at random, so that
 * nobody can choose names that fall into one chain. Holds no entry: the cache
 * does. Not locked. Private to keys. */
#ifndef MILTER_IO_KEYS_INDEX_H
#define MILTER_IO_KEYS_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_place;
struct known;

struct keys_index {
	struct known **chains;
	size_t chain_count; /* a power of two, or none yet */
	size_t count;       /* of entries */
	uint64_t seed[2];
};

/* An empty index, which takes no memory. False: the system gave no random
 * numbers. */
bool keys_index_init(struct keys_index *index);

/* The entry of name in place, or NULL. */
struct known *keys_index_find(const struct keys_index *index,
    const struct key_place *place, const char *name);

/* Put entry, whose name and place aren't there yet, among the others; it stays
 * where it is in memory until it is removed. False: no memory. */
bool keys_index_add(struct keys_index *index, struct known *entry);

/* Take entry, which is there, out. */
void keys_index_remove(struct keys_index *index, struct known *entry);

/* Free what it has for the chains; no entry may be left. */
void keys_index_clear(struct keys_index *index);

#endif
