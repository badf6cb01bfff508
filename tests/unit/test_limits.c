/* Which limits a message touches, and what each costs. */
#include "policy/limits.h"

#include "policy/recipients.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAILBOXES = 4, WORDS = 2048, ARENA_BYTES = 1 << 20 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LIMIT(of, under, counts, doing, by, planned)                           \
	{                                                                      \
		.name = of, .key = LIMIT_KEY_##under, .count = LIMIT_##counts, \
		.max = 10, .per_ms = 60000, .action = ACTION_##doing,          \
		.mode = MODE_##by, .is_planned = planned                       \
	}

static const struct limit few[] = {
	LIMIT("hourly", ACCOUNT, RECIPIENTS, TEMPFAIL, ENFORCE, false),
	LIMIT("domains", FROM_DOMAIN, MESSAGES, HOLD, ENFORCE, false),
	LIMIT("clients", CLIENT_IP, MESSAGES, REJECT, OBSERVE, false),
	LIMIT("noise", ACCOUNT, REFUSALS, TEMPFAIL, ENFORCE, false),
	LIMIT("noisy", FROM_DOMAIN, REFUSALS, TEMPFAIL, ENFORCE, false),
};

static const struct limit_set few_set = { .limits = few, .count = COUNT(few) };

/* Every key and every count. */
static const struct limit all[] = {
	LIMIT("account", ACCOUNT, MESSAGES, TEMPFAIL, ENFORCE, false),
	LIMIT("parent", PARENT, BYTES, REJECT, ENFORCE, false),
	LIMIT("sender", SENDER, RECIPIENTS, HOLD, ENFORCE, false),
	LIMIT("global", GLOBAL, MESSAGES, TEMPFAIL, ENFORCE, false),
	LIMIT("new", ACCOUNT, NEW_RECIPIENTS, TEMPFAIL, ENFORCE, false),
	LIMIT("client_noise", CLIENT_IP, REFUSALS, REJECT, ENFORCE, false),
	LIMIT("parent_noise", PARENT, REFUSALS, HOLD, OBSERVE, false),
	LIMIT("sender_noise", SENDER, REFUSALS, TEMPFAIL, ENFORCE, false),
	LIMIT("global_noise", GLOBAL, REFUSALS, TEMPFAIL, ENFORCE, false),
};

static const struct limit_set all_set = {
	.limits = all, .count = COUNT(all), .counts_new = true
};

/* Limits of plans, and one for everybody. */
static const struct limit planned[] = {
	LIMIT("small", ACCOUNT, MESSAGES, TEMPFAIL, ENFORCE, true),
	LIMIT("large", ACCOUNT, MESSAGES, TEMPFAIL, ENFORCE, true),
	LIMIT("everybody", ACCOUNT, MESSAGES, TEMPFAIL, ENFORCE, false),
	LIMIT("loud", ACCOUNT, REFUSALS, TEMPFAIL, ENFORCE, true),
};

static const bool has_small[] = { true, false, false, true };
static const bool has_large[] = { false, true, false, false };
static const bool has_none[] = { false, false, false, false };

static const struct plan plans[] = {
	{ "free", has_small },
	{ "shop", has_large },
	{ "none", has_none },
};

static const struct limit_set plan_set = { .limits = planned,
	.count = COUNT(planned),
	.plans = plans,
	.plan_count = COUNT(plans),
	.default_plan = &plans[0] };

static const struct limit_set no_default_set = { .limits = planned,
	.count = COUNT(planned),
	.plans = plans,
	.plan_count = COUNT(plans) };

struct charges_case {
	const char *name;
	const struct limit_set *set;
	size_t from_count;
	size_t domain_count;
	const char *domains[MAILBOXES];
	size_t recipients;
	uint64_t size_bytes;
	uint8_t client[16];
	bool is_client_unknown;
	const char *parent; /* NULL: "customer" */
	const char *plan;
	const char *sender; /* NULL: the null sender; "": no address */
	enum mode mode;
	bool is_foreign;        /* the authors aren't all the account's */
	bool is_sender_foreign; /* nor is the envelope sender */
	bool is_local;          /* nothing is refused */
	bool has_no_limits;
	const char *blocks; /* NULL: not looked at */
	const char *want;
	const char *want_refused;
};

