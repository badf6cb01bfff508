/* keys_generate: new private keys, in files that sign (SELECTOR.private) or
 * not yet (SELECTOR.pending). A key that signs no more is SELECTOR.retiring.
 * Any thread. */
#ifndef MILTER_IO_KEYS_GENERATE_H
#define MILTER_IO_KEYS_GENERATE_H

#include "milter/io/keys_public.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

enum key_role { KEY_PENDING, KEY_SIGNING, KEY_RETIRING, KEY_ROLES };

/* What is to be made. */
struct key_order {
	const char *directory; /* of all domains; must be there */
	const char *domain;
	const char *selector;
	enum key_role role;
	enum key_algorithm algorithm;
	unsigned bits; /* of RSA */
	uint32_t owner_uid;
	uint32_t owner_gid;
};

/* The ending of its file's name: ".pending", ".private", ".retiring". */
const char *keys_role_ending(enum key_role role);

/* Is there to be a file for such a key, and a record in the DNS? False with
 * words that say what is wrong with domain, selector or bits. */
bool keys_may_make(const struct key_order *order, struct fault *fault);

/* Make a key and its file, as keys_generate() says. public_out is then the
 * caller's to clear. */
bool keys_make(const struct key_order *order, struct key_public *public_out,
    struct fault *fault);

/* The text of the DNS record of a key: "v=DKIM1; k=rsa; p=..."; malloc'ed;
 * NULL: no memory. */
char *keys_record_text(enum key_algorithm algorithm, const char *base64);

#endif
