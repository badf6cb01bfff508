#include "milter/io/redis_names.h"

#include "milter/io/clock.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

enum {
	KNOWN_US = REDIS_NAMES_AGAIN_S * 1000000,
	UNKNOWN_US = 1000000,
};

struct entry {
	char host[REDIS_NODE_HOST_BYTES]; /* "" free */
	struct redis_address addresses[REDIS_ADDRESSES];
	size_t count;
	uint64_t used;   /* when it was looked for last, as numbers go */
	uint64_t due_us; /* when to ask again; 0: never asked */
};

struct redis_names {
	struct entry entries[REDIS_NAMES];
	uint64_t uses;
	unsigned holders; /* owners, and the thread that asks */
	bool is_asking;   /* there is such a thread */
	pthread_cond_t asked;
};

/* The one table, while somebody holds it, and the lock of all of it. */
static struct redis_names *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct redis_names *
make_names(void)
{
	struct redis_names *names = calloc(1, sizeof(*names));
	pthread_condattr_t attributes;

	if (names == NULL)
		return NULL;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&names->asked, &attributes);
	pthread_condattr_destroy(&attributes);
	return names;
}

struct redis_names *
redis_names_open(void)
{
	struct redis_names *names;

	pthread_mutex_lock(&lock);
	if (shared == NULL)
		shared = make_names();
	names = shared;
	if (names != NULL)
		names->holders++;
	pthread_mutex_unlock(&lock);
	return names;
}

static void
release_locked(struct redis_names *names)
{
	if (--names->holders > 0)
		return;
	shared = NULL;
	pthread_cond_destroy(&names->asked);
	free(names);
}

void
redis_names_close(struct redis_names **names)
{
	if (*names == NULL)
		return;
	pthread_mutex_lock(&lock);
	release_locked(*names);
	pthread_mutex_unlock(&lock);
	*names = NULL;
}

static bool
read_path(const struct redis_node *node, struct redis_address *address_out)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	size_t length = strlen(node->host);

	if (length >= sizeof(local.sun_path))
		return false;
	memcpy(local.sun_path, node->host, length);
	memcpy(&address_out->socket, &local, sizeof(local));
	address_out->length = sizeof(local);
	return true;
}

static bool
resolve(const char *host, int flags,
    struct redis_address addresses_out[REDIS_ADDRESSES], size_t *count_out)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags,
	};
	struct addrinfo *list = NULL;
	size_t count = 0;

	if (getaddrinfo(host, NULL, &hints, &list) != 0)
		return false;
	for (const struct addrinfo *one = list;
	     one != NULL && count < REDIS_ADDRESSES; one = one->ai_next) {
		if (one->ai_family != AF_INET && one->ai_family != AF_INET6)
			continue;
		addresses_out[count] = (struct redis_address){
			.length = one->ai_addrlen,
		};
		memcpy(&addresses_out[count].socket, one->ai_addr,
		    one->ai_addrlen);
		count++;
	}
	freeaddrinfo(list);
	*count_out = count;
	return count > 0;
}

static void
set_port(struct redis_address *address, uint16_t port)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->socket.ss_family == AF_INET) {
		memcpy(&v4, &address->socket, sizeof(v4));
		v4.sin_port = htons(port);
		memcpy(&address->socket, &v4, sizeof(v4));
	} else {
		memcpy(&v6, &address->socket, sizeof(v6));
		v6.sin6_port = htons(port);
		memcpy(&address->socket, &v6, sizeof(v6));
	}
}

/* The entry of host; if there is none, an empty one in the place of what
 * wasn't looked for the longest. */
static struct entry *
entry_of(struct redis_names *names, const char *host)
{
	struct entry *oldest = &names->entries[0];

	for (size_t i = 0; i < REDIS_NAMES; i++) {
		struct entry *entry = &names->entries[i];

		if (strcmp(entry->host, host) == 0)
			return entry;
		if (entry->used < oldest->used)
			oldest = entry;
	}
	*oldest = (struct entry){ .count = 0 };
	memcpy(oldest->host, host, strlen(host) + 1);
	return oldest;
}

