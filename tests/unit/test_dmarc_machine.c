/* How the DMARC machine asks: what it needs and no more, what it hints at, and
 * what it says when there is no list, no memory, or nobody to align. Its
 * findings are the business of test_dmarc.c and test_dmarc_lost.c. */
#include "policy/dmarc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20, ENTRIES = 8, WORDS = 1024, ROOM = 64 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LOST "?" /* in place of a record: no answer */
#define THERE "" /* the name is there, but no TXT */

/* What the DNS has. Names that aren't listed aren't there. */
struct entry {
	const char *name;
	const char *text;
};

static void
answer(struct dmarc *dmarc, const struct entry *entries)
{
	const char *name = dmarc_machine.asks(dmarc)->name;
	struct dns_answer answer = { .status = DNS_NXDOMAIN, .ttl_s = 60 };
	struct dns_record record = { .text = NULL };

	for (size_t i = 0; i < ENTRIES && entries[i].name != NULL; i++) {
		if (strcmp(entries[i].name, name) != 0)
			continue;
		answer.status = DNS_FOUND;
		answer.ttl_s = (uint32_t)(10 + i);
		record.text = entries[i].text;
		record.text_length = strlen(record.text);
		answer.records = &record;
		answer.count = 1;
		if (strcmp(record.text, THERE) == 0)
			answer.status = DNS_NODATA;
		if (strcmp(record.text, LOST) == 0)
			answer.status = DNS_LOST;
	}
	if (answer.status != DNS_FOUND)
		answer.count = 0;
	dmarc_machine.answer(dmarc, &answer);
}

static void
note(char *words, const struct dns_question *question)
{
	size_t length = strlen(words);

	(void)snprintf(words + length, WORDS - length, "%s%s%s",
	    length > 0 ? " " : "", question->type == DNS_A ? "A:" : "",
	    question->name);
}

/* The hints now, as words. */
static void
note_hints(char *words, const struct dmarc *dmarc, size_t room)
{
	struct dns_question hints[ROOM];
	size_t count = dmarc_machine.hints(dmarc, hints, room);

	assert_true(count <= room);
	*words = '\0';
	for (size_t i = 0; i < count; i++)
		note(words, &hints[i]);
}

/* asks: all questions in their order. hints: those at the start. "A:" stands
 * before the question whether a name exists. */
struct ask_case {
	const char *name;
	const char *author, *author_org;
	struct dmarc_domain identifiers[3];
	bool may_pass[3];
	bool wants[DMARC_STANDARDS];
	struct entry entries[ENTRIES];
	const char *asks;
	const char *hints;
};

#define BOTH               \
	{                  \
		true, true \
	}
#define ONLY_9989           \
	{                   \
		true, false \
	}
#define ONLY_7489           \
	{                   \
		false, true \
	}
#define NONE "v=DMARC1;p=none"

