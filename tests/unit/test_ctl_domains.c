/* The list of domains that check-domain looks at. */
#include "conf/conf.h"
#include "conf/maps.h"
#include "milter/ctl/check_domain_list.h"
#include "milter/io/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 256, TEXT_BYTES = 1024 };

static char place[] = "/tmp/postern-domains-XXXXXX";

static const char *
path_of(char path[PATH_BYTES], const char *name)
{
	(void)snprintf(path, PATH_BYTES, "%s/%s", place, name);
	return path;
}

static void
write_file(const char *name, const char *data, size_t length)
{
	char path[PATH_BYTES];
	FILE *file = fopen(path_of(path, name), "w");

	assert_non_null(file);
	assert_int_equal(length, fwrite(data, 1, length, file));
	assert_int_equal(0, fclose(file));
}

static void
want_list(const char *name, const char *want, struct check_domain_list *list)
{
	char got[TEXT_BYTES];
	size_t length = 0;

	got[0] = '\0';
	check_domain_list_sort(list);
	for (size_t i = 0; i < list->count; i++)
		length += (size_t)snprintf(
		    got + length, sizeof(got) - length, "%s;", list->names[i]);
	if (strcmp(want, got) != 0)
		fail_msg("%s: wanted %s, got %s", name, want, got);
	check_domain_list_clear(list);
	assert_int_equal(0, list->count);
	check_domain_list_clear(list);
}

struct list_case {
	const char *name;
	const char *text;
	const char *want; /* each with ';'; NULL: a fault */
};

static const struct list_case cases[] = {
	{ "nothing", "", "" },
	{ "one", "a.example\n", "a.example;" },
	{ "no line end", "a.example", "a.example;" },
	{ "CRLF, blanks, comments",
	    "# all of them\r\n\r\n  b.example \t# second\r\na.example#x\r\n",
	    "a.example;b.example;" },
	{ "normalised, none twice",
	    "B.Example.\nb.example\nb\303\274cher.example\n"
	    "xn--bcher-kva.example\n",
	    "b.example;xn--bcher-kva.example;" },
	{ "what is no domain stays", "a..b\n-\n", "-;a..b;" },
	{ "only the first word", "a.example b.example\n", "a.example;" },
};

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct check_domain_list list = { .count = 0 };
		char path[PATH_BYTES];
		struct fault fault;

		write_file("list", cases[i].text, strlen(cases[i].text));
		if (!check_domain_list_read(
			&list, path_of(path, "list"), &fault))
			fail_msg("%s: %s", cases[i].name, fault.words);
		want_list(cases[i].name, cases[i].want, &list);
	}
}

static void
test_read_faults(void **state)
{
	struct check_domain_list list = { .count = 0 };
	char line[3000];
	char path[PATH_BYTES];
	struct fault fault;

	(void)state;
	assert_false(
	    check_domain_list_read(&list, path_of(path, "nowhere"), &fault));
	assert_non_null(strstr(fault.words, "nowhere: No such file"));
	memset(line, 'x', sizeof(line));
	write_file("long", line, sizeof(line));
	assert_false(
	    check_domain_list_read(&list, path_of(path, "long"), &fault));
	assert_non_null(strstr(fault.words, "one domain a line"));
	/* A directory can be opened, but not read. */
	assert_false(check_domain_list_read(&list, place, &fault));
	assert_non_null(strstr(fault.words, "directory"));
	check_domain_list_clear(&list);
}

static void
test_keys(void **state)
{
	static const char *const names[] = { "keys", "keys/b.example",
		"keys/a.example", "keys/.hidden", "keys/Upper.example" };
	struct check_domain_list list = { .count = 0 };
	char path[PATH_BYTES];
	char other[PATH_BYTES];
	struct key_places places = {
		.directory = path, .key_table = "", .signing_table = ""
	};
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(0, mkdir(path_of(path, names[i]), 0700));
	write_file("keys/README", "x", 1);
	assert_int_equal(0,
	    symlink(path_of(path, "keys/a.example"),
		path_of(other, "keys/link.example")));
	(void)path_of(path, "keys");
	assert_true(check_domain_list_keys(&list, &places, &fault));
	want_list("a key directory",
	    "a.example;b.example;link.example;upper.example;", &list);
	(void)path_of(path, "nowhere");
	assert_false(check_domain_list_keys(&list, &places, &fault));
	assert_non_null(strstr(fault.words, "key directory "));
	places.directory = "";
	assert_false(check_domain_list_keys(&list, &places, &fault));
	assert_non_null(strstr(fault.words, "sign.keys is empty"));
	(void)unlink(path_of(path, "keys/README"));
	(void)unlink(other);
	for (size_t i = sizeof(names) / sizeof(names[0]); i-- > 0;)
		(void)rmdir(path_of(path, names[i]));
}

