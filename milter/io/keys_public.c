#include "milter/io/keys_public.h"

#include "milter/io/keys_der.h"
#include "milter/io/keys_file.h"
#include "policy/arena.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

enum {
	NUMBER_OCTETS = KEYS_RSA_MOST_BITS / 8,
	EXPONENT_OCTETS = KEYS_EXPONENT_MOST_BITS / 8,
};

static char *
encode(const unsigned char *data, size_t length)
{
	char *text = malloc((length + 2) / 3 * 4 + 1);

	if (text != NULL)
		EVP_EncodeBlock((unsigned char *)text, data, (int)length);
	return text;
}

/* A number as OpenSSL gives it, in this machine's order of octets, into DER's.
 * False: no memory, or zero. */
static bool
turn(unsigned char *octets, size_t length, struct key_number *number_out)
{
	BIGNUM *number = BN_native2bn(octets, (int)length, NULL);
	bool is_turned = number != NULL && !BN_is_zero(number);

	if (is_turned)
		*number_out = (struct key_number){ octets,
			(size_t)BN_bn2bin(number, octets) };
	BN_free(number);
	return is_turned;
}

/* Done for each message and key: i2d_PUBKEY() would take fifty times as long,
 * and EVP_PKEY_get_bn_param(), which makes room for any number, five times. */
static char *
rsa_base64(EVP_PKEY *pkey)
{
	unsigned char n_octets[NUMBER_OCTETS], e_octets[EXPONENT_OCTETS];
	const size_t n_length = (size_t)EVP_PKEY_get_size(pkey);
	OSSL_PARAM numbers[] = {
		OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_octets,
		    n_length < NUMBER_OCTETS ? n_length : NUMBER_OCTETS),
		OSSL_PARAM_construct_BN(
		    OSSL_PKEY_PARAM_RSA_E, e_octets, EXPONENT_OCTETS),
		OSSL_PARAM_construct_end(),
	};
	struct key_number n, e;
	unsigned char *der;
	size_t length;
	char *text;

	if (EVP_PKEY_get_params(pkey, numbers) != 1
	    || !turn(n_octets, numbers[0].data_size, &n)
	    || !turn(e_octets, numbers[1].data_size, &e))
		return NULL;
	der = keys_der_public(&n, &e, &length);
	text = der != NULL ? encode(der, length) : NULL;
	free(der);
	return text;
}

char *
keys_public_base64(EVP_PKEY *pkey)
{
	unsigned char octets[KEYS_ED25519_OCTETS];
	size_t length = sizeof(octets);

	if (EVP_PKEY_is_a(pkey, "RSA") == 1)
		return rsa_base64(pkey);
	if (EVP_PKEY_get_raw_public_key(pkey, octets, &length) != 1)
		return NULL;
	return encode(octets, length);
}

bool
keys_public_wanted(const struct key *key, struct arena *arena,
    struct dkim_key_wanted *wanted_out, struct fault *fault)
{
	char *base64 = keys_public_base64(key->pkey);

	*wanted_out = (struct dkim_key_wanted){ .domain = key->domain,
		.selector = key->selector,
		.type = key->algorithm == KEY_RSA_SHA256 ? DKIM_KEY_RSA
							 : DKIM_KEY_ED25519,
		.public_b64 = arena_strdup(arena, base64) };
	free(base64);
	if (wanted_out->public_b64 != NULL)
		return true;
	fault_memory(fault);
	return false;
}

bool
keys_public_read(int directory_fd, const char *name, const char *path,
    struct key_public *public_out, struct fault *fault)
{
	struct key_stamp stamp;
	struct parsed_key key;
	bool is_read =
	    keys_file_read(directory_fd, name, path, &key, &stamp, fault)
	    == KEYS_FILE_GOOD;

	*public_out = (struct key_public){ .base64 = NULL };
	if (is_read) {
		public_out->algorithm = key.algorithm;
		public_out->bits = (unsigned)EVP_PKEY_get_bits(key.pkey);
		public_out->base64 = keys_public_base64(key.pkey);
		is_read = public_out->base64 != NULL;
		if (!is_read)
			fault_memory(fault);
	}
	keys_parse_clear(&key);
	return is_read;
}

void
keys_public_clear(struct key_public *public)
{
	free(public->base64);
	public->base64 = NULL;
}
