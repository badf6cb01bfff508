/* Questions to name servers and what their answers say, octet by octet. */
#include "milter/ctl/rotate_packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { CAP = 1 << 20, PACKET_BYTES = 1024, ID = 0x1234 };

#define NAME "s._domainkey.a.example"
/* The name in the question, and a pointer to it or into it. */
#define WIRE_NAME "\1s\12_domainkey\1a\7example"
#define ASKED "\300\14"
#define ZONE "\300\31" /* a.example */
#define QUESTION WIRE_NAME "\0\0\20\0\1"
#define TTL "\0\0\1\54"
#define TXT(length, text) "\0\20\0\1" TTL "\0" length text
#define SOA_OF(owner)                                                          \
	owner "\0\6\0\1" TTL "\0\26\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0" \
	      "\1"

/* flags, answers, authorities; then the question and the records. */
#define PACKET(flags, answers, authorities, records)                  \
	"\x12\x34" flags "\0\1\0" answers "\0" authorities            \
	"\0\0" QUESTION records,                                      \
	    sizeof("\x12\x34" flags "\0\1\0" answers "\0" authorities \
		   "\0\0" QUESTION records)                           \
	    - 1
#define AUTHORITY "\x84\0"
#define NO_AUTHORITY "\x80\0"

struct answer_case {
	const char *name;
	const char *packet;
	size_t length;
	enum rotate_said said;
	const char *want; /* text of the first record, name or words */
	size_t count;     /* records, or name servers */
};

