#include "policy/authres.h"

#include "policy/address.h"
#include "policy/text.h"

#include <string.h>
#include <strings.h>

enum {
	/* A broken value longer than this isn't looked into: it counts as
	 * anybody's. */
	BROKEN_OCTETS = 8192,
	/* Comments without an end that are looked for one; a bound on what
	 * "((((" costs. */
	OPEN_COMMENTS = 16,
	/* Words of a broken value that are no ASCII and so have to be
	 * normalised before they are compared: with more it counts as
	 * anybody's. */
	OTHER_WORDS = 64,
};

/* What is left to read. */
struct reader {
	const char *at;
	const char *end;
};

static bool
is_blank(char octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* An octet of a token (RFC 2045 §5.1), or of UTF-8 (RFC 6532). */
static bool
is_token(char octet)
{
	return (unsigned char)octet >= 0x80
	    || (octet > ' ' && octet < 127
		&& strchr("()<>@,;:\\\"/[]?=", octet) == NULL);
}

static bool
is_ascii(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

/* Copy an id in the form in which ids are compared: a domain normalised, what
 * is no domain without its last dot. NULL: no memory. */
static const char *
normalised(struct arena *arena, const char *id, size_t length)
{
	const char *domain;
	struct fault fault;

	if (address_domain(arena, id, length, &domain, &fault))
		return domain;
	if (length > 0 && id[length - 1] == '.')
		length--;
	return arena_copy(arena, id, length);
}

/* Is word the id wanted (normalised), blanks around it left out? */
static bool
is_id(struct arena *arena, const char *word, size_t length, const char *wanted)
{
	const char *name;

	while (length > 0 && is_blank(word[length - 1]))
		length--;
	while (length > 0 && is_blank(word[0])) {
		word++;
		length--;
	}
	if (!is_ascii(word, length)) {
		name = normalised(arena, word, length);
		return name == NULL || text_equal_case(name, wanted);
	}
	if (length > 0 && word[length - 1] == '.')
		length--;
	return length > 0 && length == strlen(wanted)
	    && strncasecmp(word, wanted, length) == 0;
}

/* Pass over a comment (RFC 5322 §3.2.2). False: it has no end. */
static bool
skip_comment(struct reader *reader)
{
	size_t depth = 0;

	for (; reader->at < reader->end; reader->at++) {
		if (*reader->at == '\\')
			reader->at++;
		else if (*reader->at == '(')
			depth++;
		else if (*reader->at == ')' && --depth == 0) {
			reader->at++;
			return true;
		}
	}
	reader->at = reader->end; /* a backslash may have led beyond it */
	return false;
}

/* Pass over comments and blanks. */
static bool
skip_cfws(struct reader *reader)
{
	while (reader->at < reader->end)
		if (is_blank(*reader->at))
			reader->at++;
		else if (*reader->at != '(')
			break;
		else if (!skip_comment(reader))
			return false;
	return true;
}

/* Read a quoted-string into to, which has room for all that is left. */
static bool
read_quoted(struct reader *reader, char *to, size_t *length_out)
{
	*length_out = 0;
	for (reader->at++; reader->at < reader->end; reader->at++) {
		char octet = *reader->at;

		if (octet == '"') {
			reader->at++;
			return true;
		}
		if (octet == '\\' && ++reader->at < reader->end)
			octet = *reader->at;
		if (octet == '\0' || reader->at >= reader->end)
			return false;
		/* A fold is no part of what is quoted. */
		if (octet != '\r' && octet != '\n')
			to[(*length_out)++] = octet;
	}
	return false;
}

static void
read_token(struct reader *reader, char *to, size_t *length_out)
{
	*length_out = 0;
	while (reader->at < reader->end && is_token(*reader->at))
		to[(*length_out)++] = *reader->at++;
}

/* May what follows the authserv-id follow it: a version or not, then ';' or
 * nothing? */
static bool
is_well_continued(struct reader *reader)
{
	if (!skip_cfws(reader))
		return false;
	while (reader->at < reader->end && *reader->at >= '0'
	    && *reader->at <= '9')
		reader->at++;
	return skip_cfws(reader)
	    && (reader->at == reader->end || *reader->at == ';');
}

/* Read the authserv-id as RFC 8601 §2.2 has it, into id, which has room for
 * all of the value. False: there the value isn't of that form. */
static bool
read_id(struct reader reader, char *id, size_t *length_out)
{
	if (!skip_cfws(&reader) || reader.at == reader.end)
		return false;
	if (*reader.at != '"')
		read_token(&reader, id, length_out);
	else if (!read_quoted(&reader, id, length_out))
		return false;
	return *length_out > 0 && is_well_continued(&reader);
}

/* Is one of the words of a text the id? *others: how many words that are no
 * ASCII may yet be looked at. */
static bool
has_word(struct arena *arena, const char *text, size_t length,
    const char *wanted, size_t *others)
{
	size_t start = 0;

	for (size_t i = 0; i <= length; i++) {
		if (i < length && is_token(text[i]))
			continue;
		if (!is_ascii(text + start, i - start) && (*others)-- == 0)
			return true;
		if (is_id(arena, text + start, i - start, wanted))
			return true;
		start = i + 1;
	}
	return false;
}

/* What of a broken value some readers leave out before they look. */
enum left_out {
	BACKSLASHES,
	NOT_ASCII, /* blanks of Unicode that can't be seen */
	COMMENTS,
	COMMENTS_AND_BLANKS,
	LEFT_OUT_COUNT,
};

static bool
is_left_out(enum left_out what, char octet)
{
	switch (what) {
	case BACKSLASHES:
		return octet == '\\';
	case NOT_ASCII:
		return (unsigned char)octet >= 0x80;
	case COMMENTS_AND_BLANKS:
		return is_blank(octet);
	default:
		return false;
	}
}

/* Copy value to `to`, which has room for all of it; returns the length. */
static size_t
leave_out(enum left_out what, const char *value, size_t length, char *to)
{
	struct reader reader = { value, value + length };
	size_t open_comments = 0;
	size_t kept = 0;

	while (reader.at < reader.end) {
		struct reader comment = reader;

		if (what >= COMMENTS && *reader.at == '('
		    && open_comments < OPEN_COMMENTS) {
			if (skip_comment(&comment)) {
				reader = comment;
				continue;
			}
			open_comments++;
		}
		if (!is_left_out(what, *reader.at))
			to[kept++] = *reader.at;
		reader.at++;
	}
	return kept;
}

/* Can a broken value be read so that it is the id's? */
static bool
may_claim(struct arena *arena, const char *value, size_t length, char *space,
    const char *wanted)
{
	size_t others = OTHER_WORDS;

	if (has_word(arena, value, length, wanted, &others))
		return true;
	for (int what = 0; what < LEFT_OUT_COUNT; what++) {
		size_t kept =
		    leave_out((enum left_out)what, value, length, space);

		if (has_word(arena, space, kept, wanted, &others))
			return true;
	}
	return false;
}

bool
authres_claims(struct arena *arena, const char *value, size_t length,
    const char *authserv_id)
{
	const char *wanted;
	size_t id_length;
	char *space;

	if (authserv_id[0] == '\0')
		return false;
	wanted = normalised(arena, authserv_id, strlen(authserv_id));
	space = arena_alloc(arena, length + 1);
	/* Without memory nobody can say that it doesn't. */
	if (wanted == NULL || space == NULL)
		return true;
	if (read_id(
		(struct reader){ value, value + length }, space, &id_length)) {
		if (is_id(arena, space, id_length, wanted))
			return true;
		if (is_ascii(space, id_length))
			return false;
	}
	return length > BROKEN_OCTETS
	    || may_claim(arena, value, length, space, wanted);
}
