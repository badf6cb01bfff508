/* The parser of From (address_from() in address.h). It reads the grammar of
 * RFC 5322 §3.4 with §4.4 and RFC 6854 strictly, once, without recursion or
 * going back. What isn't of that grammar is looked at a second time, by octets
 * alone: only where one address stands out however quotes, comments and
 * character sets are taken is it used. */
#include "policy/address.h"

#include <string.h>

/* An address as it is written for address_mailbox(): a quoted local part with
 * every octet escaped, '@', and a domain. What doesn't fit is longer than
 * ADDRESS_OCTETS. */
enum { WRITTEN_OCTETS = 2 * ADDRESS_OCTETS + 3 + ADDRESS_OCTETS };

enum { END = -1 };

struct reader {
	struct arena *arena;
	const char *at;
	const char *end;
	const char *problem; /* the first one; NULL while there is none */
	bool is_out_of_memory;
	bool is_in_group;

	/* Words that may yet turn out to be a local part; then the address. */
	char written[WRITTEN_OCTETS];
	size_t written_length;
	bool is_too_long;

	struct mailbox found[ADDRESS_MAILBOXES];
	size_t count;
};

/* What a run of words and dots could be. */
struct words {
	bool is_phrase; /* it begins with a word (RFC 5322 §4.1, obs-phrase) */
	bool is_local;  /* dots between all words (§4.4, obs-local-part) */
};

static bool
fail(struct reader *reader, const char *problem)
{
	if (reader->problem == NULL)
		reader->problem = problem;
	return false;
}

static int
next(const struct reader *reader)
{
	return reader->at < reader->end ? (unsigned char)*reader->at : END;
}

static bool
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
write_octets(struct reader *reader, const char *octets, size_t length)
{
	if (length > WRITTEN_OCTETS - reader->written_length) {
		reader->is_too_long = true;
		return;
	}
	memcpy(reader->written + reader->written_length, octets, length);
	reader->written_length += length;
}

/* A character of a local part, escaped where it must be. */
static void
write_local(struct reader *reader, const char *octets, size_t length)
{
	if (*octets == '"' || *octets == '\\')
		write_octets(reader, "\\", 1);
	write_octets(reader, octets, length);
}

/* The octets of the character of a quoted string or comment that comes next:
 * printable, or a blank. 0 if it is none. RFC 5322 §4.1 once allowed controls
 * there; but ESC begins other character sets, in which quotes are letters. */
static size_t
quotable(const struct reader *reader)
{
	int c = next(reader);

	if (c == '\t' || (c >= ' ' && c <= '~'))
		return 1;
	return address_atext(reader->at, (size_t)(reader->end - reader->at));
}

static bool
fail_at_character(struct reader *reader)
{
	return fail(reader,
	    next(reader) == END ? "a quote or comment without end"
				: "a control character or broken UTF-8");
}

/* Step over a backslash and what it escapes; character_out gets the latter. */
static bool
take_pair(struct reader *reader, const char **character_out, size_t *size_out)
{
	reader->at++;
	*size_out = quotable(reader);
	if (*size_out == 0)
		return fail_at_character(reader);
	*character_out = reader->at;
	reader->at += *size_out;
	return true;
}

/* Nesting has no limit, and costs a counter. */
static bool
skip_comment(struct reader *reader)
{
	const char *ignored;
	size_t depth = 0;
	size_t size;
	int c;

	do {
		c = next(reader);
		if (c == '\\') {
			if (!take_pair(reader, &ignored, &size))
				return false;
			continue;
		}
		if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		size = c == '\r' || c == '\n' ? 1 : quotable(reader);
		if (size == 0)
			return fail_at_character(reader);
		reader->at += size;
	} while (depth > 0);
	return true;
}

/* Blanks, folds and comments. That every line end is a fold is known. */
static bool
skip_blanks(struct reader *reader)
{
	for (;;) {
		if (is_blank(next(reader)))
			reader->at++;
		else if (next(reader) != '(')
			return true;
		else if (!skip_comment(reader))
			return false;
	}
}

