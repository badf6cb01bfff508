#include "milter/io/keys_cache.h"

#include <stdlib.h>
#include <string.h>

/* Room that is for new entries alone, in parts of the whole. Among 1/2, 1/5 and
 * 1/10 this was best for 100,000 domains of which the n-th is used 1/n as often
 * as the first, with room for 25,000, if their order changes: 0.87 of the
 * questions are answered from it (LRU: 0.84; knowing it all: 0.89), as many as
 * with counts of who was asked for how often (TinyLFU) to within 0.01, and no
 * fewer after a burst through all of them (LRU: 0.76). */
enum { NEW_PARTS = 5 };

bool
keys_cache_init(struct keys_cache *cache, size_t most)
{
	*cache = (struct keys_cache){ .most = most > 0 ? most : 1 };
	for (size_t i = 0; i < SEGMENTS; i++)
		TAILQ_INIT(&cache->lists[i]);
	SLIST_INIT(&cache->places);
	return keys_index_init(&cache->index);
}

static bool
is_place(const struct key_place *place, enum key_place_kind kind,
    const char *name, const char *socket, enum map_kind map_kind)
{
	return place->kind == kind && place->map_kind == map_kind
	    && strcmp(place->name, name) == 0
	    && strcmp(place->socket, socket) == 0;
}

struct key_place *
keys_cache_place(struct keys_cache *cache, enum key_place_kind kind,
    const char *name, const struct map_source *map)
{
	const enum map_kind map_kind = map != NULL ? map->kind : MAP_TEXTHASH;
	const char *socket =
	    map != NULL && map->socket != NULL ? map->socket : "";
	struct key_place *place;
	size_t name_size;
	size_t socket_size = strlen(socket) + 1;

	if (map != NULL)
		name = map->name;
	SLIST_FOREACH(place, &cache->places, next)
	if (is_place(place, kind, name, socket, map_kind))
		return place;
	name_size = strlen(name) + 1;
	place = malloc(sizeof(*place) + name_size + socket_size);
	if (place == NULL)
		return NULL;
	atomic_init(&place->safe_ms, 0);
	place->kind = kind;
	place->map_kind = map_kind;
	place->name = memcpy(place->texts, name, name_size);
	place->socket = memcpy(place->texts + name_size, socket, socket_size);
	SLIST_INSERT_HEAD(&cache->places, place, next);
	return place;
}

struct known *
keys_cache_find(
    struct keys_cache *cache, const struct key_place *place, const char *name)
{
	return keys_index_find(&cache->index, place, name);
}

static void
list_remove(struct keys_cache *cache, struct known *entry)
{
	TAILQ_REMOVE(&cache->lists[entry->segment], entry, used);
	cache->counts[entry->segment]--;
}

static void
list_insert(
    struct keys_cache *cache, struct known *entry, enum keys_segment segment)
{
	entry->segment = (unsigned char)segment;
	TAILQ_INSERT_HEAD(&cache->lists[segment], entry, used);
	cache->counts[segment]++;
}

static void
entry_remove(struct keys_cache *cache, struct known *entry)
{
	keys_index_remove(&cache->index, entry);
	list_remove(cache, entry);
	keys_set_drop(entry->set, &cache->garbage);
	free(entry->fault);
	free(entry);
}

/* Who was protected longest ago without being asked for makes place, and has
 * another chance among the new. */
static void
limit_protected(struct keys_cache *cache)
{
	size_t new = cache->most / NEW_PARTS;
	size_t most = cache->most - (new > 0 ? new : 1);

	while (cache->counts[SEGMENT_PROTECTED] > most) {
		struct known *last =
		    TAILQ_LAST(&cache->lists[SEGMENT_PROTECTED], known_list);

		list_remove(cache, last);
		list_insert(cache, last, SEGMENT_NEW);
	}
}

/* The newest entry stays: whatever the room, one place is that of the new. The
 * protected are limited where one becomes it. */
