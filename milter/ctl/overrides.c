#include "milter/ctl/overrides.h"

#include "milter/ctl/print.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_FIRST = 16 };

static const char block_prefix[] = "blocked:";

/* The way through the store. */
struct picking {
	overrides_want *want;
	const void *context;
	struct arena *arena;
	struct overrides *overrides;
	bool is_broken; /* no memory */
};

static bool
grow(struct overrides *overrides)
{
	size_t room =
	    overrides->room > 0 ? 2 * overrides->room : (size_t)ROOM_FIRST;
	struct store_override *grown;

	if (overrides->count < overrides->room)
		return true;
	grown = reallocarray(overrides->list, room, sizeof(*grown));
	if (grown == NULL)
		return false;
	overrides->list = grown;
	overrides->room = room;
	return true;
}

static bool
pick(void *context, const struct store_override *override)
{
	struct picking *picking = context;
	struct overrides *overrides = picking->overrides;
	struct store_override copy = *override;

	if (!picking->want(picking->context, override))
		return true;
	copy.limit_name = arena_strdup(picking->arena, override->limit_name);
	copy.key = arena_strdup(picking->arena, override->key);
	copy.words = arena_strdup(picking->arena, override->words);
	if (copy.limit_name == NULL || copy.key == NULL || copy.words == NULL
	    || !grow(overrides)) {
		picking->is_broken = true;
		return false;
	}
	overrides->list[overrides->count++] = copy;
	return true;
}

static int
compare(const void *one, const void *other)
{
	const struct store_override *a = one;
	const struct store_override *b = other;
	int order = strcmp(a->limit_name, b->limit_name);

	return order != 0 ? order : strcmp(a->key, b->key);
}

bool
overrides_read(struct store *store, overrides_want *want, const void *context,
    struct arena *arena, struct overrides *overrides_out, struct fault *fault)
{
	struct picking picking = { .want = want,
		.context = context,
		.arena = arena,
		.overrides = overrides_out };

	*overrides_out = (struct overrides){ .list = NULL };
	if (!store_overrides(
		store, pick, &picking, &overrides_out->now_ms, fault))
		return false;
	if (picking.is_broken) {
		fault_memory(fault);
		return false;
	}
	if (overrides_out->count > 1)
		qsort(overrides_out->list, overrides_out->count,
		    sizeof(*overrides_out->list), compare);
	return true;
}

const struct store_override *
overrides_find(
    const struct overrides *overrides, const char *limit_name, const char *key)
{
	struct store_override sought = { .limit_name = limit_name, .key = key };

	if (overrides->count == 0)
		return NULL;
	return bsearch(&sought, overrides->list, overrides->count,
	    sizeof(*overrides->list), compare);
}

const struct store_override *
overrides_block(
    const struct overrides *overrides, enum limit_key kind, const char *key)
{
	const struct limit *block = limits_block(kind);
	const struct store_override *found =
	    block != NULL ? overrides_find(overrides, block->name, key) : NULL;

	return found != NULL && found->max == 0 ? found : NULL;
}

const char *
overrides_until(const struct store_override *override, struct arena *arena)
{
	const char *words;

	if (override->until_ms == 0)
		return "for good";
	words = arena_printf(
	    arena, "until %s", print_time(arena, override->until_ms));
	return words != NULL ? words : "?";
}

/* Rounded up: never too early. */
static uint64_t
seconds_to(const struct store_override *override, uint64_t now_ms)
{
	uint64_t left_ms =
	    override->until_ms > now_ms ? override->until_ms - now_ms : 0;

	return left_ms / 1000 + (left_ms % 1000 != 0);
}

struct json_object *
overrides_json(const struct store_override *override, uint64_t now_ms)
{
	struct json_object *object;
	bool has_end;

	if (override == NULL)
		return NULL;
	object = json_object_new_object();
	has_end = override->until_ms != 0;
	if (strncmp(
		override->limit_name, block_prefix, sizeof(block_prefix) - 1)
	    != 0)
		json_object_object_add(
		    object, "max", json_object_new_uint64(override->max));
	json_object_object_add(object, "until",
	    has_end ? print_json_time(override->until_ms) : NULL);
	json_object_object_add(object, "ends_in",
	    has_end ? json_object_new_uint64(seconds_to(override, now_ms))
		    : NULL);
	json_object_object_add(
	    object, "reason", print_json_text(override->words));
	return object;
}

void
overrides_clear(struct overrides *overrides)
{
	free(overrides->list);
	*overrides = (struct overrides){ .list = NULL };
}
