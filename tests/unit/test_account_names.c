/* Accounts that others name: identity_header, from one host to the next, and
 * accounts.map. */
#include "policy/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOST "panel1.example.net"
#define FIFTY "01234567890123456789012345678901234567890123456789"
#define FIVE_HUNDRED FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY

enum { ARENA_BYTES = 1 << 18 };

static const char *
shown(const char *text)
{
	return text != NULL ? text : "(none)";
}

static void
want_text(
    const char *name, const char *what, const char *wanted, const char *got)
{
	if (strcmp(shown(wanted), shown(got)) != 0)
		fail_msg("%s, %s: wanted %s, got %s", name, what, shown(wanted),
		    shown(got));
}

static const struct {
	const char *name, *said;
	bool is_case_sensitive;
	const char *account, *own, *own_domain, *parent;
} headers[] = {
	{ "an address", "Alice@A.Example", false, "alice@a.example",
	    "Alice@a.example", "a.example", "a.example" },
	{ "an address, case-sensitive", "Alice@A.Example", true,
	    "Alice@a.example", "Alice@a.example", "a.example", "a.example" },
	{ "a bare login", "Alice", false, "alice", NULL, NULL, "alice" },
	{ "a uid of the other host", "uid:33@" HOST, false, "uid:33@" HOST,
	    NULL, NULL, "uid:33@" HOST },
	{ "a uid of a host that told none", "uid:33", false, "uid:33", NULL,
	    NULL, "uid:33" },
	{ "a client of the other host", "client:10.0.0.1@" HOST, false,
	    "client:10.0.0.1@" HOST, NULL, NULL, "client:10.0.0.1@" HOST },
	{ "a prefixed login gets no second prefix", "sasl:uid:0", false,
	    "sasl:uid:0", NULL, NULL, "sasl:uid:0" },
	{ "the other host", "local:" HOST, false, "local:" HOST, NULL, HOST,
	    HOST },
	{ "the other host's bounces", "bounces:" HOST, false, "bounces:" HOST,
	    NULL, HOST, HOST },
	{ "a host that is no domain", "local:a host", false, "local:a host",
	    NULL, NULL, "local:a host" },
	{ "a login that looks like the host", "sasl:local:" HOST, false,
	    "sasl:local:" HOST, NULL, NULL, "sasl:local:" HOST },
	{ "control characters", "a\r\nb", false, "a\r\nb", NULL, NULL,
	    "a\r\nb" },
};

static void
header_names_the_account(void **state)
{
	struct account_rules rules = { .identify = { ACCOUNT_HEADER,
					   ACCOUNT_SASL },
		.identify_count = 2,
		.default_domain = "customers.example" };
	struct connection_facts connection = { .client_port = 4711 };

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		struct message_facts facts = { .connection = &connection,
			.login = "relay",
			.identity = headers[i].said };
		const char *name = headers[i].name;
		struct account got;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		rules.is_case_sensitive = headers[i].is_case_sensitive;
		assert_true(account_identify(
		    &rules, &facts, CLASS_RELAY, &arena, &got));
		assert_int_equal(got.source, ACCOUNT_HEADER);
		want_text(name, "account", headers[i].account, got.name);
		want_text(name, "own", headers[i].own, got.own.text);
		want_text(
		    name, "own domain", headers[i].own_domain, got.own_domain);
		want_text(name, "parent", headers[i].parent, got.parent);
		want_text(name, "host", NULL, got.host);
		want_text(name, "plan", NULL, got.plan);
		arena_clear(&arena);
	}
}

