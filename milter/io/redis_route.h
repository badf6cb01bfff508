/* redis_route: which node a command goes to: the one place of the URL, the
 * master that the sentinels name, or the cluster's node of the slot. Locked
 * inside: any thread. */
#ifndef MILTER_IO_REDIS_ROUTE_H
#define MILTER_IO_REDIS_ROUTE_H

#include "conf/redis_place.h"
#include "milter/io/redis_cluster.h"
#include "milter/io/redis_login.h"
#include "milter/io/redis_names.h"
#include "milter/io/redis_node.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_route;

/* The routes of place; all is borrowed. login is for sentinels. The names of
 * place are noted in names. NULL with words. */
struct redis_route *
redis_route_open(const struct redis_place *place, struct redis_names *names,
    const struct redis_login *login, struct fault *fault);

/* The node for slot, which matters in a cluster only. False with words: it
 * couldn't be found out in time. */
bool redis_route_find(struct redis_route *route, int slot, uint64_t deadline_us,
    struct redis_node *node_out, struct fault *fault);

/* A node of a cluster said that slot is at node. */
void redis_route_learn(
    struct redis_route *route, unsigned slot, const struct redis_node *node);

/* node doesn't answer, or not as the master. How many others are then worth
 * trying in the same call: 0 if there is one place only. */
unsigned
redis_route_doubt(struct redis_route *route, const struct redis_node *node);

/* Learn what has changed. */
void redis_route_tend(struct redis_route *route, uint64_t deadline_us);

/* Close it. Empties the pointer; takes NULL. No call may be under way. */
void redis_route_close(struct redis_route **route);

#endif
