/* Egress addresses as the DNS knows them. */
#include "milter/io/fcrdns.h"
#include "tests/unit/zone_resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 256 * 1024, TIMEOUT_MS = 2000 };

#define V4 "192.0.2.10"
#define V4_REVERSE "10.2.0.192.in-addr.arpa"
#define V6 "2001:db8::a"
#define V6_REVERSE                                                   \
	"a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1." \
	"0.0.2.ip6.arpa"
#define HELO "mx.example.net"

struct fcrdns_case {
	const char *name;
	const char *address;
	const char *zone;
	enum fcrdns_state want;
	const char *want_name;  /* NULL: none */
	const char *want_words; /* that are among them; NULL: none */
};

static const struct fcrdns_case cases[] = {
	{ "all is well", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"" HELO "\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_GOOD, HELO, NULL },
	{ "IPv6", V6,
	    "{\"" V6_REVERSE "\": [[\"PTR\", \"" HELO "\"]],"
	    " \"" HELO "\": [[\"AAAA\", \"" V6 "\"]]}",
	    FCRDNS_GOOD, HELO, NULL },
	{ "IPv4 as IPv6 is IPv4", "::ffff:" V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"" HELO "\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_GOOD, HELO, NULL },
	{ "several names, the second is right", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"],"
	    " [\"PTR\", \"b.example\"]],"
	    " \"a.example\": [[\"A\", \"192.0.2.1\"]],"
	    " \"b.example\": [[\"A\", \"192.0.2.1\"], [\"A\", \"" V4 "\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_GOOD, "b.example", NULL },
	{ "a lost name beside a right one", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"],"
	    " [\"PTR\", \"" HELO "\"]], \"a.example\": [\"SERVFAIL\"],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_GOOD, HELO, NULL },
	{ "no name", V4, "{\"" HELO "\": [[\"A\", \"" V4 "\"]]}", FCRDNS_BAD,
	    NULL, "\"" V4_REVERSE ". IN PTR " HELO ".\"" },
	{ "no name, IPv6", V6, "{}", FCRDNS_BAD, NULL,
	    "\"" V6_REVERSE ". IN PTR " HELO ".\"" },
	{ "the name doesn't exist", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"gone.example\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_BAD, "gone.example", "\"gone.example. IN A " V4 "\"" },
	{ "the name has another address", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"" HELO "\"]],"
	    " \"" HELO "\": [[\"A\", \"192.0.2.1\"]]}",
	    FCRDNS_BAD, HELO, "doesn't have this address" },
	{ "only the other family's address", V6,
	    "{\"" V6_REVERSE "\": [[\"PTR\", \"" HELO "\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_BAD, HELO, "IN AAAA " V6 },
	{ "HELO leads elsewhere", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"]],"
	    " \"a.example\": [[\"A\", \"" V4 "\"]],"
	    " \"" HELO "\": [[\"A\", \"192.0.2.1\"]]}",
	    FCRDNS_BAD, "a.example", "or say a.example" },
	{ "HELO doesn't exist", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"]],"
	    " \"a.example\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_BAD, "a.example", "said in HELO, " HELO },
	{ "PTR is lost", V4, "{\"" V4_REVERSE "\": [\"SERVFAIL\"]}",
	    FCRDNS_LOST, NULL, "no answer from the DNS for " V4_REVERSE },
	{ "the only name is lost", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"]],"
	    " \"a.example\": [\"SERVFAIL\"],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_LOST, "a.example", "no answer from the DNS for a.example" },
	{ "HELO is lost", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"a.example\"]],"
	    " \"a.example\": [[\"A\", \"" V4 "\"]],"
	    " \"" HELO "\": [\"SERVFAIL\"]}",
	    FCRDNS_LOST, "a.example", "no answer from the DNS for " HELO },
	{ "a hostile name", V4,
	    "{\"" V4_REVERSE "\": [[\"PTR\", \"\\u001b[2J\\u0009.example\"]],"
	    " \"" HELO "\": [[\"A\", \"" V4 "\"]]}",
	    FCRDNS_BAD, NULL, "doesn't have this address" },
};

static bool
is_clean(const char *words)
{
	for (; words != NULL && *words != '\0'; words++)
		if (*words < ' ' || *words > '~')
			return false;
	return true;
}

static void
check_case(const struct fcrdns_case *c, const struct fcrdns *got)
{
	if (got->state != c->want)
		fail_msg("%s: wanted state %d, got %d (%s)", c->name,
		    (int)c->want, (int)got->state,
		    got->words != NULL ? got->words : "-");
	if ((got->words == NULL) != (c->want_words == NULL)
	    || (c->want_words != NULL
		&& strstr(got->words, c->want_words) == NULL))
		fail_msg("%s: wanted words with %s, got %s", c->name,
		    c->want_words != NULL ? c->want_words : "(none)",
		    got->words != NULL ? got->words : "(none)");
	if (c->want_name != NULL
	    && (got->name == NULL || strcmp(got->name, c->want_name) != 0))
		fail_msg("%s: wanted name %s, got %s", c->name, c->want_name,
		    got->name != NULL ? got->name : "(none)");
	if (!is_clean(got->words) || !is_clean(got->name))
		fail_msg("%s: not clean: %s", c->name, got->words);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct egress egress = { .text = cases[i].address,
			.helo = HELO };
		struct zone_resolver zone;
		struct resolver_asker *asker;
		struct fcrdns got;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		assert_true(network_address(cases[i].address, &egress.address));
		zone_resolver_open(&zone, cases[i].zone);
		asker = resolver_begin(zone.resolver, TIMEOUT_MS);
		assert_non_null(asker);
		assert_true(fcrdns_check(asker, &egress, &arena, &got));
		check_case(&cases[i], &got);
		resolver_end(&asker);
		zone_resolver_close(&zone);
		arena_clear(&arena);
	}
}

/* A PTR of very many names isn't followed to the end. */
static void
test_names_are_bounded(void **state)
{
	struct egress egress = { .text = V4, .helo = HELO };
	char text[8192];
	size_t length;
	struct zone_resolver zone;
	struct resolver_asker *asker;
	struct fcrdns got;
	struct arena arena;

	(void)state;
	length = (size_t)snprintf(text, sizeof(text), "{\"" V4_REVERSE "\": [");
	for (int i = 0; i < 200; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length,
		    "%s[\"PTR\", \"n%d.example\"]", i > 0 ? "," : "", i);
	(void)snprintf(text + length, sizeof(text) - length, "]}");
	arena_init(&arena, ARENA_BYTES);
	assert_true(network_address(V4, &egress.address));
	zone_resolver_open(&zone, text);
	asker = resolver_begin(zone.resolver, TIMEOUT_MS);
	assert_true(fcrdns_check(asker, &egress, &arena, &got));
	assert_int_equal(FCRDNS_BAD, got.state);
	/* The PTR, HELO, and so many names. */
	assert_int_equal(2 + FCRDNS_NAMES, zone.asked);
	resolver_end(&asker);
	zone_resolver_close(&zone);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
