/* verdict and reply: how verdicts combine, and what clients are told. */
#include "policy/limits.h"
#include "policy/reply.h"
#include "policy/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void
test_make(void **state)
{
	static const struct {
		const char *name;
		enum action action;
		enum mode mode;
		enum action wanted, wanted_would;
		enum reason wanted_reason;
	} cases[] = {
		{ "enforced", ACTION_REJECT, MODE_ENFORCE, ACTION_REJECT,
		    ACTION_REJECT, REASON_LIMIT },
		{ "observed by mode", ACTION_REJECT, MODE_OBSERVE,
		    ACTION_ACCEPT, ACTION_REJECT, REASON_LIMIT },
		{ "observed by action", ACTION_OBSERVE, MODE_ENFORCE,
		    ACTION_ACCEPT, ACTION_REJECT, REASON_LIMIT },
		{ "a hold too", ACTION_HOLD, MODE_OBSERVE, ACTION_ACCEPT,
		    ACTION_HOLD, REASON_LIMIT },
		{ "accept has no reason", ACTION_ACCEPT, MODE_ENFORCE,
		    ACTION_ACCEPT, ACTION_ACCEPT, REASON_NONE },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct verdict got = verdict_make(
		    cases[i].action, cases[i].mode, REASON_LIMIT, "s");

		if (got.action != cases[i].wanted
		    || got.would != cases[i].wanted_would
		    || got.reason != cases[i].wanted_reason)
			fail_msg("%s: got %s would %s reason %s", cases[i].name,
			    verdict_action_name(got.action),
			    verdict_action_name(got.would),
			    verdict_reason_name(got.reason));
	}
}

static struct verdict
of(enum action action, enum mode mode, enum reason reason)
{
	return verdict_make(action, mode, reason, NULL);
}

static void
test_worse(void **state)
{
	struct verdict observed =
	    of(ACTION_REJECT, MODE_OBSERVE, REASON_FROM_MISMATCH);
	struct verdict tempfail =
	    of(ACTION_TEMPFAIL, MODE_ENFORCE, REASON_LIMIT);
	struct verdict reject = of(ACTION_REJECT, MODE_ENFORCE, REASON_COST);
	struct verdict other = of(ACTION_REJECT, MODE_ENFORCE, REASON_BAD_FROM);
	struct verdict told = { .reason = REASON_STORE_AWAY };

	(void)state;
	assert_int_equal(
	    verdict_worse(observed, tempfail).reason, REASON_LIMIT);
	assert_int_equal(
	    verdict_worse(tempfail, observed).reason, REASON_LIMIT);
	assert_int_equal(verdict_worse(tempfail, reject).reason, REASON_COST);
	assert_int_equal(verdict_worse(verdict_accept(), observed).reason,
	    REASON_FROM_MISMATCH);
	assert_int_equal(
	    verdict_worse(verdict_accept(), told).reason, REASON_STORE_AWAY);
	assert_int_equal(
	    verdict_worse(told, verdict_accept()).reason, REASON_STORE_AWAY);
	assert_int_equal(verdict_worse(reject, other).reason, REASON_COST);
	assert_int_equal(verdict_worse(other, reject).reason, REASON_BAD_FROM);
	assert_true(verdict_leaves(&observed));
	assert_false(verdict_leaves(&tempfail));
}

