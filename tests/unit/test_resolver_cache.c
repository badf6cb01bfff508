/* What the resolver keeps, for how long, how much of it, and that nothing is
 * asked twice. */
#include "tests/unit/resolver_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	MANY_BYTES = 16 << 20,
	FEW_BYTES = 64 << 10,
	THREADS = 16,
	NAMES = 200,
	ROUNDS = 4000,
	LONG_MS = 60000,
};

#define NAME "a.example.com"

/* ---- for how long ---- */

static void
test_ttl(void **state)
{
	static const struct {
		const char *name;
		enum dns_status status;
		uint32_t ttl_s;
		uint64_t kept_ms;
	} cases[] = {
		{ "found", DNS_FOUND, 300, 300000 },
		{ "found, TTL 0", DNS_FOUND, 0, 1000 },
		{ "found, for ever", DNS_FOUND, UINT32_MAX, 86400000 },
		{ "no data", DNS_NODATA, 60, 60000 },
		{ "no data, TTL 0", DNS_NODATA, 0, 1000 },
		{ "no such name", DNS_NXDOMAIN, 200, 200000 },
		{ "no such name, for ever", DNS_NXDOMAIN, 86400, 300000 },
		{ "lost", DNS_LOST, 0, 15000 },
		{ "lost, with a TTL", DNS_LOST, 300, 15000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns_answer answer = resolver_fixture_found;
		struct resolver_fixture fixture;
		struct resolver_asker *asker;
		size_t asked;

		answer.status = cases[i].status;
		answer.ttl_s = cases[i].ttl_s;
		answer.count = answer.status == DNS_FOUND ? 1 : 0;
		resolver_fixture_open(&fixture, MANY_BYTES);
		answers_at_once(fixture.answers, &answer);
		(void)resolver_fixture_status(&fixture, NAME);

		fixture.now_ms += cases[i].kept_ms - 1;
		asker = resolver_fixture_begin(&fixture, LONG_MS);
		resolver_fixture_expect(cases[i].name,
		    resolver_fixture_ask(asker, NAME), cases[i].status);
		if (resolver_fixture_ask(asker, NAME)->ttl_s != 1)
			fail_msg("%s: wanted 1 s to be left, got %u",
			    cases[i].name,
			    resolver_fixture_ask(asker, NAME)->ttl_s);
		asked = answers_count(fixture.answers, NAME);
		if (asked != 1)
			fail_msg("%s: wanted it asked once, got %zu",
			    cases[i].name, asked);

		fixture.now_ms += 1;
		(void)resolver_fixture_status(&fixture, NAME);
		asked = answers_count(fixture.answers, NAME);
		if (asked != 2)
			fail_msg("%s: wanted it asked again, got %zu",
			    cases[i].name, asked);
		resolver_end(&asker);
		resolver_fixture_close(&fixture);
	}
}

/* What an asker was told stays so, whatever happens to the cache. */
static void
test_answer_stays(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;
	const struct dns_answer *answer;

	(void)state;
	resolver_fixture_open(&fixture, MANY_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	answer = resolver_fixture_ask(asker, NAME);
	resolver_fixture_expect(NAME, answer, DNS_FOUND);
	answers_at_once(fixture.answers, &resolver_fixture_nxdomain);
	resolver_forget(fixture.resolver);
	fixture.now_ms += 1000000;
	assert_int_equal(resolver_fixture_status(&fixture, NAME), DNS_NXDOMAIN);
	assert_ptr_equal(resolver_fixture_ask(asker, NAME), answer);
	assert_int_equal(answer->status, DNS_FOUND);
	assert_int_equal(answer->records[0].address.octets[15], 1);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

static void
test_forget(void **state)
{
	struct resolver_fixture fixture;

	(void)state;
	resolver_fixture_open(&fixture, MANY_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	assert_int_equal(resolver_fixture_status(&fixture, NAME), DNS_FOUND);
	resolver_forget(fixture.resolver);
	assert_int_equal(resolver_counters(fixture.resolver).entries, 0);
	assert_int_equal(resolver_counters(fixture.resolver).bytes, 0);
	answers_at_once(fixture.answers, &resolver_fixture_nxdomain);
	assert_int_equal(resolver_fixture_status(&fixture, NAME), DNS_NXDOMAIN);
	resolver_fixture_close(&fixture);
}

/* ---- what is one question ---- */

static void
test_questions(void **state)
{
	const struct dns_question txt = { .name = NAME, .type = DNS_TXT };
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	resolver_fixture_open(&fixture, MANY_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	assert_int_equal(resolver_fixture_status(&fixture, NAME), DNS_FOUND);
	assert_int_equal(
	    resolver_fixture_status(&fixture, "A.Example.COM"), DNS_FOUND);
	assert_int_equal(answers_count(fixture.answers, NULL), 1);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_non_null(resolver_ask(asker, &txt));
	assert_int_equal(answers_count(fixture.answers, NULL), 2);
	resolver_end(&asker);
	assert_int_equal(resolver_counters(fixture.resolver).asked, 2);
	assert_int_equal(resolver_counters(fixture.resolver).hits, 1);
	assert_int_equal(resolver_counters(fixture.resolver).entries, 2);
	resolver_fixture_close(&fixture);
}

static void
test_no_names(void **state)
{
	char long_label[65] = { 0 };
	char long_name[400] = { 0 };
	const char *const names[] = { "", ".", "a..b", ".a", "a.", long_label,
		long_name };
	struct resolver_fixture fixture;

	(void)state;
	memset(long_label, 'a', 64);
	for (size_t i = 0; i + 2 < sizeof(long_name); i += 2)
		memcpy(long_name + i, "a.", 2);
	long_name[sizeof(long_name) - 2] = 'a';
	resolver_fixture_open(&fixture, MANY_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(
		    resolver_fixture_status(&fixture, names[i]), DNS_NXDOMAIN);
	assert_int_equal(answers_count(fixture.answers, NULL), 0);
	resolver_fixture_close(&fixture);
}

/* All text of an answer is a copy, with NULs where records have them. */
static void
test_copies(void **state)
{
	char name[] = "mx.example.com";
	char text[] = "v=spf1\0 -all";
	struct dns_record records[] = {
		{ .name = name, .preference = 10 },
		{ .text = text, .text_length = sizeof text - 1 },
		{ .text = text, .text_length = 0 },
	};
	const struct dns_answer given = {
		.status = DNS_FOUND, .ttl_s = 60, .records = records, .count = 3
	};
	struct resolver_fixture fixture;
	struct resolver_asker *asker;
	const struct dns_answer *answer;

	(void)state;
	resolver_fixture_open(&fixture, MANY_BYTES);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	assert_null(resolver_fixture_ask(asker, NAME));
	answers_give(fixture.answers, NAME, &given);
	memset(name, 'x', sizeof name - 1);
	memset(text, 'x', sizeof text - 1);
	memset(records, 0, sizeof records);
	assert_true(resolver_wait(asker));
	answer = resolver_fixture_ask(asker, NAME);
	resolver_fixture_expect(NAME, answer, DNS_FOUND);
	assert_int_equal(answer->count, 3);
	assert_string_equal(answer->records[0].name, "mx.example.com");
	assert_int_equal(answer->records[0].preference, 10);
	assert_null(answer->records[0].text);
	assert_int_equal(answer->records[1].text_length, 12);
	assert_memory_equal(answer->records[1].text, "v=spf1\0 -all", 13);
	assert_int_equal(answer->records[2].text_length, 0);
	assert_false(resolver_wait(asker));
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

/* ---- how much ---- */

static void
ask_number(struct resolver_fixture *fixture, unsigned number)
{
	char name[64];

	(void)snprintf(name, sizeof name, "n%u.example.com", number);
	(void)resolver_fixture_status(fixture, name);
}

static size_t
count_number(struct resolver_fixture *fixture, unsigned number)
{
	char name[64];

	(void)snprintf(name, sizeof name, "n%u.example.com", number);
	return answers_count(fixture->answers, name);
}

static void
test_bounds(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_counters counters = { 0 };

	(void)state;
	resolver_fixture_open(&fixture, FEW_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	for (unsigned i = 0; i < 2000; i++) {
		ask_number(&fixture, i);
		counters = resolver_counters(fixture.resolver);
		if (counters.bytes > FEW_BYTES)
			fail_msg("after %u: wanted %d octets at most, got %ju",
			    i, FEW_BYTES, (uintmax_t)counters.bytes);
	}
	assert_true(counters.entries > 50);
	assert_true(counters.bytes > FEW_BYTES / 2);
	ask_number(&fixture, 1999);
	ask_number(&fixture, 1);
	assert_int_equal(count_number(&fixture, 1999), 1);
	assert_int_equal(count_number(&fixture, 1), 2);
	resolver_fixture_close(&fixture);
}

/* What is asked for stays; what isn't goes. */
static void
test_last_used(void **state)
{
	struct dns_answer answer = resolver_fixture_found;
	struct resolver_fixture fixture;

	(void)state;
	answer.ttl_s = 86400;
	resolver_fixture_open(&fixture, FEW_BYTES);
	answers_at_once(fixture.answers, &answer);
	for (unsigned i = 0; i < 5000; i++) {
		fixture.now_ms += 1001;
		ask_number(&fixture, 0);
		ask_number(&fixture, i);
	}
	assert_int_equal(count_number(&fixture, 0), 1);
	ask_number(&fixture, 1);
	assert_int_equal(count_number(&fixture, 1), 2);
	resolver_fixture_close(&fixture);
}

/* What has no room is told all the same. */
static void
test_too_large(void **state)
{
	char *text = calloc(1, 2 * FEW_BYTES);
	const struct dns_record record = { .text = text,
		.text_length = 2 * FEW_BYTES };
	const struct dns_answer answer = {
		.status = DNS_FOUND, .ttl_s = 60, .records = &record, .count = 1
	};
	struct resolver_fixture fixture;
	struct resolver_asker *asker;

	(void)state;
	assert_non_null(text);
	resolver_fixture_open(&fixture, FEW_BYTES);
	answers_at_once(fixture.answers, &answer);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	resolver_fixture_expect(
	    NAME, resolver_fixture_ask(asker, NAME), DNS_FOUND);
	assert_int_equal(
	    resolver_fixture_ask(asker, NAME)->records[0].text_length,
	    2 * FEW_BYTES);
	assert_int_equal(answers_count(fixture.answers, NAME), 1);
	assert_int_equal(resolver_counters(fixture.resolver).entries, 0);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
	free(text);
}

static void
test_questions_of_one(void **state)
{
	struct resolver_fixture fixture;
	struct resolver_asker *asker;
	char name[64];

	(void)state;
	resolver_fixture_open(&fixture, MANY_BYTES);
	answers_at_once(fixture.answers, &resolver_fixture_found);
	asker = resolver_fixture_begin(&fixture, LONG_MS);
	for (unsigned i = 0; i < RESOLVER_QUESTIONS + 10; i++) {
		(void)snprintf(name, sizeof name, "q%u.example.com", i);
		resolver_fixture_expect(name, resolver_fixture_ask(asker, name),
		    i < RESOLVER_QUESTIONS ? DNS_FOUND : DNS_LOST);
	}
	/* What was answered before is still known. */
	resolver_fixture_expect("the first",
	    resolver_fixture_ask(asker, "q0.example.com"), DNS_FOUND);
	assert_int_equal(
	    answers_count(fixture.answers, NULL), RESOLVER_QUESTIONS);
	resolver_end(&asker);
	resolver_fixture_close(&fixture);
}

/* ---- asked once ---- */

struct crowd {
	struct resolver_fixture fixture;
	atomic_size_t done;
	atomic_size_t wrong;
};

static void *
ask_all(void *context)
{
	struct crowd *crowd = context;
	struct resolver_asker *asker =
	    resolver_begin(crowd->fixture.resolver, LONG_MS);
	char name[64];

	for (unsigned i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof name, "c%u.example.com", i);
		(void)resolver_fixture_ask(asker, name);
	}
	for (unsigned i = 0; i < NAMES; i++) {
		const struct dns_answer *answer;

		(void)snprintf(name, sizeof name, "c%u.example.com", i);
		answer = resolver_fixture_await(asker, name);
		if (answer->status != DNS_FOUND)
			crowd->wrong++;
	}
	resolver_end(&asker);
	crowd->done++;
	return NULL;
}

static void
test_single_flight(void **state)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];

	(void)state;
	resolver_fixture_open(&crowd.fixture, MANY_BYTES);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_all, &crowd), 0);
	while (crowd.done < THREADS)
		(void)answers_give_any(
		    crowd.fixture.answers, &resolver_fixture_found);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crowd.wrong, 0);
	assert_int_equal(answers_count(crowd.fixture.answers, NULL), NAMES);
	assert_int_equal(
	    resolver_counters(crowd.fixture.resolver).under_way, 0);
	resolver_fixture_close(&crowd.fixture);
}

/* Far more than there is room for below one domain: each gets its turn. */
static void *
ask_own(void *context)
{
	static atomic_uint number;
	struct crowd *crowd = context;
	struct resolver_asker *asker =
	    resolver_begin(crowd->fixture.resolver, LONG_MS);
	unsigned own = number++;
	char name[64];

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < NAMES; i++) {
			const struct dns_answer *answer;

			(void)snprintf(
			    name, sizeof name, "o%u.t%u.example.com", i, own);
			answer = round == 0
			    ? resolver_fixture_ask(asker, name)
			    : resolver_fixture_await(asker, name);
			if (round == 1 && answer->status != DNS_FOUND)
				crowd->wrong++;
		}
	resolver_end(&asker);
	crowd->done++;
	return NULL;
}

static void
test_turns(void **state)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];

	(void)state;
	resolver_fixture_open(&crowd.fixture, MANY_BYTES);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_own, &crowd), 0);
	while (crowd.done < THREADS)
		(void)answers_give_any(
		    crowd.fixture.answers, &resolver_fixture_found);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crowd.wrong, 0);
	assert_int_equal(
	    answers_count(crowd.fixture.answers, NULL), THREADS * NAMES);
	assert_int_equal(
	    resolver_counters(crowd.fixture.resolver).under_way, 0);
	resolver_fixture_close(&crowd.fixture);
}

