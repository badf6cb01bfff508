/* What keys must find, remember and see change. */
#include "milter/io/keys.h"
#include "milter/io/keys_domain.h"
#include "tests/unit/keys_fixture.h"

#include <openssl/evp.h>
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
	    keys_find(place->keys, &place->places, DOMAIN, &ring, &fault));
	assert_non_null(ring);
	assert_int_equal(3, ring->count);
	assert_string_equal("a.b-c", ring->keys[0].selector);
	assert_string_equal("s10", ring->keys[1].selector);
	assert_string_equal("s2", ring->keys[2].selector);
	assert_int_equal(KEY_RSA_SHA256, ring->keys[0].algorithm);
	assert_int_equal(KEY_ED25519_SHA256, ring->keys[1].algorithm);
	for (size_t i = 0; i < 3; i++)
		key_expect_public(
		    i == 1 ? TEXT_ED25519 : TEXT_RSA, ring->keys[i].pkey);
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
		if (keys_has(place->keys, &place->places, names[i]))
			fail_msg("%s: keys_has() found something", names[i]);
	}
	place_close(place);
}

static void
test_directories(void **state)
{
	struct place *place = place_open(8);
	char long_name[300] = "/";

	(void)state;
	place_expect(place, "an empty one", DOMAIN, "none");
	place_put(place, "file.example", "", 0, 0600);
	place_expect(place, "a file is no directory", "file.example", "none");
	assert_false(keys_has(place->keys, &place->places, "file.example"));
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "nor is it later", "file.example", "none");
	place_put_directory(place, "open.example", 0777);
	place_put_text(place, "open.example/s1.private", TEXT_RSA);
	assert_non_null(
	    strstr(place_found(place, "open.example"), "chmod 700 it"));
	memset(long_name + 1, 'a', sizeof(long_name) - 2);
	place->places.directory = long_name;
	place_expect(place, "a name that is too long", DOMAIN, "none");
	assert_false(keys_has(place->keys, &place->places, "b.example"));
	place->places.directory = "/nowhere/keys";
	place_expect(place, "no directory", DOMAIN, "none");
	place->places.directory = "";
	place_expect(place, "no name of one", DOMAIN, "none");
	assert_false(keys_has(place->keys, &place->places, DOMAIN));
	place_close(place);
}

static void
test_has(void **state)
{
	struct place *place = place_open(8);

	(void)state;
	assert_false(keys_has(place->keys, &place->places, DOMAIN));
	place_put_text(place, DOMAIN "/s1.pem", TEXT_RSA);
	assert_false(keys_has(place->keys, &place->places, DOMAIN));
	place_put(place, DOMAIN "/s1.private", "rubbish", 7, 0666);
	assert_true(keys_has(place->keys, &place->places, DOMAIN));
	assert_non_null(strstr(place_found(place, DOMAIN), "chmod"));
	assert_true(keys_has(place->keys, &place->places, DOMAIN));
	/* Now from what is remembered, until that is stale. */
	place_remove(place, DOMAIN "/s1.private");
	assert_true(keys_has(place->keys, &place->places, DOMAIN));
	place->now_ms += KEYS_STALE_MS;
	assert_false(keys_has(place->keys, &place->places, DOMAIN));
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
put_second_half(const struct place *place)
{
	add_second(place);
	place_put(place, DOMAIN "/s2.private", key_text(TEXT_RSA), 500, 0600);
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
	const char *wanted_young; /* if that is something else */
} change_cases[] = {
	{ "nothing", NULL, "none", NULL },
	{ "a new file", add_first, "s1", NULL },
	{ "no change", NULL, "s1", NULL },
	{ "a second file", add_second, "s1 s2", NULL },
	{ "one removed", remove_second, "s1", NULL },
	{ "chmod", let_others_read, "chmod 600 it", NULL },
	{ "chmod back", let_us_read, "s1", NULL },
	{ "half a file", put_half, "no private key", "s1" },
	{ "still half a file", NULL, "no private key", "s1" },
	{ "replaced by rename", rename_over, "s1", NULL },
	{ "directory removed", remove_directory, "none", NULL },
	{ "still no directory", NULL, "none", NULL },
	{ "directory back, empty", add_directory, "none", NULL },
	{ "file back", add_first, "s1", NULL },
	{ "half a second file", put_second_half, "no private key", "s1" },
	{ "a whole one", add_second, "s1 s2", NULL },
};

/* Make a change, which must be unseen before KEYS_STALE_MS and seen at it.
 * before is what was seen last; NULL: nothing was looked for yet. */
static void
expect_change(struct place *place, const struct change *change,
    const char *before, const char *wanted)
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
	if (strstr(got, wanted) == NULL
	    || (strchr(wanted, ' ') == NULL && strcmp(got, wanted) != 0))
		fail_msg("%s: wanted %s, got %s", change->name, wanted, got);
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
		const struct change *change = &change_cases[i];
		const char *wanted =
		    ahead_s == 0 && change->wanted_young != NULL
		    ? change->wanted_young
		    : change->wanted;

		expect_change(place, change, before, wanted);
		before = wanted;
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
	struct key_look before;
	struct key_look after;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	keys_domain_look(place->directory, DOMAIN, &before);
	assert_int_equal(KEYS_THERE, before.finding);
	assert_false(before.is_settled);
	place_set_ahead(3600);
	keys_domain_look(place->directory, DOMAIN, &after);
	assert_true(after.is_settled);
	assert_true(
	    keys_domain_is_as_before(place->directory, DOMAIN, after.set));
	assert_false(keys_domain_is_as_before(place->directory, DOMAIN, NULL));
	assert_int_equal(0, chmod(path, 0400));
	assert_false(
	    keys_domain_is_as_before(place->directory, DOMAIN, after.set));
	keys_set_close(&before.set);
	keys_set_close(&after.set);
	assert_null(before.set);
	free(path);
	place_close(place);
}

