#include "milter/io/refusals.h"

#include "policy/hash.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	MOST_PLACES = 1 << 20, /* beyond, the chains become longer instead */
	DROPPED = 8,           /* of those that ended, in one refusals_find() */
};

struct remembered {
	struct remembered *next; /* in its chain */
	uint64_t hash;
	size_t heap_place;
	enum limit_key kind;
	struct refusal refusal;
	char key[];
};

/* A hash finds a key, a heap finds the entry that ends soonest. */
struct refusals {
	pthread_mutex_t lock; /* of all that follows */
	struct remembered **chains;
	size_t chain_count; /* a power of two */
	struct remembered *
	    *heap; /* none ends before its parent, at half its index */
	size_t most;
	uint64_t seed[2];     /* accounts are chosen by outsiders */
	_Atomic size_t count; /* written with the lock held */
};

static size_t
places_for(size_t most)
{
	size_t places = 1;

	while (places < most && places < MOST_PLACES)
		places *= 2;
	return places;
}

struct refusals *
refusals_open(size_t most)
{
	struct refusals *refusals = calloc(1, sizeof(*refusals));

	if (refusals == NULL)
		return NULL;
	refusals->most = most;
	refusals->chain_count = places_for(most);
	refusals->chains =
	    calloc(refusals->chain_count, sizeof(struct remembered *));
	refusals->heap =
	    calloc(most > 0 ? most : 1, sizeof(struct remembered *));
	if (refusals->chains == NULL || refusals->heap == NULL
	    || getrandom(refusals->seed, sizeof refusals->seed, 0)
		!= (ssize_t)sizeof refusals->seed
	    || pthread_mutex_init(&refusals->lock, NULL) != 0) {
		free(refusals->chains);
		free(refusals->heap);
		free(refusals);
		return NULL;
	}
	return refusals;
}

static size_t
count_of(const struct refusals *refusals)
{
	return atomic_load_explicit(&refusals->count, memory_order_relaxed);
}

static void
set_count(struct refusals *refusals, size_t count)
{
	atomic_store_explicit(&refusals->count, count, memory_order_relaxed);
}

static uint64_t
hash(const struct refusals *refusals, enum limit_key kind, const char *key)
{
	const uint64_t seed[2] = { refusals->seed[0] + (uint64_t)kind,
		refusals->seed[1] };

	return hash_text(seed, key);
}

static struct remembered **
chain_of(struct refusals *refusals, uint64_t wanted)
{
	return &refusals->chains[wanted & (refusals->chain_count - 1)];
}

static struct remembered *
find(struct refusals *refusals, enum limit_key kind, const char *key,
    uint64_t wanted)
{
	struct remembered *entry = *chain_of(refusals, wanted);

	while (entry != NULL
	    && (entry->hash != wanted || entry->kind != kind
		|| strcmp(entry->key, key) != 0))
		entry = entry->next;
	return entry;
}

static uint64_t
end_of(const struct refusals *refusals, size_t place)
{
	return refusals->heap[place]->refusal.until_ms;
}

static void
put(struct refusals *refusals, size_t place, struct remembered *entry)
{
	refusals->heap[place] = entry;
	entry->heap_place = place;
}

/* Bring the entry at place to where it belongs, after its time has changed. */
static void
settle(struct refusals *refusals, size_t place)
{
	struct remembered *entry = refusals->heap[place];
	size_t count = count_of(refusals);

	while (place > 0) {
		size_t parent = (place - 1) / 2;

		if (end_of(refusals, parent) <= entry->refusal.until_ms)
			break;
		put(refusals, place, refusals->heap[parent]);
		place = parent;
	}
	for (;;) {
		size_t child = place * 2 + 1;

		if (child >= count)
			break;
		if (child + 1 < count
		    && end_of(refusals, child + 1) < end_of(refusals, child))
			child++;
		if (end_of(refusals, child) >= entry->refusal.until_ms)
			break;
		put(refusals, place, refusals->heap[child]);
		place = child;
	}
	put(refusals, place, entry);
}

static void
drop(struct refusals *refusals, struct remembered *entry)
{
	struct remembered **link = chain_of(refusals, entry->hash);
	size_t place = entry->heap_place;
	size_t left = count_of(refusals) - 1;
	struct remembered *last = refusals->heap[left];

	set_count(refusals, left);
	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	if (last != entry) {
		put(refusals, place, last);
		settle(refusals, place);
	}
	free(entry);
}

