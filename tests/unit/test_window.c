/* The arithmetic of the sliding window: known cases, and a comparison with a
 * plain model that keeps every event. */
#include "policy/window.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 400, STEPS = 400 };

/* xorshift64*: the same numbers everywhere, from a seed that is printed. */
static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ULL;
}

static uint64_t
below(uint64_t *seed, uint64_t limit)
{
	return next_random(seed) % limit;
}

static const uint64_t lengths[] = { 1, 2, 7, 59, 60, 61, 100, 1000, 3599, 60000,
	3600000, 86400000, WINDOW_PER_MAX_MS };

enum { LENGTHS = sizeof lengths / sizeof lengths[0] };

/* Every event that was counted, with its time. */
struct event {
	uint64_t at_ms;
	uint64_t cost;
	uint64_t slot;
};

struct model {
	struct event events[STEPS];
	size_t count;
	uint64_t now_ms; /* never goes back */
};

/* What was counted and is at most age_ms old. */
static uint64_t
sum_within(const struct model *model, uint64_t age_ms)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < model->count; i++)
		if (model->now_ms - model->events[i].at_ms <= age_ms)
			sum += model->events[i].cost;
	return sum;
}

/* What was counted in the last per × 61/60, which is open at its end. */
static uint64_t
sum_of_ring(const struct model *model, uint64_t per_ms)
{
	return sum_within(model, (per_ms * 61 + 59) / 60 - 1);
}

static void
note(struct model *model, uint64_t cost, uint64_t slot)
{
	model->events[model->count++] = (struct event){
		.at_ms = model->now_ms, .cost = cost, .slot = slot
	};
}

/* The next moment: often one at which a slot begins or ends, or an event
 * leaves. */
static uint64_t
next_time(const struct model *model, uint64_t per_ms, uint64_t *seed)
{
	uint64_t now = model->now_ms;
	uint64_t slot = window_slot(per_ms, now);
	uint64_t next = now;

	switch (below(seed, 8)) {
	case 0:
		return now;
	case 1: /* a slot's edge, rounded either way */
		next = (slot + below(seed, 64)) * per_ms / 60 + below(seed, 3);
		break;
	case 2:
		if (model->count > 0)
			next = model->events[below(seed, model->count)].at_ms
			    + per_ms + below(seed, 3);
		break;
	case 3:
		if (model->count > 0)
			next = model->events[below(seed, model->count)].at_ms
			    + per_ms * 61 / 60 + below(seed, 3);
		break;
	case 4:
		next = now + below(seed, per_ms * 3 + 1);
		break;
	case 5: /* back: the window stays where it is */
		return now - below(seed, now < per_ms ? now + 1 : per_ms + 1);
	default:
		next = now + below(seed, per_ms / 20 + 2);
		break;
	}
	return next > 0 ? next - 1 : 0;
}

static void
step(struct window *window, struct model *model, uint64_t max, uint64_t *seed,
    uint64_t start_seed)
{
	uint64_t per = window->per_ms;
	uint64_t clock = next_time(model, per, seed);
	uint64_t cost = below(seed, max + 2);
	uint64_t least;
	uint64_t most;
	uint64_t used;

	if (clock > model->now_ms)
		model->now_ms = clock;
	window_advance(window, clock);
	used = window_sum(window);
	least = sum_within(model, per);
	most = sum_of_ring(model, per);
	if (used < least || used > most)
		fail_msg("seed %" PRIu64 ": per %" PRIu64 " at %" PRIu64
			 ": wanted %" PRIu64 "..%" PRIu64 ", got %" PRIu64,
		    start_seed, per, model->now_ms, least, most, used);
	if (cost <= max && used <= max - cost) {
		note(model, cost, window_add(window, cost));
		if (sum_within(model, per) > max)
			fail_msg("seed %" PRIu64 ": per %" PRIu64
				 ": wanted at most %" PRIu64 ", got %" PRIu64,
			    start_seed, per, max, sum_within(model, per));
	}
	if (model->count > 0 && below(seed, 10) == 0) {
		size_t i = below(seed, model->count);

		window_take_back(
		    window, per, model->events[i].slot, model->events[i].cost);
		model->events[i].cost = 0;
	}
}

