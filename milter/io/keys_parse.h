/* keys_parse: text of a private key -> key object, ready to sign with. What is
 * given out is whole: the numbers of an RSA key belong together. Any thread.
 * Private to keys. */
#ifndef MILTER_IO_KEYS_PARSE_H
#define MILTER_IO_KEYS_PARSE_H

#include "milter/io/keys.h"

enum {
	KEYS_RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	KEYS_RSA_MOST_BITS = 8192,
	/* Larger ones only cost time, and OpenSSL verifies with none that is
	 * larger if the key has more than 3072 bits. */
	KEYS_EXPONENT_MOST_BITS = 64,
};

/* A key as it was parsed; it is the caller's. */
struct parsed_key {
	enum key_algorithm algorithm;
	EVP_PKEY *pkey;
};

/* Parse text, PEM or base64 (see keys_pem). False with words that don't say
 * where it was: FAULT_PERMANENT if text is at fault; FAULT_MEMORY. */
bool keys_parse(const char *text, size_t length, struct parsed_key *key_out,
    struct fault *fault);

/* Free what it holds. Takes an empty one. */
void keys_parse_clear(struct parsed_key *key);

#endif
