#include "milter/io/store_lmdb_place.h"

#include "milter/io/clock.h"
#include "milter/io/secret_file.h"
#include "milter/io/store_lmdb_check.h"
#include "policy/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char data_name[] = "limits.mdb";
static const char lock_name[] = "limits.mdb-lock";
static const char mark_name[] = "limits.mdb-clean";
static const char damaged_prefix[] = "limits.mdb.damaged-";

enum {
	WAIT_MS = 30000,
	PAUSE_MS = 20,
	MARK_OCTETS = 256,
	DAMAGED_KEPT = 4, /* files moved aside; older ones are removed */
	DAMAGED_OCTETS = sizeof damaged_prefix + 24,
};

static bool
fail(const struct lmdb_place *place, const char *what, struct fault *fault)
{
	fault_set(fault, errno == ENOMEM ? FAULT_MEMORY : FAULT_PERMANENT,
	    "%s/%s: %s", place->directory, what, strerror(errno));
	return false;
}

/* Who can write to the directory can put any file there. */
static bool
is_ours(const struct lmdb_place *place, struct fault *fault)
{
	struct stat info;
	uid_t self = geteuid();
	char who[SECRET_FILE_WHO_BYTES];
	char us[SECRET_FILE_WHO_BYTES];

	if (fstat(place->fd, &info) != 0)
		return fail(place, ".", fault);
	if (info.st_uid != self && (place->may_make || self != 0)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: belongs to %s, not to %s: chown it", place->directory,
		    secret_file_user(info.st_uid, who),
		    secret_file_user(self, us));
		return false;
	}
	if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: others can write to it: chmod go-w it",
		    place->directory);
		return false;
	}
	return true;
}

/* A file that doesn't exist has inode 0. */
static bool
find_file(const struct lmdb_place *place, const char *name, struct stat *info,
    struct fault *fault)
{
	if (fstatat(place->fd, name, info, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISREG(info->st_mode))
			return true;
		fault_set(fault, FAULT_PERMANENT,
		    "%s/%s: not a regular file: remove it", place->directory,
		    name);
		return false;
	}
	memset(info, 0, sizeof(*info));
	return errno == ENOENT || fail(place, name, fault);
}

/* LMDB doesn't stand a file being opened twice by one process. That is told
 * from the process's descriptors, so that no list of ours need be global. */
static bool
is_open_here(const struct stat *file)
{
	DIR *fds = opendir("/proc/self/fd");
	bool is_open = false;
	struct dirent *entry;

	if (fds == NULL)
		return false;
	while (!is_open && (entry = readdir(fds)) != NULL) {
		struct stat info;

		is_open = entry->d_name[0] != '.'
		    && fstatat(dirfd(fds), entry->d_name, &info, 0) == 0
		    && info.st_dev == file->st_dev
		    && info.st_ino == file->st_ino;
	}
	(void)closedir(fds);
	return is_open;
}

/* Get the lock; may_be_alone: alone if nobody else has it. Who has it alone
 * gives part of it up as soon as the file is open, hence the waiting. */
