/* Who is kept in the cache of keys, and who makes place. */
#include "milter/io/keys_cache.h"
#include "tests/unit/keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { SECOND = KEYS_CACHE_REPEAT_MS };

/* A cache with a place and a clock of its own. */
struct bed {
	struct keys_cache cache;
	const struct key_place *place;
	uint64_t now_ms;
};

static void
bed_open(struct bed *bed, size_t most)
{
	assert_true(keys_cache_init(&bed->cache, most));
	bed->place =
	    keys_cache_place(&bed->cache, PLACE_DIRECTORY, "/keys", NULL);
	assert_non_null(bed->place);
	bed->now_ms = 5000;
}

static void
bed_close(struct bed *bed)
{
	keys_cache_clear(&bed->cache);
	for (size_t i = 0; i < SEGMENTS; i++)
		assert_int_equal(0, bed->cache.counts[i]);
	assert_null(bed->cache.index.chains);
}

/* A look that found what finding says; keys without a key in them will do. */
static struct key_look
look_of(enum keys_finding finding)
{
	struct key_look look = { .finding = finding, .is_settled = true };
	struct parsed_key key = { .algorithm = KEY_RSA_SHA256 };

	if (finding == KEYS_THERE) {
		look.set = keys_set_open("a.example", 1);
		assert_non_null(look.set);
		assert_true(keys_set_take(look.set, "s1", &key, NULL));
	}
	if (finding == KEYS_FAULTY)
		fault_set(&look.fault, FAULT_PERMANENT, "chmod 600 it");
	return look;
}

/* Ask for name, which has what finding says. Was it known? */
static bool
ask(struct bed *bed, const char *name, enum keys_finding finding)
{
	struct known *entry = keys_cache_find(&bed->cache, bed->place, name);
	struct key_look look;

	if (entry != NULL) {
		keys_cache_touch(&bed->cache, entry, bed->now_ms);
		return true;
	}
	entry = keys_cache_add(&bed->cache, bed->place, name, bed->now_ms);
	assert_non_null(entry);
	look = look_of(finding);
	assert_true(keys_cache_fill(&bed->cache, entry, &look, bed->now_ms, 0));
	assert_null(look.set);
	assert_ptr_equal(entry, keys_cache_find(&bed->cache, bed->place, name));
	keys_set_free_all(&bed->cache.garbage);
	return false;
}

static bool
is_known(struct bed *bed, const char *name)
{
	return keys_cache_find(&bed->cache, bed->place, name) != NULL;
}

static bool
ask_number(struct bed *bed, const char *of, unsigned n, enum keys_finding what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%u.example", of, n);
	return ask(bed, name, what);
}

static size_t
count_with_keys(const struct bed *bed)
{
	return bed->cache.counts[SEGMENT_NEW]
	    + bed->cache.counts[SEGMENT_PROTECTED];
}

/* ---- bounds ------------------------------------------------------------- */

static void
test_bounds(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 100 };

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		size_t most = sizes[i] > 0 ? sizes[i] : 1;
		struct bed bed;

		bed_open(&bed, sizes[i]);
		for (unsigned n = 0; n < 3000; n++) {
			ask_number(&bed, "yes", n * n % 257, KEYS_THERE);
			ask_number(&bed, "no", n, KEYS_NONE);
			ask_number(&bed, "bad", n, KEYS_FAULTY);
			bed.now_ms += n % 3 * SECOND;
			if (count_with_keys(&bed) > most
			    || bed.cache.counts[SEGMENT_EMPTY]
				> KEYS_CACHE_EMPTY * most)
				fail_msg("room for %zu: %zu and %zu", most,
				    count_with_keys(&bed),
				    bed.cache.counts[SEGMENT_EMPTY]);
		}
		assert_int_equal(most, count_with_keys(&bed));
		assert_int_equal(
		    KEYS_CACHE_EMPTY * most, bed.cache.counts[SEGMENT_EMPTY]);
		bed_close(&bed);
	}
}

/* What has no key is remembered of many, so an entry must be small: with the
 * tree's node and a name of 40 octets this is what README says of it. */
static void
test_entry_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct known) <= 80);
}

/* ---- places ------------------------------------------------------------- */

static const struct place_case {
	enum key_place_kind kind;
	const char *name;
	struct map_source map; /* of PLACE_MAP */
} place_cases[] = {
	{ PLACE_DIRECTORY, "/keys", { 0 } },
	{ PLACE_DIRECTORY, "/keys/a", { 0 } },
	{ PLACE_DIRECTORY, "", { 0 } },
	{ PLACE_FILES, "", { 0 } },
	{ PLACE_TEXTS, "", { 0 } },
	{ PLACE_MAP, "", { .kind = MAP_REDIS, .name = "keys" } },
	{ PLACE_MAP, "", { .kind = MAP_REDIS, .name = "keys2" } },
	{ PLACE_MAP, "", { .kind = MAP_LMDB, .name = "keys" } },
	{ PLACE_MAP, "",
	    { .kind = MAP_SOCKETMAP, .name = "keys", .socket = "unix:/a" } },
	{ PLACE_MAP, "",
	    { .kind = MAP_SOCKETMAP, .name = "keys", .socket = "unix:/b" } },
	{ PLACE_MAP, "",
	    { .kind = MAP_SOCKETMAP, .name = "keysu", .socket = "nix:/a" } },
};

