/* keys_public: the public half of a private key, as its DNS record has it. It
 * is made when it is asked for: kept, it would be a tenth of what a key takes.
 * Any thread. */
#ifndef MILTER_IO_KEYS_PUBLIC_H
#define MILTER_IO_KEYS_PUBLIC_H

#include "milter/io/keys.h"
#include "policy/dkim_key.h"

struct arena;

/* What anybody may know of a key. */
struct key_public {
	enum key_algorithm algorithm;
	unsigned bits;
	char *base64; /* p=; malloc'ed */
};

/* What p= is to be (RFC 6376 §3.6.1, RFC 8463 §4.2) for pkey, an RSA or an
 * Ed25519 key; malloc'ed. NULL: no memory. */
char *keys_public_base64(EVP_PKEY *pkey);

/* What receivers have to find of key, which wanted_out borrows from, in DNS.
 * False: no memory in arena, or elsewhere. */
bool keys_public_wanted(const struct key *key, struct arena *arena,
    struct dkim_key_wanted *wanted_out, struct fault *fault);

/* The public half of the key in the file name of directory_fd; path is its
 * name for words. public_out is then to be given to keys_public_clear(). */
bool keys_public_read(int directory_fd, const char *name, const char *path,
    struct key_public *public_out, struct fault *fault);

/* Free what it holds. Takes an empty one. */
void keys_public_clear(struct key_public *public);

#endif
