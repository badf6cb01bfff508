/* Whose an Authentication-Results field claims to be: RFC 8601 §2.2, and the
 * broken forms that somebody may read as ours. */
#include "policy/authres.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OURS "mx.example.com"

struct test_case {
	const char *name;
	const char *value;
	bool is_ours;
};

static const struct test_case cases[] = {
	/* of the form of §2.2 */
	{ "plain", " mx.example.com; dkim=pass header.d=a.example", true },
	{ "no result", " mx.example.com; none", true },
	{ "the id alone", "mx.example.com", true },
	{ "no leading space", "mx.example.com;spf=pass", true },
	{ "other case", " MX.Example.COM; spf=pass", true },
	{ "last dot", " mx.example.com.; spf=pass", true },
	{ "version", " mx.example.com 1; spf=pass", true },
	{ "version and blanks", "\tmx.example.com\t1 ; spf=pass", true },
	{ "folded before", "\n mx.example.com; spf=pass", true },
	{ "folded with CRLF", "\r\n\tmx.example.com\r\n ; spf=pass", true },
	{ "comment before", " (ours) mx.example.com; spf=pass", true },
	{ "nested comments", " (a (b) \\) c) mx.example.com; spf=pass", true },
	{ "comment behind", " mx.example.com(c); spf=pass", true },
	{ "comments all about", "(a)(b) mx.example.com (c) 1 (d); none", true },
	{ "quoted", " \"mx.example.com\"; spf=pass", true },
	{ "quoted with escapes", " \"mx.\\example\\.com\"; none", true },
	{ "quoted with blanks", " \" mx.example.com \"; none", true },
	{ "quoted and folded", " \"mx.example\r\n.com\"; none", true },
	{ "quoted with comment", " (a) \"mx.example.com\" (b) 1; none", true },
	{ "another", " mx.example.org; spf=pass", false },
	{ "longer", " mx.example.com.org; spf=pass", false },
	{ "shorter", " example.com; spf=pass", false },
	{ "below", " a.mx.example.com; spf=pass", false },
	{ "begins like ours", " mx.example.community; spf=pass", false },
	{ "ours in a comment", " (mx.example.com) mx.example.org; none",
	    false },
	{ "ours in a result",
	    " mx.example.org; spf=pass smtp.mailfrom=mx.example.com", false },
	{ "ours as a second id", " mx.example.org; mx.example.com; none",
	    false },
	{ "ours in a comment behind", " mx.example.org (mx.example.com); none",
	    false },
	{ "quoted, another", " \"mx.example.org\"; none", false },
	{ "another with a version", " mx.example.org 1; none", false },
	{ "another with U-labels",
	    " mx.b\xc3\xbc"
	    "cher.example; none",
	    false },
	/* broken: any reading counts */
	{ "empty", "", false },
	{ "blanks only", " \r\n\t ", false },
	{ "a comment only", " (a)", false },
	{ "nothing before the semicolon", " ; spf=pass", false },
	{ "ours behind an empty id", " ; mx.example.com; spf=pass", true },
	{ "empty quotes", " \"\"; spf=pass", false },
	{ "open comment", " (mx.example.com; spf=pass", true },
	{ "open comment of others", " (mx.example.org; spf=pass", false },
	{ "open comments", " ((((((((((((((((((((mx.example.com; none", true },
	{ "comment closed twice", " (a)) mx.example.com; spf=pass", true },
	{ "comment that ends in a backslash", " mx.example.com (a\\", true },
	{ "open quotes", " \"mx.example.com; spf=pass", true },
	{ "open quotes and an escape", " \"mx.\\example.com; none", true },
	{ "open quotes that end in a backslash", " \"mx.example.com\\", true },
	{ "quotes behind", " mx.example.com\"\"; spf=pass", true },
	{ "slash", " mx.example.com/1; spf=pass", true },
	{ "equals", " mx.example.com=1; spf=pass", true },
	{ "two ids", " mx.example.org mx.example.com; none", true },
	{ "no semicolon", " mx.example.com spf=pass", true },
	{ "comma", " mx.example.com, mx.example.org; none", true },
	{ "at", " j@mx.example.com; none", true },
	{ "angle brackets", " <mx.example.com>; none", true },
	{ "comment within", " mx.exa(c)mple.com; none", true },
	{ "fold within", " mx.exa\n mple.com; none", true },
	{ "encoded word", " =?utf-8?q?mx.example.com?=; none", true },
	{ "escape without quotes", " mx.exa\\mple.com; none", true },
	{ "a blank of Unicode before", " \xc2\xa0mx.example.com; none", true },
	{ "one within", " mx.exa\xe2\x80\x8bmple.com; none", true },
	{ "no UTF-8",
	    " \xff"
	    "mx.example.com; none",
	    true },
	{ "broken, of others", " \"mx.example.org; none", false },
	{ "broken, of others who name ours",
	    " spf=pass smtp.mailfrom=mx.example.com", true },
	{ "broken, longer", " (mx.example.com.org", false },
};

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct test_case *c = &cases[i];
		/* Without a NUL, so that reading on is seen. */
		size_t length = strlen(c->value);
		char *value = malloc(length + (length == 0));
		struct arena arena;
		bool is_ours;

		assert_non_null(value);
		memcpy(value, c->value, length);
		arena_init(&arena, 1 << 20);
		is_ours = authres_claims(&arena, value, length, OURS);
		if (is_ours != c->is_ours)
			fail_msg("%s: wanted %d, got %d", c->name, c->is_ours,
			    is_ours);
		arena_clear(&arena);
		free(value);
	}
}

