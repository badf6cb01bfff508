/* arena: memory that is given back all at once. There is one for each
 * connection and one for each message; nobody frees a part of one. Every
 * arena has a cap, so that outside input can't make it grow without end. */
#ifndef POLICY_ARENA_H
#define POLICY_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *newest;
	size_t used_bytes; /* taken from the system so far */
	size_t cap_bytes;  /* never taken more than this */
};

/* Make an empty arena in the caller's memory; takes nothing from the system
 * yet. One user at a time. */
void arena_init(struct arena *arena, size_t cap_bytes);

/* Zeroed memory, aligned for any type, that lives until arena_clear().
 * NULL when the system or the arena's cap has no more to give; the arena
 * stays usable. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size_bytes);

/* The length octets at data, copied and closed with a NUL (octets that are
 * NUL themselves are copied as they are). NULL for want of memory. */
char *arena_copy(struct arena *arena, const char *data, size_t length);

/* arena_copy() of a string. string may be NULL: then so is the result. */
char *arena_strdup(struct arena *arena, const char *string);

/* Text formatted as by printf(3). NULL for want of memory. */
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Give everything back. The arena is then empty and usable again, under the
 * same cap. Clearing an empty arena does no harm. */
void arena_clear(struct arena *arena);

#endif
