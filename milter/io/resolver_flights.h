/* resolver_flights: the questions that are under way to the DNS, found by
 * question (so that none is asked twice) and by the ticket that the source of
 * answers has; who waits for them, and who waits for room; what came of them
 * goes to the cache. A flight that is begun is started, which is to ask the
 * source, by who waits for it: so that is never done with a lock held. One user
 * at a time. */
#ifndef MILTER_IO_RESOLVER_FLIGHTS_H
#define MILTER_IO_RESOLVER_FLIGHTS_H

#include "milter/io/resolver_asker.h"
#include "milter/io/resolver_cache.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resolver_flights;
struct suffixes;

/* What time it is. */
struct resolver_time {
	uint64_t ttl_ms;  /* by the clock that TTLs run by */
	uint64_t real_ms; /* by the one that waiting is by */
};

struct resolver_flights_counters {
	uint64_t asked;
	uint64_t lost;
	uint64_t under_way;
};

/* Answers for who has waited long enough, or for whom there is no memory. */
extern const struct dns_answer resolver_no_time;
extern const struct dns_answer resolver_no_memory;

/* None are under way; at most RESOLVER_UNDER_WAY can be. cache is borrowed till
 * close; suffixes as struct resolver_rules has it. NULL: no memory. */
struct resolver_flights *resolver_flights_open(
    struct resolver_cache *cache, const struct suffixes *suffixes);

/* Have slot, a new one about key that isn't in the cache, wait for the answer,
 * or for room; or settle it, if its asker has waited for the like already. True
 * with *ticket_out: the source has to be asked now, by the caller. */
bool resolver_flights_ask(struct resolver_flights *flights,
    struct resolver_slot *slot, const struct resolver_key *key,
    const struct resolver_time *now, uint64_t *ticket_out);

/* Is there so much room that asker may ask about key what may not be needed?
 */
bool resolver_flights_may_hint(struct resolver_flights *flights,
    const struct resolver_asker *asker, const struct resolver_key *key);

/* A slot of asker whose question has to be asked now, by the caller, with
 * *ticket_out; or NULL. */
const struct resolver_slot *resolver_flights_start(
    struct resolver_flights *flights, const struct resolver_asker *asker,
    const struct resolver_time *now, uint64_t *ticket_out);

/* Take the answer to the question of ticket; one that isn't under way is
 * passed over. */
void resolver_flights_told(struct resolver_flights *flights, uint64_t ticket,
    const struct dns_answer *answer, const struct resolver_time *now);

/* Give up what asker has waited for long enough. */
void resolver_flights_give_up(struct resolver_flights *flights,
    struct resolver_asker *asker, const struct resolver_time *now);

/* Asker waits no more; what it waited for goes on, if it is started. */
void resolver_flights_leave(struct resolver_flights *flights,
    struct resolver_asker *asker, const struct resolver_time *now);

/* End what the source has forgotten. */
void resolver_flights_drop_aged(
    struct resolver_flights *flights, const struct resolver_time *now);

/* Forget which domains are dead. */
void resolver_flights_forget(struct resolver_flights *flights);

/* What there was since it was opened, and is under way now. */
struct resolver_flights_counters
resolver_flights_counters(const struct resolver_flights *flights);

/* End all flights, for none of which anybody may be waiting. Empties the
 * pointer; takes NULL. */
void resolver_flights_close(struct resolver_flights **flights);

#endif
