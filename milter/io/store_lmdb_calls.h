/* store_lmdb_calls: what struct store_class asks of limits.mdb, each in the
 * file that is named. See store.h. */
#ifndef MILTER_IO_STORE_LMDB_CALLS_H
#define MILTER_IO_STORE_LMDB_CALLS_H

#include "milter/io/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* store_lmdb_charge.c */
bool lmdb_charge(struct store *store, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault);
bool lmdb_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault);
bool lmdb_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault);

/* store_lmdb_say.c */
bool lmdb_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault);
bool lmdb_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault);

/* And these two. */
bool lmdb_set(struct store *store, const struct store_override *override,
    struct fault *fault);
bool lmdb_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault);

/* store_lmdb_list.c */
bool lmdb_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault);
bool lmdb_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault);

#endif
