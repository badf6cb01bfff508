#include "milter/io/store_lmdb.h"

#include "milter/io/store_lmdb_calls.h"
#include "milter/io/store_lmdb_file.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* That something has changed is all: the time is written then, too. */
static int
apply_time(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	(void)lmdb;
	(void)txn;
	(void)meta;
	job->has_changed = true;
	return 0;
}

/* The times that were told to those who only looked are no earlier than the
 * next ones, even after a restart. */
static bool
save_time(struct store_lmdb *lmdb, uint64_t deadline_ms)
{
	struct lmdb_job job = {
		.apply = apply_time, .is_write = true, .saves_time = true
	};

	return !lmdb->place.may_make || lmdb_run(lmdb, &job, deadline_ms) == 0;
}

/* Takes half-opened ones too. What was cut short since the last look must not
 * be marked as sound: nobody would walk it then. */
static void
lmdb_close(struct store *store)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;
	bool is_clean = atomic_load(&lmdb->lost) == LOST_NOT
	    && !atomic_load(&lmdb->is_doubtful)
	    && save_time(lmdb, lmdb_deadline()) && lmdb_is_whole(lmdb)
	    && mdb_env_sync(lmdb->env, 1) == 0;

	lmdb_free(lmdb, is_clean);
}

static const struct store_class lmdb_class = {
	.charge = lmdb_charge,
	.refund = lmdb_refund,
	.add = lmdb_add,
	.reset = lmdb_reset,
	.epoch = lmdb_epoch,
	.set = lmdb_set,
	.unset = lmdb_unset,
	.overrides = lmdb_overrides,
	.counts = lmdb_counts,
	.tend = lmdb_tend,
	.close = lmdb_close,
};

static struct store *
open_store(const char *directory, bool may_make, size_t size_bytes,
    struct fault *notice_out, struct fault *fault)
{
	struct store_lmdb *lmdb = calloc(1, sizeof(*lmdb));

	if (lmdb == NULL || pthread_mutex_init(&lmdb->lock, NULL) != 0) {
		free(lmdb);
		fault_memory(fault);
		return NULL;
	}
	if (!lmdb_queue_init(&lmdb->queue)) {
		(void)pthread_mutex_destroy(&lmdb->lock);
		free(lmdb);
		fault_memory(fault);
		return NULL;
	}
	lmdb->store.class = &lmdb_class;
	lmdb->place.fd = -1;
	lmdb->place.lock.fd = -1;
	if (asprintf(&lmdb->name, "lmdb %s", directory) < 0) {
		lmdb->name = NULL;
		fault_memory(fault);
	} else if (lmdb_place_take(
		       &lmdb->place, directory, may_make, notice_out, fault)
	    && lmdb_open_file(lmdb, size_bytes, notice_out, fault)) {
		lmdb->store.name = lmdb->name;
		return &lmdb->store;
	}
	/* What couldn't be opened isn't marked as sound. */
	atomic_store(&lmdb->lost, LOST_DAMAGED);
	lmdb_close(&lmdb->store);
	return NULL;
}

struct store *
store_lmdb_open(const char *directory, uint64_t size_bytes,
    struct fault *notice_out, struct fault *fault)
{
	size_t size = size_bytes < LMDB_SIZE_LEAST ? LMDB_SIZE_LEAST
	    : size_bytes > SIZE_MAX / 2            ? SIZE_MAX / 2
						   : (size_t)size_bytes;

	if (notice_out != NULL) {
		notice_out->kind = FAULT_NONE;
		notice_out->words[0] = '\0';
	}
	return open_store(
	    directory, true, size - size % 65536, notice_out, fault);
}

struct store *
store_lmdb_open_existing(const char *directory, struct fault *fault)
{
	struct store *store = open_store(directory, false, 0, NULL, fault);

	if (store == NULL && fault != NULL)
		fault->kind = FAULT_PERMANENT;
	return store;
}

void
store_lmdb_set_clock(
    struct store *store, uint64_t (*clock_ms)(void *context), void *context)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;

	assert(store->class == &lmdb_class);
	lmdb->clock.read_ms = clock_ms;
	lmdb->clock.context = context;
}
