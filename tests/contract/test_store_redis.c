/* What is Redis' own in the store's promise: one round trip, a script that is
 * lost, keys that are others', a server that stands still. */
#include "tests/contract/redis_servers.h"
#include "tests/contract/store_kinds.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t hour_ms = 3600000;

enum { TIMEOUT_MS = 5000, SHORT_MS = 200 };

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct fault fault = { 0 };

	fixture_init(fixture);
	fixture->store = fixture_open_redis(fixture, TIMEOUT_MS, &fault);
	if (fixture->store == NULL)
		fail_msg("wanted a store, got %s", fault.words);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	fixture_clear(*state);
	free(*state);
	return 0;
}

/* Ask about a key of the fixture: "PTTL {%s}:n/l/k". */
static long long
ask_number(struct fixture *fixture, const char *format)
{
	redisReply *reply = redis_server_ask(
	    fixture_redis(), format, fixture_redis_prefix(fixture));
	long long number;

	if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
		fail_msg("%s: wanted a number", format);
	number = reply->integer;
	freeReplyObject(reply);
	return number;
}

/* Tell it something whose answer doesn't matter. */
static void
tell(struct fixture *fixture, const char *format)
{
	redisReply *reply = redis_server_ask(
	    fixture_redis(), format, fixture_redis_prefix(fixture));

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		fail_msg("%s: wanted it done, got %s", format,
		    reply != NULL ? reply->str : "nothing");
	freeReplyObject(reply);
}

static uint64_t
calls_of_script(void)
{
	redisReply *reply =
	    redis_server_ask(fixture_redis(), "INFO commandstats");
	const char *line = strstr(reply->str, "cmdstat_evalsha:calls=");
	uint64_t calls =
	    line != NULL ? strtoull(strchr(line, '=') + 1, NULL, 10) : 0;

	freeReplyObject(reply);
	return calls;
}

static void
test_one_call(void **state)
{
	struct fixture *fixture = *state;
	struct limit limits[] = { limit_of("hourly", 100, hour_ms),
		limit_of("daily", 100, 24 * hour_ms) };
	struct charge charges[] = { charge_of(limits_block(LIMIT_KEY_ACCOUNT),
					"k", 1),
		charge_of(&limits[0], "k", 5), charge_of(&limits[1], "k", 5) };
	struct charge_answer answers[3];
	struct store_receipt receipt;
	struct fault fault;
	uint64_t before;

	charges[0].is_look = true;
	assert_true(charge_one(fixture->store, &limits[0], "k", 1));
	before = calls_of_script();
	assert_true(store_charge(
	    fixture->store, charges, 3, false, answers, &receipt, &fault));
	assert_true(receipt.is_charged);
	want_number("calls", before + 1, calls_of_script());
	want_number("used", 1, answers[1].used);
}

static void
test_script_is_lost(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);

	assert_true(charge_one(fixture->store, &limit, "k", 1));
	redis_server_tell(fixture_redis(), "SCRIPT FLUSH");
	assert_true(charge_one(fixture->store, &limit, "k", 2));
	want_number("used", 3, used_of(fixture->store, &limit, "k"));
}

static void
test_expiry(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	long long life;

	assert_true(charge_one(fixture->store, &limit, "k", 1));
	life = ask_number(fixture, "PTTL {%s}:n/l/k");
	assert_true(life >= (long long)hour_ms * 61 / 60);
	assert_true(life <= (long long)hour_ms * 62 / 60 + 2);
	want_number(
	    "size", 1, ask_number(fixture, "MEMORY USAGE {%s}:n/l/k") <= 160);
}

/* What isn't ours is neither overwritten nor counted from nothing. */
static void
test_foreign_keys(void **state)
{
	static const struct {
		const char *name, *make;
	} cases[] = {
		{ "text", "SET {%s}:n/l/k hello" },
		{ "empty", "APPEND {%s}:n/l/k x" },
		{ "newer", "SETRANGE {%s}:n/l/k 0 \x02" },
		{ "list", "RPUSH {%s}:n/l/k a" },
	};
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fault fault = { 0 };

		tell(fixture, "DEL {%s}:n/l/k");
		tell(fixture, cases[i].make);
		if (store_charge(fixture->store, &charge, 1, false, &answer,
			&receipt, &fault))
			fail_msg("%s: wanted a fault", cases[i].name);
		if (fault.kind != FAULT_PERMANENT
		    || strstr(fault.words, ":n/l/k") == NULL)
			fail_msg("%s: wanted the key's name, got %s",
			    cases[i].name, fault.words);
		assert_true(charge_one(fixture->store, &limit, "other", 0));
	}
}

