#include "milter/io/redis_node.h"

#include "policy/text.h"

#include <string.h>

/* A server says where to go: nothing that would look odd in a log or mean
 * something else to the resolver. */
static bool
is_name(const char *host, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)host[i];

		if (c <= ' ' || c >= 0x7f)
			return false;
	}
	return true;
}

bool
redis_node_set(
    struct redis_node *node_out, const char *host, size_t length, uint16_t port)
{
	*node_out = (struct redis_node){ .port = port };
	if (length == 0 || length >= sizeof(node_out->host))
		return false;
	/* A path is the administrator's, who may like blanks. */
	if (host[0] != '/' && !is_name(host, length))
		return false;
	memcpy(node_out->host, host, length);
	return true;
}

bool
redis_nodes_are_same(
    const struct redis_node *one, const struct redis_node *other)
{
	return one->port == other->port && strcmp(one->host, other->host) == 0;
}

void
redis_node_show(
    const struct redis_node *node, char shown_out[REDIS_NODE_SHOWN_BYTES])
{
	struct text text;

	text_init(&text, shown_out, REDIS_NODE_SHOWN_BYTES);
	if (node->host[0] == '/')
		text_add(&text, node->host);
	else if (strchr(node->host, ':') != NULL)
		text_addf(&text, "[%s]:%u", node->host, node->port);
	else
		text_addf(&text, "%s:%u", node->host, node->port);
}
