/* leaders: those of many who have the most, kept in the space of the few that
 * are asked for. */
#ifndef MILTER_CTL_LEADERS_H
#define MILTER_CTL_LEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEADERS_MOST = 1000 };

struct leader {
	char *name; /* the table's own */
	uint64_t used;
};

/* Mere data, for the caller to read after leaders_sort(). */
struct leaders {
	struct leader *list; /* a heap until sorted, the least at its top */
	size_t count;
	size_t room;
};

/* An empty table of room names, 1 to LEADERS_MOST. False: no memory. */
bool leaders_init(struct leaders *leaders, size_t room);

/* Note that name has used so much; name is copied if it is among the first. A
 * name that comes again, as one may whose count changes meanwhile, has its
 * greater count. False: no memory. */
bool leaders_add(struct leaders *leaders, const char *name, uint64_t used);

/* Order them: the most first, equals by name. Nothing is added after. */
void leaders_sort(struct leaders *leaders);

/* Free what it has. Empties it; takes an empty one. */
void leaders_clear(struct leaders *leaders);

#endif
