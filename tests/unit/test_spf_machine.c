/* What the cases of tests/cases/spf_*.json can't say of an SPF check: steps,
 * words, TTLs, and how it bears records and zones made to hurt. */
#include "tests/unit/spf_told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 16 << 20 };

/* A record of about length octets that repeats term. */
static char *
long_record(const char *term, size_t length, size_t *length_out)
{
	size_t size = strlen(term), used = 6;
	char *text = calloc(1, length + size + 2);

	assert_non_null(text);
	memcpy(text, "v=spf1", 6);
	while (used + size <= length) {
		memcpy(text + used, term, size);
		used += size;
	}
	*length_out = used;
	return text;
}

static void
long_records_are_read_up_to_the_limit(void **state)
{
	static const struct {
		const char *name, *term;
		size_t length;
		enum spf_result want;
		size_t questions_most;
	} rows[] = {
		{ "64 kB of ip4", " ip4:192.0.2.1", 65000, SPF_PERMERROR, 1 },
		{ "10,000 includes", " include:a.example.com", 220000,
		    SPF_PERMERROR, 1 },
		{ "as long as may be", " ip4:192.0.2.1", SPF_RECORD_OCTETS,
		    SPF_NEUTRAL, 1 },
		{ "1,400 includes", " include:a.example.com", SPF_RECORD_OCTETS,
		    SPF_PERMERROR, 2 },
		{ "16,000 of a", " a", SPF_RECORD_OCTETS, SPF_PERMERROR, 2 },
		{ "a macro again and again", " %{s}", SPF_RECORD_OCTETS,
		    SPF_PERMERROR, 1 },
		{ "blanks", " ", SPF_RECORD_OCTETS, SPF_NEUTRAL, 1 },
	};
	struct spf_identity identity = told_identity("198.51.100.1");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena arena;
		size_t length;
		char *text = long_record(rows[i].term, rows[i].length, &length);
		struct spf *spf;
		size_t asked = 1;

		arena_init(&arena, ARENA_BYTES);
		spf = spf_begin(&identity, &arena);
		assert_non_null(spf);
		told_text(spf, text, length);
		for (; spf_machine.asks(spf) != NULL; asked++)
			told_text(spf, "v=spf1", 6);
		if (spf_outcome(spf)->result != rows[i].want
		    || asked > rows[i].questions_most)
			fail_msg("%s: wanted %s, got %s, %zu questions: %s",
			    rows[i].name, spf_result_name(rows[i].want),
			    spf_result_name(spf_outcome(spf)->result), asked,
			    spf_outcome(spf)->problem);
		assert_true(spf_outcome(spf)->step_count <= SPF_STEPS);
		arena_clear(&arena);
		free(text);
	}
}

/* One domain-spec of 32 kB whose macros would make megabytes. */
static void
macros_do_bounded_work(void **state)
{
	static const char begin[] = "v=spf1 exists:", end[] = ".example.com",
			  macro[] = "%{sr-+}";
	struct spf_identity identity = told_identity("198.51.100.1");
	size_t used = strlen(begin);
	char *text = calloc(1, SPF_RECORD_OCTETS);
	char local[1001];
	struct arena arena;
	struct spf *spf;

	(void)state;
	assert_non_null(text);
	memset(local, 'x', sizeof(local) - 1);
	local[sizeof(local) - 1] = '\0';
	identity.local = local;
	memcpy(text, begin, used);
	for (; used < SPF_RECORD_OCTETS - 32; used += strlen(macro))
		memcpy(text + used, macro, strlen(macro));
	memcpy(text + used, end, strlen(end));
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	told_text(spf, text, used + strlen(end));
	assert_null(spf_machine.asks(spf));
	assert_int_equal(spf_outcome(spf)->result, SPF_NEUTRAL);
	assert_int_equal(spf_outcome(spf)->terms, 1);
	assert_string_equal(
	    spf_outcome(spf)->steps[1].remark, "its name can't be asked for");
	arena_clear(&arena);
	free(text);
}

