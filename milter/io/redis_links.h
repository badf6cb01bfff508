/* redis_links: the connections of a pool: handed out one by one, newest first,
 * and never more than its bound. Locked inside: any thread; no lock is held
 * while something is connected or asked. */
#ifndef MILTER_IO_REDIS_LINKS_H
#define MILTER_IO_REDIS_LINKS_H

#include "milter/io/redis_login.h"
#include "milter/io/redis_names.h"
#include "milter/io/redis_node.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_link;
struct redis_links;

struct redis_links_rules {
	struct redis_login login; /* its texts are borrowed */
	bool is_for_master;       /* turn a replica away when connecting */
	bool has_others;          /* other nodes may do instead: connecting
				     to one may not take all the time */
	size_t links_max;         /* at least 1 */
};

/* No link yet. names is borrowed. NULL: no memory. */
struct redis_links *redis_links_open(
    const struct redis_links_rules *rules, struct redis_names *names);

/* A link to node that is logged in, connected anew if need be; it is then to
 * be given to redis_links_put() or redis_links_drop(). NULL with words;
 * *is_node_bad_out says that it is node's fault. */
struct redis_link *
redis_links_take(struct redis_links *links, const struct redis_node *node,
    uint64_t deadline_us, bool *is_node_bad_out, struct fault *fault);

/* Give a link back that may be used again. Empties the pointer. */
void redis_links_put(struct redis_links *links, struct redis_link **link);

/* Close a link that may not. Empties the pointer. */
void redis_links_drop(struct redis_links *links, struct redis_link **link);

/* Close those to node that nobody uses (NULL: to any node) and that have been
 * idle for idle_us at least. */
void redis_links_prune(
    struct redis_links *links, const struct redis_node *node, uint64_t idle_us);

/* Close it. Empties the pointer; takes NULL. No link may be out. */
void redis_links_close(struct redis_links **links);

#endif
