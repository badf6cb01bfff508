/* fcrdns: does an address that mail leaves from look like a mail server to the
 * DNS? It has a name (PTR), one of its names has the address (forward-confirmed
 * reverse DNS, RFC 8601 §2.7.3), and the name that is said in HELO has it too
 * (RFC 5321 §4.1.1.1). Many receivers refuse or doubt what hasn't. */
#ifndef MILTER_IO_FCRDNS_H
#define MILTER_IO_FCRDNS_H

#include "milter/io/resolver.h"
#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>

enum fcrdns_state {
	FCRDNS_GOOD,
	FCRDNS_BAD,
	FCRDNS_LOST, /* a look-up failed: it can't be told now */
};

/* What came of it. Text lives in the arena. */
struct fcrdns {
	enum fcrdns_state state;
	const char *name;  /* the confirmed one, or the first; NULL: none */
	const char *words; /* what is wrong and the cure; cleaned; NULL if
			      good */
};

enum { FCRDNS_NAMES = 10 }; /* of an address that are looked at */

/* Ask the DNS about one egress address; all that can be asked at once is.
 * Waits no longer than asker does. False: no memory. */
bool fcrdns_check(struct resolver_asker *asker, const struct egress *egress,
    struct arena *arena, struct fcrdns *fcrdns_out);

#endif
