#include "milter/io/store_redis_list.h"

#include "milter/io/store_count.h"
#include "milter/io/store_redis_value.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CURSOR_BYTES = 32,
	TIDY_FIELDS = 256,
	FIELDS_PAGE = 512,
	FIELDS_MAX = 10000000, /* that are looked at for the overrides */
	FOUND_MAX = 2 * STORE_OVERRIDES + 1000, /* HSCAN may show one twice */
	KEYS_PAGE = 1000,
	KEYS_MAX = 100000000, /* that are looked at for the counts */
};

/* How far SCAN or HSCAN has come. A server that never comes to the end would
 * be asked for ever. */
struct walk {
	char cursor[CURSOR_BYTES];
	size_t page; /* what one step looks at, though it may find less */
	size_t left; /* to be looked at before it is given up */
};

bool
store_redis_now(
    struct store_redis *redis, uint64_t *now_ms_out, struct fault *fault)
{
	struct redis_call call;
	struct redis_result result;
	bool is_done;

	redis_call_init(&call, REDIS_OP_TIDY);
	call.is_look = true;
	is_done = redis_call_run(redis, &call, &result, fault);
	if (is_done)
		*now_ms_out = result.now_ms;
	redis_result_clear(&result);
	redis_call_clear(&call);
	return is_done;
}

static void
fail_endless(
    const struct store_redis *redis, const char *command, struct fault *fault)
{
	fault_set(fault, FAULT_TEMPORARY,
	    "%s: %s doesn't come to an end: is it Redis, and in order?",
	    redis->name, command);
}

static void
count_step(struct walk *walk, size_t found)
{
	size_t looked_at = found > walk->page ? found : walk->page;

	walk->left -= walk->left < looked_at ? walk->left : looked_at;
}

/* One step of SCAN or HSCAN: words[cursor_at] is the cursor. NULL with words;
 * else the answer, whose second element is the list. */
static redisReply *
scan(struct store_redis *redis, int count, const char **words, size_t cursor_at,
    struct walk *walk, struct fault *fault)
{
	size_t lengths[6];
	redisReply *reply;

	if (walk->left == 0) {
		fail_endless(redis, words[0], fault);
		return NULL;
	}
	words[cursor_at] = walk->cursor;
	for (int i = 0; i < count; i++)
		lengths[i] = strlen(words[i]);
	reply = redis_command(redis, count, words, lengths, fault);
	if (reply == NULL)
		return NULL;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2
	    || reply->element[0]->type != REDIS_REPLY_STRING
	    || reply->element[0]->len >= CURSOR_BYTES
	    || reply->element[1]->type != REDIS_REPLY_ARRAY) {
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: an answer of another kind to %s", redis->name,
		    words[0]);
		freeReplyObject(reply);
		return NULL;
	}
	memcpy(walk->cursor, reply->element[0]->str,
	    (size_t)reply->element[0]->len + 1);
	count_step(walk, reply->element[1]->elements);
	return reply;
}

/* One override as it was found. */
struct found {
	struct store_override override;
	char *limit_name; /* the strings, in one piece */
};

struct found_list {
	struct found *all;
	size_t count, room;
};

static void
found_clear(struct found_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->all[i].limit_name);
	free(list->all);
}

/* "o/LIMIT/KEY" and its value; what isn't one is passed over. False for want
 * of memory. */
static bool
found_add(
    struct found_list *list, const redisReply *field, const redisReply *value)
{
	struct store_override override;
	char words[STORE_WORDS + 1];
	const char *slash;
	size_t name_size;
	char *strings;

