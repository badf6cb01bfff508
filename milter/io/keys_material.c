#include "milter/io/keys_material.h"

#include "milter/io/keys_public.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
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
	material_out->public_b64 = keys_public_base64(pkey);
	if (material_out->pem != NULL && material_out->public_b64 != NULL)
		return true;
	keys_material_clear(material_out);
	fault_memory(fault);
	return false;
}
