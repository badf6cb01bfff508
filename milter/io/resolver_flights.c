#include "milter/io/resolver_flights.h"

#include "milter/io/resolver_dead.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A source that never answers must not keep a place for ever. */
enum { FLIGHT_MS = 120000 };

struct resolver_flight {
	LIST_ENTRY(resolver_flight) chain;
	TAILQ_ENTRY(resolver_flight) age;
	uint64_t ticket;
	uint64_t begun_ms;              /* or started, by the real clock */
	struct resolver_domain *domain; /* whose it is; entered */
	struct resolver_slots slots;    /* that wait for it */
	bool is_started;                /* the source was asked */
	bool is_given_up;               /* by somebody */
	struct resolver_key key;
};

LIST_HEAD(flight_chain, resolver_flight);
TAILQ_HEAD(flight_list, resolver_flight);

/* A ticket is a place and how often places were given away before. */
struct resolver_flights {
	struct resolver_cache *cache;
	struct resolver_dead *dead;
	struct resolver_queue queue; /* who waits for room among all */
	uint64_t asked;
	uint64_t lost;

	struct flight_chain chains[RESOLVER_UNDER_WAY];
	struct flight_list list; /* the oldest first */
	struct resolver_flight *places[RESOLVER_UNDER_WAY];
	uint16_t free_places[RESOLVER_UNDER_WAY];
	size_t free_count;
	uint64_t given_away;
};

const struct dns_answer resolver_no_time = { .status = DNS_LOST,
	.ttl_s = RESOLVER_LOST_MS / 1000,
	.why = "no answer in time" };
const struct dns_answer resolver_no_memory = { .status = DNS_LOST,
	.ttl_s = RESOLVER_LOST_MS / 1000,
	.why = "out of memory" };
static const struct dns_answer too_busy = { .status = DNS_LOST,
	.ttl_s = RESOLVER_LOST_MS / 1000,
	.why = "too many questions are under way" };

struct resolver_flights *
resolver_flights_open(
    struct resolver_cache *cache, const struct suffixes *suffixes)
{
	struct resolver_flights *flights = calloc(1, sizeof(*flights));

	if (flights == NULL)
		return NULL;
	flights->cache = cache;
	flights->dead = resolver_dead_open(suffixes);
	if (flights->dead == NULL) {
		free(flights);
		return NULL;
	}
	TAILQ_INIT(&flights->queue);
	TAILQ_INIT(&flights->list);
	while (flights->free_count < RESOLVER_UNDER_WAY) {
		flights->free_places[flights->free_count] =
		    (uint16_t)flights->free_count;
		flights->free_count++;
	}
	return flights;
}

/* ---- the flights themselves ---- */

static struct flight_chain *
chain_of(struct resolver_flights *flights, uint64_t hash)
{
	return &flights->chains[hash % RESOLVER_UNDER_WAY];
}

static struct resolver_flight *
find(struct resolver_flights *flights, const struct resolver_key *key)
{
	struct resolver_flight *flight;

	LIST_FOREACH(flight, chain_of(flights, key->hash), chain)
	if (flight->key.hash == key->hash && flight->key.type == key->type
	    && strcmp(flight->key.name, key->name) == 0)
		break;
	return flight;
}

/* One more below domain, with a ticket that none had before; there is a place.
 * NULL: no memory. */
static struct resolver_flight *
begin(struct resolver_flights *flights, const struct resolver_key *key,
    struct resolver_domain *domain, uint64_t real_ms)
{
	struct resolver_flight *flight = calloc(1, sizeof(*flight));
	uint16_t place;

	if (flight == NULL)
		return NULL;
	place = flights->free_places[--flights->free_count];
	flights->places[place] = flight;
	flight->ticket = flights->given_away++ * RESOLVER_UNDER_WAY + place;
	flight->begun_ms = real_ms;
	LIST_INIT(&flight->slots);
	flight->key = *key;
	flight->domain = domain;
	resolver_dead_enter_again(domain);
	resolver_dead_asked(domain);
	LIST_INSERT_HEAD(chain_of(flights, key->hash), flight, chain);
	TAILQ_INSERT_TAIL(&flights->list, flight, age);
	return flight;
}

static void
take_out(struct resolver_flights *flights, struct resolver_flight *flight)
{
	uint16_t place = (uint16_t)(flight->ticket % RESOLVER_UNDER_WAY);

	flights->places[place] = NULL;
	flights->free_places[flights->free_count++] = place;
	resolver_dead_done(flight->domain);
	LIST_REMOVE(flight, chain);
	TAILQ_REMOVE(&flights->list, flight, age);
	free(flight);
}

