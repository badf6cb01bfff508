/* Keys that OpenDKIM's tables name. */
#include "milter/io/keys_tables.h"
#include "tests/unit/keys_fixture.h"

#include <openssl/evp.h>
#include <pthread.h>
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

/* A place with tables beside the keys of its directory, which isn't one of
 * places. */
struct bed {
	struct place *place;
	char *key_table;
	char *signing_table;
};

static void
put(const struct bed *bed, const char *name, const char *text)
{
	place_put(bed->place, name, text, strlen(text), 0600);
}

static void
bed_open(struct bed *bed, const char *keys, const char *rules)
{
	bed->place = place_open(8);
	bed->place->now_ms = 5000;
	bed->key_table = place_path(bed->place, "key.table");
	bed->signing_table = place_path(bed->place, "signing.table");
	bed->place->places = (struct key_places){ .directory = "",
		.key_table = bed->key_table,
		.signing_table = bed->signing_table,
		.is_refile = true,
		.takes_all = true };
	put(bed, "key.table", keys);
	put(bed, "signing.table", rules);
	place_put_text(bed->place, DOMAIN "/s1.pem", TEXT_RSA);
	place_put_text(bed->place, DOMAIN "/s2.pem", TEXT_ED25519);
	place_put(bed->place, DOMAIN "/bad.pem", "rubbish", 7, 0600);
	place_put(bed->place, DOMAIN "/open.pem", "rubbish", 7, 0644);
	/* All of that is old. */
	place_set_ahead(3600);
}

static void
bed_close(struct bed *bed)
{
	place_close(bed->place);
	free(bed->key_table);
	free(bed->signing_table);
}

/* What keys_match() says: "DOMAIN/SELECTOR" of each, and " i=..." if it has
 * that, or the words. */
static const char *
matched(const struct bed *bed, const char *local_part, const char *domain)
{
	static char words[FAULT_WORDS_BYTES];
	struct key_match matches[KEYS_MATCHES];
	struct fault fault = { 0 };
	size_t count = 1000;

	words[0] = '\0';
	if (!keys_match(bed->place->keys, &bed->place->places, local_part,
		domain, NULL, NULL, matches, &count, &fault)) {
		assert_int_equal(0, count);
		assert_int_not_equal(FAULT_NONE, fault.kind);
		snprintf(words, sizeof(words), "%s", fault.words);
		return words;
	}
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(words);

		assert_int_equal(1, matches[i].ring->count);
		snprintf(words + used, sizeof(words) - used, "%s%s/%s%s%s",
		    used > 0 ? " " : "", matches[i].ring->keys[0].domain,
		    matches[i].ring->keys[0].selector,
		    matches[i].identity != NULL ? " i=" : "",
		    matches[i].identity != NULL ? matches[i].identity : "");
		keys_release_match(bed->place->keys, &matches[i]);
		assert_null(matches[i].ring);
		assert_null(matches[i].identity);
	}
	return words;
}

static void
expect_match(const struct bed *bed, const char *local_part, const char *domain,
    const char *wanted)
{
	const char *got = matched(bed, local_part, domain);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s@%s: wanted %s, got %s", local_part, domain, wanted,
		    got);
}

/* ---- what is found ------------------------------------------------------ */

static void
test_found(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed,
	    "one a.example:s1:./" DOMAIN "/s1.pem\n"
	    "two a.example:s2:./" DOMAIN "/s2.pem\n"
	    "same a.example:S1:./" DOMAIN "/s2.pem\n"
	    "b b.example:s1:./" DOMAIN "/s1.pem\n",
	    "*@a.example one\n*@a.example two\n*@b.example b\n"
	    "boss@c.example one\n");
	place = bed.place;
	place_expect(place, "two keys of a domain", "a.example", "s1 s2");
	place_expect(place, "one", "b.example", "s1");
	place_expect(place, "none", "c.example", "none");
	assert_true(keys_has(place->keys, &place->places, "a.example"));
	assert_false(keys_has(place->keys, &place->places, "c.example"));
	expect_match(&bed, "x", "a.example", "a.example/s1 a.example/s2");
	expect_match(&bed, "x", "b.example", "b.example/s1");
	expect_match(&bed, "Boss", "c.example", "a.example/s1");
	expect_match(&bed, "x", "c.example", "");
	/* A directory's key goes before. */
	place->places.directory = place->directory;
	place_put_text(place, DOMAIN "/d1.private", TEXT_ED25519);
	place_expect(place, "in a directory too", "a.example", "d1");
	bed_close(&bed);
}

