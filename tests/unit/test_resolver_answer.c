/* What comes from servers, as records: good ones read, all others refused. */
#include "milter/io/resolver_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAP = 1 << 20 };

#define WIRE(text) (text), sizeof(text) - 1
#define LABEL_63 \
	"\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LABEL_61 \
	"\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_names(void **state)
{
	static const struct {
		const char *about;
		const char *wire;
		size_t length;
		const char *want; /* NULL: refused */
	} cases[] = {
		{ "a name", WIRE("\2mx\7example\3com\0"), "mx.example.com" },
		{ "capitals", WIRE("\2MX\7eXample\0"), "mx.example" },
		{ "the root", WIRE("\0"), "" },
		{ "underscore, hyphen, digit", WIRE("\4_a-1\0"), "_a-1" },
		{ "a control", WIRE("\3a\nb\1c\0"), "a\\010b.c" },
		{ "a NUL", WIRE("\3a\0b\0"), "a\\000b" },
		{ "a dot within", WIRE("\3a.b\1c\0"), "a\\046b.c" },
		{ "a backslash", WIRE("\1\\\0"), "\\092" },
		{ "eight bits", WIRE("\2\303\244\0"), "\\195\\164" },
		{ "nothing", WIRE(""), NULL },
		{ "no end", WIRE("\1a"), NULL },
		{ "a label past the end", WIRE("\5abc\0"), NULL },
		{ "a label right to the end", WIRE("\3abc"), NULL },
		{ "octets behind", WIRE("\1a\0b"), NULL },
		{ "a pointer", WIRE("\1a\300\0"), NULL },
		{ "a label of 64",
		    WIRE("\100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0"),
		    NULL },
		{ "256 octets",
		    WIRE(LABEL_63 LABEL_63 LABEL_63 LABEL_61 "\0\0"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const unsigned char *data =
		    (const unsigned char *)cases[i].wire;
		const struct resolver_rdata rdata = { &data, &cases[i].length,
			1 };
		struct dns_record record;
		struct arena arena;
		bool is_good;

		arena_init(&arena, CAP);
		is_good =
		    resolver_answer_records(DNS_PTR, &rdata, &arena, &record);
		if (is_good != (cases[i].want != NULL))
			fail_msg("%s: wanted it %s", cases[i].about,
			    is_good ? "refused" : "read");
		if (is_good && strcmp(record.name, cases[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    cases[i].about, cases[i].want, record.name);
		arena_clear(&arena);
	}
}

/* The longest there is, each octet of it to be escaped. */
static void
test_longest_name(void **state)
{
	unsigned char wire[255];
	const unsigned char *data = wire;
	const size_t length = sizeof wire;
	const struct resolver_rdata rdata = { &data, &length, 1 };
	struct dns_record record;
	struct arena arena;

	(void)state;
	memset(wire, 0xff, sizeof wire);
	wire[0] = wire[64] = wire[128] = 63;
	wire[192] = 61;
	wire[254] = 0;
	arena_init(&arena, CAP);
	assert_true(resolver_answer_records(DNS_PTR, &rdata, &arena, &record));
	assert_int_equal(strlen(record.name), 4 * (3 * 63 + 61) + 3);
	arena_clear(&arena);
}

static void
test_texts(void **state)
{
	static const struct {
		const char *about;
		const char *wire;
		size_t length;
		const char *want; /* NULL: refused */
		size_t want_length;
	} cases[] = {
		{ "a string", WIRE("\3abc"), WIRE("abc") },
		{ "strings", WIRE("\1a\0\2bc"), WIRE("abc") },
		{ "an empty one", WIRE("\0"), WIRE("") },
		{ "any octets", WIRE("\4\0\n\377\""), WIRE("\0\n\377\"") },
		{ "nothing", WIRE(""), NULL, 0 },
		{ "too short", WIRE("\4abc"), NULL, 0 },
		{ "the second too short", WIRE("\1a\1"), NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const unsigned char *data =
		    (const unsigned char *)cases[i].wire;
		const struct resolver_rdata rdata = { &data, &cases[i].length,
			1 };
		struct dns_record record;
		struct arena arena;
		bool is_good;

		arena_init(&arena, CAP);
		is_good =
		    resolver_answer_records(DNS_TXT, &rdata, &arena, &record);
		if (is_good != (cases[i].want != NULL))
			fail_msg("%s: wanted it %s", cases[i].about,
			    is_good ? "refused" : "read");
		if (is_good
		    && (record.text_length != cases[i].want_length
			|| memcmp(
			       record.text, cases[i].want, cases[i].want_length)
			    != 0
			|| record.text[record.text_length] != '\0'))
			fail_msg("%s: wanted \"%s\", got %zu octets, \"%s\"",
			    cases[i].about, cases[i].want, record.text_length,
			    record.text);
		arena_clear(&arena);
	}
}

static void
test_addresses_and_mx(void **state)
{
	static const struct {
		const char *about;
		enum dns_type type;
		const char *wire;
		size_t length;
		const char *want; /* of the address, or the name; NULL: refused
				   */
	} cases[] = {
		{ "A", DNS_A, WIRE("\300\0\2\1"), "192.0.2.1" },
		{ "A, short", DNS_A, WIRE("\300\0\2"), NULL },
		{ "A, long", DNS_A, WIRE("\300\0\2\1\1"), NULL },
		{ "A, empty", DNS_A, WIRE(""), NULL },
		{ "AAAA", DNS_AAAA,
		    WIRE("\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"),
		    "2001:db8::1" },
		{ "AAAA, short", DNS_AAAA, WIRE("\40\1\15\270"), NULL },
		{ "MX", DNS_MX, WIRE("\1\2\1a\0"), "a" },
		{ "MX, the root", DNS_MX, WIRE("\0\0\0"), "" },
		{ "MX, no name", DNS_MX, WIRE("\0\12"), NULL },
		{ "MX, a bad name", DNS_MX, WIRE("\0\12\1a"), NULL },
		{ "MX, empty", DNS_MX, WIRE(""), NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const unsigned char *data =
		    (const unsigned char *)cases[i].wire;
		const struct resolver_rdata rdata = { &data, &cases[i].length,
			1 };
		struct dns_record record;
		struct arena arena;
		const char *got = NULL;

		arena_init(&arena, CAP);
		if (resolver_answer_records(
			cases[i].type, &rdata, &arena, &record))
			got = cases[i].type == DNS_MX
			    ? record.name
			    : network_text(&arena, &record.address);
		if ((got == NULL) != (cases[i].want == NULL)
		    || (got != NULL && strcmp(got, cases[i].want) != 0))
			fail_msg("%s: wanted %s, got %s", cases[i].about,
			    cases[i].want != NULL ? cases[i].want : "refusal",
			    got != NULL ? got : "refusal");
		if (cases[i].type == DNS_MX && got != NULL && *got != '\0')
			assert_int_equal(record.preference, 258);
		arena_clear(&arena);
	}
}

/* One bad record spoils the answer: half an answer isn't believed. */
static void
test_one_of_many(void **state)
{
	const unsigned char good[] = { 192, 0, 2, 1 };
	const unsigned char *const data[] = { good, good, good };
	const size_t lengths[] = { 4, 3, 4 };
	const struct resolver_rdata rdata = { data, lengths, 3 };
	struct dns_record records[3];
	struct arena arena;

	(void)state;
	arena_init(&arena, CAP);
	assert_false(resolver_answer_records(DNS_A, &rdata, &arena, records));
	arena_clear(&arena);
}

static void
test_asked_names(void **state)
{
	static const struct {
		const char *name;
		const char *want;
	} cases[] = {
		{ "example.com", "example.com." },
		{ "_dmarc.A-1.com", "_dmarc.A-1.com." },
		{ "a b.com", "a\\032b.com." },
		{ "a\\b.\"", "a\\092b.\\034." },
		{ "\1\177\377", "\\001\\127\\255." },
	};
	char longest[DNS_NAME_OCTETS + 1];
	char space[RESOLVER_NAME_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		resolver_answer_name(cases[i].name, space);
		if (strcmp(space, cases[i].want) != 0)
			fail_msg("%s: wanted %s, got %s", cases[i].name,
			    cases[i].want, space);
	}
	memset(longest, ' ', DNS_NAME_OCTETS);
	longest[DNS_NAME_OCTETS] = '\0';
	for (size_t i = 63; i < DNS_NAME_OCTETS; i += 64)
		longest[i] = '.';
	assert_true(dns_is_name(longest));
	resolver_answer_name(longest, space);
	assert_int_equal(strlen(space), 4 * (3 * 63 + 61) + 4);
}

static void
test_negative_ttl(void **state)
{
	static const struct {
		const char *about;
		unsigned char answers, authorities;
		uint32_t ttl_s, want_s;
	} cases[] = {
		{ "SOA", 0, 1, 300, 300 },
		{ "SOA, 0", 0, 1, 0, 0 },
		{ "nothing", 0, 0, 0, 60 },
		{ "nothing, what OPT says", 0, 0, 32768, 60 },
		{ "CNAME", 1, 0, 30, 30 },
		{ "CNAME, long", 1, 0, 300, 60 },
		{ "CNAME and SOA", 1, 1, 300, 300 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char packet[12] = {
			[7] = cases[i].answers, [9] = cases[i].authorities
		};
		uint32_t got = resolver_answer_negative_ttl(
		    packet, sizeof packet, cases[i].ttl_s);

		if (got != cases[i].want_s)
			fail_msg("%s: wanted %u, got %u", cases[i].about,
			    cases[i].want_s, got);
	}
	assert_int_equal(resolver_answer_negative_ttl(NULL, 0, 7), 60);
}

static void
test_referral(void **state)
{
#define HEAD(questions, answers, authorities) \
	"\0\0\201\200\0" questions "\0" answers "\0" authorities "\0\0"
#define QUESTION "\1a\0\0\1\0\1"
#define NS_RECORD "\300\14\0\2\0\1\0\0\0\12\0\3\1b\0"
#define SOA_RECORD "\0\0\6\0\1\0\0\0\12\0\2\0\0"
	static const struct {
		const char *about;
		const char *wire;
		size_t length;
		bool want;
	} cases[] = {
		{ "nothing", WIRE(HEAD("\1", "\0", "\0") QUESTION), false },
		{ "SOA", WIRE(HEAD("\1", "\0", "\1") QUESTION SOA_RECORD),
		    false },
		{ "NS", WIRE(HEAD("\1", "\0", "\1") QUESTION NS_RECORD), true },
		{ "NS and SOA",
		    WIRE(HEAD("\1", "\0", "\2") QUESTION NS_RECORD SOA_RECORD),
		    false },
		{ "SOA and NS",
		    WIRE(HEAD("\1", "\0", "\2") QUESTION SOA_RECORD NS_RECORD),
		    false },
		{ "NS among the answers",
		    WIRE(HEAD("\1", "\1", "\0") QUESTION NS_RECORD), false },
		{ "NS after an answer",
		    WIRE(HEAD("\1", "\1", "\1") QUESTION SOA_RECORD NS_RECORD),
		    true },
		{ "no question", WIRE(HEAD("\0", "\0", "\0")), false },
		{ "less than said", WIRE(HEAD("\1", "\0", "\1") QUESTION),
		    true },
		{ "half a header", WIRE("\0\0\201\200\0\1"), true },
		{ "half a question", WIRE(HEAD("\1", "\0", "\0") "\1a\0\0"),
		    true },
		{ "a name without end", WIRE(HEAD("\1", "\0", "\0") "\77aaa"),
		    true },
		{ "half a pointer",
		    WIRE(HEAD("\1", "\0", "\1") QUESTION "\300"), true },
		{ "rdata past the end",
		    WIRE(HEAD("\1", "\0", "\1") QUESTION
			"\0\0\6\0\1\0\0\0\12\0\3\0\0"),
		    true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* In memory of its own, so that nothing is read behind it. */
		unsigned char *packet = malloc(cases[i].length);
		bool got;

		assert_non_null(packet);
		memcpy(packet, cases[i].wire, cases[i].length);
		got = resolver_answer_is_referral(packet, cases[i].length);
		free(packet);
		if (got != cases[i].want)
			fail_msg("%s: wanted %d, got %d", cases[i].about,
			    cases[i].want, got);
	}
	assert_true(resolver_answer_is_referral(NULL, 0));
}

static void
test_kept(void **state)
{
	static const struct {
		enum dns_type type;
		size_t count;
		size_t want;
	} cases[] = {
		{ DNS_A, 5000, 5000 },
		{ DNS_TXT, 5000, 5000 },
		{ DNS_MX, 10, 10 },
		{ DNS_MX, 11, 11 },
		{ DNS_MX, 12, 11 },
		{ DNS_PTR, 10, 10 },
		{ DNS_PTR, 5000, 10 },
		{ DNS_NS, 16, 16 },
		{ DNS_NS, 17, 16 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t got =
		    resolver_answer_kept(cases[i].type, cases[i].count);

		if (got != cases[i].want)
			fail_msg("%s: wanted %zu of %zu, got %zu",
			    dns_type_name(cases[i].type), cases[i].want,
			    cases[i].count, got);
	}
}

static void
test_large(void **state)
{
	static const struct {
		size_t count;
		size_t octets; /* of each */
		bool want;
	} cases[] = {
		{ 0, 0, false },
		{ 1, 65500, false },
		{ 64, 1000, false },
		{ 4000, 4, false },
		{ 5000, 1, false },
		{ 6000, 4, true },
		{ 400, 1000, true },
		{ 1, 1 << 20, true },
	};
	static size_t lengths[6000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct resolver_rdata rdata = { .lengths = lengths,
			.count = cases[i].count };

		for (size_t k = 0; k < cases[i].count; k++)
			lengths[k] = cases[i].octets;
		if (resolver_answer_is_large(&rdata) != cases[i].want)
			fail_msg("%zu of %zu octets: wanted it %s",
			    cases[i].count, cases[i].octets,
			    cases[i].want ? "too large" : "kept");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_addresses_and_mx),
		cmocka_unit_test(test_one_of_many),
		cmocka_unit_test(test_asked_names),
		cmocka_unit_test(test_negative_ttl),
		cmocka_unit_test(test_referral),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
