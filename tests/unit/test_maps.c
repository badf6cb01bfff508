/* Map files: what is read, found, and refused. */
#include "conf/maps.h"

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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char directory[] = "/tmp/postern-maps-XXXXXX";
static char path[64];

static void
write_map(const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

struct find_case {
	const char *name;
	const char *text;
	const char *key;
	const char *want; /* NULL: not there */
};

static const struct find_case find_cases[] = {
	{ "an address", "a@b.example alice\n", "a@b.example", "alice" },
	{ "a domain", "@b.example alice\n", "@b.example", "alice" },
	{ "a bare login", "Alice bob\n", "alice", "bob" },
	{ "not there", "a@b.example alice\n", "c@b.example", NULL },
	{ "empty file", "", "a", NULL },
	{ "only comments", "# a@b.example alice\n\n  # x\n", "a@b.example",
	    NULL },
	{ "no line end", "a@b.example alice", "a@b.example", "alice" },
	{ "several logins", "a@b.example alice, bob  carol\n", "a@b.example",
	    "alice, bob  carol" },
	{ "a tab", "a@b.example\talice\n", "a@b.example", "alice" },
	{ "blanks at the end", "a@b.example alice \t \n", "a@b.example",
	    "alice" },
	{ "line ends of DOS", "a@b.example alice\r\nc@b.example bob\r\n",
	    "a@b.example", "alice" },
	{ "the key's case", "A@B.Example Alice\n", "a@b.example", "Alice" },
	{ "an umlaut in the domain",
	    "a@b\xC3\xBC"
	    "cher.example alice\n",
	    "a@xn--bcher-kva.example", "alice" },
	{ "subdomains", "@.B.Example alice\n", "@.b.example", "alice" },
	{ "an umlaut in subdomains",
	    "@.b\xC3\xBC"
	    "cher.example. alice\n",
	    "@.xn--bcher-kva.example", "alice" },
	{ "subdomains aren't the domain", "@.b.example alice\n", "@b.example",
	    NULL },
	{ "a transport", "transport:SMTP 192.0.2.1\n", "transport:smtp",
	    "192.0.2.1" },
	{ "two dots", "@..B.example alice\n", "@..b.example", "alice" },
	{ "an umlaut in a whole domain",
	    "@B\xC3\x9C"
	    "cher.example alice\n",
	    "@xn--bcher-kva.example", "alice" },
	{ "a last dot", "a@b.example. alice\n", "a@b.example", "alice" },
	{ "a last dot of a whole domain", "@b.example. alice\n", "@b.example",
	    "alice" },
	{ "a hyphen", "a-b@c-d.example alice\n", "a-b@c-d.example", "alice" },
	{ "needless quotes", "\"a\"@b.example alice\n", "a@b.example",
	    "alice" },
	{ "quotes with a blank", "\"a b\"@b.example alice\n",
	    "\"a b\"@b.example", "alice" },
	{ "quotes with a quote", "\"a\\\" b\"@b.example alice\n",
	    "\"a\\\" b\"@b.example", "alice" },
	{ "an extension", "a+x@b.example alice\n", "a+x@b.example", "alice" },
	{ "dots in the name", "A.B.C@b.example alice\n", "a.b.c@b.example",
	    "alice" },
	{ "a literal", "a@[192.0.2.1] alice\n", "a@[192.0.2.1]", "alice" },
	{ "no address at all", "a@@b alice\n", "a@@b", "alice" },
	{ "a continued line", "a@b.example alice,\n  bob\n", "a@b.example",
	    "alice,  bob" },
	{ "continued after a comment",
	    "a@b.example alice,\n# who else?\n\n\tbob\nc@d.example x\n",
	    "a@b.example", "alice,\tbob" },
	{ "the line after a continued one",
	    "a@b.example alice,\n  bob,\n  carol\nc@d.example x\n",
	    "c@d.example", "x" },
	{ "a value on the next line", "a@b.example\n  alice\n", "a@b.example",
	    "alice" },
	{ "a continued last line", "a@b.example\n  alice", "a@b.example",
	    "alice" },
	{ "the same twice", "a@b.example x\nA@B.EXAMPLE x\n", "a@b.example",
	    "x" },
	{ "a hash in a value", "a@b.example x#y\n", "a@b.example", "x#y" },
	{ "no UTF-8", "a\xE9@b.example x\n", "a\xE9@b.example", "x" },
};

static void
keys_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(find_cases); i++) {
		const struct find_case *c = &find_cases[i];
		struct fault fault = { .kind = FAULT_NONE };
		struct map *map;
		const char *got;

		write_map(c->text, strlen(c->text));
		map = map_open(path, &fault);
		if (map == NULL)
			fail_msg("%s: %s", c->name, fault.words);
		got = map_find(map, c->key);
		if ((got == NULL) != (c->want == NULL)
		    || (got != NULL && strcmp(got, c->want) != 0))
			fail_msg("%s: wanted %s, got %s", c->name,
			    c->want != NULL ? c->want : "(none)",
			    got != NULL ? got : "(none)");
		map_close(&map);
		assert_null(map);
		map_close(&map);
	}
}