#define IPV4(a, b, c, d)                                             \
	{                                                            \
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d \
	}
#define CLIENT .client = IPV4(192, 0, 2, 1)

/* name(key)cost; ! binding, ? a look, r refuses, c counts refusals */
static const struct charges_case charges_cases[] = {
	{ .name = "one author",
	    .set = &few_set,
	    .from_count = 1,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 3,
	    CLIENT,
	    .sender = "Bob@a.example",
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:from_domain(a.example)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(bob@a.example)1!?r ",
	    .want = "hourly(alice)3!r domains(a.example)1! "
		    "clients(192.0.2.1)1r noise(alice)1!?rc "
		    "noisy(a.example)1!?rc ",
	    .want_refused = "noise(alice)1 noisy(a.example)1 " },
	{ .name = "no From",
	    .set = &few_set,
	    .recipients = 1,
	    CLIENT,
	    .is_foreign = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(<>)1!?r ",
	    .want = "hourly(alice)1!r domains(- (alice))1! "
		    "clients(192.0.2.1)1r noise(alice)1!?rc "
		    "noisy(- (alice))1!?r ",
	    .want_refused = "noise(alice)1 " },
	{ .name = "no From, though nothing in it is another's",
	    .set = &few_set,
	    .recipients = 1,
	    CLIENT,
	    .want = "hourly(alice)1!r domains(- (alice))1! "
		    "clients(192.0.2.1)1r noise(alice)1!?rc "
		    "noisy(- (alice))1!?rc ",
	    .want_refused = "noise(alice)1 noisy(- (alice))1 " },
	{ .name = "a From without an address",
	    .set = &few_set,
	    .from_count = 1,
	    .recipients = 1,
	    CLIENT,
	    .is_foreign = true,
	    .want = "hourly(alice)1!r domains(- (alice))1! "
		    "clients(192.0.2.1)1r noise(alice)1!?rc "
		    "noisy(- (alice))1!?r ",
	    .want_refused = "noise(alice)1 " },
	{ .name = "each domain once",
	    .set = &few_set,
	    .from_count = 1,
	    .domain_count = 4,
	    .domains = { "b.example", "a.example", "b.example", "a.example" },
	    .recipients = 1,
	    CLIENT,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:from_domain(b.example)1!?r "
		      "blocked:from_domain(a.example)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(<>)1!?r ",
	    .want = "hourly(alice)1!r domains(b.example)1! "
		    "domains(a.example)1! clients(192.0.2.1)1r "
		    "noise(alice)1!?rc noisy(b.example)1!?rc "
		    "noisy(a.example)1!?rc ",
	    .want_refused =
		"noise(alice)1 noisy(b.example)1 noisy(a.example)1 " },
	{ .name = "two From fields are no way around",
	    .set = &few_set,
	    .from_count = 2,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 1,
	    CLIENT,
	    .want = "hourly(alice)1!r domains(a.example)1! "
		    "clients(192.0.2.1)1r noise(alice)1!?rc "
		    "noisy(a.example)1!?rc ",
	    .want_refused = "noise(alice)1 noisy(a.example)1 " },
	{ .name = "all observe",
	    .set = &few_set,
	    .from_count = 1,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 3,
	    CLIENT,
	    .mode = MODE_OBSERVE,
	    .blocks = "blocked:account(alice)1?r blocked:parent(customer)1?r "
		      "blocked:from_domain(a.example)1?r "
		      "blocked:client_ip(192.0.2.1)1?r blocked:sender(<>)1?r ",
	    .want = "hourly(alice)3r domains(a.example)1 clients(192.0.2.1)1r "
		    "noise(alice)1?rc noisy(a.example)1?rc ",
	    .want_refused = "noise(alice)1 noisy(a.example)1 " },
	{ .name = "a network of IPv6",
	    .set = &few_set,
	    .recipients = 1,
	    .client = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7,
		8 },
	    .is_foreign = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:client_ip(2001:db8:0:1::/64)1!?r "
		      "blocked:sender(<>)1!?r ",
	    .want = "hourly(alice)1!r domains(- (alice))1! "
		    "clients(2001:db8:0:1::/64)1r noise(alice)1!?rc "
		    "noisy(- (alice))1!?r ",
	    .want_refused = "noise(alice)1 " },
	{ .name = "an unknown client",
	    .set = &few_set,
	    .recipients = 1,
	    .is_client_unknown = true,
	    .is_foreign = true,
	    .want = "hourly(alice)1!r domains(- (alice))1! clients(unknown)1r "
		    "noise(alice)1!?rc noisy(- (alice))1!?r ",
	    .want_refused = "noise(alice)1 " },
	{ .name = "another's domain keeps its count",
	    .set = &few_set,
	    .from_count = 1,
	    .domain_count = 2,
	    .domains = { "b.example", "a.example" },
	    .recipients = 1,
	    CLIENT,
	    .is_foreign = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:from_domain(b.example)1!?r "
		      "blocked:from_domain(a.example)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(<>)1!?r ",
	    .want = "hourly(alice)1!r domains(b.example (alice))1! "
		    "domains(a.example (alice))1! clients(192.0.2.1)1r "
		    "noise(alice)1!?rc noisy(b.example (alice))1!?r "
		    "noisy(a.example (alice))1!?r ",
	    .want_refused = "noise(alice)1 " },
	{ .name = "every key and count",
	    .set = &all_set,
	    .from_count = 1,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 3,
	    .size_bytes = 12345678901,
	    CLIENT,
	    .sender = "Bob@A.Example",
	    .want = "account(alice)1!r parent(customer)12345678901!r "
		    "sender(bob@a.example)3! global(all)1!r new(alice)3!r "
		    "client_noise(192.0.2.1)1!?rc "
		    "parent_noise(customer)1?c "
		    "sender_noise(bob@a.example)1!?rc "
		    "global_noise(all)1!?rc ",
	    .want_refused = "client_noise(192.0.2.1)1 "
			    "parent_noise(customer)1 "
			    "sender_noise(bob@a.example)1 "
			    "global_noise(all)1 " },
	{ .name = "another's envelope sender",
	    .set = &all_set,
	    .recipients = 1,
	    CLIENT,
	    .sender = "eve@b.example",
	    .is_sender_foreign = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(eve@b.example)1!?r ",
	    .want = "account(alice)1!r parent(customer)0!r "
		    "sender(eve@b.example (alice))1! global(all)1!r "
		    "new(alice)1!r client_noise(192.0.2.1)1!?rc "
		    "parent_noise(customer)1?c "
		    "sender_noise(eve@b.example (alice))1!?r "
		    "global_noise(all)1!?rc ",
	    .want_refused = "client_noise(192.0.2.1)1 "
			    "parent_noise(customer)1 global_noise(all)1 " },
	{ .name = "the null sender is each account's own",
	    .set = &all_set,
	    .recipients = 1,
	    CLIENT,
	    .is_sender_foreign = true,
	    .want = "account(alice)1!r parent(customer)0!r "
		    "sender(<> (alice))1! global(all)1!r new(alice)1!r "
		    "client_noise(192.0.2.1)1!?rc parent_noise(customer)1?c "
		    "sender_noise(<> (alice))1!?r global_noise(all)1!?rc ",
	    .want_refused = "client_noise(192.0.2.1)1 "
			    "parent_noise(customer)1 global_noise(all)1 " },
	{ .name = "a sender that is no address",
	    .set = &all_set,
	    .recipients = 1,
	    CLIENT,
	    .sender = "",
	    .is_sender_foreign = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r blocked:sender(-)1!?r ",
	    .want = "account(alice)1!r parent(customer)0!r "
		    "sender(- (alice))1! global(all)1!r new(alice)1!r "
		    "client_noise(192.0.2.1)1!?rc parent_noise(customer)1?c "
		    "sender_noise(- (alice))1!?r global_noise(all)1!?rc ",
	    .want_refused = "client_noise(192.0.2.1)1 "
			    "parent_noise(customer)1 global_noise(all)1 " },
	{ .name = "where nothing is refused",
	    .set = &few_set,
	    .from_count = 1,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 1,
	    CLIENT,
	    .is_local = true,
	    .blocks = "blocked:account(alice)1!? blocked:parent(customer)1!? "
		      "blocked:from_domain(a.example)1!? "
		      "blocked:client_ip(192.0.2.1)1!? blocked:sender(<>)1!? ",
	    .want = "hourly(alice)1! domains(a.example)1! "
		    "clients(192.0.2.1)1 noise(alice)1!?c "
		    "noisy(a.example)1!?c ",
	    .want_refused = "noise(alice)1 noisy(a.example)1 " },
	{ .name = "only blocks are asked for",
	    .set = &all_set,
	    .from_count = 1,
	    .domain_count = 1,
	    .domains = { "a.example" },
	    .recipients = 1,
	    CLIENT,
	    .is_foreign = true,
	    .has_no_limits = true,
	    .blocks = "blocked:account(alice)1!?r blocked:parent(customer)1!?r "
		      "blocked:from_domain(a.example)1!?r "
		      "blocked:client_ip(192.0.2.1)1!?r "
		      "blocked:sender(<>)1!?r ",
	    .want = "",
	    .want_refused = "" },
	{ .name = "the default plan",
	    .set = &plan_set,
	    .want = "small(alice)1!r everybody(alice)1!r loud(alice)1!?rc ",
	    .want_refused = "loud(alice)1 " },
	{ .name = "another plan",
	    .set = &plan_set,
	    .plan = "shop",
	    .want = "large(alice)1!r everybody(alice)1!r ",
	    .want_refused = "" },
	{ .name = "an empty plan",
	    .set = &plan_set,
	    .plan = "none",
	    .want = "everybody(alice)1!r ",
	    .want_refused = "" },
	{ .name = "a plan that there isn't is the default one",
	    .set = &plan_set,
	    .plan = "gone",
	    .want = "small(alice)1!r everybody(alice)1!r loud(alice)1!?rc ",
	    .want_refused = "loud(alice)1 " },
	{ .name = "no default plan",
	    .set = &no_default_set,
	    .want = "everybody(alice)1!r ",
	    .want_refused = "" },
};

