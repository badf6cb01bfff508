/* limits.mdb: shared by processes, killed in the middle, full, in a directory
 * of all kinds. Children are forked before this process opens the file. */
#include "milter/io/secret_file.h"
#include "milter/io/store_lmdb.h"
#include "tests/contract/lmdb_files.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHILDREN = 3, CHARGES = 400, KILLS = 15 };

static void
child_charges(struct fixture *fixture, const struct limit *limit, int tells)
{
	struct fault fault = { 0 };
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault);
	uint64_t charged = 0;

	if (store == NULL)
		_exit(2);
	for (int i = 0; i < CHARGES; i++) {
		struct charge charge = charge_of(limit, "k", 1);
		struct charge_answer answer;
		struct store_receipt receipt;

		if (!store_charge(
			store, &charge, 1, false, &answer, &receipt, &fault))
			_exit(3);
		charged += receipt.is_charged;
		if (i % 100 == 0)
			store_tend(store);
	}
	store_close(&store);
	_exit(write(tells, &charged, sizeof charged) == sizeof charged ? 0 : 4);
}

static void
test_processes(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit =
	    limit_of("l", CHILDREN * CHARGES / 2, 24 * LMDB_HOUR_MS);
	uint64_t total = 0;
	uint64_t charged;
	int ends[2];
	int status;

	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			child_charges(fixture, &limit, ends[1]);
	}
	for (int i = 0; i < CHILDREN; i++) {
		assert_true(wait(&status) > 0);
		want_number("child", 0, (uint64_t)status);
		assert_int_equal(
		    read(ends[0], &charged, sizeof charged), sizeof charged);
		total += charged;
	}
	(void)close(ends[0]);
	(void)close(ends[1]);
	want_number("together", limit.max, total);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("used", limit.max, used_of(fixture->store, &limit, "k"));
}

static void
child_for_ever(struct fixture *fixture, const struct limit *limit, int tells)
{
	struct fault fault = { 0 };
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault);

	for (;;) {
		struct charge charge = charge_of(limit, "k", 1);
		struct charge_answer answer;
		struct store_receipt receipt;

		if (store == NULL
		    || !store_charge(
			store, &charge, 1, false, &answer, &receipt, &fault)
		    || write(tells, "x", 1) != 1)
			_exit(1);
	}
}

/* One that is killed while it writes neither blocks the others nor loses
 * what it was told is counted. */
static void
test_killed(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", UINT64_MAX, 24 * LMDB_HOUR_MS);
	uint64_t told = 0;
	uint64_t used;

	(void)alarm(120); /* rather than hang */
	for (int i = 0; i < KILLS; i++) {
		char octets[256];
		ssize_t length;
		int ends[2];
		pid_t pid;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			child_for_ever(fixture, &limit, ends[1]);
		(void)close(ends[1]);
		assert_int_equal(read(ends[0], octets, 1), 1);
		told++;
		/* This one has it open too while the other dies. */
		fixture->store = fixture_open_lmdb(fixture);
		store_lmdb_set_clock(fixture->store, NULL, NULL);
		for (int c = 0; c < 20 + i; c++, told++)
			assert_true(charge_one(fixture->store, &limit, "k", 1));
		assert_int_equal(kill(pid, SIGKILL), 0);
		for (int c = 0; c < 20; c++, told++)
			assert_true(charge_one(fixture->store, &limit, "k", 1));
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		while ((length = read(ends[0], octets, sizeof octets)) > 0)
			told += (uint64_t)length;
		(void)close(ends[0]);
		used = used_of(fixture->store, &limit, "k");
		if (used < told || used > told + (uint64_t)i + 1)
			fail_msg("wanted %" PRIu64 "..%" PRIu64
				 ", got %" PRIu64,
			    told, told + (uint64_t)i + 1, used);
		store_tend(fixture->store);
		if (i % 2 == 0)
			store_close(&fixture->store);
		else
			fixture_clear(fixture), fixture_init(fixture), told = 0;
	}
	(void)alarm(0);
}

