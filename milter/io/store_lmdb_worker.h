/* store_lmdb_worker: the one thread that works on limits.mdb. LMDB's locks are
 * shared between processes and waited for without end: if another process has
 * one and stands still, so does whoever asks for it. So only this thread asks.
 * It does the callers' jobs, and they wait for it no longer than they like. */
#ifndef MILTER_IO_STORE_LMDB_WORKER_H
#define MILTER_IO_STORE_LMDB_WORKER_H

#include "milter/io/store_lmdb_record.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct store_lmdb;
struct lmdb_job;

/* What else may come of a job; LMDB's own numbers are none of these. */
enum {
	LMDB_LOCKED = -1, /* another process kept its lock: not done */
	LMDB_SLOW = -2,   /* the thread was busy all the time: not done */
};

/* One job's part of a transaction, done by the worker's thread. A job that has
 * written something says so in has_changed. It may be done a second time, when
 * the first came to nothing, and must then give the same again. Returns LMDB's
 * status; unless that is 0 nothing of the transaction stays. */
typedef int lmdb_apply(struct store_lmdb *lmdb, MDB_txn *txn,
    struct record_meta *meta, struct lmdb_job *job);

enum lmdb_job_state { JOB_WAITING, JOB_APPLYING, JOB_DONE };

/* The head of what a caller hands over, in his memory; he fills in the first
 * two. The state is locked by the worker; the rest is the worker's while the
 * state is JOB_APPLYING, else the caller's. */
struct lmdb_job {
	lmdb_apply *apply;
	bool is_write; /* else apply changes nothing */
	bool has_changed;
	int status;
	enum lmdb_job_state state;
	pthread_cond_t changed;
	TAILQ_ENTRY(lmdb_job) next;
};

/* Jobs that wait, the first to come in front. */
TAILQ_HEAD(lmdb_jobs, lmdb_job);

enum lmdb_stage { STAGE_OPENING, STAGE_SERVING, STAGE_ENDED };

struct lmdb_worker {
	pthread_t thread;
	bool is_started;
	size_t size_bytes; /* to open the file with */

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t work;
	pthread_cond_t changed; /* stage has */
	enum lmdb_stage stage;
	int open_status;
	struct lmdb_jobs waiting;
	size_t alone;    /* so many jobs are to be done one by one */
	bool is_at_lock; /* inside LMDB, where it may wait for its locks */
	bool is_to_check;
	bool is_to_end;
	bool is_abandoned;
};

/* Set up a worker without a thread, and take it down again. */
bool lmdb_worker_init(struct lmdb_worker *worker);
void lmdb_worker_clear(struct lmdb_worker *worker);

/* The time until which a call that begins now may wait: STORE_LMDB_WAIT_MS, on
 * the monotonic clock. */
uint64_t lmdb_deadline(void);

/* Start the thread, and have it open the file (see lmdb_open_env()). Returns
 * LMDB's status, or one of the above; whatever it is, lmdb_worker_stop() comes
 * next or later. */
int lmdb_worker_start(
    struct store_lmdb *lmdb, size_t size_bytes, uint64_t deadline_ms);

/* Have a job done. Once it is being done, which takes no waiting for others,
 * its end is waited for; else it is taken back at the deadline, and never done.
 * Returns its status, or one of the above. Any thread. */
int
lmdb_run(struct store_lmdb *lmdb, struct lmdb_job *job, uint64_t deadline_ms);

/* Have readers that were killed struck out, some time soon: they would keep
 * old pages from being used. Any thread. */
void lmdb_worker_check_readers(struct store_lmdb *lmdb);

/* End the thread; no job may be under way. False: it stands still in LMDB.
 * Then lmdb isn't the caller's any more: the thread frees it by lmdb_free()
 * when it gets on, or the end of the process does. */
bool lmdb_worker_stop(struct store_lmdb *lmdb, uint64_t deadline_ms);

#endif
