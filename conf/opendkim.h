/* opendkim: OpenDKIM's KeyTable and SigningTable, read as they are and looked
 * up in time that doesn't grow with them (opendkim(8), "DATA SETS";
 * opendkim.conf(5), "KeyTable", "SigningTable", "MultipleSignatures"). Flat
 * files only: a KeyTable of names, a SigningTable of names or ("refile:") of
 * patterns in which "*" stands for anything.
 *
 * Where OpenDKIM and its manual differ, the manual is followed: all lines that
 * fit give a key, not just the first and the last. And where both would do what
 * nobody wants, something better is done: lines aren't cut at 1,023 octets, a
 * pattern is never a regular expression, a relative path doesn't depend on
 * where the daemon was started, "%" is replaced (by d=) in every path, names of
 * domains are compared after IDNA, and a key isn't given twice. Immutable once
 * read: any thread. */
#ifndef CONF_OPENDKIM_H
#define CONF_OPENDKIM_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct opendkim_tables;

/* One key that may sign: an entry of the KeyTable, its "%" replaced by the
 * author's domain. Strings live in the arena of the question. */
struct opendkim_key {
	const char *name;     /* of the entry */
	const char *domain;   /* d=, normalised */
	const char *selector; /* s= */
	/* An absolute path, or, if is_inline, the key itself (base64 DER or
	 * PEM without line ends). */
	const char *key;
	bool is_inline;
	/* i=, "[USER]@DOMAIN" in printable ASCII, the domain normalised and d=
	 * or below it: the signer of the SigningTable's line, its "%" replaced
	 * by the author's domain (whatever d= is). NULL: the line has none, or
	 * none that may be i= of this signature (RFC 6376 §3.5). */
	const char *identity;
	size_t line; /* of the KeyTable */
};

/* Read both tables. Their paths are absolute; relative ones in them ("./",
 * "../") are relative to the KeyTable's directory, not, as OpenDKIM has it, to
 * the daemon's. signing_table "" is none: opendkim_match() then finds nothing.
 * is_refile: the SigningTable holds patterns with "*". Each bad line is told by
 * complain (NULL: to nobody) as "FILE:LINE: words", with nothing of a
 * KeyTable's line and never with what may be a key, and is left out; *count_out
 * is how many. Of one file at most 100 are told, and then how many more there
 * are. A line of the SigningTable without its KeyTable entry is bad; so is all
 * but the first of a name, or of a plain file's address (OpenDKIM takes the
 * first). A line whose signer can never be i= is told, and counts, without it.
 * NULL with words only if a file can't be read at all (none, no regular
 * file, over 512 MiB, over ten million lines), or for want of memory. */
struct opendkim_tables *
opendkim_read(const char *key_table, const char *signing_table, bool is_refile,
    void (*complain)(void *context, const struct fault *fault), void *context,
    size_t *count_out, struct fault *fault);

/* The keys for an address, in the table's order, each once: at most most into
 * keys_out (1: what OpenDKIM takes without MultipleSignatures). A plain file is
 * asked for user@host, host, then user@.rest and .rest for what is behind each
 * dot of the host, user@* and *; a refile's lines are tried from the top. A key
 * name "%" is the author's domain; it gives nothing if there is no such entry.
 * domain is normalised; the local part's case is ignored, as OpenDKIM does.
 * False: no memory. */
bool opendkim_match(const struct opendkim_tables *tables,
    const char *local_part, const char *domain, struct arena *arena,
    struct opendkim_key *keys_out, size_t most, size_t *count_out);

/* The keys whose d= is domain, those with d="%" included, in the KeyTable's
 * order: at most most. False: no memory. */
bool opendkim_of_domain(const struct opendkim_tables *tables,
    const char *domain, struct arena *arena, struct opendkim_key *keys_out,
    size_t most, size_t *count_out);

/* Call take for every KeyTable entry, in the file's order, "%" as it stands;
 * it returns false to stop. */
void opendkim_each(const struct opendkim_tables *tables,
    bool (*take)(void *context, const struct opendkim_key *key), void *context);

/* What there is in the tables, bad lines apart. */
struct opendkim_counts {
	size_t keys;        /* entries of the KeyTable */
	size_t inline_keys; /* keys that stand in it, instead of a path */
	size_t rules;       /* lines of the SigningTable */
};

/* Count them, in no time. */
struct opendkim_counts opendkim_count(const struct opendkim_tables *tables);

/* Free them; the text of the KeyTable is wiped. Empties the pointer; takes
 * NULL. */
void opendkim_free(struct opendkim_tables **tables);

#endif
