/* Overrides and blocks, and the lists of them and of counts: held against every
 * store. */
#include "tests/contract/store_suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 150, MANY = 40 };

static const uint64_t hour_ms = 3600000;

static void
want_max(struct fixture *fixture, const struct limit *limit, const char *key,
    uint64_t wanted, bool is_overridden)
{
	const struct charge charge = charge_of(limit, key, 1);
	struct charge_answer answer;
	struct store_receipt receipt;

	charge_all(fixture, &charge, 1, true, &answer, &receipt);
	if (answer.max != wanted || answer.is_overridden != is_overridden
	    || answer.fits != (answer.used < wanted)
	    || receipt.is_charged != answer.fits)
		fail_msg("%s %s: wanted max %" PRIu64 "%s, got %" PRIu64
			 "%s, used %" PRIu64 ", %s",
		    limit->name, key, wanted,
		    is_overridden ? " by override" : "", answer.max,
		    answer.is_overridden ? " by override" : "", answer.used,
		    answer.fits ? "fits" : "doesn't fit");
}

static void
test_set(void **state)
{
	static const uint64_t maxes[] = { 7, 4, 3, 1, 0, 9, UINT64_MAX };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct limit other = limit_of("other", 5, hour_ms);

	assert_true(charge_one(fixture->store, &limit, "k", 4));
	for (size_t i = 0; i < sizeof maxes / sizeof maxes[0]; i++) {
		const struct store_override override =
		    override_of(&limit, "k", maxes[i]);

		set_override(fixture, &override);
		want_max(fixture, &limit, "k", maxes[i], true);
		want_max(fixture, &limit, "j", 5, false);
		want_max(fixture, &other, "k", 5, false);
		want_number("kept", 4, used_of(fixture->store, &limit, "k"));
	}
	assert_true(unset_override(fixture, "l", "k"));
	want_max(fixture, &limit, "k", 5, false);
	assert_false(unset_override(fixture, "l", "k"));
	assert_false(unset_override(fixture, "l", "nobody"));
}

/* It is what counts that it decides on, not only what is shown. */
static void
test_decides(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct store_override override = override_of(&limit, "k", 8);

	assert_false(charge_one(fixture->store, &limit, "k", 6));
	set_override(fixture, &override);
	assert_true(charge_one(fixture->store, &limit, "k", 6));
	assert_false(charge_one(fixture->store, &limit, "k", 3));
	assert_true(charge_one(fixture->store, &limit, "k", 2));
	override.max = 0;
	set_override(fixture, &override);
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	assert_false(charge_one(fixture->store, &limit, "k", 0));
}

static void
test_until(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct store_override override = override_of(&limit, "k", 2);
	const struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;

	assert_true(charge_one(fixture->store, &limit, "k", 3));
	override.until_ms = FIXTURE_NOW + 60000;
	set_override(fixture, &override);
	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	assert_false(receipt.is_charged);
	want_number(
	    "room when it ends", FIXTURE_NOW + 60000, answer.room_at_ms);
	want_number("room for one", FIXTURE_NOW + 60000, answer.one_at_ms);
	fixture->now_ms += 59999;
	want_max(fixture, &limit, "k", 2, true);
	fixture->now_ms += 1;
	want_max(fixture, &limit, "k", 5, false);
	assert_false(unset_override(fixture, "l", "k"));
	fixture->now_ms -= 30000; /* the store's clock doesn't */
	want_max(fixture, &limit, "k", 5, false);
	/* One that has ended already, and another in its place. */
	override.until_ms = FIXTURE_NOW;
	set_override(fixture, &override);
	want_max(fixture, &limit, "k", 5, false);
	override.until_ms = 0;
	set_override(fixture, &override);
	fixture->now_ms += 100 * hour_ms;
	store_tend(fixture->store);
	want_max(fixture, &limit, "k", 2, true);
}

