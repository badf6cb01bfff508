/* What is kept of the answers of sources, with a clock and a Redis of the
 * test's own. */
#include "milter/io/tables.h"

#include "milter/io/redis_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <lmdb.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18, TTL_MS = 1000, WORDS = 200, THREADS = 4 };

enum { ANSWERS = 2000 }; /* of each of the threads */

/* How the Redis of the test answers. */
struct redis_pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_away;
	bool is_refused; /* the user may not read it */
	bool is_stuck;   /* answers wait until it isn't */
	unsigned stuck;  /* how many do */
	unsigned asked;
	int type;          /* of an answer */
	const char *value; /* NULL: "of KEY", and none of a key with a '-' */
	size_t length;
	char last[WORDS]; /* the command, a '|' behind each word */
};

static struct redis_pool redis = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

static struct redisReply *
make_reply(const struct redis_pool *pool, const char *key)
{
	struct redisReply *reply = calloc(1, sizeof(*reply));
	char value[WORDS];
	const char *said = value;
	size_t length;

	if (reply == NULL)
		abort();
	snprintf(value, sizeof(value), "of %s", key);
	length = strlen(value);
	reply->type = pool->type;
	if (pool->value != NULL) {
		said = pool->value;
		length = pool->length;
	} else if (strchr(key, '-') != NULL) {
		reply->type = REDIS_REPLY_NIL;
		return reply;
	}
	if (reply->type != REDIS_REPLY_STRING
	    && reply->type != REDIS_REPLY_ERROR)
		return reply;
	reply->str = malloc(length + 1);
	if (reply->str == NULL)
		abort();
	memcpy(reply->str, said, length);
	reply->str[length] = '\0';
	reply->len = length;
	return reply;
}

static void
note_command(struct redis_pool *pool, int count, const char *const *words,
    const size_t *lengths)
{
	size_t used = 0;

	pool->last[0] = '\0';
	for (int i = 0; i < count; i++)
		used += (size_t)snprintf(pool->last + used,
		    sizeof(pool->last) - used, "%.*s|", (int)lengths[i],
		    words[i]);
}

/* In the place of milter/io/redis_pool.c's. */
struct redisReply *
redis_pool_command(struct redis_pool *pool, const char *key, int count,
    const char *const *words, const size_t *lengths, bool *is_unsent_out,
    struct fault *fault)
{
	struct redisReply *reply = NULL;

	(void)is_unsent_out;
	pthread_mutex_lock(&pool->lock);
	pool->asked++;
	note_command(pool, count, words, lengths);
	if (count != 3 || strcmp(key, words[1]) != 0)
		abort();
	pool->stuck += pool->is_stuck;
	pthread_cond_broadcast(&pool->changed);
	while (pool->is_stuck)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (pool->is_away)
		fault_set(fault, FAULT_TEMPORARY, "redis: connection refused");
	else if (pool->is_refused)
		fault_set(fault, FAULT_PERMANENT, "redis: NOPERM");
	else
		reply = make_reply(pool, words[2]);
	pthread_mutex_unlock(&pool->lock);
	return reply;
}

static atomic_uint_fast64_t now_ms;

static uint64_t
test_clock(void *context)
{
	(void)context;
	return atomic_load(&now_ms);
}

static const struct map_source senders = { .kind = MAP_REDIS,
	.name = "senders" };
static const struct map_source others = { .kind = MAP_REDIS, .name = "others" };

static struct tables *
open_tables(size_t most)
{
	struct tables *tables = tables_open(most, &redis);

	assert_non_null(tables);
	tables_set_clock(tables, test_clock, NULL);
	atomic_store(&now_ms, 5000);
	redis.is_away = false;
	redis.is_refused = false;
	redis.type = REDIS_REPLY_STRING;
	redis.value = NULL;
	redis.asked = 0;
	return tables;
}

/* "VALUE", "(none)" or "fault: WORDS", and " stale" where it is. */
static void
look(struct tables *tables, const struct map_source *source, const char *key,
    char *got)
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	const char *value;
	struct arena arena;
	bool is_stale;

	arena_init(&arena, ARENA_BYTES);
	if (tables_find(
		tables, source, key, TTL_MS, &arena, &value, &is_stale, &fault))
		snprintf(got, WORDS, "%s%s", value != NULL ? value : "(none)",
		    is_stale ? " stale" : "");
	else
		snprintf(got, WORDS, "fault: %.150s", fault.words);
	arena_clear(&arena);
}

static void
want(const char *name, struct tables *tables, const struct map_source *source,
    const char *key, const char *wanted, unsigned asked)
{
	char got[WORDS];

	look(tables, source, key, got);
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted %s, got %s", name, wanted, got);
	if (redis.asked != asked)
		fail_msg("%s: wanted %u questions so far, got %u", name, asked,
		    redis.asked);
}

