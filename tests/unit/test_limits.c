/* Which limits a message touches, and what is made of the store's answers. */
#include "policy/limits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAILBOXES = 4, WORDS = 1024 };

static const struct limit limits[] = {
	{ "hourly", LIMIT_KEY_ACCOUNT, LIMIT_RECIPIENTS, 500, 3600000,
	    ACTION_TEMPFAIL, MODE_ENFORCE, NULL },
	{ "domains", LIMIT_KEY_FROM_DOMAIN, LIMIT_MESSAGES, 10, 60000,
	    ACTION_HOLD, MODE_ENFORCE, NULL },
	{ "clients", LIMIT_KEY_CLIENT_IP, LIMIT_MESSAGES, 10, 60000,
	    ACTION_REJECT, MODE_OBSERVE, NULL },
	{ "noise", LIMIT_KEY_ACCOUNT, LIMIT_REFUSALS, 3, 3600000,
	    ACTION_TEMPFAIL, MODE_ENFORCE, NULL },
	{ "noisy", LIMIT_KEY_FROM_DOMAIN, LIMIT_REFUSALS, 3, 3600000,
	    ACTION_TEMPFAIL, MODE_ENFORCE, NULL },
};

struct charges_case {
	const char *name;
	size_t from_count;
	size_t domain_count;
	const char *domains[MAILBOXES];
	size_t recipients;
	uint8_t client[16];
	bool is_client_known;
	enum mode mode;
	const char *want;
	const char *want_refused;
	bool is_foreign; /* the authors aren't all the account's */
};

#define IPV4(a, b, c, d)                                             \
	{                                                            \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d \
	}

/* name(key)cost, ! for binding, ? for a look */
static const struct charges_case charges_cases[] = {
	{ "one author", 1, 1, { "a.example" }, 3, IPV4(192, 0, 2, 1), true,
	    MODE_ENFORCE,
	    "hourly(alice)3! domains(a.example)1! clients(192.0.2.1)1 "
	    "noise(alice)1!? noisy(a.example)1!? ",
	    "noise(alice)1 noisy(a.example)1 ", false },
	{ "no From", 0, 0, { NULL }, 1, IPV4(192, 0, 2, 1), true, MODE_ENFORCE,
	    "hourly(alice)1! domains(- (alice))1! clients(192.0.2.1)1 "
	    "noise(alice)1!? noisy(- (alice))1!? ",
	    "noise(alice)1 ", true },
	{ "a From without an address", 1, 0, { NULL }, 1, IPV4(192, 0, 2, 1),
	    true, MODE_ENFORCE,
	    "hourly(alice)1! domains(- (alice))1! clients(192.0.2.1)1 "
	    "noise(alice)1!? noisy(- (alice))1!? ",
	    "noise(alice)1 ", true },
	{ "each domain once", 1, 4,
	    { "b.example", "a.example", "b.example", "a.example" }, 1,
	    IPV4(192, 0, 2, 1), true, MODE_ENFORCE,
	    "hourly(alice)1! domains(b.example)1! domains(a.example)1! "
	    "clients(192.0.2.1)1 noise(alice)1!? noisy(b.example)1!? "
	    "noisy(a.example)1!? ",
	    "noise(alice)1 noisy(b.example)1 noisy(a.example)1 ", false },
	{ "two From fields are no way around", 2, 1, { "a.example" }, 1,
	    IPV4(192, 0, 2, 1), true, MODE_ENFORCE,
	    "hourly(alice)1! domains(a.example)1! clients(192.0.2.1)1 "
	    "noise(alice)1!? noisy(a.example)1!? ",
	    "noise(alice)1 noisy(a.example)1 ", false },
	{ "all observe", 1, 1, { "a.example" }, 3, IPV4(192, 0, 2, 1), true,
	    MODE_OBSERVE,
	    "hourly(alice)3 domains(a.example)1 clients(192.0.2.1)1 "
	    "noise(alice)1? noisy(a.example)1? ",
	    "noise(alice)1 noisy(a.example)1 ", false },
	{ "a network of IPv6", 0, 0, { NULL }, 1,
	    { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, true,
	    MODE_ENFORCE,
	    "hourly(alice)1! domains(- (alice))1! "
	    "clients(2001:db8:0:1::/64)1 noise(alice)1!? "
	    "noisy(- (alice))1!? ",
	    "noise(alice)1 ", true },
	{ "an unknown client", 0, 0, { NULL }, 1, { 0 }, false, MODE_ENFORCE,
	    "hourly(alice)1! domains(- (alice))1! clients(unknown)1 "
	    "noise(alice)1!? noisy(- (alice))1!? ",
	    "noise(alice)1 ", true },
	{ "another's domain keeps its count", 1, 2,
	    { "b.example", "a.example" }, 1, IPV4(192, 0, 2, 1), true,
	    MODE_ENFORCE,
	    "hourly(alice)1! domains(b.example (alice))1! "
	    "domains(a.example (alice))1! clients(192.0.2.1)1 "
	    "noise(alice)1!? noisy(b.example (alice))1!? "
	    "noisy(a.example (alice))1!? ",
	    "noise(alice)1 ", true },
};

static void
describe(const struct charge *charges, size_t count, char *words)
{
	size_t used = 0;

	words[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(words + used, WORDS - used,
		    "%s(%s)%" PRIu64 "%s%s ", charges[i].limit->name,
		    charges[i].key, charges[i].cost,
		    charges[i].is_binding ? "!" : "",
		    charges[i].is_look ? "?" : "");
}

static void
want_words(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s:\nwanted %s\ngot    %s", name, wanted, got);
}

static void
check_charges(const struct charges_case *c)
{
	const struct limit_set set = { limits,
		sizeof limits / sizeof limits[0] };
	struct account account = { .name = "alice" };
	struct mailbox mailboxes[MAILBOXES];
	struct connection_facts connection = { 0 };
	struct message_facts facts = { .connection = &connection,
		.from_count = c->from_count,
		.recipient_count = c->recipients,
		.from = { .mailboxes = mailboxes, .count = c->domain_count } };
	struct charge *charges;
	struct arena arena;
	char words[WORDS];
	size_t count;

	memset(mailboxes, 0, sizeof mailboxes);
	for (size_t i = 0; i < MAILBOXES; i++)
		mailboxes[i].domain = c->domains[i];
	memcpy(connection.client.octets, c->client, 16);
	connection.client.is_known = c->is_client_known;
	arena_init(&arena, 65536);
	assert_true(limits_charges(&set, c->mode, &account, &facts,
	    !c->is_foreign, &arena, &charges, &count));
	describe(charges, count, words);
	want_words(c->name, c->want, words);
	assert_true(limits_refusal_charges(
	    &set, &account, &facts, !c->is_foreign, &arena, &charges, &count));
	describe(charges, count, words);
	want_words(c->name, c->want_refused, words);
	arena_clear(&arena);
}

static void
test_charges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof charges_cases / sizeof charges_cases[0];
	     i++)
		check_charges(&charges_cases[i]);
}

