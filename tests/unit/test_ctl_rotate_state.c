/* The state of a rotation: as text, and as a file. */
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "postern-rotation 1\ndomain a.example\nstep published\nway print\n"

static void
fill(struct rotation *rotation)
{
	*rotation = (struct rotation){ .domain = ROTATE_DOMAIN,
		.step = ROTATE_PUBLISHED,
		.way = ROTATE_HOOK,
		.begun_s = 5,
		.checked_s = 6,
		.retire_after_s = 7,
		.made = { { .selector = "n1", .bits = 3072 },
		    { .selector = "n2", .algorithm = KEY_ED25519_SHA256 } },
		.made_count = 2,
		.olds = { { .selector = "o1" } },
		.old_count = 1,
		.retiring = { { .selector = "r1",
		    .until_s = 99,
		    .way = ROTATE_NSUPDATE,
		    .is_withdrawn = true } },
		.retiring_count = 1,
		.servers = { "127.0.0.1@5353" },
		.server_count = 1,
		.lacking = 20,
		.asked = 40,
		.lacks = { { "ns1.example (192.0.2.1): it doesn't answer" } },
		.lack_count = 1 };
	rotate_set_finding(rotation, "not\nnow", true);
}

/* What was written is read again. */
static void
test_round(void **state)
{
	static char text[ROTATE_STATE_BYTES], again[ROTATE_STATE_BYTES];
	static struct rotation rotation, read;
	struct fault fault;

	(void)state;
	fill(&rotation);
	assert_true(rotate_state_format(&rotation, text, sizeof(text)));
	memcpy(again, text, sizeof(text));
	if (!rotate_state_parse(again, &read, &fault))
		fail_msg("%s:\n%s", fault.words, text);
	assert_true(rotate_state_format(&read, again, sizeof(again)));
	rotate_want("read and written again", text, again);
	rotate_want("a line end in words", "not?now", read.finding);
	assert_true(read.is_failed);
	rotate_set_finding(&rotation, "not now", false);
	assert_true(rotate_state_format(&rotation, again, sizeof(again)));
	assert_true(rotate_state_parse(again, &read, &fault));
	assert_false(read.is_failed);
	rotate_want("what passes", "not now", read.finding);
	assert_int_equal(3072, read.made[0].bits);
	assert_int_equal(KEY_ED25519_SHA256, read.made[1].algorithm);
	assert_int_equal(ROTATE_NSUPDATE, read.retiring[0].way);
	assert_true(read.retiring[0].is_withdrawn);
	assert_int_equal(99, read.retiring[0].until_s);
	assert_false(rotate_state_format(&rotation, text, 64));
}

struct text_case {
	const char *name;
	const char *text;
	const char *want; /* of the words; NULL: it is read */
};

static const struct text_case cases[] = {
	{ "the least", HEAD, NULL },
	{ "nothing", "", "line 1: it ends too early" },
	{ "a heading alone", "postern-rotation 1\n", "it ends too early" },
	{ "another heading", "postern-rotation 2\n", "line 1" },
	{ "no line end", HEAD "begun 1", "line 5: it ends too early" },
	{ "no domain", "postern-rotation 1\nstep done\n", "ends too early" },
	{ "no step", "postern-rotation 1\ndomain a.example\n", "ends too" },
	{ "an unknown step", HEAD "step walking\n", "line 5" },
	{ "an unknown word", HEAD "colour red\n", "line 5" },
	{ "an empty line", HEAD "\nbegun 1\n", "line 5" },
	{ "a number that is none", HEAD "begun one\n", "line 5" },
	{ "a number that is too large", HEAD "begun 18446744073709551616\n",
	    "line 5" },
	{ "something behind a number", HEAD "begun 1 2\n", "line 5" },
	{ "a new key", HEAD "new rsa s1 2048\n", NULL },
	{ "a new key without bits", HEAD "new rsa s1\n", "line 5" },
	{ "a selector that is a path", HEAD "new rsa ../s1 2048\n", "line 5" },
	{ "an unknown algorithm", HEAD "old dsa s1\n", "line 5" },
	{ "more new keys than there are algorithms",
	    HEAD "new rsa s1 1\nnew rsa s2 1\nnew rsa s3 1\n", "line 7" },
	{ "more old keys than a domain may have",
	    HEAD "old rsa s1\nold rsa s2\nold rsa s3\nold rsa s4\nold rsa s5\n"
		 "old rsa s6\nold rsa s7\nold rsa s8\nold rsa s9\n",
	    "line 13" },
	{ "a key that retires", HEAD "retiring rsa s1 9 hook shown\n", NULL },
	{ "one that is neither shown nor withdrawn",
	    HEAD "retiring rsa s1 9 hook gone\n", "line 5" },
	{ "no server", HEAD "server \n", "line 5" },
	{ "no words", HEAD "lack \n", "line 5" },
	{ "why it failed", HEAD "failed closed\n", NULL },
	{ "failed without words", HEAD "failed \n", "line 5" },
};

