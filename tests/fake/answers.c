#include "tests/fake/answers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct asked {
	struct asked *next;
	struct resolver *resolver;
	uint64_t ticket;
	bool is_held;
	char name[DNS_NAME_OCTETS + 1];
};

struct answers {
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	struct asked *newest;
	const struct dns_answer *at_once;
};

static void
die(const char *what)
{
	fprintf(stderr, "answers: %s\n", what);
	abort();
}

struct answers *
answers_open(void)
{
	struct answers *answers = calloc(1, sizeof(*answers));

	if (answers == NULL || pthread_mutex_init(&answers->lock, NULL) != 0
	    || pthread_cond_init(&answers->changed, NULL) != 0)
		die("no memory");
	return answers;
}

static void
on_start(void *context, struct resolver *resolver, uint64_t ticket,
    const struct dns_question *question)
{
	struct answers *answers = context;
	struct asked *asked = calloc(1, sizeof(*asked));
	const struct dns_answer *answer;

	if (asked == NULL || strlen(question->name) > DNS_NAME_OCTETS)
		die("no memory, or no name");
	(void)snprintf(asked->name, sizeof(asked->name), "%s", question->name);
	asked->resolver = resolver;
	asked->ticket = ticket;
	(void)pthread_mutex_lock(&answers->lock);
	answer = answers->at_once;
	asked->is_held = answer == NULL;
	asked->next = answers->newest;
	answers->newest = asked;
	(void)pthread_cond_broadcast(&answers->changed);
	(void)pthread_mutex_unlock(&answers->lock);
	if (answer != NULL)
		resolver_told(resolver, ticket, answer);
}

struct resolver_source
answers_source(struct answers *answers)
{
	return (
	    struct resolver_source){ .start = on_start, .context = answers };
}

void
answers_at_once(struct answers *answers, const struct dns_answer *answer)
{
	(void)pthread_mutex_lock(&answers->lock);
	answers->at_once = answer;
	(void)pthread_mutex_unlock(&answers->lock);
}

/* One that is held, about name; NULL: about anything. Locked. */
static struct asked *
find_held(const struct answers *answers, const char *name)
{
	struct asked *asked = answers->newest;

	while (asked != NULL
	    && (!asked->is_held
		|| (name != NULL && strcasecmp(asked->name, name) != 0)))
		asked = asked->next;
	return asked;
}

/* The lock is given back before the resolver is told. */
static void
give(struct answers *answers, struct asked *asked,
    const struct dns_answer *answer)
{
	struct resolver *resolver = asked->resolver;
	uint64_t ticket = asked->ticket;

	asked->is_held = false;
	(void)pthread_mutex_unlock(&answers->lock);
	resolver_told(resolver, ticket, answer);
}

void
answers_give(
    struct answers *answers, const char *name, const struct dns_answer *answer)
{
	struct asked *asked;

	(void)pthread_mutex_lock(&answers->lock);
	while ((asked = find_held(answers, name)) == NULL)
		(void)pthread_cond_wait(&answers->changed, &answers->lock);
	give(answers, asked, answer);
}

bool
answers_give_any(struct answers *answers, const struct dns_answer *answer)
{
	struct asked *asked;

	(void)pthread_mutex_lock(&answers->lock);
	asked = find_held(answers, NULL);
	if (asked != NULL)
		give(answers, asked, answer);
	else
		(void)pthread_mutex_unlock(&answers->lock);
	return asked != NULL;
}

static size_t
count(struct answers *answers, const char *name, bool is_held)
{
	size_t found = 0;

	(void)pthread_mutex_lock(&answers->lock);
	for (const struct asked *asked = answers->newest; asked != NULL;
	     asked = asked->next)
		found += (!is_held || asked->is_held)
		    && (name == NULL || strcasecmp(asked->name, name) == 0);
	(void)pthread_mutex_unlock(&answers->lock);
	return found;
}

size_t
answers_count(struct answers *answers, const char *name)
{
	return count(answers, name, false);
}

size_t
answers_held(struct answers *answers)
{
	return count(answers, NULL, true);
}

void
answers_close(struct answers **answers)
{
	struct asked *asked = (*answers)->newest;

	while (asked != NULL) {
		struct asked *next = asked->next;

		free(asked);
		asked = next;
	}
	(void)pthread_cond_destroy(&(*answers)->changed);
	(void)pthread_mutex_destroy(&(*answers)->lock);
	free(*answers);
	*answers = NULL;
}
