/* secret_file: a small file with a secret in it, which only its owner and
 * root can have read or written. */
#ifndef MILTER_IO_SECRET_FILE_H
#define MILTER_IO_SECRET_FILE_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum { SECRET_LINE_BYTES = 1024 }; /* longest line, with the NUL */

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