static bool
read_quoted(struct reader *reader)
{
	const char *character = NULL;
	size_t size = 0;
	int c;

	reader->at++;
	for (c = next(reader); c != '"'; c = next(reader)) {
		if (c == '\\') {
			if (!take_pair(reader, &character, &size))
				return false;
			write_local(reader, character, size);
			continue;
		}
		if (c == '\r' || c == '\n') { /* of a fold; no text */
			reader->at++;
			continue;
		}
		size = quotable(reader);
		if (size == 0)
			return fail_at_character(reader);
		write_local(reader, reader->at, size);
		reader->at += size;
	}
	reader->at++;
	return true;
}

/* The length of the atom that comes next; 0: something else comes. */
static size_t
atom_length(const struct reader *reader)
{
	const char *at = reader->at;
	size_t size;

	for (; at < reader->end; at += size) {
		size = address_atext(at, (size_t)(reader->end - at));
		if (size == 0)
			break;
	}
	return (size_t)(at - reader->at);
}

static void
read_atom(struct reader *reader, size_t length)
{
	write_octets(reader, reader->at, length);
	reader->at += length;
}

/* A run of words and dots, perhaps none: a display name, a group's name or a
 * local part, as what follows it will tell. */
static bool
read_words(struct reader *reader, struct words *words_out)
{
	bool is_after_word = false;
	bool is_word;
	size_t length;

	reader->written[0] = '"';
	reader->written_length = 1;
	reader->is_too_long = false;
	*words_out = (struct words){ .is_phrase = next(reader) != '.',
		.is_local = true };
	for (;;) {
		length = atom_length(reader);
		is_word = length > 0 || next(reader) == '"';
		if (!is_word && next(reader) != '.')
			return true;
		if (is_word && is_after_word)
			words_out->is_local = false;
		is_after_word = is_word;
		if (length > 0)
			read_atom(reader, length);
		else if (!is_word)
			read_atom(reader, 1);
		else if (!read_quoted(reader))
			return false;
		if (!skip_blanks(reader))
			return false;
	}
}

/* '@' comes next. */
static bool
read_domain(struct reader *reader)
{
	bool is_after_atom = false;
	bool is_empty = true;
	size_t length;

	reader->at++;
	write_octets(reader, "\"@", 2);
	if (!skip_blanks(reader))
		return false;
	if (next(reader) == '[')
		return fail(reader, "an address literal");
	for (;;) {
		length = next(reader) == '.' ? 1 : atom_length(reader);
		if (length == 0)
			return !is_empty
			    || fail(reader, "an @ without a domain");
		if (next(reader) != '.' && is_after_atom)
			return fail(reader, "text after an address");
		is_empty = false;
		is_after_atom = next(reader) != '.';
		read_atom(reader, length);
		if (!skip_blanks(reader))
			return false;
	}
}

/* The words were a local part: read the domain, and take the address. */
static bool
read_address(struct reader *reader, const struct words *words)
{
	struct fault fault;

	if (!words->is_local)
		return fail(reader, "several words before an @");
	if (!read_domain(reader))
		return false;
	if (reader->is_too_long)
		return fail(reader, "an address longer than 1024 octets");
	if (reader->count == ADDRESS_MAILBOXES)
		return fail(reader, "more than 64 addresses");
	if (address_mailbox(reader->arena, reader->written,
		reader->written_length, &reader->found[reader->count],
		&fault)) {
		reader->count++;
		return true;
	}
	reader->is_out_of_memory = fault.kind == FAULT_MEMORY;
	if (!reader->is_out_of_memory)
		fail(reader, arena_strdup(reader->arena, fault.words));
	reader->is_out_of_memory |= reader->problem == NULL;
	return false;
}

static bool
skip_empty_elements(struct reader *reader)
{
	for (;;) {
		if (!skip_blanks(reader))
			return false;
		if (next(reader) != ',')
			return true;
		reader->at++;
	}
}

