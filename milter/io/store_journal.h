/* store_journal: charges that wait for a store that is away. Those of one key
 * in one slot of its window are one entry, so that it grows with the number
 * of keys, not of messages; and it is bounded: when it is full, the oldest
 * entry goes. One user at a time. */
#ifndef MILTER_IO_STORE_JOURNAL_H
#define MILTER_IO_STORE_JOURNAL_H

#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

/* An entry that was taken out; limit has name and per_ms only. */
struct journal_entry {
	struct limit limit;
	const char *key;
	uint64_t cost;
	uint64_t at_ms; /* by the clock that journal_add() was told */
};

/* An empty journal for at most most entries. NULL: no memory. */
struct journal *journal_open(size_t most);

/* Note that cost was charged at at_ms. */
void journal_add(struct journal *journal, const struct limit *limit,
    const char *key, uint64_t at_ms, uint64_t cost);

/* Undo that, as far as it is still here. Returns how much of cost was. */
uint64_t journal_take_back(struct journal *journal, const struct limit *limit,
    const char *key, uint64_t at_ms, uint64_t cost);

/* Strike out what stands for key under limit. */
void journal_forget(
    struct journal *journal, const struct limit *limit, const char *key);

/* Take out the oldest entry; NULL if there is none. It is the caller's, to be
 * freed or put back. */
struct journal_entry *journal_take(struct journal *journal);
void journal_put_back(struct journal *journal, struct journal_entry *entry);
void journal_free(struct journal_entry **entry);

/* How many entries wait. */
size_t journal_count(const struct journal *journal);

/* How many entries were lost since this was last asked. */
size_t journal_lost(struct journal *journal);

/* Free it. Empties the pointer; takes NULL. */
void journal_close(struct journal **journal);

#endif