/* ---- all at once, for the thread sanitizer ---- */

static void *
ask_at_random(void *context)
{
	static atomic_uint number;
	struct crowd *crowd = context;
	unsigned seed = 1 + number++;
	char name[64];

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct resolver_asker *asker =
		    resolver_begin(crowd->fixture.resolver, seed % 3);

		for (unsigned i = 0; i < 3; i++) {
			seed = seed * 1103515245 + 12345;
			(void)snprintf(name, sizeof name, "r%u.d%u.com",
			    seed >> 16 & 63, seed >> 22 & 7);
			(void)resolver_fixture_ask(asker, name);
		}
		if (seed % 4 != 0)
			(void)resolver_fixture_await(asker, name);
		resolver_end(&asker);
		crowd->fixture.now_ms += seed >> 24 & 15;
	}
	crowd->done++;
	return NULL;
}

static void
test_crowd(void **state)
{
	static struct crowd crowd;
	struct dns_answer found = resolver_fixture_found;
	pthread_t threads[THREADS];

	(void)state;
	found.ttl_s = 2;
	resolver_fixture_open(&crowd.fixture, FEW_BYTES);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_at_random, &crowd),
		    0);
	for (unsigned i = 0; crowd.done < THREADS; i++) {
		(void)answers_give_any(crowd.fixture.answers,
		    i % 5 == 0 ? &resolver_fixture_lost : &found);
		if (i % 1000 == 0)
			resolver_forget(crowd.fixture.resolver);
		(void)resolver_counters(crowd.fixture.resolver);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	while (answers_give_any(crowd.fixture.answers, &found))
		continue;
	assert_int_equal(
	    resolver_counters(crowd.fixture.resolver).under_way, 0);
	resolver_fixture_close(&crowd.fixture);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_answer_stays),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_no_names),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_last_used),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_questions_of_one),
		cmocka_unit_test(test_single_flight),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