static const struct answer_case cases[] = {
	{ "a record", PACKET(AUTHORITY, "\1", "\0", ASKED TXT("\4", "\3abc")),
	    ROTATE_SAID_RECORDS, "abc", 1 },
	{ "strings are joined",
	    PACKET(AUTHORITY, "\1", "\0", ASKED TXT("\6", "\2ab\0\1c")),
	    ROTATE_SAID_RECORDS, "abc", 1 },
	{ "two records",
	    PACKET(AUTHORITY, "\2", "\0",
		ASKED TXT("\2", "\1a") ASKED TXT("\2", "\1b")),
	    ROTATE_SAID_RECORDS, "a", 2 },
	{ "another case of the name",
	    PACKET(AUTHORITY, "\1", "\0",
		"\1S\12_DOMAINKEY" ZONE TXT("\2", "\1a")),
	    ROTATE_SAID_RECORDS, "a", 1 },
	{ "a record of another name",
	    PACKET(AUTHORITY, "\1", "\0", ZONE TXT("\2", "\1a")),
	    ROTATE_SAID_NOTHING, NULL, 0 },
	{ "no record", PACKET(AUTHORITY, "\0", "\1", SOA_OF(ZONE)),
	    ROTATE_SAID_NOTHING, NULL, 0 },
	{ "no such name", PACKET("\x84\3", "\0", "\1", SOA_OF(ZONE)),
	    ROTATE_SAID_NOTHING, NULL, 0 },
	{ "an alias",
	    PACKET(AUTHORITY, "\1", "\0", ASKED "\0\5\0\1" TTL "\0\4\1K" ZONE),
	    ROTATE_SAID_ALIAS, "k.a.example", 0 },
	{ "an alias, and what it leads to",
	    PACKET(AUTHORITY, "\2", "\0",
		ASKED "\0\5\0\1" TTL "\0\4\1k" ZONE
		      "\1k" ZONE TXT("\2", "\1a")),
	    ROTATE_SAID_ALIAS, "k.a.example", 0 },
	{ "two aliases",
	    PACKET(AUTHORITY, "\2", "\0",
		ASKED "\0\5\0\1" TTL "\0\4\1k" ZONE ASKED "\0\5\0\1" TTL
		      "\0\4\1l" ZONE),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
	{ "a delegation",
	    PACKET(NO_AUTHORITY, "\0", "\2",
		"\300\16\0\2\0\1" TTL "\0\5\2n1" ZONE "\300\16\0\2\0\1" TTL
		"\0\5\2n2" ZONE),
	    ROTATE_SAID_BELOW, "_domainkey.a.example", 2 },
	{ "a delegation of another zone",
	    PACKET(NO_AUTHORITY, "\0", "\1",
		"\1b" ZONE "\0\2\0\1" TTL "\0\5\2n1" ZONE),
	    ROTATE_SAID_UNKNOWN, "authority", 0 },
	{ "records of a resolver",
	    PACKET(NO_AUTHORITY, "\1", "\0", ASKED TXT("\2", "\1a")),
	    ROTATE_SAID_UNKNOWN, "authority", 0 },
	{ "no authority, with SOA and NS",
	    PACKET(NO_AUTHORITY, "\0", "\2",
		SOA_OF(ZONE) ZONE "\0\2\0\1" TTL "\0\5\2n1" ZONE),
	    ROTATE_SAID_UNKNOWN, "authority", 1 },
	{ "SERVFAIL", PACKET("\x80\2", "\0", "\0", ""), ROTATE_SAID_UNKNOWN,
	    "SERVFAIL", 0 },
	{ "REFUSED", PACKET("\x80\5", "\0", "\0", ""), ROTATE_SAID_UNKNOWN,
	    "REFUSED", 0 },
	{ "an error without a name", PACKET("\x80\17", "\0", "\0", ""),
	    ROTATE_SAID_UNKNOWN, "error", 0 },
	{ "fewer records than it says",
	    PACKET(AUTHORITY, "\3", "\0", ASKED TXT("\2", "\1a")),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
	{ "a string past the record's end",
	    PACKET(AUTHORITY, "\1", "\0", ASKED TXT("\2", "\7a")),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
	{ "a record past the packet's end",
	    PACKET(AUTHORITY, "\1", "\0", ASKED TXT("\77", "\1a")),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
	{ "a name that points at itself",
	    PACKET(AUTHORITY, "\1", "\0", "\300\50" TXT("\2", "\1a")),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
	{ "an alias that points past the end",
	    PACKET(AUTHORITY, "\1", "\0", ASKED "\0\5\0\1" TTL "\0\2\300\377"),
	    ROTATE_SAID_UNKNOWN, "can't be read", 0 },
};

/* What the answer is about. */
static const char *
text_of(const struct rotate_answer *answer)
{
	switch (answer->said) {
	case ROTATE_SAID_RECORDS:
		return answer->records[0].text;
	case ROTATE_SAID_ALIAS:
	case ROTATE_SAID_BELOW:
		return answer->name;
	case ROTATE_SAID_UNKNOWN:
		return answer->words;
	case ROTATE_SAID_NOTHING:
		break;
	}
	return "";
}

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *one = &cases[i];
		struct rotate_answer answer;
		struct arena arena;
		const char *text;

		arena_init(&arena, CAP);
		assert_true(
		    rotate_packet_read((const unsigned char *)one->packet,
			one->length, NAME, &arena, &answer));
		text = text_of(&answer);
		if (answer.said != one->said)
			fail_msg("%s: wanted %d, got %d: %s", one->name,
			    (int)one->said, (int)answer.said, text);
		if (one->want != NULL && strstr(text, one->want) == NULL)
			fail_msg("%s: wanted \"%s\", got \"%s\"", one->name,
			    one->want, text);
		if (answer.count + answer.name_count != one->count)
			fail_msg("%s: wanted %zu, got %zu", one->name,
			    one->count, answer.count + answer.name_count);
		arena_clear(&arena);
	}
}

/* A packet that is cut anywhere is never read past its end, nor believed where
 * its record isn't whole. */
static void
test_cut(void **state)
{
	const struct answer_case *whole = &cases[0];
	unsigned char packet[PACKET_BYTES];

	(void)state;
	for (size_t length = 0; length < whole->length; length++) {
		struct rotate_answer answer;
		struct arena arena;

		memcpy(packet, whole->packet, length);
		arena_init(&arena, CAP);
		assert_true(
		    rotate_packet_read(packet, length, NAME, &arena, &answer));
		if (answer.said != ROTATE_SAID_UNKNOWN)
			fail_msg("cut to %zu octets: got %d", length,
			    (int)answer.said);
		arena_clear(&arena);
	}
}

static void
test_question(void **state)
{
	static const char with[] =
	    "\x12\x34\0\0\0\1\0\0\0\0\0\1" QUESTION "\0\0\51\4\320\0\0\0\0\0\0";
	static const char without[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0" QUESTION;
	unsigned char query[ROTATE_PACKET_QUERY_BYTES];
	char name[DNS_NAME_OCTETS + 2];
	size_t length;

	(void)state;
	length = rotate_packet_ask(query, ID, NAME, true);
	assert_int_equal(sizeof(with) - 1, length);
	assert_memory_equal(with, query, length);
	length = rotate_packet_ask(query, ID, NAME, false);
	assert_int_equal(sizeof(without) - 1, length);
	assert_memory_equal(without, query, length);
	assert_int_equal(0, rotate_packet_ask(query, ID, "a..b", true));
	assert_int_equal(0, rotate_packet_ask(query, ID, "", true));
	/* The longest there is. */
	memset(name, 'a', sizeof(name));
	for (size_t i = 63; i < DNS_NAME_OCTETS; i += 64)
		name[i] = '.';
	name[DNS_NAME_OCTETS] = '\0';
	assert_int_equal(
	    12 + 255 + 4 + 11, rotate_packet_ask(query, ID, name, true));
}

/* Is it an answer to this question? */
static void
test_fits(void **state)
{
	unsigned char query[ROTATE_PACKET_QUERY_BYTES];
	unsigned char packet[PACKET_BYTES];
	size_t length = cases[0].length;

	(void)state;
	(void)rotate_packet_ask(query, ID, NAME, true);
	memcpy(packet, cases[0].packet, length);
	assert_true(rotate_packet_fits(packet, length, query));
	assert_int_equal('s', packet[13]);
	packet[13] = 'S'; /* another case */
	assert_true(rotate_packet_fits(packet, length, query));
	for (size_t i = 0; i < 12; i++)
		assert_false(rotate_packet_fits(packet, i, query));
	packet[0] ^= 1; /* another's number */
	assert_false(rotate_packet_fits(packet, length, query));
	packet[0] ^= 1;
	packet[2] &= 0x7f; /* a question */
	assert_false(rotate_packet_fits(packet, length, query));
	packet[2] |= 0x80;
	packet[20] ^= 1; /* another name */
	assert_false(rotate_packet_fits(packet, length, query));
	packet[20] ^= 1;
	assert_false(rotate_packet_is_cut(packet, length));
	packet[2] |= 2;
	assert_true(rotate_packet_is_cut(packet, length));
	/* Who can't read it gives back no question, and an error. */
	packet[5] = 0;
	assert_false(rotate_packet_fits(packet, 12, query));
	packet[3] = 1;
	assert_true(rotate_packet_fits(packet, 12, query));
	assert_true(rotate_packet_is_old(packet, 12));
	packet[3] = 5;
	assert_false(rotate_packet_is_old(packet, 12));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_question),
		cmocka_unit_test(test_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
