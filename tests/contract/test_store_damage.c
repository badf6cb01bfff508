/* limits.mdb damaged, cut short, removed, of a version to come: what was
 * counted is kept or moved aside, and nothing ends the process. */
#include "milter/io/store_guard.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_lmdb_record.h"
#include "milter/io/store_memory.h"
#include "tests/contract/lmdb_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FLIPS = 100 };

static void
overwrite(
    const struct fixture *fixture, off_t at, size_t length, uint64_t *seed)
{
	int fd = open(lmdb_path(fixture, "limits.mdb"), O_WRONLY);

	assert_true(fd >= 0);
	for (size_t i = 0; i < length; i++) {
		unsigned char octet = (unsigned char)random_below(seed, 256);

		assert_int_equal(pwrite(fd, &octet, 1, at + (off_t)i), 1);
	}
	(void)close(fd);
}

static void
damage_zero_length(struct fixture *fixture)
{
	assert_int_equal(truncate(lmdb_path(fixture, "limits.mdb"), 0), 0);
}

static void
damage_short(struct fixture *fixture)
{
	assert_int_equal(truncate(lmdb_path(fixture, "limits.mdb"), 100), 0);
}

static void
damage_half(struct fixture *fixture)
{
	assert_int_equal(
	    truncate(lmdb_path(fixture, "limits.mdb"), lmdb_size(fixture) / 2),
	    0);
}

static void
damage_all(struct fixture *fixture)
{
	uint64_t seed = 1;

	overwrite(fixture, 0, (size_t)lmdb_size(fixture), &seed);
}

static void
damage_metas(struct fixture *fixture)
{
	uint64_t seed = 2;

	/* Behind what tells LMDB that it is an LMDB file. */
	overwrite(fixture, 24, 100, &seed);
	overwrite(fixture, 4096 + 24, 100, &seed);
}

static void
damage_middle(struct fixture *fixture)
{
	uint64_t seed = 3;
	off_t pages = lmdb_size(fixture) / 4096;

	overwrite(fixture, pages / 3 * 4096, (size_t)(pages / 3) * 4096, &seed);
}

static void
damage_text(struct fixture *fixture)
{
	FILE *file = fopen(lmdb_path(fixture, "limits.mdb"), "w");

	assert_non_null(file);
	(void)fprintf(file, "this is not what you are looking for\n");
	(void)fclose(file);
}

static const struct {
	const char *name;
	void (*damage)(struct fixture *fixture);
} damages[] = {
	{ "zero length", damage_zero_length },
	{ "shorter than a page", damage_short },
	{ "half of it", damage_half },
	{ "garbage", damage_all },
	{ "garbage where the roots are", damage_metas },
	{ "garbage in the middle", damage_middle },
	{ "another file", damage_text },
};

static void
check_damage(struct fixture *fixture, size_t i, bool is_clean)
{
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	struct fault notice;
	struct fault fault;
	size_t aside = lmdb_count_files(fixture, "limits.mdb.damaged-");

	lmdb_fill(fixture, is_clean);
	damages[i].damage(fixture);
	/* Who only looks says so, and leaves it where it is. */
	assert_null(store_lmdb_open_existing(fixture->directory, &fault));
	want_fault(damages[i].name, &fault, FAULT_PERMANENT, "damaged");
	want_number(damages[i].name, aside,
	    lmdb_count_files(fixture, "limits.mdb.damaged-"));

	fixture->store = lmdb_open_noticing(fixture, &notice);
	want_fault(damages[i].name, &notice, FAULT_PERMANENT, "moved aside");
	want_number(damages[i].name, aside + 1,
	    lmdb_count_files(fixture, "limits.mdb.damaged-"));
	want_number(
	    "new", 0, used_of(fixture->store, &limit, "account-1@example.net"));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_close(&fixture->store);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 1, used_of(fixture->store, &limit, "k"));
	store_close(&fixture->store);
	fixture_clear(fixture);
	fixture_init(fixture);
}

static void
test_damaged(void **state)
{
	for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
		check_damage(*state, i, true);
		check_damage(*state, i, false);
	}
}

