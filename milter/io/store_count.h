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

/* What the charges before the one at index add to that one's key, if they are
 * counted with it. */
uint64_t store_pending(const struct charge *charges, size_t index);

/* Bring a key's window up to limit and now. */
void store_bring_up(
    struct window *window, const struct limit *limit, uint64_t now_ms);

/* Answer one charge from its key's window, which is up to now_ms; pending is
 * what store_pending() says. */
void store_answer(const struct window *window, const struct charge *charge,
    uint64_t pending, uint64_t now_ms, struct charge_answer *answer_out);

/* Count one charge, and say so in its answer. */
void store_count(struct window *window, const struct charge *charge,
    uint64_t now_ms, struct charge_answer *answer);

/* Does a late charge still lie in its window at now_ms? */
bool store_late_counts(const struct store_late *late, uint64_t now_ms);

#endif
