/* One value out of an LMDB file: against files that LMDB itself and postmap(1)
 * write, while they write them, and against files that are no such thing. */
#include "milter/io/tables_lmdb.h"

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

enum {
	ARENA_BYTES = 1 << 20,
	KEYS = 3000,
	DAMAGES = 1500,
	READS = 3000,
	ROUNDS = 1000
};

static char directory[] = "/tmp/postern-tables-XXXXXX";

static const char *
path_of(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static int
make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static int
remove_directory(void **state)
{
	static const char *const names[] = { "table", "other", "text",
		"main.cf", "users", "users.lmdb", "fifo", "more" };

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		(void)unlink(path_of(names[i]));
	return rmdir(directory);
}

static MDB_env *
open_env(const char *path)
{
	MDB_env *env;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_mapsize(env, 64 << 20), 0);
	assert_int_equal(mdb_env_open(env, path,
			     MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600),
	    0);
	return env;
}

struct pair {
	const char *key;
	size_t key_length;
	const char *value;
	size_t value_length;
};

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
static void
write_pairs(
    const char *path, const struct pair *pairs, size_t count, bool is_emptied)
{
	MDB_env *env = open_env(path);
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
static const char *
found(struct arena *arena, const char *path, const char *key)
{
	struct fault fault = { .kind = FAULT_NONE };
	const char *value;

	if (!tables_lmdb_find(path, key, arena, &value, &fault))
		return arena_printf(arena, "fault: %s", fault.words);
	return value != NULL ? value : "(none)";
}

static void
want(const char *name, const char *wanted, const char *got)
{
	if (got == NULL || strcmp(wanted, got) != 0)
		fail_msg("%s: wanted %.100s, got %.100s", name, wanted, got);
}

/* A fault that has these words in it. */
static void
want_fault(const char *name, const char *words, const char *got)
{
	if (strncmp(got, "fault: ", 7) != 0 || strstr(got, words) == NULL)
		fail_msg("%s: wanted a fault with \"%s\", got %.100s", name,
		    words, got);
}

#define PAIR(key, value)                                       \
	{                                                      \
		key, sizeof(key) - 1, value, sizeof(value) - 1 \
	}

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
	write_pairs(path_of("table"), pairs, COUNT(pairs), true);
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(cases); i++)
		want(cases[i].key, cases[i].want,
		    found(&arena, path_of("table"), cases[i].key));
	want_fault("inner", "NUL", found(&arena, path_of("table"), "inner"));
	want_fault(
	    "two nul", "NUL", found(&arena, path_of("table"), "two nul"));
	arena_clear(&arena);
}

static void
number_key(char *key, size_t size, unsigned number)
{
	/* of very different lengths, so that branches have them too */
	snprintf(key, size, "user%u%.*s@example.com", number,
	    (int)(number * 7919 % 150),
	    "----------------------------------------------------------------"
	    "----------------------------------------------------------------"
	    "----------------------------------------------------------------");
}

/* A value of a length between nothing and several pages. */
static size_t
number_value(char *value, size_t size, unsigned number)
{
	size_t length =
	    number % 50 == 0 ? (size_t)number * 37 % size : number % 90;

	for (size_t i = 0; i < length; i++)
		value[i] = (char)('a' + (i + number) % 26);
	value[length] = '\0';
	return length;
}

