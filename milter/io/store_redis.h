/* store_redis: the store's promise kept in Redis (or Valkey), for one relay or
 * many. Each charge is one call of one script, so that all of it happens at
 * once and by the server's clock; a message costs one round trip.
 *
 * Keys, all beginning with "{PREFIX}:", so that they have one hash slot:
 *   n/LIMIT/KEY   a window: a packed string, which expires by itself
 *   r/KIND/KEY    and
 *   R/KIND/KEY    recipients written to, newer and older: sets of digests;
 *                 they expire STORE_REDIS_RECIPIENTS_DAYS after the last
 *   c             a hash of what holds for all: "epoch", and "o/LIMIT/KEY" for
 *                 each override
 *   t             the clock, and how many overrides there are; if it is lost
 *                 they are counted anew
 * A LIMIT has no '/' in it, so no KEY can be taken for another's.
 *
 * Numbers are doubles in Redis: counts end at 2^53 - 1, and a max from there
 * on is none. A window's key that holds what this version didn't write is
 * never overwritten: charges that need it get a FAULT_PERMANENT that names it,
 * since only who may write to Redis can have put it there, and to begin anew
 * would let through what may be at its limit. An override that can't be read
 * is none. What Redis itself refuses (OOM, MISCONF, NOPERM, BUSY) is a
 * FAULT_TEMPORARY with its words, and nothing was counted. A call that comes
 * to its turn after its caller has given up does nothing.
 *
 * While there are no overrides, charges don't ask for them. Who doesn't know
 * yet that there is one now asks once more: then a charge is two calls.
 *
 * It needs Redis 6.0 or Valkey, and of an ACL ~{PREFIX}:* with +eval +evalsha
 * +time +hmget +hget +hset +hsetnx +hincrby +hdel +hlen +hscan +mget +set
 * +setrange +del +exists +smismember +sismember +scard +sadd +srem +rename
 * +expire +scan. */
#ifndef MILTER_IO_STORE_REDIS_H
#define MILTER_IO_STORE_REDIS_H

#include "conf/redis_place.h"
#include "milter/io/store.h"

#include <stdint.h>

enum { STORE_REDIS_RECIPIENTS_DAYS = 90 };

struct redis_pool;

/* A store over a pool, which it takes over (closed with it, and on failure).
 * prefix is copied. It fails if Redis can't be asked now. NULL with words. */
struct store *store_redis_open(
    struct redis_pool *pool, const char *prefix, struct fault *fault);

/* For tests: a clock other than the server's. */
void store_redis_set_clock(
    struct store *store, uint64_t (*clock_ms)(void *context), void *context);

#endif
