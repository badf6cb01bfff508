/* rotate_servers: the authoritative name servers of a name, as the configured
 * resolver knows them: the NS records of the nearest zone, and all their
 * addresses. The name itself is never asked for: that there is nothing yet
 * would be remembered by resolvers, also by those that verify mail. */
#ifndef MILTER_CTL_ROTATE_SERVERS_H
#define MILTER_CTL_ROTATE_SERVERS_H

#include "milter/ctl/rotate_ask.h"
#include "milter/io/resolver.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROTATE_SERVERS_NAMES = 16 };

/* What lives in the arena it was found with. */
struct rotate_zone {
	const char *name;
	bool is_above; /* the name that was looked for isn't in the DNS */
	const char *names[ROTATE_SERVERS_NAMES];
	size_t name_count;
	struct rotate_server servers[ROTATE_ASK_SERVERS];
	size_t count;
	/* Names of which no address is known; they are some of the above. */
	const char *lost[ROTATE_SERVERS_NAMES];
	size_t lost_count;
};

/* Find the zone that name lies in, and its servers. False with words: it can't
 * be found now (FAULT_TEMPORARY), or there is none. */
bool rotate_servers_find(struct resolver_asker *asker, const char *name,
    struct arena *arena, struct rotate_zone *zone_out, struct fault *fault);

/* Find the addresses of the servers zone->names. */
void
rotate_servers_resolve(struct resolver_asker *asker, struct rotate_zone *zone);

/* "ADDRESS" or "ADDRESS@PORT", as somebody typed it, which stays borrowed.
 * False: it is none. */
bool rotate_servers_read(const char *typed, struct rotate_server *server_out);

#endif
