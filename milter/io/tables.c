#include "milter/io/tables.h"

#include "milter/io/clock.h"
#include "milter/io/redis_pool.h"
#include "milter/io/tables_away.h"
#include "milter/io/tables_lmdb.h"
#include "milter/io/tables_socketmap.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* How long a socketmap server may take: there may be a database behind it. */
enum { SOCKETMAP_MS = 2000, SOCKETMAP_IDLE_MS = 10000 };

/* Of a listing in Redis. A value may be large, and a page is in memory at once.
 * Even of a hash that has shrunk from millions there are fewer pages. */
#define PAGE_ENTRIES "50"
enum { PAGES_MOST = 10 * 1000 * 1000, CURSOR_BYTES = 24 };

/* Redis, among the servers that may be away; a socket has a ':'. */
static const char redis_server[] = "redis";

/* What a source said of one key. */
struct answer {
	TAILQ_ENTRY(answer) used; /* in order of use */
	enum map_kind kind;
	const char *socket; /* "" where the source has none */
	const char *name;
	const char *key;
	char *value; /* NULL: it has none */
	uint64_t asked_ms;
	uint64_t round; /* tables->round when it was asked */
	char texts[];   /* socket, name and key */
};

TAILQ_HEAD(answer_list, answer);

/* A tree, not a hash table: keys come from outside, and no choice of them makes
 * a balanced tree slow. */
struct tables {
	pthread_mutex_t lock;    /* of all below; never held while a source is
				    asked */
	void *tree;              /* tsearch(3) */
	struct answer_list list; /* the last used first */
	size_t count;
	size_t most;
	uint64_t round; /* how often all was forgotten */
	struct tables_away *away;
	struct tables_socketmap *sockets;
	struct redis_pool *redis;
	uint64_t (*clock_ms)(void *context);
	void *context;
};

static uint64_t
system_clock_ms(void *context)
{
	(void)context;
	return clock_monotonic_ms();
}

struct tables *
tables_open(size_t answers_max, struct redis_pool *redis)
{
	struct tables *tables = calloc(1, sizeof(*tables));

	if (tables == NULL)
		return NULL;
	tables->away = tables_away_open();
	tables->sockets = tables_socketmap_open(SOCKETMAP_MS);
	if (tables->away == NULL || tables->sockets == NULL
	    || pthread_mutex_init(&tables->lock, NULL) != 0) {
		tables_away_close(&tables->away);
		tables_socketmap_close(&tables->sockets);
		free(tables);
		return NULL;
	}
	TAILQ_INIT(&tables->list);
	tables->most = answers_max;
	tables->redis = redis;
	tables->clock_ms = system_clock_ms;
	return tables;
}

void
tables_set_clock(
    struct tables *tables, uint64_t (*clock_ms)(void *context), void *context)
{
	tables->clock_ms = clock_ms;
	tables->context = context;
}

static int
compare(const void *one, const void *other)
{
	const struct answer *first = one;
	const struct answer *second = other;
	int order = (first->kind > second->kind) - (first->kind < second->kind);

	if (order == 0)
		order = strcmp(first->key, second->key);
	if (order == 0)
		order = strcmp(first->name, second->name);
	if (order == 0)
		order = strcmp(first->socket, second->socket);
	return order;
}

static const char *
socket_of(const struct map_source *source)
{
	return source->socket != NULL ? source->socket : "";
}

static struct answer *
answer_find(
    struct tables *tables, const struct map_source *source, const char *key)
{
	struct answer wanted = { .kind = source->kind,
		.socket = socket_of(source),
		.name = source->name,
		.key = key };
	struct answer **found = tfind(&wanted, &tables->tree, compare);

	return found != NULL ? *found : NULL;
}

/* It may be a key (sign.key_map). */
static void
wipe_and_free(char *value)
{
	if (value != NULL)
		explicit_bzero(value, strlen(value));
	free(value);
}

static void
answer_remove(struct tables *tables, struct answer *answer)
{
	(void)tdelete(answer, &tables->tree, compare);
	TAILQ_REMOVE(&tables->list, answer, used);
	tables->count--;
	wipe_and_free(answer->value);
	free(answer);
}

/* Room for an answer that isn't there. NULL for want of memory: then it isn't
 * kept. */
static struct answer *
answer_add(
    struct tables *tables, const struct map_source *source, const char *key)
{
	size_t socket_bytes = strlen(socket_of(source)) + 1;
	size_t name_bytes = strlen(source->name) + 1;
	size_t key_bytes = strlen(key) + 1;
	struct answer *answer;

