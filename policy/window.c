#include "policy/window.h"

#include <assert.h>
#include <string.h>

/* Times and slot numbers beyond these would overflow below. The first is the
 * year 287,000: no clock says it, but a damaged record might. */
#define TIME_MAX_MS (1ULL << 53)

enum { PARTS = WINDOW_SLOTS - 1 }; /* slots that make up one `per` */

static uint64_t
add_saturated(uint64_t one, uint64_t other)
{
	return one > UINT64_MAX - other ? UINT64_MAX : one + other;
}

/* The least sum that is percent of max, without overflow. */
static uint64_t
part_of(uint64_t max, uint64_t percent)
{
	if (percent > 100)
		percent = 100;
	return max / 100 * percent + (max % 100 * percent + 99) / 100;
}

/* Was there a warning in the last `per`? Where in its slot it was isn't known:
 * so all slots of the ring must have gone by. */
static bool
is_warned(const struct window *window)
{
	return window->warned > 0 && window->warned - 1 <= window->newest
	    && window->newest - (window->warned - 1) < WINDOW_SLOTS;
}

bool
window_warn(struct window *window, uint64_t max, uint64_t percent)
{
	uint64_t sum = window_sum(window);

	if (percent == 0 || sum == 0 || sum < part_of(max, percent)
	    || is_warned(window))
		return false;
	window->warned = window->newest + 1;
	return true;
}

/* Divided first, multiplied afterwards, so that nothing overflows. */
uint64_t
window_slot(uint64_t per_ms, uint64_t at_ms)
{
	assert(per_ms > 0 && per_ms <= WINDOW_PER_MAX_MS);
	if (at_ms > TIME_MAX_MS)
		at_ms = TIME_MAX_MS;
	return at_ms / per_ms * PARTS + at_ms % per_ms * PARTS / per_ms;
}

/* The first millisecond of a slot: of windows below 60 ms not every slot has
 * one of its own. The quotient is split for the same reason as above. */
static uint64_t
slot_begin_ms(uint64_t per_ms, uint64_t slot)
{
	uint64_t rest = slot % PARTS * per_ms;

	return slot / PARTS * per_ms + (rest + PARTS - 1) / PARTS;
}

static uint64_t
slot_last_ms(uint64_t per_ms, uint64_t slot)
{
	uint64_t next = slot_begin_ms(per_ms, slot + 1);

	return next > 0 ? next - 1 : 0;
}

/* The oldest slot of the ring; at the beginning of time there is less than a
 * whole ring. */
static uint64_t
oldest_slot(const struct window *window)
{
	return window->newest < PARTS ? 0 : window->newest - PARTS;
}

static uint64_t *
count_of(struct window *window, uint64_t slot)
{
	return &window->counts[slot % WINDOW_SLOTS];
}

void
window_init(struct window *window, uint64_t per_ms)
{
	assert(per_ms > 0 && per_ms <= WINDOW_PER_MAX_MS);
	memset(window, 0, sizeof *window);
	window->per_ms = per_ms;
}

static void
advance_to_slot(struct window *window, uint64_t slot)
{
	if (slot <= window->newest)
		return;
	if (slot - window->newest >= WINDOW_SLOTS) {
		memset(window->counts, 0, sizeof window->counts);
	} else {
		for (uint64_t s = window->newest + 1; s <= slot; s++)
			*count_of(window, s) = 0;
	}
	window->newest = slot;
}

void
window_advance(struct window *window, uint64_t now_ms)
{
	advance_to_slot(window, window_slot(window->per_ms, now_ms));
}

uint64_t
window_sum(const struct window *window)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < WINDOW_SLOTS; i++)
		sum = add_saturated(sum, window->counts[i]);
	return sum;
}

static void
add_to_slot(struct window *window, uint64_t slot, uint64_t cost)
{
	uint64_t *count = count_of(window, slot);

	*count = add_saturated(*count, cost);
}

uint64_t
window_add(struct window *window, uint64_t cost)
{
	add_to_slot(window, window->newest, cost);
	return window->newest;
}

void
window_add_at(struct window *window, uint64_t at_ms, uint64_t cost)
{
	uint64_t slot = window_slot(window->per_ms, at_ms);

	if (slot > window->newest)
		slot = window->newest;
	if (slot >= oldest_slot(window))
		add_to_slot(window, slot, cost);
}

