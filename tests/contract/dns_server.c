#include "tests/contract/dns_server.h"

#include "milter/io/clock.h"
#include "tests/contract/dns_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LINKS = 64,     /* connections at once */
	DELAYED = 4096, /* answers that wait for their time */
	QUERIES = 65536,
	TCP_QUERY = 2 + 512,
	WAYS = 3, /* what is polled before the links */
};

struct link {
	int fd; /* -1: none */
	size_t length;
	unsigned char query[TCP_QUERY];
};

/* An answer on its way. */
struct parcel {
	uint64_t due_ms;
	struct sockaddr_in to; /* of UDP */
	int link;              /* -1: UDP */
	size_t length;
	unsigned char *packet; /* NULL: hang up */
};

struct query {
	char *name;
	uint16_t type;
	bool is_tcp;
};

struct dns_server {
	char address[32];
	int udp;
	int listener;
	int stop_fd;
	pthread_t thread;
	struct link links[LINKS];
	struct parcel delayed[DELAYED];
	size_t delayed_count;

	pthread_mutex_t lock; /* of what follows */
	const struct dns_server_rule *rules;
	struct query queries[QUERIES];
	size_t query_count;
};

static void
die(const char *what)
{
	fprintf(stderr, "dns_server: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- what is answered ---- */

static bool
fits(const struct dns_server_rule *rule, const struct dns_packet_query *query)
{
	size_t length = strlen(query->name), tail;

	if (rule->type != 0 && rule->type != query->type)
		return false;
	if (strcmp(rule->name, "*") == 0)
		return true;
	if (*rule->name != '*')
		return strcasecmp(rule->name, query->name) == 0;
	tail = strlen(rule->name + 1);
	return length > tail
	    && strcasecmp(query->name + length - tail, rule->name + 1) == 0;
}

static const struct dns_server_rule *
rule_for(struct dns_server *server, const struct dns_packet_query *query)
{
	static const struct dns_server_rule none = { .name = "*", .rcode = 3 };
	const struct dns_server_rule *rule = server->rules;

	while (rule->name != NULL && !fits(rule, query))
		rule++;
	return rule->name != NULL ? rule : &none;
}

static void
remember(struct dns_server *server, const struct dns_packet_query *query,
    bool is_tcp)
{
	struct query *entry = &server->queries[server->query_count];

	if (server->query_count == QUERIES)
		die("too many queries");
	*entry = (struct query){ .name = strdup(query->name),
		.type = query->type,
		.is_tcp = is_tcp };
	if (entry->name == NULL)
		die("memory");
	server->query_count++;
}

static void
send_parcel(struct dns_server *server, struct parcel *parcel)
{
	struct link *link =
	    parcel->link >= 0 ? &server->links[parcel->link] : NULL;
	unsigned char size[2] = { (unsigned char)(parcel->length >> 8),
		(unsigned char)parcel->length };

	if (link == NULL && parcel->packet != NULL)
		(void)sendto(server->udp, parcel->packet, parcel->length, 0,
		    (const struct sockaddr *)&parcel->to, sizeof(parcel->to));
	if (link != NULL && link->fd >= 0 && parcel->packet != NULL) {
		(void)send(link->fd, size, sizeof(size), MSG_NOSIGNAL);
		(void)send(
		    link->fd, parcel->packet, parcel->length, MSG_NOSIGNAL);
	}
	if (link != NULL && link->fd >= 0 && parcel->packet == NULL) {
		(void)close(link->fd);
		link->fd = -1;
	}
	free(parcel->packet);
}

/* Answer a query of length octets. */
static void
serve(struct dns_server *server, const unsigned char *data, size_t length,
    const struct sockaddr_in *to, int link)
{
	struct parcel parcel = { .link = link };
	struct dns_packet_query query;
	const struct dns_server_rule *rule;

	if (!dns_packet_read(data, length, &query))
		return;
	if (to != NULL)
		parcel.to = *to;
	(void)pthread_mutex_lock(&server->lock);
	remember(server, &query, link >= 0);
	rule = rule_for(server, &query);
	(void)pthread_mutex_unlock(&server->lock);
	if (rule->act == DNS_SERVER_SILENT)
		return;
	if (rule->act != DNS_SERVER_NO_TCP || link < 0)
		parcel.packet =
		    dns_packet_make(&query, rule, link >= 0, &parcel.length);
	parcel.due_ms = clock_monotonic_ms() + rule->delay_ms;
	if (rule->delay_ms == 0)
		send_parcel(server, &parcel);
	else if (server->delayed_count == DELAYED)
		die("too many delayed answers");
	else
		server->delayed[server->delayed_count++] = parcel;
}

/* ---- the thread ---- */

static int
send_due(struct dns_server *server)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t next_ms = UINT64_MAX;

	for (size_t i = 0; i < server->delayed_count;) {
		struct parcel parcel = server->delayed[i];

		if (parcel.due_ms > now_ms) {
			if (parcel.due_ms < next_ms)
				next_ms = parcel.due_ms;
			i++;
			continue;
		}
		server->delayed[i] = server->delayed[--server->delayed_count];
		send_parcel(server, &parcel);
	}
	return next_ms == UINT64_MAX ? -1 : (int)(next_ms - now_ms);
}

static void
accept_link(struct dns_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < LINKS; i++)
		if (server->links[i].fd < 0) {
			server->links[i].fd = fd;
			server->links[i].length = 0;
			return;
		}
	if (fd >= 0)
		(void)close(fd);
}

