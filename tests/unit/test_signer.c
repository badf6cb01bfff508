/* How the signer behaves to its caller, with either engine. That its
 * signatures are good is what other implementations say in
 * tests/protocol/test_signatures.py. */
#include "tests/unit/signer_fixture.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- body hashes -------------------------------------------------------- */

struct body_case {
	const char *name;
	const char *body;
	const char *simple;  /* as it is hashed, RFC 6376 §3.4.3 */
	const char *relaxed; /* §3.4.4 */
	bool is_own_only;    /* libopendkim can't */
};

static const struct body_case body_cases[] = {
	{ "empty", "", "\r\n", "", false },
	{ "one line", "abc\r\n", "abc\r\n", "abc\r\n", false },
	{ "no last line end", "abc", "abc\r\n", "abc\r\n", false },
	{ "only line ends", "\r\n\r\n\r\n", "\r\n", "", false },
	{ "only a blank", " ", " \r\n", "", false },
	{ "blank lines at the end", "a\r\n\r\n\r\n", "a\r\n", "a\r\n", false },
	{ "blank lines at the top", "\r\n\r\na\r\n", "\r\n\r\na\r\n",
	    "\r\n\r\na\r\n", false },
	{ "blank lines within", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n",
	    "a\r\n\r\n\r\nb\r\n", false },
	{ "white lines at the end", "a\r\n \t\r\n\r\n", "a\r\n \t\r\n", "a\r\n",
	    false },
	{ "blanks within", " a \t b\t\r\n", " a \t b\t\r\n", " a b\r\n",
	    false },
	{ "blank at the end", "a \t", "a \t\r\n", "a\r\n", false },
	{ "dots", ".\r\n..\r\n", ".\r\n..\r\n", ".\r\n..\r\n", false },
	{ "VT and FF are text", "a\v \f\r\n", "a\v \f\r\n", "a\v \f\r\n",
	    false },
	{ "the example of RFC 6376 §3.4.5", " C \r\nD \t E\r\n\r\n\r\n",
	    " C \r\nD \t E\r\n", " C\r\nD E\r\n", false },
	{ "a lone CR", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n", true },
	{ "lone CRs and blanks", "\ra \r \r\t\r\n", "\ra \r \r\t\r\n",
	    "\ra \r \r\r\n", true },
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
check_body(const struct signer_order *order, const struct body_case *c,
    const char *wanted, size_t one, size_t two)
{
	const unsigned char *body = (const unsigned char *)c->body;
	struct signer *signer = signer_begun(order);
	struct fault fault = { 0 };
	const char *const *values;
	size_t count = 0;

	if (!signer_field(signer, "From", " j@a.example", &fault)
	    || !signer_end_of_header(signer, &fault)
	    || !signer_body(signer, body, one, &fault)
	    || !signer_body(signer, body + one, two - one, &fault)
	    || !signer_body(signer, body + two, strlen(c->body) - two, &fault)
	    || !signer_finish(signer, &values, &count, &fault))
		fail_msg("%s by %s, cut at %zu and %zu: %s", c->name,
		    signer_engine_name(order->engine), one, two, fault.words);
	assert_int_equal(order->count, count);
	for (size_t i = 0; i < count; i++)
		signer_expect_tag(c->name, values[i], "bh", wanted);
	signer_end(&signer);
}

static void
check_bodies(enum signing_engine engine, bool is_relaxed)
{
	struct signing_rules rules = signer_rules(
	    CANON_RELAXED, is_relaxed ? CANON_RELAXED : CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order = signer_order_of(engine, &rules, uses);

	order.count = 1; /* Ed25519, which is cheap */
	for (size_t i = 0; i < COUNT(body_cases); i++) {
		const struct body_case *c = &body_cases[i];
		size_t length = strlen(c->body);
		char wanted[64];

		if (c->is_own_only && engine != SIGNING_POSTERN)
			continue;
		hash_of(is_relaxed ? c->relaxed : c->simple, wanted);
		for (size_t one = 0; one <= length; one++)
			for (size_t two = one; two <= length; two++)
				check_body(&order, c, wanted, one, two);
	}
}

static void
test_body_hash(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES; i++) {
		check_bodies(signer_engines[i], false);
		check_bodies(signer_engines[i], true);
	}
}

/* ---- values ------------------------------------------------------------- */

static void
check_values(enum signing_engine engine)
{
	struct signing_rules rules = signer_rules(CANON_SIMPLE, CANON_RELAXED);
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_order order = signer_order_of(engine, &rules, uses);
	struct fault fault = { 0 };
	const char *const *values;
	struct signer *signer;
	size_t count;

	rules.expire_s = 3600;
	signer = signer_begun(&order);
	assert_true(signer_field(signer, "X-Other", " x", &fault));
	assert_true(signer_field(signer, "TO", " x\n\ty", &fault));
	assert_true(signer_field(signer, "From", " j@a.example", &fault));
	assert_true(signer_field(signer, "to", " z", &fault));
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
		signer_expect_tag("values", value, "a",
		    i == 0 ? "ed25519-sha256" : "rsa-sha256");
		signer_expect_tag(
		    "values", value, "s", order.uses[i].key->selector);
		signer_expect_tag("values", value, "d", "a.example");
		signer_expect_tag("values", value, "c", "simple/relaxed");
		signer_expect_tag("values", value, "t", "1700000000");
		signer_expect_tag("values", value, "x", "1700003600");
		signer_expect_tag("values", value, "h", "TO:From:to:From");
	}
	assert_null(signer_faulty_key(signer));
	assert_null(signer_difference(signer));
	signer_end(&signer);
	assert_null(signer);
	signer_end(&signer);
}

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES; i++)
		check_values(signer_engines[i]);
}

