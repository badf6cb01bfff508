#include "milter/io/store_redis_call.h"

#include "milter/io/clock.h"
#include "milter/io/redis_pool.h"
#include "milter/io/store_redis_lua.h"
#include "milter/io/store_redis_value.h"

#include <endian.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_BYTES = 512, /* what words get room for at first */
	/* Of an answer: status, whether fields are to be sent, time. */
	STATUS_OCTETS = 10,
	STATUS_DONE = 0,
	STATUS_LATE,
	STATUS_DAMAGED,
	STATUS_MANY,
	STATUS_BLIND,
	/* What the two clocks may drift apart between two calls. */
	MARGIN_MS = 5,
};

static bool
make_room(void **space, size_t *room, size_t wanted, size_t size)
{
	size_t most = *room > 0 ? *room : FIRST_BYTES / size;
	void *grown;

	if (wanted <= *room)
		return true;

	while (most < wanted)
		most *= 2;
	grown = realloc(*space, most * size);
	if (grown == NULL)
		return false;
	*space = grown;
	*room = most;
	return true;
}

void
redis_words_begin(struct redis_words *words)
{
	void *starts = words->starts;

	if (!make_room(&starts, &words->starts_room, words->count + 2,
		sizeof(*words->starts))) {
		words->has_failed = true;
		return;
	}
	words->starts = starts;
	words->starts[words->count++] = words->used;
	words->starts[words->count] = words->used;
}

void
redis_words_add(struct redis_words *words, const char *data, size_t length)
{
	void *octets = words->octets;

	if (words->has_failed || length == 0)
		return;
	if (!make_room(&octets, &words->room, words->used + length, 1)) {
		words->has_failed = true;
		return;
	}
	words->octets = octets;
	memcpy(words->octets + words->used, data, length);
	words->used += length;
	words->starts[words->count] = words->used;
}

void
redis_words_clear(struct redis_words *words)
{
	free(words->octets);
	free(words->starts);
	memset(words, 0, sizeof(*words));
}

void
redis_call_init(struct redis_call *call, enum redis_op op)
{
	memset(call, 0, sizeof(*call));
	call->op = op;
	call->has_control = true;
	redis_words_begin(&call->rooms);
	redis_words_begin(&call->parts);
}

void
redis_call_clear(struct redis_call *call)
{
	redis_words_clear(&call->keys);
	redis_words_clear(&call->values);
	redis_words_clear(&call->rooms);
	redis_words_clear(&call->parts);
}

void
redis_call_put_room(struct redis_call *call, uint64_t number)
{
	char space[8];

	store_redis_put_number(space, number);
	redis_words_add(&call->rooms, space, sizeof space);
}

void
redis_call_put(struct redis_call *call, uint64_t number, size_t octets)
{
	uint64_t little = htole64(number);
	char space[8];

	memcpy(space, &little, sizeof space);
	redis_words_add(&call->parts, space, octets);
}

void
redis_call_put_double(struct redis_call *call, uint64_t number)
{
	char space[8];

	store_redis_put_number(space, number);
	redis_words_add(&call->parts, space, sizeof space);
}

void
redis_call_put_max(struct redis_call *call, uint64_t max)
{
	char space[8];

	store_redis_put_max(space, max);
	redis_words_add(&call->parts, space, sizeof space);
}

bool
redis_call_asks(struct store_redis *redis)
{
	bool asks;

	(void)pthread_mutex_lock(&redis->lock);
	asks = redis->asks;
	(void)pthread_mutex_unlock(&redis->lock);
	return asks;
}

/* The time until which a call that begins now may be carried out, and the
 * latest time that the store has given. */
static void
reckon(struct store_redis *redis, uint64_t begun_ms, uint64_t *not_after_out,
    uint64_t *seen_out)
{
	(void)pthread_mutex_lock(&redis->lock);
	*not_after_out = redis->has_time
	    ? (uint64_t)((int64_t)begun_ms + redis->offset_ms)
		+ redis_pool_timeout_ms(redis->pool) + MARGIN_MS
	    : UINT64_MAX;
	*seen_out = redis->seen_ms;
	(void)pthread_mutex_unlock(&redis->lock);
	if (redis->clock_ms != NULL)
		*not_after_out = UINT64_MAX;
}

/* The server's clock said now_ms at some moment between begun_ms and here:
 * what is known of it is brought within that. */
