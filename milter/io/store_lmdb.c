#include "milter/io/store_lmdb.h"

#include "milter/io/store_lmdb_file.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A key's window, as it stands in the file; an empty one of limit's length
 * if it isn't there. */
static int
get_window(MDB_txn *txn, const struct limit *limit, struct record_key *key,
    struct window *window_out, bool *was_there_out)
{
	MDB_val name = record_key_value(key);
	MDB_val value;
	int status = mdb_get(txn, LMDB_MAIN, &name, &value);

	*was_there_out = status == 0;
	if (status == MDB_NOTFOUND) {
		window_init(window_out, limit->per_ms);
		return 0;
	}
	return status != 0
	    ? status
	    : lmdb_status(record_read(&name, &value, window_out));
}

static int
put_window(MDB_txn *txn, struct record_key *key, const struct window *window)
{
	unsigned char space[RECORD_OCTETS];
	MDB_val name = record_key_value(key);
	MDB_val value = { .mv_data = space };

	value.mv_size = record_write(key, window, space);
	return mdb_put(txn, LMDB_MAIN, &name, &value, 0);
}

static int
make_key(const struct limit *limit, const char *key, struct record_key *out)
{
	return record_key(limit->name, key, out) ? 0 : ENOMEM;
}

static int
answer_all(MDB_txn *txn, const struct charge *charges, size_t count,
    uint64_t now_ms, struct charge_answer *answers_out, bool *fits_out)
{
	*fits_out = true;
	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];
		struct record_key key;
		struct window window;
		bool was_there;
		int status = make_key(charge->limit, charge->key, &key);

		if (status == 0)
			status = get_window(
			    txn, charge->limit, &key, &window, &was_there);
		if (status != 0)
			return status;
		store_bring_up(&window, charge->limit, now_ms);
		store_answer(&window, charge, store_pending(charges, i), now_ms,
		    &answers_out[i]);
		if (charge->is_binding && !answers_out[i].fits)
			*fits_out = false;
	}
	return 0;
}

static int
count_all(MDB_txn *txn, const struct charge *charges, size_t count,
    uint64_t now_ms, struct charge_answer *answers)
{
	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];
		struct record_key key;
		struct window window;
		bool was_there;
		int status;

		if (charge->is_look || charge->cost == 0)
			continue;
		status = make_key(charge->limit, charge->key, &key);
		if (status == 0)
			status = get_window(
			    txn, charge->limit, &key, &window, &was_there);
		if (status != 0)
			return status;
		store_bring_up(&window, charge->limit, now_ms);
		store_count(&window, charge, now_ms, &answers[i]);
		status = put_window(txn, &key, &window);
		if (status != 0)
			return status;
	}
	return 0;
}

/* LMDB needs free pages even to delete something. So the records may not take
 * all, and a file that is full can still be changed and purged. */
static int
check_room(const struct store_lmdb *lmdb, MDB_txn *txn, size_t pages_before)
{
	size_t pages = lmdb_pages(txn);

	return pages > lmdb->page_max && pages > pages_before ? MDB_MAP_FULL
							      : 0;
}

/* What store_charge() was asked, for the worker. */
struct charging {
	struct lmdb_job job; /* first */
	const struct charge *charges;
	size_t count;
	bool is_look_only;
	struct charge_answer *answers;
	struct store_receipt *receipt;
};

static int
apply_charge(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct charging *asked = (struct charging *)job;
	size_t pages;
	bool fits;
	int status = answer_all(txn, asked->charges, asked->count,
	    meta->last_ms, asked->answers, &fits);

	asked->receipt->now_ms = meta->last_ms;
	asked->receipt->is_charged = status == 0 && fits;
	if (status != 0 || asked->is_look_only || !fits)
		return status;
	job->has_changed = true;
	pages = lmdb_pages(txn);
	status = count_all(
	    txn, asked->charges, asked->count, meta->last_ms, asked->answers);
	return status != 0 ? status : check_room(lmdb, txn, pages);
}

static bool
lmdb_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;
	struct charging asked = {
		.job = { .apply = apply_charge, .is_write = !is_look_only },
		.charges = charges,
		.count = count,
		.is_look_only = is_look_only,
		.answers = answers_out,
		.receipt = receipt_out,
	};
	uint64_t deadline_ms = lmdb_deadline();
	int status;

	if (!lmdb_is_usable(lmdb, fault))
		return false;
	status = lmdb_run(lmdb, &asked.job, deadline_ms);
	if (status == MDB_MAP_FULL) {
		lmdb_purge(lmdb, LMDB_PURGE_FULL, deadline_ms);
		status = lmdb_run(lmdb, &asked.job, deadline_ms);
	}
	if (status != 0) {
		receipt_out->is_charged = false;
		lmdb_fail(lmdb, status, fault);
	}
	return status == 0;
}

/* Have a job done that is nothing but that. */
static bool
run_job(struct store_lmdb *lmdb, struct lmdb_job *job, struct fault *fault)
{
	int status;

	if (!lmdb_is_usable(lmdb, fault))
		return false;
	status = lmdb_run(lmdb, job, lmdb_deadline());
	if (status != 0)
		lmdb_fail(lmdb, status, fault);
	return status == 0;
}

static int
take_back_one(MDB_txn *txn, const struct charge *charge, uint64_t slot)
{
	struct record_key key;
	struct window window;
	bool was_there;
	int status = make_key(charge->limit, charge->key, &key);

	if (status == 0)
		status =
		    get_window(txn, charge->limit, &key, &window, &was_there);
	if (status != 0 || !was_there)
		return status;
	window_take_back(&window, charge->limit->per_ms, slot, charge->cost);
	return put_window(txn, &key, &window);
}

