/* overrides: what administrators said of keys, picked from the store. */
#ifndef MILTER_CTL_OVERRIDES_H
#define MILTER_CTL_OVERRIDES_H

#include "milter/io/store.h"
#include "policy/arena.h"
#include "policy/fault.h"
#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* Is this one of those that are looked for? */
typedef bool
overrides_want(const void *context, const struct store_override *override);

/* Those found, by limit and key. The strings live in the arena. */
struct overrides {
	struct store_override *list;
	size_t count;
	size_t room;
	uint64_t now_ms; /* the store's clock */
};

/* Pick those of the store that are wanted. False with words. To be cleared in
 * either case. */
bool
overrides_read(struct store *store, overrides_want *want, const void *context,
    struct arena *arena, struct overrides *overrides_out, struct fault *fault);

/* The one of a key under a limit; NULL: there is none. */
const struct store_override *overrides_find(
    const struct overrides *overrides, const char *limit_name, const char *key);

/* What blocks a key; NULL: nothing does. */
const struct store_override *overrides_block(
    const struct overrides *overrides, enum limit_key kind, const char *key);

/* How long one holds, in words: "until 2026-11-22 23:59:59 +0100", or "for
 * good". In the arena. */
const char *
overrides_until(const struct store_override *override, struct arena *arena);

/* {"max", "until", "ends_in", "reason"}, without max for a block; JSON null for
 * NULL. */
struct json_object *
overrides_json(const struct store_override *override, uint64_t now_ms);

/* Free the list. Empties it. */
void overrides_clear(struct overrides *overrides);

#endif
