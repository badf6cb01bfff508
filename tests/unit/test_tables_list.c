/* Sources that are listed, with a Redis of the test's own. */
#include "milter/io/tables.h"

#include "conf/maps.h"
#include "milter/io/redis_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18, TTL_MS = 60000, WORDS = 200 };

/* An answer to HSCAN. */
struct page {
	const char *words[10]; /* where to go on, and fields with values */
	char form;             /* 'e': an error; 's': a string; 'o': odd; 'n':
				  no string in it; 'l': three parts */
};

/* How the Redis of the test answers. */
struct redis_pool {
	unsigned asked;
	const char *value;        /* of every field that is asked for */
	char last[WORDS];         /* the command, a '|' behind each word */
	const struct page *pages; /* of HSCAN */
	unsigned pages_max;       /* it is away after so many; 0: never */
};

static struct redis_pool redis;

static struct redisReply *
make_text(const char *words)
{
	struct redisReply *reply = calloc(1, sizeof(*reply));

	if (reply == NULL)
		abort();
	reply->type = REDIS_REPLY_STRING;
	/* '#' stands for a NUL, '*' for a very long text. */
	reply->len = *words == '*' ? 64 * 1024 + 1 : strlen(words);
	reply->str = calloc(1, reply->len + 1);
	if (reply->str == NULL)
		abort();
	memset(reply->str, 'x', reply->len);
	if (*words != '*')
		memcpy(reply->str, words, reply->len);
	if (strchr(words, '#') != NULL)
		*strchr(reply->str, '#') = '\0';
	return reply;
}

static struct redisReply *
make_list(size_t count)
{
	struct redisReply *reply = calloc(1, sizeof(*reply));

	if (reply == NULL)
		abort();
	reply->type = REDIS_REPLY_ARRAY;
	reply->element = calloc(count + 1, sizeof(struct redisReply *));
	if (reply->element == NULL)
		abort();
	reply->elements = count;
	return reply;
}

static struct redisReply *
make_page(const struct page *page)
{
	struct redisReply *reply;
	struct redisReply *list;
	size_t count = 0;

	if (page->form == 'e' || page->form == 's') {
		reply = make_text(page->words[0]);
		if (page->form == 'e')
			reply->type = REDIS_REPLY_ERROR;
		return reply;
	}
	while (page->words[1 + count] != NULL)
		count++;
	reply = make_list(page->form == 'l' ? 3 : 2);
	reply->element[0] = make_text(page->words[0]);
	list = make_list(page->form == 'o' ? count - 1 : count);
	for (size_t i = 0; i < list->elements; i++)
		list->element[i] = make_text(page->words[1 + i]);
	if (page->form == 'n') {
		freeReplyObject(list->element[1]);
		list->element[1] = make_list(0);
	}
	reply->element[1] = list;
	if (page->form == 'l')
		reply->element[2] = make_list(0);
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
	(void)is_unsent_out;
	pool->asked++;
	note_command(pool, count, words, lengths);
	if (count != (pool->pages != NULL ? 5 : 3)
	    || strcmp(key, words[1]) != 0)
		abort();
	if (pool->pages == NULL)
		return make_text(pool->value);
	if (pool->pages_max == 0 || pool->asked <= pool->pages_max)
		return make_page(&pool->pages[pool->asked - 1]);
	fault_set(fault, FAULT_TEMPORARY, "redis: gone");
	return NULL;
}

static const struct map_source senders = { .kind = MAP_REDIS,
	.name = "senders" };
static const struct map_source source_gone = { .kind = MAP_LMDB,
	.name = "/nowhere/keys.lmdb" };

static struct tables *
open_tables(void)
{
	struct tables *tables = tables_open(10, &redis);

	assert_non_null(tables);
	redis = (struct redis_pool){ .value = "asked for" };
	return tables;
}

