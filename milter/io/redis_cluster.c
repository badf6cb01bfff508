#include "milter/io/redis_cluster.h"

#include "milter/io/redis_slot.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct redis_cluster {
	pthread_mutex_t lock;
	/* Those of the configuration first, then those learnt. */
	struct redis_node nodes[REDIS_CLUSTER_NODES];
	size_t configured;
	size_t count;
	size_t next;                 /* whom to ask about an unknown slot */
	uint8_t owners[REDIS_SLOTS]; /* 1 + the number of the node; 0 unknown */
};

struct redis_cluster *
redis_cluster_open(const struct redis_place *place)
{
	struct redis_cluster *cluster = calloc(1, sizeof(*cluster));

	if (cluster == NULL)
		return NULL;
	pthread_mutex_init(&cluster->lock, NULL);
	for (size_t i = 0; i < place->host_count; i++) {
		const struct redis_host *host = &place->hosts[i];

		if (redis_node_set(&cluster->nodes[cluster->count], host->name,
			strlen(host->name), host->port))
			cluster->count++;
	}
	cluster->configured = cluster->count;
	return cluster;
}

void
redis_cluster_close(struct redis_cluster **cluster)
{
	if (*cluster == NULL)
		return;
	pthread_mutex_destroy(&(*cluster)->lock);
	free(*cluster);
	*cluster = NULL;
}

void
redis_cluster_find(
    struct redis_cluster *cluster, int slot, struct redis_node *node_out)
{
	size_t owner;

	pthread_mutex_lock(&cluster->lock);
	owner = slot != REDIS_SLOT_ANY ? cluster->owners[slot] : 0;
	*node_out = cluster->nodes[owner > 0 ? owner - 1 : cluster->next];
	pthread_mutex_unlock(&cluster->lock);
}

/* The number of node, count if it isn't known. */
static size_t
number_of(const struct redis_cluster *cluster, const struct redis_node *node)
{
	size_t i = 0;

	while (i < cluster->count
	    && !redis_nodes_are_same(&cluster->nodes[i], node))
		i++;
	return i;
}

/* Too many names were learnt: begin again with the configured ones. */
static void
forget_all(struct redis_cluster *cluster)
{
	memset(cluster->owners, 0, sizeof(cluster->owners));
	cluster->count = cluster->configured;
	cluster->next = 0;
}

void
redis_cluster_learn(
    struct redis_cluster *cluster, unsigned slot, const struct redis_node *node)
{
	size_t number;

	pthread_mutex_lock(&cluster->lock);
	number = number_of(cluster, node);
	if (number == REDIS_CLUSTER_NODES) {
		forget_all(cluster);
		number = number_of(cluster, node);
	}
	if (number == cluster->count)
		cluster->nodes[cluster->count++] = *node;
	cluster->owners[slot] = (uint8_t)(number + 1);
	pthread_mutex_unlock(&cluster->lock);
}

void
redis_cluster_doubt(
    struct redis_cluster *cluster, const struct redis_node *node)
{
	size_t number;

	pthread_mutex_lock(&cluster->lock);
	number = number_of(cluster, node);
	if (number < cluster->count)
		for (size_t slot = 0; slot < REDIS_SLOTS; slot++)
			if (cluster->owners[slot] == number + 1)
				cluster->owners[slot] = 0;
	if (number == cluster->next)
		cluster->next = (cluster->next + 1) % cluster->count;
	pthread_mutex_unlock(&cluster->lock);
}
