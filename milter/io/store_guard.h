/* store_guard: a store around a store: when the one inside fails, a circuit
 * breaker keeps messages from waiting for it, and the configured on_failure
 * answers meanwhile; every change of state is logged once.
 *
 * The breaker. One call that the store inside can't answer opens it; those that
 * are on their way then end by their own deadlines, and no other begins. While
 * it is open only store_tend() looks, one thread at a time and every retry_ms,
 * whether the store is there again: no message waits for that. A fault of one
 * odd call (FAULT_PERMANENT, while the store answers others) opens nothing. A
 * store that is slow, but within its deadline, is one that answers: what it may
 * cost a message is what the deadline says, and if it gets so slow that calls
 * queue up for its connections, their deadline ends them.
 *
 * What holds while the store is away, for a limit of max per `per`:
 * - has_local (on_failure = local): this host lets no more than max x
 *   local_share pass in any window, what it charged inside before included; so
 *   all hosts that are cut off together no more than that times their number,
 *   beside the max of those that still see the store. Recipients that only the
 *   store inside remembers are new once more. Overrides and blocks hold as they
 *   were up to a second before.
 * - without it the caller refuses for now, or accepts all without any bound;
 *   what it accepts is counted nowhere.
 * - On return what was charged in local is added inside with its time, fits or
 *   not: then a key may stand above max until that leaves its window, and no
 *   more of it passes meanwhile. Of more than GUARD_JOURNAL counts the oldest
 *   are lost, and it is said how many.
 * - A call of which nobody knows whether it was done (its answer was lost) is
 *   charged in local and added on return: such a message counts twice at worst,
 *   so too little may pass, never too much. Each thread has at most one such
 *   message when the breaker opens. What the store loses that it had
 *   acknowledged (a failover, a restart without its data) is told to nobody:
 *   then up to a further max of each key may pass. */
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
	uint64_t local_share; /* percent of max that is enforced there, 1..100,
				 rounded up; 0: all of it */
	uint64_t retry_ms; /* how long the breaker stays open between probes */

	/* Called once for each change of state, outside of all locks, by the
	 * thread that found it out; also at store_guard_open(), when the
	 * store can't be had, or when it came with a notice. May be NULL. */
	void (*on_change)(void *context, bool is_up, const char *words);
	void *on_change_context;
};

enum {
	GUARD_JOURNAL = 16384, /* most counts that wait for the store, and for
				  local */
};

/* A guard. It owns local (may be NULL unless has_local) and what opener
 * opens; context is the caller's and outlives it. Without local, store_charge()
 * fails while the store is away, and the caller applies on_failure. What the
 * store inside counts is told to local by store_tend(), and before local
 * answers; so are the overrides it has. store_reset(), store_set() and
 * store_unset() go to both; they fail if the store inside is away, although
 * local has done it then. store_overrides() and store_counts() show local's
 * while it is away: max is then the share of it. NULL for want of memory. The
 * store need not be there when the guard is opened. */
struct store *store_guard_open(store_opener *opener, void *context,
    struct store *local, const struct guard_rules *rules);

/* Is the store inside answering (breaker closed)? For status. since_ms_out:
 * monotonic time of the last change. */
bool store_guard_is_up(struct store *guard, uint64_t *since_ms_out);

#endif
