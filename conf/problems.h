/* problems: everything that is wrong with a configuration, collected with
 * file and line while it is read, so that all of it can be told at once. */
#ifndef CONF_PROBLEMS_H
#define CONF_PROBLEMS_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PROBLEMS_MOST = 200,   /* told one by one; the rest is counted */
	PROBLEM_OCTETS = 1024, /* longest words of one */
};

/* A file that text of the configuration comes from. */
struct problem_source {
	const char *name;      /* as it is shown */
	const char *directory; /* what its paths are relative to; absolute */
	size_t number;         /* the order in which the files are read */
};

struct problem {
	const struct problem_source *source;
	size_t line; /* 0: the file as a whole */
	size_t order;
	const char *words;
};

/* One user at a time. */
struct problems {
	struct arena *arena; /* borrowed */
	struct problem list[PROBLEMS_MOST];
	size_t count; /* of list */
	size_t total; /* of all that there were */
	bool is_out_of_memory;
};

/* Begin an empty collection whose words will live in arena. */
void problems_init(struct problems *problems, struct arena *arena);

/* Add one: "what is wrong; what would be right", formatted as by printf(3).
 * The text may have come from outside; it is cleaned. */
void
problems_add(struct problems *problems, const struct problem_source *source,
    size_t line, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Nothing can be read on for want of memory. */
void problems_memory(struct problems *problems);

/* Is there none? */
bool problems_none(const struct problems *problems);

/* Are there so many that another one is only counted? Then its words need not
 * be thought up. */
bool problems_is_full(const struct problems *problems);

/* The beginning of text from outside, short enough to be part of a problem's
 * words. Lives as long as the arena. */
const char *problems_excerpt(struct problems *problems, const char *text);

/* "FILE:LINE: words" of each in the order of file and line, malloc'ed, the
 * array too; a last line counts those above PROBLEMS_MOST. *lines_out is NULL
 * if there is none. False for want of memory. */
bool
problems_lines(struct problems *problems, char ***lines_out, size_t *count_out);

#endif
