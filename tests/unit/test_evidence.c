#include "milter/io/clock.h"
#include "tests/unit/evidence_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TIMEOUT_MS = 5000 };

#define SIGNS(d, s)                                                   \
	{                                                             \
		.domain = d, .selector = s, .type = DKIM_KEY_ED25519, \
		.public_b64 = KEY                                     \
	}
#define HAS(d, what)                                           \
	{                                                      \
		.domain = d, .state = what, .words = "because" \
	}

enum { EGRESS = 3, KEYS = 3, SIGNATURES = 3, AUTHORS = 2 };

enum {
	P = PREFLIGHT_PASS,
	ABSENT = PREFLIGHT_NO_POLICY,
	TEMP = PREFLIGHT_TEMPERROR,
	PERM = PREFLIGHT_PERMERROR,
	QUAR = PREFLIGHT_FAIL_QUARANTINE,
	REJ = PREFLIGHT_FAIL_REJECT,
};

static const struct test_case {
	const char *name;
	const char *egress[EGRESS];
	const char *helo[EGRESS]; /* NULL: mx1.good.example */
	const char *sender;       /* NULL: the null sender */
	const char *authors[AUTHORS];
	struct dkim_key_wanted keys[KEYS];
	struct evidence_signature signatures[SIGNATURES];
	bool ignores_keys;
	bool has_idle_key;
	bool are_keys_unknown;
	unsigned want[PREFLIGHT_PROFILES];
	const char *line;
} cases[] = {
	{ .name = "all is well",
	    .egress = { "192.0.2.1", "2001:db8::1" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s1") },
	    .want = { P, P, P },
	    .line = "" },
	{ .name = "one address isn't included",
	    .egress = { "192.0.2.1", "192.0.2.2" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .want = { REJ, REJ, REJ },
	    .line =
		"SPF of good.example doesn't include 192.0.2.2; no DKIM key "
		"of good.example here; its DMARC policy is reject" },
	{ .name = "a subdomain's SPF passes",
	    .egress = { "192.0.2.1" },
	    .sender = "bounce.good.example",
	    .authors = { "good.example" },
	    .has_idle_key = true,
	    .want = { P, P, REJ },
	    .line = "the DKIM key of good.example isn't used for this message; "
		    "by rfc9989 it is pass, by rfc7489 it is pass, by "
		    "both_pass it is fail-reject" },
	{ .name = "nothing is known of keys",
	    .egress = { "192.0.2.1" },
	    .sender = "bounce.good.example",
	    .authors = { "good.example" },
	    .are_keys_unknown = true,
	    .want = { P, P, REJ },
	    .line = "no DKIM signature of good.example; by rfc9989 it is pass, "
		    "by rfc7489 it is pass, by both_pass it is fail-reject" },
	{ .name = "another key is published",
	    .egress = { "192.0.2.2" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s2") },
	    .want = { REJ, REJ, REJ },
	    .line = "SPF of good.example doesn't include 192.0.2.2; "
		    "s2._domainkey.good.example has another key; the DMARC "
		    "policy of good.example is reject" },
	{ .name = "no key is published",
	    .egress = { "192.0.2.2" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s3") },
	    .want = { REJ, REJ, REJ },
	    .line = "SPF of good.example doesn't include 192.0.2.2; "
		    "s3._domainkey.good.example isn't published; the DMARC "
		    "policy of good.example is reject" },
	{ .name = "no key is published, and nobody looks",
	    .egress = { "192.0.2.2" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s3") },
	    .ignores_keys = true,
	    .want = { P, P, REJ },
	    .line = "SPF of good.example doesn't include 192.0.2.2; by rfc9989 "
		    "it is pass, by rfc7489 it is pass, by both_pass it is "
		    "fail-reject" },
	{ .name = "the key is lost",
	    .egress = { "192.0.2.2" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s4") },
	    .want = { TEMP, TEMP, REJ },
	    .line = NULL },
	{ .name = "one of the keys is lost",
	    .egress = { "192.0.2.1" },
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s4"),
		SIGNS("good.example", "s1") },
	    .want = { P, P, P },
	    .line = "" },
	{ .name = "a list's message",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "good.example" },
	    .signatures = { HAS("good.example", PREFLIGHT_VERIFIES) },
	    .want = { P, P, P },
	    .line = "SPF passes for lists.example, which isn't aligned with "
		    "good.example" },
	{ .name = "a list's message that the list has altered",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "good.example" },
	    .signatures = { HAS("lists.example", PREFLIGHT_VERIFIES),
		HAS("good.example", PREFLIGHT_FAILS) },
	    .want = { REJ, REJ, REJ },
	    .line = "SPF passes for lists.example, which isn't aligned with "
		    "good.example; no DKIM key of good.example here; the DKIM "
		    "signature of good.example doesn't verify: because; the "
		    "DKIM signature of lists.example isn't aligned with "
		    "good.example; its DMARC policy is reject" },
	{ .name = "a signature of nobody knows what",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "good.example" },
	    .signatures = { HAS("good.example", PREFLIGHT_UNKNOWN) },
	    .want = { TEMP, TEMP, TEMP },
	    .line = NULL },
	{ .name = "an unknown signature of somebody else",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "good.example" },
	    .signatures = { HAS("bare.example", PREFLIGHT_UNKNOWN) },
	    .want = { REJ, REJ, REJ },
	    .line = NULL },
	{ .name = "no DMARC record",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "bare.example" },
	    .want = { ABSENT, ABSENT, REJ },
	    .line = NULL },
	{ .name = "DMARC is lost",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "lost.example" },
	    .want = { TEMP, TEMP, REJ },
	    .line = NULL },
	{ .name = "SPF is lost, and not aligned",
	    .egress = { "192.0.2.1" },
	    .sender = "lost.example",
	    .authors = { "good.example" },
	    .want = { REJ, REJ, REJ },
	    .line = NULL },
	{ .name = "strict alignment",
	    .egress = { "192.0.2.1" },
	    .sender = "lists.example",
	    .authors = { "strict.example" },
	    .signatures = { HAS("mail.strict.example", PREFLIGHT_VERIFIES) },
	    .want = { QUAR, QUAR, REJ },
	    .line = NULL },
	{ .name = "null sender, the HELO's SPF",
	    .egress = { "192.0.2.1" },
	    .authors = { "good.example" },
	    .want = { P, P, REJ },
	    .line = NULL },
	{ .name = "null sender, one HELO's SPF fails",
	    .egress = { "192.0.2.1", "192.0.2.2" },
	    .helo = { "mx1.good.example", "mx2.good.example" },
	    .authors = { "good.example" },
	    .want = { REJ, REJ, REJ },
	    .line =
		"SPF of mx2.good.example doesn't include 192.0.2.2; no DKIM "
		"key of good.example here; its DMARC policy is reject" },
	{ .name = "egress isn't set",
	    .sender = "good.example",
	    .authors = { "good.example" },
	    .want = { REJ, REJ, REJ },
	    .line = "SPF is unknown, as egress isn't set; no DKIM key of "
		    "good.example here; its DMARC policy is reject" },
	{ .name = "egress isn't set, and SPF couldn't help",
	    .sender = "lists.example",
	    .authors = { "good.example" },
	    .want = { REJ, REJ, REJ },
	    .line = "SPF is of lists.example, which isn't aligned with "
		    "good.example; no DKIM key of good.example here; its DMARC "
		    "policy is reject" },
	{ .name = "two authors",
	    .egress = { "192.0.2.1" },
	    .sender = "good.example",
	    .authors = { "good.example", "strict.example" },
	    .want = { QUAR, QUAR, REJ },
	    .line = NULL },
	{ .name = "a sender that is an address literal",
	    .egress = { "192.0.2.1" },
	    .sender = "[192.0.2.1]",
	    .authors = { "good.example" },
	    .keys = { SIGNS("good.example", "s1") },
	    .want = { P, P, REJ },
	    .line = NULL },
	{ .name = "nobody in From",
	    .egress = { "192.0.2.1" },
	    .sender = "good.example",
	    .want = { PERM, PERM, PERM },
	    .line = "From has no domain that can be looked up: it is empty" },
};