static void
test_no_limits(void **state)
{
	const struct limit_set set = { NULL, 0 };
	struct account account = { .name = "alice" };
	struct connection_facts connection = { 0 };
	struct message_facts facts = { .connection = &connection };
	struct charge *charges;
	struct arena arena;
	size_t count = 9;

	(void)state;
	arena_init(&arena, 65536);
	assert_true(limits_charges(&set, MODE_ENFORCE, &account, &facts, true,
	    &arena, &charges, &count));
	assert_int_equal(count, 0);
	arena_clear(&arena);
	arena_init(&arena, 1);
	assert_false(limits_charges(&set, MODE_ENFORCE, &account, &facts, true,
	    &arena, &charges, &count));
	arena_clear(&arena);
}

enum { CHARGES = 3 };

static const struct limit tempfail = { "tempfail", LIMIT_KEY_ACCOUNT,
	LIMIT_RECIPIENTS, 10, 60000, ACTION_TEMPFAIL, MODE_ENFORCE, NULL };
static const struct limit tempfail_too = { "tempfail_too", LIMIT_KEY_ACCOUNT,
	LIMIT_RECIPIENTS, 10, 60000, ACTION_TEMPFAIL, MODE_ENFORCE, NULL };
static const struct limit reject = { "reject", LIMIT_KEY_ACCOUNT,
	LIMIT_RECIPIENTS, 10, 60000, ACTION_REJECT, MODE_ENFORCE, NULL };
static const struct limit hold = { "hold", LIMIT_KEY_ACCOUNT, LIMIT_RECIPIENTS,
	10, 60000, ACTION_HOLD, MODE_ENFORCE, NULL };
static const struct limit observe = { "observe", LIMIT_KEY_ACCOUNT,
	LIMIT_RECIPIENTS, 10, 60000, ACTION_REJECT, MODE_OBSERVE, NULL };
static const struct limit never = { "never", LIMIT_KEY_ACCOUNT,
	LIMIT_RECIPIENTS, 0, 60000, ACTION_TEMPFAIL, MODE_ENFORCE, NULL };

struct one {
	const struct limit *limit;
	uint64_t cost;
	bool fits;
	uint64_t room_at_ms;
	bool is_look;
};

struct judge_case {
	const char *name;
	enum mode mode;
	struct one ones[CHARGES];
	enum action action;
	enum action would;
	enum reason reason;
	const char *limit;
	uint64_t retry_after_ms;
};

#define FITS(l)                               \
	{                                     \
		&(l), 1, true, 1000000, false \
	}
#define OVER(l, room)                       \
	{                                   \
		&(l), 1, false, room, false \
	}
#define COSTS(l, cost)                               \
	{                                            \
		&(l), cost, false, UINT64_MAX, false \
	}
#define LOOK(l, room)                      \
	{                                  \
		&(l), 1, false, room, true \
	}