static void
every_key_of_a_large_table_is_found(void **state)
{
	static char value[20001];
	MDB_env *env = open_env(path_of("more"));
	struct arena arena;
	MDB_stat status;
	MDB_txn *txn;
	MDB_dbi dbi;
	char key[256];

	(void)state;
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (unsigned i = 0; i < KEYS; i++) {
		struct pair pair = { key, 0, value, 0 };

		number_key(key, sizeof(key), i);
		pair.key_length = strlen(key);
		pair.value_length = number_value(value, sizeof(value) - 1, i);
		put(txn, dbi, &pair);
	}
	assert_int_equal(mdb_stat(txn, dbi, &status), 0);
	assert_true(status.ms_depth >= 3 && status.ms_overflow_pages > 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	for (unsigned i = 0; i < KEYS; i++) {
		arena_init(&arena, ARENA_BYTES);
		number_key(key, sizeof(key), i);
		(void)number_value(value, sizeof(value) - 1, i);
		want(key, value, found(&arena, path_of("more"), key));
		key[0] = (char)('a' + i % 26 + (i % 26 >= 20));
		want(key, "(none)", found(&arena, path_of("more"), key));
		arena_clear(&arena);
	}
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
	write_pairs(path_of("table"), pairs, COUNT(pairs), true);
	arena_init(&arena, ARENA_BYTES);
	assert_int_equal(strlen(found(&arena, path_of("table"), "most")),
	    TABLES_VALUE_BYTES);
	want_fault("over", "64 KiB", found(&arena, path_of("table"), "over"));
	arena_clear(&arena);
	arena_init(&arena, 1000);
	want_fault(
	    "no memory", "memory", found(&arena, path_of("table"), "most"));
	arena_clear(&arena);
}

static void
changes_are_seen_at_once(void **state)
{
	static const struct pair first = PAIR("key", "first");
	static const struct pair second = PAIR("key", "second");
	static const struct pair third = PAIR("key", "third");
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	write_pairs(path_of("table"), &first, 1, true);
	want("first", "first", found(&arena, path_of("table"), "key"));
	write_pairs(path_of("table"), &second, 1, true);
	want("in place", "second", found(&arena, path_of("table"), "key"));
	write_pairs(path_of("other"), &third, 1, true);
	{
		char other[256];

		snprintf(other, sizeof(other), "%s", path_of("other"));
		assert_int_equal(rename(other, path_of("table")), 0);
	}
	want("replaced", "third", found(&arena, path_of("table"), "key"));
	write_pairs(path_of("table"), NULL, 0, true);
	want("emptied", "(none)", found(&arena, path_of("table"), "key"));
	assert_int_equal(unlink(path_of("table")), 0);
	want_fault(
	    "gone", "No such file", found(&arena, path_of("table"), "key"));
	arena_clear(&arena);
}

static void
write_file(const char *path, const void *data, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), length);
	assert_int_equal(close(fd), 0);
}

/* A file with a table "key" of its own in it. */
static void
write_nested(const char *path)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 2), 0);
	assert_int_equal(
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "key", MDB_CREATE, &dbi), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
no_table_is_told(void **state)
{
	static const char text[] = "alice@a.example bob\n";
	static unsigned char zeros[16384];
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	write_file(path_of("text"), text, 0);
	want_fault(
	    "an empty file", "postmap", found(&arena, path_of("text"), "key"));
	write_file(path_of("text"), text, sizeof(text) - 1);
	want_fault(
	    "its source", "postmap", found(&arena, path_of("text"), "key"));
	write_file(path_of("text"), zeros, sizeof(zeros));
	want_fault("zeros", "postmap", found(&arena, path_of("text"), "key"));
	assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
	want_fault("a FIFO", "no file", found(&arena, path_of("fifo"), "key"));
	want_fault("a directory", "no file", found(&arena, directory, "key"));
	assert_int_equal(unlink(path_of("text")), 0);
	write_nested(path_of("text"));
	want_fault("a table within", "tables within",
	    found(&arena, path_of("text"), "key"));
	arena_clear(&arena);
}

static uint64_t
next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ULL;
}

static size_t
read_file(const char *path, unsigned char **data_out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	assert_true(fd >= 0 && fstat(fd, &status) == 0);
	*data_out = malloc((size_t)status.st_size);
	assert_non_null(*data_out);
	assert_int_equal(
	    read(fd, *data_out, (size_t)status.st_size), status.st_size);
	assert_int_equal(close(fd), 0);
	return (size_t)status.st_size;
}

/* Damage data somewhere: often where pages have their heads, and often with
 * numbers that lead beyond something. */
static void
damage(unsigned char *data, size_t size, uint64_t *seed)
{
	static const unsigned char octets[] = { 0, 1, 2, 4, 0x10, 0x7f, 0x80,
		0xff };

	for (uint64_t n = 1 + next_random(seed) % 6; n > 0; n--) {
		size_t at = next_random(seed) % size;

		if (next_random(seed) % 4 != 0)
			at = at / 4096 * 4096 + next_random(seed) % 200;
		if (at < size)
			data[at] = octets[next_random(seed) % COUNT(octets)];
	}
}

/* Whatever a file says, it is answered or told, and nothing else happens: this
 * is for the sanitizers, and for loops without end. */