size_t
redis_names_find(struct redis_names *names, const struct redis_node *node,
    struct redis_address addresses_out[REDIS_ADDRESSES])
{
	size_t count = 0;

	if (node->host[0] == '/')
		return read_path(node, addresses_out) ? 1 : 0;
	if (!resolve(node->host, AI_NUMERICHOST, addresses_out, &count)) {
		struct entry *entry;

		pthread_mutex_lock(&lock);
		entry = entry_of(names, node->host);
		entry->used = ++names->uses;
		count = entry->count;
		memcpy(addresses_out, entry->addresses,
		    count * sizeof(*addresses_out));
		pthread_mutex_unlock(&lock);
	}
	for (size_t i = 0; i < count; i++)
		set_port(&addresses_out[i], node->port);
	return count;
}

/* Ask for one name; others have the lock meanwhile. */
static void
look_up_locked(struct entry *entry)
{
	struct entry fresh = { .count = 0 };
	bool is_known;

	memcpy(fresh.host, entry->host, sizeof(fresh.host));
	pthread_mutex_unlock(&lock);
	is_known = resolve(fresh.host, 0, fresh.addresses, &fresh.count);
	pthread_mutex_lock(&lock);
	/* Somebody may have put another there meanwhile. */
	if (strcmp(entry->host, fresh.host) != 0)
		return;
	if (is_known) {
		fresh.used = entry->used;
		*entry = fresh;
	}
	entry->due_us =
	    clock_monotonic_us() + (entry->count > 0 ? KNOWN_US : UNKNOWN_US);
}

static bool
is_due(const struct entry *entry)
{
	return entry->host[0] != '\0' && entry->due_us <= clock_monotonic_us();
}

/* The thread: all that are due, once, unless nobody wants them any more. */
static void *
look_up(void *context)
{
	struct redis_names *names = context;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < REDIS_NAMES && names->holders > 1; i++)
		if (is_due(&names->entries[i])) {
			look_up_locked(&names->entries[i]);
			pthread_cond_broadcast(&names->asked);
		}
	names->is_asking = false;
	pthread_cond_broadcast(&names->asked);
	release_locked(names);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static bool
begin_thread(struct redis_names *names)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	bool is_begun;

	sigfillset(&all);
	if (pthread_attr_init(&attributes) != 0)
		return false;
	is_begun = pthread_attr_setsigmask_np(&attributes, &all) == 0
	    && pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED)
		== 0
	    && pthread_create(&thread, &attributes, look_up, names) == 0;
	pthread_attr_destroy(&attributes);
	return is_begun;
}

/* What can't be begun now is begun at the next refresh. */
static void
begin_locked(struct redis_names *names)
{
	bool has_due = false;

	for (size_t i = 0; i < REDIS_NAMES && !has_due; i++)
		has_due = is_due(&names->entries[i]);
	if (!has_due || names->is_asking || !begin_thread(names))
		return;
	names->is_asking = true;
	names->holders++;
}

static bool
has_new_locked(const struct redis_names *names)
{
	for (size_t i = 0; i < REDIS_NAMES; i++)
		if (names->entries[i].host[0] != '\0'
		    && names->entries[i].due_us == 0)
			return true;
	return false;
}

void
redis_names_refresh(struct redis_names *names, uint64_t wait_us)
{
	uint64_t deadline_us = clock_monotonic_us() + wait_us;
	struct timespec until = {
		.tv_sec = (time_t)(deadline_us / 1000000),
		.tv_nsec = (long)(deadline_us % 1000000) * 1000,
	};
	int status = 0;

	pthread_mutex_lock(&lock);
	begin_locked(names);
	while (wait_us > 0 && status == 0 && names->is_asking
	    && has_new_locked(names)) {
		status = pthread_cond_timedwait(&names->asked, &lock, &until);
		begin_locked(names);
	}
	pthread_mutex_unlock(&lock);
}