static bool
lock(struct lmdb_place *place, bool may_be_alone, struct fault *fault)
{
	uint64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

	for (;;) {
		place->is_alone =
		    may_be_alone && flock(place->fd, LOCK_EX | LOCK_NB) == 0;
		if (place->is_alone || flock(place->fd, LOCK_SH | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail(place, "(lock)", fault);
		if (clock_monotonic_ms() >= deadline_ms) {
			fault_set(fault, FAULT_TEMPORARY,
			    "%s: another process is busy checking %s",
			    place->directory, data_name);
			return false;
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* What the mark of this very file says. */
static void
mark_words(const struct stat *file, char *words)
{
	struct text text;

	text_init(&text, words, MARK_OCTETS);
	text_addf(&text, "clean 1 %ju %ju %jd.%09ld %jd.%09ld\n",
	    (uintmax_t)file->st_ino, (uintmax_t)file->st_size,
	    (intmax_t)file->st_mtim.tv_sec, file->st_mtim.tv_nsec,
	    (intmax_t)file->st_ctim.tv_sec, file->st_ctim.tv_nsec);
}

static bool
is_marked_clean(const struct lmdb_place *place, const struct stat *file)
{
	char wanted[MARK_OCTETS];
	char found[MARK_OCTETS];
	ssize_t length;
	int fd = openat(place->fd, mark_name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	length = read(fd, found, sizeof found);
	(void)close(fd);
	mark_words(file, wanted);
	return length > 0 && (size_t)length == strlen(wanted)
	    && memcmp(found, wanted, (size_t)length) == 0;
}

static void
write_mark(const struct lmdb_place *place)
{
	struct stat file;
	char words[MARK_OCTETS];
	bool is_done;
	int fd;

	if (fstatat(place->fd, data_name, &file, AT_SYMLINK_NOFOLLOW) != 0
	    || file.st_ino != place->inode)
		return;
	mark_words(&file, words);
	(void)unlinkat(place->fd, mark_name, 0);
	fd = openat(place->fd, mark_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return; /* then the file is walked next time */
	is_done = write(fd, words, strlen(words)) == (ssize_t)strlen(words)
	    && fsync(fd) == 0;
	(void)close(fd);
	if (!is_done)
		(void)unlinkat(place->fd, mark_name, 0);
	(void)fsync(place->fd);
}

/* On disk before the first change of the file is, or a crash could leave both
 * the mark and half a change. */
static bool
remove_mark(const struct lmdb_place *place, struct fault *fault)
{
	if (unlinkat(place->fd, mark_name, 0) == 0)
		(void)fsync(place->fd);
	else if (errno != ENOENT)
		return fail(place, mark_name, fault);
	return true;
}

static int
is_damaged_name(const struct dirent *entry)
{
	return strncmp(entry->d_name, damaged_prefix, sizeof damaged_prefix - 1)
	    == 0;
}

/* A disk that goes bad must not fill up with what it spoilt. */
static void
remove_old(const struct lmdb_place *place)
{
	struct dirent **entries;
	int count =
	    scandirat(place->fd, ".", &entries, is_damaged_name, alphasort);

	for (int i = 0; i < count; i++) {
		if (i < count - DAMAGED_KEPT)
			(void)unlinkat(place->fd, entries[i]->d_name, 0);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* Rename to a name that isn't there yet. */
static bool
rename_damaged(const struct lmdb_place *place, char *name)
{
	time_t now = time(NULL);
	struct tm parts;
	char when[32];

	if (gmtime_r(&now, &parts) == NULL
	    || strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts) == 0)
		when[0] = '\0';
	for (int i = 0; i < 100; i++) {
		struct text text;

		text_init(&text, name, DAMAGED_OCTETS);
		text_addf(&text, "%s%s", damaged_prefix, when);
		if (i > 0)
			text_addf(&text, "-%02d", i);
		if (renameat2(
			place->fd, data_name, place->fd, name, RENAME_NOREPLACE)
		    == 0)
			return true;
		if (errno != EEXIST)
			return false;
	}
	return false;
}

bool
lmdb_place_move_aside(
    struct lmdb_place *place, struct fault *notice_out, struct fault *fault)
{
	char name[DAMAGED_OCTETS];

	if (!place->may_make) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: damaged; postern moves it aside when it starts",
		    place->path);
		return false;
	}
	if (!place->is_alone) {
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: damaged, but another process has it open",
		    place->path);
		return false;
	}
	if (!rename_damaged(place, name))
		return fail(place, data_name, fault);
	remove_old(place);
	fault_set(notice_out, FAULT_PERMANENT,
	    "%s: damaged: moved aside to %s; counting begins anew", place->path,
	    name);
	return true;
}

/* Nobody else has the file open: see to it. */
static bool
take_alone(struct lmdb_place *place, const struct stat *file,
    struct fault *notice_out, struct fault *fault)
{
	bool is_marked = file->st_ino != 0 && is_marked_clean(place, file);

	if (file->st_ino == 0 && !place->may_make) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: there is no such file; postern makes it when it runs",
		    place->path);
		return false;
	}
	if (!remove_mark(place, fault))
		return false;
	if (file->st_ino == 0)
		return true;
	if (file->st_size == 0)
		return lmdb_place_move_aside(place, notice_out, fault);
	if (is_marked)
		return true;
	switch (store_lmdb_check(place->path, fault)) {
	case CHECK_SOUND:
		return true;
	case CHECK_DAMAGED:
		return lmdb_place_move_aside(place, notice_out, fault);
	case CHECK_UNKNOWN:
		break;
	}
	return false;
}

static bool
place_open(struct lmdb_place *place, const char *directory, struct fault *fault)
{
	place->directory = strdup(directory);
	if (place->directory == NULL
	    || asprintf(&place->path, "%s/%s", directory, data_name) < 0) {
		place->path = NULL;
		fault_memory(fault);
		return false;
	}
	place->fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (place->fd < 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s: the store needs this directory (store.path)",
		    directory, strerror(errno));
		return false;
	}
	return true;
}

bool
lmdb_place_take(struct lmdb_place *place, const char *directory, bool may_make,
    struct fault *notice_out, struct fault *fault)
{
	struct stat file;
	struct stat lock_file;

	memset(place, 0, sizeof(*place));
	place->fd = -1;
	place->lock.fd = -1;
	place->may_make = may_make;
	if (!place_open(place, directory, fault) || !is_ours(place, fault)
	    || !find_file(place, data_name, &file, fault)
	    || !find_file(place, lock_name, &lock_file, fault))
		return false;
	if (file.st_ino != 0 && is_open_here(&file)) {
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: this process has it open already", place->path);
		return false;
	}
	if (!lock(place, true, fault)
	    || !find_file(place, data_name, &file, fault)
	    || !find_file(place, lock_name, &lock_file, fault))
		return false;
	/* Making one of the two while another process has the pair open
	 * would give two processes different locks. */
	if (!place->is_alone
	    && (file.st_ino == 0 || file.st_size == 0
		|| lock_file.st_ino == 0)) {
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: it or its lock file has vanished, but another "
		    "process has it open",
		    place->path);
		return false;
	}
	if (place->is_alone && !take_alone(place, &file, notice_out, fault))
		return false;
	return lmdb_lock_open(&place->lock, place->fd, lock_name,
	    place->directory, place->is_alone, &file, fault);
}

bool
lmdb_place_settle(struct lmdb_place *place, struct fault *fault)
{
	struct stat file;
	struct stat lock_file;

	if (!find_file(place, data_name, &file, fault)
	    || !find_file(place, lock_name, &lock_file, fault))
		return false;
	place->device = file.st_dev;
	place->inode = file.st_ino;
	if (file.st_ino == 0 || lock_file.st_ino != place->lock.inode) {
		fault_set(
		    fault, FAULT_TEMPORARY, "%s: has vanished", place->path);
		return false;
	}
	atomic_store(&place->seen_bytes, file.st_size);
	if (!place->is_alone)
		return true;

	/* The lock is given up for a moment before it is shared, and another
	 * process may get it and walk the file. So the caller writes nothing
	 * until this returns; whether he has the right file is seen after. */
	if (!lock(place, false, fault))
		return false;
	if (lmdb_place_look(place) == PLACE_SAME)
		return true;
	fault_set(fault, FAULT_TEMPORARY, "%s: has vanished", place->path);
	return false;
}

/* How long LMDB says that the file is doesn't help: it never writes pages that
 * a change took at the end and gave back. seen_bytes was read before the size
 * was, for another thread may see it grow meanwhile. */
static bool
is_long_enough(struct lmdb_place *place, int64_t seen_bytes, int64_t size_bytes)
{
	bool is_shorter = size_bytes < seen_bytes;

	while (seen_bytes < size_bytes
	    && !atomic_compare_exchange_weak(
		&place->seen_bytes, &seen_bytes, size_bytes))
		continue;
	return !is_shorter;
}

/* Half the price of fstat(), which is seen in the rate of charges. */
bool
lmdb_place_is_whole(struct lmdb_place *place, int fd)
{
	int64_t seen_bytes = atomic_load(&place->seen_bytes);
	off_t size_bytes = lseek(fd, 0, SEEK_END);

	return size_bytes >= 0 && is_long_enough(place, seen_bytes, size_bytes);
}

enum place_state
lmdb_place_look(struct lmdb_place *place)
{
	int64_t seen_bytes = atomic_load(&place->seen_bytes);
	struct stat lock_file;
	struct stat file;

	if (stat(place->path, &file) != 0
	    || fstatat(place->fd, lock_name, &lock_file, 0) != 0
	    || file.st_dev != place->device || file.st_ino != place->inode
	    || lock_file.st_ino != place->lock.inode)
		return PLACE_VANISHED;
	return is_long_enough(place, seen_bytes, file.st_size) ? PLACE_SAME
							       : PLACE_SHORTER;
}

void
lmdb_place_leave(struct lmdb_place *place, bool is_clean)
{
	if (place->fd >= 0) {
		if (is_clean && flock(place->fd, LOCK_EX | LOCK_NB) == 0)
			write_mark(place);
		(void)close(place->fd);
	}
	lmdb_lock_close(&place->lock);
	place->fd = -1;
	free(place->path);
	free(place->directory);
	place->path = NULL;
	place->directory = NULL;
}