/* Nobody was left to close it: it is walked, found sound, and kept. */
static void
test_unclean(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", UINT64_MAX, 24 * LMDB_HOUR_MS);
	char octets[64];
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child_for_ever(fixture, &limit, ends[1]);
	(void)close(ends[1]);
	assert_true(read(ends[0], octets, sizeof octets) > 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)close(ends[0]);
	want_number("marks", 0, lmdb_count_files(fixture, "limits.mdb-clean"));
	fixture->store = fixture_open_lmdb(fixture);
	store_lmdb_set_clock(fixture->store, NULL, NULL);
	assert_true(used_of(fixture->store, &limit, "k") > 0);
	store_close(&fixture->store);
	want_number("marks", 1, lmdb_count_files(fixture, "limits.mdb-clean"));
}

/* posternctl beside the daemon. */
static void
test_existing(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 100, 24 * LMDB_HOUR_MS);
	struct fault fault = { 0 };
	int to_child[2];
	int from_child[2];
	struct store *store;
	bool was_there;
	char octet;
	pid_t pid;

	assert_null(store_lmdb_open_existing(fixture->directory, &fault));
	want_fault("no file", &fault, FAULT_PERMANENT, "no such file");
	want_number("made", 0, lmdb_count_files(fixture, "limits.mdb"));
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(from_child), 0);
	pid = fork();
	if (pid == 0) { /* the daemon */
		uint64_t before;
		uint64_t after;

		store = store_lmdb_open(
		    fixture->directory, fixture->size_bytes, NULL, &fault);
		if (store == NULL || !charge_one(store, &limit, "k", 7)
		    || !store_epoch(store, &before, &fault)
		    || write(from_child[1], "x", 1) != 1
		    || read(to_child[0], &octet, 1) != 1
		    || !store_epoch(store, &after, &fault) || before == after
		    || used_of(store, &limit, "k") != 0)
			_exit(1);
		store_close(&store);
		_exit(0);
	}
	assert_int_equal(read(from_child[0], &octet, 1), 1);
	store = store_lmdb_open_existing(fixture->directory, &fault);
	if (store == NULL)
		fail_msg("wanted a store, got %s", fault.words);
	want_number("looked", 7, used_of(store, &limit, "k"));
	assert_true(store_reset(store, &limit, "k", &was_there, &fault));
	assert_true(was_there);
	store_close(&store);
	assert_int_equal(write(to_child[1], "x", 1), 1);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	want_number("the daemon", 0, (uint64_t)status);
	for (int i = 0; i < 2; i++) {
		(void)close(to_child[i]);
		(void)close(from_child[i]);
	}
	/* And without the daemon. */
	store = store_lmdb_open_existing(fixture->directory, &fault);
	assert_non_null(store);
	want_number("reset", 0, used_of(store, &limit, "k"));
	store_close(&store);
}

static void
test_twice(void **state)
{
	struct fixture *fixture = *state;
	struct fault fault;

	fixture->store = fixture_open_lmdb(fixture);
	assert_null(store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault));
	want_fault("twice", &fault, FAULT_TEMPORARY, "open already");
	assert_null(store_lmdb_open_existing(fixture->directory, &fault));
	want_fault("looking", &fault, FAULT_PERMANENT, "open already");
	store_close(&fixture->store);
	fixture->store = fixture_open_lmdb(fixture);
}