static void
answers_are_kept_for_a_while(void **state)
{
	struct tables *tables = open_tables(10);

	(void)state;
	want("first", tables, &senders, "a", "of a", 1);
	assert_string_equal(redis.last, "HGET|senders|a|");
	want("again", tables, &senders, "a", "of a", 1);
	want("none", tables, &senders, "a-b", "(none)", 2);
	want("none again", tables, &senders, "a-b", "(none)", 2);
	redis.value = "changed";
	redis.length = 7;
	want("another hash", tables, &others, "a", "changed", 3);
	assert_string_equal(redis.last, "HGET|others|a|");
	atomic_store(&now_ms, 5000 + TTL_MS - 1);
	want("not yet", tables, &senders, "a", "of a", 3);
	atomic_store(&now_ms, 5000 + TTL_MS);
	want("now", tables, &senders, "a", "changed", 4);
	want("now for none too", tables, &senders, "a-b", "changed", 5);
	redis.value = "";
	redis.length = 0;
	atomic_store(&now_ms, 5000 + 2 * TTL_MS);
	want("an empty one", tables, &senders, "a", "", 6);
	tables_close(&tables);
	assert_null(tables);
	tables_close(&tables);
}

static void
the_least_used_goes_first(void **state)
{
	struct tables *tables = open_tables(3);

	(void)state;
	want("a", tables, &senders, "a", "of a", 1);
	want("b", tables, &senders, "b", "of b", 2);
	want("c", tables, &senders, "c", "of c", 3);
	want("a is used", tables, &senders, "a", "of a", 3);
	want("d", tables, &senders, "d", "of d", 4);
	want("a stayed", tables, &senders, "a", "of a", 4);
	want("c stayed", tables, &senders, "c", "of c", 4);
	want("b went", tables, &senders, "b", "of b", 5);
	tables_close(&tables);
	tables = open_tables(1);
	want("one: a", tables, &senders, "a", "of a", 1);
	want("one: b", tables, &senders, "b", "of b", 2);
	want("one: b again", tables, &senders, "b", "of b", 2);
	want("one: a again", tables, &senders, "a", "of a", 3);
	tables_close(&tables);
	tables = open_tables(0);
	want("nothing is kept", tables, &senders, "a", "of a", 1);
	want("nothing was kept", tables, &senders, "a", "of a", 2);
	tables_close(&tables);
}

#define AWAY "fault: redis: connection refused"

static void
a_source_that_is_away_holds_on(void **state)
{
	struct tables *tables = open_tables(10);

	(void)state;
	want("a", tables, &senders, "a", "of a", 1);
	want("none", tables, &senders, "-", "(none)", 2);
	redis.is_away = true;
	want("fresh", tables, &senders, "a", "of a", 2);
	want("unknown", tables, &senders, "b", AWAY, 3);
	want("not asked at once", tables, &senders, "b", AWAY, 3);
	atomic_store(&now_ms, 7000);
	want("stale", tables, &senders, "a", "of a stale", 4);
	want("no second one asks", tables, &senders, "a", "of a stale", 4);
	want("none is stale too", tables, &senders, "-", "(none) stale", 4);
	want("another hash", tables, &others, "a", AWAY, 4);
	atomic_store(&now_ms, 7499);
	want("half a second", tables, &senders, "a", "of a stale", 4);
	atomic_store(&now_ms, 7500);
	want("is over", tables, &senders, "a", "of a stale", 5);
	redis.is_away = false;
	want("nobody knows that it is back", tables, &senders, "b", AWAY, 5);
	atomic_store(&now_ms, 8000);
	want("it is back", tables, &senders, "a", "of a", 6);
	want("for all", tables, &senders, "b", "of b", 7);
	atomic_store(&now_ms, 1000000);
	redis.is_away = true;
	want("however long ago", tables, &senders, "a", "of a stale", 8);
	tables_close(&tables);
}

/* Who may not read one hash may read another. */
static void
a_refused_hash_isnt_away(void **state)
{
	struct tables *tables = open_tables(10);

	(void)state;
	redis.is_refused = true;
	want("refused", tables, &senders, "a", "fault: redis: NOPERM", 1);
	want("asked anew", tables, &senders, "a", "fault: redis: NOPERM", 2);
	redis.is_refused = false;
	want("another hash", tables, &others, "a", "of a", 3);
	tables_close(&tables);
}

