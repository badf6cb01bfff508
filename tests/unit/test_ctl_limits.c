/* What posternctl's limits, top and block are made of: amounts as people type
 * them, the leaders of many, what is picked from the store, and what Postfix's
 * programs print of its queue. The commands themselves are tested by
 * tests/e2e/test_posternctl.py and test_blocks.py. */
#include "milter/ctl/amount.h"
#include "milter/ctl/envelope.h"
#include "milter/ctl/leaders.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/queue_owner.h"
#include "milter/ctl/runner.h"
#include "milter/io/store_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 1024 * 1024, REFUSED = -1 };

/* ---- amounts ---- */

static void
test_duration(void **state)
{
	static const struct {
		const char *typed;
		int64_t want_ms; /* REFUSED */
	} cases[] = {
		{ "1s", 1000 },
		{ "90s", 90000 },
		{ "30m", 1800000 },
		{ "2h", 7200000 },
		{ "7d", 604800000 },
		{ "3660d", 316224000000 },
		{ "3661d", REFUSED },
		{ "0s", REFUSED },
		{ "", REFUSED },
		{ "h", REFUSED },
		{ "2", REFUSED },
		{ "2 h", REFUSED },
		{ "-2h", REFUSED },
		{ "+2h", REFUSED },
		{ "2H", REFUSED },
		{ "1h30m", REFUSED },
		{ "500ms", REFUSED },
		{ "99999999999999999999999d", REFUSED },
		{ "18446744073709551617s", REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fault fault = { .kind = FAULT_NONE };
		uint64_t got = 0;
		bool is_good = amount_duration(cases[i].typed, &got, &fault);

		if (is_good != (cases[i].want_ms != REFUSED)
		    || (is_good && (int64_t)got != cases[i].want_ms))
			fail_msg("\"%s\": wanted %" PRId64 ", got %s %" PRIu64,
			    cases[i].typed, cases[i].want_ms,
			    is_good ? "" : "a refusal", got);
		if (!is_good)
			assert_int_equal(FAULT_PERMANENT, fault.kind);
	}
}

static void
test_max(void **state)
{
	static const struct {
		const char *typed;
		enum limit_count count;
		int64_t want; /* REFUSED */
	} cases[] = {
		{ "0", LIMIT_MESSAGES, 0 },
		{ "900", LIMIT_RECIPIENTS, 900 },
		{ "1000000000000000", LIMIT_MESSAGES, 1000000000000000 },
		{ "1000000000000001", LIMIT_MESSAGES, REFUSED },
		{ "5K", LIMIT_MESSAGES, REFUSED },
		{ "5K", LIMIT_BYTES, 5120 },
		{ "25M", LIMIT_BYTES, 25 * 1024 * 1024 },
		{ "1G", LIMIT_BYTES, 1024 * 1024 * 1024 },
		{ "1T", LIMIT_BYTES, 1024LL * 1024 * 1024 * 1024 },
		{ "7", LIMIT_BYTES, 7 },
		{ "9999T", LIMIT_BYTES, REFUSED },
		{ "5k", LIMIT_BYTES, REFUSED },
		{ "K", LIMIT_BYTES, REFUSED },
		{ "", LIMIT_MESSAGES, REFUSED },
		{ "-1", LIMIT_MESSAGES, REFUSED },
		{ "1.5", LIMIT_MESSAGES, REFUSED },
		{ "many", LIMIT_MESSAGES, REFUSED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t got = 0;
		bool is_good =
		    amount_max(cases[i].typed, cases[i].count, &got, NULL);

		if (is_good != (cases[i].want != REFUSED)
		    || (is_good && (int64_t)got != cases[i].want))
			fail_msg("\"%s\" of %s: wanted %" PRId64 ", got %s "
				 "%" PRIu64,
			    cases[i].typed, limits_count_name(cases[i].count),
			    cases[i].want, is_good ? "" : "a refusal", got);
	}
}

static void
test_reason(void **state)
{
	char words[STORE_WORDS + 2];
	struct fault fault;

	(void)state;
	memset(words, 'x', sizeof(words));
	words[STORE_WORDS + 1] = '\0';
	assert_false(amount_reason(words, &fault));
	words[STORE_WORDS] = '\0';
	assert_true(amount_reason(words, &fault));
	assert_true(amount_reason("", &fault));
	assert_true(amount_reason("spam \303\244 {it} 100%", &fault));
	assert_false(amount_reason("a\nb", &fault));
	assert_false(amount_reason("a\033[2J", &fault));
	assert_null(strchr(fault.words, '\033'));
	assert_false(amount_reason("a\377", &fault));
}

/* ---- leaders ---- */

static void
want_leaders(struct leaders *leaders, const char *want)
{
	char *got = NULL;
	size_t size;
	FILE *out = open_memstream(&got, &size);

	assert_non_null(out);
	leaders_sort(leaders);
	for (size_t i = 0; i < leaders->count; i++)
		fprintf(out, "%s=%" PRIu64 " ", leaders->list[i].name,
		    leaders->list[i].used);
	assert_int_equal(0, fclose(out));
	if (strcmp(want, got) != 0)
		fail_msg("wanted \"%s\", got \"%s\"", want, got);
	free(got);
	leaders_clear(leaders);
	assert_null(leaders->list);
}

static void
test_leaders(void **state)
{
	struct leaders leaders;

	(void)state;
	assert_true(leaders_init(&leaders, 3));
	want_leaders(&leaders, "");
	assert_true(leaders_init(&leaders, 3));
	assert_true(leaders_add(&leaders, "a", 1));
	assert_true(leaders_add(&leaders, "b", 5));
	want_leaders(&leaders, "b=5 a=1 ");
	assert_true(leaders_init(&leaders, 3));
	for (const char *name = "dacbfe"; *name != '\0'; name++) {
		char text[] = { *name, '\0' };

		assert_true(leaders_add(&leaders, text, 7));
	}
	want_leaders(&leaders, "a=7 b=7 c=7 ");
	assert_true(leaders_init(&leaders, 2));
	assert_true(leaders_add(&leaders, "a", 3));
	assert_true(leaders_add(&leaders, "b", 2));
	/* Seen twice: its greater count, and one place. */
	assert_true(leaders_add(&leaders, "b", 9));
	assert_true(leaders_add(&leaders, "b", 1));
	assert_true(leaders_add(&leaders, "a", 3));
	assert_true(leaders_add(&leaders, "c", 1));
	want_leaders(&leaders, "b=9 a=3 ");
	leaders_clear(&leaders);
}

/* Against the plain way: sort them all. */
static int
descending(const void *one, const void *other)
{
	const uint64_t *a = one, *b = other;

	return *a == *b ? 0 : *a > *b ? -1 : 1;
}

static void
test_leaders_of_many(void **state)
{
	enum { MANY = 5000 };
	static uint64_t all[MANY];
	uint64_t number = 88172645463325252ULL;

	(void)state;
	for (size_t room = 1; room <= LEADERS_MOST; room = 3 * room + 1) {
		struct leaders leaders;

		assert_true(leaders_init(&leaders, room));
		for (size_t i = 0; i < MANY; i++) {
			char name[32];

			number ^= number << 13;
			number ^= number >> 7;
			number ^= number << 17;
			all[i] = number % 3000;
			snprintf(name, sizeof(name), "n%zu", i);
			assert_true(leaders_add(&leaders, name, all[i]));
		}
		qsort(all, MANY, sizeof(all[0]), descending);
		leaders_sort(&leaders);
		assert_int_equal(room, leaders.count);
		for (size_t i = 0; i < room; i++)
			if (leaders.list[i].used != all[i])
				fail_msg("room %zu, place %zu: wanted %" PRIu64
					 ", got %" PRIu64,
				    room, i, all[i], leaders.list[i].used);
		leaders_clear(&leaders);
	}
}

/* ---- overrides ---- */

static bool
is_of_bob(const void *context, const struct store_override *override)
{
	return strcmp(override->key, context) == 0;
}

static void
set(struct store *store, const char *limit, const char *key, uint64_t max,
    uint64_t until_ms, const char *words)
{
	struct store_override override = { limit, key, max, until_ms, words };
	struct fault fault;

	if (!store_set(store, &override, &fault))
		fail_msg("%s", fault.words);
}

static void
test_overrides(void **state)
{
	struct store *store = store_memory_open(16, NULL, NULL);
	const struct store_override *found;
	struct overrides overrides;
	struct json_object *object;
	struct arena arena;
	struct fault fault;

	(void)state;
	assert_non_null(store);
	arena_init(&arena, ARENA_BYTES);
	set(store, "hourly", "bob", 900, 0, "good\033[2J");
	set(store, "hourly", "eve", 1, 0, "");
	set(store, "blocked:account", "bob", 0, UINT64_MAX / 2, "spam");
	set(store, "blocked:parent", "bob", 7, 0, "");
	set(store, "daily", "bob", 3, 0, "");
	assert_true(overrides_read(
	    store, is_of_bob, "bob", &arena, &overrides, &fault));
	assert_int_equal(4, overrides.count);
	found = overrides_find(&overrides, "hourly", "bob");
	assert_non_null(found);
	assert_int_equal(900, found->max);
	assert_string_equal("for good", overrides_until(found, &arena));
	assert_null(overrides_find(&overrides, "hourly", "eve"));
	assert_null(overrides_find(&overrides, "weekly", "bob"));
	object = overrides_json(found, overrides.now_ms);
	assert_string_equal("{\"max\":900,\"until\":null,\"ends_in\":null,"
			    "\"reason\":\"good?[2J\"}",
	    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
	found = overrides_block(&overrides, LIMIT_KEY_ACCOUNT, "bob");
	assert_non_null(found);
	assert_string_equal("spam", found->words);
	object = overrides_json(found, found->until_ms - 5000);
	assert_null(json_object_object_get(object, "max"));
	assert_int_equal(
	    5, json_object_get_int(json_object_object_get(object, "ends_in")));
	json_object_put(object);
	/* Another max than 0 blocks nobody; nor is everything blocked. */
	assert_null(overrides_block(&overrides, LIMIT_KEY_PARENT, "bob"));
	assert_null(overrides_block(&overrides, LIMIT_KEY_GLOBAL, "bob"));
	assert_null(overrides_json(NULL, 0));
	overrides_clear(&overrides);
	overrides_clear(&overrides);
	arena_clear(&arena);
	store_close(&store);
}

/* ---- what Postfix prints ---- */

static void
test_id(void **state)
{
	char id[RUNNER_ID_OCTETS + 2];

	(void)state;
	assert_true(runner_is_id("4jXlVj0J0bz1bcfC"));
	assert_true(runner_is_id("ABC0123DEF"));
	assert_false(runner_is_id(""));
	assert_false(runner_is_id("-h"));
	assert_false(runner_is_id("../x"));
	assert_false(runner_is_id("A B"));
	assert_false(runner_is_id("A\n"));
	assert_false(runner_is_id("ALL"));
	assert_true(runner_is_id("ALL1"));
	memset(id, 'A', sizeof(id));
	id[RUNNER_ID_OCTETS + 1] = '\0';
	assert_false(runner_is_id(id));
	id[RUNNER_ID_OCTETS] = '\0';
	assert_true(runner_is_id(id));
}

#define HEAD                                                              \
	"{\"queue_name\": \"hold\", \"queue_id\": \"4jXlVj0J0bz1bcfC\", " \
	"\"arrival_time\": 1795389789, \"message_size\": 261, "           \
	"\"forced_expire\": false, \"sender\": "

static void
test_listed(void **state)
{
	static const struct {
		const char *name, *line, *want_sender; /* NULL: refused */
	} cases[] = {
		{ "one recipient",
		    HEAD "\"u@c.example\", \"recipients\": [{\"address\": "
			 "\"z@out.example\"}]}",
		    "u@c.example" },
		{ "cut within the recipients",
		    HEAD "\"u@c.example\", \"recipients\": [{\"addr",
		    "u@c.example" },
		{ "without recipients", HEAD "\"u@c.example\"}",
		    "u@c.example" },
		{ "a sender that looks like the recipients",
		    HEAD "\"x\\\", \\\"recipients\\\": [\", \"recipients\": "
			 "[]}",
		    "x\", \"recipients\": [" },
		{ "a sender of 8-bit octets",
		    HEAD "\"\303\244\377@c.example\", \"recipients\": []}",
		    "\303\244\377@c.example" },
		{ "cut before the sender's end", HEAD "\"u@c.exam", NULL },
		{ "no sender",
		    "{\"queue_name\": \"hold\", \"queue_id\": \"A\"}", NULL },
		{ "a sender that is no string", HEAD "5}", NULL },
		{ "an id that is an option",
		    "{\"queue_name\": \"hold\", \"queue_id\": \"-d\", "
		    "\"sender\": \"a\"}",
		    NULL },
		{ "no object", "[1]", NULL },
		{ "no JSON", "postqueue: fatal", NULL },
		{ "nothing", "", NULL },
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *line = arena_strdup(&arena, cases[i].line);
		struct queued queued = { .sender = NULL };
		struct fault fault = { .kind = FAULT_NONE };
		bool is_good = envelope_listed(line, &arena, &queued, &fault);
		const char *got = is_good ? queued.sender : "a refusal";
		const char *want = cases[i].want_sender != NULL
		    ? cases[i].want_sender
		    : "a refusal";

		if (strcmp(want, got) != 0)
			fail_msg("%s: wanted %s, got %s (%s)", cases[i].name,
			    want, got, fault.words);
		if (!is_good)
			continue;
		assert_string_equal("4jXlVj0J0bz1bcfC", queued.id);
		assert_string_equal("hold", queued.queue);
		assert_int_equal(1795389789, queued.arrival_s);
		assert_int_equal(261, queued.size_bytes);
	}
	arena_clear(&arena);
}

/* As Postfix 3.7 prints it, shortened. */
static const char *const submitted[] = {
	"*** ENVELOPE RECORDS deferred/0/4jXlVj04JBz1bcf2 ***",
	"message_size:             263             774               2",
	"message_arrival_time: Sun Nov 22 23:23:09 2026",
	"named_attribute: log_ident=4jXlVj04JBz1bcf2",
	"named_attribute: rewrite_context=remote",
	"named_attribute: sasl_method=PLAIN",
	"named_attribute: sasl_username=Alice@a.example",
	"sender: b@c.example",
	"named_attribute: sasl_username=eve@a.example",
	"named_attribute: log_client_address=192.0.2.9",
	"named_attribute: client_address=192.0.2.7",
	"named_attribute: client_port=53280",
	"named_attribute: server_port=587",
	"named_attribute: dsn_orig_rcpt=rfc822;x@out.example",
	"named_attribute: client_address=192.0.2.8",
	"recipient: x@out.example",
	"sender: eve@a.example",
	"*** MESSAGE CONTENTS deferred/0/4jXlVj04JBz1bcf2 ***",
	"*** HEADER EXTRACTED deferred/0/4jXlVj04JBz1bcf2 ***",
	"*** MESSAGE FILE END deferred/0/4jXlVj04JBz1bcf2 ***",
};

static void
read_envelope(struct envelope *envelope, const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (envelope_line(envelope, lines[i]) != (i == count - 1))
			fail_msg(
			    "line %zu (%s): the end is wrong", i, lines[i]);
}

static void
test_envelope(void **state)
{
	static const char *const local[] = {
		"*** ENVELOPE RECORDS hold/ABC0123DEF ***",
		"named_attribute: rewrite_context=local",
		"sender_fullname: Alice",
		"sender: ",
		"recipient: z@out.example",
		"*** MESSAGE FILE END hold/ABC0123DEF ***",
	};
	struct envelope envelope;

	(void)state;
	memset(&envelope, 'x', sizeof(envelope));
	read_envelope(
	    &envelope, submitted, sizeof(submitted) / sizeof(submitted[0]));
	assert_string_equal("4jXlVj04JBz1bcf2", envelope.id);
	assert_string_equal("Alice@a.example", envelope.login);
	assert_string_equal("b@c.example", envelope.sender);
	assert_string_equal("192.0.2.7", envelope.client);
	assert_int_equal(53280, envelope.client_port);
	assert_int_equal(587, envelope.server_port);
	/* Nothing of one message is the next one's. */
	read_envelope(&envelope, local, sizeof(local) / sizeof(local[0]));
	assert_string_equal("ABC0123DEF", envelope.id);
	assert_string_equal("", envelope.login);
	assert_string_equal("", envelope.sender);
	assert_true(envelope.has_sender);
	assert_string_equal("", envelope.client);
	assert_int_equal(0, envelope.server_port);
}

static void
test_envelope_too_long(void **state)
{
	static char line[ENVELOPE_TEXT_OCTETS + 100];
	struct envelope envelope;

	(void)state;
	(void)envelope_line(&envelope, "*** ENVELOPE RECORDS hold/A ***");
	snprintf(line, sizeof(line), "named_attribute: sasl_username=%0*d",
	    ENVELOPE_TEXT_OCTETS + 1, 0);
	assert_false(envelope_line(&envelope, line));
	assert_string_equal("", envelope.login);
	snprintf(line, sizeof(line), "named_attribute: sasl_username=%0*d",
	    ENVELOPE_TEXT_OCTETS, 0);
	assert_false(envelope_line(&envelope, line));
	assert_int_equal(ENVELOPE_TEXT_OCTETS, strlen(envelope.login));
	/* It must not pass for the null sender. */
	snprintf(
	    line, sizeof(line), "sender: %0*d", ENVELOPE_TEXT_OCTETS + 1, 0);
	assert_false(envelope_line(&envelope, line));
	assert_string_equal("?", envelope.sender);
	memset(line, 'i', sizeof(line) - 1);
	memcpy(line, "*** ENVELOPE RECORDS hold/", 26);
	assert_false(envelope_line(&envelope, line));
	assert_string_equal("", envelope.id);
}

/* ---- whose a message is ---- */

static const char rules_text[] =
    "relay_networks = { \"127.0.0.0/8\", \"192.0.2.0/24\" }\n"
    "trusted_networks = { \"198.51.100.1\" }\n"
    "identity_header = \"X-Account\"\n"
    "user = \"\"\n"
    "senders { default_domain = \"a.example\" }\n";

struct owner_case {
	const char *name;
	enum limit_key key;
	const char *who;
	const char *own; /* of an account: its address, or NULL */
	struct envelope envelope;
	bool want;
};

static const struct owner_case owner_cases[] = {
	{ "a login", LIMIT_KEY_ACCOUNT, "alice@a.example", "alice@a.example",
	    { .login = "Alice@A.example",
		.sender = "x@b.example",
		.client = "192.0.2.7",
		.has_sender = true },
	    true },
	{ "a login without its domain", LIMIT_KEY_ACCOUNT, "alice@a.example",
	    "alice@a.example",
	    { .login = "alice", .sender = "", .client = "203.0.113.1" }, true },
	{ "another's login with his address", LIMIT_KEY_ACCOUNT,
	    "alice@a.example", "alice@a.example",
	    { .login = "bob@a.example",
		.sender = "alice@a.example",
		.client = "192.0.2.7" },
	    false },
	{ "his address without a login", LIMIT_KEY_ACCOUNT, "alice@a.example",
	    "alice@a.example",
	    { .sender = "alice@a.example", .client = "192.0.2.7" }, false },
	{ "his address from a trusted host", LIMIT_KEY_ACCOUNT,
	    "alice@a.example", "alice@a.example",
	    { .sender = "Alice@a.example", .client = "198.51.100.1" }, true },
	{ "his parent's from a trusted host", LIMIT_KEY_PARENT, "a.example",
	    NULL, { .sender = "bob@a.example", .client = "198.51.100.1" },
	    true },
	{ "another's from a trusted host", LIMIT_KEY_ACCOUNT, "alice@a.example",
	    "alice@a.example",
	    { .sender = "bob@a.example", .client = "198.51.100.1" }, false },
	{ "the parent of a login", LIMIT_KEY_PARENT, "a.example", NULL,
	    { .login = "alice@a.example", .client = "203.0.113.1" }, true },
	{ "another parent", LIMIT_KEY_PARENT, "b.example", NULL,
	    { .login = "alice@a.example", .client = "203.0.113.1" }, false },
	{ "what sendmail(1) handed in", LIMIT_KEY_ACCOUNT, "local:mail.example",
	    NULL, { .sender = "root@mail.example" }, true },
	{ "a bounce of this host", LIMIT_KEY_ACCOUNT, "bounces:mail.example",
	    NULL, { .sender = "" }, true },
	{ "what another host's sendmail(1) did", LIMIT_KEY_ACCOUNT,
	    "local:other.example", NULL, { .sender = "root@mail.example" },
	    false },
	{ "a client", LIMIT_KEY_ACCOUNT, "client:192.0.2.7", NULL,
	    { .sender = "x@b.example", .client = "192.0.2.7" }, true },
	{ "a client's address", LIMIT_KEY_CLIENT_IP, "2001:db8::/64", NULL,
	    { .login = "alice", .client = "2001:db8::7" }, true },
	{ "another client's", LIMIT_KEY_CLIENT_IP, "192.0.2.8", NULL,
	    { .login = "alice", .client = "192.0.2.7" }, false },
	{ "a sender", LIMIT_KEY_SENDER, "x@b.example", NULL,
	    { .login = "alice", .sender = "x@B.Example" }, true },
	{ "the null sender", LIMIT_KEY_SENDER, "<>", NULL,
	    { .login = "alice", .sender = "" }, true },
	{ "a sender that is no address", LIMIT_KEY_SENDER, "<>", NULL,
	    { .login = "alice", .sender = "?" }, false },
	{ "a client that is no address", LIMIT_KEY_CLIENT_IP, "unknown", NULL,
	    { .login = "alice", .client = "mail.example" }, true },
};

static void
test_owner(void **state)
{
	struct conf_errors errors = { NULL, 0 };
	struct conf *conf = conf_read_text(
	    "/x/postern.conf", rules_text, strlen(rules_text), &errors);

	(void)state;
	if (conf == NULL)
		fail_msg("%s", errors.count > 0 ? errors.lines[0] : "?");
	for (size_t i = 0; i < sizeof(owner_cases) / sizeof(owner_cases[0]);
	     i++) {
		const struct owner_case *c = &owner_cases[i];
		struct mailbox own = { .local = NULL };
		struct queue_owner owner = { .conf = conf,
			.key = c->key,
			.name = c->who,
			.own = &own,
			.host = "Mail.Example" };
		struct arena arena;
		bool got;

		arena_init(&arena, ARENA_BYTES);
		arena_init(&owner.arena, ARENA_BYTES);
		if (c->own != NULL)
			assert_true(address_mailbox(
			    &arena, c->own, strlen(c->own), &own, NULL));
		got = queue_owner_is(&owner, &c->envelope);
		if (got != c->want)
			fail_msg("%s: wanted %s, got %s", c->name,
			    c->want ? "his" : "not his",
			    got ? "his" : "not his");
		arena_clear(&owner.arena);
		arena_clear(&arena);
	}
	conf_errors_clear(&errors);
	conf_release(&conf);
}

static void
test_owner_that_is_not_told(void **state)
{
	struct fault fault;

	(void)state;
	assert_false(
	    queue_owner_can_tell(LIMIT_KEY_ACCOUNT, "uid:1000", &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_false(
	    queue_owner_can_tell(LIMIT_KEY_FROM_DOMAIN, "a.example", &fault));
	assert_true(queue_owner_can_tell(LIMIT_KEY_ACCOUNT, "alice", &fault));
	assert_false(
	    queue_owner_can_tell(LIMIT_KEY_PARENT, "uid:1000", &fault));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_max),
		cmocka_unit_test(test_reason),
		cmocka_unit_test(test_leaders),
		cmocka_unit_test(test_leaders_of_many),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_listed),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_envelope_too_long),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_owner_that_is_not_told),
	};

	return cmocka_run_group_tests_name("ctl_limits", tests, NULL, NULL);
}
