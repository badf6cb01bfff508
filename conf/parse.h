/* parse: the text of a configuration file → a tree of sections, options and
 * values, each with its file and line. It knows the grammar, but no option:
 *
 *	file    = *( option / section )
 *	section = word [ word / string ] "{" *option "}"
 *	option  = word "=" ( value / "{" [ value *( "," value ) [ "," ] ] "}" )
 *	value   = word / string
 *
 * A string stands in double quotes on one line; \" and \\ are its only
 * escapes. '#' begins a comment that ends with the line. After a mistake it
 * goes on where the next option or section seems to begin, so that all
 * mistakes of a file are found. */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include "conf/problems.h"
#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	PARSE_FILE_BYTES = 16 * 1024 * 1024, /* most of one file */
	PARSE_SECTIONS = 200000,             /* most of all files */
};

struct parse_value {
	const char *text;
	size_t line;
	struct parse_value *next;
};

struct parse_option {
	const char *name;
	const struct problem_source *source;
	size_t line;
	bool is_list;
	bool is_broken; /* a problem was told already; its value is no use */
	struct parse_value *values; /* first of count; exactly one if no list */
	size_t count;
	struct parse_option *next;
};

struct parse_section {
	const char *name;
	const char *label; /* NULL: none */
	const struct problem_source *source;
	size_t line;
	struct parse_option *options; /* first, in the order of the text */
	struct parse_option *last;
	struct parse_section *next;
};

/* What several files may add to. All of it lives in an arena. */
struct parse_tree {
	struct parse_section top; /* options outside of any section */
	struct parse_section *sections;
	struct parse_section *last;
	size_t section_count;
};

/* An empty tree. */
void parse_init(struct parse_tree *tree);

/* Add what the length octets of text say. source is kept by the tree.
 * Mistakes are added to problems. */
void parse_text(struct parse_tree *tree, const struct problem_source *source,
    const char *text, size_t length, struct arena *arena,
    struct problems *problems);

#endif
