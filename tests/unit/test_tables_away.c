/* Servers behind maps that come and go: what is kept of each, and who finds
 * out whether it is back. */
#include "milter/io/tables.h"
#include "milter/io/tables_away.h"
#include "tests/fake/socketmap_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18, WORDS = 400, TTL_MS = 1000 };

static char directory[] = "/tmp/postern-away-XXXXXX";
static char path[64];
static char socket_name[80];

static struct map_source source = {
	.kind = MAP_SOCKETMAP, .name = "senders", .socket = socket_name
};

static int
begin(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(socket_name, sizeof(socket_name), "unix:%s", path);
	return 0;
}

static int
end(void **state)
{
	(void)state;
	return rmdir(directory);
}

static uint64_t now_ms;

static uint64_t
test_clock(void *context)
{
	(void)context;
	return now_ms;
}

static void
want_in(const char *name, struct tables *tables, const struct map_source *where,
    const char *key, const char *wanted)
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	const char *value;
	struct arena arena;
	char got[WORDS];
	bool is_stale;

	arena_init(&arena, ARENA_BYTES);
	if (!tables_find(
		tables, where, key, TTL_MS, &arena, &value, &is_stale, &fault))
		snprintf(got, sizeof(got), "fault: %.300s", fault.words);
	else
		snprintf(got, sizeof(got), "%.300s%s",
		    value != NULL ? value : "(none)", is_stale ? " stale" : "");
	arena_clear(&arena);
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", name, wanted, got);
}

static struct tables *
open_tables(void)
{
	struct tables *tables = tables_open(10, NULL);

	assert_non_null(tables);
	tables_set_clock(tables, test_clock, NULL);
	now_ms = 5000;
	return tables;
}

static void
answers_are_kept_by_socket_and_name(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct socketmap_server *second = socketmap_server_open(NULL);
	struct tables *tables = open_tables();
	struct map_source other = source;
	struct map_source elsewhere = source;
	char place[100];

	(void)state;
	snprintf(place, sizeof(place), "inet:127.0.0.1:%u",
	    socketmap_server_port(second));
	other.name = "others";
	elsewhere.socket = place;
	socketmap_server_set(second, SOCKETMAP_SAYS, "7:OK else,", 10);
	want_in("a", tables, &source, "a", "of a");
	want_in("kept", tables, &source, "a", "of a");
	want_in("none", tables, &source, "a-b", "(none)");
	want_in("none, kept", tables, &source, "a-b", "(none)");
	assert_int_equal(socketmap_server_asked(server), 2);
	want_in("the same name elsewhere", tables, &elsewhere, "a", "else");
	assert_int_equal(socketmap_server_asked(second), 1);
	want_in("another name there", tables, &other, "a", "of a");
	assert_int_equal(socketmap_server_asked(server), 3);
	want_in("each is kept", tables, &source, "a", "of a");
	want_in("each is kept, elsewhere", tables, &elsewhere, "a", "else");
	now_ms += TTL_MS;
	want_in("asked anew", tables, &source, "a", "of a");
	assert_int_equal(socketmap_server_asked(server), 4);
	tables_tend(tables);
	socketmap_server_await_open(server, 1);
	tables_close(&tables);
	socketmap_server_close(&server);
	socketmap_server_close(&second);
}

static void
a_server_that_is_away_holds_on(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct socketmap_server *second = socketmap_server_open(NULL);
	struct tables *tables = open_tables();
	struct map_source elsewhere = source;
	char place[100];
	char away[WORDS];

	(void)state;
	snprintf(place, sizeof(place), "inet:127.0.0.1:%u",
	    socketmap_server_port(second));
	elsewhere.socket = place;
	snprintf(away, sizeof(away),
	    "fault: socketmap %s:senders: can't connect: No such file or "
	    "directory",
	    socket_name);
	want_in("a", tables, &source, "a", "of a");
	socketmap_server_close(&server);
	want_in("fresh", tables, &source, "a", "of a");
	want_in("unknown", tables, &source, "b", away);
	server = socketmap_server_open(path);
	want_in("not tried at once", tables, &source, "b", away);
	now_ms = 5000 + TTL_MS / 2 - 1;
	want_in("nor soon", tables, &source, "b", away);
	want_in("another server", tables, &elsewhere, "b", "of b");
	assert_int_equal(socketmap_server_accepted(server), 0);
	now_ms = 5500;
	want_in("a key that isn't asked for finds nothing out", tables, &source,
	    "b\n", "(none)");
	want_in("it is back", tables, &source, "b", "of b");
	want_in("for all", tables, &source, "c", "of c");
	socketmap_server_close(&server);
	now_ms = 9000;
	want_in("stale", tables, &source, "a", "of a stale");
	want_in("and no other tries", tables, &source, "b", "of b stale");
	tables_close(&tables);
	socketmap_server_close(&second);
}

