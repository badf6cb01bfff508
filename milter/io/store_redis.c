#include "milter/io/store_redis.h"

#include "milter/io/clock.h"
#include "milter/io/redis_pool.h"
#include "milter/io/store_redis_call.h"
#include "milter/io/store_redis_charge.h"
#include "milter/io/store_redis_list.h"
#include "milter/io/store_redis_lua.h"
#include "milter/io/store_redis_value.h"
#include "policy/text.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Have a call made that answers a number, and take it down. */
static bool
run_and_clear(struct store_redis *redis, struct redis_call *call,
    uint64_t *number_out, uint64_t *now_ms_out, bool *is_many_out,
    struct fault *fault)
{
	struct redis_result result;
	bool is_done = redis_call_run(redis, call, &result, fault);

	if (is_done && now_ms_out != NULL)
		*now_ms_out = result.now_ms;
	if (is_done && is_many_out != NULL)
		*is_many_out = result.is_many;
	if (number_out != NULL && result.head_length >= 8)
		(void)store_redis_get_number(result.head, number_out);
	redis_result_clear(&result);
	redis_call_clear(call);
	return is_done;
}

static bool
redis_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct redis_call call;

	redis_call_init(&call, REDIS_OP_ADD);
	for (size_t i = 0; i < count; i++) {
		size_t same = 0;
		bool is_first = true;

		for (size_t o = 0; o < count; o++) {
			bool is_same = strcmp(late[o].key, late[i].key) == 0
			    && strcmp(late[o].limit->name, late[i].limit->name)
				== 0;

			is_first = is_first && !(is_same && o < i);
			same += is_same;
		}
		if (!is_first)
			continue;
		store_redis_put_window(
		    redis, &call, late[i].limit, late[i].key, same);
		for (size_t o = i; o < count; o++)
			if (strcmp(late[o].key, late[i].key) == 0
			    && strcmp(late[o].limit->name, late[i].limit->name)
				== 0) {
				redis_call_put_double(&call, late[o].cost);
				redis_call_put_double(&call, late[o].age_ms);
			}
	}
	return run_and_clear(redis, &call, NULL, now_ms_out, NULL, fault);
}

static bool
redis_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct redis_call call;
	uint64_t removed = 0;

	redis_call_init(&call, REDIS_OP_RESET);
	store_redis_put_window(redis, &call, limit, key, 0);
	if (!run_and_clear(redis, &call, &removed, NULL, NULL, fault))
		return false;
	*was_there_out = removed > 0;
	return true;
}

/* A plain command: what charges cost then shows in Redis' own statistics. */
static bool
ask_epoch(struct store_redis *redis, uint64_t *epoch_out, bool *is_there_out,
    struct fault *fault)
{
	const char *words[] = { "HGET", redis->control, "epoch" };
	const size_t lengths[] = { 4, strlen(redis->control), 5 };
	redisReply *reply = redis_command(redis, 3, words, lengths, fault);
	bool is_good;

	if (reply == NULL)
		return false;
	*is_there_out = reply->type == REDIS_REPLY_STRING;
	is_good = *is_there_out || reply->type == REDIS_REPLY_NIL;
	if (!is_good)
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: an answer of another kind to HGET", redis->name);
	else if (*is_there_out)
		is_good = text_number(reply->str, 0, UINT64_MAX, epoch_out);
	freeReplyObject(reply);
	return is_good;
}

/* A store that was emptied has another epoch than it had, so that refusals
 * that rest on what it counted are forgotten: hence not only the second. */
static bool
begin_epoch(struct store_redis *redis, struct fault *fault)
{
	uint64_t now =
	    clock_unix_s() * 1000000 + clock_monotonic_us() % 1000000;
	char digits[24];
	const char *words[] = { "HSETNX", redis->control, "epoch", digits };
	const size_t lengths[] = { 6, strlen(redis->control), 5,
		(size_t)snprintf(digits, sizeof digits, "%" PRIu64, now) };
	redisReply *reply = redis_command(redis, 4, words, lengths, fault);
	bool is_done = reply != NULL;

	if (is_done)
		freeReplyObject(reply);
	return is_done;
}

static bool
redis_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	bool is_there;

	if (!ask_epoch(redis, epoch_out, &is_there, fault))
		return false;
	return is_there
	    || (begin_epoch(redis, fault)
		&& ask_epoch(redis, epoch_out, &is_there, fault));
}

static void
put_field(struct redis_call *call, const char *limit_name, const char *key)
{
	redis_words_begin(&call->values);
	redis_words_add(&call->values, "o/", 2);
	redis_words_add(&call->values, limit_name, strlen(limit_name));
	redis_words_add(&call->values, "/", 1);
	redis_words_add(&call->values, key, strlen(key));
	call->fields = 1;
}

