#include "policy/canon.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* An octet in each octet of a word. */
#define EVERY(octet) (UINT64_C(0x0101010101010101) * (octet))

/* Line ends that are copied at a stroke. */
enum { CRLFS = 8 };

static const unsigned char crlfs[2 * CRLFS + 1] =
    "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";

void
canon_sink_init(struct canon_sink *sink,
    void (*take)(void *context, const unsigned char *data, size_t length),
    void *context)
{
	sink->take = take;
	sink->context = context;
	sink->used = 0;
}

void
canon_sink_flush(struct canon_sink *sink)
{
	if (sink->used > 0)
		sink->take(sink->context, sink->gathered, sink->used);
	sink->used = 0;
}

static void
put(struct canon_sink *sink, const unsigned char *data, size_t length)
{
	if (length > sizeof(sink->gathered) - sink->used) {
		canon_sink_flush(sink);
		if (length >= sizeof(sink->gathered) / 2) {
			sink->take(sink->context, data, length);
			return;
		}
	}
	memcpy(sink->gathered + sink->used, data, length);
	sink->used += length;
}

static bool
is_blank(unsigned char octet)
{
	return octet == ' ' || octet == '\t';
}

/* Of the eight octets at at, of which a ninth can be read, those that
 * find_change() looks for, and other controls: 0 for none, else the lowest bit
 * that is set is the highest of the first one's octet. */
static uint64_t
may_change(const unsigned char *at)
{
	uint64_t word, next, pair;

	memcpy(&word, at, sizeof(word));
	memcpy(&next, at + 1, sizeof(next));
	/* Zero where a space stands before a space. */
	pair = (word ^ EVERY(' ')) | (next ^ EVERY(' '));
	/* The borrow of an octet that is less (than 14: TAB, CR, and what is
	 * rare; than 1) can reach those after it, never those before. */
	word = le64toh(word);
	pair = le64toh(pair);
	return (((word - EVERY(14)) & ~word) | ((pair - EVERY(1)) & ~pair))
	    & EVERY(0x80);
}

static bool
is_change(const unsigned char *at, const unsigned char *end)
{
	return *at == '\t' || *at == '\r'
	    || (*at == ' ' && end - at > 1 && at[1] == ' ');
}

/* The first TAB, CR, or space with a space after it; end if there is none. All
 * else stays as it is in relaxed form, unless a blank ends the line. */
static const unsigned char *
find_change(const unsigned char *at, const unsigned char *end)
{
	while (end - at > 8) {
		uint64_t found = may_change(at);

		if (found == 0) {
			at += 8;
			continue;
		}
		at += __builtin_ctzll(found) / 8;
		if (is_change(at, end))
			return at;
		at++;
	}
	while (at < end && !is_change(at, end))
		at++;
	return at;
}

/* Where the run ends that begins at start, with neither blank nor CR, and that
 * relaxed form leaves as it is: words, single spaces between them, and line
 * ends that have text on both sides. */
static const unsigned char *
relaxed_run(const unsigned char *start, const unsigned char *end)
{
	const unsigned char *at = start;

	for (;;) {
		at = find_change(at, end);
		if (end - at < 3 || at[0] != '\r' || at[1] != '\n'
		    || at[-1] == ' ' || at[2] == '\r' || is_blank(at[2]))
			break;
		at += 3;
	}
	return at[-1] == ' ' ? at - 1 : at;
}

void
canon_body_init(struct canon_body *body, enum canonicalization canon,
    struct canon_sink *sink)
{
	*body = (struct canon_body){ .canon = canon, .sink = sink };
}

/* Text comes, so what was held back before it counts. */
static void
put_held(struct canon_body *body)
{
	struct canon_sink *sink = body->sink;

	for (; body->line_ends > CRLFS; body->line_ends -= CRLFS)
		put(sink, crlfs, 2 * CRLFS);
	if (sizeof(sink->gathered) - sink->used <= 2 * CRLFS)
		canon_sink_flush(sink);
	/* All, of which some are kept: faster than to count. */
	memcpy(sink->gathered + sink->used, crlfs, 2 * CRLFS);
	sink->used += 2 * body->line_ends;
	body->line_ends = 0;
	if (body->has_blank)
		sink->gathered[sink->used++] = ' ';
	body->has_blank = false;
}

