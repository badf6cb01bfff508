/* The grammar of the configuration: what a text is read as, and every mistake
 * with its line. */
#include "conf/parse.h"
#include "policy/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct problem_source source = { .name = "t", .directory = "/" };

static void
show_option(struct text *out, const struct parse_option *option)
{
	text_addf(out, "%zu:%s=", option->line, option->name);
	if (option->is_broken)
		text_add(out, "?");
	if (option->is_list)
		text_add(out, "{");
	for (const struct parse_value *value = option->values;
	     !option->is_broken && value != NULL; value = value->next)
		text_addf(out, "%s%s", value == option->values ? "" : ",",
		    value->text);
	text_add(out, option->is_list ? "};" : ";");
}

static void
show_section(struct text *out, const struct parse_section *section)
{
	for (const struct parse_option *option = section->options;
	     option != NULL; option = option->next)
		show_option(out, option);
}

static void
show_tree(struct text *out, const struct parse_tree *tree)
{
	show_section(out, &tree->top);
	for (const struct parse_section *section = tree->sections;
	     section != NULL; section = section->next) {
		text_addf(out, "%zu:%s", section->line, section->name);
		if (section->label != NULL)
			text_addf(out, "(%s)", section->label);
		text_add(out, "[");
		show_section(out, section);
		text_add(out, "]");
	}
}

struct good_case {
	const char *name;
	const char *text;
	const char *want;
};

static const struct good_case good_cases[] = {
	{ "empty", "", "" },
	{ "blanks and comments", "  # one\n\n\t# two", "" },
	{ "a comment without end", "#", "" },
	{ "a byte order mark",
	    "\xEF\xBB\xBF"
	    "a = b",
	    "1:a=b;" },
	{ "an option", "a = b", "1:a=b;" },
	{ "without blanks", "a=b", "1:a=b;" },
	{ "several on a line", "a = b c = d  e=f", "1:a=b;1:c=d;1:e=f;" },
	{ "one a line", "a = b\nc = d\n", "1:a=b;2:c=d;" },
	{ "a string", "a = \"b c\"", "1:a=b c;" },
	{ "an empty string", "a = \"\"", "1:a=;" },
	{ "escapes", "a = \"q\\\"b\\\\n\"", "1:a=q\"b\\n;" },
	{ "no expansion", "a = \"${HOME} %s\"", "1:a=${HOME} %s;" },
	{ "a hash in a string", "a = \"b # c\"", "1:a=b # c;" },
	{ "a comment after a value", "a = b# c\nd = e", "1:a=b;2:d=e;" },
	{ "slashes are no comment", "a = inet://x//y", "1:a=inet://x//y;" },
	{ "bare specials", "a = unix:/x/y@z%b*", "1:a=unix:/x/y@z%b*;" },
	{ "UTF-8",
	    "a = b\xC3\xBC"
	    "cher.example",
	    "1:a=b\xC3\xBC"
	    "cher.example;" },
	{ "an empty list", "a = { }", "1:a={};" },
	{ "a list", "a = { b, \"c d\", e }", "1:a={b,c d,e};" },
	{ "a list with a last comma", "a = { b, c, }", "1:a={b,c};" },
	{ "a list over lines", "a = {\n b, # one\n c\n}\nd = e",
	    "1:a={b,c};5:d=e;" },
	{ "a list without blanks", "a={b,c}d=e", "1:a={b,c};1:d=e;" },
	{ "a value on the next line", "a =\n  b\nc = d", "1:a=b;3:c=d;" },
	{ "a section", "s {\n a = b\n}\n", "1:s[2:a=b;]" },
	{ "an empty section", "s { }", "1:s[]" },
	{ "a section on one line", "s { a = b  c = d }", "1:s[1:a=b;1:c=d;]" },
	{ "its brace on the next line", "s\n{ a = b }", "1:s[2:a=b;]" },
	{ "a label", "s l { a = b }", "1:s(l)[1:a=b;]" },
	{ "a label in quotes", "s \"l m\" { }", "1:s(l m)[]" },
	{ "after a section", "s { }\na = b", "2:a=b;1:s[]" },
	{ "no line end", "s { a = b }", "1:s[1:a=b;]" },
	{ "a list in a section", "s { a = { b } c = d }",
	    "1:s[1:a={b};1:c=d;]" },
	{ "the sample's limit",
	    "limit \"hourly\" { key = account  count = recipients  max = 500 "
	    "  per = \"1h\"  action = tempfail }",
	    "1:limit(hourly)[1:key=account;1:count=recipients;1:max=500;"
	    "1:per=1h;1:action=tempfail;]" },
};

