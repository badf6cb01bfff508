/* der: a cursor over DER (ITU-T X.690 §10), as far as keys need it. Strict:
 * what can be written in two ways is read in one, and no octet beyond the end
 * is looked at. Pure. */
#ifndef POLICY_DER_H
#define POLICY_DER_H

#include <stdbool.h>
#include <stddef.h>

enum der_tag {
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT = 0x80,         /* [0] and up, as OCTET STRINGs are */
	DER_CONTEXT_INSIDES = 0xA0, /* the same, as SEQUENCEs are */
};

/* From here the length of an element takes more than an octet (§8.1.3). */
enum { DER_LONG = 0x80 };

/* Octets that are still to be read; they are the caller's. */
struct der {
	const unsigned char *at;
	size_t left;
};

/* Does an element with this tag stand next? */
bool der_is_next(const struct der *from, unsigned tag);

/* Take the element that stands next; its content is given out, and from goes on
 * behind it. False, and nothing is taken: it has another tag, isn't whole, or
 * its length isn't in the one form that DER allows or takes more than four
 * octets. */
bool der_take(struct der *from, unsigned tag, struct der *inside_out);

/* Take an INTEGER above zero: its octets, the highest first, without the zero
 * in front that only says that it is above. False: it isn't one, and from is of
 * no use any more. */
bool der_take_number(struct der *from, struct der *number_out);

/* Take a bit string of whole octets that has this tag: the octets. False: it
 * isn't one, and from is of no use any more. */
bool der_take_bits(struct der *from, unsigned tag, struct der *octets_out);

/* Is the content of an OID that of rsaEncryption (RFC 8017 §A.1)? */
bool der_is_rsa_oid(const struct der *oid);

/* Is nothing left, or a NULL alone? So end the parameters of RSA, where some
 * leave the NULL out. */
bool der_is_end_or_null(struct der from);

/* How many bits has number, which der_take_number() gave? */
size_t der_bits(const struct der *number);

#endif
