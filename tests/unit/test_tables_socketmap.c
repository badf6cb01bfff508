/* Maps behind Postfix's socketmap protocol, against a server that does what a
 * good one does, and what a bad one does. */
#include "milter/io/clock.h"
#include "milter/io/tables_socketmap.h"
#include "tests/fake/socketmap_server.h"

#include <pthread.h>
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

enum {
	ARENA_BYTES = 1 << 18,
	WORDS = 400,
	LONG_MS = 20000, /* never reached */
	SHORT_MS = 150,  /* reached, on purpose */
	SLACK_MS = 5000, /* of a busy machine */
	CROWD = 20,
	QUESTIONS = 200,
};

static char directory[] = "/tmp/postern-socketmap-XXXXXX";
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

/* "VALUE", "(none)" or "WORDS" of the fault, " away" and " perm" behind it
 * where that is so. */
static void
look(struct tables_socketmap *sockets, const struct map_source *where,
    const char *key, char got[WORDS])
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	const char *value;
	struct arena arena;
	bool is_away;
	bool is_asked;

	arena_init(&arena, ARENA_BYTES);
	is_asked = tables_socketmap_find(
	    sockets, where, key, &arena, &value, &is_away, &fault);
	snprintf(got, WORDS, "%.300s%s%s",
	    !is_asked           ? fault.words
		: value != NULL ? value
				: "(none)",
	    is_away ? " away" : "",
	    fault.kind == FAULT_PERMANENT ? " perm" : "");
	arena_clear(&arena);
}

static void
want_at(const char *name, struct tables_socketmap *sockets,
    const struct map_source *where, const char *key, const char *wanted)
{
	char got[WORDS];

	look(sockets, where, key, got);
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", name, wanted, got);
}

/* Words of a fault begin with the source's name. */
static void
want_fault(const char *name, struct tables_socketmap *sockets, const char *key,
    const char *wanted)
{
	char words[WORDS];

	snprintf(words, sizeof(words), "socketmap %s:senders: %s", socket_name,
	    wanted);
	want_at(name, sockets, &source, key, words);
}