struct id_case {
	const char *name;
	const char *id;
	const char *value;
	bool is_ours;
};

static const struct id_case id_cases[] = {
	{ "nobody's", "", " mx.example.com; none", false },
	{ "nobody's, empty value", "", "", false },
	{ "nobody's, quotes", "", " \"\"; none", false },
	{ "a dot", ".", " .; none", false },
	{ "U-labels for A-labels", "mx.xn--bcher-kva.example",
	    " mx.b\xc3\xbc"
	    "cher.example; none",
	    true },
	{ "U-labels for A-labels, broken", "mx.xn--bcher-kva.example",
	    " \"mx.b\xc3\xbc"
	    "cher.example; none",
	    true },
	{ "A-labels for U-labels",
	    "mx.b\xc3\xbc"
	    "cher.example",
	    " mx.xn--bcher-kva.example; none", true },
	{ "U-labels for U-labels",
	    "mx.B\xc3\x9c"
	    "cher.example",
	    " \"mx.b\xc3\xbc"
	    "cher.example\"; none",
	    true },
	{ "an ideographic full stop", "mx.example.com",
	    " mx\xe3\x80\x82"
	    "example.com; none",
	    true },
	{ "a last dot of ours", "mx.example.com.", " mx.example.com; none",
	    true },
	{ "no domain", "our_filter!", " OUR_FILTER!; none", true },
	{ "no domain, another", "our_filter!", " our_filter; none", false },
	{ "one label", "mx", " mx; none", true },
	{ "an id of two words", "our filter", " \"our filter\"; none", true },
};

static void
test_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(id_cases); i++) {
		const struct id_case *c = &id_cases[i];
		struct arena arena;
		bool is_ours;

		arena_init(&arena, 1 << 20);
		is_ours =
		    authres_claims(&arena, c->value, strlen(c->value), c->id);
		if (is_ours != c->is_ours)
			fail_msg("%s: wanted %d, got %d", c->name, c->is_ours,
			    is_ours);
		arena_clear(&arena);
	}
}

static bool
claims_with(size_t cap_bytes, const char *value, size_t length)
{
	struct arena arena;
	bool is_ours;

	arena_init(&arena, cap_bytes);
	is_ours = authres_claims(&arena, value, length, OURS);
	arena_clear(&arena);
	return is_ours;
}

/* What is removed in vain does no harm. */
static void
test_no_memory(void **state)
{
	static const char value[] = " mx.example.org; none";

	(void)state;
	assert_true(claims_with(0, value, sizeof(value) - 1));
}

static void
test_nul(void **state)
{
	static const char behind[] = " mx.example.com\0; none";
	static const char within[] = " mx.example\0.com; none";
	static const char quoted[] = " \"mx.example.com\0\"; none";

	(void)state;
	assert_true(claims_with(1 << 20, behind, sizeof(behind) - 1));
	assert_false(claims_with(1 << 20, within, sizeof(within) - 1));
	assert_true(claims_with(1 << 20, quoted, sizeof(quoted) - 1));
}

/* Long values: the good ones are read however long they are, broken ones
 * aren't searched without end. */
static void
test_long(void **state)
{
	enum { LENGTH = 100000 };
	char *value = malloc(LENGTH);

	(void)state;
	assert_non_null(value);
	memset(value, 'x', LENGTH);
	memcpy(value, " mx.example.org; ", 17);
	assert_false(claims_with(1 << 20, value, LENGTH));
	memset(value, '(', LENGTH);
	assert_true(claims_with(1 << 20, value, LENGTH));
	assert_false(claims_with(1 << 20, value, 8000));
	memset(value, '\\', LENGTH);
	assert_false(claims_with(1 << 20, value, 8000));
	free(value);
}

/* A message may have thousands of broken ones, full of words that must be
 * normalised: neither the time nor the message's memory is theirs. */
static void
test_many_words(void **state)
{
	enum { LENGTH = 8000, FEW = 20, BYTES = 1 << 20 };
	static const char word[] = ";\xc3\xa9";
	char value[LENGTH];
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < LENGTH; i++)
		value[i] = word[i % (sizeof(word) - 1)];
	arena_init(&arena, BYTES);
	assert_false(
	    authres_claims(&arena, value, FEW * (sizeof(word) - 1) / 2, OURS));
	arena_clear(&arena);
	arena_init(&arena, BYTES);
	assert_true(authres_claims(&arena, value, LENGTH, OURS));
	assert_true(arena.used_bytes < (size_t)4 * LENGTH);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_many_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
