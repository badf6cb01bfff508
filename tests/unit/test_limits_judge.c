/* What is made of the store's answers. */
#include "policy/limits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
want_words(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s:\nwanted %s\ngot    %s", name, wanted, got);
}

enum { CHARGES = 3 };

#define JUDGED(of, doing, by)                                          \
	{                                                              \
		.name = of, .key = LIMIT_KEY_ACCOUNT,                  \
		.count = LIMIT_RECIPIENTS, .max = 10, .per_ms = 60000, \
		.action = ACTION_##doing, .mode = MODE_##by            \
	}

static const struct limit tempfail = JUDGED("tempfail", TEMPFAIL, ENFORCE);
static const struct limit tempfail_too =
    JUDGED("tempfail_too", TEMPFAIL, ENFORCE);
static const struct limit reject = JUDGED("reject", REJECT, ENFORCE);
static const struct limit hold = JUDGED("hold", HOLD, ENFORCE);
static const struct limit observe = JUDGED("observe", REJECT, OBSERVE);
static const struct limit block = { .name = "blocked:account",
	.key = LIMIT_KEY_ACCOUNT,
	.count = LIMIT_BLOCKS,
	.max = UINT64_MAX,
	.per_ms = 1,
	.action = ACTION_REJECT,
	.mode = MODE_ENFORCE };

struct one {
	const struct limit *limit;
	uint64_t cost; /* by the store's answer */
	uint64_t max;
	bool fits;
	uint64_t room_at_ms;
	bool is_look;
	bool is_loose; /* not binding */
};

struct judge_case {
	const char *name;
	enum mode mode;
	struct one ones[CHARGES];
	enum action action;
	enum action would;
	enum reason reason;
	const char *limit; /* whose key it is about */
	uint64_t retry_after_ms;
	uint64_t max;
};

#define FITS(l)                                          \
	{                                                \
		&(l), 1, 10, true, 1000000, false, false \
	}
#define OVER(l, room)                                  \
	{                                              \
		&(l), 1, 10, false, room, false, false \
	}
#define LOOSE(l, room)                                \
	{                                             \
		&(l), 1, 10, false, room, false, true \
	}
#define COSTS(l, cost, max)                                      \
	{                                                        \
		&(l), cost, max, false, UINT64_MAX, false, false \
	}
#define LOOK(l, max, room)                             \
	{                                              \
		&(l), 1, max, false, room, true, false \
	}
#define BLOCKED(room)                                  \
	{                                              \
		&block, 1, 0, false, room, true, false \
	}
#define FREE                                                      \
	{                                                         \
		&block, 1, UINT64_MAX, true, 1000000, true, false \
	}

