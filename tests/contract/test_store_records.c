/* Records put into limits.mdb by hand: as version 1 wrote them, and such as
 * nobody writes. */
#include "milter/io/store_lmdb.h"
#include "milter/io/store_lmdb_record.h"
#include "tests/contract/lmdb_files.h"

#include <lmdb.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void
put_number(unsigned char *at, size_t octets, uint64_t number)
{
	for (size_t i = 0; i < octets; i++)
		at[i] = (unsigned char)(number >> (8 * i));
}

/* Give a value its checksum, as version 1 had it. */
static void
seal(const char *key, size_t key_length, unsigned char *value, size_t length)
{
	uint32_t sum = 2166136261U;

	for (size_t i = 0; i < key_length; i++)
		sum = (sum ^ (unsigned char)key[i]) * 16777619U;
	for (size_t i = 0; i < length; i++)
		if (i < 4 || i >= 8)
			sum = (sum ^ value[i]) * 16777619U;
	put_number(value + 4, 4, sum);
}

/* Write entries by hand into the file, which nobody has open. */
static void
put_raw(const struct fixture *fixture, const char *key, size_t key_length,
    unsigned char *value, size_t length)
{
	char copy[64];
	MDB_val name = { key_length, copy };
	MDB_val data = { length, value };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_true(key_length <= sizeof copy);
	memcpy(copy, key, key_length);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, lmdb_path(fixture, "limits.mdb"),
			     MDB_NOSUBDIR | MDB_NOLOCK, 0600),
	    0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &name, &data, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

/* A file of version 1, made by hand: its counts hold, and are still there when
 * this version has written to it. */
static void
test_version_1(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, LMDB_HOUR_MS);
	const uint64_t newest = window_slot(LMDB_HOUR_MS, FIXTURE_NOW);
	unsigned char window[29] = { 1, 2 };
	unsigned char meta[24] = { 1 };
	char name[] = { 'k', 'l', '\0', 'k' };
	const struct store_override override = { "l", "k", 401, 0, "" };
	struct fault fault;
	uint64_t epoch;

	put_number(window + 8, 8, LMDB_HOUR_MS);
	put_number(window + 16, 8, newest);
	window[24] = 5; /* five slots ago: 300 */
	window[25] = 0x80 | (300 & 0x7f);
	window[26] = 300 >> 7;
	window[27] = 0; /* now: 7 */
	window[28] = 7;
	seal(name, sizeof name, window, sizeof window);
	put_number(meta + 8, 8, FIXTURE_NOW);
	put_number(meta + 16, 8, 4711);
	seal("m", 1, meta, sizeof meta);
	put_raw(fixture, name, sizeof name, window, sizeof window);
	put_raw(fixture, "m", 1, meta, sizeof meta);

	limit.max = 400;
	fixture->store = fixture_open_lmdb(fixture);
	want_number("counts", 307, used_of(fixture->store, &limit, "k"));
	assert_true(store_epoch(fixture->store, &epoch, &fault));
	want_number("epoch", 4711, epoch);
	assert_true(charge_one(fixture->store, &limit, "k", 93));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	assert_true(store_set(fixture->store, &override, &fault));
	store_close(&fixture->store);
	assert_int_equal(unlink(lmdb_path(fixture, "limits.mdb-clean")), 0);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 400, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
}

/* Each of these would have something be overlooked or misread. */
static void
test_damaged(void **state)
{
	static const struct {
		const char *name;
		const char *key;
		size_t key_length;
		size_t length;
		unsigned char value[40];
		bool is_sealed;
	} cases[] = {
		{ "an override more than the file says", "o\0k", 3, 24, { 2 },
		    true },
		{ "a wrong checksum", "o\0k", 3, 24, { 2 }, false },
		{ "half a head", "o\0k", 3, 20, { 2 }, true },
		{ "NUL in the words", "ol\0k", 4, 26, { 2 }, true },
		{ "more recipients than there are", "r\0k", 3, 24,
		    { 2, [16] = 1 }, true },
		{ "a key that is no hash", "Ol\0k", 4, 24, { 2 }, true },
		{ "an unknown kind", "zl\0k", 4, 24, { 2 }, true },
		{ "version 0", "kl\0k", 4, 24, { 0, [8] = 1 }, true },
		{ "no octet for warnings", "kl\0k", 4, 24, { 2, [8] = 1 },
		    true },
		{ "a warning to come", "kl\0k", 4, 25, { 2, [8] = 1, [24] = 2 },
		    true },
		{ "a kept key where none is", "kl\0k", 4, 29,
		    { 2, [2] = 4, [8] = 1 }, true },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		unsigned char value[40];
		struct fault notice;

		fixture->store = fixture_open_lmdb(fixture);
		store_close(&fixture->store);
		memcpy(value, cases[i].value, sizeof value);
		if (cases[i].is_sealed)
			seal(cases[i].key, cases[i].key_length, value,
			    cases[i].length);
		put_raw(fixture, cases[i].key, cases[i].key_length, value,
		    cases[i].length);
		fixture->store = lmdb_open_noticing(fixture, &notice);
		want_fault(
		    cases[i].name, &notice, FAULT_PERMANENT, "moved aside");
		store_close(&fixture->store);
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lmdb_setup, lmdb_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_version_1),
		CASE(test_damaged),
	};

	return cmocka_run_group_tests_name("store_records", tests, NULL, NULL);
}