static void
describe(const struct charge *charges, size_t count, char *words)
{
	size_t used = 0;

	words[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(words + used, WORDS - used,
		    "%s(%s)%" PRIu64 "%s%s%s%s ", charges[i].limit->name,
		    charges[i].key, charges[i].cost,
		    charges[i].is_binding ? "!" : "",
		    charges[i].is_look ? "?" : "",
		    charges[i].refuses ? "r" : "",
		    charges[i].counts_refusal ? "c" : "");
}

static void
want_words(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s:\nwanted %s\ngot    %s", name, wanted, got);
}

/* Everything that a question borrows. */
struct setting {
	struct account account;
	struct mailbox mailboxes[MAILBOXES];
	struct connection_facts connection;
	struct message_facts facts;
	struct limits_question question;
};

static void
set_up(
    const struct charges_case *c, struct arena *arena, struct setting *setting)
{
	struct message_facts *facts = &setting->facts;

	*setting = (struct setting){
		.account = { .name = "alice",
		    .parent = c->parent != NULL ? c->parent : "customer",
		    .plan = c->plan },
		.facts = { .from_count = c->from_count,
		    .recipient_count = c->recipients,
		    .size_bytes = c->size_bytes,
		    .envelope_sender = c->sender != NULL ? c->sender : "<>",
		    .is_null_sender = c->sender == NULL,
		    .is_bad_sender = c->sender != NULL && *c->sender == '\0',
		    .from = { .count = c->domain_count } },
		.question = { .set = c->set,
		    .mode = c->mode,
		    .block_mode = c->mode,
		    .is_author_owned = !c->is_foreign,
		    .is_sender_owned = !c->is_sender_foreign,
		    .can_refuse = !c->is_local,
		    .has_limits = !c->has_no_limits },
	};
	facts->connection = &setting->connection;
	facts->from.mailboxes = setting->mailboxes;
	setting->question.account = &setting->account;
	setting->question.facts = facts;
	for (size_t i = 0; i < MAILBOXES; i++)
		setting->mailboxes[i].domain = c->domains[i];
	memcpy(setting->connection.client.octets, c->client, 16);
	setting->connection.client.is_known = !c->is_client_unknown;
	if (c->sender != NULL && *c->sender != '\0')
		assert_true(address_mailbox(
		    arena, c->sender, strlen(c->sender), &facts->sender, NULL));
}

static size_t
blocks_in(const struct charge *charges, size_t count)
{
	size_t blocks = 0;

	while (blocks < count && charges[blocks].limit->count == LIMIT_BLOCKS)
		blocks++;
	return blocks;
}

static void
check_charges(const struct charges_case *c)
{
	struct setting setting;
	struct charge *charges;
	struct arena arena;
	char words[WORDS];
	size_t count;
	size_t blocks;

	arena_init(&arena, ARENA_BYTES);
	set_up(c, &arena, &setting);
	assert_true(
	    limits_charges(&setting.question, &arena, &charges, &count));
	blocks = blocks_in(charges, count);
	describe(charges, blocks, words);
	if (c->blocks != NULL)
		want_words(c->name, c->blocks, words);
	describe(charges + blocks, count - blocks, words);
	want_words(c->name, c->want, words);
	assert_true(limits_refusal_charges(
	    &setting.question, &arena, &charges, &count));
	describe(charges, count, words);
	want_words(c->name, c->want_refused, words);
	arena_clear(&arena);
}

static void
test_charges(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(charges_cases); i++)
		check_charges(&charges_cases[i]);
}

