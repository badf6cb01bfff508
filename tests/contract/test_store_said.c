/* What limits.mdb keeps beside counts: overrides and blocks, recipients,
 * warnings; over a restart, listed, dropped when done with, said by another
 * process. */
#include "milter/io/store_lmdb.h"
#include "milter/io/store_lmdb_record.h"
#include "tests/contract/lmdb_files.h"

#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 700, LONG_KEY = 600 };

static const uint64_t day_ms = 24ULL * LMDB_HOUR_MS;

static void
set(struct store *store, const char *limit, const char *key, uint64_t max,
    uint64_t until_ms, const char *words)
{
	const struct store_override override = { limit, key, max, until_ms,
		words };
	struct fault fault = { 0 };

	if (!store_set(store, &override, &fault))
		fail_msg("set %s: wanted it done, got %s", key, fault.words);
}

/* Ask for one charge, which must get an answer. */
static struct store_receipt
ask(struct store *store, const struct charge *charge,
    struct charge_answer *answer_out)
{
	struct store_receipt receipt;
	struct fault fault = { 0 };

	if (!store_charge(
		store, charge, 1, false, answer_out, &receipt, &fault))
		fail_msg(
		    "%s: wanted an answer, got %s", charge->key, fault.words);
	return receipt;
}

static void
want_words(const char *what, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", what, wanted, got);
}

/* A key longer than LMDB takes. */
static const char *
long_key(char end)
{
	static char key[LONG_KEY + 2];

	memset(key, 'x', LONG_KEY);
	key[LONG_KEY] = end;
	return key;
}

static void
test_overrides(void **state)
{
	struct fixture *fixture = *state;
	const struct limit *block = limits_block(LIMIT_KEY_ACCOUNT);
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	const char *const keys[] = { "k", "", "a\n{*}\xff", long_key('1') };
	struct charge_answer answer;
	struct store_receipt receipt;
	struct charge charge;

	fixture->store = fixture_open_lmdb(fixture);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		set(fixture->store, "l", keys[i], 3 + i, 0, "a plan of his");
		set(fixture->store, block->name, keys[i], 0, 0, "he spams");
	}
	store_close(&fixture->store);
	fixture->store = fixture_open_lmdb(fixture);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		charge = charge_of(&limit, keys[i], 4 + i);
		receipt = ask(fixture->store, &charge, &answer);
		assert_false(receipt.is_charged);
		assert_true(answer.is_overridden);
		want_number("max", 3 + i, answer.max);
		want_number("never", UINT64_MAX, answer.room_at_ms);
		want_words("why", "a plan of his", receipt.words);
		charge = charge_of(&limit, keys[i], 3 + i);
		assert_true(ask(fixture->store, &charge, &answer).is_charged);
		charge = charge_of(block, keys[i], 1);
		charge.is_look = true;
		receipt = ask(fixture->store, &charge, &answer);
		assert_false(receipt.is_charged);
		want_words("blocked", "he spams", receipt.words);
	}
	charge = charge_of(&limit, "other", 10);
	receipt = ask(fixture->store, &charge, &answer);
	assert_true(receipt.is_charged);
	assert_false(answer.is_overridden);
	charge = charge_of(&limit, long_key('2'), 10);
	assert_true(ask(fixture->store, &charge, &answer).is_charged);
	charge = charge_of(block, "other", 1);
	charge.is_look = true;
	assert_true(ask(fixture->store, &charge, &answer).is_charged);
}

static void
test_unset(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	char name[LIMIT_NAME_OCTETS + 2];
	struct store_override override = { name, "k", 0, 0, "" };
	struct fault fault;
	uint64_t before;
	uint64_t after;
	bool was_there;

	fixture->store = fixture_open_lmdb(fixture);
	assert_true(store_epoch(fixture->store, &before, &fault));
	set(fixture->store, "l", "k", 0, 0, "");
	assert_true(store_epoch(fixture->store, &after, &fault));
	assert_int_not_equal(before, after);
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	assert_true(store_unset(fixture->store, "l", "k", &was_there, &fault));
	assert_true(was_there);
	assert_true(store_epoch(fixture->store, &before, &fault));
	assert_int_not_equal(before, after);
	assert_true(charge_one(fixture->store, &limit, "k", 10));
	assert_true(store_unset(fixture->store, "l", "k", &was_there, &fault));
	assert_false(was_there);

	/* One that ends by itself. */
	set(fixture->store, "l", "k", 11, FIXTURE_NOW + 1000, "");
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	fixture->now_ms += 1000;
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	assert_true(store_unset(fixture->store, "l", "k", &was_there, &fault));
	assert_false(was_there);

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_false(store_set(fixture->store, &override, &fault));
	want_fault("long name", &fault, FAULT_PERMANENT, "longer than 64");
}

