#include "milter/io/store_lmdb_file.h"

#include "milter/io/secret_file.h"
#include "milter/io/store_lmdb.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* LMDB needs free pages even to delete something. What records don't
	 * get, of the file's size: */
	RESERVE_SHARE = 8,
	RESERVE_LEAST = 128 * 1024,
};

void
lmdb_fail(struct store_lmdb *lmdb, int status, struct fault *fault)
{
	const char *path = lmdb->place.path;
	char us[SECRET_FILE_WHO_BYTES];

	switch (status) {
	case LMDB_LOCKED:
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: is locked by another process for %d ms: look for a "
		    "stopped posternctl",
		    path, (int)STORE_LMDB_WAIT_MS);
		return;
	case LMDB_SLOW:
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: no answer for %d ms: see to its disk", path,
		    (int)STORE_LMDB_WAIT_MS);
		return;
	case LMDB_MANY:
		fault_set(fault, FAULT_PERMANENT,
		    "%s: has %d overrides and blocks, and takes no more: "
		    "remove some",
		    path, (int)STORE_OVERRIDES);
		return;
	case MDB_MAP_FULL:
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: full: set a larger store.size", path);
		return;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO: /* what LMDB makes of half a write, too */
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: %s: make room on its file system, or see to its disk",
		    path, strerror(status));
		return;
	case EACCES:
	case EPERM:
	case EROFS:
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s: %s must be able to read and write it, its lock "
		    "file and its directory",
		    path, strerror(status), secret_file_user(geteuid(), us));
		return;
	case ENOMEM:
		fault_memory(fault);
		return;
	case MDB_VERSION_MISMATCH:
		fault_set(fault, FAULT_PERMANENT,
		    "%s: written by a newer version of postern: upgrade, "
		    "or remove the file",
		    path);
		return;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
		atomic_store(&lmdb->lost, LOST_DAMAGED);
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: damaged; it is checked when opened anew", path);
		return;
	default:
		fault_set(fault, FAULT_TEMPORARY, "%s: %s", path,
		    mdb_strerror(status));
	}
}

bool
lmdb_is_usable(struct store_lmdb *lmdb, struct fault *fault)
{
	int lost = atomic_load(&lmdb->lost);
	int status = atomic_exchange(&lmdb->sync_errno, 0);

	if (lost == LOST_VANISHED)
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: has vanished; it is begun anew when opened again",
		    lmdb->place.path);
	else if (lost == LOST_DAMAGED)
		lmdb_fail(lmdb, MDB_CORRUPTED, fault);
	else if (status != 0)
		lmdb_fail(lmdb, status, fault);
	return lost == LOST_NOT && status == 0;
}

static int
read_meta(MDB_txn *txn, struct record_meta *meta_out)
{
	MDB_val key = record_meta_key();
	MDB_val value;
	int status = mdb_get(txn, LMDB_MAIN, &key, &value);

	return status != 0 ? status
			   : lmdb_status(record_read_meta(&value, meta_out));
}

int
lmdb_write_meta(MDB_txn *txn, const struct record_meta *meta)
{
	unsigned char space[RECORD_META_OCTETS];
	MDB_val key = record_meta_key();
	MDB_val value = { .mv_size = sizeof space, .mv_data = space };

	record_write_meta(meta, space);
	return mdb_put(txn, LMDB_MAIN, &key, &value, 0);
}

bool
lmdb_is_whole(struct store_lmdb *lmdb)
{
	int fd;

	return mdb_env_get_fd(lmdb->env, &fd) == 0
	    && lmdb_place_is_whole(&lmdb->place, fd);
}

void
lmdb_note_length(struct store_lmdb *lmdb)
{
	MDB_envinfo info;

	if (mdb_env_info(lmdb->env, &info) == 0
	    && (int64_t)((info.me_last_pgno + 1) * lmdb->page_bytes)
		> atomic_load(&lmdb->place.seen_bytes))
		(void)lmdb_is_whole(lmdb);
}

int
lmdb_read_meta(struct store_lmdb *lmdb, MDB_txn *txn,
    struct record_meta *read_out, struct record_meta *meta_out)
{
	int status = read_meta(txn, read_out);

	*meta_out = *read_out;
	if (status == 0)
		meta_out->last_ms =
		    store_clock_now(&lmdb->clock, meta_out->last_ms);
	/* Every file has one. */
	return status == MDB_NOTFOUND ? MDB_CORRUPTED : status;
}

size_t
lmdb_pages(MDB_txn *txn)
{
	MDB_stat stat;

	if (mdb_stat(txn, LMDB_MAIN, &stat) != 0)
		return 0;
	return stat.ms_branch_pages + stat.ms_leaf_pages
	    + stat.ms_overflow_pages;
}

/* LMDB needs free pages even to delete something. So the records may not take
 * all, and a file that is full can still be changed and purged. */
int
lmdb_check_room(
    const struct store_lmdb *lmdb, MDB_txn *txn, size_t pages_before)
{
	size_t pages = lmdb_pages(txn);

	return pages > lmdb->page_max && pages > pages_before ? MDB_MAP_FULL
							      : 0;
}

