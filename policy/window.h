/* window: a sliding window whose state is bounded: a ring of 61 slots, each
 * 1/60 of the window long. The sum of all slots counts everything of the last
 * `per` and nothing older than per × (1 + 1/60): so a limit is never exceeded
 * in any window of that length, whatever the volume (design §6).
 *
 * Pure arithmetic. Slot s covers the times with floor(60 × t / per) = s, in
 * exact integers; t is in milliseconds since the epoch of the store's clock.
 * The clock of a window never goes back: a time before its newest slot is
 * taken as that slot. */
#ifndef POLICY_WINDOW_H
#define POLICY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_SLOTS = 61 };

struct window {
	uint64_t per_ms; /* 1 .. WINDOW_PER_MAX_MS */
	uint64_t newest; /* number of the newest slot */
	uint64_t warned; /* 1 + the slot of the last warning; 0: none */
	uint64_t counts[WINDOW_SLOTS]; /* slot s is counts[s % WINDOW_SLOTS] */
};

#define WINDOW_PER_MAX_MS (366ULL * 24 * 3600 * 1000)

/* The slot of a window of length per_ms that at_ms lies in. */
uint64_t window_slot(uint64_t per_ms, uint64_t at_ms);

/* An empty window of length per_ms. */
void window_init(struct window *window, uint64_t per_ms);

/* Has the sum reached percent (at most 100; 0: never) of max, so that a warning
 * is due? One is for a whole window: for per_ms after one that was due none is,
 * and a slot or two later one is again. Advance first. */
bool window_warn(struct window *window, uint64_t max, uint64_t percent);

/* Move on to now_ms: slots that are older than the ring become empty. Time
 * that goes back changes nothing. */
void window_advance(struct window *window, uint64_t now_ms);

/* Everything in the ring, saturating at UINT64_MAX. Advance first. */
uint64_t window_sum(const struct window *window);

/* Count cost in the newest slot, saturating. Returns the slot's number, to be
 * given to window_take_back(). Advance first. */
uint64_t window_add(struct window *window, uint64_t cost);

/* Count cost at an earlier time (a charge made elsewhere, learnt of late):
 * into that time's slot if the ring still has it, else not at all. A time
 * after the newest slot counts in the newest. */
void window_add_at(struct window *window, uint64_t at_ms, uint64_t cost);

/* Take cost out of a slot again; a slot that the ring no longer has, or that
 * holds less, gives what there is. per_ms is the window's length at the time
 * of the count: it may have been changed since. */
void window_take_back(
    struct window *window, uint64_t per_ms, uint64_t slot, uint64_t cost);

/* The earliest time at which cost more fits under max, if nothing else is
 * counted: now_ms if it fits now, UINT64_MAX if cost alone is above max. */
uint64_t window_room_at(
    const struct window *window, uint64_t now_ms, uint64_t cost, uint64_t max);

/* Change the length at now_ms, which is no earlier than any time that the
 * window was given. Counts move "upwards", to the slot in which theirs ended:
 * they leave no earlier than if they had been counted by the new length from
 * the beginning, so a change never lets more through. What is older than the
 * new length leaves; what the old one had dropped can't come back. */
void window_regrid(struct window *window, uint64_t per_ms, uint64_t now_ms);

/* The time at which the last count leaves the ring: from then on the window is
 * as if it were new. Its newest slot's start if it is empty. */
uint64_t window_idle_at(const struct window *window);

#endif
