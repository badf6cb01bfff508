#include "milter/io/store_redis_charge.h"

#include "milter/io/store_count.h"
#include "milter/io/store_redis_value.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KIND_COUNTED,
	KIND_LOOK,
	KIND_REFUSAL,
	LEFT_OUT = UINT16_MAX, /* no window, or no set */
};

/* Where things of a charge stand in its call. */
struct place {
	uint16_t window;
	uint16_t set;
	uint16_t field; /* among the override fields */
};

/* A message's charges, laid out. */
struct layout {
	const struct charge *charges;
	size_t count;
	struct place *places;
	uint16_t *firsts;  /* of each window, the first charge */
	uint16_t *members; /* how many charges it has */
	size_t windows, looks;
	bool has_fields;      /* are those of overrides sent? */
	uint16_t *set_firsts; /* of each set, the first charge */
	size_t *lists; /* where each set's recipients begin among those sent */
	bool
	    *learns; /* is a set's new one counted? Else it is looked at only */
	size_t sets;
};

static void
put_key(struct store_redis *redis, struct redis_call *call, const char *kind,
    const char *name, const char *key)
{
	redis_words_begin(&call->keys);
	redis_words_add(&call->keys, redis->prefix, strlen(redis->prefix));
	redis_words_add(&call->keys, kind, strlen(kind));
	redis_words_add(&call->keys, name, strlen(name));
	redis_words_add(&call->keys, "/", 1);
	redis_words_add(&call->keys, key, strlen(key));
}

void
store_redis_put_window(struct store_redis *redis, struct redis_call *call,
    const struct limit *limit, const char *key, size_t count)
{
	put_key(redis, call, "n/", limit->name, key);
	redis_call_put_double(call, limit->per_ms);
	redis_call_put(call, count, 2);
	call->windows++;
}

static bool
is_same_key(const struct charge *one, const struct charge *other)
{
	return (one->limit == other->limit
		   || strcmp(one->limit->name, other->limit->name) == 0)
	    && strcmp(one->key, other->key) == 0;
}

static bool
is_same_set(const struct charge *one, const struct charge *other)
{
	return one->limit->key == other->limit->key
	    && one->recipients == other->recipients
	    && one->recipient_count == other->recipient_count
	    && strcmp(one->key, other->key) == 0;
}

static void
lay_window(struct layout *layout, uint16_t i)
{
	uint16_t w = 0;

	while (w < layout->windows
	    && !is_same_key(
		&layout->charges[layout->firsts[w]], &layout->charges[i]))
		w++;
	if (w == layout->windows) {
		layout->firsts[w] = i;
		layout->members[w] = 0;
		layout->windows++;
	}
	layout->members[w]++;
	layout->places[i].window = w;
}

static void
lay_set(struct layout *layout, uint16_t i)
{
	uint16_t s = 0;

	while (s < layout->sets
	    && !is_same_set(
		&layout->charges[layout->set_firsts[s]], &layout->charges[i]))
		s++;
	if (s == layout->sets)
		layout->set_firsts[layout->sets++] = i;
	layout->learns[s] = layout->learns[s] || !layout->charges[i].is_look;
	layout->places[i].set = s;
}

static bool
has_set(const struct charge *charge)
{
	return charge->limit->count == LIMIT_NEW_RECIPIENTS
	    && charge->recipient_count > 0;
}

static void
layout_clear(struct layout *layout)
{
	free(layout->places);
	free(layout->firsts);
	free(layout->lists);
	free(layout->learns);
}

static bool
layout_init(struct layout *layout, const struct charge *charges, size_t count,
    bool has_looks)
{
	*layout = (struct layout){ .charges = charges, .count = count };
	layout->places = calloc(count + 1, sizeof(*layout->places));
	layout->firsts = calloc(3 * count + 1, sizeof(*layout->firsts));
	layout->lists = calloc(count + 1, sizeof(*layout->lists));
	layout->learns = calloc(count + 1, sizeof(*layout->learns));
	if (layout->places == NULL || layout->firsts == NULL
	    || layout->lists == NULL || layout->learns == NULL) {
		layout_clear(layout);
		return false;
	}
	layout->members = layout->firsts + count;
	layout->set_firsts = layout->members + count;
	for (uint16_t i = 0; i < count; i++) {
		layout->places[i] =
		    (struct place){ .window = LEFT_OUT, .set = LEFT_OUT };
		if (charges[i].is_look && !has_looks)
			continue;
		if (charges[i].limit->count == LIMIT_BLOCKS)
			layout->looks++;
		else
			lay_window(layout, i);
		if (has_set(&charges[i]))
			lay_set(layout, i);
	}
	return true;
}