/* A zone that answers each question with names never heard of. */
static void
answer_anew(struct spf *spf, unsigned number, const char *record_text)
{
	const struct dns_question *question = spf_machine.asks(spf);
	struct dns_record records[SPF_NAMES];
	char names[SPF_NAMES][64], text[512];
	struct dns_answer answer = {
		.status = DNS_FOUND, .ttl_s = 1, .records = records, .count = 1
	};

	memset(records, 0, sizeof(records));
	if (question->type == DNS_TXT) {
		(void)snprintf(text, sizeof(text), "%s", record_text);
		for (char *at = text; (at = strchr(at, '#')) != NULL;) {
			char digits[4];

			(void)snprintf(
			    digits, sizeof(digits), "%03u", number % 1000);
			memcpy(at, digits, 3);
		}
		records[0].text = text;
		records[0].text_length = strlen(text);
	} else if (question->type == DNS_MX || question->type == DNS_PTR) {
		answer.count = SPF_NAMES;
		for (size_t i = 0; i < SPF_NAMES; i++) {
			(void)snprintf(names[i], sizeof(names[i]),
			    "n%u-%zu.example.net", number, i);
			records[i].name = names[i];
		}
	} else {
		assert_true(
		    network_address("203.0.113.1", &records[0].address));
	}
	spf_machine.answer(spf, &answer);
}

static void
a_zone_that_never_ends_is_left(void **state)
{
	static const struct {
		const char *name, *record; /* ### is another each time */
		enum spf_result want;
	} rows[] = {
		{ "includes", "v=spf1 include:i###.example.net -all",
		    SPF_PERMERROR },
		{ "redirects", "v=spf1 redirect=i###.example.net",
		    SPF_PERMERROR },
		{ "two includes each",
		    "v=spf1 include:i###.example.net include:j###.example.net",
		    SPF_PERMERROR },
		{ "ten mx of ten names",
		    "v=spf1 mx:a.example.net mx:b.example.net mx:c.example.net"
		    " mx:d.example.net mx:e.example.net mx:f.example.net"
		    " mx:g.example.net mx:h.example.net mx:%{p}.example.net"
		    " mx:j.example.net exp=%{p}.example.com -all",
		    SPF_FAIL },
	};
	struct spf_identity identity = told_identity("192.0.2.1");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena arena;
		struct spf *spf;
		unsigned asked = 0;

		arena_init(&arena, ARENA_BYTES);
		spf = spf_begin(&identity, &arena);
		for (; spf_machine.asks(spf) != NULL; asked++) {
			if (asked == SPF_QUESTIONS)
				fail_msg("%s: no end", rows[i].name);
			answer_anew(spf, asked, rows[i].record);
		}
		if (spf_outcome(spf)->result != rows[i].want)
			fail_msg("%s: wanted %s, got %s after %u questions",
			    rows[i].name, spf_result_name(rows[i].want),
			    spf_result_name(spf_outcome(spf)->result), asked);
		assert_true(arena.used_bytes < 256 << 10);
		arena_clear(&arena);
	}
}

/* An answer of thousands of records takes no memory for each. */
static void
large_answers_take_little_memory(void **state)
{
	enum { RECORDS = 4000 };
	struct spf_identity identity = told_identity("192.0.2.1");
	struct dns_record *records = calloc(RECORDS, sizeof(*records));
	struct dns_answer answer = { .status = DNS_FOUND,
		.ttl_s = 300,
		.records = records,
		.count = RECORDS };
	struct arena arena;
	struct spf *spf;

	(void)state;
	assert_non_null(records);
	for (size_t i = 0; i < RECORDS; i++)
		assert_true(network_address(
		    i + 1 < RECORDS ? "203.0.113.1" : "192.0.2.1",
		    &records[i].address));
	arena_init(&arena, 64 << 10);
	spf = spf_begin(&identity, &arena);
	told_text(spf, "v=spf1 a -all", 13);
	spf_machine.answer(spf, &answer);
	assert_null(spf_machine.asks(spf));
	assert_int_equal(spf_outcome(spf)->result, SPF_PASS);
	arena_clear(&arena);
	free(records);
}

