#include "milter/io/keys_der.h"

#include <stdlib.h>
#include <string.h>

enum {
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_NULL = 0x05,
	TAG_OID = 0x06,
	TAG_SEQUENCE = 0x30,
	TAG_ATTRIBUTES = 0xA0, /* [0], as PKCS#8 has them */
	TAG_PUBLIC_KEY = 0x81, /* [1] IMPLICIT BIT STRING, of RFC 5958 */
	LONG = 0x80,           /* the length has octets of its own */
	LENGTH_OCTETS = 2,     /* of these at most: 64 KiB */
	HEAD_OCTETS = 2 + LENGTH_OCTETS,
};

/* 1.2.840.113549.1.1.1, rsaEncryption */
static const unsigned char rsa_oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D,
	0x01, 0x01, 0x01 };

/* 1.3.101.112, id-Ed25519 */
static const unsigned char ed25519_oid[] = { 0x2B, 0x65, 0x70 };

/* The algorithm of an RSA key: its OID, and NULL. */
static const unsigned char rsa_algorithm[] = { TAG_SEQUENCE, 13, TAG_OID, 9,
	0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01, TAG_NULL, 0 };

/* Octets that are still to be read. */
struct octets {
	unsigned char *at;
	size_t left;
};

/* The length of an element, in the one form that DER allows; how many octets
 * stand before its content in *head_out. SIZE_MAX: it isn't one. */
static size_t
read_length(const struct octets *from, size_t *head_out)
{
	size_t length = from->at[1];
	size_t octets;

	*head_out = 2;
	if (length < LONG)
		return length;
	octets = length - LONG;
	if (octets == 0 || octets > LENGTH_OCTETS
	    || from->left - *head_out < octets || from->at[*head_out] == 0)
		return SIZE_MAX;
	length = 0;
	for (size_t i = 0; i < octets; i++)
		length = length << 8 | from->at[*head_out + i];
	*head_out += octets;
	return length < LONG ? SIZE_MAX : length;
}

static bool
is_next(const struct octets *from, unsigned tag)
{
	return from->left > 0 && from->at[0] == tag;
}

/* Take the element that stands next, whose tag must be this one. */
static bool
take(struct octets *from, unsigned tag, struct octets *inside_out)
{
	size_t length;
	size_t head;

	if (from->left < 2 || !is_next(from, tag))
		return false;
	length = read_length(from, &head);
	if (length > from->left - head)
		return false;
	inside_out->at = from->at + head;
	inside_out->left = length;
	from->at += head + length;
	from->left -= head + length;
	return true;
}

/* A number above zero, without the zero in front that only says so. */
static bool
take_number(struct octets *from, struct key_number *number_out)
{
	struct octets inside;

	if (!take(from, TAG_INTEGER, &inside) || inside.left == 0
	    || inside.at[0] >= 0x80)
		return false;
	if (inside.at[0] == 0) {
		inside.at++;
		inside.left--;
		if (inside.left == 0 || inside.at[0] < 0x80)
			return false;
	}
	*number_out = (struct key_number){ inside.at, inside.left };
	return true;
}

