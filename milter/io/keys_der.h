/* keys_der: private keys in DER, read strictly: RSAPrivateKey of PKCS#1 (RFC
 * 8017 §A.1.2) and PrivateKeyInfo of PKCS#8 (RFC 5958) with that in it, or with
 * an Ed25519 key (RFC 8410); and the DER of public ones. OpenSSL's decoders
 * take ten times as long as making the key object of the numbers. Also what to
 * say to who put something else where a private key belongs. Pure. Private to
 * keys. */
#ifndef MILTER_IO_KEYS_DER_H
#define MILTER_IO_KEYS_DER_H

#include "milter/io/keys.h"

enum { KEYS_ED25519_OCTETS = 32 };

/* A number, the highest octet first, without zeros in front; points into what
 * was read. */
struct key_number {
	unsigned char *octets;
	size_t length;
};

/* In the order in which DER has them. */
enum key_number_name {
	KEY_N,
	KEY_E,
	KEY_D,
	KEY_P,
	KEY_Q,
	KEY_DP, /* d mod p - 1 */
	KEY_DQ, /* d mod q - 1 */
	KEY_QI, /* 1 / q mod p */
	KEY_NUMBERS,
};

struct key_der {
	enum key_algorithm algorithm;
	struct key_number numbers[KEY_NUMBERS]; /* of RSA; all above zero */
	const unsigned char *seed;              /* of Ed25519 */
	const unsigned char *seed_public; /* NULL: not there, as is usual */
};

/* What is taken for a private key, and is none that can be used. */
enum key_other {
	KEY_OTHER_UNKNOWN,
	KEY_OTHER_ALGORITHM, /* a private key of EC, DSA and the like */
	KEY_OTHER_ENCRYPTED,
	KEY_OTHER_PUBLIC,
	KEY_OTHER_CERTIFICATE, /* or a request for one */
	KEY_OTHER_BUNDLE,      /* PKCS#12 */
	KEY_OTHER_OPENSSH,
	KEY_OTHER_RECORD, /* what belongs into the DNS */
	KEY_OTHER_UTF16,
};

/* Say that it is the other, and what to do. Returns false. */
bool keys_der_refuse(enum key_other other, struct fault *fault);

/* Read all length octets at der, which are borrowed by what comes out. Nothing
 * is said about whether the numbers fit. False with words. */
bool keys_der_read(unsigned char *der, size_t length, struct key_der *key_out,
    struct fault *fault);

/* How many bits number has. */
size_t keys_der_bits(const struct key_number *number);

/* The SubjectPublicKeyInfo (RFC 5280 §4.1) of the RSA key of modulus n and
 * exponent e; malloc'ed. NULL: no memory. */
unsigned char *keys_der_public(
    const struct key_number *n, const struct key_number *e, size_t *length_out);

#endif
