/* Bodies in canonical form (RFC 6376 §3.4.3, §3.4.4), against a table and
 * against the RFC's own steps. */
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
#define OCTETS(literal) (literal), sizeof(literal) - 1

enum {
	RANDOM_BODIES = 20000,
	RANDOM_OCTETS = 64,
	SHOWN_OCTETS = 2048,
};

static const struct {
	const char *name;
	const char *body;
	size_t length;
	const char *simple;
	size_t simple_length;
	const char *relaxed;
	size_t relaxed_length;
} cases[] = {
	{ "§3.4.5, example 1", OCTETS(" C \r\nD \t E\r\n\r\n\r\n"),
	    OCTETS(" C \r\nD \t E\r\n"), OCTETS(" C\r\nD E\r\n") },
	{ "§3.4.3, no body", OCTETS(""), OCTETS("\r\n"), OCTETS("") },
	{ "§3.4.3, one line end", OCTETS("\r\n"), OCTETS("\r\n"), OCTETS("") },
	{ "§3.4.3, line ends only", OCTETS("\r\n\r\n\r\n\r\n"), OCTETS("\r\n"),
	    OCTETS("") },
	{ "§3.4.3, no last line end", OCTETS("a"), OCTETS("a\r\n"),
	    OCTETS("a\r\n") },
	{ "§3.4.3, no last line end after one", OCTETS("a\r\nb"),
	    OCTETS("a\r\nb\r\n"), OCTETS("a\r\nb\r\n") },
	{ "§3.4.3, empty lines before and between",
	    OCTETS("\r\n\r\na\r\n\r\n\r\nb\r\n\r\n"),
	    OCTETS("\r\n\r\na\r\n\r\n\r\nb\r\n"),
	    OCTETS("\r\n\r\na\r\n\r\n\r\nb\r\n") },
	{ "§3.4.4, a line of blanks is an empty line",
	    OCTETS("a\r\n \r\n\t \r\n"), OCTETS("a\r\n \r\n\t \r\n"),
	    OCTETS("a\r\n") },
	{ "§3.4.4, a line of blanks before text", OCTETS("a\r\n \t\r\nb\r\n"),
	    OCTETS("a\r\n \t\r\nb\r\n"), OCTETS("a\r\n\r\nb\r\n") },
	{ "§3.4.4, blanks only", OCTETS(" \t "), OCTETS(" \t \r\n"),
	    OCTETS("") },
	{ "§3.4.4, blanks and a line end", OCTETS(" \r\n"), OCTETS(" \r\n"),
	    OCTETS("") },
	{ "§3.4.4, blanks after the last line end", OCTETS("a\r\n  "),
	    OCTETS("a\r\n  \r\n"), OCTETS("a\r\n") },
	{ "§3.4.4, blanks at the end, no line end", OCTETS("a \t"),
	    OCTETS("a \t\r\n"), OCTETS("a\r\n") },
	{ "§3.4.4, blanks at the beginning of a line", OCTETS(" \t a\r\n"),
	    OCTETS(" \t a\r\n"), OCTETS(" a\r\n") },
	{ "§3.4.4, one tab", OCTETS("a\tb\r\n"), OCTETS("a\tb\r\n"),
	    OCTETS("a b\r\n") },
	{ "a blank in each eighth place",
	    OCTETS("1234567 1234567  1234567 \r\n"),
	    OCTETS("1234567 1234567  1234567 \r\n"),
	    OCTETS("1234567 1234567 1234567\r\n") },
	{ "a lone CR", OCTETS("a\rb\r\n"), OCTETS("a\rb\r\n"),
	    OCTETS("a\rb\r\n") },
	{ "a lone LF", OCTETS("a\nb\r\n"), OCTETS("a\nb\r\n"),
	    OCTETS("a\nb\r\n") },
	{ "LFs only", OCTETS("\n\n"), OCTETS("\n\n\r\n"), OCTETS("\n\n\r\n") },
	{ "a CR at the end", OCTETS("a\r\n\r"), OCTETS("a\r\n\r\r\n"),
	    OCTETS("a\r\n\r\r\n") },
	{ "a CR before a line end", OCTETS("a\r\r\n\r\n"), OCTETS("a\r\r\n"),
	    OCTETS("a\r\r\n") },
	{ "a LF after a line end", OCTETS("a\r\n\n\r\n"), OCTETS("a\r\n\n\r\n"),
	    OCTETS("a\r\n\n\r\n") },
	{ "a blank between CR and LF", OCTETS("a\r \n\r\n"),
	    OCTETS("a\r \n\r\n"), OCTETS("a\r \n\r\n") },
	{ "a blank before a lone CR", OCTETS("a \rb\r\n"), OCTETS("a \rb\r\n"),
	    OCTETS("a \rb\r\n") },
	{ "blanks before a lone LF", OCTETS("a \t\nb\r\n"),
	    OCTETS("a \t\nb\r\n"), OCTETS("a \nb\r\n") },
	{ "NUL", OCTETS("a\0 \0b\r\n\0"), OCTETS("a\0 \0b\r\n\0\r\n"),
	    OCTETS("a\0 \0b\r\n\0\r\n") },
	{ "8-bit", OCTETS("\x80\xa0\xff \xe4\r\n"),
	    OCTETS("\x80\xa0\xff \xe4\r\n"), OCTETS("\x80\xa0\xff \xe4\r\n") },
	{ "VT and FF are no blanks", OCTETS("a\v\f\r\n\f\r\n"),
	    OCTETS("a\v\f\r\n\f\r\n"), OCTETS("a\v\f\r\n\f\r\n") },
};