static const struct key_place *
place_of(struct keys_cache *cache, const struct place_case *c)
{
	const struct map_source *map = c->kind == PLACE_MAP ? &c->map : NULL;

	return keys_cache_place(cache, c->kind, c->name, map);
}

/* What is known of one place is never taken for what is in another, and each
 * is found again. */
static void
test_places(void **state)
{
	const struct key_place *places[COUNT(place_cases)];
	struct bed bed;

	(void)state;
	bed_open(&bed, 4);
	for (size_t i = 0; i < COUNT(place_cases); i++) {
		places[i] = place_of(&bed.cache, &place_cases[i]);
		assert_non_null(places[i]);
		for (size_t k = 0; k < i; k++)
			if (places[k] == places[i])
				fail_msg("%zu and %zu are the same", k, i);
	}
	for (size_t i = 0; i < COUNT(place_cases); i++)
		if (place_of(&bed.cache, &place_cases[i]) != places[i])
			fail_msg("%zu isn't found again", i);
	bed_close(&bed);
}

/* ---- segments ----------------------------------------------------------- */

static void
test_asked_again(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, 10);
	ask(&bed, "once.example", KEYS_THERE);
	ask(&bed, "twice.example", KEYS_THERE);
	ask(&bed, "again.example", KEYS_THERE);
	/* Several questions of one message. */
	assert_true(ask(&bed, "twice.example", KEYS_THERE));
	bed.now_ms += SECOND - 1;
	assert_true(ask(&bed, "twice.example", KEYS_THERE));
	assert_int_equal(0, bed.cache.counts[SEGMENT_PROTECTED]);
	bed.now_ms += 1;
	assert_true(ask(&bed, "again.example", KEYS_THERE));
	assert_int_equal(1, bed.cache.counts[SEGMENT_PROTECTED]);
	for (unsigned n = 0; n < 1000; n++)
		assert_false(ask_number(&bed, "burst", n, KEYS_THERE));
	assert_true(is_known(&bed, "again.example"));
	assert_false(is_known(&bed, "twice.example"));
	assert_false(is_known(&bed, "once.example"));
	bed_close(&bed);
}

/* The order of use is that of the protected too, and who falls out of them is
 * new again. */
static void
test_protected_make_place(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, 10);
	for (unsigned n = 0; n < 10; n++)
		ask_number(&bed, "d", n, KEYS_THERE);
	bed.now_ms += SECOND;
	for (unsigned n = 0; n < 8; n++)
		ask_number(&bed, "d", n, KEYS_THERE);
	assert_int_equal(8, bed.cache.counts[SEGMENT_PROTECTED]);
	ask_number(&bed, "d", 0, KEYS_THERE);
	ask_number(&bed, "d", 8, KEYS_THERE);
	assert_int_equal(8, bed.cache.counts[SEGMENT_PROTECTED]);
	assert_true(is_known(&bed, "d1.example"));
	/* d1 is the newest of the new, d9 the oldest. */
	ask(&bed, "x.example", KEYS_THERE);
	assert_false(is_known(&bed, "d9.example"));
	assert_true(is_known(&bed, "d1.example"));
	ask(&bed, "y.example", KEYS_THERE);
	assert_false(is_known(&bed, "d1.example"));
	for (unsigned n = 0; n < 9; n++)
		if (n != 1)
			assert_true(ask_number(&bed, "d", n, KEYS_THERE));
	bed_close(&bed);
}

static void
fill(struct bed *bed, const char *name, struct key_look look)
{
	struct known *entry = keys_cache_find(&bed->cache, bed->place, name);

	assert_non_null(entry);
	assert_true(keys_cache_fill(&bed->cache, entry, &look, bed->now_ms, 0));
	keys_set_close(&look.set);
	keys_set_free_all(&bed->cache.garbage);
}

/* Entries go where what is known of them now belongs. */
static void
test_change_of_finding(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, 4);
	ask(&bed, "a.example", KEYS_NONE);
	assert_int_equal(1, bed.cache.counts[SEGMENT_EMPTY]);
	fill(&bed, "a.example", look_of(KEYS_THERE));
	assert_int_equal(1, bed.cache.counts[SEGMENT_NEW]);
	bed.now_ms += SECOND;
	ask(&bed, "a.example", KEYS_THERE);
	fill(&bed, "a.example", look_of(KEYS_THERE));
	assert_int_equal(1, bed.cache.counts[SEGMENT_PROTECTED]);
	fill(&bed, "a.example", look_of(KEYS_FAULTY));
	assert_int_equal(1, bed.cache.counts[SEGMENT_EMPTY]);
	assert_int_equal(0, count_with_keys(&bed));
	bed_close(&bed);
}

