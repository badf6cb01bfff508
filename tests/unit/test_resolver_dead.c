/* What doesn't answer is waited for once, not by everybody. The resolver waits
 * by the real clock; no test says how long, only that one wait is not the
 * other. */
#include "milter/io/clock.h"
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
	/* Nobody waits so long here: who does hasn't been told in time. */
	LONG_MS = 300000,
	/* Who waits so long for what he has just asked gives it up for all. */
	WAITED_MS = RESOLVER_SHORT_MS + 200,
	ROW = 8, /* domains without any answer: then it is the servers */
	BELOW_ONE = 256, /* under way below one domain */
};

/* Ask name with all time there is; how long that took, by the real clock. */
static uint64_t
time_of(struct resolver_asker *asker, const char *name, enum dns_status wanted)
{
	uint64_t begun_ms = clock_monotonic_ms();

	resolver_fixture_expect(
	    name, resolver_fixture_await(asker, name), wanted);
	return clock_monotonic_ms() - begun_ms;
}

/* Answers a question after more than the short time. */
struct later {
	struct resolver_fixture *fixture;
	const char *name;
	pthread_t thread;
};

static void *
answer_later(void *context)
{
	const struct later *later = context;
	const struct timespec pause = { .tv_nsec = (RESOLVER_SHORT_MS + 200)
		    * 1000000L };

	(void)nanosleep(&pause, NULL);
	answers_give(
	    later->fixture->answers, later->name, &resolver_fixture_found);
	return NULL;
}

/* Is name waited for longer than the short time? */
static bool
is_waited_for(struct resolver_fixture *fixture, const char *name)
{
	struct later later = { .fixture = fixture, .name = name };
	struct resolver_asker *asker = resolver_fixture_begin(fixture, LONG_MS);
	enum dns_status status;

	assert_int_equal(
	    pthread_create(&later.thread, NULL, answer_later, &later), 0);
	status = resolver_fixture_await(asker, name)->status;
	assert_int_equal(pthread_join(later.thread, NULL), 0);
	resolver_end(&asker);
	return status == DNS_FOUND;
}

/* ---- one question ---- */

static void
test_given_up(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	asker = resolver_fixture_begin(&fixture, WAITED_MS);
	assert_null(resolver_fixture_ask(asker, "a.example.com"));
	assert_null(resolver_fixture_ask(asker, "b.example.com"));
	assert_false(resolver_wait(asker));
	resolver_fixture_expect(
	    "a", resolver_fixture_ask(asker, "a.example.com"), DNS_LOST);
	resolver_fixture_expect(
	    "b", resolver_fixture_ask(asker, "b.example.com"), DNS_LOST);
	/* The time is over for others too, and they aren't asked. */
	resolver_fixture_expect(
	    "c", resolver_fixture_ask(asker, "c.example.com"), DNS_LOST);
	assert_false(resolver_wait(asker));
	resolver_end(&asker);
	assert_int_equal(answers_count(fixture.answers, NULL), 2);
	assert_int_equal(resolver_counters(fixture.resolver).lost, 2);
	assert_int_equal(resolver_counters(fixture.resolver).under_way, 2);

	/* Others are told at once. */
	assert_int_equal(
	    resolver_fixture_status(&fixture, "a.example.com"), DNS_LOST);
	assert_int_equal(answers_count(fixture.answers, "a.example.com"), 1);
	resolver_fixture_close(&fixture);
}

/* Who has no time left gives up for himself alone what was only just asked. */
static void
test_young(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *hasty, *other;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	hasty = resolver_fixture_begin(&fixture, 5);
	other = resolver_fixture_begin(&fixture, LONG_MS);
	resolver_fixture_expect(
	    "hasty", resolver_fixture_await(hasty, "a.example.com"), DNS_LOST);
	resolver_end(&hasty);
	assert_int_equal(resolver_counters(fixture.resolver).lost, 0);
	assert_null(resolver_fixture_ask(other, "a.example.com"));
	answers_give(fixture.answers, "a.example.com", &resolver_fixture_found);
	resolver_fixture_expect(
	    "other", resolver_fixture_await(other, "a.example.com"), DNS_FOUND);
	assert_int_equal(answers_count(fixture.answers, NULL), 1);
	resolver_end(&other);

	/* Nor is the domain dead. */
	hasty = resolver_fixture_begin(&fixture, 5);
	resolver_fixture_expect(
	    "hasty", resolver_fixture_await(hasty, "b.example.com"), DNS_LOST);
	resolver_end(&hasty);
	assert_true(is_waited_for(&fixture, "c.example.com"));
	resolver_fixture_close(&fixture);
}