struct room {
	struct egress egress[EGRESS];
	struct evidence_question question;
};

static const struct evidence_question *
question_of(const struct test_case *c, struct room *room)
{
	struct evidence_question *question = &room->question;

	*question = (struct evidence_question){
		.egress = room->egress,
		.sender_local = "alice",
		.sender_domain = c->sender,
		.authors = c->authors,
		.keys = c->keys,
		.checks_keys = !c->ignores_keys,
		.has_idle_key = c->has_idle_key,
		.are_keys_unknown = c->are_keys_unknown,
		.signatures = c->signatures,
		.from_problem = c->authors[0] == NULL ? "it is empty" : NULL,
	};
	while (question->egress_count < EGRESS
	    && c->egress[question->egress_count] != NULL) {
		size_t i = question->egress_count++;

		room->egress[i] = bed_egress(c->egress[i],
		    c->helo[i] != NULL ? c->helo[i] : "mx1.good.example");
	}
	while (question->author_count < AUTHORS
	    && c->authors[question->author_count] != NULL)
		question->author_count++;
	while (question->key_count < KEYS
	    && c->keys[question->key_count].domain != NULL)
		question->key_count++;
	while (question->signature_count < SIGNATURES
	    && c->signatures[question->signature_count].domain != NULL)
		question->signature_count++;
	return question;
}

