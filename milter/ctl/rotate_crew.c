#include "milter/ctl/rotate_crew.h"

#include <pthread.h>
#include <string.h>

/* Locked inside. */
struct crew {
	const struct rotate_job *job;
	const struct check_domain_list *list;

	pthread_mutex_t lock;
	size_t next;
	bool has_memory;

	pthread_t threads[ROTATE_CREW_MOST];
	size_t thread_count;
};

/* The next domain; NULL: none any more. */
static const char *
next_one(struct crew *crew)
{
	const char *domain = NULL;

	(void)pthread_mutex_lock(&crew->lock);
	if (crew->has_memory && crew->next < crew->list->count)
		domain = crew->list->names[crew->next++];
	(void)pthread_mutex_unlock(&crew->lock);
	return domain;
}

static void *
work(void *context)
{
	struct crew *crew = context;
	const char *domain;

	while ((domain = next_one(crew)) != NULL) {
		struct rotate_row *row =
		    crew->job->work(crew->job->context, domain);

		(void)pthread_mutex_lock(&crew->lock);
		if (row != NULL)
			crew->job->take(crew->job->context, row);
		else
			crew->has_memory = false;
		(void)pthread_mutex_unlock(&crew->lock);
		rotate_row_free(&row);
	}
	return NULL;
}

bool
rotate_crew(const struct rotate_job *job, const struct check_domain_list *list,
    size_t at_once, struct fault *fault)
{
	struct crew crew = { .job = job,
		.list = list,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.has_memory = true };
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
	if (!crew.has_memory)
		fault_memory(fault);
	return crew.has_memory;
}
