#include "milter/io/store_lmdb_lock.h"

#include "milter/io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Locks lie on octets of the file. At the first LMDB looks too: a process that
 * has the file open shares that one, which says that the file is in use. */
enum {
	AT_USE = 0,
	AT_TURN = 1,
	/* LMDB reads a page of it before it sees that it isn't its own. */
	FILE_OCTETS = 4096,
	PAUSE_LEAST_NS = 20000,
	PAUSE_MOST_NS = 1000000,
	USE_WAIT_MS = 1000,
};

static const char our_words[] =
    "postern 2: not a lock file of LMDB: read limits.mdb by posternctl\n";

/* The locks belong to the open file, not to the process: closing another
 * descriptor of the file, or a child that ends, doesn't take them away. */
static int
set_lock(int fd, short type, off_t at)
{
	struct flock lock = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

static bool
is_taken(int status)
{
	return status == EAGAIN || status == EACCES || status == EINTR;
}

/* Like set_lock(), but waiting until the deadline: for most of it in pauses of
 * a millisecond, since another process works with the file for a moment only,
 * or stands still. */
static int
wait_for_lock(int fd, short type, off_t at, uint64_t deadline_ms)
{
	struct timespec pause = { .tv_nsec = PAUSE_LEAST_NS };
	int status;

	while (is_taken(status = set_lock(fd, type, at))) {
		if (clock_monotonic_ms() >= deadline_ms)
			return ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MOST_NS)
			pause.tv_nsec *= 2;
	}
	return status;
}

static bool
is_ours(int fd)
{
	char found[sizeof our_words];

	return pread(fd, found, sizeof found, 0) == sizeof found
	    && memcmp(found, our_words, sizeof found) == 0;
}

/* A file of LMDB's, of which nobody makes use, or a new one. */
static int
make_ours(int fd)
{
	char page[FILE_OCTETS] = { 0 };
	int status = set_lock(fd, F_WRLCK, AT_USE);
	ssize_t written;

	if (status != 0)
		return status;
	memcpy(page, our_words, sizeof our_words);
	if (ftruncate(fd, 0) != 0)
		return errno;
	written = pwrite(fd, page, sizeof page, 0);
	if (written != sizeof page)
		return written < 0 ? errno : EIO;
	return set_lock(fd, F_RDLCK, AT_USE);
}

static bool
fail(const char *path, const char *name, int status, struct fault *fault)
{
	fault_set(
	    fault, FAULT_PERMANENT, "%s/%s: %s", path, name, strerror(status));
	return false;
}

static bool
use(const struct lmdb_lock *lock, const char *path, const char *name,
    bool is_alone, struct fault *fault)
{
	int status = wait_for_lock(
	    lock->fd, F_RDLCK, AT_USE, clock_monotonic_ms() + USE_WAIT_MS);

	if (status == 0 && is_ours(lock->fd))
		return true;
	if (status == 0 && is_alone)
		status = make_ours(lock->fd);
	else if (status == 0)
		status = EAGAIN;
	if (status == 0)
		return true;
	if (!is_taken(status) && status != ETIMEDOUT)
		return fail(path, name, status, fault);
	fault_set(fault, FAULT_TEMPORARY,
	    "%s/%s: in use by another version of postern, or a program of "
	    "LMDB: end that",
	    path, name);
	return false;
}

/* Who runs posternctl as root must not leave a file that the daemon can't open
 * afterwards. */
static bool
give_to_owner(int fd, const struct stat *file, const struct stat *owner)
{
	return geteuid() != 0 || file->st_uid == owner->st_uid
	    || fchown(fd, owner->st_uid, owner->st_gid) == 0;
}

bool
lmdb_lock_open(struct lmdb_lock *lock, int directory, const char *name,
    const char *path, bool is_alone, const struct stat *owner,
    struct fault *fault)
{
	struct stat file;

	lock->fd = openat(directory, name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (lock->fd >= 0 && fstat(lock->fd, &file) == 0
	    && give_to_owner(lock->fd, &file, owner)) {
		lock->inode = file.st_ino;
		if (use(lock, path, name, is_alone, fault))
			return true;
	} else {
		(void)fail(path, name, errno, fault);
	}
	lmdb_lock_close(lock);
	return false;
}

int
lmdb_lock_take(const struct lmdb_lock *lock, uint64_t deadline_ms)
{
	return wait_for_lock(lock->fd, F_WRLCK, AT_TURN, deadline_ms);
}

void
lmdb_lock_give(const struct lmdb_lock *lock)
{
	(void)set_lock(lock->fd, F_UNLCK, AT_TURN);
}

void
lmdb_lock_close(struct lmdb_lock *lock)
{
	if (lock->fd >= 0)
		(void)close(lock->fd);
	lock->fd = -1;
}