static void
test_parse(void **state)
{
	static struct rotation rotation;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = strdup(cases[i].text);
		struct fault fault = { .words = "" };
		bool is_read = rotate_state_parse(text, &rotation, &fault);

		if (is_read != (cases[i].want == NULL))
			fail_msg("%s: wanted %s, got \"%s\"", cases[i].name,
			    cases[i].want == NULL ? "it read" : "a fault",
			    fault.words);
		if (!is_read && strstr(fault.words, cases[i].want) == NULL)
			fail_msg("%s: wanted \"%s\", got \"%s\"", cases[i].name,
			    cases[i].want, fault.words);
		free(text);
	}
}

static void
test_file(void **state)
{
	static struct rotation rotation, read;
	struct check_domain_list list = { .count = 0 };
	struct rotate_bed bed;
	struct fault fault;
	struct stat status;
	char path[ROTATE_PATH_BYTES];
	bool is_there;

	(void)state;
	rotate_bed_open(&bed);
	fill(&rotation);
	assert_true(rotate_state_list(bed.keys, &list, &fault));
	assert_int_equal(0, list.count);
	assert_true(rotate_state_read(
	    bed.keys, ROTATE_DOMAIN, &read, &is_there, &fault));
	assert_false(is_there);
	assert_true(rotate_state_write(bed.keys, &rotation, &fault));
	rotation.begun_s = 77;
	assert_true(rotate_state_write(bed.keys, &rotation, &fault));
	assert_true(rotate_state_read(
	    bed.keys, ROTATE_DOMAIN, &read, &is_there, &fault));
	assert_true(is_there);
	assert_int_equal(77, read.begun_s);
	rotate_want("all that is there", "a.example ",
	    rotate_bed_files(&bed, ".rotate"));
	(void)snprintf(path, sizeof(path), "%s/.rotate", bed.keys);
	assert_int_equal(0, stat(path, &status));
	assert_int_equal(0700, status.st_mode & 07777);
	assert_true(rotate_state_list(bed.keys, &list, &fault));
	assert_int_equal(1, list.count);
	rotate_want("the list", ROTATE_DOMAIN, list.names[0]);
	check_domain_list_clear(&list);
	assert_true(rotate_state_remove(bed.keys, ROTATE_DOMAIN, &fault));
	assert_true(rotate_state_remove(bed.keys, ROTATE_DOMAIN, &fault));
	rotate_want("after its end", "", rotate_bed_files(&bed, ".rotate"));
	rotate_bed_close(&bed);
}

static void
test_bad_files(void **state)
{
	static struct rotation rotation;
	static char large[ROTATE_STATE_BYTES + 2];
	struct rotate_bed bed;
	struct fault fault;
	bool is_there;

	(void)state;
	rotate_bed_open(&bed);
	fill(&rotation);
	assert_true(rotate_state_write(bed.keys, &rotation, &fault));
	rotate_bed_put(&bed, ".rotate/" ROTATE_DOMAIN, "postern");
	assert_false(rotate_state_read(
	    bed.keys, ROTATE_DOMAIN, &rotation, &is_there, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(fault.words, "/.rotate/a.example"));
	assert_non_null(strstr(fault.words, "line 1"));
	rotate_bed_put(&bed, ".rotate/b.example", HEAD);
	assert_false(rotate_state_read(
	    bed.keys, "b.example", &rotation, &is_there, &fault));
	assert_non_null(strstr(fault.words, "it is of a.example"));
	memset(large, 'x', sizeof(large) - 1);
	rotate_bed_put(&bed, ".rotate/" ROTATE_DOMAIN, large);
	assert_false(rotate_state_read(
	    bed.keys, ROTATE_DOMAIN, &rotation, &is_there, &fault));
	rotate_bed_close(&bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