/* A file that many domains use is one key. */
static void
test_shared_file(void **state)
{
	const struct key_ring *one;
	const struct key_ring *other;
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "all %:mail:./" DOMAIN "/s1.pem\n", "*@* all\n");
	place = bed.place;
	assert_true(
	    keys_find(place->keys, &place->places, "a.example", &one, NULL));
	assert_true(
	    keys_find(place->keys, &place->places, "b.example", &other, NULL));
	assert_ptr_not_equal(one, other);
	assert_ptr_equal(one->keys[0].pkey, other->keys[0].pkey);
	assert_string_equal("a.example", one->keys[0].domain);
	assert_string_equal("b.example", other->keys[0].domain);
	assert_string_equal("mail", other->keys[0].selector);
	keys_release(place->keys, &one);
	/* What is lent outlives table, file and cache entry. */
	place_put_text(place, DOMAIN "/s1.pem", TEXT_ED25519);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "another key", "a.example", "mail");
	assert_int_equal(2048, EVP_PKEY_get_bits(other->keys[0].pkey));
	keys_release(place->keys, &other);
	expect_match(&bed, "x", "c.example", "c.example/mail");
	bed_close(&bed);
}

/* Where the path is the domain's, a file that isn't there is no key; where a
 * line names it, it is a fault. */
static void
test_missing_files(void **state)
{
	struct place *place;
	struct bed bed;
	char *words = NULL;

	(void)state;
	bed_open(&bed,
	    "each %:s1:./%/s1.pem\nlost lost.example:s1:./lost/s1.pem\n",
	    "*@lost.example lost\n*@* each\n");
	place = bed.place;
	place_expect(place, "there", "a.example", "s1");
	place_expect(place, "not there", "b.example", "none");
	assert_true(keys_has(place->keys, &place->places, "a.example"));
	assert_false(keys_has(place->keys, &place->places, "b.example"));
	assert_true(keys_has(place->keys, &place->places, "lost.example"));
	expect_match(&bed, "x", "b.example", "");
	assert_true(asprintf(&words,
			"%s:2: %s/lost/s1.pem: not there: put the key there, "
			"or remove the line",
			bed.key_table, place->directory)
	    > 0);
	place_expect(place, "a lost one", "lost.example", words);
	expect_match(&bed, "x", "lost.example", words);
	free(words);
	/* It comes, and is seen. */
	place_put_directory(place, "b.example", 0700);
	place_put_text(place, "b.example/s1.pem", TEXT_RSA);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "new", "b.example", "s1");
	place_remove(place, "b.example/s1.pem");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "gone", "b.example", "none");
	bed_close(&bed);
}

static void
test_faults(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed,
	    "# keys\nbad bad.example:s1:./" DOMAIN "/bad.pem\n"
	    "good bad.example:s2:./" DOMAIN "/s2.pem\n"
	    "open open.example:s1:./" DOMAIN "/open.pem\n"
	    "text text.example:s1:MIIB\n",
	    "*@bad.example good\n*@bad.example bad\n*@text.example text\n");
	place = bed.place;
	assert_non_null(
	    strstr(place_found(place, "bad.example"), "key.table:2: "));
	assert_non_null(strstr(
	    place_found(place, "bad.example"), "bad.pem: no private key"));
	assert_non_null(strstr(
	    place_found(place, "open.example"), "open.pem: chmod 600 it"));
	assert_non_null(strstr(
	    place_found(place, "text.example"), "key.table:5: the key is"));
	/* Nothing is lent where one of several fails. */
	assert_non_null(
	    strstr(matched(&bed, "x", "bad.example"), "no private key"));
	bed_close(&bed);
}