static void
test_local(void **state)
{
	static const struct {
		const char *name;
		enum action action;
		enum mode mode;
		bool may_bounce;
		enum action wanted, wanted_would;
	} cases[] = {
		{ "never a 4xx", ACTION_TEMPFAIL, MODE_ENFORCE, true,
		    ACTION_HOLD, ACTION_HOLD },
		{ "5xx to ourselves", ACTION_REJECT, MODE_ENFORCE, true,
		    ACTION_REJECT, ACTION_REJECT },
		{ "no 5xx to a forgeable address", ACTION_REJECT, MODE_ENFORCE,
		    false, ACTION_HOLD, ACTION_HOLD },
		{ "observed stays observed", ACTION_TEMPFAIL, MODE_OBSERVE,
		    false, ACTION_ACCEPT, ACTION_HOLD },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct verdict got = verdict_local(
		    of(cases[i].action, cases[i].mode, REASON_LIMIT),
		    cases[i].may_bounce);

		if (got.action != cases[i].wanted
		    || got.would != cases[i].wanted_would)
			fail_msg("%s: got %s would %s", cases[i].name,
			    verdict_action_name(got.action),
			    verdict_action_name(got.would));
	}
}

static void
test_blame(void **state)
{
	static const enum reason theirs[] = { REASON_TOO_MANY_RECIPIENTS,
		REASON_LIMIT, REASON_COST, REASON_BLOCKED, REASON_HOLD_MAX,
		REASON_BAD_FROM, REASON_ENVELOPE_MISMATCH, REASON_FROM_MISMATCH,
		REASON_UNALIGNED, REASON_NO_DMARC, REASON_NO_AUTHOR,
		REASON_HEADERS_TOO_LARGE };

	(void)state;
	for (int reason = 0; reason < REASON_COUNT; reason++) {
		struct verdict verdict = { .reason = (enum reason)reason };
		bool wanted = false;

		for (size_t i = 0; i < LENGTH(theirs); i++)
			wanted |= theirs[i] == verdict.reason;
		if (verdict_blames_sender(&verdict) != wanted)
			fail_msg("%s: wanted the %s's fault, got the other's",
			    verdict_reason_name(verdict.reason),
			    wanted ? "sender" : "relay");
	}
}

static void
test_names(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
			    verdict_reason_name((enum reason)i),
			    verdict_reason_name((enum reason)k));
	assert_string_equal(verdict_reason_name(REASON_BLOCKED), "blocked");
}

static const struct limit hourly = { .name = "hourly",
	.key = LIMIT_KEY_ACCOUNT,
	.count = LIMIT_RECIPIENTS,
	.max = 500,
	.per_ms = 3600000,
	.action = ACTION_TEMPFAIL };

static const struct limit own = { .name = "own",
	.key = LIMIT_KEY_ACCOUNT,
	.count = LIMIT_MESSAGES,
	.max = 7,
	.per_ms = 86400000,
	.action = ACTION_REJECT,
	.reply = "%{account} 100%% of %{max} per %{per}: %{domain} %{id} 5%" };