static void
messages_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_case *c = &cases[i];
		struct preflight_evidence evidence;
		struct preflight_judgement got;
		const char *line;
		struct room room;
		struct bed bed;

		bed_open(&bed, DNS_SOURCE_AT_ONCE);
		assert_true(bed_gather(
		    &bed, question_of(c, &room), TIMEOUT_MS, &evidence, &got));
		line = preflight_line(&got, 400, &bed.arena);
		assert_non_null(line);
		for (unsigned k = 0; k < PREFLIGHT_PROFILES; k++)
			if (got.by[k] != c->want[k])
				fail_msg("%s: %s: wanted %s, got %s (%s)",
				    c->name, preflight_profile_name(k),
				    preflight_result_name(c->want[k]),
				    preflight_result_name(got.by[k]), line);
		if (c->line != NULL && strcmp(line, c->line) != 0)
			fail_msg("%s: wanted\n  %s\ngot\n  %s", c->name,
			    c->line, line);
		bed_close(&bed);
	}
}

/* What is in the cache isn't asked for again, whatever was found. */
static void
a_second_time_asks_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_case *c = &cases[i];
		struct preflight_judgement first, second;
		struct preflight_evidence evidence;
		struct room room;
		struct bed bed;
		size_t asked;

		bed_open(&bed, DNS_SOURCE_AT_ONCE);
		assert_true(bed_gather(&bed, question_of(c, &room), TIMEOUT_MS,
		    &evidence, &first));
		asked = dns_source_asked(bed.source);
		assert_true(bed_gather(&bed, question_of(c, &room), TIMEOUT_MS,
		    &evidence, &second));
		if (dns_source_asked(bed.source) != asked)
			fail_msg("%s: wanted no question, got %zu", c->name,
			    dns_source_asked(bed.source) - asked);
		if (first.result != second.result
		    || first.reason_count != second.reason_count)
			fail_msg("%s: wanted %s, got %s the second time",
			    c->name, preflight_result_name(first.result),
			    preflight_result_name(second.result));
		bed_close(&bed);
	}
}

struct gathering {
	struct bed *bed;
	const struct evidence_question *question;
	struct preflight_judgement judgement;
	bool is_judged;
};

static void *
gather_beside(void *context)
{
	struct gathering *gathering = context;
	struct preflight_evidence evidence;

	gathering->is_judged = bed_gather(gathering->bed, gathering->question,
	    20000, &evidence, &gathering->judgement);
	return NULL;
}

/* Everything that can be asked before there is any answer is asked then. */
static void
first_questions_are_asked_at_once(void **state)
{
	static const struct test_case c = {
		.egress = { "192.0.2.1", "2001:db8::1" },
		.sender = "bounce.good.example",
		.authors = { "good.example", "strict.example" },
		.keys = { SIGNS("good.example", "s1"),
		    SIGNS("good.example", "s2") },
	};
	static const char *const wanted[] = { "TXT bounce.good.example",
		"TXT _dmarc.good.example", "TXT _dmarc.strict.example",
		"TXT s1._domainkey.good.example",
		"TXT s2._domainkey.good.example" };
	struct gathering gathering = { .is_judged = false };
	struct bed bed;
	struct room room;
	pthread_t thread;

	(void)state;
	bed_open(&bed, DNS_SOURCE_HELD);
	gathering.bed = &bed;
	gathering.question = question_of(&c, &room);
	assert_int_equal(
	    pthread_create(&thread, NULL, gather_beside, &gathering), 0);
	assert_true(dns_source_await(bed.source, COUNT(wanted)));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		/* Hints may come between: wait until it is there. */
		for (size_t more = COUNT(wanted);
		     dns_source_asked_for(bed.source, wanted[i]) == 0; more++)
			if (!dns_source_await(bed.source, more + 1))
				fail_msg("wanted that %s is asked before any "
					 "answer, got nothing",
				    wanted[i]);
	}
	dns_source_release(bed.source);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(gathering.is_judged);
	assert_int_equal(gathering.judgement.by[PREFLIGHT_RFC9989], QUAR);
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_int_equal(
		    dns_source_asked_for(bed.source, wanted[i]), 1);
	bed_close(&bed);
}

/* The same question of two machines, or of two addresses, is asked once, and
 * what can't matter isn't asked at all. */
