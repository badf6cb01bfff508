/* Header fields in canonical form (RFC 6376 §3.4.1, §3.4.2), against a table
 * and against the RFC's own steps. */
#include "policy/canon.h"
#include "tests/unit/canon_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { RANDOM_FIELDS = 50000, RANDOM_OCTETS = 48 };

static const struct {
	const char *name;
	const char *text;
	const char *relaxed;
} cases[] = {
	{ "§3.4.5, example 1, A", "A: X", "a:X" },
	{ "§3.4.5, example 1, B", "B : Y\t\r\n\tZ  ", "b:Y Z" },
	{ "§3.4.2, name in capitals", "SUBJect: AbC", "subject:AbC" },
	{ "§3.4.2, blanks around the colon", "Subject \t: \t abc",
	    "subject:abc" },
	{ "§3.4.2, no blank after the colon", "Subject:abc", "subject:abc" },
	{ "§3.4.2, a fold after the colon", "Subject:\r\n abc", "subject:abc" },
	{ "§3.4.2, blanks on both sides of a fold", "X: a \r\n\t b", "x:a b" },
	{ "§3.4.2, no blank before the fold", "X: a\r\n b", "x:a b" },
	{ "§3.4.2, several folds", "X: a\r\n \r\n\t\r\n b", "x:a b" },
	{ "§3.4.2, a fold at the end", "X: a\r\n ", "x:a" },
	{ "§3.4.2, blanks at the end", "X: a \t ", "x:a" },
	{ "§3.4.2, no value", "X:", "x:" },
	{ "§3.4.2, a value of blanks", "X: \t\r\n ", "x:" },
	{ "§3.4.2, colons in the value", "X: a : b:", "x:a : b:" },
	{ "single spaces, longer than a word", "X: one two three four five",
	    "x:one two three four five" },
	{ "VT and FF are no blanks", "X: a\v\f b", "x:a\v\f b" },
	{ "a lone CR", "X: a\rb \r c", "x:a\rb \r c" },
	{ "a lone LF", "X: a\nb \n c", "x:a\nb \n c" },
	{ "a line end that is no fold", "X: a\r\nb", "x:a\r\nb" },
	{ "8-bit", "X: \xc3\xa4 \xff", "x:\xc3\xa4 \xff" },
	{ "no colon", "Abc \t", "abc" },
};

static void
make(enum canonicalization canon, const char *text, size_t length,
    bool has_line_end, struct canon_gathered *gathered)
{
	struct canon_sink sink;

	gathered->length = 0;
	canon_sink_init(&sink, canon_gather, gathered);
	canon_header(canon, text, length, has_line_end, &sink);
	canon_sink_flush(&sink);
}

static void
expect(const char *name, const struct canon_gathered *got,
    const unsigned char *wanted, size_t length)
{
	if (got->has_overrun || got->has_empty || got->length != length
	    || memcmp(got->data, wanted, length) != 0)
		fail_msg("%s: wanted \"%.*s\" (%zu octets), got \"%.*s\" (%zu)",
		    name, (int)length, (const char *)wanted, length,
		    (int)got->length, (const char *)got->data, got->length);
}

static void
table_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char space[128];
		unsigned char wanted[128];
		struct canon_gathered got = { .data = space,
			.room = sizeof(space) };
		const char *text = cases[i].text;
		size_t length = strlen(cases[i].relaxed);

		memcpy(wanted, cases[i].relaxed, length);
		make(CANON_RELAXED, text, strlen(text), false, &got);
		expect(cases[i].name, &got, wanted, length);
		memcpy(wanted + length, "\r\n", 2);
		make(CANON_RELAXED, text, strlen(text), true, &got);
		expect(cases[i].name, &got, wanted, length + 2);
		got.length = canon_model_header(CANON_RELAXED,
		    (const unsigned char *)text, strlen(text), true, space);
		expect("the model", &got, wanted, length + 2);
	}
}

/* §3.4.1: "does not change the header field in any way". */
static void
simple_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned char space[128];
		struct canon_gathered got = { .data = space,
			.room = sizeof(space) };
		const char *text = cases[i].text;

		make(CANON_SIMPLE, text, strlen(text), false, &got);
		expect(cases[i].name, &got, (const unsigned char *)text,
		    strlen(text));
		make(CANON_SIMPLE, text, strlen(text), true, &got);
		assert_int_equal(got.length, strlen(text) + 2);
		assert_memory_equal(space + strlen(text), "\r\n", 2);
	}
}

/* Fields one after the other in one sink stay in order, also those that are
 * longer than it gathers. */
static void
fields_share_a_sink(void **state)
{
	enum { LONG = 3 * CANON_SINK_OCTETS };
	static char text[LONG + 3];
	static unsigned char space[2 * LONG];
	struct canon_gathered got = { .data = space, .room = sizeof(space) };
	struct canon_sink sink;

	(void)state;
	memcpy(text, "L: ", 3);
	memset(text + 3, 'x', LONG);
	canon_sink_init(&sink, canon_gather, &got);
	canon_header(CANON_RELAXED, "A: 1", 4, true, &sink);
	canon_header(CANON_RELAXED, text, sizeof(text), true, &sink);
	canon_header(CANON_RELAXED, "B: 2", 4, true, &sink);
	canon_sink_flush(&sink);
	assert_int_equal(got.length, 5 + 2 + LONG + 2 + 5);
	assert_memory_equal(space, "a:1\r\nl:xxx", 10);
	assert_memory_equal(space + 5 + 2 + LONG - 1, "x\r\nb:2\r\n", 8);
}

static uint32_t
next_number(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void
random_fields_are_the_models(void **state)
{
	static const char octets[] = " \t\r\nAb:\0\x80";
	unsigned char text[RANDOM_OCTETS];
	unsigned char wanted[RANDOM_OCTETS + CANON_MODEL_MORE];
	unsigned char space[RANDOM_OCTETS + CANON_MODEL_MORE];
	uint32_t seed = 5322;

	(void)state;
	for (int i = 0; i < RANDOM_FIELDS; i++) {
		struct canon_gathered got = { .data = space,
			.room = sizeof(space) };
		size_t length = next_number(&seed) % (sizeof(text) + 1);
		size_t octets_wanted;
		char name[32];

		for (size_t j = 0; j < length; j++) {
			uint32_t number = next_number(&seed) % 14;

			text[j] = number < COUNT(octets) - 1
			    ? (unsigned char)octets[number]
			    : 'c';
			if (number >= 12 && j + 3 < length) {
				memcpy(text + j, "\r\n ", 3);
				j += 2;
			}
		}
		snprintf(name, sizeof(name), "field %d", i);
		octets_wanted = canon_model_header(
		    CANON_RELAXED, text, length, true, wanted);
		make(CANON_RELAXED, (const char *)text, length, true, &got);
		expect(name, &got, wanted, octets_wanted);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_holds),
		cmocka_unit_test(simple_changes_nothing),
		cmocka_unit_test(fields_share_a_sink),
		cmocka_unit_test(random_fields_are_the_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