static void
test_model(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 7919;
		struct model model = { .count = 0 };
		struct window window;
		uint64_t max = below(&seed, 50);

		window_init(&window, lengths[below(&seed, LENGTHS)]);
		model.now_ms =
		    below(&seed, 2) ? 1700000000000ULL : below(&seed, 1000);
		window_advance(&window, model.now_ms);
		for (size_t i = 0; i < STEPS; i++)
			step(&window, &model, max, &seed, start);
	}
}

/* After any changes of length, what is younger than the length and was never
 * older than a length before is still counted. */
static void
test_regrid_model(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 104729;
		struct model model = { .now_ms = 1700000000000ULL };
		struct window window;

		window_init(&window, lengths[below(&seed, LENGTHS)]);
		window_advance(&window, model.now_ms);
		for (size_t i = 0; i < STEPS; i++) {
			uint64_t per = window.per_ms;
			uint64_t least;

			model.now_ms += below(&seed, per / 10 + 2);
			if (below(&seed, 8) == 0) {
				for (size_t e = 0; e < model.count; e++)
					if (model.now_ms - model.events[e].at_ms
					    > per)
						model.events[e].cost = 0;
				per = lengths[below(&seed, LENGTHS)];
				window_regrid(&window, per, model.now_ms);
			}
			window_advance(&window, model.now_ms);
			note(&model, 1, window_add(&window, 1));
			least = sum_within(&model, per);
			if (window_sum(&window) < least)
				fail_msg("seed %" PRIu64 ", step %zu: wanted "
					 "at least %" PRIu64 ", got %" PRIu64,
				    start, i, least, window_sum(&window));
		}
	}
}

/* What is given back after a change of length never lets more through. */
static void
test_refund_after_regrid(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 15485863;
		uint64_t old_per = lengths[below(&seed, LENGTHS)];
		uint64_t new_per = lengths[below(&seed, LENGTHS)];
		struct model model = { .now_ms = 1700000000000ULL };
		struct window window;
		size_t back;

		window_init(&window, old_per);
		for (size_t i = 0; i < 40; i++) {
			model.now_ms += below(&seed, old_per / 60 + 2);
			window_advance(&window, model.now_ms);
			note(&model, 1, window_add(&window, 1));
		}
		for (size_t e = 0; e < model.count; e++)
			if (model.now_ms - model.events[e].at_ms > old_per)
				model.events[e].cost = 0;
		window_regrid(&window, new_per, model.now_ms);
		back = below(&seed, model.count);
		window_take_back(&window, old_per, model.events[back].slot, 1);
		model.events[back].cost = 0;
		for (size_t i = 0; i < 100; i++) {
			window_advance(&window, model.now_ms);
			if (window_sum(&window) < sum_within(&model, new_per))
				fail_msg("seed %" PRIu64 ", step %zu: wanted "
					 "at least %" PRIu64 ", got %" PRIu64,
				    start, i, sum_within(&model, new_per),
				    window_sum(&window));
			model.now_ms += below(&seed, new_per / 30 + 2);
		}
	}
}

/* Room is there at the time that was said, and not before. */
static void
test_room_model(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 32452843;
		uint64_t max = 1 + below(&seed, 20);
		uint64_t now = 1700000000000ULL + below(&seed, 100000);
		uint64_t per = lengths[below(&seed, LENGTHS)];
		struct window window;

		window_init(&window, per);
		for (size_t i = 0; i < STEPS; i++) {
			uint64_t cost = 1 + below(&seed, max);
			struct window later;
			uint64_t room;

			now += below(&seed, per / 30 + 2);
			window_advance(&window, now);
			room = window_room_at(&window, now, cost, max);
			later = window;
			window_advance(&later, room);
			if (room < now || window_sum(&later) > max - cost)
				fail_msg("seed %" PRIu64 ": wanted room at "
					 "%" PRIu64 ", got none",
				    start, room);
			later = window;
			window_advance(&later, room - 1);
			if (room > now && window_sum(&later) <= max - cost)
				fail_msg("seed %" PRIu64 ": wanted no room "
					 "before %" PRIu64 ", got some",
				    start, room);
			if (room == now)
				(void)window_add(&window, cost);
		}
	}
}

static void
want_warning(const char *name, bool wanted, bool got)
{
	if (wanted != got)
		fail_msg("%s: wanted %s, got %s", name,
		    wanted ? "a warning" : "none", got ? "one" : "none");
}

