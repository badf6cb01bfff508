/* Refusals remembered: found until they end, bounded, the right one gone. */
#include "milter/io/clock.h"
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

enum {
	ACCOUNTS = 200,
	STEPS = 20000,
	THREADS = 4,
	NAME = 16,
	MANY = 1000,
	LARGE = 100000
};

static void
add(struct refusals *refusals, enum limit_key kind, const char *key,
    const char *limit_name, uint64_t until_ms)
{
	struct refusal refusal = {
		.reason = REASON_LIMIT, .max = 10, .until_ms = until_ms
	};

	(void)snprintf(
	    refusal.limit_name, sizeof refusal.limit_name, "%s", limit_name);
	refusals_add(refusals, kind, key, &refusal);
}

static void
add_account(struct refusals *refusals, const char *account,
    const char *limit_name, uint64_t until_ms)
{
	add(refusals, LIMIT_KEY_ACCOUNT, account, limit_name, until_ms);
}

static void
want_of(struct refusals *refusals, enum limit_key kind, const char *key,
    uint64_t now_ms, const char *wanted_limit, uint64_t wanted_until)
{
	struct refusal got = { .limit_name = "nothing" };
	bool found = refusals_find(refusals, kind, key, now_ms, &got);

	if (found != (wanted_limit != NULL))
		fail_msg("%s at %" PRIu64 ": wanted %s, got %s", key, now_ms,
		    wanted_limit != NULL ? wanted_limit : "nothing",
		    got.limit_name);
	if (found
	    && (strcmp(got.limit_name, wanted_limit) != 0
		|| got.until_ms != wanted_until))
		fail_msg("%s at %" PRIu64 ": wanted %s until %" PRIu64
			 ", got %s until %" PRIu64,
		    key, now_ms, wanted_limit, wanted_until, got.limit_name,
		    got.until_ms);
}

static void
want(struct refusals *refusals, const char *account, uint64_t now_ms,
    const char *wanted_limit, uint64_t wanted_until)
{
	want_of(refusals, LIMIT_KEY_ACCOUNT, account, now_ms, wanted_limit,
	    wanted_until);
}

static void
test_until(void **state)
{
	struct refusals *refusals = refusals_open(10);

	(void)state;
	want(refusals, "alice", 0, NULL, 0);
	add_account(refusals, "alice", "hourly", 100);
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
	add_account(refusals, "alice", "hourly", 100);
	add_account(refusals, "alice", "daily", 200);
	want(refusals, "alice", 1, "daily", 200);
	add_account(refusals, "alice", "hourly", 150);
	want(refusals, "alice", 1, "daily", 200);
	add_account(refusals, "alice", "daily", 50);
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
	add_account(refusals, "a", "hourly", 300);
	add_account(refusals, "b", "hourly", 100);
	add_account(refusals, "c", "hourly", 200);
	want(refusals, "a", 1, "hourly", 300);
	want(refusals, "b", 1, NULL, 0);
	want(refusals, "c", 1, "hourly", 200);
	add_account(refusals, "d", "hourly", 150);
	want(refusals, "d", 1, NULL, 0);
	assert_int_equal(refusals_count(refusals, 1), 2);
	refusals_clear(refusals);
	assert_int_equal(refusals_count(refusals, 1), 0);
	want(refusals, "a", 1, NULL, 0);
	refusals_close(&refusals);

	refusals = refusals_open(0);
	add_account(refusals, "a", "hourly", 300);
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
	add_account(refusals, account, limit, 100);
	want(refusals, account, 1, limit, 100);
	account[511] = 'y';
	want(refusals, account, 1, NULL, 0);
	refusals_close(&refusals);
}

/* Kinds of keys have nothing to do with each other. */
static void
test_kinds(void **state)
{
	struct refusals *refusals = refusals_open(10);

	(void)state;
	add(refusals, LIMIT_KEY_PARENT, "x", "parents", 100);
	add(refusals, LIMIT_KEY_CLIENT_IP, "x", "clients", 200);
	add(refusals, LIMIT_KEY_GLOBAL, "all", "server", 300);
	want(refusals, "x", 1, NULL, 0);
	want_of(refusals, LIMIT_KEY_PARENT, "x", 1, "parents", 100);
	want_of(refusals, LIMIT_KEY_CLIENT_IP, "x", 1, "clients", 200);
	want_of(refusals, LIMIT_KEY_GLOBAL, "all", 1, "server", 300);
	want_of(refusals, LIMIT_KEY_GLOBAL, "x", 1, NULL, 0);
	want_of(refusals, LIMIT_KEY_PARENT, "x", 100, NULL, 0);
	want_of(refusals, LIMIT_KEY_CLIENT_IP, "x", 100, "clients", 200);
	refusals_close(&refusals);
}

