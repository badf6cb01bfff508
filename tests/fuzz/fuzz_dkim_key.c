/* fuzz_dkim_key: any octets as the TXT records of a DKIM key, parted by line
 * ends. Beside what a sanitizer sees, it checks that findings hold together,
 * that words are clean, and that what is taken for an RSA key OpenSSL takes
 * for the same. Built with clang's -fsanitize=fuzzer,address,undefined. */
#include "policy/dkim_key.h"

#include "policy/dkim_public.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20, RECORDS = 4 };

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
split(const char *text, size_t size, struct dns_record records[RECORDS])
{
	size_t count = 0;

	while (size > 0 && count < RECORDS) {
		const char *end = memchr(text, '\n', size);
		size_t length = end != NULL ? (size_t)(end - text) : size;

		records[count++] =
		    (struct dns_record){ .text = text, .text_length = length };
		if (end != NULL)
			length++;
		text += length;
		size -= length;
	}
	return count;
}

static void
check_finding(const struct dkim_key_finding *finding)
{
	CHECK((finding->state == DKIM_KEY_GOOD) == (finding->words == NULL));
	CHECK(
	    (finding->state == DKIM_KEY_MISSING) == (finding->record == NULL));
	for (const char *at = finding->words; at != NULL && *at != '\0'; at++)
		CHECK(*at >= ' ' && *at <= '~');
}

/* What is said of the records to one who wants wanted. */
static enum dkim_key_state
state_for(const struct dkim_key_wanted *wanted,
    const struct dns_record *records, size_t count)
{
	struct dns_answer answer = {
		.status = DNS_FOUND, .records = records, .count = count
	};
	enum dkim_key_state state;
	struct dkim_key *key;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	key = dkim_key_begin(wanted, &arena);
	CHECK(key != NULL && dkim_key_machine.asks(key) != NULL);
	dkim_key_machine.answer(key, &answer);
	CHECK(dkim_key_machine.asks(key) == NULL);
	check_finding(dkim_key_finding(key));
	state = dkim_key_finding(key)->state;
	arena_clear(&arena);
	return state;
}

/* The modulus, out of what OpenSSL makes of the DER. */
static void
check_modulus(const struct dkim_public *public, EVP_PKEY *pkey)
{
	BIGNUM *theirs = NULL,
	       *ours = BN_bin2bn(
		   public->modulus, (int)public->modulus_length, NULL);

	CHECK(pkey != NULL && ours != NULL);
	CHECK(EVP_PKEY_get_bn_param(pkey, "n", &theirs) == 1);
	CHECK(BN_cmp(ours, theirs) == 0);
	CHECK(EVP_PKEY_get_bits(pkey) == (int)public->bits);
	BN_free(ours);
	BN_free(theirs);
}

/* The whole input as base64 of the DER of a key: ours is the stricter reader,
 * and reads what OpenSSL does. */
static void
check_der(const uint8_t *data, size_t size)
{
	size_t length = (size + 2) / 3 * 4;
	unsigned char *base64 = malloc(length + 1);
	const unsigned char *at = data;
	struct dkim_public public;
	struct arena arena;
	EVP_PKEY *pkey;
	const char *why;

	arena_init(&arena, ARENA_BYTES);
	CHECK(base64 != NULL);
	(void)EVP_EncodeBlock(base64, data, (int)size);
	CHECK(dkim_public_read(
	    (const char *)base64, length, DKIM_KEY_RSA, &arena, &public, &why));
	if (why == NULL) {
		pkey = d2i_PUBKEY(NULL, &at, (long)size);
		at = data;
		if (pkey == NULL)
			pkey =
			    d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)size);
		check_modulus(&public, pkey);
		EVP_PKEY_free(pkey);
	}
	ERR_clear_error();
	free(base64);
	arena_clear(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dkim_key_wanted
	    any = { "example.com", "s1", DKIM_KEY_RSA, NULL },
	    other = { "example.com", "s1", DKIM_KEY_ED25519,
		    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" };
	struct dns_record records[RECORDS];
	size_t count = split((const char *)data, size, records);
	enum dkim_key_state state = state_for(&any, records, count);

	CHECK(state != DKIM_KEY_DIFFERENT && state != DKIM_KEY_LOST);
	/* Who wants a certain key is never content with less. */
	if (state_for(&other, records, count) == DKIM_KEY_GOOD)
		CHECK(state == DKIM_KEY_GOOD);
	if (size < 4096)
		check_der(data, size);
	return 0;
}
