/* places: values that name something outside of the configuration: paths,
 * directories, sockets. */
#ifndef CONF_PLACES_H
#define CONF_PLACES_H

#include "conf/values.h"

/* The path that text in a file means: as it is if it is absolute, else from
 * the directory of that file. Lives in arena; NULL for want of memory. */
const char *places_absolute(
    struct arena *arena, const struct problem_source *source, const char *text);

/* The absolute path of a value, or of what stands behind its prefix. NULL if
 * it can't be one, or is longer than maximum; then that was told. */
const char *
places_path_of(const struct reading *reading, const char *text, size_t maximum);

/* Tell what is wrong with a path: "OPTION: PATH: WORDS". */
void places_refuse(
    const struct reading *reading, const char *path, const char *words);

/* Can the file be read by whom it is read now? 0, or the errno; EINVAL if it is
 * no file. */
int places_file_problem(const char *path);

/* The path of a unix socket, without "unix:"; NULL as above. */
const char *places_unix_socket(const struct reading *reading, const char *text);

/* Is it an address or a domain name? */
bool places_is_host(const char *host);

/* The length of prefix if text begins with it, else 0. */
size_t places_prefixed(const char *text, const char *prefix);

/* The absolute path of a file that must be there and be readable; text is the
 * value, or what stands behind its prefix. NULL if it can't be a path. What is
 * wrong was told. */
const char *places_readable(const struct reading *reading, const char *text);

/* Each of the following reads a value of the type it is called after into the
 * field of the reading's option, and tells what is wrong with it.
 *
 * A file's or directory's path that need not be there yet. */
void places_path(const struct reading *reading);

/* A file that must be there and be readable, or nothing. */
void places_file(const struct reading *reading);

/* A program that somebody may execute, or nothing. */
void places_program(const struct reading *reading);

/* A directory that must be there, if it was written. */
void places_directory(const struct reading *reading);

/* A socket the MTA connects to: "unix:...", "inet:...", "inet6:...", "fd:N". */
void places_socket(const struct reading *reading);

/* The UNIX socket of posternctl, or nothing. */
void places_control(const struct reading *reading);

/* "syslog", "stderr", or a file. */
void places_log_target(const struct reading *reading);

/* A URL that says where Redis is, or nothing. It isn't shown again: a password
 * may have been written into it. */
void places_redis(const struct reading *reading);

/* A file of networks and accounts: read at once. */
void places_network_map(const struct reading *reading);

#endif
