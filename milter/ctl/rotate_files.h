/* rotate_files: the key files of a domain whose keys are exchanged, by name:
 * SELECTOR.pending, .private or .retiring (milter/io/keys_generate.h). Every
 * change is on the disk when its function returns, can be made again, and never
 * takes the place of a file. */
#ifndef MILTER_CTL_ROTATE_FILES_H
#define MILTER_CTL_ROTATE_FILES_H

#include "milter/io/keys_generate.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROTATE_FILES = 64 };

/* A domain's directory, open and locked for this process. */
struct rotate_files {
	const char *keys;   /* the directory of all; borrowed */
	const char *domain; /* borrowed */
	char *path;
	int fd;
	bool is_new; /* it was made in this call */
};

struct rotate_file {
	char selector[256];
	enum key_role role;
	uint64_t modified_s; /* Unix time */
};

/* What lies in a domain's directory. */
struct rotate_file_list {
	struct rotate_file files[ROTATE_FILES];
	size_t count;
};

/* Open the directory of domain and lock it. is_made: make it if it isn't
 * there, else that is no fault, and *is_there_out is false. False with words:
 * FAULT_TEMPORARY if another process has it locked. In either case to be
 * closed. */
bool rotate_files_open(struct rotate_files *files_out, const char *keys,
    const char *domain, bool is_made, bool *is_there_out, struct fault *fault);

/* Open it for a look, without locking it. In either case to be closed. */
bool rotate_files_peek(struct rotate_files *files_out, const char *keys,
    const char *domain, struct fault *fault);

/* Remove the directory again, if it was made here and nothing is in it. */
void rotate_files_unmake(const struct rotate_files *files);

/* Unlock and close. */
void rotate_files_close(struct rotate_files *files);

/* List the keys in the directory, in the order of their names. */
bool rotate_files_list(const struct rotate_files *files,
    struct rotate_file_list *list_out, struct fault *fault);

/* The key in list with that selector, in whatever case; NULL: none. */
const struct rotate_file *
rotate_files_find(const struct rotate_file_list *list, const char *selector);

/* How many of them have this role? */
size_t
rotate_files_count(const struct rotate_file_list *list, enum key_role role);

/* What they are, for people: "s2.pending (new, perhaps published), s1.private
 * (signs)"; "none"; of many the first. In the arena; "" for want of memory. */
const char *
rotate_files_words(const struct rotate_file_list *list, struct arena *arena);

/* Is there a key with that selector and role? Faults count as no. */
bool rotate_files_has(
    const struct rotate_files *files, const char *selector, enum key_role role);

/* The public half of a key. To be cleared by the caller. */
bool rotate_files_public(const struct rotate_files *files, const char *selector,
    enum key_role role, struct key_public *public_out, struct fault *fault);

/* Give a key another role. It may have that one already. */
bool rotate_files_turn(const struct rotate_files *files, const char *selector,
    enum key_role from, enum key_role into, struct fault *fault);

/* Overwrite a key's file and remove it; it may be gone already. */
bool rotate_files_wipe(const struct rotate_files *files, const char *selector,
    enum key_role role, struct fault *fault);

/* Wipe what a crash has left of making a key: copies under hidden names. */
bool rotate_files_sweep(const struct rotate_files *files, const char *selector,
    struct fault *fault);

#endif
