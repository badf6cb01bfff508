/* canon_model: canonicalization as RFC 6376 §3.4 words it, step by step on the
 * whole text, to hold policy/canon against; and a place to gather what comes
 * out of a sink. */
#ifndef TESTS_UNIT_CANON_MODEL_H
#define TESTS_UNIT_CANON_MODEL_H

#include "policy/canon.h"

#include <stdbool.h>
#include <stddef.h>

/* The most octets that length octets become. */
enum { CANON_MODEL_MORE = 4 };

/* The body, which must fit into to with CANON_MODEL_MORE octets more than
 * length. Returns the octets written. */
size_t canon_model_body(enum canonicalization canon, const unsigned char *data,
    size_t length, unsigned char *to);

/* The same for the header field "Name: value". */
size_t
canon_model_header(enum canonicalization canon, const unsigned char *text,
    size_t length, bool has_line_end, unsigned char *to);

/* Octets gathered from a sink, in the caller's memory. */
struct canon_gathered {
	unsigned char *data;
	size_t length;
	size_t room;
	bool has_overrun; /* more came than fits */
	bool has_empty;   /* a call without octets came */
};

/* What canon_sink_init() wants; context is a struct canon_gathered. */
void canon_gather(void *context, const unsigned char *data, size_t length);

#endif