/* What lies aside doesn't pile up. */
static void
test_damaged_often(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 8; i++) {
		struct fault notice;

		fixture->store = lmdb_open_noticing(fixture, &notice);
		store_close(&fixture->store);
		damage_text(fixture);
	}
	want_number(
	    "kept", 4, lmdb_count_files(fixture, "limits.mdb.damaged-"));
}

/* All counts are right, or the file was moved aside: never something in
 * between, and never a crash. */
static void
check_flip(struct fixture *fixture, uint64_t start, bool is_torn)
{
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	uint64_t seed = start * 7919;
	uint64_t pages = (uint64_t)lmdb_size(fixture) / 4096;
	uint64_t page = random_below(&seed, pages);
	uint64_t at = page * 4096 + random_below(&seed, 4090);
	struct fault notice;
	char key[64];

	overwrite(fixture, (off_t)(is_torn ? page * 4096 : at),
	    is_torn ? 4096 : 1 + random_below(&seed, 6), &seed);
	fixture->store = lmdb_open_noticing(fixture, &notice);
	for (int i = 0; i < LMDB_KEYS && notice.kind == FAULT_NONE; i += 7) {
		lmdb_key(key, sizeof key, i);
		if (used_of(fixture->store, &limit, key) != (uint64_t)i + 1)
			fail_msg("seed %" PRIu64 ": %s: wanted %d, got "
				 "%" PRIu64,
			    start, key, i + 1,
			    used_of(fixture->store, &limit, key));
		assert_true(charge_one(fixture->store, &limit, key, 1));
	}
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_tend(fixture->store);
	store_close(&fixture->store);
}

static void
copy_file(const char *from, const char *to)
{
	char block[65536];
	size_t length;
	FILE *in = fopen(from, "r");
	FILE *out = fopen(to, "w");

	assert_non_null(in);
	assert_non_null(out);
	while ((length = fread(block, 1, sizeof block, in)) > 0)
		assert_int_equal(fwrite(block, 1, length, out), length);
	(void)fclose(in);
	assert_int_equal(fclose(out), 0);
}

static void
test_random_damage(void **state)
{
	struct fixture *fixture = *state;
	char whole[256];
	char data[256];

	lmdb_fill(fixture, true);
	(void)snprintf(whole, sizeof whole, "%s/whole", fixture->directory);
	(void)snprintf(data, sizeof data, "%s/limits.mdb", fixture->directory);
	copy_file(data, whole);
	for (uint64_t start = 1; start <= FLIPS; start++) {
		copy_file(whole, data);
		check_flip(fixture, start, start % 3 == 0);
	}
}

/* Some pages are as they were a while ago: what a crash of the system may
 * leave, since commits are not synced. Counts may then be old ones; a crash of
 * ours is what must not be. */
static void
check_stale(struct fixture *fixture, const char *older, uint64_t start)
{
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	uint64_t seed = start * 104729;
	int from = open(older, O_RDONLY);
	int to = open(lmdb_path(fixture, "limits.mdb"), O_WRONLY);
	uint64_t pages;
	struct stat info;
	char page[4096];
	char key[64];

	assert_int_equal(fstat(from, &info), 0);
	pages = (uint64_t)info.st_size / sizeof page;
	for (uint64_t i = 1 + random_below(&seed, 6); i > 0; i--) {
		off_t at = (off_t)(random_below(&seed, pages) * sizeof page);

		assert_int_equal(
		    pread(from, page, sizeof page, at), sizeof page);
		assert_int_equal(
		    pwrite(to, page, sizeof page, at), sizeof page);
	}
	(void)close(from);
	(void)close(to);
	for (int round = 0; round < 2; round++) {
		struct fault notice;

		fixture->store = lmdb_open_noticing(fixture, &notice);
		for (int i = 0; i < LMDB_KEYS; i += 5) {
			lmdb_key(key, sizeof key, i);
			assert_true(charge_one(fixture->store, &limit, key, 1));
		}
		store_tend(fixture->store);
		store_close(&fixture->store);
	}
}

