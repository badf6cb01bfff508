/* lookup: runs policy's machines (SPF, DMARC, key records): asks what they
 * ask, and what they hint at beside it, and hands them the answers. Several
 * machines run at once, so that what can be asked in parallel is. One user at
 * a time. */
#ifndef MILTER_IO_LOOKUP_H
#define MILTER_IO_LOOKUP_H

#include "milter/io/resolver.h"
#include "policy/dns.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	LOOKUP_MACHINES = 64,
	LOOKUP_HINTS = 100, /* asked beside in one run, of all machines */
};

struct lookup {
	struct resolver_asker *asker;
	struct {
		const struct dns_machine *kind;
		void *machine;
	} machines[LOOKUP_MACHINES];
	size_t count;
};

/* An empty set of machines, whose questions go to asker (borrowed). */
void lookup_init(struct lookup *lookup, struct resolver_asker *asker);

/* Add a machine (borrowed). False: there are LOOKUP_MACHINES already. */
bool lookup_add(
    struct lookup *lookup, const struct dns_machine *kind, void *machine);

/* Run all machines to their end: within the asker's deadline what isn't
 * answered is DNS_LOST to them. Afterwards the set is empty. */
void lookup_run(struct lookup *lookup);

#endif