/* A list of recipients that several sets have is sent once. */
static void
put_sets(struct layout *layout, struct redis_call *call)
{
	size_t sent = 0;

	for (size_t s = 0; s < layout->sets; s++) {
		const struct charge *charge =
		    &layout->charges[layout->set_firsts[s]];

		layout->lists[s] = sent;
		for (size_t o = 0; o < s; o++) {
			const struct charge *other =
			    &layout->charges[layout->set_firsts[o]];

			if (other->recipients == charge->recipients
			    && other->recipient_count
				== charge->recipient_count)
				layout->lists[s] = layout->lists[o];
		}
		redis_call_put(call, layout->lists[s], 4);
		redis_call_put(call, charge->recipient_count, 4);
		redis_call_put(call, layout->learns[s], 1);
		if (layout->lists[s] == sent)
			sent += charge->recipient_count;
	}
	call->sets = layout->sets;
}

static void
put_set_keys(struct store_redis *redis, const struct layout *layout,
    struct redis_call *call)
{
	for (size_t s = 0; s < layout->sets; s++) {
		const struct charge *charge =
		    &layout->charges[layout->set_firsts[s]];
		const char *kind = limits_key_name(charge->limit->key);

		put_key(redis, call, "r/", kind, charge->key);
		put_key(redis, call, "R/", kind, charge->key);
	}
}

/* As signed numbers: these Redis keeps in the least space. */
static void
put_recipients(struct redis_call *call, const struct charge *charge)
{
	for (size_t i = 0; i < charge->recipient_count; i++) {
		char text[24];
		int length = snprintf(text, sizeof text, "%" PRId64,
		    (int64_t)charge->recipients[i]);

		redis_words_begin(&call->values);
		redis_words_add(&call->values, text, (size_t)length);
	}
}

static void
put_field(struct redis_call *call, const struct charge *charge)
{
	redis_words_begin(&call->values);
	redis_words_add(&call->values, "o/", 2);
	redis_words_add(
	    &call->values, charge->limit->name, strlen(charge->limit->name));
	redis_words_add(&call->values, "/", 1);
	redis_words_add(&call->values, charge->key, strlen(charge->key));
}

static uint64_t
binding_of(const struct charge *charge)
{
	return !charge->is_binding ? 0 : charge->refuses ? 2 : 1;
}

static void
put_charge(struct redis_call *call, const struct charge *charge,
    const struct place *place)
{
	redis_call_put(call,
	    !charge->is_look             ? KIND_COUNTED
		: charge->counts_refusal ? KIND_REFUSAL
					 : KIND_LOOK,
	    1);
	redis_call_put(call, binding_of(charge), 1);
	redis_call_put(call, place->set == LEFT_OUT ? 0 : place->set + 1U, 2);
	redis_call_put_double(call, charge->cost);
	redis_call_put_max(call, charge->limit->max);
	redis_call_put(call, charge->limit->warn_percent, 1);
}

/* What is added to a window if all fit. */
static uint64_t
adds(const struct charge *charge)
{
	return charge->is_look ? 0 : charge->cost;
}

/* With less than this in its window a charge fits, and so does one more; no
 * warning is due, and nothing is counted to the brim. */
static uint64_t
room_of(const struct charge *charge)
{
	uint64_t most = charge->limit->max;

	if (most > STORE_REDIS_NUMBER_MAX)
		most = STORE_REDIS_NUMBER_MAX;
	if (charge->limit->warn_percent > 0
	    && charge->limit->warn_percent <= 100)
		most = most / 100 * charge->limit->warn_percent;
	return most > charge->cost ? most - charge->cost : 0;
}

static void
put_room(struct redis_call *call, const struct charge *charge)
{
	redis_call_put_room(call, charge->limit->per_ms);
	redis_call_put_room(call, room_of(charge));
	redis_call_put_room(call, adds(charge));
}

static void
put_windows(
    struct store_redis *redis, struct layout *layout, struct redis_call *call)
{
	for (size_t w = 0; w < layout->windows; w++) {
		const struct charge *first =
		    &layout->charges[layout->firsts[w]];
		size_t left = layout->members[w];

		store_redis_put_window(
		    redis, call, first->limit, first->key, left);
		for (size_t i = layout->firsts[w]; left > 0; i++) {
			if (layout->places[i].window != w)
				continue;
			layout->places[i].field = (uint16_t)call->charges++;
			put_charge(
			    call, &layout->charges[i], &layout->places[i]);
			if (layout->has_fields)
				put_field(call, &layout->charges[i]);
			if (call->op == REDIS_OP_SIMPLE)
				put_room(call, &layout->charges[i]);
			left--;
		}
	}
}

/* Blocks are overrides: without those there is nothing to look at. */
static void
put_looks(struct layout *layout, struct redis_call *call)
{
	for (size_t i = 0; i < layout->count && layout->has_fields; i++) {
		if (layout->charges[i].limit->count != LIMIT_BLOCKS)
			continue;
		layout->places[i].field =
		    (uint16_t)(call->charges + call->looks++);
		redis_call_put(call, binding_of(&layout->charges[i]), 1);
		redis_call_put_double(call, layout->charges[i].cost);
		put_field(call, &layout->charges[i]);
	}
}

