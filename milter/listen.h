/* listen: the sockets that the MTA and posternctl connect to: made, given
 * their mode and group, and stale ones cleared away, before privileges go. */
#ifndef MILTER_LISTEN_H
#define MILTER_LISTEN_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Who the daemon will be. */
struct identity {
	uid_t uid;
	gid_t gid;
};

/* The listening socket that conf->listen names ("unix:PATH", "inet:PORT@HOST",
 * "inet6:PORT@HOST", "fd:N"). A UNIX socket gets socket_mode and socket_group,
 * its directory is made if it isn't there, and a socket nobody listens on any
 * more is replaced. -1 with words, for instance if another process listens. */
int listen_open(const struct conf *conf, const struct identity *identity,
    struct fault *fault);

/* The control socket at path, for root and identity alone. */
int listen_control(
    const char *path, const struct identity *identity, struct fault *fault);

/* Remove the UNIX socket at fd's address, if it is still fd's. */
void listen_remove(int fd);

/* The user of that name ("": whoever this process is), for when privileges are
 * given up. False with words if there is none. */
bool listen_find_user(
    const char *name, struct identity *identity_out, struct fault *fault);

/* Is there a group of that name ("": none is asked for)? False with words. */
bool listen_find_group(const char *name, struct fault *fault);

/* Become identity for good: groups, gid, uid; capabilities go with root. Does
 * nothing if this process is it already. False with words. */
bool listen_become(
    const struct identity *identity, const char *name, struct fault *fault);

/* Make the directory path (mode 0700 or as given, owner identity) if its
 * parent is there and it isn't. False with words if that fails. */
bool listen_make_directory(const char *path, mode_t mode,
    const struct identity *identity, struct fault *fault);

#endif
