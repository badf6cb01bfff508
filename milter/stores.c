#include "milter/stores.h"

#include "milter/io/store_lmdb.h"
#include "milter/io/store_memory.h"
#include "milter/io/store_redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	LOCAL_KEYS = 100000, /* counts kept in memory while a file is away */
	LINKS_SPARE = 8,     /* beside those of max_busy messages */
	MAP_LINKS = 16,
};

static struct redis_pool *
open_pool(const struct conf *conf, size_t links_max, struct fault *fault)
{
	const struct redis_pool_rules rules = {
		.timeout_ms = conf->store.timeout_ms,
		.password_file = conf->store.password_file,
		.links_max = links_max,
	};

	return redis_pool_open(conf->store.url, &rules, fault);
}

static struct store *
open_redis(const struct conf *conf, struct fault *fault)
{
	struct redis_pool *pool =
	    open_pool(conf, (size_t)conf->max_busy + LINKS_SPARE, fault);

	return pool != NULL ? store_redis_open(pool, conf->store.prefix, fault)
			    : NULL;
}

struct store *
stores_open_record(
    const struct conf *conf, struct fault *notice_out, struct fault *fault)
{
	return store_lmdb_open(
	    conf->store.path, conf->store.size_bytes, notice_out, fault);
}

struct store *
stores_open(
    const struct conf *conf, struct fault *notice_out, struct fault *fault)
{
	return conf->store.backend == STORE_REDIS
	    ? open_redis(conf, fault)
	    : stores_open_record(conf, notice_out, fault);
}

/* Where the daemon hasn't run yet nothing has been counted, which is no
 * fault. Only that a file is missing makes sure of it. */
static bool
is_there(const char *directory)
{
	bool is_missing = false;
	char *path;

	if (asprintf(&path, "%s/limits.mdb", directory) < 0)
		return true;
	if (access(path, F_OK) != 0)
		is_missing = errno == ENOENT;
	free(path);
	return !is_missing;
}

static struct store *
open_memory(size_t keys, struct fault *fault)
{
	struct store *store = store_memory_open(keys, NULL, NULL);

	if (store == NULL)
		fault_memory(fault);
	return store;
}

struct store *
stores_open_existing(const struct conf *conf, struct fault *fault)
{
	if (conf->store.backend == STORE_REDIS)
		return open_redis(conf, fault);
	return is_there(conf->store.path)
	    ? store_lmdb_open_existing(conf->store.path, fault)
	    : open_memory(1, fault);
}

struct store *
stores_open_memory(struct fault *fault)
{
	return open_memory(LOCAL_KEYS, fault);
}

bool
stores_open_pool(
    const struct conf *conf, struct redis_pool **pool_out, struct fault *fault)
{
	*pool_out = NULL;
	if (conf->store.url == NULL)
		return true;
	*pool_out = open_pool(conf, MAP_LINKS, fault);
	return *pool_out != NULL;
}

bool
stores_check(const struct conf *conf, struct fault *fault)
{
	if (conf->store.url == NULL || !conf->store.url->is_tls
	    || redis_pool_has_tls())
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "%s: url: TLS (rediss://) needs hiredis 1.0 or newer, and this "
	    "postern is built without it; use redis:// through a tunnel, or "
	    "redis+unix://",
	    conf_where(conf, "store", "url"));
	return false;
}
