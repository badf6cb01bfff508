/* canon: header fields and bodies in the form that a DKIM signature hashes
 * (RFC 6376 §3.4). A message may be as long as it likes: what the form may
 * leave out again (blanks, empty lines) is counted, not kept. Any octet may
 * come: NUL, 8-bit, and a CR or LF that is no half of a CRLF are text like
 * any other. Pure. */
#ifndef POLICY_CANON_H
#define POLICY_CANON_H

#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>

enum { CANON_SINK_OCTETS = 512 };

/* Where canonical octets go. Short pieces are gathered, as each call of take()
 * has its price; long ones go straight through. In the caller's memory; one
 * user at a time. */
struct canon_sink {
	void (*take)(void *context, const unsigned char *data, size_t length);
	void *context;
	size_t used;
	unsigned char gathered[CANON_SINK_OCTETS];
};

/* Start a sink that hands all to take(context, ...). */
void canon_sink_init(struct canon_sink *sink,
    void (*take)(void *context, const unsigned char *data, size_t length),
    void *context);

/* Hand on what was gathered. */
void canon_sink_flush(struct canon_sink *sink);

/* A body on its way. In the caller's memory; one user at a time. */
struct canon_body {
	enum canonicalization canon;
	struct canon_sink *sink;
	size_t line_ends; /* not handed on: they may be the last ones */
	bool has_blank;   /* not handed on: the line may end here */
	bool has_cr;      /* the last octet was a CR: half a line end? */
	bool has_text;    /* more than empty lines went by */
};

/* Start a body. sink is borrowed until canon_body_end(). */
void canon_body_init(struct canon_body *body, enum canonicalization canon,
    struct canon_sink *sink);

/* The next piece, cut anywhere (RFC 6376 §3.4.3, §3.4.4). */
void canon_body_add(
    struct canon_body *body, const unsigned char *data, size_t length);

/* The body has ended: what is due at its end, and all that was gathered, goes
 * to the sink. A last CRLF that is missing is added. An empty body is one CRLF
 * in simple form, and nothing in relaxed form. */
void canon_body_end(struct canon_body *body);

/* Hand a header field, "Name: value", to sink, and a CRLF after it if
 * has_line_end (the signature's own field has none, RFC 6376 §3.7). text has no
 * line end of its own; folds are CRLF and a blank (§3.4.1, §3.4.2). */
void canon_header(enum canonicalization canon, const char *text, size_t length,
    bool has_line_end, struct canon_sink *sink);

#endif
