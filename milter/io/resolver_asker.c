#include "milter/io/resolver_asker.h"

#include "milter/io/resolver_dead.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BLOCK_SLOTS = 32,
	CHAINS = 256, /* of what a message asks beyond one block */
};

/* Slots stay where they are, as others point to them. The hashes are beside
 * them: to look through those of a usual message takes less than a table
 * would. */
struct resolver_block {
	struct resolver_block *next;
	size_t count;
	uint64_t hashes[BLOCK_SLOTS];
	struct resolver_slot slots[BLOCK_SLOTS];
};

static struct resolver_block *
block_make(void)
{
	/* Nothing is cleared that isn't used: most messages need few. */
	struct resolver_block *block = malloc(sizeof(*block));

	if (block == NULL)
		return NULL;
	block->next = NULL;
	block->count = 0;
	return block;
}

struct resolver_asker *
resolver_asker_make(struct resolver *resolver, uint64_t deadline_ms)
{
	struct resolver_asker *asker = malloc(sizeof(*asker));
	struct resolver_block *block = block_make();

	if (asker == NULL || block == NULL) {
		free(asker);
		free(block);
		return NULL;
	}
	*asker = (struct resolver_asker){ .resolver = resolver,
		.deadline_ms = deadline_ms,
		.first = block,
		.last = block };
	return asker;
}

static bool
is_about(const struct resolver_slot *slot, const struct resolver_key *key)
{
	return slot->hash == key->hash && slot->type == key->type
	    && strcmp(slot->name, key->name) == 0;
}

struct resolver_slot *
resolver_asker_find(
    struct resolver_asker *asker, const struct resolver_key *key)
{
	struct resolver_block *block = asker->first;
	struct resolver_slot *slot;

	for (size_t i = 0; i < block->count; i++)
		if (block->hashes[i] == key->hash
		    && is_about(&block->slots[i], key))
			return &block->slots[i];
	if (asker->chains == NULL)
		return NULL;
	slot = asker->chains[key->hash % CHAINS];
	while (slot != NULL && !is_about(slot, key))
		slot = slot->next;
	return slot;
}

/* The block that has room for one more slot, all but the first with chains.
 * NULL: no memory. */
static struct resolver_block *
block_of_next(struct resolver_asker *asker)
{
	struct resolver_block *block = asker->last;

	if (block->count < BLOCK_SLOTS)
		return block;
	if (asker->chains == NULL)
		asker->chains = calloc(CHAINS, sizeof(struct resolver_slot *));
	block = asker->chains != NULL ? block_make() : NULL;
	if (block == NULL)
		return NULL;
	asker->last->next = block;
	asker->last = block;
	return block;
}

struct resolver_slot *
resolver_asker_add(struct resolver_asker *asker, const struct resolver_key *key,
    struct resolver_known *known)
{
	struct resolver_block *block;
	struct resolver_slot *slot;
	char *own = NULL;

	if (asker->count == RESOLVER_QUESTIONS)
		return NULL;
	block = block_of_next(asker);
	if (block == NULL)
		return NULL;
	if (known == NULL) {
		own = strdup(key->name);
		if (own == NULL)
			return NULL;
	}
	slot = &block->slots[block->count];
	*slot = (struct resolver_slot){ .asker = asker,
		.hash = key->hash,
		.type = key->type,
		.name = known != NULL ? known->name : own,
		.own_name = own };
	if (block != asker->first) {
		slot->next = asker->chains[key->hash % CHAINS];
		asker->chains[key->hash % CHAINS] = slot;
	}
	block->hashes[block->count++] = key->hash;
	asker->count++;
	return slot;
}

uint64_t
resolver_asker_short_until(
    struct resolver_slot *slot, uint64_t domain, uint64_t now_ms)
{
	struct resolver_asker *asker = slot->asker;
	const struct resolver_slot *other;

	for (other = asker->shorts; other != NULL; other = other->next_short)
		if (other->domain == domain)
			return other->short_until_ms;
	slot->domain = domain;
	slot->short_until_ms = now_ms + RESOLVER_SHORT_MS;
	slot->next_short = asker->shorts;
	asker->shorts = slot;
	return slot->short_until_ms;
}

