/* How the signer behaves to its caller. That its signatures are good is what
 * other implementations say in tests/protocol/test_signatures.py. */
#include "milter/io/signer.h"

#include "milter/io/keys_file.h"
#include "milter/io/signer_fields.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct key keys[] = {
	{ .domain = "a.example",
	    .selector = "ed",
	    .algorithm = KEY_ED25519_SHA256 },
	{ .domain = "a.example",
	    .selector = "rsa",
	    .algorithm = KEY_RSA_SHA256 },
};
static const struct key_ring ring = { keys, COUNT(keys) };
static struct key_material materials[COUNT(keys)];

static const char *const from_only[] = { "From" };
static const char *const from_to_subject[] = { "From", "To", "Subject" };

static int
make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		EVP_PKEY *pkey = keys[i].algorithm == KEY_RSA_SHA256
		    ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024)
		    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

		assert_non_null(pkey);
		assert_true(keys_material_of(pkey, &materials[i], NULL));
		keys[i].pem = materials[i].pem;
		keys[i].public_b64 = materials[i].public_b64;
		EVP_PKEY_free(pkey);
	}
	return 0;
}

static int
free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++)
		keys_material_clear(&materials[i]);
	return 0;
}

static struct signing_rules
rules_of(enum canonicalization header, enum canonicalization body)
{
	return (struct signing_rules){
		.header_canon = header,
		.body_canon = body,
		.headers = { from_to_subject, COUNT(from_to_subject) },
		.oversign = { from_only, COUNT(from_only) },
	};
}

static struct signer_library *
library_of(const struct signing_rules *rules)
{
	struct fault fault = { 0 };
	struct signer_library *library = signer_library_open(rules, &fault);

	if (library == NULL)
		fail_msg("library: %s", fault.words);
	return library;
}

static struct signer *
begun(const struct signer_library *library)
{
	struct fault fault = { 0 };
	struct signer *signer = signer_begin(library, &ring, &fault);

	if (signer == NULL)
		fail_msg("begin: %s", fault.words);
	return signer;
}

static bool
field(struct signer *signer, const char *name, const char *value,
    struct fault *fault)
{
	return signer_header(signer, name, value, strlen(value), fault);
}

static bool
text(struct signer *signer, const char *data, struct fault *fault)
{
	return signer_body(
	    signer, (const unsigned char *)data, strlen(data), fault);
}

/* What stands after tag in value, up to the next semicolon, without blanks. */
static char *
tag_of(const char *value, const char *tag)
{
	char *wanted = NULL;
	char *found = calloc(1, strlen(value) + 1);
	size_t length = 0;
	const char *at;

	assert_non_null(found);
	assert_true(asprintf(&wanted, "%s=", tag) > 0);
	for (at = strstr(value, wanted);
	     at != NULL && strchr(" \t", at[-1]) == NULL;
	     at = strstr(at + 1, wanted))
		;
	if (at == NULL)
		fail_msg("no %s= in %s", tag, value);
	else
		for (at += strlen(wanted); *at != ';' && *at != '\0'; at++)
			if (strchr(" \t\n", *at) == NULL)
				found[length++] = *at;
	free(wanted);
	return found;
}

static void
expect_tag(
    const char *name, const char *value, const char *tag, const char *wanted)
{
	char *got = tag_of(value, tag);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s: wanted %s=%s, got %s", name, tag, wanted, got);
	free(got);
}

/* ---- body hashes -------------------------------------------------------- */

struct body_case {
	const char *name;
	const char *body;
	const char *simple;  /* as it is hashed, RFC 6376 §3.4.3 */
	const char *relaxed; /* §3.4.4 */
};

static const struct body_case body_cases[] = {
	{ "empty", "", "\r\n", "" },
	{ "one line", "abc\r\n", "abc\r\n", "abc\r\n" },
	{ "no last line end", "abc", "abc\r\n", "abc\r\n" },
	{ "only line ends", "\r\n\r\n\r\n", "\r\n", "" },
	{ "only a blank", " ", " \r\n", "" },
	{ "blank lines at the end", "a\r\n\r\n\r\n", "a\r\n", "a\r\n" },
	{ "blank lines at the top", "\r\n\r\na\r\n", "\r\n\r\na\r\n",
	    "\r\n\r\na\r\n" },
	{ "blank lines within", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n",
	    "a\r\n\r\n\r\nb\r\n" },
	{ "white lines at the end", "a\r\n \t\r\n\r\n", "a\r\n \t\r\n",
	    "a\r\n" },
	{ "blanks within", " a \t b\t\r\n", " a \t b\t\r\n", " a b\r\n" },
	{ "blank at the end", "a \t", "a \t\r\n", "a\r\n" },
	{ "dots", ".\r\n..\r\n", ".\r\n..\r\n", ".\r\n..\r\n" },
	{ "the example of RFC 6376 §3.4.5", " C \r\nD \t E\r\n\r\n\r\n",
	    " C \r\nD \t E\r\n", " C\r\nD E\r\n" },
};