static void
answers_come_over_one_connection(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	char last[SOCKETMAP_SERVER_REQUEST];

	(void)state;
	want_at("a key", sockets, &source, "a@a.example", "of a@a.example");
	socketmap_server_last(server, last);
	assert_string_equal(last, "senders a@a.example");
	want_at("none", sockets, &source, "a-b", "(none)");
	want_at("a key with blanks", sockets, &source, "\"a b\"@a.example",
	    "of \"a b\"@a.example");
	socketmap_server_last(server, last);
	assert_string_equal(last, "senders \"a b\"@a.example");
	want_at("EAI", sockets, &source, "j\xc3\xbcrgen@a.example",
	    "of j\xc3\xbcrgen@a.example");
	assert_int_equal(socketmap_server_accepted(server), 1);
	assert_int_equal(socketmap_server_asked(server), 4);
	socketmap_server_await_open(server, 1);
	tables_socketmap_tend(sockets, LONG_MS);
	want_at("not idle for so long", sockets, &source, "b", "of b");
	assert_int_equal(socketmap_server_accepted(server), 1);
	tables_socketmap_tend(sockets, 0);
	socketmap_server_await_open(server, 0);
	want_at("a new one", sockets, &source, "c", "of c");
	assert_int_equal(socketmap_server_accepted(server), 2);
	tables_socketmap_close(&sockets);
	assert_null(sockets);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

static void
some_keys_are_not_asked_for(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	char key[TABLES_SOCKETMAP_KEY_OCTETS + 2];

	(void)state;
	want_at("LF", sockets, &source, "a\nsenders b", "(none)");
	want_at("CR", sockets, &source, "a\r", "(none)");
	memset(key, 'k', sizeof(key));
	key[TABLES_SOCKETMAP_KEY_OCTETS + 1] = '\0';
	want_at("too long", sockets, &source, key, "(none)");
	assert_int_equal(socketmap_server_accepted(server), 0);
	key[TABLES_SOCKETMAP_KEY_OCTETS] = '\0';
	key[0] = '-';
	want_at("long", sockets, &source, key, "(none)");
	assert_int_equal(socketmap_server_asked(server), 1);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

static const struct {
	const char *name;
	const char *said;
	const char *want; /* '!' before the words of a fault */
	bool is_kept;     /* the connection */
} replies[] = {
	{ "a value", "8:OK alice,", "alice", true },
	{ "an empty value", "3:OK ,", "", true },
	{ "no blank after OK", "2:OK,", "", true },
	{ "blanks are the value's", "5:OK  a,", " a", true },
	{ "not found", "9:NOTFOUND ,", "(none)", true },
	{ "not found, without a blank", "8:NOTFOUND,", "(none)", true },
	{ "not found, with words", "12:NOTFOUND no ,", "(none)", true },
	{ "temp", "12:TEMP no good,", "!the server says TEMP: no good", true },
	{ "temp without words", "5:TEMP ,", "!the server says TEMP", true },
	{ "time-out", "12:TIMEOUT late,", "!the server says TIMEOUT: late",
	    true },
	{ "perm", "11:PERM denied,", "!the server says PERM: denied perm",
	    true },
	{ "hostile words",
	    "10:TEMP a\r\n\x1b"
	    "b,",
	    "!the server says TEMP: a???b", true },
	{ "an unknown word", "8:FOUND it,",
	    "!the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is "
	    "it a socketmap server?",
	    true },
	{ "a word that is longer", "4:OKAY,",
	    "!the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is "
	    "it a socketmap server?",
	    true },
	{ "in small letters", "4:ok a,",
	    "!the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is "
	    "it a socketmap server?",
	    true },
	{ "nothing", "0:,",
	    "!the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is "
	    "it a socketmap server?",
	    true },
	{ "no netstring", "220 smtp.example ESMTP\r\n",
	    "!the answer is no netstring; is it a socketmap server?", false },
	{ "no length", ":OK a,",
	    "!the answer is no netstring; is it a socketmap server?", false },
	{ "a nought in front", "04:OK a,",
	    "!the answer is no netstring; is it a socketmap server?", false },
	{ "a sign", "-4:OK a,",
	    "!the answer is no netstring; is it a socketmap server?", false },
	{ "another end", "4:OK a;",
	    "!the answer is no netstring: ',' is missing at its end", false },
	{ "more than 64 KiB", "70000:OK ", "!an answer of more than 64 KiB",
	    false },
	{ "a huge length", "999999:", "!an answer of more than 64 KiB", false },
	{ "a length beyond all", "99999999999999999999999999999999",
	    "!the answer is no netstring; is it a socketmap server?", false },
	{ "more than was asked for", "4:OK a,4:OK b,", "a", false },
	{ "a little more", "4:OK a,\n", "a", false },
};

static void
answers_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(replies); i++) {
		struct socketmap_server *server = socketmap_server_open(path);
		struct tables_socketmap *sockets =
		    tables_socketmap_open(LONG_MS);
		const char *name = replies[i].name;
		char got[WORDS];
		unsigned connections;

		socketmap_server_set(server, SOCKETMAP_SAYS, replies[i].said,
		    strlen(replies[i].said));
		if (replies[i].want[0] == '!')
			want_fault(name, sockets, "a", replies[i].want + 1);
		else
			want_at(name, sockets, &source, "a", replies[i].want);
		socketmap_server_set(server, SOCKETMAP_ANSWERS, NULL, 0);
		look(sockets, &source, "b", got);
		if (strcmp(got, "of b") != 0)
			fail_msg(
			    "%s: then wanted \"of b\", got \"%s\"", name, got);
		connections = socketmap_server_accepted(server);
		if (connections != (replies[i].is_kept ? 1 : 2))
			fail_msg("%s: wanted %d connections, got %u", name,
			    replies[i].is_kept ? 1 : 2, connections);
		tables_socketmap_close(&sockets);
		socketmap_server_close(&server);
	}
}

