/* The resolver with libunbound, against a server that misbehaves as told. */
#include "tests/contract/resolver_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	HUGE = 250, /* strings of a TXT record of 64 kB */
};

#define STRING_100                                                             \
	"12345678901234567890123456789012345678901234567890123456789012345678" \
	"90"                                                                   \
	"123456789012345678901234567890"
#define STRING_250            \
	STRING_100 STRING_100 \
	    "12345678901234567890123456789012345678901234567890"
#define A(text)                                              \
	{                                                    \
		.type = DNS_A, .ttl_s = 300, .value = (text) \
	}
#define A_AT(at, ttl, text)                                                   \
	{                                                                     \
		.type = DNS_A, .ttl_s = (ttl), .owner = (at), .value = (text) \
	}
#define CNAME(at, ttl, text)                                             \
	{                                                                \
		.type = DNS_SERVER_CNAME, .ttl_s = (ttl), .owner = (at), \
		.value = (text)                                          \
	}

static const struct dns_server_rule rules[] = {
	{ .name = "good.example.com", .records = { PLACE_A("192.0.2.1") } },
	{ .name = "*.good.example.com", .records = { PLACE_A("192.0.2.1") } },
	{ .name = "two.example.com",
	    .records = { PLACE_A("192.0.2.9"), PLACE_A("192.0.2.1") } },
	{ .name = "six.example.com",
	    .records = { { .type = DNS_AAAA,
		.ttl_s = 300,
		.value = "2001:db8::1" } } },
	{ .name = "mx.example.com",
	    .records = { { .type = DNS_MX,
			     .ttl_s = 300,
			     .value = "10 MX1.Example.com" },
		{ .type = DNS_MX, .ttl_s = 200, .value = "0 ." } } },
	{ .name = "txt.example.com",
	    .records = { { .type = DNS_TXT,
			     .ttl_s = 300,
			     .value = "v=spf1 -all" },
		{ .type = DNS_TXT,
		    .ttl_s = 300,
		    .value = "ab",
		    .times = 3 } } },
	{ .name = "huge.example.com",
	    .records = { { .type = DNS_TXT,
		.ttl_s = 300,
		.value = STRING_250,
		.times = HUGE } } },
	{ .name = "many.example.com",
	    .records = { { .type = DNS_A,
		.ttl_s = 300,
		.value = "192.0.2.0",
		.times = 3000 } } },
	{ .name = "mxs.example.com",
	    .records = { { .type = DNS_MX,
		.ttl_s = 300,
		.value = "10 mx.example.com",
		.times = 1000 } } },
	{ .name = "2.2.0.192.in-addr.arpa",
	    .records = { { .type = DNS_PTR,
		.ttl_s = 300,
		.value = "host.example.com",
		.times = 1000 } } },
	{ .name = "1.2.0.192.in-addr.arpa",
	    .records = { { .type = DNS_PTR,
		.ttl_s = 300,
		.value = "Evil\\010\\000\\046\\255.example.com" } } },
	{ .name = "a\\032b\\092.example.com",
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "short.example.com",
	    .records = { { .type = DNS_A,
		.ttl_s = 300,
		.value = "192.0.2.1",
		.is_malformed = true } } },

	{ .name = "nx.example.com",
	    .rcode = 3,
	    .has_soa = true,
	    .soa_ttl_s = 77 },
	{ .name = "nx-no-soa.example.com", .rcode = 3 },
	{ .name = "nodata.example.com", .has_soa = true, .soa_ttl_s = 88 },
	{ .name = "nodata-no-soa.example.com" },
	{ .name = "servfail.example.com", .rcode = 2 },
	{ .name = "refused.example.com", .rcode = 5 },
	{ .name = "notimp.example.com", .rcode = 4 },
	{ .name = "formerr.example.com", .rcode = 1 },

	{ .name = "chain.example.com",
	    .records = { CNAME(NULL, 300, "chain2.example.com"),
		CNAME("chain2.example.com", 20, "chain3.example.net"),
		A_AT("chain3.example.net", 100, "192.0.2.7") } },
	{ .name = "chain2.example.com",
	    .records = { CNAME(NULL, 20, "chain3.example.net"),
		A_AT("chain3.example.net", 100, "192.0.2.7") } },
	{ .name = "chain3.example.net",
	    .records = { A_AT(NULL, 100, "192.0.2.7") } },
	{ .name = "part.example.com",
	    .records = { CNAME(NULL, 300, "part2.example.com") } },
	{ .name = "part2.example.com",
	    .records = { CNAME(NULL, 40, "good.example.com") } },
	{ .name = "alias-nx.example.com",
	    .records = { CNAME(NULL, 30, "nx.example.com") },
	    .rcode = 3,
	    .has_soa = true,
	    .soa_ttl_s = 77 },
	{ .name = "loop.example.com",
	    .records = { CNAME(NULL, 300, "loop2.example.com") } },
	{ .name = "loop2.example.com",
	    .records = { CNAME(NULL, 300, "loop.example.com") } },
	{ .name = "self.example.com",
	    .records = { CNAME(NULL, 300, "self.example.com") } },

	{ .name = "tcp.example.com",
	    .act = DNS_SERVER_TCP_ONLY,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "no-tcp.example.com",
	    .act = DNS_SERVER_NO_TCP,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "garbage.example.com",
	    .act = DNS_SERVER_GARBAGE,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "cut.example.com",
	    .act = DNS_SERVER_CUT,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "lying.example.com",
	    .act = DNS_SERVER_LYING,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "empty.example.com", .act = DNS_SERVER_EMPTY },
	{ .name = "other.example.com",
	    .act = DNS_SERVER_OTHER,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "silent.example.com", .act = DNS_SERVER_SILENT },
	{ .name = "*.silent.example.net", .act = DNS_SERVER_SILENT },
	{ .name = "wrong-id.example.com",
	    .act = DNS_SERVER_WRONG_ID,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = "slow.example.com",
	    .delay_ms = 1000,
	    .records = { PLACE_A("192.0.2.1") } },
	{ .name = NULL },
};

