/* Machines are driven to their end, side by side, and what they hint at is
 * asked beside: but only when there is something to be waited for, and where it
 * takes no room from what is needed. That waits for its turn. */
#include "milter/io/lookup.h"
#include "tests/unit/resolver_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
	BYTES = 16 << 20,
	LONG_MS = 300000,
	STEPS = 300,
	BELOW_ONE = 256, /* under way below one domain */
};

/* A machine that asks about its names one after the other, and hints at all
 * that are left. */
struct toy {
	struct dns_question questions[STEPS];
	char names[STEPS][48];
	size_t count;
	size_t at;
	enum dns_status answers[STEPS];
};

static const struct dns_question *
toy_asks(const void *machine)
{
	const struct toy *toy = machine;

	return toy->at < toy->count ? &toy->questions[toy->at] : NULL;
}

static void
toy_answer(void *machine, const struct dns_answer *answer)
{
	struct toy *toy = machine;

	toy->answers[toy->at++] = answer->status;
}

static atomic_size_t hints_wanted;

static size_t
toy_hints(const void *machine, struct dns_question *questions_out, size_t room)
{
	const struct toy *toy = machine;
	size_t count = 0;

	hints_wanted++;
	for (size_t i = toy->at + 1; i < toy->count && count < room; i++)
		questions_out[count++] = toy->questions[i];
	return count;
}

static const struct dns_machine kind = {
	.asks = toy_asks, .answer = toy_answer, .hints = toy_hints
};

static void
toy_init(struct toy *toy, const char *word, size_t count)
{
	memset(toy, 0, sizeof *toy);
	toy->count = count;
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(toy->names[i], sizeof toy->names[i],
		    "%s%zu.example.com", word, i);
		toy->questions[i] =
		    (struct dns_question){ .name = toy->names[i],
			    .type = DNS_A };
	}
	hints_wanted = 0;
}

static void
expect_all(const struct toy *toy, enum dns_status wanted)
{
	assert_int_equal(toy->at, toy->count);
	for (size_t i = 0; i < toy->count; i++)
		if (toy->answers[i] != wanted)
			fail_msg("%s: wanted %d, got %d", toy->names[i], wanted,
			    toy->answers[i]);
}

/* Run machines in a thread of its own, while the test answers. */
struct runner {
	struct resolver_fixture fixture;
	struct lookup lookup;
	pthread_t thread;
	atomic_bool is_done;
};

static void *
run(void *context)
{
	struct runner *runner = context;

	lookup_run(&runner->lookup);
	runner->is_done = true;
	return NULL;
}

static void
runner_begin(struct runner *runner, uint64_t timeout_ms)
{
	resolver_fixture_open(&runner->fixture, BYTES);
	lookup_init(&runner->lookup,
	    resolver_fixture_begin(&runner->fixture, timeout_ms));
	runner->is_done = false;
}

static void
runner_start(struct runner *runner)
{
	assert_int_equal(pthread_create(&runner->thread, NULL, run, runner), 0);
}

static void
runner_end(struct runner *runner)
{
	assert_int_equal(pthread_join(runner->thread, NULL), 0);
	assert_int_equal(runner->lookup.count, 0);
	resolver_end(&runner->lookup.asker);
	resolver_fixture_close(&runner->fixture);
}

static void
test_nothing(void **state)
{
	static struct runner runner;

	(void)state;
	runner_begin(&runner, LONG_MS);
	runner_start(&runner);
	runner_end(&runner);
}

/* All that is hinted at is under way before anything is answered. */
static void
test_beside(void **state)
{
	static struct runner runner;
	static struct toy one, other;

	(void)state;
	toy_init(&one, "one", 10);
	toy_init(&other, "other", 10);
	runner_begin(&runner, LONG_MS);
	assert_true(lookup_add(&runner.lookup, &kind, &one));
	assert_true(lookup_add(&runner.lookup, &kind, &other));
	runner_start(&runner);
	/* The last ones first: they wait until the machines come to them. */
	for (size_t i = 10; i-- > 0;) {
		answers_give(runner.fixture.answers, one.names[i],
		    &resolver_fixture_found);
		answers_give(runner.fixture.answers, other.names[i],
		    &resolver_fixture_nxdomain);
	}
	runner_end(&runner);
	expect_all(&one, DNS_FOUND);
	expect_all(&other, DNS_NXDOMAIN);
}

