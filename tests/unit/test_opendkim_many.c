/* OpenDKIM's tables when they are large or their patterns odd: what the
 * indices find is what a look at every line finds. */
#include "tests/unit/opendkim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MANY = 100000,
	ROUNDS = 60,
	LINES = 40,
	QUESTIONS = 60,
	MOST = 8,
	WORD_OCTETS = 12,
	ARENA_BYTES = 1024 * 1024,
};

/* The same numbers in each run. */
static uint32_t
draw(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

/* A word of few letters, so that much of it fits something. */
static void
draw_word(uint32_t *state, const char *letters, char *word)
{
	size_t length = 1 + draw(state, WORD_OCTETS - 1);
	uint32_t count = (uint32_t)strlen(letters);

	for (size_t i = 0; i < length; i++)
		word[i] = letters[draw(state, count)];
	word[length] = '\0';
}

/* Does the pattern fit? The plain way: each way to read a star is tried, over
 * a table of what is left of both. */
static bool
fits(const char *pattern, const char *text)
{
	bool row[2 * WORD_OCTETS + 3] = { true };
	size_t length = strlen(text);

	for (; *pattern != '\0'; pattern++) {
		bool before = row[0];

		row[0] = row[0] && *pattern == '*';
		for (size_t i = 1; i <= length; i++) {
			bool here = row[i];

			if (*pattern == '*')
				row[i] = row[i] || row[i - 1];
			else
				row[i] = before && text[i - 1] == *pattern;
			before = here;
		}
	}
	return row[length];
}

struct pattern_set {
	char patterns[LINES][2 * WORD_OCTETS + 3];
	char keys[LINES * 32];
	char signing[LINES * 64];
};

static void
draw_patterns(uint32_t *state, struct pattern_set *set)
{
	size_t keys_length = 0;
	size_t signing_length = 0;
	char local[WORD_OCTETS + 1];
	char domain[WORD_OCTETS + 1];

	for (size_t i = 0; i < LINES; i++) {
		draw_word(state, "aab**", local);
		draw_word(state, "ab*", domain);
		snprintf(set->patterns[i], sizeof(set->patterns[i]),
		    draw(state, 8) == 0 ? "%s*%s" : "%s@%s", local, domain);
		keys_length += (size_t)snprintf(set->keys + keys_length,
		    sizeof(set->keys) - keys_length, "k%zu k%zu.example:s:/k\n",
		    i, i);
		signing_length +=
		    (size_t)snprintf(set->signing + signing_length,
			sizeof(set->signing) - signing_length, "%s k%zu\n",
			set->patterns[i], i);
	}
}

/* Names of the entries that each line gives, read from the top. */
static const char *
look_at_all(const struct pattern_set *set, const char *address, size_t most)
{
	static char want[MOST * 32];
	size_t length = 0;
	size_t count = 0;

	want[0] = '\0';
	for (size_t i = 0; i < LINES && count < most; i++)
		if (fits(set->patterns[i], address)) {
			length += (size_t)snprintf(want + length,
			    sizeof(want) - length, "%sk%zu.example/s /k",
			    count > 0 ? ", " : "", i);
			count++;
		}
	return want;
}

static void
ask(const struct opendkim_tables *tables, const struct pattern_set *set,
    uint32_t *state)
{
	struct opendkim_key found[MOST];
	char local[WORD_OCTETS + 1];
	char domain[WORD_OCTETS + 1];
	char address[2 * WORD_OCTETS + 3];
	struct arena arena;
	size_t count;
	size_t most = 1 + draw(state, MOST);
	const char *got;
	const char *want;

	draw_word(state, "ab", local);
	draw_word(state, "ab", domain);
	snprintf(address, sizeof(address), "%s@%s", local, domain);
	arena_init(&arena, ARENA_BYTES);
	assert_true(
	    opendkim_match(tables, local, domain, &arena, found, most, &count));
	got = opendkim_fixture_show(found, count);
	want = look_at_all(set, address, most);
	if (strcmp(got, want) != 0)
		fail_msg("%s, at most %zu: wanted \"%s\", got \"%s\" from\n%s",
		    address, most, want, got, set->signing);
	arena_clear(&arena);
}

static void
odd_patterns_are_found_as_by_reading_all(void **fixture)
{
	static struct pattern_set set;
	uint32_t state = 1;

	for (int round = 0; round < ROUNDS; round++) {
		struct opendkim_tables *tables;

		draw_patterns(&state, &set);
		tables = opendkim_fixture_read(
		    *fixture, set.keys, set.signing, true);
		assert_int_equal(
		    ((struct opendkim_fixture *)*fixture)->bad_count, 0);
		for (int i = 0; i < QUESTIONS; i++)
			ask(tables, &set, &state);
		opendkim_free(&tables);
	}
}

/* Tables for MANY domains, in an order that is none. Of three lines two have a
 * signer, if there are any. */
static void
write_many(const struct opendkim_fixture *fixture, const char *before,
    bool has_signers)
{
	FILE *keys = fopen(fixture->key_table, "w");
	FILE *signing = fopen(fixture->signing_table, "w");

	assert_non_null(keys);
	assert_non_null(signing);
	for (unsigned i = 0; i < MANY; i++) {
		unsigned n = (unsigned)((uint64_t)i * 48271 % MANY);

		fprintf(keys, "k%u d%u.example:s:/k%u\n", n, n, n);
		fprintf(signing, "%sd%u.example k%u", before, n, n);
		if (has_signers && n % 3 > 0)
			fprintf(signing, ":u%u@mail.%%", n);
		fputc('\n', signing);
	}
	assert_int_equal(fclose(keys), 0);
	assert_int_equal(fclose(signing), 0);
}

/* Domain n has the key /kn, if there is one. */
static void
is_found(const struct opendkim_tables *tables, unsigned n, bool has_signers)
{
	struct opendkim_key found[MOST];
	struct arena arena;
	char domain[32];
	char want[64];
	char signed_by[128];
	size_t count;

	snprintf(domain, sizeof(domain), "d%u.example", n);
	want[0] = '\0';
	if (n < MANY)
		snprintf(want, sizeof(want), "%s/s /k%u", domain, n);
	snprintf(signed_by, sizeof(signed_by), "%s", want);
	if (n < MANY && has_signers && n % 3 > 0)
		snprintf(signed_by, sizeof(signed_by), "%s i=u%u@mail.%s", want,
		    n, domain);
	arena_init(&arena, ARENA_BYTES);
	assert_true(
	    opendkim_match(tables, "a", domain, &arena, found, MOST, &count));
	assert_string_equal(opendkim_fixture_show(found, count), signed_by);
	assert_true(
	    opendkim_of_domain(tables, domain, &arena, found, MOST, &count));
	assert_string_equal(opendkim_fixture_show(found, count), want);
	arena_clear(&arena);
}

static void
many_lines_are_found(struct opendkim_fixture *fixture, const char *before,
    bool is_refile, bool has_signers)
{
	struct opendkim_tables *tables;

	write_many(fixture, before, has_signers);
	tables = opendkim_fixture_load(fixture, is_refile);
	assert_non_null(tables);
	assert_int_equal(fixture->bad_count, 0);
	for (unsigned n = 0; n < MANY + 97; n += 97)
		is_found(tables, n, has_signers);
	opendkim_free(&tables);
}

static void
a_hundred_thousand_hosts(void **state)
{
	many_lines_are_found(*state, "", false, false);
}

static void
a_hundred_thousand_patterns(void **state)
{
	many_lines_are_found(*state, "*@", true, false);
}

static void
a_hundred_thousand_heads(void **state)
{
	many_lines_are_found(*state, "a*@", true, false);
}

static void
a_hundred_thousand_signers(void **state)
{
	many_lines_are_found(*state, "*@", true, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_patterns_are_found_as_by_reading_all),
		cmocka_unit_test(a_hundred_thousand_hosts),
		cmocka_unit_test(a_hundred_thousand_patterns),
		cmocka_unit_test(a_hundred_thousand_heads),
		cmocka_unit_test(a_hundred_thousand_signers),
	};

	return cmocka_run_group_tests(
	    tests, opendkim_fixture_setup, opendkim_fixture_teardown);
}