static const struct ask_case cases[] = {
	{ "nothing is there", "a.example.com", "example.com", { { 0 } }, { 0 },
	    BOTH, { { 0 } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "RFC 7489 alone", "a.b.example.com", "example.com", { { 0 } }, { 0 },
	    ONLY_7489, { { 0 } }, "_dmarc.a.b.example.com _dmarc.example.com",
	    "_dmarc.example.com" },
	{ "RFC 7489 alone, a registered domain", "example.com", "example.com",
	    { { 0 } }, { 0 }, ONLY_7489, { { 0 } }, "_dmarc.example.com", "" },
	{ "neither standard is wanted", "a.example.com", "example.com",
	    { { 0 } }, { 0 }, { false, false }, { { 0 } }, "", "" },
	{ "signed by itself: one question, §4.10.2", "a.example.com",
	    "example.com", { { "a.example.com", "example.com" } }, { true },
	    BOTH, { { "_dmarc.a.example.com", NONE } }, "_dmarc.a.example.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "a sibling: its own walk", "a.example.com", "example.com",
	    { { "b.example.com", "example.com" } }, { true }, BOTH,
	    { { "_dmarc.a.example.com", NONE },
		{ "_dmarc.example.com", NONE } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com "
	    "_dmarc.b.example.com",
	    "_dmarc.example.com _dmarc.com _dmarc.b.example.com "
	    "A:a.example.com" },
	{ "a sibling that can't pass", "a.example.com", "example.com",
	    { { "b.example.com", "example.com" } }, { false }, BOTH,
	    { { "_dmarc.a.example.com", NONE } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "a sibling, but no record above both", "a.example.com", "example.com",
	    { { "b.example.com", "example.com" } }, { true }, BOTH,
	    { { "_dmarc.a.example.com", NONE } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com",
	    "_dmarc.example.com _dmarc.com _dmarc.b.example.com "
	    "A:a.example.com" },
	{ "a sibling, strict", "a.example.com", "example.com",
	    { { "b.example.com", "example.com" } }, { true }, BOTH,
	    { { "_dmarc.a.example.com", NONE ";adkim=s;aspf=s" } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com",
	    "_dmarc.example.com _dmarc.com _dmarc.b.example.com "
	    "A:a.example.com" },
	{ "a stranger: com has no record", "example.com", "example.com",
	    { { "b.example2.com", "example2.com" } }, { true }, BOTH,
	    { { "_dmarc.example.com", NONE } }, "_dmarc.example.com _dmarc.com",
	    "_dmarc.com A:example.com" },
	{ "a stranger: com has one", "example.com", "example.com",
	    { { "b.example2.com", "example2.com" } }, { true }, BOTH,
	    { { "_dmarc.example.com", NONE }, { "_dmarc.com", NONE } },
	    "_dmarc.example.com _dmarc.com _dmarc.b.example2.com "
	    "_dmarc.example2.com",
	    "_dmarc.com A:example.com" },
	{ "a stranger with nothing in common", "example.com", "example.com",
	    { { "b.example.net", "example.net" } }, { true }, BOTH,
	    { { "_dmarc.example.com", NONE } }, "_dmarc.example.com _dmarc.com",
	    "_dmarc.com A:example.com" },
	{ "two that share names: each is asked once", "example.com",
	    "example.com",
	    { { "x.b.example.com", "example.com" },
		{ "y.b.example.com", "example.com" } },
	    { true, true }, BOTH, { { "_dmarc.example.com", NONE } },
	    "_dmarc.example.com _dmarc.com _dmarc.x.b.example.com "
	    "_dmarc.b.example.com _dmarc.y.b.example.com",
	    "_dmarc.com _dmarc.x.b.example.com _dmarc.b.example.com "
	    "_dmarc.y.b.example.com A:example.com" },
	{ "the author domain is lost: the end", "a.example.com", "example.com",
	    { { "b.example.com", "example.com" } }, { true }, BOTH,
	    { { "_dmarc.a.example.com", LOST } }, "_dmarc.a.example.com",
	    "_dmarc.example.com _dmarc.com _dmarc.b.example.com "
	    "A:a.example.com" },
	{ "np: does the author domain exist?", "a.example.com", "example.com",
	    { { 0 } }, { 0 }, BOTH,
	    { { "_dmarc.example.com", "v=DMARC1;p=none;np=reject" } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com "
	    "A:a.example.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "np as sp: it doesn't matter", "a.example.com", "example.com",
	    { { 0 } }, { 0 }, BOTH,
	    { { "_dmarc.example.com", "v=DMARC1;p=none;sp=reject;np=reject" } },
	    "_dmarc.a.example.com _dmarc.example.com _dmarc.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "psd=n: the end", "a.b.example.com", "example.com", { { 0 } }, { 0 },
	    ONLY_9989, { { "_dmarc.b.example.com", NONE ";psd=n" } },
	    "_dmarc.a.b.example.com _dmarc.b.example.com",
	    "_dmarc.b.example.com _dmarc.example.com _dmarc.com "
	    "A:a.b.example.com" },
	{ "no processing: the end", "a.example.com", "example.com", { { 0 } },
	    { 0 }, ONLY_9989, { { "_dmarc.a.example.com", "v=DMARC1" } },
	    "_dmarc.a.example.com",
	    "_dmarc.example.com _dmarc.com A:a.example.com" },
	{ "an organizational domain that isn't on the walk",
	    "a.b.c.d.e.f.g.h.co.uk", "b.c.d.e.f.g.h.co.uk", { { 0 } }, { 0 },
	    ONLY_7489, { { 0 } },
	    "_dmarc.a.b.c.d.e.f.g.h.co.uk _dmarc.b.c.d.e.f.g.h.co.uk",
	    "_dmarc.b.c.d.e.f.g.h.co.uk" },
};

static struct dmarc *
begin(const struct ask_case *c, struct dmarc_question *question,
    struct arena *arena)
{
	*question = (struct dmarc_question){
		.author = { c->author, c->author_org },
		.identifiers = c->identifiers,
		.may_pass = c->may_pass,
	};
	while (c->identifiers[question->count].domain != NULL)
		question->count++;
	return dmarc_begin(question, c->wants, arena);
}

static size_t
expect_words(
    const char *name, const char *what, const char *want, const char *got)
{
	if (strcmp(want, got) == 0)
		return 0;
	print_error("%s, %s\n wanted %s\n got    %s\n", name, what, want, got);
	return 1;
}

static void
test_asks(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char asks[WORDS] = "", hints[WORDS];
		struct dmarc_question question;
		struct arena arena;
		struct dmarc *dmarc;

		arena_init(&arena, ARENA_BYTES);
		dmarc = begin(&cases[i], &question, &arena);
		assert_non_null(dmarc);
		note_hints(hints, dmarc, ROOM);
		while (dmarc_machine.asks(dmarc) != NULL) {
			note(asks, dmarc_machine.asks(dmarc));
			assert_ptr_equal(dmarc_machine.asks(dmarc),
			    dmarc_machine.asks(dmarc));
			answer(dmarc, cases[i].entries);
		}
		wrong += expect_words(
		    cases[i].name, "questions", cases[i].asks, asks);
		wrong +=
		    expect_words(cases[i].name, "hints", cases[i].hints, hints);
		note_hints(hints, dmarc, ROOM);
		wrong +=
		    expect_words(cases[i].name, "hints at the end", "", hints);
		arena_clear(&arena);
	}
	assert_int_equal(wrong, 0);
}

/* Hints go with what is known, and stay within the room. */
static void
test_hints(void **state)
{
	const struct ask_case *c = &cases[10]; /* com has a record */
	char hints[WORDS];
	struct dmarc_question question;
	struct arena arena;
	struct dmarc *dmarc;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	dmarc = begin(c, &question, &arena);
	assert_non_null(dmarc);
	note_hints(hints, dmarc, 1);
	assert_string_equal(hints, "_dmarc.com");
	note_hints(hints, dmarc, 0);
	assert_string_equal(hints, "");
	answer(dmarc, c->entries);
	note_hints(hints, dmarc, ROOM);
	assert_string_equal(hints, "");
	answer(dmarc, c->entries);
	note_hints(hints, dmarc, ROOM);
	assert_string_equal(hints, "_dmarc.example2.com");
	arena_clear(&arena);
}

static const struct dmarc_outcome *
run(const struct ask_case *c, struct dmarc_question *question,
    struct arena *arena)
{
	struct dmarc *dmarc = begin(c, question, arena);

	assert_non_null(dmarc);
	while (dmarc_machine.asks(dmarc) != NULL)
		answer(dmarc, c->entries);
	return dmarc_outcome(dmarc);
}

static void
test_no_list(void **state)
{
	static const struct ask_case own = { .author = "a.example.com",
		.identifiers = { { "a.example.com", NULL },
		    { "b.example.com", NULL } },
		.may_pass = { true, true },
		.wants = ONLY_7489,
		.entries = { { "_dmarc.a.example.com", NONE } } };
	struct ask_case none = own;
	struct dmarc_question question;
	const struct dmarc_finding *finding;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	finding = &run(&own, &question, &arena)->by[DMARC_RFC7489];
	assert_int_equal(finding->status, DMARC_FOUND);
	assert_null(finding->org_domain);
	assert_int_equal(finding->by_dkim[0], DMARC_STRICTLY);
	assert_int_equal(finding->by_spf[1], DMARC_UNSURE);
	none.entries[0].text = THERE;
	finding = &run(&none, &question, &arena)->by[DMARC_RFC7489];
	assert_int_equal(finding->status, DMARC_LOST);
	assert_non_null(strstr(finding->problem, "publicsuffix"));
	arena_clear(&arena);
}

/* Words for people: the record, the tag, the problem, the steps. */
static void
test_words(void **state)
{
	static const struct ask_case found = { .author = "a.example.com",
		.author_org = "example.com",
		.wants = BOTH,
		.entries = { { "_dmarc.example.com",
				 "v=DMARC1;p=none;sp=quarantine;np=reject" },
		    { "_dmarc.com", LOST },
		    { "_dmarc.a.example.com", "v=DMARC1;p=none;p=none" } } };
	static const struct ask_case useless = { .author = "example.com",
		.author_org = "example.com",
		.wants = BOTH,
		.entries = { { "_dmarc.example.com", "v=DMARC1;p=r" } } };
	static const struct ask_case broken = { .author = "a.example.com",
		.author_org = "example.com",
		.wants = BOTH,
		.entries = { { "_dmarc.example.com", "v=dmarc1;p=none" } } };
	struct dmarc_question question;
	const struct dmarc_outcome *outcome;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	outcome = run(&found, &question, &arena);
	assert_int_equal(outcome->step_count, 3);
	assert_int_equal(outcome->ttl_s, 10);
	assert_string_equal(outcome->steps[0].name, "_dmarc.a.example.com");
	assert_null(outcome->steps[0].text);
	assert_non_null(strstr(outcome->steps[0].remark, "can't be read"));
	assert_string_equal(outcome->steps[1].text, found.entries[0].text);
	assert_null(outcome->steps[1].remark);
	assert_non_null(strstr(outcome->steps[2].remark, "no answer"));
	assert_string_equal(outcome->by[DMARC_RFC7489].tag, "sp");
	assert_string_equal(
	    outcome->by[DMARC_RFC7489].text, found.entries[0].text);
	assert_non_null(strstr(outcome->by[DMARC_RFC9989].problem,
	    "_dmarc.com can't be looked up"));
	outcome = run(&useless, &question, &arena);
	assert_int_equal(outcome->by[DMARC_RFC9989].status, DMARC_ABSENT);
	assert_non_null(strstr(outcome->by[DMARC_RFC9989].problem,
	    "_dmarc.example.com has a p= that is none of"));
	assert_string_equal(
	    outcome->by[DMARC_RFC7489].policy_domain, "example.com");
	outcome = run(&broken, &question, &arena);
	for (int i = 0; i < DMARC_STANDARDS; i++) {
		assert_int_equal(outcome->by[i].status, DMARC_ABSENT);
		assert_non_null(strstr(outcome->by[i].problem,
		    "_dmarc.example.com has a record that can't be read"));
	}
	arena_clear(&arena);
}

/* Far too many identifiers, all of them deep: the machine stays within what
 * it promises. */
static void
test_many(void **state)
{
	enum { MANY = DMARC_IDENTIFIERS + 8, NAME = 64 };
	static const struct entry entries[ENTRIES] = { { "_dmarc.example.com",
	    NONE } };
	static char names[MANY][NAME];
	struct dmarc_domain domains[MANY];
	struct dmarc_question question = { .author = { "example.com",
					       "example.com" },
		.identifiers = domains,
		.count = MANY };
	const bool wants[DMARC_STANDARDS] = BOTH;
	struct arena arena;
	struct dmarc *dmarc;
	size_t asked = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(
		    names[i], NAME, "a.b.c.d.e.f.g.x%zu.example.com", i);
		domains[i] = (struct dmarc_domain){ names[i], "example.com" };
	}
	arena_init(&arena, ARENA_BYTES);
	dmarc = dmarc_begin(&question, wants, &arena);
	assert_non_null(dmarc);
	for (; dmarc_machine.asks(dmarc) != NULL; asked++)
		answer(dmarc, entries);
	/* Each identifier's own names: the start, and five of seven labels or
	 * fewer. */
	assert_int_equal(asked, 2 + 6 * DMARC_IDENTIFIERS);
	assert_int_equal(dmarc_outcome(dmarc)->step_count, DMARC_STEPS);
	assert_int_equal(dmarc_outcome(dmarc)->by[DMARC_RFC9989].by_dkim[31],
	    DMARC_RELAXEDLY);
	arena_clear(&arena);
}

/* With too little memory nothing is found that isn't there, and nothing there
 * is said not to be. */
static void
test_memory(void **state)
{
	const struct ask_case *c = &cases[10];
	size_t ends = 0, good = 0;

	(void)state;
	for (size_t cap = 0; cap < 16384; cap += 8) {
		struct dmarc_question question;
		struct arena arena;
		struct dmarc *dmarc;

		arena_init(&arena, cap);
		dmarc = begin(c, &question, &arena);
		while (dmarc != NULL && dmarc_machine.asks(dmarc) != NULL)
			answer(dmarc, c->entries);
		for (int i = 0; dmarc != NULL && i < DMARC_STANDARDS; i++) {
			ends++;
			if (dmarc_outcome(dmarc)->by[i].status == DMARC_FOUND)
				good++;
			else
				assert_int_equal(
				    dmarc_outcome(dmarc)->by[i].status,
				    DMARC_LOST);
		}
		arena_clear(&arena);
	}
	assert_true(good > 0 && good < ends);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(dmarc_standard_name(DMARC_RFC9989), "rfc9989");
	assert_string_equal(dmarc_standard_name(DMARC_RFC7489), "rfc7489");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asks),
		cmocka_unit_test(test_hints),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