static void
test_inline_keys(void **state)
{
	char *rsa = key_text_bare(TEXT_RSA_OLD);
	char *ed25519 = key_text_bare(TEXT_ED25519);
	const struct key_ring *ring;
	const struct key_ring *again;
	struct place *place;
	char *text = NULL;
	struct bed bed;

	(void)state;
	assert_true(asprintf(&text, "r a.example:s1:%s\ne a.example:s2:%s\n",
			rsa, ed25519)
	    > 0);
	bed_open(&bed, text, "*@a.example r\n");
	place = bed.place;
	place_expect(place, "both", "a.example", "s1 s2");
	expect_match(&bed, "x", "a.example", "a.example/s1");
	assert_true(
	    keys_find(place->keys, &place->places, "a.example", &ring, NULL));
	key_expect_public(TEXT_RSA, ring->keys[0].pkey);
	/* Parsed once. */
	place->now_ms += 10 * KEYS_STALE_MS;
	assert_true(
	    keys_find(place->keys, &place->places, "a.example", &again, NULL));
	assert_ptr_equal(ring->keys[0].pkey, again->keys[0].pkey);
	keys_release(place->keys, &ring);
	keys_release(place->keys, &again);
	free(rsa);
	free(ed25519);
	free(text);
	bed_close(&bed);
}

/* ---- tables that change ------------------------------------------------- */

static void
test_changed_table(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "one a.example:s1:./" DOMAIN "/s1.pem\n", "");
	place = bed.place;
	place_expect(place, "at first", "a.example", "s1");
	put(&bed, "key.table", "one a.example:s9:./" DOMAIN "/s1.pem\n");
	place_expect(place, "not looked at yet", "a.example", "s1");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "changed", "a.example", "s9");
	/* Somebody is still writing: what is there isn't taken. */
	place_set_ahead(0);
	put(&bed, "key.table", "one a.exa");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "half of it", "a.example", "s9");
	put(&bed, "key.table",
	    "one a.example:s9:./" DOMAIN "/s1.pem\n"
	    "two a.example:s2:./" DOMAIN "/s2.pem\n");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "whole, just now", "a.example", "s9");
	place_set_ahead(1);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "whole", "a.example", "s2 s9");
	bed_close(&bed);
}

/* A reload looks at once, but doesn't say that nobody is writing. */
static void
test_reload(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "one a.example:s1:./" DOMAIN "/s1.pem\n", "");
	place = bed.place;
	place_expect(place, "at first", "a.example", "s1");
	put(&bed, "key.table", "two a.example:s2:./" DOMAIN "/s2.pem\n");
	place_expect(place, "before a reload", "a.example", "s1");
	keys_forget(place->keys);
	place_expect(place, "after it", "a.example", "s2");
	place_set_ahead(0);
	put(&bed, "key.table", "two a.exa");
	keys_forget(place->keys);
	place_expect(place, "half-written", "a.example", "s2");
	put(&bed, "key.table",
	    "two a.example:s2:./" DOMAIN "/s2.pem\n"
	    "one a.example:s1:./" DOMAIN "/s1.pem\n");
	keys_forget(place->keys);
	place_expect(place, "whole, just now", "a.example", "s2");
	place_set_ahead(1);
	keys_forget(place->keys);
	place_expect(place, "whole", "a.example", "s1 s2");
	bed_close(&bed);
}

/* ---- tables that are emptied -------------------------------------------- */

static void
wait_ms(const struct bed *bed, uint64_t ms)
{
	bed->place->now_ms += ms;
}

static void
expect_trouble(const struct bed *bed, const char *wanted)
{
	struct fault fault = { 0 };
	bool is_good =
	    keys_prepare(bed->place->keys, &bed->place->places, &fault);

	if (is_good != (wanted == NULL)
	    || (wanted != NULL && strstr(fault.words, wanted) == NULL))
		fail_msg("wanted %s, got %s", wanted != NULL ? wanted : "good",
		    fault.words);
}