static void
limit(struct keys_cache *cache)
{
	while (cache->counts[SEGMENT_NEW] + cache->counts[SEGMENT_PROTECTED]
	    > cache->most)
		entry_remove(
		    cache, TAILQ_LAST(&cache->lists[SEGMENT_NEW], known_list));
	while (cache->counts[SEGMENT_EMPTY] > 0
	    && (cache->counts[SEGMENT_EMPTY] - 1) / KEYS_CACHE_EMPTY
		>= cache->most)
		entry_remove(cache,
		    TAILQ_LAST(&cache->lists[SEGMENT_EMPTY], known_list));
}

void
keys_cache_touch(struct keys_cache *cache, struct known *entry, uint64_t now_ms)
{
	enum keys_segment segment = entry->segment;

	/* The clock may have been read before another thread's. */
	if (segment == SEGMENT_NEW && now_ms > entry->entered_ms
	    && now_ms - entry->entered_ms >= KEYS_CACHE_REPEAT_MS)
		segment = SEGMENT_PROTECTED;
	list_remove(cache, entry);
	list_insert(cache, entry, segment);
	limit_protected(cache);
}

struct known *
keys_cache_add(struct keys_cache *cache, const struct key_place *place,
    const char *name, uint64_t now_ms)
{
	size_t name_size = strlen(name) + 1;
	struct known *entry = calloc(1, sizeof(*entry) + name_size);

	if (entry == NULL)
		return NULL;
	memcpy(entry->name, name, name_size);
	entry->place = place;
	entry->entered_ms = now_ms;
	if (!keys_index_add(&cache->index, entry)) {
		free(entry);
		return NULL;
	}
	entry->is_new = true;
	list_insert(cache, entry, SEGMENT_EMPTY);
	limit(cache);
	return entry;
}

static struct known_fault *
known_fault(const struct fault *fault)
{
	size_t words_size = strlen(fault->words) + 1;
	struct known_fault *known = malloc(sizeof(*known) + words_size);

	if (known == NULL)
		return NULL;
	known->kind = fault->kind;
	memcpy(known->words, fault->words, words_size);
	return known;
}

/* May what was there before be better than this look? */
static bool
is_passing(const struct known *entry, const struct key_look *look)
{
	return look->finding == KEYS_FAULTY && entry->finding == KEYS_THERE
	    && (look->may_pass || look->fault.kind != FAULT_PERMANENT);
}

/* Into the segment that is right for what is known now. */
static void
place_entry(struct keys_cache *cache, struct known *entry, uint64_t now_ms)
{
	bool has_keys = entry->finding == KEYS_THERE;

	if (has_keys != (entry->segment == SEGMENT_EMPTY))
		return;
	list_remove(cache, entry);
	entry->entered_ms = now_ms;
	list_insert(cache, entry, has_keys ? SEGMENT_NEW : SEGMENT_EMPTY);
}

bool
keys_cache_fill(struct keys_cache *cache, struct known *entry,
    struct key_look *look, uint64_t now_ms, uint32_t round)
{
	entry->checked_ms = now_ms;
	entry->round = round;
	entry->is_new = false;
	entry->is_being_read = false;
	if (is_passing(entry, look)) {
		entry->is_settled = false;
		return true;
	}
	free(entry->fault);
	entry->fault = NULL;
	if (look->finding == KEYS_FAULTY) {
		if (look->may_pass)
			look->fault.kind = FAULT_TEMPORARY;
		entry->fault = known_fault(&look->fault);
		if (entry->fault == NULL) {
			entry_remove(cache, entry);
			return false;
		}
	}
	keys_set_drop(entry->set, &cache->garbage);
	entry->set = look->set;
	look->set = NULL;
	entry->finding = (unsigned char)look->finding;
	entry->is_settled = look->is_settled;
	place_entry(cache, entry, now_ms);
	limit(cache);
	return true;
}

void
keys_cache_clear(struct keys_cache *cache)
{
	for (size_t i = 0; i < SEGMENTS; i++)
		while (!TAILQ_EMPTY(&cache->lists[i]))
			entry_remove(cache, TAILQ_FIRST(&cache->lists[i]));
	keys_index_clear(&cache->index);
	while (!SLIST_EMPTY(&cache->places)) {
		struct key_place *place = SLIST_FIRST(&cache->places);

		SLIST_REMOVE_HEAD(&cache->places, next);
		free(place);
	}
	keys_set_free_all(&cache->garbage);
}
