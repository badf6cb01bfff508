/* What posternctl import-opendkim writes beside the configuration, what it asks
 * to be run, and what it makes of hostile files. */
#include "tests/unit/import_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- with a directory for tables ---- */

struct table_case {
	const char *name;
	const char *text;
	const char *key_table; /* NULL: none */
	const char *signing_table;
	const char *commands; /* with ';' */
};

#define INSTALL "install -o postern -g postern -m 0600 /k @/s1.private;"

#define ONE_KEY(path)                                                       \
	"Mode s\nMultipleSignatures yes\nKeyTable csl:k=a.example:s1:" path \
	"\nSigningTable a.example=k\n"

static const struct table_case table_cases[] = {
	{ "one domain", SINGLE, "a.example a.example:s1:@/s1.private\n",
	    "a.example a.example\n", INSTALL },
	{ "subdomains", SINGLE "SubDomains yes\n",
	    "a.example a.example:s1:@/s1.private\n",
	    "a.example a.example\n.a.example a.example\n", INSTALL },
	{ "every domain", "Mode s\nDomain *\nSelector s1\nKeyFile /k\n",
	    "any %:s1:@/s1.private\n", "* any\n", INSTALL },
	{ "lists",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:/d/keys/k1,l=b.example:s1:/d/keys/k2\n"
	    "SigningTable a.example=k,b.example=l\n",
	    "k a.example:s1:/d/keys/k1\nl b.example:s1:/d/keys/k2\n",
	    "a.example k\nb.example l\n",
	    "chown postern /d/keys/k1 /d/keys/k2;"
	    "chmod 600 /d/keys/k1 /d/keys/k2;" },
	{ "lists with a key in them",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:MIIB\nSigningTable a.example=k\n",
	    NULL, NULL, "" },
	{ "keys all over the place",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:/etc/k1,l=b.example:s1:/etc/d/k2\n"
	    "SigningTable a.example=k,b.example=l\n",
	    "k a.example:s1:/etc/k1\nl b.example:s1:/etc/d/k2\n",
	    "a.example k\nb.example l\n",
	    "chown postern /etc/d/k2 /etc/k1;chmod 600 /etc/d/k2 /etc/k1;" },
	{ "a directory of others", ONE_KEY("/etc/ssl/private/a.key"),
	    "k a.example:s1:/etc/ssl/private/a.key\n", "a.example k\n",
	    "chown postern /etc/ssl/private/a.key;"
	    "chmod 600 /etc/ssl/private/a.key;" },
	{ "one file for two",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:/srv/k,l=b.example:s1:/srv/k\n"
	    "SigningTable a.example=k\n",
	    "k a.example:s1:/srv/k\nl b.example:s1:/srv/k\n", "a.example k\n",
	    "chown postern /srv/k;chmod 600 /srv/k;" },
	{ "the author's domain in a path", ONE_KEY("/home/bob/%/dkim.key"),
	    "k a.example:s1:/home/bob/%/dkim.key\n", "a.example k\n", "" },
	{ "OpenDKIM's own directory",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:/etc/opendkim/keys/a/k,"
	    "l=b.example:s1:/etc/opendkim/keys/b/k,"
	    "m=c.example:s1:/srv/k\nSigningTable a.example=k\n",
	    "k a.example:s1:/etc/opendkim/keys/a/k\n"
	    "l b.example:s1:/etc/opendkim/keys/b/k\nm c.example:s1:/srv/k\n",
	    "a.example k\n",
	    "chown -R postern /etc/opendkim/keys;"
	    "chmod -R go= /etc/opendkim/keys;"
	    "chown postern /srv/k;chmod 600 /srv/k;" },
	{ "the author's domain in OpenDKIM's own",
	    ONE_KEY("/etc/opendkim/keys/%/k"),
	    "k a.example:s1:/etc/opendkim/keys/%/k\n", "a.example k\n",
	    "chown -R postern /etc/opendkim/keys;"
	    "chmod -R go= /etc/opendkim/keys;" },
	{ "out of OpenDKIM's own", ONE_KEY("/etc/opendkim/../ssl/k"),
	    "k a.example:s1:/etc/opendkim/../ssl/k\n", "a.example k\n",
	    "chown postern /etc/opendkim/../ssl/k;"
	    "chmod 600 /etc/opendkim/../ssl/k;" },
	{ "a path for the shell",
	    "Mode s\nDomain a.example\nSelector s1\nKeyFile /it's; here\n",
	    "a.example a.example:s1:@/s1.private\n", "a.example a.example\n",
	    "install -o postern -g postern -m 0600 '/it'\\''s; here' "
	    "@/s1.private;" },
};

