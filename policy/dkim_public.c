#include "policy/dkim_public.h"

#include <stdint.h>
#include <string.h>

enum {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_LONG = 0x80,       /* the length has octets of its own */
	DER_LENGTH_OCTETS = 4, /* of these at most */
	SEXTET_BITS = 6,
	SPKI_ED25519_OCTETS = 44, /* the key in a SubjectPublicKeyInfo */
};

/* 1.2.840.113549.1.1.1, rsaEncryption */
static const unsigned char rsa_oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D,
	0x01, 0x01, 0x01 };

/* Octets that are still to be read. */
struct octets {
	const unsigned char *at;
	size_t left;
};

static int
sextet(char octet)
{
	if (octet >= 'A' && octet <= 'Z')
		return octet - 'A';
	if (octet >= 'a' && octet <= 'z')
		return octet - 'a' + 26;
	if (octet >= '0' && octet <= '9')
		return octet - '0' + 52;
	return octet == '+' ? 62 : octet == '/' ? 63 : -1;
}

static bool
is_blank(char octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* base64string of RFC 6376 §2.10: blanks anywhere; the '=' at the end may be
 * wanting, but not be wrong. data has room for length octets. */
static bool
decode(
    const char *base64, size_t length, unsigned char *data, size_t *length_out)
{
	uint32_t bits = 0;
	size_t sextets = 0, fill = 0, made = 0;

	for (size_t i = 0; i < length; i++) {
		int value = sextet(base64[i]);

		if (is_blank(base64[i]))
			continue;
		if (base64[i] == '=') {
			fill++;
			continue;
		}
		if (value < 0 || fill > 0)
			return false;
		bits = bits << SEXTET_BITS | (uint32_t)value;
		if (sextets++ % 4 != 0)
			data[made++] = (unsigned char)(bits
			    >> (6 - 2 * ((sextets - 1) % 4)));
	}
	*length_out = made;
	return sextets % 4 != 1 && (fill == 0 || (sextets + fill) % 4 == 0)
	    && fill < 3;
}

/* The length of an element, in the one form that DER allows; how many octets
 * it takes in *head_out. SIZE_MAX: it isn't one. */
static size_t
read_length(const struct octets *from, size_t *head_out)
{
	size_t length = from->at[1], octets;

	*head_out = 2;
	if (length < DER_LONG)
		return length;
	octets = length - DER_LONG;
	if (octets == 0 || octets > DER_LENGTH_OCTETS
	    || from->left - *head_out < octets || from->at[*head_out] == 0)
		return SIZE_MAX;
	length = 0;
	for (size_t i = 0; i < octets; i++)
		length = length << 8 | from->at[*head_out + i];
	*head_out += octets;
	return length < DER_LONG ? SIZE_MAX : length;
}

/* Take the element that stands next, whose tag must be this one. */
static bool
take(struct octets *from, unsigned tag, struct octets *inside_out)
{
	size_t length, head;

	if (from->left < 2 || from->at[0] != tag)
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

/* A whole number above zero, without the zero in front that only says so. */
static bool
take_number(struct octets *from, struct octets *number_out)
{
	if (!take(from, DER_INTEGER, number_out) || number_out->left == 0
	    || number_out->at[0] >= 0x80)
		return false;
	if (number_out->at[0] > 0)
		return true;
	number_out->at++;
	number_out->left--;
	return number_out->left > 0 && number_out->at[0] >= 0x80;
}

/* RSAPublicKey of RFC 8017 §A.1.1, and nothing behind it. */
static bool
read_pair(struct octets from, struct dkim_public *key)
{
	struct octets pair, modulus, exponent;

	if (!take(&from, DER_SEQUENCE, &pair) || from.left > 0
	    || !take_number(&pair, &modulus) || !take_number(&pair, &exponent)
	    || pair.left > 0)
		return false;
	/* An even number, or raising to the first power, is no RSA. */
	if (modulus.at[modulus.left - 1] % 2 == 0
	    || exponent.at[exponent.left - 1] % 2 == 0
	    || (exponent.left == 1 && exponent.at[0] == 1))
		return false;
	key->modulus = modulus.at;
	key->modulus_length = modulus.left;
	key->exponent = exponent.at;
	key->exponent_length = exponent.left;
	return true;
}

/* SubjectPublicKeyInfo of RFC 5280 §4.1 with an RSA key in it, or the bare
 * RSAPublicKey: RFC 6376 says the one and shows the other (erratum 3017). */
static bool
read_rsa(struct octets from, struct dkim_public *key)
{
	struct octets all = from, info, algorithm, oid, null, string;

	if (read_pair(from, key))
		return true;
	if (!take(&all, DER_SEQUENCE, &info) || all.left > 0
	    || !take(&info, DER_SEQUENCE, &algorithm)
	    || !take(&algorithm, DER_OID, &oid) || oid.left != sizeof(rsa_oid)
	    || memcmp(oid.at, rsa_oid, sizeof(rsa_oid)) != 0)
		return false;
	if (algorithm.left > 0
	    && (!take(&algorithm, DER_NULL, &null) || null.left > 0
		|| algorithm.left > 0))
		return false;
	if (!take(&info, DER_BIT_STRING, &string) || info.left > 0
	    || string.left == 0 || string.at[0] != 0)
		return false;
	string.at++;
	string.left--;
	return read_pair(string, key);
}

static unsigned
bits_of(const struct octets *number)
{
	unsigned bits = (unsigned)(number->left - 1) * 8;

	for (unsigned char top = number->at[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}

static const char *
judge_rsa(struct octets from, struct dkim_public *key)
{
	if (!read_rsa(from, key))
		return "a p= that is no RSA key";
	key->bits =
	    bits_of(&(struct octets){ key->modulus, key->modulus_length });
	if (key->bits < DKIM_PUBLIC_BITS_LEAST)
		return "an RSA key of fewer than 1024 bits, which receivers "
		       "don't take";
	if (key->bits > DKIM_PUBLIC_BITS_MOST)
		return "an RSA key of more than 16384 bits, which receivers "
		       "don't take";
	return NULL;
}

static const char *
judge_ed25519(struct octets from, struct dkim_public *key)
{
	if (from.left == SPKI_ED25519_OCTETS)
		return "an Ed25519 key wrapped in DER, where RFC 8463 wants "
		       "its bare 32 octets";
	if (from.left != DKIM_PUBLIC_ED25519_OCTETS)
		return "a p= that is no Ed25519 key of 32 octets";
	key->modulus = from.at;
	key->modulus_length = from.left;
	return NULL;
}

bool
dkim_public_read(const char *base64, size_t length, enum dkim_key_type type,
    struct arena *arena, struct dkim_public *key_out, const char **why_out)
{
	unsigned char *data = arena_alloc(arena, length);
	struct octets octets = { data, 0 };

	*key_out = (struct dkim_public){ .type = type };
	*why_out = "a p= that isn't base64";
	if (data == NULL)
		return false;
	if (!decode(base64, length, data, &octets.left))
		return true;
	*why_out = type == DKIM_KEY_RSA ? judge_rsa(octets, key_out)
					: judge_ed25519(octets, key_out);
	return true;
}

static bool
is_same(const unsigned char *one, size_t one_length, const unsigned char *other,
    size_t other_length)
{
	return one_length == other_length
	    && (one_length == 0 || memcmp(one, other, one_length) == 0);
}

bool
dkim_public_equal(
    const struct dkim_public *one, const struct dkim_public *other)
{
	return one->type == other->type
	    && is_same(one->modulus, one->modulus_length, other->modulus,
		other->modulus_length)
	    && is_same(one->exponent, one->exponent_length, other->exponent,
		other->exponent_length);
}
