#include "policy/der.h"

#include <stdint.h>
#include <string.h>

enum { LENGTH_OCTETS = 4 };

/* 1.2.840.113549.1.1.1, rsaEncryption */
static const unsigned char rsa_oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D,
	0x01, 0x01, 0x01 };

bool
der_is_next(const struct der *from, unsigned tag)
{
	return from->left > 0 && from->at[0] == tag;
}

/* The length of the element that stands next, in the one form that DER allows;
 * how many octets stand before its content in *head_out. SIZE_MAX: it isn't
 * one. */
static size_t
read_length(const struct der *from, size_t *head_out)
{
	size_t length = from->at[1];
	size_t octets;

	*head_out = 2;
	if (length < DER_LONG)
		return length;
	octets = length - DER_LONG;
	if (octets == 0 || octets > LENGTH_OCTETS
	    || from->left - *head_out < octets || from->at[*head_out] == 0)
		return SIZE_MAX;
	length = 0;
	for (size_t i = 0; i < octets; i++)
		length = length << 8 | from->at[*head_out + i];
	*head_out += octets;
	return length < DER_LONG ? SIZE_MAX : length;
}

bool
der_take(struct der *from, unsigned tag, struct der *inside_out)
{
	size_t length;
	size_t head;

	if (from->left < 2 || !der_is_next(from, tag))
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

bool
der_take_number(struct der *from, struct der *number_out)
{
	if (!der_take(from, DER_INTEGER, number_out) || number_out->left == 0
	    || number_out->at[0] >= 0x80)
		return false;
	if (number_out->at[0] > 0)
		return true;
	number_out->at++;
	number_out->left--;
	return number_out->left > 0 && number_out->at[0] >= 0x80;
}

bool
der_take_bits(struct der *from, unsigned tag, struct der *octets_out)
{
	/* The first octet says how many bits are none of the string's. */
	if (!der_take(from, tag, octets_out) || octets_out->left == 0
	    || octets_out->at[0] != 0)
		return false;
	octets_out->at++;
	octets_out->left--;
	return true;
}

bool
der_is_rsa_oid(const struct der *oid)
{
	return oid->left == sizeof(rsa_oid)
	    && memcmp(oid->at, rsa_oid, sizeof(rsa_oid)) == 0;
}

bool
der_is_end_or_null(struct der from)
{
	struct der inside;

	return from.left == 0
	    || (der_take(&from, DER_NULL, &inside) && inside.left == 0
		&& from.left == 0);
}

size_t
der_bits(const struct der *number)
{
	size_t bits = (number->left - 1) * 8;

	for (unsigned top = number->at[0]; top != 0; top >>= 1)
		bits++;
	return bits;
}
