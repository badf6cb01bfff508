#include "policy/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most messages fit in one block: an envelope and some twenty fields. */
enum { BLOCK_BYTES = 8192 };

struct arena_block {
	struct arena_block *older;
	size_t used_bytes;
	size_t size_bytes;
	alignas(max_align_t) char data[];
};

void
arena_init(struct arena *arena, size_t cap_bytes)
{
	arena->newest = NULL;
	arena->used_bytes = 0;
	arena->cap_bytes = cap_bytes;
}

static struct arena_block *
block_add(struct arena *arena, size_t needed_bytes)
{
	size_t size = needed_bytes > BLOCK_BYTES ? needed_bytes : BLOCK_BYTES;
	size_t left = arena->cap_bytes - arena->used_bytes;
	struct arena_block *block;

	if (size > left)
		size = needed_bytes; /* the last block may be a small one */
	if (size > left)
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->older = arena->newest;
	block->used_bytes = 0;
	block->size_bytes = size;
	arena->newest = block;
	arena->used_bytes += size;
	return block;
}

void *
arena_alloc(struct arena *arena, size_t size_bytes)
{
	const size_t grain = alignof(max_align_t);
	struct arena_block *block = arena->newest;
	size_t size;
	void *memory;

	if (size_bytes > SIZE_MAX - grain)
		return NULL;
	size = (size_bytes + grain - 1) / grain * grain;
	if (size == 0)
		size = grain;
	if (block == NULL || block->size_bytes - block->used_bytes < size)
		block = block_add(arena, size);
	if (block == NULL)
		return NULL;
	memory = block->data + block->used_bytes;
	block->used_bytes += size;
	memset(memory, 0, size);
	return memory;
}

char *
arena_copy(struct arena *arena, const char *data, size_t length)
{
	char *copy;

	if (length == SIZE_MAX)
		return NULL;
	copy = arena_alloc(arena, length + 1);
	if (copy != NULL && length > 0)
		memcpy(copy, data, length);
	return copy;
}

char *
arena_strdup(struct arena *arena, const char *string)
{
	return string == NULL ? NULL
			      : arena_copy(arena, string, strlen(string));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *string;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return NULL;
	string = arena_alloc(arena, (size_t)length + 1);
	if (string == NULL)
		return NULL;
	va_start(arguments, format);
	vsnprintf(string, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return string;
}

void
arena_clear(struct arena *arena)
{
	struct arena_block *block = arena->newest;

	while (block != NULL) {
		struct arena_block *older = block->older;

		free(block);
		block = older;
	}
	arena->newest = NULL;
	arena->used_bytes = 0;
}
