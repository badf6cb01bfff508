#include "policy/preflight.h"

#include "tests/unit/preflight_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An author by both standards alike. */
#define FOUND(asked, letters)                      \
	{                                          \
		.by = { { .status = DMARC_FOUND,   \
			    .policy = asked,       \
			    .aligned = letters },  \
			{ .status = DMARC_FOUND,   \
			    .policy = asked,       \
			    .aligned = letters } } \
	}
#define WITHOUT(what)                                            \
	{                                                        \
		.by = { { .status = what }, { .status = what } } \
	}
#define ONE(author) .author_count = 1, .authors = { author }
#define TWO(one, other) .author_count = 2, .authors = { one, other }
/* An author of whom the standards find different things. */
#define SPLIT(...) .author_count = 1, .authors = { { .by = { __VA_ARGS__ } } }
#define AS(asked, letters)                                                 \
	{                                                                  \
		.status = DMARC_FOUND, .policy = asked, .aligned = letters \
	}
/* With its own view of SPF (adkim and aspf aren't the same). */
#define APART(asked, letters, spf_letters)                                  \
	{                                                                   \
		.status = DMARC_FOUND, .policy = asked, .aligned = letters, \
		.by_spf = spf_letters                                       \
	}
#define UNSURE(letters)                                    \
	{                                                  \
		.status = DMARC_FOUND, .aligned = letters, \
		.is_policy_unsure = true                   \
	}
#define NOT(what)              \
	{                      \
		.status = what \
	}

#define REJECT DMARC_REJECT
#define QUARANTINE DMARC_QUARANTINE

enum {
	P = PREFLIGHT_PASS,
	ABSENT = PREFLIGHT_NO_POLICY,
	NONE = PREFLIGHT_FAIL_NONE,
	TEMP = PREFLIGHT_TEMPERROR,
	PERM = PREFLIGHT_PERMERROR,
	QUAR = PREFLIGHT_FAIL_QUARANTINE,
	REJ = PREFLIGHT_FAIL_REJECT,
	RESTS = 1,
};

