#include "milter/io/store_lmdb_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	PURGE_BATCH = 64,
	PURGE_STRETCH = 1024, /* keys looked at while charges wait */
	PURGE_TEND = 1024,    /* keys looked at once a second */
	PURGE_HUNT = 65536,   /* the same while the file is full */
};

/* One stretch of the file: keys that are idle are noted in batch, until that
 * is full. */
struct find {
	struct lmdb_job job; /* first */
	const struct lmdb_position *from;
	size_t most; /* keys to look at */
	struct lmdb_position *batch;
	struct lmdb_position next; /* where to go on; length 0 after the last */
	size_t looked;
	size_t found;
};

static int
find_idle(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct find *find = (struct find *)job;
	struct lmdb_position *next = &find->next;
	MDB_val key = { find->from->length, next->octets };
	MDB_cursor *cursor;
	MDB_val value;
	int status = mdb_cursor_open(txn, LMDB_MAIN, &cursor);

	(void)lmdb;
	*next = *find->from;
	find->looked = 0;
	find->found = 0;
	if (status != 0)
		return status;
	status = mdb_cursor_get(
	    cursor, &key, &value, next->length > 0 ? MDB_SET_RANGE : MDB_FIRST);
	for (; status == 0 && find->looked < find->most
	     && find->found < PURGE_BATCH;
	     find->looked++) {
		assert(key.mv_size <= sizeof next->octets);
		memcpy(next->octets, key.mv_data, key.mv_size);
		next->length = key.mv_size;
		if (record_idle_at(&key, &value) <= meta->last_ms)
			find->batch[find->found++] = *next;
		status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	if (status == MDB_NOTFOUND)
		next->length = 0;
	return status == MDB_NOTFOUND ? 0 : status;
}

/* Delete those of batch that are still idle. The time is written down too:
 * what is forgotten now must not come into a window again when the clock has
 * gone back. */
struct delete
{
	struct lmdb_job job; /* first */
	struct lmdb_position *batch;
	size_t count;
};

static int
delete_idle(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct delete *delete = (struct delete *)job;
	int status = 0;

	(void)lmdb;
	job->has_changed = true;
	for (size_t i = 0; i < delete->count && status == 0; i++) {
		MDB_val key = { delete->batch[i].length,
			delete->batch[i].octets };
		MDB_val value;

		status = mdb_get(txn, LMDB_MAIN, &key, &value);
		if (status == 0
		    && record_idle_at(&key, &value) <= meta->last_ms) {
			status = mdb_del(txn, LMDB_MAIN, &key, NULL);
			if (record_kind_of(&key) == RECORD_OVERRIDE
			    && meta->overrides > 0)
				meta->overrides--;
		}
		if (status == MDB_NOTFOUND)
			status = 0;
	}
	return status;
}

/* One stretch from *next on, which is moved on. *left counts down the keys
 * looked at. */
static bool
purge_stretch(struct store_lmdb *lmdb, struct lmdb_position *next, size_t *left,
    struct lmdb_position *batch, uint64_t deadline_ms)
{
	struct find find = {
		.job.apply = find_idle,
		.from = next,
		.most = *left < PURGE_STRETCH ? *left : PURGE_STRETCH,
		.batch = batch,
	};
	struct delete delete = {
		.job = { .apply = delete_idle, .is_write = true },
		.batch = batch,
	};

	if (lmdb_run(lmdb, &find.job, deadline_ms) != 0)
		return false;
	*next = find.next;
	*left -= find.looked;
	delete.count = find.found;
	return find.found == 0 || lmdb_run(lmdb, &delete.job, deadline_ms) == 0;
}

void
lmdb_purge(struct store_lmdb *lmdb, size_t most, uint64_t deadline_ms)
{
	struct lmdb_position *batch = calloc(PURGE_BATCH, sizeof(*batch));
	struct lmdb_position next;
	size_t left = most;
	int ends = 0;

	if (batch == NULL)
		return;
	(void)pthread_mutex_lock(&lmdb->lock);
	next = lmdb->purge_next;
	(void)pthread_mutex_unlock(&lmdb->lock);
	while (left > 0 && ends < 2) {
		if (!purge_stretch(lmdb, &next, &left, batch, deadline_ms))
			break;
		if (next.length == 0)
			ends++;
	}
	(void)pthread_mutex_lock(&lmdb->lock);
	lmdb->purge_next = next;
	(void)pthread_mutex_unlock(&lmdb->lock);
	free(batch);
}

/* Write to disk what was committed since the last time. A failure shows at the
 * next charge: there is nobody here to be told. */
static void
sync_file(struct store_lmdb *lmdb, size_t last_txn)
{
	bool is_synced;
	int status;

	(void)pthread_mutex_lock(&lmdb->lock);
	is_synced = lmdb->synced_txn == last_txn;
	(void)pthread_mutex_unlock(&lmdb->lock);
	if (is_synced)
		return;
	status = mdb_env_sync(lmdb->env, 1);
	if (status != 0) {
		atomic_store(&lmdb->is_doubtful, true);
		atomic_store(&lmdb->sync_errno, status);
		return;
	}
	(void)pthread_mutex_lock(&lmdb->lock);
	if (lmdb->synced_txn < last_txn)
		lmdb->synced_txn = last_txn;
	(void)pthread_mutex_unlock(&lmdb->lock);
}

/* Nobody said that the file may be looked at no more, so that is looked for:
 * to read behind the end of a file would be a signal, not an error. */
static bool
is_there(struct store_lmdb *lmdb)
{
	switch (lmdb_place_look(&lmdb->place)) {
	case PLACE_SAME:
		return true;
	case PLACE_VANISHED:
		atomic_store(&lmdb->lost, LOST_VANISHED);
		break;
	case PLACE_SHORTER:
		atomic_store(&lmdb->lost, LOST_DAMAGED);
		break;
	}
	return false;
}

/* Have the records all the room that they may have? */
struct room {
	struct lmdb_job job; /* first */
	bool is_full;
};

static int
look_for_room(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	(void)meta;
	((struct room *)job)->is_full = lmdb_pages(txn) >= lmdb->page_max;
	return 0;
}

void
lmdb_tend(struct store *store)
{
	struct store_lmdb *lmdb = (struct store_lmdb *)store;
	struct room room = { .job.apply = look_for_room };
	uint64_t deadline_ms;
	MDB_envinfo info;

	if (atomic_load(&lmdb->lost) != LOST_NOT || !is_there(lmdb)
	    || mdb_env_info(lmdb->env, &info) != 0)
		return;
	sync_file(lmdb, info.me_last_txnid);
	deadline_ms = lmdb_deadline();
	if (lmdb_run(lmdb, &room.job, deadline_ms) == 0)
		lmdb_purge(
		    lmdb, room.is_full ? PURGE_HUNT : PURGE_TEND, deadline_ms);
}
