/* store_lmdb_lock: whose turn it is with limits.mdb. LMDB's own locks are
 * waited for without end: if another process has one and stands still, so does
 * whoever asks for it. So LMDB is told to take none, and every transaction,
 * to read or to write, is one's turn, by a lock of ours on limits.mdb-lock. It
 * ends with the process that has it, and nothing in the file can be damaged.
 *
 * To programs that use LMDB by themselves (mdb_stat, postern before this
 * version) the file is no lock file of theirs: they fail, instead of doing
 * damage. */
#ifndef MILTER_IO_STORE_LMDB_LOCK_H
#define MILTER_IO_STORE_LMDB_LOCK_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct lmdb_lock {
	int fd; /* -1: not open */
	ino_t inode;
};

/* Open, and if need be make, the file called name in a directory, for messages
 * path. is_alone: no other postern has it open, so one that isn't ours is made
 * so. Root makes it for owner. False with words. */
bool lmdb_lock_open(struct lmdb_lock *lock_out, int directory, const char *name,
    const char *path, bool is_alone, const struct stat *owner,
    struct fault *fault);

/* Get the turn. Returns 0; ETIMEDOUT when others had it all the time until
 * deadline_ms, on the monotonic clock; or what else there is. One thread of a
 * process at a time, which gives it back. */
int lmdb_lock_take(const struct lmdb_lock *lock, uint64_t deadline_ms);
void lmdb_lock_give(const struct lmdb_lock *lock);

/* Close it. May be called twice. */
void lmdb_lock_close(struct lmdb_lock *lock);

#endif
