/* What keys_check() says of the keys that are there. */
#include "conf/maps.h"
#include "milter/io/keys.h"
#include "milter/io/keys_check.h"
#include "milter/io/redis_pool.h"
#include "milter/io/tables.h"
#include "tests/unit/keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

struct complaints {
	char words[8192];
	size_t count;
};

static void
complain(void *context, const struct fault *fault)
{
	struct complaints *complaints = context;
	size_t used = strlen(complaints->words);

	complaints->count++;
	snprintf(complaints->words + used, sizeof(complaints->words) - used,
	    "%s\n", fault->words);
}

static void
test_directory(void **state)
{
	struct place *place = place_open(4);
	char *link = place_path(place, "link.example");
	const struct key_places nowhere = { .directory = "/nowhere/keys",
		.key_table = "",
		.signing_table = "" };
	const struct key_places nothing = {
		.directory = "", .key_table = "", .signing_table = ""
	};
	struct complaints got = { 0 };
	struct complaints one = { 0 };
	struct complaints none = { 0 };

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_put(place, "README", "x", 1, 0644);
	place_put_directory(place, ".git", 0700);
	place_put_directory(place, "lost+found", 0700);
	assert_int_equal(0, keys_check(&place->places, 100, complain, &got));
	place_put_directory(place, "weak.example", 0700);
	place_put_text(place, "weak.example/s1.private", TEXT_RSA_WEAK);
	place_put_directory(place, "B.Example", 0700);
	place_put_text(place, "B.Example/s1.private", TEXT_RSA);
	place_put_directory(place, "mode.example", 0700);
	place_put(place, "mode.example/s1.private", "x", 1, 0644);
	assert_int_equal(0, symlink("weak.example", link));
	assert_int_equal(4, keys_check(&place->places, 100, complain, &got));
	assert_int_equal(4, got.count);
	assert_non_null(strstr(got.words, "link.example/s1.private: RSA"));
	assert_non_null(strstr(got.words, "weak.example/s1.private: RSA"));
	assert_non_null(strstr(got.words, "/B.Example: no domain in lower"));
	assert_non_null(strstr(got.words, "mode.example/s1.private: chmod"));
	assert_true(keys_check(&place->places, 1, complain, &none) <= 1);
	assert_int_equal(1, keys_check(&nowhere, 100, complain, &one));
	assert_string_equal("/nowhere/keys: not there: make it\n", one.words);
	assert_int_equal(0, keys_check(&nothing, 100, complain, &one));
	free(link);
	place_close(place);
}

/* Each bad line, each key at fault, and what can't be known here isn't said. */
static void
test_tables(void **state)
{
	static const char keys[] = "good a.example:s1:./" DOMAIN "/s1.pem\n"
				   "no colons\n"
				   "lost a.example:s2:./lost.pem\n"
				   "each %:s1:./%.pem\n"
				   "text a.example:s3:MIIB\n"
				   "mode a.example:s4:./mode.pem\n";
	static const char lost[] = "good a.example:s1:./lost.pem\n";
	static const char rules[] = "*@a.example good\n*@b.example missing\n";
	static const char *const wanted[] = { "key.table:2: ",
		"signing.table:2: ", "key.table:3: ", "lost.pem: not there",
		"key.table:5: the key is damaged",
		"key.table:6: ", "mode.pem: chmod 600 it" };
	struct place *place = place_open(4);
	char *key_table = place_path(place, "key.table");
	char *signing_table = place_path(place, "signing.table");
	struct complaints got = { 0 };
	struct complaints few = { 0 };
	struct complaints both = { 0 };
	struct complaints one = { 0 };

	(void)state;
	place->places.directory = "";
	place->places.key_table = key_table;
	place->places.signing_table = signing_table;
	place->places.is_refile = true;
	place_put_text(place, DOMAIN "/s1.pem", TEXT_RSA);
	place_put(place, "mode.pem", "x", 1, 0644);
	place_put(place, "key.table", keys, strlen(keys), 0600);
	place_put(place, "signing.table", rules, strlen(rules), 0600);
	assert_int_equal(5, keys_check(&place->places, 100, complain, &got));
	assert_int_equal(5, got.count);
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (strstr(got.words, wanted[i]) == NULL)
			fail_msg("wanted %s, got %s", wanted[i], got.words);
	/* Bad lines always; of keys no more than so many. */
	assert_int_equal(2, keys_check(&place->places, 1, complain, &few));
	/* One of a directory leaves room for a line. */
	place->places.directory = place->directory;
	place_put(place, "key.table", lost, strlen(lost), 0600);
	assert_int_equal(2, keys_check(&place->places, 1, complain, &both));
	assert_non_null(strstr(both.words, "lost.pem: not there"));
	place->places.directory = "";
	place_put(place, "key.table", keys, strlen(keys), 0600);
	place_remove(place, "signing.table");
	assert_int_equal(2, keys_check(&place->places, 100, complain, &one));
	assert_non_null(strstr(one.words, "key.table:2: "));
	assert_non_null(strstr(one.words, "signing.table: "));
	free(key_table);
	free(signing_table);
	place_close(place);
}