static void
header_is_one_source_of_several(void **state)
{
	struct account_rules rules = { .identify = { ACCOUNT_SASL,
					   ACCOUNT_HEADER },
		.identify_count = 2 };
	struct connection_facts connection = { .client_port = 4711 };
	struct message_facts facts = {
		.connection = &connection, .login = "alice", .identity = "bob"
	};
	struct account got;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_true(
	    account_identify(&rules, &facts, CLASS_SUBMISSION, &arena, &got));
	want_text("after a login", "account", "alice", got.name);
	facts.login = NULL;
	assert_true(
	    account_identify(&rules, &facts, CLASS_RELAY, &arena, &got));
	want_text("no login", "account", "bob", got.name);
	assert_true(
	    account_identify(&rules, &facts, CLASS_INBOUND, &arena, &got));
	want_text("inbound", "account", "client:unknown", got.name);
	facts.identity = NULL;
	assert_true(
	    account_identify(&rules, &facts, CLASS_RELAY, &arena, &got));
	want_text("none said", "account", "client:unknown", got.name);
	facts.identity = FIVE_HUNDRED "01@a.example";
	assert_true(
	    account_identify(&rules, &facts, CLASS_RELAY, &arena, &got));
	assert_false(got.is_too_long);
	facts.identity = FIVE_HUNDRED "012@a.example";
	assert_true(
	    account_identify(&rules, &facts, CLASS_RELAY, &arena, &got));
	assert_true(got.is_too_long);
	want_text("too long", "own domain", NULL, got.own_domain);
	arena_clear(&arena);
	arena_init(&arena, 0);
	assert_false(
	    account_identify(&rules, &facts, CLASS_RELAY, &arena, &got));
	arena_clear(&arena);
}

/* The name, and the value of its field if that isn't the same. */
static const struct {
	const char *name, *account, *host, *value, *read;
} values[] = {
	{ "an address", "alice@a.example", NULL, "alice@a.example",
	    "alice@a.example" },
	{ "a uid", "uid:33", HOST, "uid:33@" HOST, "uid:33@" HOST },
	{ "a client", "client:2001:db8:0:1::/64", HOST,
	    "client:2001:db8:0:1::/64@" HOST,
	    "client:2001:db8:0:1::/64@" HOST },
	{ "the host", "local:" HOST, NULL, "local:" HOST, "local:" HOST },
	{ "a blank", "rack nine", NULL, "rack%20nine", "rack nine" },
	{ "a percent sign", "100%41", NULL, "100%2541", "100%41" },
	{ "a line of its own", "a\r\nX-Spam: no", NULL, "a%0D%0AX-Spam:%20no",
	    "a\r\nX-Spam: no" },
	{ "UTF-8", "\xc3\xa4lice", NULL, "%C3%A4lice", "\xc3\xa4lice" },
	{ "octets", "\x01\x7f\x80\xff", NULL, "%01%7F%80%FF",
	    "\x01\x7f\x80\xff" },
};

static void
identity_goes_and_comes_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct account account = { .name = values[i].account,
			.host = values[i].host };
		struct fault fault = { .words = "" };
		const char *value;
		const char *read = NULL;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		value = account_identity_value(&account, &arena);
		want_text(values[i].name, "value", values[i].value, value);
		if (!account_identity_read(value, &arena, &read, &fault))
			fail_msg("%s: wanted a name, got: %s", values[i].name,
			    fault.words);
		want_text(values[i].name, "read", values[i].read, read);
		arena_clear(&arena);
	}
}

/* Any name of any length, in lines that mail can carry. */
static void
long_identities_are_folded(void **state)
{
	char name[ACCOUNT_OCTETS + 1];
	struct account account = { .name = name };

	(void)state;
	for (size_t length = 1; length <= ACCOUNT_OCTETS; length++) {
		const char *value;
		const char *read;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		for (size_t i = 0; i < length; i++)
			name[i] = (char)((length * 7 + i * 31) % 255 + 1);
		name[length] = '\0';
		value = account_identity_value(&account, &arena);
		assert_non_null(value);
		for (const char *line = value; line != NULL;) {
			const char *end = strchr(line, '\n');
			size_t octets =
			    end != NULL ? (size_t)(end - line) : strlen(line);

			if (octets > 900 || octets == 0
			    || (end != NULL && end[1] != ' '))
				fail_msg("%zu octets: wanted lines of at most "
					 "900, got one of %zu",
				    length, octets);
			line = end != NULL ? end + 1 : NULL;
		}
		assert_true(account_identity_read(value, &arena, &read, NULL));
		want_text("a long name", "read", name, read);
		arena_clear(&arena);
	}
}

