/* leaving: which addresses a message leaves from: as egress_map says, else all
 * of egress. Shared by the daemon and posternctl. */
#ifndef MILTER_LEAVING_H
#define MILTER_LEAVING_H

#include "conf/conf.h"
#include "milter/io/tables.h"
#include "policy/address.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* The egress addresses of one message. */
struct leaving {
	const struct egress *egress;
	size_t count; /* 0: it isn't known where mail leaves from */
};

/* Find them for the recipients' transport (NULL: not known, or not the same)
 * and the envelope sender (domain NULL: the null sender). tables may be NULL
 * where there is no egress_map. What lives in arena does so, the rest in conf.
 * False with words: the map can't be asked, or says what can't be read; then
 * there are none: it isn't known. Any thread. */
bool leaving_find(const struct conf *conf, struct tables *tables,
    const char *transport, const struct mailbox *sender, struct arena *arena,
    struct leaving *leaving_out, struct fault *fault);

#endif
