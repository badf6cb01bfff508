/* Which texts are keys, and whether one number of them may be wrong. */
#include "milter/io/keys_der.h"
#include "milter/io/keys_file.h"
#include "milter/io/keys_parse.h"
#include "milter/io/keys_pem.h"
#include "milter/io/keys_public.h"
#include "tests/unit/keys_fixture.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The p= of the key in text, or a fault's words. The caller frees it. */
static char *
parsed(const char *text, size_t length)
{
	struct fault fault = { 0 };
	struct parsed_key key = { 0 };
	char *said;

	if (keys_parse(text, length, &key, &fault)) {
		assert_non_null(key.pkey);
		said = keys_public_base64(key.pkey);
		assert_non_null(said);
	} else {
		assert_null(key.pkey);
		assert_int_equal(FAULT_PERMANENT, fault.kind);
		said = strdup(fault.words);
	}
	keys_parse_clear(&key);
	keys_parse_clear(&key);
	if (ERR_peek_error() != 0)
		fail_msg("%s: left in OpenSSL's queue", said);
	return said;
}

/* ---- PEM and base64 ----------------------------------------------------- */

/* A key's text: P is PEM, B base64; C is PEM with CRLF, L in one line, S with
 * blanks at the ends of lines, W with short lines. */
struct form_case {
	const char *name;
	enum key_text text;
	const char *before;
	char form;
	const char *behind;
};

static const struct form_case form_cases[] = {
	{ "PKCS#8", TEXT_RSA, "", 'P', "" },
	{ "PKCS#1", TEXT_RSA_OLD, "", 'P', "" },
	{ "Ed25519", TEXT_ED25519, "", 'P', "" },
	{ "CRLF", TEXT_RSA, "", 'C', "" },
	{ "in one line, as in a table", TEXT_RSA, "", 'L', "" },
	{ "PKCS#1 in one line", TEXT_RSA_OLD, "", 'L', "" },
	{ "blanks at the ends of lines", TEXT_RSA, "", 'S', "" },
	{ "short lines", TEXT_ED25519, "", 'W', "" },
	{ "text before it", TEXT_RSA, "Bag Attributes\n  a: b\n", 'P', "" },
	{ "a certificate before it", TEXT_RSA,
	    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
	    'P', "" },
	{ "garbage behind it", TEXT_RSA, "", 'P', "\xff\xfe garbage" },
	{ "another key behind it", TEXT_RSA, "", 'P',
	    "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n" },
	{ "BEGIN in the middle of a line before it", TEXT_RSA,
	    "see -----BEGIN PRIVATE KEY-----\n", 'P', "" },
	{ "base64", TEXT_RSA, "", 'B', "" },
	{ "base64 of PKCS#1", TEXT_RSA_OLD, "", 'B', "\n" },
	{ "base64 of Ed25519", TEXT_ED25519, " ", 'B', "" },
};

/* text in the form that c names; the caller frees it. */
static char *
in_form(const struct form_case *c)
{
	const char *text = key_text(c->text);
	char *bare = key_text_bare(c->text);
	char *made = calloc(1, 3 * strlen(text) + 1);
	size_t length = 0;

	assert_non_null(made);
	for (size_t i = 0; c->form != 'B' && text[i] != '\0'; i++) {
		bool is_marker = strstr(text + i, "-----END") == NULL || i < 30;

		if (c->form == 'W' && !is_marker && i % 10 == 0)
			made[length++] = '\n';
		if (c->form == 'L' && text[i] == '\n')
			continue;
		if (c->form == 'S' && text[i] == '\n')
			made[length++] = ' ';
		if (c->form == 'C' && text[i] == '\n')
			made[length++] = '\r';
		made[length++] = text[i];
	}
	if (c->form == 'B')
		memcpy(made, bare, strlen(bare));
	free(bare);
	return made;
}

