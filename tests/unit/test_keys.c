/* What keys must find, remember and see change. */
#include "milter/io/keys.h"
#include "milter/io/keys_domain.h"
#include "tests/unit/keys_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- a directory -------------------------------------------------------- */

static void
test_ring(void **state)
{
	struct place *place = place_open(4);
	const struct key_ring *ring;
	struct fault fault;

	(void)state;
	place_put_text(place, DOMAIN "/s2.private", TEXT_RSA_OLD);
	place_put_text(place, DOMAIN "/s10.private", TEXT_ED25519);
	place_put_text(place, DOMAIN "/a.b-c.private", TEXT_RSA);
	place_put_text(place, DOMAIN "/.hidden.private", TEXT_EC);
	place_put_text(place, DOMAIN "/s3.pem", TEXT_EC);
	place_put_text(place, DOMAIN "/.private", TEXT_EC);
	place_put_text(place, DOMAIN "/README", TEXT_EC);
	assert_true(
	    keys_find(place->keys, place->directory, DOMAIN, &ring, &fault));
	assert_non_null(ring);
	assert_int_equal(3, ring->count);
	assert_string_equal("a.b-c", ring->keys[0].selector);
	assert_string_equal("s10", ring->keys[1].selector);
	assert_string_equal("s2", ring->keys[2].selector);
	assert_int_equal(KEY_RSA_SHA256, ring->keys[0].algorithm);
	assert_int_equal(KEY_ED25519_SHA256, ring->keys[1].algorithm);
	assert_string_equal(key_text_rsa_public(), ring->keys[0].public_b64);
	assert_string_equal(key_text_rsa_public(), ring->keys[2].public_b64);
	assert_int_equal(44, strlen(ring->keys[1].public_b64));
	assert_string_equal(key_text(TEXT_RSA), ring->keys[2].pem);
	keys_release(place->keys, &ring);
	place_close(place);
}

static void
test_no_domain(void **state)
{
	static const char *const names[] = { "", ".", "..", "../" DOMAIN,
		DOMAIN "/../" DOMAIN, "/", ".hidden", "a..example", "A.example",
		"[192.0.2.1]", "no.example", "\xc3\xa4.example" };
	struct place *place = place_open(4);

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_put_directory(place, ".hidden", 0700);
	place_put_text(place, ".hidden/s1.private", TEXT_RSA);
	for (size_t i = 0; i < COUNT(names); i++) {
		place_expect(place, names[i], names[i], "none");
		if (keys_has(place->keys, place->directory, names[i]))
			fail_msg("%s: keys_has() found something", names[i]);
	}
	place_close(place);
}

static void
test_directories(void **state)
{
	struct place *place = place_open(8);
	const struct key_ring *ring;
	struct fault fault;

	(void)state;
	place_expect(place, "an empty one", DOMAIN, "none");
	place_put(place, "file.example", "", 0, 0600);
	assert_non_null(
	    strstr(place_found(place, "file.example"), "Not a directory"));
	place_put_directory(place, "open.example", 0777);
	place_put_text(place, "open.example/s1.private", TEXT_RSA);
	assert_non_null(
	    strstr(place_found(place, "open.example"), "chmod 700 it"));
	assert_true(
	    keys_find(place->keys, "/nowhere/keys", DOMAIN, &ring, &fault));
	assert_null(ring);
	place_close(place);
}

static void
test_has(void **state)
{
	struct place *place = place_open(8);

	(void)state;
	assert_false(keys_has(place->keys, place->directory, DOMAIN));
	place_put_text(place, DOMAIN "/s1.pem", TEXT_RSA);
	assert_false(keys_has(place->keys, place->directory, DOMAIN));
	place_put(place, DOMAIN "/s1.private", "rubbish", 7, 0666);
	assert_true(keys_has(place->keys, place->directory, DOMAIN));
	assert_non_null(strstr(place_found(place, DOMAIN), "chmod"));
	assert_true(keys_has(place->keys, place->directory, DOMAIN));
	/* Now from what is remembered, until that is stale. */
	place_remove(place, DOMAIN "/s1.private");
	assert_true(keys_has(place->keys, place->directory, DOMAIN));
	place->now_ms += KEYS_STALE_MS;
	assert_false(keys_has(place->keys, place->directory, DOMAIN));
	place_close(place);
}

/* ---- changes ------------------------------------------------------------ */

static void
set_mode(const struct place *place, mode_t mode)
{
	char *path = place_path(place, DOMAIN "/s1.private");

	assert_int_equal(0, chmod(path, mode));
	free(path);
}

