/* places: values that name something outside of the configuration: paths,
 * directories, sockets, maps. */
#ifndef CONF_PLACES_H
#define CONF_PLACES_H

#include "conf/values.h"

/* The path that text in a file means: as it is if it is absolute, else from
 * the directory of that file. Lives in arena; NULL for want of memory. */
const char *places_absolute(
    struct arena *arena, const struct problem_source *source, const char *text);

/* Each of the following reads a value of the type it is called after into the
 * field of the reading's option, and tells what is wrong with it.
 *
 * A file's or directory's path that need not be there yet. */
void places_path(const struct reading *reading);

/* A file that must be there and be readable, or nothing. */
void places_file(const struct reading *reading);

/* A directory that must be there, if it was written. */
void places_directory(const struct reading *reading);

/* A socket the MTA connects to: "unix:...", "inet:...", "inet6:...", "fd:N". */
void places_socket(const struct reading *reading);

/* The UNIX socket of posternctl, or nothing. */
void places_control(const struct reading *reading);

/* "syslog", "stderr", or a file. */
void places_log_target(const struct reading *reading);

/* "texthash:FILE", read at once; "lmdb:FILE", which must be there;
 * "redis:KEY"; or "socketmap:inet:HOST:PORT:NAME" and
 * "socketmap:unix:PATH:NAME", which need not answer yet. */
void places_map(const struct reading *reading);

/* A URL that says where Redis is, or nothing. It isn't shown again: a password
 * may have been written into it. */
void places_redis(const struct reading *reading);

/* A file of networks and accounts: read at once. */
void places_network_map(const struct reading *reading);

#endif