static bool
set_once(struct store_redis *redis, const struct store_override *override,
    bool *is_many_out, struct fault *fault)
{
	char value[STORE_REDIS_OVERRIDE_OCTETS];
	char most[24];
	struct redis_call call;
	int length = snprintf(most, sizeof most, "%d", (int)STORE_OVERRIDES);

	redis_call_init(&call, REDIS_OP_SET);
	put_field(&call, override->limit_name, override->key);
	redis_words_begin(&call.values);
	redis_words_add(
	    &call.values, value, store_redis_write_override(override, value));
	redis_words_begin(&call.values);
	redis_words_add(&call.values, most, (size_t)length);
	return run_and_clear(redis, &call, NULL, NULL, is_many_out, fault);
}

/* Those that have ended are removed when they are met, or when there is no
 * room for one more. */
static bool
redis_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	bool is_many = false;

	if (!set_once(redis, override, &is_many, fault))
		return false;
	if (!is_many)
		return true;
	if (!store_redis_tidy(redis, fault)
	    || !set_once(redis, override, &is_many, fault))
		return false;
	if (is_many)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: there are %d overrides already; take some back",
		    redis->name, (int)STORE_OVERRIDES);
	return !is_many;
}

static bool
redis_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct redis_call call;
	uint64_t removed = 0;

	redis_call_init(&call, REDIS_OP_UNSET);
	put_field(&call, limit_name, key);
	if (!run_and_clear(redis, &call, &removed, NULL, NULL, fault))
		return false;
	*was_there_out = removed > 0;
	return true;
}

static void
redis_tend(struct store *store)
{
	redis_pool_tend(((struct store_redis *)store)->pool);
}

/* Takes half-opened ones too. The times that were told to those who only
 * looked are written down, so that the next ones are no earlier. */
static void
redis_close(struct store *store)
{
	struct store_redis *redis = (struct store_redis *)store;
	uint64_t now_ms;

	if (redis->has_written)
		(void)redis_add(store, NULL, 0, &now_ms, NULL);

	redis_pool_close(&redis->pool);
	(void)pthread_mutex_destroy(&redis->lock);
	free(redis->name);
	free(redis->prefix);
	free(redis->control);
	free(redis->clock);
	free(redis);
}

static const struct store_class redis_class = {
	.charge = store_redis_charge,
	.refund = store_redis_refund,
	.add = redis_add,
	.reset = redis_reset,
	.epoch = redis_epoch,
	.set = redis_set,
	.unset = redis_unset,
	.overrides = store_redis_overrides,
	.counts = store_redis_counts,
	.tend = redis_tend,
	.close = redis_close,
};

/* Redis calls a script by this. */
static bool
digest_script(char sha[41])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length = 0;

	if (EVP_Digest(store_redis_lua, sizeof store_redis_lua - 1, digest,
		&length, EVP_sha1(), NULL)
		!= 1
	    || length != 20)
		return false;
	for (size_t i = 0; i < length; i++)
		(void)snprintf(sha + 2 * i, 3, "%02x", digest[i]);
	return true;
}

static bool
name_things(struct store_redis *redis, const char *prefix)
{
	if (asprintf(&redis->prefix, "{%s}:", prefix) < 0)
		redis->prefix = NULL;
	if (asprintf(&redis->control, "{%s}:c", prefix) < 0)
		redis->control = NULL;
	if (asprintf(&redis->clock, "{%s}:t", prefix) < 0)
		redis->clock = NULL;
	redis->name = strdup(redis_pool_name(redis->pool));
	redis->store.name = redis->name;
	return redis->prefix != NULL && redis->control != NULL
	    && redis->clock != NULL && redis->name != NULL;
}

struct store *
store_redis_open(
    struct redis_pool *pool, const char *prefix, struct fault *fault)
{
	struct store_redis *redis = calloc(1, sizeof(*redis));
	uint64_t now_ms;

	if (redis == NULL || pthread_mutex_init(&redis->lock, NULL) != 0) {
		free(redis);
		redis_pool_close(&pool);
		fault_memory(fault);
		return NULL;
	}
	redis->pool = pool;
	redis->asks = true;
	redis->store.class = &redis_class;
	if (!name_things(redis, prefix))
		fault_memory(fault);
	else if (!digest_script(redis->sha))
		fault_set(fault, FAULT_PERMANENT,
		    "%s: libcrypto has no SHA-1, by which Redis calls scripts",
		    redis->name);
	else if (store_redis_now(redis, &now_ms, fault))
		return &redis->store;
	redis_close(&redis->store);
	return NULL;
}

void
store_redis_set_clock(
    struct store *store, uint64_t (*clock_ms)(void *context), void *context)
{
	struct store_redis *redis = (struct store_redis *)store;

	assert(store->class == &redis_class);
	redis->clock_ms = clock_ms;
	redis->context = context;
	redis->seen_ms = 0;
}