struct seen {
	size_t count;
	uint64_t sum;
	size_t enough; /* to be seen */
	bool was_seen[MANY];
};

static bool
see(struct seen *seen, const char *key, uint64_t number)
{
	int index;

	assert_int_equal(sscanf(key, "account-%d@example.net", &index), 1);
	assert_true(index >= 0 && index < MANY);
	assert_false(seen->was_seen[index]);
	seen->was_seen[index] = true;
	seen->sum += number;
	return ++seen->count != seen->enough;
}

static bool
see_override(void *context, const struct store_override *override)
{
	want_words("limit", "l", override->limit_name);
	want_words("words", "why not", override->words);
	return see(context, override->key, override->max);
}

static bool
see_count(void *context, const char *key, uint64_t used)
{
	return see(context, key, used);
}

static void
test_lists(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	struct limit other = limit_of("la", 1000000, LMDB_HOUR_MS);
	struct seen seen = { 0 };
	struct fault fault;
	uint64_t now_ms;
	char key[64];

	fixture->store = fixture_open_lmdb(fixture);
	assert_true(store_overrides(
	    fixture->store, see_override, &seen, &now_ms, &fault));
	assert_true(
	    store_counts(fixture->store, &limit, see_count, &seen, &fault));
	want_number("nothing", 0, seen.count);
	want_number("now", FIXTURE_NOW, now_ms);
	for (int i = 0; i < MANY; i++) {
		lmdb_key(key, sizeof key, i);
		set(fixture->store, "l", key, (uint64_t)i,
		    i % 7 == 0 ? FIXTURE_NOW + 1 : 0, "why not");
		assert_true(
		    charge_one(fixture->store, &limit, key, (uint64_t)i));
		assert_true(charge_one(fixture->store, &other, key, 3));
	}
	assert_true(store_overrides(
	    fixture->store, see_override, &seen, &now_ms, &fault));
	want_number("overrides", MANY, seen.count);
	want_number("of max", MANY * (MANY - 1) / 2, seen.sum);
	memset(&seen, 0, sizeof seen);
	seen.enough = 100;
	assert_true(store_overrides(
	    fixture->store, see_override, &seen, &now_ms, &fault));
	want_number("enough", 100, seen.count);

	memset(&seen, 0, sizeof seen);
	assert_true(
	    store_counts(fixture->store, &limit, see_count, &seen, &fault));
	want_number("counts", MANY - 1, seen.count); /* one has used nothing */
	want_number("of used", MANY * (MANY - 1) / 2, seen.sum);
	memset(&seen, 0, sizeof seen);
	seen.enough = 65;
	assert_true(
	    store_counts(fixture->store, &limit, see_count, &seen, &fault));
	want_number("enough", 65, seen.count);

	fixture->now_ms += 1;
	memset(&seen, 0, sizeof seen);
	assert_true(store_overrides(
	    fixture->store, see_override, &seen, &now_ms, &fault));
	want_number("not ended", MANY - MANY / 7, seen.count);
	want_number("later", FIXTURE_NOW + 1, now_ms);
	fixture->now_ms += 2 * LMDB_HOUR_MS;
	memset(&seen, 0, sizeof seen);
	assert_true(
	    store_counts(fixture->store, &limit, see_count, &seen, &fault));
	want_number("all have left", 0, seen.count);
}

struct named {
	const char *wanted;
	uint64_t number;
};

static bool
see_named(void *context, const char *key, uint64_t used)
{
	struct named *named = context;

	want_words("key", named->wanted, key);
	named->number += used;
	return true;
}

