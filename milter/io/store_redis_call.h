/* store_redis_call: one call of the script (store_redis.lua): its words put
 * together, sent, asked again where that is right, and what Redis said made a
 * fault of if it is one. */
#ifndef MILTER_IO_STORE_REDIS_CALL_H
#define MILTER_IO_STORE_REDIS_CALL_H

#include "milter/io/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redisReply;
struct redis_pool;

enum redis_op {
	REDIS_OP_SIMPLE, /* a charge of no recipients, of windows that are
			    charged once each */
	REDIS_OP_CHARGE,
	REDIS_OP_REFUND,
	REDIS_OP_ADD,
	REDIS_OP_RESET,
	REDIS_OP_SET,
	REDIS_OP_UNSET,
	REDIS_OP_TIDY, /* remove overrides that have ended; without any: ask
			  for the time */
};

/* A store. clock_ms and context are set before it is used. */
struct store_redis {
	struct store store; /* first */
	struct redis_pool *pool;
	char *name;
	char *prefix;                        /* "{PREFIX}:" */
	char *control;                       /* "{PREFIX}:c" */
	char *clock;                         /* "{PREFIX}:t" */
	char sha[41];                        /* of the script */
	uint64_t (*clock_ms)(void *context); /* NULL: the server's */
	void *context;
	/* What is known of the server's clock, guarded by lock. */
	pthread_mutex_t lock;
	bool has_time;
	bool has_written;
	bool asks; /* there may be overrides: charges send their fields */
	int64_t offset_ms; /* of it to the monotonic clock */
	uint64_t seen_ms;  /* the latest time that it gave */
};

/* A command under construction. Words may not be used before it is sent, since
 * they move. */
struct redis_words {
	char *octets;
	size_t used, room;
	size_t *starts; /* count + 1 of them */
	size_t count, starts_room;
	bool has_failed; /* no memory */
};

/* What the numbers of a call are, beside those of its parts. */
struct redis_call {
	enum redis_op op;
	bool is_look;
	bool has_control; /* it needs the hash */
	size_t windows, fields, charges, looks, sets;
	struct redis_words keys;   /* windows, then pairs of sets */
	struct redis_words values; /* override fields, recipients, and what an
				      operation has more */
	struct redis_words rooms;  /* one word: of a simple charge, what each
				      window has room for */
	struct redis_words parts;  /* one word: the packed numbers */
};

/* Words appended, and octets to the last word; memory that is missing shows
 * when the call is made. */
void redis_words_begin(struct redis_words *words);
void
redis_words_add(struct redis_words *words, const char *data, size_t length);
void redis_words_clear(struct redis_words *words);

/* A call of nothing yet, and what it holds given back. */
void redis_call_init(struct redis_call *call, enum redis_op op);
void redis_call_clear(struct redis_call *call);

/* Append a double to the rooms. */
void redis_call_put_room(struct redis_call *call, uint64_t number);

/* Append a number to the parts: 1, 2 or 4 octets, a double, a max. */
void redis_call_put(struct redis_call *call, uint64_t number, size_t octets);
void redis_call_put_double(struct redis_call *call, uint64_t number);
void redis_call_put_max(struct redis_call *call, uint64_t max);

/* What came: the packed head without its first octets. */
struct redis_result {
	struct redisReply *reply; /* to be freed by redis_result_clear() */
	uint64_t now_ms;
	bool is_full;     /* it is an array: head, windows, fields, warnings */
	const char *head; /* after status and time */
	size_t head_length;
	bool is_many;  /* there are as many overrides as there may be */
	bool is_blind; /* nothing was done: it has to be sent with fields */
};

/* May there be overrides, so that a charge has to send their fields? Any
 * thread. */
bool redis_call_asks(struct store_redis *redis);

/* Run the script. False with words, *result_out is then empty. Any thread. */
bool redis_call_run(struct store_redis *redis, const struct redis_call *call,
    struct redis_result *result_out, struct fault *fault);

/* Free what it holds; takes an empty one. */
void redis_result_clear(struct redis_result *result);

/* A command that isn't the script; NULL with words, also where Redis answers
 * an error. */
struct redisReply *redis_command(struct store_redis *redis, int count,
    const char *const *words, const size_t *lengths, struct fault *fault);

#endif
