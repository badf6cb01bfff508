#include "milter/io/keys_parse.h"

#include "milter/io/keys_der.h"
#include "milter/io/keys_pem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

void
keys_parse_clear(struct parsed_key *key)
{
	EVP_PKEY_free(key->pkey);
	*key = (struct parsed_key){ 0 };
}

static bool
refuse(struct fault *fault, const char *why)
{
	fault_set(fault, FAULT_PERMANENT, "%s", why);
	return false;
}

static bool
refuse_damaged(struct fault *fault)
{
	return refuse(fault,
	    "the key is damaged, its numbers don't belong together: make a "
	    "new one");
}

static bool
refuse_memory(struct fault *fault)
{
	fault_memory(fault);
	return false;
}

/* Is a * b = 1 mod m? */
static bool
is_inverse(const BIGNUM *a, const BIGNUM *b, const BIGNUM *m, BIGNUM *product,
    BN_CTX *context)
{
	return BN_mul(product, a, b, context) == 1
	    && BN_mod(product, product, m, context) == 1 && BN_is_one(product);
}

/* Are exponent = d mod prime - 1, and e its inverse? */
static bool
is_exponent(BIGNUM *const numbers[KEY_NUMBERS], const BIGNUM *prime,
    const BIGNUM *exponent, BIGNUM *less, BIGNUM *product, BN_CTX *context)
{
	return BN_copy(less, prime) != NULL && BN_sub_word(less, 1) == 1
	    && BN_mod(product, numbers[KEY_D], less, context) == 1
	    && BN_cmp(product, exponent) == 0
	    && is_inverse(exponent, numbers[KEY_E], less, product, context);
}

/* Are they the numbers of one key (RFC 8017 §3.2)? With one of them wrong a
 * signature would be, or would give the key away. That p and q are primes is
 * taken for granted: to see that costs more than many signatures, and no
 * accident makes other numbers that fit. */
static bool
do_fit(BIGNUM *const numbers[KEY_NUMBERS], BIGNUM *less, BIGNUM *product,
    BN_CTX *context)
{
	const BIGNUM *p = numbers[KEY_P];
	const BIGNUM *q = numbers[KEY_Q];

	return BN_is_odd(p) && BN_is_odd(q) && !BN_is_one(p) && !BN_is_one(q)
	    && BN_cmp(p, q) != 0 && BN_mul(product, p, q, context) == 1
	    && BN_cmp(product, numbers[KEY_N]) == 0
	    && BN_cmp(numbers[KEY_D], numbers[KEY_N]) < 0
	    && is_exponent(numbers, p, numbers[KEY_DP], less, product, context)
	    && is_exponent(numbers, q, numbers[KEY_DQ], less, product, context)
	    && BN_cmp(numbers[KEY_QI], p) < 0
	    && is_inverse(numbers[KEY_QI], q, p, product, context);
}

/* The numbers as OpenSSL reckons with them; they live as long as context, which
 * wipes them. False: no memory. */
static bool
load(const struct key_der *der, BN_CTX *context, BIGNUM *numbers[KEY_NUMBERS])
{
	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		numbers[i] = BN_CTX_get(context);
		if (numbers[i] == NULL
		    || BN_bin2bn(der->numbers[i].octets,
			   (int)der->numbers[i].length, numbers[i])
			== NULL)
			return false;
	}
	return true;
}

static bool
is_consistent(BIGNUM *const numbers[KEY_NUMBERS], BN_CTX *context)
{
	BIGNUM *less = BN_CTX_get(context);
	BIGNUM *product = BN_CTX_get(context);

	return product != NULL && do_fit(numbers, less, product, context);
}

/* Is it a key to sign with, as far as its sizes say? */
static bool
is_usable(const struct key_der *der, struct fault *fault)
{
	const struct key_number *numbers = der->numbers;
	size_t bits = keys_der_bits(&numbers[KEY_N]);

	if (bits < KEYS_RSA_LEAST_BITS || bits > KEYS_RSA_MOST_BITS) {
		fault_set(fault, FAULT_PERMANENT,
		    "RSA with %zu bits, it must have %d to %d: make a new key "
		    "of 2048",
		    bits, KEYS_RSA_LEAST_BITS, KEYS_RSA_MOST_BITS);
		return false;
	}
	/* No larger number than the modulus is worth looking at. */
	for (size_t i = 0; i < KEY_NUMBERS; i++)
		if (numbers[i].length > numbers[KEY_N].length)
			return refuse_damaged(fault);
	if (numbers[KEY_E].octets[numbers[KEY_E].length - 1] % 2 == 0
	    || keys_der_bits(&numbers[KEY_E]) < 2)
		return refuse_damaged(fault);
	if (keys_der_bits(&numbers[KEY_E]) > KEYS_EXPONENT_MOST_BITS)
		return refuse(fault,
		    "RSA with a public exponent of more than 64 bits, which "
		    "receivers don't take: make a new key");
	return true;
}

