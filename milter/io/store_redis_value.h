/* store_redis_value: what store_redis keeps in Redis, as octets. The script
 * (store_redis.lua) says how a window is packed; an override is its version
 * (1), max and until_ms (8 octets each, the lowest first), then its words.
 * Numbers beyond 2^53 - 1 are kept as that. Nothing here asks Redis. */
#ifndef MILTER_IO_STORE_REDIS_VALUE_H
#define MILTER_IO_STORE_REDIS_VALUE_H

#include "milter/io/store.h"
#include "policy/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_REDIS_NUMBER_MAX ((1ULL << 53) - 1)

enum { STORE_REDIS_OVERRIDE_OCTETS = 17 + STORE_WORDS };

/* A number as the script reads it (a double, the lowest octet first) and back.
 * False if it isn't a whole one, or beyond what is kept. */
void store_redis_put_number(char octets[8], uint64_t number);
bool store_redis_get_number(const char octets[8], uint64_t *number_out);

/* A max as the script reads it: from STORE_REDIS_NUMBER_MAX on there is none.
 */
void store_redis_put_max(char octets[8], uint64_t max);

/* Read a window. What was counted to the brim is UINT64_MAX. False: damaged,
 * newer, or not ours. */
bool store_redis_read_window(
    const char *value, size_t length, struct window *window_out);

/* Write an override's value to space (STORE_REDIS_OVERRIDE_OCTETS). Returns
 * the length. */
size_t
store_redis_write_override(const struct store_override *override, char *space);

/* Read one; words get room for STORE_WORDS octets and a NUL. limit_name and
 * key aren't set. False: damaged, newer, or not ours. */
bool store_redis_read_override(const char *value, size_t length,
    struct store_override *override_out, char words[STORE_WORDS + 1]);

#endif