static bool
see_named_override(void *context, const struct store_override *override)
{
	return see_named(context, override->key, override->max);
}

/* Keys that are hashed are told in full. */
static void
test_long_listed(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	struct limit other = limit_of("m", 10, LMDB_HOUR_MS);
	struct named named = { .wanted = long_key('1') };
	struct fault fault;
	uint64_t now_ms;

	fixture->store = fixture_open_lmdb(fixture);
	set(fixture->store, "l", named.wanted, 9, 0, "w");
	assert_true(charge_one(fixture->store, &limit, named.wanted, 5));
	assert_true(charge_one(fixture->store, &other, named.wanted, 7));
	assert_true(
	    store_counts(fixture->store, &limit, see_named, &named, &fault));
	want_number("used", 5, named.number);
	assert_true(store_overrides(
	    fixture->store, see_named_override, &named, &now_ms, &fault));
	want_number("and max", 14, named.number);
}

static struct charge
charge_for(const struct limit *limit, const uint64_t *recipients, size_t count)
{
	struct charge charge = charge_of(limit, "k", count);

	charge.recipients = recipients;
	charge.recipient_count = count;
	return charge;
}

static void
test_recipients(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", UINT64_MAX, LMDB_HOUR_MS);
	struct limit daily = limit_of("daily", UINT64_MAX, day_ms);
	static uint64_t list[2 * STORE_RECIPIENTS + 100];
	struct charge_answer answers[2];
	struct charge charges[2];
	struct store_receipt receipt;
	struct fault fault;

	limit.count = daily.count = LIMIT_NEW_RECIPIENTS;
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		list[i] = (i + 1) * 0x1234567890abcU;
	fixture->store = fixture_open_lmdb(fixture);
	charges[0] = charge_for(&limit, list, 5);
	charges[1] = charge_for(&daily, list, 5);
	for (uint64_t round = 0; round < 2; round++) {
		assert_true(store_charge(fixture->store, charges, 2, false,
		    answers, &receipt, &fault));
		for (size_t i = 0; i < 2; i++)
			want_number(
			    "cost", round == 0 ? 5 : 0, answers[i].cost);
		want_number("used", 5 * round, answers[1].used);
	}
	store_close(&fixture->store);
	fixture->store = fixture_open_lmdb(fixture);
	charges[0] = charge_for(&limit, list, 8);
	ask(fixture->store, charges, answers);
	want_number("three are new", 3, answers->cost);

	/* Given back they are new again. */
	assert_true(store_refund(
	    fixture->store, charges, answers, 1, &receipt, &fault));
	want_number("given back", 5, used_of(fixture->store, &limit, "k"));
	ask(fixture->store, charges, answers);
	want_number("all are new", 8, answers->cost);

	/* Many of one message, and what is remembered of them. */
	charges[0] = charge_for(&limit, list, sizeof list / sizeof list[0]);
	ask(fixture->store, charges, answers);
	want_number("many", charges[0].cost - 8, answers->cost);
	charges[0] =
	    charge_for(&limit, list + STORE_RECIPIENTS + 100, STORE_RECIPIENTS);
	ask(fixture->store, charges, answers);
	want_number("the last", 0, answers->cost);
	charges[0] = charge_for(&limit, list, 1);
	ask(fixture->store, charges, answers);
	want_number("the first", 1, answers->cost);
	/* Of another kind of key it is another's. */
	limit.key = LIMIT_KEY_SENDER;
	charges[0] = charge_for(&limit, list, 1);
	ask(fixture->store, charges, answers);
	want_number("another kind", 1, answers->cost);
}

static void
test_refusals(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1, LMDB_HOUR_MS);
	struct limit refusals = limit_of("refusals", 2, LMDB_HOUR_MS);
	struct charge charges[] = { charge_of(&limit, "k", 2),
		charge_of(&refusals, "k", 1) };
	struct charge_answer answers[2];
	struct store_receipt receipt;
	struct fault fault;

	fixture->store = fixture_open_lmdb(fixture);
	refusals.count = LIMIT_REFUSALS;
	charges[1].is_look = charges[1].counts_refusal = true;
	for (uint64_t i = 0; i < 3; i++) {
		charges[0].refuses = i > 0;
		assert_true(store_charge(fixture->store, charges, 2, i == 2,
		    answers, &receipt, &fault));
		assert_false(receipt.is_charged);
		want_number("refused before", i == 2, answers[1].used);
	}
	want_number("refusals", 1, used_of(fixture->store, &refusals, "k"));
	want_number("counted", 0, used_of(fixture->store, &limit, "k"));
}

