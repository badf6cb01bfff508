/* The signed message of RFC 8463, appendix A: the canonical octets are right if
 * the signatures are. */
#include "policy/canon.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { HASH_OCTETS = 32, KEY_OCTETS = 512, SIGNATURE_OCTETS = 512 };

/* In the order of h=, which names each twice; the second time there is none. */
static const char *const fields[] = {
	"From: Joe SixPack <joe@football.example.com>",
	"To: Suzie Q <suzie@shopping.example.net>",
	"Subject: Is dinner ready?",
	"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>",
};

static const char body[] = "Hi.\r\n"
			   "\r\n"
			   "We lost the game.  Are you hungry yet?\r\n"
			   "\r\n"
			   "Joe.\r\n";

static const char body_hash[] = "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=";

static const struct {
	const char *name;
	const char *signature; /* the field, b= empty */
	const char *b64;       /* of b= */
	const char *public_b64;
} signatures[] = {
	{
	    .name = "ed25519-sha256",
	    .signature =
		"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
		" d=football.example.com; i=@football.example.com;\r\n"
		" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
		" subject : date : message-id : from : subject : date;\r\n"
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
		" b=",
	    .b64 = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
		   "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
	    .public_b64 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	},
	{
	    .name = "rsa-sha256",
	    .signature =
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
		" d=football.example.com; i=@football.example.com;\r\n"
		" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
		" date : message-id : from : subject : date;\r\n"
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
		" b=",
	    .b64 = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
		   "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2"
		   "JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FAD"
		   "Y+8=",
	    .public_b64 =
		"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6"
		"NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91"
		"y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH"
		"O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
	},
};

static void
take(void *context, const unsigned char *data, size_t length)
{
	assert_int_equal(EVP_DigestUpdate(context, data, length), 1);
}

static EVP_MD_CTX *
hashing(struct canon_sink *sink)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	assert_non_null(digest);
	assert_int_equal(EVP_DigestInit_ex(digest, EVP_sha256(), NULL), 1);
	canon_sink_init(sink, take, digest);
	return digest;
}

static void
hashed(EVP_MD_CTX *digest, unsigned char hash[HASH_OCTETS])
{
	assert_int_equal(EVP_DigestFinal_ex(digest, hash, NULL), 1);
	EVP_MD_CTX_free(digest);
}

static void
body_has_its_hash(void **state)
{
	unsigned char hash[HASH_OCTETS], b64[64];
	struct canon_body canonical;
	struct canon_sink sink;
	EVP_MD_CTX *digest = hashing(&sink);

	(void)state;
	canon_body_init(&canonical, CANON_RELAXED, &sink);
	canon_body_add(&canonical, (const unsigned char *)body, strlen(body));
	canon_body_end(&canonical);
	hashed(digest, hash);
	EVP_EncodeBlock(b64, hash, sizeof(hash));
	assert_string_equal((const char *)b64, body_hash);
}

/* Octets that base64 stands for. */
static size_t
decoded(const char *b64, unsigned char *to)
{
	size_t length = strlen(b64);
	int octets =
	    EVP_DecodeBlock(to, (const unsigned char *)b64, (int)length);

	assert_true(octets > 0);
	for (; b64[length - 1] == '='; length--)
		octets--;
	return (size_t)octets;
}

static EVP_PKEY *
public_key(const char *b64)
{
	unsigned char raw[KEY_OCTETS];
	const unsigned char *at = raw;
	size_t octets = decoded(b64, raw);

	return octets == 32
	    ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, octets)
	    : d2i_PUBKEY(NULL, &at, (long)octets);
}

/* Is b64 the signature of the header's hash? */
static bool
is_signature(
    EVP_PKEY *pkey, const unsigned char hash[HASH_OCTETS], const char *b64)
{
	unsigned char raw[SIGNATURE_OCTETS];
	size_t octets = decoded(b64, raw);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
	bool is_good;

	assert_true(digest != NULL && context != NULL);
	if (EVP_PKEY_get_id(pkey) == EVP_PKEY_ED25519)
		is_good =
		    EVP_DigestVerifyInit(digest, NULL, NULL, NULL, pkey) == 1
		    && EVP_DigestVerify(digest, raw, octets, hash, HASH_OCTETS)
			== 1;
	else
		is_good = EVP_PKEY_verify_init(context) == 1
		    && EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1
		    && EVP_PKEY_verify(context, raw, octets, hash, HASH_OCTETS)
			== 1;
	EVP_PKEY_CTX_free(context);
	EVP_MD_CTX_free(digest);
	return is_good;
}

static void
header_has_its_signatures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(signatures); i++) {
		EVP_PKEY *pkey = public_key(signatures[i].public_b64);
		unsigned char hash[HASH_OCTETS];
		struct canon_sink sink;
		EVP_MD_CTX *digest = hashing(&sink);

		assert_non_null(pkey);
		for (size_t j = 0; j < COUNT(fields); j++)
			canon_header(CANON_RELAXED, fields[j],
			    strlen(fields[j]), true, &sink);
		canon_header(CANON_RELAXED, signatures[i].signature,
		    strlen(signatures[i].signature), false, &sink);
		canon_sink_flush(&sink);
		hashed(digest, hash);
		if (!is_signature(pkey, hash, signatures[i].b64))
			fail_msg("%s: the signature is not of what was hashed",
			    signatures[i].name);
		hash[0] ^= 1;
		assert_false(is_signature(pkey, hash, signatures[i].b64));
		EVP_PKEY_free(pkey);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(body_has_its_hash),
		cmocka_unit_test(header_has_its_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