static void
add_first(const struct place *place)
{
	place_put_text(place, DOMAIN "/s1.private", TEXT_ED25519);
}

static void
add_second(const struct place *place)
{
	place_put_text(place, DOMAIN "/s2.private", TEXT_ED25519);
}

static void
remove_second(const struct place *place)
{
	place_remove(place, DOMAIN "/s2.private");
}

static void
let_others_read(const struct place *place)
{
	set_mode(place, 0644);
}

static void
let_us_read(const struct place *place)
{
	set_mode(place, 0600);
}

static void
put_half(const struct place *place)
{
	place_put(place, DOMAIN "/s1.private", key_text(TEXT_RSA), 500, 0600);
}

static void
rename_over(const struct place *place)
{
	char *path = place_path(place, DOMAIN "/s1.private");
	char *other = place_path(place, DOMAIN "/.other");

	place_put_text(place, DOMAIN "/.other", TEXT_RSA);
	assert_int_equal(0, rename(other, path));
	free(path);
	free(other);
}

static void
remove_directory(const struct place *place)
{
	place_remove(place, DOMAIN "/s1.private");
	place_remove(place, DOMAIN);
}

static void
add_directory(const struct place *place)
{
	place_put_directory(place, DOMAIN, 0700);
}

/* One after the other, on what the one before left. */
static const struct change {
	const char *name;
	void (*make)(const struct place *place); /* NULL: nothing changes */
	const char *wanted;
} change_cases[] = {
	{ "nothing", NULL, "none" },
	{ "a new file", add_first, "s1" },
	{ "no change", NULL, "s1" },
	{ "a second file", add_second, "s1 s2" },
	{ "one removed", remove_second, "s1" },
	{ "chmod", let_others_read, "chmod 600 it" },
	{ "chmod back", let_us_read, "s1" },
	{ "half a file", put_half, "no private key" },
	{ "replaced by rename", rename_over, "s1" },
	{ "directory removed", remove_directory, "none" },
	{ "still no directory", NULL, "none" },
	{ "directory back, empty", add_directory, "none" },
	{ "file back", add_first, "s1" },
};

/* Make a change, which must be unseen before KEYS_STALE_MS and seen at it.
 * before is what was seen last; NULL: nothing was looked for yet. */
static void
expect_change(
    struct place *place, const struct change *change, const char *before)
{
	const char *got;

	if (change->make != NULL)
		change->make(place);
	place->now_ms += KEYS_STALE_MS - 1;
	got = place_found(place, DOMAIN);
	if (before != NULL && strstr(got, before) == NULL)
		fail_msg("%s, too early: wanted %s, got %s", change->name,
		    before, got);
	place->now_ms += 1;
	got = place_found(place, DOMAIN);
	if (strstr(got, change->wanted) == NULL
	    || (strchr(change->wanted, ' ') == NULL
		&& strcmp(got, change->wanted) != 0))
		fail_msg(
		    "%s: wanted %s, got %s", change->name, change->wanted, got);
	/* The next second begins here. */
	place->now_ms += KEYS_STALE_MS;
	place_found(place, DOMAIN);
}

/* Whether the files that were there are young or old. */
static void
changes(long ahead_s)
{
	struct place *place = place_open(8);
	const char *before = NULL;

	place_set_ahead(ahead_s);
	for (size_t i = 0; i < COUNT(change_cases); i++) {
		expect_change(place, &change_cases[i], before);
		before = change_cases[i].wanted;
	}
	place_close(place);
}

static void
test_changes_to_young_files(void **state)
{
	(void)state;
	changes(0);
}

static void
test_changes_to_old_files(void **state)
{
	(void)state;
	changes(3600);
}

/* A file of the same size, inode and times: only re-reading shows it. That is
 * done as long as the file is young. */
static void
test_same_stamp(void **state)
{
	struct place *place = place_open(8);
	char *path = place_path(place, DOMAIN "/s1.private");
	const struct key_ring *ring;
	struct key_look before;
	struct key_look after;
	struct fault fault;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	keys_domain_look(place->directory, DOMAIN, &before);
	assert_int_equal(KEYS_THERE, before.finding);
	assert_false(before.is_settled);
	place_set_ahead(3600);
	keys_domain_look(place->directory, DOMAIN, &after);
	assert_true(after.is_settled);
	assert_true(keys_domain_is_as_before(
	    place->directory, DOMAIN, true, &after.directory, after.set));
	assert_false(keys_domain_is_as_before(
	    place->directory, DOMAIN, false, &after.directory, NULL));
	assert_int_equal(0, chmod(path, 0400));
	assert_false(keys_domain_is_as_before(
	    place->directory, DOMAIN, true, &after.directory, after.set));
	keys_set_free(before.set);
	keys_set_free(after.set);

	/* Old files aren't read again: the ring is the same one. */
	for (int i = 0; i < 3; i++) {
		static const struct key_ring *first;

		assert_true(keys_find(
		    place->keys, place->directory, DOMAIN, &ring, &fault));
		if (i == 0)
			first = ring;
		assert_ptr_equal(first, ring);
		keys_release(place->keys, &ring);
		place->now_ms += KEYS_STALE_MS;
	}
	free(path);
	place_close(place);
}