static void
test_no_limits(void **state)
{
	static const struct limit_set none = { .limits = NULL };
	struct charges_case c = { .name = "none", .set = &none };
	struct setting setting;
	struct charge *charges;
	struct arena arena;
	size_t count = 9;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	set_up(&c, &arena, &setting);
	assert_true(
	    limits_charges(&setting.question, &arena, &charges, &count));
	assert_int_equal(count, 4);
	assert_int_equal(blocks_in(charges, count), 4);
	assert_true(limits_refusal_charges(
	    &setting.question, &arena, &charges, &count));
	assert_int_equal(count, 0);
	arena_clear(&arena);
}

/* With however little memory, it is told or all is there. */
static void
test_memory(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(charges_cases); i++) {
		struct setting setting;
		struct charge *charges;
		struct arena arena;
		size_t failed = 0;
		size_t count;

		arena_init(&arena, ARENA_BYTES);
		set_up(&charges_cases[i], &arena, &setting);
		for (size_t bytes = 0; bytes < 8192; bytes += 16) {
			struct arena small;
			bool is_good;

			arena_init(&small, bytes);
			is_good = limits_charges(
			    &setting.question, &small, &charges, &count);
			failed += !is_good;
			if (is_good && count < 4)
				fail_msg("%s, %zu octets: wanted all, got %zu",
				    charges_cases[i].name, bytes, count);
			arena_clear(&small);
			arena_init(&small, bytes);
			failed += !limits_refusal_charges(
			    &setting.question, &small, &charges, &count);
			arena_clear(&small);
		}
		if (failed == 0)
			fail_msg("%s: wanted faults, got none",
			    charges_cases[i].name);
		arena_clear(&arena);
	}
}

