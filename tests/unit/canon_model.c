#include "tests/unit/canon_model.h"

#include <stdlib.h>
#include <string.h>

static bool
is_wsp(unsigned char octet)
{
	return octet == ' ' || octet == '\t';
}

static bool
is_crlf(const unsigned char *data, size_t length, size_t at)
{
	return at + 2 <= length && data[at] == '\r' && data[at + 1] == '\n';
}

static size_t
add_crlf(unsigned char *to, size_t length)
{
	to[length] = '\r';
	to[length + 1] = '\n';
	return length + 2;
}

/* "Converts *CRLF at the end of the body to a single CRLF" (§3.4.3). */
static size_t
simple_body(const unsigned char *data, size_t length, unsigned char *to)
{
	while (length >= 2 && is_crlf(data, length, length - 2))
		length -= 2;
	if (length > 0)
		memcpy(to, data, length);
	return add_crlf(to, length);
}

/* "Reduce all sequences of WSP within a line to a single SP", "ignore all
 * whitespace at the end of lines" (§3.4.4 a). */
static size_t
reduce_line(const unsigned char *line, size_t length, unsigned char *to)
{
	size_t written = 0;

	while (length > 0 && is_wsp(line[length - 1]))
		length--;
	for (size_t i = 0; i < length; i++)
		if (!is_wsp(line[i]))
			to[written++] = line[i];
		else if (!is_wsp(line[i + 1]))
			to[written++] = ' ';
	return written;
}

static size_t
relaxed_body(const unsigned char *data, size_t length, unsigned char *to)
{
	size_t written = 0;
	size_t kept = 0; /* up to the last line that isn't empty (§3.4.4 b) */
	size_t begin = 0;

	while (begin < length) {
		size_t end = begin;
		size_t reduced;

		while (end < length && !is_crlf(data, length, end))
			end++;
		reduced = reduce_line(data + begin, end - begin, to + written);
		written = add_crlf(to, written + reduced);
		if (reduced > 0)
			kept = written;
		begin = end + 2;
	}
	return kept;
}

size_t
canon_model_body(enum canonicalization canon, const unsigned char *data,
    size_t length, unsigned char *to)
{
	return canon == CANON_SIMPLE ? simple_body(data, length, to)
				     : relaxed_body(data, length, to);
}

/* §3.4.2, a step at a time. */
static size_t
relaxed_header(const unsigned char *text, size_t length, unsigned char *to)
{
	unsigned char *unfolded = malloc(length + 1);
	size_t name = 0;
	size_t written = 0;
	size_t octets = 0;
	size_t value;

	if (unfolded == NULL)
		abort();
	while (name < length && text[name] != ':')
		name++;
	for (size_t i = 0; i < name; i++)
		to[i] = text[i] >= 'A' && text[i] <= 'Z'
		    ? (unsigned char)(text[i] + 32)
		    : text[i];
	written = name;
	while (written > 0 && is_wsp(to[written - 1]))
		written--;
	if (name < length)
		to[written++] = ':';
	for (size_t i = name + 1; i < length; i++) {
		if (is_crlf(text, length, i) && i + 2 < length
		    && is_wsp(text[i + 2]))
			i++;
		else
			unfolded[octets++] = text[i];
	}
	for (value = 0; value < octets && is_wsp(unfolded[value]); value++)
		;
	written += reduce_line(unfolded + value, octets - value, to + written);
	free(unfolded);
	return written;
}

size_t
canon_model_header(enum canonicalization canon, const unsigned char *text,
    size_t length, bool has_line_end, unsigned char *to)
{
	size_t written = length;

	if (canon == CANON_RELAXED)
		written = relaxed_header(text, length, to);
	else if (length > 0)
		memcpy(to, text, length);
	return has_line_end ? add_crlf(to, written) : written;
}

void
canon_gather(void *context, const unsigned char *data, size_t length)
{
	struct canon_gathered *gathered = context;

	if (length == 0)
		gathered->has_empty = true;
	if (length > gathered->room - gathered->length) {
		gathered->has_overrun = true;
		return;
	}
	memcpy(gathered->data + gathered->length, data, length);
	gathered->length += length;
}
