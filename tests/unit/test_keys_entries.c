/* What becomes of the keys that OpenDKIM's tables name: whose they are, which
 * are looked at, and what is left of them in memory. */
#include "milter/io/keys.h"
#include "tests/unit/keys_fixture.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- in OpenSSL's place ------------------------------------------------- */

static bool is_memory_short;

EVP_PKEY *
EVP_PKEY_new_raw_private_key(
    int type, ENGINE *engine, const unsigned char *seed, size_t length)
{
	(void)engine;
	assert_int_equal(EVP_PKEY_ED25519, type);
	if (is_memory_short)
		return NULL;
	return EVP_PKEY_new_raw_private_key_ex(
	    NULL, "ED25519", NULL, seed, length);
}

/* ---- two tables --------------------------------------------------------- */

struct bed {
	struct place *place;
	char *key_table;
	char *signing_table;
	char *bare; /* an Ed25519 key as a table has it */
};

/* In keys "$" is the bare key. */
static void
bed_open(struct bed *bed, const char *keys, const char *rules)
{
	const char *mark = strchr(keys, '$');
	char *text = NULL;

	bed->place = place_open(16);
	bed->key_table = place_path(bed->place, "key.table");
	bed->signing_table = place_path(bed->place, "signing.table");
	bed->bare = key_text_bare(TEXT_ED25519);
	if (mark == NULL)
		assert_true(asprintf(&text, "%s", keys) > 0);
	else
		assert_true(asprintf(&text, "%.*s%s%s", (int)(mark - keys),
				keys, bed->bare, mark + 1)
		    > 0);
	place_put(bed->place, "key.table", text, strlen(text), 0600);
	place_put(bed->place, "signing.table", rules, strlen(rules), 0600);
	free(text);
	bed->place->places.directory = "";
	bed->place->places.key_table = bed->key_table;
	bed->place->places.signing_table = bed->signing_table;
	bed->place->places.is_refile = true;
	place_set_ahead(3600);
}

static void
bed_close(struct bed *bed)
{
	place_close(bed->place);
	free(bed->key_table);
	free(bed->signing_table);
	free(bed->bare);
}

/* ---- who may sign ------------------------------------------------------- */

/* Who is asked, and what for. */
struct judge {
	const struct bed *bed;
	const char *allowed; /* between commas */
	char asked[256];
};

static bool
may_sign(void *context, const char *domain)
{
	struct judge *judge = context;
	size_t used = strlen(judge->asked);
	const struct key_ring *ring;

	snprintf(
	    judge->asked + used, sizeof(judge->asked) - used, "%s,", domain);
	/* No lock is held. */
	assert_true(keys_find(judge->bed->place->keys,
	    &judge->bed->place->places, "a.example", &ring, NULL));
	keys_release(judge->bed->place->keys, &ring);
	return strstr(judge->allowed, domain) != NULL;
}

static const struct judge_case {
	const char *name;
	const char *allowed; /* NULL: nobody is asked */
	const char *wanted;  /* d= of the rings, or part of the words */
} judge_cases[] = {
	{ "nobody is asked", NULL, "lost.pem: not there" },
	{ "all may", "lost.example,a.example,bad.example",
	    "lost.pem: not there" },
	{ "its file is missing", "a.example", "a.example" },
	{ "its file is bad", "a.example,bad.example", "bad.pem: " },
	{ "none may", "", "" },
};

