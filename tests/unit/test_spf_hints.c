/* What an SPF check may ask later: said in time, all that is likely, and
 * nothing that can't be asked. */
#include "tests/unit/spf_told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	ARENA_BYTES = 16 << 20,
	HINTS_MOST = 200,
};

/* Answer each hint from the list. */
static void
teach(struct spf *spf, const struct told *told, size_t told_count)
{
	struct dns_question hints[HINTS_MOST];
	size_t count = spf_machine.hints(spf, hints, HINTS_MOST);

	for (size_t i = 0; i < count; i++) {
		struct dns_record records[TOLD_MOST];
		struct dns_answer answer;

		told_answer(told, told_count, &hints[i], &answer, records);
		spf_machine.learn(spf, &hints[i], &answer);
	}
}

/* An answer that was only learned counts when it is used. */
static void
ttl_of_a_hint_counts_when_it_is_used(void **state)
{
	struct spf_identity identity = told_identity("203.0.113.1");
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	told_next(spf, told_typical, TOLD_TYPICAL);
	teach(spf, told_typical, TOLD_TYPICAL);
	(void)told_run(spf, told_typical, TOLD_TYPICAL);
	assert_int_equal(spf_outcome(spf)->result, SPF_PASS);
	assert_int_equal(spf_outcome(spf)->ttl_s, 500);
	arena_clear(&arena);
}

static void
check_hints(const struct spf *spf, const char *name, const char *const *want,
    size_t count)
{
	struct dns_question hints[HINTS_MOST];
	size_t got = spf_machine.hints(spf, hints, HINTS_MOST);
	char words[300];

	for (size_t i = 0; i < got || i < count; i++) {
		(void)snprintf(words, sizeof(words), "%s %s",
		    i < got ? dns_type_name(hints[i].type) : "-",
		    i < got ? hints[i].name : "-");
		if (i >= count || strcmp(words, want[i]) != 0)
			fail_msg("%s: hint %zu: wanted %s, got %s", name, i,
			    i < count ? want[i] : "none", words);
	}
}

static void
hints_name_what_later_terms_ask(void **state)
{
	static const char *const first[] = { "MX example.com",
		"TXT one.example.net", "TXT two.example.net",
		"TXT why.example.com" };
	static const char *const then[] = { "TXT one.example.net",
		"TXT two.example.net", "TXT why.example.com",
		"A mx2.example.com" };
	struct spf_identity identity = told_identity("192.0.2.99");
	struct dns_question one;
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	check_hints(spf, "no record yet", NULL, 0);
	told_next(spf, told_typical, TOLD_TYPICAL);
	check_hints(spf, "first", first, COUNT(first));
	check_hints(spf, "said again", first, COUNT(first));
	assert_int_equal(spf_machine.hints(spf, &one, 0), 0);
	assert_int_equal(spf_machine.hints(spf, &one, 1), 1);
	told_next(spf, told_typical, TOLD_TYPICAL); /* A */
	told_next(spf, told_typical, TOLD_TYPICAL); /* MX */
	check_hints(spf, "then", then, COUNT(then));
	(void)told_run(spf, told_typical, TOLD_TYPICAL);
	check_hints(spf, "at its end", NULL, 0);
	arena_clear(&arena);
}

static void
hints_keep_to_what_can_be_asked(void **state)
{
	static const struct {
		const char *name, *record;
		const char *want[12];
	} rows[] = {
		{ "nothing behind all",
		    "v=spf1 a:w.example.com a:x.example.com ?all "
		    "a:y.example.com redirect=z.example.com",
		    { "A x.example.com" } },
		{ "redirect without all",
		    "v=spf1 redirect=z.example.com a:w.example.com",
		    { "TXT z.example.com" } },
		{ "no more than ten terms",
		    "v=spf1 a:a.example.com a:b.example.com a:c.example.com "
		    "a:d.example.com a:e.example.com a:f.example.com "
		    "a:g.example.com a:h.example.com a:i.example.com "
		    "a:j.example.com a:k.example.com redirect=l.example.com",
		    { "A b.example.com", "A c.example.com", "A d.example.com",
			"A e.example.com", "A f.example.com", "A g.example.com",
			"A h.example.com", "A i.example.com",
			"A j.example.com" } },
		{ "each name once",
		    "v=spf1 a:w.example.com exists:x.example.com "
		    "a:x.example.com mx:x.example.com a:X.example.com ?all",
		    { "A x.example.com", "MX x.example.com" } },
		{ "names that can't be",
		    "v=spf1 a:w.example.com a:x..example.com include:%{h} "
		    "exists:%{l}.y.example.com -all exp=a..b.example",
		    { "TXT mx.example.org", "A u.y.example.com" } },
		{ "what hangs on %{p}",
		    "v=spf1 a:w.example.com exists:%{p}.example.com "
		    "a:%{p2}.example.com ?all",
		    { "PTR 99.2.0.192.in-addr.arpa" } },
		{ "ptr", "v=spf1 a:w.example.com ptr:example.net ?all",
		    { "PTR 99.2.0.192.in-addr.arpa" } },
		{ "include of one label",
		    "v=spf1 a:w.example.com include:%{l} ?all", { NULL } },
	};
	struct spf_identity identity = told_identity("192.0.2.99");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t count = 0;
		struct arena arena;
		struct spf *spf;

		while (rows[i].want[count] != NULL)
			count++;
		arena_init(&arena, ARENA_BYTES);
		spf = spf_begin(&identity, &arena);
		told_text(spf, rows[i].record, strlen(rows[i].record));
		check_hints(spf, rows[i].name, rows[i].want, count);
		arena_clear(&arena);
	}
}

