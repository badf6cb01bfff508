#include "milter/io/store_lmdb_worker.h"

#include "milter/io/clock.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_lmdb_file.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

enum { BATCH = 32 };

/* A condition whose waits end by the monotonic clock. */
static bool
init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	bool is_done;

	if (pthread_condattr_init(&attributes) != 0)
		return false;
	is_done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0
	    && pthread_cond_init(condition, &attributes) == 0;
	(void)pthread_condattr_destroy(&attributes);
	return is_done;
}

/* False when the deadline has passed. */
static bool
wait_until(
    struct lmdb_worker *worker, pthread_cond_t *condition, uint64_t deadline_ms)
{
	const struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};

	return pthread_cond_timedwait(condition, &worker->lock, &deadline)
	    != ETIMEDOUT;
}

bool
lmdb_worker_init(struct lmdb_worker *worker)
{
	if (pthread_mutex_init(&worker->lock, NULL) != 0)
		return false;
	if (!init_condition(&worker->work)) {
		(void)pthread_mutex_destroy(&worker->lock);
		return false;
	}
	if (!init_condition(&worker->changed)) {
		(void)pthread_cond_destroy(&worker->work);
		(void)pthread_mutex_destroy(&worker->lock);
		return false;
	}
	TAILQ_INIT(&worker->waiting);
	worker->is_started = false;
	return true;
}

void
lmdb_worker_clear(struct lmdb_worker *worker)
{
	(void)pthread_cond_destroy(&worker->changed);
	(void)pthread_cond_destroy(&worker->work);
	(void)pthread_mutex_destroy(&worker->lock);
}

uint64_t
lmdb_deadline(void)
{
	return clock_monotonic_ms() + STORE_LMDB_WAIT_MS;
}

/* To read behind the end of the file would be a signal, not an error, so its
 * length is looked at before LMDB does anything, and again after LMDB may have
 * waited. */
static int
begin(struct store_lmdb *lmdb, bool is_write, MDB_txn **txn_out)
{
	int status;

	if (!lmdb_is_whole(lmdb))
		return MDB_CORRUPTED;
	status =
	    mdb_txn_begin(lmdb->env, NULL, is_write ? 0 : MDB_RDONLY, txn_out);
	if (status != 0 || lmdb_is_whole(lmdb))
		return status;
	mdb_txn_abort(*txn_out);
	return MDB_CORRUPTED;
}

/* All of the jobs, or nothing. */
static int
apply_all(
    struct store_lmdb *lmdb, MDB_txn *txn, struct lmdb_job **jobs, size_t count)
{
	bool has_changed = false;
	struct record_meta meta;
	int status = lmdb_read_meta(lmdb, txn, &meta);

	for (size_t i = 0; i < count && status == 0; i++) {
		jobs[i]->has_changed = false;
		status = jobs[i]->apply(lmdb, txn, &meta, jobs[i]);
		has_changed = has_changed || jobs[i]->has_changed;
	}
	if (status == 0 && has_changed)
		status = lmdb_write_meta(txn, &meta);
	if (status == 0 && has_changed) {
		status = mdb_txn_commit(txn);
		(void)lmdb_is_whole(lmdb); /* this long it is from now on */
		return status;
	}
	mdb_txn_abort(txn);
	return status;
}

/* The jobs to be done in the transaction that has been begun: those that are
 * still wanted. From here on they can't be taken back. */
static size_t
claim(struct lmdb_worker *worker, bool is_write, struct lmdb_job **jobs)
{
	size_t most = worker->alone > 0 ? 1 : BATCH;
	struct lmdb_job *job;
	size_t count = 0;

	while (count < most && (job = TAILQ_FIRST(&worker->waiting)) != NULL
	    && (is_write || !job->is_write)) {
		TAILQ_REMOVE(&worker->waiting, job, next);
		job->state = JOB_APPLYING;
		jobs[count++] = job;
	}
	if (worker->alone > 0 && count > 0)
		worker->alone--;
	return count;
}

/* Tell the callers. Where one of several has failed none is done: they wait
 * again, each to be done by itself. A job is gone once its caller knows, and
 * he can't before the lock is given up. */
static void
settle(struct lmdb_worker *worker, struct lmdb_job **jobs, size_t count,
    int status)
{
	bool is_to_repeat = status != 0 && count > 1;

	if (is_to_repeat)
		worker->alone = count;
	for (size_t i = count; i-- > 0;) {
		jobs[i]->status = status;
		jobs[i]->state = is_to_repeat ? JOB_WAITING : JOB_DONE;
		if (is_to_repeat)
			TAILQ_INSERT_HEAD(&worker->waiting, jobs[i], next);
		(void)pthread_cond_signal(&jobs[i]->changed);
	}
}

/* One transaction, for the jobs that wait: several share one, for to begin and
 * to commit it is most of the work. The lock is held on entry and on return. */
static void
serve(struct store_lmdb *lmdb)
{
	struct lmdb_worker *worker = &lmdb->worker;
	bool is_write = TAILQ_FIRST(&worker->waiting)->is_write;
	struct lmdb_job *jobs[BATCH];
	MDB_txn *txn = NULL;
	size_t count;
	int status;

	worker->is_at_lock = true;
	(void)pthread_mutex_unlock(&worker->lock);
	status = begin(lmdb, is_write, &txn);
	(void)pthread_mutex_lock(&worker->lock);
	worker->is_at_lock = false;
	count = claim(worker, is_write, jobs);
	(void)pthread_mutex_unlock(&worker->lock);

	/* Where nobody waits any more the store may have been closed, and the
	 * clock that its caller gave it be gone. */
	if (status == 0 && count > 0)
		status = apply_all(lmdb, txn, jobs, count);
	else if (status == 0)
		mdb_txn_abort(txn);
	(void)pthread_mutex_lock(&worker->lock);
	settle(worker, jobs, count, status);
}

