/* dkim_public: the public key in a DKIM key record's p= (RFC 6376 §3.6.1, RFC
 * 8463 §4): base64, and in it an RSA key in DER or 32 octets of Ed25519. Part
 * of dkim_key. */
#ifndef POLICY_DKIM_PUBLIC_H
#define POLICY_DKIM_PUBLIC_H

#include "policy/arena.h"
#include "policy/dkim_key.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	DKIM_PUBLIC_BITS_LEAST = 1024, /* RFC 8301 §3.2 */
	DKIM_PUBLIC_BITS_MOST = 16384, /* more than OpenSSL checks by */
	DKIM_PUBLIC_ED25519_OCTETS = 32,
};

/* A key as numbers; points into memory of the arena. Of an Ed25519 key only
 * modulus is set: the key itself. */
struct dkim_public {
	enum dkim_key_type type;
	const unsigned char *modulus; /* without zeros in front */
	size_t modulus_length;
	const unsigned char *exponent;
	size_t exponent_length;
	unsigned bits; /* of the modulus of an RSA key; 0 */
};

/* Read length octets of base64, with blanks in it, as a key of type. *why_out:
 * NULL when it is one that may be used; else why not, as a phrase that follows
 * "has ". *key_out has type and bits as far as they are known. False only for
 * want of memory. */
bool
dkim_public_read(const char *base64, size_t length, enum dkim_key_type type,
    struct arena *arena, struct dkim_public *key_out, const char **why_out);

/* Are they the same key, however they are wrapped? */
bool dkim_public_equal(
    const struct dkim_public *one, const struct dkim_public *other);

#endif
