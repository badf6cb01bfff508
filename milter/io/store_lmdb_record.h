/* store_lmdb_record: what stands in limits.mdb: keys and values as octets.
 *
 * Keys: 'k' LIMIT NUL KEY; where that is longer than LMDB allows, 'h' and the
 * SHA-256 of it; and "m", a single record about the file.
 * Values, little-endian: version (1), number of slots (1), length of the kept
 * key (2), checksum (4), per_ms (8), newest slot (8); for each slot that isn't
 * empty, the oldest first, how many slots before the newest (1) and its count
 * (7 bits an octet, the lowest first, the high bit set but in the last);
 * the kept key ("h" only, cut at RECORD_KEPT_OCTETS). A key that is seldom
 * used takes some 30 octets. */
#ifndef MILTER_IO_STORE_LMDB_RECORD_H
#define MILTER_IO_STORE_LMDB_RECORD_H

#include "policy/limits.h"
#include "policy/window.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_VERSION = 1,
	RECORD_KEY_OCTETS = 511, /* longest key of LMDB as Debian builds it */
	RECORD_KEPT_OCTETS = 1024,
	RECORD_HEAD_OCTETS = 24,
	RECORD_OCTETS =
	    RECORD_HEAD_OCTETS + WINDOW_SLOTS * 11 + RECORD_KEPT_OCTETS,
	RECORD_META_OCTETS = 24,
};

/* A key of the file, with what its value must repeat. */
struct record_key {
	unsigned char octets[RECORD_KEY_OCTETS];
	size_t length;
	char kept[RECORD_KEPT_OCTETS]; /* of a hashed key */
	size_t kept_length;            /* 0: not hashed */
};

/* What the file says of itself. */
struct record_meta {
	uint64_t last_ms; /* the latest time that the store's clock gave */
	uint64_t epoch;
};

enum record_state { RECORD_GOOD, RECORD_DAMAGED, RECORD_NEWER };

/* Fill key_out. False if SHA-256 can't be had (no memory). */
bool
record_key(const char *limit_name, const char *key, struct record_key *key_out);

/* The key as LMDB wants it; borrowed. */
MDB_val record_key_value(struct record_key *key);

/* Write window to space (RECORD_OCTETS). Returns the length. */
size_t record_write(const struct record_key *key, const struct window *window,
    unsigned char *space);

/* Read what record_write() wrote; both may be anything, if damaged. */
enum record_state record_read(
    const MDB_val *key, const MDB_val *value, struct window *window_out);

/* The key of the record about the file; borrowed, never written to. */
MDB_val record_meta_key(void);
bool record_is_meta(const MDB_val *key);

/* Write and read that record: RECORD_META_OCTETS. */
void record_write_meta(const struct record_meta *meta, unsigned char *space);
enum record_state
record_read_meta(const MDB_val *value, struct record_meta *meta_out);

#endif