/* ---- what servers say ---- */

static const struct answer_case {
	const char *name;
	enum dns_type type;
	enum dns_status want;
	uint32_t ttl_s; /* at most; 0: any */
	size_t count;
	const char *why; /* that the words have in them; NULL: any */
} answer_cases[] = {
	{ "good.example.com", DNS_A, DNS_FOUND, 300, 1, NULL },
	{ "two.example.com", DNS_A, DNS_FOUND, 300, 2, NULL },
	{ "six.example.com", DNS_AAAA, DNS_FOUND, 300, 1, NULL },
	{ "mx.example.com", DNS_MX, DNS_FOUND, 200, 2, NULL },
	{ "txt.example.com", DNS_TXT, DNS_FOUND, 300, 2, NULL },
	{ "huge.example.com", DNS_TXT, DNS_FOUND, 300, 1, NULL },
	{ "many.example.com", DNS_A, DNS_FOUND, 300, 3000, NULL },
	{ "1.2.0.192.in-addr.arpa", DNS_PTR, DNS_FOUND, 300, 1, NULL },
	/* No more names than can be of use. */
	{ "mxs.example.com", DNS_MX, DNS_FOUND, 300, 11, NULL },
	{ "2.2.0.192.in-addr.arpa", DNS_PTR, DNS_FOUND, 300, 10, NULL },
	{ "a b\\.example.com", DNS_A, DNS_FOUND, 300, 1, NULL },
	{ "short.example.com", DNS_A, DNS_LOST, 15, 0, "read" },

	{ "nx.example.com", DNS_A, DNS_NXDOMAIN, 77, 0, NULL },
	{ "nx-no-soa.example.com", DNS_A, DNS_NXDOMAIN, 60, 0, NULL },
	{ "nodata.example.com", DNS_A, DNS_NODATA, 88, 0, NULL },
	{ "nodata-no-soa.example.com", DNS_A, DNS_NODATA, 60, 0, NULL },
	{ "servfail.example.com", DNS_A, DNS_LOST, 15, 0, "SERVFAIL" },
	{ "refused.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "notimp.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "formerr.example.com", DNS_A, DNS_LOST, 15, 0, NULL },

	{ "chain.example.com", DNS_A, DNS_FOUND, 20, 1, NULL },
	{ "part.example.com", DNS_A, DNS_FOUND, 40, 1, NULL },
	{ "alias-nx.example.com", DNS_A, DNS_NXDOMAIN, 30, 0, NULL },
	{ "loop.example.com", DNS_A, DNS_LOST, 15, 0, "SERVFAIL" },
	{ "self.example.com", DNS_A, DNS_LOST, 15, 0, "SERVFAIL" },

	{ "tcp.example.com", DNS_A, DNS_FOUND, 300, 1, NULL },
	{ "no-tcp.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "garbage.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "cut.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "lying.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "empty.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "other.example.com", DNS_A, DNS_LOST, 15, 0, NULL },
	{ "slow.example.com", DNS_A, DNS_FOUND, 300, 1, NULL },
};

static void
expect_answer(struct resolver *resolver, const struct answer_case *c)
{
	struct resolver_asker *asker = resolver_begin(resolver, PLACE_LONG_MS);
	const struct dns_answer *answer =
	    resolver_place_await(asker, c->name, c->type);
	const char *why = answer->why != NULL ? answer->why : "no words";

	if (answer->status != c->want)
		fail_msg("%s: wanted %d, got %d (%s)", c->name, c->want,
		    answer->status, why);
	if (answer->count != c->count)
		fail_msg("%s: wanted %zu records, got %zu", c->name, c->count,
		    answer->count);
	/* A second may have passed since. */
	if (answer->ttl_s > c->ttl_s || answer->ttl_s + 5 < c->ttl_s)
		fail_msg("%s: wanted TTL %u, got %u", c->name, c->ttl_s,
		    answer->ttl_s);
	if ((answer->status == DNS_LOST) != (answer->why != NULL)
	    || (c->why != NULL && strstr(why, c->why) == NULL))
		fail_msg("%s: wanted words with \"%s\", got %s", c->name,
		    c->why != NULL ? c->why : "", why);
	resolver_end(&asker);
}

static void
test_answers(void **state)
{
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	for (size_t i = 0; i < sizeof(answer_cases) / sizeof(*answer_cases);
	     i++)
		expect_answer(place.resolver, &answer_cases[i]);
	/* What didn't fit was asked over TCP, nothing else was. */
	assert_int_equal(
	    dns_server_count_tcp(place.server, "huge.example.com"), 1);
	assert_int_equal(
	    dns_server_count_tcp(place.server, "good.example.com"), 0);
	resolver_place_close(&place);
}

static void
test_records(void **state)
{
	struct resolver_asker *asker;
	const struct dns_answer *answer;
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	asker = resolver_begin(place.resolver, PLACE_LONG_MS);
	answer = resolver_place_await(asker, "two.example.com", DNS_A);
	assert_int_equal(answer->records[0].address.octets[15], 9);
	assert_int_equal(answer->records[1].address.octets[15], 1);
	answer = resolver_place_await(asker, "mx.example.com", DNS_MX);
	assert_int_equal(answer->records[0].preference, 10);
	assert_string_equal(answer->records[0].name, "mx1.example.com");
	assert_string_equal(answer->records[1].name, "");
	answer = resolver_place_await(asker, "txt.example.com", DNS_TXT);
	assert_string_equal(answer->records[0].text, "v=spf1 -all");
	assert_string_equal(answer->records[1].text, "ababab");
	answer = resolver_place_await(asker, "huge.example.com", DNS_TXT);
	assert_int_equal(answer->records[0].text_length, HUGE * 250);
	answer = resolver_place_await(asker, "1.2.0.192.in-addr.arpa", DNS_PTR);
	assert_string_equal(
	    answer->records[0].name, "evil\\010\\000\\046\\255.example.com");
	answer = resolver_place_await(asker, "chain.example.com", DNS_A);
	assert_int_equal(answer->records[0].address.octets[15], 7);
	resolver_end(&asker);
	resolver_place_close(&place);
}

/* Who keeps silent, or can't be told from one who guesses, is given up at the
 * deadline. */
static void
test_silence(void **state)
{
	static const char *const names[] = { "silent.example.com",
		"wrong-id.example.com" };
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	for (size_t i = 0; i < 2; i++) {
		if (resolver_place_status(place.resolver, names[i], 100)
		    != DNS_LOST)
			fail_msg("%s: wanted it lost", names[i]);
		assert_true(
		    dns_server_count(place.server, names[i], DNS_A) > 0);
	}
	resolver_place_close(&place);
}

/* Names that libunbound has answers of its own for belong to the servers. */
static void
test_own_zones(void **state)
{
	static const char *const names[] = { "localhost", "a.localhost",
		"a.test", "test", "a.invalid", "a.onion", "a.home.arpa",
		"a.local", "1.0.0.127.in-addr.arpa", "1.0.0.10.in-addr.arpa",
		"1.1.168.192.in-addr.arpa", "7.2.0.192.in-addr.arpa",
		("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		 "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"),
		"1.8.e.f.ip6.arpa", "a.8.b.d.0.1.0.0.2.ip6.arpa",
		"a.resolver.arpa" };
	static const struct dns_server_rule all[] = {
		{ .name = "*", .records = { PLACE_A("192.0.2.1") } },
		{ .name = NULL },
	};
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	dns_server_follow(place.server, all);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (resolver_place_status(
			place.resolver, names[i], PLACE_LONG_MS)
		    != DNS_FOUND)
			fail_msg("%s: wanted it found", names[i]);
		if (dns_server_count(place.server, names[i], DNS_A) != 1)
			fail_msg("%s: the server wasn't asked", names[i]);
	}
	resolver_place_close(&place);
}

/* A server that answers nothing about some names isn't taken for dead: other
 * names are answered all the while, until libunbound itself has had enough of
 * the silence. */
static void
test_others_live(void **state)
{
	struct resolver_counters counters;
	struct resolver_place place;
	char name[64];

	(void)state;
	resolver_place_open(&place, rules);
	for (unsigned i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof name, "n%u.silent.example.net", i);
		(void)resolver_place_status(place.resolver, name, 1);
	}
	for (unsigned i = 0;; i++) {
		(void)snprintf(name, sizeof name, "o%u.good.example.com", i);
		if (resolver_place_status(place.resolver, name, PLACE_LONG_MS)
		    != DNS_FOUND)
			fail_msg("%s: wanted it found", name);
		counters = resolver_counters(place.resolver);
		if (counters.under_way == 0)
			break;
		(void)usleep(50000);
	}
	assert_int_equal(resolver_place_status(
			     place.resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	resolver_place_close(&place);
}

/* ---- servers ---- */

static void
test_dead_server(void **state)
{
	static const struct dns_server_rule silence[] = {
		{ .name = "*", .act = DNS_SERVER_SILENT },
		{ .name = NULL },
	};
	struct fault fault = { 0 };
	struct dns_server *dead = dns_server_start(silence);
	struct dns_server *good = dns_server_start(rules);
	const char *servers[2];
	struct resolver *resolver;
	char name[64];

	(void)state;
	servers[0] = dns_server_address(dead);
	servers[1] = dns_server_address(good);
	resolver = resolver_place_open_at(servers, 2, &fault);
	assert_non_null(resolver);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof name, "n%u.good.example.com", i);
		assert_int_equal(
		    resolver_place_status(resolver, name, PLACE_LONG_MS),
		    DNS_FOUND);
	}
	resolver_close(&resolver);
	dns_server_stop(&dead);
	dns_server_stop(&good);
}

