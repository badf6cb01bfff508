#include "conf/opendkim_index.h"

#include "policy/hash.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

bool
opendkim_index_init(struct opendkim_index *index, size_t count)
{
	size_t size = 16;

	while (size - size / 3 <= count)
		size *= 2;
	index->slots = malloc(size * sizeof(*index->slots));
	if (index->slots == NULL)
		return false;
	memset(index->slots, 0xFF, size * sizeof(*index->slots));
	index->mask = size - 1;
	/* Early at boot there may be no seed; then any will do. */
	if (getrandom(index->seed, sizeof(index->seed), GRND_NONBLOCK)
	    != (ssize_t)sizeof(index->seed)) {
		index->seed[0] = (uint64_t)(uintptr_t)index->slots;
		index->seed[1] = (uint64_t)(uintptr_t)index;
	}
	return true;
}

uint64_t
opendkim_index_hash(const struct opendkim_index *index, const char *text)
{
	return hash_text(index->seed, text);
}

static uint32_t
tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

uint32_t *
opendkim_index_find(
    const struct opendkim_index *index, uint64_t hash, const uint32_t *after)
{
	size_t at = (size_t)hash & index->mask;

	if (index->slots == NULL)
		return NULL;
	if (after != NULL)
		at = (size_t)((const char *)after - (const char *)index->slots)
		    / sizeof(*index->slots);
	if (after != NULL)
		at = (at + 1) & index->mask;
	for (; index->slots[at].number != OPENDKIM_NONE;
	     at = (at + 1) & index->mask)
		if (index->slots[at].tag == tag_of(hash))
			return &index->slots[at].number;
	return NULL;
}

void
opendkim_index_put(struct opendkim_index *index, uint64_t hash, uint32_t number)
{
	size_t at = (size_t)hash & index->mask;

	while (index->slots[at].number != OPENDKIM_NONE)
		at = (at + 1) & index->mask;
	index->slots[at] = (struct opendkim_slot){
		.tag = tag_of(hash),
		.number = number,
	};
}

void
opendkim_index_clear(struct opendkim_index *index)
{
	free(index->slots);
	*index = (struct opendkim_index){ .slots = NULL };
}
