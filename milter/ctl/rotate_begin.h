/* rotate_begin: decides which keys of a domain are exchanged for which, and
 * under which selectors. */
#ifndef MILTER_CTL_ROTATE_BEGIN_H
#define MILTER_CTL_ROTATE_BEGIN_H

#include "milter/ctl/rotate_steps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROTATE_BITS = 2048 }; /* of an RSA key, if nothing else is said */

/* What somebody wants; borrowed. */
struct rotate_order {
	bool wants_rsa, wants_ed25519; /* neither: what the domain has */
	unsigned bits;        /* 0: as its old key, at least ROTATE_BITS */
	const char *selector; /* NULL: by the date */
	enum rotate_way way;
	uint64_t retire_after_s;
	/* Said for this rotation, and not the configuration's: they hold for
	 * one that is under way too. So do servers. */
	bool is_way_said, is_retiring_said;
	const char *const *servers; /* as rotate_servers_read() takes them */
	size_t server_count;        /* at most ROTATE_SERVERS */
	bool must_have_key;         /* leave domains alone that have none */
	uint64_t older_than_s;      /* and those whose newest key is younger */
};

/* May domain, if it has no key, get one, and a directory for that? */
bool
rotate_may_have_first(const struct rotate_order *order, const char *domain);

/* Begin a rotation of row->domain, with files open and locked: decide, and
 * write the state. before is what an earlier one has left, or NULL. True:
 * row->rotation is there to be carried on. False: row->outcome is set. */
bool rotate_begin(const struct rotate_tools *tools,
    const struct rotate_files *files, const struct rotate_order *order,
    const struct rotation *before, struct rotate_row *row);

/* Is what was asked for something else than what is under way? */
bool rotate_is_other(
    const struct rotate_order *order, const struct rotation *rotation);

/* What was said anew of row->rotation, which is under way, holds from now on,
 * with files open and locked. A new way publishes again what isn't shown yet.
 * False: row->outcome is set. */
bool rotate_adopt(const struct rotate_tools *tools,
    const struct rotate_order *order, struct rotate_row *row);

#endif
