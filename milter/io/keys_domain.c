#include "milter/io/keys_domain.h"

#include "policy/address.h"
#include "policy/signing.h"
#include "policy/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* File systems keep times with the grain of the kernel's clock, some (NFS,
 * older ones) with one of a second: younger stamps prove nothing. */
enum { SETTLED_AFTER_S = 2 };

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

void
keys_set_free(struct key_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->ring.count; i++) {
		struct key_material material = {
			/* They were made by malloc() in keys_file. */
			.pem = (char *)(uintptr_t)set->keys[i].pem,
			.public_b64 =
			    (char *)(uintptr_t)set->keys[i].public_b64,
		};

		keys_material_clear(&material);
		free((char *)(uintptr_t)set->keys[i].selector);
	}
	free(set->keys);
	free(set->stamps);
	free(set->domain);
	free(set);
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

static bool
is_older(const struct key_stamp *stamp, const struct timespec *now)
{
	const time_t latest = now->tv_sec - SETTLED_AFTER_S;

	return stamp->changed.tv_sec < latest
	    && stamp->modified.tv_sec < latest;
}

/* Read one file into the set's next place. */
static bool
set_read(struct key_set *set, int directory_fd, const char *path,
    char **selector, struct fault *fault)
{
	struct key *key = &set->keys[set->ring.count];
	struct key_material material;
	char *name = NULL;
	char *file = NULL;
	bool is_read = false;

	if (asprintf(&name, "%s%s", *selector, suffix) < 0)
		name = NULL;
	if (name != NULL && asprintf(&file, "%s/%s", path, name) < 0)
		file = NULL;
	if (file == NULL)
		fault_memory(fault);
	else if (keys_file_read(directory_fd, name, file, &material,
		     &set->stamps[set->ring.count], fault)) {
		*key = (struct key){
			.domain = set->domain,
			.selector = *selector,
			.algorithm = material.algorithm,
			.pem = material.pem,
			.public_b64 = material.public_b64,
		};
		*selector = NULL; /* the set's now */
		set->ring.count++;
		is_read = true;
	}
	free(name);
	free(file);
	return is_read;
}

static struct key_set *
set_open(int directory_fd, const char *path, const char *domain,
    struct selectors *selectors, struct fault *fault)
{
	struct key_set *set = calloc(1, sizeof(*set));

	if (set != NULL) {
		set->domain = strdup(domain);
		set->keys = calloc(selectors->count, sizeof(*set->keys));
		set->stamps = calloc(selectors->count, sizeof(*set->stamps));
	}
	if (set == NULL || set->domain == NULL || set->keys == NULL
	    || set->stamps == NULL) {
		fault_memory(fault);
		keys_set_free(set);
		return NULL;
	}
	set->holders = 1;
	set->ring.keys = set->keys;
	for (size_t i = 0; i < selectors->count; i++)
		if (!set_read(
			set, directory_fd, path, &selectors->names[i], fault)) {
			keys_set_free(set);
			return NULL;
		}
	return set;
}

/* May only those write in the directory who may replace keys? */
static bool
is_safe_directory(
    const struct stat *status, const char *path, struct fault *fault)
{
	if (!S_ISDIR(status->st_mode)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: not a directory: remove it", path);
		return false;
	}
	if ((status->st_mode & S_IWOTH) != 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: everybody can write in it: chmod 700 it", path);
		return false;
	}
	return true;
}

static bool
refuse_errno(struct fault *fault, const char *path)
{
	if (errno == ENOMEM || errno == EMFILE || errno == ENFILE
	    || errno == EIO)
		fault_set(
		    fault, FAULT_TEMPORARY, "%s: %s", path, strerror(errno));
	else
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s: let uid %ju read the directory", path,
		    strerror(errno), (uintmax_t)geteuid());
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

/* Read what lies in the open directory. Fills look->set if there are keys. */
static bool
look_into(DIR *stream, const char *path, const char *domain,
    const struct timespec *now, struct key_look *look)
{
	struct selectors selectors = { 0 };
	struct stat status;

	if (fstat(dirfd(stream), &status) != 0)
		return refuse_errno(&look->fault, path);
	look->has_directory = true;
	look->directory = keys_stamp(&status);
	look->is_settled = is_older(&look->directory, now);
	if (!is_safe_directory(&status, path, &look->fault))
		return false;
	if (!selectors_read(stream, path, &selectors, &look->fault)) {
		selectors_clear(&selectors);
		return false;
	}
	if (selectors.count == 0)
		return true;
	look->set =
	    set_open(dirfd(stream), path, domain, &selectors, &look->fault);
	selectors_clear(&selectors);
	if (look->set == NULL)
		return false;
	for (size_t i = 0; i < look->set->ring.count; i++)
		if (!is_older(&look->set->stamps[i], now))
			look->is_settled = false;
	return true;
}

/* Open directory/domain. NULL without a fault: it isn't there. */
static DIR *
directory_open(const char *path, struct fault *fault)
{
	DIR *stream = opendir(path);

	if (stream == NULL && errno != ENOENT)
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
		    look_out->set != NULL ? KEYS_THERE : KEYS_NONE;
	free(path);
}

static bool
is_file_as_before(
    int directory_fd, const char *selector, const struct key_stamp *stamp)
{
	struct key_stamp now;
	struct stat status;
	bool is_there;
	char *name;

	if (asprintf(&name, "%s%s", selector, suffix) < 0)
		return false;
	is_there = fstatat(directory_fd, name, &status, 0) == 0;
	free(name);
	if (!is_there)
		return false;
	now = keys_stamp(&status);
	return keys_stamps_are_equal(&now, stamp);
}

static bool
is_open_as_before(
    int directory_fd, const struct key_stamp *stamp, const struct key_set *set)
{
	struct key_stamp now;
	struct stat status;

	if (fstat(directory_fd, &status) != 0)
		return false;
	now = keys_stamp(&status);
	if (!keys_stamps_are_equal(&now, stamp))
		return false;
	for (size_t i = 0; set != NULL && i < set->ring.count; i++)
		if (!is_file_as_before(
			directory_fd, set->keys[i].selector, &set->stamps[i]))
			return false;
	return true;
}

bool
keys_domain_is_as_before(const char *directory, const char *domain,
    bool has_directory, const struct key_stamp *stamp,
    const struct key_set *set)
{
	bool is_as_before;
	char *path;
	int fd;

	if (asprintf(&path, "%s/%s", directory, domain) < 0)
		return false;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		is_as_before = errno == ENOENT && !has_directory;
	else
		is_as_before =
		    has_directory && is_open_as_before(fd, stamp, set);
	if (fd >= 0)
		close(fd);
	free(path);
	return is_as_before;
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
		has = errno != ENOENT;
	else {
		while (!has && (errno = 0, entry = readdir(stream)) != NULL)
			has = is_key_file_name(entry->d_name);
		has = has || errno != 0;
		closedir(stream);
	}
	free(path);
	return has;
}
