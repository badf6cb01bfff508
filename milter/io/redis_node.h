/* redis_node: one Redis process as its peers name it. Plain data. */
#ifndef MILTER_IO_REDIS_NODE_H
#define MILTER_IO_REDIS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REDIS_NODE_HOST_BYTES = 256,  /* a host name has 253 octets at most */
	REDIS_NODE_SHOWN_BYTES = 272, /* with port and brackets */
};

struct redis_node {
	char host[REDIS_NODE_HOST_BYTES]; /* a name, an address (IPv6 without
					     brackets), or the path of a unix
					     socket: then port is 0 */
	uint16_t port;
};

/* Fill a node from length octets of host. False: empty, too long, or with
 * octets that no name has; node_out is then empty. Any thread. */
bool redis_node_set(struct redis_node *node_out, const char *host,
    size_t length, uint16_t port);

/* Are they the same, by name? */
bool redis_nodes_are_same(
    const struct redis_node *one, const struct redis_node *other);

/* "db.example:6379", "[::1]:6379" or a path, for messages. */
void redis_node_show(
    const struct redis_node *node, char shown_out[REDIS_NODE_SHOWN_BYTES]);

#endif