static void
test_full_memory(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };
	bool is_done;

	assert_true(charge_one(fixture->store, &limit, "k", 1));
	redis_server_tell(fixture_redis(), "CONFIG SET maxmemory 1");
	is_done = store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault);
	redis_server_tell(fixture_redis(), "CONFIG SET maxmemory 0");
	assert_false(is_done);
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	if (strstr(fault.words, "OOM") == NULL)
		fail_msg("wanted Redis' own words, got %s", fault.words);
	want_number("used", 1, used_of(fixture->store, &limit, "k"));
}

/* A charge that was given up while the server stood still isn't counted when
 * it goes on. */
static void
test_standstill(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };
	uint64_t epoch;
	bool is_done;

	store_close(&fixture->store);
	fixture->store = fixture_open_redis(fixture, SHORT_MS, &fault);
	assert_non_null(fixture->store);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	assert_int_equal(kill(fixture_redis()->pid, SIGSTOP), 0);
	is_done = store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault);
	/* That takes as long again: the charge is late beyond all margins. */
	(void)store_epoch(fixture->store, &epoch, &fault);
	assert_int_equal(kill(fixture_redis()->pid, SIGCONT), 0);
	assert_false(is_done);
	redis_server_await(fixture_redis(), "PING", "PONG");
	want_number("used", 1, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	want_number("goes on", 2, used_of(fixture->store, &limit, "k"));
}

/* An override that can't be read is none. */
static void
test_foreign_override(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);

	tell(fixture, "HSET {%s}:c o/l/k nonsense-nonsense-nonsense");
	assert_true(charge_one(fixture->store, &limit, "k", 10));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
}

/* A block that somebody sets holds for a daemon that knows of no override yet,
 * and also when the count of overrides is lost. */
static void
test_block_is_new(void **state)
{
	static const char *const cases[] = { "PING {%s}", "DEL {%s}:t",
		"SET {%s}:t hello" };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct charge charges[] = { charge_of(limits_block(LIMIT_KEY_ACCOUNT),
					"k", 1),
		charge_of(&limit, "k", 1) };
	struct store_override block = { .limit_name = charges[0].limit->name,
		.key = "k",
		.words = "spam" };
	struct charge_answer answers[2];
	struct store_receipt receipt = { 0 };
	struct fault fault = { 0 };
	struct store *other = fixture_open_redis(fixture, TIMEOUT_MS, &fault);
	bool was_there;

	assert_non_null(other);
	charges[0].is_look = true;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memset(&receipt, 0, sizeof receipt);
		assert_true(charge_one(fixture->store, &limit, "other", 1));
		assert_true(store_set(other, &block, &fault));
		tell(fixture, cases[i]);
		assert_true(store_charge(fixture->store, charges, 2, false,
		    answers, &receipt, &fault));
		if (receipt.is_charged || answers[0].fits
		    || strcmp(receipt.words, "spam") != 0)
			fail_msg("%s: wanted a block", cases[i]);
		want_number("used", i, answers[1].used);
		assert_true(store_unset(
		    other, block.limit_name, "k", &was_there, &fault));
		assert_true(was_there);
		assert_true(store_charge(fixture->store, charges, 2, false,
		    answers, &receipt, &fault));
		assert_true(receipt.is_charged);
	}
	store_close(&other);
}

/* A count in the same slot is a change in place: how long the key lives, and
 * what older slots hold, stay as they were. */
static void
test_same_slot(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 20, 60 * 24 * hour_ms);

	assert_true(charge_one(fixture->store, &limit, "k", 9));
	tell(fixture, "PEXPIRE {%s}:n/l/k 5000000");
	assert_true(charge_one(fixture->store, &limit, "k", 2));
	assert_true(ask_number(fixture, "PTTL {%s}:n/l/k") <= 5000000);
	assert_true(ask_number(fixture, "PTTL {%s}:n/l/k") > 0);
	assert_true(charge_one(fixture->store, &limit, "k", 9));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	want_number("used", 20, used_of(fixture->store, &limit, "k"));
}

/* What was counted is gone, and with it the reason of refusals that daemons
 * remember: they see it by the epoch. */
static void
test_emptied(void **state)
{
	struct fixture *fixture = *state;
	struct fault fault = { 0 };
	uint64_t before;
	uint64_t again;
	uint64_t after;

	assert_true(store_epoch(fixture->store, &before, &fault));
	assert_true(store_epoch(fixture->store, &again, &fault));
	want_number("epoch", before, again);
	redis_server_tell(fixture_redis(), "FLUSHALL");
	assert_true(store_epoch(fixture->store, &after, &fault));
	if (after == before)
		fail_msg("wanted another epoch than %ju", (uintmax_t)before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(function) \
	cmocka_unit_test_setup_teardown(function, setup, teardown)
		TEST(test_one_call),
		TEST(test_script_is_lost),
		TEST(test_expiry),
		TEST(test_foreign_keys),
		TEST(test_full_memory),
		TEST(test_standstill),
		TEST(test_foreign_override),
		TEST(test_block_is_new),
		TEST(test_same_slot),
		TEST(test_emptied),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