static void
read_link(struct dns_server *server, size_t which)
{
	struct link *link = &server->links[which];
	ssize_t got = recv(link->fd, link->query + link->length,
	    sizeof(link->query) - link->length, 0);

	if (got <= 0) {
		(void)close(link->fd);
		link->fd = -1;
		return;
	}
	link->length += (size_t)got;
	while (link->length >= 2) {
		size_t size = (size_t)link->query[0] << 8 | link->query[1];

		if (link->length < size + 2)
			return;
		serve(server, link->query + 2, size, NULL, (int)which);
		link->length -= size + 2;
		memmove(link->query, link->query + 2 + size, link->length);
	}
}

static void
read_udp(struct dns_server *server)
{
	unsigned char data[4096];
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(server->udp, data, sizeof(data), MSG_DONTWAIT,
	    (struct sockaddr *)&from, &size);

	if (got > 0)
		serve(server, data, (size_t)got, &from, -1);
}

static void *
run(void *context)
{
	struct dns_server *server = context;

	for (;;) {
		struct pollfd ways[WAYS + LINKS] = {
			{ .fd = server->stop_fd, .events = POLLIN },
			{ .fd = server->udp, .events = POLLIN },
			{ .fd = server->listener, .events = POLLIN },
		};
		int wait_ms = send_due(server);

		for (size_t i = 0; i < LINKS; i++)
			ways[WAYS + i] =
			    (struct pollfd){ .fd = server->links[i].fd,
				    .events = POLLIN };
		if (poll(ways, WAYS + LINKS, wait_ms) < 0)
			die("poll");
		if (ways[0].revents != 0)
			return NULL;
		if (ways[1].revents != 0)
			read_udp(server);
		for (size_t i = 0; i < LINKS; i++)
			if (ways[WAYS + i].revents != 0
			    && server->links[i].fd == ways[WAYS + i].fd)
				read_link(server, i);
		if (ways[2].revents != 0)
			accept_link(server);
	}
}

/* ---- starting and stopping ---- */

/* TCP and UDP on the same port; another one may have it already. */
static bool
try_bind(struct dns_server *server)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	socklen_t size = sizeof(address);

	server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server->udp < 0 || server->listener < 0)
		die("socket");
	if (bind(server->udp, (const struct sockaddr *)&address, size) != 0
	    || getsockname(server->udp, (struct sockaddr *)&address, &size)
		!= 0)
		die("bind");
	if (bind(server->listener, (const struct sockaddr *)&address, size) == 0
	    && listen(server->listener, LINKS) == 0) {
		(void)snprintf(server->address, sizeof(server->address),
		    "127.0.0.1@%u", ntohs(address.sin_port));
		return true;
	}
	(void)close(server->udp);
	(void)close(server->listener);
	return false;
}

struct dns_server *
dns_server_start(const struct dns_server_rule *rules)
{
	struct dns_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		die("memory");
	server->rules = rules;
	for (size_t i = 0; i < LINKS; i++)
		server->links[i].fd = -1;
	server->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (server->stop_fd < 0)
		die("eventfd");
	while (!try_bind(server))
		continue;
	if (pthread_mutex_init(&server->lock, NULL) != 0
	    || pthread_create(&server->thread, NULL, run, server) != 0)
		die("thread");
	return server;
}

void
dns_server_follow(
    struct dns_server *server, const struct dns_server_rule *rules)
{
	(void)pthread_mutex_lock(&server->lock);
	server->rules = rules;
	(void)pthread_mutex_unlock(&server->lock);
}

const char *
dns_server_address(const struct dns_server *server)
{
	return server->address;
}

static size_t
count(struct dns_server *server, const char *name, uint16_t type, bool is_tcp)
{
	size_t found = 0;

	(void)pthread_mutex_lock(&server->lock);
	for (size_t i = 0; i < server->query_count; i++) {
		const struct query *query = &server->queries[i];

		found += (name == NULL || strcasecmp(query->name, name) == 0)
		    && (type == 0 || query->type == type)
		    && (!is_tcp || query->is_tcp);
	}
	(void)pthread_mutex_unlock(&server->lock);
	return found;
}

size_t
dns_server_count(struct dns_server *server, const char *name, uint16_t type)
{
	return count(server, name, type, false);
}

size_t
dns_server_count_tcp(struct dns_server *server, const char *name)
{
	return count(server, name, 0, true);
}

void
dns_server_stop(struct dns_server **server)
{
	struct dns_server *stopped = *server;
	const uint64_t one = 1;

	if (stopped == NULL)
		return;
	if (write(stopped->stop_fd, &one, sizeof(one)) != sizeof(one))
		die("stop");
	(void)pthread_join(stopped->thread, NULL);
	for (size_t i = 0; i < stopped->delayed_count; i++)
		free(stopped->delayed[i].packet);
	for (size_t i = 0; i < stopped->query_count; i++)
		free(stopped->queries[i].name);
	for (size_t i = 0; i < LINKS; i++)
		if (stopped->links[i].fd >= 0)
			(void)close(stopped->links[i].fd);
	(void)close(stopped->udp);
	(void)close(stopped->listener);
	(void)close(stopped->stop_fd);
	(void)pthread_mutex_destroy(&stopped->lock);
	free(stopped);
	*server = NULL;
}