/* The domains of OpenDKIM's KeyTable count beside those of the directory. */
static void
test_tables(void **state)
{
	static const char keys[] = "one a.example:s:/k/a\n"
				   "two b.example:s:/k/b\n"
				   "any %:s:/k/%\n";
	static const char signs[] = "*@a.example one\n*@b.example two\n";
	struct check_domain_list list = { .count = 0 };
	char key_table[PATH_BYTES];
	char signing_table[PATH_BYTES];
	struct key_places places = { .directory = "",
		.key_table = key_table,
		.signing_table = signing_table,
		.is_refile = true };
	struct fault fault;

	(void)state;
	write_file("key.table", keys, sizeof(keys) - 1);
	write_file("signing.table", signs, sizeof(signs) - 1);
	(void)path_of(key_table, "key.table");
	(void)path_of(signing_table, "signing.table");
	assert_true(check_domain_list_keys(&list, &places, &fault));
	want_list("a KeyTable", "a.example;b.example;", &list);
	(void)unlink(key_table);
	(void)unlink(signing_table);
}

static void
test_map(void **state)
{
	static const char text[] = "b.example s1 x\nA.example s1 x\n";
	const struct map_source asked = { .kind = MAP_SOCKETMAP,
		.socket = "inet:127.0.0.1:1",
		.name = "keys" };
	struct map_source source = { .kind = MAP_TEXTHASH };
	struct tables *tables = tables_open(0, NULL);
	struct check_domain_list list = { .count = 0 };
	char long_key[2000];
	char path[PATH_BYTES];
	struct fault fault;
	struct map *map;

	(void)state;
	write_file("map", text, sizeof(text) - 1);
	map = map_open(path_of(path, "map"), &fault);
	assert_non_null(map);
	source.map = map;
	source.name = path;
	assert_true(check_domain_list_add(&list, "b.example", &fault));
	assert_true(check_domain_list_map(&list, &source, tables, &fault));
	assert_int_equal(6, check_domain_list_width(&list) - 3);
	want_list("a map, and one of its own", "a.example;b.example;", &list);
	assert_int_equal(6, check_domain_list_width(&list));
	map_close(&map);
	memset(long_key, 'x', sizeof(long_key));
	memcpy(long_key + sizeof(long_key) - 3, " v\n", 3);
	write_file("map", long_key, sizeof(long_key));
	map = map_open(path, &fault);
	assert_non_null(map);
	source.map = map;
	assert_true(check_domain_list_map(&list, &source, tables, &fault));
	want_list("no domain's name", "", &list);
	map_close(&map);
	(void)unlink(path);
	assert_false(check_domain_list_map(&list, &asked, tables, &fault));
	assert_non_null(strstr(fault.words, "can't be listed"));
	tables_close(&tables);
}

/* ---- where keys are ---- */

static struct conf *
read_conf(const char *name, const char *text)
{
	struct conf_errors errors = { NULL, 0 };
	char path[PATH_BYTES];
	struct conf *conf = conf_read_text(
	    path_of(path, "postern.conf"), text, strlen(text), &errors);

	if (conf == NULL)
		fail_msg("%s: %s", name,
		    errors.count > 0 ? errors.lines[0] : "no memory");
	conf_errors_clear(&errors);
	return conf;
}

static const char *
last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

struct place_case {
	const char *name;
	const char *text;
	const char *want;   /* fallback_domain of each place, if any: what is
			       to be listed of it */
	bool needs_default; /* the directory that nobody named is there */
};

static const struct place_case place_cases[] = {
	{ "one directory for all", "sign { keys = one }", "one,,;", false },
	{ "a class's own directory",
	    "sign { keys = one }\nclass relay { keys = two }", "one,,;two,,;",
	    false },
	{ "two classes with the same",
	    "sign { keys = one }\nclass relay { keys = two }\n"
	    "class local { keys = two }",
	    "one,,;two,,;", false },
	{ "three of them", /* in the order of the classes */
	    "sign { keys = one }\nclass relay { keys = two }\n"
	    "class submission { keys = three }",
	    "three,,;one,,;two,,;", false },
	{ "one before the last but one",
	    "sign { keys = one }\nclass submission { keys = two }\n"
	    "class relay { keys = two }",
	    "two,,;one,,;", false },
	{ "a class that doesn't sign",
	    "sign { keys = one }\nclass relay { sign = no keys = two }",
	    "one,,;", false },
	{ "tables of a class beside the directory of all",
	    "sign { keys = one }\nclass relay { key_table = key.table "
	    "signing_table = signing.table }",
	    "one,,;,key.table,;", false },
	{ "a class without the tables of all",
	    "sign { keys = one key_table = key.table signing_table = "
	    "signing.table }\nclass relay { key_table = \"\" "
	    "signing_table = \"\" }",
	    "one,key.table,;,,;", false },
	{ "a class's own map",
	    "sign { keys = one }\nclass relay { key_map = socketmap:unix:/s:m "
	    "}",
	    "one,,;,,m;", false },
	{ "the map of all beside a class's directory",
	    "sign { keys = one key_map = socketmap:unix:/s:m }\n"
	    "class relay { keys = two }",
	    "one,,m;two,,;", false },
	{ "maps of one name at two sockets",
	    "sign { keys = one key_map = socketmap:unix:/s:m }\n"
	    "class relay { key_map = socketmap:unix:/t:m }",
	    "one,,m;,,m;", false },
	{ "another fallback_domain is no other place to list",
	    "sign { keys = one }\n"
	    "class relay { fallback_domain = f.example }",
	    "one,,;f.example:,,;", false },
	{ "no directory but those of classes",
	    "sign { keys = \"\" }\nclass submission { keys = two }\n"
	    "class local { keys = two }\nclass relay { keys = one }",
	    "two,,;one,,;", false },
	{ "another directory for each class that signs",
	    "sign { keys = one }\nclass submission { keys = two }\n"
	    "class local { sign = no }\nclass relay { keys = three }",
	    "two,,;three,,;", false },
	{ "no class that signs",
	    "sign { keys = one }\nclass submission { sign = no }\n"
	    "class local { sign = no }\nclass relay { sign = no keys = two }",
	    "one,,;", false },
	{ "nobody named the directory, and there is no other", "mode = observe",
	    "keys,,;", false },
	{ "nobody named it, and it isn't there", "class relay { keys = two }",
	    ",,;two,,;", false },
	{ "nobody named it, and it is there", "class relay { keys = two }",
	    "keys,,;two,,;", true },
	{ "nor is it there, behind a class's own",
	    "class submission { keys = two }", "two,,;,,;", false },
};

