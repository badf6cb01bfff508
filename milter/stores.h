/* stores: the store that a configuration means, as the daemon and posternctl
 * open it. */
#ifndef MILTER_STORES_H
#define MILTER_STORES_H

#include "conf/conf.h"
#include "milter/io/redis_pool.h"
#include "milter/io/store.h"

#include <stdbool.h>

/* Open it; notice_out as store_opener says, in store_guard.h. conf need not
 * outlive it. NULL with words. */
struct store *stores_open(
    const struct conf *conf, struct fault *notice_out, struct fault *fault);

/* Open it for a look or a change from beside the daemon; an empty one in
 * memory where there is none yet. NULL with words. */
struct store *
stores_open_existing(const struct conf *conf, struct fault *fault);

/* The file beside Redis (in store.path) that has this host's own record.
 * notice_out as above. NULL with words. */
struct store *stores_open_record(
    const struct conf *conf, struct fault *notice_out, struct fault *fault);

/* What counts while nothing else can: a store in memory. NULL with words. */
struct store *stores_open_memory(struct fault *fault);

/* A pool for maps in Redis; *pool_out is NULL if store.url isn't set. False
 * with words. */
bool stores_open_pool(
    const struct conf *conf, struct redis_pool **pool_out, struct fault *fault);

/* What can be known of store.url before it is opened: is what it needs built
 * in? False with words that begin with where it was written. */
bool stores_check(const struct conf *conf, struct fault *fault);

#endif
