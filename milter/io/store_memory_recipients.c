#include "milter/io/store_memory_recipients.h"

#include "milter/io/store_count.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_ROOM = 32, /* digests in each list */
	/* In all lists together: four times what one message can need. */
	DIGESTS_MOST = 4 * STORE_CHARGES * 2 * STORE_RECIPIENTS,
};

/* The lists of a key grow, both alike, to STORE_RECIPIENTS. */
struct written {
	enum limit_key kind; /* first, with key: what the tree compares */
	const char *key;
	struct count_recipients known;
	size_t room;
	struct written *newer; /* in the order of the last message */
	struct written *older;
	char text[]; /* of key */
};

struct memory_recipients {
	void *tree;
	struct written *newest;
	struct written *oldest;
	size_t digests; /* that there is room for */
};

static int
compare(const void *one, const void *other)
{
	const struct written *a = one;
	const struct written *b = other;

	return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
				  : strcmp(a->key, b->key);
}

struct memory_recipients *
memory_recipients_open(void)
{
	return calloc(1, sizeof(struct memory_recipients));
}

static struct written *
find(const struct memory_recipients *recipients, const struct charge *charge)
{
	const struct written wanted = { .kind = charge->limit->key,
		.key = charge->key };
	void *node = tfind(&wanted, &recipients->tree, compare);

	return node != NULL ? *(struct written **)node : NULL;
}

uint64_t
memory_recipients_cost(
    const struct memory_recipients *recipients, const struct charge *charge)
{
	const struct written *entry = find(recipients, charge);

	return entry != NULL ? store_new_cost(&entry->known, charge)
			     : charge->cost;
}

static void
take_out(struct memory_recipients *recipients, struct written *entry)
{
	*(entry->newer != NULL ? &entry->newer->older : &recipients->newest) =
	    entry->older;
	*(entry->older != NULL ? &entry->older->newer : &recipients->oldest) =
	    entry->newer;
}

static void
put_newest(struct memory_recipients *recipients, struct written *entry)
{
	entry->newer = NULL;
	entry->older = recipients->newest;
	*(recipients->newest != NULL ? &recipients->newest->newer
				     : &recipients->oldest) = entry;
	recipients->newest = entry;
}

static void
drop(struct memory_recipients *recipients, struct written *entry)
{
	take_out(recipients, entry);
	(void)tdelete(entry, &recipients->tree, compare);
	recipients->digests -= 2 * entry->room;
	free(entry->known.newer);
	free(entry->known.older);
	free(entry);
}

static struct written *
make(struct memory_recipients *recipients, const struct charge *charge)
{
	size_t size = strlen(charge->key) + 1;
	struct written *entry = calloc(1, sizeof(*entry) + size);

	if (entry == NULL)
		return NULL;
	memcpy(entry->text, charge->key, size);
	entry->kind = charge->limit->key;
	entry->key = entry->text;
	if (tsearch(entry, &recipients->tree, compare) == NULL) {
		free(entry);
		return NULL;
	}
	put_newest(recipients, entry);
	return entry;
}

static bool
grow_list(uint64_t **list, size_t room)
{
	uint64_t *grown = realloc(*list, room * sizeof(*grown));

	if (grown != NULL)
		*list = grown;
	return grown != NULL;
}

/* Room for so many more, or for all that there may be. */
static bool
grow(struct memory_recipients *recipients, struct written *entry, size_t more)
{
	size_t room = entry->room > 0 ? entry->room : FIRST_ROOM;

	while (
	    room < STORE_RECIPIENTS && room - entry->known.newer_count < more)
		room *= 2;
	if (room == entry->room)
		return true;
	if (!grow_list(&entry->known.newer, room)
	    || !grow_list(&entry->known.older, room))
		return false;
	recipients->digests += 2 * (room - entry->room);
	entry->room = room;
	return true;
}

bool
memory_recipients_make(
    struct memory_recipients *recipients, const struct charge *charge)
{
	struct written *entry = find(recipients, charge);

	if (entry != NULL) {
		take_out(recipients, entry);
		put_newest(recipients, entry);
	} else {
		entry = make(recipients, charge);
	}
	if (entry == NULL || !grow(recipients, entry, charge->recipient_count))
		return false;
	while (
	    recipients->digests > DIGESTS_MOST && recipients->oldest != entry)
		drop(recipients, recipients->oldest);
	return true;
}

void
memory_recipients_add(
    struct memory_recipients *recipients, const struct charge *charge)
{
	struct written *entry = find(recipients, charge);

	if (entry != NULL)
		store_remember(&entry->known, charge);
}

void
memory_recipients_forget(
    struct memory_recipients *recipients, const struct charge *charge)
{
	struct written *entry = find(recipients, charge);

	if (entry != NULL)
		store_forget(&entry->known, charge);
}

void
memory_recipients_close(struct memory_recipients **recipients)
{
	if (*recipients == NULL)
		return;
	while ((*recipients)->oldest != NULL)
		drop(*recipients, (*recipients)->oldest);
	free(*recipients);
	*recipients = NULL;
}
