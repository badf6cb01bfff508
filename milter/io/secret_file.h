/* secret_file: the one rule of whom a file with a secret in it may be open to,
 * for signing keys and passwords, and reading a small one. */
#ifndef MILTER_IO_SECRET_FILE_H
#define MILTER_IO_SECRET_FILE_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum {
	SECRET_LINE_BYTES = 1024, /* longest line, with the NUL */
	SECRET_FILE_WHO_BYTES = 64,
};

/* Can only root, this process and its groups have read it, and only the first
 * two have written it? status is of the open file, path for the words, and
 * too_open those for a mode that lets others in. False with words,
 * FAULT_PERMANENT. Any thread. */
bool secret_file_is_trusted(const struct stat *status, const char *path,
    const char *too_open, struct fault *fault);

/* Is group one that this process is in? Any thread. */
bool secret_file_is_own_group(gid_t group);

/* Call user or group by its name, or else its number: "the user postern", "uid
 * 4242"; "the group mail", "group 4343". Returns words_out. Asks the system's
 * user database: only for the words of a fault. Any thread. */
const char *secret_file_user(uid_t user, char words_out[SECRET_FILE_WHO_BYTES]);
const char *
secret_file_group(gid_t group, char words_out[SECRET_FILE_WHO_BYTES]);

/* Say why the file name in directory_fd, which words call path, can't be had,
 * as errno tells, and what to do. FAULT_TEMPORARY if that may pass by itself.
 * Returns false. Any thread. */
bool secret_file_refuse(
    int directory_fd, const char *name, const char *path, struct fault *fault);

/* Read the first line of path, without its newline. The caller wipes it with
 * secret_file_wipe(). False with words, which never hold what was read:
 * FAULT_PERMANENT if the file isn't there, isn't regular, belongs to another
 * than root and us, can be read or written by others, or has no such line.
 * Any thread. */
bool secret_file_read(
    const char *path, char line_out[SECRET_LINE_BYTES], struct fault *fault);

/* Overwrite what was read. */
void secret_file_wipe(char line[SECRET_LINE_BYTES]);

#endif
