#include "tests/unit/import_fixture.h"

#include "conf/conf.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char import_place[] = "/tmp/postern-import-XXXXXX";

const char *
import_path_of(char path[PATH_BYTES], const char *name)
{
	(void)snprintf(path, PATH_BYTES, "%s/%s", import_place, name);
	return path;
}

void
import_expand(const char *text, char out[TEXT_BYTES])
{
	size_t length = 0;

	for (; *text != '\0' && length + PATH_BYTES < TEXT_BYTES; text++)
		if (*text == '@' && text[1] == '/')
			length += (size_t)snprintf(out + length,
			    TEXT_BYTES - length, "%s", import_place);
		else
			out[length++] = *text;
	out[length] = '\0';
}

void
import_write(const char *name, const char *text)
{
	char path[PATH_BYTES], expanded[TEXT_BYTES];
	FILE *file = fopen(import_path_of(path, name), "w");

	import_expand(text, expanded);
	assert_non_null(file);
	assert_true(fputs(expanded, file) >= 0);
	assert_int_equal(0, fclose(file));
}

void
import_squeeze(const char *text, char out[TEXT_BYTES])
{
	size_t length = 0;
	bool is_comment = false, is_blank = true;

	for (; *text != '\0' && length + 1 < TEXT_BYTES; text++) {
		if (*text == '#')
			is_comment = true;
		if (*text == '\n')
			is_comment = false;
		if (is_comment)
			continue;
		if (*text == ' ' || *text == '\n' || *text == '\t') {
			if (!is_blank)
				out[length++] = ' ';
			is_blank = true;
		} else {
			out[length++] = *text;
			is_blank = false;
		}
	}
	out[length] = '\0';
}

void
import_want_accepted(const char *name, const char *conf)
{
	struct conf_errors errors = { .count = 0 };
	char path[PATH_BYTES], words[TEXT_BYTES] = "";
	struct conf *read = conf_read_text(
	    import_path_of(path, "postern.conf"), conf, strlen(conf), &errors);

	if (read == NULL)
		(void)snprintf(words, sizeof(words), "%s",
		    errors.count > 0 ? errors.lines[0] : "nothing said");
	conf_errors_clear(&errors);
	conf_release(&read);
	if (*words != '\0')
		fail_msg("%s: postern refuses it: %s\n%s", name, words, conf);
}

void
import_text(const char *text, struct import_order *order, struct arena *arena,
    struct import_answer *answer_out)
{
	static char path[PATH_BYTES];
	struct fault fault;

	import_write("opendkim.conf", text);
	order->file = import_path_of(path, "opendkim.conf");
	if (!import_opendkim(order, arena, answer_out, &fault))
		fail_msg("%s", fault.words);
}

static const char *const files[][2] = {
	{ "keys",
	    "# name domain:selector:key\n"
	    "a a.example:s1:@/a.private\nb b.example:s1:@/b.private\n" },
	{ "signing", "*@a.example a\n*@b.example b\n" },
	{ "everybody", "*@a.example a\n* b\n" },
	{ "starkeys",
	    "a a.example:s1:@/a.private\n*.example %:s1:@/b.private\n" },
	{ "onekey", "a a.example:s1:@/a.private\n" },
	{ "onesign", "a.example a\n" },
	{ "plain", "a.example a:@%\n.a.example a\n" },
	{ "domains", "a.example # ours\n\nb.example\n" },
	{ "hosts", "127.0.0.1\n# x\n192.0.2.0/24\n*.example\n" },
	{ "macros", "{daemon_name} A|B\n" },
	{ "more", SINGLE "SignatureTTL 99\n" },
	{ "loop", "Include loop\n" },
	{ "sub/keys", "a a.example:s1:../a.private\n" },
	{ "sub/signing", "*@a.example a\n" },
};

int
import_begin(void **state)
{
	char path[PATH_BYTES];

	(void)state;
	if (mkdtemp(import_place) == NULL
	    || mkdir(import_path_of(path, "sub"), 0700) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(files); i++)
		import_write(files[i][0], files[i][1]);
	return 0;
}

int
import_end(void **state)
{
	static const char *const others[] = { "opendkim.conf", "nul", "logins",
		"many", "commented" };
	char path[PATH_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++)
		(void)unlink(import_path_of(path, files[i][0]));
	for (size_t i = 0; i < COUNT(others); i++)
		(void)unlink(import_path_of(path, others[i]));
	(void)rmdir(import_path_of(path, "sub"));
	return rmdir(import_place);
}
