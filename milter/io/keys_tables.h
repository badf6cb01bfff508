/* keys_tables: OpenDKIM's tables as the configuration names them: read when
 * first asked for, read again when a file has changed. What is in force is
 * immutable and counted; while one thread reads, others go on with it. Locked
 * inside: any thread. Private to keys. */
#ifndef MILTER_IO_KEYS_TABLES_H
#define MILTER_IO_KEYS_TABLES_H

#include "conf/conf.h"
#include "conf/opendkim.h"
#include "milter/io/keys_file.h"

enum {
	/* A table is taken when nobody has written to it for so long: it isn't
	 * to be read half-written. */
	KEYS_TABLES_QUIET_MS = 500,
	KEYS_TABLES_PAIRS = 16, /* most that are kept */
	/* A table in which there is nothing any more is believed when it has
	 * been so for so long: some programs empty a file, and fill it then. */
	KEYS_TABLES_EMPTY_MS = 10000,
};

struct keys_tables;

/* Both tables as they were read. */
struct keys_pair {
	size_t holders; /* keys_tables' business */
	struct opendkim_tables *tables;
	struct opendkim_counts counts;
	/* Lines of the KeyTable whose d= and path are the author's domain's:
	 * where there is no such file there is no key. In ascending order. */
	size_t *open_lines;
	size_t open_count;
	struct fault bad_lines; /* FAULT_NONE: there are none */
};

/* None read yet. NULL: no memory. */
struct keys_tables *keys_tables_open(void);

/* The tables of places, held until keys_tables_give(); *pair_out is NULL if it
 * names none. They are looked at again if that was KEYS_STALE_MS ago or more.
 * Who comes while they are read for the first time waits for that. False with
 * words: they can't be read, and never were; or, whatever was read before, one
 * of them can be written by others than root, this process and its groups, or
 * has keys in it and isn't closed to others as key files must be
 * (secret_file_is_trusted()). */
bool
keys_tables_take(struct keys_tables *tables, const struct key_places *places,
    uint64_t now_ms, struct keys_pair **pair_out, struct fault *fault);

/* Give them back. Empties the pointer; takes NULL. */
void keys_tables_give(struct keys_tables *tables, struct keys_pair **pair);

/* What is wrong with the tables of places, of which those that were read are in
 * force: they couldn't be read again, one of them has been emptied, or lines of
 * them are bad; or why none are in force. False: nothing, as far as is known.
 */
bool keys_tables_trouble(struct keys_tables *tables,
    const struct key_places *places, struct fault *fault);

/* Is the table at path, as stamp has it, closed to those who have no business
 * there? With keys in it, it is judged as a key file is. Else anybody may read
 * it; but who writes it says who signs with which file. False with words. */
bool keys_tables_are_trusted(const char *path, const struct key_stamp *stamp,
    bool has_keys, struct fault *fault);

/* May the file of the key of this line be missing? */
bool keys_tables_is_open(const struct keys_pair *pair, size_t line);

/* Look at all of them when they are asked for next, and read them again, though
 * not while somebody is writing. */
void keys_tables_forget(struct keys_tables *tables);

/* Free them; nobody may hold any. Empties the pointer; takes NULL. */
void keys_tables_close(struct keys_tables **tables);

#endif
