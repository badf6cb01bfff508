#include "milter/io/redis_links.h"

#include "milter/io/clock.h"
#include "milter/io/redis_link.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_US = 20000 };

struct seat {
	struct redis_link *link;
	uint64_t since_us; /* idle since */
};

struct redis_links {
	struct redis_links_rules rules;
	struct redis_names *names;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	struct seat *idle; /* newest last */
	size_t idle_count;
	size_t count;    /* idle, out, and being connected */
	size_t starving; /* those who have waited for long */
};

struct redis_links *
redis_links_open(
    const struct redis_links_rules *rules, struct redis_names *names)
{
	struct redis_links *links = calloc(1, sizeof(*links));
	struct seat *idle = calloc(rules->links_max, sizeof(*idle));
	pthread_condattr_t attributes;

	if (links == NULL || idle == NULL) {
		free(links);
		free(idle);
		return NULL;
	}
	links->rules = *rules;
	links->names = names;
	links->idle = idle;
	pthread_mutex_init(&links->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&links->freed, &attributes);
	pthread_condattr_destroy(&attributes);
	return links;
}

void
redis_links_close(struct redis_links **links)
{
	if (*links == NULL)
		return;
	for (size_t i = 0; i < (*links)->idle_count; i++)
		redis_link_close(&(*links)->idle[i].link);
	pthread_cond_destroy(&(*links)->freed);
	pthread_mutex_destroy(&(*links)->lock);
	free((*links)->idle);
	free(*links);
	*links = NULL;
}

/* Take seat number i out, with the lock held. */
static struct redis_link *
leave_locked(struct redis_links *links, size_t i)
{
	struct redis_link *link = links->idle[i].link;

	links->idle_count--;
	memmove(&links->idle[i], &links->idle[i + 1],
	    (links->idle_count - i) * sizeof(*links->idle));
	return link;
}

/* A link was freed. Not everybody may take it while one is starving. */
static void
wake_locked(struct redis_links *links)
{
	if (links->starving > 0)
		pthread_cond_broadcast(&links->freed);
	else
		pthread_cond_signal(&links->freed);
}

/* The newest idle link to node, NULL if there is none. */
static struct redis_link *
newest_locked(struct redis_links *links, const struct redis_node *node)
{
	for (size_t i = links->idle_count; i-- > 0;)
		if (redis_nodes_are_same(
			redis_link_node(links->idle[i].link), node))
			return leave_locked(links, i);
	return NULL;
}

static bool
wait_locked(struct redis_links *links, uint64_t deadline_us)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_us / 1000000),
		.tv_nsec = (long)(deadline_us % 1000000) * 1000,
	};

	return pthread_cond_timedwait(&links->freed, &links->lock, &until) == 0;
}

/* An idle link, or the right to connect one (*link_out is then NULL) in the
 * place of *other_out, which is to be closed if it isn't NULL. */
static bool
try_locked(struct redis_links *links, const struct redis_node *node,
    struct redis_link **link_out, struct redis_link **other_out)
{
	*link_out = newest_locked(links, node);
	if (*link_out != NULL)
		return true;
	if (links->count < links->rules.links_max) {
		links->count++;
		return true;
	}
	if (links->idle_count == 0)
		return false;
	*other_out = leave_locked(links, 0);
	return true;
}

/* try_locked(), waiting if need be. Who comes just when a link is freed may
 * take it before those who wait are awake, which is fast; but not when one of
 * them has waited for long. False: too late. */
static bool
reserve(struct redis_links *links, const struct redis_node *node,
    uint64_t deadline_us, struct redis_link **link_out)
{
	struct redis_link *other = NULL;
	uint64_t patience_us = 0;
	bool is_starving = false;
	bool has_room = true;

	*link_out = NULL;
	pthread_mutex_lock(&links->lock);
	while (has_room
	    && ((links->starving > 0 && !is_starving)
		|| !try_locked(links, node, link_out, &other))) {
		if (patience_us == 0)
			patience_us = clock_monotonic_us() + PATIENCE_US;
		has_room = wait_locked(links, deadline_us);
		if (!is_starving && clock_monotonic_us() >= patience_us) {
			is_starving = true;
			links->starving++;
		}
	}
	if (is_starving) {
		links->starving--;
		/* Those who held back. */
		pthread_cond_broadcast(&links->freed);
	}
	pthread_mutex_unlock(&links->lock);
	redis_link_close(&other);
	return has_room;
}