static void
learn(struct store_redis *redis, const struct redis_call *call,
    uint64_t begun_ms, const struct redis_result *result)
{
	uint64_t now_ms = result->now_ms;
	int64_t most = (int64_t)now_ms - (int64_t)begun_ms;
	int64_t least = (int64_t)now_ms - (int64_t)clock_monotonic_ms();

	(void)pthread_mutex_lock(&redis->lock);
	if (!redis->has_time || redis->offset_ms > most)
		redis->offset_ms = most;
	else if (redis->offset_ms < least)
		redis->offset_ms = least;
	redis->has_time = true;
	redis->asks = result->head[1] != 0;
	redis->has_written = redis->has_written || !call->is_look;
	if (redis->seen_ms < now_ms)
		redis->seen_ms = now_ms;
	(void)pthread_mutex_unlock(&redis->lock);
}

/* The packed numbers of a call: its head, then its parts. */
static void
put_head(struct redis_call *head, struct store_redis *redis,
    const struct redis_call *call, uint64_t begun_ms)
{
	uint64_t not_after;
	uint64_t seen;

	reckon(redis, begun_ms, &not_after, &seen);
	redis_call_put(head, call->op, 1);
	redis_call_put(head, call->is_look ? 1 : 0, 1);
	redis_call_put_max(head, not_after);
	redis_call_put_double(head,
	    redis->clock_ms != NULL ? redis->clock_ms(redis->context) : 0);
	redis_call_put_double(head, seen);
	redis_call_put(head, call->windows, 2);
	redis_call_put(head, call->fields, 2);
	redis_words_add(&head->parts, call->rooms.octets, call->rooms.used);
	redis_call_put(head, call->charges, 2);
	redis_call_put(head, call->looks, 2);
	redis_call_put(head, call->sets, 2);
	redis_words_add(&head->parts, call->parts.octets, call->parts.used);
}

/* A whole command as the pool takes it. */
struct command {
	const char **words;
	size_t *lengths;
	size_t count;
};

static void
add_word(struct command *command, const char *word, size_t length)
{
	command->words[command->count] = word;
	command->lengths[command->count++] = length;
}

static void
add_words(struct command *command, const struct redis_words *words)
{
	for (size_t i = 0; i < words->count; i++)
		add_word(command,
		    words->octets != NULL ? words->octets + words->starts[i]
					  : "",
		    words->starts[i + 1] - words->starts[i]);
}

static bool
is_error(const redisReply *reply, const char *begin)
{
	return reply->type == REDIS_REPLY_ERROR
	    && strncmp(reply->str, begin, strlen(begin)) == 0;
}

/* Send it by the script's digest; as a whole if the server hasn't got it. */
static redisReply *
send_command(
    struct store_redis *redis, struct command *command, struct fault *fault)
{
	redisReply *reply = redis_pool_command(redis->pool, redis->control,
	    (int)command->count, command->words, command->lengths, NULL, fault);

	if (reply == NULL || !is_error(reply, "NOSCRIPT"))
		return reply;
	freeReplyObject(reply);
	command->words[0] = "EVAL";
	command->lengths[0] = 4;
	command->words[1] = store_redis_lua;
	command->lengths[1] = sizeof store_redis_lua - 1;
	return redis_pool_command(redis->pool, redis->control,
	    (int)command->count, command->words, command->lengths, NULL, fault);
}

/* NULL with words. */
static redisReply *
ask_once(struct store_redis *redis, const struct redis_call *call,
    uint64_t begun_ms, struct fault *fault)
{
	size_t most = 6 + call->keys.count + call->values.count;
	struct redis_call head;
	struct command command = { .words =
				       calloc(most, sizeof(*command.words)),
		.lengths = calloc(most, sizeof(*command.lengths)) };
	char key_count[24];
	redisReply *reply = NULL;

	redis_call_init(&head, call->op);
	put_head(&head, redis, call, begun_ms);
	if (command.words == NULL || command.lengths == NULL
	    || head.parts.has_failed || call->keys.has_failed
	    || call->values.has_failed || call->rooms.has_failed
	    || call->parts.has_failed) {
		fault_memory(fault);
	} else {
		int length = snprintf(key_count, sizeof key_count, "%zu",
		    1 + call->keys.count + (call->has_control ? 1U : 0U));

		add_word(&command, "EVALSHA", 7);
		add_word(&command, redis->sha, sizeof redis->sha - 1);
		add_word(&command, key_count, (size_t)length);
		add_word(&command, redis->clock, strlen(redis->clock));
		add_words(&command, &call->keys);
		if (call->has_control)
			add_word(
			    &command, redis->control, strlen(redis->control));
		add_word(&command, head.parts.octets, head.parts.used);
		add_words(&command, &call->values);
		reply = send_command(redis, &command, fault);
	}
	redis_call_clear(&head);
	free(command.words);
	free(command.lengths);
	return reply;
}

