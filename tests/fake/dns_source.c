#include "tests/fake/dns_source.h"

#include "tests/fake/zone.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	QUESTIONS = 4096,
	QUESTION_OCTETS = DNS_NAME_OCTETS + 8,
	ARENA_OCTETS = 64 << 20,
	AWAIT_S = 10,
};

struct asked {
	uint64_t ticket;
	enum dns_type type;
	char name[DNS_NAME_OCTETS + 1];
	char words[QUESTION_OCTETS];
	struct timespec due; /* DNS_SOURCE_DELAYED */
};

struct dns_source {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum dns_source_way way;
	unsigned delay_ms;
	struct json_object *json;
	struct arena arena;
	struct zone *zone;
	struct resolver *resolver;
	struct asked *asked;
	size_t count, answered;
	pthread_t thread; /* DNS_SOURCE_DELAYED: answers in time */
	bool is_closing;
};

static void
die(const char *words)
{
	fprintf(stderr, "dns_source: %s\n", words);
	exit(1);
}

/* With the lock held: a zone has one user at a time. */
static const struct dns_answer *
look_up(struct dns_source *source, const struct asked *asked)
{
	const struct dns_question question = { .name = asked->name,
		.type = asked->type };
	const struct dns_answer *answer =
	    zone_answer(source->zone, &question, &source->arena);

	if (answer == NULL)
		die("out of memory");
	return answer;
}

/* The time that has passed already counts: the condition's clock is the
 * monotonic one. */
static struct timespec
in_ms(unsigned delay_ms)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += delay_ms / 1000;
	time.tv_nsec += (long)(delay_ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	return time;
}

static bool
is_past(const struct timespec *due)
{
	struct timespec now = in_ms(0);

	return now.tv_sec > due->tv_sec
	    || (now.tv_sec == due->tv_sec && now.tv_nsec >= due->tv_nsec);
}

/* Answer the eldest that isn't answered; with the lock held, which is let go
 * meanwhile: the resolver has one of its own. */
static void
answer_next(struct dns_source *source)
{
	const struct asked *asked = &source->asked[source->answered++];
	const struct dns_answer *answer = look_up(source, asked);
	struct resolver *resolver = source->resolver;
	uint64_t ticket = asked->ticket;

	(void)pthread_mutex_unlock(&source->lock);
	resolver_told(resolver, ticket, answer);
	(void)pthread_mutex_lock(&source->lock);
}

static void *
answer_in_time(void *context)
{
	struct dns_source *source = context;

	(void)pthread_mutex_lock(&source->lock);
	while (!source->is_closing) {
		if (source->answered == source->count) {
			(void)pthread_cond_wait(
			    &source->changed, &source->lock);
		} else if (is_past(&source->asked[source->answered].due)) {
			answer_next(source);
		} else {
			struct timespec due =
			    source->asked[source->answered].due;

			(void)pthread_cond_timedwait(
			    &source->changed, &source->lock, &due);
		}
	}
	(void)pthread_mutex_unlock(&source->lock);
	return NULL;
}

static void
start(void *context, struct resolver *resolver, uint64_t ticket,
    const struct dns_question *question)
{
	struct dns_source *source = context;
	struct asked *asked;

	(void)pthread_mutex_lock(&source->lock);
	source->resolver = resolver;
	if (source->count == QUESTIONS)
		die("too many questions");
	asked = &source->asked[source->count++];
	asked->ticket = ticket;
	asked->type = question->type;
	asked->due = in_ms(source->delay_ms);
	snprintf(asked->name, sizeof(asked->name), "%s", question->name);
	snprintf(asked->words, sizeof(asked->words), "%s %s",
	    dns_type_name(question->type), question->name);
	(void)pthread_cond_broadcast(&source->changed);
	if (source->way == DNS_SOURCE_AT_ONCE)
		answer_next(source);
	(void)pthread_mutex_unlock(&source->lock);
}

struct dns_source *
dns_source_open(const char *json, enum dns_source_way way, unsigned delay_ms)
{
	struct dns_source *source = calloc(1, sizeof(*source));
	pthread_condattr_t by_clock;

	if (source == NULL)
		die("out of memory");
	source->asked = calloc(QUESTIONS, sizeof(*source->asked));
	source->json = json_tokener_parse(json);
	if (source->asked == NULL || source->json == NULL)
		die("the zone isn't JSON");
	source->way = way;
	source->delay_ms = delay_ms;
	arena_init(&source->arena, ARENA_OCTETS);
	source->zone = zone_read(source->json, &source->arena);
	(void)pthread_mutex_init(&source->lock, NULL);
	(void)pthread_condattr_init(&by_clock);
	(void)pthread_condattr_setclock(&by_clock, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&source->changed, &by_clock);
	(void)pthread_condattr_destroy(&by_clock);
	if (way == DNS_SOURCE_DELAYED
	    && pthread_create(&source->thread, NULL, answer_in_time, source)
		!= 0)
		die("no thread");
	return source;
}

struct resolver *
dns_source_resolver(struct dns_source *source, const struct suffixes *suffixes)
{
	const struct resolver_rules rules = { .cache_bytes = 16 << 20,
		.suffixes = suffixes };
	const struct resolver_source asks = { .start = start,
		.context = source };
	struct fault fault = { 0 };
	struct resolver *resolver = resolver_open_with(&rules, &asks, &fault);

	if (resolver == NULL)
		die(fault.words);
	return resolver;
}

size_t
dns_source_asked(struct dns_source *source)
{
	size_t count;

	(void)pthread_mutex_lock(&source->lock);
	count = source->count;
	(void)pthread_mutex_unlock(&source->lock);
	return count;
}

size_t
dns_source_asked_for(struct dns_source *source, const char *question)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&source->lock);
	for (size_t i = 0; i < source->count; i++)
		count += strcmp(source->asked[i].words, question) == 0;
	(void)pthread_mutex_unlock(&source->lock);
	return count;
}

bool
dns_source_await(struct dns_source *source, size_t count)
{
	struct timespec until = in_ms(AWAIT_S * 1000);
	bool is_there;

	(void)pthread_mutex_lock(&source->lock);
	while (source->count < count
	    && pthread_cond_timedwait(&source->changed, &source->lock, &until)
		== 0)
		;
	is_there = source->count >= count;
	(void)pthread_mutex_unlock(&source->lock);
	return is_there;
}

void
dns_source_release(struct dns_source *source)
{
	(void)pthread_mutex_lock(&source->lock);
	while (source->answered < source->count)
		answer_next(source);
	source->way = DNS_SOURCE_AT_ONCE;
	(void)pthread_mutex_unlock(&source->lock);
}

void
dns_source_close(struct dns_source **source)
{
	struct dns_source *closed = *source;

	if (closed == NULL)
		return;
	if (closed->way == DNS_SOURCE_DELAYED) {
		(void)pthread_mutex_lock(&closed->lock);
		closed->is_closing = true;
		(void)pthread_cond_broadcast(&closed->changed);
		(void)pthread_mutex_unlock(&closed->lock);
		(void)pthread_join(closed->thread, NULL);
	}
	arena_clear(&closed->arena);
	json_object_put(closed->json);
	free(closed->asked);
	(void)pthread_cond_destroy(&closed->changed);
	(void)pthread_mutex_destroy(&closed->lock);
	free(closed);
	*source = NULL;
}
