#include "milter/io/store_memory_overrides.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum { TEND_OVERRIDES = 1024, FIRST_ROOM = 16 };

struct kept {
	struct store_override override; /* first; its texts are below */
	size_t place;
	char text[];
};

/* A tree finds one by limit and key, an array has them all. */
struct memory_overrides {
	void *tree;
	struct kept **all;
	size_t count;
	size_t room;
	size_t tend_place;
};

static int
compare(const void *one, const void *other)
{
	const struct store_override *a = one;
	const struct store_override *b = other;
	int order = strcmp(a->limit_name, b->limit_name);

	return order != 0 ? order : strcmp(a->key, b->key);
}

struct memory_overrides *
memory_overrides_open(void)
{
	return calloc(1, sizeof(struct memory_overrides));
}

static bool
has_ended(const struct store_override *override, uint64_t now_ms)
{
	return override->until_ms != 0 && override->until_ms <= now_ms;
}

static struct kept *
find(const struct memory_overrides *overrides, const char *limit_name,
    const char *key)
{
	const struct store_override wanted = { .limit_name = limit_name,
		.key = key };
	void *node = tfind(&wanted, &overrides->tree, compare);

	return node != NULL ? *(struct kept **)node : NULL;
}

const struct store_override *
memory_overrides_find(const struct memory_overrides *overrides,
    const char *limit_name, const char *key, uint64_t now_ms)
{
	const struct kept *kept;

	if (overrides->count == 0)
		return NULL;
	kept = find(overrides, limit_name, key);
	return kept != NULL && !has_ended(&kept->override, now_ms)
	    ? &kept->override
	    : NULL;
}

static struct kept *
copy(const struct store_override *override)
{
	size_t limit_size = strlen(override->limit_name) + 1;
	size_t key_size = strlen(override->key) + 1;
	size_t words_size = strlen(override->words) + 1;
	struct kept *kept =
	    calloc(1, sizeof(*kept) + limit_size + key_size + words_size);
	char *text;

	if (kept == NULL)
		return NULL;
	kept->override = *override;
	text = kept->text;
	kept->override.limit_name =
	    memcpy(text, override->limit_name, limit_size);
	text += limit_size;
	kept->override.key = memcpy(text, override->key, key_size);
	text += key_size;
	kept->override.words = memcpy(text, override->words, words_size);
	return kept;
}

static void
drop(struct memory_overrides *overrides, struct kept *kept)
{
	struct kept *last = overrides->all[--overrides->count];

	overrides->all[kept->place] = last;
	last->place = kept->place;
	(void)tdelete(kept, &overrides->tree, compare);
	free(kept);
}

static void
drop_ended(struct memory_overrides *overrides, uint64_t now_ms)
{
	for (size_t i = overrides->count; i > 0; i--)
		if (has_ended(&overrides->all[i - 1]->override, now_ms))
			drop(overrides, overrides->all[i - 1]);
}

static bool
make_room(struct memory_overrides *overrides)
{
	size_t room = overrides->room > 0 ? overrides->room * 2 : FIRST_ROOM;
	struct kept **all;

	if (overrides->count < overrides->room)
		return true;
	all = realloc(overrides->all, room * sizeof(struct kept *));
	if (all == NULL)
		return false;
	overrides->all = all;
	overrides->room = room;
	return true;
}

static bool
put_in(struct memory_overrides *overrides, struct kept *kept)
{
	if (!make_room(overrides)
	    || tsearch(kept, &overrides->tree, compare) == NULL)
		return false;
	kept->place = overrides->count;
	overrides->all[overrides->count++] = kept;
	return true;
}

/* In the place of another that has the same name: nothing can fail. */
static void
replace(struct memory_overrides *overrides, struct kept *old, struct kept *kept)
{
	void *node = tfind(old, &overrides->tree, compare);

	*(struct kept **)node = kept;
	kept->place = old->place;
	overrides->all[kept->place] = kept;
	free(old);
}

bool
memory_overrides_set(struct memory_overrides *overrides,
    const struct store_override *override, uint64_t now_ms, struct fault *fault)
{
	struct kept *old = find(overrides, override->limit_name, override->key);
	struct kept *kept;

	if (old == NULL && overrides->count >= STORE_OVERRIDES)
		drop_ended(overrides, now_ms);
	if (old == NULL && overrides->count >= STORE_OVERRIDES) {
		fault_set(fault, FAULT_PERMANENT,
		    "there are %d overrides and blocks; take some back first",
		    (int)STORE_OVERRIDES);
		return false;
	}
	kept = copy(override);
	if (kept != NULL && old != NULL) {
		replace(overrides, old, kept);
		return true;
	}
	if (kept == NULL || !put_in(overrides, kept)) {
		free(kept);
		fault_memory(fault);
		return false;
	}
	return true;
}

bool
memory_overrides_unset(struct memory_overrides *overrides,
    const char *limit_name, const char *key, uint64_t now_ms)
{
	struct kept *kept = find(overrides, limit_name, key);
	bool was_there;

	if (kept == NULL)
		return false;
	was_there = !has_ended(&kept->override, now_ms);
	drop(overrides, kept);
	return was_there;
}

bool
memory_overrides_copy(const struct memory_overrides *overrides, uint64_t now_ms,
    size_t *place_io, struct memory_overrides_batch *batch_out)
{
	size_t place =
	    *place_io < overrides->count ? *place_io : overrides->count;

	batch_out->count = 0;
	while (place > 0 && batch_out->count < MEMORY_OVERRIDES_BATCH) {
		const struct kept *kept = overrides->all[--place];
		struct kept *own;

		if (has_ended(&kept->override, now_ms))
			continue;
		own = copy(&kept->override);
		if (own == NULL) {
			memory_overrides_free(batch_out);
			return false;
		}
		batch_out->all[batch_out->count++] = &own->override;
	}
	*place_io = place;
	return true;
}

void
memory_overrides_free(struct memory_overrides_batch *batch)
{
	while (batch->count > 0)
		free(batch->all[--batch->count]); /* the head of a copy */
}

void
memory_overrides_tend(struct memory_overrides *overrides, uint64_t now_ms)
{
	size_t looked = 0;

	if (overrides->tend_place == 0
	    || overrides->tend_place > overrides->count)
		overrides->tend_place = overrides->count;
	for (; overrides->tend_place > 0 && looked < TEND_OVERRIDES; looked++) {
		struct kept *kept = overrides->all[--overrides->tend_place];

		if (has_ended(&kept->override, now_ms))
			drop(overrides, kept);
	}
}

void
memory_overrides_close(struct memory_overrides **overrides)
{
	if (*overrides == NULL)
		return;
	while ((*overrides)->count > 0)
		drop(*overrides, (*overrides)->all[0]);
	free((*overrides)->all);
	free(*overrides);
	*overrides = NULL;
}
