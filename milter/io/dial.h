/* dial: a connection to one of several addresses, by a deadline. */
#ifndef MILTER_IO_DIAL_H
#define MILTER_IO_DIAL_H

#include "milter/io/redis_names.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Connect to one of addresses, of which there are count, in turn; each that is
 * left gets its share of the time. deadline_us is by clock_monotonic_us().
 * The descriptor, to be closed by the caller, doesn't block and isn't handed
 * on to programs. -1 with words (FAULT_TEMPORARY). Any thread. */
int dial(const struct redis_address *addresses, size_t count,
    uint64_t deadline_us, struct fault *fault);

/* The microseconds until the deadline, 0 if it has passed. Any thread. */
uint64_t dial_left_us(uint64_t deadline_us);

/* Wait until events (poll(2)) come true for fd, or it is closed or broken.
 * False: the deadline has passed. Any thread. */
bool dial_wait(int fd, short events, uint64_t deadline_us);

#endif
