/* keys: private keys found, checked and cached: DIRECTORY/DOMAIN/SELECTOR
 * .private, PEM, RSA of at least 1024 bits or Ed25519 (PKCS#8). Read when
 * first used; a new, changed or removed file is seen within KEYS_STALE_MS
 * without a restart. Bounded. Locked inside; keys given out are counted and
 * immutable. */
#ifndef MILTER_IO_KEYS_H
#define MILTER_IO_KEYS_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEYS_STALE_MS = 1000, KEYS_PER_DOMAIN = 8 };

enum key_algorithm { KEY_RSA_SHA256, KEY_ED25519_SHA256 };

struct key {
	const char *domain;
	const char *selector;
	enum key_algorithm algorithm;
	const char *pem;        /* for libopendkim; wiped when freed */
	const char *public_b64; /* p= of its DNS record */
};

/* The keys of one domain, in the order of their selectors. */
struct key_ring {
	const struct key *keys;
	size_t count;
};

struct keys;

/* A cache for at most most domains (those without a key count too). NULL: no
 * memory. */
struct keys *keys_open(size_t most);

/* The monotonic clock that the cache reads, in milliseconds; a test may put
 * its own in place before the first use. NULL: the system's. */
void keys_set_clock(
    struct keys *keys, uint64_t (*clock_ms)(void *context), void *context);

/* The keys of domain (normalised) below directory. *ring_out is NULL when the
 * domain has none; else to be given back with keys_release(). False, with
 * words naming the file and the cure ("keys/a.example/s1.private: chmod 600
 * it"), if one of its files can't be used: unreadable, others can read or
 * write it (any bit for others, group-writable, group-readable by a group that
 * isn't this process's, an owner that is neither root nor this process's), not
 * a private key, too weak, a file name that is no selector, more than
 * KEYS_PER_DOMAIN, a directory that everybody can write in. Hidden files and
 * other endings than ".private" are not looked at. A directory that isn't
 * there holds no keys. Waits for the file system only; while one thread reads
 * a domain again, others go on with what was known. */
bool keys_find(struct keys *keys, const char *directory, const char *domain,
    const struct key_ring **ring_out, struct fault *fault);

/* Has domain at least one ".private" file? Cheaper than keys_find(): no key is
 * parsed. Faults count as yes (a key is there). */
bool keys_has(struct keys *keys, const char *directory, const char *domain);

/* Give back what keys_find() lent. Empties the pointer; takes NULL. */
void keys_release(struct keys *keys, const struct key_ring **ring);

/* Free the cache, of which nothing may be lent any more. Empties the pointer;
 * takes NULL. */
void keys_close(struct keys **keys);

/* Check up to most domains' key files as keys_find() would, for `-t` and
 * start-up: calls complain with each fault. Returns how many were at fault. A
 * directory that isn't there is one fault; so is a name in it that no domain
 * has in normal form, with keys that are never found. Whose files they may be
 * depends on this process's user and groups: call it as the user that signs. */
size_t keys_check(const char *directory, size_t most,
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
