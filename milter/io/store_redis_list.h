/* store_redis_list: what store_redis lists: overrides and counts, found step
 * by step, so that Redis does others' work in between. */
#ifndef MILTER_IO_STORE_REDIS_LIST_H
#define MILTER_IO_STORE_REDIS_LIST_H

#include "milter/io/store_redis_call.h"

/* The store's time. Any thread. */
bool store_redis_now(
    struct store_redis *redis, uint64_t *now_ms_out, struct fault *fault);

/* See store_overrides() and store_counts(). Any thread. */
bool store_redis_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault);
bool store_redis_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault);

/* Remove all overrides that have ended. */
bool store_redis_tidy(struct store_redis *redis, struct fault *fault);

#endif