static const struct judge_case judge_cases[] = {
	{ "nothing to charge", MODE_ENFORCE, { { .limit = NULL } },
	    ACTION_ACCEPT, ACTION_ACCEPT, REASON_NONE, NULL, 0, 0 },
	{ "all fit", MODE_ENFORCE, { FITS(hold), FITS(reject) }, ACTION_ACCEPT,
	    ACTION_ACCEPT, REASON_NONE, NULL, 0, 0 },
	{ "rounded up", MODE_ENFORCE, { OVER(tempfail, 1000001) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000,
	    10 },
	{ "whole seconds stay", MODE_ENFORCE, { OVER(tempfail, 1002000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 2000,
	    10 },
	{ "a millisecond more", MODE_ENFORCE, { OVER(tempfail, 1002001) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 3000,
	    10 },
	{ "the most severe", MODE_ENFORCE,
	    { OVER(hold, 1009000), OVER(reject, 1001000),
		OVER(tempfail, 1005000) },
	    ACTION_REJECT, ACTION_REJECT, REASON_LIMIT, "reject", 1000, 10 },
	{ "of equals the latest", MODE_ENFORCE,
	    { OVER(tempfail, 1001000), OVER(tempfail_too, 1005000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail_too",
	    5000, 10 },
	{ "of equals the latest, the other way round", MODE_ENFORCE,
	    { OVER(tempfail_too, 1005000), OVER(tempfail, 1001000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail_too",
	    5000, 10 },
	{ "a cost above max", MODE_ENFORCE, { COSTS(tempfail, 11, 10) },
	    ACTION_REJECT, ACTION_REJECT, REASON_COST, "tempfail", 0, 10 },
	{ "max 0", MODE_ENFORCE, { COSTS(tempfail, 1, 0) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_COST, "tempfail", 0, 0 },
	{ "a cost above max that should be held", MODE_ENFORCE,
	    { COSTS(hold, 11, 10) }, ACTION_REJECT, ACTION_REJECT, REASON_COST,
	    "hold", 0, 10 },
	{ "cost before an equal limit", MODE_ENFORCE,
	    { OVER(reject, 1001000), COSTS(tempfail, 11, 10) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_COST, "tempfail", 0, 10 },
	{ "a limit that observes", MODE_ENFORCE, { OVER(observe, 1001000) },
	    ACTION_ACCEPT, ACTION_REJECT, REASON_LIMIT, "observe", 1000, 10 },
	{ "what observes gives way", MODE_ENFORCE,
	    { OVER(observe, 1009000), OVER(hold, 1001000) }, ACTION_HOLD,
	    ACTION_HOLD, REASON_LIMIT, "hold", 1000, 10 },
	{ "all observe", MODE_OBSERVE,
	    { OVER(hold, 1001000), OVER(tempfail, 1002000) }, ACTION_ACCEPT,
	    ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 2000, 10 },
	{ "all observe a cost", MODE_OBSERVE, { COSTS(tempfail, 11, 10) },
	    ACTION_ACCEPT, ACTION_REJECT, REASON_COST, "tempfail", 0, 10 },
	{ "refused too often", MODE_ENFORCE, { LOOK(tempfail, 10, 1001000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000,
	    10 },
	{ "refused too often, for ever", MODE_ENFORCE,
	    { LOOK(tempfail, 0, UINT64_MAX) }, ACTION_TEMPFAIL, ACTION_TEMPFAIL,
	    REASON_LIMIT, "tempfail", 0, 0 },
	{ "room in the past is not now", MODE_ENFORCE, { OVER(tempfail, 5) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000,
	    10 },
	{ "no number is too large", MODE_ENFORCE,
	    { OVER(tempfail, UINT64_MAX - 1) }, ACTION_TEMPFAIL,
	    ACTION_TEMPFAIL, REASON_LIMIT, "tempfail",
	    (UINT64_MAX - 1 - 1000000 + 999) / 1000 * 1000, 10 },
	{ "an override's larger max", MODE_ENFORCE,
	    { COSTS(reject, 11, 5), OVER(tempfail, 1001000) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_COST, "reject", 0, 5 },
	{ "no cost where the override has room for it", MODE_ENFORCE,
	    { { &tempfail, 11, 20, false, 1001000, false, false } },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000,
	    20 },
	{ "what doesn't bind", MODE_ENFORCE, { LOOSE(reject, 1001000) },
	    ACTION_ACCEPT, ACTION_REJECT, REASON_LIMIT, "reject", 1000, 10 },
	{ "not blocked", MODE_ENFORCE, { FREE, FITS(reject) }, ACTION_ACCEPT,
	    ACTION_ACCEPT, REASON_NONE, NULL, 0, 0 },
	{ "blocked", MODE_ENFORCE, { BLOCKED(UINT64_MAX), FITS(reject) },
	    ACTION_REJECT, ACTION_REJECT, REASON_BLOCKED, "blocked:account", 0,
	    0 },
	{ "blocked for a while", MODE_ENFORCE, { BLOCKED(1005000) },
	    ACTION_REJECT, ACTION_REJECT, REASON_BLOCKED, "blocked:account",
	    5000, 0 },
	{ "a block is more than a limit that holds", MODE_ENFORCE,
	    { BLOCKED(1001000), OVER(hold, 1009000) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_BLOCKED, "blocked:account", 1000, 0 },
	{ "and before a cost", MODE_ENFORCE,
	    { BLOCKED(UINT64_MAX), COSTS(reject, 11, 10) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_BLOCKED, "blocked:account", 0, 0 },
	{ "a block that is observed", MODE_OBSERVE,
	    { { &block, 1, 0, false, UINT64_MAX, true, true } }, ACTION_ACCEPT,
	    ACTION_REJECT, REASON_BLOCKED, "blocked:account", 0, 0 },
	{ "a block in a class that observes", MODE_OBSERVE,
	    { BLOCKED(UINT64_MAX) }, ACTION_REJECT, ACTION_REJECT,
	    REASON_BLOCKED, "blocked:account", 0, 0 },
};

static void
check_judge(const struct judge_case *c)
{
	struct charge charges[CHARGES] = { { 0 } };
	struct charge_answer answers[CHARGES] = { { 0 } };
	struct verdict got;
	size_t count = 0;

	for (; count < CHARGES && c->ones[count].limit != NULL; count++) {
		const struct one *one = &c->ones[count];

		charges[count] = (struct charge){ .limit = one->limit,
			.key = one->limit->name,
			/* not what it comes to: of new recipients */
			.cost = one->cost + 100,
			.is_binding =
			    one->limit->mode == MODE_ENFORCE && !one->is_loose,
			.is_look = one->is_look };
		answers[count] = (struct charge_answer){ .cost = one->cost,
			.max = one->max,
			.fits = one->fits,
			.room_at_ms = one->room_at_ms };
	}
	got = limits_judge(charges, answers, count, c->mode, 1000000);
	if (got.action != c->action || got.would != c->would
	    || got.reason != c->reason)
		fail_msg("%s: wanted %s, %s, %s, got %s, %s, %s", c->name,
		    verdict_action_name(c->action),
		    verdict_action_name(c->would),
		    verdict_reason_name(c->reason),
		    verdict_action_name(got.action),
		    verdict_action_name(got.would),
		    verdict_reason_name(got.reason));
	want_words(c->name, c->limit != NULL ? c->limit : "none",
	    got.subject != NULL ? got.subject : "none");
	/* A block is no limit that somebody has configured. */
	if ((got.limit != NULL)
	    != (c->limit != NULL && c->reason != REASON_BLOCKED))
		fail_msg("%s: wanted the opposite of %s", c->name,
		    got.limit != NULL ? got.limit->name : "no limit");
	if (got.max != c->max)
		fail_msg("%s: wanted a max of %" PRIu64 ", got %" PRIu64,
		    c->name, c->max, got.max);
	if (got.retry_after_ms != c->retry_after_ms)
		fail_msg("%s: wanted %" PRIu64 " ms, got %" PRIu64, c->name,
		    c->retry_after_ms, got.retry_after_ms);
}

static void
test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(judge_cases); i++)
		check_judge(&judge_cases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge),
	};

	return cmocka_run_group_tests_name("limits_judge", tests, NULL, NULL);
}