static const char an_entry[] = "one a.example:s1:./" DOMAIN "/s1.pem\n";
static const char a_rule[] = "*@a.example one\n";

static void
test_emptied_key_table(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, an_entry, a_rule);
	place = bed.place;
	place_expect(place, "at first", "a.example", "s1");
	put(&bed, "key.table", "");
	wait_ms(&bed, KEYS_STALE_MS);
	expect_trouble(&bed, "key.table: no good entry in it any more");
	place_expect(place, "emptied", "a.example", "s1");
	expect_match(&bed, "x", "a.example", "a.example/s1");
	wait_ms(&bed, KEYS_TABLES_EMPTY_MS - KEYS_STALE_MS);
	place_expect(place, "for long", "a.example", "s1");
	put(&bed, "key.table", an_entry);
	wait_ms(&bed, KEYS_STALE_MS);
	expect_trouble(&bed, NULL);
	place_expect(place, "filled again", "a.example", "s1");
	/* All of the time begins anew, also if nothing is left but bad lines
	 * and comments, and through a reload. */
	put(&bed, "key.table", "# none\none a.exa");
	keys_forget(place->keys);
	expect_trouble(&bed, "key.table: no good entry");
	wait_ms(&bed, KEYS_TABLES_EMPTY_MS - 1);
	place_expect(place, "emptied again", "a.example", "s1");
	wait_ms(&bed, KEYS_STALE_MS);
	place_expect(place, "for ever", "a.example", "none");
	expect_match(&bed, "x", "a.example", "");
	bed_close(&bed);
}

static void
test_emptied_signing_table(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, an_entry, a_rule);
	expect_match(&bed, "x", "a.example", "a.example/s1");
	put(&bed, "signing.table", "");
	wait_ms(&bed, KEYS_STALE_MS);
	expect_match(&bed, "x", "a.example", "a.example/s1");
	expect_trouble(&bed, "signing.table: no good entry in it any more");
	wait_ms(&bed, KEYS_TABLES_EMPTY_MS);
	expect_match(&bed, "x", "a.example", "");
	expect_trouble(&bed, NULL);
	bed_close(&bed);
}

/* ---- whom tables are open to -------------------------------------------- */

enum { NOBODY = 4242 };

struct open_case {
	const char *name;
	const char *table;
	bool has_key; /* the KeyTable */
	mode_t mode;
	uid_t owner;      /* 0: stays */
	gid_t group;      /* the same */
	bool is_roots;    /* only root can make it */
	const char *want; /* NULL: it signs */
};

static const struct open_case open_cases[] = {
	{ "paths to be read", "key.table", false, 0644, 0, 0, false, NULL },
	{ "whose group writes", "key.table", false, 0664, 0, 0, false, NULL },
	{ "that all write", "key.table", false, 0666, 0, 0, false,
	    "key.table: everybody can write it: chmod go-w it" },
	{ "that others write", "key.table", false, 0602, 0, 0, false,
	    "key.table: everybody can write it: chmod go-w it" },
	{ "rules to be read", "signing.table", false, 0644, 0, 0, false, NULL },
	{ "rules that all write", "signing.table", false, 0666, 0, 0, false,
	    "signing.table: everybody can write it: chmod go-w it" },
	{ "rules beside keys", "signing.table", true, 0664, 0, 0, false, NULL },
	{ "rules beside keys that all write", "signing.table", true, 0646, 0, 0,
	    false, "signing.table: everybody can write it" },
	{ "keys", "key.table", true, 0640, 0, 0, false, NULL },
	{ "keys that all read", "key.table", true, 0644, 0, 0, false,
	    "key.table: keys stand in it, and others can read or write it: "
	    "chmod 600 it" },
	{ "keys that the group writes", "key.table", true, 0660, 0, 0, false,
	    "key.table: keys stand in it" },
	{ "somebody's", "key.table", false, 0644, NOBODY, 0, true,
	    "key.table: it belongs to uid 4242" },
	{ "somebody's rules", "signing.table", false, 0600, NOBODY, 0, true,
	    "signing.table: it belongs to uid 4242" },
	{ "somebody's keys", "key.table", true, 0600, NOBODY, 0, true,
	    "key.table: it belongs to uid 4242" },
	{ "that a strange group reads", "key.table", false, 0640, 0, NOBODY,
	    true, NULL },
	{ "that a strange group writes", "key.table", false, 0660, 0, NOBODY,
	    true, "key.table: group 4242 can write it: chmod g-w it" },
	{ "rules that a strange group writes", "signing.table", false, 0660, 0,
	    NOBODY, true,
	    "signing.table: group 4242 can write it: chmod g-w it" },
	{ "keys that a strange group reads", "key.table", true, 0640, 0, NOBODY,
	    true, "key.table: group 4242 can read it" },
};

