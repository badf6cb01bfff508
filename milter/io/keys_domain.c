#include "milter/io/keys_domain.h"

#include "milter/io/secret_file.h"
#include "policy/address.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = ".private";
static const size_t suffix_length = sizeof(suffix) - 1;

/* The selectors that file names in a domain's directory give. */
struct selectors {
	char *names[KEYS_PER_DOMAIN];
	size_t count;
};

bool
keys_domain_is_name(const char *domain)
{
	size_t length = strlen(domain);

	return length > 0 && length <= ADDRESS_DOMAIN_OCTETS && domain[0] != '.'
	    && strstr(domain, "..") == NULL
	    && strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789-_.")
	    == length;
}

static bool
is_key_file_name(const char *name)
{
	size_t length = strlen(name);

	return name[0] != '.' && length > suffix_length
	    && strcmp(name + length - suffix_length, suffix) == 0;
}

static void
selectors_clear(struct selectors *selectors)
{
	for (size_t i = 0; i < selectors->count; i++)
		free(selectors->names[i]);
	selectors->count = 0;
}

/* Put the selector of file in its place. path names the directory. */
static bool
selectors_add(struct selectors *selectors, const char *file, const char *path,
    struct fault *fault)
{
	char *name = strndup(file, strlen(file) - suffix_length);
	size_t place = selectors->count;

	if (name == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!signing_is_selector(name))
		fault_set(fault, FAULT_PERMANENT,
		    "%s/%s: \"%s\" is no DKIM selector: rename the file", path,
		    file, name);
	else if (selectors->count == KEYS_PER_DOMAIN)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: more than %d keys: remove some", path,
		    KEYS_PER_DOMAIN);
	else {
		for (;
		     place > 0 && strcmp(selectors->names[place - 1], name) > 0;
		     place--)
			selectors->names[place] = selectors->names[place - 1];
		selectors->names[place] = name;
		selectors->count++;
		return true;
	}
	free(name);
	return false;
}

/* DNS has one record for both. */
static bool
selectors_differ(
    const struct selectors *selectors, const char *path, struct fault *fault)
{
	for (size_t i = 0; i < selectors->count; i++)
		for (size_t j = i + 1; j < selectors->count; j++)
			if (text_equal_case(
				selectors->names[i], selectors->names[j])) {
				fault_set(fault, FAULT_PERMANENT,
				    "%s: %s and %s are the same selector: "
				    "remove one file",
				    path, selectors->names[i],
				    selectors->names[j]);
				return false;
			}
	return true;
}

static bool
selectors_read(DIR *stream, const char *path, struct selectors *selectors_out,
    struct fault *fault)
{
	const struct dirent *entry;

	*selectors_out = (struct selectors){ 0 };
	while (errno = 0, (entry = readdir(stream)) != NULL)
		if (is_key_file_name(entry->d_name)
		    && !selectors_add(
			selectors_out, entry->d_name, path, fault))
			return false;
	if (errno != 0) {
		fault_set(
		    fault, FAULT_TEMPORARY, "%s: %s", path, strerror(errno));
		return false;
	}
	return selectors_differ(selectors_out, path, fault);
}

/* Read one file into the set. path names the directory, which is that of look.
 */
static bool
set_read(struct key_look *look, int directory_fd, const char *path,
    const char *selector, const struct timespec *now)
{
	enum keys_file_state state = KEYS_FILE_BAD;
	struct key_stamp stamp = { 0 };
	struct parsed_key key = { 0 };
	char *file = NULL;

	if (asprintf(&file, "%s/%s%s", path, selector, suffix) < 0) {
		fault_memory(&look->fault);
		return false;
	}
	state = keys_file_read(directory_fd, file + strlen(path) + 1, file,
	    &key, &stamp, &look->fault);
	free(file);
	look->may_pass =
	    (state == KEYS_FILE_NO_KEY && keys_stamp_is_young(&stamp, now))
	    || (state == KEYS_FILE_MISSING
		&& keys_stamp_is_young(&look->set->directory, now));
	if (state != KEYS_FILE_GOOD)
		return false;
	if (!keys_stamp_is_settled(&stamp, now))
		look->is_settled = false;
	if (keys_set_take(look->set, selector, &key, &stamp))
		return true;
	keys_parse_clear(&key);
	fault_memory(&look->fault);
	return false;
}

static bool
is_ours(const struct stat *status)
{
	return status->st_uid == 0 || status->st_uid == geteuid();
}

/* Somebody else's, or a group's that we aren't in. */
static bool
refuse_owner(const struct stat *status, const char *path, struct fault *fault)
{
	char who[SECRET_FILE_WHO_BYTES];
	char us[SECRET_FILE_WHO_BYTES];
	bool is_root = geteuid() == 0;

	/* Who doesn't listen need not wait for the user database. */
	if (fault == NULL)
		return false;
	if (!is_ours(status))
		fault_set(fault, FAULT_PERMANENT,
		    "%s: it belongs to %s, who can put other keys there: chown "
		    "it to root%s%s",
		    path, secret_file_user(status->st_uid, who),
		    is_root ? "" : " or to ",
		    is_root ? "" : secret_file_user(geteuid(), us));
	else
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s can write in it: chmod 700 it", path,
		    secret_file_group(status->st_gid, who));
	return false;
}

/* May only those write in the directory who may replace keys: root, this
 * process and its groups? */
