#include "milter/io/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
write_all(int fd, const char *text)
{
	size_t length = strlen(text);

	while (length > 0) {
		ssize_t wrote = write(fd, text, length);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return false;
		text += wrote;
		length -= (size_t)wrote;
	}
	return fsync(fd) == 0;
}

static bool
give_away(const struct whole_file *file, int fd)
{
	return (file->owner_uid == geteuid() && file->owner_gid == getegid())
	    || fchown(fd, file->owner_uid, file->owner_gid) == 0;
}

/* link(2) refuses to replace what is there, on every file system that has it;
 * rename(2) replaces it. */
static bool
put(const struct whole_file *file)
{
	int fd = file->directory_fd;

	return (file->is_new ? linkat(fd, file->hidden, fd, file->name, 0)
			     : renameat(fd, file->hidden, fd, file->name))
	    == 0;
}

bool
whole_file_write(const struct whole_file *file, const char *text)
{
	int fd = openat(file->directory_fd, file->hidden,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC
		| (file->is_new ? O_EXCL : O_TRUNC),
	    0600);
	bool is_put, is_done;
	int error;

	if (fd < 0)
		return false;
	is_put = fchmod(fd, 0600) == 0 && write_all(fd, text)
	    && give_away(file, fd) && put(file);
	is_done = is_put && fsync(file->directory_fd) == 0;
	error = errno;
	if (file->is_new || !is_put)
		(void)unlinkat(file->directory_fd, file->hidden, 0);
	close(fd);
	errno = error;
	return is_done;
}
