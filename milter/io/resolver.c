#include "milter/io/resolver.h"

#include "milter/io/clock.h"
#include "milter/io/resolver_asker.h"
#include "milter/io/resolver_cache.h"
#include "milter/io/resolver_flights.h"
#include "milter/io/resolver_unbound.h"

#include <pthread.h>
#include <stdlib.h>

struct resolver {
	struct resolver_cache *cache;
	struct resolver_source source;
	struct resolver_unbound *unbound; /* NULL: a source of others */
	uint64_t (*clock_ms)(void *context);
	void *clock_context;

	/* Of all that follows, and of what is said to be locked in askers and
	 * flights. Only who finds no answer in the cache takes it; the lock of
	 * a shard may be taken with it, never the other way round. The source
	 * is asked without it, by the thread of one who waits for it. */
	pthread_mutex_t lock;
	struct resolver_flights *flights;
};

static const struct dns_answer not_a_name = { .status = DNS_NXDOMAIN,
	.ttl_s = RESOLVER_NEGATIVE_MAX_S };
static const struct dns_answer too_many = { .status = DNS_LOST,
	.ttl_s = RESOLVER_LOST_MS / 1000,
	.why = "too many questions for one message" };

static uint64_t
system_clock_ms(void *context)
{
	(void)context;
	return clock_monotonic_ms();
}

static uint64_t
now_of(const struct resolver *resolver)
{
	return resolver->clock_ms(resolver->clock_context);
}

static struct resolver_time
time_of(const struct resolver *resolver)
{
	return (struct resolver_time){ .ttl_ms = now_of(resolver),
		.real_ms = clock_monotonic_ms() };
}

/* ---- opening and closing ---- */

struct resolver *
resolver_open_with(const struct resolver_rules *rules,
    const struct resolver_source *source, struct fault *fault)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));

	if (resolver == NULL
	    || pthread_mutex_init(&resolver->lock, NULL) != 0) {
		free(resolver);
		fault_memory(fault);
		return NULL;
	}
	resolver->clock_ms = system_clock_ms;
	resolver->source = *source;
	resolver->cache = resolver_cache_open(rules->cache_bytes);
	if (resolver->cache != NULL)
		resolver->flights =
		    resolver_flights_open(resolver->cache, rules->suffixes);
	if (resolver->flights == NULL) {
		fault_memory(fault);
		resolver_close(&resolver);
	}
	return resolver;
}

struct resolver *
resolver_open(const struct resolver_rules *rules, struct fault *fault)
{
	struct resolver_source source = { .start = resolver_unbound_start,
		.context = resolver_unbound_open(rules, fault) };
	struct resolver_unbound *unbound = source.context;
	struct resolver *resolver;

	if (unbound == NULL)
		return NULL;
	resolver = resolver_open_with(rules, &source, fault);
	if (resolver != NULL)
		resolver->unbound = unbound;
	else
		resolver_unbound_close(&unbound);
	return resolver;
}

void
resolver_set_clock(struct resolver *resolver,
    uint64_t (*clock_ms)(void *context), void *context)
{
	resolver->clock_ms = clock_ms;
	resolver->clock_context = context;
}

void
resolver_told(
    struct resolver *resolver, uint64_t ticket, const struct dns_answer *answer)
{
	struct resolver_time now;

	(void)pthread_mutex_lock(&resolver->lock);
	now = time_of(resolver);
	resolver_flights_told(resolver->flights, ticket, answer, &now);
	(void)pthread_mutex_unlock(&resolver->lock);
}

/* ---- asking ---- */

struct resolver_asker *
resolver_begin(struct resolver *resolver, uint64_t timeout_ms)
{
	uint64_t now_ms = clock_monotonic_ms();

	return resolver_asker_make(resolver,
	    timeout_ms < UINT64_MAX - now_ms ? now_ms + timeout_ms
					     : UINT64_MAX);
}

/* One that has no time asks nothing. */
struct resolver_asker *
resolver_peek(struct resolver *resolver)
{
	return resolver_asker_make(resolver, 0);
}

