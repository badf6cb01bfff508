/* public_text: the public half of a key as OpenSSL's own encoder writes it, for
 * tests to hold ours against. What goes wrong here fails the test. */
#ifndef TESTS_UNIT_PUBLIC_TEXT_H
#define TESTS_UNIT_PUBLIC_TEXT_H

#include <openssl/types.h>

/* p= of the DNS record of pkey, RSA or Ed25519; the caller frees it. */
char *public_text(EVP_PKEY *pkey);

#endif
