/* redis_pool: connections to the Redis that store.url means, each used by one
 * caller at a time. It finds the master (by Sentinel, by MOVED and ASK of a
 * cluster), logs in, and asks again, once, when a node says that it is the
 * wrong one. Locked inside: any thread. Nothing here waits longer than the
 * timeout it was opened with. Names of hosts are looked up in a thread of their
 * own (redis_names.h), which redis_pool_open() and redis_pool_tend() begin. */
#ifndef MILTER_IO_REDIS_POOL_H
#define MILTER_IO_REDIS_POOL_H

#include "conf/redis_place.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct redis_pool;

struct redis_pool_rules {
	uint64_t timeout_ms;       /* of one call, connecting and asking again
				      included */
	const char *password_file; /* "" none; read at each login, so that a
				      changed one is seen */
	size_t links_max;          /* most connections at once; who finds none
				      free waits within his timeout */
};

/* A pool; nothing is connected yet, but place and rules are checked (TLS that
 * isn't built in, a password_file that others can read). place and rules are
 * copied. It waits for the addresses of the hosts, but not longer than the
 * timeout, nor than 2 seconds; what isn't known by then comes later. NULL with
 * words. */
struct redis_pool *redis_pool_open(const struct redis_place *place,
    const struct redis_pool_rules *rules, struct fault *fault);

/* Send one command and wait for its answer, which is the caller's, to be freed
 * by freeReplyObject(3). key is what decides the cluster's node (one of the
 * command's keys; NULL: any). Errors that Redis answers (REDIS_REPLY_ERROR)
 * are given as they are, but for those that mean the wrong node or that it is
 * not ready: these are followed or asked again once, and a fault then
 * (FAULT_TEMPORARY); and for those that refuse the user (NOAUTH, NOPERM:
 * FAULT_PERMANENT). NULL with words: what became of the command isn't known,
 * unless *is_unsent_out is set (may be NULL): then nothing was done: it was
 * never sent, or whoever got it refused it. */
struct redisReply *redis_pool_command(struct redis_pool *pool, const char *key,
    int count, const char *const *words, const size_t *lengths,
    bool *is_unsent_out, struct fault *fault);

/* Have names looked up that are due, without waiting for it; ask who the
 * master is; close what has been idle for a minute. To be called about once a
 * second. */
void redis_pool_tend(struct redis_pool *pool);

/* "redis://127.0.0.1:6379/0", for messages; lives as long as the pool. */
const char *redis_pool_name(const struct redis_pool *pool);

/* How long one call may take. */
uint64_t redis_pool_timeout_ms(const struct redis_pool *pool);

/* Close it, without waiting for a look-up of names. Empties the pointer; takes
 * NULL. No call may be under way. */
void redis_pool_close(struct redis_pool **pool);

/* Is TLS built in? Without it (hiredis before 1.0) rediss:// is an error of
 * the configuration. */
bool redis_pool_has_tls(void);

#endif
