#include "milter/io/body_guard.h"

#include <string.h>

static bool
has_lone(
    const struct body_guard *guard, const unsigned char *data, size_t length)
{
	const unsigned char *end = data + length;
	bool follows_cr = guard->has_body && guard->last == '\r';
	const unsigned char *at;

	if (follows_cr && data[0] != '\n')
		return true;
	for (at = data; (at = memchr(at, '\r', (size_t)(end - at))) != NULL;
	     at++)
		if (at + 1 < end && at[1] != '\n')
			return true;
	for (at = data; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at++)
		if (at > data ? at[-1] != '\r' : !follows_cr)
			return true;
	return false;
}

/* How long the word is that the next piece ends in; *is_long_out: a word in
 * it is too long. */
static size_t
word_after(size_t word_bytes, const unsigned char *data, size_t length,
    bool *is_long_out)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] == ' ' || data[i] == '\t' || data[i] == '\n')
			word_bytes = 0;
		else if (++word_bytes > BODY_GUARD_WORD_BYTES)
			*is_long_out = true;
	}
	return word_bytes;
}

void
body_guard_take(
    struct body_guard *guard, const unsigned char *data, size_t length)
{
	guard->has_lone = guard->has_lone || has_lone(guard, data, length);
	guard->word_bytes =
	    word_after(guard->word_bytes, data, length, &guard->has_long_word);
	guard->has_body = true;
	guard->last = data[length - 1];
}

bool
body_guard_lacks_end(const struct body_guard *guard)
{
	return guard->has_body && guard->last != '\n';
}