/* What is said of one key, however bad, doesn't keep others from asking. */
static void
a_server_that_refuses_isnt_away(void **state)
{
	static const struct {
		const char *name, *said, *words;
	} cases[] = {
		{ "temp", "6:TEMP x,", "the server says TEMP: x" },
		{ "time-out", "9:TIMEOUT x,", "the server says TIMEOUT: x" },
		{ "perm", "6:PERM x,", "the server says PERM: x" },
		{ "garbage", "hello",
		    "the answer is no netstring; is it a socketmap server?" },
	};
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables *tables = open_tables();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char words[WORDS];
		char key[32];

		snprintf(words, sizeof(words),
		    "fault: socketmap %s:senders: %s", socket_name,
		    cases[i].words);
		socketmap_server_set(server, SOCKETMAP_SAYS, cases[i].said,
		    strlen(cases[i].said));
		want_in(cases[i].name, tables, &source, "bad", words);
		socketmap_server_set(server, SOCKETMAP_ANSWERS, NULL, 0);
		snprintf(key, sizeof(key), "good%zu", i);
		snprintf(words, sizeof(words), "of %s", key);
		want_in(cases[i].name, tables, &source, key, words);
	}
	want_in("known", tables, &source, "bad", "of bad");
	now_ms += TTL_MS;
	socketmap_server_set(server, SOCKETMAP_CLOSES, NULL, 0);
	want_in("known, refused", tables, &source, "bad", "of bad stale");
	socketmap_server_set(server, SOCKETMAP_ANSWERS, NULL, 0);
	want_in("and again", tables, &source, "bad", "of bad");
	tables_close(&tables);
	socketmap_server_close(&server);
}

static struct fault
fault_of(const char *words)
{
	struct fault fault = { .kind = FAULT_NONE };

	fault_set(&fault, FAULT_TEMPORARY, "%s", words);
	return fault;
}

static void
one_caller_in_a_while_finds_out(void **state)
{
	struct tables_away *away = tables_away_open();
	struct fault lost = fault_of("lost");
	struct fault fault = { .kind = FAULT_NONE };

	(void)state;
	assert_true(tables_away_may_ask(away, "a", 1000, &fault));
	assert_true(tables_away_may_ask(away, "a", 1000, &fault));
	tables_away_note(away, "a", false, 1000, NULL);
	assert_true(tables_away_may_ask(away, "a", 1000, &fault));
	tables_away_note(away, "a", true, 1000, &lost);
	assert_false(tables_away_may_ask(away, "a", 1000, &fault));
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	assert_string_equal(fault.words, "lost");
	assert_false(tables_away_may_ask(away, "a", 1499, NULL));
	assert_true(tables_away_may_ask(away, "b", 1499, &fault));
	assert_true(tables_away_may_ask(away, "a", 1500, &fault));
	assert_false(tables_away_may_ask(away, "a", 1500, &fault));
	assert_false(tables_away_may_ask(away, "a", 1999, &fault));
	lost = fault_of("still lost");
	tables_away_note(away, "a", true, 1700, &lost);
	assert_false(tables_away_may_ask(away, "a", 2199, &fault));
	assert_string_equal(fault.words, "still lost");
	assert_true(tables_away_may_ask(away, "a", 2200, &fault));
	tables_away_note(away, "a", false, 2200, NULL);
	assert_true(tables_away_may_ask(away, "a", 2200, &fault));
	assert_true(tables_away_may_ask(away, "a", 2200, &fault));
	tables_away_close(&away);
	assert_null(away);
	tables_away_close(&away);
}

/* Of more of them the one that is tried the earliest is forgotten. */
static void
so_many_servers_are_remembered(void **state)
{
	struct tables_away *away = tables_away_open();
	struct fault lost = fault_of("lost");
	char server[32];

	(void)state;
	for (unsigned i = 0; i <= TABLES_AWAY_SERVERS; i++) {
		snprintf(server, sizeof(server), "server %u", i);
		/* the third is the earliest */
		tables_away_note(
		    away, server, true, i == 2 ? 1000 : 1001 + i, &lost);
	}
	for (unsigned i = 0; i <= TABLES_AWAY_SERVERS; i++) {
		snprintf(server, sizeof(server), "server %u", i);
		if (tables_away_may_ask(away, server, 1400, NULL) != (i == 2))
			fail_msg("%s: wanted %s, got the opposite", server,
			    i == 2 ? "forgotten" : "away");
	}
	tables_away_close(&away);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_caller_in_a_while_finds_out),
		cmocka_unit_test(so_many_servers_are_remembered),
		cmocka_unit_test(answers_are_kept_by_socket_and_name),
		cmocka_unit_test(a_server_that_is_away_holds_on),
		cmocka_unit_test(a_server_that_refuses_isnt_away),
	};

	return cmocka_run_group_tests_name("tables_away", tests, begin, end);
}
