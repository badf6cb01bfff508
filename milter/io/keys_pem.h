/* keys_pem: the octets of a private key out of a file or a text: PEM, in lines
 * or in one, bare base64, or DER as it is. Pure. Private to keys. */
#ifndef MILTER_IO_KEYS_PEM_H
#define MILTER_IO_KEYS_PEM_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* An RSA key of 16,384 bits has 9.4 kB: larger ones are no keys. */
enum { KEYS_DER_BYTES = 16384 };

/* Decode the first private key of text into der, of which the caller wipes
 * *length_out octets, also after a fault. PEM begins at the beginning of a
 * line; what stands before and behind it doesn't matter. Text of nothing but
 * base64 ("MII...") is taken as OpenDKIM takes it, and what is DER from its
 * first octet to its last is taken as it is. False with words, which say what
 * it is instead if that can be seen. */
bool keys_pem_decode(const char *text, size_t length,
    unsigned char der[KEYS_DER_BYTES], size_t *length_out, struct fault *fault);

/* How many octets the PEM block has that text begins with, its END and that
 * one's hyphens included. 0: none, or no whole one. */
size_t keys_pem_length(const char *text, size_t length);

#endif