static void
give_up(struct redis_links *links)
{
	pthread_mutex_lock(&links->lock);
	links->count--;
	wake_locked(links);
	pthread_mutex_unlock(&links->lock);
}

/* Sentinels may be wrong for a while, and a replica would take commands that
 * only look. A user who may not ask is told by READONLY later. */
static bool
is_master(struct redis_link *link, uint64_t deadline_us, struct fault *fault)
{
	const char *const words[1] = { "ROLE" };
	const size_t lengths[1] = { 4 };
	bool is_unsent;
	bool is_replica;
	struct redisReply *answer = redis_link_command(
	    link, 1, words, lengths, deadline_us, &is_unsent, fault);

	if (answer == NULL)
		return false;
	is_replica = answer->type == REDIS_REPLY_ARRAY && answer->elements > 0
	    && answer->element[0]->type == REDIS_REPLY_STRING
	    && strcmp(answer->element[0]->str, "master") != 0;
	freeReplyObject(answer);
	if (is_replica)
		fault_set(fault, FAULT_TEMPORARY,
		    "it is a replica, though the sentinels call it the master");
	return !is_replica;
}

static uint64_t
half_way(uint64_t deadline_us)
{
	uint64_t now_us = clock_monotonic_us();

	return deadline_us > now_us ? now_us + (deadline_us - now_us) / 2
				    : deadline_us;
}

static struct redis_link *
connect_to(struct redis_links *links, const struct redis_node *node,
    uint64_t deadline_us, struct fault *fault)
{
	const struct redis_links_rules *rules = &links->rules;
	struct redis_address addresses[REDIS_ADDRESSES];
	struct redis_link *link;

	if (rules->has_others)
		deadline_us = half_way(deadline_us);
	link = redis_link_open(node, addresses,
	    redis_names_find(links->names, node, addresses), rules->login.tls,
	    deadline_us, fault);

	if (link != NULL
	    && (!redis_login_do(link, &rules->login, deadline_us, fault)
		|| (rules->is_for_master
		    && !is_master(link, deadline_us, fault))))
		redis_link_close(&link);
	return link;
}

struct redis_link *
redis_links_take(struct redis_links *links, const struct redis_node *node,
    uint64_t deadline_us, bool *is_node_bad_out, struct fault *fault)
{
	struct redis_link *link = NULL;

	*is_node_bad_out = false;
	for (;;) {
		if (!reserve(links, node, deadline_us, &link)) {
			fault_set(fault, FAULT_TEMPORARY,
			    "all %zu connections were busy for too long",
			    links->rules.links_max);
			return NULL;
		}
		if (link == NULL)
			break;
		if (redis_link_is_alive(link))
			return link;
		redis_links_drop(links, &link);
	}
	link = connect_to(links, node, deadline_us, fault);
	if (link == NULL) {
		give_up(links);
		*is_node_bad_out = true;
	}
	return link;
}

void
redis_links_put(struct redis_links *links, struct redis_link **link)
{
	uint64_t now_us = clock_monotonic_us();

	pthread_mutex_lock(&links->lock);
	links->idle[links->idle_count++] = (struct seat){
		.link = *link,
		.since_us = now_us,
	};
	wake_locked(links);
	pthread_mutex_unlock(&links->lock);
	*link = NULL;
}

void
redis_links_drop(struct redis_links *links, struct redis_link **link)
{
	redis_link_close(link);
	give_up(links);
}

/* One that is to be closed, NULL if there is none (any more). */
static struct redis_link *
stale_locked(struct redis_links *links, const struct redis_node *node,
    uint64_t now_us, uint64_t idle_us)
{
	for (size_t i = 0; i < links->idle_count; i++) {
		const struct seat *seat = &links->idle[i];

		if (seat->since_us + idle_us <= now_us
		    && (node == NULL
			|| redis_nodes_are_same(
			    redis_link_node(seat->link), node)))
			return leave_locked(links, i);
	}
	return NULL;
}

void
redis_links_prune(
    struct redis_links *links, const struct redis_node *node, uint64_t idle_us)
{
	uint64_t now_us = clock_monotonic_us();
	struct redis_link *link;

	do {
		pthread_mutex_lock(&links->lock);
		link = stale_locked(links, node, now_us, idle_us);
		pthread_mutex_unlock(&links->lock);
		if (link != NULL)
			redis_links_drop(links, &link);
	} while (link != NULL);
}
