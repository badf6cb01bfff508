/* What the signer doesn't sign, and what it leaves out so that it can sign the
 * rest. */
#include "milter/io/signer_fields.h"
#include "tests/unit/signer_fixture.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- rules and keys ------------------------------------------------------ */

static void
test_rules_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "a:b", "a;b", "\xc3\xa4",
		"a\nb", "dkim-signature", "From " };
	static char names[40][64];
	static const char *many[COUNT(names)];
	struct signing_rules rules;
	struct fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		for (int is_oversign = 0; is_oversign < 2; is_oversign++) {
			struct field_names list = { &bad[i], 1 };

			rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
			*(is_oversign ? &rules.oversign : &rules.headers) =
			    list;
			fault = (struct fault){ 0 };
			if (signer_check_rules(&rules, &fault))
				fail_msg("\"%s\" was taken", bad[i]);
			assert_int_equal(FAULT_PERMANENT, fault.kind);
			assert_non_null(strstr(fault.words,
			    is_oversign ? "sign.oversign" : "sign.headers"));
		}
	for (size_t i = 0; i < COUNT(names); i++) {
		memset(names[i], 'a' + (int)(i % 26), 60);
		many[i] = names[i];
	}
	rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	assert_true(signer_check_rules(&rules, &fault));
	rules.headers = (struct field_names){ many, COUNT(many) };
	assert_false(signer_check_rules(&rules, &fault));
	assert_non_null(strstr(fault.words, "2440 octets"));
}

