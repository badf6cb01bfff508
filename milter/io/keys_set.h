/* keys_set: a few parsed keys, counted, with what is needed to see whether they
 * are still what was read. Not locked: the cache's lock guards who holds one.
 * Private to keys. */
#ifndef MILTER_IO_KEYS_SET_H
#define MILTER_IO_KEYS_SET_H

#include "milter/io/keys_file.h"

enum { KEYS_DIGEST_OCTETS = 16 };

/* Where a key of a set is from. */
struct key_origin {
	struct key_stamp stamp; /* of its file */
	struct key_set *lender; /* or whose key it is; held */
};

struct key_set {
	struct key_ring ring; /* what callers see: it comes first */
	size_t holders;
	struct key_set *next; /* among those to be freed */
	/* What was looked at beside the keys: */
	struct key_stamp directory;
	bool has_directory;
	unsigned char digest[KEYS_DIGEST_OCTETS]; /* of a map's value */
	size_t most;
	const char *domain;
	struct key_origin *origins; /* as many as keys */
	struct key keys[];          /* in the order of their selectors */
};

/* An empty set with room for most keys, all with this d=; one holder, the
 * caller. NULL: no memory. */
struct key_set *keys_set_open(const char *domain, size_t most);

/* Put a key in its place among the others, of which there are fewer than most;
 * the set has it then. stamp may be NULL. False: no memory. */
bool keys_set_take(struct key_set *set, const char *selector,
    struct parsed_key *key, const struct key_stamp *stamp);

/* Put the only key of lender there, under this domain and selector. The set
 * becomes one more holder of lender. False: no memory. */
bool keys_set_borrow(
    struct key_set *set, const char *selector, struct key_set *lender);

/* One holder less; takes NULL. Who nobody holds any more, set and lenders, are
 * put before *garbage, for keys_set_free_all(): freeing needs no lock. */
void keys_set_drop(struct key_set *set, struct key_set **garbage);

/* Free all of the list. Empties it. */
void keys_set_free_all(struct key_set **garbage);

/* Give a set back that only the caller knows. Empties the pointer; takes
 * NULL. */
void keys_set_close(struct key_set **set);

#endif
