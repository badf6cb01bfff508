/* The guard: one change of state, one word about it; nobody waits for a store
 * that is away; what was charged meanwhile is not forgotten. */
#include "tests/contract/guard_bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 8 };

static const uint64_t hour_ms = 3600000;

static void
test_local_takes_over(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 10, hour_ms);

	bench_open(bench, true, GUARD_LONG_MS);
	want_state(bench, true, 0, 0);
	assert_true(charge_one(bench->guard, &limit, "k", 6));
	faulty_fail(&bench->faulty, true);
	/* What went before is known here too. */
	assert_false(charge_one(bench->guard, &limit, "k", 5));
	want_state(bench, false, 0, 1);
	want_words(bench, "told to fail");
	assert_true(charge_one(bench->guard, &limit, "k", 4));
	want_number("used", 10, used_of(bench->guard, &limit, "k"));
	want_state(bench, false, 0, 1);
}

static void
test_no_calls_while_open(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1000, hour_ms);
	size_t calls;

	bench_open(bench, true, GUARD_LONG_MS);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 1));
	calls = faulty_calls(&bench->faulty);
	for (int i = 0; i < 100; i++) {
		assert_true(charge_one(bench->guard, &limit, "k", 1));
		store_tend(bench->guard);
	}
	want_number("calls", calls, faulty_calls(&bench->faulty));
	want_number("opened", 1, bench->opened);
	want_state(bench, false, 0, 1);
}

static void
test_return(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);

	bench_open(bench, true, 0);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	bench->fixture.now_ms += hour_ms / 2;
	assert_true(charge_one(bench->guard, &limit, "k", 4));
	assert_true(charge_one(bench->guard, &limit, "k", 5));
	assert_true(charge_one(bench->guard, &limit, "j", 7));
	store_tend(bench->guard);
	want_state(bench, false, 0, 1);
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_words(bench, "3 counts");
	want_number("k", 12, used_of(bench->guard, &limit, "k"));
	want_number("j", 7, used_of(bench->guard, &limit, "j"));
	/* With their time, not as if they were new. */
	bench->fixture.now_ms += hour_ms * 6 / 10;
	want_number("k later", 9, used_of(bench->guard, &limit, "k"));
}

static void
test_too_old_to_tell(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);

	bench_open(bench, true, 0);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	bench->fixture.now_ms += 2 * hour_ms;
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_number("k", 0, used_of(bench->guard, &limit, "k"));
}

/* Charges don't look for it: that is store_tend()'s, beside their way. */
static void
test_no_probe_by_charge(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);

	bench_open(bench, true, 0);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	faulty_fail(&bench->faulty, false);
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	want_state(bench, false, 0, 1);
	want_number("opened", 1, bench->opened);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_number("k", 6, used_of(bench->guard, &limit, "k"));
	want_number("closed", 1, faulty_closed(&bench->faulty));
}

static void
test_not_there_at_first(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 4, hour_ms);

	bench->can_open = false;
	bench_open(bench, true, 0);
	want_state(bench, false, 0, 1);
	want_words(bench, "not there");
	assert_true(charge_one(bench->guard, &limit, "k", 3));
	assert_false(charge_one(bench->guard, &limit, "k", 3));
	want_state(bench, false, 0, 1);
	bench->can_open = true;
	bench->has_notice = true;
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_words(bench, "moved aside");
	want_number("k", 3, used_of(bench->guard, &limit, "k"));
}

static void
test_notice_at_first(void **state)
{
	struct bench *bench = *state;

	bench->has_notice = true;
	bench_open(bench, true, 0);
	want_state(bench, true, 1, 0);
	want_words(bench, "moved aside");
}

static void
test_without_local(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 4, hour_ms);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };
	uint64_t epoch;

	bench_open(bench, false, GUARD_LONG_MS);
	assert_true(charge_one(bench->guard, &limit, "k", 1));
	faulty_fail(&bench->faulty, true);
	for (int i = 0; i < 2; i++) {
		assert_false(store_charge(bench->guard, &charge, 1, false,
		    &answer, &receipt, &fault));
		assert_int_equal(fault.kind, FAULT_TEMPORARY);
		assert_non_null(strstr(fault.words, "told to fail"));
	}
	assert_false(store_epoch(bench->guard, &epoch, &fault));
	want_state(bench, false, 0, 1);
}

