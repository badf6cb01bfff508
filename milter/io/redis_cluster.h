/* redis_cluster: which node of a cluster has a slot, as far as MOVED answers
 * told. Bounded whatever they say. Locked inside: any thread. */
#ifndef MILTER_IO_REDIS_CLUSTER_H
#define MILTER_IO_REDIS_CLUSTER_H

#include "conf/redis_place.h"
#include "milter/io/redis_node.h"

enum {
	REDIS_CLUSTER_NODES = 128, /* known at once */
	REDIS_SLOT_ANY = -1,       /* whatever node */
};

struct redis_cluster;

/* A cluster that begins with the nodes of place. NULL: no memory. */
struct redis_cluster *redis_cluster_open(const struct redis_place *place);

/* The node of slot (or REDIS_SLOT_ANY), or one that can say which it is. */
void redis_cluster_find(
    struct redis_cluster *cluster, int slot, struct redis_node *node_out);

/* slot is at node. */
void redis_cluster_learn(struct redis_cluster *cluster, unsigned slot,
    const struct redis_node *node);

/* node doesn't answer: ask others where its slots are. */
void redis_cluster_doubt(
    struct redis_cluster *cluster, const struct redis_node *node);

/* Close it. Empties the pointer; takes NULL. No call may be under way. */
void redis_cluster_close(struct redis_cluster **cluster);

#endif
