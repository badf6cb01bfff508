#include "milter/io/keys.h"

#include "milter/io/keys_domain.h"
#include "milter/io/keys_entries.h"

#include <stdlib.h>

struct keys {
	struct keys_entries entries; /* and with them all that is known */
};

struct keys *
keys_open(size_t most, struct tables *tables)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return NULL;
	keys->entries.known = keys_known_open(most, tables);
	keys->entries.tables = keys_tables_open();
	if (keys->entries.known == NULL || keys->entries.tables == NULL)
		keys_close(&keys);
	return keys;
}

void
keys_set_clock(
    struct keys *keys, uint64_t (*clock_ms)(void *context), void *context)
{
	keys_known_set_clock(keys->entries.known, clock_ms, context);
}

/* Look in a directory or a map. */
static bool
find_in(struct keys *keys, enum key_place_kind kind, const char *place,
    const struct map_source *map, const char *domain,
    const struct key_ring **ring_out, struct fault *fault)
{
	struct keys_known *known = keys->entries.known;
	struct key_question question;
	struct key_set *set;

	if (!keys_known_question(known, kind, place, map, domain, &question)) {
		fault_memory(fault);
		return false;
	}
	if (!keys_known_find(known, &question, &set, fault))
		return false;
	*ring_out = keys_known_lend(known, set);
	return true;
}

bool
keys_find(struct keys *keys, const struct key_places *places,
    const char *domain, const struct key_ring **ring_out, struct fault *fault)
{
	*ring_out = NULL;
	if (!keys_domain_is_name(domain))
		return true;
	if (*places->directory != '\0'
	    && !find_in(keys, PLACE_DIRECTORY, places->directory, NULL, domain,
		ring_out, fault))
		return false;
	if (*ring_out == NULL && places->map != NULL
	    && !find_in(
		keys, PLACE_MAP, "", places->map, domain, ring_out, fault))
		return false;
	return *ring_out != NULL
	    || keys_entries_find(
		&keys->entries, places, domain, ring_out, fault);
}

bool
keys_match(struct keys *keys, const struct key_places *places,
    const char *local_part, const char *domain,
    bool (*may_sign)(void *context, const char *key_domain), void *context,
    struct key_match matches_out[KEYS_MATCHES], size_t *count_out,
    struct fault *fault)
{
	return keys_entries_match(&keys->entries, places, local_part, domain,
	    may_sign, context, matches_out, count_out, fault);
}

static bool
is_in(struct keys *keys, enum key_place_kind kind, const char *place,
    const struct map_source *map, const char *domain)
{
	struct keys_known *known = keys->entries.known;
	struct key_question question;

	return !keys_known_question(known, kind, place, map, domain, &question)
	    || keys_known_has(known, &question);
}

bool
keys_has(struct keys *keys, const struct key_places *places, const char *domain)
{
	if (!keys_domain_is_name(domain))
		return false;
	return (*places->directory != '\0'
		   && is_in(
		       keys, PLACE_DIRECTORY, places->directory, NULL, domain))
	    || (places->map != NULL
		&& is_in(keys, PLACE_MAP, "", places->map, domain))
	    || keys_entries_has(&keys->entries, places, domain);
}

void
keys_release(struct keys *keys, const struct key_ring **ring)
{
	keys_known_return(keys->entries.known, ring);
}

void
keys_release_match(struct keys *keys, struct key_match *match)
{
	keys_entries_return(&keys->entries, match);
}

bool
keys_prepare(
    struct keys *keys, const struct key_places *places, struct fault *fault)
{
	const struct keys_entries *entries = &keys->entries;
	struct keys_pair *pair;

	if (!keys_tables_take(entries->tables, places,
		keys_known_now_ms(entries->known), &pair, fault))
		return false;
	keys_tables_give(entries->tables, &pair);
	return !keys_tables_trouble(entries->tables, places, fault);
}

void
keys_forget(struct keys *keys)
{
	keys_known_forget(keys->entries.known);
	keys_tables_forget(keys->entries.tables);
}

void
keys_close(struct keys **keys)
{
	if (*keys == NULL)
		return;
	keys_known_close(&(*keys)->entries.known);
	keys_tables_close(&(*keys)->entries.tables);
	free(*keys);
	*keys = NULL;
}
