#include "milter/io/keys_der.h"

#include "policy/der.h"

#include <stdlib.h>
#include <string.h>

enum {
	TAG_ATTRIBUTES = DER_CONTEXT_INSIDES, /* [0], as PKCS#8 has them */
	TAG_PUBLIC_KEY = DER_CONTEXT | 1,     /* [1], of RFC 5958 */
	BUNDLE_VERSION = 3,                   /* of PKCS#12, RFC 7292 */
	HEAD_OCTETS = 4, /* before an element of at most 64 KiB */
};

/* 1.3.101.112, id-Ed25519 */
static const unsigned char ed25519_oid[] = { 0x2B, 0x65, 0x70 };

/* The algorithm of an RSA key: its OID, and NULL. */
static const unsigned char rsa_algorithm[] = { DER_SEQUENCE, 13, DER_OID, 9,
	0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, DER_NULL, 0 };

/* A key that is being read, out of octets, which are the caller's to write. */
struct reading {
	unsigned char *octets;
	struct key_der *key;
	struct fault *fault;
};

/* A version: a number of one octet. */
static bool
take_version(struct der *from, unsigned *version_out)
{
	struct der inside;

	if (!der_take(from, DER_INTEGER, &inside) || inside.left != 1)
		return false;
	*version_out = inside.at[0];
	return true;
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
	    "the key is damaged or not whole, it can't be read as a private "
	    "key: make a new one");
}

bool
keys_der_refuse(enum key_other other, struct fault *fault)
{
	static const char *const words[] = {
		[KEY_OTHER_UNKNOWN] =
		    "no private key in PEM form: put a whole one there",
		[KEY_OTHER_ALGORITHM] =
		    "neither an RSA nor an Ed25519 key: DKIM knows no other, "
		    "make one with posternctl genkey",
		[KEY_OTHER_ENCRYPTED] =
		    "the key is encrypted: store it without a password, as "
		    "openssl pkey -in FILE -out NEW writes it",
		[KEY_OTHER_PUBLIC] =
		    "no private key but a public one: put the private one "
		    "there",
		[KEY_OTHER_CERTIFICATE] =
		    "no private key but a certificate or a request for one: "
		    "put the private key there",
		[KEY_OTHER_BUNDLE] =
		    "no private key but a PKCS#12 file: take the key out with "
		    "openssl pkcs12 -in FILE -nocerts -nodes -out NEW",
		[KEY_OTHER_OPENSSH] =
		    "no private key in PEM form but one of OpenSSH: make one "
		    "with posternctl genkey",
		[KEY_OTHER_RECORD] =
		    "no private key but a record, which belongs into the DNS: "
		    "put the private key there",
		[KEY_OTHER_UTF16] = "text in UTF-16: make it plain with "
				    "iconv -f UTF-16 -t ASCII FILE > NEW",
	};

	return refuse(fault, words[other]);
}

/* What follows the version in an RSAPrivateKey. */
static bool
read_rsa(const struct reading *reading, struct der from, unsigned version)
{
	struct der number;

	if (version == 1)
		return refuse(reading->fault,
		    "an RSA key of more than two primes: make a new one");
	if (version != 0)
		return refuse_damaged(reading->fault);
	reading->key->algorithm = KEY_RSA_SHA256;
	for (size_t i = 0; i < KEY_NUMBERS; i++) {
		if (!der_take_number(&from, &number))
			return refuse_damaged(reading->fault);
		reading->key->numbers[i] = (struct key_number){
			reading->octets + (number.at - reading->octets),
			number.left,
		};
	}
	return from.left == 0 || refuse_damaged(reading->fault);
}

/* RSAPrivateKey, and nothing behind it. */
static bool
read_whole_rsa(const struct reading *reading, struct der from)
{
	struct der inside;
	unsigned version;

	if (!der_take(&from, DER_SEQUENCE, &inside) || from.left > 0
	    || !take_version(&inside, &version))
		return refuse_damaged(reading->fault);
	return read_rsa(reading, inside, version);
}

/* CurvePrivateKey of RFC 8410 §7: an octet string once more. */
static bool
read_ed25519(const struct reading *reading, struct der from)
{
	struct der seed;

	if (!der_take(&from, DER_OCTET_STRING, &seed) || from.left > 0
	    || seed.left != KEYS_ED25519_OCTETS)
		return refuse_damaged(reading->fault);
	reading->key->algorithm = KEY_ED25519_SHA256;
	reading->key->seed = seed.at;
	return true;
}

/* What may stand behind the key: attributes, which say nothing to us, and the
 * public key. */
static bool
read_tail(struct key_der *key, struct der from, unsigned version)
{
	struct der inside;

	if (der_is_next(&from, TAG_ATTRIBUTES)
	    && !der_take(&from, TAG_ATTRIBUTES, &inside))
		return false;
	if (version == 1 && der_is_next(&from, TAG_PUBLIC_KEY)) {
		if (!der_take_bits(&from, TAG_PUBLIC_KEY, &inside))
			return false;
		if (key->algorithm == KEY_ED25519_SHA256) {
			if (inside.left != KEYS_ED25519_OCTETS)
				return false;
			key->seed_public = inside.at;
		}
	}
	return from.left == 0;
}

static bool
is_ed25519_oid(const struct der *oid)
{
	return oid->left == sizeof(ed25519_oid)
	    && memcmp(oid->at, ed25519_oid, sizeof(ed25519_oid)) == 0;
}

