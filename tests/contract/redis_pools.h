/* redis_pools: what the tests of the pool share: a directory, pools, and
 * commands that must work or must not. */
#ifndef TESTS_CONTRACT_REDIS_POOLS_H
#define TESTS_CONTRACT_REDIS_POOLS_H

#include "milter/io/redis_pool.h"
#include "policy/arena.h"
#include "tests/contract/redis_servers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POOL_TIMEOUT_MS = 5000, POOL_SERVERS = 4 };

struct pool_fixture {
	struct arena arena;
	char directory[32];
	char password_file[64]; /* in the directory; not there at first */
	struct redis_server servers[POOL_SERVERS]; /* stopped at the end */
	struct redis_pool *pool;                   /* closed at the end */
};

/* For cmocka: *state is a fixture. */
int pools_setup(void **state);
int pools_teardown(void **state);

/* Open the fixture's pool, which must work. */
void pool_open(struct pool_fixture *fixture, const struct redis_place *place,
    const char *password_file, uint64_t timeout_ms, size_t links_max);

/* Write the password file, with its newline and this mode. */
void pool_write_password(
    const struct pool_fixture *fixture, const char *password, unsigned mode);

/* Run a command, words divided by blanks, the second of which is the key. */
struct redisReply *pool_try(struct redis_pool *pool, const char *command,
    bool *is_unsent_out, struct fault *fault);

/* Run it and fail unless its answer, as text, begins with wanted: a number in
 * decimal, nil as "nil". */
void
pool_want(struct redis_pool *pool, const char *command, const char *wanted);

/* Run it and fail unless there is a fault of kind with part in its words. */
void pool_want_fault(struct redis_pool *pool, const char *command,
    enum fault_kind kind, const char *part);

#endif
