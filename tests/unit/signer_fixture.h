/* signer_fixture: keys, rules and messages for the tests of signer. What goes
 * wrong here fails the test. */
#ifndef TESTS_UNIT_SIGNER_FIXTURE_H
#define TESTS_UNIT_SIGNER_FIXTURE_H

#include "milter/io/keys.h"
#include "milter/io/signer.h"

#include <stdbool.h>
#include <stddef.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { SIGNER_ENGINES = 2, SIGNER_TIME_S = 1700000000 };

enum signer_key {
	SIGNER_ED25519,
	SIGNER_RSA, /* 1024 bits, for speed */
	SIGNER_RSA_2048,
	SIGNER_RSA_ODD, /* 1096 bits: whose length is no multiple of 3 */
	SIGNER_RSA_OTHER,
	SIGNER_KEYS
};

/* s= of the keys: "ed", "rsa", ...; d= is a.example. Made by
 * signer_make_keys(). */
extern struct key signer_keys[SIGNER_KEYS];

/* What p= of its record is to be. */
const char *signer_public(enum signer_key which);

/* Both engines' numbers and words. */
extern const enum signing_engine signer_engines[SIGNER_ENGINES];
const char *signer_engine_name(enum signing_engine engine);

/* Around all tests, by cmocka. */
int signer_make_keys(void **state);
int signer_free_keys(void **state);

/* From, To, Subject; From oversigned. */
struct signing_rules
signer_rules(enum canonicalization header, enum canonicalization body);

/* An order of Ed25519 and RSA by the same rules; to be changed at will. uses
 * has room for SIGNING_SIGNATURES. */
struct signer_order signer_order_of(enum signing_engine engine,
    const struct signing_rules *rules, struct signer_use *uses);

/* signer_begin(), which must do. */
struct signer *signer_begun(const struct signer_order *order);

/* A field, a piece of a body: strings. */
bool signer_field(struct signer *signer, const char *name, const char *value,
    struct fault *fault);
bool signer_text(struct signer *signer, const char *data, struct fault *fault);

/* What stands after tag in value, without blanks: the caller frees it. */
char *signer_tag(const char *value, const char *tag);

/* It must be wanted; name: of the test case. */
void signer_expect_tag(
    const char *name, const char *value, const char *tag, const char *wanted);

#endif
