/* import_opendkim: an opendkim.conf → the postern.conf that does the same, and
 * what there is to say about the difference (opendkim.conf(5), opendkim(8)
 * "DATA SETS"). It reads files and writes none. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_H
#define MILTER_CTL_IMPORT_OPENDKIM_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>

/* senders.owners of the result. */
enum import_owners {
	IMPORT_OWNERS_FOUND, /* all for one domain, else own */
	IMPORT_OWNERS_ALL,
	IMPORT_OWNERS_OWN,
	IMPORT_OWNERS_MAP, /* of order->map */
};

/* What is to be done; all borrowed. */
struct import_order {
	const char *file;
	/* Where the caller will put the tables of the answer, absolute; NULL:
	 * nowhere, so that a single key has to be copied instead. */
	const char *directory;
	enum import_owners owners;
	const char *map; /* senders.map; NULL: none */
};

/* Something that will be different. */
struct import_note {
	const char *where; /* "FILE:LINE"; "" of no line */
	const char *words;
	bool is_loss; /* important, and has no equivalent */
	const struct import_note *next;
};

/* A shell command that is to be run before postern starts. */
struct import_command {
	const char *text;
	const struct import_command *next;
};

/* All of it lives in the arena. */
struct import_answer {
	const char *conf;          /* the text of postern.conf */
	const char *key_table;     /* a table that conf names; NULL: none */
	const char *signing_table; /* the same */
	const struct import_note *notes;
	const struct import_command *commands;
	bool has_loss;
};

/* The names of the tables in order->directory. */
#define IMPORT_KEY_TABLE "key.table"
#define IMPORT_SIGNING_TABLE "signing.table"

/* Read order->file, and what it names, and make the answer. False with words
 * if the file can't be read, or for want of memory; all else is a note. One
 * user at a time. */
bool import_opendkim(const struct import_order *order, struct arena *arena,
    struct import_answer *answer_out, struct fault *fault);

#endif
