/* keys: private keys found, checked, parsed and cached. They are in
 * DIRECTORY/DOMAIN/SELECTOR.private (PEM, RSA of at least 1024 bits, or Ed25519
 * in PKCS#8), in OpenDKIM's tables, or in a map (Redis). Read when first used;
 * a new, changed or removed one is seen within KEYS_STALE_MS without a restart,
 * and never half-read. Start-up time and memory don't depend on how many there
 * are. Locked inside; keys given out are counted and immutable. */
#ifndef MILTER_IO_KEYS_H
#define MILTER_IO_KEYS_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEYS_STALE_MS = 1000,
	KEYS_PER_DOMAIN = 8,
	KEYS_MATCHES = 8, /* most that a SigningTable gives for an address */
};

enum key_algorithm { KEY_RSA_SHA256, KEY_ED25519_SHA256 };

struct key {
	const char *domain;   /* d= */
	const char *selector; /* s= */
	enum key_algorithm algorithm;
	EVP_PKEY *pkey; /* parsed; any number of threads may sign with it */
};

/* The keys of one domain, in the order of their selectors. */
struct key_ring {
	const struct key *keys;
	size_t count;
};

/* What the SigningTable says of an address. */
struct key_match {
	const struct key_ring *ring; /* of one key */
	char *identity; /* the line's signer, for i=, with "%" filled in;
			   malloc'ed; NULL: it names none */
};

struct keys;
struct tables;

/* A cache of the parsed keys of at most most domains; that a domain has none is
 * remembered of more. tables (borrowed, may be NULL) are asked for what lies in
 * a map. NULL: no memory. */
struct keys *keys_open(size_t most, struct tables *tables);

/* The monotonic clock that the cache reads, in milliseconds; a test may put
 * its own in place before the first use. NULL: the system's. */
void keys_set_clock(
    struct keys *keys, uint64_t (*clock_ms)(void *context), void *context);

/* The keys of domain (normalised): those of the directory, else the map's, else
 * those of the KeyTable's entries with this d=. *ring_out is NULL when it has
 * none; else to be given back with keys_release(). False, with words naming
 * the file and the cure ("keys/a.example/s1.private: chmod 600 it"), if one of
 * them can't be used: unreadable, others can read or write it (any bit for
 * others, group-writable, group-readable by a group that isn't this process's,
 * an owner that is neither root nor this process's), not a private key, too
 * weak, damaged, a file name that is no selector, more than KEYS_PER_DOMAIN, a
 * directory that others than root, this process and its groups can write in, an
 * LMDB map that is as open as no file may be; FAULT_TEMPORARY if a map can't be
 * asked and didn't say before. Hidden files and other endings than ".private"
 * are not looked at. A directory that isn't there holds no keys, nor does a
 * file in its place. Waits for the file system and the map only; while one
 * thread reads a domain again, others go on with what was known, and while one
 * reads it for the first time, others wait for it. */
bool keys_find(struct keys *keys, const struct key_places *places,
    const char *domain, const struct key_ring **ring_out, struct fault *fault);

/* What the SigningTable gives for an address: matches_out gets *count_out of
 * them, each with one key, in the table's order, each to be given back with
 * keys_release_match(); only the first that may sign if places say so
 * (multiple_signatures = no). None without tables. d= may be any domain:
 * may_sign is asked for each entry's before anything is known of its key, and
 * an entry that may not sign is passed over: its key isn't looked at, and can't
 * be at fault. It may wait (no lock is held meanwhile); NULL: all may. False
 * with words, as above; then nothing is lent. */
bool keys_match(struct keys *keys, const struct key_places *places,
    const char *local_part, const char *domain,
    bool (*may_sign)(void *context, const char *key_domain), void *context,
    struct key_match matches_out[KEYS_MATCHES], size_t *count_out,
    struct fault *fault);

/* Has domain at least one key of its own? Cheaper than keys_find(): of a domain
 * of which nothing is known no key is parsed. Faults count as yes (a key is
 * there). A KeyTable's entry whose d= is "%" and whose key isn't (no "%" in its
 * path) counts for nobody: it would give every domain in the world a key. */
bool keys_has(
    struct keys *keys, const struct key_places *places, const char *domain);

/* Give back what was lent. Empties the pointer; takes NULL. */
void keys_release(struct keys *keys, const struct key_ring **ring);
void keys_release_match(struct keys *keys, struct key_match *match);

/* Read the tables of places now, if they are new or have changed, as the next
 * question would; for start-up, so that no message waits for it. False with
 * words, to be told: they can't be read (what was read before, if anything,
 * stays in force), or aren't trusted (then none is), or lines of them are bad
 * (the first one, and how many more). May be called once a second: then tables
 * are never read in a message's way.
 */
bool keys_prepare(
    struct keys *keys, const struct key_places *places, struct fault *fault);

/* Read tables and maps again at the next question (a reload). */
void keys_forget(struct keys *keys);

/* Free the cache, of which nothing may be lent any more. Empties the pointer;
 * takes NULL. */
void keys_close(struct keys **keys);

/* Check tables, the file of an LMDB map, and up to most domains' key files, as
 * keys_find() would, for `-t` and start-up: calls complain with each fault
 * ("FILE:LINE: words" for each bad line of a table). Returns how many were at
 * fault. A directory that isn't there is one fault; so is a name in it that no
 * domain has in normal form, with keys that are never found. Whose files they
 * may be depends on this process's user and groups: call it as the user that
 * signs. */
size_t keys_check(const struct key_places *places, size_t most,
    void (*complain)(void *context, const struct fault *fault), void *context);

/* Make a new key file directory/domain/selector.private (mode 0600, owner
 * owner_uid:owner_gid; the domain's directory is made with 0700 if need be;
 * never overwrites) and its DNS record as a zone file line, split into strings
 * of at most 255 octets. bits is for RSA. record_out is malloc'ed. directory
 * must be there. All or nothing: a file that is there is whole. */
bool
keys_generate(const char *directory, const char *domain, const char *selector,
    enum key_algorithm algorithm, unsigned bits, uint32_t owner_uid,
    uint32_t owner_gid, char **record_out, struct fault *fault);

#endif
