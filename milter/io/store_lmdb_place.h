/* store_lmdb_place: the directory that limits.mdb lies in: who may open it,
 * whether it is sound, and moving a damaged one aside.
 *
 * Every process that has the file open holds a shared flock(2) on the
 * directory. Who gets it alone is the first, and sees to the file; who is the
 * last to leave writes a mark, limits.mdb-clean, that tells the file as he
 * left it. A file without the mark that fits it is walked before it is used:
 * commits are not synced, so a crash of the system may have damaged it. */
#ifndef MILTER_IO_STORE_LMDB_PLACE_H
#define MILTER_IO_STORE_LMDB_PLACE_H

#include "milter/io/store_lmdb_lock.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct lmdb_place {
	char *directory;
	char *path; /* of limits.mdb */
	int fd;     /* of the directory; holds the lock */
	bool may_make;
	bool is_alone;
	dev_t device; /* of limits.mdb, when it was opened */
	ino_t inode;
	struct lmdb_lock lock;      /* limits.mdb-lock */
	_Atomic int64_t seen_bytes; /* it never gets shorter than it was */
};

/* Lock directory and make sure that limits.mdb in it is sound or (if may_make)
 * isn't there; else a damaged one is moved aside, as *notice_out (may be NULL)
 * then says. Open limits.mdb-lock. Waits for others that do the same, half a
 * minute at most. False with words; place_out is to be left in either case. */
bool lmdb_place_take(struct lmdb_place *place_out, const char *directory,
    bool may_make, struct fault *notice_out, struct fault *fault);

/* LMDB couldn't make anything of the file after all: as above. False with
 * words if it can't be moved now or may not. */
bool lmdb_place_move_aside(
    struct lmdb_place *place, struct fault *notice_out, struct fault *fault);

/* The file is open: let others open it too. Waits like lmdb_place_take().
 * False with words if the file has vanished again. */
bool lmdb_place_settle(struct lmdb_place *place, struct fault *fault);

enum place_state { PLACE_SAME, PLACE_VANISHED, PLACE_SHORTER };

/* Are the files in the directory still the ones that were opened, and none
 * shorter than it was? Any thread. */
enum place_state lmdb_place_look(struct lmdb_place *place);

/* Is the file, which is open as fd, at least as long as it was? Moves where fd
 * stands, which LMDB doesn't mind: it says where it writes. */
bool lmdb_place_is_whole(struct lmdb_place *place, int fd);

/* The file is closed, and on disk if is_clean: give everything back. May be
 * called twice, and after lmdb_place_take() has failed. */
void lmdb_place_leave(struct lmdb_place *place, bool is_clean);

#endif