struct bad_case {
	const char *name;
	const char *text;
	size_t length;    /* 0: up to its NUL */
	const char *want; /* what was read all the same */
	const char *errors[8];
};

static const struct bad_case bad_cases[] = {
	{ "a word alone", "foo\na = b", 0, "2:a=b;",
	    { "t:1: foo: a word alone" } },
	{ "no equals sign", "mode enforce\na = b", 0, "2:a=b;",
	    { "t:1: mode: '=' is missing after the name: mode = enforce" } },
	{ "a line of prose is one mistake", "this is no option\na = b", 0,
	    "2:a=b;", { "t:1: this: '=' is missing" } },
	{ "a word before an option", "max a = 5", 0, "1:a=5;",
	    { "t:1: max: a word alone" } },
	{ "no value", "a =\nb = c", 0, "1:a=?;2:b=c;",
	    { "t:1: a: no value after '='" } },
	{ "no value at the end", "a =", 0, "1:a=?;",
	    { "t:1: a: no value after '='" } },
	{ "no value in a section", "s { a = }", 0, "1:s[1:a=?;]",
	    { "t:1: a: no value after '='" } },
	{ "no value before an option", "a = b = c", 0, "1:a=?;1:b=c;",
	    { "t:1: a: no value after '='" } },
	{ "no value before a section", "a =\ns { b = c }", 0,
	    "1:a=?;2:s[2:b=c;]", { "t:1: a: no value after '='" } },
	{ "two equals signs", "a == b\nc = d", 0, "1:a=?;2:c=d;",
	    { "t:1: a: no value after '='" } },
	{ "values without braces", "a = b, c\nd = e", 0, "1:a=?;2:d=e;",
	    { "t:1: a: several values stand in braces" } },
	{ "an open string", "a = \"b\nc = d", 0, "1:a=?;2:c=d;",
	    { "t:1: the string that begins here has no closing" } },
	{ "an open string at the end", "a = \"b", 0, "1:a=?;",
	    { "t:1: the string that begins here has no closing" } },
	{ "a string that ends in a backslash", "a = \"b\\\nc = d", 0,
	    "1:a=?;2:c=d;",
	    { "t:1: the string that begins here has no closing" } },
	{ "another escape", "a = \"b\\n\"", 0, "1:a=?;",
	    { "t:1: a backslash in a string" } },
	{ "a tab in a string", "a = \"b\tc\"", 0, "1:a=?;",
	    { "t:1: a tab in a string" } },
	{ "a bare backslash", "a = b\\c", 0, "1:a=?;",
	    { "t:1: b\\c: a value with a backslash" } },
	{ "single quotes", "a = 'b'", 0, "1:a=?;",
	    { "t:1: 'b': strings stand in double quotes" } },
	{ "semicolons", "a = b;\nc = d;", 0, "1:a=?;2:c=?;",
	    { "t:1: b;: no ';' stands", "t:2: d;: no ';' stands" } },
	{ "an open section", "s {\n a = b\n", 0, "1:s[2:a=b;]",
	    { "t:1: section s that begins here has no '}'" } },
	{ "an open section before another", "s {\n a = b\nt {\n c = d\n}", 0,
	    "1:s[2:a=b;]3:t[4:c=d;]",
	    { "t:3: section t within section s of line 1" } },
	{ "a section within a section", "s {\n t { a = b }\n}\nc = d", 0,
	    "4:c=d;1:s[]2:t[2:a=b;]",
	    { "t:2: section t within section s of line 1" } },
	{ "a brace too many", "a = b\n}\nc = d", 0, "1:a=b;3:c=d;",
	    { "t:2: '}' closes nothing" } },
	{ "a brace without a name", "{ a = b }\nc = d", 0, "2:c=d;",
	    { "t:1: '{' without the name of a section" } },
	{ "two braces", "s { { a = b } }\nc = d", 0, "2:c=d;1:s[1:a=b;]",
	    { "t:1: '{' without the name of a section" } },
	{ "an equals sign without a name", "= b\nc = d", 0, "2:c=d;",
	    { "t:1: '=' without the name" } },
	{ "a stray comma", ", b\nc = d", 0, "2:c=d;",
	    { "t:1: a ',' stands only in a list" } },
	{ "an open list at the end", "a = { b,\nc", 0, "1:a=?{};",
	    { "t:1: a: the list that begins here has no '}'" } },
	{ "an open list before an option", "a = { b,\nc = d", 0,
	    "1:a=?{};2:c=d;",
	    { "t:1: a: the list that begins here has no '}'" } },
	{ "an open list before a section", "a = { b\ns { c = d }", 0,
	    "1:a=?{};2:s[2:c=d;]",
	    { "t:1: a: the list that begins here has no '}'" } },
	{ "an open list before a named section", "a = { b\ns \"l\" { c = d }",
	    0, "1:a=?{};2:s(l)[2:c=d;]",
	    { "t:1: a: the list that begins here has no '}'" } },
	{ "an option within a list", "a = { b, c = d }\ne = f", 0,
	    "1:a=?{};1:c=d;2:e=f;",
	    { "t:1: a: the list that begins here has no '}'" } },
	{ "no comma in a list", "a = { b c }", 0, "1:a=?{};",
	    { "t:1: a: a ',' is missing after b" } },
	{ "a comma too many", "a = { b,, c }", 0, "1:a=?{};",
	    { "t:1: a: nothing stands before a ','" } },
	{ "only a comma", "a = { , }", 0, "1:a=?{};",
	    { "t:1: a: nothing stands before a ','" } },
	{ "a list in a list", "a = { b, { c, d }, e }\nf = g", 0,
	    "1:a=?{};2:f=g;", { "t:1: a: a list holds no list" } },
	{ "a name in quotes", "\"a\" = b", 0, "1:a=b;",
	    { "t:1: a: names of options stand without quotes" } },
	{ "a section's name in quotes", "\"s\" { }", 0, "1:s[]",
	    { "t:1: s: names of sections stand without quotes" } },
	{ "NUL", "a = b\nc = d\0e\nf = g", 19, "1:a=b;2:c=?;3:f=g;",
	    { "t:2: a NUL octet" } },
	{ "a control character", "a = b\001c", 0, "1:a=?;",
	    { "t:1: control character 0x01" } },
	{ "delete", "# \x7F", 0, "", { "t:1: control character 0x7F" } },
	{ "Latin-1", "\n# caf\xE9\na = b", 0, "3:a=b;",
	    { "t:2: octet 0xE9 is not UTF-8" } },
	{ "one complaint a line", "# \xE9 \x01 \xE9\n# \xE9", 0, "",
	    { "t:1: octet 0xE9 is not UTF-8",
		"t:2: octet 0xE9 is not UTF-8" } },
	{ "overlong UTF-8", "a = \xC0\xAF", 0, "1:a=?;",
	    { "t:1: octet 0xC0 is not UTF-8" } },
	{ "a surrogate", "a = \xED\xA0\x80", 0, "1:a=?;",
	    { "t:1: octet 0xED is not UTF-8" } },
	{ "a cut character", "a = \xC3", 0, "1:a=?;",
	    { "t:1: octet 0xC3 is not UTF-8" } },
	{ "text that turns round",
	    "a = \xE2\x80\xAE"
	    "b",
	    0, "1:a=?;", { "t:1: an invisible character (octets 0xE2 0x80" } },
	{ "C1", "a = \xC2\x85", 0, "1:a=?;",
	    { "t:1: an invisible character (octets 0xC2 0x85" } },
	{ "line ends of DOS", "a = b\r\nc = d\r\n", 0, "1:a=b;2:c=d;",
	    { "t:1: lines end in CR LF" } },
	{ "line ends of old", "a = b\rc = d", 0, "1:a=b;1:c=d;",
	    { "t:1: control character 0x0D" } },
	{ "everything goes on",
	    "one\na = 'b'\ns {\n two three\n c = \"d\n}\n}\ne =\n", 0,
	    "2:a=?;8:e=?;3:s[5:c=?;]",
	    { "t:1: one: a word alone", "t:2: 'b': strings",
		"t:4: two: '=' is missing", "t:5: the string",
		"t:7: '}' closes nothing", "t:8: e: no value" } },
};