static void
test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(form_cases); i++) {
		const struct form_case *c = &form_cases[i];
		char *form = in_form(c);
		char *text = NULL;
		char *got;

		assert_true(
		    asprintf(&text, "%s%s%s", c->before, form, c->behind) > 0);
		got = parsed(text, strlen(text));
		if (strcmp(got, key_text_public(c->text)) != 0)
			fail_msg("%s: wanted %s, got %s", c->name,
			    key_text_public(c->text), got);
		free(form);
		free(text);
		free(got);
	}
}

#define BEGIN "-----BEGIN PRIVATE KEY-----\n"
#define END "-----END PRIVATE KEY-----\n"

static const struct {
	const char *name;
	const char *text;
	const char *words;
} bad_cases[] = {
	{ "nothing", "", "no private key in PEM form" },
	{ "blanks", " \n\n", "no private key in PEM form" },
	{ "words", "hello, world", "no private key in PEM form" },
	{ "base64 that is no key", "MIIB", "damaged or not whole" },
	{ "one letter", "M", "base64 isn't whole" },
	{ "only a marker", "-----BEGIN ", "no private key in PEM form" },
	{ "a marker without a label", "-----BEGIN -----\n", "put a whole one" },
	{ "a label without end", "-----BEGIN PRIVATE KEY\n", "put a whole" },
	{ "no END", BEGIN "MC4CAQ==\n", "END line is missing" },
	{ "half an END", BEGIN "MC4CAQ==\n-----END PRIV", "END line is" },
	{ "another END", BEGIN "MC4CAQ==\n-----END RSA PRIVATE KEY-----\n",
	    "END line is missing" },
	{ "a key that begins in a key", BEGIN "MC4C\n" BEGIN "MC4CAQ==\n" END,
	    "isn't base64" },
	{ "nothing in it", BEGIN END, "base64 isn't whole" },
	{ "a letter too many", BEGIN "MC4CA\n" END, "base64 isn't whole" },
	{ "too many =", BEGIN "MC4CA===\n" END, "base64 isn't whole" },
	{ "= in the middle", BEGIN "MC4=AQ==\n" END, "isn't base64" },
	{ "no =", BEGIN "MC4CAQ\n" END, "base64 isn't whole" },
	{ "- for +", BEGIN "MC4-AQ==\n" END, "isn't base64" },
	{ "not DER", BEGIN "AAAA\n" END, "damaged or not whole" },
	{ "two sequences", BEGIN "MAQwADAA\n" END, "damaged or not whole" },
	{ "RSA-PSS", BEGIN "MBQCAQAwCwYJKoZIhvcNAQEKBAIFAA==\n" END,
	    "neither an RSA" },
	{ "SEC 1",
	    "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE "
	    "KEY-----\n",
	    "neither an RSA nor an Ed25519" },
	{ "OpenSSH",
	    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH "
	    "PRIVATE KEY-----\n",
	    "OpenSSH" },
	{ "a public key",
	    "-----BEGIN RSA PUBLIC KEY-----\nMIIB\n-----END RSA PUBLIC "
	    "KEY-----\n",
	    "a public one" },
	{ "encrypted",
	    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
	    "DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE "
	    "KEY-----\n",
	    "encrypted" },
	{ "a header", BEGIN "Comment: a\n\nMC4CAQ==\n" END, "damaged or not" },
	{ "one with CRLF", BEGIN "Comment: a\r\n\r\nMC4CAQ==\r\n" END,
	    "damaged or not" },
};

static void
test_bad_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		char *got =
		    parsed(bad_cases[i].text, strlen(bad_cases[i].text));

		if (strstr(got, bad_cases[i].words) == NULL)
			fail_msg("%s: wanted %s, got %s", bad_cases[i].name,
			    bad_cases[i].words, got);
		free(got);
	}
}

static void
test_large(void **state)
{
	size_t length = KEYS_FILE_BYTES;
	char *text = malloc(length);
	char *got;

	(void)state;
	assert_non_null(text);
	memset(text, 'A', length);
	got = parsed(text, length);
	assert_string_equal("too large to be a private key", got);
	free(got);
	memset(text, 0, length);
	got = parsed(text, length);
	assert_non_null(strstr(got, "no private key"));
	free(got);
	free(text);
}