/* A block stays in the place of a limit, however long that lasts; all that was
 * told is given back. */
static void
test_blocks(void **state)
{
	struct refusals *refusals = refusals_open(10);
	struct refusal block = { .reason = REASON_BLOCKED,
		.limit_name = "blocked:account",
		.max = 0,
		.until_ms = 50 };
	struct refusal got;

	(void)state;
	memset(block.words, 'w', STORE_WORDS);
	add_account(refusals, "alice", "hourly", 100);
	refusals_add(refusals, LIMIT_KEY_ACCOUNT, "alice", &block);
	want(refusals, "alice", 1, "blocked:account", 50);
	add_account(refusals, "alice", "daily", 900);
	assert_true(
	    refusals_find(refusals, LIMIT_KEY_ACCOUNT, "alice", 1, &got));
	assert_int_equal(got.reason, REASON_BLOCKED);
	assert_string_equal(got.words, block.words);
	block.until_ms = UINT64_MAX;
	block.words[0] = '\0';
	refusals_add(refusals, LIMIT_KEY_ACCOUNT, "alice", &block);
	want(refusals, "alice", UINT64_MAX - 1, "blocked:account", UINT64_MAX);
	assert_true(
	    refusals_find(refusals, LIMIT_KEY_ACCOUNT, "alice", 1, &got));
	assert_string_equal(got.words, "");
	add_account(refusals, "bob", "hourly", 100);
	assert_true(refusals_find(refusals, LIMIT_KEY_ACCOUNT, "bob", 1, &got));
	assert_int_equal(got.reason, REASON_LIMIT);
	assert_int_equal(got.max, 10);
	assert_string_equal(got.words, "");
	refusals_close(&refusals);
}

/* Far more entries than are dropped at a time end at once. */
static void
test_many_end(void **state)
{
	struct refusals *refusals = refusals_open(MANY);
	char account[NAME];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(account, sizeof account, "u%d", i);
		add_account(refusals, account, "hourly", 100);
	}
	assert_int_equal(refusals_count(refusals, 99), MANY);
	want(refusals, "u0", 99, "hourly", 100);
	want(refusals, "u0", 100, NULL, 0);
	want(refusals, "u500", 100, NULL, 0);
	add_account(refusals, "u500", "hourly", 200);
	want(refusals, "u500", 100, "hourly", 200);
	assert_int_equal(refusals_count(refusals, 100), 1);
	refusals_close(&refusals);
}

static double
find_us(struct refusals *refusals, char prefix, size_t count)
{
	static char keys[4096][NAME];
	struct refusal refusal;
	uint64_t begun_us;
	size_t found = 0;

	for (size_t i = 0; i < 4096; i++)
		(void)snprintf(keys[i], sizeof keys[i], "%c%d", prefix,
		    (int)(i * 7919 % LARGE));
	begun_us = clock_monotonic_us();
	for (size_t i = 0; i < count; i++)
		found += refusals_find(
		    refusals, LIMIT_KEY_ACCOUNT, keys[i % 4096], 1, &refusal);
	assert_true(found == 0 || found == count);
	return (double)(clock_monotonic_us() - begun_us) / (double)count;
}

/* What it costs, as it is: a charge takes some 40 microseconds. No more than
 * that is the test, for machines are slow at times. */
static void
test_cost(void **state)
{
	struct refusals *refusals = refusals_open(LARGE);
	char account[NAME];
	double none_us = find_us(refusals, 'u', 400000);
	double there_us;
	double not_us;

	(void)state;
	for (int i = 0; i < LARGE; i++) {
		(void)snprintf(account, sizeof account, "u%d", i);
		add_account(refusals, account, "hourly",
		    100 + (uint64_t)(i * 31 % 977));
	}
	there_us = find_us(refusals, 'u', 400000);
	not_us = find_us(refusals, 'n', 400000);
	print_message("a find among %d: %.3f us, of one that isn't there "
		      "%.3f us, among none %.3f us\n",
	    LARGE, there_us, not_us, none_us);
	assert_true(none_us < 40 && there_us < 40 && not_us < 40);
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
			add_account(refusals, account, "hourly", until[number]);
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
		struct refusal refusal;
		char account[NAME];

		(void)snprintf(account, sizeof account, "u%d", (int)(i % 37));
		add_account(refusals, account, "hourly", i + i * 31 % 100);
		(void)refusals_find(
		    refusals, LIMIT_KEY_ACCOUNT, account, i, &refusal);
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
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_many_end),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