/* When a warning is due; of a window with one count in it. */
static void
test_warn(void **state)
{
	static const struct {
		const char *name;
		uint64_t sum, max, percent;
		bool want;
	} cases[] = {
		{ "below", 79, 100, 80, false },
		{ "reached", 80, 100, 80, true },
		{ "above max", 200, 100, 80, true },
		{ "rounded up", 5, 7, 80, false },
		{ "rounded up, reached", 6, 7, 80, true },
		{ "all of it", 99, 100, 100, false },
		{ "all of it, reached", 100, 100, 100, true },
		{ "more than all of it is all of it", 100, 100, 250, true },
		{ "one percent of little", 1, 3, 1, true },
		{ "never", 100, 100, 0, false },
		{ "nothing was counted", 0, 0, 80, false },
		{ "max 0", 1, 0, 80, true },
		{ "the largest max", UINT64_MAX, UINT64_MAX, 100, true },
		{ "the largest max, not reached", UINT64_MAX - 1, UINT64_MAX,
		    100, false },
		{ "half of the largest max", UINT64_MAX / 2 + 1, UINT64_MAX, 50,
		    true },
		{ "nearly half of it", UINT64_MAX / 2 - 1, UINT64_MAX, 50,
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct window window;

		window_init(&window, 60);
		window_advance(&window, 1000);
		(void)window_add(&window, cases[i].sum);
		want_warning(cases[i].name, cases[i].want,
		    window_warn(&window, cases[i].max, cases[i].percent));
		want_warning("a second time", false,
		    window_warn(&window, cases[i].max, cases[i].percent));
	}
}

static void
test_warn_again(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	window_advance(&window, 1000);
	(void)window_add(&window, 9);
	want_warning("the first", true, window_warn(&window, 10, 80));
	window_advance(&window, 1060);
	(void)window_add(&window, 9);
	want_warning("after per", false, window_warn(&window, 10, 80));
	window_advance(&window, 1061);
	want_warning(
	    "after per and a slot", true, window_warn(&window, 10, 80));
	window_advance(&window, 500);
	want_warning("back in time", false, window_warn(&window, 10, 80));

	/* What a damaged record may say. */
	window.warned = UINT64_MAX;
	want_warning(
	    "warned in the future", true, window_warn(&window, 10, 80));
	window.warned = window.newest + 2;
	want_warning("just so", true, window_warn(&window, 10, 80));
	window.warned = UINT64_MAX;
	window_regrid(&window, 600, 1061);
	want_warning("after a change", true, window_warn(&window, 10, 80));
	window_init(&window, 60);
	(void)window_add(&window, 9);
	want_warning(
	    "at the beginning of time", true, window_warn(&window, 10, 80));
	want_warning("still there", false, window_warn(&window, 10, 80));
}

static void
test_warn_regrid(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 6000);
	window_advance(&window, 100099); /* the end of a slot */
	(void)window_add(&window, 9);
	want_warning("the first", true, window_warn(&window, 10, 80));
	window_regrid(&window, 60, 100099);
	window_advance(&window, 100159);
	(void)window_add(&window, 9);
	want_warning("shorter: after per", false, window_warn(&window, 10, 80));
	window_advance(&window, 100160);
	(void)window_add(&window, 9);
	want_warning("shorter: and a slot", true, window_warn(&window, 10, 80));
	window_regrid(&window, 6000, 100500);
	(void)window_add(&window, 9);
	want_warning("longer: not yet", false, window_warn(&window, 10, 80));
	window_advance(&window, 106199);
	(void)window_add(&window, 9);
	want_warning("longer: nor now", false, window_warn(&window, 10, 80));
	window_advance(&window, 106200);
	want_warning("longer: again", true, window_warn(&window, 10, 80));
}

