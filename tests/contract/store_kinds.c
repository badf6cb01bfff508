#include "tests/contract/store_kinds.h"

#include "milter/io/redis_pool.h"
#include "milter/io/store_guard.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_memory.h"
#include "milter/io/store_redis.h"
#include "tests/contract/redis_servers.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 100000 };

static struct store *
open_memory(struct fixture *fixture)
{
	return store_memory_open(KEYS, fixture_clock, fixture);
}

struct store *
fixture_open_lmdb(struct fixture *fixture)
{
	struct fault notice;
	struct fault fault = { 0 };
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, &notice, &fault);

	if (store == NULL)
		fail_msg("wanted a store, got %s", fault.words);
	if (notice.kind != FAULT_NONE)
		fail_msg("wanted no notice, got %s", notice.words);
	store_lmdb_set_clock(store, fixture_clock, fixture);
	return store;
}

static struct store *
open_lmdb_again(void *context, struct fault *notice_out, struct fault *fault)
{
	struct fixture *fixture = context;
	struct store *store = store_lmdb_open(
	    fixture->directory, fixture->size_bytes, notice_out, fault);

	if (store != NULL)
		store_lmdb_set_clock(store, fixture_clock, fixture);
	return store;
}

static struct store *
open_nothing(void *context, struct fault *notice_out, struct fault *fault)
{
	(void)context;
	(void)notice_out;
	fault_set(fault, FAULT_TEMPORARY, "never there");
	return NULL;
}

static struct store *
open_guard(struct fixture *fixture)
{
	const struct guard_rules rules = { .has_local = true,
		.retry_ms = 1000 };

	return store_guard_open(
	    open_lmdb_again, fixture, open_memory(fixture), &rules);
}

static struct store *
open_guard_alone(struct fixture *fixture)
{
	const struct guard_rules rules = { .has_local = false,
		.retry_ms = 1000 };

	return store_guard_open(open_lmdb_again, fixture, NULL, &rules);
}

static struct store *
open_guard_away(struct fixture *fixture)
{
	const struct guard_rules rules = { .has_local = true, .retry_ms = 0 };

	return store_guard_open(
	    open_nothing, fixture, open_memory(fixture), &rules);
}

/* One server for all tests of a program, each with a prefix of its own. */
static struct redis_server server;
static char server_parent[] = "/tmp/stores-XXXXXX";

static void
stop_server(void)
{
	redis_server_stop(&server);
	(void)rmdir(server_parent);
}

const struct redis_server *
fixture_redis(void)
{
	if (server.pid != 0)
		return &server;
	if (mkdtemp(server_parent) == NULL)
		fail_msg("wanted a directory %s", server_parent);
	redis_server_start(&server, server_parent, "redis", NULL);
	(void)atexit(stop_server);
	return &server;
}

struct store *
fixture_open_redis(
    struct fixture *fixture, uint64_t timeout_ms, struct fault *fault)
{
	const struct redis_pool_rules rules = {
		.timeout_ms = timeout_ms, .password_file = "", .links_max = 16
	};
	struct arena arena;
	struct redis_place place;
	struct redis_pool *pool;

	arena_init(&arena, 65536);
	place = redis_server_place(
	    &arena, "redis+unix://%s", fixture_redis()->path);
	pool = redis_pool_open(&place, &rules, fault);
	arena_clear(&arena);
	return pool != NULL
	    ? store_redis_open(pool, fixture_redis_prefix(fixture), fault)
	    : NULL;
}

const char *
fixture_redis_prefix(const struct fixture *fixture)
{
	return strrchr(fixture->directory, '/') + 1;
}

static struct store *
open_redis_again(void *context, struct fault *notice_out, struct fault *fault)
{
	struct fixture *fixture = context;
	struct store *store = fixture_open_redis(fixture, 5000, fault);

	(void)notice_out;
	if (store != NULL)
		store_redis_set_clock(store, fixture_clock, fixture);
	return store;
}

static struct store *
open_redis(struct fixture *fixture)
{
	struct fault fault = { 0 };
	struct store *store = open_redis_again(fixture, NULL, &fault);

	if (store == NULL)
		fail_msg("wanted a store, got %s", fault.words);
	return store;
}

static struct store *
open_guard_redis(struct fixture *fixture)
{
	const struct guard_rules rules = { .has_local = true,
		.retry_ms = 1000 };

	return store_guard_open(
	    open_redis_again, fixture, open_memory(fixture), &rules);
}

const char store_kind_away[] = "guard around a store that is away";

const struct store_kind store_kinds[] = {
	{ "memory", open_memory, false },
	{ "lmdb", fixture_open_lmdb, true },
	{ "guard around lmdb", open_guard, true },
	{ "guard without local around lmdb", open_guard_alone, true },
	{ store_kind_away, open_guard_away, false },
	{ "redis", open_redis, true },
	{ "guard around redis", open_guard_redis, true },
};

const size_t store_kind_count = sizeof store_kinds / sizeof store_kinds[0];

void
fixture_init(struct fixture *fixture)
{
	const char *parent = getenv("TMPDIR");

	memset(fixture, 0, sizeof(*fixture));
	fixture->now_ms = FIXTURE_NOW;
	fixture->size_bytes = 16 * 1024 * 1024;
	(void)snprintf(fixture->directory, sizeof fixture->directory,
	    "%s/store-XXXXXX", parent != NULL ? parent : "/tmp");
	if (mkdtemp(fixture->directory) == NULL)
		fail_msg("wanted a directory %s", fixture->directory);
}

static int
remove_one(
    const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info;
	(void)type;
	(void)place;
	return remove(path);
}

void
fixture_clear(struct fixture *fixture)
{
	store_close(&fixture->store);
	(void)nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

uint64_t
fixture_clock(void *fixture)
{
	return atomic_load(&((struct fixture *)fixture)->now_ms);
}

struct limit
limit_of(const char *name, uint64_t max, uint64_t per_ms)
{
	return (struct limit){ .name = name,
		.key = LIMIT_KEY_ACCOUNT,
		.count = LIMIT_MESSAGES,
		.max = max,
		.per_ms = per_ms,
		.action = ACTION_TEMPFAIL,
		.mode = MODE_ENFORCE };
}

struct charge
charge_of(const struct limit *limit, const char *key, uint64_t cost)
{
	return (struct charge){
		.limit = limit, .key = key, .cost = cost, .is_binding = true
	};
}

bool
charge_one(struct store *store, const struct limit *limit, const char *key,
    uint64_t cost)
{
	const struct charge charge = charge_of(limit, key, cost);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };

	if (!store_charge(store, &charge, 1, false, &answer, &receipt, &fault))
		fail_msg("%s %s: wanted an answer, got %s", limit->name, key,
		    fault.words);
	return receipt.is_charged;
}

uint64_t
used_of(struct store *store, const struct limit *limit, const char *key)
{
	const struct charge charge = charge_of(limit, key, 0);
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault = { 0 };

	if (!store_charge(store, &charge, 1, true, &answer, &receipt, &fault))
		fail_msg("%s %s: wanted an answer, got %s", limit->name, key,
		    fault.words);
	return answer.used;
}

void
want_number(const char *what, uint64_t wanted, uint64_t got)
{
	if (wanted != got)
		fail_msg(
		    "%s: wanted %" PRIu64 ", got %" PRIu64, what, wanted, got);
}

uint64_t
random_below(uint64_t *seed, uint64_t limit)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * 2685821657736338717ULL % limit;
}
