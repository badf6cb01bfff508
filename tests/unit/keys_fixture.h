/* keys_fixture: texts of key files, and a place to put them and look for them,
 * for the tests of keys. What goes wrong here fails the test. */
#ifndef TESTS_UNIT_KEYS_FIXTURE_H
#define TESTS_UNIT_KEYS_FIXTURE_H

#include "milter/io/keys.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#define DOMAIN "a.example"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Texts of key files, made once. */
enum key_text {
	TEXT_RSA,     /* PKCS#8, 2048 bits */
	TEXT_RSA_OLD, /* the same, PKCS#1 */
	TEXT_ED25519,
	TEXT_RSA_WEAK,
	TEXT_RSA_HUGE,
	TEXT_RSA_DAMAGED,
	TEXT_EC,
	TEXT_ENCRYPTED,
	TEXT_ENCRYPTED_OLD,
	TEXT_PUBLIC,
	TEXT_COUNT,
};

/* Made and freed once around all tests, by cmocka. */
int key_texts_make(void **state);
int key_texts_free(void **state);

/* One of them. */
const char *key_text(enum key_text which);

/* What OpenSSL writes into the DNS record of TEXT_RSA, TEXT_RSA_OLD or
 * TEXT_ED25519. */
const char *key_text_public(enum key_text which);

/* It must be what keys_public_base64() says of pkey. */
void key_expect_public(enum key_text which, EVP_PKEY *pkey);

/* The base64 of a PEM text of these, without lines; the caller frees it. */
char *key_text_bare(enum key_text which);

/* A directory of keys, empty but for DOMAIN's, and a cache with a clock. */
struct place {
	char directory[64];
	struct key_places places; /* the directory, and nothing else */
	struct keys *keys;
	atomic_ullong now_ms;
};

/* The caller closes it. most: domains that the cache holds. */
struct place *place_open(size_t most);

/* The same cache, asking tables for what lies in maps. */
struct place *place_open_with(size_t most, struct tables *tables);

/* Remove all of it and free it. */
void place_close(struct place *place);

/* Put the system's clock, as the program under test sees it, this far ahead:
 * so files that were just made are old. place_open() puts it back. */
void place_set_ahead(long seconds);

/* Where name is; the caller frees it. */
char *place_path(const struct place *place, const char *name);

/* Make a directory. */
void
place_put_directory(const struct place *place, const char *name, mode_t mode);

/* Write a file anew. */
void place_put(const struct place *place, const char *name, const char *text,
    size_t length, mode_t mode);

/* Write a key file as it should be: for its owner only. */
void
place_put_text(const struct place *place, const char *name, enum key_text text);

/* Remove a file or an empty directory. */
void place_remove(const struct place *place, const char *name);

/* What keys_find() says of domain: "none", the selectors with blanks between
 * them, or a fault's words. Good until the next call. Each key must sign what
 * its public half verifies. */
const char *place_found(struct place *place, const char *domain);

/* place_found() must say what is wanted; name is the case's. */
void place_expect(struct place *place, const char *name, const char *domain,
    const char *wanted);

/* What OpenSSL's wiping is watched for: a text, borrowed, or NULL for nothing;
 * and how often just that was wiped. Both are the test's to set, which has one
 * thread meanwhile. */
extern const char *key_secret;
extern unsigned key_wiped;

#endif