static void
test_length_of_pem(void **state)
{
	char *text = NULL;

	(void)state;
	assert_true(asprintf(&text, "%s rest", key_text(TEXT_RSA)) > 0);
	assert_int_equal(strlen(key_text(TEXT_RSA)) - 1,
	    keys_pem_length(text, strlen(text)));
	assert_int_equal(0, keys_pem_length(text, 100));
	assert_int_equal(0, keys_pem_length(text + 1, strlen(text + 1)));
	assert_int_equal(0, keys_pem_length("", 0));
	free(text);
}

/* ---- DER ---------------------------------------------------------------- */

/* A key in DER, and a bit of it wrong. */
static void
expect_noticed(const unsigned char *der, size_t length, size_t octet,
    unsigned char bits, const char *name)
{
	unsigned char wrong[KEYS_DER_BYTES];
	char text[2 * KEYS_DER_BYTES];
	char *got;

	memcpy(wrong, der, length);
	wrong[octet] ^= bits;
	EVP_EncodeBlock((unsigned char *)text, wrong, (int)length);
	got = parsed(text, strlen(text));
	if (strlen(got) > 300)
		fail_msg(
		    "%s: octet %zu with 0x%02x was taken", name, octet, bits);
	free(got);
}

/* No octet of an RSA key can be another one. But for the version of PKCS#8,
 * which says nothing of the key, there are no two ways to write it. */
static void
test_altered_rsa(void **state)
{
	static const enum key_text texts[] = { TEXT_RSA, TEXT_RSA_OLD };
	static const char *const names[] = { "PKCS#8", "PKCS#1" };
	unsigned char der[KEYS_DER_BYTES];
	size_t length;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_true(keys_pem_decode(key_text(texts[i]),
		    strlen(key_text(texts[i])), der, &length, NULL));
		for (size_t octet = 0; octet < length; octet++) {
			if (texts[i] == TEXT_RSA_OLD || octet != 6)
				expect_noticed(
				    der, length, octet, 0x01, names[i]);
			expect_noticed(der, length, octet, 0x80, names[i]);
		}
	}
}

static void
test_cut(void **state)
{
	static const enum key_text texts[] = { TEXT_RSA, TEXT_RSA_OLD,
		TEXT_ED25519 };
	unsigned char der[KEYS_DER_BYTES];
	struct key_der key;
	size_t length;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_true(keys_pem_decode(key_text(texts[i]),
		    strlen(key_text(texts[i])), der, &length, NULL));
		assert_true(keys_der_read(der, length, &key, NULL));
		for (size_t cut = 0; cut < length; cut++) {
			/* Of its own, so that reading on is seen. */
			unsigned char *piece = malloc(cut + 1);

			assert_non_null(piece);
			memcpy(piece, der, cut);
			piece = realloc(piece, cut > 0 ? cut : 1);
			if (keys_der_read(piece, cut, &key, NULL))
				fail_msg("%zu: the first %zu octets are a key",
				    i, cut);
			free(piece);
		}
		der[length] = 0;
		assert_false(keys_der_read(der, length + 1, &key, NULL));
	}
}

