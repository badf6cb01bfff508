/* redis_link: one connection to one Redis node. What it is asked ends at the
 * deadline whatever the peer does, also if it says an octet now and then. A
 * link that failed once is of no use any more. One user at a time. */
#ifndef MILTER_IO_REDIS_LINK_H
#define MILTER_IO_REDIS_LINK_H

#include "milter/io/redis_names.h"
#include "milter/io/redis_node.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct redis_link;
struct redis_tls;

enum {
	REDIS_ANSWER_BYTES = 16777216,  /* a longer answer is a fault */
	REDIS_ANSWER_ELEMENTS = 524288, /* so is one with more */
};

/* Connect to one of addresses, of which there are count, in turn. All
 * deadlines are by clock_monotonic_us(). NULL with words: FAULT_PERMANENT if
 * the server's certificate isn't good. */
struct redis_link *redis_link_open(const struct redis_node *node,
    const struct redis_address *addresses, size_t count, struct redis_tls *tls,
    uint64_t deadline_us, struct fault *fault);

/* Send a command and wait for its answer, the caller's, of whatever type.
 * NULL with words; *is_unsent_out then says that no octet of it was sent. */
struct redisReply *redis_link_command(struct redis_link *link, int count,
    const char *const *words, const size_t *lengths, uint64_t deadline_us,
    bool *is_unsent_out, struct fault *fault);

/* Can it be used, as far as can be seen without asking? The server may have
 * closed it since. */
bool redis_link_is_alive(struct redis_link *link);

/* The node it was opened for; lives as long as the link. */
const struct redis_node *redis_link_node(const struct redis_link *link);

/* Close it. Empties the pointer; takes NULL. */
void redis_link_close(struct redis_link **link);

#endif