/* Ten terms in all: two here and eight of the include's ten. An mx of too many
 * names has none. */
static void
hints_of_what_was_learned_keep_to_the_limits(void **state)
{
	static const struct told told[] = {
		{ "example.com", DNS_TXT,
		    "v=spf1 a:w.example include:i.example mx:m.example -all",
		    1 },
		{ "i.example", DNS_TXT,
		    "v=spf1 a:a.example a:b.example a:c.example a:d.example "
		    "a:e.example a:f.example a:g.example a:h.example "
		    "a:i.example a:j.example",
		    1 },
		{ "m.example", DNS_MX, "n1.example", 1 },
		{ "m.example", DNS_MX, "n2.example", 1 },
		{ "m.example", DNS_MX, "n3.example", 1 },
		{ "m.example", DNS_MX, "n4.example", 1 },
		{ "m.example", DNS_MX, "n5.example", 1 },
		{ "m.example", DNS_MX, "n6.example", 1 },
		{ "m.example", DNS_MX, "n7.example", 1 },
		{ "m.example", DNS_MX, "n8.example", 1 },
		{ "m.example", DNS_MX, "n9.example", 1 },
		{ "m.example", DNS_MX, "n10.example", 1 },
		{ "m.example", DNS_MX, "n11.example", 1 },
	};
	static const char *const want[] = { "A a.example", "A b.example",
		"A c.example", "A d.example", "A e.example", "A f.example",
		"A g.example", "A h.example" };
	struct spf_identity identity = told_identity("192.0.2.99");
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	told_next(spf, told, COUNT(told));
	teach(spf, told, COUNT(told));
	check_hints(spf, "learned", want, COUNT(want));
	arena_clear(&arena);
}

/* A driver that asks all hints beside needs as many rounds as the records are
 * deep, not as many as there are. */
static void
hints_make_the_chain_as_short_as_can_be(void **state)
{
	struct spf_identity identity = told_identity("192.0.2.99");
	struct arena arena;
	struct spf *spf;
	unsigned rounds = 0;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	for (; spf_machine.asks(spf) != NULL; rounds++) {
		teach(spf, told_typical, TOLD_TYPICAL);
		told_next(spf, told_typical, TOLD_TYPICAL);
	}
	assert_int_equal(spf_outcome(spf)->result, SPF_FAIL);
	/* The record; one and two; four; five. */
	assert_int_equal(rounds, 4);
	arena_clear(&arena);
}

static void
what_was_not_hinted_is_not_learned(void **state)
{
	static const struct told lies[] = {
		{ "two.example.net", DNS_TXT, NULL, 1 },
		{ "one.example.net", DNS_TXT, NULL, 1 },
		{ "elsewhere.example", DNS_TXT, "v=spf1 +all", 1 },
		{ "host.example.net", DNS_A, "192.0.2.99", 1 },
		{ "example.com", DNS_A, "192.0.2.99", 1 },
	};
	struct spf_identity identity = told_identity("192.0.2.99");
	struct dns_question hints[HINTS_MOST];
	struct arena arena;
	struct spf *spf;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	spf = spf_begin(&identity, &arena);
	told_next(spf, told_typical, TOLD_TYPICAL);
	assert_true(spf_machine.hints(spf, hints, HINTS_MOST) > 0);
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct dns_question question = { lies[i].name, lies[i].type };
		struct dns_record records[TOLD_MOST];
		struct dns_answer answer;

		told_answer(lies, COUNT(lies), &question, &answer, records);
		spf_machine.learn(spf, &question, &answer);
	}
	assert_int_equal(told_run(spf, told_typical, TOLD_TYPICAL), 11);
	assert_int_equal(spf_outcome(spf)->result, SPF_FAIL);
	/* After its end it takes no answers. */
	told_text(spf, "v=spf1 +all", 11);
	assert_int_equal(spf_outcome(spf)->result, SPF_FAIL);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints_name_what_later_terms_ask),
		cmocka_unit_test(hints_keep_to_what_can_be_asked),
		cmocka_unit_test(hints_of_what_was_learned_keep_to_the_limits),
		cmocka_unit_test(hints_make_the_chain_as_short_as_can_be),
		cmocka_unit_test(what_was_not_hinted_is_not_learned),
		cmocka_unit_test(ttl_of_a_hint_counts_when_it_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