static void
what_is_forgotten_is_asked_anew(void **state)
{
	struct tables *tables = open_tables(10);

	(void)state;
	want("a", tables, &senders, "a", "of a", 1);
	redis.value = "changed";
	redis.length = 7;
	tables_forget(tables);
	want("anew", tables, &senders, "a", "changed", 2);
	want("and kept", tables, &senders, "a", "changed", 2);
	redis.is_away = true;
	tables_forget(tables);
	want("held on to", tables, &senders, "a", "changed stale", 3);
	tables_close(&tables);
}

static void
strange_answers_are_faults(void **state)
{
	static char large[64 * 1024 + 2];
	static const struct {
		const char *name;
		int type;
		const char *value;
		size_t length;
		const char *want;
	} cases[] = {
		{ "an error", REDIS_REPLY_ERROR, "WRONGTYPE no hash", 17,
		    "fault: redis hash senders: WRONGTYPE no hash" },
		{ "a number", REDIS_REPLY_INTEGER, "", 0,
		    "fault: redis hash senders: the answer to HGET is no "
		    "string; is it Redis?" },
		{ "a list", REDIS_REPLY_ARRAY, "", 0,
		    "fault: redis hash senders: the answer to HGET is no "
		    "string; is it Redis?" },
		{ "a NUL", REDIS_REPLY_STRING, "a\0b", 3,
		    "fault: redis hash senders: a value with a NUL in it" },
		{ "too long", REDIS_REPLY_STRING, large, 64 * 1024 + 1,
		    "fault: redis hash senders: a value of more than 64 KiB" },
	};
	struct tables *tables = open_tables(10);

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		redis.type = cases[i].type;
		redis.value = cases[i].value;
		redis.length = cases[i].length;
		want(cases[i].name, tables, &senders, "a", cases[i].want,
		    (unsigned)i + 1);
	}
	redis.type = REDIS_REPLY_STRING;
	redis.value = NULL;
	want("it isn't away for that", tables, &senders, "a", "of a", 6);
	redis.type = REDIS_REPLY_ERROR;
	redis.value = "ERR";
	redis.length = 3;
	atomic_store(&now_ms, 9000);
	want("what it said last", tables, &senders, "a", "of a stale", 7);
	tables_close(&tables);
}

static void
without_redis_nothing_is_asked(void **state)
{
	struct tables *tables = tables_open(10, NULL);

	(void)state;
	redis.asked = 0;
	want("no Redis", tables, &senders, "a",
	    "fault: redis hash senders: there is no Redis to ask; set "
	    "store.url",
	    0);
	tables_close(&tables);
}