/* For the report of a failure. */
static const char *
shown(char space[SHOWN_OCTETS], const unsigned char *data, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 5 < SHOWN_OCTETS; i++)
		used += (size_t)snprintf(space + used, SHOWN_OCTETS - used,
		    data[i] > 32 && data[i] < 127 ? "%c" : "<%02x>", data[i]);
	space[used] = '\0';
	return space;
}

static void
expect(const char *name, enum canonicalization canon,
    const struct canon_gathered *got, const unsigned char *wanted,
    size_t length)
{
	char first[SHOWN_OCTETS], second[SHOWN_OCTETS];

	if (got->has_overrun || got->has_empty || got->length != length
	    || memcmp(got->data, wanted, length) != 0)
		fail_msg("%s, %s: wanted %s, got %s%s%s", name,
		    canon == CANON_SIMPLE ? "simple" : "relaxed",
		    shown(first, wanted, length),
		    shown(second, got->data, got->length),
		    got->has_overrun ? " and more" : "",
		    got->has_empty ? ", and an empty piece" : "");
}

/* Feed a body cut at two places. */
static void
feed(enum canonicalization canon, const unsigned char *body, size_t length,
    size_t first, size_t second, struct canon_gathered *gathered)
{
	struct canon_body work;
	struct canon_sink sink;

	gathered->length = 0;
	canon_sink_init(&sink, canon_gather, gathered);
	canon_body_init(&work, canon, &sink);
	canon_body_add(&work, body, first);
	canon_body_add(&work, body + first, second - first);
	canon_body_add(&work, body + second, length - second);
	canon_body_end(&work);
}

/* Every way to cut it into three pieces. */
static void
expect_however_cut(const char *name, enum canonicalization canon,
    const unsigned char *body, size_t length, const unsigned char *wanted,
    size_t wanted_length)
{
	unsigned char space[256];
	struct canon_gathered gathered = { .data = space,
		.room = sizeof(space) };

	for (size_t first = 0; first <= length; first++)
		for (size_t second = first; second <= length; second++) {
			feed(canon, body, length, first, second, &gathered);
			expect(name, canon, &gathered, wanted, wanted_length);
		}
}

static void
table_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const unsigned char *body =
		    (const unsigned char *)cases[i].body;

		expect_however_cut(cases[i].name, CANON_SIMPLE, body,
		    cases[i].length, (const unsigned char *)cases[i].simple,
		    cases[i].simple_length);
		expect_however_cut(cases[i].name, CANON_RELAXED, body,
		    cases[i].length, (const unsigned char *)cases[i].relaxed,
		    cases[i].relaxed_length);
	}
}

/* The table is also what the model says, so that the model can be trusted. */
static void
model_agrees_with_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const unsigned char *body =
		    (const unsigned char *)cases[i].body;
		unsigned char space[256];
		struct canon_gathered got = { .data = space };

		got.length = canon_model_body(
		    CANON_SIMPLE, body, cases[i].length, space);
		expect(cases[i].name, CANON_SIMPLE, &got,
		    (const unsigned char *)cases[i].simple,
		    cases[i].simple_length);
		got.length = canon_model_body(
		    CANON_RELAXED, body, cases[i].length, space);
		expect(cases[i].name, CANON_RELAXED, &got,
		    (const unsigned char *)cases[i].relaxed,
		    cases[i].relaxed_length);
	}
}