static void
test_refunds(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct charge charge = charge_of(&limit, "k", 5);
	struct charge_answer inside;
	struct charge_answer here;
	struct store_receipt receipt_inside;
	struct store_receipt receipt_here;
	struct fault fault;

	bench_open(bench, true, 0);
	assert_true(store_charge(
	    bench->guard, &charge, 1, false, &inside, &receipt_inside, &fault));
	faulty_fail(&bench->faulty, true);
	charge.cost = 7;
	assert_true(store_charge(
	    bench->guard, &charge, 1, false, &here, &receipt_here, &fault));
	assert_true(receipt_here.origin != receipt_inside.origin);
	want_number("both", 12, used_of(bench->guard, &limit, "k"));
	assert_true(store_refund(
	    bench->guard, &charge, &here, 1, &receipt_here, &fault));
	want_number("local given back", 5, used_of(bench->guard, &limit, "k"));
	charge.cost = 5;
	assert_false(store_refund(
	    bench->guard, &charge, &inside, 1, &receipt_inside, &fault));
	want_number("the record too", 0, used_of(bench->guard, &limit, "k"));
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_number("nothing to add", 0, used_of(bench->guard, &limit, "k"));
}

static void
test_refund_inside(void **state)
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
	bench->fixture.now_ms += hour_ms / 2;
	assert_true(
	    store_refund(bench->guard, &charge, &answer, 1, &receipt, &fault));
	want_number("inside", 2, used_of(bench->guard, &limit, "k"));
	faulty_fail(&bench->faulty, true);
	want_number("here", 2, used_of(bench->guard, &limit, "k"));
}

static void
test_reset(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct fault fault;
	uint64_t before;
	uint64_t after;
	bool was_there;

	bench_open(bench, true, 0);
	assert_true(charge_one(bench->guard, &limit, "k", 2));
	assert_true(store_epoch(bench->guard, &before, &fault));
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 2));
	assert_true(charge_one(bench->guard, &limit, "j", 2));
	assert_true(store_epoch(bench->guard, &after, &fault));
	assert_true(before != after);
	assert_false(
	    store_reset(bench->guard, &limit, "k", &was_there, &fault));
	want_number("reset here", 0, used_of(bench->guard, &limit, "k"));
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_number("not added", 0, used_of(bench->guard, &limit, "k"));
	want_number("added", 2, used_of(bench->guard, &limit, "j"));
	assert_true(store_reset(bench->guard, &limit, "j", &was_there, &fault));
	assert_true(was_there);
}

static void
test_full_journal(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	char key[16];

	bench_open(bench, true, 0);
	faulty_fail(&bench->faulty, true);
	for (int i = 0; i < GUARD_JOURNAL + 10; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		assert_true(charge_one(bench->guard, &limit, key, 1));
	}
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_words(bench, "16384 counts");
	want_words(bench, "10 counts made meanwhile were too many");
	want_number("oldest", 0, used_of(bench->guard, &limit, "k9"));
	want_number("next", 1, used_of(bench->guard, &limit, "k10"));
	want_number("newest", 1, used_of(bench->guard, &limit, key));
}

/* A store that lets in only some of what it is told. */
static void
test_fails_again(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1000, hour_ms);

	bench_open(bench, true, 0);
	for (int i = 0; i < 5; i++) {
		faulty_fail(&bench->faulty, true);
		assert_true(charge_one(bench->guard, &limit, "k", 1));
		store_tend(bench->guard);
		faulty_fail(&bench->faulty, false);
		store_tend(bench->guard);
		store_tend(bench->guard);
	}
	want_state(bench, true, 5, 5);
}

static void *
charge_thread(void *argument)
{
	struct bench *bench = argument;
	struct limit limit = limit_of("l", 1000000, hour_ms);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	return store_charge(
		   bench->guard, &charge, 1, false, &answer, &receipt, &fault)
	    ? argument
	    : NULL;
}

static void
start(pthread_t *threads, size_t count, struct bench *bench)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, charge_thread, bench), 0);
}

static void
join(pthread_t *threads, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *result;

		(void)pthread_join(threads[i], &result);
		assert_non_null(result);
	}
}

