#include "tests/unit/public_text.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

char *
public_text(EVP_PKEY *pkey)
{
	unsigned char raw[32];
	size_t raw_length = sizeof(raw);
	unsigned char *der = raw;
	int length = sizeof(raw);
	char *text;

	if (EVP_PKEY_is_a(pkey, "ED25519") == 1)
		assert_int_equal(
		    1, EVP_PKEY_get_raw_public_key(pkey, raw, &raw_length));
	else {
		der = NULL;
		length = i2d_PUBKEY(pkey, &der);
	}
	assert_true(length > 0);
	text = malloc((size_t)length * 4 / 3 + 8);
	assert_non_null(text);
	EVP_EncodeBlock((unsigned char *)text, der, length);
	if (der != raw)
		OPENSSL_free(der);
	return text;
}