static void
want_found(struct tables *tables, const char *wanted, unsigned asked)
{
	struct fault fault;
	const char *value = NULL;
	struct arena arena;
	bool is_stale;

	arena_init(&arena, ARENA_BYTES);
	assert_true(tables_find(
	    tables, &senders, "a", TTL_MS, &arena, &value, &is_stale, &fault));
	assert_string_equal(wanted, value);
	assert_int_equal(asked, redis.asked);
	arena_clear(&arena);
}

/* What a listing has given so far. */
struct listed {
	char text[WORDS]; /* "KEY=VALUE;", or "KEY!TROUBLE;" */
	size_t most;      /* it says false then; 0: never */
	size_t count;
};

static bool
take_entry(void *context, const struct table_entry *entry)
{
	struct listed *listed = context;
	size_t used = strlen(listed->text);

	assert_true((entry->value == NULL) != (entry->trouble == NULL));
	snprintf(listed->text + used, sizeof(listed->text) - used, "%.60s%c%s;",
	    entry->key, entry->value != NULL ? '=' : '!',
	    entry->value != NULL ? entry->value : entry->trouble);
	return ++listed->count != listed->most;
}

static const struct list_case {
	const char *name;
	struct page pages[4];
	size_t most;
	unsigned asked;
	unsigned pages_max;
	const char *wanted; /* and then a fault's words, if there is a '!' */
} list_cases[] = {
	{ "one page", { { .words = { "0", "a", "1", "b", "2" } } }, 0, 1, 0,
	    "a=1;b=2;" },
	{ "nothing", { { .words = { "0" } } }, 0, 1, 0, "" },
	{ "pages, some of them empty, and one twice",
	    { { .words = { "17", "a", "1" } }, { .words = { "5" } },
		{ .words = { "18446744073709551615", "b", "", "a", "1" } },
		{ .words = { "0", "c", "3" } } },
	    0, 4, 0, "a=1;b=;a=1;c=3;" },
	{ "enough within a page",
	    { { .words = { "17", "a", "1", "b", "2", "c", "3" } } }, 2, 1, 0,
	    "a=1;b=2;" },
	{ "enough at its end", { { .words = { "17", "a", "1", "b", "2" } } }, 2,
	    1, 0, "a=1;b=2;" },
	{ "values that can't be had",
	    { { .words = { "0", "long", "*", "nul", "x#y", "b", "2" } } }, 0, 1,
	    0,
	    "long!a value of more than 64 KiB;nul!a value with a NUL in it;"
	    "b=2;" },
	{ "a field that nobody asks for",
	    { { .words = { "0", "x#y", "1", "b", "2" } } }, 0, 1, 0, "b=2;" },
	{ "an error", { { .words = { "WRONGTYPE no hash" }, .form = 'e' } }, 0,
	    1, 0, "!redis hash senders: WRONGTYPE no hash" },
	{ "no list", { { .words = { "0" }, .form = 's' } }, 0, 1, 0,
	    "!redis hash senders: the answer to HSCAN is no list" },
	{ "three parts", { { .words = { "0", "a", "1" }, .form = 'l' } }, 0, 1,
	    0, "!redis hash senders: the answer to HSCAN is no list" },
	{ "a field without value",
	    { { .words = { "0", "a", "1", "b", "2" }, .form = 'o' } }, 0, 1, 0,
	    "!redis hash senders: the answer to HSCAN is no list" },
	{ "a value that is a list",
	    { { .words = { "0", "a", "1" }, .form = 'n' } }, 0, 1, 0,
	    "!redis hash senders: the answer to HSCAN is no list" },
	{ "a cursor that is none",
	    { { .words = { "123456789012345678901234567890" } } }, 0, 1, 0,
	    "!redis hash senders: the answer to HSCAN is no list" },
	{ "an empty cursor", { { .words = { "" } } }, 0, 1, 0,
	    "!redis hash senders: the answer to HSCAN is no list" },
	{ "away after a page",
	    { { .words = { "17", "a", "1" } }, { .words = { "0" } } }, 0, 2, 1,
	    "a=1;!redis: gone" },
};

