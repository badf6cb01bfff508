/* text, arena and fault: bounded strings, hostile text made harmless. */
#include "policy/arena.h"
#include "policy/fault.h"
#include "policy/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void
same(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", name, wanted, got);
}

static void
test_clean(void **state)
{
	static const struct {
		const char *name;
		const char *from;
		size_t length;
		bool keep_utf8;
		const char *wanted;
	} cases[] = {
		{ "plain", "abc", 3, false, "abc" },
		{ "line ends", "a\r\nb", 4, true, "a??b" },
		{ "NUL", "a\0b", 3, true, "a?b" },
		{ "escape", "\033[2J", 4, true, "?[2J" },
		{ "delete", "a\177", 2, true, "a?" },
		{ "UTF-8 kept", "\xC3\xA4", 2, true, "\xC3\xA4" },
		{ "UTF-8 of a reply", "\xC3\xA4x", 3, false, "?x" },
		{ "overlong slash", "\xC0\xAF", 2, true, "??" },
		{ "surrogate", "\xED\xA0\x80", 3, true, "???" },
		{ "above U+10FFFF", "\xF4\x90\x80\x80", 4, true, "????" },
		{ "cut character", "a\xE2\x82", 3, true, "a??" },
		{ "C1 next line", "\xC2\x85", 2, true, "?" },
		{ "right-to-left override", "\xE2\x80\xAE", 3, true, "?" },
		{ "line separator", "\xE2\x80\xA8", 3, true, "?" },
		{ "zero width space", "\xE2\x80\x8B", 3, true, "?" },
		{ "isolate", "\xE2\x81\xA6", 3, true, "?" },
		{ "emoji", "\xF0\x9F\x98\x80", 4, true, "\xF0\x9F\x98\x80" },
	};
	char space[64];
	struct text text;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		text_init(&text, space, sizeof(space));
		text_add_clean(
		    &text, cases[i].from, cases[i].length, cases[i].keep_utf8);
		same(cases[i].name, cases[i].wanted, space);
	}
}

static void
test_cut(void **state)
{
	char space[8];
	struct text text;

	(void)state;
	text_init(&text, space, sizeof(space));
	text_add(&text, "1234567");
	same("what fits is whole", "1234567", space);
	assert_false(text.is_cut);
	text_add(&text, "8");
	same("a cut shows", "1234...", space);
	assert_true(text.is_cut);
	text_add(&text, "9");
	same("nothing after a cut", "1234...", space);

	text_init(&text, space, sizeof(space));
	text_addf(&text, "%d", 123456789);
	same("formatted text too", "1234...", space);

	text_init(&text, space, sizeof(space));
	text_add_clean(&text, "123\xC3\xA4\xC3\xA4\xC3\xA4", 9, true);
	same("no half character", "123...", space);
}

static void
test_duration(void **state)
{
	static const struct {
		uint64_t ms;
		const char *wanted;
	} cases[] = {
		{ 0, "0 s" },
		{ 1, "1 s" },
		{ 1500, "2 s" },
		{ 119000, "119 s" },
		{ 120000, "2 min" },
		{ 120001, "121 s" },
		{ 600001, "11 min" },
		{ 3600000, "1 h" },
		{ 3660000, "61 min" },
		{ 36000001, "11 h" },
		{ 86400000, "1 d" },
		{ 172800000, "2 d" },
		{ UINT64_MAX, "213503982335 d" },
	};
	char space[64];
	struct text text;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		text_init(&text, space, sizeof(space));
		text_add_duration(&text, cases[i].ms);
		same("duration", cases[i].wanted, space);
	}
}

static void
test_number(void **state)
{
	static const struct {
		const char *from;
		uint64_t minimum, maximum;
		bool is_number;
		uint64_t wanted;
	} cases[] = {
		{ "0", 0, 9, true, 0 },
		{ "010", 0, 99, true, 10 },
		{ "18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, false, 0 },
		{ "99999999999999999999", 0, UINT64_MAX, false, 0 },
		{ "", 0, 9, false, 0 },
		{ "-1", 0, 9, false, 0 },
		{ "+1", 0, 9, false, 0 },
		{ " 1", 0, 9, false, 0 },
		{ "1 ", 0, 9, false, 0 },
		{ "0x1", 0, 9, false, 0 },
		{ "4", 5, 9, false, 0 },
		{ "10", 5, 9, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		uint64_t got = 0;
		bool is_number = text_number(
		    cases[i].from, cases[i].minimum, cases[i].maximum, &got);

		if (is_number != cases[i].is_number || got != cases[i].wanted)
			fail_msg("\"%s\": wanted %d %ju, got %d %ju",
			    cases[i].from, cases[i].is_number,
			    (uintmax_t)cases[i].wanted, is_number,
			    (uintmax_t)got);
	}
}

static void
test_arena(void **state)
{
	struct arena arena;
	char *first;

	(void)state;
	arena_init(&arena, 20000);
	first = arena_strdup(&arena, "first");
	assert_non_null(first);
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&arena, 100));
	same("what was given stays", "first", first);
	assert_null(arena_alloc(&arena, 20000));
	assert_non_null(arena_alloc(&arena, 0));
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_copy(&arena, "", SIZE_MAX));
	assert_null(arena_strdup(&arena, NULL));
	same("formatted", "7 x", arena_printf(&arena, "%d %s", 7, "x"));
	arena_clear(&arena);
	arena_clear(&arena);
	assert_int_equal(arena.used_bytes, 0);
	first = arena_alloc(&arena, 20000);
	assert_non_null(first);
	for (size_t i = 0; i < 20000; i++)
		assert_int_equal(first[i], 0);
	arena_clear(&arena);
}

static void
test_fault(void **state)
{
	struct fault fault;
	char *longest = test_malloc(3 * FAULT_WORDS_BYTES);

	(void)state;
	fault_set(&fault, FAULT_TEMPORARY, "no \"%s\"\n", "a\rb");
	same("cleaned", "no \"a?b\"?", fault.words);
	fault_prefix(&fault, "%s: ", "file");
	same("prefixed", "file: no \"a?b\"?", fault.words);
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	memset(longest, 'x', 3 * FAULT_WORDS_BYTES - 1);
	longest[3 * FAULT_WORDS_BYTES - 1] = '\0';
	fault_set(&fault, FAULT_PERMANENT, "%s", longest);
	assert_int_equal(strlen(fault.words), FAULT_WORDS_BYTES - 1);
	same("a cut shows", "...", fault.words + FAULT_WORDS_BYTES - 4);
	fault_prefix(&fault, "file: ");
	assert_memory_equal(fault.words, "file: xxx", 9);
	fault_set(NULL, FAULT_PERMANENT, "nobody asked");
	fault_prefix(NULL, "nobody asked");
	fault_memory(NULL);
	test_free(longest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_fault),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