/* An obsolete route "@a,@b:" (RFC 5322 §4.4), which leads nowhere today. */
static bool
skip_route(struct reader *reader)
{
	do {
		if (!skip_empty_elements(reader))
			return false;
		if (next(reader) == '@' && !read_domain(reader))
			return false;
	} while (next(reader) == ',');
	if (next(reader) != ':')
		return fail(reader, "a broken source route");
	reader->at++;
	return skip_blanks(reader);
}

/* '<' comes next. */
static bool
read_angle(struct reader *reader)
{
	struct words words;

	reader->at++;
	if (!skip_blanks(reader))
		return false;
	if ((next(reader) == '@' || next(reader) == ',') && !skip_route(reader))
		return false;
	if (!read_words(reader, &words))
		return false;
	if (next(reader) != '@')
		return fail(reader, "angle brackets without an address");
	if (!read_address(reader, &words))
		return false;
	if (next(reader) != '>')
		return fail(reader, "an angle bracket that isn't closed");
	reader->at++;
	return true;
}

/* A mailbox, or the beginning of a group. */
static bool
read_element(struct reader *reader, bool *is_complete_out)
{
	const char *start = reader->at;
	struct words words;

	*is_complete_out = true;
	if (!read_words(reader, &words))
		return false;
	switch (next(reader)) {
	case '<':
		if (!words.is_phrase)
			return fail(
			    reader, "a display name that begins with a dot");
		return read_angle(reader);
	case '@':
		return read_address(reader, &words);
	case ':':
		if (reader->is_in_group || !words.is_phrase
		    || reader->at == start)
			return fail(reader, "a colon where no group can begin");
		reader->is_in_group = true;
		reader->at++;
		*is_complete_out = false;
		return true;
	default:
		return fail(reader,
		    "a name without address, or a special "
		    "character that isn't quoted");
	}
}

/* All of the value. Elements may be empty (RFC 5322 §4.4). */
static bool
read_list(struct reader *reader)
{
	bool is_complete = false; /* only a separator may follow */

	for (;;) {
		if (!skip_blanks(reader))
			return false;
		if (next(reader) == END) {
			if (reader->is_in_group)
				return fail(
				    reader, "a group that isn't closed");
			return true;
		}
		if (next(reader) == ',') {
			reader->at++;
			is_complete = false;
		} else if (next(reader) == ';' && reader->is_in_group) {
			reader->at++;
			reader->is_in_group = false;
			is_complete = true;
		} else if (is_complete) {
			return fail(reader, "text after an address");
		} else if (!read_element(reader, &is_complete)) {
			return false;
		}
	}
}

/* Does nothing in the value end it early for some reader: a NUL, a line end
 * that is no fold, a CR alone? */
static bool
is_one_field(const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (value[i] == '\0')
			return false;
		if (value[i] == '\r'
		    && (i + 1 == length || value[i + 1] != '\n'))
			return false;
		if (value[i] == '\n'
		    && (i + 1 == length
			|| (value[i + 1] != ' ' && value[i + 1] != '\t')))
			return false;
	}
	return true;
}

static size_t
without_line_end(const char *value, size_t length)
{
	if (length > 0 && value[length - 1] == '\n')
		length--;
	else
		return length;
	if (length > 0 && value[length - 1] == '\r')
		length--;
	return length;
}

/* Does position lie within a quoted string or a comment that ends? Then the
 * name isn't broken: there is just no address where one should be. */
static bool
is_hidden(const char *value, const char *end, const char *position)
{
	bool is_quoted = false;
	bool is_inside = false; /* at position */
	size_t depth = 0;

	for (const char *at = value; at < end; at++) {
		if (at == position && !is_quoted && depth == 0)
			return false;
		is_inside |= at == position;
		if (*at == '\\' && (is_quoted || depth > 0)) {
			at++;
			is_inside |= at == position;
		} else if (*at == '"' && depth == 0) {
			is_quoted = !is_quoted;
		} else if (*at == '(' && !is_quoted) {
			depth++;
		} else if (*at == ')' && depth > 0) {
			depth--;
		}
		if (is_inside && !is_quoted && depth == 0)
			return true;
	}
	return false;
}

static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && is_blank((unsigned char)**text)) {
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && is_blank((unsigned char)(*text)[*length - 1]))
		(*length)--;
}