/* Many may end at once; who asks next must not wait for all of them. */
static void
drop_ended(struct refusals *refusals, uint64_t now_ms, size_t most)
{
	for (; most > 0 && count_of(refusals) > 0
	     && end_of(refusals, 0) <= now_ms;
	     most--)
		drop(refusals, refusals->heap[0]);
}

/* Make a new entry. Without memory there is none, which costs no more than a
 * question to the store. */
static void
entry_add(struct refusals *refusals, enum limit_key kind, const char *key,
    uint64_t wanted, const struct refusal *refusal)
{
	size_t size = strlen(key) + 1;
	struct remembered *entry = calloc(1, sizeof(*entry) + size);
	struct remembered **chain = chain_of(refusals, wanted);
	size_t count = count_of(refusals);

	if (entry == NULL)
		return;
	memcpy(entry->key, key, size);
	entry->kind = kind;
	entry->hash = wanted;
	entry->refusal = *refusal;
	entry->next = *chain;
	*chain = entry;
	put(refusals, count, entry);
	set_count(refusals, count + 1);
	settle(refusals, count);
}

/* Does what was learnt now go before what is known? */
static bool
goes_before(const struct refusal *learnt, const struct refusal *known)
{
	if (strcmp(learnt->limit_name, known->limit_name) == 0)
		return true;
	if (learnt->reason != known->reason)
		return learnt->reason == REASON_BLOCKED;
	return learnt->until_ms > known->until_ms;
}

void
refusals_add(struct refusals *refusals, enum limit_key kind, const char *key,
    const struct refusal *refusal)
{
	uint64_t wanted = hash(refusals, kind, key);
	struct remembered *entry;

	(void)pthread_mutex_lock(&refusals->lock);
	entry = find(refusals, kind, key, wanted);
	if (entry == NULL) {
		if (count_of(refusals) == refusals->most && refusals->most > 0
		    && end_of(refusals, 0) < refusal->until_ms)
			drop(refusals, refusals->heap[0]);
		if (count_of(refusals) < refusals->most)
			entry_add(refusals, kind, key, wanted, refusal);
	} else if (goes_before(refusal, &entry->refusal)) {
		entry->refusal = *refusal;
		settle(refusals, entry->heap_place);
	}
	(void)pthread_mutex_unlock(&refusals->lock);
}

bool
refusals_find(struct refusals *refusals, enum limit_key kind, const char *key,
    uint64_t now_ms, struct refusal *refusal_out)
{
	const struct remembered *entry;
	uint64_t wanted;
	bool is_there;

	if (count_of(refusals) == 0)
		return false;
	wanted = hash(refusals, kind, key);
	(void)pthread_mutex_lock(&refusals->lock);
	drop_ended(refusals, now_ms, DROPPED);
	entry = find(refusals, kind, key, wanted);
	is_there = entry != NULL && entry->refusal.until_ms > now_ms;
	if (is_there)
		*refusal_out = entry->refusal;
	(void)pthread_mutex_unlock(&refusals->lock);
	return is_there;
}

static void
drop_all(struct refusals *refusals)
{
	for (size_t count = count_of(refusals); count > 0; count--)
		drop(refusals, refusals->heap[count - 1]);
}

void
refusals_clear(struct refusals *refusals)
{
	if (count_of(refusals) == 0)
		return;
	(void)pthread_mutex_lock(&refusals->lock);
	drop_all(refusals);
	(void)pthread_mutex_unlock(&refusals->lock);
}

size_t
refusals_count(struct refusals *refusals, uint64_t now_ms)
{
	size_t count;

	(void)pthread_mutex_lock(&refusals->lock);
	drop_ended(refusals, now_ms, SIZE_MAX);
	count = count_of(refusals);
	(void)pthread_mutex_unlock(&refusals->lock);
	return count;
}

void
refusals_close(struct refusals **refusals)
{
	if (*refusals == NULL)
		return;
	drop_all(*refusals);
	(void)pthread_mutex_destroy(&(*refusals)->lock);
	free((*refusals)->chains);
	free((*refusals)->heap);
	free(*refusals);
	*refusals = NULL;
}