/* A warning is one for a whole window, over a restart too. */
static void
test_warned(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	const struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;

	limit.warn_percent = 80;
	fixture->store = fixture_open_lmdb(fixture);
	for (int i = 1; i <= 10; i++) {
		assert_true(ask(fixture->store, &charge, &answer).is_charged);
		want_number("warns", i == 8, answer.warns);
		store_close(&fixture->store);
		fixture->store = fixture_open_lmdb(fixture);
	}
	fixture->now_ms += LMDB_HOUR_MS + LMDB_HOUR_MS / 60;
	for (int i = 1; i <= 10; i++) {
		assert_true(ask(fixture->store, &charge, &answer).is_charged);
		want_number("warns again", i == 8, answer.warns);
	}
}

static size_t
entries(const struct fixture *fixture)
{
	MDB_stat stat;
	MDB_env *env;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, lmdb_path(fixture, "limits.mdb"),
			     MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600),
	    0);
	assert_int_equal(mdb_env_stat(env, &stat), 0);
	mdb_env_close(env);
	return stat.ms_entries;
}

/* What has ended, and who wasn't written to for long, goes by itself. */
static void
test_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", UINT64_MAX, LMDB_HOUR_MS);
	static uint64_t list[STORE_RECIPIENTS + 5];
	struct charge_answer answer;
	struct charge charge;

	limit.count = LIMIT_NEW_RECIPIENTS;
	for (size_t i = 0; i < sizeof list / sizeof list[0]; i++)
		list[i] = i + 1;
	fixture->store = fixture_open_lmdb(fixture);
	set(fixture->store, "l", "k", 5000, FIXTURE_NOW + 1000, "");
	set(fixture->store, "l", long_key('1'), 5, FIXTURE_NOW + 1000, "");
	set(fixture->store, "l", "stays", 5, 0, "");
	charge = charge_for(&limit, list, sizeof list / sizeof list[0]);
	ask(fixture->store, &charge, &answer);
	store_tend(fixture->store);
	want_number("all of it", 7, entries(fixture));
	fixture->now_ms += 50 * day_ms;
	store_tend(fixture->store);
	want_number("recipients stay", 4, entries(fixture));
	charge = charge_for(&limit, list + STORE_RECIPIENTS, 5);
	ask(fixture->store, &charge, &answer);
	want_number("known", 0, answer.cost);
	fixture->now_ms += 50 * day_ms;
	store_tend(fixture->store);
	want_number("the older go", 3, entries(fixture));
	ask(fixture->store, &charge, &answer);
	want_number("still known", 0, answer.cost);
	fixture->now_ms += 90 * day_ms;
	ask(fixture->store, &charge, &answer);
	want_number("gone", 5, answer.cost);
	store_close(&fixture->store);
	/* The file says how many overrides it has, or it would be damaged. */
	assert_int_equal(unlink(lmdb_path(fixture, "limits.mdb-clean")), 0);
	fixture->store = fixture_open_lmdb(fixture);
}

static void
test_full_of_overrides(void **state)
{
	struct fixture *fixture = *state;
	struct store_override override = { "l", NULL, 1, 0, "" };
	struct fault fault = { 0 };
	bool was_there;
	char key[64];
	int i = 0;

	override.until_ms = FIXTURE_NOW + 1000;
	fixture->size_bytes = 1;
	fixture->store = fixture_open_lmdb(fixture);
	override.key = key;
	do
		lmdb_key(key, sizeof key, i++);
	while (i < 100000 && store_set(fixture->store, &override, &fault));
	want_fault("full", &fault, FAULT_TEMPORARY, "store.size");
	assert_true(i > 500);
	lmdb_key(key, sizeof key, 3);
	assert_true(store_set(fixture->store, &override, &fault));
	assert_true(store_unset(fixture->store, "l", key, &was_there, &fault));
	assert_true(was_there);
	fixture->now_ms += 1000;
	override.until_ms = 0;
	lmdb_key(key, sizeof key, i);
	if (!store_set(fixture->store, &override, &fault))
		fail_msg("wanted room, got %s", fault.words);
}

