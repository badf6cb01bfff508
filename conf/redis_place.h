/* redis_place: what store.url says of where Redis is. Valkey is meant alike.
 *
 *   redis://[USER@]HOST[:PORT][/DB]
 *   rediss://...                                    the same with TLS
 *   redis+unix:///PATH[?db=N][&user=USER]
 *   redis+sentinel://[USER@]HOST[:PORT],.../NAME[/DB]
 *   redis+cluster://[USER@]HOST[:PORT],...
 *
 * Plain data, immutable once read. */
#ifndef CONF_REDIS_PLACE_H
#define CONF_REDIS_PLACE_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum redis_kind { REDIS_TCP, REDIS_UNIX, REDIS_SENTINEL, REDIS_CLUSTER };

enum { REDIS_HOSTS = 16 }; /* most that a URL may list */

struct redis_host {
	const char *name; /* host name or address, IPv6 without brackets */
	uint16_t port;
};

struct redis_place {
	enum redis_kind kind;
	bool is_tls;
	const char *shown; /* the URL, for messages; it holds no secret */
	const char *user;  /* "" none: the default user */
	const char *path;  /* REDIS_UNIX: absolute; else "" */
	struct redis_host hosts[REDIS_HOSTS]; /* the sentinels' or nodes' */
	size_t host_count;
	const char *master; /* REDIS_SENTINEL: its name there; else "" */
	unsigned database;  /* 0 in a cluster */
};

/* Read a URL; everything lives in arena. False with words that say what would
 * be right: a password in the URL is refused too (password_file has it), since
 * a configuration may be read by many. Any thread. */
bool redis_place_read(const char *url, struct arena *arena,
    struct redis_place *place_out, struct fault *fault);

#endif
