/* resolver_cache: the answers that resolver keeps, found by their question,
 * in a bounded number of octets: what was not asked for longest goes first.
 * In shards with a lock each, that is held for some tens of nanoseconds; a
 * find copies nothing, it only counts one holder more. Locked inside: any
 * thread. */
#ifndef MILTER_IO_RESOLVER_CACHE_H
#define MILTER_IO_RESOLVER_CACHE_H

#include "policy/dns.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct resolver_cache;

/* A question, its name in lower case and hashed. */
struct resolver_key {
	uint64_t hash;
	enum dns_type type;
	char name[DNS_NAME_OCTETS + 1];
};

/* An answer with all its text, in one piece of memory. All but what the cache
 * and the count of holders need is immutable. */
struct resolver_known {
	struct dns_answer answer;
	uint64_t until_ms; /* it holds till then */
	uint64_t hash;
	enum dns_type type;
	const char *name; /* in lower case */
	size_t bytes;     /* that it takes */

	atomic_uint holders;
	/* The rest is the cache's, under the lock of its shard. */
	struct resolver_known *next; /* of the same bucket */
	TAILQ_ENTRY(resolver_known) used;
	uint64_t used_ms; /* when it was put where it is in that list */
};

struct resolver_cache_counters {
	uint64_t hits;
	uint64_t entries;
	uint64_t bytes;
};

/* An empty cache of at most bytes. NULL: no memory. */
struct resolver_cache *resolver_cache_open(size_t bytes);

/* The key of question. False: its name can't be asked (dns_is_name()). */
bool resolver_cache_key(const struct resolver_cache *cache,
    const struct dns_question *question, struct resolver_key *key_out);

/* Copy answer as the one to key; it has one holder, the caller. NULL: no
 * memory. */
struct resolver_known *resolver_known_make(const struct resolver_key *key,
    const struct dns_answer *answer, uint64_t until_ms);

/* One holder more; returns known. */
struct resolver_known *resolver_known_hold(struct resolver_known *known);

/* One holder less; the last one frees it. Takes NULL. */
void resolver_known_drop(struct resolver_known *known);

/* Is known the answer to key? */
bool resolver_known_is(
    const struct resolver_known *known, const struct resolver_key *key);

/* What is known of key and holds at now_ms, held for the caller; or NULL. */
struct resolver_known *resolver_cache_find(struct resolver_cache *cache,
    const struct resolver_key *key, uint64_t now_ms);

/* Keep known in the place of what was known of its question; the cache holds
 * it by itself. What is too large for a shard isn't kept. */
void resolver_cache_keep(struct resolver_cache *cache,
    struct resolver_known *known, uint64_t now_ms);

/* Drop everything. */
void resolver_cache_forget(struct resolver_cache *cache);

/* What it has done, and what it has now. */
struct resolver_cache_counters
resolver_cache_counters(struct resolver_cache *cache);

/* Drop everything and free it. Empties the pointer; takes NULL. */
void resolver_cache_close(struct resolver_cache **cache);

#endif