/* A version: a number of one octet. */
static bool
take_version(struct octets *from, unsigned *version_out)
{
	struct octets inside;

	if (!take(from, TAG_INTEGER, &inside) || inside.left != 1)
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

/* What follows the version in an RSAPrivateKey. */
static bool
read_rsa(struct octets from, unsigned version, struct key_der *key,
    struct fault *fault)
{
	if (version == 1)
		return refuse(fault,
		    "an RSA key of more than two primes: make a new one");
	if (version != 0)
		return refuse_damaged(fault);
	key->algorithm = KEY_RSA_SHA256;
	for (size_t i = 0; i < KEY_NUMBERS; i++)
		if (!take_number(&from, &key->numbers[i]))
			return refuse_damaged(fault);
	return from.left == 0 || refuse_damaged(fault);
}

/* RSAPrivateKey, and nothing behind it. */
static bool
read_whole_rsa(struct octets from, struct key_der *key, struct fault *fault)
{
	struct octets inside;
	unsigned version;

	if (!take(&from, TAG_SEQUENCE, &inside) || from.left > 0
	    || !take_version(&inside, &version))
		return refuse_damaged(fault);
	return read_rsa(inside, version, key, fault);
}

/* CurvePrivateKey of RFC 8410 §7: an octet string once more. */
static bool
read_ed25519(struct octets from, struct key_der *key, struct fault *fault)
{
	struct octets seed;

	if (!take(&from, TAG_OCTET_STRING, &seed) || from.left > 0
	    || seed.left != KEYS_ED25519_OCTETS)
		return refuse_damaged(fault);
	key->algorithm = KEY_ED25519_SHA256;
	key->seed = seed.at;
	return true;
}

/* What may stand behind the key: attributes, which say nothing to us, and the
 * public key. */
static bool
read_tail(struct octets from, unsigned version, struct key_der *key)
{
	struct octets inside;

	if (is_next(&from, TAG_ATTRIBUTES)
	    && !take(&from, TAG_ATTRIBUTES, &inside))
		return false;
	if (version == 1 && is_next(&from, TAG_PUBLIC_KEY)) {
		if (!take(&from, TAG_PUBLIC_KEY, &inside) || inside.left == 0
		    || inside.at[0] != 0)
			return false;
		if (key->algorithm == KEY_ED25519_SHA256) {
			if (inside.left != 1 + KEYS_ED25519_OCTETS)
				return false;
			key->seed_public = inside.at + 1;
		}
	}
	return from.left == 0;
}

static bool
is_oid(const struct octets *oid, const unsigned char *wanted, size_t length)
{
	return oid->left == length && memcmp(oid->at, wanted, length) == 0;
}

/* What follows the version in a PrivateKeyInfo. */
static bool
read_info(struct octets from, unsigned version, struct key_der *key,
    struct fault *fault)
{
	struct octets algorithm;
	struct octets oid;
	struct octets inside;
	struct octets nothing;
	bool is_read;

	if (version > 1 || !take(&from, TAG_SEQUENCE, &algorithm)
	    || !take(&algorithm, TAG_OID, &oid)
	    || !take(&from, TAG_OCTET_STRING, &inside))
		return refuse_damaged(fault);
	if (is_oid(&oid, rsa_oid, sizeof(rsa_oid))) {
		/* NULL, or nothing as some write it. */
		if (algorithm.left > 0
		    && (!take(&algorithm, TAG_NULL, &nothing)
			|| nothing.left > 0))
			return refuse_damaged(fault);
		is_read = read_whole_rsa(inside, key, fault);
	} else if (is_oid(&oid, ed25519_oid, sizeof(ed25519_oid)))
		is_read = read_ed25519(inside, key, fault);
	else
		return refuse(fault,
		    "neither an RSA nor an Ed25519 key: DKIM knows no other");
	if (!is_read)
		return false;
	if (algorithm.left > 0 || !read_tail(from, version, key))
		return refuse_damaged(fault);
	return true;
}

bool
keys_der_read(unsigned char *der, size_t length, struct key_der *key_out,
    struct fault *fault)
{
	struct octets from = { der, length };
	struct octets inside;
	unsigned version;

	*key_out = (struct key_der){ 0 };
	if (!take(&from, TAG_SEQUENCE, &inside) || from.left > 0
	    || !take_version(&inside, &version))
		return refuse_damaged(fault);
	if (is_next(&inside, TAG_SEQUENCE))
		return read_info(inside, version, key_out, fault);
	return read_rsa(inside, version, key_out, fault);
}

size_t
keys_der_bits(const struct key_number *number)
{
	size_t bits = (number->length - 1) * 8;

	for (unsigned top = number->octets[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}

/* Octets of an element's head before length octets of content. */
static size_t
head_size(size_t length)
{
	if (length < LONG)
		return 2;
	return length <= 0xFF ? 3 : HEAD_OCTETS;
}

static unsigned char *
put_head(unsigned char *at, unsigned tag, size_t length)
{
	*at++ = (unsigned char)tag;
	if (length > 0xFF) {
		*at++ = LONG | 2;
		*at++ = (unsigned char)(length >> 8);
	} else if (length >= LONG)
		*at++ = LONG | 1;
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
	at = put_head(at, TAG_INTEGER, content_size(number));
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
	at = put_head(at, TAG_SEQUENCE, info);
	memcpy(at, rsa_algorithm, sizeof(rsa_algorithm));
	at = put_head(at + sizeof(rsa_algorithm), TAG_BIT_STRING, string);
	*at++ = 0; /* no bits are left over */
	at = put_head(at, TAG_SEQUENCE, pair);
	at = put_number(at, n);
	at = put_number(at, e);
	*length_out = (size_t)(at - der);
	return der;
}