static void
test_may_sign(void **state)
{
	static const char keys[] = "one lost.example:s1:./lost.pem\n"
				   "two a.example:s1:./a.pem\n"
				   "three bad.example:s1:./bad.pem\n";
	static const char rules[] = "*@a.example one\n"
				    "*@a.example two\n"
				    "*@a.example three\n";
	struct bed bed;

	(void)state;
	bed_open(&bed, keys, rules);
	place_put_text(bed.place, "a.pem", TEXT_RSA);
	place_put(bed.place, "bad.pem", "x", 1, 0666);
	for (size_t i = 0; i < COUNT(judge_cases); i++) {
		const struct judge_case *c = &judge_cases[i];
		struct judge judge = { .bed = &bed, .allowed = c->allowed };
		struct key_match matches[KEYS_MATCHES];
		struct fault fault = { 0 };
		size_t count = 1000;
		const char *got = fault.words;

		if (keys_match(bed.place->keys, &bed.place->places, "x",
			"a.example", c->allowed != NULL ? may_sign : NULL,
			&judge, matches, &count, &fault))
			got = count > 0 ? matches[0].ring->keys[0].domain : "";
		else
			assert_int_equal(0, count);
		if (count > 1 || strstr(got, c->wanted) == NULL
		    || (*c->wanted == '\0' && *got != '\0'))
			fail_msg("%s: wanted %s, got %s (%zu keys)", c->name,
			    c->wanted, got, count);
		if (c->allowed != NULL
		    && strstr(
			   "lost.example,a.example,bad.example,", judge.asked)
			== NULL)
			fail_msg("%s: asked for %s", c->name, judge.asked);
		while (count > 0)
			keys_release_match(bed.place->keys, &matches[--count]);
	}
	bed_close(&bed);
}

/* ---- how many, and for whom --------------------------------------------- */

static const struct match_case {
	const char *name;
	const char *allowed; /* NULL: all */
	bool takes_all;
	const char *wanted; /* "SELECTOR IDENTITY", "-" for none; ", " between
			       them */
	const char *words;  /* part of the fault's */
} match_cases[] = {
	{ "all", NULL, true, NULL, "bad.pem: not there" },
	{ "the first", NULL, false, "sa -", NULL },
	{ "all that may sign", "b.example,c.example", true,
	    "sb x@mail.b.example, sc @c.example", NULL },
	{ "the first that may sign", "b.example,c.example", false,
	    "sb x@mail.b.example", NULL },
	{ "the first that has a file", "c.example,bad.example", false,
	    "sc @c.example", NULL },
	{ "the first that may sign has a fault", "bad.example", false, NULL,
	    "bad.pem: not there" },
	{ "none", "", false, "", NULL },
};

/* Is domain one of the list? */
static bool
is_allowed(void *context, const char *domain)
{
	const char *allowed = context;

	return strstr(allowed, domain) != NULL;
}

static void
show_matches(struct keys *keys, struct key_match matches[KEYS_MATCHES],
    size_t count, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(out);

		snprintf(out + used, size - used, "%s%s %s",
		    used > 0 ? ", " : "", matches[i].ring->keys[0].selector,
		    matches[i].identity != NULL ? matches[i].identity : "-");
		keys_release_match(keys, &matches[i]);
		keys_release_match(keys, &matches[i]);
	}
}

static void
test_multiple(void **state)
{
	static const char keys[] = "a a.example:sa:./a.pem\n"
				   "b b.example:sb:./a.pem\n"
				   "none %:sn:./%.pem\n"
				   "c c.example:sc:./a.pem\n"
				   "bad bad.example:sd:./bad.pem\n";
	static const char rules[] = "*@c.example a:@%\n"
				    "*@c.example b:x@mail.b.example\n"
				    "*@c.example none:@%\n"
				    "x@c.example c:@%\n"
				    "*@c.example bad\n";
	struct bed bed;

	(void)state;
	bed_open(&bed, keys, rules);
	place_put_text(bed.place, "a.pem", TEXT_RSA);
	for (size_t i = 0; i < COUNT(match_cases); i++) {
		const struct match_case *c = &match_cases[i];
		struct key_match matches[KEYS_MATCHES];
		struct fault fault = { 0 };
		size_t count = 1000;
		char got[FAULT_WORDS_BYTES];

		bed.place->places.takes_all = c->takes_all;
		if (keys_match(bed.place->keys, &bed.place->places, "x",
			"c.example", c->allowed != NULL ? is_allowed : NULL,
			(char *)(uintptr_t)c->allowed, matches, &count, &fault))
			show_matches(
			    bed.place->keys, matches, count, got, sizeof(got));
		else
			snprintf(got, sizeof(got), "%s", fault.words);
		if (c->words != NULL ? strstr(got, c->words) == NULL
				     : strcmp(got, c->wanted) != 0)
			fail_msg("%s: wanted %s, got %s", c->name,
			    c->words != NULL ? c->words : c->wanted, got);
	}
	bed_close(&bed);
}