static void
test_full(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	uint64_t now_ms;
	char key[64];
	int i = 0;

	fixture->size_bytes = 1;
	fixture->store = fixture_open_lmdb(fixture);
	for (int round = 0; round < 3; round++) {
		int first = i;

		do
			lmdb_key(key, sizeof key, i++);
		while (i < first + 100000
		    && try_charge(fixture->store, &limit, key, &fault));
		want_fault("full", &fault, FAULT_TEMPORARY, "store.size");
		assert_true(i - first > 500);
		assert_false(
		    store_add(fixture->store, NULL, 0, &now_ms, &fault));
		want_fault("probe", &fault, FAULT_TEMPORARY, "store.size");
		lmdb_key(key, sizeof key, first);
		want_number("kept", 1, used_of(fixture->store, &limit, key));
		assert_true(lmdb_size(fixture) <= 256 * 1024);

		/* Idle keys make room: by a charge, or by tending. */
		fixture->now_ms += 2 * LMDB_HOUR_MS;
		if (round == 1)
			store_tend(fixture->store);
		if (!try_charge(fixture->store, &limit, "new", &fault))
			fail_msg("wanted room, got %s", fault.words);
		store_tend(fixture->store);
		assert_true(
		    store_add(fixture->store, NULL, 0, &now_ms, &fault));
	}
	store_close(&fixture->store);
	fixture->size_bytes = 16 * 1024 * 1024;
	fixture->store = fixture_open_lmdb(fixture);
	want_number("larger", 1, used_of(fixture->store, &limit, "new"));
}

static void
test_directory(void **state)
{
	struct fixture *fixture = *state;
	struct fault fault;
	char other[256];

	(void)snprintf(other, sizeof other, "%s/none", fixture->directory);
	assert_null(store_lmdb_open(other, 1 << 20, NULL, &fault));
	want_fault("none", &fault, FAULT_PERMANENT, "store.path");

	(void)close(creat(other, 0600));
	assert_null(store_lmdb_open(other, 1 << 20, NULL, &fault));
	want_fault("a file", &fault, FAULT_PERMANENT, "Not a directory");

	assert_int_equal(chmod(fixture->directory, 0770), 0);
	assert_null(store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault));
	want_fault("open to others", &fault, FAULT_PERMANENT, "chmod go-w");
	assert_int_equal(chmod(fixture->directory, 0700), 0);

	assert_int_equal(mkdir(lmdb_path(fixture, "limits.mdb"), 0700), 0);
	assert_null(store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault));
	want_fault("no file", &fault, FAULT_PERMANENT, "regular file");
	assert_int_equal(rmdir(lmdb_path(fixture, "limits.mdb")), 0);

	assert_int_equal(symlink(other, lmdb_path(fixture, "limits.mdb")), 0);
	assert_null(store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault));
	want_fault("a link", &fault, FAULT_PERMANENT, "regular file");
	assert_int_equal(unlink(lmdb_path(fixture, "limits.mdb")), 0);
}

/* In a child: user 65534 can't open it, and is told so: what is before his
 * name, as the system has it, and what is after it; NULL: he isn't named. */
static void
refuse_another(struct fixture *fixture, const char *name, const char *before,
    const char *after)
{
	char who[SECRET_FILE_WHO_BYTES];
	char wanted[FAULT_WORDS_BYTES];
	struct fault fault = { 0 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setuid(65534) != 0)
			_exit(1);
		if (store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault)
			!= NULL
		    || fault.kind != FAULT_PERMANENT)
			_exit(2);
		(void)snprintf(wanted, sizeof(wanted), "%s%s%s", before,
		    after != NULL ? secret_file_user(65534, who) : "",
		    after != NULL ? after : "");
		if (strstr(fault.words, wanted) == NULL) {
			fprintf(stderr, "%s: wanted %s, got %s\n", name, wanted,
			    fault.words);
			_exit(3);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	want_number(name, 0, (uint64_t)status);
}

/* As another user: a directory that isn't ours, one that can't be written to,
 * a file that became root's. */
static void
test_not_ours(void **state)
{
	struct fixture *fixture = *state;
	struct fault fault = { 0 };
	struct store *store;

	if (geteuid() != 0) { /* then the first part can't be had */
		assert_int_equal(chmod(fixture->directory, 0500), 0);
		assert_null(
		    store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault));
		assert_int_equal(fault.kind, FAULT_PERMANENT);
		assert_int_equal(chmod(fixture->directory, 0700), 0);
		return;
	}
	assert_int_equal(chmod(fixture->directory, 0755), 0);
	refuse_another(fixture, "not ours", "belongs to the user root, not to ",
	    ": chown it");

	assert_int_equal(chown(fixture->directory, 65534, 65534), 0);
	assert_int_equal(chmod(fixture->directory, 0500), 0);
	refuse_another(fixture, "can't be written to", "limits.mdb", NULL);

	assert_int_equal(chown(fixture->directory, 0, 0), 0);
	assert_int_equal(chmod(fixture->directory, 0700), 0);
	store = store_lmdb_open(fixture->directory, 1 << 20, NULL, &fault);
	assert_non_null(store);
	store_close(&store);
	assert_int_equal(unlink(lmdb_path(fixture, "limits.mdb-lock")), 0);
	assert_int_equal(chown(fixture->directory, 65534, 65534), 0);
	refuse_another(fixture, "a file that isn't ours",
	    "limits.mdb: Permission denied: ",
	    " must be able to read and write it");
	assert_int_equal(chown(fixture->directory, 0, 0), 0);
}