/* RFC 5958 lets the public key stand behind the private one. */
static void
test_ed25519_with_public(void **state)
{
	static const unsigned char head[] = { 0x30, 0x53, 0x02, 0x01, 0x01,
		0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04,
		0x20 };
	static const unsigned char middle[] = { 0x81, 0x21, 0x00 };
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t length = KEYS_ED25519_OCTETS;
	unsigned char der[85];
	char text[200];
	char *got;

	(void)state;
	memcpy(der, head, sizeof(head));
	memcpy(der + 48, middle, sizeof(middle));
	assert_int_equal(
	    1, EVP_PKEY_get_raw_private_key(pkey, der + 16, &length));
	assert_int_equal(
	    1, EVP_PKEY_get_raw_public_key(pkey, der + 51, &length));
	EVP_PKEY_free(pkey);
	EVP_EncodeBlock((unsigned char *)text, der, 83);
	der[1] = 0x51;
	EVP_EncodeBlock((unsigned char *)text, der, 83);
	got = parsed(text, strlen(text));
	assert_int_equal(44, strlen(got));
	free(got);
	for (size_t octet = 0; octet < 83; octet++) {
		der[octet] ^= 0x40;
		EVP_EncodeBlock((unsigned char *)text, der, 83);
		got = parsed(text, strlen(text));
		if (strlen(got) == 44)
			fail_msg("octet %zu was taken", octet);
		free(got);
		der[octet] ^= 0x40;
	}
}

/* An Ed25519 key, part of which is as it may not be. */
static const struct made_case {
	const char *name;
	const char *version;
	size_t version_octets;
	size_t seed_octets;
	const char *tail;
	size_t tail_octets;
	bool is_key;
} made_cases[] = {
#define OF(octets) octets, sizeof(octets) - 1
	{ "as it should be", OF("\2\1\0"), 32, OF(""), true },
	{ "RFC 5958 without a public key", OF("\2\1\1"), 32, OF(""), true },
	{ "attributes", OF("\2\1\0"), 32, OF("\xA0\0"), true },
	{ "attributes that are cut", OF("\2\1\0"), 32, OF("\xA0\1"), false },
	{ "something behind it", OF("\2\1\0"), 32, OF("\5\0"), false },
	{ "a short public key", OF("\2\1\1"), 32, OF("\x81\2\0k"), false },
	{ "a public key of nothing", OF("\2\1\1"), 32, OF("\x81\0"), false },
	{ "a version to come", OF("\2\1\2"), 32, OF(""), false },
	{ "a version of two octets", OF("\2\2\0\0"), 32, OF(""), false },
	{ "a version of none", OF("\2\0"), 32, OF(""), false },
	{ "a short seed", OF("\2\1\0"), 31, OF(""), false },
	{ "a long seed", OF("\2\1\0"), 33, OF(""), false },
	{ "no seed", OF("\2\1\0"), 0, OF(""), false },
#undef OF
};

/* Its DER; returns how long it is. */
static size_t
make_ed25519(const struct made_case *c, unsigned char der_out[100])
{
	static const unsigned char algorithm[] = { 0x30, 5, 6, 3, 0x2B, 0x65,
		0x70 };
	unsigned char *at = der_out + 2;

	memcpy(at, c->version, c->version_octets);
	at += c->version_octets;
	memcpy(at, algorithm, sizeof(algorithm));
	at += sizeof(algorithm);
	*at++ = 4;
	*at++ = (unsigned char)(c->seed_octets + 2);
	*at++ = 4;
	*at++ = (unsigned char)c->seed_octets;
	memset(at, 'k', c->seed_octets);
	at += c->seed_octets;
	memcpy(at, c->tail, c->tail_octets);
	at += c->tail_octets;
	der_out[0] = 0x30;
	der_out[1] = (unsigned char)(at - der_out - 2);
	return (size_t)(at - der_out);
}

static void
test_made_ed25519(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(made_cases); i++) {
		const struct made_case *c = &made_cases[i];
		unsigned char der[100];
		struct fault fault = { .kind = FAULT_NONE };
		struct key_der key;
		size_t length = make_ed25519(c, der);

		if (keys_der_read(der, length, &key, &fault) != c->is_key)
			fail_msg("%s: got \"%s\"", c->name, fault.words);
		if (!c->is_key)
			assert_non_null(strstr(fault.words, "damaged"));
	}
}

/* ---- numbers ------------------------------------------------------------ */