/* Lines that are too many to be told one by one count all the same. */
static void
test_tables_alone(void **state)
{
	static const char rules[] = "*@a.example k0\n";
	char keys[150 * 20] = "k0 a.example:s:./not-looked-at.pem\n";
	struct place *place = place_open(4);
	char *key_table = place_path(place, "key.table");
	char *signing_table = place_path(place, "signing.table");
	struct complaints got = { 0 };
	struct complaints open = { 0 };
	struct complaints none = { 0 };

	(void)state;
	place->places.key_table = key_table;
	place->places.signing_table = signing_table;
	place->places.is_refile = true;
	place_put(place, "key.table", keys, strlen(keys), 0600);
	place_put(place, "signing.table", rules, strlen(rules), 0600);
	assert_int_equal(0, keys_check_tables(&place->places, complain, &none));
	for (size_t i = 0; i < 130; i++)
		memcpy(keys + strlen(keys), "bad\n", sizeof("bad\n"));
	place_put(place, "key.table", keys, strlen(keys), 0600);
	assert_int_equal(
	    130, keys_check_tables(&place->places, complain, &got));
	assert_non_null(strstr(got.words, "key.table:2: "));
	assert_true(got.count < 130);
	place_put(place, "key.table", keys, strlen(keys), 0602);
	assert_int_equal(
	    131, keys_check_tables(&place->places, complain, &open));
	place_put(
	    place, "key.table", keys, strchr(keys, '\n') + 1 - keys, 0600);
	place_remove(place, "signing.table");
	assert_int_equal(1, keys_check_tables(&place->places, complain, &none));
	assert_non_null(strstr(none.words, "signing.table: "));
	free(key_table);
	free(signing_table);
	place_close(place);
}

/* ---- a map -------------------------------------------------------------- */

/* The Redis of the test. */
struct redis_pool {
	const char *value; /* of good.example */
	unsigned pages;    /* asked for so far */
	bool is_away;
};

static void
add_text(struct redisReply *list, const char *text)
{
	struct redisReply *reply = calloc(1, sizeof(*reply));

	assert_non_null(reply);
	reply->type = REDIS_REPLY_STRING;
	reply->str = strdup(text);
	reply->len = strlen(text);
	list->element[list->elements++] = reply;
}

static struct redisReply *
new_list(void)
{
	struct redisReply *list = calloc(1, sizeof(*list));

	assert_non_null(list);
	list->type = REDIS_REPLY_ARRAY;
	list->element = calloc(16, sizeof(struct redisReply *));
	assert_non_null(list->element);
	return list;
}

/* In the place of milter/io/redis_pool.c's: the same page twice. */
struct redisReply *
redis_pool_command(struct redis_pool *pool, const char *key, int count,
    const char *const *words, const size_t *lengths, bool *is_unsent_out,
    struct fault *fault)
{
	struct redisReply *reply;
	struct redisReply *page;

