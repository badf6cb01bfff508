#include "policy/dkim_public.h"

#include "policy/base64.h"
#include "policy/der.h"

#include <string.h>

enum { SPKI_ED25519_OCTETS = 44 }; /* the key in a SubjectPublicKeyInfo */

/* RSAPublicKey of RFC 8017 §A.1.1, and nothing behind it. */
static bool
read_pair(struct der from, struct dkim_public *key)
{
	struct der pair, modulus, exponent;

	if (!der_take(&from, DER_SEQUENCE, &pair) || from.left > 0
	    || !der_take_number(&pair, &modulus)
	    || !der_take_number(&pair, &exponent) || pair.left > 0)
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
read_rsa(struct der from, struct dkim_public *key)
{
	struct der all = from, info, algorithm, oid, string;

	if (read_pair(from, key))
		return true;
	return der_take(&all, DER_SEQUENCE, &info) && all.left == 0
	    && der_take(&info, DER_SEQUENCE, &algorithm)
	    && der_take(&algorithm, DER_OID, &oid) && der_is_rsa_oid(&oid)
	    && der_is_end_or_null(algorithm)
	    && der_take_bits(&info, DER_BIT_STRING, &string) && info.left == 0
	    && read_pair(string, key);
}

static const char *
judge_rsa(struct der from, struct dkim_public *key)
{
	if (!read_rsa(from, key))
		return "a p= that is no RSA key";
	key->bits = (unsigned)der_bits(
	    &(struct der){ key->modulus, key->modulus_length });
	if (key->bits < DKIM_PUBLIC_BITS_LEAST)
		return "an RSA key of fewer than 1024 bits, which receivers "
		       "don't take";
	if (key->bits > DKIM_PUBLIC_BITS_MOST)
		return "an RSA key of more than 16384 bits, which receivers "
		       "don't take";
	return NULL;
}

static const char *
judge_ed25519(struct der from, struct dkim_public *key)
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
	struct der octets = { data, 0 };
	enum base64_state state;

	*key_out = (struct dkim_public){ .type = type };
	*why_out = "a p= that isn't base64";
	if (data == NULL)
		return false;
	/* The '=' at the end may be wanting, but not be wrong. */
	state = base64_decode(base64, length, data, length, &octets.left);
	if (state != BASE64_WHOLE && state != BASE64_UNFILLED)
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
