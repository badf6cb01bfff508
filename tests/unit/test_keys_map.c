/* Keys that lie in a map: what its values may be, and what is kept of them. */
#include "conf/maps.h"
#include "milter/io/keys_value.h"
#include "milter/io/redis_pool.h"
#include "milter/io/tables.h"
#include "tests/unit/keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <lmdb.h>

/* ---- values ------------------------------------------------------------- */

/* In a value "%r" is an RSA key in PEM, "%o" one in a line, "%e" an Ed25519 key
 * in base64 and "%E" one in PEM. */
static const struct value_case {
	const char *name;
	const char *value;
	const char *wanted; /* selectors, or part of the words */
} value_cases[] = {
	{ "base64", "s1 %e", "s1" },
	{ "PEM", "s1 %r", "s1" },
	{ "PEM in a line", "s1 %o", "s1" },
	{ "several, and in the order of selectors", "s2 %r\ns1 %e", "s1 s2" },
	{ "all blanks there are", "\r\n\t s1\t\r\n %e \n\n s0 %E\n", "s0 s1" },
	{ "PEM, and another in the same line", "a %o b %o c %e", "a b c" },
	{ "as many as may be", "a %e b %e c %e d %e e %e f %e g %e h %e",
	    "a b c d e f g h" },
	{ "one more", "a %e b %e c %e d %e e %e f %e g %e h %e i %e",
	    "more than 8 keys" },
	{ "nothing", "", "no key in the value" },
	{ "blanks", " \n", "no key in the value" },
	{ "no selector", "%e", "no selector where one has to be" },
	{ "PEM alone", "%r", "no selector where one has to be" },
	{ "no key", "s1", "s1: no key after the selector" },
	{ "no key behind a blank", "s1 \n", "s1: no key after the selector" },
	{ "a bad selector", "s! %e", "no selector where one has to be" },
	{ "the same selector", "s1 %e s1 %r", "s1: the selector is there" },
	{ "but for its case", "s1 %e S1 %r", "S1: the selector is there" },
	{ "a second key without selector", "s1 %e %e", "no selector where" },
	{ "no END", "s1 -----BEGIN PRIVATE KEY-----\nMC4C\n",
	    "s1: no private key in PEM form: its END line is missing" },
	{ "no blank behind PEM", "s1 %os2 %e", "s1: no blank after the key" },
	{ "no base64", "s1 hello!", "s1: no private key in PEM form" },
	{ "no key in base64", "s1 MIIB", "s1: the key is damaged" },
	{ "the second is bad", "s1 %e s2 MIIB", "s2: the key is damaged" },
};

static const char *
key_in_form(char form, char **made)
{
	if (form == 'r')
		return key_text(TEXT_RSA);
	if (form == 'E')
		return key_text(TEXT_ED25519);
	*made = key_text_bare(form == 'e' ? TEXT_ED25519 : TEXT_RSA);
	if (form == 'o') {
		char *line = NULL;

		assert_true(asprintf(&line,
				"-----BEGIN PRIVATE KEY-----%s-----END PRIVATE "
				"KEY-----",
				*made)
		    > 0);
		free(*made);
		*made = line;
	}
	return *made;
}

/* The value that a case writes; the caller frees it. */
static char *
value_of(const char *form)
{
	size_t size = 10 * strlen(key_text(TEXT_RSA));
	char *value = calloc(1, size);
	size_t length = 0;

	assert_non_null(value);
	for (const char *c = form; *c != '\0'; c++) {
		const char *text;
		char *made = NULL;

		if (*c != '%') {
			value[length++] = *c;
			continue;
		}
		text = key_in_form(*++c, &made);
		assert_true(length + strlen(text) < size);
		memcpy(value + length, text, strlen(text));
		length += strlen(text);
		free(made);
	}
	return value;
}

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(value_cases); i++) {
		const struct value_case *c = &value_cases[i];
		char *value = value_of(c->value);
		struct fault fault = { 0 };
		struct key_set *set = keys_value_read(value, DOMAIN, &fault);
		char got[FAULT_WORDS_BYTES] = "";

		for (size_t k = 0; set != NULL && k < set->ring.count; k++) {
			size_t used = strlen(got);

			snprintf(got + used, sizeof(got) - used, "%s%s",
			    k > 0 ? " " : "", set->ring.keys[k].selector);
			assert_string_equal(DOMAIN, set->ring.keys[k].domain);
		}
		if (set == NULL)
			snprintf(got, sizeof(got), "%s", fault.words);
		if (set != NULL ? strcmp(got, c->wanted) != 0
				: strstr(got, c->wanted) == NULL)
			fail_msg(
			    "%s: wanted %s, got %s", c->name, c->wanted, got);
		/* What may be a piece of a key is never told. */
		assert_null(strstr(got, "MC4C"));
		keys_set_close(&set);
		free(value);
	}
}