	if (field->type != REDIS_REPLY_STRING
	    || value->type != REDIS_REPLY_STRING
	    || strncmp(field->str, "o/", 2) != 0
	    || strlen(field->str) != (size_t)field->len
	    || !store_redis_read_override(
		value->str, (size_t)value->len, &override, words))
		return true;
	slash = strchr(field->str + 2, '/');
	if (slash == NULL)
		return true;
	if (list->count == list->room) {
		size_t room = list->room > 0 ? 2 * list->room : 64;
		void *grown = realloc(list->all, room * sizeof(*list->all));

		if (grown == NULL)
			return false;
		list->all = grown;
		list->room = room;
	}
	name_size = (size_t)field->len - 1; /* without "o/", with the NUL */
	strings = malloc(name_size + strlen(words) + 1);
	if (strings == NULL)
		return false;
	memcpy(strings, field->str + 2, name_size);
	strings[slash - field->str - 2] = '\0';
	memcpy(strings + name_size, words, strlen(words) + 1);
	override.limit_name = strings;
	override.key = strings + (slash - field->str - 2) + 1;
	override.words = strings + name_size;
	list->all[list->count++] =
	    (struct found){ .override = override, .limit_name = strings };
	return true;
}

static int
compare_found(const void *one, const void *other)
{
	const struct store_override *a = &((const struct found *)one)->override;
	const struct store_override *b =
	    &((const struct found *)other)->override;
	int order = strcmp(a->limit_name, b->limit_name);

	return order != 0 ? order : strcmp(a->key, b->key);
}

/* All overrides, ended ones too, in order. HSCAN may show one twice. */
static bool
find_overrides(
    struct store_redis *redis, struct found_list *list, struct fault *fault)
{
	const char *words[] = { "HSCAN", redis->control, "", "COUNT", "512" };
	struct walk walk = {
		.cursor = "0", .page = FIELDS_PAGE, .left = FIELDS_MAX
	};

	do {
		redisReply *reply = scan(redis, 5, words, 2, &walk, fault);
		bool is_added = true;

		if (reply == NULL)
			return false;
		for (size_t i = 0;
		     i + 1 < reply->element[1]->elements && is_added; i += 2)
			is_added =
			    found_add(list, reply->element[1]->element[i],
				reply->element[1]->element[i + 1]);
		freeReplyObject(reply);
		if (!is_added) {
			fault_memory(fault);
			return false;
		}
		if (list->count > FOUND_MAX) {
			fail_endless(redis, words[0], fault);
			return false;
		}
	} while (strcmp(walk.cursor, "0") != 0);
	if (list->count > 0)
		qsort(
		    list->all, list->count, sizeof(*list->all), compare_found);
	return true;
}

bool
store_redis_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault)
{
	struct store_redis *redis = (struct store_redis *)store;
	struct found_list list = { 0 };
	bool is_done = find_overrides(redis, &list, fault)
	    && store_redis_now(redis, now_ms_out, fault);
	bool goes_on = is_done;

	for (size_t i = 0; i < list.count && goes_on; i++) {
		const struct store_override *override = &list.all[i].override;
		bool has_ended =
		    override->until_ms > 0 && override->until_ms <= *now_ms_out;

		if (!has_ended
		    && (i == 0
			|| compare_found(&list.all[i - 1], &list.all[i]) != 0))
			goes_on = visit(context, override);
	}
	found_clear(&list);
	return is_done;
}

/* Have the script look at some, in case they have ended. */
static bool
tidy_some(struct store_redis *redis, const struct found *found, size_t count,
    struct fault *fault)
{
	struct redis_call call;
	struct redis_result result;
	bool is_done;

	redis_call_init(&call, REDIS_OP_TIDY);
	call.fields = count;
	for (size_t i = 0; i < count; i++) {
		const struct store_override *override = &found[i].override;

		redis_words_begin(&call.values);
		redis_words_add(&call.values, "o/", 2);
		redis_words_add(&call.values, override->limit_name,
		    strlen(override->limit_name));
		redis_words_add(&call.values, "/", 1);
		redis_words_add(
		    &call.values, override->key, strlen(override->key));
	}
	is_done = redis_call_run(redis, &call, &result, fault);
	redis_result_clear(&result);
	redis_call_clear(&call);
	return is_done;
}

bool
store_redis_tidy(struct store_redis *redis, struct fault *fault)
{
	struct found_list list = { 0 };
	bool is_done = find_overrides(redis, &list, fault);

	for (size_t i = 0; i < list.count && is_done; i += TIDY_FIELDS)
		is_done = tidy_some(redis, list.all + i,
		    list.count - i < TIDY_FIELDS ? list.count - i : TIDY_FIELDS,
		    fault);
	found_clear(&list);
	return is_done;
}