/* ---- the cache ---------------------------------------------------------- */

static void
test_lent_and_evicted(void **state)
{
	struct place *place = place_open(2);
	const struct key_ring *lent;
	const struct key_ring *again;
	struct fault fault;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	assert_true(
	    keys_find(place->keys, place->directory, DOMAIN, &lent, &fault));
	assert_non_null(lent);
	for (int i = 0; i < 50; i++) {
		char name[32];

		snprintf(name, sizeof(name), "no%d.example", i);
		place_expect(place, name, name, "none");
	}
	assert_string_equal("s1", lent->keys[0].selector);
	assert_string_equal(key_text(TEXT_RSA), lent->keys[0].pem);
	assert_true(
	    keys_find(place->keys, place->directory, DOMAIN, &again, &fault));
	assert_ptr_not_equal(lent, again);
	/* Changed while lent: the old one stays what it is. */
	place_remove(place, DOMAIN "/s1.private");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "gone", DOMAIN, "none");
	assert_string_equal(key_text(TEXT_RSA), again->keys[0].pem);
	keys_release(place->keys, &again);
	keys_release(place->keys, &lent);
	keys_release(place->keys, &lent);
	place_close(place);
}

static void
test_two_directories(void **state)
{
	struct place *one = place_open(4);
	struct place *other = place_open(4);
	const struct key_ring *ring;
	struct fault fault;

	(void)state;
	place_put_text(one, DOMAIN "/s1.private", TEXT_RSA);
	place_put_text(other, DOMAIN "/s2.private", TEXT_ED25519);
	place_expect(one, "the first", DOMAIN, "s1");
	assert_true(
	    keys_find(one->keys, other->directory, DOMAIN, &ring, &fault));
	assert_string_equal("s2", ring->keys[0].selector);
	keys_release(one->keys, &ring);
	place_close(one);
	place_close(other);
}

enum { THREADS = 8, ROUNDS = 600, DOMAINS = 6 };

static void *
hammer(void *context)
{
	struct place *place = context;
	unsigned bad = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const struct key_ring *ring = NULL;
		struct fault fault = { 0 };
		char domain[32];

		snprintf(domain, sizeof(domain), "d%u.example", i % DOMAINS);
		place->now_ms += 200;
		keys_has(place->keys, place->directory, domain);
		if (!keys_find(
			place->keys, place->directory, domain, &ring, &fault))
			bad += fault.words[0] == '\0';
		for (size_t k = 0; ring != NULL && k < ring->count; k++)
			bad += strcmp(ring->keys[k].domain, domain) != 0
			    || strncmp(ring->keys[k].pem, "-----BEGIN", 10)
				!= 0;
		keys_release(place->keys, &ring);
	}
	return (void *)(uintptr_t)bad;
}

static void
test_threads(void **state)
{
	struct place *place = place_open(DOMAINS / 2);
	pthread_t threads[THREADS];
	void *bad;

	(void)state;
	place_set_ahead(3600);
	for (int i = 0; i < DOMAINS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "d%d.example", i);
		place_put_directory(place, name, 0700);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, hammer, place));
	for (int i = 0; i < 300; i++) {
		char name[64];

		snprintf(name, sizeof(name), "d%d.example/s%d.private",
		    i % DOMAINS, i % 4);
		place_put(place, name, key_text(TEXT_ED25519),
		    i % 7 == 0 ? 60 : strlen(key_text(TEXT_ED25519)),
		    i % 5 == 0 ? 0644 : 0600);
		if (i % 3 == 0)
			place_remove(place, name);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	place_close(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_no_domain),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_changes_to_young_files),
		cmocka_unit_test(test_changes_to_old_files),
		cmocka_unit_test(test_same_stamp),
		cmocka_unit_test(test_lent_and_evicted),
		cmocka_unit_test(test_two_directories),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name(
	    "keys", tests, key_texts_make, key_texts_free);
}
