/* What a guard enforces while its store is away: the record of before, a share
 * of max, the overrides that were. */
#include "tests/contract/guard_bench.h"
#include "tests/contract/store_suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const uint64_t hour_ms = 3600000;

/* What the store inside counts doesn't go through local while it answers. */
static void
test_record_beside(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	size_t calls;

	bench->local_is_faulty = true;
	bench_open(bench, true, GUARD_LONG_MS);
	store_tend(bench->guard);
	calls = faulty_calls(&bench->faulty_local);
	for (int i = 0; i < 10; i++)
		assert_true(charge_one(bench->guard, &limit, "k", 2));
	want_number("calls", calls, faulty_calls(&bench->faulty_local));
	store_tend(bench->guard);
	want_number("one", calls + 1, faulty_calls(&bench->faulty_local));
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	faulty_fail(&bench->faulty, true);
	/* The rest is told before the first answer. */
	want_number("all", 23, used_of(bench->guard, &limit, "k"));
}

/* A local store that is away itself is told later. */
static void
test_record_waits(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);

	bench->local_is_faulty = true;
	bench_open(bench, true, GUARD_LONG_MS);
	assert_true(charge_one(bench->guard, &limit, "k", 2));
	faulty_fail(&bench->faulty_local, true);
	store_tend(bench->guard);
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	store_tend(bench->guard);
	want_state(bench, true, 0, 0);
	faulty_fail(&bench->faulty_local, false);
	store_tend(bench->guard);
	faulty_fail(&bench->faulty, true);
	want_number("all", 5, used_of(bench->guard, &limit, "k"));
}

/* Given back after local knew it. */
static void
test_record_given_back(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct charge charge = charge_of(&limit, "k", 5);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	bench_open(bench, true, GUARD_LONG_MS);
	assert_true(charge_one(bench->guard, &limit, "k", 2));
	assert_true(store_charge(
	    bench->guard, &charge, 1, false, &answer, &receipt, &fault));
	store_tend(bench->guard);
	assert_true(
	    store_refund(bench->guard, &charge, &answer, 1, &receipt, &fault));
	want_number("inside", 2, used_of(bench->guard, &limit, "k"));
	faulty_fail(&bench->faulty, true);
	want_number("here", 2, used_of(bench->guard, &limit, "k"));
}

static void
test_full_record(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	char key[16];

	bench_open(bench, true, 0);
	for (int i = 0; i < GUARD_JOURNAL + 10; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		assert_true(charge_one(bench->guard, &limit, key, 1));
	}
	faulty_fail(&bench->faulty, true);
	want_number("oldest", 0, used_of(bench->guard, &limit, "k9"));
	want_number("next", 1, used_of(bench->guard, &limit, "k10"));
	want_number("newest", 1, used_of(bench->guard, &limit, key));
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_words(bench, "10 counts made before were too many");
}

static void
test_share(void **state)
{
	static const struct {
		uint64_t max, share, wanted;
	} cases[] = {
		{ 100, 50, 50 },
		{ 101, 50, 51 },
		{ 1, 1, 1 },
		{ 0, 50, 0 },
		{ 10, 100, 10 },
		{ 10, 0, 10 },
		{ 3, 34, 2 },
		{ UINT64_MAX - 1, 50, UINT64_MAX / 2 },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limit limit = limit_of("l", cases[i].max, hour_ms);
		struct charge charge = charge_of(&limit, "k", 1);
		struct charge_answer answer;
		struct store_receipt receipt;
		struct fault fault = { 0 };

		bench->local_share = cases[i].share;
		faulty_fail(&bench->faulty, false);
		bench_open(bench, true, GUARD_LONG_MS);
		faulty_fail(&bench->faulty, true);
		charge.cost = cases[i].wanted + 1;
		assert_true(store_charge(bench->guard, &charge, 1, false,
		    &answer, &receipt, &fault));
		assert_false(receipt.is_charged);
		/* Too much for the share only: not for good. */
		want_number("max told", cases[i].max, answer.max);
		charge.cost = cases[i].wanted;
		assert_true(store_charge(bench->guard, &charge, 1, false,
		    &answer, &receipt, &fault));
		if (!receipt.is_charged)
			fail_msg("case %zu: wanted %" PRIu64 " to fit", i,
			    cases[i].wanted);
		store_close(&bench->guard);
	}
}

static void
want_local_max(struct bench *bench, const struct limit *limit, const char *key,
    uint64_t wanted)
{
	if (wanted > 0)
		assert_true(charge_one(bench->guard, limit, key, wanted));
	assert_false(charge_one(bench->guard, limit, key, 1));
}