static void
damage_does_no_harm(void **state)
{
	uint64_t seed = 20261122;
	unsigned char *good;
	size_t size = read_file(path_of("more"), &good);
	unsigned char *bad = malloc(size);
	size_t faults = 0;

	(void)state;
	assert_non_null(bad);
	for (unsigned i = 0; i < DAMAGES; i++) {
		/* Small files have each octet hit more often. */
		size_t part = i % 4 == 0 ? next_random(&seed) % size : size;
		struct arena arena;
		char key[256];

		if (i % 16 == 0)
			memcpy(bad, good, size);
		damage(bad, i % 2 == 0 ? 8192 + 4096 : size, &seed);
		write_file(path_of("text"), bad, i % 16 == 15 ? part : size);
		arena_init(&arena, ARENA_BYTES);
		for (unsigned k = 0; k < 4; k++) {
			number_key(key, sizeof(key),
			    (unsigned)(next_random(&seed) % KEYS));
			faults += strncmp(found(&arena, path_of("text"), key),
				      "fault: ", 7)
			    == 0;
		}
		arena_clear(&arena);
	}
	assert_true(faults > DAMAGES / 10);
	free(good);
	free(bad);
}

/* Pages that lead to themselves, for ever. */
static void
a_ring_of_pages_is_damage(void **state)
{
	unsigned char *data;
	size_t size = read_file(path_of("more"), &data);
	struct arena arena;
	size_t turned = 0;

	(void)state;
	for (size_t page = 8192; page + 4096 <= size; page += 4096) {
		uint16_t lower;
		uint16_t flags;
		uint32_t number = (uint32_t)(page / 4096);

		memcpy(&flags, data + page + 10, sizeof(flags));
		memcpy(&lower, data + page + 12, sizeof(lower));
		if (flags != 1 || lower > 4096)
			continue;
		for (size_t at = page + 16; at < page + lower; at += 2) {
			uint16_t node;

			memcpy(&node, data + at, sizeof(node));
			memcpy(data + page + node, &number, sizeof(number));
		}
		turned++;
	}
	assert_true(turned > 0);
	write_file(path_of("text"), data, size);
	arena_init(&arena, ARENA_BYTES);
	want_fault("a ring", "damaged",
	    found(&arena, path_of("text"), "user1@example.com"));
	arena_clear(&arena);
	free(data);
}

struct writer {
	char path[256];
	atomic_bool is_over;
	atomic_uint commits;
};

/* Rewrites the table in place over and over, as postmap does it. */
static void *
write_always(void *context)
{
	struct writer *writer = context;
	MDB_env *env = open_env(writer->path);
	char key[64];
	char value[64];

	while (!atomic_load(&writer->is_over)) {
		MDB_txn *txn;
		MDB_dbi dbi;

		if (mdb_txn_begin(env, NULL, 0, &txn) != 0
		    || mdb_dbi_open(txn, NULL, 0, &dbi) != 0
		    || mdb_drop(txn, dbi, 0) != 0)
			abort();
		for (unsigned i = 0; i < 500; i++) {
			MDB_val found_key = { 0, key };
			MDB_val found_value = { 0, value };

			snprintf(key, sizeof(key), "user%u", i);
			snprintf(value, sizeof(value), "user%u %s", i,
			    atomic_load(&writer->commits) % 2 == 0 ? "even"
								   : "odd");
			found_key.mv_size = strlen(key);
			found_value.mv_size = strlen(value);
			if (mdb_put(txn, dbi, &found_key, &found_value, 0) != 0)
				abort();
		}
		if (mdb_txn_commit(txn) != 0)
			abort();
		atomic_fetch_add(&writer->commits, 1);
	}
	mdb_env_close(env);
	return NULL;
}

