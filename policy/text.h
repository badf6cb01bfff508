/* text: strings of bounded length, and hostile text made harmless. Whatever
 * a client, a DNS answer or a file says passes text_add_clean() before it
 * reaches a reply, a header field or a log line. */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text under construction in the caller's memory; always NUL-terminated.
 * What doesn't fit is left out and the text then ends in "...": a cut is
 * never silent. */
struct text {
	char *data;
	size_t length;
	size_t size_bytes; /* of data, with the NUL; at least 4 */
	bool is_cut;
};

/* Start an empty text in space, which has size_bytes (at least 4) and stays
 * the caller's. */
void text_init(struct text *text, char *space, size_t size_bytes);

/* Append trusted text (ours, not from outside). */
void text_add(struct text *text, const char *string);

/* Append trusted text formatted as by printf(3). */
void text_addf(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Append length octets from outside, made harmless: well-formed UTF-8 of
 * printable characters is kept if keep_utf8, every other octet outside
 * printable ASCII becomes '?'. C1 controls, bidirectional overrides, line
 * and paragraph separators count as unprintable. */
void text_add_clean(
    struct text *text, const char *data, size_t length, bool keep_utf8);

/* Append a duration for a person to read, never shorter than it is: "45 s",
 * "61 min", "1 h", "2 d". */
void text_add_duration(struct text *text, uint64_t duration_ms);

/* Read all of string as a decimal number without sign, blanks or leading
 * '+'. False if it isn't one or doesn't lie within minimum..maximum. The
 * only reader of numbers in the project. */
bool text_number(const char *string, uint64_t minimum, uint64_t maximum,
    uint64_t *number_out);

/* ASCII lower case, in place; other octets stay. */
void text_lower(char *string);

/* Are the two equal but for ASCII case? */
bool text_equal_case(const char *one, const char *other);

/* The number of octets of the UTF-8 character at data (1 to 4), or 0 if the
 * length octets there don't begin with a well-formed one (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
size_t text_utf8_length(const char *data, size_t length);

#endif
