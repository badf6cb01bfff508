#include "milter/io/keys_index.h"

#include "milter/io/keys_cache.h"
#include "policy/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { CHAINS_LEAST = 64 };

bool
keys_index_init(struct keys_index *index)
{
	*index = (struct keys_index){ .count = 0 };
	return getrandom(index->seed, sizeof(index->seed), 0)
	    == (ssize_t)sizeof(index->seed);
}

/* Half of it is enough for any number of entries, and costs each less. */
static uint32_t
hash_of(const struct keys_index *index, const char *name)
{
	return (uint32_t)hash_text(index->seed, name);
}

static struct known **
chain_of(struct known **chains, size_t chain_count, uint32_t hash)
{
	return &chains[hash & (chain_count - 1)];
}

struct known *
keys_index_find(const struct keys_index *index, const struct key_place *place,
    const char *name)
{
	uint32_t hash = hash_of(index, name);
	struct known *entry;

	if (index->chain_count == 0)
		return NULL;
	entry = *chain_of(index->chains, index->chain_count, hash);
	while (entry != NULL
	    && (entry->hash != hash || entry->place != place
		|| strcmp(entry->name, name) != 0))
		entry = entry->same_chain;
	return entry;
}

/* Twice the chains, so that there are as many as entries. */
static bool
grow(struct keys_index *index)
{
	size_t chain_count =
	    index->chain_count > 0 ? 2 * index->chain_count : CHAINS_LEAST;
	struct known **chains = calloc(chain_count, sizeof(struct known *));

	if (chains == NULL)
		return false;
	for (size_t i = 0; i < index->chain_count; i++)
		while (index->chains[i] != NULL) {
			struct known *entry = index->chains[i];
			struct known **chain =
			    chain_of(chains, chain_count, entry->hash);

			index->chains[i] = entry->same_chain;
			entry->same_chain = *chain;
			*chain = entry;
		}
	free(index->chains);
	index->chains = chains;
	index->chain_count = chain_count;
	return true;
}

bool
keys_index_add(struct keys_index *index, struct known *entry)
{
	struct known **chain;

	/* With longer chains it still works. */
	if (index->count >= index->chain_count && !grow(index)
	    && index->chain_count == 0)
		return false;
	entry->hash = hash_of(index, entry->name);
	chain = chain_of(index->chains, index->chain_count, entry->hash);
	entry->same_chain = *chain;
	*chain = entry;
	index->count++;
	return true;
}

void
keys_index_remove(struct keys_index *index, struct known *entry)
{
	struct known **at =
	    chain_of(index->chains, index->chain_count, entry->hash);

	while (*at != entry)
		at = &(*at)->same_chain;
	*at = entry->same_chain;
	index->count--;
}

void
keys_index_clear(struct keys_index *index)
{
	assert(index->count == 0);
	free(index->chains);
	index->chains = NULL;
	index->chain_count = 0;
}
