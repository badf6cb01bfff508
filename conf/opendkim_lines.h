/* opendkim_lines: the lines of OpenDKIM's flat files ("file:" and "refile:" of
 * opendkim(8), DATA SETS): a first word, and what follows it after blanks. "#"
 * begins a comment wherever it stands, blanks at the end don't count, no line
 * continues another. For the tables of conf/opendkim alone. */
#ifndef CONF_OPENDKIM_LINES_H
#define CONF_OPENDKIM_LINES_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	/* Most octets of a table: some three million domains. */
	OPENDKIM_FILE_BYTES = 512 * 1024 * 1024,
	/* Most lines of a table that say something. */
	OPENDKIM_LINES = 10 * 1000 * 1000,
	/* Most octets of a line, its comment and the blanks around it apart:
	 * room for an RSA-8192 key. OpenDKIM cuts lines in two at 1,023. */
	OPENDKIM_LINE_OCTETS = 16384,
	/* So many bad lines of a file are told, and how many more there are. */
	OPENDKIM_COMPLAINTS = 100,
	/* Labels and names that people write are shorter; of the shortest key,
	 * it is less than a third. */
	OPENDKIM_SHOWN_RUN = 20,
};

/* Who is told of bad lines, of which count were found so far. */
struct opendkim_complaints {
	void (*complain)(void *context, const struct fault *fault);
	void *context;
	size_t count;
};

/* One line. Both strings stay in the text of the file. */
struct opendkim_line {
	char *key;
	char *value; /* empty: there is none */
	size_t number;
};

/* A walk over a file. */
struct opendkim_lines {
	const char *path;
	char *text; /* malloc'ed; the caller's to free */
	size_t length;
	size_t position;
	size_t number;    /* of the line at position */
	size_t used;      /* lines that said something, good or bad */
	bool is_refile;   /* a line that begins with a blank is bad */
	size_t bad_count; /* of this file */
	struct opendkim_complaints *complaints;
};

/* What became of a line. */
enum opendkim_status {
	OPENDKIM_GOOD,
	OPENDKIM_BAD, /* complained of, and left out */
	OPENDKIM_NO_MEMORY,
};

/* Read the file at path, from its first line on. False with words that name
 * the file. */
bool opendkim_lines_open(struct opendkim_lines *lines, const char *path,
    bool is_refile, struct opendkim_complaints *complaints,
    struct fault *fault);

/* The next line that says something; those that can't be are complained of and
 * skipped: with a NUL, a control character or what isn't UTF-8, or too long.
 * False at the end, or, with words and *is_end_out false, if there are more
 * lines than OPENDKIM_LINES. */
bool opendkim_lines_next(struct opendkim_lines *lines,
    struct opendkim_line *line_out, bool *is_end_out, struct fault *fault);

/* Complain of a line, in words formatted as by printf(3). A run of more than
 * OPENDKIM_SHOWN_RUN characters of base64 in them is replaced by "...": it may
 * be a key, in whatever file and place somebody put it. */
void opendkim_lines_complain(struct opendkim_lines *lines, size_t number,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* All lines were judged: tell how many bad ones weren't told. */
void opendkim_lines_end(struct opendkim_lines *lines);

/* Keep text, which was made of the length octets at place: there, if it isn't
 * longer, else in extra. NULL: no memory. */
const char *opendkim_lines_keep(
    struct arena *extra, char *place, size_t length, const char *text);

#endif