static void
questions_are_few(void **state)
{
	static const struct test_case all_is_well = {
		.egress = { "192.0.2.1", "2001:db8::1" },
		.sender = "good.example",
		.authors = { "good.example" },
		.keys = { SIGNS("good.example", "s1") },
	};
	static const struct test_case failing = {
		.egress = { "192.0.2.1" },
		.sender = "good.example",
		.authors = { "good.example" },
		.signatures = { HAS("far.away.example", PREFLIGHT_FAILS) },
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	struct room room;
	struct bed bed;

	(void)state;
	bed_open(&bed, DNS_SOURCE_AT_ONCE);
	assert_true(bed_gather(&bed, question_of(&all_is_well, &room),
	    TIMEOUT_MS, &evidence, &judgement));
	assert_int_equal(dns_source_asked(bed.source), 3);
	assert_true(bed_gather(&bed, question_of(&failing, &room), TIMEOUT_MS,
	    &evidence, &judgement));
	assert_int_equal(dns_source_asked(bed.source), 3);
	bed_close(&bed);
}

static void
dead_dns_ends_in_time(void **state)
{
	static const struct test_case c = {
		.egress = { "192.0.2.1", "192.0.2.2", "2001:db8::1" },
		.sender = "bounce.good.example",
		.authors = { "good.example", "strict.example" },
		.keys = { SIGNS("good.example", "s1") },
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	uint64_t begun_us, took_ms;
	struct room room;
	struct bed bed;

	(void)state;
	bed_open(&bed, DNS_SOURCE_NEVER);
	begun_us = clock_monotonic_us();
	assert_true(bed_gather(
	    &bed, question_of(&c, &room), 300, &evidence, &judgement));
	took_ms = (clock_monotonic_us() - begun_us) / 1000;
	if (took_ms > 2000)
		fail_msg("wanted an end after 300 ms, got %llu",
		    (unsigned long long)took_ms);
	assert_int_equal(judgement.by[PREFLIGHT_RFC9989], TEMP);
	assert_int_equal(judgement.by[PREFLIGHT_RFC7489], TEMP);
	assert_int_equal(judgement.by[PREFLIGHT_BOTH_PASS], TEMP);
	assert_int_equal(judgement.spf_result, SPF_TEMPERROR);
	assert_int_equal(judgement.reasons[0].kind, PREFLIGHT_SPF_LOST);
	bed_close(&bed);
}

static void
equal_addresses_count_once(void **state)
{
	static const struct test_case twice = {
		.egress = { "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1" },
		.helo = { "mx1.good.example", "MX1.good.example",
		    "mx2.good.example" },
		.authors = { "good.example" },
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	struct room room;
	struct bed bed;

	(void)state;
	bed_open(&bed, DNS_SOURCE_AT_ONCE);
	assert_true(bed_gather(&bed, question_of(&twice, &room), TIMEOUT_MS,
	    &evidence, &judgement));
	assert_int_equal(evidence.spf_count, 2);
	assert_string_equal(evidence.spf[0].address, "192.0.2.1");
	assert_string_equal(evidence.spf[0].helo, "mx1.good.example");
	assert_string_equal(evidence.spf[1].helo, "mx2.good.example");
	assert_int_not_equal(
	    evidence.spf[0].identifier, evidence.spf[1].identifier);
	bed_close(&bed);
}

/* Of more signatures than are looked at those are kept that may help. */
static void
the_likeliest_signatures_are_kept(void **state)
{
	struct evidence_signature signatures[PREFLIGHT_SIGNATURES + 3];
	static const char *const authors[] = { "good.example" };
	const struct evidence_question question = {
		.sender_local = "alice",
		.sender_domain = "lists.example",
		.authors = authors,
		.author_count = 1,
		.signatures = signatures,
		.signature_count = COUNT(signatures),
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	struct bed bed;

	(void)state;
	for (size_t i = 0; i < COUNT(signatures); i++)
		signatures[i] = (struct evidence_signature){
			.domain = "bare.example",
			.state = PREFLIGHT_FAILS,
			.words = "the body was altered",
		};
	signatures[PREFLIGHT_SIGNATURES].state = PREFLIGHT_VERIFIES;
	signatures[PREFLIGHT_SIGNATURES + 1].domain = "good.example";
	signatures[PREFLIGHT_SIGNATURES + 1].state = PREFLIGHT_UNKNOWN;
	signatures[PREFLIGHT_SIGNATURES + 2].domain = "mail.good.example";
	signatures[PREFLIGHT_SIGNATURES + 2].state = PREFLIGHT_VERIFIES;
	bed_open(&bed, DNS_SOURCE_AT_ONCE);
	assert_true(
	    bed_gather(&bed, &question, TIMEOUT_MS, &evidence, &judgement));
	assert_int_equal(evidence.signature_count, PREFLIGHT_SIGNATURES);
	assert_string_equal(evidence.signatures[0].domain, "mail.good.example");
	assert_string_equal(evidence.signatures[1].domain, "good.example");
	assert_string_equal(evidence.signatures[2].domain, "bare.example");
	assert_int_equal(evidence.signatures[2].state, PREFLIGHT_VERIFIES);
	assert_int_equal(evidence.signatures[3].identifier, PREFLIGHT_NOBODY);
	assert_int_equal(judgement.by[PREFLIGHT_RFC9989], P);
	bed_close(&bed);
}

/* As many of everything as there can be. */
static void
the_greatest_message_fits(void **state)
{
	static char names[PREFLIGHT_EGRESS + PREFLIGHT_SIGNATURES
	    + PREFLIGHT_AUTHORS][32];
	struct egress egress[PREFLIGHT_EGRESS];
	struct dkim_key_wanted keys[PREFLIGHT_SIGNATURES];
	const char *authors[PREFLIGHT_AUTHORS];
	struct evidence_question question = {
		.egress = egress,
		.egress_count = PREFLIGHT_EGRESS,
		.authors = authors,
		.author_count = PREFLIGHT_AUTHORS,
		.keys = keys,
		.key_count = PREFLIGHT_SIGNATURES,
		.checks_keys = true,
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	struct bed bed;
	size_t name = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		(void)snprintf(names[i], sizeof(names[i]), "d%zu.example", i);
	for (size_t i = 0; i < PREFLIGHT_EGRESS; i++) {
		egress[i] = bed_egress("192.0.2.1", names[name++]);
		egress[i].address.octets[15] = (uint8_t)(i + 1);
	}
	for (size_t i = 0; i < PREFLIGHT_SIGNATURES; i++)
		keys[i] = (struct dkim_key_wanted)SIGNS(names[name++], "s1");
	for (size_t i = 0; i < PREFLIGHT_AUTHORS; i++)
		authors[i] = names[name++];
	bed_open(&bed, DNS_SOURCE_AT_ONCE);
	assert_true(
	    bed_gather(&bed, &question, TIMEOUT_MS, &evidence, &judgement));
	assert_int_equal(evidence.spf_count, PREFLIGHT_EGRESS);
	assert_int_equal(evidence.signature_count, PREFLIGHT_SIGNATURES);
	assert_int_equal(judgement.addresses, PREFLIGHT_EGRESS);
	assert_int_equal(judgement.result, ABSENT);
	bed_close(&bed);
}

/* Wherever memory runs out, it says so or comes to a result, and no more. */
static void
want_of_memory_is_told(void **state)
{
	static const struct test_case c = {
		.egress = { "192.0.2.1", "192.0.2.2" },
		.sender = "bounce.good.example",
		.authors = { "good.example" },
		.keys = { SIGNS("good.example", "s1") },
		.signatures = { HAS("lists.example", PREFLIGHT_UNKNOWN) },
	};
	struct preflight_judgement judgement;
	struct preflight_evidence evidence;
	bool is_told = false, is_judged = false;
	struct room room;
	struct bed bed;

	(void)state;
	bed_open(&bed, DNS_SOURCE_AT_ONCE);
	for (size_t cap = 0; cap < 100000; cap += 200) {
		arena_init(&bed.arena, cap);
		if (!bed_gather(&bed, question_of(&c, &room), TIMEOUT_MS,
			&evidence, &judgement))
			is_told = true;
		else if (judgement.by[PREFLIGHT_RFC9989] == PREFLIGHT_PASS)
			is_judged = true;
		else if (judgement.by[PREFLIGHT_RFC9989] > PREFLIGHT_TEMPERROR)
			fail_msg("%zu octets: wanted no failure, got %s", cap,
			    preflight_result_name(
				judgement.by[PREFLIGHT_RFC9989]));
		arena_clear(&bed.arena);
	}
	assert_true(is_told && is_judged);
	bed_close(&bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_are_judged),
		cmocka_unit_test(a_second_time_asks_nothing),
		cmocka_unit_test(first_questions_are_asked_at_once),
		cmocka_unit_test(questions_are_few),
		cmocka_unit_test(dead_dns_ends_in_time),
		cmocka_unit_test(equal_addresses_count_once),
		cmocka_unit_test(the_likeliest_signatures_are_kept),
		cmocka_unit_test(the_greatest_message_fits),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
