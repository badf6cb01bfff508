#include "milter/io/secret_file.h"

#include "policy/text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the system may say of a user or a group; whoever has more members is
 * called by number. */
enum { DATABASE_LINE_BYTES = 4096 };

static bool
refuse(struct fault *fault, const char *path, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s: %s", path, why);
	return false;
}

const char *
secret_file_user(uid_t user, char words_out[SECRET_FILE_WHO_BYTES])
{
	char data[DATABASE_LINE_BYTES];
	struct passwd entry;
	struct passwd *found = NULL;
	struct text words;

	text_init(&words, words_out, SECRET_FILE_WHO_BYTES);
	if (getpwuid_r(user, &entry, data, sizeof(data), &found) == 0
	    && found != NULL)
		text_addf(&words, "the user %s", entry.pw_name);
	else
		text_addf(&words, "uid %ju", (uintmax_t)user);
	return words_out;
}

const char *
secret_file_group(gid_t group, char words_out[SECRET_FILE_WHO_BYTES])
{
	char data[DATABASE_LINE_BYTES];
	struct group entry;
	struct group *found = NULL;
	struct text words;

	text_init(&words, words_out, SECRET_FILE_WHO_BYTES);
	if (getgrgid_r(group, &entry, data, sizeof(data), &found) == 0
	    && found != NULL)
		text_addf(&words, "the group %s", entry.gr_name);
	else
		text_addf(&words, "group %ju", (uintmax_t)group);
	return words_out;
}

/* A file that we may not read, for a reason that is to be found out. */
static void
refuse_access(
    int directory_fd, const char *name, const char *path, struct fault *fault)
{
	char who[SECRET_FILE_WHO_BYTES];
	struct stat status;
	const char *why;

	if (fstatat(directory_fd, name, &status, 0) != 0)
		why = "can't get there: chmod or chown the directories on the "
		      "way";
	else if (status.st_uid != geteuid())
		why = "can't read it: chown it to that user";
	else if ((status.st_mode & S_IRUSR) == 0)
		why = "can't read it: chmod 600 it";
	else
		why = "can't read it, though its mode allows it: see what "
		      "AppArmor or the service's unit forbids";
	fault_set(fault, FAULT_PERMANENT, "%s: %s %s", path,
	    secret_file_user(geteuid(), who), why);
}

bool
secret_file_refuse(
    int directory_fd, const char *name, const char *path, struct fault *fault)
{
	int error = errno;
	bool is_passing = error == EMFILE || error == ENFILE || error == ENOMEM
	    || error == EIO || error == EINTR;

	/* Who doesn't listen need not wait for the user database. */
	if (error == EACCES && fault != NULL)
		refuse_access(directory_fd, name, path, fault);
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

/* Somebody else's, who may give himself any right to it. */
static bool
refuse_owner(uid_t owner, const char *path, struct fault *fault)
{
	char who[SECRET_FILE_WHO_BYTES];
	char us[SECRET_FILE_WHO_BYTES];

	if (fault == NULL)
		return false;
	secret_file_user(owner, who);
	if (geteuid() == 0)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: it belongs to %s, who can change it: chown it to root",
		    path, who);
	else
		fault_set(fault, FAULT_PERMANENT,
		    "%s: it belongs to %s, who can change it: chown it to root "
		    "or to %s",
		    path, who, secret_file_user(geteuid(), us));
	return false;
}

bool
secret_file_is_trusted(const struct stat *status, const char *path,
    const char *too_open, struct fault *fault)
{
	char who[SECRET_FILE_WHO_BYTES];

	if (!S_ISREG(status->st_mode))
		return refuse(fault, path, "not a regular file: remove it");
	if (status->st_uid != 0 && status->st_uid != geteuid())
		return refuse_owner(status->st_uid, path, fault);
	if ((status->st_mode & (S_IRWXO | S_IWGRP)) != 0)
		return refuse(fault, path, too_open);
	if ((status->st_mode & S_IRGRP) == 0
	    || secret_file_is_own_group(status->st_gid))
		return true;
	if (fault != NULL)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s can read it: chmod 600 it", path,
		    secret_file_group(status->st_gid, who));
	return false;
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
		return secret_file_refuse(AT_FDCWD, path, path, fault);
	if (fstat(fd, &status) != 0)
		secret_file_refuse(AT_FDCWD, path, path, fault);
	else if (secret_file_is_trusted(&status, path,
		     "others can read or write it: chmod 600 it", fault)) {
		length = read_start(fd, line_out, SECRET_LINE_BYTES);
		if (length < 0)
			secret_file_refuse(AT_FDCWD, path, path, fault);
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
