/* Any octets as a private key, and as what a map has for a domain. Built with
 * clang's -fsanitize=fuzzer,address,undefined. */
#include "milter/io/keys_public.h"
#include "milter/io/keys_value.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken for a key has both halves; what isn't says why. */
static void
use_key(const char *text, size_t length)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct parsed_key key;

	if (keys_parse(text, length, &key, &fault)) {
		char *public = keys_public_base64(key.pkey);

		assert(public != NULL && *public != '\0');
		free(public);
		assert(key.algorithm == KEY_ED25519_SHA256
		    || EVP_PKEY_get_bits(key.pkey) >= KEYS_RSA_LEAST_BITS);
	} else {
		assert(key.pkey == NULL);
		assert(fault.kind != FAULT_NONE && fault.words[0] != '\0');
	}
	keys_parse_clear(&key);
}

static void
use_value(const char *value)
{
	struct fault fault = { .kind = FAULT_NONE };
	struct key_set *set = keys_value_read(value, "a.example", &fault);

	assert((set == NULL) == (fault.kind != FAULT_NONE));
	for (size_t i = 1; set != NULL && i < set->ring.count; i++)
		assert(strcmp(set->ring.keys[i - 1].selector,
			   set->ring.keys[i].selector)
		    < 0);
	keys_set_close(&set);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of their own size, so that reading on is seen. */
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	use_value(text);
	text = realloc(text, size > 0 ? size : 1);
	if (text != NULL)
		use_key(text, size);
	free(text);
	return 0;
}