static void
hash_of(const char *data, char *b64_out)
{
	unsigned char hash[32];

	assert_int_equal(
	    1, EVP_Digest(data, strlen(data), hash, NULL, EVP_sha256(), NULL));
	EVP_EncodeBlock((unsigned char *)b64_out, hash, sizeof(hash));
}

/* Sign body in three pieces, cut after one and after two octets. */
static void
check_body(const struct signer_library *library, const struct body_case *c,
    const char *wanted, size_t one, size_t two)
{
	const unsigned char *body = (const unsigned char *)c->body;
	struct signer *signer = begun(library);
	struct fault fault = { 0 };
	const char *const *values;
	size_t count = 0;

	if (!field(signer, "From", " j@a.example", &fault)
	    || !signer_end_of_header(signer, &fault)
	    || !signer_body(signer, body, one, &fault)
	    || !signer_body(signer, body + one, two - one, &fault)
	    || !signer_body(signer, body + two, strlen(c->body) - two, &fault)
	    || !signer_finish(signer, &values, &count, &fault))
		fail_msg("%s, cut at %zu and %zu: %s", c->name, one, two,
		    fault.words);
	assert_int_equal(2, count);
	for (size_t i = 0; i < count; i++)
		expect_tag(c->name, values[i], "bh", wanted);
	signer_end(&signer);
}

static void
test_body_hash(void **state)
{
	(void)state;
	for (int is_relaxed = 0; is_relaxed < 2; is_relaxed++) {
		struct signing_rules rules = rules_of(
		    CANON_RELAXED, is_relaxed ? CANON_RELAXED : CANON_SIMPLE);
		struct signer_library *library = library_of(&rules);

		for (size_t i = 0; i < COUNT(body_cases); i++) {
			const struct body_case *c = &body_cases[i];
			size_t length = strlen(c->body);
			char wanted[64];

			hash_of(is_relaxed ? c->relaxed : c->simple, wanted);
			for (size_t one = 0; one <= length; one++)
				for (size_t two = one; two <= length; two++)
					check_body(
					    library, c, wanted, one, two);
		}
		signer_library_close(&library);
	}
}

/* ---- values ------------------------------------------------------------- */

static void
test_values(void **state)
{
	struct signing_rules rules = rules_of(CANON_SIMPLE, CANON_RELAXED);
	struct signer_library *library;
	struct signer *signer;
	struct fault fault = { 0 };
	const char *const *values;
	size_t count;

	(void)state;
	rules.expire_s = 3600;
	library = library_of(&rules);
	signer = begun(library);
	assert_true(field(signer, "X-Other", " x", &fault));
	assert_true(field(signer, "TO", " x\n\ty", &fault));
	assert_true(field(signer, "From", " j@a.example", &fault));
	assert_true(field(signer, "to", " z", &fault));
	assert_true(signer_end_of_header(signer, &fault));
	assert_true(signer_finish(signer, &values, &count, &fault));
	assert_int_equal(2, count);
	for (size_t i = 0; i < count; i++) {
		const char *value = values[i];

		assert_memory_equal(" v=1; ", value, 6);
		assert_null(strchr(value, '\r'));
		for (const char *at = value; (at = strchr(at, '\n')) != NULL;
		     at++)
			assert_int_equal('\t', at[1]);
		expect_tag("values", value, "a",
		    i == 0 ? "ed25519-sha256" : "rsa-sha256");
		expect_tag("values", value, "s", keys[i].selector);
		expect_tag("values", value, "d", "a.example");
		expect_tag("values", value, "c", "simple/relaxed");
		expect_tag("values", value, "h", "TO:From:to:From");
	}
	signer_end(&signer);
	assert_null(signer);
	signer_end(&signer);
	signer_library_close(&library);
	assert_null(library);
	signer_library_close(&library);
}

static void
test_no_keys(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	const struct key_ring empty = { keys, 0 };
	struct fault fault = { 0 };
	struct signer *signer = signer_begin(library, &empty, &fault);
	const char *const *values;
	size_t count = 7;

	(void)state;
	assert_non_null(signer);
	assert_true(field(signer, "From", " j@a.example", &fault));
	assert_true(signer_end_of_header(signer, &fault));
	assert_true(text(signer, "x\r\n", &fault));
	assert_true(signer_finish(signer, &values, &count, &fault));
	assert_int_equal(0, count);
	signer_end(&signer);
	signer_library_close(&library);
}

/* ---- refusals ----------------------------------------------------------- */

