#include "milter/io/gate.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t has_room;
	size_t most;
	size_t inside;
};

struct gate *
gate_open(size_t most)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	pthread_condattr_t attributes;

	if (gate == NULL)
		return NULL;
	gate->most = most;
	pthread_mutex_init(&gate->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gate->has_room, &attributes);
	pthread_condattr_destroy(&attributes);
	return gate;
}

static struct timespec
deadline(uint64_t wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	return until;
}

bool
gate_enter(struct gate *gate, uint64_t wait_ms)
{
	struct timespec until = deadline(wait_ms);
	bool has_entered;
	int status = 0;

	pthread_mutex_lock(&gate->lock);
	while (gate->inside >= gate->most && status != ETIMEDOUT)
		status = pthread_cond_timedwait(
		    &gate->has_room, &gate->lock, &until);
	has_entered = gate->inside < gate->most;
	if (has_entered)
		gate->inside++;
	pthread_mutex_unlock(&gate->lock);
	return has_entered;
}

void
gate_leave(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->inside--;
	pthread_cond_signal(&gate->has_room);
	pthread_mutex_unlock(&gate->lock);
}

void
gate_return(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->inside++;
	pthread_mutex_unlock(&gate->lock);
}

void
gate_resize(struct gate *gate, size_t most)
{
	pthread_mutex_lock(&gate->lock);
	gate->most = most;
	pthread_cond_broadcast(&gate->has_room);
	pthread_mutex_unlock(&gate->lock);
}

size_t
gate_busy(struct gate *gate)
{
	size_t inside;

	pthread_mutex_lock(&gate->lock);
	inside = gate->inside;
	pthread_mutex_unlock(&gate->lock);
	return inside;
}

void
gate_close(struct gate **gate)
{
	if (*gate == NULL)
		return;
	pthread_cond_destroy(&(*gate)->has_room);
	pthread_mutex_destroy(&(*gate)->lock);
	free(*gate);
	*gate = NULL;
}
