/* Name servers asked directly, over real sockets: good ones, and such as keep
 * silent, lie, cut and hang up. */
#include "milter/ctl/rotate_ask.h"
#include "milter/ctl/rotate_servers.h"
#include "milter/io/clock.h"
#include "tests/contract/dns_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

enum {
	CAP = 1 << 22,
	QUICK_MS = 1500,
	LONG_MS = 60000, /* nothing here takes so long */
	RCODE_FORMERR = 1,
	RCODE_REFUSED = 5,
};

#define NAME "s._domainkey.a.example"
#define A_RECORD                                                           \
	{                                                                  \
		{                                                          \
			.type = DNS_TXT, .ttl_s = 300, .value = "v=DKIM1", \
			.times = 1                                         \
		}                                                          \
	}

struct ask_case {
	const char *name;
	struct dns_server_rule rule;
	enum rotate_heard want;
	const char *words; /* of what it says, or why not */
	bool is_tcp;       /* it was asked over TCP */
};

/* This server never says that it has authority. */
static const struct ask_case cases[] = {
	{ "an answer",
	    { .name = NAME, .act = DNS_SERVER_ANSWER, .records = A_RECORD },
	    ROTATE_HEARD, "authority", false },
	{ "a refusal", { .name = NAME, .rcode = RCODE_REFUSED }, ROTATE_HEARD,
	    "REFUSED", false },
	{ "one that doesn't read EDNS, nor anything else",
	    { .name = NAME, .rcode = RCODE_FORMERR }, ROTATE_HEARD, "FORMERR",
	    false },
	{ "an answer that doesn't fit",
	    { .name = NAME, .act = DNS_SERVER_TCP_ONLY, .records = A_RECORD },
	    ROTATE_HEARD, "authority", true },
	{ "and TCP hangs up",
	    { .name = NAME, .act = DNS_SERVER_NO_TCP, .records = A_RECORD },
	    ROTATE_SILENT, "over TCP", false },
	{ "an answer that is slow",
	    { .name = NAME, .delay_ms = 300, .records = A_RECORD },
	    ROTATE_HEARD, "authority", false },
	{ "silence", { .name = NAME, .act = DNS_SERVER_SILENT }, ROTATE_SILENT,
	    "doesn't answer", false },
	{ "another number",
	    { .name = NAME, .act = DNS_SERVER_WRONG_ID, .records = A_RECORD },
	    ROTATE_SILENT, "doesn't answer", false },
	{ "another question",
	    { .name = NAME, .act = DNS_SERVER_OTHER, .records = A_RECORD },
	    ROTATE_SILENT, "doesn't answer", false },
	{ "no question",
	    { .name = NAME, .act = DNS_SERVER_EMPTY, .records = A_RECORD },
	    ROTATE_SILENT, "doesn't answer", false },
	{ "more records than there are",
	    { .name = NAME, .act = DNS_SERVER_LYING, .records = A_RECORD },
	    ROTATE_HEARD, "", false },
};

enum { CASES = sizeof(cases) / sizeof(*cases) };

static const char *
words_of(const struct rotate_reply *reply)
{
	const char *words =
	    reply->heard == ROTATE_HEARD ? reply->answer.words : reply->words;

	return words != NULL ? words : "";
}

/* All of them at once, as the servers of a zone are. */
static void
test_servers(void **state)
{
	struct dns_server *servers[CASES];
	struct dns_server_rule rules[CASES][2] = { { { .name = NULL } } };
	struct rotate_server asked[CASES];
	struct rotate_reply replies[CASES];
	struct rotate_asker *asker = rotate_asker_open();
	struct arena arena;
	struct fault fault;

	(void)state;
	arena_init(&arena, CAP);
	for (size_t i = 0; i < CASES; i++) {
		rules[i][0] = cases[i].rule;
		servers[i] = dns_server_start(rules[i]);
		assert_true(rotate_servers_read(
		    dns_server_address(servers[i]), &asked[i]));
	}
	assert_true(rotate_ask(
	    asker, asked, CASES, NAME, QUICK_MS, &arena, replies, &fault));
	for (size_t i = 0; i < CASES; i++) {
		if (replies[i].heard != cases[i].want
		    || strstr(words_of(&replies[i]), cases[i].words) == NULL)
			fail_msg("%s: wanted %d with \"%s\", got %d: %s",
			    cases[i].name, (int)cases[i].want, cases[i].words,
			    (int)replies[i].heard, words_of(&replies[i]));
		if (cases[i].is_tcp
		    != (dns_server_count_tcp(servers[i], NAME) > 0
			&& cases[i].want == ROTATE_HEARD))
			fail_msg("%s: TCP", cases[i].name);
		dns_server_stop(&servers[i]);
	}
	arena_clear(&arena);
	rotate_asker_close(&asker);
	assert_null(asker);
}

