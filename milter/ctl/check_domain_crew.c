#include "milter/ctl/check_domain_crew.h"

#include <pthread.h>
#include <string.h>

enum { SLOTS = 4 * CHECK_DOMAIN_CREW_MOST };

/* Locked inside. Row i of the list lies in slot i % SLOTS. */
struct crew {
	const struct check_domain_tools *tools;
	const struct check_domain_list *list;

	pthread_mutex_t lock;
	pthread_cond_t is_done; /* a slot was filled */
	pthread_cond_t is_room; /* a slot was emptied, or it is over */
	struct check_domain_row *slots[SLOTS];
	bool is_filled[SLOTS];
	size_t next;  /* to be checked */
	size_t taken; /* given out so far */
	bool is_over;

	pthread_t threads[CHECK_DOMAIN_CREW_MOST];
	size_t thread_count;
};

/* The index of a domain to check; the list's count: none any more. */
static size_t
next_one(struct crew *crew)
{
	size_t i = crew->list->count;

	pthread_mutex_lock(&crew->lock);
	while (!crew->is_over && crew->next < crew->list->count
	    && crew->next - crew->taken >= SLOTS)
		pthread_cond_wait(&crew->is_room, &crew->lock);
	if (!crew->is_over && crew->next < crew->list->count)
		i = crew->next++;
	pthread_mutex_unlock(&crew->lock);
	return i;
}

static void *
work(void *context)
{
	struct crew *crew = context;
	size_t i;

	while ((i = next_one(crew)) < crew->list->count) {
		struct check_domain_row *row =
		    check_domain_one(crew->tools, crew->list->names[i]);

		pthread_mutex_lock(&crew->lock);
		crew->slots[i % SLOTS] = row;
		crew->is_filled[i % SLOTS] = true;
		pthread_cond_signal(&crew->is_done);
		pthread_mutex_unlock(&crew->lock);
	}
	return NULL;
}

static bool
begin(struct crew *crew, size_t at_once, struct fault *fault)
{
	for (size_t i = 0; i < at_once && i < crew->list->count; i++) {
		int error = pthread_create(&crew->threads[i], NULL, work, crew);

		if (error == 0) {
			crew->thread_count++;
			continue;
		}
		if (crew->thread_count > 0)
			return true; /* fewer do it too */
		fault_set(fault, FAULT_TEMPORARY, "no thread can be had: %s",
		    strerror(error));
		return false;
	}
	return true;
}

/* The next row in order; NULL: there was no memory for it. */
static struct check_domain_row *
take_one(struct crew *crew)
{
	struct check_domain_row *row;
	size_t slot;

	pthread_mutex_lock(&crew->lock);
	slot = crew->taken % SLOTS;
	while (!crew->is_filled[slot])
		pthread_cond_wait(&crew->is_done, &crew->lock);
	row = crew->slots[slot];
	crew->slots[slot] = NULL;
	crew->is_filled[slot] = false;
	crew->taken++;
	pthread_cond_signal(&crew->is_room);
	pthread_mutex_unlock(&crew->lock);
	return row;
}

static void
end(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	crew->is_over = true;
	pthread_cond_broadcast(&crew->is_room);
	pthread_mutex_unlock(&crew->lock);
	for (size_t i = 0; i < crew->thread_count; i++)
		pthread_join(crew->threads[i], NULL);
	for (size_t i = 0; i < SLOTS; i++)
		check_domain_row_free(&crew->slots[i]);
}

bool
check_domain_crew(const struct check_domain_tools *tools,
    const struct check_domain_list *list, size_t at_once,
    void (*take)(void *context, const struct check_domain_row *row),
    void *context, struct fault *fault)
{
	struct crew crew = { .tools = tools,
		.list = list,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.is_done = PTHREAD_COND_INITIALIZER,
		.is_room = PTHREAD_COND_INITIALIZER };
	bool is_done = begin(&crew, at_once, fault);

	for (size_t i = 0; is_done && i < list->count; i++) {
		struct check_domain_row *row = take_one(&crew);

		if (row == NULL) {
			fault_memory(fault);
			is_done = false;
			break;
		}
		take(context, row);
		check_domain_row_free(&row);
	}
	end(&crew);
	return is_done;
}