/* Each use by its own rules; equal ones written twice are the same. */
static void
check_many_rules(enum signing_engine engine)
{
	static const char *const x_names[] = { "From", "X-Other" };
	static const char *const to_names[] = { "From", "To", "Subject" };
	struct signing_rules rules[SIGNING_SIGNATURES] = { { 0 } };
	struct signer_use uses[SIGNING_SIGNATURES];
	static const char *const canons[] = { "simple/simple", "simple/relaxed",
		"relaxed/simple", "relaxed/relaxed" };
	struct signer_order order = signer_order_of(engine, &rules[0], uses);
	struct fault fault = { 0 };
	const char *const *values;
	struct signer *signer;
	size_t count;

	order.count = SIGNING_SIGNATURES;
	for (size_t i = 0; i < SIGNING_SIGNATURES; i++) {
		rules[i] = signer_rules(i & 2 ? CANON_RELAXED : CANON_SIMPLE,
		    i & 1 ? CANON_RELAXED : CANON_SIMPLE);
		if (i < 4)
			rules[i].headers = (struct field_names){ x_names, 2 };
		else
			rules[i].headers = (struct field_names){ to_names, 3 };
		rules[i].expire_s = i;
		uses[i] = (struct signer_use){ .key = &signer_keys[i % 2],
			.rules = &rules[i] };
	}
	signer = signer_begun(&order);
	assert_true(signer_field(signer, "X-Other", "  x\n\t y ", &fault));
	assert_true(signer_field(signer, "From", " j@a.example", &fault));
	assert_true(signer_field(signer, "To", " z", &fault));
	assert_true(signer_end_of_header(signer, &fault));
	assert_true(signer_text(signer, " a  b \r\n", &fault));
	signer_drop(signer, 5);
	signer_drop(signer, SIGNING_SIGNATURES);
	assert_true(signer_finish(signer, &values, &count, &fault));
	assert_int_equal(SIGNING_SIGNATURES, count);
	for (size_t i = 0; i < count; i++) {
		char hash[64];

		if (i == 5) {
			assert_null(values[i]);
			continue;
		}
		hash_of(i & 1 ? " a b\r\n" : " a  b \r\n", hash);
		signer_expect_tag("rules", values[i], "c", canons[i % 4]);
		signer_expect_tag("rules", values[i], "bh", hash);
		signer_expect_tag("rules", values[i], "h",
		    i < 4 ? "X-Other:From:From" : "From:To:From");
	}
	assert_null(strstr(values[0], " x="));
	signer_expect_tag("rules", values[7], "x", "1700000007");
	signer_end(&signer);
}

static void
test_many_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES; i++)
		check_many_rules(signer_engines[i]);
}

static void
test_no_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES; i++) {
		struct signer_order order = { .engine = signer_engines[i],
			.is_checked = true };
		struct signer *signer = signer_begun(&order);
		struct fault fault = { 0 };
		const char *const *values;
		size_t count = 7;

		assert_true(
		    signer_field(signer, "From", " j@a.example", &fault));
		assert_true(signer_end_of_header(signer, &fault));
		assert_true(signer_text(signer, "x\r\n", &fault));
		assert_true(signer_finish(signer, &values, &count, &fault));
		assert_int_equal(0, count);
		signer_end(&signer);
	}
}