/* With any amount of memory it comes to the right result or to temperror. */
static void
without_memory_it_is_temperror(void **state)
{
	struct spf_identity identity = told_identity("192.0.2.99");
	bool was_starved = false, was_right = false;

	(void)state;
	for (size_t cap = 0; cap < 40000; cap += 37) {
		struct arena arena;
		struct spf *spf;

		arena_init(&arena, cap);
		spf = spf_begin(&identity, &arena);
		if (spf != NULL) {
			const struct spf_outcome *outcome = spf_outcome(spf);

			(void)told_run(spf, told_typical, TOLD_TYPICAL);
			if (outcome->result == SPF_TEMPERROR) {
				assert_non_null(outcome->problem);
				assert_null(outcome->mechanism);
				was_starved = true;
			} else {
				assert_int_equal(outcome->result, SPF_FAIL);
				assert_non_null(outcome->explanation);
				was_right = true;
			}
		}
		arena_clear(&arena);
	}
	assert_true(was_starved && was_right);
}

static void
ttl_is_the_least_of_what_was_used(void **state)
{
	static const struct {
		const char *client;
		enum spf_result want;
		uint32_t ttl_s;
		size_t questions;
	} rows[] = {
		{ "203.0.113.1", SPF_PASS, 500, 2 },
		{ "203.0.113.2", SPF_PASS, 300, 4 },
		{ "203.0.113.3", SPF_PASS, 200, 5 },
		{ "203.0.113.4", SPF_PASS, 200, 6 },
		{ "192.0.2.7", SPF_PASS, 100, 11 },
		{ "192.0.2.99", SPF_FAIL, 50, 12 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct spf_identity identity = told_identity(rows[i].client);
		const struct spf_outcome *outcome;
		struct arena arena;
		struct spf *spf;
		size_t asked;

		arena_init(&arena, ARENA_BYTES);
		spf = spf_begin(&identity, &arena);
		outcome = spf_outcome(spf);
		asked = told_run(spf, told_typical, TOLD_TYPICAL);
		if (outcome->result != rows[i].want
		    || outcome->ttl_s != rows[i].ttl_s
		    || asked != rows[i].questions)
			fail_msg("%s: wanted %s, %u s, %zu questions; "
				 "got %s, %u s, %zu",
			    rows[i].client, spf_result_name(rows[i].want),
			    (unsigned)rows[i].ttl_s, rows[i].questions,
			    spf_result_name(outcome->result),
			    (unsigned)outcome->ttl_s, asked);
		arena_clear(&arena);
	}
}

static void
steps_show_the_way(void **state)
{
	static const struct spf_step want[] = {
		{ SPF_STEP_RECORD, 0, "example.com", NULL, false, false, NULL },
		{ SPF_STEP_TERM, 0, "example.com", "a", false, true, NULL },
		{ SPF_STEP_TERM, 0, "example.com", "mx", false, true, NULL },
		{ SPF_STEP_TERM, 0, "example.com", "include:one.example.net",
		    true, true, "pass" },
		{ SPF_STEP_RECORD, 1, "one.example.net", NULL, false, false,
		    NULL },
		{ SPF_STEP_TERM, 1, "one.example.net", "ip4:203.0.113.4", false,
		    false, NULL },
		{ SPF_STEP_TERM, 1, "one.example.net",
		    "include:three.example.net", false, true, "fail" },
		{ SPF_STEP_RECORD, 2, "three.example.net", NULL, false, false,
		    NULL },
		{ SPF_STEP_TERM, 2, "three.example.net", "ip4:203.0.113.5",
		    false, false, NULL },
		{ SPF_STEP_TERM, 2, "three.example.net", "-all", true, false,
		    NULL },
		{ SPF_STEP_TERM, 1, "one.example.net",
		    "include:four.example.net", true, true, "pass" },
		{ SPF_STEP_RECORD, 2, "four.example.net", NULL, false, false,
		    NULL },
		{ SPF_STEP_TERM, 2, "four.example.net",
		    "redirect=five.example.net", false, true, NULL },
		{ SPF_STEP_RECORD, 3, "five.example.net", NULL, false, false,
		    NULL },
		{ SPF_STEP_TERM, 3, "five.example.net", "ip4:192.0.2.5", true,
		    false, NULL },
	};
	struct spf_identity identity = told_identity("192.0.2.5");
	const struct spf_outcome *outcome;
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	(void)told_run(spf, told_typical, TOLD_TYPICAL);
	outcome = spf_outcome(spf);
	assert_int_equal(outcome->step_count, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		const struct spf_step *got = &outcome->steps[i];

		if (got->kind != want[i].kind || got->depth != want[i].depth
		    || strcmp(got->domain, want[i].domain) != 0
		    || (want[i].text != NULL
			&& strcmp(got->text, want[i].text) != 0)
		    || got->is_match != want[i].is_match
		    || got->is_counted != want[i].is_counted
		    || (got->remark == NULL) != (want[i].remark == NULL)
		    || (got->remark != NULL
			&& strcmp(got->remark, want[i].remark) != 0))
			fail_msg("step %zu: got %u %s %s, match %d, counted "
				 "%d, %s",
			    i, got->depth, got->domain, got->text,
			    got->is_match, got->is_counted,
			    got->remark != NULL ? got->remark : "no remark");
	}
	assert_string_equal(outcome->record, told_typical[0].value);
	assert_string_equal(outcome->mechanism, "include:one.example.net");
	assert_string_equal(outcome->where, "example.com");
	arena_clear(&arena);
}

static void
problems_name_the_record_and_the_term(void **state)
{
	static const struct {
		const char *record; /* of example.com; NULL: there is none */
		const char *want, *where;
	} rows[] = {
		{ NULL, "example.com doesn't exist", "example.com" },
		{ "v=spf1 ip4:192.0.2.1/33 -all",
		    "the SPF record of example.com: \"ip4:192.0.2.1/33\": "
		    "after \"/\" comes a number from 0 to 32",
		    "example.com" },
		{ "v=spf1 include:nowhere.example -all",
		    "\"include:nowhere.example\" in the SPF record of "
		    "example.com: nowhere.example doesn't exist",
		    "example.com" },
		{ "v=spf1 include:a.example -all",
		    "\"include:b.example\" in the SPF record of a.example: "
		    "b.example doesn't exist",
		    "a.example" },
		{ "v=spf1 redirect=%{l}",
		    "\"redirect=%{l}\" in the SPF record of example.com: it "
		    "names no domain that can have a record",
		    "example.com" },
		{ "v=spf1 a:lost.example",
		    "\"a:lost.example\" in the SPF record of example.com: no "
		    "answer for A lost.example",
		    "example.com" },
		{ "v=spf1 a:x.example a:y.example a:z.example",
		    "\"a:z.example\" in the SPF record of example.com: more "
		    "than 2 terms look up what doesn't exist, here A "
		    "z.example",
		    "example.com" },
	};
	struct spf_identity identity = told_identity("192.0.2.99");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct told told[] = {
			{ "a.example", DNS_TXT, "v=spf1 include:b.example", 1 },
			{ "lost.example", DNS_A, NULL, 1 },
			{ "example.com", DNS_TXT, rows[i].record, 1 },
		};
		const struct spf_outcome *outcome;
		struct arena arena;
		struct spf *spf;

		arena_init(&arena, ARENA_BYTES);
		spf = spf_begin(&identity, &arena);
		(void)told_run(
		    spf, told, COUNT(told) - (rows[i].record == NULL));
		outcome = spf_outcome(spf);
		if (outcome->problem == NULL
		    || strcmp(outcome->problem, rows[i].want) != 0
		    || strcmp(outcome->where, rows[i].where) != 0)
			fail_msg("wanted %s (%s), got %s (%s)", rows[i].want,
			    rows[i].where, outcome->problem, outcome->where);
		assert_int_equal(outcome->is_no_domain, rows[i].record == NULL);
		arena_clear(&arena);
	}
}

