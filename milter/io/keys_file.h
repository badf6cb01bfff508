/* keys_file: one private key file: found trustworthy, read, parsed, tried.
 * Private to keys. */
#ifndef MILTER_IO_KEYS_FILE_H
#define MILTER_IO_KEYS_FILE_H

#include "milter/io/keys.h"

#include <openssl/types.h>
#include <sys/stat.h>
#include <time.h>

enum {
	KEYS_FILE_BYTES = 65536,    /* a larger file is no key */
	KEYS_RSA_LEAST_BITS = 1024, /* RFC 8301 §3.2 */
	KEYS_RSA_MOST_BITS = 8192,
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

/* What is to be known of a key. Both strings are malloc'ed. */
struct key_material {
	enum key_algorithm algorithm;
	char *pem;        /* PKCS#8 */
	char *public_b64; /* p= */
};

/* Take the stamp of what status describes. */
struct key_stamp keys_stamp(const struct stat *status);

/* Do the two stamps say that nothing has changed? */
bool keys_stamps_are_equal(
    const struct key_stamp *one, const struct key_stamp *other);

/* Read and try the key file name in directory_fd; path is its name for words.
 * material_out is then to be given to keys_material_clear(). stamp_out is
 * filled if the file could be opened. */
bool keys_file_read(int directory_fd, const char *name, const char *path,
    struct key_material *material_out, struct key_stamp *stamp_out,
    struct fault *fault);

/* Write pkey, an RSA or Ed25519 key, down as material. */
bool keys_material_of(
    EVP_PKEY *pkey, struct key_material *material_out, struct fault *fault);

/* Wipe and free what it holds. Takes an empty one. */
void keys_material_clear(struct key_material *material);

/* Wipe and free a PEM text. Takes NULL. */
void keys_wipe(char *pem);

#endif
