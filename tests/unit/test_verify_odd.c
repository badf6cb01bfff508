/* verify with odd and with large headers, bodies and tags. */
#include "tests/unit/verify_fixture.h"

#include "milter/io/verify_field.h"
#include "milter/io/verify_header.h"
#include "policy/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- odd headers and bodies ---------------------------------------------- */

struct odd_case {
	const char *name;
	struct test_field field;
	const char *covered; /* the name in h= */
	const char *header;  /* that is hashed of it */
	enum verify_state state;
	const char *words;
	const char *canon; /* NULL: relaxed/relaxed */
};

static const struct odd_case odd_cases[] = {
	{ .name = "an odd From that isn't parsed",
	    .field = { "From", " \"((<>@,;:\\\"[" },
	    .header = "from:\"((<>@,;:\\\"[\r\n" },
	{ .name = "an empty From",
	    .field = { "From", "" },
	    .header = "from:\r\n" },
	{ .name = "8-bit",
	    .field = { "From", " \xc3\xa4\xff <j@a.example>" },
	    .header = "from:\xc3\xa4\xff <j@a.example>\r\n" },
	{ .name = "control characters",
	    .field = { "From", " \x01\x02\x7f <j@a.example>" },
	    .header = "from:\x01\x02\x7f <j@a.example>\r\n" },
	{ .name = "a tab before the colon",
	    .field = { "From\t ", " j@a.example" },
	    .header = "from:j@a.example\r\n" },
	{ .name = "a tab before the colon, simple",
	    .field = { "From\t ", " j@a.example" },
	    .header = "From\t : j@a.example\r\n",
	    .canon = "simple/simple",
	    .state = VERIFY_LOST,
	    .words = "tab" },
	{ .name = "a blank before the colon, simple",
	    .field = { "From ", " j@a.example" },
	    .header = "From : j@a.example\r\n",
	    .canon = "simple/simple" },
	{ .name = "a vertical tab",
	    .field = { "From", " j\v@a.example" },
	    .header = "from:j\v@a.example\r\n",
	    .state = VERIFY_LOST,
	    .words = "vertical tab" },
	{ .name = "a vertical tab, simple",
	    .field = { "From", " j\v@a.example" },
	    .header = "From: j\v@a.example\r\n",
	    .canon = "simple/simple" },
	{ .name = "a lone CR",
	    .field = { "From", " j\r@a.example" },
	    .header = "from:j\r@a.example\r\n",
	    .state = VERIFY_LOST,
	    .words = "lone CR" },
	{ .name = "a line end that is no fold",
	    .field = { "From", " j\n@a.example" },
	    .header = "from:j@a.example\r\n",
	    .state = VERIFY_LOST,
	    .words = "no fold" },
	{ .name = "CRLF folds",
	    .field = { "From", "\r\n j@a.example\r\n " },
	    .header = "from:j@a.example\r\n" },
};

static void
test_odd_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(odd_cases); i++) {
		const struct odd_case *c = &odd_cases[i];
		struct test_message message = {
			.fields = { c->field, { "Bad\x01name", " x" },
			    { "B\xc3\xa4", " y" }, { "", " z" } },
			.body = verify_plain.body
		};
		struct verified verified;
		char *signature;
		char *value;

		assert_true(asprintf(&value,
				"v=1; a=rsa-sha256; c=%s; d=a.example; s=rsa; "
				"h=from; bh=#H; b=#B",
				c->canon != NULL ? c->canon : "relaxed/relaxed")
		    > 0);
		signature =
		    verify_sign(SIGNER_RSA, value, c->header, message.body);
		verify_message(signature, &message, 0, &verified);
		verify_expect(c->name, &verified, c->state,
		    c->words != NULL ? c->words : "");
		free(value);
		free(signature);
	}
}

static void
test_nul(void **state)
{
	static const char value[] = " j\0@a.example";
	char *signature = verify_signed_by("a.example", "");
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;

	(void)state;
	verify_add_signature(verifier, signature);
	assert_true(
	    verify_header(verifier, "From", value, sizeof(value) - 1, NULL));
	assert_true(
	    verify_header(verifier, "DKIM-Signature", " v=1;\0d=x", 9, NULL));
	verify_conclude(
	    verifier, &(struct test_message){ .body = "" }, &verified);
	assert_int_equal(2, verified.count);
	verify_expect_at(&verified, 0, "a.example", VERIFY_LOST);
	verify_expect_at(&verified, 1, "", VERIFY_BAD);
	free(signature);
}

struct body_case {
	const char *name;
	const char *body;
	const char *relaxed; /* as it is hashed */
	const char *words;   /* NULL: it is good */
};

static const struct body_case body_cases[] = {
	{ "empty", "", "", NULL },
	{ "only line ends", "\r\n\r\n", "", NULL },
	{ "8-bit and controls", "\xff\xc3\xa4\x01\x7f\v\f \v\r\n",
	    "\xff\xc3\xa4\x01\x7f\v\f \v\r\n", NULL },
	{ "a lone CR", "a\rb\r\n", "a\rb\r\n", "CR or LF" },
	{ "a lone LF", "a\nb\r\n", "a\nb\r\n", "CR or LF" },
	{ "a CR at the end", "a\r", "a\r\r\n", "CR or LF" },
	{ "a CR before CRLF", "a\r\r\n", "a\r\r\n", "CR or LF" },
	{ "a LF first", "\na\r\n", "\na\r\n", "CR or LF" },
};

