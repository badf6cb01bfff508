#include "milter/io/keys_file.h"

#include "milter/io/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

/* A file that changes while it is read is read again, so often. */
enum { READINGS = 3 };

/* A file that is read: name in directory_fd, path for words. */
struct opened {
	int directory_fd;
	const char *name;
	const char *path;
	int fd;
};

bool
keys_file_is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG;
}

struct key_stamp
keys_stamp(const struct stat *status)
{
	return (struct key_stamp){
		.device = status->st_dev,
		.inode = status->st_ino,
		.mode = status->st_mode,
		.owner = status->st_uid,
		.group = status->st_gid,
		.size_bytes = status->st_size,
		.modified = status->st_mtim,
		.changed = status->st_ctim,
	};
}

static bool
is_same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

bool
keys_stamps_are_equal(
    const struct key_stamp *one, const struct key_stamp *other)
{
	return one->device == other->device && one->inode == other->inode
	    && one->mode == other->mode && one->owner == other->owner
	    && one->group == other->group
	    && one->size_bytes == other->size_bytes
	    && is_same_time(&one->modified, &other->modified)
	    && is_same_time(&one->changed, &other->changed);
}

bool
keys_stamp_is_settled(const struct key_stamp *stamp, const struct timespec *now)
{
	const time_t latest = now->tv_sec - KEYS_SETTLED_AFTER_S;

	return stamp->changed.tv_sec < latest
	    && stamp->modified.tv_sec < latest;
}

/* Only the time of the change: the other one can be set to anything. One in
 * the future comes of a clock that was put back, and says nothing. */
bool
keys_stamp_is_young(const struct key_stamp *stamp, const struct timespec *now)
{
	return stamp->changed.tv_sec >= now->tv_sec - KEYS_SETTLED_AFTER_S
	    && stamp->changed.tv_sec <= now->tv_sec + KEYS_SETTLED_AFTER_S;
}

static bool
refuse(struct fault *fault, const char *path, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s: %s", path, why);
	return false;
}

static bool
is_trustworthy(const struct stat *status, const char *path, struct fault *fault)
{
	if (!secret_file_is_trusted(status, path, "chmod 600 it", fault))
		return false;
	if (status->st_size > KEYS_FILE_BYTES)
		return refuse(fault, path, "too large to be a private key");
	return true;
}

/* What errno says. */
static void
refuse_errno(const struct opened *file, struct fault *fault)
{
	secret_file_refuse(file->directory_fd, file->name, file->path, fault);
}

/* All of the file, at most KEYS_FILE_BYTES, into data. expected_bytes is the
 * size that it had: when more was asked for and no more came, that was all. */
static bool
read_all(int fd, off_t expected_bytes, char data[KEYS_FILE_BYTES],
    size_t *length_out)
{
	*length_out = 0;
	while (*length_out < KEYS_FILE_BYTES) {
		ssize_t got = pread(fd, data + *length_out,
		    KEYS_FILE_BYTES - *length_out, (off_t)*length_out);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		*length_out += (size_t)got;
		if (got == 0 || (off_t)*length_out == expected_bytes)
			break;
	}
	return true;
}

/* Read the file until it doesn't change meanwhile. *stamp is that of the open
 * file, and afterwards that of what was read. Without the second look half of
 * an old and half of a new key might be taken, and what is half-written be
 * held for settled. */
static bool
read_whole(int fd, char data[KEYS_FILE_BYTES], size_t *length_out,
    struct key_stamp *stamp)
{
	for (int i = 0; i < READINGS; i++) {
		struct key_stamp before = *stamp;
		struct stat status;

		if (!read_all(fd, before.size_bytes, data, length_out)
		    || fstat(fd, &status) != 0)
			return false;
		*stamp = keys_stamp(&status);
		if (keys_stamps_are_equal(&before, stamp))
			break;
	}
	return true;
}

static enum keys_file_state
read_key(const struct opened *file, struct parsed_key *key_out,
    struct key_stamp *stamp, struct fault *fault)
{
	char data[KEYS_FILE_BYTES]; /* of which little is touched */
	enum keys_file_state state = KEYS_FILE_BAD;
	size_t length;

	if (!read_whole(file->fd, data, &length, stamp))
		refuse_errno(file, fault);
	else if (keys_parse(data, length, key_out, fault))
		state = KEYS_FILE_GOOD;
	else {
		if (fault->kind == FAULT_PERMANENT)
			state = KEYS_FILE_NO_KEY;
		fault_prefix(fault, "%s: ", file->path);
	}
	OPENSSL_cleanse(data, length);
	return state;
}

enum keys_file_state
keys_file_read(int directory_fd, const char *name, const char *path,
    struct parsed_key *key_out, struct key_stamp *stamp_out,
    struct fault *fault)
{
	/* Not to hang on a FIFO. A symbolic link is followed: what is checked
	 * is what was opened. */
	const struct opened file = { directory_fd, name, path,
		openat(directory_fd, name,
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) };
	enum keys_file_state state = KEYS_FILE_BAD;
	struct stat status;

	*key_out = (struct parsed_key){ 0 };
	if (file.fd < 0) {
		state = keys_file_is_absent(errno) ? KEYS_FILE_MISSING
						   : KEYS_FILE_BAD;
		refuse_errno(&file, fault);
		return state;
	}
	if (fstat(file.fd, &status) != 0)
		refuse_errno(&file, fault);
	else {
		*stamp_out = keys_stamp(&status);
		if (is_trustworthy(&status, path, fault))
			state = read_key(&file, key_out, stamp_out, fault);
	}
	close(file.fd);
	return state;
}
