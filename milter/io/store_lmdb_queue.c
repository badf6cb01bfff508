#include "milter/io/store_lmdb_queue.h"

#include "milter/io/clock.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_lmdb_file.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { BATCH = 32 };

bool
lmdb_queue_init(struct lmdb_queue *queue)
{
	if (pthread_condattr_init(&queue->monotonic) != 0)
		return false;
	if (pthread_condattr_setclock(&queue->monotonic, CLOCK_MONOTONIC) != 0
	    || pthread_mutex_init(&queue->lock, NULL) != 0) {
		(void)pthread_condattr_destroy(&queue->monotonic);
		return false;
	}
	TAILQ_INIT(&queue->waiting);
	return true;
}

void
lmdb_queue_clear(struct lmdb_queue *queue)
{
	(void)pthread_mutex_destroy(&queue->lock);
	(void)pthread_condattr_destroy(&queue->monotonic);
}

uint64_t
lmdb_deadline(void)
{
	return clock_monotonic_ms() + STORE_LMDB_WAIT_MS;
}

/* To read behind the end of the file would be a signal, not an error, so its
 * length is looked at before LMDB does anything. */
static int
begin(struct store_lmdb *lmdb, bool is_write, MDB_txn **txn_out)
{
	return lmdb_is_whole(lmdb)
	    ? mdb_txn_begin(lmdb->env, NULL, is_write ? 0 : MDB_RDONLY, txn_out)
	    : MDB_CORRUPTED;
}

/* The time is written down about once a second: each window has its own newest
 * time, and for the rest so little is enough. */
static bool
is_to_write(const struct record_meta *meta, const struct record_meta *before)
{
	struct record_meta same = *meta;

	same.last_ms = before->last_ms;
	return memcmp(&same, before, sizeof same) != 0
	    || meta->last_ms >= before->last_ms + 1000;
}

/* All of the jobs, or nothing. */
static int
apply_all(
    struct store_lmdb *lmdb, MDB_txn *txn, struct lmdb_job **jobs, size_t count)
{
	bool has_changed = false;
	bool saves_time = false;
	struct record_meta before;
	struct record_meta meta;
	int status = lmdb_read_meta(lmdb, txn, &before, &meta);

	for (size_t i = 0; i < count && status == 0; i++) {
		jobs[i]->has_changed = false;
		status = jobs[i]->apply(lmdb, txn, &meta, jobs[i]);
		has_changed = has_changed || jobs[i]->has_changed;
		saves_time = saves_time || jobs[i]->saves_time;
	}
	if (status == 0 && has_changed
	    && (saves_time || is_to_write(&meta, &before)))
		status = lmdb_write_meta(txn, &meta);
	if (status == 0 && has_changed) {
		status = mdb_txn_commit(txn);
		lmdb_note_length(lmdb);
		return status;
	}
	mdb_txn_abort(txn);
	return status;
}

static int
work_on(struct store_lmdb *lmdb, bool is_write, struct lmdb_job **jobs,
    size_t count)
{
	MDB_txn *txn = NULL;
	int status = begin(lmdb, is_write, &txn);

	return status != 0 ? status : apply_all(lmdb, txn, jobs, count);
}

/* The jobs of one transaction: those that are still wanted. From here on they
 * can't be taken back. */
static size_t
claim(struct lmdb_queue *queue, bool is_write, struct lmdb_job **jobs)
{
	size_t most = queue->alone > 0 ? 1 : BATCH;
	struct lmdb_job *job;
	size_t count = 0;

	while (count < most && (job = TAILQ_FIRST(&queue->waiting)) != NULL
	    && (is_write || !job->is_write)) {
		TAILQ_REMOVE(&queue->waiting, job, next);
		job->state = JOB_APPLYING;
		jobs[count++] = job;
	}
	if (queue->alone > 0)
		queue->alone--;
	return count;
}

/* Tell the callers. Where one of several has failed none is done: they wait
 * again, each to be done by itself. A job is gone once its caller knows, and
 * he can't before the lock is given up. */
static void
settle(
    struct lmdb_queue *queue, struct lmdb_job **jobs, size_t count, int status)
{
	bool is_to_repeat = status != 0 && count > 1;

