#include "milter/io/clock.h"

#include <time.h>

static struct timespec
read_clock(clockid_t id)
{
	struct timespec now = { 0, 0 };

	clock_gettime(id, &now);
	return now;
}

uint64_t
clock_monotonic_us(void)
{
	struct timespec now = read_clock(CLOCK_MONOTONIC);

	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

uint64_t
clock_unix_s(void)
{
	return (uint64_t)read_clock(CLOCK_REALTIME).tv_sec;
}
