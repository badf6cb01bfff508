#include "milter/io/redis_sentinels.h"

#include "milter/io/clock.h"
#include "milter/io/redis_link.h"
#include "policy/text.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct redis_sentinels {
	const struct redis_place *place;
	struct redis_names *names;
	struct redis_login login;
	pthread_mutex_t lock;
	pthread_cond_t asked;
	struct redis_node master;
	size_t first; /* the sentinel that answered last */
	bool is_known;
	bool is_asking;
};

struct redis_sentinels *
redis_sentinels_open(const struct redis_place *place, struct redis_names *names,
    const struct redis_login *login)
{
	struct redis_sentinels *sentinels = calloc(1, sizeof(*sentinels));
	pthread_condattr_t attributes;

	if (sentinels == NULL)
		return NULL;
	sentinels->place = place;
	sentinels->names = names;
	sentinels->login = *login;
	sentinels->login.database = 0;
	pthread_mutex_init(&sentinels->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sentinels->asked, &attributes);
	pthread_condattr_destroy(&attributes);
	return sentinels;
}

void
redis_sentinels_close(struct redis_sentinels **sentinels)
{
	if (*sentinels == NULL)
		return;
	pthread_cond_destroy(&(*sentinels)->asked);
	pthread_mutex_destroy(&(*sentinels)->lock);
	free(*sentinels);
	*sentinels = NULL;
}

static struct redisReply *
ask_on(struct redis_link *link, const char *master, uint64_t deadline_us,
    struct fault *fault)
{
	static const char ask[] = "get-master-addr-by-name";
	const char *const words[3] = { "SENTINEL", ask, master };
	const size_t lengths[3] = { 8, sizeof(ask) - 1, strlen(master) };
	bool is_unsent;

	return redis_link_command(
	    link, 3, words, lengths, deadline_us, &is_unsent, fault);
}

static bool
wants_login(const struct redisReply *answer)
{
	return answer->type == REDIS_REPLY_ERROR
	    && strncmp(answer->str, "NOAUTH ", 7) == 0;
}

static bool
is_string(const struct redisReply *answer)
{
	return answer->type == REDIS_REPLY_STRING;
}

/* Two strings: address and port. */
static bool
read_master(const struct redisReply *answer, const char *master,
    struct redis_node *node_out, struct fault *fault)
{
	uint64_t port;

	if (answer->type == REDIS_REPLY_ERROR) {
		fault_set(fault,
		    wants_login(answer) ? FAULT_PERMANENT : FAULT_TEMPORARY,
		    "%s", answer->str);
		return false;
	}
	if (answer->type == REDIS_REPLY_NIL) {
		fault_set(fault, FAULT_TEMPORARY,
		    "it knows no master \"%s\": is the name right?", master);
		return false;
	}
	if (answer->type == REDIS_REPLY_ARRAY && answer->elements == 2
	    && is_string(answer->element[0]) && is_string(answer->element[1])
	    && text_number(answer->element[1]->str, 1, UINT16_MAX, &port)
	    && answer->element[0]->len > 0 && answer->element[0]->str[0] != '/'
	    && redis_node_set(node_out, answer->element[0]->str,
		answer->element[0]->len, (uint16_t)port))
		return true;
	fault_set(fault, FAULT_TEMPORARY,
	    "it didn't say where the master is: is it a sentinel?");
	return false;
}

static bool
ask_link(const struct redis_sentinels *sentinels, struct redis_link *link,
    uint64_t deadline_us, struct redis_node *node_out, struct fault *fault)
{
	const char *master = sentinels->place->master;
	struct redisReply *answer = ask_on(link, master, deadline_us, fault);
	bool is_read;

	if (answer != NULL && wants_login(answer)) {
		freeReplyObject(answer);
		if (!redis_login_do(
			link, &sentinels->login, deadline_us, fault))
			return false;
		answer = ask_on(link, master, deadline_us, fault);
	}
	if (answer == NULL)
		return false;
	is_read = read_master(answer, master, node_out, fault);
	freeReplyObject(answer);
	return is_read;
}

