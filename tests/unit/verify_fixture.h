/* verify_fixture: keys, a DNS that has them, and messages for the tests of
 * verify. Signatures are made by our own signer, or by hand: there a test
 * writes down itself what is hashed, so that nothing of libopendkim's is
 * needed to make them. What goes wrong here fails the test. */
#ifndef TESTS_UNIT_VERIFY_FIXTURE_H
#define TESTS_UNIT_VERIFY_FIXTURE_H

#include "milter/io/keys_material.h"
#include "milter/io/verify.h"
#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum which_key {
	SIGNER_RSA,
	SIGNER_ED25519,
	SIGNER_RSA_SMALL,
	SIGNER_RSA_LARGE,
	SIGNER_RSA_OTHER,
	SIGNER_KEYS
};

/* A message: fields in order, values as the milter protocol has them. */
struct test_field {
	const char *name;
	const char *value;
};

struct test_message {
	struct test_field fields[16];
	const char *body;
	size_t body_length; /* 0: that of the string */
};

/* What verify_finish() gave; text copied. */
struct verified {
	bool is_wanted;
	size_t count;
	struct {
		char domain[256];
		char selector[256];
		enum verify_state state;
		char words[512]; /* "" if NULL */
		bool is_partial;
	} all[VERIFY_FIELDS];
};

/* Make and free all, around all tests, by cmocka. */
int verify_make(void **state);
int verify_free(void **state);

/* p= of a key, as base64; of RSA also the bare RSAPublicKey. */
const char *verify_public(enum which_key key);
const char *verify_public_bare(enum which_key key);

/* Forget all that the DNS has. Then the keys s=rsa, s=ed of a.example are put
 * there, and those of other domains that are named. */
void verify_dns_reset(void);

/* Let name have a TXT record; text NULL: there is nothing. */
void verify_dns_put(const char *name, const char *text);

/* Nobody answers about name. */
void verify_dns_lose(const char *name);

/* A signature by hand: the value of a DKIM-Signature field. In value #H stands
 * for the hash of hashed_body, #B for the signature, #P for a time that is
 * past, #L for one that was before, #F for one to come, #G for a later one.
 * header is what of the other fields is hashed; canonicalization must not
 * change value: it begins after one blank, which is put before it. The caller
 * frees it. */
char *verify_sign(enum which_key key, const char *value, const char *header,
    const char *hashed_body);

/* The same signature by our signer, with keys of domain: RSA, or Ed25519.
 * identity: of i=, or NULL. */
char *
verify_sign_ours(enum which_key key, const char *domain, const char *identity,
    const struct signing_rules *rules, const struct test_message *message);

/* Begin a verifier; author: a domain. */
struct verifier *verify_begun(const char *author);

/* Give it the fields of message, after the value of signature (NULL: none). */
void verify_feed_header(struct verifier *verifier, const char *signature,
    const struct test_message *message);

/* Give it the body in pieces of piece octets; 0: in one. */
void verify_feed_body(struct verifier *verifier,
    const struct test_message *message, size_t piece);

/* Finish and end it. */
void verify_done(struct verifier **verifier, struct verified *verified_out);

/* All of that. */
void verify_message(const char *signature, const struct test_message *message,
    size_t piece, struct verified *verified_out);

/* The only signature must be in this state; words: part of its words. */
void verify_expect(const char *name, const struct verified *verified,
    enum verify_state state, const char *words);

/* A message, and a signature of it by hand, of which only d= is missing. */
#define PLAIN_HEADER \
	"from:J <j@a.example>\r\nto:t@b.example\r\nsubject:Hello\r\n"
#define SIGNATURE_START "v=1; a=rsa-sha256; c=relaxed/relaxed; s=rsa; "
#define SIGNATURE_END "h=from:to:subject; bh=#H; b=#B"
extern const struct test_message verify_plain;

/* A good signature of it, of domain; more: further tags. The caller frees
 * it. */
char *verify_signed_by(const char *domain, const char *more);

/* Give a field. */
void verify_add(struct verifier *verifier, const char *name, const char *value);
void verify_add_signature(struct verifier *verifier, const char *value);

/* Give a DKIM-Signature as verify_signed_by() makes it. */
void verify_add_signed_by(
    struct verifier *verifier, const char *domain, const char *more);

/* Give all fields and the body of message; finish and end it. */
void verify_conclude(struct verifier *verifier,
    const struct test_message *message, struct verified *verified_out);

/* One of the signatures must be that of domain, in this state. */
void verify_expect_at(const struct verified *verified, size_t which,
    const char *domain, enum verify_state state);

/* The library that verifiers are begun with. */
const struct verify_library *verify_library(void);

/* The resolver that has the keys. */
struct resolver *verify_resolver(void);

#endif