/* A machine that waits holds up no other. */
static void
test_independent(void **state)
{
	static struct runner runner;
	static struct toy slow, quick;

	(void)state;
	toy_init(&slow, "slow", 1);
	toy_init(&quick, "quick", 40);
	runner_begin(&runner, LONG_MS);
	assert_true(lookup_add(&runner.lookup, &kind, &slow));
	assert_true(lookup_add(&runner.lookup, &kind, &quick));
	runner_start(&runner);
	for (size_t i = 0; i < quick.count; i++)
		answers_give(runner.fixture.answers, quick.names[i],
		    &resolver_fixture_found);
	assert_false(runner.is_done);
	answers_give(
	    runner.fixture.answers, slow.names[0], &resolver_fixture_found);
	runner_end(&runner);
	expect_all(&slow, DNS_FOUND);
	expect_all(&quick, DNS_FOUND);
}

static void
test_warm(void **state)
{
	static struct toy toy;
	struct resolver_fixture fixture;
	struct lookup lookup;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	for (unsigned i = 0; i < 2; i++) {
		toy_init(&toy, "warm", 50);
		lookup_init(&lookup, resolver_fixture_begin(&fixture, LONG_MS));
		assert_true(lookup_add(&lookup, &kind, &toy));
		lookup_run(&lookup);
		resolver_end(&lookup.asker);
		expect_all(&toy, DNS_FOUND);
		assert_int_equal(hints_wanted, 0);
	}
	assert_int_equal(answers_count(fixture.answers, NULL), 50);
	resolver_fixture_close(&fixture);
}

/* Hints are bounded, and none is asked twice. */
static void
test_hints_are_bounded(void **state)
{
	static struct toy toys[20];
	struct resolver_fixture fixture;
	struct lookup lookup;
	char word[16];
	size_t asked;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	lookup_init(&lookup, resolver_fixture_begin(&fixture, 20));
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(word, sizeof word, "m%u-", i);
		toy_init(&toys[i], word, 100);
		assert_true(lookup_add(&lookup, &kind, &toys[i]));
	}
	lookup_run(&lookup);
	resolver_end(&lookup.asker);
	for (unsigned i = 0; i < 20; i++)
		expect_all(&toys[i], DNS_LOST);
	asked = answers_count(fixture.answers, NULL);
	if (asked > 20 + 100)
		fail_msg("wanted 20 questions and 100 hints, got %zu", asked);
	assert_true(asked > 20 + 50);
	resolver_fixture_close(&fixture);
}

/* The deadline is one for all; afterwards nothing more is asked. */
static void
test_deadline(void **state)
{
	static struct toy toys[3];
	struct resolver_fixture fixture;
	struct lookup lookup;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	lookup_init(&lookup, resolver_fixture_begin(&fixture, 10));
	toy_init(&toys[0], "a", 1);
	toy_init(&toys[1], "b", 300);
	toy_init(&toys[2], "c", 0);
	for (size_t i = 0; i < 3; i++)
		assert_true(lookup_add(&lookup, &kind, &toys[i]));
	lookup_run(&lookup);
	for (size_t i = 0; i < 3; i++)
		expect_all(&toys[i], DNS_LOST);
	assert_true(answers_count(fixture.answers, NULL) < 150);
	assert_int_equal(lookup.count, 0);

	/* What it has is used again. */
	toy_init(&toys[0], "a", 1);
	assert_true(lookup_add(&lookup, &kind, &toys[0]));
	lookup_run(&lookup);
	expect_all(&toys[0], DNS_LOST);
	resolver_end(&lookup.asker);
	resolver_fixture_close(&fixture);
}

static void
test_full(void **state)
{
	static struct toy toy;
	struct lookup lookup;

	(void)state;
	toy_init(&toy, "x", 0);
	lookup_init(&lookup, NULL);
	for (unsigned i = 0; i < LOOKUP_MACHINES; i++)
		assert_true(lookup_add(&lookup, &kind, &toy));
	assert_false(lookup_add(&lookup, &kind, &toy));
	lookup_run(&lookup);
	assert_int_equal(lookup.count, 0);
}

/* ---- what may not be needed ---- */

/* A hint about the A records of name. */
static const struct dns_answer *
give_hint(struct resolver_asker *asker, const char *name)
{
	const struct dns_question question = { .name = name, .type = DNS_A };

	return resolver_hint(asker, &question);
}

