/* Values out of LMDB files, one or all, while others write them, and out of
 * files that are no such thing. */
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

enum {
	ARENA_BYTES = 1 << 20,
	DAMAGES = 1500,
	READS = 3000,
	ROUNDS = 1000,
	LISTINGS = 20
};

static void
changes_are_seen_at_once(void **state)
{
	static const struct pair first = PAIR("key", "first");
	static const struct pair second = PAIR("key", "second");
	static const struct pair third = PAIR("key", "third");
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	lmdb_write_pairs(lmdb_path("table"), &first, 1, true);
	lmdb_want(
	    "first", "first", lmdb_found(&arena, lmdb_path("table"), "key"));
	lmdb_write_pairs(lmdb_path("table"), &second, 1, true);
	lmdb_want("in place", "second",
	    lmdb_found(&arena, lmdb_path("table"), "key"));
	lmdb_write_pairs(lmdb_path("other"), &third, 1, true);
	{
		char other[256];

		snprintf(other, sizeof(other), "%s", lmdb_path("other"));
		assert_int_equal(rename(other, lmdb_path("table")), 0);
	}
	lmdb_want(
	    "replaced", "third", lmdb_found(&arena, lmdb_path("table"), "key"));
	lmdb_write_pairs(lmdb_path("table"), NULL, 0, true);
	lmdb_want(
	    "emptied", "(none)", lmdb_found(&arena, lmdb_path("table"), "key"));
	assert_int_equal(unlink(lmdb_path("table")), 0);
	lmdb_want_fault("gone", "No such file",
	    lmdb_found(&arena, lmdb_path("table"), "key"));
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
	struct listed none = { .most = SIZE_MAX };
	struct fault fault;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	write_file(lmdb_path("text"), text, 0);
	lmdb_want_fault("an empty file", "postmap",
	    lmdb_found(&arena, lmdb_path("text"), "key"));
	write_file(lmdb_path("text"), text, sizeof(text) - 1);
	lmdb_want_fault("its source", "postmap",
	    lmdb_found(&arena, lmdb_path("text"), "key"));
	write_file(lmdb_path("text"), zeros, sizeof(zeros));
	lmdb_want_fault(
	    "zeros", "postmap", lmdb_found(&arena, lmdb_path("text"), "key"));
	assert_int_equal(mkfifo(lmdb_path("fifo"), 0600), 0);
	lmdb_want_fault(
	    "a FIFO", "no file", lmdb_found(&arena, lmdb_path("fifo"), "key"));
	lmdb_want_fault("a directory", "no file",
	    lmdb_found(&arena, lmdb_directory(), "key"));
	assert_false(tables_lmdb_each(
	    lmdb_path("text"), lmdb_take_entry, &none, &fault));
	assert_non_null(strstr(fault.words, "postmap"));
	assert_int_equal(unlink(lmdb_path("text")), 0);
	assert_false(tables_lmdb_each(
	    lmdb_path("text"), lmdb_take_entry, &none, &fault));
	assert_non_null(strstr(fault.words, "No such file"));
	write_nested(lmdb_path("text"));
	lmdb_want_fault("a table within", "tables within",
	    lmdb_found(&arena, lmdb_path("text"), "key"));
	arena_clear(&arena);
	assert_false(
	    tables_lmdb_each(lmdb_path("text"), lmdb_take_entry, &none, NULL));
	assert_int_equal(0, none.count);
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

/* The octets of a large table, which the caller frees. */
static size_t
read_large(unsigned char **data_out)
{
	lmdb_write_large(lmdb_path("more"));
	return read_file(lmdb_path("more"), data_out);
}

/* Whatever a file says, it is answered or told, and nothing else happens: this
 * is for the sanitizers, and for loops without end. */
static void
damage_does_no_harm(void **state)
{
	uint64_t seed = 20261122;
	unsigned char *good;
	size_t size = read_large(&good);
	unsigned char *bad = malloc(size);
	size_t faults = 0;
	size_t lost = 0;

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
		write_file(lmdb_path("text"), bad, i % 16 == 15 ? part : size);
		arena_init(&arena, ARENA_BYTES);
		for (unsigned k = 0; k < 4; k++) {
			lmdb_number_key(key, sizeof(key),
			    (unsigned)(next_random(&seed) % LMDB_KEYS));
			faults +=
			    strncmp(lmdb_found(&arena, lmdb_path("text"), key),
				"fault: ", 7)
			    == 0;
		}
		arena_clear(&arena);
		/* A listing ends, too, and gives no key twice. */
		if (i % 16 == 0) {
			struct listed listed = { .most = SIZE_MAX };

			lost += !tables_lmdb_each(
			    lmdb_path("text"), lmdb_take_entry, &listed, NULL);
		}
	}
	assert_true(faults > DAMAGES / 10);
	assert_true(lost > 0);
	free(good);
	free(bad);
}

