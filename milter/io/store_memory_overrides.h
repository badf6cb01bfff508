/* store_memory_overrides: the overrides of a store in memory. One user at a
 * time. */
#ifndef MILTER_IO_STORE_MEMORY_OVERRIDES_H
#define MILTER_IO_STORE_MEMORY_OVERRIDES_H

#include "milter/io/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_overrides;

/* None yet; NULL: no memory. */
struct memory_overrides *memory_overrides_open(void);

/* The override of a key that hasn't ended at now_ms; NULL: there is none. It
 * stays as it is until the next call that changes something. */
const struct store_override *
memory_overrides_find(const struct memory_overrides *overrides,
    const char *limit_name, const char *key, uint64_t now_ms);

/* As store_set() and store_unset(). */
bool memory_overrides_set(struct memory_overrides *overrides,
    const struct store_override *override, uint64_t now_ms,
    struct fault *fault);
bool memory_overrides_unset(struct memory_overrides *overrides,
    const char *limit_name, const char *key, uint64_t now_ms);

/* Copies of overrides that the caller has to itself. */
enum { MEMORY_OVERRIDES_BATCH = 32 };
struct memory_overrides_batch {
	struct store_override *all[MEMORY_OVERRIDES_BATCH];
	size_t count;
};

/* Copy the next of those that haven't ended, from *place_io downwards;
 * SIZE_MAX to begin with. No more: the batch is empty. One that is removed
 * between two calls can make another be given twice. False: no memory. */
bool
memory_overrides_copy(const struct memory_overrides *overrides, uint64_t now_ms,
    size_t *place_io, struct memory_overrides_batch *batch_out);

/* Free what a batch holds. */
void memory_overrides_free(struct memory_overrides_batch *batch);

/* Drop a bounded number of those that have ended. */
void memory_overrides_tend(struct memory_overrides *overrides, uint64_t now_ms);

/* Free them. Empties the pointer; takes NULL. */
void memory_overrides_close(struct memory_overrides **overrides);

#endif
