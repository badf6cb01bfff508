/* Where mail leaves from: what is asked of a map, and what it may say. */
#include "policy/egress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18, WORDS = 2000 };

static const struct {
	const char *name, *transport, *sender;
	const char *want; /* the keys, a blank after each */
} questions[] = {
	{ "a sender", NULL, "alice@a.example",
	    "alice@a.example @a.example * " },
	{ "a transport that isn't known", "", "alice@a.example",
	    "alice@a.example @a.example * " },
	{ "a transport", "smtp", "alice@a.example",
	    "transport:smtp alice@a.example @a.example * " },
	{ "capitals", "SMTP-Bulk", "Alice@A.Example",
	    "transport:smtp-bulk alice@a.example @a.example * " },
	{ "a subdomain", NULL, "a@c.b.a.example",
	    "a@c.b.a.example @c.b.a.example @.b.a.example @.a.example * " },
	{ "seven parents", NULL, "a@8.7.6.5.4.3.2.1.a.example",
	    "a@8.7.6.5.4.3.2.1.a.example @8.7.6.5.4.3.2.1.a.example "
	    "@.7.6.5.4.3.2.1.a.example @.6.5.4.3.2.1.a.example "
	    "@.5.4.3.2.1.a.example @.4.3.2.1.a.example @.3.2.1.a.example "
	    "@.2.1.a.example @.1.a.example * " },
	{ "an extension is part of the name", NULL, "a+x@a.example",
	    "a+x@a.example @a.example * " },
	{ "a literal has no parents", NULL, "a@[192.0.2.1]",
	    "a@[192.0.2.1] @[192.0.2.1] * " },
	{ "the null sender", NULL, NULL, "* " },
	{ "the null sender by a transport", "smtp", NULL, "transport:smtp * " },
};

static struct mailbox
mailbox_of(struct arena *arena, const char *text)
{
	struct mailbox mailbox = { 0 };
	struct fault fault;

	if (text != NULL
	    && !address_mailbox(arena, text, strlen(text), &mailbox, &fault))
		fail_msg("\"%s\": wanted a mailbox, got %s", text, fault.words);
	return mailbox;
}