	if (tables->most == 0)
		return NULL;
	answer =
	    calloc(1, sizeof(*answer) + socket_bytes + name_bytes + key_bytes);
	if (answer == NULL)
		return NULL;
	answer->kind = source->kind;
	answer->socket = memcpy(answer->texts, socket_of(source), socket_bytes);
	answer->name =
	    memcpy(answer->texts + socket_bytes, source->name, name_bytes);
	answer->key =
	    memcpy(answer->texts + socket_bytes + name_bytes, key, key_bytes);
	if (tsearch(answer, &tables->tree, compare) == NULL) {
		free(answer);
		return NULL;
	}
	if (tables->count >= tables->most)
		answer_remove(tables, TAILQ_LAST(&tables->list, answer_list));
	TAILQ_INSERT_HEAD(&tables->list, answer, used);
	tables->count++;
	return answer;
}

/* What one question is about, and what is known of it so far. */
struct question {
	const struct map_source *source;
	const char *key;
	struct arena *arena;
	uint64_t now_ms;
	uint64_t round;
	bool is_known; /* something was said, however long ago */
	const char *value;
};

/* Somebody else may have asked after our clock was read. */
static uint64_t
age_of(const struct answer *answer, uint64_t now_ms)
{
	return now_ms > answer->asked_ms ? now_ms - answer->asked_ms : 0;
}

/* See what is kept. *is_fresh_out: it need not be asked again. False only for
 * want of memory. */
static bool
recall(struct tables *tables, struct question *question, uint64_t ttl_ms,
    bool *is_fresh_out)
{
	struct answer *answer;
	bool is_good = true;

	*is_fresh_out = false;
	pthread_mutex_lock(&tables->lock);
	question->round = tables->round;
	answer = answer_find(tables, question->source, question->key);
	if (answer != NULL) {
		TAILQ_REMOVE(&tables->list, answer, used);
		TAILQ_INSERT_HEAD(&tables->list, answer, used);
		question->is_known = true;
		question->value = arena_strdup(question->arena, answer->value);
		is_good = answer->value == NULL || question->value != NULL;
		*is_fresh_out = answer->round == tables->round
		    && age_of(answer, question->now_ms) < ttl_ms;
	}
	pthread_mutex_unlock(&tables->lock);
	return is_good;
}

/* Keep what was said, unless a question that was asked later is answered
 * already. Without memory it merely isn't kept. */
static void
keep(struct tables *tables, const struct question *question, const char *value)
{
	char *copy = value != NULL ? strdup(value) : NULL;
	struct answer *answer;

	if (value != NULL && copy == NULL)
		return;
	pthread_mutex_lock(&tables->lock);
	answer = answer_find(tables, question->source, question->key);
	if (answer == NULL)
		answer = answer_add(tables, question->source, question->key);
	if (answer != NULL && answer->round <= question->round
	    && answer->asked_ms <= question->now_ms) {
		wipe_and_free(answer->value);
		answer->value = copy;
		answer->asked_ms = question->now_ms;
		answer->round = question->round;
		copy = NULL;
	}
	pthread_mutex_unlock(&tables->lock);
	wipe_and_free(copy);
}

/* A fault with the name of the hash before its words. */
static bool
complain(
    const struct map_source *source, struct fault *fault, const char *words)
{
	fault_set(
	    fault, FAULT_TEMPORARY, "redis hash %s: %s", source->name, words);
	return false;
}

static bool
has_redis(const struct tables *tables, const struct map_source *source,
    struct fault *fault)
{
	return tables->redis != NULL
	    || complain(
		source, fault, "there is no Redis to ask; set store.url");
}

static void
wipe_reply(struct redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING)
		explicit_bzero(reply->str, reply->len);
}

/* What is wrong with a value; NULL: nothing. */
static const char *
trouble_of(const struct redisReply *reply)
{
	if (reply->len > TABLES_VALUE_BYTES)
		return "a value of more than 64 KiB";
	if (memchr(reply->str, '\0', reply->len) != NULL)
		return "a value with a NUL in it";
	return NULL;
}

static bool
read_reply(const struct redisReply *reply, const struct question *question,
    const char **value_out, struct fault *fault)
{
	if (reply->type == REDIS_REPLY_NIL)
		return true;
	if (reply->type == REDIS_REPLY_ERROR)
		return complain(question->source, fault, reply->str);
	if (reply->type != REDIS_REPLY_STRING)
		return complain(question->source, fault,
		    "the answer to HGET is no string; is it Redis?");
	if (trouble_of(reply) != NULL)
		return complain(question->source, fault, trouble_of(reply));
	*value_out = arena_copy(question->arena, reply->str, reply->len);
	if (*value_out == NULL)
		fault_memory(fault);
	return *value_out != NULL;
}