bool
resolver_has_missed(const struct resolver_asker *asker)
{
	return asker->is_cold;
}

static void
start(struct resolver *resolver, const struct resolver_slot *slot,
    uint64_t ticket)
{
	const struct dns_question question = { .name = slot->own_name,
		.type = slot->type };

	resolver->source.start(
	    resolver->source.context, resolver, ticket, &question);
}

/* Find out about key what can be found out now: slot then has its answer, or
 * waits. The ticket of what has to be started. Locked. */
static bool
look_again(struct resolver_slot *slot, const struct resolver_key *key,
    bool is_hint, const struct resolver_time *now, uint64_t *ticket_out)
{
	struct resolver_asker *asker = slot->asker;
	struct resolver *resolver = asker->resolver;
	struct resolver_known *known;
	bool is_new = false;

	asker->is_cold = true;
	resolver_flights_drop_aged(resolver->flights, now);
	/* It may have come since it was looked for without the lock. */
	known = resolver_cache_find(resolver->cache, key, now->ttl_ms);
	if (known != NULL)
		resolver_slot_settle(slot, known, NULL, now->ttl_ms);
	else
		is_new = resolver_flights_ask(
		    resolver->flights, slot, key, now, ticket_out);
	slot->is_hint = is_hint && slot->flight != NULL;
	asker->hints += slot->is_hint;
	resolver_known_drop(known);
	return is_new;
}

/* What one gets for whom there is no slot. */
static const struct dns_answer *
refusal(const struct resolver_asker *asker)
{
	return asker->count < RESOLVER_QUESTIONS ? &resolver_no_memory
						 : &too_many;
}

/* Nothing is asked for asker any more. */
static const struct dns_answer *
ask_late(struct resolver_asker *asker, const struct resolver_key *key)
{
	struct resolver_slot *slot = resolver_asker_add(asker, key, NULL);

	if (slot == NULL)
		return refusal(asker);
	asker->is_cold = true;
	resolver_slot_settle(slot, NULL, &resolver_no_time, 0);
	return &slot->answer;
}

/* Ask what isn't in the cache; no more than a hint, where there is room. */
static const struct dns_answer *
ask_cold(
    struct resolver_asker *asker, const struct resolver_key *key, bool is_hint)
{
	struct resolver *resolver = asker->resolver;
	struct resolver_time now = time_of(resolver);
	struct resolver_slot *slot = NULL;
	uint64_t ticket;
	bool is_new = false;

	if (now.real_ms >= asker->deadline_ms)
		return is_hint ? NULL : ask_late(asker, key);
	(void)pthread_mutex_lock(&resolver->lock);
	if (!is_hint
	    || resolver_flights_may_hint(resolver->flights, asker, key))
		slot = resolver_asker_add(asker, key, NULL);
	if (slot != NULL)
		is_new = look_again(slot, key, is_hint, &now, &ticket);
	(void)pthread_mutex_unlock(&resolver->lock);
	if (slot == NULL)
		return is_hint ? NULL : refusal(asker);
	if (is_new)
		start(resolver, slot, ticket);
	return resolver_slot_answer(slot);
}

static const struct dns_answer *
ask(struct resolver_asker *asker, const struct dns_question *question,
    bool is_hint)
{
	struct resolver *resolver = asker->resolver;
	struct resolver_known *known;
	struct resolver_slot *slot;
	struct resolver_key key;
	uint64_t now_ms;

	if (!resolver_cache_key(resolver->cache, question, &key))
		return &not_a_name;
	slot = resolver_asker_find(asker, &key);
	if (slot != NULL)
		return resolver_slot_answer(slot);
	now_ms = now_of(resolver);
	known = resolver_cache_find(resolver->cache, &key, now_ms);
	if (known == NULL)
		return ask_cold(asker, &key, is_hint);
	slot = resolver_asker_add(asker, &key, known);
	if (slot != NULL)
		resolver_slot_settle(slot, known, NULL, now_ms);
	resolver_known_drop(known);
	return slot != NULL ? &slot->answer : refusal(asker);
}