/* Pages that lead to themselves, for ever. */
static void
a_ring_of_pages_is_damage(void **state)
{
	unsigned char *data;
	size_t size = read_large(&data);
	struct listed none = { .most = SIZE_MAX };
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
	write_file(lmdb_path("text"), data, size);
	arena_init(&arena, ARENA_BYTES);
	lmdb_want_fault("a ring", "damaged",
	    lmdb_found(&arena, lmdb_path("text"), "user1@example.com"));
	arena_clear(&arena);
	assert_false(
	    tables_lmdb_each(lmdb_path("text"), lmdb_take_entry, &none, NULL));
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
	MDB_env *env = lmdb_open_env(writer->path);
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
	unsigned whole = 0;
	unsigned unlisted = 0;
	char wrong[300] = "";

	(void)state;
	(void)unlink(lmdb_path("table"));
	snprintf(writer.path, sizeof(writer.path), "%s", lmdb_path("table"));
	lmdb_write_pairs(writer.path, &pair, 1, true);
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
		got = lmdb_found(
		    &arena, writer.path, i % 2 == 0 ? "user0" : "user1");
		if (strstr(got, "all the time") != NULL)
			busy++;
		else if (strcmp(got, even) != 0 && strcmp(got, odd) != 0
		    && (i % 2 == 1 || strcmp(got, "(none)") != 0))
			snprintf(wrong, sizeof(wrong),
			    "read %u: wanted %s or %s, got %s", i, even, odd,
			    got);
		arena_clear(&arena);
	}
	for (unsigned i = 0; i < LISTINGS; i++) {
		struct listed listed = { .most = SIZE_MAX };
		struct fault fault;

		/* What is there all the time is there in each. */
		if (!tables_lmdb_each(
			writer.path, lmdb_take_entry, &listed, &fault))
			unlisted += strstr(fault.words, "all the time") != NULL;
		else if (listed.count != 500)
			snprintf(
			    wrong, sizeof(wrong), "%zu entries", listed.count);
		else
			whole++;
	}
	atomic_store(&writer.is_over, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(wrong, "");
	assert_true(busy < reads / 4);
	assert_int_equal(LISTINGS, whole + unlisted);
	assert_true(whole > 0);
}

/* Adds so much that the table's root comes to lie where no file was. */
static void *
grow_once(void *context)
{
	struct writer *writer = context;
	MDB_env *env = lmdb_open_env(writer->path);
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

		(void)unlink(lmdb_path("table"));
		snprintf(
		    writer.path, sizeof(writer.path), "%s", lmdb_path("table"));
		lmdb_write_pairs(writer.path, &pair, 1, true);
		assert_int_equal(
		    pthread_create(&thread, NULL, grow_once, &writer), 0);
		while (!atomic_load(&writer.is_over)) {
			struct arena arena;
			const char *got;

			arena_init(&arena, ARENA_BYTES);
			got = lmdb_found(&arena, writer.path, "user1");
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

	snprintf(map, sizeof(map), "lmdb:%s", lmdb_path("users"));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execl(POSTMAP, POSTMAP, "-c", lmdb_directory(), map,
		    (char *)NULL);
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
	write_file(lmdb_path("main.cf"), first, 0);
	write_file(lmdb_path("users"), first, sizeof(first) - 1);
	if (run_postmap() != 0) /* built without LMDB */
		skip();
	arena_init(&arena, ARENA_BYTES);
	lmdb_want("a key in lower case", "alice",
	    lmdb_found(&arena, lmdb_path("users.lmdb"), "alice@a.example"));
	lmdb_want("blanks in a value", "carol,  dave",
	    lmdb_found(&arena, lmdb_path("users.lmdb"), "@b.example"));
	lmdb_want("no such key", "(none)",
	    lmdb_found(&arena, lmdb_path("users.lmdb"), "Alice@A.example"));
	write_file(lmdb_path("users"), second, sizeof(second) - 1);
	assert_int_equal(run_postmap(), 0);
	lmdb_want("made anew", "bob",
	    lmdb_found(&arena, lmdb_path("users.lmdb"), "alice@a.example"));
	lmdb_want("taken out", "(none)",
	    lmdb_found(&arena, lmdb_path("users.lmdb"), "@b.example"));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_seen_at_once),
		cmocka_unit_test(no_table_is_told),
		cmocka_unit_test(damage_does_no_harm),
		cmocka_unit_test(a_ring_of_pages_is_damage),
		cmocka_unit_test(writers_are_no_trouble),
		cmocka_unit_test(growing_is_no_damage),
		cmocka_unit_test(postmaps_files_are_read),
	};

	return cmocka_run_group_tests_name("tables_lmdb_files", tests,
	    lmdb_make_directory, lmdb_remove_directory);
}
