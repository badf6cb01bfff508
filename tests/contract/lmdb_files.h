/* lmdb_files: what the tests of limits.mdb share: a file with many keys, and
 * looking at its directory. */
#ifndef TESTS_CONTRACT_LMDB_FILES_H
#define TESTS_CONTRACT_LMDB_FILES_H

#include "tests/contract/store_kinds.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LMDB_KEYS = 1500, LMDB_HOUR_MS = 3600000 };

/* For cmocka: *state is a fixture. */
int lmdb_setup(void **state);
int lmdb_teardown(void **state);

/* The path of a file in the fixture's directory; good until the next call. */
const char *lmdb_path(const struct fixture *fixture, const char *name);

/* How many files of the directory begin so. */
size_t lmdb_count_files(const struct fixture *fixture, const char *prefix);

/* Open, which must work, but may come with a notice. */
struct store *lmdb_open_noticing(struct fixture *fixture, struct fault *notice);

/* How a guard opens the file of the fixture that is its context, by the
 * fixture's clock. */
struct store *
lmdb_reopen(void *context, struct fault *notice_out, struct fault *fault);

/* Fail the test unless fault is of kind and its words have part in them. */
void want_fault(const char *what, const struct fault *fault,
    enum fault_kind kind, const char *part);

/* The name of one of many keys. */
void lmdb_key(char *key, size_t size, int number);

/* Make a file with LMDB_KEYS keys under limit "l", each with its own count
 * (its number and 1), and close it. */
void lmdb_fill(struct fixture *fixture, bool is_clean);

/* The size of limits.mdb. */
off_t lmdb_size(const struct fixture *fixture);

/* Charge 1; false if the store can't be asked. */
bool try_charge(struct store *store, const struct limit *limit, const char *key,
    struct fault *fault);

#endif
