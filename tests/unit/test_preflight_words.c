#include "policy/preflight.h"
#include "tests/unit/preflight_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static size_t
case_count(void)
{
	return words_spf_count + words_other_count;
}

static const struct words_case *
case_at(size_t i)
{
	return i < words_spf_count ? &words_spf_cases[i]
				   : &words_other_cases[i - words_spf_count];
}

static const char *
mends_of(const struct preflight_judgement *judgement, struct arena *arena)
{
	const char *mends = "";

	for (size_t i = 0; i < judgement->reason_count; i++) {
		const char *mend = judgement->reasons[i].mend;

		mends = arena_printf(arena, "%s%s%s", mends, i > 0 ? "|" : "",
		    mend != NULL ? mend : "-");
		assert_non_null(mends);
	}
	return mends;
}

static void
replies_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count(); i++) {
		struct preflight_judgement judgement;
		struct arena arena;
		const char *got;

		arena_init(&arena, 1 << 20);
		judgement = words_judge(case_at(i), &arena);
		got = preflight_line(&judgement, WORDS_OCTETS, &arena);
		if (strcmp(got, case_at(i)->line) != 0)
			fail_msg("%s: wanted\n  %s\ngot\n  %s",
			    case_at(i)->name, case_at(i)->line, got);
		arena_clear(&arena);
	}
}

static void
mends_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count(); i++) {
		struct preflight_judgement judgement;
		struct arena arena;
		const char *got;

		arena_init(&arena, 1 << 20);
		judgement = words_judge(case_at(i), &arena);
		got = mends_of(&judgement, &arena);
		if (strcmp(got, case_at(i)->mends) != 0)
			fail_msg("%s: wanted\n  %s\ngot\n  %s",
			    case_at(i)->name, case_at(i)->mends, got);
		arena_clear(&arena);
	}
}

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

static void
words_are_clean(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count(); i++) {
		struct preflight_judgement judgement;
		struct arena arena;

		arena_init(&arena, 1 << 20);
		judgement = words_judge(case_at(i), &arena);
		for (size_t k = 0; k < judgement.reason_count; k++) {
			const struct preflight_reason *reason =
			    &judgement.reasons[k];

			if (!is_printable(reason->words)
			    || *reason->words == '\0'
			    || (reason->mend != NULL
				&& !is_printable(reason->mend)))
				fail_msg("%s: wanted printable ASCII, got "
					 "\"%s\" and \"%s\"",
				    case_at(i)->name, reason->words,
				    reason->mend != NULL ? reason->mend : "");
		}
		arena_clear(&arena);
	}
}

static void
nothing_is_said_twice(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count(); i++) {
		struct preflight_judgement judgement;
		const struct preflight_reason *reasons;
		struct arena arena;

		arena_init(&arena, 1 << 20);
		judgement = words_judge(case_at(i), &arena);
		reasons = judgement.reasons;
		for (size_t a = 0; a < judgement.reason_count; a++)
			for (size_t b = 0; b < a; b++)
				if (strcmp(reasons[a].words, reasons[b].words)
				    == 0)
					fail_msg("%s: wanted it once, got "
						 "twice \"%s\"",
					    case_at(i)->name, reasons[a].words);
		arena_clear(&arena);
	}
}

/* Is line as many of the first phrases as fit, or the first one cut? */
static bool
is_whole(const struct preflight_judgement *judgement, const char *line,
    size_t most, struct arena *arena)
{
	const char *joined = "";

	if (strlen(line) > most)
		return false;
	if (judgement->reason_count > 0
	    && strlen(judgement->reasons[0].words) > most)
		return *line == '\0'
		    ? most <= 3
		    : strcmp(line + strlen(line) - 3, "...") == 0;
	for (size_t i = 0; i < judgement->reason_count; i++) {
		const char *longer = arena_printf(arena, "%s%s%s", joined,
		    i > 0 ? "; " : "", judgement->reasons[i].words);

		assert_non_null(longer);
		if (strlen(longer) > most)
			break;
		joined = longer;
	}
	return strcmp(line, joined) == 0;
}

static void
lines_keep_within_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < case_count(); i++)
		for (size_t most = 0; most <= 450; most++) {
			struct preflight_judgement judgement;
			struct arena arena;
			const char *line;

			if (most > 8 && most % 7 != 0 && i > 4)
				continue;
			arena_init(&arena, 1 << 20);
			judgement = words_judge(case_at(i), &arena);
			line = preflight_line(&judgement, most, &arena);
			assert_non_null(line);
			if (!is_whole(&judgement, line, most, &arena))
				fail_msg(
				    "%s, %zu octets: wanted whole phrases, "
				    "got \"%s\"",
				    case_at(i)->name, most, line);
			arena_clear(&arena);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_exact),
		cmocka_unit_test(mends_are_exact),
		cmocka_unit_test(words_are_clean),
		cmocka_unit_test(nothing_is_said_twice),
		cmocka_unit_test(lines_keep_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
