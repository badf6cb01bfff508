#include "milter/ctl/rotate_files.h"

#include "policy/signing.h"
#include "policy/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_BYTES = 320, WIPE_BYTES = 4096, KEYS_TOLD = 8 };

static bool
refuse_errno(
    const struct rotate_files *files, const char *name, struct fault *fault)
{
	int error = errno;
	bool is_passing = error == EMFILE || error == ENFILE || error == ENOMEM
	    || error == EIO || error == ENOSPC || error == EDQUOT;

	fault_set(fault, is_passing ? FAULT_TEMPORARY : FAULT_PERMANENT,
	    "%s%s%s: %s%s", files->path, *name != '\0' ? "/" : "", name,
	    strerror(error),
	    error == EACCES || error == EPERM
		? ": the directory must belong to the daemon's user"
		: "");
	return false;
}

/* ---- open and locked ---- */

static int
open_directory(const struct rotate_files *files)
{
	return open(
	    files->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* It may have been replaced while it wasn't locked yet. */
static bool
is_still_there(const struct rotate_files *files)
{
	struct stat open_status, status;

	return fstat(files->fd, &open_status) == 0
	    && lstat(files->path, &status) == 0
	    && open_status.st_dev == status.st_dev
	    && open_status.st_ino == status.st_ino;
}

static bool
lock(const struct rotate_files *files, struct fault *fault)
{
	bool is_locked = flock(files->fd, LOCK_EX | LOCK_NB) == 0;

	if (!is_locked && errno != EWOULDBLOCK)
		return refuse_errno(files, "", fault);
	if (is_locked && is_still_there(files))
		return true;
	fault_set(fault, FAULT_TEMPORARY, "%s: another process is at its keys",
	    files->domain);
	return false;
}

static bool
begin(struct rotate_files *files_out, const char *keys, const char *domain,
    struct fault *fault)
{
	*files_out =
	    (struct rotate_files){ .keys = keys, .domain = domain, .fd = -1 };
	if (asprintf(&files_out->path, "%s/%s", keys, domain) >= 0)
		return true;
	files_out->path = NULL;
	fault_memory(fault);
	return false;
}

/* Made, and on the disk: whoever carries on takes one that isn't there for one
 * that somebody has removed. */
static bool
make_directory(const struct rotate_files *files)
{
	bool is_made = mkdir(files->path, 0700) == 0;
	int error = errno;
	int above = is_made
	    ? open(files->keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
	    : -1;

	if (above >= 0) {
		(void)fsync(above);
		close(above);
	}
	errno = error;
	return is_made;
}

bool
rotate_files_open(struct rotate_files *files_out, const char *keys,
    const char *domain, bool is_made, bool *is_there_out, struct fault *fault)
{
	*is_there_out = false;
	if (!begin(files_out, keys, domain, fault))
		return false;
	files_out->fd = open_directory(files_out);
	if (files_out->fd < 0 && errno == ENOENT && !is_made)
		return true;
	if (files_out->fd < 0 && errno == ENOENT) {
		files_out->is_new = make_directory(files_out);
		if (files_out->is_new || errno == EEXIST)
			files_out->fd = open_directory(files_out);
	}
	if (files_out->fd < 0)
		return refuse_errno(files_out, "", fault);
	*is_there_out = true;
	return lock(files_out, fault);
}

bool
rotate_files_peek(struct rotate_files *files_out, const char *keys,
    const char *domain, struct fault *fault)
{
	if (!begin(files_out, keys, domain, fault))
		return false;
	files_out->fd = open_directory(files_out);
	return files_out->fd >= 0 || refuse_errno(files_out, "", fault);
}

void
rotate_files_unmake(const struct rotate_files *files)
{
	if (files->is_new)
		(void)rmdir(files->path);
}

void
rotate_files_close(struct rotate_files *files)
{
	if (files->fd >= 0)
		close(files->fd); /* which unlocks */
	files->fd = -1;
	free(files->path);
	files->path = NULL;
}

/* ---- what is there ---- */

/* A file name as a selector and a role. False: it is something else. */
static bool
read_name(const char *name, struct rotate_file *file_out)
{
	size_t length = strlen(name);

	for (int role = 0; role < KEY_ROLES; role++) {
		const char *ending = keys_role_ending((enum key_role)role);
		size_t tail = strlen(ending);

		if (name[0] == '.' || length <= tail
		    || length - tail >= sizeof(file_out->selector)
		    || strcmp(name + length - tail, ending) != 0)
			continue;
		memcpy(file_out->selector, name, length - tail);
		file_out->selector[length - tail] = '\0';
		file_out->role = (enum key_role)role;
		return signing_is_selector(file_out->selector);
	}
	return false;
}

static int
compare(const void *one, const void *other)
{
	const struct rotate_file *a = one, *b = other;

	return strcmp(a->selector, b->selector);
}

static bool
add(const struct rotate_files *files, DIR *stream, const char *name,
    struct rotate_file_list *list, struct fault *fault)
{
	struct rotate_file *file = &list->files[list->count];
	struct stat status;

	if (list->count == ROTATE_FILES) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: more than %d keys: remove some", files->path,
		    ROTATE_FILES - 1);
		return false;
	}
	if (!read_name(name, file))
		return true;
	if (fstatat(dirfd(stream), name, &status, 0) == 0)
		file->modified_s = (uint64_t)status.st_mtime;
	else if (errno == ENOENT)
		file->modified_s = 0; /* a link to nowhere holds its name */
	else
		return refuse_errno(files, name, fault);
	list->count++;
	return true;
}

bool
rotate_files_list(const struct rotate_files *files,
    struct rotate_file_list *list_out, struct fault *fault)
{
	/* Another descriptor: a stream closes its own. */
	int fd = openat(files->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool is_read = stream != NULL;

	list_out->count = 0;
	if (stream == NULL) {
		refuse_errno(files, "", fault);
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (is_read && (errno = 0, entry = readdir(stream)) != NULL)
		is_read = add(files, stream, entry->d_name, list_out, fault);
	if (is_read && errno != 0)
		is_read = refuse_errno(files, "", fault);
	closedir(stream);
	qsort(list_out->files, list_out->count, sizeof(*list_out->files),
	    compare);
	return is_read;
}

const struct rotate_file *
rotate_files_find(const struct rotate_file_list *list, const char *selector)
{
	for (size_t i = 0; i < list->count; i++)
		if (text_equal_case(list->files[i].selector, selector))
			return &list->files[i];
	return NULL;
}

size_t
rotate_files_count(const struct rotate_file_list *list, enum key_role role)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += list->files[i].role == role;
	return count;
}

const char *
rotate_files_words(const struct rotate_file_list *list, struct arena *arena)
{
	static const char *const what[] = {
		[KEY_PENDING] = "new, perhaps published",
		[KEY_SIGNING] = "signs",
		[KEY_RETIRING] = "signs no more",
	};
	const char *words = "";

	for (size_t i = 0; i < list->count && i < KEYS_TOLD && words != NULL;
	     i++) {
		const struct rotate_file *file = &list->files[i];

		words = arena_printf(arena, "%s%s%s%s (%s)", words,
		    i > 0 ? ", " : "", file->selector,
		    keys_role_ending(file->role), what[file->role]);
	}
	if (words != NULL && list->count > KEYS_TOLD)
		words = arena_printf(
		    arena, "%s, and %zu more", words, list->count - KEYS_TOLD);
	if (words == NULL)
		return "";
	return *words != '\0' ? words : "none";
}

/* ---- one file ---- */

static const char *
name_of(char space[NAME_BYTES], const char *selector, enum key_role role)
{
	(void)snprintf(
	    space, NAME_BYTES, "%s%s", selector, keys_role_ending(role));
	return space;
}

bool
rotate_files_has(
    const struct rotate_files *files, const char *selector, enum key_role role)
{
	char name[NAME_BYTES];
	struct stat status;

	return fstatat(files->fd, name_of(name, selector, role), &status,
		   AT_SYMLINK_NOFOLLOW)
	    == 0;
}

bool
rotate_files_public(const struct rotate_files *files, const char *selector,
    enum key_role role, struct key_public *public_out, struct fault *fault)
{
	char name[NAME_BYTES];
	bool is_read = false;
	char *path;

	*public_out = (struct key_public){ .base64 = NULL };
	if (asprintf(&path, "%s/%s", files->path, name_of(name, selector, role))
	    < 0) {
		fault_memory(fault);
		return false;
	}
	is_read = keys_public_read(files->fd, name, path, public_out, fault);
	free(path);
	return is_read;
}

/* Some file systems can't refuse to replace a file: there it must do to look
 * first, as whoever makes keys here has locked the domain. */
static bool
rename_anew(int fd, const char *from, const char *into)
{
	if (renameat2(fd, from, fd, into, RENAME_NOREPLACE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS)
		return false;
	if (faccessat(fd, into, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return false;
	}
	return renameat(fd, from, fd, into) == 0;
}

bool
rotate_files_turn(const struct rotate_files *files, const char *selector,
    enum key_role from, enum key_role into, struct fault *fault)
{
	char old[NAME_BYTES], new[NAME_BYTES];

	(void)name_of(old, selector, from);
	(void)name_of(new, selector, into);
	if (!rename_anew(files->fd, old, new)
	    && (errno != ENOENT || !rotate_files_has(files, selector, into)))
		return refuse_errno(files, old, fault);
	return fsync(files->fd) == 0 || refuse_errno(files, "", fault);
}

/* As far as it can be done. Random octets would hide no more than zeros do. */
static void
overwrite(int fd, off_t size)
{
	static const char nothing[WIPE_BYTES];

	for (off_t at = 0; at < size;) {
		off_t left = size - at;
		ssize_t wrote = pwrite(fd, nothing,
		    left < WIPE_BYTES ? (size_t)left : WIPE_BYTES, at);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote <= 0)
			break;
		at += wrote;
	}
	(void)fsync(fd);
}

/* What has another name too, or is a link, is used by others as well: then
 * only the name goes. It also goes where nothing can be written, on a full disk
 * for instance: a key's octets on the disk are less than a key. */
static bool
wipe(const struct rotate_files *files, const char *name, struct fault *fault)
{
	int fd = openat(files->fd, name,
	    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat status;

	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)
	    && status.st_nlink == 1)
		overwrite(fd, status.st_size);
	if (fd >= 0)
		close(fd);
	return unlinkat(files->fd, name, 0) == 0 || errno == ENOENT
	    || refuse_errno(files, name, fault);
}

bool
rotate_files_wipe(const struct rotate_files *files, const char *selector,
    enum key_role role, struct fault *fault)
{
	char name[NAME_BYTES];

	return wipe(files, name_of(name, selector, role), fault)
	    && (fsync(files->fd) == 0 || refuse_errno(files, "", fault));
}

/* keys_generate.c names it ".SELECTOR.pending.RANDOM". */
static bool
is_left_over(const char *name, const char *selector)
{
	char key[NAME_BYTES];
	size_t length;

	(void)name_of(key, selector, KEY_PENDING);
	length = strlen(key);
	return name[0] == '.' && strncmp(name + 1, key, length) == 0
	    && name[1 + length] == '.';
}

bool
rotate_files_sweep(
    const struct rotate_files *files, const char *selector, struct fault *fault)
{
	int fd = openat(files->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	bool is_swept = stream != NULL;

	if (stream == NULL) {
		refuse_errno(files, "", fault);
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (is_swept && (entry = readdir(stream)) != NULL)
		if (is_left_over(entry->d_name, selector))
			is_swept = wipe(files, entry->d_name, fault);
	closedir(stream);
	return is_swept;
}