/* What Redis answered instead of doing it. That it has no memory or can't
 * write, is busy or doesn't let us is a state of the whole store. */
static void
set_error(
    struct store_redis *redis, const redisReply *reply, struct fault *fault)
{
	fault_set(fault, FAULT_TEMPORARY, "%s: %s", redis->name,
	    reply->type == REDIS_REPLY_ERROR ? reply->str
					     : "an answer of another kind");
}

static bool
read_head(const redisReply *reply, struct redis_result *result)
{
	const redisReply *head = reply;

	result->is_full = reply->type == REDIS_REPLY_ARRAY;
	if (result->is_full)
		head = reply->elements == 4 ? reply->element[0] : NULL;
	if (head == NULL || head->type != REDIS_REPLY_STRING
	    || head->len < STATUS_OCTETS
	    || !store_redis_get_number(head->str + 2, &result->now_ms))
		return false;
	result->head = head->str;
	result->head_length = (size_t)head->len;
	return true;
}

/* Somebody's data lies where a window belongs. To count from nothing would
 * overwrite it, and let a key begin anew that may be at its limit. */
static void
set_damaged(struct store_redis *redis, const struct redis_call *call,
    const struct redis_result *result, struct fault *fault)
{
	size_t i = 0;

	if (result->head_length >= STATUS_OCTETS + 2)
		i = (size_t)((unsigned char)result->head[STATUS_OCTETS]
		    | (unsigned char)result->head[STATUS_OCTETS + 1] << 8);
	if (i < 1 || i > call->windows)
		fault_set(fault, FAULT_PERMANENT, "%s: damaged", redis->name);
	else
		fault_set(fault, FAULT_PERMANENT,
		    "%s: \"%.*s\" holds what this version didn't write: "
		    "delete it",
		    redis->name,
		    (int)(call->keys.starts[i] - call->keys.starts[i - 1]),
		    call->keys.octets + call->keys.starts[i - 1]);
}

bool
redis_call_run(struct store_redis *redis, const struct redis_call *call,
    struct redis_result *result_out, struct fault *fault)
{
	uint64_t begun_ms = clock_monotonic_ms();
	uint64_t till_ms = begun_ms + redis_pool_timeout_ms(redis->pool) / 2;
	int status = STATUS_LATE;

	memset(result_out, 0, sizeof(*result_out));
	for (int tries = 0; tries < 2 && status == STATUS_LATE
	     && (tries == 0 || begun_ms <= till_ms);
	     tries++) {
		redisReply *reply = ask_once(redis, call, begun_ms, fault);

		redis_result_clear(result_out);
		if (reply == NULL)
			return false;
		result_out->reply = reply;
		if (!read_head(reply, result_out)) {
			set_error(redis, reply, fault);
			redis_result_clear(result_out);
			return false;
		}
		status = (unsigned char)result_out->head[0];
		learn(redis, call, begun_ms, result_out);
		begun_ms = clock_monotonic_ms();
	}
	if (status == STATUS_DAMAGED)
		set_damaged(redis, call, result_out, fault);
	else if (status == STATUS_LATE)
		fault_set(fault, FAULT_TEMPORARY, "%s: it was asked too late",
		    redis->name);
	if (status == STATUS_DAMAGED || status == STATUS_LATE) {
		redis_result_clear(result_out);
		return false;
	}
	result_out->is_many = status == STATUS_MANY;
	result_out->is_blind = status == STATUS_BLIND;
	result_out->head += STATUS_OCTETS;
	result_out->head_length -= STATUS_OCTETS;
	return true;
}

void
redis_result_clear(struct redis_result *result)
{
	if (result->reply != NULL)
		freeReplyObject(result->reply);
	memset(result, 0, sizeof(*result));
}

redisReply *
redis_command(struct store_redis *redis, int count, const char *const *words,
    const size_t *lengths, struct fault *fault)
{
	redisReply *reply = redis_pool_command(
	    redis->pool, redis->control, count, words, lengths, NULL, fault);

	if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
		set_error(redis, reply, fault);
		freeReplyObject(reply);
		reply = NULL;
	}
	return reply;
}
