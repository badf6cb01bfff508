/* The promise of store.h, held against every store. */
#include "tests/contract/store_kinds.h"
#include "tests/contract/store_model.h"
#include "tests/contract/store_suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 6, ROUNDS = 150 };

static const uint64_t hour_ms = 3600000;

static void
test_all_or_none(void **state)
{
	struct fixture *fixture = *state;
	struct limit wide = limit_of("wide", 100, hour_ms);
	struct limit narrow = limit_of("narrow", 5, hour_ms);
	struct charge charges[] = { charge_of(&wide, "alice", 3),
		charge_of(&narrow, "alice", 3), charge_of(&wide, "bob", 3) };
	struct charge_answer answers[3];
	struct store_receipt receipt;
	struct fault fault;

	assert_true(store_charge(
	    fixture->store, charges, 3, false, answers, &receipt, &fault));
	assert_true(receipt.is_charged);
	want_number("now", FIXTURE_NOW, receipt.now_ms);
	want_number("used before", 0, answers[1].used);
	assert_true(store_charge(
	    fixture->store, charges, 3, false, answers, &receipt, &fault));
	assert_false(receipt.is_charged);
	assert_true(answers[0].fits);
	assert_false(answers[1].fits);
	want_number("used", 3, answers[1].used);
	want_number("room", FIXTURE_NOW / 60000 * 60000 + 61 * 60000,
	    answers[1].room_at_ms);
	want_number("room for one", FIXTURE_NOW, answers[1].one_at_ms);
	want_number("wide alice", 3, used_of(fixture->store, &wide, "alice"));
	want_number("wide bob", 3, used_of(fixture->store, &wide, "bob"));
	want_number("narrow", 3, used_of(fixture->store, &narrow, "alice"));
}

static void
test_nothing_to_charge(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 0, hour_ms);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	assert_true(store_charge(
	    fixture->store, NULL, 0, false, &answer, &receipt, &fault));
	assert_true(receipt.is_charged);
	assert_true(charge_one(fixture->store, &limit, "k", 0));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
}

static void
test_too_many(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, hour_ms);
	struct charge charges[STORE_CHARGES + 1];
	struct charge_answer answers[STORE_CHARGES + 1];
	struct store_receipt receipt;
	struct fault fault;
	char keys[STORE_CHARGES + 1][8];

	for (size_t i = 0; i <= STORE_CHARGES; i++) {
		(void)snprintf(keys[i], sizeof keys[i], "k%zu", i);
		charges[i] = charge_of(&limit, keys[i], 1);
	}
	assert_false(store_charge(fixture->store, charges, STORE_CHARGES + 1,
	    false, answers, &receipt, &fault));
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	assert_true(store_charge(fixture->store, charges, STORE_CHARGES, false,
	    answers, &receipt, &fault));
	want_number("first", 1, used_of(fixture->store, &limit, "k0"));
	want_number("last", 1, used_of(fixture->store, &limit, "k255"));
}

static void
test_looks(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 2, hour_ms);
	struct limit seen = limit_of("seen", 2, hour_ms);
	struct charge charges[] = { charge_of(&limit, "k", 1),
		charge_of(&seen, "k", 1) };
	struct charge_answer answers[2];
	struct store_receipt receipt;
	struct fault fault;

	charges[1].is_look = true;
	assert_true(store_charge(
	    fixture->store, charges, 2, false, answers, &receipt, &fault));
	assert_true(receipt.is_charged);
	want_number("a look", 0, used_of(fixture->store, &seen, "k"));
	assert_true(charge_one(fixture->store, &seen, "k", 2));
	assert_true(store_charge(
	    fixture->store, charges, 2, false, answers, &receipt, &fault));
	assert_false(receipt.is_charged);
	want_number("the other", 1, used_of(fixture->store, &limit, "k"));
	charges[1].is_binding = false;
	assert_true(store_charge(
	    fixture->store, charges, 2, true, answers, &receipt, &fault));
	assert_true(receipt.is_charged);
	want_number("look only", 1, used_of(fixture->store, &limit, "k"));
	/* What is only looked at isn't given back either. */
	assert_true(store_charge(
	    fixture->store, charges, 2, false, answers, &receipt, &fault));
	assert_true(store_refund(
	    fixture->store, charges, answers, 2, &receipt, &fault));
	want_number("refunded", 1, used_of(fixture->store, &limit, "k"));
	want_number("not touched", 2, used_of(fixture->store, &seen, "k"));
}

