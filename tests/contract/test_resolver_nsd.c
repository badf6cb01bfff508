/* The resolver against a real DNS server, with zones as people have them, and
 * with signed ones (DNSSEC, RFC 4035). */
#include "milter/io/resolver.h"
#include "tests/contract/nsd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CACHE_BYTES = 4 << 20, LONG_MS = 60000 };

#define STRING_200                                                             \
	"12345678901234567890123456789012345678901234567890123456789012345678" \
	"90"                                                                   \
	"12345678901234567890123456789012345678901234567890123456789012345678" \
	"90"                                                                   \
	"123456789012345678901234567890123456789012345678901234567890"
#define STRING_1000                                           \
	"\"" STRING_200 "\" \"" STRING_200 "\" \"" STRING_200 \
	"\" \"" STRING_200 "\" \"" STRING_200 "\" "

static const char zone_text[] = "@ 300 A 192.0.2.1\n"
				"@ 300 MX 10 mail\n"
				"@ 300 TXT \"v=spf1 mx -all\"\n"
				"@ 300 TXT \"v=verify\" \"; more\"\n"
				"mail 200 A 192.0.2.25\n"
				"mail 200 AAAA 2001:db8::25\n"
				"www 100 CNAME mail\n"
				"*.wild 300 TXT \"any\"\n"
				"deep.wild 300 A 192.0.2.2\n"
				"_dmarc 300 TXT \"v=DMARC1; p=reject\"\n"
				"long 300 TXT ( " STRING_1000 STRING_1000 " )\n"
				"out 300 CNAME target.example.net.\n"
				"loop 300 CNAME loop2\n"
				"loop2 300 CNAME loop\n"
				"odd\\032name 300 A 192.0.2.3\n"
				"a.b.empty 300 A 192.0.2.4\n"
				"sub 300 NS ns.sub\n"
				"ns.sub 300 A 127.0.0.1\n";

static const struct answer_case {
	const char *name;
	enum dns_type type;
	enum dns_status want;
	uint32_t ttl_s;
	size_t count;
} cases[] = {
	{ "example.com", DNS_A, DNS_FOUND, 300, 1 },
	{ "example.com", DNS_MX, DNS_FOUND, 300, 1 },
	{ "example.com", DNS_TXT, DNS_FOUND, 300, 2 },
	{ "mail.example.com", DNS_AAAA, DNS_FOUND, 200, 1 },
	{ "www.example.com", DNS_A, DNS_FOUND, 100, 1 },
	{ "www.example.com", DNS_TXT, DNS_NODATA, 100, 0 },
	{ "example.com", DNS_AAAA, DNS_NODATA, 120, 0 },
	{ "none.example.com", DNS_A, DNS_NXDOMAIN, 120, 0 },
	{ "any.wild.example.com", DNS_TXT, DNS_FOUND, 300, 1 },
	{ "any.thing.wild.example.com", DNS_TXT, DNS_FOUND, 300, 1 },
	{ "any.wild.example.com", DNS_A, DNS_NODATA, 120, 0 },
	/* What is there hides the wildcard (RFC 4592 §2.2.1). */
	{ "deep.wild.example.com", DNS_TXT, DNS_NODATA, 120, 0 },
	{ "x.deep.wild.example.com", DNS_TXT, DNS_NXDOMAIN, 120, 0 },
	{ "empty.example.com", DNS_A, DNS_NODATA, 120, 0 },
	{ "_dmarc.example.com", DNS_TXT, DNS_FOUND, 300, 1 },
	{ "long.example.com", DNS_TXT, DNS_FOUND, 300, 1 },
	{ "out.example.com", DNS_A, DNS_FOUND, 300, 1 },
	{ "loop.example.com", DNS_A, DNS_LOST, 15, 0 },
	{ "odd name.example.com", DNS_A, DNS_FOUND, 300, 1 },
	{ "a.sub.example.com", DNS_A, DNS_LOST, 15, 0 },
	/* It has no such zone, and refuses. */
	{ "example.org", DNS_A, DNS_LOST, 15, 0 },
	{ "1.2.0.192.in-addr.arpa", DNS_PTR, DNS_FOUND, 300, 1 },
};

static struct resolver *
open_at(const struct nsd *nsd, const char *anchor)
{
	const char *servers[] = { nsd->address };
	const struct resolver_rules rules = { .servers = servers,
		.server_count = 1,
		.trust_anchor = anchor,
		.cache_bytes = CACHE_BYTES };
	struct fault fault = { 0 };
	struct resolver *resolver = resolver_open(&rules, &fault);

	if (resolver == NULL)
		fail_msg("resolver_open: %s", fault.words);
	return resolver;
}

static const struct dns_answer *
await(struct resolver_asker *asker, const char *name, enum dns_type type)
{
	const struct dns_question question = { .name = name, .type = type };
	const struct dns_answer *answer;

	while ((answer = resolver_ask(asker, &question)) == NULL)
		(void)resolver_wait(asker);
	return answer;
}

static void
expect(struct resolver *resolver, const struct answer_case *c)
{
	struct resolver_asker *asker = resolver_begin(resolver, LONG_MS);
	const struct dns_answer *answer = await(asker, c->name, c->type);

	if (answer->status != c->want || answer->count != c->count)
		fail_msg("%s %s: wanted %d, %zu records, got %d, %zu (%s)",
		    c->name, dns_type_name(c->type), c->want, c->count,
		    answer->status, answer->count,
		    answer->why != NULL ? answer->why : "");
	if (answer->ttl_s > c->ttl_s || answer->ttl_s + 5 < c->ttl_s)
		fail_msg("%s %s: wanted TTL %u, got %u", c->name,
		    dns_type_name(c->type), c->ttl_s, answer->ttl_s);
	resolver_end(&asker);
}