/* Old files aren't read again: the ring is the same one. Nor is a directory
 * without keys. */
static void
test_not_read_again(void **state)
{
	struct place *place = place_open(8);
	const struct key_ring *first = NULL;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_set_ahead(3600);
	for (int i = 0; i < 4; i++) {
		const struct key_ring *ring;

		assert_true(keys_find(
		    place->keys, &place->places, DOMAIN, &ring, NULL));
		if (i == 0)
			first = ring;
		assert_ptr_equal(first, ring);
		keys_release(place->keys, &ring);
		place->now_ms += KEYS_STALE_MS;
	}
	place_put_directory(place, "empty.example", 0700);
	place_expect(place, "an empty one", "empty.example", "none");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "still empty", "empty.example", "none");
	place_close(place);
}

/* Where nothing better is known, a file that may be half-written is a fault of
 * the moment; later it is one that lasts. */
static void
test_half_written(void **state)
{
	struct place *place = place_open(8);
	const struct key_ring *ring;
	struct fault fault = { 0 };

	(void)state;
	put_half(place);
	assert_false(
	    keys_find(place->keys, &place->places, DOMAIN, &ring, &fault));
	assert_int_equal(FAULT_TEMPORARY, fault.kind);
	place->now_ms += KEYS_STALE_MS;
	place_set_ahead(3600);
	assert_false(
	    keys_find(place->keys, &place->places, DOMAIN, &ring, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	/* Whole again, and half once more: what was there holds on for two
	 * seconds, and no longer. */
	place_set_ahead(0);
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "whole", DOMAIN, "s1");
	put_half(place);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "half", DOMAIN, "s1");
	place_set_ahead(4);
	place_expect(place, "not looked at yet", DOMAIN, "s1");
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(strstr(place_found(place, DOMAIN), "END line"));
	/* A mode that lets others in is never a matter of the moment. */
	place_set_ahead(0);
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "whole again", DOMAIN, "s1");
	let_others_read(place);
	place->now_ms += KEYS_STALE_MS;
	assert_non_null(strstr(place_found(place, DOMAIN), "chmod 600 it"));
	place_close(place);
}

static void
test_changed_while_lent(void **state)
{
	struct place *place = place_open(2);
	const struct key_ring *lent;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	assert_true(
	    keys_find(place->keys, &place->places, DOMAIN, &lent, NULL));
	place_remove(place, DOMAIN "/s1.private");
	place->now_ms += KEYS_STALE_MS;
	place_expect(place, "gone", DOMAIN, "none");
	/* It stays what it is. */
	assert_string_equal("s1", lent->keys[0].selector);
	key_expect_public(TEXT_RSA, lent->keys[0].pkey);
	assert_int_equal(2048, EVP_PKEY_get_bits(lent->keys[0].pkey));
	keys_release(place->keys, &lent);
	assert_null(lent);
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
	    keys_find(one->keys, &other->places, DOMAIN, &ring, &fault));
	assert_string_equal("s2", ring->keys[0].selector);
	keys_release(one->keys, &ring);
	place_close(one);
	place_close(other);
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
		cmocka_unit_test(test_not_read_again),
		cmocka_unit_test(test_half_written),
		cmocka_unit_test(test_changed_while_lent),
		cmocka_unit_test(test_two_directories),
	};

	return cmocka_run_group_tests_name(
	    "keys", tests, key_texts_make, key_texts_free);
}