/* All that were inside fail; it is said once, and none is lost. */
static void
test_fail_together(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1000000, hour_ms);
	pthread_t threads[THREADS];
	size_t calls;

	bench_open(bench, true, GUARD_LONG_MS);
	calls = faulty_calls(&bench->faulty);
	faulty_hold(&bench->faulty, true);
	start(threads, THREADS, bench);
	faulty_wait_held(&bench->faulty, THREADS);
	want_number("inside", calls + THREADS, faulty_calls(&bench->faulty));
	faulty_fail(&bench->faulty, true);
	faulty_hold(&bench->faulty, false);
	join(threads, THREADS);
	want_state(bench, false, 0, 1);
	want_number("counted", THREADS, used_of(bench->guard, &limit, "k"));
}

static void *
tend_thread(void *argument)
{
	store_tend(((struct bench *)argument)->guard);
	return argument;
}

/* One looks whether the store is there again; the others neither look nor
 * wait. */
static void
test_one_probe(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1000000, hour_ms);
	pthread_t threads[THREADS];
	pthread_t prober;
	size_t calls;

	bench_open(bench, true, 0);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 1));
	faulty_fail(&bench->faulty, false);
	faulty_hold(&bench->faulty, true);
	assert_int_equal(pthread_create(&prober, NULL, tend_thread, bench), 0);
	faulty_wait_held(&bench->faulty, 1);
	calls = faulty_calls(&bench->faulty);
	start(threads, THREADS, bench);
	join(threads, THREADS); /* while the prober waits */
	want_number("calls", calls, faulty_calls(&bench->faulty));
	faulty_hold(&bench->faulty, false);
	(void)pthread_join(prober, NULL);
	want_state(bench, true, 1, 1);
	want_number(
	    "all told", THREADS + 1, used_of(bench->guard, &limit, "k"));
}

/* The old store is closed when the last call has left it, not before. */
static void
test_close_after_last(void **state)
{
	struct bench *bench = *state;
	struct limit limit = limit_of("l", 1000000, hour_ms);
	pthread_t thread;

	bench_open(bench, true, 0);
	faulty_hold_one(&bench->faulty);
	start(&thread, 1, bench);
	faulty_wait_held(&bench->faulty, 1);
	faulty_fail(&bench->faulty, true);
	assert_true(charge_one(bench->guard, &limit, "k", 1));
	want_state(bench, false, 0, 1);
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, false, 0, 1);
	want_number("closed", 0, faulty_closed(&bench->faulty));
	want_number("opened", 1, bench->opened);
	faulty_fail(&bench->faulty, true);
	faulty_hold(&bench->faulty, false);
	join(&thread, 1);
	want_state(bench, false, 0, 1);
	faulty_fail(&bench->faulty, false);
	store_tend(bench->guard);
	want_state(bench, true, 1, 1);
	want_number("closed", 1, faulty_closed(&bench->faulty));
	want_number("told", 2, used_of(bench->guard, &limit, "k"));
}

static void *
storm_thread(void *argument)
{
	struct bench *bench = argument;

	for (int i = 0; i < 300; i++)
		if (charge_thread(bench) == NULL)
			return NULL;
	return argument;
}

/* Comes and goes under load: every charge is answered, and in the end all are
 * in the store that is there, as far as one of them has not been lost with a
 * store that was closed. */
static void
test_storm(void **state)
{
	struct bench *bench = *state;
	pthread_t threads[THREADS];
	size_t rounds = 0;

	bench_open(bench, true, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, storm_thread, bench), 0);
	for (; rounds < 200; rounds++) {
		faulty_fail(&bench->faulty, rounds % 2 == 0);
		store_tend(bench->guard);
	}
	faulty_fail(&bench->faulty, false);
	join(threads, THREADS);
	store_tend(bench->guard);
	store_tend(bench->guard);
	if (bench->ups != bench->downs)
		fail_msg("wanted as many ups as downs, got %zu and %zu",
		    bench->ups, bench->downs);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, guard_setup, guard_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_local_takes_over),
		CASE(test_no_calls_while_open),
		CASE(test_return),
		CASE(test_too_old_to_tell),
		CASE(test_no_probe_by_charge),
		CASE(test_not_there_at_first),
		CASE(test_notice_at_first),
		CASE(test_without_local),
		CASE(test_refunds),
		CASE(test_refund_inside),
		CASE(test_reset),
		CASE(test_full_journal),
		CASE(test_fails_again),
		CASE(test_fail_together),
		CASE(test_one_probe),
		CASE(test_close_after_last),
		CASE(test_storm),
	};

	return cmocka_run_group_tests_name("store_guard", tests, NULL, NULL);
}
