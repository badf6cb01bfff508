/* Which octets are elements of DER, and that none beyond the end is read. */
#include "policy/der.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(string) string, sizeof(string) - 1

enum { NOT_TAKEN = -1 };

/* A copy of its own size, so that reading on is seen. */
static struct der
copied(const char *octets, size_t length)
{
	unsigned char *copy = malloc(length > 0 ? length : 1);

	assert_non_null(copy);
	memcpy(copy, octets, length);
	return (struct der){ copy, length };
}

/* One of the functions that take something, made alike. */
typedef bool taker(struct der *from, struct der *inside_out);

static bool
take_string(struct der *from, struct der *inside_out)
{
	return der_take(from, DER_OCTET_STRING, inside_out);
}

static bool
take_bits(struct der *from, struct der *octets_out)
{
	return der_take_bits(from, DER_BIT_STRING, octets_out);
}

struct take_case {
	const char *name;
	const char *octets;
	size_t length;
	int at; /* where the content begins, or NOT_TAKEN */
	size_t inside;
	size_t left; /* behind it */
};

static const struct take_case string_cases[] = {
	{ "nothing", OCTETS(""), NOT_TAKEN, 0, 0 },
	{ "a tag alone", OCTETS("\x04"), NOT_TAKEN, 0, 0 },
	{ "empty", OCTETS("\x04\x00"), 2, 0, 0 },
	{ "one octet", OCTETS("\x04\x01x"), 2, 1, 0 },
	{ "something behind it", OCTETS("\x04\x01xyz"), 2, 1, 2 },
	{ "another tag", OCTETS("\x05\x01x"), NOT_TAKEN, 0, 0 },
	{ "one octet too few", OCTETS("\x04\x02x"), NOT_TAKEN, 0, 0 },
	{ "without a definite length", OCTETS("\x04\x80xx\0\0"), NOT_TAKEN, 0,
	    0 },
	{ "long form of a short length", OCTETS("\x04\x81\x01x"), NOT_TAKEN, 0,
	    0 },
	{ "a zero in front of the length", OCTETS("\x04\x82\x00\x80x"),
	    NOT_TAKEN, 0, 0 },
	{ "no length behind its count", OCTETS("\x04\x81"), NOT_TAKEN, 0, 0 },
	{ "half a length", OCTETS("\x04\x82\x01"), NOT_TAKEN, 0, 0 },
	{ "more than there can be", OCTETS("\x04\x84\xff\xff\xff\xffx"),
	    NOT_TAKEN, 0, 0 },
	{ "five octets of length", OCTETS("\x04\x85\x01\0\0\0\0x"), NOT_TAKEN,
	    0, 0 },
	{ "127 of them", OCTETS("\x04\xff\x01x"), NOT_TAKEN, 0, 0 },
};

static const struct take_case number_cases[] = {
	{ "1", OCTETS("\x02\x01\x01"), 2, 1, 0 },
	{ "127", OCTETS("\x02\x01\x7f"), 2, 1, 0 },
	{ "128", OCTETS("\x02\x02\x00\x80"), 3, 1, 0 },
	{ "65537, and more", OCTETS("\x02\x03\x01\x00\x01\x02"), 2, 3, 1 },
	{ "0", OCTETS("\x02\x01\x00"), NOT_TAKEN, 0, 0 },
	{ "-128", OCTETS("\x02\x01\x80"), NOT_TAKEN, 0, 0 },
	{ "no octets", OCTETS("\x02\x00"), NOT_TAKEN, 0, 0 },
	{ "a zero too many", OCTETS("\x02\x02\x00\x7f"), NOT_TAKEN, 0, 0 },
	{ "two zeros too many", OCTETS("\x02\x03\x00\x00\x80"), NOT_TAKEN, 0,
	    0 },
	{ "no number", OCTETS("\x04\x01\x01"), NOT_TAKEN, 0, 0 },
};

static const struct take_case bits_cases[] = {
	{ "two octets", OCTETS("\x03\x03\x00xy"), 3, 2, 0 },
	{ "none, but whole", OCTETS("\x03\x01\x00z"), 3, 0, 1 },
	{ "none at all", OCTETS("\x03\x00"), NOT_TAKEN, 0, 0 },
	{ "broken octets", OCTETS("\x03\x02\x04x"), NOT_TAKEN, 0, 0 },
	{ "no bits", OCTETS("\x04\x02\x00x"), NOT_TAKEN, 0, 0 },
};

static void
expect_taken(taker *take, const struct take_case *c)
{
	struct der all = copied(c->octets, c->length);
	struct der from = all;
	struct der inside = { NULL, 0 };
	bool is_taken = take(&from, &inside);

	if (is_taken != (c->at != NOT_TAKEN))
		fail_msg("%s: wanted it %s", c->name,
		    is_taken ? "refused" : "taken");
	if (is_taken
	    && (inside.at != all.at + c->at || inside.left != c->inside
		|| from.left != c->left
		|| from.at != all.at + c->length - c->left))
		fail_msg("%s: wanted %zu octets at %d and %zu behind, got %zu "
			 "at %td and %zu",
		    c->name, c->inside, c->at, c->left, inside.left,
		    inside.at - all.at, from.left);
	free((unsigned char *)(uintptr_t)all.at);
}