	(void)is_unsent_out;
	(void)lengths;
	assert_string_equal("dkim", key);
	assert_int_equal(5, count);
	assert_string_equal("HSCAN", words[0]);
	if (pool->is_away) {
		fault_set(fault, FAULT_TEMPORARY, "redis: connection refused");
		return NULL;
	}
	reply = new_list();
	page = new_list();
	add_text(reply, pool->pages++ == 0 ? "1" : "0");
	reply->element[reply->elements++] = page;
	add_text(page, "good.example");
	add_text(page, pool->value);
	add_text(page, "bad.example");
	add_text(page, "s1 MC4CSECRET");
	add_text(page, "B.Example");
	add_text(page, pool->value);
	add_text(page, "no\033key.example");
	add_text(page, pool->value);
	add_text(page, "empty.example");
	add_text(page, "");
	return reply;
}

/* A value with this key. */
static char *
value_of(enum key_text which)
{
	char *key = key_text_bare(which);
	char *value = NULL;

	assert_true(asprintf(&value, "s1 %s", key) > 0);
	free(key);
	return value;
}

static void
test_redis(void **state)
{
	static const struct map_source map = { .kind = MAP_REDIS,
		.name = "dkim" };
	static const char *const wanted[] = {
		"map redis:dkim: bad.example: s1: ",
		"map redis:dkim: B.Example: no domain in lower case",
		"map redis:dkim: no?key.example: no domain in lower case",
		"map redis:dkim: empty.example: no key in the value",
	};
	struct redis_pool redis = { .pages = 0 };
	struct tables *tables = tables_open(0, &redis);
	struct complaints got = { 0 };
	struct complaints few = { 0 };
	struct complaints away = { 0 };
	char *value = value_of(TEXT_ED25519);

	(void)state;
	redis.value = value;
	assert_int_equal(4, keys_check_map(&map, tables, 100, complain, &got));
	assert_int_equal(2, redis.pages);
	assert_int_equal(4, got.count);
	for (size_t i = 0; i < COUNT(wanted); i++)
		if (strstr(got.words, wanted[i]) == NULL)
			fail_msg("wanted %s, got %s", wanted[i], got.words);
	/* What may be a key is never told. */
	assert_null(strstr(got.words, "SECRET"));
	redis.pages = 0;
	assert_int_equal(1, keys_check_map(&map, tables, 2, complain, &few));
	assert_int_equal(1, redis.pages);
	assert_int_equal(0, keys_check_map(&map, tables, 0, complain, &away));
	redis.is_away = true;
	assert_int_equal(1, keys_check_map(&map, tables, 9, complain, &away));
	assert_string_equal("redis: connection refused\n", away.words);
	free(value);
	tables_close(&tables);
}

static void
test_texthash(void **state)
{
	struct map_source source = { .kind = MAP_TEXTHASH };
	struct tables *tables = tables_open(0, NULL);
	struct place *place = place_open(4);
	struct complaints none = { 0 };
	struct complaints got = { 0 };
	char *path = place_path(place, "map");
	char *good = value_of(TEXT_RSA);
	char *weak = value_of(TEXT_RSA_WEAK);
	char *text = NULL;
	struct fault fault = { 0 };
	struct map *map;

	(void)state;
	assert_true(
	    asprintf(&text, "good.example %s\nweak.example %s\n", good, weak)
	    > 0);
	place_put(place, "map", text, strlen(text), 0600);
	map = map_open(path, &fault);
	if (map == NULL)
		fail_msg("%s", fault.words);
	source.name = path;
	source.map = map;
	assert_int_equal(1, keys_check_map(&source, tables, 9, complain, &got));
	assert_non_null(strstr(got.words, ": weak.example: s1: RSA"));
	/* What can't be listed is no fault. */
	source.kind = MAP_SOCKETMAP;
	source.socket = "inet:127.0.0.1:1";
	assert_int_equal(
	    0, keys_check_map(&source, tables, 9, complain, &none));
	/* Others can read it, which keys_check() tells. */
	source.kind = MAP_LMDB;
	assert_int_equal(
	    1, keys_check_map(&source, tables, 9, complain, &none));
	place_put(place, "map", text, strlen(text), 0604);
	assert_int_equal(0, keys_check_map(&source, tables, 9, complain, &got));
	map_close(&map);
	free(text);
	free(weak);
	free(good);
	free(path);
	place_close(place);
	tables_close(&tables);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_tables_alone),
		cmocka_unit_test(test_redis),
		cmocka_unit_test(test_texthash),
	};

	return cmocka_run_group_tests_name(
	    "keys_check", tests, key_texts_make, key_texts_free);
}
