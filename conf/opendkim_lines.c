#include "conf/opendkim_lines.h"

#include "conf/file.h"
#include "policy/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What isspace(3) says in the C locale, but for the line end. */
static bool
is_blank(char character)
{
	return character == ' ' || character == '\t'
	    || (character > '\n' && character <= '\r');
}

bool
opendkim_lines_open(struct opendkim_lines *lines, const char *path,
    bool is_refile, struct opendkim_complaints *complaints, struct fault *fault)
{
	static const char byte_order_mark[] = "\xEF\xBB\xBF";

	*lines = (struct opendkim_lines){
		.path = path,
		.number = 1,
		.is_refile = is_refile,
		.complaints = complaints,
	};
	if (!file_read(path, OPENDKIM_FILE_BYTES, &lines->text, &lines->length,
		fault)) {
		fault_prefix(fault, "%s: ", path);
		return false;
	}
	/* Editors of another system put it there, and nobody sees it. */
	if (strncmp(lines->text, byte_order_mark, 3) == 0)
		lines->position = 3;
	return true;
}

static void
hide_keys(char *words)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz"
				     "0123456789+/=";
	static const char instead[] = "...";
	const char *from = words;
	char *to = words;

	while (*from != '\0') {
		size_t run = strspn(from, base64);
		size_t kept = run == 0 ? 1 : run;

		if (run > OPENDKIM_SHOWN_RUN) {
			kept = sizeof(instead) - 1;
			memcpy(to, instead, kept);
		} else
			memmove(to, from, kept);
		from += run == 0 ? 1 : run;
		to += kept;
	}
	*to = '\0';
}

void
opendkim_lines_complain(
    struct opendkim_lines *lines, size_t number, const char *format, ...)
{
	struct opendkim_complaints *complaints = lines->complaints;
	char words[FAULT_WORDS_BYTES];
	struct fault fault;
	va_list arguments;

	complaints->count++;
	lines->bad_count++;
	if (lines->bad_count > OPENDKIM_COMPLAINTS)
		return;
	va_start(arguments, format);
	vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	hide_keys(words);
	fault_set(
	    &fault, FAULT_PERMANENT, "%s:%zu: %s", lines->path, number, words);
	complaints->complain(complaints->context, &fault);
}

void
opendkim_lines_end(struct opendkim_lines *lines)
{
	struct fault fault;

	if (lines->bad_count <= OPENDKIM_COMPLAINTS)
		return;
	fault_set(&fault, FAULT_PERMANENT, "%s: and %zu more bad lines",
	    lines->path, lines->bad_count - OPENDKIM_COMPLAINTS);
	lines->complaints->complain(lines->complaints->context, &fault);
}

/* The line at the position, without its comment and the blanks at its end;
 * the position moves behind it. */
static char *
physical_line(struct opendkim_lines *lines, size_t *length_out)
{
	char *start = lines->text + lines->position;
	size_t left = lines->length - lines->position;
	const char *end = memchr(start, '\n', left);
	size_t length = end != NULL ? (size_t)(end - start) : left;
	const char *comment = memchr(start, '#', length);

	lines->position += length + (end != NULL);
	lines->number++;
	if (comment != NULL)
		length = (size_t)(comment - start);
	while (length > 0 && is_blank(start[length - 1]))
		length--;
	*length_out = length;
	return start;
}

/* What no line can have; NULL if it has none of that. */
static const char *
octets_problem(const char *text, size_t length)
{
	size_t size;

	for (size_t i = 0; i < length; i += size) {
		size = 1;
		if (text[i] >= ' ' && text[i] < '\x7f')
			continue; /* as nearly all do */
		size = text_utf8_length(text + i, length - i);
		if (size == 0)
			return "octets that are no UTF-8";
		if (text[i] == '\0')
			return "a NUL octet; this is no text file";
		if (size == 1 && !is_blank(text[i]))
			return "a control character";
	}
	return NULL;
}

static void
split(char *text, size_t length, struct opendkim_line *line_out)
{
	size_t i = 0;

	text[length] = '\0';
	line_out->key = text;
	while (i < length && !is_blank(text[i]))
		i++;
	line_out->value = text + i;
	if (i == length)
		return;
	text[i] = '\0';
	do
		i++;
	while (is_blank(text[i]));
	line_out->value = text + i;
}

/* OpenDKIM passes over indented lines of a refile without a word. */
static bool
is_fit(struct opendkim_lines *lines, const char *text, size_t length,
    size_t indent, size_t number)
{
	const char *problem;

	if (length > OPENDKIM_LINE_OCTETS) {
		opendkim_lines_complain(lines, number,
		    "longer than %d octets; begin a new line for each entry",
		    (int)OPENDKIM_LINE_OCTETS);
		return false;
	}
	problem = octets_problem(text, length);
	if (problem != NULL) {
		opendkim_lines_complain(lines, number, "%s", problem);
		return false;
	}
	if (indent > 0 && lines->is_refile) {
		opendkim_lines_complain(lines, number,
		    "begins with a blank: OpenDKIM ignores such lines of a "
		    "refile; take the blank away, or put # in its place");
		return false;
	}
	return true;
}

bool
opendkim_lines_next(struct opendkim_lines *lines,
    struct opendkim_line *line_out, bool *is_end_out, struct fault *fault)
{
	*is_end_out = false;
	while (lines->position < lines->length) {
		size_t number = lines->number;
		size_t indent = 0;
		size_t length;
		char *text = physical_line(lines, &length);

		if (length == 0)
			continue;
		if (++lines->used > OPENDKIM_LINES) {
			fault_set(fault, FAULT_PERMANENT,
			    "%s: has more than %d entries", lines->path,
			    (int)OPENDKIM_LINES);
			return false;
		}
		while (is_blank(text[indent]))
			indent++;
		if (!is_fit(
			lines, text + indent, length - indent, indent, number))
			continue;
		split(text + indent, length - indent, line_out);
		line_out->number = number;
		return true;
	}
	*is_end_out = true;
	return false;
}

const char *
opendkim_lines_keep(
    struct arena *extra, char *place, size_t length, const char *text)
{
	size_t needed = strlen(text);

	if (needed > length)
		return arena_copy(extra, text, needed);
	memmove(place, text, needed + 1);
	return place;
}
