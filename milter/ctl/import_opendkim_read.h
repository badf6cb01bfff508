/* import_opendkim_read: the lines of an opendkim.conf, with the files that it
 * includes, and the data sets that its values are. Private to
 * import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_READ_H
#define MILTER_CTL_IMPORT_OPENDKIM_READ_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	IMPORT_FILE_BYTES = 1024 * 1024, /* most of one opendkim.conf */
	IMPORT_SET_BYTES = 16 * 1024 * 1024,
	IMPORT_SETTINGS = 10000, /* most lines with a name */
	IMPORT_ENTRIES = 200000, /* most of one data set */
	IMPORT_NESTING = 5,      /* of Include, as OpenDKIM has it */
};

/* One line "Name value". */
struct import_setting {
	const char *name;  /* as it is written */
	const char *value; /* no blanks at its ends; "": there is none */
	const char *where; /* "FILE:LINE" */
	struct import_setting *next;
};

struct import_settings {
	struct import_setting *first, *last;
	size_t count;
};

/* Takes what went wrong in the line of a setting. */
typedef void import_complain(
    void *context, const struct import_setting *setting, const char *words);

/* Read file and what it includes; settings stand in the order in which OpenDKIM
 * reads them. An included file that can't be read is told by complain. False
 * with words if file itself can't be read, or for want of memory. */
bool import_settings_read(struct import_settings *settings_out,
    const char *file, struct arena *arena, import_complain *complain,
    void *context, struct fault *fault);

/* The setting that holds: the last of that name, whatever its case; or
 * NULL. */
const struct import_setting *
import_settings_find(const struct import_settings *settings, const char *name);

/* "yes" by its first letter, as OpenDKIM reads it. */
bool import_is_true(const char *value);

/* What kind of data set a value is. */
enum import_set_kind {
	IMPORT_SET_FILE,   /* "file:PATH", or a path */
	IMPORT_SET_REFILE, /* "refile:PATH" */
	IMPORT_SET_LIST,   /* "csl:A,B", or a list */
	IMPORT_SET_BASE,   /* some data base: can't be read here */
};

struct import_entry {
	const char *key;
	const char *value; /* "": none */
};

struct import_set {
	enum import_set_kind kind;
	const char *scheme; /* of a data base: "ldap" */
	const char *path;   /* of FILE and REFILE: as it is written */
	struct import_entry *entries;
	size_t count;
};

/* What value is; a list has its entries then. False: no memory. */
bool import_set_parse(
    const char *value, struct arena *arena, struct import_set *set_out);

/* Read the entries of a FILE or REFILE at the absolute path. False with words
 * without the path, or for want of memory. */
bool import_set_read(struct import_set *set, const char *path,
    struct arena *arena, struct fault *fault);

#endif