static void
values_have_a_size(void **state)
{
	enum { MOST = 64 * 1024 };
	static char said[MOST + 100];
	static char more[MOST + 100];
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	struct fault fault = { .kind = FAULT_NONE };
	struct arena arena;
	const char *value;
	bool is_away;
	size_t head;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	memset(said, 'v', sizeof(said));
	head = (size_t)snprintf(said, sizeof(said), "%d:OK ", MOST + 3);
	said[head] = 'v';
	said[head + MOST] = ',';
	socketmap_server_set(server, SOCKETMAP_SAYS, said, head + MOST + 1);
	assert_true(tables_socketmap_find(
	    sockets, &source, "a", &arena, &value, &is_away, &fault));
	assert_int_equal(strlen(value), MOST);
	assert_int_equal(strspn(value, "v"), MOST);

	memset(more, 'v', sizeof(more));
	head = (size_t)snprintf(more, sizeof(more), "%d:OK ", MOST + 4);
	more[head] = 'v';
	more[head + MOST + 1] = ',';
	socketmap_server_set(server, SOCKETMAP_SAYS, more, head + MOST + 2);
	want_fault("one more", sockets, "a", "a value of more than 64 KiB");
	socketmap_server_set(server, SOCKETMAP_SAYS, "6:OK a\0b,", 9);
	want_fault("a NUL", sockets, "a", "a value with a NUL in it");
	socketmap_server_set(server, SOCKETMAP_SAYS, "4:OK\0a,", 7);
	want_fault("a NUL after OK", sockets, "a",
	    "the answer is none of OK, NOTFOUND, TEMP, TIMEOUT and PERM; is "
	    "it a socketmap server?");
	assert_int_equal(socketmap_server_accepted(server), 1);
	arena_clear(&arena);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

/* A server closes when it likes. */
static void
a_closed_connection_is_made_anew(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);

	(void)state;
	socketmap_server_set(server, SOCKETMAP_ANSWERS_AND_CLOSES, NULL, 0);
	want_at("first", sockets, &source, "a", "of a");
	socketmap_server_await_open(server, 0);
	want_at("closed meanwhile", sockets, &source, "b", "of b");
	assert_int_equal(socketmap_server_accepted(server), 2);
	socketmap_server_await_open(server, 0);
	socketmap_server_set(server, SOCKETMAP_CLOSES_SECOND, NULL, 0);
	want_at("a new one", sockets, &source, "c", "of c");
	want_at("closed when asked", sockets, &source, "d", "of d");
	assert_int_equal(socketmap_server_accepted(server), 4);
	assert_int_equal(socketmap_server_asked(server), 5);
	socketmap_server_set(server, SOCKETMAP_CLOSES, NULL, 0);
	want_fault(
	    "once more only", sockets, "e", "the server closed the connection");
	assert_int_equal(socketmap_server_accepted(server), 5);
	assert_int_equal(socketmap_server_asked(server), 7);
	want_fault("a new one is not tried again", sockets, "e",
	    "the server closed the connection");
	assert_int_equal(socketmap_server_accepted(server), 6);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

static void
half_an_answer_is_a_fault(void **state)
{
	static const char *const halves[] = { "4", "4:", "4:OK", "4:OK a" };
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(SHORT_MS);

	(void)state;
	for (size_t i = 0; i < COUNT(halves); i++) {
		socketmap_server_set(
		    server, SOCKETMAP_SAYS, halves[i], strlen(halves[i]));
		want_fault(halves[i], sockets, "a", "no answer in time away");
	}
	assert_int_equal(socketmap_server_accepted(server), COUNT(halves));
	assert_int_equal(socketmap_server_asked(server), COUNT(halves));
	for (size_t i = 0; i < COUNT(halves); i++) {
		socketmap_server_set(server, SOCKETMAP_SAYS_AND_CLOSES,
		    halves[i], strlen(halves[i]));
		want_fault(halves[i], sockets, "a",
		    "the server closed the connection");
	}
	assert_int_equal(socketmap_server_accepted(server), 2 * COUNT(halves));
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

/* Whatever comes, and however slowly: what is waited is bounded. */
static void
no_question_takes_longer(void **state)
{
	static const char *const slow[] = { "4:OK a,",
		"60000:OK aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(SHORT_MS);
	uint64_t started_ms;
	uint64_t took_ms;

	(void)state;
	socketmap_server_set(
	    server, SOCKETMAP_DRIBBLES, slow[0], strlen(slow[0]));
	want_at("slow, but in time", sockets, &source, "a", "a");
	started_ms = clock_monotonic_ms();
	socketmap_server_set(
	    server, SOCKETMAP_DRIBBLES, slow[1], strlen(slow[1]));
	want_fault("too slow", sockets, "a", "no answer in time away");
	took_ms = clock_monotonic_ms() - started_ms;
	if (took_ms + 1 < SHORT_MS || took_ms > SHORT_MS + SLACK_MS)
		fail_msg(
		    "wanted about %d ms, got %u", SHORT_MS, (unsigned)took_ms);

	/* the answer to what was given up is nobody's */
	socketmap_server_set(server, SOCKETMAP_WAITS, NULL, 0);
	want_fault("nothing", sockets, "a", "no answer in time away");
	socketmap_server_set(server, SOCKETMAP_ANSWERS, NULL, 0);
	want_at("the next one", sockets, &source, "b", "of b");
	assert_int_equal(socketmap_server_accepted(server), 3);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

static void
servers_are_reached_by_name_and_port(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };
	struct socketmap_server *server = socketmap_server_open(NULL);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	unsigned port = socketmap_server_port(server);
	struct map_source there = { .kind = MAP_SOCKETMAP, .name = "n" };
	char place[100];
	char words[WORDS];
	char got[WORDS];

	(void)state;
	there.socket = place;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		snprintf(place, sizeof(place), "inet:%s:%u", hosts[i], port);
		want_at(hosts[i], sockets, &there, "a", "of a");
	}
	assert_int_equal(socketmap_server_accepted(server), 2);
	socketmap_server_close(&server);
	tables_socketmap_close(&sockets);
	sockets = tables_socketmap_open(LONG_MS);
	snprintf(place, sizeof(place), "inet:127.0.0.1:%u", port);
	snprintf(words, sizeof(words),
	    "socketmap %s:n: can't connect: Connection refused away", place);
	want_at("nobody there", sockets, &there, "a", words);
	snprintf(place, sizeof(place), "inet:[::1]:%u", port);
	snprintf(
	    words, sizeof(words), "socketmap %s:n: can't connect: ", place);
	look(sockets, &there, "a", got);
	if (strncmp(got, words, strlen(words)) != 0)
		fail_msg(
		    "nobody at ::1: wanted \"%s...\", got \"%s\"", words, got);
	want_fault("no socket there", sockets, "a",
	    "can't connect: No such file or directory away");
	there.socket = "inet:localhost";
	want_at("no port", sockets, &there, "a",
	    "socketmap inet:localhost:n: is no socket; write inet:HOST:PORT "
	    "or unix:PATH perm");
	tables_socketmap_close(&sockets);
}

/* A host that nobody knows costs no more time than any other question. */
static void
unknown_hosts_are_away(void **state)
{
	struct tables_socketmap *sockets = tables_socketmap_open(SLACK_MS);
	struct map_source there = { .kind = MAP_SOCKETMAP,
		.name = "n",
		.socket = "inet:no-such-host.invalid:1" };

	(void)state;
	want_at("unknown", sockets, &there, "a",
	    "socketmap inet:no-such-host.invalid:1:n: its host's address "
	    "isn't known (yet): the resolver must know it away");
	tables_socketmap_close(&sockets);
}

static void
want_of_memory_is_told(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	struct fault fault = { .kind = FAULT_NONE };
	struct arena none;
	const char *value;
	bool is_away;

	(void)state;
	arena_init(&none, 0);
	assert_false(tables_socketmap_find(
	    sockets, &source, "a", &none, &value, &is_away, &fault));
	assert_int_equal(fault.kind, FAULT_MEMORY);
	assert_false(is_away);
	assert_false(tables_socketmap_find(
	    sockets, &source, "a", &none, &value, &is_away, NULL));
	arena_clear(&none);
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

struct crowd {
	struct tables_socketmap *sockets;
	unsigned number;
	unsigned wrong;
};

static void *
ask_many(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < QUESTIONS; i++) {
		char key[32];
		char wanted[64];
		char got[WORDS];

		snprintf(key, sizeof(key), "%u.%u", crowd->number, i);
		snprintf(wanted, sizeof(wanted), "of %s", key);
		look(crowd->sockets, &source, key, got);
		crowd->wrong += strcmp(wanted, got) != 0;
		if (i % 50 == 0)
			tables_socketmap_tend(crowd->sockets, 0);
	}
	return NULL;
}

static void *
ask_once(void *context)
{
	struct crowd *crowd = context;
	char got[WORDS];

	look(crowd->sockets, &source, "a", got);
	crowd->wrong += strcmp("of a", got) != 0;
	return NULL;
}

/* Have as many questions answered at one time as there are in a crowd. */
static void
ask_at_once(struct socketmap_server *server, struct tables_socketmap *sockets)
{
	unsigned asked = socketmap_server_asked(server);
	struct crowd crowds[CROWD];
	pthread_t threads[CROWD];

	socketmap_server_set(server, SOCKETMAP_WAITS, NULL, 0);
	for (unsigned i = 0; i < CROWD; i++) {
		crowds[i] = (struct crowd){ .sockets = sockets };
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_once, &crowds[i]), 0);
	}
	socketmap_server_await_asked(server, asked + CROWD);
	socketmap_server_set(server, SOCKETMAP_ANSWERS, NULL, 0);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(crowds[i].wrong, 0);
	}
}