/* How many recipients a message has, how many of those noted are doubles, and
 * what new ones cost at most. */
static const struct {
	const char *name;
	size_t recipients, doubles;
	uint64_t cost;
	size_t listed;
} new_cases[] = {
	{ "none", 0, 0, 0, 0 },
	{ "one", 1, 0, 1, 1 },
	{ "doubles", 10, 4, 6, 6 },
	{ "all the same", 5, 4, 1, 1 },
	{ "as many as are noted", FACTS_RECIPIENTS, 0, FACTS_RECIPIENTS,
	    FACTS_RECIPIENTS },
	{ "more than are noted", FACTS_RECIPIENTS + 7, 0, FACTS_RECIPIENTS + 7,
	    FACTS_RECIPIENTS },
	{ "more, with doubles", FACTS_RECIPIENTS + 7, 100,
	    FACTS_RECIPIENTS + 7 - 100, FACTS_RECIPIENTS - 100 },
};

/* The charge for new recipients; no other has any. */
static size_t
find_new(const struct charge *charges, size_t count)
{
	size_t found = count;

	for (size_t i = 0; i < count; i++) {
		if (charges[i].limit->count == LIMIT_NEW_RECIPIENTS)
			found = i;
		else
			assert_null(charges[i].recipients);
	}
	assert_true(found < count);
	return found;
}

