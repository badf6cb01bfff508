/* What keys_check() says of the keys that are there. */
#include "milter/io/keys.h"
#include "tests/unit/keys_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
	assert_int_equal(3, keys_check(&place->places, 100, complain, &got));
	assert_int_equal(3, got.count);
	assert_non_null(strstr(got.words, "weak.example/s1.private: RSA"));
	assert_non_null(strstr(got.words, "/B.Example: no domain in lower"));
	assert_non_null(strstr(got.words, "mode.example/s1.private: chmod"));
	assert_true(keys_check(&place->places, 1, complain, &none) <= 1);
	assert_int_equal(1, keys_check(&nowhere, 100, complain, &one));
	assert_string_equal("/nowhere/keys: not there: make it\n", one.words);
	assert_int_equal(0, keys_check(&nothing, 100, complain, &one));
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
	place_remove(place, "signing.table");
	assert_int_equal(2, keys_check(&place->places, 100, complain, &one));
	assert_non_null(strstr(one.words, "key.table:2: "));
	assert_non_null(strstr(one.words, "signing.table: "));
	free(key_table);
	free(signing_table);
	place_close(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directory),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name(
	    "keys_check", tests, key_texts_make, key_texts_free);
}