/* The first wait of an asker needs what a warm message never does. */
static void
ready_condition(struct resolver_asker *asker)
{
	pthread_condattr_t attributes;

	if (asker->has_condition)
		return;
	/* None of these fails in glibc. */
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	asker->has_condition =
	    pthread_cond_init(&asker->changed, &attributes) == 0;
	(void)pthread_condattr_destroy(&attributes);
	assert(asker->has_condition);
}

void
resolver_asker_wake(struct resolver_asker *asker)
{
	if (asker->has_condition)
		(void)pthread_cond_signal(&asker->changed);
}

void
resolver_asker_sleep(
    struct resolver_asker *asker, pthread_mutex_t *lock, uint64_t until_ms)
{
	struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
		.tv_nsec = (long)(until_ms % 1000) * 1000000 };

	ready_condition(asker);
	(void)pthread_cond_timedwait(&asker->changed, lock, &until);
}

void
resolver_asker_free(struct resolver_asker *asker)
{
	struct resolver_block *block = asker->first;

	while (block != NULL) {
		struct resolver_block *next = block->next;

		for (size_t i = 0; i < block->count; i++) {
			resolver_known_drop(block->slots[i].known);
			free(block->slots[i].own_name);
		}
		free(block);
		block = next;
	}
	if (asker->has_condition)
		(void)pthread_cond_destroy(&asker->changed);
	free(asker->chains);
	free(asker);
}

/* ---- slots ---- */

void
resolver_slot_join(struct resolver_slot *slot, struct resolver_flight *flight,
    struct resolver_slots *slots)
{
	slot->flight = flight;
	LIST_INSERT_HEAD(slots, slot, waits);
}

void
resolver_slot_queue(struct resolver_slot *slot, struct resolver_queue *queue,
    struct resolver_domain *domain)
{
	slot->queue = queue;
	slot->queue_domain = domain;
	resolver_dead_enter_again(domain);
	TAILQ_INSERT_TAIL(queue, slot, queued);
}

void
resolver_slot_leave(struct resolver_slot *slot)
{
	if (slot->flight != NULL)
		LIST_REMOVE(slot, waits);
	slot->flight = NULL;
	if (slot->queue == NULL)
		return;
	TAILQ_REMOVE(slot->queue, slot, queued);
	slot->queue = NULL;
	resolver_dead_leave(slot->queue_domain);
}

uint64_t
resolver_slot_until(const struct resolver_slot *slot)
{
	uint64_t deadline_ms = slot->asker->deadline_ms;

	return slot->short_until_ms != 0 && slot->short_until_ms < deadline_ms
	    ? slot->short_until_ms
	    : deadline_ms;
}

void
resolver_slot_settle(struct resolver_slot *slot, struct resolver_known *known,
    const struct dns_answer *fixed, uint64_t now_ms)
{
	if (known != NULL) {
		uint64_t left_ms =
		    known->until_ms > now_ms ? known->until_ms - now_ms : 0;

		slot->known = resolver_known_hold(known);
		slot->answer = known->answer;
		slot->answer.ttl_s = (uint32_t)((left_ms + 999) / 1000);
	} else {
		assert(fixed != NULL);
		slot->answer = *fixed;
	}
	atomic_store_explicit(&slot->is_answered, true, memory_order_release);
}

void
resolver_slot_tell(struct resolver_slot *slot, struct resolver_known *known,
    const struct dns_answer *fixed, uint64_t now_ms)
{
	struct resolver_asker *asker = slot->asker;

	resolver_slot_leave(slot);
	LIST_REMOVE(slot, pending);
	if (slot->is_hint)
		asker->hints--;
	resolver_slot_settle(slot, known, fixed, now_ms);
	asker->has_news = true;
	resolver_asker_wake(asker);
}

const struct dns_answer *
resolver_slot_answer(const struct resolver_slot *slot)
{
	return atomic_load_explicit(&slot->is_answered, memory_order_acquire)
	    ? &slot->answer
	    : NULL;
}