static void
test_take(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(string_cases); i++)
		expect_taken(take_string, &string_cases[i]);
	for (size_t i = 0; i < COUNT(number_cases); i++)
		expect_taken(der_take_number, &number_cases[i]);
	for (size_t i = 0; i < COUNT(bits_cases); i++)
		expect_taken(take_bits, &bits_cases[i]);
}

/* What isn't taken stays. */
static void
test_refused_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(string_cases); i++) {
		const struct take_case *c = &string_cases[i];
		struct der all = copied(c->octets, c->length);
		struct der from = all;
		struct der inside;

		if (!take_string(&from, &inside)
		    && (from.at != all.at || from.left != all.left))
			fail_msg("%s: it went on", c->name);
		free((unsigned char *)(uintptr_t)all.at);
	}
}

/* Each length in the form that it has, and cut by an octet. */
static void
test_lengths(void **state)
{
	static const struct {
		size_t length;
		const char *head;
		size_t head_length;
	} cases[] = {
		{ 127, OCTETS("\x04\x7f") },
		{ 128, OCTETS("\x04\x81\x80") },
		{ 255, OCTETS("\x04\x81\xff") },
		{ 256, OCTETS("\x04\x82\x01\x00") },
		{ 65535, OCTETS("\x04\x82\xff\xff") },
		{ 65536, OCTETS("\x04\x83\x01\x00\x00") },
		{ 16777216, OCTETS("\x04\x84\x01\x00\x00\x00") },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t whole = cases[i].head_length + cases[i].length;
		unsigned char *octets = calloc(1, whole);
		struct der from = { octets, whole };
		struct der inside;

		assert_non_null(octets);
		memcpy(octets, cases[i].head, cases[i].head_length);
		if (!take_string(&from, &inside)
		    || inside.left != cases[i].length || from.left != 0)
			fail_msg("%zu: not taken whole", cases[i].length);
		from = (struct der){ octets, whole - 1 };
		if (take_string(&from, &inside))
			fail_msg("%zu: taken without its last octet",
			    cases[i].length);
		free(octets);
	}
}

static void
test_next(void **state)
{
	struct der some = { (const unsigned char *)"\x04\x00", 2 };
	struct der none = { some.at, 0 };

	(void)state;
	assert_true(der_is_next(&some, DER_OCTET_STRING));
	assert_false(der_is_next(&some, DER_INTEGER));
	assert_false(der_is_next(&none, DER_OCTET_STRING));
}

static void
test_rsa_algorithm(void **state)
{
	static const struct {
		const char *name;
		const char *octets;
		size_t length;
		bool is_end;
	} ends[] = {
		{ "nothing", OCTETS(""), true },
		{ "NULL", OCTETS("\x05\x00"), true },
		{ "NULL with something in it", OCTETS("\x05\x01x"), false },
		{ "half a NULL", OCTETS("\x05"), false },
		{ "two", OCTETS("\x05\x00\x05\x00"), false },
		{ "something else", OCTETS("\x04\x00"), false },
	};
	static const unsigned char oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D,
		0x01, 0x01, 0x01, 0x01 };
	static const unsigned char pss[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D,
		0x01, 0x01, 0x0A };

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct der end = copied(ends[i].octets, ends[i].length);

		if (der_is_end_or_null(end) != ends[i].is_end)
			fail_msg("%s: wanted it %s", ends[i].name,
			    ends[i].is_end ? "an end" : "none");
		free((unsigned char *)(uintptr_t)end.at);
	}
	assert_true(der_is_rsa_oid(&(struct der){ oid, 9 }));
	assert_false(der_is_rsa_oid(&(struct der){ oid, 8 }));
	assert_false(der_is_rsa_oid(&(struct der){ oid, 10 }));
	assert_false(der_is_rsa_oid(&(struct der){ pss, sizeof(pss) }));
}

static void
test_bits(void **state)
{
	static const struct {
		const char *octets;
		size_t length;
		size_t bits;
	} cases[] = { { OCTETS("\x01"), 1 }, { OCTETS("\x7f"), 7 },
		{ OCTETS("\x80"), 8 }, { OCTETS("\x01\x00\x01"), 17 },
		{ OCTETS("\xff\x00"), 16 } };

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct der number = copied(cases[i].octets, cases[i].length);

		assert_int_equal(cases[i].bits, der_bits(&number));
		free((unsigned char *)(uintptr_t)number.at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_refused_stays),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_rsa_algorithm),
		cmocka_unit_test(test_bits),
	};

	return cmocka_run_group_tests_name("der", tests, NULL, NULL);
}
