#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
refuse(struct fault *fault, int error)
{
	fault_set(fault, FAULT_PERMANENT, "can't be read: %s",
	    strerrordesc_np(error));
	return false;
}

static bool
refuse_size(struct fault *fault, size_t most_bytes)
{
	fault_set(fault, FAULT_PERMANENT, "is larger than %zu MiB",
	    most_bytes / (1024 * 1024));
	return false;
}

/* Read to the end; the file may have grown or shrunk since it was looked at.
 * room is what data has beside its NUL. */
static bool
read_all(int descriptor, char **data, size_t room, size_t most_bytes,
    size_t *length_out, struct fault *fault)
{
	size_t length = 0;

	for (;;) {
		ssize_t got;
		char *larger;

		if (length == room && room > most_bytes)
			return refuse_size(fault, most_bytes);
		if (length == room) {
			room = room > most_bytes / 2 ? most_bytes + 1
						     : 2 * room + 1;
			larger = realloc(*data, room + 1);
			if (larger == NULL) {
				fault_memory(fault);
				return false;
			}
			*data = larger;
		}
		got = read(descriptor, *data + length, room - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return refuse(fault, errno);
		if (got == 0)
			break;
		length += (size_t)got;
	}
	if (length > most_bytes)
		return refuse_size(fault, most_bytes);
	(*data)[length] = '\0';
	*length_out = length;
	return true;
}

static bool
read_open(int descriptor, size_t most_bytes, char **data_out,
    size_t *length_out, struct fault *fault)
{
	struct stat status;
	size_t room;
	char *data;
	bool is_read;

	if (fstat(descriptor, &status) < 0)
		return refuse(fault, errno);
	if (S_ISDIR(status.st_mode))
		return refuse(fault, EISDIR);
	if (!S_ISREG(status.st_mode)) {
		fault_set(fault, FAULT_PERMANENT, "is not a regular file");
		return false;
	}
	if ((uintmax_t)status.st_size > most_bytes)
		return refuse_size(fault, most_bytes);
	room = (size_t)status.st_size + 1; /* one more, to see the end */
	data = malloc(room + 1);
	if (data == NULL) {
		fault_memory(fault);
		return false;
	}
	is_read =
	    read_all(descriptor, &data, room, most_bytes, length_out, fault);
	if (!is_read) {
		free(data);
		data = NULL;
	}
	*data_out = data;
	return is_read;
}

bool
file_read(const char *path, size_t most_bytes, char **data_out,
    size_t *length_out, struct fault *fault)
{
	int descriptor =
	    open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	bool is_read;

	*data_out = NULL;
	*length_out = 0;
	if (descriptor < 0)
		return refuse(fault, errno);
	is_read =
	    read_open(descriptor, most_bytes, data_out, length_out, fault);
	close(descriptor);
	return is_read;
}