static void
expect_open(const struct bed *bed, const struct open_case *c, const char *when)
{
	const char *got = matched(bed, "x", "a.example");
	const char *found;

	if (c->want == NULL ? strcmp(got, "a.example/s1") != 0
			    : strstr(got, c->want) == NULL)
		fail_msg("%s, %s: wanted %s, got %s", c->name, when,
		    c->want != NULL ? c->want : "a.example/s1", got);
	expect_trouble(bed, c->want);
	found = place_found(bed->place, "a.example");
	if (c->want == NULL ? strcmp(found, "s1") != 0
			    : strstr(found, c->want) == NULL)
		fail_msg("%s, %s: found %s", c->name, when, found);
}

static void
check_open(const struct open_case *c, const char *with_key)
{
	struct bed bed;
	char *path;

	bed_open(&bed, c->has_key ? with_key : an_entry, a_rule);
	path = place_path(bed.place, c->table);
	/* While the daemon runs, and as soon as it is seen. */
	expect_match(&bed, "x", "a.example", "a.example/s1");
	place_set_ahead(0);
	assert_int_equal(0, chmod(path, c->mode));
	if (c->is_roots)
		assert_int_equal(0,
		    chown(path, c->owner > 0 ? c->owner : (uid_t)-1,
			c->group > 0 ? c->group : (gid_t)-1));
	wait_ms(&bed, KEYS_STALE_MS);
	expect_open(&bed, c, "running");
	keys_forget(bed.place->keys);
	expect_open(&bed, c, "reloaded");
	/* From the start. */
	keys_close(&bed.place->keys);
	bed.place->keys = keys_open(8, NULL);
	assert_non_null(bed.place->keys);
	expect_open(&bed, c, "started");
	/* Mended. */
	assert_int_equal(0, chmod(path, 0600));
	if (c->is_roots)
		assert_int_equal(0, chown(path, geteuid(), getegid()));
	keys_forget(bed.place->keys);
	expect_match(&bed, "x", "a.example", "a.example/s1");
	expect_trouble(&bed, NULL);
	free(path);
	bed_close(&bed);
}

static void
test_open_tables(void **state)
{
	char *key = key_text_bare(TEXT_ED25519);
	char *text = NULL;

	(void)state;
	assert_true(asprintf(&text, "one a.example:s1:%s\n", key) > 0);
	for (size_t i = 0; i < COUNT(open_cases); i++)
		if (!open_cases[i].is_roots || geteuid() == 0)
			check_open(&open_cases[i], text);
	free(key);
	free(text);
}

