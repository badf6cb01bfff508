/* store_count: what every store that counts by itself does alike: its clock,
 * and what it answers once it has a key's window. */
#ifndef MILTER_IO_STORE_COUNT_H
#define MILTER_IO_STORE_COUNT_H

#include "milter/io/store.h"
#include "policy/limits.h"
#include "policy/window.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A clock that never goes back, whatever is done to the one it reads: it then
 * ticks on from where it was. So a host that was in the year 2040 for a minute
 * neither forgets its counts when it comes back, nor keeps them till then.
 * Atomic. */
struct store_clock {
	uint64_t (*read_ms)(void *context); /* NULL: the system's */
	void *context;
	_Atomic uint64_t ahead_ms; /* of what is read */
	_Atomic uint64_t told_ms;  /* the latest time given to anybody */
};

/* The time now, no earlier than any time that was given before, and than
 * last_ms: the latest that the store has written down, which is read before
 * the clock is. */
uint64_t store_clock_now(struct store_clock *clock, uint64_t last_ms);

/* What the charges before the one at index, which are answered already, add to
 * that one's key, if they are counted with it. */
uint64_t store_pending(const struct charge *charges,
    const struct charge_answer *answers, size_t index);

/* Bring a key's window up to limit and now. */
void store_bring_up(
    struct window *window, const struct limit *limit, uint64_t now_ms);

/* The override of a charge's key, if it has one that hasn't ended. */
struct count_override {
	bool is_there;
	uint64_t max;
	uint64_t until_ms; /* 0: no end */
};

/* Answer one charge from its key's window, which is up to now_ms; pending is
 * what store_pending() says; cost is charge->cost, but of new recipients those
 * that are. A limit of LIMIT_BLOCKS has no window (NULL). */
void store_answer(const struct window *window, const struct charge *charge,
    const struct count_override *override, uint64_t cost, uint64_t pending,
    uint64_t now_ms, struct charge_answer *answer_out);

/* Was nothing counted because of a charge that refuses, so that refusals are
 * to be? */
bool store_refuses(const struct charge *charges,
    const struct charge_answer *answers, size_t count);

/* Is a charge counted when its message is? Of one that is refused only looks
 * that count refusals are. */
bool store_is_counted(const struct charge *charge,
    const struct charge_answer *answer, bool refuses);

/* Which of the recipients of a message have been written to: a list of
 * digests, newest at the end; the older of the two generations goes when the
 * newer one has STORE_RECIPIENTS. */
struct count_recipients {
	uint64_t *newer; /* room for STORE_RECIPIENTS */
	size_t newer_count;
	uint64_t *older; /* likewise */
	size_t older_count;
};

/* What a charge for new recipients costs. */
uint64_t store_new_cost(
    const struct count_recipients *known, const struct charge *charge);

/* Remember those of a charge, and forget them. */
void
store_remember(struct count_recipients *known, const struct charge *charge);
void store_forget(struct count_recipients *known, const struct charge *charge);

/* Count one charge at what its answer says that it costs, and say so there:
 * slot, one_at_ms and warns. */
void store_count(struct window *window, const struct charge *charge,
    const struct count_override *override, uint64_t now_ms,
    struct charge_answer *answer);

/* Does a late charge still lie in its window at now_ms? */
bool store_late_counts(const struct store_late *late, uint64_t now_ms);

#endif