/* Is this warning, or that there is none, what a list of events says? */
static void
check_warning(const struct model *model, uint64_t per_ms, uint64_t max,
    uint64_t percent, uint64_t last_ms, bool got, uint64_t start)
{
	uint64_t age_ms =
	    last_ms == UINT64_MAX ? UINT64_MAX : model->now_ms - last_ms;
	uint64_t least = sum_within(model, per_ms);
	uint64_t most = sum_of_ring(model, per_ms);

	if (got
	    && (most == 0 || most * 100 < max * percent || age_ms <= per_ms))
		fail_msg("seed %" PRIu64 ": wanted no warning with %" PRIu64
			 " of %" PRIu64 " used and the last %" PRIu64
			 " ms ago, got one",
		    start, most, max, age_ms);
	if (!got && least > 0 && least * 100 >= max * percent
	    && age_ms >= (per_ms * 61 + 59) / 60)
		fail_msg("seed %" PRIu64 ": wanted a warning with %" PRIu64
			 " of %" PRIu64 " used and the last %" PRIu64
			 " ms ago, got none",
		    start, least, max, age_ms);
}

static void
test_warn_model(void **state)
{
	size_t warnings = 0;

	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 49979687;
		struct model model = { .now_ms = 1700000000000ULL };
		uint64_t per = lengths[below(&seed, LENGTHS)];
		uint64_t max = below(&seed, 40);
		uint64_t percent = 1 + below(&seed, 100);
		uint64_t last_ms = UINT64_MAX;
		struct window window;

		window_init(&window, per);
		window_advance(&window, model.now_ms);
		for (size_t i = 0; i < STEPS; i++) {
			uint64_t clock = next_time(&model, per, &seed);
			uint64_t cost = below(&seed, 4);
			bool got;

			if (clock > model.now_ms)
				model.now_ms = clock;
			window_advance(&window, clock);
			note(&model, cost, window_add(&window, cost));
			got = window_warn(&window, max, percent);
			check_warning(
			    &model, per, max, percent, last_ms, got, start);
			if (got)
				last_ms = model.now_ms;
			warnings += got;
		}
	}
	assert_true(warnings > SEEDS);
}

/* After any changes of length too there is one in no window as it is then. */
static void
test_warn_regrid_model(void **state)
{
	(void)state;
	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 67867967;
		uint64_t now = 1700000000000ULL;
		uint64_t last_ms = 0;
		struct window window;

		window_init(&window, lengths[below(&seed, LENGTHS)]);
		window_advance(&window, now);
		for (size_t i = 0; i < STEPS; i++) {
			now += below(&seed, window.per_ms / 4 + 2);
			if (below(&seed, 8) == 0)
				window_regrid(&window,
				    lengths[below(&seed, LENGTHS)], now);
			window_advance(&window, now);
			(void)window_add(&window, 1);
			if (!window_warn(&window, 1, 100))
				continue;
			if (now - last_ms <= window.per_ms)
				fail_msg("seed %" PRIu64 ", step %zu: wanted "
					 "none for %" PRIu64 " ms, got one "
					 "after %" PRIu64,
				    start, i, window.per_ms, now - last_ms);
			last_ms = now;
		}
	}
}

