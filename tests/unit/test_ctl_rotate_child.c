/* Programs that publish: how they are run, what they are told, how they end. */
#include "milter/ctl/rotate_child.h"
#include "milter/ctl/rotate_publish.h"
#include "milter/io/clock.h"
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CAP = 1 << 20, LONG_MS = 20000, SHORT_MS = 300 };

static struct rotate_bed bed;

static int
open_bed(void **state)
{
	(void)state;
	rotate_bed_open(&bed);
	return 0;
}

static int
close_bed(void **state)
{
	(void)state;
	rotate_bed_close(&bed);
	return 0;
}

/* Write a program; its path, in a static space. */
static const char *
program(const char *text)
{
	static char path[ROTATE_PATH_BYTES];

	rotate_bed_put(&bed, "program", text);
	(void)snprintf(path, sizeof(path), "%s/program", bed.keys);
	assert_int_equal(0, chmod(path, 0700));
	return path;
}

struct run_case {
	const char *name;
	const char *text;
	int status;
	const char *words; /* a '+' at the end: and what follows */
};

static const struct run_case runs[] = {
	{ "well", "#!/bin/sh\nexit 0\n", 0, "" },
	{ "a status", "#!/bin/sh\nexit 75\n", 75, "" },
	{ "words", "#!/bin/sh\necho no; echo more\nexit 1\n", 1, "no" },
	{ "words of an error", "#!/bin/sh\necho why >&2\nexit 2\n", 2, "why" },
	{ "words that are hostile", "#!/bin/sh\nprintf '\\033[2Jx'\nexit 1\n",
	    1, "?[2Jx" },
	{ "its input", "#!/bin/sh\ncat\n", 0, "the text" },
	{ "its arguments", "#!/bin/sh\nprintf '%s' \"$2$3$#\"\n", 0,
	    "$(id) `id`;23" },
	{ "much that it prints",
	    "#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\nexit 3\n", 3,
	    "xxxx+" },
	{ "nothing of ours is open",
	    "#!/bin/sh\nls /proc/self/fd | tr '\\n' ' '\n", 0, "0 1 2 3 " },
	{ "its environment", "#!/bin/sh\necho \"$HOME$LC_ALL\"\n", 0, "C" },
	{ "a signal", "#!/bin/sh\nkill -TERM $$\n", -1, "" },
};

static bool
are_words(const char *got, const char *wanted)
{
	size_t length = strcspn(wanted, "+");

	return strncmp(got, wanted, length) == 0
	    && (wanted[length] != '\0' || got[length] == '\0');
}

static void
test_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(*runs); i++) {
		const char *const arguments[] = { program(runs[i].text), "one",
			"$(id) `id`;", "2", NULL };
		struct rotate_child child;
		struct fault fault;

		if (!rotate_child_run(
			arguments, "the text\n", LONG_MS, &child, &fault))
			fail_msg("%s: %s", runs[i].name, fault.words);
		if (child.status != runs[i].status || child.is_late)
			fail_msg("%s: wanted status %d, got %d", runs[i].name,
			    runs[i].status, child.status);
		if (!are_words(child.words, runs[i].words))
			fail_msg("%s: wanted \"%s\", got \"%s\"", runs[i].name,
			    runs[i].words, child.words);
	}
}

