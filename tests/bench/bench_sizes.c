/* bench_sizes REDIS-SOCKET DIRECTORY: what an active key takes in Redis and in
 * LMDB, with 100,000 and 1,000,000 accounts of two limits each: once when each
 * has sent one message, and once when it has sent in every slot of an hour. */
#include "milter/io/redis_pool.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_redis.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIMITS = 2, SLOTS = 60 };

static const struct limit limits[LIMITS] = {
	{ .name = "hourly", .max = 1000000, .per_ms = 3600000 },
	{ .name = "daily", .max = 1000000, .per_ms = 86400000 },
};

static uint64_t now_ms = 1800000000000;

static uint64_t
read_clock(void *context)
{
	(void)context;
	return now_ms;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_sizes: %s: %s\n", what, why);
	exit(1);
}

static void
charge_all(struct store *store, unsigned accounts)
{
	for (unsigned i = 0; i < accounts; i++) {
		struct charge charges[LIMITS];
		struct charge_answer answers[LIMITS];
		struct store_receipt receipt;
		struct fault fault = { 0 };
		char name[64];

		snprintf(name, sizeof(name), "user%07u@customer.example", i);
		for (size_t k = 0; k < LIMITS; k++)
			charges[k] = (struct charge){ .limit = &limits[k],
				.key = name,
				.cost = 3,
				.is_binding = true };
		if (!store_charge(store, charges, LIMITS, false, answers,
			&receipt, &fault))
			die("a charge", fault.words);
	}
}

static long long
redis_memory(redisContext *context)
{
	redisReply *reply = redisCommand(context, "INFO memory");
	const char *at = reply != NULL && reply->str != NULL
	    ? strstr(reply->str, "used_memory:")
	    : NULL;
	long long used =
	    at != NULL ? strtoll(at + strlen("used_memory:"), NULL, 10) : 0;

	freeReplyObject(reply);
	return used;
}

static void
measure_redis(const char *socket, unsigned accounts, unsigned slots)
{
	const struct redis_place place = { .kind = REDIS_UNIX,
		.shown = "redis+unix",
		.user = "",
		.path = socket,
		.master = "" };
	const struct redis_pool_rules rules = {
		.timeout_ms = 5000, .password_file = "", .links_max = 1
	};
	struct fault fault = { 0 };
	redisContext *context = redisConnectUnix(socket);
	struct store *store;
	long long before;

	freeReplyObject(redisCommand(context, "FLUSHALL"));
	before = redis_memory(context);
	store = store_redis_open(
	    redis_pool_open(&place, &rules, &fault), "postern", &fault);
	if (store == NULL)
		die("redis", fault.words);
	store_redis_set_clock(store, read_clock, NULL);
	for (unsigned slot = 0; slot < slots; slot++, now_ms += 60000)
		charge_all(store, accounts);
	printf("redis %u accounts x %d limits, %u slots: %lld octets a key\n",
	    accounts, LIMITS, slots,
	    (redis_memory(context) - before) / accounts / LIMITS);
	(void)fflush(stdout);
	store_close(&store);
	redisFree(context);
}

static void
measure_lmdb(const char *directory, unsigned accounts, unsigned slots)
{
	char path[512];
	struct fault notice;
	struct fault fault = { 0 };
	struct store *store;
	struct stat info;

	snprintf(path, sizeof(path), "%s/%u-%u", directory, accounts, slots);
	if (mkdir(path, 0700) != 0)
		die(path, "mkdir");
	store = store_lmdb_open(path, 4ULL << 30, &notice, &fault);
	if (store == NULL)
		die("lmdb", fault.words);
	store_lmdb_set_clock(store, read_clock, NULL);
	for (unsigned slot = 0; slot < slots; slot++, now_ms += 60000)
		charge_all(store, accounts);
	store_close(&store);
	snprintf(path, sizeof(path), "%s/%u-%u/limits.mdb", directory, accounts,
	    slots);
	if (stat(path, &info) != 0)
		die(path, "stat");
	printf("lmdb  %u accounts x %d limits, %u slots: %lld octets a key\n",
	    accounts, LIMITS, slots,
	    (long long)info.st_size / accounts / LIMITS);
	(void)fflush(stdout);
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		die("usage", "bench_sizes REDIS-SOCKET DIRECTORY");
	measure_redis(argv[1], 100000, 1);
	measure_lmdb(argv[2], 100000, 1);
	measure_redis(argv[1], 20000, SLOTS);
	measure_lmdb(argv[2], 20000, SLOTS);
	measure_redis(argv[1], 1000000, 1);
	measure_lmdb(argv[2], 1000000, 1);
	return 0;
}
