/* bench_limits REDIS-SOCKET DIRECTORY: what charges cost, each as a ratio
 * against something bare that is measured in the same run, in turns with it.
 * tests/bench/run starts the server and says what the ratios should be. */
#include "milter/io/clock.h"
#include "milter/io/redis_pool.h"
#include "milter/io/refusals.h"
#include "milter/io/store_lmdb.h"
#include "milter/io/store_redis.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUNDS = 41, /* the median of so many counts */
	REDIS_CALLS = 400,
	LMDB_CALLS = 400,
	FINDS = 20000,
	THREADS = 32,
	THREAD_CALLS = 400,
	REMEMBERED = 100000,
	CHARGES = 8,
};

/* The command that the store has last sent, so that bare hiredis can send the
 * very same. The linker puts these in the place of redis_pool_command(). */
static struct {
	int count;
	const char *words[4 + 64];
	size_t lengths[4 + 64];
} sent;
static bool is_recording;

struct redisReply *__real_redis_pool_command(struct redis_pool *pool,
    const char *key, int count, const char *const *words, const size_t *lengths,
    bool *is_unsent_out, struct fault *fault);
struct redisReply *__wrap_redis_pool_command(struct redis_pool *pool,
    const char *key, int count, const char *const *words, const size_t *lengths,
    bool *is_unsent_out, struct fault *fault);

struct redisReply *
__wrap_redis_pool_command(struct redis_pool *pool, const char *key, int count,
    const char *const *words, const size_t *lengths, bool *is_unsent_out,
    struct fault *fault)
{
	if (is_recording && strcmp(words[0], "EVALSHA") == 0) {
		assert(count <= (int)(sizeof sent.words / sizeof *sent.words));
		sent.count = count;
		for (int i = 0; i < count; i++) {
			char *copy = malloc(lengths[i] + 1);

			assert(copy != NULL);
			memcpy(copy, words[i], lengths[i]);
			sent.words[i] = copy;
			sent.lengths[i] = lengths[i];
		}
	}
	return __real_redis_pool_command(
	    pool, key, count, words, lengths, is_unsent_out, fault);
}

struct bench {
	const char *socket;
	const char *directory;
	redisContext *bare;
	char bare_sha[64];
	struct redis_pool *pool; /* the store's */
	struct store *redis;
	struct store *lmdb;
	MDB_env *env;
	MDB_dbi dbi;
	struct refusals *refusals;
	struct limit limits[CHARGES];
	struct charge charges[CHARGES];
	size_t charge_count;
};

static uint64_t
read_clock(void *context)
{
	(void)context;
	return clock_unix_s() * 1000;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "bench_limits: %s: %s\n", what, why);
	exit(1);
}

static redisContext *
connect_bare(const struct bench *bench)
{
	redisContext *context = redisConnectUnix(bench->socket);

	if (context == NULL || context->err != 0)
		die(bench->socket,
		    context != NULL ? context->errstr : "memory");
	return context;
}

static void
send_bare(
    redisContext *context, int count, const char **words, const size_t *lengths)
{
	redisReply *reply = redisCommandArgv(context, count, words, lengths);

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		die("a bare command", reply != NULL ? reply->str : "no answer");
	freeReplyObject(reply);
}

static void
charge(struct bench *bench, struct store *store)
{
	struct charge_answer answers[CHARGES];
	struct store_receipt receipt;
	struct fault fault = { 0 };

	if (!store_charge(store, bench->charges, bench->charge_count, false,
		answers, &receipt, &fault))
		die("a charge", fault.words);
	if (!receipt.is_charged)
		die("a charge", "it was refused");
}

/* Four limits, and the four blocks that each message asks for. */
static void
make_charges(struct bench *bench, size_t limits)
{
	static const enum limit_key blocks[] = { LIMIT_KEY_ACCOUNT,
		LIMIT_KEY_PARENT, LIMIT_KEY_CLIENT_IP, LIMIT_KEY_SENDER };
	static const char *const names[] = { "hourly", "daily", "domain",
		"server" };
	static const char *const keys[] = { "alice@a.example",
		"alice@a.example", "a.example", "all" };

	bench->charge_count = 0;
	for (size_t i = 0; limits == 4 && i < 4; i++)
		bench->charges[bench->charge_count++] = (struct charge){
			.limit = limits_block(blocks[i]),
			.key = keys[i],
			.cost = 1,
			.is_binding = true,
			.is_look = true,
		};
	for (size_t i = 0; i < limits; i++) {
		bench->limits[i] = (struct limit){ .name = names[i],
			.max = 1000000000000,
			.per_ms = i == 0 ? 3600000 : 86400000,
			.action = ACTION_TEMPFAIL,
			.mode = MODE_ENFORCE };
		bench->charges[bench->charge_count++] =
		    (struct charge){ .limit = &bench->limits[i],
			    .key = keys[i],
			    .cost = 2,
			    .is_binding = true,
			    .refuses = true };
	}
}

