/* queue: looks for messages in Postfix's queue, and puts them on hold. */
#ifndef MILTER_CTL_QUEUE_H
#define MILTER_CTL_QUEUE_H

#include "milter/ctl/envelope.h"
#include "milter/ctl/runner.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum { QUEUE_MOST = 1000000 }; /* messages that are looked at */

/* Is the message one of those that are looked for? */
typedef bool queue_match(void *context, const struct envelope *envelope);

/* A message that is. The strings live in the arena. */
struct queue_found {
	struct queued queued; /* queued.queue: where it was last seen; "gone" if
				 it has left meanwhile */
	const char *login;    /* "" without one */
};

/* What came of a search. */
struct queue {
	struct queue_found *list; /* in the order of their ids */
	size_t count;
	size_t room;
	size_t looked_at; /* messages whose envelopes were read */
	size_t unread;    /* those that couldn't be */
};

/* Look at every message of the queue once, and if is_hold put those that match
 * on hold as soon as they are found. Messages that leave meanwhile don't
 * disturb; each time one did, the queue is listed anew. Shows how far it is on
 * a terminal. False with words: not all could be looked at; *queue_out has
 * those found so far, and is to be cleared in either case. */
bool queue_search(struct runner *runner, bool is_hold, queue_match *match,
    void *context, struct arena *arena, struct queue *queue_out,
    struct fault *fault);

/* How many of those found are on hold. */
size_t queue_held(const struct queue *queue);

/* What this host's Postfix calls itself, in the arena. NULL with words. */
const char *
queue_host(struct runner *runner, struct arena *arena, struct fault *fault);

/* Free the list. Empties it. */
void queue_clear(struct queue *queue);

#endif
