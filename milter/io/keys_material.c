#include "milter/io/keys_material.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

void
keys_wipe(char *pem)
{
	if (pem == NULL)
		return;
	OPENSSL_cleanse(pem, strlen(pem));
	free(pem);
}

void
keys_material_clear(struct key_material *material)
{
	keys_wipe(material->pem);
	free(material->public_b64);
	*material = (struct key_material){ 0 };
}

/* The public key as RFC 6376 §3.6.1 and RFC 8463 §3 put it into p=. */
static char *
public_base64(EVP_PKEY *pkey, bool is_rsa)
{
	unsigned char *der = NULL;
	unsigned char raw[32];
	size_t length = sizeof(raw);
	char *text = NULL;

	if (is_rsa) {
		int der_length = i2d_PUBKEY(pkey, &der);

		if (der_length <= 0)
			return NULL;
		length = (size_t)der_length;
	} else if (EVP_PKEY_get_raw_public_key(pkey, raw, &length) != 1)
		return NULL;

	text = malloc(length / 3 * 4 + 5);
	if (text != NULL)
		EVP_EncodeBlock(
		    (unsigned char *)text, is_rsa ? der : raw, (int)length);
	OPENSSL_free(der);
	return text;
}

static char *
private_pem(EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	char *data;
	long length;

	if (bio != NULL
	    && PEM_write_bio_PKCS8PrivateKey(
		   bio, pkey, NULL, NULL, 0, NULL, NULL)
		== 1
	    && (length = BIO_get_mem_data(bio, &data)) > 0)
		text = strndup(data, (size_t)length);
	BIO_free(bio); /* wipes */
	return text;
}

bool
keys_material_of(
    EVP_PKEY *pkey, struct key_material *material_out, struct fault *fault)
{
	bool is_rsa = EVP_PKEY_is_a(pkey, "RSA");

	material_out->algorithm = is_rsa ? KEY_RSA_SHA256 : KEY_ED25519_SHA256;
	material_out->pem = private_pem(pkey);
	material_out->public_b64 = public_base64(pkey, is_rsa);
	if (material_out->pem != NULL && material_out->public_b64 != NULL)
		return true;
	keys_material_clear(material_out);
	fault_memory(fault);
	return false;
}