/* ---- files that change -------------------------------------------------- */

/* While somebody writes a file, the key that it had holds; one that was removed
 * is gone at once. */
static void
test_changed_files(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, "a %:s1:./%.pem\n", "");
	place_put_text(bed.place, "a.example.pem", TEXT_RSA);
	place_expect(bed.place, "whole", "a.example", "s1");
	place_set_ahead(0);
	place_put(bed.place, "a.example.pem", key_text(TEXT_ED25519), 60, 0600);
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "half-written", "a.example", "s1");
	place_set_ahead(3600);
	bed.place->now_ms += KEYS_STALE_MS;
	assert_non_null(
	    strstr(place_found(bed.place, "a.example"), "END line"));
	place_put_text(bed.place, "a.example.pem", TEXT_ED25519);
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "whole again", "a.example", "s1");
	place_remove(bed.place, "a.example.pem");
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "removed", "a.example", "none");
	bed_close(&bed);
}

/* Where only the path depends on the author, no other file will do, so one that
 * is missing is a fault. */
static void
test_path_of_author(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, "a a.example:s1:./%.pem\n", "");
	assert_non_null(strstr(
	    place_found(bed.place, "a.example"), "a.example.pem: not there"));
	bed_close(&bed);
}

/* Tables that were away and are back as they were are no trouble any more. */
static void
test_away_and_back(void **state)
{
	struct fault fault = { 0 };
	char *away = NULL;
	struct place *place;
	struct bed bed;

	(void)state;
	bed_open(&bed, "a a.example:s1:$\n", "");
	place = bed.place;
	assert_true(asprintf(&away, "%s.away", place->directory) > 0);
	assert_true(keys_prepare(place->keys, &place->places, &fault));
	assert_int_equal(0, rename(place->directory, away));
	place->now_ms += KEYS_STALE_MS;
	assert_false(keys_prepare(place->keys, &place->places, &fault));
	place_expect(place, "what was read holds", "a.example", "s1");
	assert_int_equal(0, rename(away, place->directory));
	place->now_ms += KEYS_STALE_MS;
	if (!keys_prepare(place->keys, &place->places, &fault))
		fail_msg("back again: %s", fault.words);
	free(away);
	bed_close(&bed);
}

/* DNS has one record of a selector: the first line with it counts. */
static void
test_same_selector(void **state)
{
	const struct key_ring *ring;
	struct bed bed;

	(void)state;
	bed_open(&bed,
	    "b a.example:sb:./a.pem\n"
	    "a a.example:sa:./a.pem\n"
	    "c a.example:SA:$\n",
	    "");
	place_put_text(bed.place, "a.pem", TEXT_RSA);
	place_expect(bed.place, "three lines", "a.example", "sa sb");
	assert_true(keys_find(
	    bed.place->keys, &bed.place->places, "a.example", &ring, NULL));
	for (size_t i = 0; i < 2; i++)
		key_expect_public(TEXT_RSA, ring->keys[i].pkey);
	keys_release(bed.place->keys, &ring);
	bed_close(&bed);
}

/* ---- names of which no file can be -------------------------------------- */

/* A foreign domain so long that no file's name holds it has no key; nor has one
 * whose file would lie below a file. */
static void
test_no_file(void **state)
{
	static const char *const tables[] = { "any %:s1:./%.private\n",
		"any %:s1:./file/%\n" };
	char name[249];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	for (size_t i = 60; i < sizeof(name) - 2; i += 60)
		name[i] = '.';
	name[sizeof(name) - 1] = '\0';
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct bed bed;

		bed_open(&bed, tables[i], "");
		place_put(bed.place, "file", "", 0, 0600);
		for (int turn = 0; turn < 2; turn++) {
			place_expect(bed.place, tables[i], name, "none");
			if (keys_has(bed.place->keys, &bed.place->places, name))
				fail_msg("%s: it has a key", tables[i]);
			bed.place->now_ms += KEYS_STALE_MS;
			if (keys_has(bed.place->keys, &bed.place->places, name))
				fail_msg("%s: it has a key now", tables[i]);
		}
		bed_close(&bed);
	}
}

