/* keys_material: a private key written down: as PEM for a file, and as its DNS
 * record has it. Private to keys. */
#ifndef MILTER_IO_KEYS_MATERIAL_H
#define MILTER_IO_KEYS_MATERIAL_H

#include "milter/io/keys.h"

/* A key as text. Both strings are malloc'ed. */
struct key_material {
	enum key_algorithm algorithm;
	char *pem;        /* PKCS#8 */
	char *public_b64; /* p= */
};

/* Write pkey, an RSA or Ed25519 key, down as material, which is then to be
 * given to keys_material_clear(). False: no memory. Any thread. */
bool keys_material_of(
    EVP_PKEY *pkey, struct key_material *material_out, struct fault *fault);

/* Wipe and free what it holds. Takes an empty one. */
void keys_material_clear(struct key_material *material);

/* Wipe and free a PEM text. Takes NULL. */
void keys_wipe(char *pem);

#endif