static void
test_stale_pages(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	char older[256];
	char whole[256];
	char data[256];
	char key[64];

	(void)snprintf(older, sizeof older, "%s/older", fixture->directory);
	(void)snprintf(whole, sizeof whole, "%s/whole", fixture->directory);
	(void)snprintf(data, sizeof data, "%s/limits.mdb", fixture->directory);
	lmdb_fill(fixture, true);
	copy_file(data, older);
	fixture->store = fixture_open_lmdb(fixture);
	for (int i = 0; i < LMDB_KEYS; i += 3) {
		lmdb_key(key, sizeof key, i * 2);
		assert_true(charge_one(fixture->store, &limit, key, 1));
	}
	store_close(&fixture->store);
	copy_file(data, whole);
	for (uint64_t start = 1; start <= FLIPS / 2; start++) {
		copy_file(whole, data);
		check_stale(fixture, older, start);
	}
}

static void
test_vanished(void **state)
{
	static const char *const names[] = { "limits.mdb", "limits.mdb-lock" };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault;

	for (size_t i = 0; i < 2; i++) {
		fixture->store = fixture_open_lmdb(fixture);
		assert_true(charge_one(fixture->store, &limit, "k", 1));
		assert_int_equal(unlink(lmdb_path(fixture, names[i])), 0);
		store_tend(fixture->store);
		assert_false(try_charge(fixture->store, &limit, "k", &fault));
		want_fault(names[i], &fault, FAULT_TEMPORARY, "vanished");
		store_tend(fixture->store);
		store_close(&fixture->store);
		fixture->store = fixture_open_lmdb(fixture);
		want_number(
		    names[i], 2 * i, used_of(fixture->store, &limit, "k"));
		assert_true(charge_one(fixture->store, &limit, "k", 1));
		store_close(&fixture->store);
	}
}

static void
test_truncated_while_open(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	struct fault notice;
	struct fault fault;

	lmdb_fill(fixture, true);
	fixture->store = fixture_open_lmdb(fixture);
	damage_half(fixture);
	store_tend(fixture->store);
	assert_false(try_charge(fixture->store, &limit, "k", &fault));
	want_fault("truncated", &fault, FAULT_TEMPORARY, "damaged");
	store_close(&fixture->store);
	fixture->store = lmdb_open_noticing(fixture, &notice);
	want_fault("truncated", &notice, FAULT_PERMANENT, "moved aside");
}

/* At once, before anybody has looked: by a charge, by a look, and by closing
 * it, which must not mark it as sound. */
static void
cut_at_once(struct fixture *fixture, void (*damage)(struct fixture *fixture))
{
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	struct charge charge = charge_of(&limit, "k", 1);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault notice;
	struct fault fault;

	for (int way = 0; way < 3; way++) {
		lmdb_fill(fixture, true);
		fixture->store = fixture_open_lmdb(fixture);
		assert_true(charge_one(fixture->store, &limit, "new", 1));
		damage(fixture);
		if (way < 2) {
			assert_false(store_charge(fixture->store, &charge, 1,
			    way == 1, &answer, &receipt, &fault));
			want_fault("cut", &fault, FAULT_TEMPORARY, "damaged");
		}
		store_close(&fixture->store);
		want_number(
		    "marks", 0, lmdb_count_files(fixture, "limits.mdb-clean"));
		fixture->store = lmdb_open_noticing(fixture, &notice);
		want_fault("cut", &notice, FAULT_PERMANENT, "moved aside");
		fixture_clear(fixture);
		fixture_init(fixture);
	}
}

static void
test_cut_at_once(void **state)
{
	cut_at_once(*state, damage_zero_length);
	cut_at_once(*state, damage_short);
	cut_at_once(*state, damage_half);
}

