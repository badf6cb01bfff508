/* keys_cache: what is known of places where keys may be, and which of it is
 * kept. Who was asked for again, a second or more after the first time, is
 * protected, up to four fifths of the room, and everybody else makes place
 * before them (a segmented LRU): a burst through all domains there are doesn't
 * throw out those that are used. What has no keys costs little and has its own,
 * larger room. Not locked: keys does that. Private to keys. */
#ifndef MILTER_IO_KEYS_CACHE_H
#define MILTER_IO_KEYS_CACHE_H

#include "conf/conf.h"
#include "milter/io/keys_index.h"
#include "milter/io/keys_look.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
	/* Room for what has no keys (some 200 octets each, twice that with an
	 * empty directory or a fault), in parts of the room for what
	 * has. */
	KEYS_CACHE_EMPTY = 2,
	/* A message asks more than once: that alone protects nobody. */
	KEYS_CACHE_REPEAT_MS = 1000,
};

enum key_place_kind {
	PLACE_DIRECTORY, /* name is a directory of domains */
	PLACE_MAP,
	PLACE_FILES, /* of an OpenDKIM table; entries are paths */
	PLACE_TEXTS, /* keys in such a table; entries are digests */
};

/* A place that the configuration names. Lives as long as the cache: there are
 * few, however often it is read again. */
struct key_place {
	SLIST_ENTRY(key_place) next;
	enum key_place_kind kind;
	enum map_kind map_kind;
	const char *socket; /* of a socketmap; else "" */
	const char *name;
	_Atomic uint64_t safe_ms; /* when a directory was last seen to be safe
				     from others' writing; 0: never */
	char texts[];             /* both */
};

enum keys_segment {
	SEGMENT_NEW,       /* with keys */
	SEGMENT_PROTECTED, /* with keys, and asked for again */
	SEGMENT_EMPTY,     /* without, or at fault */
	SEGMENTS,
};

/* A fault's words, no longer than they are. */
struct known_fault {
	enum fault_kind kind;
	char words[];
};

/* What is known of one domain, or file, of a place. */
struct known {
	TAILQ_ENTRY(known) used;  /* in order of use */
	struct known *same_chain; /* of the index */
	const struct key_place *place;
	uint64_t checked_ms;
	uint64_t entered_ms;
	struct key_set *set; /* as in key_look; held */
	struct known_fault *fault;
	uint32_t hash;         /* of the name, for the index */
	uint32_t round;        /* of the cache, when it was checked */
	unsigned char finding; /* enum keys_finding */
	unsigned char segment; /* enum keys_segment */
	bool is_settled;
	bool is_new;        /* nothing is known yet */
	bool is_being_read; /* by one thread, without the lock */
	char name[];
};

/* In order of use, the last used first. */
TAILQ_HEAD(known_list, known);

/* In any order. */
SLIST_HEAD(key_place_list, key_place);

struct keys_cache {
	struct keys_index index;
	struct known_list lists[SEGMENTS];
	size_t counts[SEGMENTS];
	size_t most;
	uint32_t round;          /* how often all was forgotten */
	struct key_set *garbage; /* to be freed without the lock */
	struct key_place_list places;
};

/* An empty cache for most entries with keys. False: as keys_index_init(). */
bool keys_cache_init(struct keys_cache *cache, size_t most);

/* The place of that kind and name; map is that of PLACE_MAP, whose name isn't
 * looked at. NULL: no memory. */
struct key_place *keys_cache_place(struct keys_cache *cache,
    enum key_place_kind kind, const char *name, const struct map_source *map);

/* What is known of name in place, or NULL. */
struct known *keys_cache_find(
    struct keys_cache *cache, const struct key_place *place, const char *name);

/* The entry was asked for. */
void keys_cache_touch(
    struct keys_cache *cache, struct known *entry, uint64_t now_ms);

/* A new entry, of which nothing is known yet: it is to be filled. What there is
 * no room for any more goes, as below. NULL: no memory. */
struct known *keys_cache_add(struct keys_cache *cache,
    const struct key_place *place, const char *name, uint64_t now_ms);

/* Remember what a look at now_ms, in round, found; look->set is the entry's
 * then. Keys that were there stay, and are looked at again, where the look
 * failed for want of time or means. What there is no room for any more goes,
 * but never the entry itself. False: no memory for the words of a fault; then
 * the entry has gone. */
bool keys_cache_fill(struct keys_cache *cache, struct known *entry,
    struct key_look *look, uint64_t now_ms, uint32_t round);

/* Forget all of it. */
void keys_cache_clear(struct keys_cache *cache);

#endif