static void
test_not_binding(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 2, hour_ms);
	struct charge charge = charge_of(&limit, "k", 5);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	charge.is_binding = false;
	assert_true(store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault));
	assert_true(receipt.is_charged);
	assert_false(answer.fits);
	want_number("never fits", UINT64_MAX, answer.room_at_ms);
	want_number(
	    "one", FIXTURE_NOW / 60000 * 60000 + 61 * 60000, answer.one_at_ms);
	want_number("counted", 5, used_of(fixture->store, &limit, "k"));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
}

/* A message may touch one key twice. */
static void
test_same_key_twice(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 3, hour_ms);
	struct charge charges[] = { charge_of(&limit, "k", 2),
		charge_of(&limit, "k", 2) };
	struct charge_answer answers[2];
	struct store_receipt receipt;
	struct fault fault;

	assert_true(store_charge(
	    fixture->store, charges, 2, false, answers, &receipt, &fault));
	assert_false(receipt.is_charged);
	assert_true(answers[0].fits);
	assert_false(answers[1].fits);
	charges[1].cost = 1;
	assert_true(store_charge(
	    fixture->store, charges, 2, false, answers, &receipt, &fault));
	assert_true(receipt.is_charged);
	want_number("both", 3, used_of(fixture->store, &limit, "k"));
	assert_true(store_refund(
	    fixture->store, charges, answers, 2, &receipt, &fault));
	want_number("none", 0, used_of(fixture->store, &limit, "k"));
}

static void
test_refund(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct charge charge = charge_of(&limit, "k", 4);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	assert_true(store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault));
	fixture->now_ms += hour_ms / 2;
	assert_true(charge_one(fixture->store, &limit, "k", 5));
	assert_true(store_refund(
	    fixture->store, &charge, &answer, 1, &receipt, &fault));
	want_number(
	    "half an hour later", 5, used_of(fixture->store, &limit, "k"));
	fixture->now_ms += 3 * hour_ms;
	assert_true(charge_one(fixture->store, &limit, "k", 7));
	assert_true(store_refund(
	    fixture->store, &charge, &answer, 1, &receipt, &fault));
	want_number(
	    "after it has left", 7, used_of(fixture->store, &limit, "k"));
	receipt.is_charged = false;
	assert_true(store_refund(
	    fixture->store, &charge, &answer, 1, &receipt, &fault));
}

static void
test_reset(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct limit other = limit_of("other", 10, hour_ms);
	struct fault fault;
	uint64_t before;
	uint64_t after;
	bool was_there;

	assert_true(charge_one(fixture->store, &limit, "k", 10));
	assert_true(charge_one(fixture->store, &other, "k", 10));
	assert_true(store_epoch(fixture->store, &before, &fault));
	if (!store_reset(fixture->store, &limit, "k", &was_there, &fault)) {
		/* A guard whose store is away resets its own and says so. */
		assert_string_equal(fixture->kind->name, store_kind_away);
	} else {
		assert_true(was_there);
		assert_true(store_reset(
		    fixture->store, &limit, "nobody", &was_there, &fault));
		assert_false(was_there);
	}
	assert_true(store_epoch(fixture->store, &after, &fault));
	assert_true(before != after);
	assert_true(charge_one(fixture->store, &limit, "k", 10));
	want_number("other", 10, used_of(fixture->store, &other, "k"));
}