static void
writers_are_no_trouble(void **state)
{
	static const struct pair pair = PAIR("user1", "user1 even");
	struct writer writer = { .commits = 0 };
	pthread_t thread;
	struct arena arena;
	unsigned reads = 0;
	unsigned busy = 0;
	char wrong[300] = "";

	(void)state;
	(void)unlink(path_of("table"));
	snprintf(writer.path, sizeof(writer.path), "%s", path_of("table"));
	write_pairs(writer.path, &pair, 1, true);
	assert_int_equal(
	    pthread_create(&thread, NULL, write_always, &writer), 0);
	for (; reads < READS || atomic_load(&writer.commits) < 20; reads++) {
		unsigned i = reads;
		char even[64];
		char odd[64];
		const char *got;

		arena_init(&arena, ARENA_BYTES);
		snprintf(even, sizeof(even), "user%u even", i % 2);
		snprintf(odd, sizeof(odd), "user%u odd", i % 2);
		got =
		    found(&arena, writer.path, i % 2 == 0 ? "user0" : "user1");
		if (strstr(got, "all the time") != NULL)
			busy++;
		else if (strcmp(got, even) != 0 && strcmp(got, odd) != 0
		    && (i % 2 == 1 || strcmp(got, "(none)") != 0))
			snprintf(wrong, sizeof(wrong),
			    "read %u: wanted %s or %s, got %s", i, even, odd,
			    got);
		arena_clear(&arena);
	}
	atomic_store(&writer.is_over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(wrong, "");
	assert_true(busy < reads / 4);
}

/* Adds so much that the table's root comes to lie where no file was. */
static void *
grow_once(void *context)
{
	struct writer *writer = context;
	MDB_env *env = open_env(writer->path);
	char value[400];
	char key[64];
	MDB_txn *txn;
	MDB_dbi dbi;

	memset(value, 'x', sizeof(value));
	if (mdb_txn_begin(env, NULL, 0, &txn) != 0
	    || mdb_dbi_open(txn, NULL, 0, &dbi) != 0)
		abort();
	for (unsigned i = 0; i < 100; i++) {
		MDB_val found_key = { 0, key };
		MDB_val found_value = { sizeof(value), value };

		snprintf(key, sizeof(key), "vser%u", i);
		found_key.mv_size = strlen(key);
		if (mdb_put(txn, dbi, &found_key, &found_value, 0) != 0)
			abort();
	}
	if (mdb_txn_commit(txn) != 0)
		abort();
	mdb_env_close(env);
	atomic_store(&writer->is_over, true);
	return NULL;
}

static void
growing_is_no_damage(void **state)
{
	static const struct pair pair = PAIR("user1", "one");
	char wrong[300] = "";

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct writer writer = { .commits = 0 };
		pthread_t thread;

		(void)unlink(path_of("table"));
		snprintf(
		    writer.path, sizeof(writer.path), "%s", path_of("table"));
		write_pairs(writer.path, &pair, 1, true);
		assert_int_equal(
		    pthread_create(&thread, NULL, grow_once, &writer), 0);
		while (!atomic_load(&writer.is_over)) {
			struct arena arena;
			const char *got;

			arena_init(&arena, ARENA_BYTES);
			got = found(&arena, writer.path, "user1");
			if (strcmp(got, "one") != 0)
				snprintf(wrong, sizeof(wrong), "%s", got);
			arena_clear(&arena);
		}
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_string_equal(wrong, "");
}

/* Run "postmap -c DIRECTORY lmdb:DIRECTORY/users". */
static int
run_postmap(void)
{
	char map[300];
	int status;
	pid_t pid;

	snprintf(map, sizeof(map), "lmdb:%s", path_of("users"));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(POSTMAP, POSTMAP, "-c", directory, map, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
postmaps_files_are_read(void **state)
{
	static const char first[] = "Alice@A.example\talice\n"
				    "@b.example  carol,  dave\n";
	static const char second[] = "alice@a.example\tbob\n";
	struct arena arena;

	(void)state;
	if (access(POSTMAP, X_OK) < 0)
		skip();
	write_file(path_of("main.cf"), first, 0);
	write_file(path_of("users"), first, sizeof(first) - 1);
	if (run_postmap() != 0) /* built without LMDB */
		skip();
	arena_init(&arena, ARENA_BYTES);
	want("a key in lower case", "alice",
	    found(&arena, path_of("users.lmdb"), "alice@a.example"));
	want("blanks in a value", "carol,  dave",
	    found(&arena, path_of("users.lmdb"), "@b.example"));
	want("no such key", "(none)",
	    found(&arena, path_of("users.lmdb"), "Alice@A.example"));
	write_file(path_of("users"), second, sizeof(second) - 1);
	assert_int_equal(run_postmap(), 0);
	want("made anew", "bob",
	    found(&arena, path_of("users.lmdb"), "alice@a.example"));
	want("taken out", "(none)",
	    found(&arena, path_of("users.lmdb"), "@b.example"));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_and_values_may_end_in_nul),
		cmocka_unit_test(every_key_of_a_large_table_is_found),
		cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(changes_are_seen_at_once),
		cmocka_unit_test(no_table_is_told),
		cmocka_unit_test(damage_does_no_harm),
		cmocka_unit_test(a_ring_of_pages_is_damage),
		cmocka_unit_test(writers_are_no_trouble),
		cmocka_unit_test(growing_is_no_damage),
		cmocka_unit_test(postmaps_files_are_read),
	};

	return cmocka_run_group_tests_name(
	    "tables_lmdb", tests, make_directory, remove_directory);
}