/* Names of the client that a stranger chose. */
static void
names_with_strange_octets_do_no_harm(void **state)
{
	static const struct told told[] = {
		{ "example.com", DNS_TXT, "v=spf1 ptr exp=why.example.com -all",
		    1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR,
		    "two\\046labels.example.com", 1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR, "nul\\000.example.com",
		    1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR, "\\999.example.com", 1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR, "cut\\01", 1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR, "", 1 },
		{ "99.2.0.192.in-addr.arpa", DNS_PTR,
		    "bell\\007\\200.example.net", 1 },
		{ "bell\007\310.example.net", DNS_A, "192.0.2.99", 1 },
		{ "why.example.com", DNS_TXT, "%{p}", 1 },
	};
	struct spf_identity identity = told_identity("192.0.2.99");
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	assert_int_equal(told_run(spf, told, COUNT(told)), 4);
	assert_int_equal(spf_outcome(spf)->result, SPF_FAIL);
	assert_string_equal(
	    spf_outcome(spf)->explanation, "bell??.example.net");
	arena_clear(&arena);
}

static void
time_and_receiver_are_for_explanations(void **state)
{
	struct spf_identity identity = told_identity("192.0.2.99");
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	identity.receiver = "mx.example.edu";
	identity.now_s = 1700000000;
	spf = spf_begin(&identity, &arena);
	(void)told_run(spf, told_typical, TOLD_TYPICAL);
	assert_string_equal(spf_outcome(spf)->explanation,
	    "192.0.2.99 is not ours (mx.example.edu, 1700000000)");

	identity.wants_explanation = false;
	spf = spf_begin(&identity, &arena);
	assert_int_equal(told_run(spf, told_typical, TOLD_TYPICAL), 11);
	assert_int_equal(spf_outcome(spf)->result, SPF_FAIL);
	assert_null(spf_outcome(spf)->explanation);
	arena_clear(&arena);
}

