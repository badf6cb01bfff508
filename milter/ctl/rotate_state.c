#include "milter/ctl/rotate_state.h"

#include "milter/io/whole_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIAL_BYTES = 16384 }; /* more than most domains need */

static const char folder[] = ".rotate";

/* No domain's names: these have one dot before them at most. */
static const char trial[] = "..trial", hidden_trial[] = "..trial.new";

static char *
path_of(const char *keys, const char *prefix, const char *domain)
{
	char *path;

	return asprintf(&path, "%s/%s/%s%s", keys, folder, prefix, domain) < 0
	    ? NULL
	    : path;
}

static bool
refuse_errno(struct fault *fault, const char *path)
{
	int error = errno;
	bool is_lasting = error == EACCES || error == EPERM || error == EROFS
	    || error == ELOOP || error == ENOTDIR;

	fault_set(fault, is_lasting ? FAULT_PERMANENT : FAULT_TEMPORARY,
	    "%s: %s%s", path, strerror(error),
	    error == EACCES ? ": let the daemon's user write there" : "");
	return false;
}

/* Read the file at fd whole; NULL with errno, EFBIG if it is no state. The
 * caller's to free(). */
static char *
read_all(int fd)
{
	char *text = malloc(ROTATE_STATE_BYTES);
	size_t length = 0;
	ssize_t got = 1;

	while (text != NULL && got != 0 && length < ROTATE_STATE_BYTES) {
		got = read(fd, text + length, ROTATE_STATE_BYTES - length);
		if (got > 0)
			length += (size_t)got;
		else if (got < 0 && errno != EINTR)
			break;
	}
	if (text == NULL || got < 0 || length == ROTATE_STATE_BYTES) {
		if (text != NULL && got >= 0)
			errno = EFBIG;
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

static bool
parse_file(char *text, const char *domain, const char *path,
    struct rotation *rotation_out, struct fault *fault)
{
	bool is_read = rotate_state_parse(text, rotation_out, fault);

	if (is_read && strcmp(rotation_out->domain, domain) != 0) {
		fault_set(fault, FAULT_PERMANENT, "it is of %s",
		    rotation_out->domain);
		is_read = false;
	}
	if (!is_read)
		fault_prefix(fault, "%s is damaged: ", path);
	return is_read;
}

bool
rotate_state_read(const char *keys, const char *domain,
    struct rotation *rotation_out, bool *is_there_out, struct fault *fault)
{
	char *path = path_of(keys, "", domain);
	int fd = path != NULL
	    ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
	    : -1;
	bool is_read = false;
	char *text = NULL;

	*is_there_out = fd >= 0;
	if (path == NULL)
		fault_memory(fault);
	else if (fd < 0 && errno == ENOENT)
		is_read = true;
	else if (fd < 0 || (text = read_all(fd)) == NULL)
		refuse_errno(fault, path);
	else
		is_read = parse_file(text, domain, path, rotation_out, fault);
	free(text);
	if (fd >= 0)
		close(fd);
	free(path);
	return is_read;
}

/* The directory of all states; made if it isn't there. -1: errno says why. */
static int
open_folder(const char *keys)
{
	int above = open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;
	int error;

	if (above < 0)
		return -1;
	if (mkdirat(above, folder, 0700) == 0 ? fsync(above) == 0
					      : errno == EEXIST)
		fd = openat(above, folder,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	error = errno;
	close(above);
	errno = error;
	return fd;
}

/* Whoever has locked the domain is alone with both names. */
static bool
replace(int directory, const char *name, const char *hidden, const char *text)
{
	const struct whole_file file = { .directory_fd = directory,
		.name = name,
		.hidden = hidden,
		.owner_uid = geteuid(),
		.owner_gid = getegid() };

	return whole_file_write(&file, text);
}

bool
rotate_state_write(
    const char *keys, const struct rotation *rotation, struct fault *fault)
{
	char *path = path_of(keys, "", rotation->domain);
	char *hidden = path_of(keys, ".", rotation->domain);
	char *text = malloc(ROTATE_STATE_BYTES);
	bool is_written = false;
	int directory = -1;

	if (path == NULL || hidden == NULL || text == NULL)
		fault_memory(fault);
	else if (!rotate_state_format(rotation, text, ROTATE_STATE_BYTES))
		fault_set(
		    fault, FAULT_PERMANENT, "%s: too much to write", path);
	else if ((directory = open_folder(keys)) < 0)
		refuse_errno(fault, path);
	else
		is_written = replace(directory, strrchr(path, '/') + 1,
				 strrchr(hidden, '/') + 1, text)
		    || refuse_errno(fault, path);
	if (directory >= 0)
		close(directory);
	free(text);
	free(hidden);
	free(path);
	return is_written;
}

/* ---- is there room? ---- */

/* What to do about what stops every domain; NULL: error doesn't. */
static const char *
cure_of(int error)
{
	switch (error) {
	case ENOSPC:
	case EDQUOT:
		return "make room there, then call again";
	case EROFS:
		return "let it be written to; of a systemd service, by its "
		       "ReadWritePaths";
	case EACCES:
	case EPERM:
		return "let the daemon's user write there";
	default:
		return NULL;
	}
}

/* As a state is written, since what is full may say so only at the end. 0, or
 * an errno. */
static int
try_to_write(const char *keys)
{
	char text[TRIAL_BYTES];
	int directory = open_folder(keys);
	int error;

	if (directory < 0)
		return errno;
	memset(text, '\n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error = replace(directory, trial, hidden_trial, text) ? 0 : errno;
	(void)unlinkat(directory, trial, 0);
	close(directory);
	return error;
}

bool
rotate_state_has_room(const char *keys, struct fault *fault)
{
	int error = try_to_write(keys);
	const char *cure = cure_of(error);

	if (cure == NULL)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s/%s: nothing can be written there: %s: %s", keys, folder,
	    strerror(error), cure);
	return false;
}

/* ---- its end, and all there are ---- */

bool
rotate_state_remove(const char *keys, const char *domain, struct fault *fault)
{
	char *path = path_of(keys, "", domain);
	bool is_removed = false;
	int directory = -1;

	if (path == NULL)
		fault_memory(fault);
	else if ((directory = open_folder(keys)) >= 0
	    && (unlinkat(directory, domain, 0) == 0 || errno == ENOENT)
	    && fsync(directory) == 0)
		is_removed = true;
	else
		refuse_errno(fault, path);
	if (directory >= 0)
		close(directory);
	free(path);
	return is_removed;
}

bool
rotate_state_list(
    const char *keys, struct check_domain_list *list, struct fault *fault)
{
	char *path = path_of(keys, "", "");
	DIR *stream = path != NULL ? opendir(path) : NULL;
	const struct dirent *entry;
	bool is_read = true;

	if (path == NULL) {
		fault_memory(fault);
		is_read = false;
	} else if (stream == NULL && errno != ENOENT) {
		is_read = refuse_errno(fault, path);
	}
	while (is_read && stream != NULL && (entry = readdir(stream)) != NULL)
		if (entry->d_name[0] != '.')
			is_read =
			    check_domain_list_add(list, entry->d_name, fault);
	if (stream != NULL)
		closedir(stream);
	free(path);
	return is_read;
}
