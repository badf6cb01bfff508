#include "tests/fake/socketmap_server.h"

#include "policy/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PEERS = 64, DRIBBLE_MS = 5, AWAIT_S = 10, REPLY = 8300 };

/* A connection. */
struct peer {
	int fd; /* -1: none */
	char request[SOCKETMAP_SERVER_REQUEST];
	size_t used;
	unsigned answered;
	const char *owed; /* dribbled from here on */
	size_t owed_length;
	bool is_waiting; /* a request is in it, and unanswered */
};

struct socketmap_server {
	pthread_mutex_t lock; /* of all below but peers, and port */
	pthread_cond_t changed;
	enum socketmap_manner manner;
	const char *octets;
	size_t length;
	unsigned accepted;
	unsigned asked;
	unsigned open;
	char last[SOCKETMAP_SERVER_REQUEST];
	struct peer peers[PEERS]; /* the thread's */
	int listener;
	int wake[2]; /* a pipe */
	unsigned port;
	char *path;
	pthread_t thread;
};

static void
need(bool is_good, const char *what)
{
	if (is_good)
		return;
	perror(what);
	abort();
}

static void
drop(struct socketmap_server *server, struct peer *peer)
{
	(void)close(peer->fd);
	peer->fd = -1;
	pthread_mutex_lock(&server->lock);
	server->open--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

/* The client may have gone: that is no matter here. */
static void
say(const struct peer *peer, const char *data, size_t length)
{
	struct pollfd one = { .fd = peer->fd, .events = POLLOUT };

	while (length > 0) {
		ssize_t sent = send(peer->fd, data, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			(void)poll(&one, 1, -1);
		else if (sent <= 0)
			return;
		else {
			data += sent;
			length -= (size_t)sent;
		}
	}
}

/* "NAME KEY" → what a good server says. */
static void
answer(const struct peer *peer, const char *request)
{
	const char *blank = strchr(request, ' ');
	const char *key = blank != NULL ? blank + 1 : "";
	char words[SOCKETMAP_SERVER_REQUEST + 8];
	char reply[REPLY];
	int length;

	if (strchr(key, '-') != NULL)
		(void)snprintf(words, sizeof(words), "NOTFOUND ");
	else
		(void)snprintf(words, sizeof(words), "OK of %s", key);
	length =
	    snprintf(reply, sizeof(reply), "%zu:%s,", strlen(words), words);
	say(peer, reply, (size_t)length);
}

/* Do as is the manner now with the request that is in peer. */
static void
serve(struct socketmap_server *server, struct peer *peer)
{
	enum socketmap_manner manner;
	const char *octets;
	size_t length;

	pthread_mutex_lock(&server->lock);
	manner = server->manner;
	octets = server->octets;
	length = server->length;
	pthread_mutex_unlock(&server->lock);
	if (manner == SOCKETMAP_WAITS)
		return;
	peer->is_waiting = false;
	peer->used = 0;
	if (manner == SOCKETMAP_CLOSES_SECOND)
		manner =
		    peer->answered > 0 ? SOCKETMAP_CLOSES : SOCKETMAP_ANSWERS;
	peer->answered++;
	if (manner == SOCKETMAP_ANSWERS
	    || manner == SOCKETMAP_ANSWERS_AND_CLOSES)
		answer(peer, peer->request);
	if (manner == SOCKETMAP_SAYS || manner == SOCKETMAP_SAYS_AND_CLOSES)
		say(peer, octets, length);
	if (manner == SOCKETMAP_DRIBBLES) {
		peer->owed = octets;
		peer->owed_length = length;
	}
	if (manner == SOCKETMAP_CLOSES || manner == SOCKETMAP_ANSWERS_AND_CLOSES
	    || manner == SOCKETMAP_SAYS_AND_CLOSES)
		drop(server, peer);
}

/* Is a whole netstring there? Then its words are left in request, closed with
 * a NUL. */
static bool
has_request(struct peer *peer)
{
	char *colon = memchr(peer->request, ':', peer->used);
	uint64_t length;
	size_t head;

	if (colon == NULL)
		return false;
	*colon = '\0';
	need(text_number(peer->request, 0, SOCKETMAP_SERVER_REQUEST, &length),
	    "a request's length");
	*colon = ':';
	head = (size_t)(colon + 1 - peer->request);
	if (peer->used < head + length + 1)
		return false;
	need(peer->used == head + length + 1
		&& peer->request[head + length] == ',',
	    "one request at a time, with its ','");
	memmove(peer->request, colon + 1, length);
	peer->request[length] = '\0';
	return true;
}

static void
hear(struct socketmap_server *server, struct peer *peer)
{
	ssize_t got = recv(peer->fd, peer->request + peer->used,
	    sizeof(peer->request) - peer->used, MSG_DONTWAIT);

	if (got <= 0 || peer->is_waiting) {
		if (got >= 0 || errno != EAGAIN)
			drop(server, peer);
		return;
	}
	peer->used += (size_t)got;
	if (!has_request(peer))
		return;
	peer->is_waiting = true;
	pthread_mutex_lock(&server->lock);
	server->asked++;
	memcpy(server->last, peer->request, sizeof(server->last));
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
	serve(server, peer);
}

static void
take_peer(struct socketmap_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	struct peer *peer = server->peers;

	if (fd < 0)
		return;
	while (peer < server->peers + PEERS && peer->fd >= 0)
		peer++;
	need(peer < server->peers + PEERS, "room for one more connection");
	*peer = (struct peer){ .fd = fd };
	pthread_mutex_lock(&server->lock);
	server->accepted++;
	server->open++;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

static bool
has_owed(const struct socketmap_server *server)
{
	for (size_t i = 0; i < PEERS; i++)
		if (server->peers[i].fd >= 0
		    && server->peers[i].owed_length > 0)
			return true;
	return false;
}

static void
dribble(const struct socketmap_server *server, struct peer *peer)
{
	(void)server;
	if (peer->fd < 0 || peer->owed_length == 0)
		return;
	say(peer, peer->owed, 1);
	peer->owed++;
	peer->owed_length--;
}

/* Wait for something to do. False: the server is to be closed. */
static bool
turn(struct socketmap_server *server)
{
	struct pollfd fds[PEERS + 2];
	bool is_dribbling = has_owed(server);
	char octet;

	for (size_t i = 0; i < PEERS; i++)
		fds[i] = (struct pollfd){ .fd = server->peers[i].fd,
			.events = POLLIN };
	fds[PEERS] =
	    (struct pollfd){ .fd = server->listener, .events = POLLIN };
	fds[PEERS + 1] =
	    (struct pollfd){ .fd = server->wake[0], .events = POLLIN };
	need(poll(fds, PEERS + 2, is_dribbling ? DRIBBLE_MS : -1) >= 0, "poll");
	for (size_t i = 0; i < PEERS; i++) {
		struct peer *peer = &server->peers[i];

		if (peer->fd >= 0 && fds[i].fd == peer->fd
		    && fds[i].revents != 0)
			hear(server, peer);
		dribble(server, peer);
	}
	if ((fds[PEERS].revents & POLLIN) != 0)
		take_peer(server);
	if ((fds[PEERS + 1].revents & POLLIN) == 0)
		return true;
	need(read(server->wake[0], &octet, 1) == 1, "read");
	for (size_t i = 0; i < PEERS; i++)
		if (server->peers[i].fd >= 0 && server->peers[i].is_waiting)
			serve(server, &server->peers[i]);
	return octet != 'q';
}

static void *
run(void *context)
{
	while (turn(context))
		continue;
	return NULL;
}

static void
wake(struct socketmap_server *server, char octet)
{
	need(write(server->wake[1], &octet, 1) == 1, "write");
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0 && strlen(path) < sizeof(address.sun_path), "socket");
	memcpy(address.sun_path, path, strlen(path));
	need(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, path);
	return fd;
}

static int
listen_inet(unsigned *port_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0, "socket");
	need(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0,
	    "bind");
	need(getsockname(fd, (struct sockaddr *)&address, &length) == 0,
	    "getsockname");
	*port_out = ntohs(address.sin_port);
	return fd;
}

struct socketmap_server *
socketmap_server_open(const char *path)
{
	struct socketmap_server *server = calloc(1, sizeof(*server));

	need(server != NULL, "calloc");
	for (size_t i = 0; i < PEERS; i++)
		server->peers[i].fd = -1;
	server->path = path != NULL ? strdup(path) : NULL;
	server->listener =
	    path != NULL ? listen_unix(path) : listen_inet(&server->port);
	need(listen(server->listener, PEERS) == 0, "listen");
	need(fcntl(server->listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
	need(pipe2(server->wake, O_CLOEXEC) == 0, "pipe");
	need(pthread_mutex_init(&server->lock, NULL) == 0
		&& pthread_cond_init(&server->changed, NULL) == 0
		&& pthread_create(&server->thread, NULL, run, server) == 0,
	    "pthread");
	return server;
}

unsigned
socketmap_server_port(const struct socketmap_server *server)
{
	return server->port;
}

void
socketmap_server_set(struct socketmap_server *server,
    enum socketmap_manner manner, const char *octets, size_t length)
{
	pthread_mutex_lock(&server->lock);
	server->manner = manner;
	server->octets = octets;
	server->length = length;
	pthread_mutex_unlock(&server->lock);
	wake(server, 'w');
}

unsigned
socketmap_server_accepted(struct socketmap_server *server)
{
	unsigned accepted;

	pthread_mutex_lock(&server->lock);
	accepted = server->accepted;
	pthread_mutex_unlock(&server->lock);
	return accepted;
}

unsigned
socketmap_server_asked(struct socketmap_server *server)
{
	unsigned asked;

	pthread_mutex_lock(&server->lock);
	asked = server->asked;
	pthread_mutex_unlock(&server->lock);
	return asked;
}

void
socketmap_server_last(
    struct socketmap_server *server, char space[SOCKETMAP_SERVER_REQUEST])
{
	pthread_mutex_lock(&server->lock);
	memcpy(space, server->last, SOCKETMAP_SERVER_REQUEST);
	pthread_mutex_unlock(&server->lock);
}

static void
await(struct socketmap_server *server, const unsigned *number, unsigned wanted)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AWAIT_S;
	pthread_mutex_lock(&server->lock);
	while (*number != wanted)
		need(pthread_cond_timedwait(
			 &server->changed, &server->lock, &until)
			== 0,
		    "what was waited for");
	pthread_mutex_unlock(&server->lock);
}

void
socketmap_server_await_open(struct socketmap_server *server, unsigned open)
{
	await(server, &server->open, open);
}

void
socketmap_server_await_asked(struct socketmap_server *server, unsigned asked)
{
	await(server, &server->asked, asked);
}

void
socketmap_server_close(struct socketmap_server **server)
{
	if (*server == NULL)
		return;
	wake(*server, 'q');
	need(pthread_join((*server)->thread, NULL) == 0, "join");
	for (size_t i = 0; i < PEERS; i++)
		if ((*server)->peers[i].fd >= 0)
			(void)close((*server)->peers[i].fd);
	(void)close((*server)->listener);
	(void)close((*server)->wake[0]);
	(void)close((*server)->wake[1]);
	if ((*server)->path != NULL)
		(void)unlink((*server)->path);
	free((*server)->path);
	(void)pthread_mutex_destroy(&(*server)->lock);
	(void)pthread_cond_destroy(&(*server)->changed);
	free(*server);
	*server = NULL;
}
