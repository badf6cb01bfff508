/* body_guard: watches a body for what libopendkim (2.11.0~beta2) can't hash
 * rightly or without end. */
#ifndef MILTER_IO_BODY_GUARD_H
#define MILTER_IO_BODY_GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum {
	/* Longest run of octets without a blank or line end under relaxed
	 * canonicalization: the library keeps it in memory. */
	BODY_GUARD_WORD_BYTES = 4 * 1024 * 1024,
};

/* In the caller's memory; all zero before the first piece. */
struct body_guard {
	bool has_body;
	unsigned char last; /* octet so far, if has_body */
	size_t word_bytes;  /* since a blank or line end */
	/* A CR or LF was no half of a CRLF: the library hashes them wrongly
	 * at a blank line and between two pieces, and some MTAs change them. */
	bool has_lone;
	bool has_long_word; /* a run was longer than BODY_GUARD_WORD_BYTES */
};

/* Look at the next piece, before it is hashed. length isn't 0. */
void body_guard_take(
    struct body_guard *guard, const unsigned char *data, size_t length);

/* Does the body lack the line end that the MTA will put at its end? */
bool body_guard_lacks_end(const struct body_guard *guard);

#endif