/* How long flight has been under way; the time may be from before. */
static uint64_t
age_of(const struct resolver_flight *flight, const struct resolver_time *now)
{
	return flight->is_started && now->real_ms > flight->begun_ms
	    ? now->real_ms - flight->begun_ms
	    : 0;
}

/* The ticket of flight, for who starts it. */
static uint64_t
take(struct resolver_flights *flights, struct resolver_flight *flight,
    const struct resolver_time *now)
{
	flight->is_started = true;
	flight->begun_ms = now->real_ms;
	flights->asked++;
	return flight->ticket;
}

/* ---- room ---- */

/* A flight about key, below domain: one that is there or a new one, which
 * somebody has to start. NULL: there is no room yet, for which one waits in
 * *queue_out, or (that is NULL too) no memory. */
static struct resolver_flight *
flight_for(struct resolver_flights *flights, const struct resolver_key *key,
    struct resolver_domain *domain, uint64_t real_ms,
    struct resolver_queue **queue_out)
{
	struct resolver_flight *flight = find(flights, key);

	*queue_out = NULL;
	if (flight != NULL)
		return flight;
	if (!resolver_dead_has_room(domain))
		*queue_out = resolver_dead_queue(domain);
	else if (flights->free_count == 0)
		*queue_out = &flights->queue;
	else
		return begin(flights, key, domain, real_ms);
	return NULL;
}

/* Have slot, which is pending, wait for flight, which its asker may have to
 * start. */
static void
join(struct resolver_slot *slot, struct resolver_flight *flight)
{
	resolver_slot_join(slot, flight, &flight->slots);
	if (!flight->is_started)
		resolver_asker_wake(slot->asker);
}

/* There may be room for slot, which waits for some. */
static void
look_for_room(struct resolver_flights *flights, struct resolver_slot *slot,
    const struct resolver_time *now)
{
	struct resolver_key key = { .hash = slot->hash, .type = slot->type };
	struct resolver_domain *domain = slot->queue_domain;
	struct resolver_flight *flight = NULL;
	struct resolver_queue *queue = NULL;
	struct resolver_known *known;

	memcpy(key.name, slot->name, strlen(slot->name) + 1);
	resolver_dead_enter_again(domain);
	resolver_slot_leave(slot);
	/* Somebody else may have asked meanwhile. */
	known = resolver_cache_find(flights->cache, &key, now->ttl_ms);
	if (known == NULL)
		flight =
		    flight_for(flights, &key, domain, now->real_ms, &queue);
	if (flight != NULL)
		join(slot, flight);
	else if (queue != NULL)
		resolver_slot_queue(slot, queue, domain);
	else
		resolver_slot_tell(
		    slot, known, &resolver_no_memory, now->ttl_ms);
	resolver_known_drop(known);
	resolver_dead_leave(domain);
}

/* A flight below domain has ended: that is first for who waits for room among
 * all, so that no domain keeps its places for itself alone. */
static void
give_room(struct resolver_flights *flights, struct resolver_domain *domain,
    const struct resolver_time *now)
{
	struct resolver_queue *queue = resolver_dead_queue(domain);

	while (!TAILQ_EMPTY(&flights->queue) && flights->free_count > 0)
		look_for_room(flights, TAILQ_FIRST(&flights->queue), now);
	while (!TAILQ_EMPTY(queue) && resolver_dead_has_room(domain))
		look_for_room(flights, TAILQ_FIRST(queue), now);
}

static void
end(struct resolver_flights *flights, struct resolver_flight *flight,
    const struct resolver_time *now)
{
	struct resolver_domain *domain = flight->domain;

	take_out(flights, flight);
	give_room(flights, domain, now);
	resolver_dead_leave(domain);
}

/* One has left flight: what nobody has started needs somebody who waits for
 * it. */
static void
tend(struct resolver_flights *flights, struct resolver_flight *flight,
    const struct resolver_time *now)
{
	const struct resolver_slot *slot = LIST_FIRST(&flight->slots);

	if (flight->is_started)
		return;
	if (slot != NULL)
		resolver_asker_wake(slot->asker);
	else
		end(flights, flight, now);
}

/* ---- asking ---- */

/* Until when slot waits for an answer from below domain; 0: as long as for any
 * other. */
