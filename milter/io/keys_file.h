/* keys_file: one private key file: found trustworthy, read whole, parsed.
 * Private to keys. */
#ifndef MILTER_IO_KEYS_FILE_H
#define MILTER_IO_KEYS_FILE_H

#include "milter/io/keys.h"
#include "milter/io/keys_material.h"
#include "milter/io/keys_parse.h"

#include <sys/stat.h>
#include <time.h>

enum {
	KEYS_FILE_BYTES = 65536, /* a larger file is no key */
	/* File systems keep times with the grain of the kernel's clock, some
	 * (NFS, older ones) with one of a second: younger stamps prove
	 * nothing. So long may a file be half-written, too. */
	KEYS_SETTLED_AFTER_S = 2,
};

/* What a file or directory looked like; if it looks the same later, it is the
 * same. */
struct key_stamp {
	dev_t device;
	ino_t inode;
	mode_t mode;
	uid_t owner;
	gid_t group;
	off_t size_bytes;
	struct timespec modified;
	struct timespec changed;
};

enum keys_file_state {
	KEYS_FILE_GOOD,
	KEYS_FILE_BAD,     /* it can't be used */
	KEYS_FILE_NO_KEY,  /* it could be read, but what is in it is no key */
	KEYS_FILE_MISSING, /* it has gone */
};

/* What is to be said of the file of a table's line that is missing. */
#define KEYS_FILE_MISSING_WORDS \
	"%s: not there: put the key there, or remove the line"

/* Does this errno of a file or directory that can't be had say that it isn't
 * there? A name that is too long is no file's, and nothing is below a file. */
bool keys_file_is_absent(int error);

/* Take the stamp of what status describes. */
struct key_stamp keys_stamp(const struct stat *status);

/* Do the two stamps say that nothing has changed? */
bool keys_stamps_are_equal(
    const struct key_stamp *one, const struct key_stamp *other);

/* Was what has this stamp so old at now (CLOCK_REALTIME) that any change will
 * leave another one? */
bool keys_stamp_is_settled(
    const struct key_stamp *stamp, const struct timespec *now);

/* Was it changed so shortly before now that somebody may still be writing? */
bool
keys_stamp_is_young(const struct key_stamp *stamp, const struct timespec *now);

/* Read and parse the key file name in directory_fd; path is its name for words.
 * key_out is then to be given to keys_parse_clear(). stamp_out is filled if the
 * file could be opened. Words, unless KEYS_FILE_GOOD. */
enum keys_file_state keys_file_read(int directory_fd, const char *name,
    const char *path, struct parsed_key *key_out, struct key_stamp *stamp_out,
    struct fault *fault);

#endif