static void
check_errors(
    const char *name, struct problems *problems, const char *const *wanted)
{
	char **lines;
	size_t count;

	assert_true(problems_lines(problems, &lines, &count));
	for (size_t i = 0; i < count || wanted[i] != NULL; i++) {
		const char *want = wanted[i] != NULL ? wanted[i] : "(no more)";
		const char *got = i < count ? lines[i] : "(no more)";

		if (strncmp(got, want, strlen(want)) != 0)
			fail_msg("%s: error %zu: wanted \"%s\", got \"%s\"",
			    name, i + 1, want, got);
		if (i >= count)
			break;
	}
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	free(lines);
}

static void
check_text(const char *name, const char *text, size_t length, const char *want,
    const char *const *errors)
{
	struct problems problems;
	struct parse_tree tree;
	struct arena arena;
	struct text out;
	char space[1000];
	/* In memory of its own, so that a read beyond it is seen. */
	char *copy = malloc(length + (length == 0));

	assert_non_null(copy);
	memcpy(copy, text, length);
	arena_init(&arena, 1024 * 1024);
	problems_init(&problems, &arena);
	parse_init(&tree);
	parse_text(&tree, &source, copy, length, &arena, &problems);
	text_init(&out, space, sizeof(space));
	show_tree(&out, &tree);
	if (strcmp(space, want) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", name, want, space);
	check_errors(name, &problems, errors);
	arena_clear(&arena);
	free(copy);
}

static void
good_texts_are_read(void **state)
{
	static const char *const none[] = { NULL };

	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++)
		check_text(good_cases[i].name, good_cases[i].text,
		    strlen(good_cases[i].text), good_cases[i].want, none);
}

