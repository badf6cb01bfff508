/* refusals: accounts known to be over a limit, remembered in this process so
 * that they are refused at MAIL without asking the store. Locked inside.
 * Bounded: when full, the one that ends soonest goes (it then merely costs a
 * round trip to the store). */
#ifndef MILTER_IO_REFUSALS_H
#define MILTER_IO_REFUSALS_H

#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct refusals;

/* An empty memory for at most most accounts. NULL: no memory. */
struct refusals *refusals_open(size_t most);

/* Remember that account is over the limit of that name until until_ms (the
 * monotonic clock). The name is copied. */
void refusals_add(struct refusals *refusals, const char *account,
    const char *limit_name, uint64_t until_ms);

/* Is account remembered at now_ms? limit_name_out (LIMIT_NAME_OCTETS + 1
 * octets of the caller's) and until_ms_out are then filled. */
bool refusals_find(struct refusals *refusals, const char *account,
    uint64_t now_ms, char *limit_name_out, uint64_t *until_ms_out);

/* Forget all (a reset, a new configuration). */
void refusals_clear(struct refusals *refusals);

/* How many are remembered, those that have ended not counted. */
size_t refusals_count(struct refusals *refusals, uint64_t now_ms);

/* Free it. Empties the pointer; takes NULL. */
void refusals_close(struct refusals **refusals);

#endif