static bool
ask_redis(struct tables *tables, const struct question *question,
    const char **value_out, struct fault *fault)
{
	const char *name = question->source->name;
	const char *words[] = { "HGET", name, question->key };
	const size_t lengths[] = { 4, strlen(name), strlen(question->key) };
	struct redisReply *reply;
	bool is_asked;

	if (!has_redis(tables, question->source, fault))
		return false;
	if (!tables_away_may_ask(
		tables->away, redis_server, question->now_ms, fault))
		return false;
	reply = redis_pool_command(
	    tables->redis, name, 3, words, lengths, NULL, fault);
	/* A hash that the user may not read says nothing about the others. */
	tables_away_note(tables->away, redis_server,
	    reply == NULL && fault->kind == FAULT_TEMPORARY,
	    tables->clock_ms(tables->context), fault);
	if (reply == NULL)
		return false;
	is_asked = read_reply(reply, question, value_out, fault);
	wipe_reply(reply);
	freeReplyObject(reply);
	return is_asked;
}

static bool
ask_socketmap(struct tables *tables, const struct question *question,
    const char **value_out, struct fault *fault)
{
	const struct map_source *source = question->source;
	bool is_asked;
	bool is_away;

	if (!tables_socketmap_is_key(question->key))
		return true; /* and nobody knows whether the server is back */
	if (!tables_away_may_ask(
		tables->away, source->socket, question->now_ms, fault))
		return false;
	is_asked = tables_socketmap_find(tables->sockets, source, question->key,
	    question->arena, value_out, &is_away, fault);
	tables_away_note(tables->away, source->socket, is_away,
	    tables->clock_ms(tables->context), fault);
	return is_asked;
}

static bool
ask(struct tables *tables, const struct question *question,
    const char **value_out, struct fault *fault)
{
	const struct map_source *source = question->source;

	switch (source->kind) {
	case MAP_LMDB:
		return tables_lmdb_find(source->name, question->key,
		    question->arena, value_out, fault);
	case MAP_REDIS:
		return ask_redis(tables, question, value_out, fault);
	case MAP_SOCKETMAP:
		return ask_socketmap(tables, question, value_out, fault);
	case MAP_TEXTHASH:
		break;
	}
	assert(false); /* it is never asked for */
	return false;
}

/* A texthash is part of the configuration, and never stale. */
static bool
find_in_file(const struct map_source *source, const char *key,
    struct arena *arena, const char **value_out, struct fault *fault)
{
	const char *value = map_find(source->map, key);

	*value_out = arena_strdup(arena, value);
	if (value == NULL || *value_out != NULL)
		return true;
	fault_memory(fault);
	return false;
}

bool
tables_find(struct tables *tables, const struct map_source *source,
    const char *key, uint64_t ttl_ms, struct arena *arena,
    const char **value_out, bool *is_stale_out, struct fault *fault)
{
	struct question question = { .source = source,
		.key = key,
		.arena = arena,
		.now_ms = tables->clock_ms(tables->context) };
	struct fault own = { .kind = FAULT_NONE };
	bool is_fresh;

	*value_out = NULL;
	*is_stale_out = false;
	if (source->kind == MAP_TEXTHASH)
		return find_in_file(source, key, arena, value_out, fault);
	if (!recall(tables, &question, ttl_ms, &is_fresh)) {
		fault_memory(fault);
		return false;
	}
	if (!is_fresh && ask(tables, &question, value_out, &own)) {
		keep(tables, &question, *value_out);
		return true;
	}
	*value_out = question.value;
	*is_stale_out = !is_fresh;
	if (question.is_known)
		return true;
	if (fault != NULL)
		*fault = own;
	return false;
}

/* ---- all of a source ---------------------------------------------------- */

/* A listing under way. */
struct listing {
	const struct map_source *source;
	bool (*take)(void *context, const struct table_entry *entry);
	void *context;
	bool is_over; /* no more is wanted */
	struct fault *fault;
};

static bool
take_text(void *context, const char *key, const char *value)
{
	struct listing *listing = context;
	const struct table_entry entry = { .key = key, .value = value };

	return listing->take(listing->context, &entry);
}