/* "{PREFIX}:n/LIMIT/" with what SCAN takes for more than itself escaped, and
 * "*" behind; the length of the plain text in *length_out. */
static char *
counts_pattern(const struct store_redis *redis, const struct limit *limit,
    size_t *length_out)
{
	const char *texts[] = { redis->prefix, "n/", limit->name, "/" };
	size_t used = 0;
	char *pattern;

	*length_out = 0;
	for (size_t i = 0; i < 4; i++)
		*length_out += strlen(texts[i]);
	pattern = malloc(2 * *length_out + 2);
	for (size_t i = 0; i < 4 && pattern != NULL; i++)
		for (const char *c = texts[i]; *c != '\0'; c++) {
			if (strchr("*?[]\\^-", *c) != NULL)
				pattern[used++] = '\\';
			pattern[used++] = *c;
		}
	if (pattern != NULL) {
		pattern[used++] = '*';
		pattern[used] = '\0';
	}
	return pattern;
}

struct counting {
	struct store_redis *redis;
	const struct limit *limit;
	store_count_visit *visit;
	void *context;
	size_t skipped; /* octets before the key proper */
	uint64_t now_ms;
	bool goes_on;
};

static void
show_count(
    struct counting *counting, const redisReply *key, const redisReply *value)
{
	struct window window;
	uint64_t used;

	if (key->type != REDIS_REPLY_STRING
	    || (size_t)key->len < counting->skipped
	    || strlen(key->str) != (size_t)key->len
	    || value->type != REDIS_REPLY_STRING
	    || !store_redis_read_window(
		value->str, (size_t)value->len, &window))
		return;
	store_bring_up(&window, counting->limit, counting->now_ms);
	used = window_sum(&window);
	if (used > 0)
		counting->goes_on = counting->visit(
		    counting->context, key->str + counting->skipped, used);
}

/* The counts of some keys, asked for in one go. */
static bool
show_some(
    struct counting *counting, const redisReply *keys, struct fault *fault)
{
	size_t count = keys->elements + 1;
	const char **words = calloc(count, sizeof(*words));
	size_t *lengths = calloc(count, sizeof(*lengths));
	redisReply *values = NULL;

	if (words == NULL || lengths == NULL) {
		fault_memory(fault);
	} else {
		words[0] = "MGET";
		lengths[0] = 4;
		for (size_t i = 1; i < count; i++) {
			const redisReply *key = keys->element[i - 1];
			bool is_text = key->type == REDIS_REPLY_STRING;

			words[i] = is_text ? key->str : "";
			lengths[i] = is_text ? (size_t)key->len : 0;
		}
		values = redis_command(
		    counting->redis, (int)count, words, lengths, fault);
	}
	for (size_t i = 0; values != NULL && i < values->elements
	     && i < keys->elements && counting->goes_on;
	     i++)
		show_count(counting, keys->element[i], values->element[i]);
	free(words);
	free(lengths);
	if (values == NULL)
		return false;
	freeReplyObject(values);
	return true;
}

bool
store_redis_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	struct counting counting = { .redis = (struct store_redis *)store,
		.limit = limit,
		.visit = visit,
		.context = context,
		.goes_on = true };
	char *pattern =
	    counts_pattern(counting.redis, limit, &counting.skipped);
	const char *words[] = { "SCAN", "", "MATCH", pattern, "COUNT", "1000" };
	struct walk walk = {
		.cursor = "0", .page = KEYS_PAGE, .left = KEYS_MAX
	};
	bool is_done = pattern != NULL;

	if (!is_done)
		fault_memory(fault);
	is_done =
	    is_done && store_redis_now(counting.redis, &counting.now_ms, fault);
	while (is_done && counting.goes_on) {
		redisReply *reply =
		    scan(counting.redis, 6, words, 1, &walk, fault);

		is_done = reply != NULL
		    && (reply->element[1]->elements == 0
			|| show_some(&counting, reply->element[1], fault));
		if (reply != NULL)
			freeReplyObject(reply);
		if (strcmp(walk.cursor, "0") == 0)
			break;
	}
	free(pattern);
	return is_done;
}
