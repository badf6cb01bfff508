/* map_lines: the lines of a file in the form of Postfix's texthash, read by
 * maps alone. */
#ifndef CONF_MAP_LINES_H
#define CONF_MAP_LINES_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* A million addresses with their logins are some 60 MB. */
enum { MAP_LINES_FILE_BYTES = 512 * 1024 * 1024 };

/* One logical line: the first word, and the rest. Both stay in the text. */
struct map_line {
	char *key;
	char *value; /* without blanks around it; empty: there is none */
	size_t number;
};

/* A walk over the lines of a file. */
struct map_lines {
	const char *path;
	char *text;
	size_t length;
	size_t position;
	size_t line;
};

/* Read the file at path, from its first line on. text is then the caller's to
 * free(), once no line is used any more. False with words "FILE:LINE: ...". */
bool
map_lines_open(struct map_lines *reader, const char *path, struct fault *fault);

/* The next logical line; comments and empty lines are skipped, a line that
 * begins with a blank continues the one before it. *is_end_out: there is
 * none. False with words for one that can't be. */
bool map_lines_next(struct map_lines *reader, struct map_line *line_out,
    bool *is_end_out, struct fault *fault);

/* False, with words about a line: "FILE:LINE: WORDS". */
bool map_lines_complain(const struct map_lines *reader, size_t line,
    struct fault *fault, const char *words);

/* What parts a key from its value. */
bool map_lines_is_blank(char character);

#endif
