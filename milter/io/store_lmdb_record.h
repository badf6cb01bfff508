/* store_lmdb_record: what stands in limits.mdb: keys and values as octets.
 *
 * Keys: a letter for the kind, NAME NUL KEY; where that is longer than LMDB
 * allows, another letter and the SHA-256 of it:
 *   'k', 'h'   the window of KEY under limit NAME
 *   'o', 'O'   what an administrator said of KEY under limit NAME
 *   'r', 'R'   digests of recipients that KEY of kind NAME has written to,
 *   's', 'S'   and the generation of them before
 *   "m"        a single record about the file
 * Values, little-endian: version (1), number of slots (1), length of the kept
 * key (2), checksum (4), two numbers (8 each), what the kind says, and the
 * kept key (hashed ones only, cut at RECORD_KEPT_OCTETS).
 *   Windows: per_ms and the newest slot; how many slots ago was the last
 * warning, and 1 (1; 0: none; not in version 1); for each slot that isn't
 * empty, the oldest first, how many slots before the newest (1) and its count
 * (7 bits an octet, the lowest first, the high bit set but in the last).
 *   Overrides: max and until_ms; the words.
 *   Recipients: when they were last written to, and how many there are; their
 * digests (8 each).
 *   "m": the latest time and the epoch; how many overrides there are (8; not
 * in version 1).
 * A key that is seldom used takes some 30 octets. */
#ifndef MILTER_IO_STORE_LMDB_RECORD_H
#define MILTER_IO_STORE_LMDB_RECORD_H

#include "milter/io/store.h"
#include "policy/window.h"

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LMDB_MAIN = 1, /* handle of the only database that we use */
	RECORD_VERSION = 2,
	RECORD_KEY_OCTETS = 511, /* longest key of LMDB as Debian builds it */
	RECORD_KEPT_OCTETS = 1024,
	RECORD_HEAD_OCTETS = 24,
	RECORD_OCTETS = /* of all kinds but recipients */
	RECORD_HEAD_OCTETS + 1 + WINDOW_SLOTS * 11 + RECORD_KEPT_OCTETS,
	RECORD_RECIPIENTS_OCTETS =
	    RECORD_HEAD_OCTETS + STORE_RECIPIENTS * 8 + RECORD_KEPT_OCTETS,
	RECORD_META_OCTETS = 32,
	RECORD_RECIPIENTS_DAYS = 90, /* since they were last written to */
};

enum record_kind {
	RECORD_WINDOW,
	RECORD_OVERRIDE,
	RECORD_RECENT, /* recipients, the newer generation */
	RECORD_OLDER,  /* the one before */
	RECORD_META,
	RECORD_UNKNOWN,
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
	uint64_t overrides; /* how many there are, ended ones too */
};

struct record_override {
	uint64_t max;
	uint64_t until_ms; /* 0: it doesn't end */
	const char *words; /* borrowed, not terminated */
	size_t words_length;
};

struct record_recipients {
	uint64_t used_ms; /* when they were last written to */
	size_t count;
	uint64_t digests[STORE_RECIPIENTS];
};

enum record_state { RECORD_GOOD, RECORD_DAMAGED, RECORD_NEWER };

/* Fill key_out. name is a limit's, or of recipients the kind of key. False if
 * SHA-256 can't be had (no memory). */
bool record_key(enum record_kind kind, const char *name, const char *key,
    struct record_key *key_out);

/* The key as LMDB wants it; borrowed. */
MDB_val record_key_value(struct record_key *key);

/* What the octets before all keys of a kind are, that aren't hashed and whose
 * name it is (NULL: any name), or that are hashed. Returns their number; space
 * has RECORD_KEY_OCTETS. */
size_t record_prefix(enum record_kind kind, bool is_hashed, const char *name,
    unsigned char *space);

/* What kind of record a key of the file is for, which may be any. */
enum record_kind record_kind_of(const MDB_val *key);

/* Is a record of whatever kind well-formed? */
enum record_state record_check(const MDB_val *key, const MDB_val *value);

/* From when on a record does nothing: UINT64_MAX for one that isn't to go by
 * itself, be it damaged or unknown. */
uint64_t record_idle_at(const MDB_val *key, const MDB_val *value);

/* The name and the key that a good record is about: names_out gets both, each
 * with a NUL behind it. Returns the key. */
const char *record_names(const MDB_val *key, const MDB_val *value,
    char names_out[RECORD_KEPT_OCTETS + 1]);

/* Write a record to space: RECORD_OCTETS, or RECORD_RECIPIENTS_OCTETS. They
 * return the length. An override's words are at most STORE_WORDS octets. */
size_t record_write(const struct record_key *key, const struct window *window,
    unsigned char *space);
size_t record_write_override(const struct record_key *key,
    const struct record_override *override, unsigned char *space);
size_t record_write_recipients(const struct record_key *key,
    const struct record_recipients *recipients, unsigned char *space);

/* Read what those wrote; all may be anything, if damaged. */
enum record_state record_read(
    const MDB_val *key, const MDB_val *value, struct window *window_out);
enum record_state record_read_override(const MDB_val *key, const MDB_val *value,
    struct record_override *override_out);
enum record_state record_read_recipients(const MDB_val *key,
    const MDB_val *value, struct record_recipients *recipients_out);

/* The key of the record about the file; borrowed, never written to. */
MDB_val record_meta_key(void);

/* Write and read that record: RECORD_META_OCTETS. */
void record_write_meta(const struct record_meta *meta, unsigned char *space);
enum record_state
record_read_meta(const MDB_val *value, struct record_meta *meta_out);

#endif