static bool
ask_one(const struct redis_sentinels *sentinels, const struct redis_host *host,
    uint64_t deadline_us, struct redis_node *node_out, struct fault *fault)
{
	struct redis_address addresses[REDIS_ADDRESSES];
	char shown[REDIS_NODE_SHOWN_BYTES];
	struct redis_node sentinel;
	struct redis_link *link;
	bool is_known = false;

	if (!redis_node_set(
		&sentinel, host->name, strlen(host->name), host->port))
		return false;
	link = redis_link_open(&sentinel, addresses,
	    redis_names_find(sentinels->names, &sentinel, addresses),
	    sentinels->login.tls, deadline_us, fault);
	if (link != NULL)
		is_known =
		    ask_link(sentinels, link, deadline_us, node_out, fault);
	redis_link_close(&link);
	if (!is_known) {
		redis_node_show(&sentinel, shown);
		fault_prefix(fault, "sentinel %s: ", shown);
	}
	return is_known;
}

/* Who asks keeps a share of the time for what he wants of the master. */
static bool
ask_each(const struct redis_sentinels *sentinels, size_t *first,
    uint64_t deadline_us, struct redis_node *node_out, struct fault *fault)
{
	size_t count = sentinels->place->host_count;

	for (size_t i = 0; i < count; i++) {
		size_t number = (*first + i) % count;
		uint64_t now_us = clock_monotonic_us();
		uint64_t share_us = deadline_us > now_us
		    ? (deadline_us - now_us) / (count - i + 1)
		    : 0;

		if (ask_one(sentinels, &sentinels->place->hosts[number],
			now_us + share_us, node_out, fault)) {
			*first = number;
			return true;
		}
	}
	return false;
}

/* Ask, with the lock held, which is left meanwhile. */
static bool
ask_locked(struct redis_sentinels *sentinels, uint64_t deadline_us,
    struct fault *fault)
{
	struct redis_node master;
	size_t first = sentinels->first;
	bool is_known;

	sentinels->is_asking = true;
	pthread_mutex_unlock(&sentinels->lock);
	is_known = ask_each(sentinels, &first, deadline_us, &master, fault);
	pthread_mutex_lock(&sentinels->lock);
	sentinels->is_asking = false;
	if (is_known) {
		sentinels->master = master;
		sentinels->first = first;
		sentinels->is_known = true;
	}
	pthread_cond_broadcast(&sentinels->asked);
	return is_known;
}

/* Wait for who is asking. False: too late. */
static bool
wait_locked(struct redis_sentinels *sentinels, uint64_t deadline_us)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_us / 1000000),
		.tv_nsec = (long)(deadline_us % 1000000) * 1000,
	};

	return pthread_cond_timedwait(
		   &sentinels->asked, &sentinels->lock, &until)
	    == 0;
}

bool
redis_sentinels_find(struct redis_sentinels *sentinels, uint64_t deadline_us,
    struct redis_node *node_out, struct fault *fault)
{
	bool is_good = true;

	pthread_mutex_lock(&sentinels->lock);
	while (is_good && !sentinels->is_known) {
		if (!sentinels->is_asking)
			is_good = ask_locked(sentinels, deadline_us, fault);
		else if (!wait_locked(sentinels, deadline_us)) {
			is_good = false;
			fault_set(fault, FAULT_TEMPORARY,
			    "no sentinel answered in time");
		}
	}
	*node_out = sentinels->master;
	pthread_mutex_unlock(&sentinels->lock);
	return is_good;
}

void
redis_sentinels_doubt(
    struct redis_sentinels *sentinels, const struct redis_node *node)
{
	pthread_mutex_lock(&sentinels->lock);
	/* Another may have learnt of a new one meanwhile. */
	if (redis_nodes_are_same(&sentinels->master, node))
		sentinels->is_known = false;
	pthread_mutex_unlock(&sentinels->lock);
}

void
redis_sentinels_ask(struct redis_sentinels *sentinels, uint64_t deadline_us)
{
	pthread_mutex_lock(&sentinels->lock);
	if (!sentinels->is_asking)
		(void)ask_locked(sentinels, deadline_us, NULL);
	pthread_mutex_unlock(&sentinels->lock);
}
