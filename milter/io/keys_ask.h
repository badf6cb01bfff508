/* keys_ask: a look at one of the places that keys may be in, by its kind.
 * Remembers nothing; no lock may be held. Private to keys. */
#ifndef MILTER_IO_KEYS_ASK_H
#define MILTER_IO_KEYS_ASK_H

#include "milter/io/keys_cache.h"

/* So old may be what a map said when it is asked for again: as what tables
 * remember may be as old, it is half of what keys promise. */
enum { KEYS_MAP_STALE_MS = KEYS_STALE_MS / 2 };

/* What is looked for, and where; all borrowed. */
struct key_question {
	struct key_place *place;
	const char *name; /* of the entry: a domain, path or digest */
	const struct map_source *map; /* of PLACE_MAP */
	struct tables *tables;        /* to ask it by; may be NULL */
	const char *text;             /* of PLACE_TEXTS: the key */
};

/* Is the file of an LMDB map as safe as one of a private key must be? True for
 * all other maps, and for a file that isn't there. False with words. */
bool keys_ask_is_private(const struct map_source *map, struct fault *fault);

/* Put "map KIND:NAME: DOMAIN: " before the words of a fault. */
void keys_ask_name_entry(
    const struct map_source *map, const char *domain, struct fault *fault);

/* Look; now_ms is the cache's time. False: it is all as known, which then
 * is_there. */
bool keys_ask(const struct key_question *question,
    const struct key_known *known, uint64_t now_ms, struct key_look *look_out);

/* Is something there, good or bad? True also where that can't be found out. No
 * key is parsed. */
bool keys_ask_has(const struct key_question *question);

/* The digest under which a key in a table is known. */
void
keys_ask_digest(const char *text, char digest_out[2 * KEYS_DIGEST_OCTETS + 1]);

#endif