static void
test_not_there(void **state)
{
	const char *const none[] = { "/nowhere/program", NULL };
	const char *const no_program[] = { bed.keys, NULL };
	struct rotate_child child;
	struct fault fault;

	(void)state;
	assert_false(rotate_child_run(none, "", LONG_MS, &child, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(fault.words, "/nowhere/program"));
	assert_false(rotate_child_run(no_program, "", LONG_MS, &child, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
}

/* Whoever calls has no say in which program is run. */
static void
test_path(void **state)
{
	const char *const ours[] = { "program", NULL };
	const char *const systems[] = { "sh", "-c", "echo $PATH; exit 7",
		NULL };
	const char *before = getenv("PATH");
	char *kept = strdup(before != NULL ? before : "/usr/bin:/bin");
	struct rotate_child child;
	struct fault fault;

	(void)state;
	(void)program("#!/bin/sh\nexit 0\n");
	assert_int_equal(0, setenv("PATH", bed.keys, 1));
	assert_false(rotate_child_run(ours, "", LONG_MS, &child, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	if (!rotate_child_run(systems, "", LONG_MS, &child, &fault))
		fail_msg("sh: %s", fault.words);
	assert_int_equal(7, child.status);
	assert_int_equal(0, strncmp(child.words, "/usr/local/sbin:", 16));
	assert_int_equal(0, setenv("PATH", kept, 1));
	free(kept);
}

/* One that doesn't end is killed, with what it has started. */
static void
test_late(void **state)
{
	char text[ROTATE_PATH_BYTES];
	char path[ROTATE_PATH_BYTES];
	const char *arguments[] = { NULL, NULL };
	struct rotate_child child;
	struct fault fault;
	uint64_t begun_ms = clock_monotonic_ms();
	int pid = 0;
	FILE *file;

	(void)state;
	(void)snprintf(text, sizeof(text),
	    "#!/bin/sh\nsleep 600 &\necho $! > %s/pid\nexec >&- 2>&-\nwait\n",
	    bed.keys);
	arguments[0] = program(text);
	assert_true(rotate_child_run(arguments, "", SHORT_MS, &child, &fault));
	assert_true(child.is_late);
	assert_int_equal(-1, child.status);
	assert_true(clock_monotonic_ms() - begun_ms < LONG_MS);
	(void)snprintf(path, sizeof(path), "%s/pid", bed.keys);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(1, fscanf(file, "%d", &pid));
	(void)fclose(file);
	/* It is gone, or dead and not yet noticed by its new parent. */
	for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) {
		char line[256] = "";

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "re");
		if (file == NULL || fgets(line, sizeof(line), file) == NULL
		    || strstr(line, ") Z ") != NULL)
			pid = 0;
		if (file != NULL)
			(void)fclose(file);
		if (pid == 0)
			return;
		(void)usleep(10000);
	}
	if (pid != 0)
		assert_int_equal(ESRCH, kill(pid, 0) == 0 ? 0 : errno);
}

static const struct rotate_record record = {
	.domain = ROTATE_DOMAIN,
	.selector = "s1",
	.name = "s1._domainkey." ROTATE_DOMAIN,
	.text = "v=DKIM1; k=ed25519; p=abc",
};

struct command_case {
	const char *name;
	const char *server;
	const char *zone;
	bool is_added;
	const char *want;
};

static const struct command_case commands[] = {
	{ "added", "", ROTATE_DOMAIN, true,
	    "zone a.example.\n"
	    "update add s1._domainkey.a.example. 3600 IN TXT "
	    "\"v=DKIM1; k=ed25519; p=abc\"\nsend\n" },
	{ "removed", "", ROTATE_DOMAIN, false,
	    "zone a.example.\n"
	    "update delete s1._domainkey.a.example. IN TXT\nsend\n" },
	{ "at a server", "192.0.2.1", NULL, false,
	    "server 192.0.2.1\n"
	    "update delete s1._domainkey.a.example. IN TXT\nsend\n" },
	{ "at a port", "2001:db8::1@5353", NULL, false,
	    "server 2001:db8::1 5353\n"
	    "update delete s1._domainkey.a.example. IN TXT\nsend\n" },
	/* A zone's name is the DNS's, and no command. */
	{ "a zone with a line end", "", "a\nserver evil.example", false,
	    "update delete s1._domainkey.a.example. IN TXT\nsend\n" },
};

static void
test_commands(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct rotate_conf conf = { .nsupdate_server =
						      commands[i].server };
		struct arena arena;
		struct fault fault;
		const char *got;

		arena_init(&arena, CAP);
		got = rotate_publish_commands(&conf, &record, commands[i].zone,
		    commands[i].is_added, &arena, &fault);
		assert_non_null(got);
		rotate_want(commands[i].name, commands[i].want, got);
		arena_clear(&arena);
	}
}

/* A long record is cut into strings, of which none is too long. */
static void
test_strings(void **state)
{
	const struct rotate_conf conf = { .nsupdate_server = "" };
	struct rotate_record large = record;
	char text[601];
	struct arena arena;
	struct fault fault;
	const char *got, *at;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	large.text = text;
	arena_init(&arena, CAP);
	got =
	    rotate_publish_commands(&conf, &large, NULL, true, &arena, &fault);
	assert_non_null(got);
	at = strchr(got, '"');
	assert_int_equal(255, strspn(at + 1, "x"));
	assert_memory_equal("\" \"", at + 256, 3);
	assert_int_equal(255, strspn(at + 259, "x"));
	assert_memory_equal("\" \"", at + 514, 3);
	assert_int_equal(90, strspn(at + 517, "x"));
	assert_memory_equal("\"\nsend\n", at + 607, 8);
	arena_clear(&arena);
}

struct hook_case {
	const char *name;
	const char *text;
	enum fault_kind want;
	const char *words;
};

static const struct hook_case hooks[] = {
	{ "done", "#!/bin/sh\nexit 0\n", FAULT_NONE, "" },
	{ "later", "#!/bin/sh\necho busy\nexit 75\n", FAULT_TEMPORARY, "busy" },
	{ "refused", "#!/bin/sh\nexit 1\n", FAULT_PERMANENT, "status 1" },
	{ "a crash", "#!/bin/sh\nkill -SEGV $$\n", FAULT_PERMANENT, "program" },
	{ "told what to do",
	    "#!/bin/sh\nread line\n"
	    "[ \"$*|$line\" = \"add a.example s1 s1._domainkey.a.example|"
	    "v=DKIM1; k=ed25519; p=abc\" ]\n",
	    FAULT_NONE, "" },
};

static void
test_hooks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		const struct rotate_conf conf = { .hook =
						      program(hooks[i].text) };
		struct fault fault = { .kind = FAULT_NONE };
		struct arena arena;
		bool is_done;

		arena_init(&arena, CAP);
		is_done = rotate_publish(
		    ROTATE_HOOK, &conf, &record, NULL, true, &arena, &fault);
		if (is_done != (hooks[i].want == FAULT_NONE)
		    || fault.kind != hooks[i].want)
			fail_msg("%s: wanted fault %d, got %d: %s",
			    hooks[i].name, (int)hooks[i].want, (int)fault.kind,
			    fault.words);
		if (!is_done && strstr(fault.words, hooks[i].words) == NULL)
			fail_msg("%s: wanted \"%s\", got \"%s\"", hooks[i].name,
			    hooks[i].words, fault.words);
		arena_clear(&arena);
	}
}

