#include "tests/unit/lmdb_fixture.h"

#include "milter/io/tables_lmdb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char directory[] = "/tmp/postern-tables-XXXXXX";

const char *
lmdb_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

int
lmdb_make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? 0 : -1;
}

int
lmdb_remove_directory(void **state)
{
	static const char *const names[] = { "table", "other", "text",
		"main.cf", "users", "users.lmdb", "fifo", "more" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		(void)unlink(lmdb_path(names[i]));
	return rmdir(directory);
}

MDB_env *
lmdb_open_env(const char *path)
{
	MDB_env *env;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	assert_int_equal(mdb_env_open(env, path,
			     MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600),
	    0);
	return env;
}

static void
put(MDB_txn *txn, MDB_dbi dbi, const struct pair *pair)
{
	MDB_val key = { pair->key_length, NULL };
	MDB_val value = { pair->value_length, NULL };

	memcpy(&key.mv_data, &pair->key, sizeof(void *));
	memcpy(&value.mv_data, &pair->value, sizeof(void *));
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
}

/* Write pairs, after emptying the table if it is to hold no others. */
void
lmdb_write_pairs(
    const char *path, const struct pair *pairs, size_t count, bool is_emptied)
{
	MDB_env *env = lmdb_open_env(path);
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	if (is_emptied)
		assert_int_equal(mdb_drop(txn, dbi, 0), 0);
	for (size_t i = 0; i < count; i++)
		put(txn, dbi, &pairs[i]);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* What is found, as text: "(none)", or "fault: WORDS". */
const char *
lmdb_found(struct arena *arena, const char *path, const char *key)
{
	struct fault fault = { .kind = FAULT_NONE };
	const char *value;

	if (!tables_lmdb_find(path, key, arena, &value, &fault))
		return arena_printf(arena, "fault: %s", fault.words);
	return value != NULL ? value : "(none)";
}

void
lmdb_want(const char *name, const char *wanted, const char *got)
{
	if (got == NULL || strcmp(wanted, got) != 0)
		fail_msg("%s: wanted %.100s, got %.100s", name, wanted, got);
}

/* A fault that has these words in it. */
void
lmdb_want_fault(const char *name, const char *words, const char *got)
{
	if (strncmp(got, "fault: ", 7) != 0 || strstr(got, words) == NULL)
		fail_msg("%s: wanted a fault with \"%s\", got %.100s", name,
		    words, got);
}

bool
lmdb_take_entry(void *context, const struct table_entry *entry)
{
	struct listed *listed = context;
	size_t used = strlen(listed->text);

	/* What is given wholly is only asked for where it is short. */
	if (used + 200 < sizeof(listed->text))
		snprintf(listed->text + used, sizeof(listed->text) - used,
		    "%.60s%c%.60s;", entry->key,
		    entry->value != NULL ? '=' : '!',
		    entry->value != NULL ? entry->value : entry->trouble);
	/* Each once, and in order. */
	if (strcmp(listed->last, entry->key) >= 0 && listed->count > 0)
		fail_msg("%.60s comes after %.60s", entry->key, listed->last);
	snprintf(listed->last, sizeof(listed->last), "%s", entry->key);
	return ++listed->count < listed->most;
}

void
lmdb_want_listed(
    const char *name, const char *path, size_t most, const char *wanted)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct listed listed = { .most = most };

	if (!tables_lmdb_each(path, lmdb_take_entry, &listed, &fault))
		fail_msg("%s: %s", name, fault.words);
	lmdb_want(name, wanted, listed.text);
}

void
lmdb_number_key(char *key, size_t size, unsigned number)
{
	/* of very different lengths, so that branches have them too */
	snprintf(key, size, "user%u%.*s@example.com", number,
	    (int)(number * 7919 % 150),
	    "----------------------------------------------------------------"
	    "----------------------------------------------------------------"
	    "----------------------------------------------------------------");
}

/* A value of a length between nothing and several pages. */
size_t
lmdb_number_value(char *value, size_t size, unsigned number)
{
	size_t length =
	    number % 50 == 0 ? (size_t)number * 37 % size : number % 90;

	for (size_t i = 0; i < length; i++)
		value[i] = (char)('a' + (i + number) % 26);
	value[length] = '\0';
	return length;
}

void
lmdb_write_large(const char *path)
{
	static char value[20001];
	MDB_env *env = lmdb_open_env(path);
	MDB_stat status;
	MDB_txn *txn;
	MDB_dbi dbi;
	char key[256];

	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (unsigned i = 0; i < LMDB_KEYS; i++) {
		struct pair pair = { key, 0, value, 0 };

		lmdb_number_key(key, sizeof(key), i);
		pair.key_length = strlen(key);
		pair.value_length =
		    lmdb_number_value(value, sizeof(value) - 1, i);
		put(txn, dbi, &pair);
	}
	assert_int_equal(mdb_stat(txn, dbi, &status), 0);
	assert_true(status.ms_depth >= 3 && status.ms_overflow_pages > 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

const char *
lmdb_directory(void)
{
	return directory;
}