static bool
is_safe_directory(
    const struct stat *status, const char *path, struct fault *fault)
{
	if (!S_ISDIR(status->st_mode))
		fault_set(fault, FAULT_PERMANENT,
		    "%s: not a directory: remove it", path);
	else if (!is_ours(status))
		return refuse_owner(status, path, fault);
	else if ((status->st_mode & S_IWOTH) != 0)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: everybody can write in it: chmod 700 it", path);
	else if ((status->st_mode & S_IWGRP) != 0
	    && !secret_file_is_own_group(status->st_gid))
		return refuse_owner(status, path, fault);
	else
		return true;
	return false;
}

static bool
refuse_errno(struct fault *fault, const char *path)
{
	char us[SECRET_FILE_WHO_BYTES];
	int error = errno;

	if (error == ENOMEM || error == EMFILE || error == ENFILE
	    || error == EIO)
		fault_set(
		    fault, FAULT_TEMPORARY, "%s: %s", path, strerror(error));
	else if (fault != NULL)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s: let %s read the directory", path, strerror(error),
		    secret_file_user(geteuid(), us));
	return false;
}

bool
keys_directory_is_safe(const char *directory, struct fault *fault)
{
	struct stat status;

	if (stat(directory, &status) == 0)
		return is_safe_directory(&status, directory, fault);
	if (errno != ENOENT)
		return refuse_errno(fault, directory);
	fault_set(fault, FAULT_PERMANENT, "%s: not there: make it", directory);
	return false;
}

/* Read the files of these selectors, which lie in the open directory that
 * status describes. */
static bool
read_files(DIR *stream, const struct stat *status, const char *path,
    const char *domain, const struct selectors *selectors,
    const struct timespec *now, struct key_look *look)
{
	look->set = keys_set_open(domain, selectors->count);
	if (look->set == NULL) {
		fault_memory(&look->fault);
		return false;
	}
	look->set->has_directory = true;
	look->set->directory = keys_stamp(status);
	look->is_settled = keys_stamp_is_settled(&look->set->directory, now);
	for (size_t i = 0; i < selectors->count; i++)
		if (!set_read(
			look, dirfd(stream), path, selectors->names[i], now)) {
			keys_set_close(&look->set);
			return false;
		}
	return true;
}

/* Read what lies in the open directory. */
static bool
look_into(DIR *stream, const char *path, const char *domain,
    const struct timespec *now, struct key_look *look)
{
	struct selectors selectors = { 0 };
	struct stat status;
	bool is_good;

	if (fstat(dirfd(stream), &status) != 0)
		return refuse_errno(&look->fault, path);
	is_good = is_safe_directory(&status, path, &look->fault)
	    && selectors_read(stream, path, &selectors, &look->fault)
	    && read_files(stream, &status, path, domain, &selectors, now, look);
	selectors_clear(&selectors);
	return is_good;
}

/* Open directory/domain. NULL without a fault: it isn't there. */
static DIR *
directory_open(const char *path, struct fault *fault)
{
	DIR *stream = opendir(path);

	if (stream == NULL && !keys_file_is_absent(errno))
		refuse_errno(fault, path);
	return stream;
}

void
keys_domain_look(
    const char *directory, const char *domain, struct key_look *look_out)
{
	struct timespec now;
	bool is_good = true;
	DIR *stream;
	char *path;

	*look_out = (struct key_look){ .finding = KEYS_FAULTY };
	/* Before anything is looked at: later would vouch for too much. */
	clock_gettime(CLOCK_REALTIME, &now);
	if (asprintf(&path, "%s/%s", directory, domain) < 0) {
		fault_memory(&look_out->fault);
		return;
	}
	stream = directory_open(path, &look_out->fault);
	if (stream != NULL) {
		is_good = keys_directory_is_safe(directory, &look_out->fault)
		    && look_into(stream, path, domain, &now, look_out);
		closedir(stream);
	} else
		is_good = look_out->is_settled =
		    look_out->fault.kind == FAULT_NONE;
	if (is_good)
		look_out->finding =
		    look_out->set != NULL && look_out->set->ring.count > 0
		    ? KEYS_THERE
		    : KEYS_NONE;
	free(path);
}

static bool
is_path_as_before(const char *path, const struct key_stamp *stamp)
{
	struct key_stamp now;
	struct stat status;

	if (stat(path, &status) != 0)
		return false;
	now = keys_stamp(&status);
	return keys_stamps_are_equal(&now, stamp);
}

/* Nearly every message asks this once its domain's second is over, so it costs
 * no more than one stat(2) for each thing that may have changed: a stamp says
 * which file it is of, however it was come by. */
bool
keys_domain_is_as_before(
    const char *directory, const char *domain, const struct key_set *set)
{
	char path[PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s/%s", directory, domain);
	size_t left;

	if (length < 0 || (size_t)length >= sizeof(path))
		return false;
	left = sizeof(path) - (size_t)length;
	if (set == NULL || !set->has_directory) {
		struct stat status;

		return stat(path, &status) != 0 && keys_file_is_absent(errno);
	}
	if (!is_path_as_before(path, &set->directory))
		return false;
	for (size_t i = 0; i < set->ring.count; i++) {
		int more = snprintf(path + length, left, "/%s%s",
		    set->keys[i].selector, suffix);

		if (more < 0 || (size_t)more >= left
		    || !is_path_as_before(path, &set->origins[i].stamp))
			return false;
	}
	return true;
}

bool
keys_domain_has(const char *directory, const char *domain)
{
	const struct dirent *entry;
	bool has = false;
	DIR *stream;
	char *path;

	if (asprintf(&path, "%s/%s", directory, domain) < 0)
		return true;
	stream = opendir(path);
	if (stream == NULL)
		has = !keys_file_is_absent(errno);
	else {
		while (!has && (errno = 0, entry = readdir(stream)) != NULL)
			has = is_key_file_name(entry->d_name);
		has = has || errno != 0;
		closedir(stream);
	}
	free(path);
	return has;
}