static void
test_too_many(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order =
	    signer_order_of(SIGNING_POSTERN, &rules, uses);
	struct fault fault = { 0 };

	(void)state;
	order.count = SIGNING_SIGNATURES + 1;
	assert_null(signer_begin(&order, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
}

/* Sign a small message with a good key and one that isn't. */
static void
expect_key_fault(
    const char *name, enum signing_engine engine, const struct key *bad)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order = signer_order_of(engine, &rules, uses);
	struct fault fault = { 0 };
	const char *const *values = (const char *const *)uses;
	struct signer *signer;
	size_t count = 7;

	uses[1].key = bad;
	signer = signer_begun(&order);
	assert_true(signer_field(signer, "From", " j@a.example", &fault));
	(void)signer_end_of_header(signer, NULL);
	if (signer_finish(signer, &values, &count, &fault))
		fail_msg("%s: was taken", name);
	if (fault.kind != FAULT_PERMANENT)
		fail_msg("%s: %s", name, fault.words);
	if (signer_faulty_key(signer) != bad)
		fail_msg("%s: the key isn't named", name);
	assert_null(values);
	assert_int_equal(0, count);
	assert_int_equal(0, ERR_peek_error());
	signer_end(&signer);
}

static void
test_key_refused(void **state)
{
	EVP_PKEY *rsa = signer_keys[SIGNER_RSA].pkey;
	EVP_PKEY *ed25519 = signer_keys[SIGNER_ED25519].pkey;
	EVP_PKEY *bare = EVP_PKEY_new();
	const struct {
		const char *name;
		struct key key;
	} cases[] = {
		{ "tags in d=", { "a;b=c", "s", KEY_RSA_SHA256, rsa } },
		{ "control in d=",
		    { "a.example\x01", "s", KEY_RSA_SHA256, rsa } },
		{ "no d=", { "", "s", KEY_RSA_SHA256, rsa } },
		{ "tags in s=", { "a.example", "s;t", KEY_RSA_SHA256, rsa } },
		{ "no s=", { "a.example", "", KEY_RSA_SHA256, rsa } },
		{ "no key", { "a.example", "s", KEY_RSA_SHA256, NULL } },
		{ "no key in it", { "a.example", "s", KEY_RSA_SHA256, bare } },
		{ "Ed25519 for RSA",
		    { "a.example", "s", KEY_RSA_SHA256, ed25519 } },
		{ "RSA for Ed25519",
		    { "a.example", "s", KEY_ED25519_SHA256, rsa } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t k = 0; k < SIGNER_ENGINES; k++)
			expect_key_fault(
			    cases[i].name, signer_engines[k], &cases[i].key);
	EVP_PKEY_free(bare);
}

/* ---- messages ------------------------------------------------------------ */

/* A message of From and one field more, and what comes of it. */
struct message_case {
	const char *name;
	enum canonicalization header_canon;
	const char *field;
	const char *value;
	size_t value_length;  /* 0: of the string */
	const char *oversign; /* beside From, or NULL */
	const char *body;
	const char *words;   /* of the fault; NULL: signed */
	const char *covered; /* h= */
};

/* Of both engines alike. */
static const struct message_case messages[] = {
	{ .name = "plain",
	    .field = "To",
	    .value = " x",
	    .body = "x\r\n",
	    .covered = "From:To:From" },
	{ .name = "NUL",
	    .field = "Subject",
	    .value = " a\0b",
	    .value_length = 4,
	    .covered = "From:From" },
	{ .name = "lone CR",
	    .field = "Subject",
	    .value = " a\rb",
	    .covered = "From:From" },
	{ .name = "CR at the end",
	    .field = "Subject",
	    .value = " a\r",
	    .covered = "From:From" },
	{ .name = "CR at the end, whatever lies behind it",
	    .field = "Subject",
	    .value = " a\r\n b",
	    .value_length = 3,
	    .covered = "From:From" },
	{ .name = "lone LF",
	    .field = "Subject",
	    .value = " a\nb",
	    .covered = "From:From" },
	{ .name = "LF at the end",
	    .field = "Subject",
	    .value = " a\n",
	    .covered = "From:From" },
	{ .name = "VT, relaxed",
	    .header_canon = CANON_RELAXED,
	    .field = "Subject",
	    .value = " a\vb",
	    .covered = "From:From" },
	{ .name = "FF, relaxed",
	    .header_canon = CANON_RELAXED,
	    .field = "Subject",
	    .value = " a\f",
	    .covered = "From:From" },
	{ .name = "VT, simple",
	    .field = "Subject",
	    .value = " a\vb",
	    .covered = "From:Subject:From" },
	{ .name = "other controls",
	    .header_canon = CANON_RELAXED,
	    .field = "Subject",
	    .value = "\x01\x02 \x1f\x7f\xff\xa0",
	    .covered = "From:Subject:From" },
	{ .name = "oversigned with FF",
	    .header_canon = CANON_RELAXED,
	    .field = "subject",
	    .value = " a\fb",
	    .oversign = "Subject",
	    .words = "header field subject: it has a vertical tab or form "
		     "feed" },
	{ .name = "oversigned with FF, simple",
	    .field = "subject",
	    .value = " a\fb",
	    .oversign = "Subject",
	    .covered = "From:subject:From:Subject" },
	{ .name = "second From with NUL",
	    .field = "FROM",
	    .value = "a\0",
	    .value_length = 2,
	    .words = "header field FROM: it has a NUL" },
	{ .name = "not covered",
	    .field = "X-Other",
	    .value = " a\rb",
	    .covered = "From:From" },
	{ .name = "lone LF in the body",
	    .body = "a\nb\r\n",
	    .words = "LF that is no CRLF" },
	{ .name = "LF first", .body = "\nb\r\n", .words = "no CRLF" },
	{ .name = "CR CR LF",
	    .body = "a\r\r\n",
	    .words = "a CR before a CRLF" },
	{ .name = "CR CR LF first",
	    .body = "\r\r\n",
	    .words = "a CR before a CRLF" },
	{ .name = "CR at the body's end",
	    .body = "ab\r",
	    .words = "a CR before a CRLF" },
};

/* Where only our own engine can. */
static const struct message_case own_messages[] = {
	{ .name = "lone CR in the body",
	    .body = "a\rb\r\n",
	    .words = "libopendkim hashes wrongly",
	    .covered = "From:From" },
	{ .name = "lone CR first",
	    .body = "\rb",
	    .words = "libopendkim hashes wrongly",
	    .covered = "From:From" },
	{ .name = "tab before the colon",
	    .field = "To \t",
	    .value = " x",
	    .words = "header field To: libopendkim takes no tab",
	    .covered = "From:To:From" },
};

/* Sign c's message, the body in pieces; NULL with words. */
static char *
sign_case(struct signer *signer, const struct message_case *c, size_t piece,
    struct fault *fault)
{
	const char *body = c->body != NULL ? c->body : "";
	size_t length = strlen(body);
	const char *const *values;
	size_t count;

	if (!signer_field(signer, "From", " j@a.example", fault))
		return NULL;
	if (c->field != NULL
	    && !signer_header(signer, c->field, c->value,
		c->value_length > 0 ? c->value_length : strlen(c->value),
		fault))
		return NULL;
	if (!signer_end_of_header(signer, fault))
		return NULL;
	for (size_t at = 0; at < length; at += piece)
		if (!signer_body(signer, (const unsigned char *)body + at,
			length - at < piece ? length - at : piece, fault))
			return NULL;
	return signer_finish(signer, &values, &count, fault) ? strdup(values[0])
							     : NULL;
}

static void
check_case(const struct message_case *c, enum signing_engine engine,
    bool is_signed, size_t piece)
{
	const char *const oversign[] = { "From", c->oversign };
	struct signing_rules rules =
	    signer_rules(c->header_canon, CANON_RELAXED);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order = signer_order_of(engine, &rules, uses);
	struct fault fault = { 0 };
	struct signer *signer;
	char *value;

	rules.oversign =
	    (struct field_names){ oversign, c->oversign != NULL ? 2 : 1 };
	order.count = 1;
	order.is_checked = true;
	signer = signer_begun(&order);
	value = sign_case(signer, c, piece, &fault);
	if ((value != NULL) != is_signed)
		fail_msg("%s by %s: %s", c->name, signer_engine_name(engine),
		    value != NULL ? value : fault.words);
	if (value != NULL)
		signer_expect_tag(c->name, value, "h", c->covered);
	else if (strstr(fault.words, c->words) == NULL
	    || fault.kind != FAULT_PERMANENT)
		fail_msg("%s by %s: wanted %s, got %s", c->name,
		    signer_engine_name(engine), c->words, fault.words);
	assert_null(signer_faulty_key(signer));
	/* That libopendkim can't is no difference. */
	if (value != NULL && signer_difference(signer) != NULL)
		fail_msg("%s by %s: %s", c->name, signer_engine_name(engine),
		    signer_difference(signer));
	free(value);
	signer_end(&signer);
}

static void
test_messages(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 4; piece++) {
		for (size_t i = 0; i < COUNT(messages); i++)
			for (size_t k = 0; k < SIGNER_ENGINES; k++)
				check_case(&messages[i], signer_engines[k],
				    messages[i].words == NULL, piece);
		for (size_t i = 0; i < COUNT(own_messages); i++)
			for (size_t k = 0; k < SIGNER_ENGINES; k++)
				check_case(&own_messages[i], signer_engines[k],
				    signer_engines[k] == SIGNING_POSTERN,
				    piece);
	}
}

/* A field that can't be signed takes those of its name along, those before it
 * and those after; nobody else's. */
static void
test_left_out(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signing_rules simple = signer_rules(CANON_SIMPLE, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order =
	    signer_order_of(SIGNING_POSTERN, &rules, uses);
	struct fault fault = { 0 };
	const char *const *values;
	struct signer *signer;
	size_t count;

	(void)state;
	uses[1].rules = &simple;
	order.is_checked = true;
	signer = signer_begun(&order);
	assert_true(signer_field(signer, "Subject", " a", &fault));
	assert_true(signer_field(signer, "From", " j@a.example", &fault));
	assert_true(signer_field(signer, "SUBJECT", " a\fb", &fault));
	assert_true(signer_field(signer, "To", " a", &fault));
	assert_true(signer_field(signer, "subject", " c", &fault));
	assert_true(signer_end_of_header(signer, &fault));
	assert_true(signer_finish(signer, &values, &count, &fault));
	signer_expect_tag("relaxed", values[0], "h", "From:To:From");
	signer_expect_tag(
	    "simple", values[1], "h", "Subject:From:SUBJECT:To:subject:From");
	assert_null(signer_difference(signer));
	signer_end(&signer);
}

static void
test_long_word(void **state)
{
	enum { WORD_OCTETS = 5 * 1024 * 1024 };
	char *word = malloc(WORD_OCTETS + 1);

	(void)state;
	assert_non_null(word);
	memset(word, 'w', WORD_OCTETS);
	word[WORD_OCTETS] = '\0';
	for (size_t k = 0; k < SIGNER_ENGINES; k++) {
		const struct message_case c = { .name = "long word",
			.body = word,
			.words = "without a blank",
			.covered = "From:From" };

		check_case(&c, signer_engines[k],
		    signer_engines[k] == SIGNING_POSTERN, 100000);
	}
	free(word);
}

/* Where libopendkim can't check one use, though it could the one before, there
 * is nothing to tell. */
static void
test_second_unchecked(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signing_rules simple = signer_rules(CANON_SIMPLE, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order =
	    signer_order_of(SIGNING_POSTERN, &rules, uses);
	struct fault fault = { 0 };
	const char *const *values;
	struct signer *signer;
	size_t count;

	(void)state;
	uses[1].rules = &simple;
	order.is_checked = true;
	signer = signer_begun(&order);
	assert_true(signer_field(signer, "From", " j@a.example", &fault));
	assert_true(signer_field(signer, "To \t", " x", &fault));
	assert_true(signer_end_of_header(signer, &fault));
	assert_true(signer_finish(signer, &values, &count, &fault));
	signer_expect_tag("relaxed", values[0], "h", "From:To:From");
	signer_expect_tag("simple", values[1], "h", "From:To:From");
	assert_null(signer_difference(signer));
	signer_end(&signer);
}

static void
test_first_fault_stays(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order =
	    signer_order_of(SIGNING_POSTERN, &rules, uses);
	struct signer *signer = signer_begun(&order);
	struct fault fault = { 0 };
	const char *const *values;
	size_t count;

	(void)state;
	assert_false(signer_header(signer, "From", " a\0b", 4, NULL));
	assert_false(signer_field(signer, "From", " j@a.example", NULL));
	assert_false(signer_end_of_header(signer, NULL));
	assert_false(signer_text(signer, "x\r\n", NULL));
	assert_false(signer_finish(signer, &values, &count, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(fault.words, "From: it has a NUL"));
	assert_null(signer_faulty_key(signer));
	signer_end(&signer);
}

static void
test_too_much(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order =
	    signer_order_of(SIGNING_POSTERN, &rules, uses);
	struct signer *signer = signer_begun(&order);
	char *large = malloc(SIGNER_HEADER_BYTES);
	struct fault fault = { 0 };

	(void)state;
	assert_non_null(large);
	memset(large, 'x', SIGNER_HEADER_BYTES);
	/* What isn't covered may be as long as it likes. */
	assert_true(signer_header(
	    signer, "X-Other", large, SIGNER_HEADER_BYTES, &fault));
	assert_true(signer_header(
	    signer, "Subject", large, SIGNER_HEADER_BYTES / 2, &fault));
	assert_false(signer_header(
	    signer, "Subject", large, SIGNER_HEADER_BYTES / 2, &fault));
	assert_non_null(strstr(fault.words, "too large"));
	signer_end(&signer);

	signer = signer_begun(&order);
	for (int i = 0; i < SIGNER_FIELDS; i++)
		assert_true(signer_field(signer, "To", " x", &fault));
	assert_false(signer_field(signer, "To", " x", &fault));
	assert_non_null(strstr(fault.words, "too many"));
	signer_end(&signer);
	free(large);
}

/* ---- which fields are chosen -------------------------------------------- */

/* Says how many of count fields were chosen, from the bottom. */
static size_t
chosen_of(const struct signer_fields *fields, size_t first, size_t count)
{
	size_t chosen = 0;

	for (size_t i = first; i < first + count; i++) {
		if (fields->fields[i].is_chosen)
			chosen++;
		else if (chosen > 0)
			fail_msg("field %zu is left out, one above isn't", i);
	}
	return chosen;
}

struct choose_case {
	const char *name;
	size_t froms; /* oversigned, above the others */
	size_t tos;
	size_t wanted; /* of the tos; 0: fault */
};

static const struct choose_case choose_cases[] = {
	{ "few", 1, 3, 3 },
	{ "exactly all", 1, (4095 - 5) / 3, (4095 - 5) / 3 },
	{ "to the last octet", 3, 1361, (4095 - 15) / 3 },
	{ "one too many", 1, (4095 - 5) / 3 + 1, (4095 - 5) / 3 },
	{ "far too many", 1, 10000, (4095 - 5) / 3 },
	{ "many oversigned", 800, 200, (4095 - 4000) / 3 },
	{ "nearly only oversigned", 818, 200, 1 },
	{ "too many oversigned", 819, 200, 0 },
};

/* With a name that is left out between them, which takes no room. */
static void
check_choose(const struct choose_case *c)
{
	struct signer_fields fields;
	struct fault fault = { 0 };
	bool is_chosen;
	size_t got;

	signer_fields_init(&fields, CANON_RELAXED);
	for (size_t k = 0; k < c->froms; k++)
		assert_true(signer_fields_add(
		    &fields, "From", 4, true, " x", 2, &fault));
	for (size_t k = 0; k < c->tos; k++)
		assert_true(signer_fields_add(
		    &fields, "to", 2, false, " x", 2, &fault));
	assert_true(
	    signer_fields_add(&fields, "Cc", 2, false, " x", 2, &fault));
	assert_true(
	    signer_fields_add(&fields, "CC", 2, false, " \v", 2, &fault));
	assert_true(signer_fields_has_from(&fields));
	is_chosen = signer_fields_choose(&fields, &fault);
	if (is_chosen != (c->wanted > 0))
		fail_msg("%s: %s", c->name, fault.words);
	got = chosen_of(&fields, c->froms, c->tos);
	if (is_chosen && got != c->wanted)
		fail_msg("%s: wanted %zu, got %zu", c->name, c->wanted, got);
	if (is_chosen)
		assert_int_equal(c->froms, chosen_of(&fields, 0, c->froms));
	assert_false(fields.fields[c->froms + c->tos].is_chosen);
	signer_fields_clear(&fields);
}

static void
test_choose(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(choose_cases); i++)
		check_choose(&choose_cases[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_refused),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_key_refused),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_long_word),
		cmocka_unit_test(test_second_unchecked),
		cmocka_unit_test(test_first_fault_stays),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests_name(
	    "signer refused", tests, signer_make_keys, signer_free_keys);
}