static void
check_readers(struct store_lmdb *lmdb)
{
	struct lmdb_worker *worker = &lmdb->worker;
	int dead;

	worker->is_to_check = false;
	worker->is_at_lock = true;
	(void)pthread_mutex_unlock(&worker->lock);
	(void)mdb_reader_check(lmdb->env, &dead);
	(void)pthread_mutex_lock(&worker->lock);
	worker->is_at_lock = false;
}

static void *
run(void *argument)
{
	struct store_lmdb *lmdb = argument;
	struct lmdb_worker *worker = &lmdb->worker;
	bool is_abandoned;
	int status = lmdb_open_env(lmdb, worker->size_bytes);

	(void)pthread_mutex_lock(&worker->lock);
	worker->open_status = status;
	worker->stage = STAGE_SERVING;
	worker->is_at_lock = false;
	(void)pthread_cond_signal(&worker->changed);
	while (!worker->is_to_end) {
		if (!TAILQ_EMPTY(&worker->waiting))
			serve(lmdb);
		else if (worker->is_to_check)
			check_readers(lmdb);
		else
			(void)pthread_cond_wait(&worker->work, &worker->lock);
	}
	worker->stage = STAGE_ENDED;
	is_abandoned = worker->is_abandoned;
	(void)pthread_cond_signal(&worker->changed);
	(void)pthread_mutex_unlock(&worker->lock);
	if (is_abandoned)
		lmdb_free(lmdb, false);
	return NULL;
}

/* Signals are for the threads that wait for them: it has them all blocked. */
static int
start_thread(struct store_lmdb *lmdb)
{
	pthread_attr_t attributes;
	sigset_t all;
	int status = pthread_attr_init(&attributes);

	if (status != 0)
		return status;
	(void)sigfillset(&all);
	status = pthread_attr_setsigmask_np(&attributes, &all);
	if (status == 0)
		status = pthread_create(
		    &lmdb->worker.thread, &attributes, run, lmdb);
	(void)pthread_attr_destroy(&attributes);
	return status;
}

int
lmdb_worker_start(
    struct store_lmdb *lmdb, size_t size_bytes, uint64_t deadline_ms)
{
	struct lmdb_worker *worker = &lmdb->worker;
	int status;

	worker->size_bytes = size_bytes;
	worker->stage = STAGE_OPENING;
	worker->is_at_lock = true;
	worker->is_to_end = false;
	status = start_thread(lmdb);
	if (status != 0)
		return status;
	worker->is_started = true;
	(void)pthread_mutex_lock(&worker->lock);
	while (worker->stage == STAGE_OPENING
	    && wait_until(worker, &worker->changed, deadline_ms))
		continue;
	status =
	    worker->stage == STAGE_OPENING ? LMDB_LOCKED : worker->open_status;
	(void)pthread_mutex_unlock(&worker->lock);
	return status;
}

/* Wait for a job that was handed over; the lock is held. */
static int
await(struct lmdb_worker *worker, struct lmdb_job *job, uint64_t deadline_ms)
{
	while (job->state != JOB_DONE) {
		if (job->state == JOB_APPLYING) {
			(void)pthread_cond_wait(&job->changed, &worker->lock);
		} else if (!wait_until(worker, &job->changed, deadline_ms)
		    && job->state == JOB_WAITING) {
			TAILQ_REMOVE(&worker->waiting, job, next);
			return worker->is_at_lock ? LMDB_LOCKED : LMDB_SLOW;
		}
	}
	return job->status;
}

int
lmdb_run(struct store_lmdb *lmdb, struct lmdb_job *job, uint64_t deadline_ms)
{
	struct lmdb_worker *worker = &lmdb->worker;
	int status;

	if (!init_condition(&job->changed))
		return ENOMEM;
	job->state = JOB_WAITING;
	(void)pthread_mutex_lock(&worker->lock);
	TAILQ_INSERT_TAIL(&worker->waiting, job, next);
	(void)pthread_cond_signal(&worker->work);
	status = await(worker, job, deadline_ms);
	(void)pthread_mutex_unlock(&worker->lock);
	(void)pthread_cond_destroy(&job->changed);
	return status;
}

void
lmdb_worker_check_readers(struct store_lmdb *lmdb)
{
	struct lmdb_worker *worker = &lmdb->worker;

	(void)pthread_mutex_lock(&worker->lock);
	worker->is_to_check = true;
	(void)pthread_cond_signal(&worker->work);
	(void)pthread_mutex_unlock(&worker->lock);
}

bool
lmdb_worker_stop(struct store_lmdb *lmdb, uint64_t deadline_ms)
{
	struct lmdb_worker *worker = &lmdb->worker;
	pthread_t thread = worker->thread;
	bool has_ended;

	if (!worker->is_started)
		return true;
	(void)pthread_mutex_lock(&worker->lock);
	worker->is_to_end = true;
	(void)pthread_cond_signal(&worker->work);
	while (worker->stage != STAGE_ENDED
	    && wait_until(worker, &worker->changed, deadline_ms))
		continue;
	has_ended = worker->stage == STAGE_ENDED;
	worker->is_abandoned = !has_ended;
	worker->is_started = false;
	(void)pthread_mutex_unlock(&worker->lock);

	/* From here on an abandoned lmdb may be gone at any time. To leave the
	 * thread behind is meant: nobody can call it out of LMDB, and the file
	 * stays open, so that this process doesn't open it twice. */
	if (has_ended)
		(void)pthread_join(thread, NULL);
	else
		(void)pthread_detach(thread);
	return has_ended;
}