struct seen {
	size_t count;
	size_t most;
	char lines[MANY * 3][800];
};

static bool
note_override(void *context, const struct store_override *override)
{
	struct seen *seen = context;

	assert_true(seen->count < MANY * 3);
	(void)snprintf(seen->lines[seen->count++], sizeof seen->lines[0],
	    "%s|%s|%" PRIu64 "|%" PRIu64 "|%s", override->limit_name,
	    override->key, override->max, override->until_ms, override->words);
	return seen->most == 0 || seen->count < seen->most;
}

static void
want_listed(const struct seen *seen, const char *line)
{
	size_t found = 0;

	for (size_t i = 0; i < seen->count; i++)
		found += strcmp(seen->lines[i], line) == 0;
	if (found != 1)
		fail_msg("%s: wanted it once, got %zu of %zu", line, found,
		    seen->count);
}

static void
list(struct fixture *fixture, struct seen *seen)
{
	struct fault fault = { 0 };
	uint64_t now_ms;

	seen->count = 0;
	if (!store_overrides(
		fixture->store, note_override, seen, &now_ms, &fault))
		fail_msg("wanted a list, got %s", fault.words);
	want_number("now", fixture->now_ms, now_ms);
}

static void
test_listed(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct seen *seen = calloc(1, sizeof(*seen));
	struct store_override override = override_of(&limit, "k", 2);
	char key[16];

	list(fixture, seen);
	want_number("none", 0, seen->count);
	override.words = "asked for, 3.4.";
	set_override(fixture, &override);
	override.key = "j";
	override.max = UINT64_MAX;
	override.until_ms = FIXTURE_NOW + 1000;
	override.words = "";
	set_override(fixture, &override);
	override.limit_name = "blocked:account";
	override.max = 0;
	override.words = "spam | \"x\" \xc3\xa4";
	set_override(fixture, &override);
	list(fixture, seen);
	want_number("three", 3, seen->count);
	want_listed(seen, "l|k|2|0|asked for, 3.4.");
	want_listed(seen, "l|j|18446744073709551615|1700000001000|");
	want_listed(
	    seen, "blocked:account|j|0|1700000001000|spam | \"x\" \xc3\xa4");
	fixture->now_ms += 1000;
	list(fixture, seen);
	want_number("one", 1, seen->count);
	override = override_of(&limit, key, 1);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof key, "key%d", i);
		set_override(fixture, &override);
	}
	list(fixture, seen);
	want_number("many", MANY + 1, seen->count);
	want_listed(seen, "l|key0|1|0|");
	want_listed(seen, "l|key39|1|0|");
	seen->most = 2;
	list(fixture, seen);
	want_number("enough", 2, seen->count);
	free(seen);
}

/* Keys that are alike in some way, each with its own. */
static void
test_keys(void **state)
{
	struct fixture *fixture = *state;
	struct seen *seen = calloc(1, sizeof(*seen));
	char longest[513], too[513], most_words[STORE_WORDS + 1], line[800];
	const struct {
		const char *limit, *key;
	} cases[] = {
		{ "a", "bc" },
		{ "ab", "c" },
		{ "abc", "" },
		{ "a", "/b" },
		{ "a.b", "" },
		{ "l", "\x01\x7f\x80\xff" },
		{ "l", "x\ny" },
		{ "l", "{k}" },
		{ "l", "*" },
		{ "l", "k" },
		{ "l", "K" },
		{ "blocked:account", "k" },
		{ "l", longest },
		{ "l", too },
	};

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	memcpy(too, longest, sizeof too);
	too[sizeof too - 2] = 'y';
	memset(most_words, 'w', sizeof most_words - 1);
	most_words[sizeof most_words - 1] = '\0';
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limit limit = limit_of(cases[i].limit, 1000, hour_ms);
		struct store_override override =
		    override_of(&limit, cases[i].key, 100 + i);

		override.words = most_words;
		want_max(fixture, &limit, cases[i].key, 1000, false);
		set_override(fixture, &override);
	}
	list(fixture, seen);
	want_number("all", sizeof cases / sizeof cases[0], seen->count);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct limit limit = limit_of(cases[i].limit, 1000, hour_ms);

		want_max(fixture, &limit, cases[i].key, 100 + i, true);
		(void)snprintf(line, sizeof line, "%s|%s|%zu|0|%s",
		    cases[i].limit, cases[i].key, 100 + i, most_words);
		want_listed(seen, line);
		assert_true(
		    unset_override(fixture, cases[i].limit, cases[i].key));
	}
	list(fixture, seen);
	want_number("none left", 0, seen->count);
	free(seen);
}

