/* rotate_many: the exchange of the keys of many domains. */
#ifndef MILTER_CTL_ROTATE_MANY_H
#define MILTER_CTL_ROTATE_MANY_H

#include "milter/ctl/ctl.h"
#include "milter/ctl/rotate_begin.h"

#include <stdbool.h>
#include <stdint.h>

/* How many at once, and how fast. */
struct rotate_speed {
	uint64_t jobs; /* threads */
	uint64_t rate; /* domains a second; 0: no bound */
};

/* Start a rotation for every domain that has keys in sign.keys, as order says;
 * those under way are left alone. Returns the exit status. */
int rotate_many_start(const struct ctl *ctl, const struct rotate_order *order,
    const struct rotate_speed *speed);

/* Carry on all that are under way or retire. Returns the exit status. */
int
rotate_many_continue(const struct ctl *ctl, const struct rotate_speed *speed);

/* Print how far all are. Returns the exit status. */
int rotate_many_look(const struct ctl *ctl);

#endif
