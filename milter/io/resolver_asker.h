/* resolver_asker: the questions of one message, each with its answer once
 * there is one. Made and read by the message's own thread; what is said to be
 * locked belongs to the resolver's lock until the slot is answered. */
#ifndef MILTER_IO_RESOLVER_ASKER_H
#define MILTER_IO_RESOLVER_ASKER_H

#include "milter/io/resolver.h"
#include "milter/io/resolver_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct resolver_block;
struct resolver_domain;
struct resolver_flight;

/* Questions of askers, in any order, and in the order of their coming. */
LIST_HEAD(resolver_slots, resolver_slot);
TAILQ_HEAD(resolver_queue, resolver_slot);

/* One question. */
struct resolver_slot {
	struct resolver_asker *asker;
	struct resolver_slot *next; /* of the same chain */
	uint64_t hash;
	enum dns_type type;
	const char *name; /* of known, or own_name */
	char *own_name;   /* NULL: of known */

	/* Not waited for beyond short_until_ms; 0: as long as all others. One
	 * of the questions below a dead domain is in the list of such. */
	uint64_t short_until_ms;
	uint64_t domain;
	struct resolver_slot *next_short;

	/* Locked: what it waits for, one of the two; both NULL once answered.
	 * A slot that waits for room has entered its domain. */
	struct resolver_flight *flight;
	struct resolver_queue *queue;
	struct resolver_domain *queue_domain;
	LIST_ENTRY(resolver_slot) waits;   /* of the flight */
	TAILQ_ENTRY(resolver_slot) queued; /* of the queue */
	LIST_ENTRY(resolver_slot) pending; /* of the asker */
	bool is_hint;                      /* one of the asker's hints */

	struct resolver_known *known; /* held; NULL: a fixed answer */
	struct dns_answer answer;     /* known's, with the TTL that is left */
	atomic_bool is_answered;      /* then the two above are there */
};

struct resolver_asker {
	struct resolver *resolver;
	uint64_t deadline_ms;       /* by the real clock */
	uint64_t all_dead_until_ms; /* what it waits while all seems dead; 0:
				       it hasn't yet */
	size_t count;
	struct resolver_block *first;
	struct resolver_block *last;
	struct resolver_slot **chains; /* of what isn't in first; or NULL */
	struct resolver_slot *shorts;  /* one below each dead domain */
	bool is_cold; /* it had to ask what wasn't in the cache */

	/* Locked; the condition is ready from the first wait on. */
	struct resolver_slots pending;
	size_t hints; /* pending ones that were only hinted at */
	pthread_cond_t changed;
	bool has_condition;
	bool has_news; /* since resolver_wait() last returned */
};

/* One without questions. NULL: no memory. */
struct resolver_asker *
resolver_asker_make(struct resolver *resolver, uint64_t deadline_ms);

/* The slot of key; NULL if it wasn't asked. */
struct resolver_slot *resolver_asker_find(
    struct resolver_asker *asker, const struct resolver_key *key);

/* A slot for key, unanswered. name: that of known (NULL: it is copied). NULL:
 * there are RESOLVER_QUESTIONS, or no memory. */
struct resolver_slot *resolver_asker_add(struct resolver_asker *asker,
    const struct resolver_key *key, struct resolver_known *known);

/* Until when the asker of slot waits for what is below domain, which is dead:
 * once RESOLVER_SHORT_MS for all of it. */
uint64_t resolver_asker_short_until(
    struct resolver_slot *slot, uint64_t domain, uint64_t now_ms);

/* Have it wait no longer, so that it looks about. Locked. */
void resolver_asker_wake(struct resolver_asker *asker);

/* Wait until somebody wakes it, or until_ms of the real clock. lock: the
 * resolver's, held. */
void resolver_asker_sleep(
    struct resolver_asker *asker, pthread_mutex_t *lock, uint64_t until_ms);

/* Free it with all its slots, none of which is waiting. */
void resolver_asker_free(struct resolver_asker *asker);

/* Have slot, which waits for nothing, wait for flight, whose slots are these.
 * Locked. */
void resolver_slot_join(struct resolver_slot *slot,
    struct resolver_flight *flight, struct resolver_slots *slots);

/* Have slot, which waits for nothing, wait in queue for room below domain.
 * Locked. */
void resolver_slot_queue(struct resolver_slot *slot,
    struct resolver_queue *queue, struct resolver_domain *domain);

/* Have slot wait for neither any longer. Locked. */
void resolver_slot_leave(struct resolver_slot *slot);

/* Until when slot is waited for, by the real clock. */
uint64_t resolver_slot_until(const struct resolver_slot *slot);

/* Give slot, which waits for nothing, its answer: known's, with the TTL that
 * is left at now_ms, or a fixed one where known is NULL. */
void
resolver_slot_settle(struct resolver_slot *slot, struct resolver_known *known,
    const struct dns_answer *fixed, uint64_t now_ms);

/* The same for one that waits, whose asker hears of it. Locked. */
void
resolver_slot_tell(struct resolver_slot *slot, struct resolver_known *known,
    const struct dns_answer *fixed, uint64_t now_ms);

/* The answer of slot; NULL: none yet. */
const struct dns_answer *resolver_slot_answer(const struct resolver_slot *slot);

#endif
