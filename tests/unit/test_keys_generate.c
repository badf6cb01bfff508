/* What a made key is. */
#include "milter/io/keys_generate.h"
#include "milter/io/keys_public.h"
#include "tests/unit/keys_fixture.h"

#include <dirent.h>
#include <fcntl.h>
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

static mode_t
mode_of(const struct place *place, const char *name)
{
	char *path = place_path(place, name);
	struct stat status;

	assert_int_equal(0, stat(path, &status));
	free(path);
	return status.st_mode & 07777;
}

static size_t
entries_of(const struct place *place, const char *name)
{
	char *path = place_path(place, name);
	DIR *stream = opendir(path);
	size_t count = 0;

	assert_non_null(stream);
	while (readdir(stream) != NULL)
		count++;
	closedir(stream);
	free(path);
	return count - 2;
}

/* The strings of a record, joined; each at most 255 octets. */
static char *
joined(const char *record, const char *owner)
{
	char *value = calloc(1, strlen(record) + 1);
	size_t length = 0;
	size_t in_string = 0;
	bool is_inside = false;

	assert_memory_equal(owner, record, strlen(owner));
	assert_non_null(value);
	for (const char *at = record + strlen(owner); *at != '\0'; at++) {
		if (*at == '"') {
			is_inside = !is_inside;
			in_string = 0;
		} else if (is_inside) {
			value[length++] = *at;
			assert_true(++in_string <= 255);
		}
	}
	assert_false(is_inside);
	return value;
}

static void
generate_under(mode_t mask)
{
	struct place *place = place_open(8);
	const struct {
		const char *selector;
		enum key_algorithm algorithm;
		unsigned bits;
		const char *word;
		const char *begin; /* of its strings: several are in brackets */
	} cases[] = {
		{ "s1", KEY_RSA_SHA256, 2048, "rsa", "( \"" },
		{ "ed", KEY_ED25519_SHA256, 0, "ed25519", "\"" },
		{ "big._x", KEY_RSA_SHA256, 1024, "rsa", "\"" },
	};
	mode_t old = umask(mask);

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct key_ring *ring;
		struct fault fault = { 0 };
		char name[64];
		char *record;
		char *owner = NULL;
		char *value;
		char *wanted = NULL;
		char *public;

		snprintf(name, sizeof(name), "new%zu.example", i);
		if (!keys_generate(place->directory, name, cases[i].selector,
			cases[i].algorithm, cases[i].bits, geteuid(), getegid(),
			&record, &fault))
			fail_msg("%s: %s", cases[i].selector, fault.words);
		assert_int_equal(0700, mode_of(place, name));
		assert_int_equal(1, entries_of(place, name));
		assert_true(keys_find(
		    place->keys, &place->places, name, &ring, &fault));
		assert_int_equal(1, ring->count);
		assert_int_equal(cases[i].algorithm, ring->keys[0].algorithm);
		assert_true(asprintf(&owner, "%s._domainkey.%s. IN TXT %s",
				cases[i].selector, name, cases[i].begin)
		    > 0);
		assert_memory_equal(owner, record, strlen(owner));
		owner[strlen(owner) - 1] = '\0';
		public = keys_public_base64(ring->keys[0].pkey);
		assert_true(asprintf(&wanted, "v=DKIM1; k=%s; p=%s",
				cases[i].word, public)
		    > 0);
		free(public);
		value = joined(record, owner);
		assert_string_equal(wanted, value);
		assert_null(strchr(record, '\n'));
		keys_release(place->keys, &ring);
		free(record);
		free(owner);
		free(value);
		free(wanted);
	}
	assert_int_equal(0600, mode_of(place, "new0.example/s1.private"));
	umask(old);
	place_close(place);
}

static void
test_generate(void **state)
{
	(void)state;
	generate_under(0);
	generate_under(0077);
	generate_under(0277);
}

#define LABEL50 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee"