static uint64_t
short_until(const struct resolver_dead *dead, struct resolver_slot *slot,
    const struct resolver_domain *domain, uint64_t real_ms)
{
	struct resolver_asker *asker = slot->asker;

	if (!resolver_dead_is(dead, domain))
		return 0;
	if (!resolver_dead_is_all(dead))
		return resolver_asker_short_until(
		    slot, resolver_dead_id(domain), real_ms);
	if (asker->all_dead_until_ms == 0)
		asker->all_dead_until_ms = real_ms + RESOLVER_SHORT_MS;
	return asker->all_dead_until_ms;
}

/* Have slot wait for flight, or in queue for room below domain. */
static void
hold(struct resolver_slot *slot, struct resolver_flight *flight,
    struct resolver_queue *queue, struct resolver_domain *domain)
{
	LIST_INSERT_HEAD(&slot->asker->pending, slot, pending);
	if (flight != NULL)
		join(slot, flight);
	else
		resolver_slot_queue(slot, queue, domain);
}

bool
resolver_flights_ask(struct resolver_flights *flights,
    struct resolver_slot *slot, const struct resolver_key *key,
    const struct resolver_time *now, uint64_t *ticket_out)
{
	struct resolver_domain *domain =
	    resolver_dead_enter(flights->dead, key->name);
	struct resolver_flight *flight = NULL;
	struct resolver_queue *queue = NULL;

	if (domain != NULL)
		flight = flight_for(flights, key, domain, now->real_ms, &queue);
	if (flight == NULL && queue == NULL)
		resolver_slot_settle(slot, NULL, &resolver_no_memory, 0);
	else {
		slot->short_until_ms =
		    short_until(flights->dead, slot, domain, now->real_ms);
		if (slot->short_until_ms == 0
		    || slot->short_until_ms > now->real_ms)
			hold(slot, flight, queue, domain);
		else
			resolver_slot_settle(slot, NULL,
			    flight != NULL ? &resolver_no_time : &too_busy, 0);
	}
	if (domain != NULL)
		resolver_dead_leave(domain);
	if (flight == NULL || flight->is_started)
		return false;
	*ticket_out = take(flights, flight, now);
	return true;
}

bool
resolver_flights_may_hint(struct resolver_flights *flights,
    const struct resolver_asker *asker, const struct resolver_key *key)
{
	struct resolver_domain *domain;
	bool may;

	if (asker->hints >= RESOLVER_HINTS
	    || flights->free_count < RESOLVER_UNDER_WAY / 2)
		return false;
	domain = resolver_dead_enter(flights->dead, key->name);
	if (domain == NULL)
		return false;
	may = resolver_dead_has_half(domain)
	    && !resolver_dead_is(flights->dead, domain);
	resolver_dead_leave(domain);
	return may;
}

const struct resolver_slot *
resolver_flights_start(struct resolver_flights *flights,
    const struct resolver_asker *asker, const struct resolver_time *now,
    uint64_t *ticket_out)
{
	const struct resolver_slot *slot;

	LIST_FOREACH(slot, &asker->pending, pending)
	if (slot->flight != NULL && !slot->flight->is_started) {
		*ticket_out = take(flights, slot->flight, now);
		break;
	}
	return slot;
}

/* ---- what comes of it ---- */

static void
tell_all(struct resolver_flight *flight, struct resolver_known *known,
    const struct dns_answer *fixed, const struct resolver_time *now)
{
	struct resolver_slot *slot;

	while ((slot = LIST_FIRST(&flight->slots)) != NULL)
		resolver_slot_tell(slot, known, fixed, now->ttl_ms);
}

/* How long an answer is kept. */
static uint64_t
kept_ms(const struct dns_answer *answer)
{
	uint64_t most = answer->status == DNS_FOUND ? RESOLVER_TTL_MAX_S
						    : RESOLVER_NEGATIVE_MAX_S;
	uint64_t ttl_s = answer->ttl_s;

	if (answer->status == DNS_LOST)
		return RESOLVER_LOST_MS;
	if (ttl_s < RESOLVER_TTL_MIN_S)
		ttl_s = RESOLVER_TTL_MIN_S;
	return (ttl_s < most ? ttl_s : most) * 1000;
}

/* Keep answer as the one to flight's question; held for the caller. NULL: no
 * memory. */
static struct resolver_known *
keep(struct resolver_flights *flights, const struct resolver_flight *flight,
    const struct dns_answer *answer, const struct resolver_time *now)
{
	struct resolver_known *known = resolver_known_make(
	    &flight->key, answer, now->ttl_ms + kept_ms(answer));

	if (known != NULL)
		resolver_cache_keep(flights->cache, known, now->ttl_ms);
	if (answer->status == DNS_LOST && !flight->is_given_up)
		flights->lost++;
	return known;
}

