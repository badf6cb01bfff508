/* asking: what the commands that ask the DNS need: a resolver as the daemon's,
 * the list of public suffixes, and the addresses that mail leaves from. */
#ifndef MILTER_CTL_ASKING_H
#define MILTER_CTL_ASKING_H

#include "conf/conf.h"
#include "milter/io/resolver.h"
#include "milter/io/suffixes.h"
#include "policy/address.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct redis_pool;
struct tables;

/* Shared by the threads of a command. */
struct asking {
	const struct conf *conf; /* borrowed */
	struct suffixes *suffixes;
	struct resolver *resolver;
	struct redis_pool *pool; /* NULL unless a map needs it */
	struct tables *tables;   /* NULL unless there is an egress_map or a
				  key_map */
};

/* Open all of it. It starts threads: the process must be who it stays. False
 * with words; asking_close() is due in either case. */
bool asking_open(
    struct asking *asking, const struct conf *conf, struct fault *fault);

/* A new asker with the time that the configuration gives a message. NULL: no
 * memory. */
struct resolver_asker *asking_begin(const struct asking *asking);

/* Close what is open. */
void asking_close(struct asking *asking);

#endif