static void
test_epoch(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	const struct store_override override = override_of(&limit, "k", 2);
	struct fault fault;
	uint64_t epochs[4];

	assert_true(store_epoch(fixture->store, &epochs[0], &fault));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_tend(fixture->store);
	assert_true(store_epoch(fixture->store, &epochs[1], &fault));
	want_number("a charge", epochs[0], epochs[1]);
	set_override(fixture, &override);
	assert_true(store_epoch(fixture->store, &epochs[2], &fault));
	assert_true(epochs[2] != epochs[1]);
	assert_true(unset_override(fixture, "l", "k"));
	assert_true(store_epoch(fixture->store, &epochs[3], &fault));
	assert_true(epochs[3] != epochs[2]);
	assert_true(epochs[3] != epochs[1]);
}

static struct charge
block_look(enum limit_key kind, const char *key)
{
	struct charge charge = charge_of(limits_block(kind), key, 1);

	charge.is_look = true;
	charge.refuses = true;
	return charge;
}

/* A block says no to the charges beside it, in the same step. */
static void
test_blocks(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	const struct charge charges[] = {
		block_look(LIMIT_KEY_ACCOUNT, "k"),
		block_look(LIMIT_KEY_PARENT, "k"),
		charge_of(&limit, "k", 2),
	};
	struct store_override block =
	    override_of(limits_block(LIMIT_KEY_PARENT), "k", 0);
	struct charge_answer answers[3];
	struct store_receipt receipt;

	charge_all(fixture, charges, 3, false, answers, &receipt);
	assert_true(receipt.is_charged);
	assert_true(answers[0].fits && answers[1].fits);
	assert_string_equal(receipt.words, "");
	block.words = "sends spam";
	set_override(fixture, &block);
	charge_all(fixture, charges, 3, false, answers, &receipt);
	assert_false(receipt.is_charged);
	assert_true(answers[0].fits);
	assert_false(answers[1].fits);
	assert_true(answers[1].is_overridden);
	want_number("never", UINT64_MAX, answers[1].room_at_ms);
	assert_true(answers[2].fits);
	assert_string_equal(receipt.words, "sends spam");
	want_number("not counted", 2, used_of(fixture->store, &limit, "k"));
	block.until_ms = FIXTURE_NOW + hour_ms / 2;
	set_override(fixture, &block);
	charge_all(fixture, charges, 3, true, answers, &receipt);
	assert_false(receipt.is_charged);
	want_number("ends", FIXTURE_NOW + hour_ms / 2, answers[1].room_at_ms);
	assert_true(unset_override(fixture, "blocked:parent", "k"));
	charge_all(fixture, charges, 3, false, answers, &receipt);
	assert_true(receipt.is_charged);
	want_number("counted", 4, used_of(fixture->store, &limit, "k"));
}

/* Of several overrides that say no the first one's words are told; who has
 * room isn't told any. */
