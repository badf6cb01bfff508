/* redis_servers: real redis-server processes for tests, on loopback and in
 * directories that the test gives. What can't be started fails the test, with
 * the server's log. */
#ifndef TESTS_CONTRACT_REDIS_SERVERS_H
#define TESTS_CONTRACT_REDIS_SERVERS_H

#include "conf/redis_place.h"
#include "policy/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct redisReply;

enum { REDIS_SERVER_PATH_BYTES = 96 };

struct redis_server {
	char directory[REDIS_SERVER_PATH_BYTES - 16]; /* its own */
	char path[REDIS_SERVER_PATH_BYTES];           /* its unix socket */
	uint16_t port;                                /* on 127.0.0.1 */
	uint16_t bus_port;                            /* of a cluster's node */
	pid_t pid;                                    /* 0: not running */
	bool is_sentinel;
	const char *const *words; /* as it was started */
};

/* Is there a redis-server to be started? If not, the test that starts one is
 * skipped. */
bool redis_servers_are_there(void);

/* A port of 127.0.0.1 that nobody has now. */
uint16_t redis_servers_free_port(void);

/* Start one in parent/name, which is made, and wait until it answers. words:
 * options more, as "--appendonly", "yes", NULL last; borrowed until the server
 * is stopped. NULL: none. A sentinel gets the text of its configuration. */
void redis_server_start(struct redis_server *server, const char *parent,
    const char *name, const char *const *words);
void redis_server_start_sentinel(struct redis_server *server,
    const char *parent, const char *name, const char *configuration);

/* kill(2) it and wait until it is gone. */
void redis_server_kill(struct redis_server *server, int signal);

/* Start it again on the same port and path; it has forgotten all, but for what
 * its options make it keep. */
void redis_server_restart(struct redis_server *server);

/* Stop it, if it runs, and remove its directory. */
void redis_server_stop(struct redis_server *server);

/* Ask it, as redisCommand(3) formats, on a connection of its own, as the
 * default user without password. The answer is the caller's. */
struct redisReply *
redis_server_ask(const struct redis_server *server, const char *format, ...);

/* Ask until the answer is text, or has it in it; fail after 20 seconds. */
void redis_server_await(
    const struct redis_server *server, const char *command, const char *text);

/* Ask, and fail unless the answer is OK. */
void redis_server_tell(const struct redis_server *server, const char *command);

/* Three masters of one cluster, with a third of the slots each. */
void
redis_servers_start_cluster(struct redis_server servers[3], const char *parent);

/* The place that a URL means; it must be good. */
struct redis_place redis_server_place(struct arena *arena, const char *format,
    ...) __attribute__((format(printf, 2, 3)));

#endif
