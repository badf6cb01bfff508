/* Another process is in the middle of a transaction and stands still: nobody
 * waits for it for long, nothing that was given up is counted later, and all is
 * well again when it goes on. And many callers at once, who share transactions.
 * And programs that use LMDB by themselves. */
#include "milter/io/store_guard.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_memory.h"
#include "tests/contract/lmdb_files.h"

#include <inttypes.h>
#include <lmdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 6, CHILDREN = 3, CHARGES = 200, WATCHDOG_S = 120 };

/* A process that stops in a transaction on command. It is forked before this
 * process opens the file. */
struct locker {
	pid_t pid;
	int commands;
};

/* The clock is read in the middle of a transaction; there the process stops
 * itself, once, until somebody lets it go on. */
static uint64_t
stopping_clock(void *context)
{
	bool *is_to_stop = context;

	if (*is_to_stop) {
		*is_to_stop = false;
		(void)raise(SIGSTOP);
	}
	return FIXTURE_NOW;
}

static void
child_locks(const struct fixture *fixture, int commands)
{
	struct limit limit = limit_of("other", 1000, LMDB_HOUR_MS);
	struct fault fault;
	struct store *store;
	bool is_to_stop = true;
	char octet;

	(void)alarm(WATCHDOG_S);
	if (read(commands, &octet, 1) != 1)
		_exit(0);
	store = store_lmdb_open_existing(fixture->directory, &fault);
	if (store == NULL)
		_exit(1);
	store_lmdb_set_clock(store, stopping_clock, &is_to_stop);
	if (!charge_one(store, &limit, "k", 1))
		_exit(2);
	store_close(&store);
	_exit(0);
}

static void
locker_fork(struct locker *locker, const struct fixture *fixture)
{
	int ends[2];

	(void)alarm(WATCHDOG_S); /* rather than hang */
	assert_int_equal(pipe(ends), 0);
	locker->pid = fork();
	assert_true(locker->pid >= 0);
	if (locker->pid == 0) {
		/* It may stand still when the test has failed. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ends[1]);
		child_locks(fixture, ends[0]);
	}
	(void)close(ends[0]);
	locker->commands = ends[1];
}

static void
locker_lock(struct locker *locker)
{
	int status;

	assert_int_equal(write(locker->commands, "x", 1), 1);
	assert_int_equal(waitpid(locker->pid, &status, WUNTRACED), locker->pid);
	if (!WIFSTOPPED(status))
		fail_msg("locker: wanted it stopped, got %d", status);
}

static void
locker_unlock(struct locker *locker)
{
	int status;

	assert_int_equal(kill(locker->pid, SIGCONT), 0);
	assert_int_equal(waitpid(locker->pid, &status, 0), locker->pid);
	want_number("locker", 0, (uint64_t)status);
	(void)close(locker->commands);
}

static void *
try_while_locked(void *argument)
{
	struct fixture *fixture = argument;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };

	if (try_charge(fixture->store, &limit, "k", &fault))
		return NULL;
	return fault.kind == FAULT_TEMPORARY
		&& strstr(fault.words, "is locked by another process") != NULL
	    ? argument
	    : NULL;
}

static void
test_locked(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct charge charge = charge_of(&limit, "k", 3);
	struct charge_answer answer;
	struct store_receipt receipt;
	pthread_t threads[THREADS];
	struct fault fault = { 0 };
	struct locker locker;
	uint64_t before;
	uint64_t after;
	bool was_there;
	void *result;

	locker_fork(&locker, fixture);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(store_charge(
	    fixture->store, &charge, 1, false, &answer, &receipt, &fault));
	assert_true(store_epoch(fixture->store, &before, &fault));
	locker_lock(&locker);

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     try_while_locked, fixture),
		    0);
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], &result);
		assert_non_null(result);
	}
	assert_false(store_refund(
	    fixture->store, &charge, &answer, 1, &receipt, &fault));
	want_fault("refund", &fault, FAULT_TEMPORARY, "stopped posternctl");
	assert_false(
	    store_reset(fixture->store, &limit, "k", &was_there, &fault));
	want_fault("reset", &fault, FAULT_TEMPORARY, "stopped posternctl");
	assert_false(store_add(fixture->store, NULL, 0, &after, &fault));
	want_fault("add", &fault, FAULT_TEMPORARY, "stopped posternctl");
	store_tend(fixture->store);

	locker_unlock(&locker);
	want_number("given up", 3, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	want_number("counted", 4, used_of(fixture->store, &limit, "k"));
	assert_true(store_epoch(fixture->store, &after, &fault));
	want_number("epoch", before, after);
	store_tend(fixture->store);
	store_close(&fixture->store);
	want_number("mark", 1, lmdb_count_files(fixture, "limits.mdb-clean"));
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 4, used_of(fixture->store, &limit, "k"));
	(void)alarm(0);
}

/* Who is killed instead gives way as well. */
static void
test_locker_killed(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	struct locker locker;

	locker_fork(&locker, fixture);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	locker_lock(&locker);
	assert_false(try_charge(fixture->store, &limit, "k", &fault));
	assert_int_equal(kill(locker.pid, SIGKILL), 0);
	assert_int_equal(waitpid(locker.pid, NULL, 0), locker.pid);
	(void)close(locker.commands);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	want_number("counted", 2, used_of(fixture->store, &limit, "k"));
	(void)alarm(0);
}

/* Closing doesn't wait for long either, and leaves nothing behind. */
static void
test_closed_while_locked(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	struct locker locker;

	locker_fork(&locker, fixture);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	locker_lock(&locker);
	assert_false(try_charge(fixture->store, &limit, "k", &fault));
	store_close(&fixture->store);
	want_number("marks", 0, lmdb_count_files(fixture, "limits.mdb-clean"));
	for (int i = 0; i < 2; i++) {
		assert_null(store_lmdb_open(
		    fixture->directory, fixture->size_bytes, NULL, &fault));
		want_fault("locked", &fault, FAULT_TEMPORARY,
		    "is locked by another process");
	}
	locker_unlock(&locker);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 1, used_of(fixture->store, &limit, "k"));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	(void)alarm(0);
}

static void
test_opened_while_locked(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	struct locker locker;

	fixture->store = fixture_open_lmdb(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_close(&fixture->store);
	locker_fork(&locker, fixture);
	locker_lock(&locker);
	assert_null(store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault));
	want_fault(
	    "locked", &fault, FAULT_TEMPORARY, "is locked by another process");
	locker_unlock(&locker);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 1, used_of(fixture->store, &limit, "k"));
	(void)alarm(0);
}

