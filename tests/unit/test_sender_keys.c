/* Which keys of a map decide about a sender address. */
#include "policy/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18 };

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

static const struct {
	const char *name, *delimiters, *mailbox;
	const char *want; /* the keys, a blank after each */
} questions[] = {
	{ "plain", "+", "alice@a.example", "alice@a.example @a.example " },
	{ "an extension", "+", "alice+news@a.example",
	    "alice+news@a.example alice@a.example @a.example " },
	{ "two extensions", "+", "alice+a+b@a.example",
	    "alice+a+b@a.example alice@a.example @a.example " },
	{ "an empty extension", "+", "alice+@a.example",
	    "alice+@a.example alice@a.example @a.example " },
	{ "no delimiter", "", "alice+news@a.example",
	    "alice+news@a.example @a.example " },
	{ "another delimiter", "-", "alice+news@a.example",
	    "alice+news@a.example @a.example " },
	{ "the first of several delimiters", "+-", "alice-a+b@a.example",
	    "alice-a+b@a.example alice@a.example @a.example " },
	{ "a delimiter in front", "+", "+alice@a.example",
	    "+alice@a.example @a.example " },
	{ "a delimiter in front and one behind", "+", "+alice+x@a.example",
	    "+alice+x@a.example +alice@a.example @a.example " },
	{ "two delimiters in front", "+", "++x@a.example",
	    "++x@a.example +@a.example @a.example " },
	{ "only a delimiter", "+", "+@a.example", "+@a.example @a.example " },
	{ "capitals", "+", "Alice+News@A.Example",
	    "alice+news@a.example alice@a.example @a.example " },
	{ "a U-label", "+",
	    "alice@b\xc3\xbc"
	    "cher.example",
	    "alice@xn--bcher-kva.example @xn--bcher-kva.example " },
	{ "needless quotes", "+", "\"alice\"@a.example",
	    "alice@a.example @a.example " },
	{ "quotes", "+", "\"a(b\"@a.example", "\"a(b\"@a.example @a.example " },
	{ "quotes round an extension", "+", "\"a(b+x\"@a.example",
	    "\"a(b+x\"@a.example \"a(b\"@a.example @a.example " },
	{ "quotes only for the extension", "+", "\"alice+)\"@a.example",
	    "\"alice+)\"@a.example alice@a.example @a.example " },
	{ "escapes", "+", "\"a\\\"b\\\\+x\"@a.example",
	    "\"a\\\"b\\\\+x\"@a.example \"a\\\"b\\\\\"@a.example "
	    "@a.example " },
	{ "another address inside", "+", "\"bob@b.example+x\"@a.example",
	    "\"bob@b.example+x\"@a.example \"bob@b.example\"@a.example "
	    "@a.example " },
	{ "a stem that needs quotes", "+", "a.+x@a.example",
	    "a.+x@a.example \"a.\"@a.example @a.example " },
	{ "EAI", "+", "j\xc3\xbcrgen+x@a.example",
	    "j\xc3\xbcrgen+x@a.example j\xc3\xbcrgen@a.example @a.example " },
	{ "an address literal", "+", "alice+x@[192.0.2.1]",
	    "alice+x@[192.0.2.1] alice@[192.0.2.1] @[192.0.2.1] " },
	{ "a subdomain", "+", "alice@mail.a.example",
	    "alice@mail.a.example @mail.a.example @.a.example " },
	{ "an extension at a subdomain", "+", "Alice+x@Mail.A.Example",
	    "alice+x@mail.a.example alice@mail.a.example @mail.a.example "
	    "@.a.example " },
	{ "the nearest parent first", "+", "a@d.c.b.a.example",
	    "a@d.c.b.a.example @d.c.b.a.example @.c.b.a.example @.b.a.example "
	    "@.a.example " },
	{ "seven parents", "+", "a@7.6.5.4.3.2.1.a.example",
	    "a@7.6.5.4.3.2.1.a.example @7.6.5.4.3.2.1.a.example "
	    "@.6.5.4.3.2.1.a.example @.5.4.3.2.1.a.example "
	    "@.4.3.2.1.a.example @.3.2.1.a.example @.2.1.a.example "
	    "@.1.a.example @.a.example " },
	{ "more than seven parents", "+", "a@8.7.6.5.4.3.2.1.a.example",
	    "a@8.7.6.5.4.3.2.1.a.example @8.7.6.5.4.3.2.1.a.example "
	    "@.7.6.5.4.3.2.1.a.example @.6.5.4.3.2.1.a.example "
	    "@.5.4.3.2.1.a.example @.4.3.2.1.a.example @.3.2.1.a.example "
	    "@.2.1.a.example @.1.a.example " },
	{ "a top-level domain", "+", "a@example", "a@example @example " },
	{ "a subdomain with a U-label", "+",
	    "a@b\xc3\xbc"
	    "cher.b\xc3\xbc"
	    "cher.example",
	    "a@xn--bcher-kva.xn--bcher-kva.example "
	    "@xn--bcher-kva.xn--bcher-kva.example "
	    "@.xn--bcher-kva.example " },
	{ "the null sender", "+", NULL, "" },
};

static void
keys_are_those_of_postfix(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(questions); i++) {
		struct sender_rules rules = {
			.recipient_delimiter = questions[i].delimiters,
		};
		struct sender_question question;
		struct mailbox mailbox;
		struct arena arena;
		char got[512] = "";
		size_t used = 0;

		arena_init(&arena, ARENA_BYTES);
		mailbox = mailbox_of(&arena, questions[i].mailbox);
		assert_true(
		    sender_question(&rules, &mailbox, &arena, &question));
		for (size_t k = 0; k < question.count; k++)
			used += (size_t)snprintf(got + used, sizeof got - used,
			    "%s ", question.keys[k]);
		if (strcmp(got, questions[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    questions[i].name, questions[i].want, got);
		arena_clear(&arena);
	}
}

static void
a_domain_has_keys(void **state)
{
	struct sender_question question;
	struct arena arena, none;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	arena_init(&none, 0);
	assert_true(sender_domain_question("a.example", &arena, &question));
	assert_int_equal(question.count, 1);
	assert_string_equal(question.keys[0], "@a.example");
	assert_true(sender_domain_question("c.b.a.example", &arena, &question));
	assert_int_equal(question.count, 3);
	assert_string_equal(question.keys[0], "@c.b.a.example");
	assert_string_equal(question.keys[1], "@.b.a.example");
	assert_string_equal(question.keys[2], "@.a.example");
	assert_false(sender_domain_question("a.example", &none, &question));
	arena_clear(&arena);
	arena_clear(&none);
}

static void
want_of_memory_is_told(void **state)
{
	struct sender_rules rules = { .recipient_delimiter = "+" };
	struct sender_question question;
	struct arena arena, none;
	struct mailbox mailbox;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	arena_init(&none, 0);
	mailbox = mailbox_of(&arena, "alice+x@a.example");
	assert_false(sender_question(&rules, &mailbox, &none, &question));
	arena_clear(&arena);
	arena_clear(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_postfix),
		cmocka_unit_test(a_domain_has_keys),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests_name("sender_keys", tests, NULL, NULL);
}
