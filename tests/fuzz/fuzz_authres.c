/* fuzz_authres: any octets as the value of an Authentication-Results field.
 * Beside what a sanitizer sees, it checks that nothing makes a value less
 * ours: blanks and comments in front, or what the id is quoted by. */
#include "policy/authres.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES = 16 << 20 };

#define OURS "mx.example.com"

#define CHECK(condition)                                                 \
	do {                                                             \
		if (!(condition)) {                                      \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, \
			    __LINE__, #condition);                       \
			abort();                                         \
		}                                                        \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
claims(const char *value, size_t length, const char *id)
{
	struct arena arena;
	bool is_ours;

	arena_init(&arena, ARENA_BYTES);
	is_ours = authres_claims(&arena, value, length, id);
	arena_clear(&arena);
	return is_ours;
}

static bool
claims_behind(const char *before, const uint8_t *data, size_t size)
{
	size_t length = strlen(before);
	char *value = malloc(length + size + 1);
	bool is_ours;

	CHECK(value != NULL);
	memcpy(value, before, length);
	if (size > 0)
		memcpy(value + length, data, size);
	is_ours = claims(value, length + size, OURS);
	free(value);
	return is_ours;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_ours = claims((const char *)data, size, OURS);
	char *id = strndup((const char *)data, size);

	CHECK(id != NULL);
	CHECK(!is_ours || claims_behind(" \r\n (x)", data, size));
	CHECK(claims_behind(" " OURS "; ", data, size));
	CHECK(claims_behind("(\"\\))\"" OURS "\" ; ", data, size));
	/* Whatever the id is; and nobody's is never claimed. */
	(void)claims("mx.example.com; none", 20, id);
	CHECK(!claims((const char *)data, size, ""));
	free(id);
	return 0;
}