/* The guard enforces by itself meanwhile, and tells the store afterwards. */
static void
test_guard_while_locked(void **state)
{
	const struct guard_rules rules = { .has_local = true, .retry_ms = 0 };
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 10, LMDB_HOUR_MS);
	struct locker locker;
	uint64_t since_ms;

	locker_fork(&locker, fixture);
	fixture->store = store_guard_open(lmdb_reopen, fixture,
	    store_memory_open(1000, fixture_clock, fixture), &rules);
	assert_non_null(fixture->store);
	assert_true(charge_one(fixture->store, &limit, "k", 4));
	locker_lock(&locker);
	assert_true(charge_one(fixture->store, &limit, "k", 5));
	assert_false(store_guard_is_up(fixture->store, &since_ms));
	assert_false(charge_one(fixture->store, &limit, "k", 2));
	store_tend(fixture->store);
	assert_false(store_guard_is_up(fixture->store, &since_ms));
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	locker_unlock(&locker);
	while (!store_guard_is_up(fixture->store, &since_ms)) {
		(void)sched_yield();
		store_tend(fixture->store);
	}
	want_number("told", 10, used_of(fixture->store, &limit, "k"));
	assert_false(charge_one(fixture->store, &limit, "k", 1));
	(void)alarm(0);
}

struct crowd {
	struct store *store;
	const struct limit *limit;
	const char *key; /* NULL: always a new one */
	int number;
	uint64_t charged;
	uint64_t failed;
};

static void *
charge_in_crowd(void *argument)
{
	struct crowd *crowd = argument;

	for (int i = 0; i < CHARGES; i++) {
		struct charge_answer answer;
		struct store_receipt receipt;
		struct charge charge;
		struct fault fault;
		char key[64];

		lmdb_key(
		    key, sizeof key, 1000000 + crowd->number * CHARGES + i);
		charge = charge_of(
		    crowd->limit, crowd->key != NULL ? crowd->key : key, 1);
		if (store_charge(crowd->store, &charge, 1, false, &answer,
			&receipt, &fault))
			crowd->charged += receipt.is_charged;
		else
			crowd->failed++;
	}
	return NULL;
}

static void
run_crowd(struct crowd *crowd, pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++) {
		crowd[i].number = i;
		if (pthread_create(
			&threads[i], NULL, charge_in_crowd, &crowd[i])
		    != 0)
			_exit(5);
	}
	for (int i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
}

static void
child_charges(struct fixture *fixture, const struct limit *limit, int tells)
{
	struct crowd crowd[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct fault fault = { 0 };
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault);
	uint64_t charged = 0;

	if (store == NULL)
		_exit(2);
	for (size_t i = 0; i < THREADS; i++)
		crowd[i] = (struct crowd){
			.store = store, .limit = limit, .key = "k"
		};
	run_crowd(crowd, threads);
	for (size_t i = 0; i < THREADS; i++) {
		charged += crowd[i].charged;
		if (crowd[i].failed > 0)
			_exit(3);
	}
	store_close(&store);
	_exit(write(tells, &charged, sizeof charged) == sizeof charged ? 0 : 4);
}

static void
test_threads_of_processes(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit =
	    limit_of("l", CHILDREN * THREADS * CHARGES / 2, 24 * LMDB_HOUR_MS);
	uint64_t total = 0;
	uint64_t charged;
	int ends[2];
	int status;

	(void)alarm(WATCHDOG_S);
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
	store_lmdb_set_clock(fixture->store, NULL, NULL);
	want_number("used", limit.max, used_of(fixture->store, &limit, "k"));
	(void)alarm(0);
}