/* Is text, but for blanks and a pair of apostrophes, the address again, as in
 * "a@b.example <a@b.example>"? Then nobody reads another one there. */
static bool
is_same_address(struct reader *reader, const char *text, size_t length,
    const struct mailbox *mailbox)
{
	struct mailbox other;
	struct fault fault;

	trim(&text, &length);
	if (length >= 2 && text[0] == '\'' && text[length - 1] == '\'') {
		text++;
		length -= 2;
	}
	if (address_mailbox(reader->arena, text, length, &other, &fault))
		return address_equal(mailbox, &other, true);
	reader->is_out_of_memory |= fault.kind == FAULT_MEMORY;
	return false;
}

/* The address in the only angle brackets of the value, if there is nothing
 * that anybody could take for another one: no other '@', whatever quotes,
 * comments and 8-bit text around it mean; in the brackets no quotes and no
 * comments; and behind them a boundary, as some readers drop the brackets. */
static bool
rescue(struct reader *reader, const char *value, size_t length,
    struct mailbox *mailbox_out)
{
	const char *end = value + length;
	const char *open = memchr(value, '<', length);
	const char *close = memchr(value, '>', length);
	struct fault fault;
	const char *text;
	size_t size;

	if (open == NULL || close == NULL || close < open
	    || memchr(open + 1, '<', (size_t)(end - open) - 1) != NULL
	    || memchr(close + 1, '>', (size_t)(end - close) - 1) != NULL
	    || memchr(close, '@', (size_t)(end - close)) != NULL
	    || is_hidden(value, end, open))
		return false;
	if (close + 1 < end && strchr(" \t\r\n,;(", close[1]) == NULL)
		return false;
	text = open + 1;
	size = (size_t)(close - text);
	trim(&text, &size);
	if (text[0] == '"')
		return false;
	if (!address_mailbox(reader->arena, text, size, mailbox_out, &fault)) {
		reader->is_out_of_memory |= fault.kind == FAULT_MEMORY;
		return false;
	}
	if (mailbox_out->is_literal)
		return false;
	size = (size_t)(open - value);
	return memchr(value, '@', size) == NULL
	    || is_same_address(reader, value, size, mailbox_out);
}

static bool
give(struct reader *reader, enum from_form form, const struct mailbox *found,
    size_t count, struct from_field *from_out)
{
	struct mailbox *mailboxes = NULL;

	if (reader->is_out_of_memory)
		return false;
	if (count > 0) {
		mailboxes = arena_alloc(reader->arena, count * sizeof(*found));
		if (mailboxes == NULL)
			return false;
		memcpy(mailboxes, found, count * sizeof(*found));
	}
	*from_out = (struct from_field){ .form = form,
		.mailboxes = mailboxes,
		.count = count,
		.problem = form == FROM_GOOD ? NULL : reader->problem };
	return true;
}

bool
address_from(struct arena *arena, const char *value, size_t length,
    struct from_field *from_out)
{
	struct reader reader = { .arena = arena };
	struct mailbox rescued;

	*from_out = (struct from_field){ .form = FROM_UNUSABLE };
	length = without_line_end(value, length);
	reader.at = value;
	reader.end = value + length;

	if (!is_one_field(value, length)) {
		fail(&reader, "a NUL, or a line end that is no fold");
		return give(&reader, FROM_UNUSABLE, NULL, 0, from_out);
	}
	if (read_list(&reader)) {
		if (reader.count > 0)
			return give(&reader, FROM_GOOD, reader.found,
			    reader.count, from_out);
		fail(&reader, "no address");
		return give(&reader, FROM_NO_ADDRESS, NULL, 0, from_out);
	}
	if (memchr(value, '@', length) == NULL) {
		reader.problem = "no address";
		return give(&reader, FROM_NO_ADDRESS, NULL, 0, from_out);
	}
	if (rescue(&reader, value, length, &rescued))
		return give(&reader, FROM_BROKEN_NAME, &rescued, 1, from_out);
	return give(&reader, FROM_UNUSABLE, NULL, 0, from_out);
}