/* Overrides and blocks hold on, also those that another host made. */
static void
test_mirror(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct store_override raised = override_of(&limit, "raised", 40);
	struct store_override ended = override_of(&limit, "ended", 40);
	struct store_override block =
	    override_of(limits_block(LIMIT_KEY_ACCOUNT), "k", 0);
	struct charge look = charge_of(limits_block(LIMIT_KEY_ACCOUNT), "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };
	bool was_there;

	bench->local_share = 50;
	bench_open(bench, true, GUARD_LONG_MS);
	store_tend(bench->guard);
	block.words = "spam";
	ended.until_ms = FIXTURE_NOW + 60000;
	assert_true(store_set(bench->inside, &raised, &fault));
	assert_true(store_set(bench->inside, &ended, &fault));
	assert_true(store_set(bench->inside, &block, &fault));
	raised.key = "gone";
	assert_true(store_set(bench->inside, &raised, &fault));
	store_tend(bench->guard);
	assert_true(
	    store_unset(bench->inside, "l", "gone", &was_there, &fault));
	store_tend(bench->guard);
	faulty_fail(&bench->faulty, true);
	want_local_max(bench, &limit, "raised", 20);
	want_local_max(bench, &limit, "gone", 5);
	want_local_max(bench, &limit, "other", 5);
	assert_true(charge_one(bench->guard, &limit, "ended", 6));
	bench->fixture.now_ms += 60000;
	assert_false(charge_one(bench->guard, &limit, "ended", 1));
	look.is_look = true;
	assert_true(store_charge(
	    bench->guard, &look, 1, false, &answer, &receipt, &fault));
	assert_false(receipt.is_charged);
	assert_string_equal(receipt.words, "spam");
	look.key = "j";
	assert_true(store_charge(
	    bench->guard, &look, 1, false, &answer, &receipt, &fault));
	assert_true(receipt.is_charged);
}

/* More than are changed at once: nobody's tending takes for ever. */
static void
test_mirror_once(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct store_override override = override_of(&limit, "k", 40);
	struct fault fault = { 0 };
	size_t calls;

	bench->local_is_faulty = true;
	bench_open(bench, true, GUARD_LONG_MS);
	assert_true(store_set(bench->inside, &override, &fault));
	store_tend(bench->guard);
	calls = faulty_calls(&bench->faulty_local);
	for (int i = 0; i < 5; i++)
		store_tend(bench->guard);
	want_number("calls", calls, faulty_calls(&bench->faulty_local));
}

/* Commands go to both; while the store is away they say so. */
static void
test_commands(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct store_override override = override_of(&limit, "k", 2);
	struct fault fault = { 0 };
	bool was_there;

	bench_open(bench, true, 0);
	assert_true(store_set(bench->guard, &override, &fault));
	assert_false(charge_one(bench->guard, &limit, "k", 3));
	faulty_fail(&bench->faulty, true);
	assert_false(charge_one(bench->guard, &limit, "k", 3));
	override.max = 4;
	assert_false(store_set(bench->guard, &override, &fault));
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	assert_non_null(strstr(fault.words, "on this host only"));
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	assert_false(store_unset(bench->guard, "l", "k", &was_there, &fault));
	assert_true(was_there);
	assert_true(charge_one(bench->guard, &limit, "k", 7));
	/* On return what the store inside says holds again. */
	faulty_fail(&bench->faulty, false);
	override.key = "j";
	override.max = 1;
	assert_false(store_set(bench->guard, &override, &fault));
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	assert_true(store_set(bench->guard, &override, &fault));
	assert_false(charge_one(bench->guard, &limit, "j", 2));
	assert_true(store_unset(bench->guard, "l", "j", &was_there, &fault));
	assert_true(was_there);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "j", 10));
}

/* A fault of one call isn't the store's being away. */
static void
test_odd_call(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct store_override override = override_of(&limit, "k", 2);
	struct fault fault = { 0 };
	uint64_t epoch;

	bench_open(bench, true, GUARD_LONG_MS);
	assert_true(charge_one(bench->guard, &limit, "k", 4));
	faulty_fail_once(&bench->faulty);
	assert_false(store_set(bench->guard, &override, &fault));
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	assert_non_null(strstr(fault.words, "told to find it odd"));
	want_state(bench, true, 0, 0);
	faulty_fail_once(&bench->faulty);
	assert_true(store_epoch(bench->guard, &epoch, &fault));
	/* Such a charge is made in local, and told. */
	faulty_fail_once(&bench->faulty);
	assert_false(charge_one(bench->guard, &limit, "k", 7));
	faulty_fail_once(&bench->faulty);
	assert_true(charge_one(bench->guard, &limit, "k", 6));
	want_state(bench, true, 0, 0);
	store_tend(bench->guard);
	want_number("told", 10, used_of(bench->guard, &limit, "k"));
	want_number("opened", 1, bench->opened);
	/* Unless it answers nothing else either. */
	faulty_fail_once(&bench->faulty);
	faulty_fail(&bench->faulty, true);
	assert_false(charge_one(bench->guard, &limit, "k", 1));
	want_state(bench, false, 0, 1);
}

/* Refusals are counted in local too, and told. */
static void
test_refusals(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1, hour_ms);
	struct limit refusals = limit_of("r", 100, hour_ms);
	struct charge charges[] = { charge_of(&limit, "k", 2),
		charge_of(&refusals, "k", 1) };
	struct charge_answer answers[2];
	struct store_receipt receipt;
	struct fault fault = { 0 };

	charges[0].refuses = true;
	charges[1].is_look = charges[1].counts_refusal = true;
	bench_open(bench, true, 0);
	for (int i = 0; i < 2; i++) {
		assert_true(store_charge(bench->guard, charges, 2, false,
		    answers, &receipt, &fault));
		assert_false(receipt.is_charged);
		want_number("inside", 1,
		    used_of(bench->guard, &refusals, "k") - (uint64_t)i);
		faulty_fail(&bench->faulty, true);
	}
	want_number("here", 2, used_of(bench->guard, &refusals, "k"));
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_number("told", 1, used_of(bench->guard, &refusals, "k"));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, guard_setup, guard_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_record_beside),
		CASE(test_record_waits),
		CASE(test_record_given_back),
		CASE(test_full_record),
		CASE(test_share),
		CASE(test_mirror),
		CASE(test_mirror_once),
		CASE(test_commands),
		CASE(test_odd_call),
		CASE(test_refusals),
	};

	return cmocka_run_group_tests_name(
	    "store_guard_local", tests, NULL, NULL);
}