/* Give one page of HSCAN: fields, each with its value behind it. */
static bool
give_page(struct listing *listing, const struct redisReply *page)
{
	if (page->type != REDIS_REPLY_ARRAY || page->elements % 2 != 0)
		return false;
	for (size_t i = 0; i < page->elements && !listing->is_over; i += 2) {
		const struct redisReply *field = page->element[i];
		const struct redisReply *value = page->element[i + 1];
		struct table_entry entry = { .key = field->str };

		if (field->type != REDIS_REPLY_STRING
		    || value->type != REDIS_REPLY_STRING)
			return false;
		/* Nobody asks for one with a NUL in it. */
		if (strlen(field->str) != field->len)
			continue;
		entry.trouble = trouble_of(value);
		if (entry.trouble == NULL)
			entry.value = value->str;
		listing->is_over = !listing->take(listing->context, &entry);
	}
	return true;
}

static void
wipe_page(struct redisReply *reply)
{
	struct redisReply *page;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return;
	page = reply->element[1];
	if (page->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < page->elements; i++)
			wipe_reply(page->element[i]);
}

/* An answer to HSCAN: where to go on, and entries. */
static bool
read_page(struct listing *listing, const struct redisReply *reply,
    char cursor[CURSOR_BYTES])
{
	static const char words[] =
	    "the answer to HSCAN is no list; is it Redis?";
	const struct redisReply *next;

	if (reply->type == REDIS_REPLY_ERROR)
		return complain(listing->source, listing->fault, reply->str);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return complain(listing->source, listing->fault, words);
	next = reply->element[0];
	if (next->type != REDIS_REPLY_STRING || next->len >= CURSOR_BYTES
	    || next->len == 0 || !give_page(listing, reply->element[1]))
		return complain(listing->source, listing->fault, words);
	memcpy(cursor, next->str, next->len);
	cursor[next->len] = '\0';
	return true;
}

/* One of the hash's keys decides the cluster's node, as for any other command;
 * a cursor is good at whatever node has the hash by then, though one that has
 * just taken it over may pass over some. */
static bool
each_in_redis(struct tables *tables, struct listing *listing)
{
	const char *name = listing->source->name;
	char cursor[CURSOR_BYTES] = "0";
	struct redisReply *reply;
	bool is_read = true;

	if (!has_redis(tables, listing->source, listing->fault))
		return false;
	for (size_t i = 0; i < PAGES_MOST && is_read; i++) {
		const char *words[] = { "HSCAN", name, cursor, "COUNT",
			PAGE_ENTRIES };
		const size_t lengths[] = { 5, strlen(name), strlen(cursor), 5,
			strlen(PAGE_ENTRIES) };

		reply = redis_pool_command(tables->redis, name, 5, words,
		    lengths, NULL, listing->fault);
		if (reply == NULL)
			return false;
		is_read = read_page(listing, reply, cursor);
		wipe_page(reply);
		freeReplyObject(reply);
		if (is_read && (listing->is_over || strcmp(cursor, "0") == 0))
			return true;
	}
	return is_read
	    ? complain(listing->source, listing->fault, "HSCAN doesn't end")
	    : false;
}

bool
tables_may_list(const struct map_source *source, struct fault *fault)
{
	if (source->kind != MAP_SOCKETMAP)
		return true;
	fault_set(fault, FAULT_PERMANENT,
	    "socketmap:%s:%s can't be listed: its protocol asks for one key at "
	    "a time",
	    source->socket, source->name);
	return false;
}

bool
tables_each(struct tables *tables, const struct map_source *source,
    bool (*take)(void *context, const struct table_entry *entry), void *context,
    struct fault *fault)
{
	struct listing listing = {
		.source = source,
		.take = take,
		.context = context,
		.fault = fault,
	};

	switch (source->kind) {
	case MAP_TEXTHASH:
		map_each(source->map, take_text, &listing);
		return true;
	case MAP_LMDB:
		return tables_lmdb_each(source->name, take, context, fault);
	case MAP_REDIS:
		return each_in_redis(tables, &listing);
	case MAP_SOCKETMAP:
		break;
	}
	return tables_may_list(source, fault);
}

void
tables_forget(struct tables *tables)
{
	pthread_mutex_lock(&tables->lock);
	tables->round++;
	pthread_mutex_unlock(&tables->lock);
}

void
tables_tend(struct tables *tables)
{
	tables_socketmap_tend(tables->sockets, SOCKETMAP_IDLE_MS);
}

void
tables_close(struct tables **tables)
{
	if (*tables == NULL)
		return;
	while (!TAILQ_EMPTY(&(*tables)->list))
		answer_remove(*tables, TAILQ_FIRST(&(*tables)->list));
	tables_away_close(&(*tables)->away);
	tables_socketmap_close(&(*tables)->sockets);
	(void)pthread_mutex_destroy(&(*tables)->lock);
	free(*tables);
	*tables = NULL;
}