/* What follows the version in a PrivateKeyInfo. */
static bool
read_info(const struct reading *reading, struct der from, unsigned version)
{
	struct der algorithm;
	struct der oid;
	struct der inside;
	bool is_read;

	if (version > 1 || !der_take(&from, DER_SEQUENCE, &algorithm)
	    || !der_take(&algorithm, DER_OID, &oid)
	    || !der_take(&from, DER_OCTET_STRING, &inside))
		return refuse_damaged(reading->fault);
	if (der_is_rsa_oid(&oid))
		is_read = (der_is_end_or_null(algorithm)
			      || refuse_damaged(reading->fault))
		    && read_whole_rsa(reading, inside);
	else if (is_ed25519_oid(&oid))
		is_read =
		    (algorithm.left == 0 || refuse_damaged(reading->fault))
		    && read_ed25519(reading, inside);
	else
		return keys_der_refuse(KEY_OTHER_ALGORITHM, reading->fault);
	return is_read
	    && (read_tail(reading->key, from, version)
		|| refuse_damaged(reading->fault));
}

/* What begins with the number first, and has more behind it, if it is no
 * private key of ours? */
static enum key_other
other_with_number(const struct der *first, struct der more)
{
	struct der second;

	/* RSAPublicKey of RFC 8017 §A.1.1: two numbers. */
	if (der_take(&more, DER_INTEGER, &second) && more.left == 0)
		return KEY_OTHER_PUBLIC;
	if (first->left != 1)
		return KEY_OTHER_UNKNOWN;
	/* ECPrivateKey of RFC 5915. */
	if (first->at[0] == 1 && der_is_next(&more, DER_OCTET_STRING))
		return KEY_OTHER_ALGORITHM;
	return first->at[0] == BUNDLE_VERSION
		&& der_is_next(&more, DER_SEQUENCE)
	    ? KEY_OTHER_BUNDLE
	    : KEY_OTHER_UNKNOWN;
}

/* What has this in its SEQUENCE, if it is no private key of ours? */
static enum key_other
other_of(struct der inside)
{
	struct der first;
	struct der next;

	if (der_take(&inside, DER_INTEGER, &first))
		return other_with_number(&first, inside);
	if (!der_take(&inside, DER_SEQUENCE, &first))
		return KEY_OTHER_UNKNOWN;
	/* EncryptedPrivateKeyInfo of RFC 5958 §3, SubjectPublicKeyInfo, and
	 * whatever is signed like a certificate. */
	if (der_take(&inside, DER_OCTET_STRING, &next))
		return inside.left == 0 ? KEY_OTHER_ENCRYPTED
					: KEY_OTHER_UNKNOWN;
	if (der_take(&inside, DER_BIT_STRING, &next))
		return inside.left == 0 ? KEY_OTHER_PUBLIC : KEY_OTHER_UNKNOWN;
	return der_take(&inside, DER_SEQUENCE, &next)
		&& der_take(&inside, DER_BIT_STRING, &next) && inside.left == 0
	    ? KEY_OTHER_CERTIFICATE
	    : KEY_OTHER_UNKNOWN;
}

bool
keys_der_read(unsigned char *der, size_t length, struct key_der *key_out,
    struct fault *fault)
{
	const struct reading reading = { der, key_out, fault };
	struct der from = { der, length };
	struct der inside;
	enum key_other other;
	unsigned version;

	*key_out = (struct key_der){ 0 };
	if (!der_take(&from, DER_SEQUENCE, &inside) || from.left > 0)
		return refuse_damaged(fault);
	other = other_of(inside);
	if (other != KEY_OTHER_UNKNOWN)
		return keys_der_refuse(other, fault);
	if (!take_version(&inside, &version))
		return refuse_damaged(fault);
	if (der_is_next(&inside, DER_SEQUENCE))
		return read_info(&reading, inside, version);
	return read_rsa(&reading, inside, version);
}

size_t
keys_der_bits(const struct key_number *number)
{
	return der_bits(&(struct der){ number->octets, number->length });
}

/* Octets of an element's head before length octets of content. */
static size_t
head_size(size_t length)
{
	if (length < DER_LONG)
		return 2;
	return length <= 0xFF ? 3 : HEAD_OCTETS;
}

static unsigned char *
put_head(unsigned char *at, unsigned tag, size_t length)
{
	*at++ = (unsigned char)tag;
	if (length > 0xFF) {
		*at++ = DER_LONG | 2;
		*at++ = (unsigned char)(length >> 8);
	} else if (length >= DER_LONG)
		*at++ = DER_LONG | 1;
	*at++ = (unsigned char)length;
	return at;
}

/* The content of a number's element: a zero in front if it would look
 * negative. */
static size_t
content_size(const struct key_number *number)
{
	return number->length + (number->octets[0] >= 0x80);
}

static unsigned char *
put_number(unsigned char *at, const struct key_number *number)
{
	at = put_head(at, DER_INTEGER, content_size(number));
	if (number->octets[0] >= 0x80)
		*at++ = 0;
	memcpy(at, number->octets, number->length);
	return at + number->length;
}

unsigned char *
keys_der_public(
    const struct key_number *n, const struct key_number *e, size_t *length_out)
{
	size_t n_size = content_size(n);
	size_t e_size = content_size(e);
	size_t pair = head_size(n_size) + n_size + head_size(e_size) + e_size;
	size_t string = 1 + head_size(pair) + pair;
	size_t info = sizeof(rsa_algorithm) + head_size(string) + string;
	unsigned char *der = malloc(head_size(info) + info);
	unsigned char *at = der;

	if (der == NULL)
		return NULL;
	at = put_head(at, DER_SEQUENCE, info);
	memcpy(at, rsa_algorithm, sizeof(rsa_algorithm));
	at = put_head(at + sizeof(rsa_algorithm), DER_BIT_STRING, string);
	*at++ = 0; /* no bits are left over */
	at = put_head(at, DER_SEQUENCE, pair);
	at = put_number(at, n);
	at = put_number(at, e);
	*length_out = (size_t)(at - der);
	return der;
}