static void
test_odd_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(body_cases); i++) {
		const struct body_case *c = &body_cases[i];
		struct test_message message = verify_plain;
		char *signature = verify_sign(SIGNER_RSA,
		    SIGNATURE_START "d=a.example; " SIGNATURE_END, PLAIN_HEADER,
		    c->relaxed);
		struct verified verified;

		message.body = c->body;
		for (size_t piece = 0; piece < 3; piece++) {
			verify_message(signature, &message, piece, &verified);
			verify_expect(c->name, &verified,
			    c->words == NULL ? VERIFY_GOOD : VERIFY_LOST,
			    c->words == NULL ? "" : c->words);
		}
		free(signature);
	}
}

/* ---- large ones ---------------------------------------------------------- */

enum { LARGE = 5 * 1024 * 1024 };

static char *
large_body(void)
{
	char *body = malloc(LARGE + 1);

	assert_non_null(body);
	for (size_t i = 0; i < LARGE; i++)
		body[i] = (char)('a' + i % 26);
	for (size_t i = 70; i + 2 < LARGE; i += 80)
		memcpy(body + i, i % 7 == 0 ? "\r\n" : " \t", 2);
	memcpy(body + LARGE - 2, "\r\n", 2);
	body[LARGE] = '\0';
	return body;
}

static void
test_large_body(void **state)
{
	char *body = large_body();
	struct test_message message = verify_plain;
	const struct signing_rules rules = {
		.header_canon = CANON_SIMPLE,
		.body_canon = CANON_RELAXED,
		.headers = signing_default_headers(),
	};
	struct verified verified;
	char *signature;

	(void)state;
	message.body = body;
	signature =
	    verify_sign_ours(SIGNER_RSA, "a.example", NULL, &rules, &message);
	verify_message(signature, &message, 4099, &verified);
	verify_expect("odd pieces", &verified, VERIFY_GOOD, "");
	verify_message(signature, &message, 0, &verified);
	verify_expect("one piece", &verified, VERIFY_GOOD, "");
	body[LARGE / 2] ^= 1;
	verify_message(signature, &message, 65535, &verified);
	verify_expect("one bit", &verified, VERIFY_BAD, "body");
	free(signature);
	free(body);
}

/* A line that libopendkim would keep in memory. */
static void
test_long_word(void **state)
{
	struct test_message message = verify_plain;
	char *body = malloc(LARGE + 1);
	struct verified verified;
	char *relaxed;
	char *simple;

	(void)state;
	assert_non_null(body);
	memset(body, 'a', LARGE);
	body[LARGE] = '\0';
	message.body = body;
	relaxed = verify_signed_by("a.example", "");
	verify_message(relaxed, &message, 10000, &verified);
	verify_expect("relaxed", &verified, VERIFY_LOST, "too long");
	simple = verify_sign(SIGNER_RSA,
	    "v=1; a=rsa-sha256; c=relaxed/simple; d=a.example; s=rsa; "
	    "l=5242880; " SIGNATURE_END,
	    PLAIN_HEADER, body);
	verify_message(simple, &message, 10000, &verified);
	verify_expect("simple", &verified, VERIFY_GOOD, "");
	free(relaxed);
	free(simple);
	free(body);
}

static void
test_many_fields(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;

	(void)state;
	verify_add_signed_by(verifier, "a.example", "");
	for (int i = 0; i < 20000; i++)
		verify_add(verifier, i % 2 == 0 ? "X-Field" : "Received", " x");
	verify_conclude(verifier, &verify_plain, &verified);
	verify_expect("20,000 fields", &verified, VERIFY_GOOD, "");
}

/* Many names in h=, and many fields: what is covered is chosen in time. */
static void
test_many_covered(void **state)
{
	enum { NAMES = 1000 };
	struct verifier *verifier = verify_begun("a.example");
	char value_space[8192];
	char header_space[16384];
	struct verified verified;
	struct text header;
	struct text value;
	char *signature;

	(void)state;
	text_init(&value, value_space, sizeof(value_space));
	text_init(&header, header_space, sizeof(header_space));
	text_add(&value, SIGNATURE_START "d=a.example; bh=#H; b=#B; h=from");
	text_add(&header, "from:J <j@a.example>\r\n");
	for (int i = 0; i < NAMES; i++) {
		text_add(&value, ":x");
		text_add(&header, "x:y\r\n");
	}
	assert_false(value.is_cut || header.is_cut);
	signature = verify_sign(
	    SIGNER_RSA, value_space, header_space, verify_plain.body);
	verify_add_signature(verifier, signature);
	for (int i = 0; i < 20000; i++)
		verify_add(verifier, "X", i < 20000 - NAMES ? " z" : " y");
	verify_conclude(verifier, &verify_plain, &verified);
	verify_expect("many covered", &verified, VERIFY_GOOD, "");
	free(signature);
}

