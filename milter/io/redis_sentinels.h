/* redis_sentinels: who the master is, as the sentinels of store.url say. What
 * one said holds until it is doubted or redis_sentinels_ask() learns better.
 * Locked inside: any thread; one asks for all who wait. */
#ifndef MILTER_IO_REDIS_SENTINELS_H
#define MILTER_IO_REDIS_SENTINELS_H

#include "conf/redis_place.h"
#include "milter/io/redis_login.h"
#include "milter/io/redis_names.h"
#include "milter/io/redis_node.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_sentinels;

/* Of place, which is borrowed as all else is. login is what is tried with
 * sentinels that want one. NULL: no memory. */
struct redis_sentinels *redis_sentinels_open(const struct redis_place *place,
    struct redis_names *names, const struct redis_login *login);

/* The master. If it isn't known the sentinels are asked, each in turn with its
 * share of the time. False with words. */
bool redis_sentinels_find(struct redis_sentinels *sentinels,
    uint64_t deadline_us, struct redis_node *node_out, struct fault *fault);

/* node doesn't answer, or says that it isn't the master: ask next time. */
void redis_sentinels_doubt(
    struct redis_sentinels *sentinels, const struct redis_node *node);

/* Ask now; if none answers what was known stays. */
void
redis_sentinels_ask(struct redis_sentinels *sentinels, uint64_t deadline_us);

/* Close it. Empties the pointer; takes NULL. No call may be under way. */
void redis_sentinels_close(struct redis_sentinels **sentinels);

#endif
