/* base64: what base64 (RFC 4648 §4) stands for, with blanks anywhere in it, as
 * DKIM (RFC 6376 §2.10) and PEM (RFC 7468 §3) have it. Pure. */
#ifndef POLICY_BASE64_H
#define POLICY_BASE64_H

#include <stdbool.h>
#include <stddef.h>

enum base64_state {
	BASE64_WHOLE,
	BASE64_UNFILLED, /* whole, but for the '=' at its end */
	BASE64_BROKEN,   /* letters are missing, or '=' in a wrong number */
	BASE64_FOREIGN,  /* something in it is no letter of base64 */
	BASE64_LONG,     /* more than there is room for */
};

/* Is octet one of the 64 letters? */
bool base64_is_letter(char octet);

/* Is octet one of the blanks that may stand anywhere: space, tab, CR, LF? */
bool base64_is_blank(char octet);

/* Decode length octets of text into data, which has room for size_bytes: as
 * many as text has always suffice. *length_out is how many were written,
 * whatever comes of it. Nothing at all is whole. */
enum base64_state base64_decode(const char *text, size_t length,
    unsigned char *data, size_t size_bytes, size_t *length_out);

#endif
