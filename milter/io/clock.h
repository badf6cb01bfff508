/* clock: the clocks of the system. policy/ is given times; only milter/ and
 * below it only io read them. */
#ifndef MILTER_IO_CLOCK_H
#define MILTER_IO_CLOCK_H

#include <stdint.h>

/* A clock that never goes back, in microseconds; its zero means nothing. Any
 * thread. */
uint64_t clock_monotonic_us(void);

/* The same in milliseconds. */
uint64_t clock_monotonic_ms(void);

/* Seconds since the epoch. */
uint64_t clock_unix_s(void);

#endif