static void
keys_have_an_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(questions); i++) {
		struct egress_question question;
		struct mailbox sender;
		struct arena arena;
		char got[WORDS] = "";
		size_t used = 0;

		arena_init(&arena, ARENA_BYTES);
		sender = mailbox_of(&arena, questions[i].sender);
		assert_true(egress_question(
		    questions[i].transport, &sender, &arena, &question));
		for (size_t k = 0; k < question.count; k++) {
			used += (size_t)snprintf(got + used, sizeof got - used,
			    "%s ", question.keys[k]);
			if (!egress_is_key(question.keys[k]))
				fail_msg("%s: %s counts as never asked for",
				    questions[i].name, question.keys[k]);
		}
		if (strcmp(got, questions[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    questions[i].name, questions[i].want, got);
		arena_clear(&arena);
	}
}

static void
want_of_memory_is_told(void **state)
{
	struct egress_question question;
	struct fault fault = { .kind = FAULT_NONE };
	const struct egress *egress;
	struct egress one;
	struct arena arena, none;
	struct mailbox sender;
	size_t count;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	arena_init(&none, 0);
	sender = mailbox_of(&arena, "alice@a.example");
	assert_false(egress_question("smtp", &sender, &none, &question));
	assert_false(egress_question(NULL, &sender, &none, &question));
	sender = mailbox_of(&arena, NULL);
	assert_false(egress_question(NULL, &sender, &none, &question));
	assert_false(egress_parse("192.0.2.1", 9, &none, &one, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	fault.kind = FAULT_NONE;
	assert_false(egress_read(
	    "192.0.2.1 a.example", NULL, 0, &none, &egress, &count, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	arena_clear(&arena);
	arena_clear(&none);
}

static void
keys_that_are_never_asked_for_are_known(void **state)
{
	static const char *const keys[] = { "a.example", "alice",
		"transport:", "@", "alice@", "", "**", "smtp:", "192.0.2.1" };

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++)
		if (egress_is_key(keys[i]))
			fail_msg("\"%s\": wanted no key", keys[i]);
}

static const struct {
	const char *name, *value;
	const char *want; /* "ADDRESS HELO|" of each, or words of the fault */
} values[] = {
	{ "one", "192.0.2.9 mx9.example.net", "192.0.2.9 mx9.example.net|" },
	{ "two", "192.0.2.8 a.example,192.0.2.9 b.example",
	    "192.0.2.8 a.example|192.0.2.9 b.example|" },
	{ "blanks", "  192.0.2.8 \t a.example  ,\t2001:DB8::9  b.example ",
	    "192.0.2.8 a.example|2001:db8::9 b.example|" },
	{ "a HELO is normalised",
	    "192.0.2.9 MX.B\xc3\xbc"
	    "cher.example.",
	    "192.0.2.9 mx.xn--bcher-kva.example|" },
	{ "known ones need no HELO", "192.0.2.1, 2001:db8:0::1",
	    "192.0.2.1 mx1.example.net|2001:db8::1 mx6.example.net|" },
	{ "another HELO than the known one", "192.0.2.1 other.example.net",
	    "192.0.2.1 other.example.net|" },
	{ "an address in another form", "::ffff:192.0.2.1",
	    "192.0.2.1 mx1.example.net|" },
	{ "not known", "192.0.2.2",
	    "\"192.0.2.2\" has no HELO, and isn't in egress; write "
	    "\"192.0.2.2 mx1.example.net\"" },
	{ "nothing", "", "\"\" is no address; write for example" },
	{ "blanks alone", " ", "\"\" is no address" },
	{ "a comma too many", "192.0.2.1,", "\"\" is no address" },
	{ "a name alone", "mx1.example.net", "\"mx1.example.net\" is no" },
	{ "the wrong way round", "mx1.example.net 192.0.2.1",
	    "\"mx1.example.net\" is no address" },
	{ "a network", "192.0.2.0/24 a.example",
	    "\"192.0.2.0/24\" is no address" },
	{ "brackets", "[192.0.2.1]", "\"[192.0.2.1]\" is no address" },
	{ "two names", "192.0.2.1 a.example b.example",
	    "\"a.example b.example\" is more than one name" },
	{ "a HELO that can't be", "192.0.2.1 a..example",
	    "\"a..example\" can't be the name that is said there" },
	{ "a HELO in brackets", "192.0.2.1 [192.0.2.1]",
	    "\"[192.0.2.1]\" can't be the name" },
	{ "an address as HELO", "192.0.2.1 192.0.2.1",
	    "\"192.0.2.1\" is an address; the name that is said there" },
	{ "a short HELO", "192.0.2.1 localhost", "\"localhost\" has no dot" },
	{ "twice", "192.0.2.1, ::ffff:192.0.2.1 a.example",
	    "\"192.0.2.1\" is there twice" },
	{ "a line end", "192.0.2.1\nx.example", "\"192.0.2.1?x.example\" is" },
	{ "a long word",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is no address" },
};

static struct egress
known_egress(struct arena *arena, const char *text)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct egress egress;

	if (!egress_parse(text, strlen(text), arena, &egress, &fault))
		fail_msg("%s: %s", text, fault.words);
	return egress;
}

static void
show(const struct egress *egress, size_t count, char got[WORDS])
{
	size_t used = 0;

	got[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(got + used, WORDS - used, "%s %s|",
		    egress[i].text, egress[i].helo);
}

static void
values_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		struct fault fault = { .kind = FAULT_NONE };
		const struct egress *egress;
		struct egress known[2];
		struct arena arena;
		char got[WORDS];
		size_t count;

		arena_init(&arena, ARENA_BYTES);
		known[0] = known_egress(&arena, "192.0.2.1 mx1.example.net");
		known[1] = known_egress(&arena, "2001:db8::1 mx6.example.net");
		if (egress_read(values[i].value, known, 2, &arena, &egress,
			&count, &fault)) {
			show(egress, count, got);
			if (strcmp(got, values[i].want) != 0)
				fail_msg("%s: wanted \"%s\", got \"%s\"",
				    values[i].name, values[i].want, got);
		} else if (fault.kind != FAULT_PERMANENT
		    || strncmp(
			   fault.words, values[i].want, strlen(values[i].want))
			!= 0) {
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    values[i].name, values[i].want, fault.words);
		}
		arena_clear(&arena);
	}
}

static void
there_are_so_many_at_most(void **state)
{
	struct fault fault = { .kind = FAULT_NONE };
	const struct egress *egress;
	char value[WORDS] = "";
	struct arena arena;
	size_t used = 0;
	size_t count;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (unsigned i = 0; i < PREFLIGHT_EGRESS; i++)
		used += (size_t)snprintf(value + used, sizeof(value) - used,
		    "%s192.0.2.%u a.example", i > 0 ? "," : "", i);
	assert_true(
	    egress_read(value, NULL, 0, &arena, &egress, &count, &fault));
	assert_int_equal(count, PREFLIGHT_EGRESS);
	assert_string_equal(egress[PREFLIGHT_EGRESS - 1].text, "192.0.2.15");
	snprintf(value + used, sizeof(value) - used, ",192.0.2.99 a.example");
	assert_false(
	    egress_read(value, NULL, 0, &arena, &egress, &count, &fault));
	assert_string_equal(fault.words, "more than 16 addresses; remove some");
	arena_clear(&arena);
}

static void
a_length_ends_the_text(void **state)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct egress egress;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_true(
	    egress_parse("192.0.2.12 a.example", 9, &arena, &egress, &fault));
	assert_string_equal(egress.text, "192.0.2.1");
	assert_null(egress.helo);
	assert_true(
	    egress_parse("192.0.2.1 a.example", 18, &arena, &egress, &fault));
	assert_string_equal(egress.helo, "a.exampl");
	assert_false(
	    egress_parse("192.0.2.1\0 a.example", 20, &arena, &egress, &fault));
	assert_false(egress_parse(
	    "192.0.2.1 a.example\0b", 21, &arena, &egress, &fault));
	arena_clear(&arena);
}

static void
addresses_that_nobody_sees_are_known(void **state)
{
	static const struct {
		const char *address;
		bool want;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "10.1.2.3", true },
		{ "9.255.255.255", false },
		{ "172.15.255.255", false },
		{ "172.16.0.1", true },
		{ "172.31.255.255", true },
		{ "172.32.0.0", false },
		{ "192.168.255.1", true },
		{ "192.169.0.1", false },
		{ "169.254.1.1", true },
		{ "100.64.0.1", true },
		{ "100.128.0.1", false },
		{ "0.0.0.0", true },
		{ "192.0.2.1", false },
		{ "::1", true },
		{ "::", true },
		{ "::ffff:10.0.0.1", true },
		{ "fd00::1", true },
		{ "fe80::1", true },
		{ "fec0::1", false },
		{ "2001:db8::1", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct address address;

		assert_true(network_address(cases[i].address, &address));
		if (egress_is_private(&address) != cases[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    cases[i].address,
			    cases[i].want ? "private" : "public");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_have_an_order),
		cmocka_unit_test(keys_that_are_never_asked_for_are_known),
		cmocka_unit_test(want_of_memory_is_told),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(there_are_so_many_at_most),
		cmocka_unit_test(a_length_ends_the_text),
		cmocka_unit_test(addresses_that_nobody_sees_are_known),
	};

	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
