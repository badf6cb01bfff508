/* store_lmdb_entry: what a transaction reads and writes of one key: its window,
 * what an administrator said of it, the recipients that it has written to. All
 * return LMDB's status. */
#ifndef MILTER_IO_STORE_LMDB_ENTRY_H
#define MILTER_IO_STORE_LMDB_ENTRY_H

#include "milter/io/store_count.h"
#include "milter/io/store_lmdb_record.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* LMDB's status for what was found in a record. */
int lmdb_status(enum record_state state);

/* The name of a record; ENOMEM if it can't be had. */
int lmdb_name(enum record_kind kind, const char *name, const char *key,
    struct record_key *name_out);

/* A key's window, as it stands in the file; an empty one of limit's length if
 * it isn't there. */
int lmdb_get_window(MDB_txn *txn, const struct limit *limit,
    struct record_key *name, struct window *window_out, bool *was_there_out);
int lmdb_put_window(
    MDB_txn *txn, struct record_key *name, const struct window *window);

/* The override of a charge's key, unless it has ended at meta->last_ms, and its
 * words. */
int lmdb_get_override(MDB_txn *txn, const struct record_meta *meta,
    const struct charge *charge, struct count_override *override_out,
    char words_out[STORE_WORDS + 1]);

/* What a charge for new recipients costs; or remember those of one, or forget
 * them. now_ms is the store's. */
int lmdb_new_cost(MDB_txn *txn, const struct charge *charge, uint64_t now_ms,
    uint64_t *cost_out);
int lmdb_remember(MDB_txn *txn, const struct charge *charge, uint64_t now_ms);
int lmdb_forget(MDB_txn *txn, const struct charge *charge, uint64_t now_ms);

#endif