static void
test_words(void **state)
{
	struct fixture *fixture = *state;
	struct limit first = limit_of("first", 5, hour_ms);
	struct limit second = limit_of("second", 5, hour_ms);
	struct limit third = limit_of("third", 1, hour_ms);
	const struct charge charges[] = { charge_of(&third, "k", 2),
		charge_of(&first, "k", 2), charge_of(&second, "k", 2) };
	struct store_override override = override_of(&first, "k", 3);
	struct charge_answer answers[3];
	struct store_receipt receipt;

	override.words = "one";
	set_override(fixture, &override);
	override.limit_name = "second";
	override.words = "two";
	override.max = 1;
	set_override(fixture, &override);
	charge_all(fixture, charges, 3, false, answers, &receipt);
	assert_false(receipt.is_charged);
	assert_string_equal(receipt.words, "two");
	override.limit_name = "first";
	override.words = "one";
	set_override(fixture, &override);
	charge_all(fixture, charges, 3, false, answers, &receipt);
	assert_string_equal(receipt.words, "one");
}

/* Numbers as large as counts of bytes are, and larger. */
static void
test_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("bytes", 1ULL << 50, hour_ms);
	struct store_override override = override_of(&limit, "k", 1ULL << 52);

	limit.count = LIMIT_BYTES;
	assert_true(charge_one(fixture->store, &limit, "k", (1ULL << 50) - 1));
	assert_false(charge_one(fixture->store, &limit, "k", 2));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	set_override(fixture, &override);
	want_max(fixture, &limit, "k", 1ULL << 52, true);
	assert_true(charge_one(
	    fixture->store, &limit, "k", (1ULL << 52) - (1ULL << 50) - 3));
	assert_false(charge_one(fixture->store, &limit, "k", 4));
	assert_true(charge_one(fixture->store, &limit, "k", 3));
	want_number("used", 1ULL << 52, used_of(fixture->store, &limit, "k"));
}

static bool
note_count(void *context, const char *key, uint64_t used)
{
	struct seen *seen = context;

	assert_true(seen->count < MANY * 3);
	(void)snprintf(seen->lines[seen->count++], sizeof seen->lines[0],
	    "%s|%" PRIu64, key, used);
	return seen->most == 0 || seen->count < seen->most;
}

static void
visit_counts(
    struct fixture *fixture, const struct limit *limit, struct seen *seen)
{
	struct fault fault = { 0 };

	seen->count = 0;
	if (!store_counts(fixture->store, limit, note_count, seen, &fault))
		fail_msg("wanted counts, got %s", fault.words);
}

static void
test_counts(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, hour_ms);
	struct limit longer = limit_of("l2", 1000, hour_ms);
	struct seen *seen = calloc(1, sizeof(*seen));
	char key[520];

	visit_counts(fixture, &limit, seen);
	want_number("none", 0, seen->count);
	memset(key, 'x', sizeof key);
	key[512] = '\0';
	assert_true(charge_one(fixture->store, &limit, key, 7));
	assert_true(charge_one(fixture->store, &limit, "", 8));
	assert_true(charge_one(fixture->store, &limit, "a\n/*{}\xff", 9));
	assert_true(charge_one(fixture->store, &longer, "other", 10));
	assert_false(charge_one(fixture->store, &limit, "none", 1001));
	visit_counts(fixture, &limit, seen);
	want_number("three", 3, seen->count);
	want_listed(seen, "|8");
	want_listed(seen, "a\n/*{}\xff|9");
	(void)snprintf(key + 512, sizeof key - 512, "|7");
	want_listed(seen, key);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(key, sizeof key, "key%d", i);
		assert_true(charge_one(fixture->store, &limit, key, 100));
	}
	visit_counts(fixture, &limit, seen);
	want_number("many", MANY + 3, seen->count);
	seen->most = 5;
	visit_counts(fixture, &limit, seen);
	want_number("enough", 5, seen->count);
	seen->most = 0;
	fixture->now_ms += 2 * hour_ms;
	visit_counts(fixture, &limit, seen);
	want_number("gone", 0, seen->count);
	free(seen);
}