static void
want_of_memory_is_told(void **state)
{
	struct tables *tables = open_tables(10);
	struct fault fault = { .kind = FAULT_NONE };
	struct arena none;
	const char *value;
	bool is_stale;

	(void)state;
	arena_init(&none, 0);
	assert_false(tables_find(
	    tables, &senders, "a", TTL_MS, &none, &value, &is_stale, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	want("a", tables, &senders, "a", "of a", 2);
	fault.kind = FAULT_NONE;
	assert_false(tables_find(
	    tables, &senders, "a", TTL_MS, &none, &value, &is_stale, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	assert_false(tables_find(
	    tables, &senders, "a", TTL_MS, &none, &value, &is_stale, NULL));
	arena_clear(&none);
	tables_close(&tables);
}

static void
put_in_lmdb(const char *path, const char *value)
{
	MDB_val key = { 3, (char[]){ 'k', 'e', 'y' } };
	char copy[WORDS];
	MDB_val data = { strlen(value), copy };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	snprintf(copy, sizeof(copy), "%s", value);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &data, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
files_are_sources_too(void **state)
{
	char path[] = "/tmp/postern-table-XXXXXX";
	int fd = mkstemp(path);
	struct map_source file = { .kind = MAP_LMDB, .name = path };
	struct map_source text = { .kind = MAP_TEXTHASH, .name = path };
	struct tables *tables = open_tables(10);
	struct map *map;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "key in text\n"), 12);
	close(fd);
	map = map_open(path, NULL);
	assert_non_null(map);
	text.map = map;
	want("a texthash", tables, &text, "key", "in text", 0);
	want("a texthash without it", tables, &text, "no", "(none)", 0);
	assert_int_equal(unlink(path), 0);
	put_in_lmdb(path, "one");
	want("LMDB", tables, &file, "key", "one", 0);
	want("a hash of that name", tables,
	    &(struct map_source){ .kind = MAP_REDIS, .name = path }, "key",
	    "of key", 1);
	put_in_lmdb(path, "two");
	want("LMDB, kept", tables, &file, "key", "one", 1);
	atomic_store(&now_ms, 5000 + TTL_MS);
	want("LMDB, later", tables, &file, "key", "two", 1);
	assert_int_equal(unlink(path), 0);
	atomic_store(&now_ms, 5000 + 2 * TTL_MS);
	want("LMDB, gone", tables, &file, "key", "two stale", 1);
	put_in_lmdb(path, "three");
	want("LMDB, back", tables, &file, "key", "three", 1);
	assert_int_equal(unlink(path), 0);
	map_close(&map);
	tables_close(&tables);
}

static void *
look_for_a(void *context)
{
	static char got[WORDS];

	look(context, &senders, "a", got);
	return got;
}

/* While one waits for a Redis that was away, no other does. */
static void
one_waits_for_all(void **state)
{
	struct tables *tables = open_tables(10);
	pthread_t thread;
	void *got;

	(void)state;
	want("a", tables, &senders, "a", "of a", 1);
	redis.is_away = true;
	want("b", tables, &senders, "b", AWAY, 2);
	atomic_store(&now_ms, 9000);
	pthread_mutex_lock(&redis.lock);
	redis.is_stuck = true;
	redis.stuck = 0;
	pthread_mutex_unlock(&redis.lock);
	assert_int_equal(pthread_create(&thread, NULL, look_for_a, tables), 0);
	pthread_mutex_lock(&redis.lock);
	while (redis.stuck == 0)
		pthread_cond_wait(&redis.changed, &redis.lock);
	pthread_mutex_unlock(&redis.lock);
	want("others go on", tables, &senders, "a", "of a stale", 3);
	want("others are told", tables, &senders, "b", AWAY, 3);
	pthread_mutex_lock(&redis.lock);
	redis.is_stuck = false;
	redis.is_away = false;
	pthread_cond_broadcast(&redis.changed);
	pthread_mutex_unlock(&redis.lock);
	assert_int_equal(pthread_join(thread, &got), 0);
	assert_string_equal(got, "of a");
	want("it is back", tables, &senders, "b", "of b", 4);
	tables_close(&tables);
}

/* What was asked before all was forgotten is no news after it. */
static void
an_answer_of_before_is_not_fresh(void **state)
{
	struct tables *tables = open_tables(10);
	pthread_t thread;

	(void)state;
	pthread_mutex_lock(&redis.lock);
	redis.is_stuck = true;
	redis.stuck = 0;
	pthread_mutex_unlock(&redis.lock);
	assert_int_equal(pthread_create(&thread, NULL, look_for_a, tables), 0);
	pthread_mutex_lock(&redis.lock);
	while (redis.stuck == 0)
		pthread_cond_wait(&redis.changed, &redis.lock);
	pthread_mutex_unlock(&redis.lock);
	tables_forget(tables);
	pthread_mutex_lock(&redis.lock);
	redis.is_stuck = false;
	pthread_cond_broadcast(&redis.changed);
	pthread_mutex_unlock(&redis.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	want("asked anew", tables, &senders, "a", "of a", 2);
	want("kept", tables, &senders, "a", "of a", 2);
	tables_close(&tables);
}

struct crowd {
	struct tables *tables;
	unsigned seed;
	unsigned wrong;
};

static void *
look_for_many(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < ANSWERS; i++) {
		char key[32];
		char wanted[64];
		char got[WORDS];

		crowd->seed = crowd->seed * 1103515245U + 12345U;
		snprintf(key, sizeof(key), "key%u", crowd->seed >> 16 & 31);
		snprintf(wanted, sizeof(wanted), "of %s", key);
		look(crowd->tables, &senders, key, got);
		crowd->wrong += strcmp(wanted, got) != 0;
		if (i % 100 == 0)
			tables_forget(crowd->tables);
		atomic_fetch_add(&now_ms, 1);
	}
	return NULL;
}

static void
many_may_ask_at_once(void **state)
{
	struct tables *tables = open_tables(20);
	struct crowd crowds[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){ .tables = tables, .seed = i };
		assert_int_equal(pthread_create(&threads[i], NULL,
				     look_for_many, &crowds[i]),
		    0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(crowds[i].wrong, 0);
	}
	tables_close(&tables);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_kept_for_a_while),
		cmocka_unit_test(the_least_used_goes_first),
		cmocka_unit_test(a_source_that_is_away_holds_on),
		cmocka_unit_test(a_refused_hash_isnt_away),
		cmocka_unit_test(what_is_forgotten_is_asked_anew),
		cmocka_unit_test(strange_answers_are_faults),
		cmocka_unit_test(without_redis_nothing_is_asked),
		cmocka_unit_test(want_of_memory_is_told),
		cmocka_unit_test(files_are_sources_too),
		cmocka_unit_test(one_waits_for_all),
		cmocka_unit_test(an_answer_of_before_is_not_fresh),
		cmocka_unit_test(many_may_ask_at_once),
	};

	return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