static void
test_slots(void **state)
{
	static const struct {
		const char *name;
		uint64_t per_ms, at_ms, want;
	} cases[] = {
		{ "the beginning", 60, 0, 0 },
		{ "one millisecond each", 60, 59, 59 },
		{ "several slots a millisecond", 1, 2, 120 },
		{ "just before an edge", 3600000, 59999, 0 },
		{ "on an edge", 3600000, 60000, 1 },
		{ "an edge between two milliseconds", 61, 1, 0 },
		{ "the same, after it", 61, 2, 1 },
		{ "no clock says this", 1, UINT64_MAX, (1ULL << 53) * 60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t got = window_slot(cases[i].per_ms, cases[i].at_ms);

		if (got != cases[i].want)
			fail_msg("%s: wanted %" PRIu64 ", got %" PRIu64,
			    cases[i].name, cases[i].want, got);
	}
}

static void
want(const char *name, uint64_t wanted, uint64_t got)
{
	if (wanted != got)
		fail_msg(
		    "%s: wanted %" PRIu64 ", got %" PRIu64, name, wanted, got);
}

static void
test_leaves_ring(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	window_advance(&window, 1000);
	want("its slot", 1000, window_add(&window, 7));
	window_advance(&window, 1060);
	want("after per", 7, window_sum(&window));
	window_advance(&window, 1061);
	want("after per and a slot", 0, window_sum(&window));
	window_advance(&window, 5);
	want("back in time", 1061, window.newest);
	want("counted in the newest", 1061, window_add(&window, 1));
	window_advance(&window, 1ULL << 52);
	want("far ahead", 0, window_sum(&window));
}

static void
test_saturation(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	window_advance(&window, 1000);
	(void)window_add(&window, UINT64_MAX - 1);
	(void)window_add(&window, 5);
	want("one slot", UINT64_MAX, window_sum(&window));
	window_advance(&window, 1001);
	(void)window_add(&window, 5);
	want("the sum", UINT64_MAX, window_sum(&window));
	want("room when all is gone", 1062,
	    window_room_at(&window, 1001, 1, 10));
}

static void
test_room(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	want("cost above max", UINT64_MAX, window_room_at(&window, 9, 6, 5));
	want("max 0", UINT64_MAX, window_room_at(&window, 9, 1, 0));
	want("cost 0 under max 0", 9, window_room_at(&window, 9, 0, 0));
	want("an empty window", 9, window_room_at(&window, 9, 5, 5));
	window_advance(&window, 1000);
	(void)window_add(&window, 3);
	window_advance(&window, 1010);
	(void)window_add(&window, 2);
	want("it fits", 1010, window_room_at(&window, 1010, 1, 6));
	want("the first must go", 1061, window_room_at(&window, 1010, 3, 5));
	want("both must go", 1071, window_room_at(&window, 1010, 4, 5));
	want("max was lowered", 1071, window_room_at(&window, 1010, 1, 2));
}

static void
test_add_at(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	window_advance(&window, 1000);
	window_add_at(&window, 939, 1);
	want("too old", 0, window_sum(&window));
	window_add_at(&window, 940, 2);
	want("the oldest slot", 2, window_sum(&window));
	window_add_at(&window, 2000, 4);
	want("in the future", 6, window_sum(&window));
	want("it moves no clock", 1000, window.newest);
	window_advance(&window, 1001);
	want("the oldest leaves", 4, window_sum(&window));
}

static void
test_take_back(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	window_advance(&window, 1000);
	(void)window_add(&window, 5);
	window_take_back(&window, 60, 1000, 2);
	want("a part", 3, window_sum(&window));
	window_take_back(&window, 60, 1000, 9);
	want("more than there is", 0, window_sum(&window));
	(void)window_add(&window, 5);
	window_take_back(&window, 60, 1061, 5);
	want("a slot to come", 5, window_sum(&window));
	window_advance(&window, 1061);
	(void)window_add(&window, 8);
	window_take_back(&window, 60, 1000, 5);
	want("a slot that left the ring", 8, window_sum(&window));
}

static void
test_idle(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 60);
	want("new", 0, window_idle_at(&window));
	window_advance(&window, 1000);
	want("empty", 1000, window_idle_at(&window));
	(void)window_add(&window, 1);
	want("one count", 1061, window_idle_at(&window));
	window_advance(&window, 1030);
	want("and nothing since", 1061, window_idle_at(&window));
	(void)window_add(&window, 1);
	want("a newer one", 1091, window_idle_at(&window));
}

static void
test_regrid(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 6000);
	window_advance(&window, 100000);
	(void)window_add(&window, 1);
	window_advance(&window, 105950);
	(void)window_add(&window, 2);
	window_regrid(&window, 600, 105960);
	want("shorter: the old leaves", 2, window_sum(&window));
	want("shorter: the clock", 10596, window.newest);
	window_advance(&window, 106569);
	want("shorter: till per has gone by", 2, window_sum(&window));
	window_advance(&window, 106570);
	want("shorter: no longer", 0, window_sum(&window));

	window_init(&window, 600);
	window_advance(&window, 100000);
	(void)window_add(&window, 3);
	window_regrid(&window, 6000, 100001);
	want("longer: kept", 3, window_sum(&window));
	window_advance(&window, 106000);
	want("longer: for the new length", 3, window_sum(&window));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_leaves_ring),
		cmocka_unit_test(test_saturation),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_add_at),
		cmocka_unit_test(test_take_back),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_regrid),
		cmocka_unit_test(test_warn),
		cmocka_unit_test(test_warn_again),
		cmocka_unit_test(test_warn_regrid),
		cmocka_unit_test(test_warn_model),
		cmocka_unit_test(test_warn_regrid_model),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_regrid_model),
		cmocka_unit_test(test_refund_after_regrid),
		cmocka_unit_test(test_room_model),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
