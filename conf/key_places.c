#include "conf/key_places.h"

#include <string.h>

static bool
are_same_maps(const struct map_source *one, const struct map_source *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return one->kind == other->kind && strcmp(one->name, other->name) == 0
	    && (one->kind != MAP_SOCKETMAP
		|| strcmp(one->socket, other->socket) == 0);
}

bool
key_places_same_tables(
    const struct key_places *one, const struct key_places *other)
{
	return strcmp(one->key_table, other->key_table) == 0
	    && strcmp(one->signing_table, other->signing_table) == 0
	    && one->is_refile == other->is_refile;
}

bool
key_places_same(const struct key_places *one, const struct key_places *other)
{
	return strcmp(one->directory, other->directory) == 0
	    && key_places_same_tables(one, other)
	    && are_same_maps(one->map, other->map);
}

void
key_places_leave_out(struct key_places *one, const struct key_places *other)
{
	if (strcmp(one->directory, other->directory) == 0)
		one->directory = "";
	if (key_places_same_tables(one, other))
		one->key_table = one->signing_table = "";
	if (are_same_maps(one->map, other->map))
		one->map = NULL;
}
