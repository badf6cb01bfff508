/* Second opinions: the packets, the jail, and what the two libraries say of a
 * zone; that they fall or hang is told, and hurts nobody. */
#include "milter/ctl/opinion.h"
#include "milter/ctl/opinion_jail.h"
#include "milter/ctl/opinion_process.h"
#include "milter/ctl/opinion_wire.h"
#include "policy/spf.h"
#include "tests/unit/zone_resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA_BYTES = 4 * 1024 * 1024, TIMEOUT_MS = 2000 };

/* One process for all tests, begun while there is no thread. */
static struct opinion_process *process;

/* ---- packets ---- */

static void
test_packet(void **state)
{
	struct opinion_packet *one = calloc(2, sizeof(*one));
	struct opinion_packet *other = one + 1;
	int pair[2];

	(void)state;
	assert_non_null(one);
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	opinion_packet_begin(one, "kind");
	opinion_packet_add(one, "");
	opinion_packet_add(one, "last");
	assert_true(opinion_packet_send(pair[0], one));
	assert_true(opinion_packet_receive(pair[1], other));
	assert_string_equal("kind", opinion_packet_next(other));
	assert_string_equal("", opinion_packet_next(other));
	assert_string_equal("last", opinion_packet_next(other));
	assert_null(opinion_packet_next(other));
	assert_null(opinion_packet_next(other));

	/* Not closed by a NUL. */
	assert_int_equal(3, send(pair[0], "abc", 3, 0));
	assert_false(opinion_packet_receive(pair[1], other));
	assert_null(opinion_packet_next(other));
	/* The other side has gone. */
	close(pair[0]);
	assert_false(opinion_packet_receive(pair[1], other));
	assert_false(opinion_packet_send(pair[1], one));
	close(pair[1]);
	free(one);
}

static void
test_packet_that_is_too_long(void **state)
{
	struct opinion_packet *packet = calloc(1, sizeof(*packet));
	char *text = malloc(OPINION_PACKET_BYTES);
	int pair[2];

	(void)state;
	assert_non_null(packet);
	assert_non_null(text);
	memset(text, 'x', OPINION_PACKET_BYTES);
	text[OPINION_PACKET_BYTES - sizeof("kind") - 1] = '\0';
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	opinion_packet_begin(packet, "kind");
	opinion_packet_add(packet, text);
	assert_int_equal(OPINION_PACKET_BYTES, packet->length);
	assert_true(opinion_packet_send(pair[0], packet));
	assert_true(opinion_packet_receive(pair[1], packet));
	opinion_packet_begin(packet, "kind");
	opinion_packet_add(packet, text);
	opinion_packet_add(packet, "");
	assert_true(packet->is_cut);
	assert_false(opinion_packet_send(pair[0], packet));
	close(pair[0]);
	close(pair[1]);
	free(text);
	free(packet);
}

/* ---- the jail ---- */

enum {
	ESCAPED_FILE = 1,
	ESCAPED_SOCKET = 2,
	ESCAPED_FORK = 4,
	ESCAPED_KILL = 8,
	ESCAPED_ROOT = 16,
	NO_JAIL = 64,
};

static int
try_to_escape(const char *path)
{
	int found = 0;

	if (!opinion_jail_enter())
		return NO_JAIL;
	if (open("/etc/passwd", O_RDONLY) >= 0)
		found |= ESCAPED_FILE;
	if (socket(AF_INET, SOCK_DGRAM, 0) >= 0)
		found |= ESCAPED_SOCKET;
	if (unlink(path) == 0)
		found |= ESCAPED_FILE;
	if (kill(getppid(), 0) == 0)
		found |= ESCAPED_KILL;
	if (geteuid() == 0 || setuid(0) == 0)
		found |= ESCAPED_ROOT;
	switch (fork()) {
	case 0:
		_exit(0);
	case -1:
		break;
	default:
		found |= ESCAPED_FORK;
	}
	return found;
}

static int
in_child(int (*work)(const char *path), const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(work(path));
	assert_true(pid > 0);
	assert_int_equal(pid, waitpid(pid, &status, 0));
	return status;
}