/* Always the same row of numbers. */
static uint32_t
next_number(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Octets that matter, and line ends now and then as text has them. */
static size_t
random_body(uint32_t *seed, unsigned char *body, size_t most)
{
	static const char octets[] = " \t\r\nab\0\x80";
	size_t wanted = next_number(seed) % (most - 1);
	size_t length = 0;

	while (length < wanted) {
		uint32_t number = next_number(seed) % 16;

		if (number < COUNT(octets) - 1)
			body[length++] = (unsigned char)octets[number];
		else if (number < 11) {
			body[length++] = '\r';
			body[length++] = '\n';
		} else
			body[length++] = 'c';
	}
	return length;
}

static void
random_bodies_are_the_models(void **state)
{
	unsigned char body[RANDOM_OCTETS];
	unsigned char wanted[RANDOM_OCTETS + CANON_MODEL_MORE];
	uint32_t seed = 6376;

	(void)state;
	for (int i = 0; i < RANDOM_BODIES; i++) {
		size_t length = random_body(&seed, body, sizeof(body));
		size_t first = next_number(&seed) % (length + 1);
		size_t second =
		    first + next_number(&seed) % (length - first + 1);

		for (int canon = CANON_SIMPLE; canon <= CANON_RELAXED;
		     canon++) {
			unsigned char space[RANDOM_OCTETS + CANON_MODEL_MORE];
			struct canon_gathered got = { .data = space,
				.room = sizeof(space) };
			char name[32];
			size_t octets = canon_model_body(
			    (enum canonicalization)canon, body, length, wanted);

			snprintf(name, sizeof(name), "body %d", i);
			feed((enum canonicalization)canon, body, length, first,
			    second, &got);
			expect(name, (enum canonicalization)canon, &got, wanted,
			    octets);
		}
	}
}

/* Bodies whose runs and gaps are longer than a sink gathers. */
static void
long_runs_go_through(void **state)
{
	static const size_t sizes[] = { 1, 7, 8, 9, 255, 256, 257, 511, 512,
		513, 5000 };
	enum { MOST = 4 * 5000 + 64 };
	static unsigned char body[MOST], wanted[MOST], space[MOST];

	(void)state;
	for (size_t i = 0; i < COUNT(sizes) * COUNT(sizes); i++) {
		size_t run = sizes[i % COUNT(sizes)];
		size_t gap = sizes[i / COUNT(sizes)];
		size_t length = 0;
		char name[64];

		memset(body, 'x', run);
		length += run;
		memset(body + length, ' ', gap);
		length += gap;
		memset(body + length, 'y', run);
		length += run;
		for (size_t j = 0; j < gap / 2; j++) {
			body[length++] = '\r';
			body[length++] = '\n';
		}
		body[length++] = 'z';
		snprintf(name, sizeof(name), "run %zu, gap %zu", run, gap);
		for (int canon = CANON_SIMPLE; canon <= CANON_RELAXED;
		     canon++) {
			struct canon_gathered got = { .data = space,
				.room = sizeof(space) };
			size_t octets = canon_model_body(
			    (enum canonicalization)canon, body, length, wanted);

			feed((enum canonicalization)canon, body, length,
			    run / 2, run + gap / 2, &got);
			expect(name, (enum canonicalization)canon, &got, wanted,
			    octets);
		}
	}
}

/* What was held back comes out whole wherever the sink is full. */
static void
held_back_fits_anywhere(void **state)
{
	enum { LINE_ENDS = 20, MOST = CANON_SINK_OCTETS + 2 * LINE_ENDS + 8 };
	unsigned char text[MOST], wanted[MOST + CANON_MODEL_MORE];
	unsigned char space[MOST + CANON_MODEL_MORE];

	(void)state;
	for (size_t run = CANON_SINK_OCTETS - 50; run <= CANON_SINK_OCTETS;
	     run++)
		for (size_t i = 0; i < 2 * LINE_ENDS; i++) {
			struct canon_gathered got = { .data = space,
				.room = sizeof(space) };
			size_t length = run;
			size_t octets;
			char name[64];

			memset(text, 'x', run);
			for (size_t j = 0; j < i / 2; j++, length += 2)
				memcpy(text + length, "\r\n", 2);
			if (i % 2 != 0)
				text[length++] = '\t';
			text[length++] = 'z';
			octets = canon_model_body(
			    CANON_RELAXED, text, length, wanted);
			feed(CANON_RELAXED, text, length, run / 2, run, &got);
			snprintf(name, sizeof(name), "%zu octets, %zu", run, i);
			expect(name, CANON_RELAXED, &got, wanted, octets);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_holds),
		cmocka_unit_test(model_agrees_with_table),
		cmocka_unit_test(random_bodies_are_the_models),
		cmocka_unit_test(long_runs_go_through),
		cmocka_unit_test(held_back_fits_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
