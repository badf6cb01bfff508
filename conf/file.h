/* file: a text file read whole, with a cap. */
#ifndef CONF_FILE_H
#define CONF_FILE_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* Read the regular file at path. *data_out is malloc'ed, *length_out octets
 * and a NUL. False, with words that don't name the file, if it isn't there,
 * can't be read, is no regular file, or has more than most_bytes. Doesn't
 * wait for devices and pipes. */
bool file_read(const char *path, size_t most_bytes, char **data_out,
    size_t *length_out, struct fault *fault);

#endif
