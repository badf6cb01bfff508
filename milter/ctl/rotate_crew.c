#include "milter/ctl/rotate_crew.h"

#include "milter/io/clock.h"

#include <pthread.h>
#include <string.h>

enum { TRIAL_MS = 1000 }; /* at least, between two trials of the disk */

/* Locked inside. */
struct crew {
	const struct rotate_job *job;
	const struct check_domain_list *list;

	pthread_mutex_t lock;
	size_t next;
	uint64_t tried_ms;  /* 0: not yet */
	struct fault fault; /* why the rest isn't done; FAULT_NONE: it is */

	pthread_t threads[ROTATE_CREW_MOST];
	size_t thread_count;
};

/* The next domain; NULL: none any more. */
static const char *
next_one(struct crew *crew)
{
	const char *domain = NULL;

	(void)pthread_mutex_lock(&crew->lock);
	if (crew->fault.kind == FAULT_NONE && crew->next < crew->list->count)
		domain = crew->list->names[crew->next++];
	(void)pthread_mutex_unlock(&crew->lock);
	return domain;
}

/* Is what stopped this one going to stop all others? Where name servers fail
 * many, the disk is spared. The lock is held meanwhile: who waits for it would
 * write to the same disk. */
static void
learn(struct crew *crew, const struct rotate_row *row)
{
	uint64_t now_ms = clock_monotonic_ms();

	if ((row->outcome != ROTATE_FAILED && row->outcome != ROTATE_LATER)
	    || (crew->tried_ms != 0 && now_ms - crew->tried_ms < TRIAL_MS))
		return;
	(void)rotate_state_has_room(crew->job->keys, &crew->fault);
	crew->tried_ms = clock_monotonic_ms();
}

/* row may be NULL, for want of memory. */
static void
take(struct crew *crew, struct rotate_row *row)
{
	(void)pthread_mutex_lock(&crew->lock);
	if (row != NULL)
		crew->job->take(crew->job->context, row);
	if (crew->fault.kind == FAULT_NONE) {
		if (row != NULL)
			learn(crew, row);
		else
			fault_memory(&crew->fault);
	}
	(void)pthread_mutex_unlock(&crew->lock);
}

static void *
work(void *context)
{
	struct crew *crew = context;
	const char *domain;

	while ((domain = next_one(crew)) != NULL) {
		struct rotate_row *row =
		    crew->job->work(crew->job->context, domain);

		take(crew, row);
		rotate_row_free(&row);
	}
	return NULL;
}

bool
rotate_crew(const struct rotate_job *job, const struct check_domain_list *list,
    size_t at_once, struct fault *fault)
{
	struct crew crew = {
		.job = job, .list = list, .lock = PTHREAD_MUTEX_INITIALIZER
	};
	int error = 0;

	for (size_t i = 0; i < at_once && i < list->count; i++) {
		error = pthread_create(&crew.threads[i], NULL, work, &crew);
		if (error != 0)
			break; /* fewer do it too */
		crew.thread_count++;
	}
	for (size_t i = 0; i < crew.thread_count; i++)
		(void)pthread_join(crew.threads[i], NULL);
	if (crew.thread_count == 0 && list->count > 0) {
		fault_set(fault, FAULT_TEMPORARY, "no thread can be had: %s",
		    strerror(error));
		return false;
	}
	if (crew.fault.kind == FAULT_NONE)
		return true;
	*fault = crew.fault;
	return false;
}