static void
what_is_not_known_is_none(void **state)
{
	struct spf_identity identity = told_identity("192.0.2.99");
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	identity.client.is_known = false;
	spf = spf_begin(&identity, &arena);
	assert_null(spf_machine.asks(spf));
	assert_int_equal(spf_outcome(spf)->result, SPF_NONE);
	assert_non_null(spf_outcome(spf)->problem);

	identity = told_identity("192.0.2.99");
	identity.domain = NULL;
	identity.local = NULL;
	identity.helo = NULL;
	spf = spf_begin(&identity, &arena);
	assert_null(spf_machine.asks(spf));
	assert_int_equal(spf_outcome(spf)->result, SPF_NONE);
	assert_string_equal(spf_outcome(spf)->domain, "");
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_records_are_read_up_to_the_limit),
		cmocka_unit_test(macros_do_bounded_work),
		cmocka_unit_test(a_zone_that_never_ends_is_left),
		cmocka_unit_test(large_answers_take_little_memory),
		cmocka_unit_test(without_memory_it_is_temperror),
		cmocka_unit_test(ttl_is_the_least_of_what_was_used),
		cmocka_unit_test(steps_show_the_way),
		cmocka_unit_test(problems_name_the_record_and_the_term),
		cmocka_unit_test(names_with_strange_octets_do_no_harm),
		cmocka_unit_test(time_and_receiver_are_for_explanations),
		cmocka_unit_test(what_is_not_known_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