static const struct judge_case judge_cases[] = {
	{ "nothing to charge", MODE_ENFORCE, { { .limit = NULL } },
	    ACTION_ACCEPT, ACTION_ACCEPT, REASON_NONE, NULL, 0 },
	{ "all fit", MODE_ENFORCE, { FITS(hold), FITS(reject) }, ACTION_ACCEPT,
	    ACTION_ACCEPT, REASON_NONE, NULL, 0 },
	{ "rounded up", MODE_ENFORCE, { OVER(tempfail, 1000001) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000 },
	{ "whole seconds stay", MODE_ENFORCE, { OVER(tempfail, 1002000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 2000 },
	{ "a millisecond more", MODE_ENFORCE, { OVER(tempfail, 1002001) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 3000 },
	{ "the most severe", MODE_ENFORCE,
	    { OVER(hold, 1009000), OVER(reject, 1001000),
		OVER(tempfail, 1005000) },
	    ACTION_REJECT, ACTION_REJECT, REASON_LIMIT, "reject", 1000 },
	{ "of equals the latest", MODE_ENFORCE,
	    { OVER(tempfail, 1001000), OVER(tempfail_too, 1005000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail_too",
	    5000 },
	{ "of equals the latest, the other way round", MODE_ENFORCE,
	    { OVER(tempfail_too, 1005000), OVER(tempfail, 1001000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail_too",
	    5000 },
	{ "a cost above max", MODE_ENFORCE, { COSTS(tempfail, 11) },
	    ACTION_REJECT, ACTION_REJECT, REASON_COST, "tempfail", 0 },
	{ "max 0", MODE_ENFORCE, { COSTS(never, 1) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_COST, "never", 0 },
	{ "a cost above max that should be held", MODE_ENFORCE,
	    { COSTS(hold, 11) }, ACTION_REJECT, ACTION_REJECT, REASON_COST,
	    "hold", 0 },
	{ "cost before an equal limit", MODE_ENFORCE,
	    { OVER(reject, 1001000), COSTS(tempfail, 11) }, ACTION_REJECT,
	    ACTION_REJECT, REASON_COST, "tempfail", 0 },
	{ "a limit that observes", MODE_ENFORCE, { OVER(observe, 1001000) },
	    ACTION_ACCEPT, ACTION_REJECT, REASON_LIMIT, "observe", 1000 },
	{ "what observes gives way", MODE_ENFORCE,
	    { OVER(observe, 1009000), OVER(hold, 1001000) }, ACTION_HOLD,
	    ACTION_HOLD, REASON_LIMIT, "hold", 1000 },
	{ "all observe", MODE_OBSERVE,
	    { OVER(hold, 1001000), OVER(tempfail, 1002000) }, ACTION_ACCEPT,
	    ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 2000 },
	{ "all observe a cost", MODE_OBSERVE, { COSTS(tempfail, 11) },
	    ACTION_ACCEPT, ACTION_REJECT, REASON_COST, "tempfail", 0 },
	{ "refused too often", MODE_ENFORCE, { LOOK(tempfail, 1001000) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000 },
	{ "refused too often, for ever", MODE_ENFORCE,
	    { LOOK(never, UINT64_MAX) }, ACTION_TEMPFAIL, ACTION_TEMPFAIL,
	    REASON_LIMIT, "never", 0 },
	{ "room in the past is not now", MODE_ENFORCE, { OVER(tempfail, 5) },
	    ACTION_TEMPFAIL, ACTION_TEMPFAIL, REASON_LIMIT, "tempfail", 1000 },
	{ "no number is too large", MODE_ENFORCE,
	    { OVER(tempfail, UINT64_MAX - 1) }, ACTION_TEMPFAIL,
	    ACTION_TEMPFAIL, REASON_LIMIT, "tempfail",
	    (UINT64_MAX - 1 - 1000000 + 999) / 1000 * 1000 },
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
			.cost = one->cost,
			.is_binding = one->limit->mode == MODE_ENFORCE,
			.is_look = one->is_look };
		answers[count].fits = one->fits;
		answers[count].room_at_ms = one->room_at_ms;
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
	    got.limit != NULL ? got.limit->name : "none");
	if (c->limit != NULL)
		want_words(c->name, c->limit, got.subject);
	if (got.retry_after_ms != c->retry_after_ms)
		fail_msg("%s: wanted %" PRIu64 " ms, got %" PRIu64, c->name,
		    c->retry_after_ms, got.retry_after_ms);
}

static void
test_judge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof judge_cases / sizeof judge_cases[0]; i++)
		check_judge(&judge_cases[i]);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(limits_key_name(LIMIT_KEY_ACCOUNT), "account");
	assert_string_equal(
	    limits_key_name(LIMIT_KEY_FROM_DOMAIN), "from_domain");
	assert_string_equal(limits_key_name(LIMIT_KEY_CLIENT_IP), "client_ip");
	assert_string_equal(limits_count_name(LIMIT_MESSAGES), "messages");
	assert_string_equal(limits_count_name(LIMIT_RECIPIENTS), "recipients");
	assert_string_equal(limits_count_name(LIMIT_REFUSALS), "refusals");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charges),
		cmocka_unit_test(test_no_limits),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
