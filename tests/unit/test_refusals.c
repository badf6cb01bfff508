/* Refusals remembered: found until they end, bounded, the right one gone. */
#include "milter/io/refusals.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { ACCOUNTS = 200, STEPS = 20000, THREADS = 4, NAME = 16 };

static void
want(struct refusals *refusals, const char *account, uint64_t now_ms,
    const char *wanted_limit, uint64_t wanted_until)
{
	char limit[LIMIT_NAME_OCTETS + 1] = "";
	uint64_t until = 0;
	bool found = refusals_find(refusals, account, now_ms, limit, &until);

	if (found != (wanted_limit != NULL))
		fail_msg("%s at %" PRIu64 ": wanted %s, got %s", account,
		    now_ms, wanted_limit != NULL ? wanted_limit : "nothing",
		    found ? limit : "nothing");
	if (found
	    && (strcmp(limit, wanted_limit) != 0 || until != wanted_until))
		fail_msg("%s at %" PRIu64 ": wanted %s until %" PRIu64
			 ", got %s until %" PRIu64,
		    account, now_ms, wanted_limit, wanted_until, limit, until);
}

static void
test_until(void **state)
{
	struct refusals *refusals = refusals_open(10);

	(void)state;
	want(refusals, "alice", 0, NULL, 0);
	refusals_add(refusals, "alice", "hourly", 100);
	want(refusals, "alice", 99, "hourly", 100);
	want(refusals, "alic", 99, NULL, 0);
	want(refusals, "alice2", 99, NULL, 0);
	want(refusals, "", 99, NULL, 0);
	want(refusals, "alice", 100, NULL, 0);
	want(refusals, "alice", 0, NULL, 0);
	refusals_close(&refusals);
	assert_null(refusals);
	refusals_close(&refusals);
}

static void
test_which_counts(void **state)
{
	struct refusals *refusals = refusals_open(10);

	(void)state;
	refusals_add(refusals, "alice", "hourly", 100);
	refusals_add(refusals, "alice", "daily", 200);
	want(refusals, "alice", 1, "daily", 200);
	refusals_add(refusals, "alice", "hourly", 150);
	want(refusals, "alice", 1, "daily", 200);
	refusals_add(refusals, "alice", "daily", 50);
	want(refusals, "alice", 1, "daily", 50);
	assert_int_equal(refusals_count(refusals, 1), 1);
	assert_int_equal(refusals_count(refusals, 50), 0);
	refusals_close(&refusals);
}

static void
test_full(void **state)
{
	struct refusals *refusals = refusals_open(2);

	(void)state;
	refusals_add(refusals, "a", "hourly", 300);
	refusals_add(refusals, "b", "hourly", 100);
	refusals_add(refusals, "c", "hourly", 200);
	want(refusals, "a", 1, "hourly", 300);
	want(refusals, "b", 1, NULL, 0);
	want(refusals, "c", 1, "hourly", 200);
	refusals_add(refusals, "d", "hourly", 150);
	want(refusals, "d", 1, NULL, 0);
	assert_int_equal(refusals_count(refusals, 1), 2);
	refusals_clear(refusals);
	assert_int_equal(refusals_count(refusals, 1), 0);
	want(refusals, "a", 1, NULL, 0);
	refusals_close(&refusals);

	refusals = refusals_open(0);
	refusals_add(refusals, "a", "hourly", 300);
	want(refusals, "a", 1, NULL, 0);
	refusals_close(&refusals);
}

static void
test_long_names(void **state)
{
	struct refusals *refusals = refusals_open(10);
	char account[513];
	char limit[LIMIT_NAME_OCTETS + 1];

	(void)state;
	memset(account, 'x', sizeof account - 1);
	account[sizeof account - 1] = '\0';
	memset(limit, 'l', sizeof limit - 1);
	limit[sizeof limit - 1] = '\0';
	refusals_add(refusals, account, limit, 100);
	want(refusals, account, 1, limit, 100);
	account[511] = 'y';
	want(refusals, account, 1, NULL, 0);
	refusals_close(&refusals);
}

/* Against a table that forgets nothing. */
static void
test_model(void **state)
{
	struct refusals *refusals = refusals_open(ACCOUNTS);
	uint64_t until[ACCOUNTS] = { 0 };
	uint64_t seed = 20250101;
	uint64_t now = 0;

	(void)state;
	for (size_t i = 0; i < STEPS; i++) {
		char account[NAME];
		size_t number;
		size_t alive = 0;

		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		number = (seed >> 33) % ACCOUNTS;
		(void)snprintf(account, sizeof account, "u%zu", number);
		now += (seed >> 50) % 3;
		if ((seed >> 40) % 2 == 0) {
			until[number] = now + (seed >> 20) % 500;
			refusals_add(
			    refusals, account, "hourly", until[number]);
		}
		want(refusals, account, now,
		    until[number] > now ? "hourly" : NULL, until[number]);
		for (size_t a = 0; a < ACCOUNTS; a++)
			alive += until[a] > now;
		if (refusals_count(refusals, now) != alive)
			fail_msg("step %zu: wanted %zu, got %zu", i, alive,
			    refusals_count(refusals, now));
	}
	refusals_close(&refusals);
}

static void *
hammer(void *argument)
{
	struct refusals *refusals = argument;

	for (uint64_t i = 0; i < 5000; i++) {
		char limit[LIMIT_NAME_OCTETS + 1];
		char account[NAME];
		uint64_t until;

		(void)snprintf(account, sizeof account, "u%d", (int)(i % 37));
		refusals_add(refusals, account, "hourly", i + i * 31 % 100);
		(void)refusals_find(refusals, account, i, limit, &until);
		if (i % 1000 == 0)
			refusals_clear(refusals);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	struct refusals *refusals = refusals_open(20);
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, hammer, refusals), 0);
	for (size_t i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	assert_true(refusals_count(refusals, 0) <= 20);
	refusals_close(&refusals);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_which_counts),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