void
resolver_flights_told(struct resolver_flights *flights, uint64_t ticket,
    const struct dns_answer *answer, const struct resolver_time *now)
{
	struct resolver_flight *flight =
	    flights->places[ticket % RESOLVER_UNDER_WAY];
	struct resolver_known *known;

	if (flight == NULL || flight->ticket != ticket)
		return;
	known = keep(flights, flight, answer, now);
	if (answer->status != DNS_LOST)
		resolver_dead_answered(
		    flights->dead, flight->domain, now->real_ms);
	else if (age_of(flight, now) >= RESOLVER_SHORT_MS)
		/* Who waited so long for nothing has waited for all of the
		 * domain. */
		resolver_dead_gave_up(
		    flights->dead, flight->domain, flight->begun_ms);
	tell_all(flight, known, &resolver_no_memory, now);
	resolver_known_drop(known);
	end(flights, flight, now);
}

/* Nobody waits for the answer to flight any longer than was waited; what others
 * get meanwhile, held for the caller. But who has no time left is no judge of
 * a flight that has only begun: it goes on for all others. NULL: so it is, or
 * no memory. */
static struct resolver_known *
give_up(struct resolver_flights *flights, struct resolver_flight *flight,
    const struct resolver_time *now)
{
	struct resolver_known *known;

	if (age_of(flight, now) < RESOLVER_SHORT_MS)
		return NULL;
	known = keep(flights, flight, &resolver_no_time, now);
	flight->is_given_up = true;
	resolver_dead_gave_up(flights->dead, flight->domain, flight->begun_ms);
	return known;
}

/* One that has been waited for long enough; or NULL. */
static struct resolver_slot *
due(const struct resolver_asker *asker, uint64_t real_ms)
{
	struct resolver_slot *slot;

	LIST_FOREACH(slot, &asker->pending, pending)
	if (resolver_slot_until(slot) <= real_ms)
		break;
	return slot;
}

void
resolver_flights_give_up(struct resolver_flights *flights,
    struct resolver_asker *asker, const struct resolver_time *now)
{
	struct resolver_slot *slot;

	/* Each may make room for others, also of this asker. */
	while ((slot = due(asker, now->real_ms)) != NULL) {
		struct resolver_flight *flight = slot->flight;
		struct resolver_known *known = NULL;

		if (flight != NULL)
			known = give_up(flights, flight, now);
		resolver_slot_tell(slot, known,
		    flight != NULL ? &resolver_no_time : &too_busy,
		    now->ttl_ms);
		resolver_known_drop(known);
		if (flight != NULL)
			tend(flights, flight, now);
	}
}

void
resolver_flights_leave(struct resolver_flights *flights,
    struct resolver_asker *asker, const struct resolver_time *now)
{
	struct resolver_slot *slot;

	while ((slot = LIST_FIRST(&asker->pending)) != NULL) {
		struct resolver_flight *flight = slot->flight;

		resolver_slot_leave(slot);
		LIST_REMOVE(slot, pending);
		if (flight != NULL)
			tend(flights, flight, now);
	}
}

void
resolver_flights_drop_aged(
    struct resolver_flights *flights, const struct resolver_time *now)
{
	struct resolver_flight *flight;

	while ((flight = TAILQ_FIRST(&flights->list)) != NULL
	    && now->real_ms > flight->begun_ms + FLIGHT_MS) {
		struct resolver_known *known = give_up(flights, flight, now);

		tell_all(flight, known, &resolver_no_time, now);
		resolver_known_drop(known);
		end(flights, flight, now);
	}
}

/* ---- the rest ---- */

void
resolver_flights_forget(struct resolver_flights *flights)
{
	resolver_dead_forget(flights->dead);
}

struct resolver_flights_counters
resolver_flights_counters(const struct resolver_flights *flights)
{
	return (struct resolver_flights_counters){ .asked = flights->asked,
		.lost = flights->lost,
		.under_way = RESOLVER_UNDER_WAY - flights->free_count };
}

void
resolver_flights_close(struct resolver_flights **flights)
{
	const struct resolver_time never = { 0 };
	struct resolver_flight *flight;

	if (*flights == NULL)
		return;
	while ((flight = TAILQ_FIRST(&(*flights)->list)) != NULL) {
		assert(LIST_EMPTY(&flight->slots));
		end(*flights, flight, &never);
	}
	resolver_dead_close(&(*flights)->dead);
	free(*flights);
	*flights = NULL;
}
