#include "tests/contract/store_model.h"

#include "tests/contract/store_kinds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 24, STEPS = 250, MODEL_KEYS = 6 };

/* The model: every event with its time. */
struct event {
	size_t key;
	uint64_t at_ms, cost;
	struct charge charge;
	struct charge_answer answer;
	struct store_receipt receipt;
};

struct model {
	struct event events[STEPS * 2];
	size_t count;
	struct limit limits[MODEL_KEYS];
	char keys[MODEL_KEYS][8];
	uint64_t last_ms;
	uint64_t start_seed;
};

/* What key was charged in the last parts/60 of its per; is_closed: with the
 * moment that is exactly so long ago. */
static uint64_t
model_sum(const struct model *model, size_t key, uint64_t now_ms,
    uint64_t parts, bool is_closed)
{
	uint64_t reach = model->limits[key].per_ms * parts;
	uint64_t sum = 0;

	for (size_t i = 0; i < model->count; i++) {
		const struct event *event = &model->events[i];
		uint64_t age = (now_ms - event->at_ms) * 60;

		if (event->key == key
		    && (age < reach || (is_closed && age == reach)))
			sum += event->cost;
	}
	return sum;
}

static void
model_judge(struct model *model, const struct charge *charges,
    const size_t *keys, const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt)
{
	bool may_refuse = false;

	if (receipt->now_ms < model->last_ms)
		fail_msg("seed %" PRIu64 ": wanted no time before %" PRIu64
			 ", got %" PRIu64,
		    model->start_seed, model->last_ms, receipt->now_ms);
	model->last_ms = receipt->now_ms;
	for (size_t i = 0; i < count; i++) {
		uint64_t least =
		    model_sum(model, keys[i], receipt->now_ms, 60, true);
		uint64_t most =
		    model_sum(model, keys[i], receipt->now_ms, 61, false);

		if (answers[i].used < least || answers[i].used > most)
			fail_msg("seed %" PRIu64 ": used: wanted %" PRIu64
				 "..%" PRIu64 ", got %" PRIu64,
			    model->start_seed, least, most, answers[i].used);
		if (most + charges[i].cost > charges[i].limit->max)
			may_refuse = true;
		if (receipt->is_charged
		    && least + charges[i].cost > charges[i].limit->max)
			fail_msg("seed %" PRIu64 ": wanted at most %" PRIu64
				 " in any window, got %" PRIu64,
			    model->start_seed, charges[i].limit->max,
			    least + charges[i].cost);
	}
	if (!receipt->is_charged && !may_refuse)
		fail_msg("seed %" PRIu64 ": refused without need",
		    model->start_seed);
}

/* How far the clock is moved: often to where a slot begins or ends or an event
 * leaves, by the store's clock, which may be ahead. */
static uint64_t
model_next_time(const struct model *model, uint64_t *seed)
{
	uint64_t now_ms = model->last_ms;
	size_t key = (size_t)random_below(seed, MODEL_KEYS);
	uint64_t per = model->limits[key].per_ms;
	uint64_t at = model->count > 0
	    ? model->events[random_below(seed, model->count)].at_ms
	    : now_ms;

	switch (random_below(seed, 8)) {
	case 0: /* back, for a while */
		return now_ms - random_below(seed, per);
	case 1:
		return now_ms / per * per + per * random_below(seed, 62) / 60
		    + per - random_below(seed, 2);
	case 2:
		return at + per + random_below(seed, 2);
	case 3:
		return at + per * 61 / 60 + random_below(seed, 2);
	default:
		return now_ms + random_below(seed, per / 15 + 2);
	}
}

static void
model_refund(struct model *model, struct fixture *fixture, uint64_t *seed)
{
	struct event *event;
	struct fault fault;

	if (model->count == 0)
		return;
	event = &model->events[random_below(seed, model->count)];
	assert_true(store_refund(fixture->store, &event->charge, &event->answer,
	    1, &event->receipt, &fault));
	event->cost = 0;
	event->receipt.is_charged = false;
}

static void
model_charge(struct model *model, struct fixture *fixture, uint64_t *seed)
{
	struct charge charges[2];
	struct charge_answer answers[2];
	struct store_receipt receipt;
	struct fault fault = { 0 };
	size_t keys[2];
	size_t count = 1 + random_below(seed, 2);
	bool is_look_only = random_below(seed, 10) == 0;

	keys[0] = random_below(seed, MODEL_KEYS);
	keys[1] =
	    (keys[0] + 1 + random_below(seed, MODEL_KEYS - 1)) % MODEL_KEYS;
	for (size_t i = 0; i < count; i++)
		charges[i] =
		    charge_of(&model->limits[keys[i]], model->keys[keys[i]],
			random_below(seed, model->limits[keys[i]].max + 2));
	if (!store_charge(fixture->store, charges, count, is_look_only, answers,
		&receipt, &fault))
		fail_msg("seed %" PRIu64 ": wanted an answer, got %s",
		    model->start_seed, fault.words);
	model_judge(model, charges, keys, answers, count, &receipt);
	for (size_t i = 0; i < count && receipt.is_charged && !is_look_only;
	     i++)
		model->events[model->count++] = (struct event){ .key = keys[i],
			.at_ms = receipt.now_ms,
			.cost = charges[i].cost,
			.charge = charges[i],
			.answer = answers[i],
			.receipt = receipt };
}

void
store_model_test(void **state)
{
	static const uint64_t lengths[] = { 1, 59, 60, 61, 1000, 3600000,
		86400000 };
	struct fixture *fixture = *state;
	struct model *model = calloc(1, sizeof(*model));

	for (uint64_t start = 1; start <= SEEDS; start++) {
		uint64_t seed = start * 7919;

		memset(model, 0, sizeof(*model));
		model->start_seed = start;
		model->last_ms = fixture->now_ms;
		for (size_t i = 0; i < MODEL_KEYS; i++) {
			(void)snprintf(model->keys[i], sizeof model->keys[i],
			    "%d-%d", (int)start, (int)i);
			model->limits[i] = limit_of(i % 2 == 0 ? "a" : "b",
			    random_below(&seed, 30),
			    lengths[random_below(&seed, 7)]);
		}
		for (size_t i = 0; i < STEPS; i++) {
			fixture->now_ms +=
			    model_next_time(model, &seed) - model->last_ms;
			model_charge(model, fixture, &seed);
			if (random_below(&seed, 12) == 0)
				model_refund(model, fixture, &seed);
			if (random_below(&seed, 12) == 0)
				store_tend(fixture->store);
			if (fixture->kind->is_kept
			    && random_below(&seed, 200) == 0) {
				store_close(&fixture->store);
				fixture->store = fixture->kind->open(fixture);
			}
		}
	}
	free(model);
}