static const struct {
	const char *name;
	struct fixture fixture;
	/* Of each profile; behind that RESTS if the whole, with all profiles
	 * used, rests on SPF that is unknown. */
	unsigned want[PREFLIGHT_PROFILES + 1];
} cases[] = {
	/* SPF alone. */
	{ "SPF passes, the same domain",
	    { .spf = "p", ONE(FOUND(REJECT, "S")) }, { P, P, REJ } },
	{ "SPF passes, relaxed", { .spf = "p", ONE(FOUND(REJECT, "R")) },
	    { P, P, REJ } },
	{ "SPF passes, not aligned", { .spf = "p", ONE(FOUND(REJECT, "-")) },
	    { REJ, REJ, REJ } },
	{ "SPF passes, alignment not sure",
	    { .spf = "p", ONE(FOUND(REJECT, "?")) }, { TEMP, TEMP, REJ } },
	{ "SPF passes for nobody",
	    { .spf = "p", .spf_ids = "x", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "SPF neutral", { .spf = "n", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "no SPF record", { .spf = "o", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "SPF softfail", { .spf = "s", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "SPF fail", { .spf = "f", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "SPF broken", { .spf = "e", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "SPF lost, aligned", { .spf = "t", ONE(FOUND(REJECT, "S")) },
	    { TEMP, TEMP, REJ } },
	{ "SPF lost, relaxed", { .spf = "t", ONE(FOUND(REJECT, "R")) },
	    { TEMP, TEMP, REJ } },
	{ "SPF lost, not aligned", { .spf = "t", ONE(FOUND(REJECT, "-")) },
	    { REJ, REJ, REJ } },
	{ "SPF lost, alignment not sure",
	    { .spf = "t", ONE(FOUND(REJECT, "?")) }, { TEMP, TEMP, REJ } },
	{ "SPF fails, alignment not sure",
	    { .spf = "f", ONE(FOUND(REJECT, "?")) }, { REJ, REJ, REJ } },
	{ "SPF lost for nobody",
	    { .spf = "t", .spf_ids = "x", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },

	/* Policies. */
	{ "fails, policy none", { .spf = "f", ONE(FOUND(DMARC_NONE, "S")) },
	    { NONE, NONE, REJ } },
	{ "fails, policy quarantine",
	    { .spf = "f", ONE(FOUND(QUARANTINE, "S")) }, { QUAR, QUAR, REJ } },
	{ "passes, policy none", { .spf = "p", ONE(FOUND(DMARC_NONE, "S")) },
	    { P, P, REJ } },
	{ "no record", { .spf = "p", ONE(WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "no record, nothing passes",
	    { .spf = "f", .signatures = "X", ONE(WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "no record, both pass",
	    { .spf = "p", .signatures = "V", ONE(WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "no record, SPF lost", { .spf = "t", ONE(WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "record lost", { .spf = "f", ONE(WITHOUT(DMARC_LOST)) },
	    { TEMP, TEMP, REJ } },
	{ "record lost, both pass",
	    { .spf = "p", .signatures = "V", ONE(WITHOUT(DMARC_LOST)) },
	    { TEMP, TEMP, TEMP } },
	{ "record lost, SPF passes, no signature",
	    { .spf = "p", ONE(WITHOUT(DMARC_LOST)) }, { TEMP, TEMP, REJ } },
	{ "policy not sure, fails",
	    { .spf = "f", SPLIT(UNSURE("S"), AS(REJECT, "S")) },
	    { TEMP, REJ, REJ } },
	{ "policy not sure, passes",
	    { .spf = "p", SPLIT(UNSURE("S"), AS(REJECT, "S")) },
	    { P, P, REJ } },

	/* DKIM alone. */
	{ "signature, the same domain",
	    { .spf = "f", .signatures = "V", ONE(FOUND(REJECT, "-S")) },
	    { P, P, REJ } },
	{ "signature, relaxed",
	    { .spf = "f", .signatures = "V", ONE(FOUND(REJECT, "-R")) },
	    { P, P, REJ } },
	{ "signature, not aligned",
	    { .spf = "f", .signatures = "V", ONE(FOUND(REJECT, "--")) },
	    { REJ, REJ, REJ } },
	{ "signature, alignment not sure",
	    { .spf = "f", .signatures = "V", ONE(FOUND(REJECT, "-?")) },
	    { TEMP, TEMP, REJ } },
	{ "signature fails",
	    { .spf = "f", .signatures = "X", ONE(FOUND(REJECT, "-S")) },
	    { REJ, REJ, REJ } },
	{ "signature fails, alignment not sure",
	    { .spf = "f", .signatures = "X", ONE(FOUND(REJECT, "-?")) },
	    { REJ, REJ, REJ } },
	{ "key lost, aligned",
	    { .spf = "f", .signatures = "U", ONE(FOUND(REJECT, "-S")) },
	    { TEMP, TEMP, REJ } },
	{ "key lost, alignment not sure",
	    { .spf = "f", .signatures = "U", ONE(FOUND(REJECT, "-?")) },
	    { TEMP, TEMP, REJ } },
	{ "key lost, not aligned",
	    { .spf = "f", .signatures = "U", ONE(FOUND(REJECT, "--")) },
	    { REJ, REJ, REJ } },
	{ "a signature that was there",
	    { .spf = "f", .signatures = "v", ONE(FOUND(REJECT, "-S")) },
	    { P, P, REJ } },
	{ "a signature that was there and wasn't checked",
	    { .spf = "f", .signatures = "u", ONE(FOUND(REJECT, "-R")) },
	    { TEMP, TEMP, REJ } },
	{ "the second signature",
	    { .spf = "f", .signatures = "vV", ONE(FOUND(REJECT, "--S")) },
	    { P, P, REJ } },
	{ "one fails, one verifies",
	    { .spf = "f", .signatures = "XV", ONE(FOUND(REJECT, "-SS")) },
	    { P, P, REJ } },
	{ "one lost, one verifies",
	    { .spf = "f", .signatures = "UV", ONE(FOUND(REJECT, "-SS")) },
	    { P, P, REJ } },
	{ "one lost, one fails",
	    { .spf = "f", .signatures = "XU", ONE(FOUND(REJECT, "-SS")) },
	    { TEMP, TEMP, REJ } },
	{ "a foreign one verifies, ours is lost",
	    { .spf = "f", .signatures = "vU", ONE(FOUND(REJECT, "--S")) },
	    { TEMP, TEMP, REJ } },
	{ "the last of twelve",
	    { .spf = "f",
		.signatures = "xxxxxxxxxxxv",
		ONE(FOUND(REJECT, "-SSSSSSSSSSSS")) },
	    { P, P, REJ } },

	/* SPF and DKIM. */
	{ "both pass",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "SS")) },
	    { P, P, P } },
	{ "both pass, SPF aligned",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "S-")) },
	    { P, P, P } },
	{ "both pass, DKIM aligned",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "-R")) },
	    { P, P, P } },
	{ "both pass, none aligned",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "--")) },
	    { REJ, REJ, REJ } },
	{ "both pass, policy none",
	    { .spf = "p", .signatures = "V", ONE(FOUND(DMARC_NONE, "SS")) },
	    { P, P, P } },
	{ "both pass, alignment not sure",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "?-")) },
	    { TEMP, TEMP, TEMP } },
	{ "both pass, one aligned, one not sure",
	    { .spf = "p", .signatures = "V", ONE(FOUND(REJECT, "?S")) },
	    { P, P, P } },
	{ "SPF lost, DKIM aligned",
	    { .spf = "t", .signatures = "V", ONE(FOUND(REJECT, "SS")) },
	    { P, P, TEMP } },
	{ "SPF lost and foreign, DKIM aligned",
	    { .spf = "t", .signatures = "V", ONE(FOUND(REJECT, "-S")) },
	    { P, P, TEMP } },
	{ "SPF lost, DKIM verifies, none aligned",
	    { .spf = "t", .signatures = "V", ONE(FOUND(REJECT, "--")) },
	    { REJ, REJ, REJ } },
	{ "SPF lost and aligned, DKIM foreign",
	    { .spf = "t", .signatures = "V", ONE(FOUND(REJECT, "S-")) },
	    { TEMP, TEMP, TEMP } },
	{ "SPF aligned, key lost",
	    { .spf = "p", .signatures = "U", ONE(FOUND(REJECT, "S-")) },
	    { P, P, TEMP } },
	{ "SPF foreign, key lost and aligned",
	    { .spf = "p", .signatures = "U", ONE(FOUND(REJECT, "-S")) },
	    { TEMP, TEMP, TEMP } },
	{ "SPF and key lost",
	    { .spf = "t", .signatures = "U", ONE(FOUND(REJECT, "SS")) },
	    { TEMP, TEMP, TEMP } },
	{ "SPF and key lost, none aligned",
	    { .spf = "t", .signatures = "U", ONE(FOUND(REJECT, "--")) },
	    { REJ, REJ, REJ } },
	{ "SPF fails, key lost and aligned",
	    { .spf = "f", .signatures = "U", ONE(FOUND(REJECT, "SS")) },
	    { TEMP, TEMP, REJ } },
	{ "SPF fails, DKIM aligned",
	    { .spf = "f", .signatures = "V", ONE(FOUND(REJECT, "SS")) },
	    { P, P, REJ } },
	{ "adkim=s only",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(APART(REJECT, "--", "R"), APART(REJECT, "--", "R")) },
	    { P, P, P } },
	{ "aspf=s only",
	    { .spf = "p",
		.signatures = "X",
		SPLIT(APART(REJECT, "RR", "-"), APART(REJECT, "RR", "-")) },
	    { REJ, REJ, REJ } },

	/* Several egress addresses: the worst counts. */
	{ "both addresses pass", { .spf = "pp", ONE(FOUND(REJECT, "S")) },
	    { P, P, REJ } },
	{ "the second address fails", { .spf = "pf", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "the first address fails", { .spf = "fp", ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "one of four fails", { .spf = "ppsp", ONE(FOUND(QUARANTINE, "S")) },
	    { QUAR, QUAR, REJ } },
	{ "one address fails, DKIM passes",
	    { .spf = "pf", .signatures = "V", ONE(FOUND(REJECT, "SS")) },
	    { P, P, REJ } },
	{ "one address is lost", { .spf = "pt", ONE(FOUND(REJECT, "S")) },
	    { TEMP, TEMP, REJ } },
	{ "one address is lost, one fails",
	    { .spf = "tf", ONE(FOUND(REJECT, "S")) }, { REJ, REJ, REJ } },
	{ "one address is lost, one fails, policy none",
	    { .spf = "ft", ONE(FOUND(DMARC_NONE, "S")) }, { TEMP, TEMP, REJ } },
	{ "null sender, the HELO of one isn't aligned",
	    { .spf = "pp",
		.spf_ids = "01",
		.is_null_sender = true,
		ONE(FOUND(REJECT, "S-")) },
	    { REJ, REJ, REJ } },
	{ "null sender, both HELO aligned",
	    { .spf = "pp",
		.spf_ids = "01",
		.is_null_sender = true,
		ONE(FOUND(REJECT, "SR")) },
	    { P, P, REJ } },

	/* Several authors: the worst counts. */
	{ "two authors, both pass",
	    { .spf = "p",
		.signatures = "V",
		TWO(FOUND(REJECT, "S-"), FOUND(REJECT, "-S")) },
	    { P, P, P } },
	{ "two authors, the second fails",
	    { .spf = "p",
		.signatures = "V",
		TWO(FOUND(REJECT, "SS"), FOUND(QUARANTINE, "--")) },
	    { QUAR, QUAR, REJ } },
	{ "two authors, the first fails",
	    { .spf = "p", TWO(FOUND(REJECT, "-"), FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "two authors, one has no record",
	    { .spf = "p",
		.signatures = "V",
		TWO(FOUND(REJECT, "SS"), WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "two authors, none and reject",
	    { .spf = "f", TWO(FOUND(DMARC_NONE, "S"), FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "two authors, one is lost",
	    { .spf = "p",
		.signatures = "V",
		TWO(WITHOUT(DMARC_LOST), FOUND(REJECT, "SS")) },
	    { TEMP, TEMP, TEMP } },
	{ "two authors, one is lost, one fails",
	    { .spf = "f", TWO(WITHOUT(DMARC_LOST), FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ } },
	{ "no author", { .spf = "p", .signatures = "V" },
	    { PERM, PERM, PERM } },
	{ "no author, no egress", { .signatures = "V" }, { PERM, PERM, PERM } },

	/* The standards don't agree. */
	{ "only RFC 9989 finds it aligned",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(AS(REJECT, "RR"), AS(REJECT, "--")) },
	    { P, REJ, P } },
	{ "only RFC 7489 finds it aligned",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(AS(REJECT, "--"), AS(REJECT, "-R")) },
	    { REJ, P, P } },
	{ "only RFC 9989 finds a record",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(AS(REJECT, "SS"), NOT(DMARC_ABSENT)) },
	    { P, ABSENT, P } },
	{ "only RFC 7489 finds a record",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(NOT(DMARC_ABSENT), AS(REJECT, "SS")) },
	    { ABSENT, P, P } },
	{ "only RFC 9989 finds a record, nothing aligned",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(AS(REJECT, "--"), NOT(DMARC_ABSENT)) },
	    { REJ, ABSENT, REJ } },
	{ "one standard is lost, the other has it aligned",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(NOT(DMARC_LOST), AS(REJECT, "S-")) },
	    { TEMP, P, P } },
	{ "one standard is lost, by the other it isn't aligned",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(AS(REJECT, "--"), NOT(DMARC_LOST)) },
	    { REJ, TEMP, TEMP } },
	{ "one standard is lost, the other finds none",
	    { .spf = "p",
		.signatures = "V",
		SPLIT(NOT(DMARC_LOST), NOT(DMARC_ABSENT)) },
	    { TEMP, ABSENT, TEMP } },
	{ "pct makes it milder",
	    { .spf = "f", SPLIT(AS(REJECT, "S"), AS(QUARANTINE, "S")) },
	    { REJ, QUAR, REJ } },
	{ "t=y makes it milder",
	    { .spf = "f", SPLIT(AS(DMARC_NONE, "S"), AS(REJECT, "S")) },
	    { NONE, REJ, REJ } },

	/* SPF that is unknown. */
	{ "unknown SPF, aligned", { ONE(FOUND(REJECT, "S")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "unknown SPF, relaxed", { ONE(FOUND(REJECT, "R")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "unknown SPF, alignment not sure", { ONE(FOUND(REJECT, "?")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "unknown SPF, not aligned", { ONE(FOUND(REJECT, "-")) },
	    { REJ, REJ, REJ } },
	{ "unknown SPF, DKIM aligned",
	    { .signatures = "V", ONE(FOUND(REJECT, "SS")) }, { P, P, REJ } },
	{ "unknown SPF not aligned, DKIM aligned: SPF is all that both_pass "
	  "lacks",
	    { .signatures = "V", ONE(FOUND(REJECT, "-S")) }, { P, P, REJ } },
	{ "unknown SPF aligned, key lost",
	    { .signatures = "U", ONE(FOUND(REJECT, "SS")) },
	    { TEMP, TEMP, REJ, RESTS } },
	{ "unknown SPF not aligned, key lost",
	    { .signatures = "U", ONE(FOUND(REJECT, "-S")) },
	    { TEMP, TEMP, REJ } },
	{ "unknown SPF, no record", { ONE(WITHOUT(DMARC_ABSENT)) },
	    { ABSENT, ABSENT, REJ } },
	{ "unknown SPF, record lost", { ONE(WITHOUT(DMARC_LOST)) },
	    { TEMP, TEMP, REJ } },
	{ "unknown SPF of the null sender",
	    { .is_null_sender = true, ONE(FOUND(REJECT, "")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "unknown SPF, two authors, one can't pass",
	    { TWO(FOUND(REJECT, "S"), FOUND(REJECT, "-")) },
	    { REJ, REJ, REJ } },
	{ "unknown SPF, two authors, DKIM has the second",
	    { .signatures = "V",
		TWO(FOUND(REJECT, "S-"), FOUND(REJECT, "-S")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "unknown SPF, only one standard has it aligned",
	    { SPLIT(AS(REJECT, "-"), AS(REJECT, "R")) },
	    { REJ, REJ, REJ, RESTS } },
	{ "SPF known to fail rests on nothing",
	    { .spf = "f", ONE(FOUND(REJECT, "S")) }, { REJ, REJ, REJ } },
};

static const bool all[PREFLIGHT_PROFILES] = { true, true, true };

static void
profiles_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct preflight_evidence evidence;
		struct preflight_judgement got;
		struct arena arena;

		arena_init(&arena, 1 << 20);
		evidence = fixture_evidence(&cases[i].fixture, &arena);
		assert_true(preflight_judge(&evidence, all, &arena, &got));
		for (unsigned k = 0; k < PREFLIGHT_PROFILES; k++)
			if (got.by[k] != cases[i].want[k])
				fail_msg("%s: %s: wanted %s, got %s",
				    cases[i].name, preflight_profile_name(k),
				    preflight_result_name(cases[i].want[k]),
				    preflight_result_name(got.by[k]));
		if (got.result != PREFLIGHT_PASS && got.reason_count == 0)
			fail_msg(
			    "%s: wanted a reason, got none", cases[i].name);
		/* Where a record is that applies (RFC 9989 §3.2.5). */
		if (got.result == PREFLIGHT_NO_POLICY && got.policy_domain)
			fail_msg("%s: wanted no policy domain, got %s",
			    cases[i].name, got.policy_domain);
		if (got.rests_on_unknown_spf
		    != (cases[i].want[PREFLIGHT_PROFILES] == RESTS))
			fail_msg("%s: wanted that it %s on unknown SPF, got "
				 "the opposite",
			    cases[i].name,
			    got.rests_on_unknown_spf ? "doesn't rest"
						     : "rests");
		arena_clear(&arena);
	}
}

/* Of any profiles that are used, the mildest decides, and the result is no
 * other than that profile has alone; the reasons never run over. */
static void
the_mildest_profile_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (unsigned used = 1; used < 8; used++) {
			bool is_used[PREFLIGHT_PROFILES] = { (used & 1) != 0,
				(used & 2) != 0, (used & 4) != 0 };
			unsigned want = PREFLIGHT_RESULTS;
			struct preflight_evidence evidence;
			struct preflight_judgement got;
			struct arena arena;

			for (unsigned k = 0; k < PREFLIGHT_PROFILES; k++)
				if (is_used[k] && cases[i].want[k] < want)
					want = cases[i].want[k];
			arena_init(&arena, 1 << 20);
			evidence = fixture_evidence(&cases[i].fixture, &arena);
			assert_true(
			    preflight_judge(&evidence, is_used, &arena, &got));
			if (got.result != want || !is_used[got.decider]
			    || got.by[got.decider] != want)
				fail_msg("%s, profiles %u: wanted %s, got %s "
					 "by %s",
				    cases[i].name, used,
				    preflight_result_name(want),
				    preflight_result_name(got.result),
				    preflight_profile_name(got.decider));
			arena_clear(&arena);
		}
}

/* Each step of memory that can be missing is met. */
static void
want_of_memory_is_told(void **state)
{
	static const struct fixture fixture = { .spf = "pfte",
		.signatures = "VXux",
		TWO(FOUND(REJECT, "-----"), FOUND(REJECT, "-----")) };
	struct preflight_evidence evidence;
	struct arena arena;
	size_t cap = 0;
	bool is_judged;

	(void)state;
	arena_init(&arena, 1 << 20);
	evidence = fixture_evidence(&fixture, &arena);
	do {
		struct preflight_judgement got;
		struct arena small;

		arena_init(&small, cap);
		is_judged = preflight_judge(&evidence, all, &small, &got);
		if (is_judged && got.reason_count < 4)
			fail_msg("%zu octets: wanted all reasons, got %zu", cap,
			    got.reason_count);
		arena_clear(&small);
		cap += 16;
		assert_true(cap < 1 << 20);
	} while (!is_judged);
	assert_true(cap > 64);
	arena_clear(&arena);
}

static struct preflight_judgement
judge(const struct fixture *fixture, const bool is_used[PREFLIGHT_PROFILES],
    struct arena *arena)
{
	struct preflight_evidence *evidence =
	    arena_alloc(arena, sizeof(*evidence));
	struct preflight_judgement got;

	assert_non_null(evidence);
	*evidence = fixture_evidence(fixture, arena);
	assert_true(preflight_judge(evidence, is_used, arena, &got));
	return got;
}

static void
cells_tell_each_address(void **state)
{
	static const struct fixture fixture = {
		.spf = "pft", .signatures = "X", ONE(FOUND(REJECT, "SS"))
	};
	static const unsigned want[] = { P, REJ, TEMP };
	struct preflight_judgement got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	got = judge(&fixture, all, &arena);
	assert_int_equal(got.addresses, 3);
	for (unsigned p = 0; p < 2; p++)
		for (size_t i = 0; i < 3; i++) {
			const struct preflight_cell *cell =
			    &got.cells[p * 3 + i];

			assert_int_equal(cell->result, want[i]);
			assert_int_equal(cell->is_spf_aligned, i == 0);
			assert_false(cell->is_dkim_aligned);
		}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    got.cells[PREFLIGHT_BOTH_PASS * 3 + i].result, REJ);
	assert_int_equal(got.spf_result, SPF_TEMPERROR);
	assert_string_equal(got.spf->address, "2001:db8::1");
	assert_false(got.is_spf_aligned);
	assert_string_equal(got.author, "a.example");
	assert_string_equal(got.org_domain, "a.example");
	assert_string_equal(got.policy_domain, "a.example");
	arena_clear(&arena);
}

static void
the_worst_author_is_told(void **state)
{
	static const struct fixture fixture = { .spf = "p",
		.author_count = 3,
		.authors = {
		    { "one.example", { AS(DMARC_NONE, "S"), AS(REJECT, "-") } },
		    { "two.example", { AS(REJECT, "-"), AS(REJECT, "S") } },
		    { "three.example",
			{ AS(QUARANTINE, "-"), AS(REJECT, "S") } } } };
	static const bool by_9989[] = { true, false, false };
	static const bool by_7489[] = { false, true, false };
	struct preflight_judgement got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	got = judge(&fixture, by_9989, &arena);
	assert_string_equal(got.author, "two.example");
	assert_string_equal(got.policy_domain, "two.example");
	assert_int_equal(got.cells[0].author, 1);
	got = judge(&fixture, by_7489, &arena);
	assert_string_equal(got.author, "one.example");
	arena_clear(&arena);
}

static void
what_aligned_is_told(void **state)
{
	static const struct fixture fixture = { .spf = "pp",
		.signatures = "V",
		SPLIT(AS(REJECT, "S-"), AS(REJECT, "SR")) };
	static const bool by_7489[] = { false, true, false };
	struct preflight_judgement got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	got = judge(&fixture, all, &arena);
	assert_int_equal(got.decider, PREFLIGHT_RFC9989);
	assert_true(got.is_spf_aligned);
	assert_false(got.is_dkim_aligned);
	got = judge(&fixture, by_7489, &arena);
	assert_true(got.is_dkim_aligned);
	assert_int_equal(got.reason_count, 0);
	arena_clear(&arena);
}

static void
no_author_and_no_egress_are_told(void **state)
{
	static const struct fixture nobody = { .spf = NULL };
	struct preflight_judgement got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	got = judge(&nobody, all, &arena);
	assert_int_equal(got.result, PREFLIGHT_PERMERROR);
	assert_int_equal(got.addresses, 1);
	assert_null(got.author);
	assert_null(got.org_domain);
	assert_null(got.policy_domain);
	assert_null(got.spf);
	assert_int_equal(got.reason_count, 1);
	assert_int_equal(got.reasons[0].kind, PREFLIGHT_FROM);
	arena_clear(&arena);
}

/* SPF that isn't aligned doesn't help DMARC, but who asks for both has DKIM's
 * alignment and lacks nothing else. */
static void
both_pass_alone_rests_on_unknown_spf(void **state)
{
	static const struct fixture fixture = { .signatures = "V",
		ONE(FOUND(REJECT, "-S")) };
	static const struct fixture unsigned_one = { ONE(FOUND(REJECT, "S")) };
	static const bool is_used[PREFLIGHT_PROFILES] = { false, false, true };
	struct preflight_judgement got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	got = judge(&fixture, is_used, &arena);
	assert_int_equal(got.result, PREFLIGHT_FAIL_REJECT);
	assert_true(got.rests_on_unknown_spf);
	got = judge(&unsigned_one, is_used, &arena);
	assert_int_equal(got.result, PREFLIGHT_FAIL_REJECT);
	assert_false(got.rests_on_unknown_spf);
	arena_clear(&arena);
}

static void
names_are_those_of_the_design(void **state)
{
	static const char *const results[] = { "pass", "no-policy", "fail-none",
		"temperror", "permerror", "fail-quarantine", "fail-reject" };
	static const char *const profiles[] = { "rfc9989", "rfc7489",
		"both_pass" };

	(void)state;
	for (unsigned i = 0; i < PREFLIGHT_RESULTS; i++)
		assert_string_equal(preflight_result_name(i), results[i]);
	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++)
		assert_string_equal(preflight_profile_name(i), profiles[i]);
	for (unsigned i = 0; i <= PREFLIGHT_DIFFERS; i++) {
		assert_non_null(preflight_reason_name(i));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
			    preflight_reason_name(i), preflight_reason_name(k));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profiles_judge),
		cmocka_unit_test(the_mildest_profile_decides),
		cmocka_unit_test(want_of_memory_is_told),
		cmocka_unit_test(cells_tell_each_address),
		cmocka_unit_test(the_worst_author_is_told),
		cmocka_unit_test(what_aligned_is_told),
		cmocka_unit_test(no_author_and_no_egress_are_told),
		cmocka_unit_test(both_pass_alone_rests_on_unknown_spf),
		cmocka_unit_test(names_are_those_of_the_design),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