bool
lmdb_ask(struct store_lmdb *lmdb, struct lmdb_job *job, bool makes_room,
    struct fault *fault)
{
	uint64_t deadline_ms = lmdb_deadline();
	int status;

	if (!lmdb_is_usable(lmdb, fault))
		return false;
	status = lmdb_run(lmdb, job, deadline_ms);
	if (status == MDB_MAP_FULL && makes_room) {
		lmdb_purge(lmdb, LMDB_PURGE_FULL, deadline_ms);
		status = lmdb_run(lmdb, job, deadline_ms);
	}
	if (status != 0)
		lmdb_fail(lmdb, status, fault);
	return status == 0;
}

static void
close_env(struct store_lmdb *lmdb)
{
	if (lmdb->env != NULL)
		mdb_env_close(lmdb->env);
	lmdb->env = NULL;
}

void
lmdb_free(struct store_lmdb *lmdb, bool is_clean)
{
	close_env(lmdb);
	lmdb_place_leave(&lmdb->place, is_clean);
	lmdb_queue_clear(&lmdb->queue);
	(void)pthread_mutex_destroy(&lmdb->lock);
	free(lmdb->name);
	free(lmdb);
}

/* Give a new file its record about itself, or read that of an old one. */
static int
init_meta(struct store_lmdb *lmdb)
{
	unsigned flags = lmdb->place.may_make ? 0 : MDB_RDONLY;
	struct timespec now = { 0 };
	struct record_meta meta;
	MDB_stat stat;
	MDB_txn *txn;
	MDB_dbi dbi;
	int status = mdb_txn_begin(lmdb->env, NULL, flags, &txn);

	if (status != 0)
		return status;
	/* Also tells LMDB how keys compare; the handle is always the same. */
	status = mdb_dbi_open(txn, NULL, 0, &dbi);
	assert(status != 0 || dbi == LMDB_MAIN);
	if (status == 0)
		status = read_meta(txn, &meta);
	if (status == MDB_NOTFOUND && flags == 0
	    && mdb_stat(txn, LMDB_MAIN, &stat) == 0 && stat.ms_entries == 0) {
		/* An epoch differs from that of any file before. */
		(void)clock_gettime(CLOCK_REALTIME, &now);
		meta.last_ms = 0;
		meta.overrides = 0;
		meta.epoch =
		    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
		status = lmdb_write_meta(txn, &meta);
		if (status == 0)
			return mdb_txn_commit(txn);
	}
	mdb_txn_abort(txn);
	return status == MDB_NOTFOUND ? MDB_CORRUPTED : status;
}

static int
open_env(struct store_lmdb *lmdb, size_t size_bytes)
{
	MDB_envinfo info;
	MDB_stat stat;
	int status = mdb_env_create(&lmdb->env);

	if (status == 0 && size_bytes > 0)
		status = mdb_env_set_mapsize(lmdb->env, size_bytes);
	if (status == 0)
		status = mdb_env_open(lmdb->env, lmdb->place.path,
		    MDB_NOSUBDIR | MDB_NOTLS | MDB_NOLOCK | MDB_NOSYNC, 0600);
	if (status == 0)
		status = mdb_env_stat(lmdb->env, &stat);
	if (status == 0)
		status = mdb_env_info(lmdb->env, &info);
	if (status != 0)
		return status;

	lmdb->page_bytes = stat.ms_psize;
	lmdb->page_max = info.me_mapsize / RESERVE_SHARE;
	if (lmdb->page_max < RESERVE_LEAST)
		lmdb->page_max = RESERVE_LEAST;
	lmdb->page_max = info.me_mapsize > lmdb->page_max
	    ? (info.me_mapsize - lmdb->page_max) / lmdb->page_bytes
	    : 1;
	return init_meta(lmdb);
}

static bool
is_damage(int status)
{
	return status == MDB_CORRUPTED || status == MDB_INVALID
	    || status == MDB_PAGE_NOTFOUND;
}

/* Another process may be writing to it, and stand still. */
static int
open_in_turn(struct store_lmdb *lmdb, size_t size_bytes)
{
	int status = lmdb_lock_take(&lmdb->place.lock, lmdb_deadline());

	if (status != 0)
		return status == ETIMEDOUT ? LMDB_LOCKED : status;
	status = open_env(lmdb, size_bytes);
	lmdb_lock_give(&lmdb->place.lock);
	return status;
}

bool
lmdb_open_file(struct store_lmdb *lmdb, size_t size_bytes,
    struct fault *notice_out, struct fault *fault)
{
	int status = open_in_turn(lmdb, size_bytes);

	if (is_damage(status)) {
		close_env(lmdb);
		if (!lmdb_place_move_aside(&lmdb->place, notice_out, fault))
			return false;
		status = open_in_turn(lmdb, size_bytes);
	}
	if (status != 0)
		lmdb_fail(lmdb, status, fault);
	return status == 0 && lmdb_place_settle(&lmdb->place, fault);
}
