#include "tests/contract/lmdb_files.h"

#include "milter/io/store_lmdb.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

int
lmdb_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture_init(fixture);
	*state = fixture;
	return 0;
}

int
lmdb_teardown(void **state)
{
	fixture_clear(*state);
	free(*state);
	return 0;
}

const char *
lmdb_path(const struct fixture *fixture, const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
	return path;
}

size_t
lmdb_count_files(const struct fixture *fixture, const char *prefix)
{
	DIR *directory = opendir(fixture->directory);
	const struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(directory)) != NULL)
		count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	(void)closedir(directory);
	return count;
}

struct store *
lmdb_open_noticing(struct fixture *fixture, struct fault *notice)
{
	struct fault fault = { 0 };
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, notice, &fault);

	if (store == NULL)
		fail_msg("wanted a store, got %s", fault.words);
	store_lmdb_set_clock(store, fixture_clock, fixture);
	return store;
}

void
want_fault(const char *what, const struct fault *fault, enum fault_kind kind,
    const char *part)
{
	if (fault->kind != kind || strstr(fault->words, part) == NULL)
		fail_msg("%s: wanted kind %d with \"%s\", got %d, \"%s\"", what,
		    kind, part, fault->kind, fault->words);
}

void
lmdb_key(char *key, size_t size, int number)
{
	(void)snprintf(key, size, "account-%d@example.net", number);
}

void
lmdb_fill(struct fixture *fixture, bool is_clean)
{
	struct limit limit = limit_of("l", 1000000, LMDB_HOUR_MS);
	char key[64];

	fixture->store = fixture_open_lmdb(fixture);
	for (int i = 0; i < LMDB_KEYS; i++) {
		lmdb_key(key, sizeof key, i);
		assert_true(
		    charge_one(fixture->store, &limit, key, (uint64_t)i + 1));
	}
	store_close(&fixture->store);
	if (!is_clean)
		assert_int_equal(
		    unlink(lmdb_path(fixture, "limits.mdb-clean")), 0);
}

off_t
lmdb_size(const struct fixture *fixture)
{
	struct stat info;

	assert_int_equal(stat(lmdb_path(fixture, "limits.mdb"), &info), 0);
	return info.st_size;
}

bool
try_charge(struct store *store, const struct limit *limit, const char *key,
    struct fault *fault)
{
	struct charge charge = charge_of(limit, key, 1);
	struct charge_answer answer;
	struct store_receipt receipt;

	return store_charge(store, &charge, 1, false, &answer, &receipt, fault);
}

struct store *
lmdb_reopen(void *context, struct fault *notice_out, struct fault *fault)
{
	struct fixture *fixture = context;
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, notice_out, fault);

	if (store != NULL)
		store_lmdb_set_clock(store, fixture_clock, fixture);
	return store;
}