static void
check_new(size_t i, const struct charge *got)
{
	if (got->cost != new_cases[i].cost
	    || got->recipient_count != new_cases[i].listed)
		fail_msg("%s: wanted %" PRIu64 " and %zu, got %" PRIu64
			 " and %zu",
		    new_cases[i].name, new_cases[i].cost, new_cases[i].listed,
		    got->cost, got->recipient_count);
	for (size_t k = 1; k < got->recipient_count; k++)
		assert_true(got->recipients[k - 1] < got->recipients[k]);
}

static void
test_new_recipients(void **state)
{
	struct charges_case c = { .name = "new", .set = &all_set };

	(void)state;
	for (size_t i = 0; i < COUNT(new_cases); i++) {
		struct setting setting;
		struct charge *charges;
		struct arena arena;
		size_t count;

		arena_init(&arena, ARENA_BYTES);
		set_up(&c, &arena, &setting);
		setting.facts.recipient_count = new_cases[i].recipients;
		for (size_t k = 0; k < new_cases[i].recipients; k++)
			assert_true(recipients_add(&setting.facts, &arena,
			    k <= new_cases[i].doubles
				? 1
				: (uint64_t)k * 0x9e3779b97f4a7c15ULL));
		assert_true(limits_charges(
		    &setting.question, &arena, &charges, &count));
		check_new(i, &charges[find_new(charges, count)]);
		arena_clear(&arena);
	}
}

static void
test_plans(void **state)
{
	(void)state;
	assert_ptr_equal(limits_plan(&plan_set, "shop"), &plans[1]);
	assert_null(limits_plan(&plan_set, "Shop"));
	assert_null(limits_plan(&few_set, "shop"));
	assert_true(limits_holds(&plan_set, &planned[0], NULL));
	assert_false(limits_holds(&plan_set, &planned[1], NULL));
	assert_false(limits_holds(&plan_set, &planned[0], &plans[1]));
	assert_true(limits_holds(&plan_set, &planned[1], &plans[1]));
	assert_true(limits_holds(&plan_set, &planned[2], &plans[2]));
	assert_false(limits_holds(&no_default_set, &planned[0], NULL));
}

static void
test_blocks(void **state)
{
	static const struct {
		enum limit_key key;
		const char *want;
	} cases[] = {
		{ LIMIT_KEY_ACCOUNT, "blocked:account" },
		{ LIMIT_KEY_PARENT, "blocked:parent" },
		{ LIMIT_KEY_FROM_DOMAIN, "blocked:from_domain" },
		{ LIMIT_KEY_CLIENT_IP, "blocked:client_ip" },
		{ LIMIT_KEY_SENDER, "blocked:sender" },
	};

	(void)state;
	assert_int_equal(COUNT(cases), LIMIT_KEY_COUNT - 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct limit *got = limits_block(cases[i].key);

		want_words("block", cases[i].want, got->name);
		assert_int_equal(got->key, cases[i].key);
		assert_int_equal(got->count, LIMIT_BLOCKS);
		assert_true(got->max == UINT64_MAX && got->per_ms > 0);
		assert_int_equal(got->action, ACTION_REJECT);
		assert_int_equal(got->warn_percent, 0);
	}
	assert_null(limits_block(LIMIT_KEY_GLOBAL));
}

static void
test_names(void **state)
{
	static const char *const keys[] = { "account", "parent", "from_domain",
		"client_ip", "sender", "global" };
	static const char *const counts[] = { "messages", "recipients",
		"new_recipients", "bytes", "refusals", "blocks" };

	(void)state;
	assert_int_equal(COUNT(keys), LIMIT_KEY_COUNT);
	for (int i = 0; i < LIMIT_KEY_COUNT; i++)
		assert_string_equal(
		    limits_key_name((enum limit_key)i), keys[i]);
	for (int i = 0; i <= LIMIT_BLOCKS; i++)
		assert_string_equal(
		    limits_count_name((enum limit_count)i), counts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_charges),
		cmocka_unit_test(test_no_limits),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_new_recipients),
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
