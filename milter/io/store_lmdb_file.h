/* store_lmdb_file: the open limits.mdb that the parts of store_lmdb share:
 * transactions, the record about the file, what LMDB's answers mean. */
#ifndef MILTER_IO_STORE_LMDB_FILE_H
#define MILTER_IO_STORE_LMDB_FILE_H

#include "milter/io/store_count.h"
#include "milter/io/store_lmdb_entry.h"
#include "milter/io/store_lmdb_place.h"
#include "milter/io/store_lmdb_queue.h"
#include "milter/io/store_lmdb_record.h"

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LMDB_SIZE_LEAST = 256 * 1024,
	LMDB_PURGE_FULL = 4096, /* keys looked at by a charge without room */
};

/* Why the file can't be used any more until it is opened anew. */
enum lost { LOST_NOT, LOST_VANISHED, LOST_DAMAGED };

struct lmdb_position {
	unsigned char octets[RECORD_KEY_OCTETS];
	size_t length; /* 0: the first key */
};

/* All transactions are done in the queue, one at a time in all processes; other
 * threads use of LMDB only mdb_env_info() and mdb_env_sync(). Who is killed in
 * the middle of one leaves nothing of it. */
struct store_lmdb {
	struct store store; /* first */
	struct lmdb_place place;
	char *name;
	MDB_env *env;
	struct lmdb_queue queue;
	struct store_clock clock;
	size_t page_bytes;
	size_t page_max; /* more pages of records there shall not be */
	_Atomic int lost;
	_Atomic int sync_errno;   /* of a sync that nobody was told of yet */
	_Atomic bool is_doubtful; /* a sync failed: the next one may lie */

	pthread_mutex_t lock; /* of the two below */
	struct lmdb_position purge_next;
	size_t synced_txn;
};

/* Fill fault from LMDB's status, and note when the file is of no use. */
void lmdb_fail(struct store_lmdb *lmdb, int status, struct fault *fault);

/* Say what is wrong already, before anything is tried. */
bool lmdb_is_usable(struct store_lmdb *lmdb, struct fault *fault);

/* Is the file at least as long as it was? Looked at before each transaction, by
 * who does it, and when nobody does any more. */
bool lmdb_is_whole(struct store_lmdb *lmdb);

/* Something was committed: the file has at least this length from now on. */
void lmdb_note_length(struct store_lmdb *lmdb);

/* Read the record about the file; meta_out is the same, with the time put into
 * its last_ms. Returns LMDB's status. */
int lmdb_read_meta(struct store_lmdb *lmdb, MDB_txn *txn,
    struct record_meta *read_out, struct record_meta *meta_out);

/* Write the record about the file. Returns LMDB's status. */
int lmdb_write_meta(MDB_txn *txn, const struct record_meta *meta);

/* How many pages the records take. */
size_t lmdb_pages(MDB_txn *txn);

/* MDB_MAP_FULL if the records take more than they may, and than before. */
int lmdb_check_room(
    const struct store_lmdb *lmdb, MDB_txn *txn, size_t pages_before);

/* Have a job done as one call of the store, unless the file is of no use; for
 * one that makes room, a full file is purged and the job tried once more. False
 * with words. */
bool lmdb_ask(struct store_lmdb *lmdb, struct lmdb_job *job, bool makes_room,
    struct fault *fault);

/* Open the file in lmdb->place, which was taken; where LMDB, or we, can make
 * nothing of a file that looked sound, it is moved aside and a new one begun,
 * once. size_bytes 0: as large as it was. */
bool lmdb_open_file(struct store_lmdb *lmdb, size_t size_bytes,
    struct fault *notice_out, struct fault *fault);

/* Close it, if it is open, and free lmdb, half-opened ones too. is_clean: all
 * is on disk. */
void lmdb_free(struct store_lmdb *lmdb, bool is_clean);

/* Drop idle keys: look at most keys, going on where the last call ended, and
 * over the file's end at most once. The deadline ends it, too. */
void lmdb_purge(struct store_lmdb *lmdb, size_t most, uint64_t deadline_ms);

/* What store_tend() does. */
void lmdb_tend(struct store *store);

#endif