static struct redis_pool *
open_pool(const struct bench *bench, size_t links)
{
	const struct redis_place place = { .kind = REDIS_UNIX,
		.shown = "redis+unix",
		.user = "",
		.path = bench->socket,
		.master = "" };
	const struct redis_pool_rules rules = {
		.timeout_ms = 5000, .password_file = "", .links_max = links
	};
	struct fault fault = { 0 };
	struct redis_pool *pool = redis_pool_open(&place, &rules, &fault);

	if (pool == NULL)
		die("redis_pool_open", fault.words);
	return pool;
}

static void
open_redis(struct bench *bench)
{
	const char *load[] = { "SCRIPT", "LOAD", "return 1" };
	struct fault fault = { 0 };
	redisReply *reply;

	bench->bare = connect_bare(bench);
	reply = redisCommandArgv(bench->bare, 3, load, NULL);
	if (reply == NULL || reply->type != REDIS_REPLY_STRING)
		die("SCRIPT LOAD", "no answer");
	snprintf(bench->bare_sha, sizeof(bench->bare_sha), "%s", reply->str);
	freeReplyObject(reply);
	bench->pool = open_pool(bench, 1);
	bench->redis = store_redis_open(bench->pool, "bench", &fault);
	if (bench->redis == NULL)
		die("store_redis_open", fault.words);
}

static void
bare_evalsha(struct bench *bench)
{
	const char *words[] = { "EVALSHA", bench->bare_sha, "0" };
	const size_t lengths[] = { 7, strlen(bench->bare_sha), 1 };

	send_bare(bench->bare, 3, words, lengths);
}

static void
redis_charge(struct bench *bench)
{
	charge(bench, bench->redis);
}

static void
lmdb_charge(struct bench *bench)
{
	charge(bench, bench->lmdb);
}

static void
lmdb_put(struct bench *bench)
{
	static char octets[64];
	MDB_val key = { .mv_size = 24, .mv_data = octets };
	MDB_val value = { .mv_size = 40, .mv_data = octets };
	MDB_txn *txn;

	if (mdb_txn_begin(bench->env, NULL, 0, &txn) != 0
	    || mdb_put(txn, bench->dbi, &key, &value, 0) != 0
	    || mdb_txn_commit(txn) != 0)
		die("lmdb", "put");
}

/* As many puts as a charge of 4 limits has, in one commit. */
static void
lmdb_put_4(struct bench *bench)
{
	static char octets[64];
	MDB_txn *txn;

	if (mdb_txn_begin(bench->env, NULL, 0, &txn) != 0)
		die("lmdb", "begin");
	for (int i = 0; i < 4; i++) {
		MDB_val key = { .mv_size = 24, .mv_data = octets };
		MDB_val value = { .mv_size = 40, .mv_data = octets };

		octets[0] = (char)i;
		if (mdb_put(txn, bench->dbi, &key, &value, 0) != 0)
			die("lmdb", "put");
	}
	if (mdb_txn_commit(txn) != 0)
		die("lmdb", "commit");
}

static char names[REMEMBERED][32];

static void
find_refusal(struct bench *bench)
{
	struct refusal refusal;
	static unsigned number;

	if (!refusals_find(bench->refusals, LIMIT_KEY_ACCOUNT,
		names[number++ * 7919 % REMEMBERED], 1, &refusal))
		die("a refusal", "it isn't remembered");
}

static uint64_t
time_calls(struct bench *bench, void (*call)(struct bench *), size_t calls)
{
	uint64_t begun_us = clock_monotonic_us();

	for (size_t i = 0; i < calls; i++)
		call(bench);
	return clock_monotonic_us() - begun_us;
}

static int
compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

/* The median over rounds of what the second takes, in terms of the first. */
static double
ratio_of(struct bench *bench, void (*first)(struct bench *), size_t first_calls,
    void (*second)(struct bench *), size_t second_calls)
{
	double ratios[ROUNDS];

	(void)time_calls(bench, first, first_calls);
	(void)time_calls(bench, second, second_calls);
	for (size_t i = 0; i < ROUNDS; i++) {
		double one = (double)time_calls(bench, first, first_calls)
		    / (double)first_calls;
		double other = (double)time_calls(bench, second, second_calls)
		    / (double)second_calls;

		ratios[i] = other / one;
	}
	qsort(ratios, ROUNDS, sizeof(*ratios), compare);
	return ratios[ROUNDS / 2];
}

struct sender {
	pthread_t thread;
	struct bench *bench;
	struct redis_pool *pool; /* NULL: a context of its own */
};

