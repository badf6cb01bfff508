/* Any octets as an LMDB file that a map is looked up in. Built with clang's
 * -fsanitize=fuzzer,address,undefined. */
#include "milter/io/tables_lmdb.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look(const char *path, const char *key)
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	const char *value;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	if (tables_lmdb_find(path, key, &arena, &value, &fault))
		assert(value == NULL || strlen(value) <= TABLES_VALUE_BYTES);
	else
		assert(value == NULL && fault.kind != FAULT_NONE
		    && *fault.words != '\0');
	arena_clear(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	int fd = memfd_create("table", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	look(path, "alice@a.example");
	look(path, "");
	look(path, "zz");
	(void)close(fd);
	return 0;
}