/* A file of a version to come isn't damage, and not thrown away. */
static void
test_newer(void **state)
{
	struct fixture *fixture = *state;
	const struct record_meta meta = { .last_ms = 1, .epoch = 2 };
	unsigned char space[RECORD_META_OCTETS];
	MDB_val key = record_meta_key();
	MDB_val value = { sizeof space, space };
	uint32_t sum = 2166136261U;
	struct fault fault;
	MDB_env *env;
	MDB_txn *txn;

	lmdb_fill(fixture, false);
	record_write_meta(&meta, space);
	space[0] = RECORD_VERSION + 1;
	sum = (sum ^ 'm') * 16777619U;
	for (size_t i = 0; i < sizeof space; i++)
		if (i < 4 || i >= 8)
			sum = (sum ^ space[i]) * 16777619U;
	for (size_t i = 0; i < 4; i++)
		space[4 + i] = (unsigned char)(sum >> (8 * i));
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, lmdb_path(fixture, "limits.mdb"),
			     MDB_NOSUBDIR, 0600),
	    0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	MDB_dbi dbi;
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);

	assert_null(store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault));
	want_fault("newer", &fault, FAULT_PERMANENT, "newer version");
	want_number(
	    "aside", 0, lmdb_count_files(fixture, "limits.mdb.damaged-"));
}

/* The guard answers by itself, and begins anew. */
static void
test_guard_cut_at_once(void **state)
{
	const struct guard_rules rules = { .has_local = true, .retry_ms = 0 };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	uint64_t since_ms;

	fixture->store = store_guard_open(lmdb_reopen, fixture,
	    store_memory_open(1000, fixture_clock, fixture), &rules);
	assert_non_null(fixture->store);
	assert_true(charge_one(fixture->store, &limit, "k", 4));
	damage_zero_length(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 6));
	assert_false(store_guard_is_up(fixture->store, &since_ms));
	store_tend(fixture->store);
	assert_true(store_guard_is_up(fixture->store, &since_ms));
	want_number(
	    "aside", 1, lmdb_count_files(fixture, "limits.mdb.damaged-"));
	want_number("told", 6, used_of(fixture->store, &limit, "k"));
}

struct load {
	struct fixture *fixture;
	_Atomic bool is_over;
	_Atomic uint64_t charged;
};

static void *
charge_under_load(void *argument)
{
	struct load *load = argument;
	struct limit limit = limit_of("l", 1000000000, LMDB_HOUR_MS);

	while (!atomic_load(&load->is_over))
		if (charge_one(load->fixture->store, &limit, "k", 1))
			atomic_fetch_add(&load->charged, 1);
	return NULL;
}

/* The file is taken away, again and again, while threads charge: the guard
 * opens a new one (and a walk of it is done by a child of a process with
 * threads); no charge goes without an answer. */
static void
test_taken_away_under_load(void **state)
{
	static const char *const names[] = { "limits.mdb", "limits.mdb-lock" };
	const struct guard_rules rules = { .has_local = true, .retry_ms = 0 };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000000000, LMDB_HOUR_MS);
	struct load load = { .fixture = fixture };
	pthread_t threads[4];
	uint64_t since_ms;

	fixture->store = store_guard_open(lmdb_reopen, fixture,
	    store_memory_open(1000, fixture_clock, fixture), &rules);
	assert_non_null(fixture->store);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, charge_under_load, &load),
		    0);
	for (size_t i = 0; i < 20; i++) {
		uint64_t before = atomic_load(&load.charged);

		(void)unlink(lmdb_path(fixture, names[i % 2]));
		store_tend(fixture->store);
		while (atomic_load(&load.charged) < before + 20)
			(void)sched_yield();
		store_tend(fixture->store);
	}
	atomic_store(&load.is_over, true);
	for (size_t i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	/* The last loss may not have been noticed yet, then not told of. */
	store_tend(fixture->store);
	(void)charge_one(fixture->store, &limit, "k", 1);
	store_tend(fixture->store);
	assert_true(store_guard_is_up(fixture->store, &since_ms));
	want_number(
	    "aside", 0, lmdb_count_files(fixture, "limits.mdb.damaged-"));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lmdb_setup, lmdb_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_damaged),
		CASE(test_damaged_often),
		CASE(test_random_damage),
		CASE(test_stale_pages),
		CASE(test_vanished),
		CASE(test_truncated_while_open),
		CASE(test_cut_at_once),
		CASE(test_newer),
		CASE(test_guard_cut_at_once),
		CASE(test_taken_away_under_load),
	};

	return cmocka_run_group_tests_name("store_damage", tests, NULL, NULL);
}