static const struct {
	const char *name;
	enum action action;
	enum reason reason;
	const char *subject, *detail;
	const struct limit *limit;
	uint64_t max;
	const char *wanted;
} replies[] = {
	{ "limit", ACTION_TEMPFAIL, REASON_LIMIT, "alice", NULL, &hourly, 500,
	    "450 4.7.1 alice has reached the limit \"hourly\" of 500 "
	    "recipients in 1 h; try again in 90 s (ID1)" },
	{ "limit that rejects", ACTION_REJECT, REASON_LIMIT, "alice", NULL,
	    &hourly, 500,
	    "550 5.7.1 alice has reached the limit \"hourly\" of 500 "
	    "recipients in 1 h; there is room again in 90 s "
	    "(ID1)" },
	{ "template of the configuration", ACTION_REJECT, REASON_LIMIT,
	    "x@a.example", NULL, &own, 7,
	    "550 5.7.1 alice 100% of 7 per 1 d: a.example ID1 5%" },
	{ "From of another", ACTION_REJECT, REASON_FROM_MISMATCH,
	    "bob@b.example", NULL, NULL, 0,
	    "550 5.7.1 alice may not use <bob@b.example> in From "
	    "(ID1)" },
	{ "envelope of another", ACTION_REJECT, REASON_ENVELOPE_MISMATCH,
	    "bob@b.example", NULL, NULL, 0,
	    "550 5.7.1 alice may not send as <bob@b.example> (ID1)" },
	{ "hostile subject", ACTION_REJECT, REASON_FROM_MISMATCH,
	    "a\r\n250 ok\xC3\xA4%{id}", NULL, NULL, 0,
	    "550 5.7.1 alice may not use <a??250 ok?%{id}> in From "
	    "(ID1)" },
	{ "recipients", ACTION_TEMPFAIL, REASON_TOO_MANY_RECIPIENTS, NULL,
	    "100", NULL, 0,
	    "452 4.5.3 Too many recipients: at most 100 in one message "
	    "here" },
	{ "AUTH", ACTION_REJECT, REASON_AUTH_REQUIRED, NULL, NULL, NULL, 0,
	    "530 5.7.0 Authentication required" },
	{ "TLS", ACTION_REJECT, REASON_TLS_REQUIRED, NULL, NULL, NULL, 0,
	    "530 5.7.0 Must issue a STARTTLS command first" },
	{ "bad From", ACTION_REJECT, REASON_BAD_FROM, NULL, "there are several",
	    NULL, 0,
	    "550 5.7.1 From field: there are several; it takes one "
	    "address (ID1)" },
	{ "unaligned", ACTION_REJECT, REASON_UNALIGNED, "a.example",
	    "SPF of a.example doesn't include 192.0.2.10; no DKIM key of "
	    "a.example here; its DMARC policy is reject, which is long enough "
	    "to be longer than other values may be",
	    NULL, 0,
	    "550 5.7.26 SPF of a.example doesn't include 192.0.2.10; no DKIM "
	    "key of a.example here; its DMARC policy is reject, which is long "
	    "enough to be longer than other values may be (ID1)" },
	{ "unaligned, put off", ACTION_TEMPFAIL, REASON_UNALIGNED, "a.example",
	    "a.example has no SPF record", NULL, 0,
	    "450 4.7.26 a.example has no SPF record (ID1)" },
	{ "no DNS", ACTION_TEMPFAIL, REASON_DNS, "a.example",
	    "the DMARC record of a.example can't be looked up now", NULL, 0,
	    "451 4.7.1 the DMARC record of a.example can't be looked up now; "
	    "try again later (ID1)" },
	{ "hostile findings", ACTION_REJECT, REASON_UNALIGNED, "a.example",
	    "x\r\n250 ok\x1b[2J\xC3\xA4", NULL, 0,
	    "550 5.7.26 x??250 ok?[2J? (ID1)" },
	{ "an override's max, not the limit's", ACTION_TEMPFAIL, REASON_LIMIT,
	    "alice", NULL, &hourly, 9000,
	    "450 4.7.1 alice has reached the limit \"hourly\" of 9000 "
	    "recipients in 1 h; try again in 90 s (ID1)" },
	{ "a cost above an override's max", ACTION_REJECT, REASON_COST, "alice",
	    NULL, &hourly, 3,
	    "550 5.7.1 This message alone is above the limit "
	    "\"hourly\" of 3 recipients in 1 h for alice (ID1)" },
	{ "blocked", ACTION_REJECT, REASON_BLOCKED, "alice", "password stolen",
	    NULL, 0,
	    "550 5.7.1 alice is blocked here: password stolen; ask the "
	    "postmaster (ID1)" },
	{ "blocked, nobody said why", ACTION_REJECT, REASON_BLOCKED,
	    "192.0.2.1", NULL, NULL, 0,
	    "550 5.7.1 192.0.2.1 is blocked here; ask the postmaster "
	    "(ID1)" },
	{ "blocked, with empty words", ACTION_REJECT, REASON_BLOCKED,
	    "a.example", "", NULL, 0,
	    "550 5.7.1 a.example is blocked here; ask the postmaster "
	    "(ID1)" },
	{ "blocked, with words for a terminal", ACTION_REJECT, REASON_BLOCKED,
	    "a.example", "x\r\n\x1b[2J\xC3\xA4%{id}", NULL, 0,
	    "550 5.7.1 a.example is blocked here: x???[2J?%{id}; ask "
	    "the postmaster (ID1)" },
};