static void
put_lists(const struct layout *layout, struct redis_call *call)
{
	size_t sent = 0;

	for (size_t s = 0; s < layout->sets; s++) {
		const struct charge *charge =
		    &layout->charges[layout->set_firsts[s]];

		if (layout->lists[s] != sent)
			continue;
		put_recipients(call, charge);
		sent += charge->recipient_count;
	}
}

/* What came of a charge, as the script tells it. */
struct outcome {
	const struct layout *layout;
	const struct redis_result *result;
	bool refuses;
	struct window *windows; /* NULL: the short answer, where all fit */
};

/* The number at an octet of the answer's head. */
static uint64_t
told(const struct redis_result *result, size_t at)
{
	uint64_t number = 0;

	if (result->head_length >= at + 8)
		(void)store_redis_get_number(result->head + at, &number);
	return number;
}

static uint64_t
cost_of(const struct outcome *outcome, size_t i)
{
	const struct charge *charge = &outcome->layout->charges[i];
	uint16_t set = outcome->layout->places[i].set;
	uint64_t known;

	if (set == LEFT_OUT)
		return charge->cost;
	known = told(outcome->result, 1 + (size_t)8 * set);
	return charge->cost > known ? charge->cost - known : 0;
}

/* There was room for all, and for one more. The head holds what each window
 * has now: the sum of all, and the count of its newest slot. */
static void
answer_short(
    const struct outcome *outcome, size_t i, struct charge_answer *answer)
{
	const struct charge *charge = &outcome->layout->charges[i];
	uint16_t window = outcome->layout->places[i].window;
	uint64_t now_ms = outcome->result->now_ms;

	answer->cost = cost_of(outcome, i);
	answer->max = charge->limit->max;
	answer->fits = true;
	answer->room_at_ms = now_ms;
	answer->one_at_ms = now_ms;
	if (window != LEFT_OUT) {
		uint64_t sum = told(outcome->result, (size_t)16 * window);

		answer->used = sum > adds(charge) ? sum - adds(charge) : 0;
		answer->slot = window_slot(charge->limit->per_ms, now_ms);
	}
}

/* The override of a charge, if it has one. */
static bool
find_override(const struct outcome *outcome, size_t i,
    struct count_override *override_out, char words[STORE_WORDS + 1])
{
	const redisReply *fields = outcome->result->reply->element[2];
	size_t at = outcome->layout->places[i].field;
	struct store_override override;

	memset(override_out, 0, sizeof(*override_out));
	if (at >= fields->elements
	    || fields->element[at]->type != REDIS_REPLY_STRING
	    || !store_redis_read_override(fields->element[at]->str,
		(size_t)fields->element[at]->len, &override, words)
	    || (override.until_ms > 0
		&& override.until_ms <= outcome->result->now_ms))
		return false;
	*override_out = (struct count_override){ .is_there = true,
		.max = override.max,
		.until_ms = override.until_ms };
	return true;
}

static void
answer_full(const struct outcome *outcome, size_t i,
    struct charge_answer *answers, struct store_receipt *receipt)
{
	const struct charge *charge = &outcome->layout->charges[i];
	uint16_t window = outcome->layout->places[i].window;
	struct count_override override;
	char words[STORE_WORDS + 1];
	bool has_override = find_override(outcome, i, &override, words);

	store_answer(window != LEFT_OUT ? &outcome->windows[window] : NULL,
	    charge, &override, cost_of(outcome, i),
	    window != LEFT_OUT
		? store_pending(outcome->layout->charges, answers, i)
		: 0,
	    outcome->result->now_ms, &answers[i]);
	if (!answers[i].fits && has_override && receipt->words[0] == '\0')
		memcpy(receipt->words, words, strlen(words) + 1);
}

/* What the script counted is counted again in our copies, to answer as any
 * store does. */
static void
count_full(
    const struct outcome *outcome, size_t i, struct charge_answer *answer)
{
	const struct charge *charge = &outcome->layout->charges[i];
	uint16_t window = outcome->layout->places[i].window;
	struct count_override override;
	char words[STORE_WORDS + 1];

	if (window == LEFT_OUT
	    || !store_is_counted(charge, answer, outcome->refuses))
		return;
	(void)find_override(outcome, i, &override, words);
	store_count(&outcome->windows[window], charge, &override,
	    outcome->result->now_ms, answer);
}