static void
test_lost_table(void **state)
{
	struct fault fault = { 0 };
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "one a.example:s1:./" DOMAIN "/s1.pem\n", "");
	place = bed.place;
	assert_true(keys_prepare(place->keys, &place->places, &fault));
	place_remove(place, "key.table");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "the old one holds", "a.example", "s1");
	assert_false(keys_prepare(place->keys, &place->places, &fault));
	assert_non_null(strstr(fault.words, "key.table"));
	put(&bed, "key.table",
	    "bad line\none a.example:s2:./" DOMAIN "/s1.pem\nworse\n");
	place->now_ms += KEYS_STALE_MS;
	fault = (struct fault){ 0 };
	assert_false(keys_prepare(place->keys, &place->places, &fault));
	assert_non_null(strstr(fault.words, "key.table:1: "));
	assert_non_null(strstr(fault.words, "(and 1 more bad lines)"));
	place_expect(place, "what is good of it", "a.example", "s2");
	put(&bed, "key.table", "one a.example:s3:./" DOMAIN "/s1.pem\n");
	place->now_ms += KEYS_STALE_MS;
	assert_true(keys_prepare(place->keys, &place->places, &fault));
	place_expect(place, "all good", "a.example", "s3");
	/* Tables that never were there. */
	place->places.key_table = "/nowhere/key.table";
	assert_false(keys_prepare(place->keys, &place->places, &fault));
	assert_non_null(strstr(fault.words, "/nowhere/key.table"));
	assert_non_null(
	    strstr(place_found(place, "a.example"), "/nowhere/key.table"));
	assert_true(keys_has(place->keys, &place->places, "a.example"));
	place->places.key_table = "";
	assert_true(keys_prepare(place->keys, &place->places, &fault));
	place_expect(place, "none at all", "a.example", "none");
	expect_match(&bed, "x", "a.example", "");
	bed_close(&bed);
}

/* Many pairs, of which the newest are kept. */
static void
test_many_pairs(void **state)
{
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "one a.example:s1:./" DOMAIN "/s1.pem\n", "");
	place = bed.place;
	for (int i = 0; i < 3 * KEYS_TABLES_PAIRS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "table%d", i);
		put(&bed, name, "one a.example:s2:./" DOMAIN "/s2.pem\n");
		place->places.key_table = place_path(place, name);
		place_expect(place, name, "a.example", "s2");
		free((char *)(uintptr_t)place->places.key_table);
	}
	place->places.key_table = bed.key_table;
	place_expect(place, "the first again", "a.example", "s1");
	bed_close(&bed);
}

/* ---- threads ------------------------------------------------------------ */

enum { THREADS = 8, ROUNDS = 300 };

static void *
hammer(void *context)
{
	struct place *place = context;
	unsigned bad = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct key_match matches[KEYS_MATCHES];
		const struct key_ring *ring;
		size_t count = 0;

		place->now_ms += 100;
		if (!keys_find(
			place->keys, &place->places, "a.example", &ring, NULL))
			bad++;
		else if (ring == NULL || ring->count < 1)
			bad++;
		else
			bad += strcmp("a.example", ring->keys[0].domain) != 0;
		keys_release(place->keys, &ring);
		bad += !keys_match(place->keys, &place->places, "x",
		    "a.example", NULL, NULL, matches, &count, NULL);
		bad += count != 1;
		while (count > 0)
			keys_release_match(place->keys, &matches[--count]);
		if (i % 50 == 0)
			keys_forget(place->keys);
	}
	return (void *)(uintptr_t)bad;
}

/* A new file takes the place of the old one: there is always a whole table. */
static void
replace(const struct bed *bed, int turn)
{
	char *path = place_path(bed->place, "new.table");
	char text[200];

	snprintf(text, sizeof(text),
	    "one a.example:s%d:./" DOMAIN "/s1.pem\n"
	    "two a.example:t:./" DOMAIN "/s2.pem\n",
	    turn);
	put(bed, "new.table", text);
	assert_int_equal(0, rename(path, bed->key_table));
	free(path);
}

static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct bed bed;
	void *bad;

	(void)state;
	bed_open(&bed, "", "*@a.example one\n");
	replace(&bed, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, hammer, bed.place));
	for (int i = 0; i < 100; i++)
		replace(&bed, i);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "at last", "a.example", "s99 t");
	bed_close(&bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_shared_file),
		cmocka_unit_test(test_missing_files),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_inline_keys),
		cmocka_unit_test(test_changed_table),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_emptied_key_table),
		cmocka_unit_test(test_emptied_signing_table),
		cmocka_unit_test(test_open_tables),
		cmocka_unit_test(test_lost_table),
		cmocka_unit_test(test_many_pairs),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name(
	    "keys_tables", tests, key_texts_make, key_texts_free);
}