static const struct {
	const char *name, *value, *want;
} readings[] = {
	{ "as header fields come", " alice@a.example", "alice@a.example" },
	{ "blanks around it", "\r\n\t alice \r\n", "alice" },
	{ "a fold", "al\n ice", "alice" },
	{ "a fold, CRLF and a tab", "al\r\n\tice", "alice" },
	{ "small digits", "%c3%a4", "\xc3\xa4" },
	{ "an encoded letter", "%41lice", "Alice" },
	{ "512 octets", FIVE_HUNDRED "012345678901",
	    FIVE_HUNDRED "012345678901" },
	{ "513 octets", FIVE_HUNDRED "0123456789012", NULL },
	{ "nothing", "", NULL },
	{ "blanks only", " \r\n ", NULL },
	{ "a blank within", "rack nine", NULL },
	{ "a NUL", "alice%00bob", NULL },
	{ "half an octet", "alice%4", NULL },
	{ "no octet", "alice%", NULL },
	{ "no digits", "alice%zz", NULL },
	{ "one digit", "alice%4z", NULL },
	{ "a fold within an octet", "alice%4\n 1", NULL },
	{ "an octet above 127", "\xc3\xa4lice", NULL },
	{ "a control character", "alice\x01", NULL },
	{ "DEL", "alice\x7f", NULL },
};

static void
identity_is_read(void **state)
{
	const char *got;
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < COUNT(readings); i++) {
		struct fault fault = { .kind = FAULT_NONE, .words = "" };
		bool is_read;

		arena_init(&arena, ARENA_BYTES);
		is_read = account_identity_read(
		    readings[i].value, &arena, &got, &fault);
		want_text(readings[i].name, "read", readings[i].want,
		    is_read ? got : NULL);
		if (!is_read
		    && (fault.kind != FAULT_PERMANENT || *fault.words == '\0'))
			fail_msg(
			    "%s: wanted words, got none", readings[i].name);
		arena_clear(&arena);
	}
	arena_init(&arena, 0);
	assert_false(account_identity_read("alice", &arena, &got, NULL));
	assert_null(account_identity_value(
	    &(struct account){ .name = "alice" }, &arena));
	arena_clear(&arena);
}

static const struct {
	const char *name, *value;
	bool is_case_sensitive, is_good;
	const char *account, *parent, *plan;
} entries[] = {
	{ "all three", "alice customer17 shop", false, true, "alice",
	    "customer17", "shop" },
	{ "an account", "alice", false, true, "alice", NULL, NULL },
	{ "a parent", "- customer17", false, true, NULL, "customer17", NULL },
	{ "a plan", "- - shop", false, true, NULL, NULL, "shop" },
	{ "nothing", "- - -", false, true, NULL, NULL, NULL },
	{ "blanks", " \talice \t customer17\r\n", false, true, "alice",
	    "customer17", NULL },
	{ "folded", "Alice@A.Example Customer17 Shop", false, true,
	    "alice@a.example", "customer17", "Shop" },
	{ "case-sensitive", "Alice@A.Example", true, true, "Alice@a.example",
	    NULL, NULL },
	{ "an A-label",
	    "alice@B\xc3\x9c"
	    "CHER.example",
	    false, true, "alice@xn--bcher-kva.example", NULL, NULL },
	{ "any name", "uid:33", false, true, "uid:33", NULL, NULL },
	{ "empty", "", false, false, NULL, NULL, NULL },
	{ "blanks only", " \t", false, false, NULL, NULL, NULL },
	{ "too many", "alice customer17 shop now", false, false, NULL, NULL,
	    NULL },
	{ "512 octets", FIVE_HUNDRED "012345678901", false, true,
	    FIVE_HUNDRED "012345678901", NULL, NULL },
	{ "513 octets", FIVE_HUNDRED "0123456789012", false, false, NULL, NULL,
	    NULL },
	{ "513 octets by its A-label",
	    FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY
	    "01234567890123456789012345678901234567@b\xc3\xbc"
	    "cher.example.com",
	    false, false, NULL, NULL, NULL },
	{ "a parent of 513 octets", "- " FIVE_HUNDRED "0123456789012", false,
	    false, NULL, NULL, NULL },
};

