/* holder: what accounts.map says of an account: under which name it is
 * counted, whose it is, and which plan it has. */
#ifndef MILTER_CTL_HOLDER_H
#define MILTER_CTL_HOLDER_H

#include "conf/conf.h"
#include "milter/io/redis_pool.h"
#include "milter/io/tables.h"
#include "policy/account.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>

/* Mere data. */
struct holder {
	const struct conf *conf; /* borrowed */
	struct redis_pool *pool;
	struct tables *tables; /* NULL: there is no accounts.map */
};

/* Get ready to ask accounts.map, as the daemon's user. False with words; it is
 * to be closed in either case. */
bool holder_open(
    struct holder *holder, const struct conf *conf, struct fault *fault);

/* Make of account what the map says of it. False with words: it can't be
 * asked, or has a value that can't be read; the account then is as it was. */
bool holder_find(struct holder *holder, struct account *account,
    struct arena *arena, struct fault *fault);

/* The plan that an account has; NULL: none at all. */
const struct plan *
holder_plan(const struct conf *conf, const struct account *account);

/* Close it. Empties it; takes an empty one. */
void holder_close(struct holder *holder);

#endif