/* Keys that are alike in some way, all counted apart. */
static void
test_keys(void **state)
{
	struct fixture *fixture = *state;
	char longest[513], longer[5001], longer_too[5001];
	const struct {
		const char *limit, *key;
	} cases[] = {
		{ "a", "bc" },
		{ "ab", "c" },
		{ "abc", "" },
		{ "a", "b.c" },
		{ "l", "\x01\x7f\x80\xff" },
		{ "l", "\x01\x7f\x80\xfe" },
		{ "l", "x\ny" },
		{ "l", "x y" },
		{ "l", "{k}" },
		{ "l", "{k" },
		{ "l", "k}" },
		{ "l", "K" },
		{ "l", "k" },
		{ "l", "m" },
		{ "m", "" },
		{ "l", longest },
		{ "m", longest },
		{ "l", longest + 1 },
		{ "l", longer },
		{ "l", longer_too },
		{ "m", longer },
	};

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	memcpy(longer_too, longer, sizeof longer);
	longer_too[sizeof longer_too - 2] = 'y';
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limit limit = limit_of(cases[i].limit, 1000, hour_ms);

		want_number(
		    "new", 0, used_of(fixture->store, &limit, cases[i].key));
		assert_true(
		    charge_one(fixture->store, &limit, cases[i].key, 100 + i));
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limit limit = limit_of(cases[i].limit, 1000, hour_ms);

		want_number("counted", 100 + i,
		    used_of(fixture->store, &limit, cases[i].key));
	}
}

static void
test_max(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct charge charge = charge_of(&limit, "k", 11);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	assert_true(store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault));
	assert_false(receipt.is_charged);
	want_number("above max", UINT64_MAX, answer.room_at_ms);
	assert_true(charge_one(fixture->store, &limit, "k", 10));
	limit.max = 15;
	assert_true(charge_one(fixture->store, &limit, "k", 5));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	limit.max = 3;
	want_number("kept", 15, used_of(fixture->store, &limit, "k"));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	limit.max = 0;
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	assert_false(charge_one(fixture->store, &limit, "new", 1));
	limit.max = UINT64_MAX;
	assert_true(charge_one(fixture->store, &limit, "k", UINT64_MAX - 15));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	charge = charge_of(&limit, "k", UINT64_MAX);
	charge.is_binding = false;
	assert_true(store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault));
	want_number(
	    "saturated", UINT64_MAX, used_of(fixture->store, &limit, "k"));
}

static void
test_per(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, hour_ms);

	assert_true(charge_one(fixture->store, &limit, "k", 7));
	fixture->now_ms += hour_ms / 2;
	limit.per_ms = 24 * hour_ms;
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	want_number("longer", 8, used_of(fixture->store, &limit, "k"));
	fixture->now_ms += 20 * hour_ms;
	want_number("20 h later", 8, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 2));
	limit.per_ms = hour_ms;
	want_number("shorter", 2, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 4));
	limit.per_ms = 24 * hour_ms;
	want_number(
	    "what left is gone", 6, used_of(fixture->store, &limit, "k"));
}

/* A clock that goes back stands still for nobody: it ticks on. */
static void
test_clock(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);

	assert_true(charge_one(fixture->store, &limit, "k", 6));
	fixture->now_ms -= 400 * 24 * hour_ms;
	want_number("gone back", 6, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 4));
	fixture->now_ms += hour_ms - 1;
	want_number("within per", 10, used_of(fixture->store, &limit, "k"));
	fixture->now_ms += hour_ms / 60 + 1;
	want_number("ticked on", 0, used_of(fixture->store, &limit, "k"));
	fixture->now_ms = 0;
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	fixture->now_ms = 1ULL << 52;
	assert_true(charge_one(fixture->store, &limit, "k", 10));
}

/* Keys are dropped when idle, no earlier, and the clock going back afterwards
 * makes no new room. */
static void
test_idle(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct limit daily = limit_of("daily", 10, 24 * hour_ms);
	char key[16];

	for (int i = 0; i < 300; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		assert_true(charge_one(
		    fixture->store, i % 2 == 0 ? &limit : &daily, key, 10));
	}
	store_tend(fixture->store);
	want_number("still there", 10, used_of(fixture->store, &limit, "k0"));
	fixture->now_ms += 2 * hour_ms;
	store_tend(fixture->store);
	store_tend(fixture->store);
	want_number("idle", 0, used_of(fixture->store, &limit, "k0"));
	want_number("not yet", 10, used_of(fixture->store, &daily, "k1"));
	fixture->now_ms -= 2 * hour_ms;
	assert_true(charge_one(fixture->store, &limit, "k0", 10));
	fixture->now_ms += hour_ms;
	assert_false(charge_one(fixture->store, &limit, "k0", 1));
}