struct refunding {
	struct lmdb_job job; /* first */
	const struct charge *charges;
	const struct charge_answer *answers;
	size_t count;
};

static int
apply_refund(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct refunding *asked = (struct refunding *)job;
	int status = 0;

	(void)lmdb;
	(void)meta;
	job->has_changed = true;
	for (size_t i = 0; i < asked->count && status == 0; i++)
		if (!asked->charges[i].is_look)
			status = take_back_one(
			    txn, &asked->charges[i], asked->answers[i].slot);
	return status;
}

static bool
lmdb_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	struct refunding asked = {
		.job = { .apply = apply_refund, .is_write = true },
		.charges = charges,
		.answers = answers,
		.count = count,
	};

	(void)receipt;
	return run_job((struct store_lmdb *)store, &asked.job, fault);
}

static int
add_one(MDB_txn *txn, const struct store_late *late, uint64_t now_ms)
{
	struct record_key key;
	struct window window;
	bool was_there;
	int status;

	if (!store_late_counts(late, now_ms))
		return 0;
	status = make_key(late->limit, late->key, &key);
	if (status == 0)
		status =
		    get_window(txn, late->limit, &key, &window, &was_there);
	if (status != 0)
		return status;
	store_bring_up(&window, late->limit, now_ms);
	window_add_at(&window, now_ms - late->age_ms, late->cost);
	return put_window(txn, &key, &window);
}

struct adding {
	struct lmdb_job job; /* first */
	const struct store_late *late;
	size_t count;
	uint64_t now_ms;
};

static int
apply_add(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct adding *asked = (struct adding *)job;
	size_t pages = lmdb_pages(txn);
	int status = 0;

	job->has_changed = true;
	asked->now_ms = meta->last_ms;
	/* Only asked whether it can write: a full file can't, though this one
	 * small change would go well. */
	if (asked->count == 0 && pages >= lmdb->page_max)
		return MDB_MAP_FULL;
	for (size_t i = 0; i < asked->count && status == 0; i++)
		status = add_one(txn, &asked->late[i], meta->last_ms);
	return status != 0 ? status : check_room(lmdb, txn, pages);
}

static bool
lmdb_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct adding asked = {
		.job = { .apply = apply_add, .is_write = true },
		.late = late,
		.count = count,
	};

	if (!run_job((struct store_lmdb *)store, &asked.job, fault))
		return false;
	*now_ms_out = asked.now_ms;
	return true;
}

struct resetting {
	struct lmdb_job job; /* first */
	struct record_key *name;
	bool was_there;
};

static int
apply_reset(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct resetting *asked = (struct resetting *)job;
	MDB_val name = record_key_value(asked->name);
	int status = mdb_del(txn, LMDB_MAIN, &name, NULL);

	(void)lmdb;
	job->has_changed = true;
	asked->was_there = status == 0;
	meta->epoch++;
	return status == MDB_NOTFOUND ? 0 : status;
}

static bool
lmdb_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;
	struct record_key name;
	struct resetting asked = {
		.job = { .apply = apply_reset, .is_write = true },
		.name = &name,
	};

	if (make_key(limit, key, &name) != 0) {
		fault_memory(fault);
		return false;
	}
	if (!run_job(lmdb, &asked.job, fault))
		return false;
	*was_there_out = asked.was_there;
	return true;
}

struct telling {
	struct lmdb_job job; /* first */
	uint64_t epoch;
};

static int
apply_tell(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	(void)lmdb;
	(void)txn;
	((struct telling *)job)->epoch = meta->epoch;
	return 0;
}

static bool
lmdb_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	struct telling asked = { .job.apply = apply_tell };

	if (!run_job((struct store_lmdb *)store, &asked.job, fault))
		return false;
	*epoch_out = asked.epoch;
	return true;
}

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
	struct lmdb_job job = { .apply = apply_time, .is_write = true };

	return !lmdb->place.may_make || lmdb_run(lmdb, &job, deadline_ms) == 0;
}

/* Takes half-opened ones too. What was cut short since the last look must not
 * be marked as sound: nobody would walk it then. */
static void
lmdb_close(struct store *store)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;
	uint64_t deadline_ms = lmdb_deadline();
	bool is_clean = lmdb->worker.is_started
	    && atomic_load(&lmdb->lost) == LOST_NOT
	    && !atomic_load(&lmdb->is_doubtful) && save_time(lmdb, deadline_ms);

	if (is_clean) {
		is_clean =
		    lmdb_is_whole(lmdb) && mdb_env_sync(lmdb->env, 1) == 0;
		deadline_ms = lmdb_deadline(); /* the disk had its time */
	}
	if (lmdb_worker_stop(lmdb, deadline_ms))
		lmdb_free(lmdb, is_clean);
}

static const struct store_class lmdb_class = {
	.charge = lmdb_charge,
	.refund = lmdb_refund,
	.add = lmdb_add,
	.reset = lmdb_reset,
	.epoch = lmdb_epoch,
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
	if (!lmdb_worker_init(&lmdb->worker)) {
		(void)pthread_mutex_destroy(&lmdb->lock);
		free(lmdb);
		fault_memory(fault);
		return NULL;
	}
	lmdb->store.class = &lmdb_class;
	lmdb->place.fd = -1;
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
