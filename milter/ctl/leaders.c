#include "milter/ctl/leaders.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The most first; equals in the order of their names, so that the same counts
 * give the same answer. */
static int
compare(const void *one, const void *other)
{
	const struct leader *a = one;
	const struct leader *b = other;

	if (a->used != b->used)
		return a->used > b->used ? -1 : 1;
	return strcmp(a->name, b->name);
}

bool
leaders_init(struct leaders *leaders, size_t room)
{
	assert(room > 0 && room <= LEADERS_MOST);
	*leaders = (struct leaders){ .room = room };
	leaders->list = calloc(room, sizeof(*leaders->list));
	return leaders->list != NULL;
}

static void
swap(struct leader *one, struct leader *other)
{
	struct leader kept = *one;

	*one = *other;
	*other = kept;
}

static void
rise(struct leaders *leaders, size_t at)
{
	while (at > 0) {
		size_t above = (at - 1) / 2;

		if (compare(&leaders->list[at], &leaders->list[above]) <= 0)
			return;
		swap(&leaders->list[at], &leaders->list[above]);
		at = above;
	}
}

static void
sink(struct leaders *leaders, size_t at)
{
	for (;;) {
		size_t last = at;

		for (size_t below = 2 * at + 1;
		     below <= 2 * at + 2 && below < leaders->count; below++)
			if (compare(&leaders->list[below], &leaders->list[last])
			    > 0)
				last = below;
		if (last == at)
			return;
		swap(&leaders->list[at], &leaders->list[last]);
		at = last;
	}
}

/* Looked for among the few only when a name would be one of them. */
static bool
is_known(struct leaders *leaders, const char *name, uint64_t used)
{
	for (size_t i = 0; i < leaders->count; i++) {
		if (strcmp(leaders->list[i].name, name) != 0)
			continue;
		if (used > leaders->list[i].used) {
			leaders->list[i].used = used;
			sink(leaders, i);
		}
		return true;
	}
	return false;
}

bool
leaders_add(struct leaders *leaders, const char *name, uint64_t used)
{
	bool is_full = leaders->count == leaders->room;
	char *copy;

	if (is_full && used < leaders->list[0].used)
		return true;
	if (is_known(leaders, name, used))
		return true;
	if (is_full && used == leaders->list[0].used
	    && strcmp(name, leaders->list[0].name) > 0)
		return true;
	copy = strdup(name);
	if (copy == NULL)
		return false;
	if (!is_full) {
		leaders->list[leaders->count++] =
		    (struct leader){ .name = copy, .used = used };
		rise(leaders, leaders->count - 1);
		return true;
	}
	free(leaders->list[0].name);
	leaders->list[0] = (struct leader){ .name = copy, .used = used };
	sink(leaders, 0);
	return true;
}

void
leaders_sort(struct leaders *leaders)
{
	if (leaders->count > 1)
		qsort(leaders->list, leaders->count, sizeof(*leaders->list),
		    compare);
}

void
leaders_clear(struct leaders *leaders)
{
	for (size_t i = 0; i < leaders->count; i++)
		free(leaders->list[i].name);
	free(leaders->list);
	*leaders = (struct leaders){ .list = NULL };
}