static bool
read_windows(struct outcome *outcome)
{
	const struct layout *layout = outcome->layout;
	const redisReply *values = outcome->result->reply->element[1];

	if (values->type != REDIS_REPLY_ARRAY
	    || values->elements != layout->windows + 1
	    || outcome->result->reply->element[2]->type != REDIS_REPLY_ARRAY)
		return false;
	for (size_t w = 0; w < layout->windows; w++) {
		const struct limit *limit =
		    layout->charges[layout->firsts[w]].limit;
		const redisReply *value = values->element[w + 1];

		if (value->type == REDIS_REPLY_NIL)
			window_init(&outcome->windows[w], limit->per_ms);
		else if (value->type != REDIS_REPLY_STRING
		    || !store_redis_read_window(
			value->str, (size_t)value->len, &outcome->windows[w]))
			return false;
		store_bring_up(
		    &outcome->windows[w], limit, outcome->result->now_ms);
	}
	return true;
}

static bool
answer_all(struct store_redis *redis, struct outcome *outcome,
    bool is_look_only, struct charge_answer *answers,
    struct store_receipt *receipt, struct fault *fault)
{
	const struct layout *layout = outcome->layout;
	int what = 1;

	if (outcome->result->is_full)
		what = outcome->result->head_length > 0
		    ? outcome->result->head[0]
		    : 0;
	receipt->now_ms = outcome->result->now_ms;
	receipt->is_charged = what == 1;
	outcome->refuses = what == 2;
	for (size_t i = 0; i < layout->count && !outcome->result->is_full; i++)
		answer_short(outcome, i, &answers[i]);
	if (!outcome->result->is_full)
		return true;
	outcome->windows =
	    calloc(layout->windows + 1, sizeof(*outcome->windows));
	if (outcome->windows == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!read_windows(outcome)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: counts that this version didn't write", redis->name);
		return false;
	}
	for (size_t i = 0; i < layout->count; i++)
		answer_full(outcome, i, answers, receipt);
	for (size_t i = 0; i < layout->count && what != 0 && !is_look_only; i++)
		count_full(outcome, i, &answers[i]);
	return true;
}

static bool
is_simple(const struct layout *layout)
{
	return layout->sets == 0
	    && layout->windows + layout->looks == layout->count;
}

static bool
run_charge(struct store_redis *redis, struct layout *layout, bool is_look_only,
    struct redis_result *result_out, struct fault *fault)
{
	struct redis_call call;
	bool is_done;

	redis_call_init(
	    &call, is_simple(layout) ? REDIS_OP_SIMPLE : REDIS_OP_CHARGE);
	call.is_look = is_look_only;
	call.has_control = layout->has_fields;
	put_sets(layout, &call);
	put_windows(redis, layout, &call);
	put_set_keys(redis, layout, &call);
	put_looks(layout, &call);
	call.fields = call.values.count;
	put_lists(layout, &call);
	is_done = redis_call_run(redis, &call, result_out, fault);
	redis_call_clear(&call);
	return is_done;
}

bool
store_redis_charge(struct store *store, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct layout layout;
	struct redis_result result;
	struct outcome outcome = { .layout = &layout, .result = &result };
	bool is_done;

	if (!layout_init(&layout, charges, count, true)) {
		fault_memory(fault);
		return false;
	}
	layout.has_fields = redis_call_asks(redis);
	is_done = run_charge(redis, &layout, is_look_only, &result, fault);
	if (is_done && result.is_blind) {
		redis_result_clear(&result);
		layout.has_fields = true;
		is_done =
		    run_charge(redis, &layout, is_look_only, &result, fault);
	}
	is_done = is_done
	    && answer_all(
		redis, &outcome, is_look_only, answers_out, receipt_out, fault);
	if (!is_done)
		receipt_out->is_charged = false;
	free(outcome.windows);
	redis_result_clear(&result);
	layout_clear(&layout);
	return is_done;
}

bool
store_redis_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct layout layout;
	struct redis_call call;
	struct redis_result result = { 0 };
	bool is_done = true;

	(void)receipt;
	if (!layout_init(&layout, charges, count, false)) {
		fault_memory(fault);
		return false;
	}
	redis_call_init(&call, REDIS_OP_REFUND);
	put_sets(&layout, &call);
	for (size_t w = 0; w < layout.windows; w++) {
		const struct charge *first = &charges[layout.firsts[w]];
		size_t left = layout.members[w];

		store_redis_put_window(
		    redis, &call, first->limit, first->key, left);
		for (size_t i = layout.firsts[w]; left > 0; i++) {
			if (layout.places[i].window != w)
				continue;
			redis_call_put_double(&call, answers[i].slot);
			redis_call_put_double(&call, answers[i].cost);
			left--;
		}
	}
	put_set_keys(redis, &layout, &call);
	put_lists(&layout, &call);
	if (layout.windows > 0)
		is_done = redis_call_run(redis, &call, &result, fault);
	redis_result_clear(&result);
	redis_call_clear(&call);
	layout_clear(&layout);
	return is_done;
}
