#include "conf/map_lines.h"

#include "conf/file.h"

#include <stdlib.h>
#include <string.h>

bool
map_lines_is_blank(char character)
{
	return character == ' ' || (character >= '\t' && character <= '\r');
}

bool
map_lines_complain(const struct map_lines *reader, size_t line,
    struct fault *fault, const char *words)
{
	fault_set(
	    fault, FAULT_PERMANENT, "%s:%zu: %s", reader->path, line, words);
	return false;
}

bool
map_lines_open(struct map_lines *reader, const char *path, struct fault *fault)
{
	const char *nul;
	size_t line = 1;

	*reader = (struct map_lines){ .path = path, .line = 1 };
	if (!file_read(path, MAP_LINES_FILE_BYTES, &reader->text,
		&reader->length, fault)) {
		fault_prefix(fault, "%s: ", path);
		return false;
	}
	nul = memchr(reader->text, '\0', reader->length);
	if (nul == NULL)
		return true;
	for (const char *at = reader->text; at < nul; at++)
		line += *at == '\n';
	map_lines_complain(reader, line, fault,
	    "a NUL octet; this is no text file (is it a compiled map?)");
	free(reader->text);
	reader->text = NULL;
	return false;
}

/* The physical line at the position, which moves behind it. */
static char *
physical_line(struct map_lines *reader, size_t *length_out)
{
	char *start = reader->text + reader->position;
	size_t left = reader->length - reader->position;
	char *end = memchr(start, '\n', left);

	*length_out = end != NULL ? (size_t)(end - start) : left;
	reader->position += *length_out + (end != NULL);
	reader->line++;
	return start;
}

/* Has the line nothing but blanks and a comment? */
static bool
is_nothing(const char *line, size_t length)
{
	size_t i = 0;

	while (i < length && map_lines_is_blank(line[i]))
		i++;
	return i == length || line[i] == '#';
}

/* Blanks within quotes belong to the key, as they do for postmap(1). */
static char *
key_end(char *at)
{
	bool is_quoted = false;

	for (; *at != '\0' && (is_quoted || !map_lines_is_blank(*at)); at++) {
		if (*at == '"')
			is_quoted = !is_quoted;
		else if (*at == '\\' && at[1] != '\0')
			at++;
	}
	return at;
}

static void
split(char *line, size_t length, struct map_line *line_out)
{
	char *end;

	while (length > 0 && map_lines_is_blank(line[length - 1]))
		length--;
	line[length] = '\0';
	end = key_end(line);
	line_out->key = line;
	line_out->value = end;
	if (*end != '\0') {
		*end = '\0';
		line_out->value = end + 1;
		while (map_lines_is_blank(*line_out->value))
			line_out->value++;
	}
}

/* Lines that continue it are moved up to it, so that it stands in one piece,
 * in place: it never needs more room than it had. */
bool
map_lines_next(struct map_lines *reader, struct map_line *line_out,
    bool *is_end_out, struct fault *fault)
{
	char *line = NULL;
	size_t length = 0;

	*is_end_out = false;
	while (reader->position < reader->length) {
		size_t before = reader->position;
		size_t number = reader->line;
		size_t more;
		char *physical = physical_line(reader, &more);

		if (is_nothing(physical, more))
			continue;
		if (!map_lines_is_blank(*physical) && line != NULL) {
			reader->position = before;
			reader->line = number;
			break;
		}
		if (line == NULL && map_lines_is_blank(*physical))
			return map_lines_complain(reader, number, fault,
			    "begins with a blank, but there is no line before "
			    "that it could continue");
		if (line == NULL) {
			line = physical;
			line_out->number = number;
			length = more;
		} else {
			memmove(line + length, physical, more);
			length += more;
		}
	}
	*is_end_out = line == NULL;
	if (line != NULL)
		split(line, length, line_out);
	return true;
}
