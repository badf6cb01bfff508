/* What the tests of configurations share: a directory with what their texts
 * name, and the comparison of errors. Included by one test program each. */
#ifndef TESTS_UNIT_CONF_FIXTURE_H
#define TESTS_UNIT_CONF_FIXTURE_H

#include "conf/conf.h"
#include "policy/text.h"

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

static char directory[] = "/tmp/postern-conf-XXXXXX";
static char file[64];

static inline void
path_in(char *space, size_t size, const char *name)
{
	snprintf(space, size, "%s/%s", directory, name);
}

static inline void
write_file(const char *name, const char *text)
{
	char path[128];
	FILE *stream;

	path_in(path, sizeof(path), name);
	stream = fopen(path, "w");
	assert_non_null(stream);
	assert_int_equal(fputs(text, stream) >= 0, 1);
	assert_int_equal(fclose(stream), 0);
}

static inline void
remove_file(const char *name)
{
	char path[128];

	path_in(path, sizeof(path), name);
	assert_int_equal(unlink(path), 0);
}

/* want, with '@' for the directory. */
static inline void
expand(const char *want, char *space, size_t size)
{
	struct text text;

	text_init(&text, space, size);
	for (; *want != '\0'; want++)
		if (*want == '@' && (want[1] == '/' || want[1] == '\0'))
			text_add(&text, directory);
		else
			text_addf(&text, "%c", *want);
}

static inline void
fail_with(const char *name, struct conf_errors *errors)
{
	static char words[1000];

	snprintf(words, sizeof(words), "%s: wanted no error, got \"%s\"", name,
	    errors->count > 0 ? errors->lines[0] : "(none)");
	conf_errors_clear(errors);
	fail_msg("%s", words);
}

/* Each wanted beginning must be that of an error, in order, and none be
 * left over. prefix is the file's name. */
static inline void
check_errors(const char *name, const struct conf_errors *errors,
    const char *prefix, const char *const *wanted)
{
	for (size_t i = 0; wanted[i] != NULL || i < errors->count; i++) {
		char want[1000] = "(no more)";
		const char *got =
		    i < errors->count ? errors->lines[i] : "(no more)";

		if (wanted[i] != NULL) {
			char expanded[800];

			expand(wanted[i], expanded, sizeof(expanded));
			snprintf(want, sizeof(want), "%s%s",
			    *expanded == ':' ? prefix : "", expanded);
		}
		if (strncmp(got, want, strlen(want)) != 0)
			fail_msg("%s: error %zu: wanted \"%s\", got \"%s\"",
			    name, i + 1, want, got);
		if (i >= errors->count)
			return;
	}
}

static inline int
fixture_begin(void **state)
{
	char path[128];

	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	path_in(file, sizeof(file), "t.conf");
	path_in(path, sizeof(path), "keys");
	if (mkdir(path, 0700) != 0)
		return -1;
	path_in(path, sizeof(path), "conf.d");
	if (mkdir(path, 0700) != 0)
		return -1;
	path_in(path, sizeof(path), "open");
	if (mkdir(path, 0700) != 0 || chmod(path, 0777) != 0)
		return -1;
	write_file("t.conf", "");
	write_file("map", "a@a.example alice\n@b.example bob\n");
	write_file("badmap", "# logins\na@a.example alice\nb@a.example\n");
	write_file("accounts",
	    "alice alice shop gold\n@b.example - - free\n\nbob b\n");
	write_file("badaccounts",
	    "# login account parent plan\nalice - - gold\n"
	    "bob - - glod\ncarol a b gold more\ndave - - silver\nerin\n");
	write_file("egress",
	    "# sender or transport, addresses\n"
	    "transport:Bulk 192.0.2.1\n"
	    "@.B\xC3\xBC"
	    "cher.example 192.0.2.9 mx9.a.example, 192.0.2.1\n"
	    "alice@a.example 192.0.2.9 mx9.a.example\n* 192.0.2.1\n");
	write_file("badegress",
	    "transport:bulk 192.0.2.7\na.example 192.0.2.1\n\n"
	    "@b.example 192.0.2.1 mx9\n*\n@c.example 192.0.2.8 mx8\n"
	    "@b.example 192.0.2.9 mx9.a.example\n");
	write_file("logins.lmdb", "");
	write_file("plain", "");
	write_file("networks", "10.0.0.0/8 ten\n10.1.2.3 panel1\n");
	return 0;
}

static inline int
fixture_end(void **state)
{
	static const char *const names[] = { "map", "badmap", "networks",
		"accounts", "badaccounts", "egress", "badegress", "logins.lmdb",
		"plain", "t.conf" };
	static const char *const directories[] = { "keys", "conf.d", "open" };
	char path[128];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		remove_file(names[i]);
	for (size_t i = 0; i < COUNT(directories); i++) {
		path_in(path, sizeof(path), directories[i]);
		if (rmdir(path) != 0)
			return -1;
	}
	return rmdir(directory);
}

static inline void
show_networks(struct text *out, const struct network *networks, size_t count)
{
	struct arena arena;

	arena_init(&arena, 65536);
	for (size_t i = 0; i < count; i++)
		text_addf(out, "%s%s/%d", i > 0 ? "," : "",
		    network_text(&arena, &networks[i].address),
		    networks[i].bits);
	arena_clear(&arena);
}

static inline void
show_map(struct text *out, const struct map_source *source)
{
	static const char *const kinds[] = { "texthash", "lmdb", "redis",
		"socketmap" };

	if (source == NULL)
		text_add(out, "-");
	else if (source->socket != NULL)
		text_addf(out, "%s:%s:%s", kinds[source->kind], source->socket,
		    source->name);
	else
		text_addf(out, "%s:%s:%zu", kinds[source->kind], source->name,
		    source->map != NULL ? map_size(source->map) : 0);
}

#endif