/* Make the key object. The octets in der are overwritten with the order that
 * OSSL_PARAM wants, this machine's. NULL: no memory. */
static EVP_PKEY *
make_rsa(struct key_der *der, BIGNUM *const numbers[KEY_NUMBERS])
{
	static const char *const names[KEY_NUMBERS] = {
		[KEY_N] = OSSL_PKEY_PARAM_RSA_N,
		[KEY_E] = OSSL_PKEY_PARAM_RSA_E,
		[KEY_D] = OSSL_PKEY_PARAM_RSA_D,
		[KEY_P] = OSSL_PKEY_PARAM_RSA_FACTOR1,
		[KEY_Q] = OSSL_PKEY_PARAM_RSA_FACTOR2,
		[KEY_DP] = OSSL_PKEY_PARAM_RSA_EXPONENT1,
		[KEY_DQ] = OSSL_PKEY_PARAM_RSA_EXPONENT2,
		[KEY_QI] = OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
	};
	OSSL_PARAM parameters[KEY_NUMBERS + 1];
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;

	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		struct key_number *number = &der->numbers[i];

		BN_bn2nativepad(
		    numbers[i], number->octets, (int)number->length);
		parameters[i] = OSSL_PARAM_construct_BN(
		    names[i], number->octets, number->length);
	}
	parameters[KEY_NUMBERS] = OSSL_PARAM_construct_end();
	if (context == NULL || EVP_PKEY_fromdata_init(context) != 1
	    || EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_KEYPAIR, parameters)
		!= 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static bool
make_parsed_rsa(struct key_der *der, BN_CTX *context, struct parsed_key *key,
    struct fault *fault)
{
	BIGNUM *numbers[KEY_NUMBERS];

	if (!load(der, context, numbers))
		return refuse_memory(fault);
	if (!is_consistent(numbers, context))
		return refuse_damaged(fault);
	key->pkey = make_rsa(der, numbers);
	return key->pkey != NULL || refuse_memory(fault);
}

static bool
parse_rsa(struct key_der *der, struct parsed_key *key, struct fault *fault)
{
	BN_CTX *context;
	bool is_parsed;

	if (!is_usable(der, fault))
		return false;
	context = BN_CTX_new(); /* wipes what it gave */
	if (context == NULL)
		return refuse_memory(fault);
	BN_CTX_start(context);
	is_parsed = make_parsed_rsa(der, context, key, fault);
	BN_CTX_end(context);
	BN_CTX_free(context);
	return is_parsed;
}

static bool
parse_ed25519(
    const struct key_der *der, struct parsed_key *key, struct fault *fault)
{
	unsigned char public[KEYS_ED25519_OCTETS];
	size_t length = sizeof(public);

	key->pkey = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, der->seed, KEYS_ED25519_OCTETS);
	if (key->pkey == NULL
	    || EVP_PKEY_get_raw_public_key(key->pkey, public, &length) != 1)
		return refuse_memory(fault);
	if (der->seed_public != NULL
	    && memcmp(der->seed_public, public, length) != 0)
		return refuse_damaged(fault);
	return true;
}

bool
keys_parse(const char *text, size_t length, struct parsed_key *key_out,
    struct fault *fault)
{
	unsigned char octets[KEYS_DER_BYTES];
	struct key_der der;
	size_t octet_count;
	bool is_parsed = false;

	*key_out = (struct parsed_key){ 0 };
	if (keys_pem_decode(text, length, octets, &octet_count, fault)
	    && keys_der_read(octets, octet_count, &der, fault)) {
		key_out->algorithm = der.algorithm;
		is_parsed = der.algorithm == KEY_RSA_SHA256
		    ? parse_rsa(&der, key_out, fault)
		    : parse_ed25519(&der, key_out, fault);
	}
	if (!is_parsed)
		keys_parse_clear(key_out);
	OPENSSL_cleanse(octets, octet_count);
	/* Nothing may be left for whoever uses OpenSSL next on this thread. */
	ERR_clear_error();
	return is_parsed;
}
