/* rotate_world: what the steps of a rotation ask, for real: the clock, the name
 * servers, nsupdate or the hook, keys that aren't files. Shared by the threads
 * of a command. */
#ifndef MILTER_CTL_ROTATE_WORLD_H
#define MILTER_CTL_ROTATE_WORLD_H

#include "conf/conf.h"
#include "milter/ctl/asking.h"
#include "milter/ctl/rotate_steps.h"
#include "milter/io/keys.h"
#include "policy/fault.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct rotate_world {
	const struct conf *conf; /* borrowed */
	struct asking asking;
	bool is_asking; /* then asking is to be closed */
	struct keys *keys;
	struct rotate_asker *asker;
	struct rotate_checker checker;
	pthread_mutex_t lock; /* of turn_us */
	uint64_t turn_us;     /* whose turn is next, by the monotonic clock */
	uint64_t pace_us;     /* between two domains; 0: none */
};

/* Open it; the process must be who it stays, as this starts threads. rate:
 * domains a second, 0: no bound. tools_out is what it gives, and lives as long.
 * False with words; to be closed in either case. */
bool rotate_world_open(struct rotate_world *world, const struct conf *conf,
    uint64_t rate, struct rotate_tools *tools_out, struct fault *fault);

/* Tools for a look at the states, with which nobody can be asked. */
struct rotate_tools rotate_world_look(const struct conf *conf);

/* Close it. */
void rotate_world_close(struct rotate_world *world);

#endif
