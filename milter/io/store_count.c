#include "milter/io/store_count.h"

#include <stdlib.h>
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
store_pending(const struct charge *charges, const struct charge_answer *answers,
    size_t index)
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
		if (pending > UINT64_MAX - answers[i].cost)
			return UINT64_MAX;
		pending += answers[i].cost;
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

/* When an override ends there may be room though it has none. */
static uint64_t
room_at(const struct window *window, uint64_t now_ms, uint64_t cost,
    uint64_t max, const struct count_override *override, uint64_t other_max)
{
	uint64_t at_ms = window_room_at(window, now_ms, cost, max);
	uint64_t then_ms;

	if (!override->is_there || override->until_ms == 0
	    || at_ms <= override->until_ms)
		return at_ms;
	then_ms = window_room_at(window, now_ms, cost, other_max);
	return then_ms > override->until_ms ? then_ms : override->until_ms;
}

void
store_answer(const struct window *window, const struct charge *charge,
    const struct count_override *override, uint64_t cost, uint64_t pending,
    uint64_t now_ms, struct charge_answer *answer_out)
{
	static const struct window none = { .per_ms = 1 };
	uint64_t max = override->is_there ? override->max : charge->limit->max;
	uint64_t all =
	    cost > UINT64_MAX - pending ? UINT64_MAX : cost + pending;

	if (window == NULL)
		window = &none;
	answer_out->used = window_sum(window);
	answer_out->cost = cost;
	answer_out->max = max;
	answer_out->is_overridden = override->is_there;
	answer_out->fits = all <= max && answer_out->used <= max - all;
	answer_out->room_at_ms =
	    room_at(window, now_ms, all, max, override, charge->limit->max);
	answer_out->one_at_ms =
	    room_at(window, now_ms, 1, max, override, charge->limit->max);
	answer_out->slot = window->newest;
}

void
store_count(struct window *window, const struct charge *charge,
    const struct count_override *override, uint64_t now_ms,
    struct charge_answer *answer)
{
	answer->slot = window_add(window, answer->cost);
	answer->one_at_ms = room_at(
	    window, now_ms, 1, answer->max, override, charge->limit->max);
	answer->warns =
	    window_warn(window, answer->max, charge->limit->warn_percent);
}

bool
store_refuses(const struct charge *charges, const struct charge_answer *answers,
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (charges[i].is_binding && charges[i].refuses
		    && !answers[i].fits)
			return true;
	return false;
}

bool
store_is_counted(const struct charge *charge,
    const struct charge_answer *answer, bool refuses)
{
	return (refuses ? charge->is_look && charge->counts_refusal
			: !charge->is_look)
	    && answer->cost > 0 && charge->limit->count != LIMIT_BLOCKS;
}

static bool
has(const uint64_t *digests, size_t count, uint64_t digest)
{
	for (size_t i = 0; i < count; i++)
		if (digests[i] == digest)
			return true;
	return false;
}

static int
compare_digests(const void *one, const void *other)
{
	uint64_t a = *(const uint64_t *)one;
	uint64_t b = *(const uint64_t *)other;

	return (a > b) - (a < b);
}

/* What is known is few, but a message may have many recipients: these are in
 * order. */
static bool
goes_to(const struct charge *charge, uint64_t digest)
{
	return charge->recipient_count > 0
	    && bsearch(&digest, charge->recipients, charge->recipient_count,
		   sizeof digest, compare_digests)
	    != NULL;
}

uint64_t
store_new_cost(
    const struct count_recipients *known, const struct charge *charge)
{
	uint64_t found = 0;

	for (size_t i = 0; i < known->newer_count; i++)
		found += goes_to(charge, known->newer[i]);
	for (size_t i = 0; i < known->older_count; i++)
		found += goes_to(charge, known->older[i])
		    && !has(known->newer, known->newer_count, known->older[i]);
	return charge->cost > found ? charge->cost - found : 0;
}

void
store_remember(struct count_recipients *known, const struct charge *charge)
{
	size_t i = 0;

	/* The others would be forgotten again at once. */
	if (charge->recipient_count > 2 * STORE_RECIPIENTS)
		i = charge->recipient_count - 2 * STORE_RECIPIENTS;
	for (; i < charge->recipient_count; i++) {
		uint64_t digest = charge->recipients[i];

		if (has(known->newer, known->newer_count, digest))
			continue;
		if (known->newer_count == STORE_RECIPIENTS) {
			uint64_t *emptied = known->older;

			known->older = known->newer;
			known->older_count = known->newer_count;
			known->newer = emptied;
			known->newer_count = 0;
		}
		known->newer[known->newer_count++] = digest;
	}
}

static void
forget(uint64_t *digests, size_t *count, const struct charge *charge)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		if (!goes_to(charge, digests[i]))
			digests[kept++] = digests[i];
	*count = kept;
}

void
store_forget(struct count_recipients *known, const struct charge *charge)
{
	forget(known->newer, &known->newer_count, charge);
	forget(known->older, &known->older_count, charge);
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