static void
put_text(struct canon_body *body, const unsigned char *data, size_t length)
{
	put_held(body);
	put(body->sink, data, length);
	body->has_text = true;
}

/* Only line ends at the very end are left out in simple form, so there is
 * nothing to look for in what comes before those of this piece. */
static void
add_simple(struct canon_body *body, const unsigned char *data,
    const unsigned char *end)
{
	size_t line_ends = 0;

	body->has_cr = end[-1] == '\r';
	if (body->has_cr)
		end--;
	while (end - data >= 2 && end[-2] == '\r' && end[-1] == '\n') {
		end -= 2;
		line_ends++;
	}
	if (data < end)
		put_text(body, data, (size_t)(end - data));
	body->line_ends += line_ends;
}

static void
add_relaxed(struct canon_body *body, const unsigned char *data,
    const unsigned char *end)
{
	while (data < end) {
		const unsigned char *start = data;

		if (is_blank(*data)) {
			body->has_blank = true;
			while (data < end && is_blank(*data))
				data++;
		} else if (*data != '\r') {
			data = relaxed_run(data, end);
			put_text(body, start, (size_t)(data - start));
		} else if (end - data == 1) {
			body->has_cr = true;
			return;
		} else if (data[1] == '\n') {
			body->has_blank = false;
			body->line_ends++;
			data += 2;
		} else {
			put_text(body, data, 1);
			data++;
		}
	}
}

void
canon_body_add(
    struct canon_body *body, const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;

	if (length == 0)
		return;
	if (body->has_cr && *data == '\n') {
		body->has_blank = false;
		body->line_ends++;
		data++;
	} else if (body->has_cr)
		put_text(body, crlfs, 1);
	body->has_cr = false;
	if (data == end)
		return;
	if (body->canon == CANON_SIMPLE)
		add_simple(body, data, end);
	else
		add_relaxed(body, data, end);
}

void
canon_body_end(struct canon_body *body)
{
	if (body->has_cr)
		put_text(body, crlfs, 1);
	if (body->has_text || body->canon == CANON_SIMPLE)
		put(body->sink, crlfs, 2);
	canon_sink_flush(body->sink);
}

/* The name in lower case, without the blanks before the colon (§3.4.2).
 * Returns where the value begins. */
static const unsigned char *
put_name(
    struct canon_sink *sink, const unsigned char *at, const unsigned char *end)
{
	const unsigned char *colon = memchr(at, ':', (size_t)(end - at));
	const unsigned char *stop = colon == NULL ? end : colon;

	while (stop > at && is_blank(stop[-1]))
		stop--;
	for (; at < stop; at++) {
		unsigned char octet = *at;

		if (octet >= 'A' && octet <= 'Z')
			octet = (unsigned char)(octet - 'A' + 'a');
		put(sink, &octet, 1);
	}
	if (colon == NULL)
		return end;
	put(sink, colon, 1);
	return colon + 1;
}

static void
put_relaxed_value(
    struct canon_sink *sink, const unsigned char *at, const unsigned char *end)
{
	bool has_text = false;
	bool has_blank = false;

	while (at < end) {
		const unsigned char *start = at;

		if (is_blank(*at)) {
			has_blank = true;
			at++;
			continue;
		}
		/* The blank of a fold is still to come. */
		if (end - at > 2 && at[0] == '\r' && at[1] == '\n'
		    && is_blank(at[2])) {
			at += 2;
			continue;
		}
		at = *at == '\r' ? at + 1 : relaxed_run(at, end);
		if (has_blank && has_text)
			put(sink, (const unsigned char *)" ", 1);
		put(sink, start, (size_t)(at - start));
		has_text = true;
		has_blank = false;
	}
}

void
canon_header(enum canonicalization canon, const char *text, size_t length,
    bool has_line_end, struct canon_sink *sink)
{
	const unsigned char *data = (const unsigned char *)text;
	const unsigned char *end = data + length;

	if (canon == CANON_RELAXED)
		put_relaxed_value(sink, put_name(sink, data, end), end);
	else
		put(sink, data, length);
	if (has_line_end)
		put(sink, crlfs, 2);
}
