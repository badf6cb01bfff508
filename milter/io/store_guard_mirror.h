/* store_guard_mirror: the overrides, and so the blocks, of the store inside a
 * guard, kept in its local store too: they hold on when the one inside is
 * gone. */
#ifndef MILTER_IO_STORE_GUARD_MIRROR_H
#define MILTER_IO_STORE_GUARD_MIRROR_H

#include "milter/io/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Most overrides that one call of guard_mirror() changes. */
enum { GUARD_MIRROR_CHANGES = 10000 };

/* What percent of a max is, rounded up; at least 1 of any max but 0. What is
 * unlimited stays so. percent is 1..100. */
uint64_t guard_share(uint64_t max, uint64_t percent);

/* An override as it is enforced in the local store: with that share of max,
 * but a block is a block. */
struct store_override
guard_share_override(const struct store_override *override, uint64_t percent);

/* Make local's overrides what inner's are: those of which there is too much go,
 * others are set. *is_whole_out: all is done, and nothing needs doing until
 * inner's epoch moves on. False: inner couldn't be asked. What local can't do
 * shows there; *is_whole_out is then false. Beside the messages' way; one
 * thread at a time for a local store. */
bool guard_mirror(struct store *inner, struct store *local, uint64_t percent,
    bool *is_whole_out, struct fault *fault);

#endif
