/* The public half of a key is what OpenSSL's own encoder writes. */
#include "milter/io/keys_public.h"
#include "policy/arena.h"
#include "tests/unit/public_text.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static EVP_PKEY *
make_rsa(unsigned bits, const char *exponent)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = NULL;
	EVP_PKEY *pkey = NULL;

	assert_non_null(context);
	assert_true(BN_hex2bn(&e, exponent) > 0);
	assert_int_equal(1, EVP_PKEY_keygen_init(context));
	assert_int_equal(
	    1, EVP_PKEY_CTX_set_rsa_keygen_bits(context, (int)bits));
	assert_int_equal(1, EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e));
	assert_int_equal(1, EVP_PKEY_generate(context, &pkey));
	BN_free(e);
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static void
expect_same(const char *name, EVP_PKEY *pkey)
{
	char *base64 = keys_public_base64(pkey);
	char *wanted = public_text(pkey);

	assert_non_null(base64);
	if (strcmp(wanted, base64) != 0)
		fail_msg("%s: wanted %s, got %s", name, wanted, base64);
	free(wanted);
	free(base64);
}

static void
test_rsa(void **state)
{
	static const struct {
		const char *name;
		unsigned bits;
		const char *exponent;
	} cases[] = {
		{ "1024", 1024, "10001" },
		{ "1031, whose octets aren't full", 1031, "10001" },
		{ "1040, with an even number of octets", 1040, "3" },
		{ "2048", 2048, "10001" },
		{ "an exponent that looks negative", 1024, "81" },
		{ "the largest exponent", 1024, "ffffffffffffffc5" },
		{ "4096", 4096, "10001" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		EVP_PKEY *pkey = make_rsa(cases[i].bits, cases[i].exponent);

		expect_same(cases[i].name, pkey);
		EVP_PKEY_free(pkey);
	}
}

static void
test_ed25519(void **state)
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

	(void)state;
	expect_same("Ed25519", pkey);
	EVP_PKEY_free(pkey);
}

static void
test_wanted(void **state)
{
	struct key key = { .domain = "a.example",
		.selector = "s1",
		.algorithm = KEY_ED25519_SHA256,
		.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
	char *base64 = keys_public_base64(key.pkey);
	struct dkim_key_wanted wanted;
	struct fault fault;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1024);
	assert_true(keys_public_wanted(&key, &arena, &wanted, &fault));
	assert_string_equal("a.example", wanted.domain);
	assert_string_equal("s1", wanted.selector);
	assert_int_equal(DKIM_KEY_ED25519, wanted.type);
	assert_string_equal(base64, wanted.public_b64);
	key.algorithm = KEY_RSA_SHA256;
	assert_true(keys_public_wanted(&key, &arena, &wanted, &fault));
	assert_int_equal(DKIM_KEY_RSA, wanted.type);
	arena_clear(&arena);
	/* Without memory nothing is wanted by halves: NULL takes any key. */
	arena_init(&arena, 8);
	assert_false(keys_public_wanted(&key, &arena, &wanted, &fault));
	assert_int_equal(FAULT_MEMORY, fault.kind);
	arena_clear(&arena);
	free(base64);
	EVP_PKEY_free(key.pkey);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
