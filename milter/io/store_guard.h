/* store_guard: a store around a store: when the one inside fails, a circuit
 * breaker keeps messages from waiting for it, and the configured on_failure
 * answers meanwhile; every change of state is logged once. */
#ifndef MILTER_IO_STORE_GUARD_H
#define MILTER_IO_STORE_GUARD_H

#include "milter/io/store.h"

#include <stdbool.h>
#include <stdint.h>

/* How a guard opens the store inside, at first and after it was lost. Gives
 * NULL with words while it can't be had. notice_out may be filled with what is
 * to be logged although it worked (a damaged file moved aside). */
typedef struct store *
store_opener(void *context, struct fault *notice_out, struct fault *fault);

struct guard_rules {
	bool has_local; /* on_failure = local: enforce over `local` meanwhile */
	uint64_t retry_ms; /* how long the breaker stays open between probes */

	/* Called once for each change of state, outside of all locks, by the
	 * thread that found it out; also at store_guard_open(), when the
	 * store can't be had, or when it came with a notice. May be NULL. */
	void (*on_change)(void *context, bool is_up, const char *words);
	void *on_change_context;
};

enum {
	GUARD_JOURNAL = 16384, /* most charges that wait for the store */
};

/* A guard. It owns local (may be NULL unless has_local) and what opener
 * opens; context is the caller's and outlives it. Without local, store_charge()
 * fails while the store is away, and the caller applies on_failure. Charges
 * made in local while the store was away are added to it, with their time, on
 * return. NULL for want of memory. The store need not be there when the guard
 * is opened. */
struct store *store_guard_open(store_opener *opener, void *context,
    struct store *local, const struct guard_rules *rules);

/* Is the store inside answering (breaker closed)? For status. since_ms_out:
 * monotonic time of the last change. */
bool store_guard_is_up(struct store *guard, uint64_t *since_ms_out);

#endif