/* ---- order, stages ------------------------------------------------------- */

/* h header, e end of header, b body, f finish; the last one fails. */
static const char *const orders[] = { "b", "f", "hb", "hf", "e", "hee", "heh",
	"hebh", "hebe", "hebff", "hefb", "hefh", "hefe" };

static bool
step(struct signer *signer, char which, struct fault *fault)
{
	const char *const *values;
	size_t count;

	switch (which) {
	case 'h':
		return signer_field(signer, "From", " j@a.example", fault);
	case 'e':
		return signer_end_of_header(signer, fault);
	case 'b':
		return signer_text(signer, "x\r\n", fault);
	default:
		return signer_finish(signer, &values, &count, fault);
	}
}

/* Calls in every wrong order get a fault, and never reach an engine. */
static void
test_order(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);

	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES * COUNT(orders); i++) {
		struct signer_use uses[SIGNING_SIGNATURES];
		struct signer_order order = signer_order_of(
		    signer_engines[i % SIGNER_ENGINES], &rules, uses);
		const char *at = orders[i / SIGNER_ENGINES];
		struct signer *signer = signer_begun(&order);
		struct fault fault = { 0 };

		for (; at[1] != '\0'; at++)
			if (!step(signer, *at, &fault))
				fail_msg("%s: failed before its end: %s",
				    orders[i / SIGNER_ENGINES], fault.words);
		if (step(signer, *at, &fault))
			fail_msg(
			    "%s: was let through", orders[i / SIGNER_ENGINES]);
		assert_null(signer_faulty_key(signer));
		signer_end(&signer);
	}
}

/* Half-finished signers give everything back; the sanitizer looks. */
static void
test_ended_early(void **state)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_RELAXED);

	(void)state;
	for (size_t i = 0; i < SIGNER_ENGINES * 2; i++)
		for (int stage = 0; stage < 4; stage++) {
			struct signer_use uses[SIGNING_SIGNATURES];
			struct signer_order order = signer_order_of(
			    signer_engines[i / 2], &rules, uses);
			struct fault fault = { 0 };
			struct signer *signer;

			order.is_checked = i % 2 == 1;
			signer = signer_begun(&order);
			if (stage > 0)
				assert_true(step(signer, 'h', &fault));
			if (stage > 1)
				assert_true(step(signer, 'e', &fault));
			if (stage > 2)
				assert_true(
				    signer_text(signer, "no end", &fault));
			signer_end(&signer);
		}
}

/* ---- threads ------------------------------------------------------------ */

enum { THREADS = 8, ROUNDS = 40 };

/* What a signer does with the message of the test on threads. */
static bool
sign_one(const struct signer_order *order)
{
	struct fault fault = { 0 };
	struct signer *signer = signer_begin(order, &fault);
	const char *const *values = NULL;
	size_t count = 0;
	bool is_good = signer != NULL && step(signer, 'h', &fault)
	    && signer_field(signer, "Subject", " x", &fault)
	    && signer_end_of_header(signer, &fault)
	    && signer_text(signer, "abc \r\n", &fault)
	    && signer_finish(signer, &values, &count, &fault) && count == 2
	    && strstr(values[0], "h=From:Subject:From;") != NULL
	    && strstr(values[1], "h=From:Subject:From;") != NULL
	    && signer_difference(signer) == NULL && ERR_peek_error() == 0;

	signer_end(&signer);
	return is_good;
}

static void *
sign_many(void *context)
{
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	struct signer_use uses[SIGNING_SIGNATURES];
	uintptr_t bad = 0;

	(void)context;
	for (size_t i = 0; i < ROUNDS; i++) {
		struct signer_order order = signer_order_of(
		    signer_engines[i % SIGNER_ENGINES], &rules, uses);

		order.is_checked = i % 4 > 1;
		if (!sign_one(&order))
			bad++;
	}
	return (void *)bad;
}

static void
test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    0, pthread_create(&threads[i], NULL, sign_many, NULL));
	for (int i = 0; i < THREADS; i++) {
		void *bad;

		assert_int_equal(0, pthread_join(threads[i], &bad));
		assert_null(bad);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body_hash),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_no_keys),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name(
	    "signer", tests, signer_make_keys, signer_free_keys);
}