static void
test_jail(void **state)
{
	char path[] = "/tmp/postern-jail-XXXXXX";
	int fd = mkstemp(path);
	int status;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	status = in_child(try_to_escape, path);
	(void)unlink(path);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("wanted no way out, got status %#x", status);
}

static int
compute_for_ever(const char *path)
{
	volatile unsigned long count = 0;

	(void)path;
	if (!opinion_jail_enter())
		return NO_JAIL;
	for (;;)
		count++;
}

static void
test_jail_has_an_end(void **state)
{
	int status = in_child(compute_for_ever, NULL);

	(void)state;
	if (!WIFSIGNALED(status))
		fail_msg("wanted the end by a signal, got status %#x", status);
}

/* ---- what they say ---- */

struct opinion_case {
	const char *name;
	const char *zone;
	const char *address;
	const char *sender_domain;
	enum spf_result ours;
	const char *want_spf;
	const char *want_dmarc;
	size_t want_differences;
};

#define REJECT ", \"_dmarc.one.example\": [[\"TXT\", \"v=DMARC1; p=reject\"]]"

static const struct opinion_case cases[] = {
	{ "a pass",
	    "{\"one.example\": [[\"TXT\", \"v=spf1 a mx -all\"],"
	    " [\"A\", \"192.0.2.1\"]]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_PASS, "pass", "pass", 0 },
	{ "IPv6 and strings that are joined",
	    "{\"one.example\": [[\"TXT\", [\"v=spf1 ip6:2001:\", "
	    "\"db8::1 -all\"]]]" REJECT "}",
	    "2001:db8::1", "one.example", SPF_PASS, "pass", "pass", 0 },
	{ "a fail", "{\"one.example\": [[\"TXT\", \"v=spf1 -all\"]]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_FAIL, "fail", "fail-reject", 0 },
	{ "by mx",
	    "{\"one.example\": [[\"TXT\", \"v=spf1 mx -all\"],"
	    " [\"MX\", 10, \"m.example\"]],"
	    " \"m.example\": [[\"A\", \"192.0.2.1\"]]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_PASS, "pass", "pass", 0 },
	{ "by ptr",
	    "{\"one.example\": [[\"TXT\", \"v=spf1 ptr -all\"]],"
	    " \"1.2.0.192.in-addr.arpa\": [[\"PTR\", \"h.one.example\"]],"
	    " \"h.one.example\": [[\"A\", \"192.0.2.1\"]]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_PASS, "pass", "pass", 0 },
	{ "no record at all", "{}", "192.0.2.1", "one.example", SPF_NONE,
	    "none", "no-policy", 0 },
	{ "a record that can't be read is no missing one",
	    "{\"one.example\": [[\"TXT\", \"v=spf1 ipv4:1.2.3.4 -all\"]]" REJECT
	    "}",
	    "192.0.2.1", "one.example", SPF_PERMERROR, "permerror",
	    "fail-reject", 0 },
	{ "a lost look-up", "{\"one.example\": [\"SERVFAIL\"]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_TEMPERROR, "temperror",
	    "fail-reject", 0 },
	{ "more void look-ups than it counts",
	    "{\"one.example\": [[\"TXT\", \"v=spf1 a:1.example a:2.example "
	    "a:3.example ip4:192.0.2.1 -all\"]]" REJECT "}",
	    "192.0.2.1", "one.example", SPF_PERMERROR, "pass", "pass", 2 },
	{ "another envelope",
	    "{\"two.example\": [[\"TXT\", \"v=spf1 +all\"]]" REJECT "}",
	    "192.0.2.1", "two.example", SPF_PASS, "pass", "fail-reject", 0 },
	{ "an address that is none: it falls",
	    "{\"one.example\": []" REJECT "}", "nowhere", "one.example",
	    SPF_NONE, "crashed", "fail-reject", 1 },
};

/* Evidence as it would have been gathered, as far as it is looked at. */
static void
ask(const struct opinion_case *c, struct resolver *resolver,
    struct arena *arena, struct opinion *opinion_out)
{
	static struct dmarc_outcome dmarc;
	const struct spf_outcome outcome = { .result = c->ours,
		.domain = c->sender_domain };
	const struct preflight_spf spf = {
		.address = c->address, .helo = "mx.example", .outcome = &outcome
	};
	const struct preflight_author author = { .domain = "one.example",
		.dmarc = &dmarc };
	const struct preflight_evidence evidence = { .spf = &spf,
		.spf_count = 1,
		.authors = &author,
		.author_count = 1 };
	struct preflight_judgement judgement = { .result = PREFLIGHT_PASS };
	const struct opinion_question question = { .sender_local = "alice",
		.sender_domain = c->sender_domain,
		.evidence = &evidence,
		.judgement = &judgement,
		.resolver = resolver,
		.timeout_ms = TIMEOUT_MS };

	dmarc.by[DMARC_RFC7489].org_domain = "one.example";
	/* Ours: what the case wants of theirs, but where SPF differs. */
	for (unsigned i = 0; i < PREFLIGHT_RESULTS; i++)
		if (strcmp(preflight_result_name(i), c->want_dmarc) == 0)
			judgement.by[PREFLIGHT_RFC7489] = i;
	if (c->want_differences == 2)
		judgement.by[PREFLIGHT_RFC7489] = PREFLIGHT_FAIL_REJECT;
	assert_true(opinion_ask(process, &question, arena, opinion_out));
}

static void
check_word(const char *name, const char *want, const char *got)
{
	if (got == NULL || strcmp(want, got) != 0)
		fail_msg("%s: wanted %s, got %s", name, want,
		    got != NULL ? got : "(none)");
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct zone_resolver zone;
		struct opinion got;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		zone_resolver_open(&zone, cases[i].zone);
		ask(&cases[i], zone.resolver, &arena, &got);
		check_word(cases[i].name, cases[i].want_spf, got.spf.word);
		check_word(cases[i].name, cases[i].want_dmarc, got.dmarc.word);
		if (got.difference_count != cases[i].want_differences)
			fail_msg("%s: wanted %zu differences, got %zu (%s)",
			    cases[i].name, cases[i].want_differences,
			    got.difference_count,
			    got.difference_count > 0 ? got.differences[0]
						     : "-");
		zone_resolver_close(&zone);
		arena_clear(&arena);
	}
}

/* libspf2 counts anew in each include: what it may ask is bounded here. */
static void
test_questions_are_bounded(void **state)
{
	char text[16384];
	size_t length;
	struct opinion_case c = { .address = "192.0.2.1",
		.sender_domain = "one.example",
		.ours = SPF_PERMERROR,
		.want_dmarc = "no-policy" };
	struct zone_resolver zone;
	struct opinion got;
	struct arena arena;

	(void)state;
	length = (size_t)snprintf(
	    text, sizeof(text), "{\"one.example\": [[\"TXT\", \"v=spf1");
	for (int i = 0; i < 9; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		    " include:%%{i}.%d.i.example", i);
	length += (size_t)snprintf(text + length, sizeof(text) - length,
	    " -all\"]], \"*.i.example\": [[\"TXT\", \"v=spf1");
	for (int i = 0; i < 9; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		    " include:%d.%%{d3}.j.example", i);
	length += (size_t)snprintf(text + length, sizeof(text) - length,
	    " -all\"]], \"*.j.example\": [[\"TXT\", \"v=spf1");
	for (int i = 0; i < 9; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		    " a:%d.%%{d4}.k.example", i);
	(void)snprintf(text + length, sizeof(text) - length, " -all\"]]}");
	arena_init(&arena, ARENA_BYTES);
	zone_resolver_open(&zone, text);
	ask(&c, zone.resolver, &arena, &got);
	assert_non_null(got.spf.word);
	if (zone.asked > OPINION_QUESTIONS + 10)
		fail_msg("wanted at most %d questions, got %zu",
		    OPINION_QUESTIONS + 10, zone.asked);
	zone_resolver_close(&zone);
	arena_clear(&arena);
}

static int
begin(void **state)
{
	struct fault fault;

	(void)state;
	process = opinion_process_begin(&fault);
	return process != NULL ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	opinion_process_end(&process);
	opinion_process_end(&process);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet),
		cmocka_unit_test(test_packet_that_is_too_long),
		cmocka_unit_test(test_jail),
		cmocka_unit_test(test_jail_has_an_end),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_questions_are_bounded),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