struct bad_case {
	const char *name;
	const char *text;
	size_t length;    /* 0: up to its NUL */
	const char *want; /* after the path */
};

static const struct bad_case bad_maps[] = {
	{ "no value", "# x\na@b.example\nc@b.example x\n", 0,
	    ":2: a@b.example has no value" },
	{ "no value in the last line", "a@b.example  ", 0,
	    ":1: a@b.example has no value" },
	{ "twice with other values", "a@b.example x\n\nA@B.example y\n", 0,
	    ":3: a@b.example is there already, with another value" },
	{ "twice by its last dot", "@b.example x\n@b.example. y\n", 0,
	    ":2: @b.example is there already" },
	{ "nothing to continue", "\n# x\n  alice\n", 0,
	    ":3: begins with a blank" },
	{ "NUL", "a b\n\0\n", 6, ":2: a NUL octet" },
};

static void
bad_maps_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_maps); i++) {
		const struct bad_case *c = &bad_maps[i];
		struct fault fault = { .kind = FAULT_NONE };
		struct map *map;

		write_map(
		    c->text, c->length != 0 ? c->length : strlen(c->text));
		map = map_open(path, &fault);
		if (map != NULL)
			fail_msg("%s: was read", c->name);
		if (fault.kind != FAULT_PERMANENT
		    || strncmp(fault.words, path, strlen(path)) != 0
		    || strncmp(
			   fault.words + strlen(path), c->want, strlen(c->want))
			!= 0)
			fail_msg("%s: wanted \"%s%s\", got \"%s\"", c->name,
			    path, c->want, fault.words);
	}
}

static void
what_is_no_file_is_refused(void **state)
{
	static const char *const places[] = { "/nowhere/at/all", "/dev/null",
		"/dev/tty", "/" };
	char fifo[64];

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		struct fault fault = { .kind = FAULT_NONE };
		struct map *map = map_open(places[i], &fault);

		assert_null(map);
		assert_int_equal(fault.kind, FAULT_PERMANENT);
		assert_memory_equal(fault.words, places[i], strlen(places[i]));
	}
	snprintf(fifo, sizeof(fifo), "%s/fifo", directory);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_null(map_open(fifo, NULL));
	assert_int_equal(unlink(fifo), 0);
}

static void
many_keys_are_all_found(void **state)
{
	enum { KEYS = 50000 };
	struct fault fault = { .kind = FAULT_NONE };
	FILE *file = fopen(path, "w");
	struct map *map;
	char key[64];
	char want[32];

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < KEYS; i++)
		fprintf(
		    file, "user%d@domain%d.example login%d\n", i, i % 1000, i);
	assert_int_equal(fclose(file), 0);
	map = map_open(path, &fault);
	if (map == NULL)
		fail_msg("%s", fault.words);
	assert_int_equal(map_size(map), KEYS);
	for (int i = 0; i < KEYS; i++) {
		snprintf(
		    key, sizeof(key), "user%d@domain%d.example", i, i % 1000);
		snprintf(want, sizeof(want), "login%d", i);
		assert_non_null(map_find(map, key));
		assert_string_equal(map_find(map, key), want);
		snprintf(key, sizeof(key), "user%d@domain%d.example", i,
		    i % 1000 + 1000);
		assert_null(map_find(map, key));
	}
	map_close(&map);
}