static void
want_text(const char *name, const char *what, const char *want, const char *got)
{
	char expanded[TEXT_BYTES];

	if (want == NULL) {
		if (got != NULL)
			fail_msg("%s: wanted no %s, got %s", name, what, got);
		return;
	}
	import_expand(want, expanded);
	if (got == NULL || strcmp(expanded, got) != 0)
		fail_msg("%s: wanted the %s\n%s, got\n%s", name, what, expanded,
		    got != NULL ? got : "(none)");
}

static void
test_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table_cases); i++) {
		const struct table_case *one = &table_cases[i];
		struct import_order order = { .directory = import_place };
		char commands[TEXT_BYTES] = "";
		struct import_answer answer;
		struct arena arena;
		size_t length = 0;

		arena_init(&arena, ARENA_BYTES);
		import_text(one->text, &order, &arena, &answer);
		for (const struct import_command *command = answer.commands;
		     command != NULL; command = command->next)
			length += (size_t)snprintf(commands + length,
			    sizeof(commands) - length, "%s;", command->text);
		want_text(
		    one->name, "KeyTable", one->key_table, answer.key_table);
		want_text(one->name, "SigningTable", one->signing_table,
		    answer.signing_table);
		want_text(one->name, "commands", one->commands, commands);
		arena_clear(&arena);
	}
}

/* A table of more files than a command names: the last command does what is
 * left, line by line. */
static void
test_many(void **state)
{
	struct import_order order = { .directory = import_place };
	const struct import_command *command;
	char table[TEXT_BYTES], path[PATH_BYTES], script[TEXT_BYTES];
	struct import_answer answer;
	struct arena arena;
	struct stat status;
	size_t length = 0;

	(void)state;
	length += (size_t)snprintf(table, sizeof(table),
	    "# x a.example:s:@/commented\nk a.example:s1:@/%%/token\n");
	for (int i = 10; i < 35; i++)
		length += (size_t)snprintf(table + length,
		    sizeof(table) - length, "k%d a.example:s1:%s/key%d # x\n",
		    i, i == 34 ? "." : "@", i);
	for (int i = 10; i < 35; i++) {
		(void)snprintf(script, sizeof(script), "key%d", i);
		import_write(script, "x\n");
	}
	import_write("many", table);
	import_write("commented", "x\n");
	assert_int_equal(0, chmod(import_path_of(path, "key34"), 0644));
	assert_int_equal(0, chmod(import_path_of(path, "commented"), 0644));
	arena_init(&arena, ARENA_BYTES);
	import_text("Mode s\nKeyTable file:@/many\nSigningTable @/plain\n",
	    &order, &arena, &answer);
	command = answer.commands;
	assert_non_null(command);
	assert_non_null(strstr(command->text, "/key29"));
	assert_null(strstr(command->text, "/key30"));
	assert_null(strstr(command->text, "%"));
	command = command->next->next;
	assert_string_equal(command->text, "# and 5 more:");
	command = command->next;
	assert_null(strstr(command->text, "-R"));
	/* There is no such user: what chown gets is seen, and no more done. */
	(void)snprintf(script, sizeof(script),
	    "chown() { test \"$1\" = postern; }; %s", command->text);
	assert_int_equal(0, system(script));
	assert_int_equal(0, stat(import_path_of(path, "key34"), &status));
	assert_int_equal(0600, status.st_mode & 0777);
	assert_int_equal(0, stat(import_path_of(path, "commented"), &status));
	assert_int_equal(0644, status.st_mode & 0777);
	assert_null(command->next);
	for (int i = 10; i < 35; i++) {
		(void)snprintf(script, sizeof(script), "key%d", i);
		(void)unlink(import_path_of(path, script));
	}
	arena_clear(&arena);
}

/* What no command can do is told: whose files "%" stands for, and that postern
 * can't get in. */
