/* socketmap_server: a server of Postfix's socketmap protocol that does what a
 * test says, also what no server should. One thread of its own; the functions
 * are for the test's threads. */
#ifndef TESTS_FAKE_SOCKETMAP_SERVER_H
#define TESTS_FAKE_SOCKETMAP_SERVER_H

#include <stddef.h>

enum { SOCKETMAP_SERVER_REQUEST = 8192 };

struct socketmap_server;

/* What it does with a request. */
enum socketmap_manner {
	/* "OK of KEY", of a key with a '-' in it "NOTFOUND " */
	SOCKETMAP_ANSWERS,
	SOCKETMAP_CLOSES,        /* says nothing, and closes */
	SOCKETMAP_CLOSES_SECOND, /* the same, but answers a connection's first
				    request */
	SOCKETMAP_ANSWERS_AND_CLOSES,
	SOCKETMAP_SAYS, /* what it was given */
	SOCKETMAP_SAYS_AND_CLOSES,
	SOCKETMAP_DRIBBLES, /* the same, an octet every few ms */
	SOCKETMAP_WAITS,    /* until it has another manner */
};

/* Listen at path (a unix socket), or with NULL at a port of 127.0.0.1. Ends
 * the test for want of anything. */
struct socketmap_server *socketmap_server_open(const char *path);

/* The port it listens at. */
unsigned socketmap_server_port(const struct socketmap_server *server);

/* Have another manner from now on; octets are borrowed until the next one, and
 * only looked at by those that say something. */
void socketmap_server_set(struct socketmap_server *server,
    enum socketmap_manner manner, const char *octets, size_t length);

/* How many connections were accepted, and requests read, so far. */
unsigned socketmap_server_accepted(struct socketmap_server *server);
unsigned socketmap_server_asked(struct socketmap_server *server);

/* The last request, without its netstring's signs, into space. */
void socketmap_server_last(
    struct socketmap_server *server, char space[SOCKETMAP_SERVER_REQUEST]);

/* Wait until so many connections are open, or requests were read; ends the
 * test if it isn't so within ten seconds. */
void
socketmap_server_await_open(struct socketmap_server *server, unsigned open);
void
socketmap_server_await_asked(struct socketmap_server *server, unsigned asked);

/* Close all and end its thread. Empties the pointer; takes NULL. */
void socketmap_server_close(struct socketmap_server **server);

#endif
