/* options: the one table of everything that can be written into the
 * configuration: name, type, unit, default, bounds, field and meaning. The
 * reader, the defaults, `postern -t` and the tests that compare the sample
 * and the manual with it are all driven by these rows. Immutable. */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPTION_NAME,        /* const char *: a user's or a group's name */
	OPTION_NUMBER,      /* uint64_t */
	OPTION_AMOUNT,      /* the same, which may be written as a size */
	OPTION_PERCENT,     /* uint64_t; "" is 0 */
	OPTION_DURATION,    /* uint64_t in the row's unit; "" is 0 */
	OPTION_SIZE,        /* uint64_t */
	OPTION_BOOLEAN,     /* bool */
	OPTION_WORD,        /* an enum: one of the row's words */
	OPTION_ORDER,       /* array of an enum, more: its count */
	OPTION_FLAGS,       /* the words' values are offsets of their bools */
	OPTION_PERMISSIONS, /* unsigned, written in octal */
	OPTION_NETWORKS,    /* struct network *, more: its count */
	OPTION_DOMAIN,      /* const char *, normalised */
	OPTION_FIELDS,      /* struct field_names */
	OPTION_FIELD,       /* const char *: a header field of our own */
	OPTION_LABEL,       /* const char *: a name of few signs */
	OPTION_LIMITS,      /* const bool *, one for each limit */
	OPTION_CANON,       /* enum canonicalization of header, more: of body */
	OPTION_DELIMITER,   /* const char *: a set of characters */
	OPTION_PATH,        /* const char *, absolute */
	OPTION_DIRECTORY,   /* the same; must be there if it is written */
	OPTION_SOCKET,      /* const char *: where the MTA connects */
	OPTION_CONTROL,     /* const char *: path of a unix socket */
	OPTION_LOG_TARGET,  /* enum log_target, more: const char *file */
	OPTION_MAP,         /* const struct map_source *; NULL if empty */
	OPTION_REDIS,       /* const struct redis_place *; NULL if empty */
	OPTION_NETWORK_MAP, /* const struct network_account *, more: count */
	OPTION_TEMPLATE,    /* const char *: a reply; NULL if empty */
	OPTION_EGRESS,      /* const struct egress *, more: its count */
	OPTION_NAMES,       /* struct name_list */
	OPTION_SERVERS,     /* const char *const *, more: its count */
	OPTION_FILE,        /* const char *, absolute; must be readable */
	OPTION_PROGRAM,     /* the same; must be executable */
	OPTION_SERVER,      /* const char *: "HOST" or "HOST@PORT" */
	OPTION_KEY_TABLE,   /* const char *, absolute; must be readable */
	OPTION_SIGNING_TABLE, /* the same, more: bool, has it patterns? */
};

enum option_unit {
	UNIT_NONE,
	UNIT_MS,
	UNIT_S,
	UNIT_OCTETS,
	UNIT_MESSAGES,
	UNIT_RECIPIENTS,
	UNIT_DOMAINS,
};

/* One word that may be written, and what it stands for. */
struct option_word {
	const char *name; /* NULL closes the list */
	size_t value;
};

/* Rows of sections "sign", "senders" and "preflight" may stand in every class
 * but inbound too; those of "class" in these classes; those of "class NAME"
 * only there. */
struct option {
	const char *section; /* "" is the top level */
	const char *name;
	enum option_type type;
	enum option_unit unit;
	const char *standard; /* the default, as it would be written; NULL: the
				 option must be written; "", nothing at all: it
				 changes what stands elsewhere, which holds on
				 if it isn't written */
	uint64_t minimum;     /* of a number in unit, of a string in octets, */
	uint64_t maximum;     /* of a list in entries */
	const struct option_word *words; /* or NULL */
	size_t offset;       /* of the field in the struct of the section */
	size_t more;         /* of a second field, see option_type */
	const char *meaning; /* one line */
};

/* The option has no field: it is used while the files are read. */
#define OPTION_NO_FIELD SIZE_MAX

enum { OPTIONS_MOST = 128 }; /* rows; for arrays with one entry each */

/* A kind of section. */
enum option_label {
	LABEL_NONE,
	LABEL_NAME,
	LABEL_CLASS,
	LABEL_LISTENER,
	LABEL_DOMAIN,
};

struct option_section {
	const char *name;
	enum option_label label;
	const char *meaning;
};

/* All rows, in the order of the manual. */
const struct option *options_all(size_t *count_out);

/* All kinds of sections but the top level. */
const struct option_section *options_sections(size_t *count_out);

/* The kind of section called name, or NULL. */
const struct option_section *options_section(const char *name);

/* Where a row stands in options_all(). */
size_t options_index(const struct option *option);

/* May option be written into the section? label is the class's name if it is
 * a class, else NULL. */
bool options_allows(
    const char *section, const char *label, const struct option *option);

/* The row of the option name there, or NULL if it can't be written there. */
const struct option *
options_find(const char *section, const char *label, const char *name);

/* The known option there whose name looks most like name, or NULL if none
 * does. */
const struct option *
options_nearest(const char *section, const char *label, const char *name);

/* The word that looks most like name, or NULL. */
const char *
options_nearest_word(const struct option_word *words, const char *name);

/* The known section that looks most like name, or NULL. */
const char *options_nearest_section(const char *name);

/* "duration", "list of networks", ... for -t and the manual. */
const char *options_type_name(enum option_type type);

/* "ms", "s", "octets", "messages", "recipients", "domains", or "". */
const char *options_unit_name(enum option_unit unit);

#endif