static void
networks_are_sorted(void **state)
{
	static const char text[] = "# network account\n"
				   "10.0.0.0/8       ten\n"
				   "10.1.0.0/16      panel1\n"
				   "2001:db8::/32    six\n"
				   "10.1.2.3         host\n"
				   "10.1.0.0/16\n  panel1\n";
	static const char *const want[] = { "host", "panel1", "ten", "six" };
	const struct network_account *networks;
	struct fault fault = { .kind = FAULT_NONE };
	struct arena arena;
	size_t count;

	(void)state;
	write_map(text, sizeof(text) - 1);
	arena_init(&arena, 1024 * 1024);
	if (!map_networks(path, &arena, &networks, &count, &fault))
		fail_msg("%s", fault.words);
	assert_int_equal(count, COUNT(want));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(networks[i].account, want[i]);
		if (i > 0)
			assert_true(networks[i - 1].network.bits
			    >= networks[i].network.bits);
	}
	write_map("", 0);
	assert_true(map_networks(path, &arena, &networks, &count, &fault));
	assert_int_equal(count, 0);
	arena_clear(&arena);
}

static const struct bad_case bad_networks[] = {
	{ "no network", "\nfoo bar\n", 0, ":2: " },
	{ "host bits", "10.0.0.1/8 ten\n", 0, ":1: " },
	{ "no account", "10.0.0.0/8\n", 0, ":1: the network has no account" },
	{ "two accounts", "10.0.0.0/8 a, b\n", 0, ":1: a network has one" },
	{ "twice with other accounts",
	    "10.0.0.0/8 a\n192.0.2.1 b\n10.0.0.0/8 c\n", 0,
	    ":3: this network is there already in line 1" },
	{ "nothing to continue", " 10.0.0.0/8 a\n", 0,
	    ":1: begins with a blank" },
	{ "NUL", "10.0.0.0/8 a\0b\n", 15, ":1: a NUL octet" },
};

static void
bad_networks_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_networks); i++) {
		const struct bad_case *c = &bad_networks[i];
		const struct network_account *networks;
		struct fault fault = { .kind = FAULT_NONE };
		struct arena arena;
		size_t count;

		write_map(
		    c->text, c->length != 0 ? c->length : strlen(c->text));
		arena_init(&arena, 1024 * 1024);
		if (map_networks(path, &arena, &networks, &count, &fault))
			fail_msg("%s: was read", c->name);
		assert_null(networks);
		assert_int_equal(count, 0);
		if (strncmp(fault.words, path, strlen(path)) != 0
		    || strncmp(
			   fault.words + strlen(path), c->want, strlen(c->want))
			!= 0)
			fail_msg("%s: wanted \"%s%s\", got \"%s\"", c->name,
			    path, c->want, fault.words);
		arena_clear(&arena);
	}
}

static void
an_account_name_has_a_bound(void **state)
{
	char line[ACCOUNT_OCTETS + 64];
	const struct network_account *networks;
	struct fault fault = { .kind = FAULT_NONE };
	struct arena arena;
	size_t count;
	int length;

	(void)state;
	arena_init(&arena, 1024 * 1024);
	length = snprintf(
	    line, sizeof(line), "10.0.0.0/8 %0*d\n", ACCOUNT_OCTETS, 1);
	write_map(line, (size_t)length);
	assert_true(map_networks(path, &arena, &networks, &count, &fault));
	length = snprintf(
	    line, sizeof(line), "10.0.0.0/8 %0*d\n", ACCOUNT_OCTETS + 1, 1);
	write_map(line, (size_t)length);
	assert_false(map_networks(path, &arena, &networks, &count, &fault));
	assert_non_null(strstr(fault.words, ":1: the account's name"));
	arena_clear(&arena);
}

static int
begin(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/map", directory);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found),
		cmocka_unit_test(bad_maps_are_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(many_keys_are_all_found),
		cmocka_unit_test(networks_are_sorted),
		cmocka_unit_test(bad_networks_are_refused),
		cmocka_unit_test(an_account_name_has_a_bound),
	};

	return cmocka_run_group_tests_name("maps", tests, begin, end);
}
