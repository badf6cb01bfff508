#include "milter/io/store_journal.h"

#include "policy/window.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

/* In the order of their first charge, and in a tree by what makes two charges
 * one entry. */
struct noted {
	struct journal_entry entry; /* first */
	uint64_t slot;
	struct noted *older;
	struct noted *newer;
	char text[];
};

struct journal {
	void *tree;
	struct noted *oldest;
	struct noted *newest;
	size_t count;
	size_t most;
	size_t lost;
};

static int
compare_numbers(uint64_t one, uint64_t other)
{
	return (one > other) - (one < other);
}

static int
compare(const void *one, const void *other)
{
	const struct noted *a = one;
	const struct noted *b = other;
	int order = strcmp(a->entry.limit.name, b->entry.limit.name);

	if (order == 0)
		order = strcmp(a->entry.key, b->entry.key);
	if (order == 0)
		order = compare_numbers(
		    a->entry.limit.per_ms, b->entry.limit.per_ms);
	return order != 0 ? order : compare_numbers(a->slot, b->slot);
}

struct journal *
journal_open(size_t most)
{
	struct journal *journal = calloc(1, sizeof(*journal));

	if (journal != NULL)
		journal->most = most;
	return journal;
}

static void
take_out(struct journal *journal, struct noted *noted)
{
	(void)tdelete(noted, &journal->tree, compare);
	*(noted->older != NULL ? &noted->older->newer : &journal->oldest) =
	    noted->newer;
	*(noted->newer != NULL ? &noted->newer->older : &journal->newest) =
	    noted->older;
	journal->count--;
}

static struct noted *
find(struct journal *journal, const struct limit *limit, const char *key,
    uint64_t at_ms)
{
	struct noted wanted = { .entry.limit.name = limit->name,
		.entry.limit.per_ms = limit->per_ms,
		.entry.key = key,
		.slot = window_slot(limit->per_ms, at_ms) };
	void *node = tfind(&wanted, &journal->tree, compare);

	return node != NULL ? *(struct noted **)node : NULL;
}

static struct noted *
make(const struct limit *limit, const char *key, uint64_t at_ms)
{
	size_t name_size = strlen(limit->name) + 1;
	size_t key_size = strlen(key) + 1;
	struct noted *noted = calloc(1, sizeof(*noted) + name_size + key_size);

	if (noted == NULL)
		return NULL;
	memcpy(noted->text, limit->name, name_size);
	memcpy(noted->text + name_size, key, key_size);
	noted->entry.limit.name = noted->text;
	noted->entry.limit.per_ms = limit->per_ms;
	noted->entry.key = noted->text + name_size;
	noted->entry.at_ms = at_ms;
	noted->slot = window_slot(limit->per_ms, at_ms);
	return noted;
}

/* Put a new entry into the tree and at one end of the list. */
static bool
put_in(struct journal *journal, struct noted *noted, bool is_newest)
{
	if (tsearch(noted, &journal->tree, compare) == NULL)
		return false;
	noted->older = is_newest ? journal->newest : NULL;
	noted->newer = is_newest ? NULL : journal->oldest;
	*(noted->older != NULL ? &noted->older->newer : &journal->oldest) =
	    noted;
	*(noted->newer != NULL ? &noted->newer->older : &journal->newest) =
	    noted;
	journal->count++;
	return true;
}

static void
merge(struct noted *noted, uint64_t at_ms, uint64_t cost)
{
	struct journal_entry *entry = &noted->entry;

	entry->cost =
	    cost > UINT64_MAX - entry->cost ? UINT64_MAX : entry->cost + cost;
	if (at_ms > entry->at_ms)
		entry->at_ms = at_ms;
}

void
journal_add(struct journal *journal, const struct limit *limit, const char *key,
    uint64_t at_ms, uint64_t cost)
{
	struct noted *noted = find(journal, limit, key, at_ms);

	if (noted == NULL) {
		noted = make(limit, key, at_ms);
		if (noted == NULL || !put_in(journal, noted, true)) {
			free(noted);
			journal->lost++;
			return;
		}
	}
	merge(noted, at_ms, cost);
	if (journal->count > journal->most) {
		noted = journal->oldest;
		take_out(journal, noted);
		free(noted);
		journal->lost++;
	}
}

uint64_t
journal_take_back(struct journal *journal, const struct limit *limit,
    const char *key, uint64_t at_ms, uint64_t cost)
{
	struct noted *noted = find(journal, limit, key, at_ms);
	uint64_t taken;

	if (noted == NULL)
		return 0;
	if (noted->entry.cost > cost) {
		noted->entry.cost -= cost;
		return cost;
	}
	taken = noted->entry.cost;
	take_out(journal, noted);
	free(noted);
	return taken;
}

void
journal_forget(
    struct journal *journal, const struct limit *limit, const char *key)
{
	struct noted *next;

	for (struct noted *noted = journal->oldest; noted != NULL;
	     noted = next) {
		next = noted->newer;
		if (strcmp(noted->entry.limit.name, limit->name) != 0
		    || strcmp(noted->entry.key, key) != 0)
			continue;
		take_out(journal, noted);
		free(noted);
	}
}

struct journal_entry *
journal_take(struct journal *journal)
{
	struct noted *noted = journal->oldest;

	if (noted == NULL)
		return NULL;
	take_out(journal, noted);
	return &noted->entry;
}

void
journal_put_back(struct journal *journal, struct journal_entry *entry)
{
	struct noted *noted = (struct noted *)entry;
	struct noted *there =
	    find(journal, &entry->limit, entry->key, entry->at_ms);

	if (there != NULL) {
		merge(there, entry->at_ms, entry->cost);
		free(noted);
	} else if (journal->count >= journal->most
	    || !put_in(journal, noted, false)) {
		free(noted);
		journal->lost++;
	}
}

void
journal_free(struct journal_entry **entry)
{
	free(*entry); /* the head of what was allocated */
	*entry = NULL;
}

size_t
journal_count(const struct journal *journal)
{
	return journal->count;
}

size_t
journal_lost(struct journal *journal)
{
	size_t lost = journal->lost;

	journal->lost = 0;
	return lost;
}

void
journal_close(struct journal **journal)
{
	struct journal_entry *entry;

	if (*journal == NULL)
		return;
	while ((entry = journal_take(*journal)) != NULL)
		journal_free(&entry);
	free(*journal);
	*journal = NULL;
}