/* ---- one key for all ---------------------------------------------------- */

static const struct has_case {
	const char *domain;
	bool has;
	const char *found;
} has_cases[] = {
	{ "own.example", true, "all own text" },
	{ "each.example", true, "all each text" },
	{ "any.example", false, "all text" },
	{ "com", false, "all text" },
};

/* Who has nothing but the key of all domains has none of his own, though it
 * signs for him. */
static void
test_shared(void **state)
{
	static const char keys[] = "all %:all:./shared.pem\n"
				   "own own.example:own:./shared.pem\n"
				   "each %:each:./%.pem\n"
				   "text %:text:$\n";
	struct bed bed;

	(void)state;
	bed_open(&bed, keys, "");
	place_put_text(bed.place, "shared.pem", TEXT_RSA);
	place_put_text(bed.place, "each.example.pem", TEXT_RSA);
	for (size_t i = 0; i < COUNT(has_cases); i++) {
		const struct has_case *c = &has_cases[i];

		if (c->has
		    != keys_has(bed.place->keys, &bed.place->places, c->domain))
			fail_msg("%s: wanted %d", c->domain, c->has);
		place_expect(bed.place, c->domain, c->domain, c->found);
	}
	bed_close(&bed);
}

/* ---- keys in the table -------------------------------------------------- */

/* Want of memory passes; that a key is none does not. */
static void
test_short_memory(void **state)
{
	const struct key_ring *ring;
	struct fault fault = { 0 };
	struct bed bed;

	(void)state;
	bed_open(&bed, "text a.example:s1:$\nbad b.example:s1:MIIB\n", "");
	is_memory_short = true;
	assert_false(keys_find(
	    bed.place->keys, &bed.place->places, "a.example", &ring, &fault));
	assert_int_equal(FAULT_MEMORY, fault.kind);
	is_memory_short = false;
	bed.place->now_ms += KEYS_STALE_MS;
	place_expect(bed.place, "memory again", "a.example", "s1");
	for (int i = 0; i < 2; i++) {
		assert_non_null(strstr(
		    place_found(bed.place, "b.example"), "the key is damaged"));
		bed.place->now_ms += KEYS_STALE_MS;
	}
	bed_close(&bed);
}

/* Each copy of a key that a question makes is wiped. */
static void
test_wiped(void **state)
{
	struct key_match matches[KEYS_MATCHES];
	size_t count;
	struct bed bed;

	(void)state;
	bed_open(&bed, "text %:s1:$\n", "*@a.example text\n");
	key_secret = bed.bare;
	key_wiped = 0;
	place_expect(bed.place, "found", "a.example", "s1");
	assert_int_equal(1, key_wiped);
	assert_true(keys_match(bed.place->keys, &bed.place->places, "x",
	    "a.example", NULL, NULL, matches, &count, NULL));
	assert_int_equal(1, count);
	keys_release_match(bed.place->keys, &matches[0]);
	assert_int_equal(2, key_wiped);
	/* The entry of the domain, and the same as one of all domains. */
	assert_false(
	    keys_has(bed.place->keys, &bed.place->places, "a.example"));
	assert_int_equal(4, key_wiped);
	key_secret = NULL;
	bed_close(&bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_may_sign),
		cmocka_unit_test(test_multiple),
		cmocka_unit_test(test_changed_files),
		cmocka_unit_test(test_path_of_author),
		cmocka_unit_test(test_away_and_back),
		cmocka_unit_test(test_same_selector),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_short_memory),
		cmocka_unit_test(test_wiped),
	};

	return cmocka_run_group_tests_name(
	    "keys_entries", tests, key_texts_make, key_texts_free);
}