static const char *const number_names[KEY_NUMBERS] = {
	OSSL_PKEY_PARAM_RSA_N,
	OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,
	OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,
	OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2,
	OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

static void
put_element(unsigned char *der, size_t *length, unsigned char tag,
    const unsigned char *data, size_t data_length)
{
	der[(*length)++] = tag;
	der[(*length)++] = 0x82;
	der[(*length)++] = (unsigned char)(data_length >> 8);
	der[(*length)++] = (unsigned char)data_length;
	if (data_length < 0x100) {
		*length -= 3;
		if (data_length >= 0x80)
			der[(*length)++] = 0x81;
		der[(*length)++] = (unsigned char)data_length;
	}
	memcpy(der + *length, data, data_length);
	*length += data_length;
}

/* What is said of a key with these numbers. */
static char *
said_of(BIGNUM *const numbers[KEY_NUMBERS])
{
	unsigned char inside[KEYS_DER_BYTES] = { 0x02, 0x01, 0x00 };
	unsigned char der[KEYS_DER_BYTES];
	char text[2 * KEYS_DER_BYTES];
	size_t inside_length = 3;
	size_t length = 0;

	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		unsigned char octets[2048] = { 0 };
		int count = BN_bn2bin(numbers[i], octets + 1);
		bool is_plain = count > 0 && octets[1] < 0x80;

		put_element(inside, &inside_length, 0x02, octets + is_plain,
		    (size_t)(count + 1 - is_plain));
	}
	put_element(der, &length, 0x30, inside, inside_length);
	EVP_EncodeBlock((unsigned char *)text, der, (int)length);
	return parsed(text, strlen(text));
}

static void
take_numbers(BIGNUM *numbers[KEY_NUMBERS], int bits, BN_ULONG exponent)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *pkey = NULL;

	BN_set_word(e, exponent);
	assert_int_equal(1, EVP_PKEY_keygen_init(context));
	assert_int_equal(1, EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits));
	assert_int_equal(1, EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, e));
	assert_int_equal(1, EVP_PKEY_generate(context, &pkey));
	BN_free(e);
	EVP_PKEY_CTX_free(context);
	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		numbers[i] = NULL;
		assert_int_equal(1,
		    EVP_PKEY_get_bn_param(pkey, number_names[i], &numbers[i]));
	}
	EVP_PKEY_free(pkey);
}

static void
free_numbers(BIGNUM *numbers[KEY_NUMBERS])
{
	for (size_t i = 0; i < KEY_NUMBERS; i++)
		BN_free(numbers[i]);
}

/* Say of the numbers what name is the case of. */
static void
expect_said(
    BIGNUM *const numbers[KEY_NUMBERS], const char *name, const char *words)
{
	char *got = said_of(numbers);

	if (words == NULL ? strlen(got) < 200 : strstr(got, words) == NULL)
		fail_msg("%s: wanted %s, got %s", name,
		    words != NULL ? words : "a key", got);
	free(got);
}

/* One number replaced, and put back. */
static void
expect_replaced(BIGNUM *numbers[KEY_NUMBERS], enum key_number_name which,
    const BIGNUM *with, const char *name, const char *words)
{
	BIGNUM *was = BN_dup(numbers[which]);

	assert_non_null(BN_copy(numbers[which], with));
	expect_said(numbers, name, words);
	assert_non_null(BN_copy(numbers[which], was));
	BN_free(was);
}

