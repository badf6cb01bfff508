/* Another process has LMDB's lock and stands still: nobody waits for it for
 * long, nothing that was given up is counted later, and all is well again when
 * it goes on. And many callers at once, who share transactions. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 6, CHILDREN = 3, CHARGES = 200, WATCHDOG_S = 120 };

/* A process that takes the lock on command. It is forked before this process
 * opens the file. */
struct locker {
	pid_t pid;
	int commands;
};

/* In the middle of a transaction it stops itself, until somebody lets it go
 * on. */
static void
child_locks(const struct fixture *fixture, int commands)
{
	MDB_env *env;
	MDB_txn *txn;
	char octet;

	(void)alarm(WATCHDOG_S);
	if (read(commands, &octet, 1) != 1)
		_exit(0);
	if (mdb_env_create(&env) != 0
	    || mdb_env_open(env, lmdb_path(fixture, "limits.mdb"),
		   MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600)
		!= 0
	    || mdb_txn_begin(env, NULL, 0, &txn) != 0)
		_exit(1);
	(void)raise(SIGSTOP);
	mdb_txn_abort(txn);
	mdb_env_close(env);
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

/* What was left behind gives the file back when it gets on. */
static void
open_when_free(struct fixture *fixture)
{
	struct fault fault = { 0 };

	while ((fixture->store = store_lmdb_open(
		    fixture->directory, fixture->size_bytes, NULL, &fault))
	    == NULL) {
		want_fault(
		    "not yet", &fault, FAULT_TEMPORARY, "has it open already");
		(void)sched_yield();
	}
	store_lmdb_set_clock(fixture->store, fixture_clock, fixture);
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

/* Closing doesn't wait either; and the file isn't opened twice. */
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
	for (int i = 0; i < 3; i++) {
		assert_null(store_lmdb_open(
		    fixture->directory, fixture->size_bytes, NULL, &fault));
		want_fault(
		    "again", &fault, FAULT_TEMPORARY, "has it open already");
	}
	locker_unlock(&locker);
	open_when_free(fixture);
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
	assert_null(store_lmdb_open(
	    fixture->directory, fixture->size_bytes, NULL, &fault));
	want_fault("again", &fault, FAULT_TEMPORARY, "has it open already");
	locker_unlock(&locker);
	open_when_free(fixture);
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
	};

	return cmocka_run_group_tests_name("store_locked", tests, NULL, NULL);
}