/* ---- a Redis hash ------------------------------------------------------- */

/* The Redis of the test: it has value for every domain but those with a '-'. */
struct redis_pool {
	const char *value; /* NULL: none for anybody */
	bool is_away;
	unsigned asked;
};

/* In the place of milter/io/redis_pool.c's. */
struct redisReply *
redis_pool_command(struct redis_pool *pool, const char *key, int count,
    const char *const *words, const size_t *lengths, bool *is_unsent_out,
    struct fault *fault)
{
	struct redisReply *reply;

	(void)is_unsent_out;
	(void)lengths;
	assert_string_equal("dkim", key);
	assert_int_equal(3, count);
	pool->asked++;
	if (pool->is_away) {
		fault_set(fault, FAULT_TEMPORARY, "redis: connection refused");
		return NULL;
	}
	reply = calloc(1, sizeof(*reply));
	assert_non_null(reply);
	reply->type = REDIS_REPLY_NIL;
	if (pool->value != NULL && strchr(words[2], '-') == NULL) {
		reply->type = REDIS_REPLY_STRING;
		reply->str = strdup(pool->value);
		reply->len = strlen(pool->value);
	}
	return reply;
}

static const struct map_source redis_map = { .kind = MAP_REDIS,
	.name = "dkim" };

struct bed {
	struct redis_pool redis;
	struct tables *tables;
	struct place *place;
	char *rsa; /* a value */
	char *both;
};

static uint64_t
bed_clock(void *context)
{
	const struct bed *bed = context;

	return bed->place != NULL ? bed->place->now_ms : 0;
}

static void
bed_open(struct bed *bed, size_t most, size_t answers_max)
{
	*bed = (struct bed){ 0 };
	bed->tables = tables_open(answers_max, &bed->redis);
	assert_non_null(bed->tables);
	tables_set_clock(bed->tables, bed_clock, bed);
	bed->place = place_open_with(most, bed->tables);
	bed->place->places.map = &redis_map;
	bed->place->now_ms = 5000;
	bed->rsa = value_of("s1 %r");
	bed->both = value_of("s1 %r s2 %e");
	bed->redis.value = bed->rsa;
}

static void
bed_close(struct bed *bed)
{
	place_close(bed->place);
	tables_close(&bed->tables);
	free(bed->rsa);
	free(bed->both);
}

static void
test_map(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, 8, 100);
	place = bed.place;
	place_expect(place, "there", DOMAIN, "s1");
	place_expect(place, "not there", "no-key.example", "none");
	assert_true(keys_has(place->keys, &place->places, DOMAIN));
	assert_false(keys_has(place->keys, &place->places, "no-key.example"));
	assert_true(keys_has(place->keys, &place->places, "new.example"));
	/* A directory's key goes before. */
	place_put_text(place, DOMAIN "/d1.private", TEXT_ED25519);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "in both", DOMAIN, "d1");
	place_remove(place, DOMAIN "/d1.private");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "in the map only", DOMAIN, "s1");
	bed_close(&bed);
}