static void
test_library_refuses(void **state)
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

			rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
			*(is_oversign ? &rules.oversign : &rules.headers) =
			    list;
			fault = (struct fault){ 0 };
			if (signer_library_open(&rules, &fault) != NULL)
				fail_msg("\"%s\" was taken", bad[i]);
			assert_int_equal(FAULT_PERMANENT, fault.kind);
			assert_non_null(strstr(fault.words,
			    is_oversign ? "sign.oversign" : "sign.headers"));
		}
	for (size_t i = 0; i < COUNT(names); i++) {
		memset(names[i], 'a' + (int)(i % 26), 60);
		many[i] = names[i];
	}
	rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	rules.headers = (struct field_names){ many, COUNT(many) };
	assert_null(signer_library_open(&rules, &fault));
	assert_non_null(strstr(fault.words, "2440 octets"));
}

static void
test_key_refused(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	const struct key cases[] = {
		{ "a.example", "s", KEY_RSA_SHA256, "MIIBVgIBADANBgkq", "" },
		{ "a.example", "s", KEY_RSA_SHA256, "", "" },
		{ "a;b=c", "s", KEY_RSA_SHA256, keys[1].pem, "" },
		{ "a.example\x01", "s", KEY_RSA_SHA256, keys[1].pem, "" },
		{ "", "s", KEY_RSA_SHA256, keys[1].pem, "" },
		{ "a.example", "s;t", KEY_RSA_SHA256, keys[1].pem, "" },
		{ "a.example", "", KEY_RSA_SHA256, keys[1].pem, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct key_ring one = { &cases[i], 1 };
		struct fault fault = { 0 };

		if (signer_begin(library, &one, &fault) != NULL)
			fail_msg("case %zu was taken", i);
		assert_int_equal(FAULT_PERMANENT, fault.kind);
	}
	signer_library_close(&library);
}

/* A key that can't be parsed shows at the end only; no crash, no leftovers. */
static void
test_key_broken(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	const struct key broken = { "a.example", "s", KEY_RSA_SHA256,
		"-----BEGIN PRIVATE KEY-----\nAAAA\n"
		"-----END PRIVATE KEY-----\n",
		"" };
	const struct key mixed = { "a.example", "s", KEY_RSA_SHA256,
		keys[0].pem, "" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct key_ring one = { i == 0 ? &broken : &mixed, 1 };
		struct fault fault = { 0 };
		struct signer *signer = signer_begin(library, &one, &fault);
		const char *const *values;
		size_t count;

		assert_non_null(signer);
		assert_true(field(signer, "From", " j@a.example", &fault));
		assert_true(signer_end_of_header(signer, &fault));
		assert_false(signer_finish(signer, &values, &count, &fault));
		assert_int_not_equal(FAULT_NONE, fault.kind);
		assert_non_null(strstr(fault.words, "a.example/s"));
		assert_null(values);
		assert_int_equal(0, count);
		assert_int_equal(0, ERR_peek_error());
		signer_end(&signer);
	}
	signer_library_close(&library);
}

/* Calls in every wrong order get a fault, and never reach libopendkim. */
static void
test_order(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	/* h header, e end of header, b body, f finish; the last one fails */
	static const char *const orders[] = { "b", "f", "hb", "hf", "e", "hee",
		"heh", "hebh", "hebe", "hebff", "hefb", "hefh", "hefe" };

	(void)state;
	for (size_t i = 0; i < COUNT(orders); i++) {
		struct signer *signer = begun(library);
		struct fault fault = { 0 };
		const char *const *values;
		bool is_good = true;
		size_t count;

		for (const char *at = orders[i]; *at != '\0'; at++) {
			if (!is_good)
				fail_msg("%s: failed before its end: %s",
				    orders[i], fault.words);
			switch (*at) {
			case 'h':
				is_good = field(
				    signer, "From", " j@a.example", &fault);
				break;
			case 'e':
				is_good = signer_end_of_header(signer, &fault);
				break;
			case 'b':
				is_good = text(signer, "x\r\n", &fault);
				break;
			default:
				is_good = signer_finish(
				    signer, &values, &count, &fault);
				break;
			}
		}
		if (is_good)
			fail_msg("%s: was let through", orders[i]);
		signer_end(&signer);
	}
	signer_library_close(&library);
}

static void
test_first_fault_stays(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	struct signer *signer = begun(library);
	struct fault fault = { 0 };
	const char *const *values;
	size_t count;

	(void)state;
	assert_false(signer_header(signer, "Subject", " a\0b", 4, NULL));
	assert_false(field(signer, "From", " j@a.example", NULL));
	assert_false(signer_end_of_header(signer, NULL));
	assert_false(text(signer, "x\r\n", NULL));
	assert_false(signer_finish(signer, &values, &count, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(fault.words, "Subject: it has a NUL"));
	signer_end(&signer);
	signer_library_close(&library);
}

static void
test_too_much(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	struct signer *signer = begun(library);
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

	signer = begun(library);
	for (int i = 0; i < SIGNER_FIELDS; i++)
		assert_true(field(signer, "To", " x", &fault));
	assert_false(field(signer, "To", " x", &fault));
	assert_non_null(strstr(fault.words, "too many"));
	signer_end(&signer);
	signer_library_close(&library);
	free(large);
}

/* Half-finished signers give everything back; the sanitizer looks. */
static void
test_ended_early(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_RELAXED);
	struct signer_library *library = library_of(&rules);

	(void)state;
	for (int stage = 0; stage < 4; stage++) {
		struct signer *signer = begun(library);
		struct fault fault = { 0 };

		if (stage > 0)
			assert_true(
			    field(signer, "From", " j@a.example", &fault));
		if (stage > 1)
			assert_true(signer_end_of_header(signer, &fault));
		if (stage > 2)
			assert_true(text(signer, "no end", &fault));
		signer_end(&signer);
	}
	signer_library_close(&library);
}

/* ---- which fields are chosen -------------------------------------------- */

/* Collect count fields of name; the total of all names may exceed what
 * libopendkim takes. Says how many of them were chosen, from the bottom. */
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

static void
test_choose(void **state)
{
	static const struct {
		const char *name;
		size_t froms; /* oversigned, above the others */
		size_t tos;
		size_t wanted; /* of the tos; 0: fault */
	} cases[] = {
		{ "few", 1, 3, 3 },
		{ "exactly all", 1, (4095 - 5) / 3, (4095 - 5) / 3 },
		{ "one too many", 1, (4095 - 5) / 3 + 1, (4095 - 5) / 3 },
		{ "far too many", 1, 10000, (4095 - 5) / 3 },
		{ "many oversigned", 800, 200, (4095 - 4000) / 3 },
		{ "nearly only oversigned", 818, 200, 1 },
		{ "too many oversigned", 819, 200, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct signer_fields fields;
		struct fault fault = { 0 };
		bool is_chosen;
		size_t got;

		signer_fields_init(&fields);
		for (size_t k = 0; k < cases[i].froms; k++)
			assert_true(signer_fields_add(
			    &fields, "From", 4, true, " x", 2, &fault));
		for (size_t k = 0; k < cases[i].tos; k++)
			assert_true(signer_fields_add(
			    &fields, "to", 2, false, " x", 2, &fault));
		is_chosen = signer_fields_choose(&fields, &fault);
		if (is_chosen != (cases[i].wanted > 0))
			fail_msg("%s: %s", cases[i].name, fault.words);
		got = chosen_of(&fields, cases[i].froms, cases[i].tos);
		if (is_chosen && got != cases[i].wanted)
			fail_msg("%s: wanted %zu, got %zu", cases[i].name,
			    cases[i].wanted, got);
		if (is_chosen)
			assert_int_equal(cases[i].froms,
			    chosen_of(&fields, 0, cases[i].froms));
		signer_fields_clear(&fields);
	}
}

/* ---- threads ------------------------------------------------------------ */

enum { THREADS = 8, ROUNDS = 40 };

static void *
sign_many(void *context)
{
	const struct signer_library *library = context;
	uintptr_t bad = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct fault fault = { 0 };
		struct signer *signer = signer_begin(library, &ring, &fault);
		const char *const *values;
		size_t count;

		if (signer == NULL
		    || !field(signer, "From", " j@a.example", &fault)
		    || !field(signer, "Subject", " x", &fault)
		    || !signer_end_of_header(signer, &fault)
		    || !text(signer, "abc \r\n", &fault)
		    || !signer_finish(signer, &values, &count, &fault)
		    || count != 2
		    || strstr(values[0], "h=From:Subject:From;") == NULL
		    || strstr(values[1], "h=From:Subject:From;") == NULL)
			bad++;
		if (ERR_peek_error() != 0)
			bad++;
		signer_end(&signer);
	}
	return (void *)bad;
}

static void
test_threads(void **state)
{
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);
	struct signer_library *library = library_of(&rules);
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, sign_many, library));
	/* A reload makes and closes libraries meanwhile. */
	for (int i = 0; i < 20; i++) {
		struct signer_library *other = library_of(&rules);

		signer_library_close(&other);
	}
	for (int i = 0; i < THREADS; i++) {
		void *bad;

		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
	signer_library_close(&library);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_hash),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_library_refuses),
		cmocka_unit_test(test_key_refused),
		cmocka_unit_test(test_key_broken),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_first_fault_stays),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_choose),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name(
	    "signer", tests, make_keys, free_keys);
}