static void
test_zones(void **state)
{
	struct resolver *resolver;
	struct resolver_asker *asker;
	const struct dns_answer *answer;
	struct nsd nsd;

	(void)state;
	if (!nsd_is_there())
		skip();
	nsd_open(&nsd);
	nsd_add_zone(&nsd, "example.com", zone_text);
	nsd_add_zone(&nsd, "example.net", "target 300 A 192.0.2.9\n");
	nsd_add_zone(
	    &nsd, "2.0.192.in-addr.arpa", "1 PTR Evil\\010name.example.com.\n");
	nsd_start(&nsd);
	resolver = open_at(&nsd, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect(resolver, &cases[i]);

	asker = resolver_begin(resolver, LONG_MS);
	answer = await(asker, "long.example.com", DNS_TXT);
	assert_int_equal(answer->records[0].text_length, 2000);
	answer = await(asker, "1.2.0.192.in-addr.arpa", DNS_PTR);
	assert_string_equal(
	    answer->records[0].name, "evil\\010name.example.com");
	answer = await(asker, "example.com", DNS_MX);
	assert_string_equal(answer->records[0].name, "mail.example.com");
	resolver_end(&asker);
	resolver_close(&resolver);
	nsd_close(&nsd);
}

/* ---- signed zones ---- */

static const char signed_text[] = "@ 300 TXT \"genuine\"\n"
				  "other 300 TXT \"untouched\"\n"
				  "alias 300 CNAME other\n"
				  "*.wild 300 TXT \"any\"\n";

static void
test_signed(void **state)
{
	static const struct answer_case good[] = {
		{ "signed.example", DNS_TXT, DNS_FOUND, 300, 1 },
		{ "alias.signed.example", DNS_TXT, DNS_FOUND, 300, 1 },
		{ "a.wild.signed.example", DNS_TXT, DNS_FOUND, 300, 1 },
		{ "none.signed.example", DNS_TXT, DNS_NXDOMAIN, 120, 0 },
		{ "other.signed.example", DNS_A, DNS_NODATA, 120, 0 },
		/* Nothing is said of this one's keys. */
		{ "example.com", DNS_A, DNS_FOUND, 300, 1 },
	};
	char anchor[NSD_PATH_BYTES * 2];
	struct resolver *resolver;
	struct nsd nsd;

	(void)state;
	if (!nsd_is_there() || !nsd_can_sign())
		skip();
	nsd_open(&nsd);
	nsd_add_zone(&nsd, "example.com", zone_text);
	nsd_add_zone(&nsd, "signed.example", signed_text);
	nsd_sign_zone(&nsd, "signed.example", NULL, anchor);
	nsd_start(&nsd);
	resolver = open_at(&nsd, anchor);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		expect(resolver, &good[i]);
	/* It goes on so with a new context. */
	resolver_forget(resolver);
	expect(resolver, &good[0]);
	resolver_close(&resolver);
	nsd_close(&nsd);
}

/* What is done to a signed zone, and which of its records that spoils. */
struct fraud {
	const char *about;
	const char *from, *to; /* in the zone; NULL: nothing */
	const char *expires;
	bool has_signatures;
	bool spoils_all;
};

static void
commit(const struct fraud *fraud)
{
	struct answer_case spoilt = { "signed.example", DNS_TXT, DNS_LOST, 15,
		0 };
	struct answer_case other = { "other.signed.example", DNS_TXT, DNS_FOUND,
		300, 1 };
	struct answer_case plain = { "signed.example", DNS_TXT, DNS_FOUND, 300,
		1 };
	char anchor[NSD_PATH_BYTES * 2];
	struct resolver_asker *asker;
	struct resolver *resolver;
	const char *why;
	struct nsd nsd;

	nsd_open(&nsd);
	nsd_add_zone(&nsd, "signed.example", signed_text);
	nsd_sign_zone(&nsd, "signed.example", fraud->expires, anchor);
	if (fraud->from != NULL)
		nsd_tamper(&nsd, "signed.example", fraud->from, fraud->to);
	if (!fraud->has_signatures)
		nsd_unsign_zone(&nsd, "signed.example");
	nsd_start(&nsd);
	resolver = open_at(&nsd, anchor);
	expect(resolver, &spoilt);
	if (!fraud->spoils_all)
		expect(resolver, &other);
	asker = resolver_begin(resolver, LONG_MS);
	why = await(asker, "signed.example", DNS_TXT)->why;
	if (strstr(why, "DNSSEC") == NULL)
		fail_msg("%s: wanted words about DNSSEC, got \"%s\"",
		    fraud->about, why);
	for (const char *at = why; *at != '\0'; at++)
		assert_true(*at >= ' ' && *at <= '~');
	resolver_end(&asker);
	resolver_close(&resolver);

	/* Who doesn't look sees nothing. */
	resolver = open_at(&nsd, "");
	expect(resolver, &plain);
	resolver_close(&resolver);
	nsd_close(&nsd);
}

static void
test_frauds(void **state)
{
	static const struct fraud frauds[] = {
		{ "another text", "\"genuine\"", "\"forgery\"", NULL, true,
		    false },
		{ "signatures that have expired", NULL, NULL, "20200101", true,
		    true },
		{ "no signatures", NULL, NULL, NULL, false, true },
	};

	(void)state;
	if (!nsd_is_there() || !nsd_can_sign())
		skip();
	for (size_t i = 0; i < sizeof(frauds) / sizeof(*frauds); i++)
		commit(&frauds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_signed),
		cmocka_unit_test(test_frauds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
