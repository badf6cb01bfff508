/* signer_corpus: messages made of chance, the same ones for the same seed: odd
 * folding, repeated and many fields, odd bodies. What goes wrong here fails the
 * test. */
#ifndef TESTS_UNIT_SIGNER_CORPUS_H
#define TESTS_UNIT_SIGNER_CORPUS_H

#include <stddef.h>
#include <stdint.h>

struct corpus_field {
	char *name;
	char *value; /* folds LF or CRLF; may have any octet */
	size_t value_length;
};

/* A message that both engines can sign: no lone CR or LF in the body, no tab
 * before a colon. */
struct corpus_message {
	struct corpus_field *fields;
	size_t count;
	unsigned char *body;
	size_t body_length;
};

/* A number below limit, which isn't 0. */
size_t corpus_random(uint64_t *seed, size_t limit);

/* Make one; to be freed with corpus_free(). */
void corpus_make(uint64_t *seed, struct corpus_message *message_out);

void corpus_free(struct corpus_message *message);

#endif
