/* queue_owner: whose a message in the queue is, as far as its queue file tells:
 * found as the daemon finds it, by login, network, client address and
 * accounts.map. What a queue file doesn't have is left out: a user id, what the
 * identity header said, the authors. */
#ifndef MILTER_CTL_QUEUE_OWNER_H
#define MILTER_CTL_QUEUE_OWNER_H

#include "conf/conf.h"
#include "milter/ctl/envelope.h"
#include "milter/ctl/holder.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>

/* Whose messages are looked for. All is borrowed. */
struct queue_owner {
	const struct conf *conf;
	struct holder *holder; /* to ask accounts.map; NULL: there is none */
	enum limit_key key;
	const char *name;          /* folded, as it is counted */
	const struct mailbox *own; /* of an account: its address; may be all
				      NULL */
	const char *host;          /* what Postfix calls itself */
	struct arena arena;        /* for one message; the caller's to init and
				      clear */
};

/* Can it be found out at all? False with words. */
bool
queue_owner_can_tell(enum limit_key key, const char *name, struct fault *fault);

/* Is the message his? context is a struct queue_owner; a queue_match. What came
 * through a trusted host without a login, whose identity header a queue file
 * doesn't show, is the account's whose address is its envelope sender. */
bool queue_owner_is(void *context, const struct envelope *envelope);

#endif