/* A hint takes no more than half of the room; what is needed takes all. */
static void
test_hints_leave_room(void **state)
{
	static const struct {
		const char *about;
		const char *taken; /* names under way */
		unsigned count;
		bool is_asked;
	} cases[] = {
		{ "half of a domain", "n#.example.com", 128, true },
		{ "more than that", "n#.example.com", 129, false },
		{ "of others", "n#.example.net", 256, true },
		{ "half of all", "n.o#.com", RESOLVER_UNDER_WAY / 2, true },
		{ "more than that", "n.o#.com", RESOLVER_UNDER_WAY / 2 + 1,
		    false },
	};
	char name[RESOLVER_FIXTURE_NAME];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resolver_fixture fixture;
		struct resolver_asker *asker;

		resolver_fixture_open(&fixture, BYTES);
		asker = resolver_fixture_begin(&fixture, LONG_MS);
		for (unsigned k = 0; k < cases[i].count; k++) {
			resolver_fixture_name(name, cases[i].taken, k);
			assert_null(resolver_fixture_ask(asker, name));
		}
		assert_null(give_hint(asker, "h.example.com"));
		if (answers_count(fixture.answers, "h.example.com")
		    != cases[i].is_asked)
			fail_msg("%s: wanted it %s", cases[i].about,
			    cases[i].is_asked ? "asked" : "not asked");
		/* What wasn't asked can still be. */
		assert_null(resolver_fixture_ask(asker, "h.example.com"));
		assert_int_equal(
		    answers_count(fixture.answers, "h.example.com"), 1);
		resolver_end(&asker);
		resolver_fixture_close(&fixture);
	}
}

