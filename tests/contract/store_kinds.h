/* store_kinds: the stores that the contract tests hold to their promise, each
 * opened with a clock that the test moves. */
#ifndef TESTS_CONTRACT_STORE_KINDS_H
#define TESTS_CONTRACT_STORE_KINDS_H

#include "milter/io/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct fixture;
struct redis_server;

struct store_kind {
	const char *name;
	struct store *(*open)(struct fixture *fixture);
	bool is_kept; /* counts outlive store_close() */
};

extern const struct store_kind store_kinds[];
extern const size_t store_kind_count;
extern const char store_kind_away[]; /* the name of one that never answers */

struct fixture {
	const struct store_kind *kind;
	struct store *store;
	_Atomic uint64_t now_ms; /* what the clock says */
	char directory[128];     /* an own one, empty at first */
	uint64_t size_bytes;     /* of an LMDB file */
};

/* A time to begin with. */
#define FIXTURE_NOW 1700000000000ULL

/* A directory and a clock; no store yet. */
void fixture_init(struct fixture *fixture);

/* Close the store, if there is one, and remove the directory. */
void fixture_clear(struct fixture *fixture);

/* The clock of a fixture, for store_lmdb_set_clock() and the like. */
uint64_t fixture_clock(void *fixture);

/* Open limits.mdb in the fixture's directory, which must work. */
struct store *fixture_open_lmdb(struct fixture *fixture);

/* The redis-server of this program, started at the first call, stopped at the
 * end. */
const struct redis_server *fixture_redis(void);

/* A store there, under the fixture's own prefix and by the server's clock. NULL
 * with words. */
struct store *fixture_open_redis(
    struct fixture *fixture, uint64_t timeout_ms, struct fault *fault);
const char *fixture_redis_prefix(const struct fixture *fixture);

/* A limit with a name and numbers only. */
struct limit limit_of(const char *name, uint64_t max, uint64_t per_ms);

/* A binding charge. */
struct charge
charge_of(const struct limit *limit, const char *key, uint64_t cost);

/* Charge, which must work; was it counted? */
bool charge_one(struct store *store, const struct limit *limit, const char *key,
    uint64_t cost);

/* What is used, by a look that must work. */
uint64_t
used_of(struct store *store, const struct limit *limit, const char *key);

/* Fail the test, saying what was wanted. */
void want_number(const char *what, uint64_t wanted, uint64_t got);

/* A random number below limit. */
uint64_t random_below(uint64_t *seed, uint64_t limit);

#endif