static void
test_resolv_conf(void **state)
{
	char path[] = "/tmp/test_resolver.XXXXXX";
	struct dns_server *server = dns_server_start(rules);
	int fd = mkstemp(path);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	const struct resolver_rules with = { .resolv_conf = path,
		.cache_bytes = PLACE_CACHE_BYTES };
	struct fault fault = { 0 };
	struct resolver *resolver;

	(void)state;
	assert_non_null(file);
	(void)fprintf(file,
	    "# nameserver 192.0.2.1\nsearch example.com\n"
	    "nameservers 192.0.2.2\nnameserver fe80::1%%eth9 \n"
	    " nameserver\t%s \noptions ndots:5\n",
	    dns_server_address(server));
	assert_int_equal(fclose(file), 0);
	resolver = resolver_open(&with, &fault);
	if (resolver == NULL)
		fail_msg("resolver_open: %s", fault.words);
	assert_int_equal(
	    resolver_place_status(resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	resolver_close(&resolver);
	(void)unlink(path);
	dns_server_stop(&server);
}

static void
test_bad_rules(void **state)
{
	static const char *const words[] = { "not.an.address" };
	static const char *const port[] = { "127.0.0.1@99999999" };
	static const char *const one_bad[] = { "127.0.0.1", "192.0.2" };
	static const struct {
		struct resolver_rules rules;
		const char *want;
	} cases[] = {
		{ { .servers = words, .server_count = 1 }, "not.an.address" },
		{ { .servers = port, .server_count = 1 }, "99999999" },
		{ { .servers = one_bad, .server_count = 2 }, "192.0.2:" },
		{ { .resolv_conf = "/nonexistent/r" }, "/nonexistent/r" },
		{ { .servers = one_bad,
		      .server_count = 1,
		      .trust_anchor = "/nonexistent/t" },
		    "/nonexistent/t" },
		{ { .servers = one_bad,
		      .server_count = 1,
		      .trust_anchor = "/etc/passwd" },
		    "/etc/passwd" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fault fault = { 0 };
		struct resolver *resolver =
		    resolver_open(&cases[i].rules, &fault);

		if (resolver != NULL)
			fail_msg("%s: wanted a fault", cases[i].want);
		if (strstr(fault.words, cases[i].want) == NULL)
			fail_msg("wanted words with \"%s\", got \"%s\"",
			    cases[i].want, fault.words);
		assert_int_equal(fault.kind, FAULT_PERMANENT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_own_zones),
		cmocka_unit_test(test_others_live),
		cmocka_unit_test(test_dead_server),
		cmocka_unit_test(test_resolv_conf),
		cmocka_unit_test(test_bad_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