static void
entries_are_read(void **state)
{
	struct account_entry entry;
	struct fault fault;
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < COUNT(entries); i++) {
		const char *name = entries[i].name;
		bool is_good;

		arena_init(&arena, ARENA_BYTES);
		fault = (struct fault){ .kind = FAULT_NONE, .words = "" };
		is_good = account_entry_parse(entries[i].value,
		    entries[i].is_case_sensitive, &arena, &entry, &fault);
		if (is_good != entries[i].is_good)
			fail_msg("%s: wanted %s, got %s %s", name,
			    entries[i].is_good ? "an entry" : "a fault",
			    is_good ? "an entry" : "a fault", fault.words);
		assert_true(is_good || fault.kind == FAULT_PERMANENT);
		want_text(name, "account", entries[i].account, entry.account);
		want_text(name, "parent", entries[i].parent, entry.parent);
		want_text(name, "plan", entries[i].plan, entry.plan);
		arena_clear(&arena);
	}
	arena_init(&arena, 0);
	assert_false(
	    account_entry_parse("a b c", false, &arena, &entry, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	arena_clear(&arena);
}

static const struct {
	const char *name;
	struct account account;
	const char *keys[ACCOUNT_MAP_KEYS];
} key_cases[] = {
	{ "an address",
	    { .name = "alice@a.example", .own_domain = "a.example" },
	    { "alice@a.example", "@a.example" } },
	{ "no domain", { .name = "alice" }, { "alice", NULL } },
	{ "capitals", { .name = "Alice@a.example", .own_domain = "a.example" },
	    { "alice@a.example", "@a.example" } },
	{ "a name that was cut", { .name = "alice", .is_too_long = true },
	    { NULL, NULL } },
};

static void
keys_are_listed(void **state)
{
	const char *keys[ACCOUNT_MAP_KEYS];
	struct arena arena;
	size_t count;

	(void)state;
	for (size_t i = 0; i < COUNT(key_cases); i++) {
		arena_init(&arena, ARENA_BYTES);
		assert_true(account_map_keys(
		    &key_cases[i].account, &arena, keys, &count));
		for (size_t k = 0; k < ACCOUNT_MAP_KEYS; k++)
			want_text(key_cases[i].name, "key",
			    key_cases[i].keys[k], k < count ? keys[k] : NULL);
		arena_clear(&arena);
	}
	arena_init(&arena, 0);
	assert_false(
	    account_map_keys(&key_cases[0].account, &arena, keys, &count));
	arena_clear(&arena);
}

static const struct {
	const char *name;
	struct account account;
	struct account_entry entry;
	const char *account_then, *parent, *plan, *host;
} applied[] = {
	{ "nothing said", { .name = "alice", .parent = "alice" },
	    { NULL, NULL, NULL }, "alice", "alice", NULL, NULL },
	{ "all of it",
	    { .name = "alice@a.example",
		.own_domain = "a.example",
		.parent = "a.example" },
	    { "bob", "customer17", "shop" }, "bob", "customer17", "shop",
	    NULL },
	{ "a new name keeps the domain for a parent",
	    { .name = "alice@a.example",
		.own_domain = "a.example",
		.parent = "a.example" },
	    { "bob", NULL, NULL }, "bob", "a.example", NULL, NULL },
	{ "without one it is its own parent",
	    { .name = "alice", .parent = "alice" }, { "bob", NULL, NULL },
	    "bob", "bob", NULL, NULL },
	{ "a plan alone", { .name = "alice", .parent = "alice" },
	    { NULL, NULL, "shop" }, "alice", "alice", "shop", NULL },
	{ "a uid that has a name is that name everywhere",
	    { .name = "uid:33", .parent = "uid:33", .host = HOST },
	    { "www", NULL, NULL }, "www", "www", NULL, NULL },
	{ "a uid with a parent is still the host's",
	    { .name = "uid:33", .parent = "uid:33", .host = HOST },
	    { NULL, "customer17", NULL }, "uid:33", "customer17", NULL, HOST },
};

static void
entries_are_applied(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(applied); i++) {
		struct account got = applied[i].account;
		const char *name = applied[i].name;

		account_apply(&got, &applied[i].entry);
		want_text(name, "account", applied[i].account_then, got.name);
		want_text(name, "parent", applied[i].parent, got.parent);
		want_text(name, "plan", applied[i].plan, got.plan);
		want_text(name, "host", applied[i].host, got.host);
		want_text(name, "own domain", applied[i].account.own_domain,
		    got.own_domain);
		got = applied[i].account;
		account_apply(&got, NULL);
		assert_memory_equal(&got, &applied[i].account, sizeof(got));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_names_the_account),
		cmocka_unit_test(header_is_one_source_of_several),
		cmocka_unit_test(identity_goes_and_comes_back),
		cmocka_unit_test(long_identities_are_folded),
		cmocka_unit_test(identity_is_read),
		cmocka_unit_test(entries_are_read),
		cmocka_unit_test(keys_are_listed),
		cmocka_unit_test(entries_are_applied),
	};

	return cmocka_run_group_tests_name("account_names", tests, NULL, NULL);
}
