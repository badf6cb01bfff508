/* daemon: what connections share, started in one order and stopped in the
 * reverse.
 *
 * Threads: the main one, which alone takes signals; one in smfi_main() and
 * libmilter's own; one that tends the store once a second; one that answers
 * the control socket; the resolver's; and for a moment at start one that looks
 * up what the world knows of the egress addresses.
 *
 * Lock order: daemon.reloading, then snapshots.lock; all other locks are leaf
 * locks of their modules, and none is held across I/O. */
#ifndef MILTER_DAEMON_H
#define MILTER_DAEMON_H

#include "milter/listen.h"
#include "milter/session.h"
#include "milter/watching.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct json_object;

struct daemon {
	struct services services;
	struct metrics metrics;
	char *file; /* of the configuration; absolute */
	struct identity identity;

	/* What the store is opened by: a reload can't change that. */
	struct conf *store_conf;
	struct redis_pool *map_pool; /* NULL: no store.url */

	pthread_mutex_t reloading;
	uint64_t started_us;
	atomic_ullong loaded_s; /* when the current configuration was read */

	int milter_fd;  /* listening; libmilter has a copy of its own */
	int control_fd; /* listening, or -1 */
	int wake_read, wake_write; /* self-pipe to the main thread */
	atomic_bool is_ending;     /* helper threads leave */
	struct watching watching;  /* the tender thread's */
	pthread_t tender_thread, control_thread, egress_thread;
	bool has_tender_thread, has_control_thread, has_egress_thread;
};

/* Make everything that serves messages, by conf (taken over): sockets, then
 * privileges given up, then log, store, keys. On failure nothing is left and
 * *fault says why. */
bool daemon_open(struct daemon *daemon, struct conf *conf, struct fault *fault);

/* Serve until SIGTERM or SIGINT, draining what is under way: the messages
 * that have begun end, at most DAEMON_DRAIN_MS; a second signal ends that.
 * SIGHUP and SIGUSR1 reload. False: libmilter gave up. */
bool daemon_run(struct daemon *daemon);

/* Stop and free everything. */
void daemon_close(struct daemon *daemon);

/* Read the configuration again and swap it; a bad one changes nothing, is
 * logged, and its errors are in *errors_out. What is in force, but waits for a
 * restart, or is likely a mistake, is logged and in *warnings_out. Both are to
 * be cleared in either case. Any thread. */
bool daemon_reload(struct daemon *daemon, struct conf_errors *errors_out,
    struct conf_errors *warnings_out);

/* The state of things, for posternctl status; the caller's to put. NULL: no
 * memory. Any thread. */
struct json_object *daemon_status(struct daemon *daemon);

enum { DAEMON_DRAIN_MS = 30000 };

#endif
