/* verify_header: the header fields of one message, in the form that is hashed,
 * and which of them a signature covers (RFC 6376 §3.4, §5.4.2). Private to
 * verify. */
#ifndef MILTER_IO_VERIFY_HEADER_H
#define MILTER_IO_VERIFY_HEADER_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Most octets and fields of a header whose signatures are checked. */
	VERIFY_HEADER_BYTES = 4 * 1024 * 1024,
	VERIFY_HEADER_FIELDS = 40000,
};

/* In the place of a signature's number. */
#define VERIFY_NO_SIGNATURE SIZE_MAX

struct verify_header_field {
	char *text;         /* "Name: value", folds CRLF; in the arena */
	size_t length;      /* of text */
	size_t name_length; /* without the blanks at its end */
	size_t signature;   /* which DKIM-Signature it is, from 0 */
	/* Why nobody can tell about a signature that covers it; NULL. */
	const char *flaw;
	/* The same, for a signature with relaxed, with simple
	 * canonicalization. */
	const char *flaw_relaxed;
	const char *flaw_simple;
	bool is_covered; /* by what verify_header_cover() was about */
};

struct verify_header {
	struct arena arena;
	struct verify_header_field *fields;
	size_t count;
	size_t room;
	size_t octets;
	bool is_too_large; /* some fields were left out */
};

/* No field yet. */
void verify_header_init(struct verify_header *header);

/* Free all. */
void verify_header_clear(struct verify_header *header);

/* How many octets of name are its own: blanks at the end are not. */
size_t verify_header_name_length(const char *name);

/* Add a field, as verify_header() has it; signature: its number if it is a
 * DKIM-Signature, else VERIFY_NO_SIGNATURE. A name that can't stand in h= is
 * left out. False: no memory. */
bool verify_header_add(struct verify_header *header, const char *name,
    const char *value, size_t value_length, size_t signature);

/* Mark what the signature covers whose h= (without blanks) is covered: from
 * the bottom up, each field once. The DKIM-Signature fields are chosen among
 * as they stand, itself included, as all verifiers do. False: no memory. */
bool verify_header_cover(struct verify_header *header, const char *covered);

#endif