static void
test_kept(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct store_override override = override_of(&limit, "k", 8);

	override.words = "why";
	override.until_ms = FIXTURE_NOW + hour_ms;
	set_override(fixture, &override);
	store_close(&fixture->store);
	fixture->store = fixture->kind->open(fixture);
	want_max(fixture, &limit, "k", 8, true);
	fixture->now_ms += hour_ms;
	want_max(fixture, &limit, "k", 5, false);
}

/* As many as there may be, and one more; those that have ended give room. Not
 * through guards: these say what the store inside says. */
static void
test_bound(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	char key[16];
	struct store_override override = override_of(&limit, key, 1);
	struct fault fault = { 0 };

	if (strstr(fixture->kind->name, "guard") != NULL)
		return;
	for (int i = 0; i < STORE_OVERRIDES; i++) {
		(void)snprintf(key, sizeof key, "k%d", i);
		override.until_ms = i % 1000 == 7 ? FIXTURE_NOW + hour_ms : 0;
		set_override(fixture, &override);
	}
	(void)snprintf(key, sizeof key, "one more");
	assert_false(store_set(fixture->store, &override, &fault));
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	want_max(fixture, &limit, "one more", 5, false);
	(void)snprintf(key, sizeof key, "k0");
	override.max = 3;
	set_override(fixture, &override);
	want_max(fixture, &limit, "k0", 3, true);
	fixture->now_ms += hour_ms;
	for (int i = 0; i < 200; i++)
		store_tend(fixture->store);
	(void)snprintf(key, sizeof key, "one more");
	set_override(fixture, &override);
	want_max(fixture, &limit, "one more", 3, true);
}

struct worker {
	struct fixture *fixture;
	const struct limit *limit;
	uint64_t charged;
	bool has_failed;
};

static void *
charge_thread(void *argument)
{
	struct worker *worker = argument;
	const struct charge charge = charge_of(worker->limit, "k", 1);

	for (int i = 0; i < ROUNDS; i++) {
		struct charge_answer answer;
		struct store_receipt receipt;
		struct fault fault;

		if (!store_charge(worker->fixture->store, &charge, 1, false,
			&answer, &receipt, &fault))
			worker->has_failed = true;
		else if (receipt.is_charged)
			worker->charged++;
	}
	return NULL;
}

/* Overrides change under load: never more than the largest of them. */
static void
test_threads(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t charged = 0;

	for (size_t i = 0; i < THREADS; i++) {
		workers[i] =
		    (struct worker){ .fixture = fixture, .limit = &limit };
		assert_int_equal(pthread_create(&threads[i], NULL,
				     charge_thread, &workers[i]),
		    0);
	}
	for (uint64_t i = 0; i < 60; i++) {
		const struct store_override override =
		    override_of(&limit, "k", i % 3 * 100);

		set_override(fixture, &override);
		if (i % 4 == 3)
			(void)unset_override(fixture, "l", "k");
	}
	(void)unset_override(fixture, "l", "k");
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_false(workers[i].has_failed);
		charged += workers[i].charged;
	}
	want_number("all", charged, used_of(fixture->store, &limit, "k"));
	if (charged > 200 || charged == 0)
		fail_msg("wanted 1..200, got %" PRIu64, charged);
}

static const struct store_test tests[] = {
	{ "overrides", test_set, false },
	{ "an override decides", test_decides, false },
	{ "an override ends", test_until, false },
	{ "overrides listed", test_listed, false },
	{ "keys of overrides", test_keys, false },
	{ "epoch", test_epoch, false },
	{ "blocks", test_blocks, false },
	{ "words of overrides", test_words, false },
	{ "bytes", test_bytes, false },
	{ "counts", test_counts, false },
	{ "overrides kept over a restart", test_kept, true },
	{ "most overrides", test_bound, false },
	{ "overrides under load", test_threads, false },
};

int
main(void)
{
	return store_suite_run(tests, sizeof tests / sizeof tests[0]);
}