/* One that keeps silent again and again isn't waited for, nor asked. */
static void
test_silent(void **state)
{
	static const struct dns_server_rule silent[] = {
		{ .name = NAME, .act = DNS_SERVER_SILENT }, { .name = NULL }
	};
	struct dns_server *server = dns_server_start(silent);
	struct rotate_asker *asker = rotate_asker_open();
	struct rotate_server asked;
	struct rotate_reply reply;
	struct arena arena;
	struct fault fault;
	uint64_t begun_ms;
	size_t count;

	(void)state;
	arena_init(&arena, CAP);
	assert_true(rotate_servers_read(dns_server_address(server), &asked));
	for (int i = 0; i < ROTATE_ASK_SILENCES; i++)
		assert_true(rotate_ask(
		    asker, &asked, 1, NAME, 200, &arena, &reply, &fault));
	count = dns_server_count(server, NAME, 0);
	assert_int_equal(ROTATE_ASK_SILENCES, count);
	begun_ms = clock_monotonic_ms();
	assert_true(rotate_ask(
	    asker, &asked, 1, NAME, LONG_MS, &arena, &reply, &fault));
	assert_int_equal(ROTATE_SILENT, reply.heard);
	assert_true(clock_monotonic_ms() - begun_ms < LONG_MS / 2);
	assert_int_equal(count, dns_server_count(server, NAME, 0));
	arena_clear(&arena);
	rotate_asker_close(&asker);
	dns_server_stop(&server);
}

/* Where nobody listens that is told, and soon; what has no way too. */
static void
test_nobody(void **state)
{
	static const struct dns_server_rule none[] = { { .name = NULL } };
	struct dns_server *server = dns_server_start(none);
	struct rotate_asker *asker = rotate_asker_open();
	struct rotate_server asked[2];
	struct rotate_reply replies[2];
	struct arena arena;
	struct fault fault;
	uint64_t begun_ms = clock_monotonic_ms();

	(void)state;
	arena_init(&arena, CAP);
	assert_true(rotate_servers_read(dns_server_address(server), &asked[0]));
	asked[0].label = "gone";
	/* An address that only links have: there is no way without naming one.
	 */
	assert_true(rotate_servers_read("fe80::1", &asked[1]));
	dns_server_stop(&server);
	assert_true(rotate_ask(
	    asker, asked, 2, NAME, LONG_MS, &arena, replies, &fault));
	assert_int_equal(ROTATE_SILENT, replies[0].heard);
	assert_string_equal("nobody listens there", replies[0].words);
	assert_true(replies[1].heard != ROTATE_HEARD);
	assert_true(clock_monotonic_ms() - begun_ms < LONG_MS / 2);
	arena_clear(&arena);
	rotate_asker_close(&asker);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *typed;
		bool is_good;
		uint16_t port;
	} typed[] = {
		{ "192.0.2.1", true, 53 },
		{ "192.0.2.1@5353", true, 5353 },
		{ "2001:db8::1", true, 53 },
		{ "2001:db8::1@53535", true, 53535 },
		{ "ns1.example", false, 0 },
		{ "", false, 0 },
		{ "@53", false, 0 },
		{ "192.0.2.1@", false, 0 },
		{ "192.0.2.1@0", false, 0 },
		{ "192.0.2.1@65536", false, 0 },
		{ "192.0.2.1:53", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(typed) / sizeof(*typed); i++) {
		struct rotate_server server;
		bool is_good = rotate_servers_read(typed[i].typed, &server);

		if (is_good != typed[i].is_good
		    || (is_good && server.port != typed[i].port))
			fail_msg("\"%s\": wanted %d, port %u", typed[i].typed,
			    typed[i].is_good, typed[i].port);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