	if (is_to_repeat)
		queue->alone = count;
	for (size_t i = count; i-- > 0;) {
		jobs[i]->status = status;
		jobs[i]->state = is_to_repeat ? JOB_WAITING : JOB_DONE;
		if (is_to_repeat)
			TAILQ_INSERT_HEAD(&queue->waiting, jobs[i], next);
		if (jobs[i]->has_condition)
			(void)pthread_cond_signal(&jobs[i]->changed);
	}
}

/* One transaction, for the jobs that wait, the caller's among them if he isn't
 * behind too many. The queue is locked on entry and on return. Returns
 * LMDB_LOCKED if there is no turn until the deadline, or what else there is;
 * then nothing was claimed. */
static int
work(struct store_lmdb *lmdb, uint64_t deadline_ms)
{
	struct lmdb_queue *queue = &lmdb->queue;
	const struct lmdb_lock *lock = &lmdb->place.lock;
	struct lmdb_job *jobs[BATCH];
	bool is_write;
	size_t count;
	int status;

	queue->is_worked = true;
	queue->is_at_lock = true;
	(void)pthread_mutex_unlock(&queue->lock);
	status = lmdb_lock_take(lock, deadline_ms);
	(void)pthread_mutex_lock(&queue->lock);
	queue->is_at_lock = status != 0;
	queue->is_worked = status == 0;
	if (status != 0)
		return status == ETIMEDOUT ? LMDB_LOCKED : status;
	is_write = TAILQ_FIRST(&queue->waiting)->is_write;
	count = claim(queue, is_write, jobs);
	(void)pthread_mutex_unlock(&queue->lock);
	status = work_on(lmdb, is_write, jobs, count);
	lmdb_lock_give(lock);
	(void)pthread_mutex_lock(&queue->lock);
	settle(queue, jobs, count, status);
	queue->is_worked = false;
	return 0;
}

static void
give_up(struct lmdb_queue *queue, struct lmdb_job *job, int status)
{
	TAILQ_REMOVE(&queue->waiting, job, next);
	job->state = JOB_DONE;
	job->status = status;
}

/* Wait for whoever does the work. */
static void
wait_for(struct lmdb_queue *queue, struct lmdb_job *job, uint64_t deadline_ms)
{
	const struct timespec deadline = {
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};

	if (!job->has_condition
	    && pthread_cond_init(&job->changed, &queue->monotonic) != 0) {
		give_up(queue, job, ENOMEM); /* it can't be claimed yet */
		return;
	}
	job->has_condition = true;
	if (job->state == JOB_APPLYING)
		(void)pthread_cond_wait(&job->changed, &queue->lock);
	else if (pthread_cond_timedwait(&job->changed, &queue->lock, &deadline)
		== ETIMEDOUT
	    && job->state == JOB_WAITING)
		give_up(
		    queue, job, queue->is_at_lock ? LMDB_LOCKED : LMDB_SLOW);
}

int
lmdb_run(struct store_lmdb *lmdb, struct lmdb_job *job, uint64_t deadline_ms)
{
	struct lmdb_queue *queue = &lmdb->queue;
	const struct lmdb_job *first;
	int status;

	job->state = JOB_WAITING;
	job->has_condition = false;
	(void)pthread_mutex_lock(&queue->lock);
	TAILQ_INSERT_TAIL(&queue->waiting, job, next);
	while (job->state != JOB_DONE) {
		if (queue->is_worked) {
			wait_for(queue, job, deadline_ms);
			continue;
		}
		status = work(lmdb, deadline_ms);
		if (status != 0)
			give_up(queue, job, status);
	}
	/* Somebody must go on with those that came meanwhile. */
	first = TAILQ_FIRST(&queue->waiting);
	if (!queue->is_worked && first != NULL && first->has_condition)
		(void)pthread_cond_signal(
		    &TAILQ_FIRST(&queue->waiting)->changed);
	(void)pthread_mutex_unlock(&queue->lock);
	if (job->has_condition)
		(void)pthread_cond_destroy(&job->changed);
	return job->status;
}
