/* store_lmdb_check: is an LMDB file sound? LMDB trusts its file: a damaged one
 * makes it fail an assertion or read where nothing is. So the file is walked
 * by a child process, which may die of it. */
#ifndef MILTER_IO_STORE_LMDB_CHECK_H
#define MILTER_IO_STORE_LMDB_CHECK_H

#include "policy/fault.h"

enum check { CHECK_SOUND, CHECK_DAMAGED, CHECK_UNKNOWN };

/* Walk the whole file, which nobody may be writing to meanwhile. UNKNOWN,
 * with words, if that can't be done or takes over a minute; DAMAGED with words
 * too. The calling process may have threads. */
enum check store_lmdb_check(const char *path, struct fault *fault);

#endif