static void
test_too_many_overrides(void **state)
{
	struct fixture *fixture = *state;
	struct store_override override = { "l", NULL, 1, FIXTURE_NOW + 1000,
		"" };
	struct fault fault = { 0 };
	char key[64];

	fixture->size_bytes = 64 << 20;
	fixture->store = fixture_open_lmdb(fixture);
	override.key = key;
	for (int i = 0; i < STORE_OVERRIDES; i++) {
		lmdb_key(key, sizeof key, i);
		if (!store_set(fixture->store, &override, &fault))
			fail_msg("%d: wanted it set, got %s", i, fault.words);
	}
	assert_true(store_set(fixture->store, &override, &fault));
	lmdb_key(key, sizeof key, STORE_OVERRIDES);
	assert_false(store_set(fixture->store, &override, &fault));
	want_fault("many", &fault, FAULT_PERMANENT, "remove some");
	fixture->now_ms += 1000;
	override.until_ms = 0;
	if (!store_set(fixture->store, &override, &fault))
		fail_msg("wanted those that ended gone, got %s", fault.words);
	want_number("left", 2, entries(fixture));
}

/* posternctl beside the daemon: what it says holds from the next charge on. */
static void
test_other_process(void **state)
{
	struct fixture *fixture = *state;
	const struct limit *block = limits_block(LIMIT_KEY_ACCOUNT);
	struct charge charge = charge_of(block, "k", 1);
	struct fault fault = { 0 };
	struct charge_answer answer;
	struct store_receipt receipt;
	struct store *store;
	struct named named = { .wanted = "k" };
	uint64_t before;
	uint64_t after;
	bool was_there;
	int to_child[2];
	int status;
	char octet;
	pid_t pid;

	charge.is_look = true;
	assert_int_equal(pipe(to_child), 0);
	pid = fork();
	if (pid == 0) { /* posternctl */
		if (read(to_child[0], &octet, 1) != 1)
			_exit(1);
		store = store_lmdb_open_existing(fixture->directory, &fault);
		if (store == NULL)
			_exit(2);
		store_lmdb_set_clock(store, fixture_clock, fixture);
		set(store, block->name, "k", 0, 0, "he spams");
		if (!store_overrides(
			store, see_named_override, &named, &after, &fault)
		    || !store_counts(store, block, see_named, &named, &fault))
			_exit(3);
		store_close(&store);
		_exit(0);
	}
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(ask(fixture->store, &charge, &answer).is_charged);
	assert_true(store_epoch(fixture->store, &before, &fault));
	assert_int_equal(write(to_child[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	want_number("posternctl", 0, (uint64_t)status);
	(void)close(to_child[0]);
	(void)close(to_child[1]);
	receipt = ask(fixture->store, &charge, &answer);
	assert_false(receipt.is_charged);
	want_words("why", "he spams", receipt.words);
	assert_true(store_epoch(fixture->store, &after, &fault));
	assert_int_not_equal(before, after);
	store_close(&fixture->store);

	/* And without the daemon. */
	store = store_lmdb_open_existing(fixture->directory, &fault);
	assert_non_null(store);
	store_lmdb_set_clock(store, fixture_clock, fixture);
	assert_true(store_unset(store, block->name, "k", &was_there, &fault));
	assert_true(was_there);
	store_close(&store);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(ask(fixture->store, &charge, &answer).is_charged);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lmdb_setup, lmdb_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_overrides),
		CASE(test_unset),
		CASE(test_lists),
		CASE(test_long_listed),
		CASE(test_recipients),
		CASE(test_refusals),
		CASE(test_warned),
		CASE(test_dropped),
		CASE(test_full_of_overrides),
		CASE(test_too_many_overrides),
		CASE(test_other_process),
	};

	return cmocka_run_group_tests_name("store_said", tests, NULL, NULL);
}
