#include "milter/io/redis_route.h"

#include "milter/io/redis_sentinels.h"

#include <stdlib.h>
#include <string.h>

struct redis_route {
	enum redis_kind kind;
	struct redis_node fixed; /* of REDIS_TCP and REDIS_UNIX */
	struct redis_sentinels *sentinels;
	struct redis_cluster *cluster;
	unsigned others; /* of a cluster's configured nodes */
};

static bool
set_fixed(struct redis_node *node_out, const struct redis_place *place)
{
	const char *host = place->hosts[0].name;

	if (place->kind == REDIS_UNIX)
		return redis_node_set(
		    node_out, place->path, strlen(place->path), 0);
	return place->host_count > 0
	    && redis_node_set(
		node_out, host, strlen(host), place->hosts[0].port);
}

/* So that the first refresh has them looked up. */
static void
note_names(const struct redis_place *place, struct redis_names *names)
{
	struct redis_address unused[REDIS_ADDRESSES];
	struct redis_node node;

	for (size_t i = 0; i < place->host_count; i++) {
		const struct redis_host *host = &place->hosts[i];

		if (redis_node_set(
			&node, host->name, strlen(host->name), host->port))
			(void)redis_names_find(names, &node, unused);
	}
}

static bool
open_kind(struct redis_route *route, const struct redis_place *place,
    struct redis_names *names, const struct redis_login *login,
    struct fault *fault)
{
	switch (place->kind) {
	case REDIS_SENTINEL:
		route->sentinels = redis_sentinels_open(place, names, login);
		break;
	case REDIS_CLUSTER:
		route->cluster = redis_cluster_open(place);
		break;
	case REDIS_TCP:
	case REDIS_UNIX:
		if (set_fixed(&route->fixed, place))
			return true;
		fault_set(fault, FAULT_PERMANENT, "it names no host");
		return false;
	}
	if (route->sentinels != NULL || route->cluster != NULL)
		return true;
	fault_memory(fault);
	return false;
}

struct redis_route *
redis_route_open(const struct redis_place *place, struct redis_names *names,
    const struct redis_login *login, struct fault *fault)
{
	struct redis_route *route = calloc(1, sizeof(*route));

	if (route == NULL) {
		fault_memory(fault);
		return NULL;
	}
	route->kind = place->kind;
	route->others =
	    place->host_count > 0 ? (unsigned)place->host_count - 1 : 0;
	if (!open_kind(route, place, names, login, fault))
		redis_route_close(&route);
	else
		note_names(place, names);
	return route;
}

void
redis_route_close(struct redis_route **route)
{
	if (*route == NULL)
		return;
	redis_sentinels_close(&(*route)->sentinels);
	redis_cluster_close(&(*route)->cluster);
	free(*route);
	*route = NULL;
}

bool
redis_route_find(struct redis_route *route, int slot, uint64_t deadline_us,
    struct redis_node *node_out, struct fault *fault)
{
	if (route->sentinels != NULL)
		return redis_sentinels_find(
		    route->sentinels, deadline_us, node_out, fault);
	if (route->cluster != NULL)
		redis_cluster_find(route->cluster, slot, node_out);
	else
		*node_out = route->fixed;
	return true;
}

void
redis_route_learn(
    struct redis_route *route, unsigned slot, const struct redis_node *node)
{
	if (route->cluster != NULL)
		redis_cluster_learn(route->cluster, slot, node);
}

unsigned
redis_route_doubt(struct redis_route *route, const struct redis_node *node)
{
	if (route->sentinels != NULL) {
		redis_sentinels_doubt(route->sentinels, node);
		return 1;
	}
	if (route->cluster == NULL)
		return 0;
	redis_cluster_doubt(route->cluster, node);
	/* One more: what was learnt may lie, and is then asked for anew. */
	return route->others + 1;
}

void
redis_route_tend(struct redis_route *route, uint64_t deadline_us)
{
	if (route->sentinels != NULL)
		redis_sentinels_ask(route->sentinels, deadline_us);
}