static void
test_generate_refuses(void **state)
{
	static const struct {
		const char *name;
		const char *domain;
		const char *selector;
		enum key_algorithm algorithm;
		unsigned bits;
		const char *words;
	} cases[] = {
		{ "there already", DOMAIN, "s1", KEY_ED25519_SHA256, 0,
		    "there is such a key" },
		{ "a link in its place", "link.example", "s1",
		    KEY_ED25519_SHA256, 0, "link.example/s1.private: " },
		{ "a file in its place", "file.example", "s1",
		    KEY_ED25519_SHA256, 0, "Not a directory" },
		{ "a path", "../b", "s1", KEY_ED25519_SHA256, 0, "no domain" },
		{ "upper case", "A.example", "s1", KEY_ED25519_SHA256, 0,
		    "no domain" },
		{ "no selector", DOMAIN, "a/b", KEY_ED25519_SHA256, 0,
		    "no selector" },
		{ "too long for a name", LABEL50 "." LABEL50 ".example",
		    LABEL50 "." LABEL50 "." LABEL50, KEY_ED25519_SHA256, 0,
		    "no name that the DNS can have" },
		{ "too long a label", LABEL50 LABEL50 ".example", "s1",
		    KEY_ED25519_SHA256, 0, "no name that the DNS can have" },
		{ "a last dot", "b.example.", "s1", KEY_ED25519_SHA256, 0,
		    "no name that the DNS can have" },
		{ "weak", DOMAIN, "s2", KEY_RSA_SHA256, 768, "768 bits" },
		{ "huge", DOMAIN, "s2", KEY_RSA_SHA256, 100000, "bits" },
	};
	struct place *place = place_open(8);
	char *link = place_path(place, "link.example");
	char *target = place_path(place, DOMAIN);
	struct fault fault;
	char *record;

	(void)state;
	place_put_text(place, DOMAIN "/s1.private", TEXT_RSA);
	place_put(place, "file.example", "", 0, 0600);
	assert_int_equal(0, symlink(target, link));
	for (size_t i = 0; i < COUNT(cases); i++) {
		record = (void *)place;
		fault = (struct fault){ 0 };
		if (keys_generate(place->directory, cases[i].domain,
			cases[i].selector, cases[i].algorithm, cases[i].bits,
			geteuid(), getegid(), &record, &fault))
			fail_msg("%s: it was made", cases[i].name);
		assert_null(record);
		if (strstr(fault.words, cases[i].words) == NULL)
			fail_msg("%s: wanted %s, got %s", cases[i].name,
			    cases[i].words, fault.words);
	}
	assert_false(keys_generate("/nowhere/keys", DOMAIN, "s1",
	    KEY_ED25519_SHA256, 0, geteuid(), getegid(), &record, &fault));
	assert_string_equal("/nowhere/keys: not there: make it", fault.words);
	assert_int_equal(1, entries_of(place, DOMAIN));
	place_expect(place, "the old key is whole", DOMAIN, "s1");
	free(link);
	free(target);
	place_close(place);
}

static void
expect_owner(const struct place *place, const char *name, uid_t uid, gid_t gid)
{
	char *path = place_path(place, name);
	struct stat status;

	assert_int_equal(0, stat(path, &status));
	if (status.st_uid != uid || status.st_gid != gid)
		fail_msg("%s: wanted %d:%d, got %d:%d", name, (int)uid,
		    (int)gid, (int)status.st_uid, (int)status.st_gid);
	free(path);
}

static void
test_generate_owner(void **state)
{
	struct place *place = place_open(8);
	const struct {
		uid_t uid;
		gid_t gid;
	} owners[] = { { 4242, 4343 }, { geteuid(), 4343 },
		{ 4242, getegid() } };

	(void)state;
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct fault fault = { 0 };
		char domain[32];
		char *record;
		bool is_made;

		snprintf(domain, sizeof(domain), "new%zu.example", i);
		is_made = keys_generate(place->directory, domain, "s1",
		    KEY_ED25519_SHA256, 0, owners[i].uid, owners[i].gid,
		    &record, &fault);
		free(record);
		/* Nothing is left of what can't be given away. */
		assert_int_equal(geteuid() == 0, is_made);
		if (!is_made) {
			assert_int_equal(1, entries_of(place, ""));
			continue;
		}
		expect_owner(place, domain, owners[i].uid, owners[i].gid);
		snprintf(
		    domain, sizeof(domain), "new%zu.example/s1.private", i);
		expect_owner(place, domain, owners[i].uid, owners[i].gid);
	}
	place_close(place);
}

/* What is said of a made key is what its file says later. */
static void
test_make(void **state)
{
	static const struct key_order orders[] = {
		{ .domain = DOMAIN,
		    .selector = "s1",
		    .role = KEY_PENDING,
		    .algorithm = KEY_RSA_SHA256,
		    .bits = 1024 },
		{ .domain = DOMAIN,
		    .selector = "s2",
		    .role = KEY_SIGNING,
		    .algorithm = KEY_ED25519_SHA256,
		    .bits = 256 },
	};
	static const char *const names[] = { DOMAIN "/s1.pending",
		DOMAIN "/s2.private" };
	struct place *place = place_open(8);

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct key_order order = orders[i];
		char *path = place_path(place, names[i]);
		struct key_public made, read;
		struct fault fault = { 0 };

		order.directory = place->directory;
		order.owner_uid = geteuid();
		order.owner_gid = getegid();
		if (!keys_make(&order, &made, &fault)
		    || !keys_public_read(AT_FDCWD, path, "F", &read, &fault))
			fail_msg("%s: %s", names[i], fault.words);
		assert_int_equal(order.algorithm, made.algorithm);
		assert_int_equal(order.algorithm, read.algorithm);
		assert_int_equal(order.bits, made.bits);
		assert_int_equal(order.bits, read.bits);
		assert_string_equal(made.base64, read.base64);
		keys_public_clear(&made);
		keys_public_clear(&read);
		assert_false(keys_make(&order, &made, &fault));
		assert_null(made.base64);
		assert_int_equal(0, chmod(path, 0644));
		assert_false(
		    keys_public_read(AT_FDCWD, path, "F", &read, &fault));
		assert_string_equal("F: chmod 600 it", fault.words);
		assert_null(read.base64);
		free(path);
	}
	place_close(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_generate_refuses),
		cmocka_unit_test(test_generate_owner),
		cmocka_unit_test(test_make),
	};

	return cmocka_run_group_tests_name(
	    "keys_generate", tests, key_texts_make, key_texts_free);
}