static void
test_hints_of_one(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker, *late;
	char name[64];

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	for (unsigned i = 0; i < RESOLVER_HINTS + 10; i++) {
		(void)snprintf(name, sizeof name, "h%u.example.com", i);
		assert_null(give_hint(asker, name));
	}
	assert_int_equal(answers_held(fixture.answers), RESOLVER_HINTS);
	/* An answer makes room for one more. */
	answers_give(
	    fixture.answers, "h0.example.com", &resolver_fixture_found);
	assert_int_equal(give_hint(asker, "h0.example.com")->status, DNS_FOUND);
	assert_null(give_hint(asker, "more.example.com"));
	assert_null(give_hint(asker, "most.example.com"));
	assert_int_equal(answers_count(fixture.answers, "more.example.com"), 1);
	assert_int_equal(answers_count(fixture.answers, "most.example.com"), 0);
	/* Without time nothing is asked, but what is known is said. */
	late = resolver_peek(fixture.resolver);
	assert_non_null(late);
	assert_null(give_hint(late, "most.example.com"));
	assert_int_equal(give_hint(late, "h0.example.com")->status, DNS_FOUND);
	assert_false(resolver_has_missed(late));
	resolver_end(&late);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

static void
test_hints_below_dead(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(give_hint(asker, "h.example.com"));
	assert_null(give_hint(asker, "h.example.net"));
	assert_int_equal(answers_count(fixture.answers, "h.example.com"), 0);
	assert_int_equal(answers_count(fixture.answers, "h.example.net"), 1);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

/* Many messages that hint at names below a stranger's domain, which are all
 * under way for long: what another message needs of it is asked. */
static void
test_hints_crowd_out_nothing(void **state)
{
	static struct toy toy;
	struct resolver_fixture fixture;
	struct resolver_asker *asker;
	struct lookup lookup;
	char word[16];

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(word, sizeof word, "s%u-", i);
		toy_init(&toy, word, 100);
		lookup_init(&lookup, resolver_fixture_begin(&fixture, 5));
		assert_true(lookup_add(&lookup, &kind, &toy));
		lookup_run(&lookup);
		resolver_end(&lookup.asker);
	}
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(asker, "_dmarc.example.com"));
	assert_int_equal(
	    answers_count(fixture.answers, "_dmarc.example.com"), 1);
	answers_give(
	    fixture.answers, "_dmarc.example.com", &resolver_fixture_found);
	assert_int_equal(
	    resolver_fixture_await(asker, "_dmarc.example.com")->status,
	    DNS_FOUND);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

/* ---- what finds no room ---- */

/* Fill the room below flood.com, or all there is, with what is held. */
static void
fill(struct resolver_fixture *fixture, const char *format, unsigned count)
{
	struct resolver_asker *asker = resolver_fixture_begin(fixture, LONG_MS);
	char name[RESOLVER_FIXTURE_NAME];

	for (unsigned i = 0; i < count; i++) {
		resolver_fixture_name(name, format, i);
		assert_null(resolver_fixture_ask(asker, name));
	}
	resolver_end(&asker);
	assert_int_equal(answers_held(fixture->answers), count);
}

/* Waits for one answer. */
struct waiter {
	struct resolver_asker *asker;
	pthread_t thread;
	enum dns_status status;
};

static void *
wait_for(void *context)
{
	struct waiter *waiter = context;

	waiter->status =
	    resolver_fixture_await(waiter->asker, "new.flood.com")->status;
	return NULL;
}

/* What finds no room waits for some, and is then asked: once for all. */
static void
test_turns(void **state)
{
	static const struct {
		const char *format;
		unsigned count;
	} cases[] = {
		{ "n#.flood.com", BELOW_ONE },
		{ "n.flood#.com", RESOLVER_UNDER_WAY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct waiter waiters[4];
		struct resolver_fixture fixture;
		char name[RESOLVER_FIXTURE_NAME];

		resolver_fixture_open(&fixture, BYTES);
		fill(&fixture, cases[i].format, cases[i].count);
		for (size_t w = 0; w < 4; w++) {
			waiters[w].asker =
			    resolver_fixture_begin(&fixture, LONG_MS);
			assert_null(resolver_fixture_ask(
			    waiters[w].asker, "new.flood.com"));
			assert_int_equal(pthread_create(&waiters[w].thread,
					     NULL, wait_for, &waiters[w]),
			    0);
		}
		assert_int_equal(
		    answers_count(fixture.answers, "new.flood.com"), 0);
		resolver_fixture_name(name, cases[i].format, 7);
		answers_give(fixture.answers, name, &resolver_fixture_found);
		answers_give(
		    fixture.answers, "new.flood.com", &resolver_fixture_found);
		for (size_t w = 0; w < 4; w++) {
			assert_int_equal(
			    pthread_join(waiters[w].thread, NULL), 0);
			assert_int_equal(waiters[w].status, DNS_FOUND);
			resolver_end(&waiters[w].asker);
		}
		assert_int_equal(
		    answers_count(fixture.answers, "new.flood.com"), 1);
		assert_int_equal(resolver_counters(fixture.resolver).under_way,
		    cases[i].count - 1);
		resolver_fixture_close(&fixture);
	}
}

/* Who goes before his turn came leaves it to the next; who waited in vain is
 * told so alone. */
static void
test_turn_passed_on(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *hasty;
	struct waiter first, second;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	fill(&fixture, "n#.flood.com", BELOW_ONE);
	hasty = resolver_fixture_begin(&fixture, 20);
	resolver_fixture_expect(
	    "hasty", resolver_fixture_await(hasty, "new.flood.com"), DNS_LOST);
	assert_int_equal(resolver_counters(fixture.resolver).lost, 0);
	resolver_end(&hasty);

	first.asker = resolver_fixture_begin(&fixture, LONG_MS);
	second.asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(first.asker, "other.flood.com"));
	assert_null(resolver_fixture_ask(second.asker, "new.flood.com"));
	answers_give(fixture.answers, "n7.flood.com", &resolver_fixture_found);
	assert_int_equal(
	    resolver_counters(fixture.resolver).under_way, BELOW_ONE);
	resolver_end(&first.asker);
	assert_int_equal(
	    pthread_create(&second.thread, NULL, wait_for, &second), 0);
	answers_give(fixture.answers, "new.flood.com", &resolver_fixture_found);
	assert_int_equal(pthread_join(second.thread, NULL), 0);
	assert_int_equal(second.status, DNS_FOUND);
	assert_int_equal(answers_count(fixture.answers, "other.flood.com"), 0);
	resolver_end(&second.asker);
	resolver_fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_beside),
		cmocka_unit_test(test_independent),
		cmocka_unit_test(test_warm),
		cmocka_unit_test(test_hints_are_bounded),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_hints_leave_room),
		cmocka_unit_test(test_hints_of_one),
		cmocka_unit_test(test_hints_below_dead),
		cmocka_unit_test(test_hints_crowd_out_nothing),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_turn_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