/* Root's posternctl leaves files that the daemon can open. */
static void
test_root_looks(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, 24 * LMDB_HOUR_MS);
	struct fault fault = { 0 };
	struct store *store;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		return; /* nothing to be seen as anybody else */
	assert_int_equal(chown(fixture->directory, 65534, 65534), 0);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			if (setuid(65534) != 0)
				_exit(1);
			store = store_lmdb_open(
			    fixture->directory, 1 << 20, NULL, &fault);
			if (store == NULL)
				_exit(2);
			if (!charge_one(store, &limit, "k", 1))
				_exit(3);
			store_close(&store);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		want_number("the daemon", 0, (uint64_t)status);
		assert_int_equal(
		    unlink(lmdb_path(fixture, "limits.mdb-lock")), 0);
		store = store_lmdb_open_existing(fixture->directory, &fault);
		if (store == NULL)
			fail_msg("wanted a store, got %s", fault.words);
		want_number(
		    "seen", (uint64_t)i + 1, used_of(store, &limit, "k"));
		store_close(&store);
	}
}

static void
child_without_room(struct fixture *fixture)
{
	struct limit limit = limit_of("l", 1000, 24 * LMDB_HOUR_MS);
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	struct rlimit size = { 128 * 1024, RLIM_INFINITY };
	struct fault fault = { 0 };
	struct store *store;
	char key[64];
	int i = 0;

	(void)sigaction(SIGXFSZ, &ignored, NULL);
	store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault);
	if (store == NULL || setrlimit(RLIMIT_FSIZE, &size) != 0)
		_exit(1);
	do
		lmdb_key(key, sizeof key, i++);
	while (i < 100000 && try_charge(store, &limit, key, &fault));
	if (fault.kind != FAULT_TEMPORARY
	    || strstr(fault.words, "make room") == NULL)
		_exit(2);
	lmdb_key(key, sizeof key, 0);
	if (used_of(store, &limit, key) != 1)
		_exit(3);
	size.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &size) != 0
	    || !try_charge(store, &limit, "more", &fault))
		_exit(4);
	store_close(&store);
	_exit(0);
}

static void
test_no_space(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, 24 * LMDB_HOUR_MS);
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child_without_room(fixture);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	want_number("no space", 0, (uint64_t)status);
	fixture->store = fixture_open_lmdb(fixture);
	store_lmdb_set_clock(fixture->store, NULL, NULL);
	want_number("kept", 1, used_of(fixture->store, &limit, "more"));
}

/* Low-volume keys are small. */
static void
test_small(void **state)
{
	struct fixture *fixture = *state;

	lmdb_fill(fixture, true);
	if (lmdb_size(fixture) > LMDB_KEYS * 200)
		fail_msg("wanted at most 200 octets a key, got %jd for %d",
		    (intmax_t)lmdb_size(fixture), (int)LMDB_KEYS);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lmdb_setup, lmdb_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_processes),
		CASE(test_killed),
		CASE(test_unclean),
		CASE(test_existing),
		CASE(test_twice),
		CASE(test_full),
		CASE(test_directory),
		CASE(test_not_ours),
		CASE(test_root_looks),
		CASE(test_no_space),
		CASE(test_small),
	};

	return cmocka_run_group_tests_name("store_lmdb", tests, NULL, NULL);
}
