/* lmdb_fixture: LMDB files in a directory of the test's own, for tests. */
#ifndef TESTS_UNIT_LMDB_FIXTURE_H
#define TESTS_UNIT_LMDB_FIXTURE_H

#include "milter/io/tables.h"
#include "policy/arena.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	LMDB_KEY_BYTES = 32768 + 1, /* of a damaged file; with a NUL */
	LMDB_KEYS = 3000,           /* of a large one */
};

struct pair {
	const char *key;
	size_t key_length;
	const char *value;
	size_t value_length;
};

#define PAIR(key, value)                                       \
	{                                                      \
		key, sizeof(key) - 1, value, sizeof(value) - 1 \
	}

/* What a listing has given so far. */
struct listed {
	char text[4096]; /* "KEY=VALUE;", or "KEY!TROUBLE;" */
	size_t most;     /* it says false then */
	size_t count;
	char last[LMDB_KEY_BYTES];
};

/* For cmocka: the directory. */
int lmdb_make_directory(void **state);
int lmdb_remove_directory(void **state);

/* Its path. */
const char *lmdb_directory(void);

/* The path of a file in it, until the next call. */
const char *lmdb_path(const char *name);

/* A file to write to. */
MDB_env *lmdb_open_env(const char *path);

/* Write pairs, after emptying the table if it is to hold no others. */
void lmdb_write_pairs(
    const char *path, const struct pair *pairs, size_t count, bool is_emptied);

/* Write one of several levels, with LMDB_KEYS pairs: key and value by number.
 */
void lmdb_write_large(const char *path);
void lmdb_number_key(char *key, size_t size, unsigned number);
size_t lmdb_number_value(char *value, size_t size, unsigned number);

/* What is found, as text: "(none)", or "fault: WORDS". */
const char *lmdb_found(struct arena *arena, const char *path, const char *key);

/* Fail the test unless it is wanted. */
void lmdb_want(const char *name, const char *wanted, const char *got);

/* A fault that has these words in it. */
void lmdb_want_fault(const char *name, const char *words, const char *got);

/* For tables_lmdb_each(): context is a struct listed. */
bool lmdb_take_entry(void *context, const struct table_entry *entry);

/* List most entries. */
void lmdb_want_listed(
    const char *name, const char *path, size_t most, const char *wanted);

#endif
