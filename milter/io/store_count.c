#include "milter/io/store_count.h"

#include <string.h>
#include <time.h>

static uint64_t
system_ms(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The clock is read last: so it is behind the others only if it went back. */
uint64_t
store_clock_now(struct store_clock *clock, uint64_t last_ms)
{
	uint64_t told_ms = atomic_load(&clock->told_ms);
	uint64_t least_ms = told_ms > last_ms ? told_ms : last_ms;
	uint64_t ahead_ms = atomic_load(&clock->ahead_ms);
	uint64_t read_ms = clock->read_ms != NULL
	    ? clock->read_ms(clock->context)
	    : system_ms();
	uint64_t now_ms;

	while (read_ms + ahead_ms < least_ms)
		if (atomic_compare_exchange_weak(
			&clock->ahead_ms, &ahead_ms, least_ms - read_ms)) {
			ahead_ms = least_ms - read_ms;
			break;
		}
	now_ms = read_ms + ahead_ms;
	while (told_ms < now_ms
	    && !atomic_compare_exchange_weak(&clock->told_ms, &told_ms, now_ms))
		continue;
	return now_ms;
}

uint64_t
store_pending(const struct charge *charges, size_t index)
{
	const struct charge *charge = &charges[index];
	uint64_t pending = 0;

	for (size_t i = 0; i < index; i++) {
		if (charges[i].is_look
		    || (charges[i].limit != charge->limit
			&& strcmp(charges[i].limit->name, charge->limit->name)
			    != 0)
		    || strcmp(charges[i].key, charge->key) != 0)
			continue;
		if (pending > UINT64_MAX - charges[i].cost)
			return UINT64_MAX;
		pending += charges[i].cost;
	}
	return pending;
}

void
store_bring_up(
    struct window *window, const struct limit *limit, uint64_t now_ms)
{
	window_regrid(window, limit->per_ms, now_ms);
	window_advance(window, now_ms);
}

void
store_answer(const struct window *window, const struct charge *charge,
    uint64_t pending, uint64_t now_ms, struct charge_answer *answer_out)
{
	uint64_t max = charge->limit->max;
	uint64_t cost = charge->cost > UINT64_MAX - pending
	    ? UINT64_MAX
	    : charge->cost + pending;

	answer_out->used = window_sum(window);
	answer_out->fits = cost <= max && answer_out->used <= max - cost;
	answer_out->room_at_ms = window_room_at(window, now_ms, cost, max);
	answer_out->one_at_ms = window_room_at(window, now_ms, 1, max);
	answer_out->slot = window->newest;
}

void
store_count(struct window *window, const struct charge *charge, uint64_t now_ms,
    struct charge_answer *answer)
{
	answer->slot = window_add(window, charge->cost);
	answer->one_at_ms =
	    window_room_at(window, now_ms, 1, charge->limit->max);
}

bool
store_late_counts(const struct store_late *late, uint64_t now_ms)
{
	uint64_t per_ms = late->limit->per_ms;

	return late->cost > 0 && late->age_ms <= now_ms
	    && window_slot(per_ms, now_ms)
		- window_slot(per_ms, now_ms - late->age_ms)
	    < WINDOW_SLOTS;
}
