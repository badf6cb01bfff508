/* opendkim_keys: OpenDKIM's KeyTable, for conf/opendkim alone. */
#ifndef CONF_OPENDKIM_KEYS_H
#define CONF_OPENDKIM_KEYS_H

#include "conf/opendkim_index.h"
#include "conf/opendkim_lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Longest name of an entry. */
	OPENDKIM_NAME_OCTETS = 1023,
	/* Longest path of a key file, "%" replaced by the longest domain. */
	OPENDKIM_PATH_OCTETS = 4095,
};

/* One entry. The strings live as long as the table. */
struct opendkim_entry {
	const char *name;
	const char *domain; /* normalised, or "%": the sender's */
	const char *selector;
	const char *key;    /* an absolute path, or, if is_inline, the key */
	uint32_t line : 30; /* a file has no more octets */
	uint32_t is_inline : 1;
	uint32_t has_token : 1; /* the path has a "%": it stands for d= */
	uint32_t next;          /* with the same domain, or OPENDKIM_NONE */
};

/* The table. Immutable once read. */
struct opendkim_keys {
	char *text; /* the file, in pieces; keys in it */
	size_t text_length;
	struct arena extra;             /* what had no place there */
	struct opendkim_entry *entries; /* in the file's order */
	size_t count;
	size_t inline_count; /* lines with a key in them, dropped ones too */
	struct opendkim_index by_name;
	struct opendkim_index by_domain; /* the first of each */
};

/* Read the table at path (absolute). False with words. Either way it is to be
 * cleared. */
bool opendkim_keys_read(struct opendkim_keys *keys, const char *path,
    struct opendkim_complaints *complaints, struct fault *fault);

/* The entry of that name, as it is written; NULL: none. */
const struct opendkim_entry *
opendkim_keys_named(const struct opendkim_keys *keys, const char *name);

/* The first entry in the file with that domain (normalised, or "%"), and the
 * one that comes after another; NULL: none. */
const struct opendkim_entry *
opendkim_keys_first(const struct opendkim_keys *keys, const char *domain);
const struct opendkim_entry *opendkim_keys_next(
    const struct opendkim_keys *keys, const struct opendkim_entry *entry);

/* Free what the table holds, its text wiped. */
void opendkim_keys_clear(struct opendkim_keys *keys);

#endif