/* Only the machine knows which of two cases it can show. */
static bool
is_other_machines(const struct place_case *c, const struct conf *conf)
{
	bool is_named = strncmp(c->text, "sign", strlen("sign")) == 0;
	bool is_there = access(conf->sign.places.directory, F_OK) == 0;

	return !is_named && strchr(c->text, '{') != NULL
	    && is_there != c->needs_default;
}

static void
check_place_case(const struct place_case *c)
{
	const struct sign_conf *places[CHECK_DOMAIN_PLACES];
	struct key_places once[CHECK_DOMAIN_PLACES];
	struct conf *conf = read_conf(c->name, c->text);
	size_t count = check_domain_places(conf, places);
	char got[TEXT_BYTES];
	size_t length = 0;

	got[0] = '\0';
	check_domain_places_once(conf, places, count, once);
	for (size_t i = 0; i < count; i++)
		length += (size_t)snprintf(got + length, sizeof(got) - length,
		    "%s%s%s,%s,%s;", places[i]->fallback_domain,
		    *places[i]->fallback_domain != '\0' ? ":" : "",
		    last_of(once[i].directory), last_of(once[i].key_table),
		    once[i].map != NULL ? once[i].map->name : "");
	if (!is_other_machines(c, conf) && strcmp(c->want, got) != 0)
		fail_msg("%s: wanted %s, got %s", c->name, c->want, got);
	conf_release(&conf);
}

static void
test_places(void **state)
{
	static const char keys[] = "one a.example:s:/k/a\n";
	static const char signs[] = "a.example one\n";
	static const char *const names[] = { "one", "two", "three" };
	char path[PATH_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(0, mkdir(path_of(path, names[i]), 0700));
	write_file("key.table", keys, sizeof(keys) - 1);
	write_file("signing.table", signs, sizeof(signs) - 1);
	assert_int_equal(0, chmod(path_of(path, "key.table"), 0600));
	assert_int_equal(0, chmod(path_of(path, "signing.table"), 0600));
	for (size_t i = 0; i < sizeof(place_cases) / sizeof(place_cases[0]);
	     i++)
		check_place_case(&place_cases[i]);
	(void)unlink(path_of(path, "key.table"));
	(void)unlink(path_of(path, "signing.table"));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)rmdir(path_of(path, names[i]));
}

static void
test_many(void **state)
{
	struct check_domain_list list = { .count = 0 };
	char name[64];
	struct fault fault;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		(void)snprintf(
		    name, sizeof(name), "d%u.example", (i * 7919) % 10000);
		assert_true(check_domain_list_add(&list, name, &fault));
	}
	check_domain_list_sort(&list);
	assert_int_equal(10000, list.count);
	assert_int_equal(
	    (int)strlen("d1000.example"), check_domain_list_width(&list));
	for (size_t i = 1; i < list.count; i++)
		if (strcmp(list.names[i - 1], list.names[i]) >= 0)
			fail_msg(
			    "%s before %s", list.names[i - 1], list.names[i]);
	check_domain_list_clear(&list);
}

static int
begin(void **state)
{
	(void)state;
	return mkdtemp(place) != NULL ? 0 : -1;
}

static int
end(void **state)
{
	char path[PATH_BYTES];

	(void)state;
	(void)unlink(path_of(path, "list"));
	(void)unlink(path_of(path, "long"));
	return rmdir(place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_read_faults),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
