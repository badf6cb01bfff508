/* store_lmdb_queue: those who want something of limits.mdb stand in a line, and
 * whoever is free to does the work of all that are in it, in one transaction:
 * for to begin and to commit it is most of the work. So a caller who is alone
 * waits for no other thread, and many cost hardly more than one. */
#ifndef MILTER_IO_STORE_LMDB_QUEUE_H
#define MILTER_IO_STORE_LMDB_QUEUE_H

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
	LMDB_LOCKED = -1, /* another process kept its turn: not done */
	LMDB_SLOW = -2,   /* this one's work took all the time: not done */
	LMDB_MANY = -3,   /* no more overrides are taken: not done */
};

/* One job's part of a transaction, done by any caller's thread. A job that has
 * written something says so in has_changed. It may be done a second time, when
 * the first came to nothing, and must then give the same again. Returns LMDB's
 * status; unless that is 0 nothing of the transaction stays. */
typedef int lmdb_apply(struct store_lmdb *lmdb, MDB_txn *txn,
    struct record_meta *meta, struct lmdb_job *job);

enum lmdb_job_state { JOB_WAITING, JOB_APPLYING, JOB_DONE };

/* The head of what a caller hands over, in his memory; he fills in the first
 * two. The state is locked by the queue; the rest is his who does the work
 * while the state is JOB_APPLYING, else the caller's. */
struct lmdb_job {
	lmdb_apply *apply;
	bool is_write; /* else apply changes nothing */
	bool has_changed;
	bool saves_time; /* the store's time is written down by all means */
	int status;
	enum lmdb_job_state state;
	bool has_condition; /* its caller waits for changed */
	pthread_cond_t changed;
	TAILQ_ENTRY(lmdb_job) next;
};

/* Jobs that wait, the first to come in front. */
TAILQ_HEAD(lmdb_jobs, lmdb_job);

struct lmdb_queue {
	pthread_condattr_t monotonic;
	pthread_mutex_t lock; /* of all that follows */
	struct lmdb_jobs waiting;
	size_t alone;    /* so many jobs are to be done one by one */
	bool is_worked;  /* a caller does the work */
	bool is_at_lock; /* he waits for another process, or did in vain */
};

/* Set up a queue, and take it down again. */
bool lmdb_queue_init(struct lmdb_queue *queue);
void lmdb_queue_clear(struct lmdb_queue *queue);

/* The time until which a call that begins now may wait: STORE_LMDB_WAIT_MS, on
 * the monotonic clock. */
uint64_t lmdb_deadline(void);

/* Have a job done. Once it is being done, which takes no waiting for others,
 * its end is waited for; else it is taken back at the deadline, and never done.
 * Returns its status, or one of the above. Any thread. */
int
lmdb_run(struct store_lmdb *lmdb, struct lmdb_job *job, uint64_t deadline_ms);

#endif