/* Changes are seen within KEYS_STALE_MS, and only they are parsed. */
static void
test_changes(void **state)
{
	const struct key_ring *first;
	const struct key_ring *ring;
	struct place *place;
	struct bed bed;
	unsigned asked;

	(void)state;
	bed_open(&bed, 8, 100);
	place = bed.place;
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &first, NULL));
	asked = bed.redis.asked;
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &ring, NULL));
	assert_ptr_equal(first, ring);
	keys_release(place->keys, &ring);
	assert_int_equal(asked, bed.redis.asked);
	place->now_ms += KEYS_STALE_MS;
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &ring, NULL));
	assert_ptr_equal(first, ring);
	keys_release(place->keys, &ring);
	keys_release(place->keys, &first);
	assert_int_equal(asked + 1, bed.redis.asked);
	bed.redis.value = bed.both;
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "changed", DOMAIN, "s1 s2");
	bed.redis.value = NULL;
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "good ones removed", DOMAIN, "none");
	bed.redis.value = "s1 MIIB";
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "bad", DOMAIN,
	    "map redis:dkim: " DOMAIN
	    ": s1: the key is damaged or not whole, it can't be read as a "
	    "private key: make a new one");
	assert_true(keys_has(place->keys, &place->places, DOMAIN));
	bed.redis.value = NULL;
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "a bad one removed", DOMAIN, "none");
	bed.redis.value = bed.rsa;
	place_expect(place, "not asked again", DOMAIN, "none");
	tables_forget(bed.tables);
	keys_forget(place->keys);
	place_expect(place, "after a reload", DOMAIN, "s1");
	bed_close(&bed);
}

/* While the map can't be asked, what it said last holds; tables here keep
 * nothing. */
static void
test_away(void **state)
{
	const struct key_ring *ring = NULL;
	struct fault fault = { 0 };
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, 8, 0);
	place = bed.place;
	place_expect(place, "there", DOMAIN, "s1");
	place_expect(place, "not there", "no-key.example", "none");
	bed.redis.is_away = true;
	for (int i = 0; i < 5; i++) {
		place->now_ms += 10 * KEYS_STALE_MS;
		place_expect(place, "as it was", DOMAIN, "s1");
		place_expect(place, "nor this", "no-key.example", "none");
	}
	assert_false(keys_find(
	    place->keys, &place->places, "new.example", &ring, &fault));
	assert_null(ring);
	assert_int_equal(FAULT_TEMPORARY, fault.kind);
	assert_non_null(strstr(fault.words, "connection refused"));
	assert_true(keys_has(place->keys, &place->places, "new.example"));
	bed.redis.is_away = false;
	bed.redis.value = bed.both;
	place->now_ms += 10 * KEYS_STALE_MS;
	place_expect(place, "back", DOMAIN, "s1 s2");
	place_expect(place, "now known", "new.example", "s1 s2");
	bed_close(&bed);
}

/* Each copy of a value that a question gets is wiped. */
static void
test_wiped(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, 8, 0);
	place = bed.place;
	key_secret = bed.rsa;
	key_wiped = 0;
	assert_true(keys_has(place->keys, &place->places, "new.example"));
	assert_int_equal(1, key_wiped);
	place_expect(place, "found", DOMAIN, "s1");
	assert_int_equal(2, key_wiped);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "as it was", DOMAIN, "s1");
	assert_int_equal(3, key_wiped);
	key_secret = NULL;
	bed_close(&bed);
}

/* Who has no tables to ask says so, where the directory has no key. */
static void
test_no_tables(void **state)
{
	struct place *place = place_open(4);

	(void)state;
	place->places.map = &redis_map;
	assert_non_null(
	    strstr(place_found(place, DOMAIN), "can't be asked from here"));
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "a directory's key", DOMAIN, "s1");
	place_close(place);
}

/* ---- a file read with the configuration --------------------------------- */