/* Returns what of cost the slot did not hold. */
static uint64_t
take_from_slot(struct window *window, uint64_t slot, uint64_t cost)
{
	uint64_t *count = count_of(window, slot);
	uint64_t taken = *count < cost ? *count : cost;

	*count -= taken;
	return cost - taken;
}

/* After a change of the length a count lies somewhere in the times that its
 * slot stood for. Taken from the earliest of them: what stays then leaves the
 * ring too late rather than too soon. False if it might have left already:
 * then others' counts would be taken instead. */
static bool
find_moved(const struct window *window, uint64_t per_ms, uint64_t slot,
    uint64_t *first_out, uint64_t *last_out)
{
	uint64_t begin_ms = slot_begin_ms(per_ms, slot);
	uint64_t now_ms = slot_last_ms(window->per_ms, window->newest);
	uint64_t least_ms = per_ms < window->per_ms ? per_ms : window->per_ms;

	if (now_ms > begin_ms && now_ms - begin_ms > least_ms)
		return false;
	*first_out = window_slot(window->per_ms, begin_ms);
	*last_out = window_slot(window->per_ms, slot_last_ms(per_ms, slot));
	return true;
}

void
window_take_back(
    struct window *window, uint64_t per_ms, uint64_t slot, uint64_t cost)
{
	uint64_t first = slot;
	uint64_t last = slot;

	if (per_ms != window->per_ms
	    && !find_moved(window, per_ms, slot, &first, &last))
		return;
	if (first < oldest_slot(window))
		first = oldest_slot(window);
	if (last > window->newest)
		last = window->newest;
	for (uint64_t s = first; s <= last && cost > 0; s++)
		cost = take_from_slot(window, s, cost);
}

uint64_t
window_room_at(
    const struct window *window, uint64_t now_ms, uint64_t cost, uint64_t max)
{
	uint64_t sum = window_sum(window);

	if (cost > max)
		return UINT64_MAX;
	if (sum <= max - cost)
		return now_ms;
	if (sum == UINT64_MAX) /* saturated: what is left isn't known */
		return slot_begin_ms(
		    window->per_ms, window->newest + WINDOW_SLOTS);

	for (uint64_t s = oldest_slot(window); s <= window->newest; s++) {
		sum -= window->counts[s % WINDOW_SLOTS];
		if (sum <= max - cost)
			return slot_begin_ms(window->per_ms, s + WINDOW_SLOTS);
	}
	assert(false); /* an empty ring has room for what max has room for */
	return UINT64_MAX;
}

/* The slot of moved in which one of a window of another length ended. */
static uint64_t
moved_slot(const struct window *moved, uint64_t per_ms, uint64_t slot)
{
	uint64_t ended = window_slot(moved->per_ms, slot_last_ms(per_ms, slot));

	return ended < moved->newest ? ended : moved->newest;
}

void
window_regrid(struct window *window, uint64_t per_ms, uint64_t now_ms)
{
	struct window moved;
	uint64_t begin_ms = slot_begin_ms(window->per_ms, window->newest);

	if (per_ms == window->per_ms)
		return;
	window_init(&moved, per_ms);
	moved.newest =
	    window_slot(per_ms, now_ms > begin_ms ? now_ms : begin_ms);

	/* Where in its slot a count was made isn't known. It is taken to have
	 * been at the slot's end, as late as can be, but not in the future. */
	for (uint64_t s = oldest_slot(window); s <= window->newest; s++) {
		uint64_t cost = window->counts[s % WINDOW_SLOTS];

		window_add_at(&moved, slot_last_ms(window->per_ms, s), cost);
	}
	if (is_warned(window))
		moved.warned =
		    1 + moved_slot(&moved, window->per_ms, window->warned - 1);
	*window = moved;
}

uint64_t
window_idle_at(const struct window *window)
{
	for (uint64_t s = window->newest;; s--) {
		if (window->counts[s % WINDOW_SLOTS] > 0)
			return slot_begin_ms(window->per_ms, s + WINDOW_SLOTS);
		if (s == oldest_slot(window))
			break;
	}
	return slot_begin_ms(window->per_ms, window->newest);
}
