/* redis_answer: errors of Redis that mean that another node, or this one
 * later, is to be asked. Pure. */
#ifndef MILTER_IO_REDIS_ANSWER_H
#define MILTER_IO_REDIS_ANSWER_H

#include "milter/io/redis_node.h"

#include <stdbool.h>

struct redisReply;

enum redis_answer_kind {
	REDIS_ANSWER_OWN,     /* the command's own: a value or an error */
	REDIS_ANSWER_WRONG,   /* READONLY, LOADING, MASTERDOWN: not (yet) it */
	REDIS_ANSWER_MOVED,   /* the slot is at another node from now on */
	REDIS_ANSWER_ASK,     /* this key may be there already */
	REDIS_ANSWER_AGAIN,   /* TRYAGAIN: its keys are on two nodes */
	REDIS_ANSWER_DOWN,    /* CLUSTERDOWN: nobody has the slot */
	REDIS_ANSWER_REFUSED, /* NOAUTH, NOPERM: someone must mend something */
	REDIS_ANSWER_FULL,    /* too many clients: it wasn't read */
};

/* What an answer of from means. REDIS_ANSWER_MOVED and REDIS_ANSWER_ASK fill
 * *slot_out and *node_out; a MOVED or ASK that can't be read is
 * REDIS_ANSWER_DOWN. Any thread. */
enum redis_answer_kind redis_answer_kind(const struct redisReply *answer,
    const struct redis_node *from, unsigned *slot_out,
    struct redis_node *node_out);

#endif
