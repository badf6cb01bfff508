#include "milter/io/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
refuse(struct fault *fault, const char *path, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s: %s", path, why);
	return false;
}

static bool
refuse_errno(struct fault *fault, const char *path)
{
	int error = errno;
	bool is_passing = error == EMFILE || error == ENFILE || error == ENOMEM
	    || error == EIO || error == EINTR;

	if (error == EACCES)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: not readable for uid %ju: chown or chmod it", path,
		    (uintmax_t)geteuid());
	else
		fault_set(fault, is_passing ? FAULT_TEMPORARY : FAULT_PERMANENT,
		    "%s: %s", path, strerror(error));
	return false;
}

bool
secret_file_is_own_group(gid_t group)
{
	gid_t *groups = NULL;
	bool is_own = group == getegid();
	int count;

	if (is_own)
		return true;
	count = getgroups(0, NULL);
	if (count > 0)
		groups = calloc((size_t)count, sizeof(*groups));
	if (groups != NULL)
		count = getgroups(count, groups);
	for (int i = 0; groups != NULL && i < count && !is_own; i++)
		is_own = groups[i] == group;
	free(groups);
	return is_own;
}

bool
secret_file_is_trusted(const struct stat *status, const char *path,
    const char *too_open, struct fault *fault)
{
	if (!S_ISREG(status->st_mode))
		return refuse(fault, path, "not a regular file: remove it");
	if (status->st_uid != 0 && status->st_uid != geteuid()) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: it belongs to uid %ju, who can change it: chown it "
		    "to root or to uid %ju",
		    path, (uintmax_t)status->st_uid, (uintmax_t)geteuid());
		return false;
	}
	if ((status->st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return refuse(fault, path, too_open);
	if ((status->st_mode & S_IRGRP) != 0
	    && !secret_file_is_own_group(status->st_gid)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: group %ju can read it: chmod 600 it", path,
		    (uintmax_t)status->st_gid);
		return false;
	}
	return true;
}

/* Up to size octets from the beginning; -1 with errno. */
static ssize_t
read_start(int fd, char *data, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(fd, data + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		length += (size_t)got;
	}
	return (ssize_t)length;
}

static bool
cut_line(char line[SECRET_LINE_BYTES], size_t length, const char *path,
    struct fault *fault)
{
	char *end = memchr(line, '\n', length);

	if (end == NULL && length == SECRET_LINE_BYTES)
		return refuse(fault, path, "its first line is too long");
	if (end == NULL)
		end = line + length;
	*end = '\0';
	if (end == line)
		return refuse(fault, path,
		    "its first line is empty: write the secret there");
	if (strlen(line) != (size_t)(end - line))
		return refuse(
		    fault, path, "a NUL octet in it: write plain text there");
	return true;
}

bool
secret_file_read(
    const char *path, char line_out[SECRET_LINE_BYTES], struct fault *fault)
{
	/* Not to hang on a FIFO. A symbolic link is followed: what is checked
	 * is what was opened. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	ssize_t length;
	bool is_read = false;

	if (fd < 0)
		return refuse_errno(fault, path);
	if (fstat(fd, &status) != 0)
		refuse_errno(fault, path);
	else if (secret_file_is_trusted(&status, path,
		     "others can read or write it: chmod 600 it", fault)) {
		length = read_start(fd, line_out, SECRET_LINE_BYTES);
		if (length < 0)
			refuse_errno(fault, path);
		else
			is_read =
			    cut_line(line_out, (size_t)length, path, fault);
	}
	(void)close(fd);
	if (!is_read)
		secret_file_wipe(line_out);
	return is_read;
}

void
secret_file_wipe(char line[SECRET_LINE_BYTES])
{
	explicit_bzero(line, SECRET_LINE_BYTES);
}
