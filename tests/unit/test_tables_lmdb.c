/* Values out of an LMDB file, one or all: against files that LMDB itself
 * writes. */
#include "milter/io/tables.h"
#include "milter/io/tables_lmdb.h"
#include "tests/unit/lmdb_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lmdb.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define POSTMAP "/usr/sbin/postmap"

enum { ARENA_BYTES = 1 << 20 };

static void
keys_and_values_may_end_in_nul(void **state)
{
	static const struct pair pairs[] = {
		PAIR("plain", "value"),
		PAIR("both\0", "value\0"),
		PAIR("key\0", "value"),
		PAIR("value", "value\0"),
		PAIR("empty", ""),
		PAIR("nul", "\0"),
		PAIR("inner", "a\0b"),
		PAIR("twice", "first"),
		PAIR("twice\0", "second"),
		PAIR("two nul", "a\0\0"),
	};
	static const struct {
		const char *key, *want;
	} cases[] = {
		{ "plain", "value" },
		{ "both", "value" },
		{ "key", "value" },
		{ "value", "value" },
		{ "empty", "" },
		{ "nul", "" },
		{ "twice", "first" },
		{ "", "(none)" },
		{ "plai", "(none)" },
		{ "plain ", "(none)" },
		{ "zzz", "(none)" },
	};
	struct arena arena;

	(void)state;
	lmdb_write_pairs(lmdb_path("table"), pairs, COUNT(pairs), true);
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(cases); i++)
		lmdb_want(cases[i].key, cases[i].want,
		    lmdb_found(&arena, lmdb_path("table"), cases[i].key));
	lmdb_want_fault(
	    "inner", "NUL", lmdb_found(&arena, lmdb_path("table"), "inner"));
	lmdb_want_fault("two nul", "NUL",
	    lmdb_found(&arena, lmdb_path("table"), "two nul"));
	arena_clear(&arena);
	lmdb_want_listed("all of it", lmdb_path("table"), SIZE_MAX,
	    "both=value;empty=;inner!a value with a NUL in it;key=value;nul=;"
	    "plain=value;twice=first;two nul!a value with a NUL in it;"
	    "value=value;");
	lmdb_want_listed("two", lmdb_path("table"), 2, "both=value;empty=;");
}

static void
every_key_of_a_large_table_is_found(void **state)
{
	static char value[20001];
	struct arena arena;
	char key[256];

	(void)state;
	lmdb_write_large(lmdb_path("more"));
	for (unsigned i = 0; i < LMDB_KEYS; i++) {
		arena_init(&arena, ARENA_BYTES);
		lmdb_number_key(key, sizeof(key), i);
		(void)lmdb_number_value(value, sizeof(value) - 1, i);
		lmdb_want(
		    key, value, lmdb_found(&arena, lmdb_path("more"), key));
		key[0] = (char)('a' + i % 26 + (i % 26 >= 20));
		lmdb_want(
		    key, "(none)", lmdb_found(&arena, lmdb_path("more"), key));
		arena_clear(&arena);
	}
}

/* What a listing must give of "more", by number. */
struct census {
	bool is_seen[LMDB_KEYS];
	size_t count;
};

static bool
take_numbered(void *context, const struct table_entry *entry)
{
	static char value[20001];
	struct census *census = context;
	unsigned number;
	char key[256];

	if (sscanf(entry->key, "user%u", &number) != 1 || number >= LMDB_KEYS)
		fail_msg("%.100s was never put there", entry->key);
	lmdb_number_key(key, sizeof(key), number);
	lmdb_want("a key", key, entry->key);
	(void)lmdb_number_value(value, sizeof(value) - 1, number);
	lmdb_want(key, value, entry->value);
	if (census->is_seen[number])
		fail_msg("%.100s comes twice", key);
	census->is_seen[number] = true;
	census->count++;
	return true;
}

static void
all_of_a_large_table_is_listed(void **state)
{
	static struct census census;
	struct fault fault = { .kind = FAULT_NONE };

	(void)state;
	if (!tables_lmdb_each(
		lmdb_path("more"), take_numbered, &census, &fault))
		fail_msg("%s", fault.words);
	assert_int_equal(LMDB_KEYS, census.count);
}

static void
what_is_no_key_is_not_listed(void **state)
{
	static const struct pair pairs[] = {
		PAIR("\0", "nul alone"),
		PAIR("a\0b", "nul within"),
		PAIR("a\0b\0", "nul within, and behind"),
		PAIR("b", "one"),
		PAIR("b\0", "the same with a NUL"),
		PAIR("b\0\0", "two"),
		PAIR("c\0", "has a NUL"),
	};

	(void)state;
	lmdb_write_pairs(lmdb_path("table"), pairs, COUNT(pairs), true);
	lmdb_want_listed(
	    "keys", lmdb_path("table"), SIZE_MAX, "b=one;c=has a NUL;");
	lmdb_write_pairs(lmdb_path("table"), NULL, 0, true);
	lmdb_want_listed("empty", lmdb_path("table"), SIZE_MAX, "");
}

static void
values_are_bounded(void **state)
{
	static char text[TABLES_VALUE_BYTES + 1];
	struct pair pairs[] = {
		{ "most", 4, text, TABLES_VALUE_BYTES },
		{ "over", 4, text, TABLES_VALUE_BYTES + 1 },
	};
	struct arena arena;

	(void)state;
	memset(text, 'x', sizeof(text));
	lmdb_write_pairs(lmdb_path("table"), pairs, COUNT(pairs), true);
	arena_init(&arena, ARENA_BYTES);
	assert_int_equal(strlen(lmdb_found(&arena, lmdb_path("table"), "most")),
	    TABLES_VALUE_BYTES);
	lmdb_want_fault(
	    "over", "64 KiB", lmdb_found(&arena, lmdb_path("table"), "over"));
	arena_clear(&arena);
	lmdb_want_listed("both", lmdb_path("table"), SIZE_MAX,
	    "most=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;"
	    "over!a value of more than 64 KiB;");
	arena_init(&arena, 1000);
	lmdb_want_fault("no memory", "memory",
	    lmdb_found(&arena, lmdb_path("table"), "most"));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_may_end_in_nul),
		cmocka_unit_test(every_key_of_a_large_table_is_found),
		cmocka_unit_test(all_of_a_large_table_is_listed),
		cmocka_unit_test(what_is_no_key_is_not_listed),
		cmocka_unit_test(values_are_bounded),
	};

	return cmocka_run_group_tests_name(
	    "tables_lmdb", tests, lmdb_make_directory, lmdb_remove_directory);
}