static void
hashes_are_listed(void **state)
{
	struct tables *tables = open_tables();

	(void)state;
	for (size_t i = 0; i < COUNT(list_cases); i++) {
		const struct list_case *c = &list_cases[i];
		struct listed listed = { .most = c->most };
		struct fault fault = { .kind = FAULT_NONE };
		char got[2 * WORDS];
		bool is_good;

		redis.asked = 0;
		redis.pages = c->pages;
		redis.pages_max = c->pages_max;
		is_good =
		    tables_each(tables, &senders, take_entry, &listed, &fault);
		snprintf(got, sizeof(got), "%s%s%.150s", listed.text,
		    is_good ? "" : "!", is_good ? "" : fault.words);
		if (strncmp(c->wanted, got, strlen(c->wanted)) != 0
		    || (is_good && strcmp(c->wanted, got) != 0))
			fail_msg(
			    "%s: wanted %s, got %s", c->name, c->wanted, got);
		if (redis.asked != c->asked)
			fail_msg("%s: wanted %u questions, got %u", c->name,
			    c->asked, redis.asked);
	}
	assert_string_equal("HSCAN|senders|17|COUNT|50|", redis.last);
	tables_close(&tables);
}

/* Nothing of it is kept, and nothing that is kept is given. */
static void
listings_are_apart_from_answers(void **state)
{
	static const struct page pages[] = {
		{ .words = { "0", "a", "listed" } },
		{ .words = { "0", "a", "listed" } },
	};
	struct tables *tables = open_tables();
	struct listed listed = { .most = 0 };

	(void)state;
	want_found(tables, "asked for", 1);
	redis.pages = pages;
	assert_true(tables_each(tables, &senders, take_entry, &listed, NULL));
	assert_string_equal("a=listed;", listed.text);
	redis.pages = NULL;
	redis.value = "asked for again";
	want_found(tables, "asked for", 2);
	tables_close(&tables);
}

static void
other_sources_are_listed_or_told(void **state)
{
	static const char text[] = "b 2\n# none\na 1\n";
	const struct map_source socketmap = { .kind = MAP_SOCKETMAP,
		.socket = "inet:127.0.0.1:1",
		.name = "keys" };
	struct map_source source = { .kind = MAP_TEXTHASH };
	struct tables *tables = tables_open(0, NULL);
	struct listed listed = { .most = 0 };
	struct listed one = { .most = 1 };
	char path[] = "/tmp/postern-tables-XXXXXX";
	struct fault fault = { .kind = FAULT_NONE };
	int fd = mkstemp(path);
	struct map *map;

	(void)state;
	assert_non_null(tables);
	assert_true(fd >= 0 && write(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	map = map_open(path, &fault);
	assert_non_null(map);
	source.name = path;
	source.map = map;
	assert_true(tables_may_list(&source, &fault));
	assert_true(tables_each(tables, &source, take_entry, &listed, &fault));
	assert_int_equal(2, listed.count);
	assert_non_null(strstr(listed.text, "a=1;"));
	assert_non_null(strstr(listed.text, "b=2;"));
	assert_true(tables_each(tables, &source, take_entry, &one, &fault));
	assert_int_equal(1, one.count);
	map_close(&map);
	(void)unlink(path);
	assert_false(
	    tables_each(tables, &source_gone, take_entry, &one, &fault));
	assert_non_null(strstr(fault.words, "/nowhere/keys.lmdb: No such"));
	assert_false(tables_may_list(&socketmap, &fault));
	assert_false(tables_each(tables, &socketmap, take_entry, &one, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(
	    strstr(fault.words, "socketmap:inet:127.0.0.1:1:keys can't be"));
	assert_false(tables_each(tables, &senders, take_entry, &one, &fault));
	assert_non_null(strstr(fault.words, "there is no Redis"));
	assert_int_equal(1, one.count);
	tables_close(&tables);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_listed),
		cmocka_unit_test(listings_are_apart_from_answers),
		cmocka_unit_test(other_sources_are_listed_or_told),
	};

	return cmocka_run_group_tests_name("tables_list", tests, NULL, NULL);
}