static void
test_numbers(void **state)
{
	BIGNUM *numbers[KEY_NUMBERS];
	BIGNUM *other = BN_new();
	BN_CTX *context = BN_CTX_new();

	(void)state;
	take_numbers(numbers, 1024, RSA_F4);
	expect_said(numbers, "as they are", NULL);
	for (enum key_number_name i = KEY_N; i < KEY_NUMBERS; i++) {
		BN_add(other, numbers[i], BN_value_one());
		expect_replaced(numbers, i, other, number_names[i], "damaged");
		BN_add_word(other, 1);
		expect_replaced(numbers, i, other, number_names[i], "damaged");
		BN_zero(other);
		expect_replaced(numbers, i, other, number_names[i], "damaged");
	}
	BN_one(other);
	expect_replaced(numbers, KEY_E, other, "e = 1", "damaged");
	expect_replaced(numbers, KEY_P, other, "p = 1", "damaged");
	BN_set_word(other, 3);
	expect_replaced(numbers, KEY_E, other, "another e", "damaged");
	BN_lshift(other, numbers[KEY_E], 60);
	BN_add_word(other, 1);
	expect_replaced(numbers, KEY_E, other, "a long e", "64 bits");
	BN_lshift(other, numbers[KEY_N], 8000);
	expect_replaced(numbers, KEY_D, other, "a very long d", "damaged");
	/* d may be any that fits: by phi or by lambda. */
	BN_sub(other, numbers[KEY_P], BN_value_one());
	BN_sub_word(numbers[KEY_Q], 1);
	BN_mul(other, other, numbers[KEY_Q], context);
	BN_add_word(numbers[KEY_Q], 1);
	BN_mod_inverse(other, numbers[KEY_E], other, context);
	expect_replaced(numbers, KEY_D, other, "d by phi", NULL);
	BN_add(other, numbers[KEY_QI], numbers[KEY_P]);
	expect_replaced(numbers, KEY_QI, other, "1/q not reduced", "damaged");
	BN_free(other);
	BN_CTX_free(context);
	free_numbers(numbers);
}

/* Some programs write the smaller prime first; p = q is no key, though all but
 * one of its numbers fit. */
static void
test_order_of_primes(void **state)
{
	BIGNUM *numbers[KEY_NUMBERS];
	BN_CTX *context = BN_CTX_new();

	(void)state;
	take_numbers(numbers, 1024, RSA_F4);
	BN_swap(numbers[KEY_P], numbers[KEY_Q]);
	BN_swap(numbers[KEY_DP], numbers[KEY_DQ]);
	expect_said(numbers, "exchanged by half", "damaged");
	assert_non_null(BN_mod_inverse(
	    numbers[KEY_QI], numbers[KEY_Q], numbers[KEY_P], context));
	expect_said(numbers, "exchanged", NULL);
	BN_copy(numbers[KEY_Q], numbers[KEY_P]);
	BN_copy(numbers[KEY_DQ], numbers[KEY_DP]);
	BN_sqr(numbers[KEY_N], numbers[KEY_P], context);
	expect_said(numbers, "the same twice", "damaged");
	BN_CTX_free(context);
	free_numbers(numbers);
}

/* The numbers of RSA's identity fit, and what it signs is the hash itself. */
static void
test_identity(void **state)
{
	static const enum key_number_name ones[] = { KEY_E, KEY_D, KEY_DP,
		KEY_DQ };
	BIGNUM *numbers[KEY_NUMBERS];

	(void)state;
	take_numbers(numbers, 1024, RSA_F4);
	for (size_t i = 0; i < COUNT(ones); i++)
		BN_one(numbers[ones[i]]);
	expect_said(numbers, "e = d = 1", "damaged");
	free_numbers(numbers);
}

static void
test_sizes(void **state)
{
	static const struct {
		int bits;
		BN_ULONG exponent;
		const char *words;
	} cases[] = {
		{ 1016, RSA_F4,
		    "RSA with 1016 bits, it must have 1024 to 8192" },
		{ 1024, RSA_F4, NULL },
		{ 1024, 3, NULL }, /* as programs once made them */
		{ 2048, RSA_F4, NULL },
		{ 3072, RSA_F4, NULL },
	};
	BIGNUM *numbers[KEY_NUMBERS];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		take_numbers(numbers, cases[i].bits, cases[i].exponent);
		expect_said(numbers, "a size", cases[i].words);
		free_numbers(numbers);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_bad_texts),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_length_of_pem),
		cmocka_unit_test(test_altered_rsa),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_ed25519_with_public),
		cmocka_unit_test(test_made_ed25519),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_order_of_primes),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests_name(
	    "keys_parse", tests, key_texts_make, key_texts_free);
}