static void
every_mistake_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];

		check_text(c->name, c->text,
		    c->length != 0 ? c->length : strlen(c->text), c->want,
		    c->errors);
	}
}

static void
the_rest_of_many_is_counted(void **state)
{
	enum { LINES = 1000 };
	static char text[2 * LINES + 1];
	struct problems problems;
	struct parse_tree tree;
	struct arena arena;
	char **lines;
	size_t count;

	(void)state;
	for (size_t i = 0; i < LINES; i++)
		memcpy(text + 2 * i, "x\n", 2);
	arena_init(&arena, 1024 * 1024);
	problems_init(&problems, &arena);
	parse_init(&tree);
	parse_text(&tree, &source, text, 2 * LINES, &arena, &problems);
	assert_true(problems_lines(&problems, &lines, &count));
	assert_int_equal(count, PROBLEMS_MOST + 1);
	assert_string_equal(lines[PROBLEMS_MOST], "t: and 800 more");
	assert_memory_equal(lines[PROBLEMS_MOST - 1], "t:200: ", 7);
	for (size_t i = 0; i < count; i++)
		free(lines[i]);
	free(lines);
	arena_clear(&arena);
}

static void
sections_are_bounded(void **state)
{
	static char text[4 * (PARSE_SECTIONS + 10) + 1];
	static const char *const errors[] = {
		"t:200001: more than 200000 sections", NULL
	};
	struct problems problems;
	struct parse_tree tree;
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < PARSE_SECTIONS + 10; i++)
		memcpy(text + 4 * i, "s{}\n", 4);
	arena_init(&arena, 64 * 1024 * 1024);
	problems_init(&problems, &arena);
	parse_init(&tree);
	parse_text(&tree, &source, text, strlen(text), &arena, &problems);
	check_errors("too many sections", &problems, errors);
	arena_clear(&arena);
}

static void
want_of_memory_ends_it(void **state)
{
	static const char text[] = "a = { b, c, d }\ns { e = \"f\" }\n";

	(void)state;
	for (size_t cap = 0; cap < 2048; cap += 16) {
		struct problems problems;
		struct parse_tree tree;
		struct arena arena;

		arena_init(&arena, cap);
		problems_init(&problems, &arena);
		parse_init(&tree);
		parse_text(
		    &tree, &source, text, sizeof(text) - 1, &arena, &problems);
		if (cap < 256)
			assert_true(problems.is_out_of_memory);
		if (cap > 1536)
			assert_true(problems_none(&problems));
		arena_clear(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_are_read),
		cmocka_unit_test(every_mistake_is_told),
		cmocka_unit_test(the_rest_of_many_is_counted),
		cmocka_unit_test(sections_are_bounded),
		cmocka_unit_test(want_of_memory_ends_it),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
