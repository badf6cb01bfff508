#include "milter/io/refusals.h"

#include <assert.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct refusal {
	const char *account; /* first: what the tree compares */
	uint64_t until_ms;
	size_t place; /* in the heap */
	char limit_name[LIMIT_NAME_OCTETS + 1];
	char account_text[];
};

/* A search tree finds an account (no hash: accounts are chosen by outsiders),
 * a heap finds the entry that ends soonest. */
struct refusals {
	pthread_mutex_t lock;
	void *tree;
	struct refusal *
	    *heap; /* none ends before its parent, at half its index */
	size_t count;
	size_t most;
};

static int
compare(const void *one, const void *other)
{
	return strcmp(*(const char *const *)one, *(const char *const *)other);
}

struct refusals *
refusals_open(size_t most)
{
	struct refusals *refusals = calloc(1, sizeof(*refusals));

	if (refusals == NULL)
		return NULL;
	refusals->most = most;
	refusals->heap = calloc(most > 0 ? most : 1, sizeof(struct refusal *));
	if (refusals->heap == NULL
	    || pthread_mutex_init(&refusals->lock, NULL) != 0) {
		free(refusals->heap);
		free(refusals);
		return NULL;
	}
	return refusals;
}

static void
put(struct refusals *refusals, size_t place, struct refusal *entry)
{
	refusals->heap[place] = entry;
	entry->place = place;
}

/* Bring the entry at place to where it belongs, after its time has changed. */
static void
settle(struct refusals *refusals, size_t place)
{
	struct refusal *entry = refusals->heap[place];

	while (place > 0) {
		size_t parent = (place - 1) / 2;

		if (refusals->heap[parent]->until_ms <= entry->until_ms)
			break;
		put(refusals, place, refusals->heap[parent]);
		place = parent;
	}
	for (;;) {
		size_t child = place * 2 + 1;

		if (child >= refusals->count)
			break;
		if (child + 1 < refusals->count
		    && refusals->heap[child + 1]->until_ms
			< refusals->heap[child]->until_ms)
			child++;
		if (refusals->heap[child]->until_ms >= entry->until_ms)
			break;
		put(refusals, place, refusals->heap[child]);
		place = child;
	}
	put(refusals, place, entry);
}

static void
drop(struct refusals *refusals, struct refusal *entry)
{
	size_t place = entry->place;
	struct refusal *last = refusals->heap[--refusals->count];

	(void)tdelete(entry, &refusals->tree, compare);
	if (last != entry) {
		put(refusals, place, last);
		settle(refusals, place);
	}
	free(entry);
}

static void
drop_ended(struct refusals *refusals, uint64_t now_ms)
{
	while (refusals->count > 0 && refusals->heap[0]->until_ms <= now_ms)
		drop(refusals, refusals->heap[0]);
}

static struct refusal *
find(struct refusals *refusals, const char *account)
{
	void *node = tfind(&account, &refusals->tree, compare);

	return node != NULL ? *(struct refusal **)node : NULL;
}

/* Make a new entry. Without memory there is none, which costs no more than a
 * question to the store. */
static struct refusal *
entry_add(struct refusals *refusals, const char *account, uint64_t until_ms)
{
	size_t size = strlen(account) + 1;
	struct refusal *entry = calloc(1, sizeof(*entry) + size);

	if (entry == NULL)
		return NULL;
	memcpy(entry->account_text, account, size);
	entry->account = entry->account_text;
	entry->until_ms = until_ms;
	if (tsearch(entry, &refusals->tree, compare) == NULL) {
		free(entry);
		return NULL;
	}
	put(refusals, refusals->count++, entry);
	settle(refusals, entry->place);
	return entry;
}

static void
entry_name(struct refusal *entry, const char *limit_name)
{
	size_t length = strlen(limit_name);

	assert(length <= LIMIT_NAME_OCTETS);
	memcpy(entry->limit_name, limit_name, length + 1);
}

void
refusals_add(struct refusals *refusals, const char *account,
    const char *limit_name, uint64_t until_ms)
{
	struct refusal *entry;

	(void)pthread_mutex_lock(&refusals->lock);
	entry = find(refusals, account);
	if (entry == NULL) {
		if (refusals->count == refusals->most && refusals->most > 0
		    && refusals->heap[0]->until_ms < until_ms)
			drop(refusals, refusals->heap[0]);
		if (refusals->count < refusals->most)
			entry = entry_add(refusals, account, until_ms);
		if (entry != NULL)
			entry_name(entry, limit_name);
	} else if (until_ms > entry->until_ms
	    || strcmp(entry->limit_name, limit_name) == 0) {
		/* Of two limits the one that lasts; of one what was learnt
		 * last. */
		entry->until_ms = until_ms;
		entry_name(entry, limit_name);
		settle(refusals, entry->place);
	}
	(void)pthread_mutex_unlock(&refusals->lock);
}

bool
refusals_find(struct refusals *refusals, const char *account, uint64_t now_ms,
    char *limit_name_out, uint64_t *until_ms_out)
{
	const struct refusal *entry;

	(void)pthread_mutex_lock(&refusals->lock);
	drop_ended(refusals, now_ms);
	entry = find(refusals, account);
	if (entry != NULL) {
		memcpy(limit_name_out, entry->limit_name,
		    sizeof entry->limit_name);
		*until_ms_out = entry->until_ms;
	}
	(void)pthread_mutex_unlock(&refusals->lock);
	return entry != NULL;
}

static void
drop_all(struct refusals *refusals)
{
	while (refusals->count > 0)
		drop(refusals, refusals->heap[refusals->count - 1]);
}

void
refusals_clear(struct refusals *refusals)
{
	(void)pthread_mutex_lock(&refusals->lock);
	drop_all(refusals);
	(void)pthread_mutex_unlock(&refusals->lock);
}

size_t
refusals_count(struct refusals *refusals, uint64_t now_ms)
{
	size_t count;

	(void)pthread_mutex_lock(&refusals->lock);
	drop_ended(refusals, now_ms);
	count = refusals->count;
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
	free((*refusals)->heap);
	free(*refusals);
	*refusals = NULL;
}