static void
test_late_answer(void **state)
{
	struct resolver_fixture fixture;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");
	assert_int_equal(
	    resolver_fixture_status(&fixture, "a.example.com"), DNS_LOST);
	answers_give(fixture.answers, "a.example.com", &resolver_fixture_found);
	assert_int_equal(
	    resolver_fixture_status(&fixture, "a.example.com"), DNS_FOUND);
	assert_int_equal(answers_count(fixture.answers, NULL), 1);
	assert_int_equal(resolver_counters(fixture.resolver).under_way, 0);
	resolver_fixture_close(&fixture);
}

/* When it is no longer said to be lost, the question that is still under way
 * is waited for, not asked again. */
static void
test_lost_ends(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");
	fixture.now_ms += RESOLVER_LOST_MS;
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(asker, "a.example.com"));
	answers_give(fixture.answers, "a.example.com", &resolver_fixture_found);
	assert_true(resolver_wait(asker));
	resolver_fixture_expect(
	    "a", resolver_fixture_ask(asker, "a.example.com"), DNS_FOUND);
	assert_int_equal(answers_count(fixture.answers, NULL), 1);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

/* ---- one domain ---- */

static void
test_dead_domain(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");

	/* Others wait a little, once. */
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_true(time_of(asker, "b.example.com", DNS_LOST) < LONG_MS / 2);
	for (unsigned i = 0; i < 10; i++) {
		char name[64];

		(void)snprintf(name, sizeof name, "c%u.example.com", i);
		resolver_fixture_expect(
		    name, resolver_fixture_ask(asker, name), DNS_LOST);
	}
	/* They were asked, for what may come later. */
	assert_int_equal(answers_count(fixture.answers, "c9.example.com"), 1);
	/* Another domain is waited for. */
	assert_null(resolver_fixture_ask(asker, "a.example.net"));
	answers_give(fixture.answers, "a.example.net", &resolver_fixture_found);
	assert_int_equal(
	    resolver_fixture_await(asker, "a.example.net")->status, DNS_FOUND);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

static void
test_revived(void **state)
{
	static const struct {
		const char *name;
		const struct dns_answer *answer;
		bool lives;
	} cases[] = {
		{ "found", &resolver_fixture_found, true },
		{ "no such name", &resolver_fixture_nxdomain, true },
		{ "lost", &resolver_fixture_lost, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resolver_fixture fixture;

		resolver_fixture_open(&fixture, BYTES);
		resolver_fixture_give_up(&fixture, "a.example.com");
		answers_give(fixture.answers, "a.example.com", cases[i].answer);
		if (is_waited_for(&fixture, "b.example.com") != cases[i].lives)
			fail_msg("%s: wanted the domain %s", cases[i].name,
			    cases[i].lives ? "alive" : "dead");
		resolver_fixture_close(&fixture);
	}
}

static void
test_forget_dead(void **state)
{
	struct resolver_fixture fixture;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");
	resolver_forget(fixture.resolver);
	assert_true(is_waited_for(&fixture, "b.example.com"));
	resolver_fixture_close(&fixture);
}

/* A loss that took long is as bad as none; one that came quickly isn't. */
static void
test_slow_loss(void **state)
{
	struct resolver_fixture fixture;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_lost);
	assert_int_equal(
	    resolver_fixture_status(&fixture, "a.example.com"), DNS_LOST);
	answers_at_once(fixture.answers, NULL);
	assert_true(is_waited_for(&fixture, "b.example.com"));
	resolver_fixture_close(&fixture);
}

/* Messages with names of their own, one after the other, for a domain that is
 * dead: few of the questions are under way at once. */
static void
test_few_below_dead(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;
	char name[64];

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	resolver_fixture_give_up(&fixture, "a.example.com");
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	for (unsigned i = 0; i < BELOW_ONE; i++) {
		(void)snprintf(name, sizeof name, "t%u.example.com", i);
		(void)resolver_fixture_ask(asker, name);
	}
	assert_true(resolver_counters(fixture.resolver).under_way < 50);
	(void)time_of(asker, "t1.example.com", DNS_LOST);
	resolver_end(&asker);
	for (unsigned i = 0; i < 4; i++) {
		enum dns_status status;

		asker = resolver_fixture_begin(&fixture, LONG_MS);
		(void)snprintf(name, sizeof name, "u%u.example.com", i);
		status = resolver_fixture_await(asker, name)->status;
		assert_int_equal(status, DNS_LOST);
		resolver_end(&asker);
	}
	assert_true(answers_held(fixture.answers) < 50);
	resolver_fixture_close(&fixture);
}

/* ---- whose name it is ---- */

static void
test_domains(void **state)
{
	static const struct {
		const char *dead;
		const char *name;
		bool is_short;
	} cases[] = {
		{ "a.example.com", "example.com", true },
		{ "a.example.com", "_dmarc.B.Example.COM", true },
		{ "a.example.com", "a.example.net", false },
		{ "com", "com", true },
		{ "1.2.0.192.in-addr.arpa", "9.2.0.192.in-addr.arpa", true },
		{ "1.2.0.192.in-addr.arpa", "1.3.0.192.in-addr.arpa", false },
		{ "1.0.8.b.d.0.1.0.0.2.ip6.arpa",
		    "1.0.8.b.d.0.1.0.0.2.ip6.arpa", true },
		{ "1.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
		    "1.2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resolver_fixture fixture;

		resolver_fixture_open(&fixture, BYTES);
		resolver_fixture_give_up(&fixture, cases[i].dead);
		fixture.now_ms += RESOLVER_LOST_MS;
		if (is_waited_for(&fixture, cases[i].name) == cases[i].is_short)
			fail_msg("%s after %s: wanted %s", cases[i].name,
			    cases[i].dead,
			    cases[i].is_short ? "a short wait" : "a long one");
		resolver_fixture_close(&fixture);
	}
}

/* ---- all of them ---- */

/* Give up many names at once, while other is answered (NULL: nothing is). */
static void
give_up_many(struct resolver_fixture *fixture, const char *format,
    unsigned count, const char *other)
{
	struct resolver_asker *asker =
	    resolver_fixture_begin(fixture, WAITED_MS);
	char name[RESOLVER_FIXTURE_NAME];

	for (unsigned i = 0; i < count; i++) {
		resolver_fixture_name(name, format, i);
		assert_null(resolver_fixture_ask(asker, name));
	}
	if (other != NULL) {
		answers_at_once(fixture->answers, &resolver_fixture_found);
		assert_int_equal(
		    resolver_fixture_status(fixture, other), DNS_FOUND);
		answers_at_once(fixture->answers, NULL);
	}
	resolver_fixture_expect(
	    name, resolver_fixture_await(asker, name), DNS_LOST);
	resolver_end(&asker);
	assert_int_equal(resolver_counters(fixture->resolver).lost, count);
}

static void
test_all_dead(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	give_up_many(&fixture, "a.dead#.com", ROW, NULL);
	/* A domain that was never asked for waits as a dead one does, and all
	 * such domains of one message wait once. */
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_true(time_of(asker, "a.fresh.com", DNS_LOST) < LONG_MS / 2);
	resolver_fixture_expect(
	    "another", resolver_fixture_ask(asker, "a.other.com"), DNS_LOST);
	resolver_end(&asker);

	/* One answer, and the servers live; a domain may still be dead. */
	answers_give(
	    fixture.answers, "a.other.com", &resolver_fixture_nxdomain);
	assert_true(is_waited_for(&fixture, "a.third.com"));
	assert_false(is_waited_for(&fixture, "b.dead1.com"));
	resolver_fixture_close(&fixture);
}

/* A row of domains tells of the servers only if these have said nothing since
 * they were asked, and only if others own them. */
static void
test_row(void **state)
{
	static const struct {
		const char *about;
		const char *format;
		unsigned count;
		const char *other;
		bool is_all;
	} cases[] = {
		{ "silence", "a.dead#.com", ROW, NULL, true },
		{ "few", "a.dead#.com", ROW - 1, NULL, false },
		{ "answered", "a.dead#.com", ROW, "a.live.com", false },
		{ "IPv4", "1.#.0.192.in-addr.arpa", ROW, NULL, false },
		{ "IPv6", "1.#.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", ROW, NULL,
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct resolver_fixture fixture;

		resolver_fixture_open(&fixture, BYTES);
		give_up_many(
		    &fixture, cases[i].format, cases[i].count, cases[i].other);
		if (is_waited_for(&fixture, "a.fresh.com") == cases[i].is_all)
			fail_msg("%s: wanted the servers %s", cases[i].about,
			    cases[i].is_all ? "dead" : "alive");
		resolver_fixture_close(&fixture);
	}
}

/* Domains that die between others that answer are only themselves dead. */
static void
test_some_dead(void **state)
{
	struct resolver_fixture fixture;
	char name[64];

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	for (unsigned i = 0; i < ROW + 4; i++) {
		(void)snprintf(name, sizeof name, "a.dead%u.com", i);
		resolver_fixture_give_up(&fixture, name);
		if (i % 4 != 0)
			continue;
		answers_at_once(fixture.answers, &resolver_fixture_found);
		(void)snprintf(name, sizeof name, "a.good%u.com", i);
		assert_int_equal(
		    resolver_fixture_status(&fixture, name), DNS_FOUND);
		answers_at_once(fixture.answers, NULL);
	}
	assert_true(is_waited_for(&fixture, "a.fresh.com"));
	resolver_fixture_close(&fixture);
}

/* ---- too much at once ---- */

static void
test_one_domain_is_bounded(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *askers[4];
	char name[64];
	size_t held;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	for (unsigned a = 0; a < 4; a++) {
		askers[a] = resolver_fixture_begin(&fixture, LONG_MS);
		for (unsigned i = 0; i < BELOW_ONE; i++) {
			(void)snprintf(
			    name, sizeof name, "n%u.b%u.flood.com", i, a);
			(void)resolver_fixture_ask(askers[a], name);
		}
	}
	held = answers_held(fixture.answers);
	if (held != BELOW_ONE)
		fail_msg("wanted %d questions, got %zu", BELOW_ONE, held);
	for (unsigned a = 0; a < 4; a++)
		resolver_end(&askers[a]);
	/* Others still have places. */
	askers[0] = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(askers[0], "a.example.com"));
	resolver_end(&askers[0]);
	resolver_fixture_close(&fixture);
}

static void
test_all_are_bounded(void **state)
{
	struct resolver_fixture fixture;
	char name[64];

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	for (unsigned i = 0; i < RESOLVER_UNDER_WAY + 100; i++) {
		struct resolver_asker *asker =
		    resolver_fixture_begin(&fixture, LONG_MS);

		(void)snprintf(name, sizeof name, "a.flood%u.com", i);
		assert_null(resolver_fixture_ask(asker, name));
		resolver_end(&asker);
	}
	assert_int_equal(answers_held(fixture.answers), RESOLVER_UNDER_WAY);
	/* A place that becomes free is one. */
	assert_true(answers_give_any(fixture.answers, &resolver_fixture_found));
	(void)snprintf(name, sizeof name, "a.more.com");
	{
		struct resolver_asker *asker =
		    resolver_fixture_begin(&fixture, LONG_MS);

		assert_null(resolver_fixture_ask(asker, name));
		resolver_end(&asker);
	}
	resolver_fixture_close(&fixture);
}

/* What nobody waits for any more is still taken when it comes; what no one has
 * asked isn't. */
static void
test_strange_tickets(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, BYTES);
	for (uint64_t ticket = 0; ticket < 10000; ticket += 7)
		resolver_told(
		    fixture.resolver, ticket, &resolver_fixture_found);
	resolver_told(fixture.resolver, UINT64_MAX, &resolver_fixture_found);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(asker, "a.example.com"));
	resolver_end(&asker);
	answers_give(fixture.answers, "a.example.com", &resolver_fixture_found);
	for (uint64_t ticket = 0; ticket < 10000; ticket++)
		resolver_told(
		    fixture.resolver, ticket, &resolver_fixture_nxdomain);
	assert_int_equal(
	    resolver_fixture_status(&fixture, "a.example.com"), DNS_FOUND);
	resolver_fixture_close(&fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_young),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_lost_ends),
		cmocka_unit_test(test_dead_domain),
		cmocka_unit_test(test_revived),
		cmocka_unit_test(test_forget_dead),
		cmocka_unit_test(test_slow_loss),
		cmocka_unit_test(test_few_below_dead),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_all_dead),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_some_dead),
		cmocka_unit_test(test_one_domain_is_bounded),
		cmocka_unit_test(test_all_are_bounded),
		cmocka_unit_test(test_strange_tickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