static void *
send_many(void *context)
{
	struct sender *sender = context;
	redisContext *bare =
	    sender->pool == NULL ? connect_bare(sender->bench) : NULL;

	for (int i = 0; i < THREAD_CALLS; i++) {
		struct fault fault = { 0 };
		redisReply *reply;

		if (bare != NULL) {
			send_bare(bare, sent.count, sent.words, sent.lengths);
			continue;
		}
		reply = __real_redis_pool_command(sender->pool, NULL,
		    sent.count, sent.words, sent.lengths, NULL, &fault);
		if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
			die("the pool",
			    reply != NULL ? reply->str : fault.words);
		freeReplyObject(reply);
	}
	if (bare != NULL)
		redisFree(bare);
	return NULL;
}

static void
run_threads(struct bench *bench, struct redis_pool *pool)
{
	struct sender senders[THREADS];

	for (size_t i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){ .bench = bench, .pool = pool };
		if (pthread_create(
			&senders[i].thread, NULL, send_many, &senders[i])
		    != 0)
			die("a thread", "there are no more");
	}
	for (size_t i = 0; i < THREADS; i++)
		(void)pthread_join(senders[i].thread, NULL);
}

static void
plain_threads(struct bench *bench)
{
	run_threads(bench, NULL);
}

static struct redis_pool *shared_pool;

static void
pool_threads(struct bench *bench)
{
	run_threads(bench, shared_pool);
}

/* Both open their links anew in each round, so that this is alike. */
static void
fresh_pool_threads(struct bench *bench)
{
	shared_pool = open_pool(bench, THREADS);
	pool_threads(bench);
	redis_pool_close(&shared_pool);
}

static void
open_lmdb(struct bench *bench, unsigned flags)
{
	char path[512];
	struct fault notice;
	struct fault fault = { 0 };
	MDB_txn *txn;

	bench->lmdb =
	    store_lmdb_open(bench->directory, 1 << 26, &notice, &fault);
	if (bench->lmdb == NULL)
		die("store_lmdb_open", fault.words);
	snprintf(path, sizeof(path), "%s/bare.mdb", bench->directory);
	if (mdb_env_create(&bench->env) != 0
	    || mdb_env_set_mapsize(bench->env, 1 << 26) != 0
	    || mdb_env_open(bench->env, path, MDB_NOSUBDIR | flags, 0600) != 0
	    || mdb_txn_begin(bench->env, NULL, 0, &txn) != 0
	    || mdb_dbi_open(txn, NULL, 0, &bench->dbi) != 0
	    || mdb_txn_commit(txn) != 0)
		die(path, "lmdb");
}

static void
fill_refusals(struct bench *bench)
{
	bench->refusals = refusals_open(REMEMBERED);
	for (unsigned i = 0; bench->refusals != NULL && i < REMEMBERED; i++) {
		const struct refusal refusal = { .reason = REASON_LIMIT,
			.limit_name = "hourly",
			.max = 500,
			.until_ms = UINT64_MAX };

		snprintf(names[i], sizeof(names[i]), "user%u@a.example", i);
		refusals_add(
		    bench->refusals, LIMIT_KEY_ACCOUNT, names[i], &refusal);
	}
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };

	if (argc != 3)
		die("usage", "bench_limits REDIS-SOCKET DIRECTORY");
	bench.socket = argv[1];
	bench.directory = argv[2];
	open_redis(&bench);
	open_lmdb(&bench, MDB_NOTLS | MDB_NOSYNC);
	fill_refusals(&bench);

	make_charges(&bench, 4);
	/* By a clock of its own the command stays good for as long as the bench
	 * takes; by the server's it would come too late to be done. */
	store_redis_set_clock(bench.redis, read_clock, NULL);
	is_recording = true;
	redis_charge(&bench);
	is_recording = false;
	store_redis_set_clock(bench.redis, NULL, NULL);
	printf("redis_charge %.3f\n",
	    ratio_of(
		&bench, bare_evalsha, REDIS_CALLS, redis_charge, REDIS_CALLS));
	printf("redis_pool %.3f\n",
	    1 / ratio_of(&bench, plain_threads, 1, fresh_pool_threads, 1));
	printf("refusal %.5f\n",
	    ratio_of(&bench, redis_charge, REDIS_CALLS, find_refusal, FINDS));
	printf("lmdb_charge_4 %.3f\n",
	    1
		/ ratio_of(
		    &bench, lmdb_put_4, LMDB_CALLS, lmdb_charge, LMDB_CALLS));
	make_charges(&bench, 1);
	printf("lmdb_charge_1 %.3f\n",
	    1
		/ ratio_of(
		    &bench, lmdb_put, LMDB_CALLS, lmdb_charge, LMDB_CALLS));
	return 0;
}