struct key_case {
	const char *name;
	const char *text; /* NULL: there is no file */
	mode_t mode;
	const char *words;
};

static const struct key_case update_keys[] = {
	{ "none", NULL, 0, "No such file" },
	{ "open to all", "key", 0644, "chmod 600" },
	{ "writable by a group", "key", 0620, "chmod 600" },
	{ "no key", "key \"x\" { broken", 0600, "/update.key" },
};

/* Whoever can read the key can change the zone. */
static void
test_update_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(update_keys) / sizeof(*update_keys);
	     i++) {
		const struct key_case *one = &update_keys[i];
		char path[ROTATE_PATH_BYTES];
		/* Nobody listens there. */
		const struct rotate_conf conf = { .nsupdate_key = path,
			.nsupdate_server = "127.0.0.1@1" };
		struct fault fault = { .kind = FAULT_NONE, .words = "" };
		struct arena arena;

		(void)snprintf(path, sizeof(path), "%s/update.key", bed.keys);
		if (one->text != NULL) {
			rotate_bed_put(&bed, "update.key", one->text);
			assert_int_equal(0, chmod(path, one->mode));
		}
		arena_init(&arena, CAP);
		assert_false(rotate_publish(ROTATE_NSUPDATE, &conf, &record,
		    ROTATE_DOMAIN, true, &arena, &fault));
		if (fault.kind != FAULT_PERMANENT)
			fail_msg(
			    "%s: not for good: %s", one->name, fault.words);
		if (one->mode != 0600
		    && (strstr(fault.words, one->words) == NULL
			|| strstr(fault.words, path) == NULL))
			fail_msg("%s: wanted \"%s\", got \"%s\"", one->name,
			    one->words, fault.words);
		arena_clear(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_update_keys),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_hooks),
	};

	return cmocka_run_group_tests(tests, open_bed, close_bed);
}
