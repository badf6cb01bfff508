/* store_lmdb: the embedded store: one file, no server, shared by the daemon
 * and posternctl while both run. */
#ifndef MILTER_IO_STORE_LMDB_H
#define MILTER_IO_STORE_LMDB_H

#include "milter/io/store.h"

#include <stdint.h>

/* No call waits longer for another process that works with the file; it then
 * fails with FAULT_TEMPORARY, and nothing of it is done, then or later. */
enum { STORE_LMDB_WAIT_MS = 1000 };

/* Open, and if need be make, directory/limits.mdb (mode 0600; the directory
 * must exist and be ours). The file may grow to size_bytes. A file that is
 * damaged is moved aside to limits.mdb.damaged-TIME, a new one is begun and
 * *notice_out (may be NULL) says so; else it is kept NULL-worded (kind
 * FAULT_NONE). Commits are not synced; store_tend() syncs. NULL with words if
 * it can't be had. A process that is forked from the one that opened it can't
 * use it too. */
struct store *store_lmdb_open(const char *directory, uint64_t size_bytes,
    struct fault *notice_out, struct fault *fault);

/* Open an existing file for looking and changing (posternctl): makes
 * nothing, moves nothing aside. NULL with FAULT_PERMANENT words. */
struct store *
store_lmdb_open_existing(const char *directory, struct fault *fault);

/* The clock that the store reads, in milliseconds since the epoch; a test
 * may put its own in place. NULL: the system's. */
void store_lmdb_set_clock(
    struct store *store, uint64_t (*clock_ms)(void *context), void *context);

#endif