/* All have a connection of their own at once; few of these are kept. */
static void
few_connections_are_kept(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);

	(void)state;
	ask_at_once(server, sockets);
	assert_int_equal(socketmap_server_accepted(server), CROWD);
	socketmap_server_await_open(server, TABLES_SOCKETMAP_IDLE);
	ask_at_once(server, sockets);
	assert_int_equal(socketmap_server_accepted(server),
	    2 * CROWD - TABLES_SOCKETMAP_IDLE);
	tables_socketmap_close(&sockets);
	socketmap_server_await_open(server, 0);
	socketmap_server_close(&server);
}

static void
many_may_ask_at_once(void **state)
{
	struct socketmap_server *server = socketmap_server_open(path);
	struct tables_socketmap *sockets = tables_socketmap_open(LONG_MS);
	struct crowd crowds[CROWD];
	pthread_t threads[CROWD];

	(void)state;
	for (unsigned i = 0; i < CROWD; i++) {
		crowds[i] = (struct crowd){ .sockets = sockets, .number = i };
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_many, &crowds[i]), 0);
	}
	for (unsigned i = 0; i < CROWD; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (crowds[i].wrong != 0)
			fail_msg("%u: wanted no wrong answer, got %u", i,
			    crowds[i].wrong);
	}
	tables_socketmap_close(&sockets);
	socketmap_server_close(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_over_one_connection),
		cmocka_unit_test(some_keys_are_not_asked_for),
		cmocka_unit_test(answers_are_understood),
		cmocka_unit_test(values_have_a_size),
		cmocka_unit_test(a_closed_connection_is_made_anew),
		cmocka_unit_test(half_an_answer_is_a_fault),
		cmocka_unit_test(no_question_takes_longer),
		cmocka_unit_test(servers_are_reached_by_name_and_port),
		cmocka_unit_test(unknown_hosts_are_away),
		cmocka_unit_test(want_of_memory_is_told),
		cmocka_unit_test(few_connections_are_kept),
		cmocka_unit_test(many_may_ask_at_once),
	};

	return cmocka_run_group_tests_name(
	    "tables_socketmap", tests, begin, end);
}