/* What was there holds on while it can't be seen. */
static void
test_passing_faults(void **state)
{
	static const struct {
		const char *name;
		enum fault_kind kind;
		bool may_pass;
		enum keys_finding wanted;
	} cases[] = {
		{ "somebody must mend it", FAULT_PERMANENT, false,
		    KEYS_FAULTY },
		{ "it may be half-written", FAULT_PERMANENT, true, KEYS_THERE },
		{ "no file descriptor", FAULT_TEMPORARY, false, KEYS_THERE },
		{ "no memory", FAULT_MEMORY, false, KEYS_THERE },
	};
	struct bed bed;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct key_look look = look_of(KEYS_FAULTY);
		const struct known *entry;

		look.fault.kind = cases[i].kind;
		look.may_pass = cases[i].may_pass;
		bed_open(&bed, 4);
		ask(&bed, "a.example", KEYS_THERE);
		fill(&bed, "a.example", look);
		entry = keys_cache_find(&bed.cache, bed.place, "a.example");
		if (entry->finding != cases[i].wanted
		    || (entry->finding == KEYS_THERE && entry->is_settled)
		    || (entry->set != NULL) != (cases[i].wanted == KEYS_THERE))
			fail_msg("%s: wanted %d, got %d", cases[i].name,
			    cases[i].wanted, entry->finding);
		bed_close(&bed);
	}
}

/* ---- the usual skew ----------------------------------------------------- */

enum { DOMAINS = 10000, ROOM = 2500, QUESTIONS = 100000 };

static double sums[DOMAINS];
static uint64_t random_state;

static double
random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (double)(random_state >> 11) / 9007199254740992.0;
}

/* The n-th is 1/n as likely as the first. */
static unsigned
random_domain(void)
{
	double wanted = random_number() * sums[DOMAINS - 1];
	unsigned low = 0;
	unsigned high = DOMAINS - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (sums[middle] < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The share of questions that is answered from the cache, in percent. */
static unsigned
hits(struct bed *bed, unsigned questions)
{
	unsigned known = 0;

	for (unsigned n = 0; n < questions; n++) {
		bed->now_ms += 5;
		known +=
		    ask_number(bed, "d", random_domain(), KEYS_THERE) ? 1 : 0;
	}
	return 100 * known / questions;
}

/* Knowing which are the likeliest would give 0.86; LRU gives 0.79, and less
 * after a burst. */
static void
test_usual_skew(void **state)
{
	struct bed bed;
	unsigned usual;
	unsigned after;

	(void)state;
	random_state = 88172645463325252U;
	for (unsigned n = 0; n < DOMAINS; n++)
		sums[n] = (n > 0 ? sums[n - 1] : 0) + 1.0 / (n + 1);
	bed_open(&bed, ROOM);
	(void)hits(&bed, QUESTIONS);
	usual = hits(&bed, QUESTIONS);
	if (usual < 82)
		fail_msg("wanted 82 of 100 or more, got %u", usual);
	for (unsigned n = 0; n < DOMAINS; n++)
		ask_number(&bed, "d", n, KEYS_THERE);
	after = hits(&bed, ROOM);
	if (after + 2 < usual)
		fail_msg("%u of 100 after a burst, %u before", after, usual);
	bed_close(&bed);
}

/* ---- through keys ------------------------------------------------------- */

/* The keys of as many domains as one likes without a key throw out nobody. */
static void
test_lent_and_evicted(void **state)
{
	struct place *place = place_open(2);
	const struct key_ring *lent;
	const struct key_ring *again;
	char name[64];

	(void)state;
	place_set_ahead(3600);
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &lent, NULL));
	assert_non_null(lent);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "no%d.example", i);
		place_expect(place, name, name, "none");
	}
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &again, NULL));
	assert_ptr_equal(lent, again);
	keys_release(place->keys, &again);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "yes%d.example", i);
		place_put_directory(place, name, 0700);
		snprintf(name, sizeof(name), "yes%d.example/s1.private", i);
		place_put_text(place, name, TEXT_ED25519);
		snprintf(name, sizeof(name), "yes%d.example", i);
		place_expect(place, name, name, "s1");
	}
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &again, NULL));
	assert_ptr_not_equal(lent, again);
	assert_string_equal("s1", lent->keys[0].selector);
	key_expect_public(TEXT_RSA, lent->keys[0].pkey);
	keys_release(place->keys, &again);
	keys_release(place->keys, &lent);
	place_close(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_entry_is_small),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_asked_again),
		cmocka_unit_test(test_protected_make_place),
		cmocka_unit_test(test_change_of_finding),
		cmocka_unit_test(test_passing_faults),
		cmocka_unit_test(test_usual_skew),
		cmocka_unit_test(test_lent_and_evicted),
	};

	return cmocka_run_group_tests_name(
	    "keys_cache", tests, key_texts_make, key_texts_free);
}