static void
test_header_too_large(void **state)
{
	enum { OCTETS = 100000 };
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;
	char *value = malloc(OCTETS + 1);

	(void)state;
	assert_non_null(value);
	memset(value, 'x', OCTETS);
	value[OCTETS] = '\0';
	verify_add_signed_by(verifier, "a.example", "");
	for (int i = 0; i <= VERIFY_HEADER_BYTES / OCTETS; i++)
		verify_add(verifier, "X-Field", value);
	verify_add_signed_by(verifier, "b.example", "");
	verify_conclude(verifier, &verify_plain, &verified);
	assert_int_equal(2, verified.count);
	verify_expect_at(&verified, 0, "a.example", VERIFY_LOST);
	verify_expect_at(&verified, 1, "b.example", VERIFY_LOST);
	free(value);
}

/* What libopendkim isn't given because of its length. */
static void
check_long(const char *name, const char *before, size_t octets,
    const char *after, const char *words)
{
	char *more = calloc(1, strlen(before) + octets + strlen(after) + 1);
	struct verified verified;
	char *signature;

	assert_non_null(more);
	memcpy(more, before, strlen(before));
	memset(more + strlen(before), 'x', octets);
	memcpy(more + strlen(before) + octets, after, strlen(after) + 1);
	signature = verify_signed_by("a.example", more);
	verify_message(signature, &verify_plain, 0, &verified);
	verify_expect(name, &verified,
	    words[0] != '\0' ? VERIFY_LOST : VERIFY_GOOD, words);
	free(signature);
	free(more);
}

static void
test_long_tags(void **state)
{
	(void)state;
	check_long("a long tag", "n=", 12000, "; ", "");
	check_long("a long field", "n=", 17000, "; ", "too long");
	check_long(
	    "a long i=", "i=", VERIFY_IDENTITY_OCTETS - 10, "@a.example; ", "");
	check_long("a longer i=", "i=", VERIFY_IDENTITY_OCTETS - 9,
	    "@a.example; ", "i=");
}

/* Whose signature it is is known even then, or it is nobody's. */
static void
test_long_field(void **state)
{
	enum { OCTETS = 20000 };
	char *value = malloc(OCTETS + 1);
	struct verified verified;

	(void)state;
	assert_non_null(value);
	memset(value, 'x', OCTETS);
	value[OCTETS] = '\0';
	verify_message(value, &verify_plain, 0, &verified);
	verify_expect("no tag", &verified, VERIFY_BAD, "no domain");
	memcpy(value, "v=1; d=A.example; z=", 20);
	verify_message(value, &verify_plain, 0, &verified);
	verify_expect("a long z=", &verified, VERIFY_LOST, "too long");
	assert_string_equal("a.example", verified.all[0].domain);
	memcpy(value, "v=1; d=a.example;;z=", 20);
	verify_message(value, &verify_plain, 0, &verified);
	verify_expect("broken", &verified, VERIFY_BAD, "list of tags");
	free(value);
}

static void
test_long_covered(void **state)
{
	struct verified verified;

	(void)state;
	for (int is_longer = 0; is_longer < 2; is_longer++) {
		static const char start[] =
		    SIGNATURE_START "d=a.example; bh=#H; b=#B; h=from:";
		char value[sizeof(start) + VERIFY_COVERED_OCTETS + 1] = "";
		size_t left = VERIFY_COVERED_OCTETS - strlen("from:");
		char *signature;

		memcpy(value, start, sizeof(start) - 1);
		memset(value + sizeof(start) - 1, 'x', left + is_longer);
		signature = verify_sign(SIGNER_RSA, value,
		    "from:J <j@a.example>\r\n", verify_plain.body);
		verify_message(signature, &verify_plain, 0, &verified);
		if (is_longer)
			verify_expect("longer", &verified, VERIFY_LOST, "h=");
		else
			verify_expect("long", &verified, VERIFY_GOOD, "");
		free(signature);
	}
}

static void
test_many_tags(void **state)
{
	char more[1024];
	struct verified verified;
	struct text text;
	char *signature;

	(void)state;
	text_init(&text, more, sizeof(more));
	for (int i = 0; i < 60; i++)
		text_addf(&text, "n%d=; ", i);
	signature = verify_signed_by("a.example", more);
	verify_message(signature, &verify_plain, 0, &verified);
	verify_expect("many tags", &verified, VERIFY_LOST, "too many tags");
	free(signature);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_odd_fields),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_odd_bodies),
		cmocka_unit_test(test_large_body),
		cmocka_unit_test(test_long_word),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_many_covered),
		cmocka_unit_test(test_header_too_large),
		cmocka_unit_test(test_long_tags),
		cmocka_unit_test(test_long_field),
		cmocka_unit_test(test_long_covered),
		cmocka_unit_test(test_many_tags),
	};

	return cmocka_run_group_tests(tests, verify_make, verify_free);
}