static void
test_texthash(void **state)
{
	struct map_source source = { .kind = MAP_TEXTHASH };
	char *value = value_of("s1 %r s2 %e");
	struct fault fault = { 0 };
	struct map *map;
	char *text = NULL;
	struct bed bed;
	char *path;

	(void)state;
	bed_open(&bed, 8, 100);
	/* A line that begins with a blank goes on. */
	for (char *c = value; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	assert_true(asprintf(&text, "%s %s\n", DOMAIN, value) > 0);
	place_put(bed.place, "map", text, strlen(text), 0600);
	path = place_path(bed.place, "map");
	map = map_open(path, &fault);
	if (map == NULL)
		fail_msg("%s", fault.words);
	source.name = path;
	source.map = map;
	bed.place->places.map = &source;
	place_expect(bed.place, "in a file", DOMAIN, "s1 s2");
	place_expect(bed.place, "not there", "b.example", "none");
	assert_int_equal(0, bed.redis.asked);
	map_close(&map);
	free(path);
	free(text);
	free(value);
	bed_close(&bed);
}

/* ---- a file of LMDB ----------------------------------------------------- */

static void
put_in_lmdb(const char *path, const char *value)
{
	MDB_val key = { strlen(DOMAIN), (char[]){ DOMAIN } };
	char *copy = strdup(value);
	MDB_val data = { strlen(value), copy };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_non_null(copy);
	assert_int_equal(0, mdb_env_create(&env));
	assert_int_equal(
	    0, mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600));
	assert_int_equal(0, mdb_txn_begin(env, NULL, 0, &txn));
	assert_int_equal(0, mdb_dbi_open(txn, NULL, 0, &dbi));
	assert_int_equal(0, mdb_put(txn, dbi, &key, &data, 0));
	assert_int_equal(0, mdb_txn_commit(txn));
	mdb_env_close(env);
	free(copy);
}

/* One after the other, to a map whose keys are known. */
static const struct mode_case {
	const char *name;
	uid_t owner;
	gid_t group;
	mode_t mode;
	const char *wanted; /* NULL: the key is found */
} mode_cases[] = {
	{ "ours", 0, 0, 0600, NULL },
	{ "everybody may write", 0, 0, 0666, "chmod 640 it" },
	{ "ours again", 0, 0, 0640, NULL },
	{ "everybody may read", 0, 0, 0604, "chmod 640 it" },
	{ "our group may write", 0, 0, 0660, "chmod 640 it" },
	{ "another group may read", 0, 4343, 0640, "group 4343 can read it" },
	{ "another group may do nothing", 0, 4343, 0600, NULL },
	{ "another user's", 4242, 0, 0600, "it belongs to uid 4242" },
	{ "ours at last", 0, 0, 0600, NULL },
};

static void
note_words(void *context, const struct fault *fault)
{
	snprintf(context, FAULT_WORDS_BYTES, "%s", fault->words);
}

static void
expect_of_mode(struct place *place, const struct mode_case *c)
{
	char told[FAULT_WORDS_BYTES] = "";
	const char *got = place_found(place, DOMAIN);

	if (c->wanted == NULL ? strcmp(got, "s1") != 0
			      : strstr(got, c->wanted) == NULL)
		fail_msg("%s: wanted %s, got %s", c->name,
		    c->wanted != NULL ? c->wanted : "s1", got);
	if (!keys_has(place->keys, &place->places, "new.example")
	    != (c->wanted == NULL))
		fail_msg("%s: another domain", c->name);
	place->places.directory = "";
	if (keys_check(&place->places, 100, note_words, told)
	    != (c->wanted != NULL))
		fail_msg("%s: the check says \"%s\"", c->name, told);
	if (c->wanted != NULL)
		assert_string_equal(got, told);
}

/* What others may do to the file counts at each question, not only once. */
static void
test_lmdb(void **state)
{
	struct map_source source = { .kind = MAP_LMDB };
	struct bed bed;
	char *path;

	(void)state;
	bed_open(&bed, 8, 100);
	path = place_path(bed.place, "map.lmdb");
	put_in_lmdb(path, bed.rsa);
	source.name = path;
	bed.place->places.map = &source;
	for (size_t i = 0; i < COUNT(mode_cases); i++) {
		const struct mode_case *c = &mode_cases[i];

		if (geteuid() != 0 && (c->owner != 0 || c->group != 0))
			continue; /* only root can give files away */
		if (geteuid() == 0)
			assert_int_equal(0, chown(path, c->owner, c->group));
		assert_int_equal(0, chmod(path, c->mode));
		bed.place->now_ms += KEYS_STALE_MS;
		expect_of_mode(bed.place, c);
	}
	place_remove(bed.place, "map.lmdb");
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "as it was", DOMAIN, "s1");
	free(path);
	bed_close(&bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_away),
		cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_no_tables),
		cmocka_unit_test(test_texthash),
		cmocka_unit_test(test_lmdb),
	};

	return cmocka_run_group_tests_name(
	    "keys_map", tests, key_texts_make, key_texts_free);
}