/* A charge that finds no room takes with it none of those that share its
 * transaction, and none of those is counted twice. */
static void
test_full_for_some(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", UINT64_MAX, LMDB_HOUR_MS);
	struct crowd crowd[THREADS] = { 0 };
	pthread_t threads[THREADS];
	struct fault fault = { 0 };
	char keys[THREADS][64];
	char key[64];
	int i = 0;

	fixture->size_bytes = 1;
	fixture->store = fixture_open_lmdb(fixture);
	do
		lmdb_key(key, sizeof key, i++);
	while (i < 100000 && try_charge(fixture->store, &limit, key, &fault));
	want_fault("full", &fault, FAULT_TEMPORARY, "store.size");
	for (int t = 0; t < THREADS; t++) {
		lmdb_key(keys[t], sizeof keys[t], t);
		crowd[t] = (struct crowd){
			.store = fixture->store,
			.limit = &limit,
			.key = t % 2 == 0 ? keys[t] : NULL,
		};
	}
	run_crowd(crowd, threads);
	for (int t = 0; t < THREADS; t++) {
		if (t % 2 != 0) {
			assert_true(crowd[t].failed > 0);
			continue;
		}
		want_number("failed", 0, crowd[t].failed);
		want_number("counted", CHARGES + 1,
		    used_of(fixture->store, &limit, keys[t]));
	}
}

static int
open_by_lmdb(const struct fixture *fixture, MDB_env **env_out)
{
	assert_int_equal(mdb_env_create(env_out), 0);
	return mdb_env_open(
	    *env_out, lmdb_path(fixture, "limits.mdb"), MDB_NOSUBDIR, 0600);
}

/* A program of LMDB's fails while the file is open here, and harms nobody;
 * where it was first it is waited for. In a child, which opens nothing twice.
 */
static void
child_opens_by_lmdb(const struct fixture *fixture, int commands, int tells)
{
	MDB_env *env;
	char octet;

	(void)alarm(WATCHDOG_S);
	if (read(commands, &octet, 1) != 1)
		_exit(1);
	if (open_by_lmdb(fixture, &env) != MDB_INVALID)
		_exit(2);
	mdb_env_close(env);
	if (write(tells, "x", 1) != 1 || read(commands, &octet, 1) != 1)
		_exit(3);
	if (open_by_lmdb(fixture, &env) != 0)
		_exit(4);
	if (write(tells, "x", 1) != 1 || read(commands, &octet, 1) != 1)
		_exit(5);
	mdb_env_close(env);
	_exit(0);
}

static void
tell_child(int commands, int tells)
{
	char octet;

	assert_int_equal(write(commands, "x", 1), 1);
	assert_int_equal(read(tells, &octet, 1), 1);
}

static void
test_lmdb_program(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	int to_child[2];
	int from_child[2];
	int status;
	pid_t pid;

	(void)alarm(WATCHDOG_S);
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(from_child), 0);
	pid = fork();
	if (pid == 0)
		child_opens_by_lmdb(fixture, to_child[0], from_child[1]);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	tell_child(to_child[1], from_child[0]);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_close(&fixture->store);
	tell_child(to_child[1], from_child[0]);
	assert_null(store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault));
	want_fault("in use", &fault, FAULT_TEMPORARY, "a program of LMDB");
	assert_int_equal(write(to_child[1], "x", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	want_number("the program", 0, (uint64_t)status);
	/* It left a lock file of its own. */
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 2, used_of(fixture->store, &limit, "k"));
	for (size_t i = 0; i < 2; i++) {
		(void)close(to_child[i]);
		(void)close(from_child[i]);
	}
	(void)alarm(0);
}

/* The lock file is emptied under everybody's eyes: no signal, and turns are
 * still taken. */
static void
test_lock_file_cut(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = limit_of("l", 1000, LMDB_HOUR_MS);
	struct fault fault = { 0 };
	struct locker locker;

	locker_fork(&locker, fixture);
	fixture->store = fixture_open_lmdb(fixture);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	locker_lock(&locker);
	assert_int_equal(truncate(lmdb_path(fixture, "limits.mdb-lock"), 0), 0);
	assert_false(try_charge(fixture->store, &limit, "k", &fault));
	locker_unlock(&locker);
	assert_true(charge_one(fixture->store, &limit, "k", 1));
	store_tend(fixture->store);
	store_close(&fixture->store);
	fixture->store = fixture_open_lmdb(fixture);
	want_number("kept", 2, used_of(fixture->store, &limit, "k"));
	(void)alarm(0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, lmdb_setup, lmdb_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_locked),
		CASE(test_locker_killed),
		CASE(test_closed_while_locked),
		CASE(test_opened_while_locked),
		CASE(test_guard_while_locked),
		CASE(test_threads_of_processes),
		CASE(test_full_for_some),
		CASE(test_lmdb_program),
		CASE(test_lock_file_cut),
	};

	return cmocka_run_group_tests_name("store_locked", tests, NULL, NULL);
}