static void
test_owner_told(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} wants[] = {
		{ ONE_KEY("/home/bob/%/dkim.key"),
		    "; no command here is for the files of "
		    "/home/bob/%/dkim.key" },
		{ ONE_KEY("@/k.key"),
		    ": let postern in (setfacl -m "
		    "u:postern:x), or put the keys "
		    "elsewhere" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wants); i++) {
		struct import_order order = { .directory = import_place };
		const struct import_note *note;
		struct import_answer answer;
		struct arena arena;
		char want[TEXT_BYTES];

		arena_init(&arena, ARENA_BYTES);
		import_text(wants[i].text, &order, &arena, &answer);
		import_expand(wants[i].want, want);
		for (note = answer.notes; note != NULL; note = note->next)
			if (strstr(note->words, want) != NULL)
				break;
		if (note == NULL)
			fail_msg("wanted %s in\n%s", want, answer.conf);
		arena_clear(&arena);
	}
}

static void
test_copies(void **state)
{
	struct import_order order = { .owners = IMPORT_OWNERS_FOUND };
	static const char *const want[] = {
		"install -d -o postern -g postern -m 0700 /etc/postern/keys",
		"install -d -o postern -g postern -m 0700 "
		"/etc/postern/keys/a.example",
		"install -o postern -g postern -m 0600 /k "
		"/etc/postern/keys/a.example/s1.private",
	};
	const struct import_command *command;
	struct import_answer answer;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	import_text(SINGLE, &order, &arena, &answer);
	command = answer.commands;
	for (size_t i = 0; i < COUNT(want); i++, command = command->next) {
		assert_non_null(command);
		assert_string_equal(command->text, want[i]);
		assert_non_null(strstr(answer.conf, want[i]));
	}
	assert_null(command);
	arena_clear(&arena);
}

static void
test_owners(void **state)
{
	static const struct {
		enum import_owners owners;
		const char *map;
		const char *want;
	} wants[] = {
		{ IMPORT_OWNERS_ALL, NULL, "owners = all on_mismatch" },
		{ IMPORT_OWNERS_OWN, NULL, "owners = own on_mismatch" },
		{ IMPORT_OWNERS_MAP, "texthash:logins",
		    "owners = map map = \"texthash:logins\" on_mismatch" },
	};

	(void)state;
	import_write("logins", "@a.example alice\n");
	for (size_t i = 0; i < COUNT(wants); i++) {
		struct import_order order = { .owners = wants[i].owners,
			.map = wants[i].map };
		struct import_answer answer;
		char text[TEXT_BYTES];
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		import_text("Mode s\nDomain a.example,b.example\nSelector s\n"
			    "KeyFile /k\n",
		    &order, &arena, &answer);
		import_squeeze(answer.conf, text);
		if (strstr(text, wants[i].want) == NULL)
			fail_msg("wanted %s, got %s", wants[i].want, text);
		assert_false(answer.has_loss);
		import_want_accepted(wants[i].want, answer.conf);
		arena_clear(&arena);
	}
}

/* Nothing of the file may reach a terminal as it is, or leave its comment. */
static void
test_hostile(void **state)
{
	struct import_order order = { .owners = IMPORT_OWNERS_FOUND };
	struct import_answer answer;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	import_text("Mode s\x1B[2J\nEvil\x1B[2J x\x07\nDomain \x1B]0;x\n"
		    "Selector s\nKeyFile /k\xFF\x80\nSocket /s\x0B}\n",
	    &order, &arena, &answer);
	for (const char *at = answer.conf; *at != '\0'; at++)
		if ((unsigned char)*at < ' ' && *at != '\n' && *at != '\t')
			fail_msg("octet %d in %s", *at, answer.conf);
	for (const struct import_note *note = answer.notes; note != NULL;
	     note = note->next)
		for (const char *at = note->words; *at != '\0'; at++)
			assert_true((unsigned char)*at >= ' ');
	import_want_accepted("hostile", answer.conf);
	arena_clear(&arena);
}

static void
test_unreadable(void **state)
{
	struct import_order order = { .file = "/nowhere/opendkim.conf" };
	struct import_answer answer;
	char path[PATH_BYTES];
	struct arena arena;
	struct fault fault;
	FILE *file;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_false(import_opendkim(&order, &arena, &answer, &fault));
	assert_non_null(strstr(fault.words, "/nowhere/opendkim.conf: "));
	file = fopen(import_path_of(path, "nul"), "w");
	assert_non_null(file);
	assert_int_equal(7, fwrite("Mode\0s\n", 1, 7, file));
	assert_int_equal(0, fclose(file));
	order.file = path;
	assert_false(import_opendkim(&order, &arena, &answer, &fault));
	assert_non_null(strstr(fault.words, "NUL"));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_owner_told),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, import_begin, import_end);
}