static void
test_kept(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct fault fault;
	uint64_t before;
	uint64_t after;

	assert_true(charge_one(fixture->store, &limit, "k", 6));
	assert_true(store_epoch(fixture->store, &before, &fault));
	store_close(&fixture->store);
	fixture->now_ms -= hour_ms * 3;
	fixture->store = fixture->kind->open(fixture);
	want_number("kept", 6, used_of(fixture->store, &limit, "k"));
	assert_true(store_epoch(fixture->store, &after, &fault));
	want_number("epoch", before, after);
	assert_false(charge_one(fixture->store, &limit, "k", 5));
	fixture->now_ms += hour_ms;
	assert_false(charge_one(fixture->store, &limit, "k", 5));
	fixture->now_ms += hour_ms / 60;
	assert_true(charge_one(fixture->store, &limit, "k", 5));
}

static void
test_add(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct store_late late[] = { { &limit, "k", 6, 0 },
		{ &limit, "k", 7, hour_ms / 2 },
		{ &limit, "k", 100, 2 * hour_ms },
		{ &limit, "old", 1, UINT64_MAX } };
	struct fault fault;
	uint64_t now_ms;

	if (!store_add(fixture->store, late, 4, &now_ms, &fault)) {
		assert_string_equal(fixture->kind->name, store_kind_away);
		return;
	}
	want_number("now", FIXTURE_NOW, now_ms);
	want_number("over max", 13, used_of(fixture->store, &limit, "k"));
	want_number("old", 0, used_of(fixture->store, &limit, "old"));
	fixture->now_ms += hour_ms * 6 / 10;
	want_number("later", 6, used_of(fixture->store, &limit, "k"));
	assert_true(store_add(fixture->store, NULL, 0, &now_ms, &fault));
	want_number("later", FIXTURE_NOW + hour_ms * 6 / 10, now_ms);
}

struct worker {
	struct fixture *fixture;
	const struct limit *limit;
	const char *key;
	uint64_t charged;
	bool failed;
};

static void *
work(void *argument)
{
	struct worker *worker = argument;
	uint64_t seed = (uint64_t)(uintptr_t)argument | 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct charge charge = charge_of(
		    worker->limit, worker->key, 1 + random_below(&seed, 3));
		struct charge_answer answer;
		struct store_receipt receipt;
		struct fault fault;

		if (!store_charge(worker->fixture->store, &charge, 1, false,
			&answer, &receipt, &fault))
			worker->failed = true;
		if (!receipt.is_charged)
			continue;
		worker->charged += charge.cost;
		if (random_below(&seed, 4) != 0)
			continue;
		worker->charged -= charge.cost;
		if (!store_refund(worker->fixture->store, &charge, &answer, 1,
			&receipt, &fault))
			worker->failed = true;
		if (random_below(&seed, 8) == 0)
			store_tend(worker->fixture->store);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 500, hour_ms);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t charged = 0;

	for (size_t i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			.fixture = fixture, .limit = &limit, .key = "k"
		};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_false(workers[i].failed);
		charged += workers[i].charged;
	}
	want_number(
	    "all threads", charged, used_of(fixture->store, &limit, "k"));
	assert_true(charged <= limit.max);
	assert_true(charged > 0);
}

static const struct store_test tests[] = {
	{ "all or none", test_all_or_none, false },
	{ "nothing to charge", test_nothing_to_charge, false },
	{ "too many charges", test_too_many, false },
	{ "looks", test_looks, false },
	{ "not binding", test_not_binding, false },
	{ "the same key twice", test_same_key_twice, false },
	{ "refund", test_refund, false },
	{ "reset", test_reset, false },
	{ "keys", test_keys, false },
	{ "max", test_max, false },
	{ "per", test_per, false },
	{ "the clock goes back", test_clock, false },
	{ "idle keys", test_idle, false },
	{ "kept over a restart", test_kept, true },
	{ "add", test_add, false },
	{ "the promise, against a model", store_model_test, false },
	{ "threads", test_threads, false },
};

int
main(void)
{
	return store_suite_run(tests, sizeof tests / sizeof tests[0]);
}
