/* redis_names: the addresses of Redis hosts. The resolver, which may take as
 * long as it likes, is asked in a thread of its own, in nobody's way; what it
 * said last holds until it says something else. There is one table and at most
 * one such thread in a process, however many have opened it, so that a
 * resolver that hangs costs no more than that; the thread holds the table
 * until the resolver has answered. All signals are blocked in it. Locked
 * inside: any thread. */
#ifndef MILTER_IO_REDIS_NAMES_H
#define MILTER_IO_REDIS_NAMES_H

#include "milter/io/redis_node.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
	REDIS_NAMES = 64,    /* most host names known at once */
	REDIS_ADDRESSES = 4, /* of one name */
	REDIS_NAMES_AGAIN_S = 30,
};

struct redis_address {
	struct sockaddr_storage socket;
	socklen_t length;
};

struct redis_names;

/* The table: a new one, unless somebody has it open. NULL: no memory. */
struct redis_names *redis_names_open(void);

/* Put the addresses of node, with its port, in addresses_out and return how
 * many: those of an address and of a path are in it. A name that isn't known
 * is noted for the next redis_names_refresh(), and has 0. Never waits. */
size_t
redis_names_find(struct redis_names *names, const struct redis_node *node,
    struct redis_address addresses_out[REDIS_ADDRESSES]);

/* Have the resolver asked for the names that are due: new ones at once, those
 * that have no address a second after the last time, all others after
 * REDIS_NAMES_AGAIN_S. Waits until it was asked for each name once, for wait_us
 * at most (0: doesn't wait). To be called about once a second. */
void redis_names_refresh(struct redis_names *names, uint64_t wait_us);

/* Close it; whoever else has it open, and a look-up that is under way, keeps
 * it. Empties the pointer; takes NULL. No call by its owner may be under way.
 */
void redis_names_close(struct redis_names **names);

#endif