const struct dns_answer *
resolver_ask(struct resolver_asker *asker, const struct dns_question *question)
{
	return ask(asker, question, false);
}

const struct dns_answer *
resolver_hint(struct resolver_asker *asker, const struct dns_question *question)
{
	return ask(asker, question, true);
}

/* ---- waiting ---- */

/* The soonest that one of the pending slots is given up. Locked. */
static uint64_t
soonest(const struct resolver_asker *asker)
{
	const struct resolver_slot *slot;
	uint64_t until_ms = asker->deadline_ms;

	LIST_FOREACH(slot, &asker->pending, pending)
	if (resolver_slot_until(slot) < until_ms)
		until_ms = resolver_slot_until(slot);
	return until_ms;
}

/* Start what asker waits for and has found room meanwhile. False: there is
 * none. Locked, but not all the while. */
static bool
start_one(struct resolver_asker *asker, const struct resolver_time *now)
{
	struct resolver *resolver = asker->resolver;
	const struct resolver_slot *slot;
	uint64_t ticket;

	slot = resolver_flights_start(resolver->flights, asker, now, &ticket);
	if (slot == NULL)
		return false;
	(void)pthread_mutex_unlock(&resolver->lock);
	start(resolver, slot, ticket);
	(void)pthread_mutex_lock(&resolver->lock);
	return true;
}

bool
resolver_wait(struct resolver_asker *asker)
{
	struct resolver *resolver = asker->resolver;
	bool has_news;

	(void)pthread_mutex_lock(&resolver->lock);
	for (;;) {
		const struct resolver_time now = time_of(resolver);

		resolver_flights_give_up(resolver->flights, asker, &now);
		if (start_one(asker, &now))
			continue;
		if (now.real_ms >= asker->deadline_ms)
			asker->has_news = false;
		if (asker->has_news || LIST_EMPTY(&asker->pending))
			break;
		resolver_asker_sleep(asker, &resolver->lock, soonest(asker));
	}
	has_news = asker->has_news;
	asker->has_news = false;
	(void)pthread_mutex_unlock(&resolver->lock);
	return has_news;
}

void
resolver_end(struct resolver_asker **asker)
{
	struct resolver *resolver;

	if (*asker == NULL)
		return;
	resolver = (*asker)->resolver;
	if ((*asker)->is_cold) {
		const struct resolver_time now = time_of(resolver);

		(void)pthread_mutex_lock(&resolver->lock);
		resolver_flights_leave(resolver->flights, *asker, &now);
		(void)pthread_mutex_unlock(&resolver->lock);
	}
	resolver_asker_free(*asker);
	*asker = NULL;
}

/* ---- the rest ---- */

void
resolver_forget(struct resolver *resolver)
{
	/* First the source: what it says from then on is new. */
	if (resolver->unbound != NULL)
		resolver_unbound_forget(resolver->unbound);
	(void)pthread_mutex_lock(&resolver->lock);
	resolver_cache_forget(resolver->cache);
	resolver_flights_forget(resolver->flights);
	(void)pthread_mutex_unlock(&resolver->lock);
}

struct resolver_counters
resolver_counters(struct resolver *resolver)
{
	struct resolver_cache_counters cached =
	    resolver_cache_counters(resolver->cache);
	struct resolver_flights_counters flights;
	struct resolver_counters counters = { .hits = cached.hits,
		.entries = cached.entries,
		.bytes = cached.bytes };

	(void)pthread_mutex_lock(&resolver->lock);
	flights = resolver_flights_counters(resolver->flights);
	(void)pthread_mutex_unlock(&resolver->lock);
	counters.asked = flights.asked;
	counters.lost = flights.lost;
	counters.under_way = flights.under_way;
	return counters;
}

void
resolver_close(struct resolver **resolver)
{
	struct resolver *closing = *resolver;

	if (closing == NULL)
		return;
	resolver_unbound_close(&closing->unbound);
	resolver_flights_close(&closing->flights);
	resolver_cache_close(&closing->cache);
	(void)pthread_mutex_destroy(&closing->lock);
	free(closing);
	*resolver = NULL;
}
