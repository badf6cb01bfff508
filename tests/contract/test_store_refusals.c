/* What a charge brings about in the same step: refusals counted, warnings. Held
 * against every store. */
#include "tests/contract/store_suite.h"

static const uint64_t hour_ms = 3600000;

/* What is refused counts in the step that refuses it. */
static void
test_refusals(void **state)
{
	static const struct {
		const char *name;
		uint64_t cost; /* of 5 */
		bool is_binding, refuses, is_look_only, counts;
	} cases[] = {
		{ "fits", 1, true, true, false, false },
		{ "doesn't fit", 6, true, true, false, true },
		{ "only observed", 6, false, true, false, false },
		{ "held", 6, true, false, false, false },
		{ "only asked", 6, true, true, true, false },
	};
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 5, hour_ms);
	struct limit refusals = limit_of("r", 100, hour_ms);
	struct limit others = limit_of("o", 100, hour_ms);
	uint64_t wanted = 0;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct charge charges[] = {
			charge_of(&limit, "k", cases[i].cost),
			charge_of(&refusals, "k", 1), charge_of(&others, "k", 1)
		};
		struct charge_answer answers[3];
		struct store_receipt receipt;

		charges[0].is_binding = cases[i].is_binding;
		charges[0].refuses = cases[i].refuses;
		charges[1].is_look = charges[2].is_look = true;
		charges[1].counts_refusal = true;
		charge_all(fixture, charges, 3, cases[i].is_look_only, answers,
		    &receipt);
		want_number(cases[i].name, wanted, answers[1].used);
		wanted += cases[i].counts;
		want_number(cases[i].name, wanted,
		    used_of(fixture->store, &refusals, "k"));
		want_number("others", 0, used_of(fixture->store, &others, "k"));
	}
	want_number("one", 1, wanted);
}

/* Refused too often: refused further, and that counts too. One who is refused
 * for nothing but that is told when there is room again. */
static void
test_refused_further(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, hour_ms);
	struct limit refusals = limit_of("r", 2, hour_ms);
	struct charge charges[] = { charge_of(&limit, "k", 101),
		charge_of(&refusals, "k", 1) };
	struct charge_answer answers[2];
	struct store_receipt receipt;

	charges[0].refuses = charges[1].refuses = true;
	charges[1].is_look = charges[1].counts_refusal = true;
	for (uint64_t i = 0; i < 2; i++) {
		charge_all(fixture, charges, 2, false, answers, &receipt);
		assert_true(answers[1].fits);
		want_number("used", i, answers[1].used);
	}
	/* What this very refusal added is counted in. */
	want_number("room for one", FIXTURE_NOW / 60000 * 60000 + 61 * 60000,
	    answers[1].one_at_ms);
	charges[0].cost = 1;
	charge_all(fixture, charges, 2, false, answers, &receipt);
	assert_false(receipt.is_charged);
	assert_false(answers[1].fits);
	want_number("refused", 3, used_of(fixture->store, &refusals, "k"));
	want_number("not charged", 0, used_of(fixture->store, &limit, "k"));
}

static bool
warns(struct fixture *fixture, const struct limit *limit, uint64_t cost)
{
	const struct charge charge = charge_of(limit, "k", cost);
	struct charge_answer answer;
	struct store_receipt receipt;

	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	assert_true(receipt.is_charged || !answer.warns);
	return answer.warns;
}

static void
test_warns(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, hour_ms);
	const struct charge look = charge_of(&limit, "k", 9);
	struct store_override override = override_of(&limit, "k", 100);
	struct charge_answer answer;
	struct store_receipt receipt;

	assert_false(warns(fixture, &limit, 9)); /* nothing to warn of */
	limit.warn_percent = 80;
	fixture->now_ms += 2 * hour_ms;
	charge_all(fixture, &look, 1, true, &answer, &receipt);
	assert_false(answer.warns);
	assert_false(warns(fixture, &limit, 7));
	assert_true(warns(fixture, &limit, 1));
	assert_false(warns(fixture, &limit, 1));
	assert_false(warns(fixture, &limit, 5)); /* refused */
	fixture->now_ms += hour_ms / 2;
	assert_false(warns(fixture, &limit, 1));
	fixture->now_ms += 2 * hour_ms;
	assert_true(warns(fixture, &limit, 8));
	set_override(fixture, &override);
	fixture->now_ms += 2 * hour_ms;
	assert_false(warns(fixture, &limit, 79));
	assert_true(warns(fixture, &limit, 1));
}

static const struct store_test tests[] = {
	{ "refusals counted", test_refusals, false },
	{ "refused further", test_refused_further, false },
	{ "warnings", test_warns, false },
};

int
main(void)
{
	return store_suite_run(tests, sizeof tests / sizeof tests[0]);
}