static void
test_reply(void **state)
{
	static const struct reply_facts facts = { "alice", "ID1" };

	(void)state;
	for (size_t i = 0; i < LENGTH(replies); i++) {
		struct verdict verdict = { .action = replies[i].action,
			.reason = replies[i].reason,
			.subject = replies[i].subject,
			.detail = replies[i].detail,
			.limit = replies[i].limit,
			.max = replies[i].max,
			.retry_after_ms = 90000 };
		struct reply reply;
		char line[512];

		reply_build(&verdict, &facts, &reply);
		snprintf(line, sizeof(line), "%s %s %s", reply.code,
		    reply.status, reply.words);
		if (strcmp(line, replies[i].wanted) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    replies[i].name, replies[i].wanted, line);
	}
}

/* Every reason has a reply of the class that its action asks for. */
static void
test_reply_codes(void **state)
{
	static const enum action actions[] = { ACTION_TEMPFAIL, ACTION_REJECT };
	static const struct reply_facts nothing = { NULL, NULL };

	(void)state;
	for (int reason = 0; reason < REASON_COUNT; reason++) {
		for (size_t i = 0; i < 2; i++) {
			struct verdict verdict = { .action = actions[i],
				.reason = (enum reason)reason };
			struct reply reply;
			char class = i == 0 ? '4' : '5';

			reply_build(&verdict, &nothing, &reply);
			if (reply.code[0] != class || reply.status[0] != class
			    || reply.words[0] == '\0')
				fail_msg("%s: wanted a %cxx, got %s %s %s",
				    verdict_reason_name(verdict.reason), class,
				    reply.code, reply.status, reply.words);
		}
	}
}

static void
test_reply_length(void **state)
{
	char account[2000];
	struct reply_facts facts = { account, "ID1" };
	const struct limit limit = { .name = "l",
		.reply = "%{account} %{account} %{account} %{account}" };
	struct verdict verdict = { .action = ACTION_REJECT,
		.reason = REASON_FROM_MISMATCH,
		.subject = "x@a.example" };
	struct reply reply;

	(void)state;
	memset(account, 'a', sizeof(account) - 1);
	account[sizeof(account) - 1] = '\0';
	/* A long name is cut, not what is said of it. */
	reply_build(&verdict, &facts, &reply);
	assert_non_null(strstr(
	    reply.words, "aaa... may not use <x@a.example> in From (ID1)"));
	verdict.limit = &limit;
	reply_build(&verdict, &facts, &reply);
	assert_int_equal(strlen(reply.words), REPLY_TEXT_BYTES - 1);
	assert_string_equal(reply.words + REPLY_TEXT_BYTES - 4, "...");
}

static void
test_template(void **state)
{
	static const struct {
		const char *template;
		bool is_good;
	} cases[] = {
		{ "plain", true },
		{ "100%% of %{limit}", true },
		{ "%{account} %{max} %{count} %{per} %{retry_after} "
		  "%{domain} %{subject} %{reason} %{id}",
		    true },
		{ "%{detail}", false },
		{ "%{nothing}", false },
		{ "%{account", false },
		{ "%d", false },
		{ "5%", false },
		{ "two\nlines", false },
		{ "\xC3\xA4", false },
		{ "%{aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}", false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fault fault = { .words = "" };
		bool is_good = reply_check_template(cases[i].template, &fault);

		if (is_good != cases[i].is_good)
			fail_msg("\"%s\": wanted %d, got %d %s",
			    cases[i].template, cases[i].is_good, is_good,
			    fault.words);
		assert_true(is_good || fault.words[0] != '\0');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_make),
		cmocka_unit_test(test_worse),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_blame),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reply_codes),
		cmocka_unit_test(test_reply_length),
		cmocka_unit_test(test_template),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
