/* verify_handle: libopendkim's verifier (2.11.0~beta2) at one signature of a
 * message. Each signature has a handle of its own, which is fed the fields
 * that it covers and no others: so no signature can upset another, and the
 * time it takes is bounded. Private to verify. */
#ifndef MILTER_IO_VERIFY_HANDLE_H
#define MILTER_IO_VERIFY_HANDLE_H

#include "milter/io/verify.h"
#include "milter/io/verify_field.h"
#include "milter/io/verify_header.h"

#include <opendkim/dkim.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	/* What the library has room for of a key's record. */
	VERIFY_KEY_OCTETS = 1024,
};

/* In the caller's memory, where it must stay: the library points to it. All
 * zero is a closed one. */
struct verify_handle {
	DKIM *dkim;        /* NULL: closed, or it has failed */
	DKIM_SIGINFO *sig; /* the one that is checked; the library's */
	const char *key;   /* text of the key's record; borrowed */
	const char *words; /* why it has failed; NULL */
	bool refuses_next; /* memory: see verify_handle.c */
};

/* Make the library's handle ready for verify_handle_open(). NULL: no memory.
 * The caller closes it with dkim_close(). */
DKIM_LIB *verify_handle_library(void);

/* Start to check fields[which], whose text stands in header, and feed it the
 * header. fields: all that were read. It fails if libopendkim can't tell. */
void verify_handle_open(struct verify_handle *handle, DKIM_LIB *library,
    struct verify_header *header, const struct verify_field *fields,
    size_t count, size_t which);

/* Give up, with words. */
void verify_handle_fail(struct verify_handle *handle, const char *words);

/* The next piece of the body; length isn't 0. */
void verify_handle_body(
    struct verify_handle *handle, const unsigned char *data, size_t length);

/* Check it with a key: the text of its record, with k= and p= only.
 * *words_out: why it isn't good; static text, or the handle's. */
enum verify_state verify_handle_finish(
    struct verify_handle *handle, const char *key, const char **words_out);

/* Did the signature leave out the body's end (l=)? To be asked after
 * verify_handle_finish(). */
bool verify_handle_is_partial(const struct verify_handle *handle);

/* Free all. A closed one stays so. */
void verify_handle_close(struct verify_handle *handle);

#endif
