/* tables_lmdb: reads values of an LMDB file that somebody else keeps, as
 * postmap(1) makes them. The library isn't used for it: it trusts its file and
 * maps it, so that a damaged one, or one that cp(1) writes over, ends the
 * process; and its locks ask for a directory that we can write to. Here every
 * page is copied and every offset checked, and no lock is needed.
 *
 * The file is opened for each question, so that one that was replaced or has
 * grown is seen at once. */
#ifndef MILTER_IO_TABLES_LMDB_H
#define MILTER_IO_TABLES_LMDB_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>

struct table_entry; /* milter/io/tables.h */

enum { TABLES_VALUE_BYTES = 64 * 1024 }; /* longest value of a table */

/* The value of key in the file at path, in the arena, without the NUL that may
 * end it there; NULL if it has none. The key is looked for with and without a
 * NUL at its end, as Postfix does. False with words for a file that can't be
 * read, is damaged, is no such table, or keeps being written to; and for a
 * value that is too long or has a NUL in it. Any thread. */
bool tables_lmdb_find(const char *path, const char *key, struct arena *arena,
    const char **value_out, struct fault *fault);

/* Call take for each entry of the file at path, in the order of keys, until it
 * says false; both last as long as the call, and the value is wiped. What is
 * written meanwhile may be seen or not. What tables_lmdb_find() never finds
 * isn't listed: a key with a NUL within it, and of two keys alike the one with
 * a NUL behind it. False with words, as above; some may have been given by
 * then. Any thread. */
bool tables_lmdb_each(const char *path,
    bool (*take)(void *context, const struct table_entry *entry), void *context,
    struct fault *fault);

#endif
