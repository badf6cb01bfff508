#include "milter/io/keys_known.h"

#include "milter/io/clock.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct keys_known {
	pthread_mutex_t lock;  /* of cache and lent; never held while anything
				  is looked at, parsed or freed */
	pthread_cond_t learnt; /* somebody has looked for something new */
	struct keys_cache cache;
	size_t lent;
	struct tables *tables; /* borrowed; may be NULL */
	uint64_t (*clock_ms)(void *context);
	void *context;
};

static uint64_t
system_clock_ms(void *context)
{
	(void)context;
	return clock_monotonic_ms();
}

struct keys_known *
keys_known_open(size_t most, struct tables *tables)
{
	struct keys_known *known = calloc(1, sizeof(*known));

	if (known == NULL)
		return NULL;
	if (!keys_cache_init(&known->cache, most)
	    || pthread_mutex_init(&known->lock, NULL) != 0) {
		free(known);
		return NULL;
	}
	if (pthread_cond_init(&known->learnt, NULL) != 0) {
		pthread_mutex_destroy(&known->lock);
		free(known);
		return NULL;
	}
	known->tables = tables;
	known->clock_ms = system_clock_ms;
	return known;
}

void
keys_known_set_clock(struct keys_known *known,
    uint64_t (*clock_ms)(void *context), void *context)
{
	known->clock_ms = clock_ms != NULL ? clock_ms : system_clock_ms;
	known->context = context;
}

uint64_t
keys_known_now_ms(const struct keys_known *known)
{
	return known->clock_ms(known->context);
}

static void
lock(struct keys_known *known)
{
	pthread_mutex_lock(&known->lock);
}

/* Parsed keys that nobody needs any more are freed without the lock. */
static void
unlock(struct keys_known *known)
{
	struct key_set *garbage = known->cache.garbage;

	known->cache.garbage = NULL;
	pthread_mutex_unlock(&known->lock);
	keys_set_free_all(&garbage);
}

bool
keys_known_question(struct keys_known *known, enum key_place_kind kind,
    const char *place, const struct map_source *map, const char *name,
    struct key_question *question_out)
{
	*question_out = (struct key_question){
		.name = name, .map = map, .tables = known->tables
	};
	lock(known);
	question_out->place = keys_cache_place(&known->cache, kind, place, map);
	unlock(known);
	return question_out->place != NULL;
}

/* Can what is known only change with the question? A key's text stays what it
 * is; what else its fault may have come of does not. */
static bool
is_final(const struct known *entry)
{
	return entry->place->kind == PLACE_TEXTS
	    && (entry->finding != KEYS_FAULTY
		|| entry->fault->kind == FAULT_PERMANENT);
}

/* May entry, which isn't new, be believed without a look? */
static bool
is_fresh(
    const struct keys_known *known, const struct known *entry, uint64_t now_ms)
{
	uint64_t stale_ms =
	    entry->place->kind == PLACE_MAP ? KEYS_MAP_STALE_MS : KEYS_STALE_MS;

	if (entry->is_being_read || is_final(entry))
		return true;
	if (entry->place->kind == PLACE_MAP
	    && entry->round != known->cache.round)
		return false;
	/* The clock may have been read before another thread's. */
	return now_ms <= entry->checked_ms
	    || now_ms - entry->checked_ms < stale_ms;
}

/* Hold a set that has keys; NULL for one without. */
static struct key_set *
hold(struct key_set *set)
{
	if (set == NULL || set->ring.count == 0)
		return NULL;
	set->holders++;
	return set;
}

static bool
entry_answer(
    const struct known *entry, struct key_set **set_out, struct fault *fault)
{
	if (entry->finding == KEYS_FAULTY) {
		if (fault != NULL)
			fault_set(fault, entry->fault->kind, "%s",
			    entry->fault->words);
		return false;
	}
	*set_out = hold(entry->set);
	return true;
}

/* Answer from a look of which nothing can be remembered. */
static bool
look_answer(struct keys_known *known, struct key_look *look,
    struct key_set **set_out, struct fault *fault)
{
	*set_out = hold(look->set);
	keys_set_drop(look->set, &known->cache.garbage);
	look->set = NULL;
	if (look->finding == KEYS_FAULTY && fault != NULL)
		*fault = look->fault;
	return look->finding != KEYS_FAULTY;
}

/* What is known of entry, for comparing without the lock. The caller looks, and
 * others go on with what there is. */
static struct key_known
known_take(struct known *entry)
{
	struct key_known before = { 0 };

	if (entry == NULL)
		return before;
	entry->is_being_read = true;
	if (entry->is_new || entry->finding == KEYS_FAULTY
	    || !entry->is_settled)
		return before;
	before.is_there = true;
	before.set = entry->set;
	if (before.set != NULL)
		before.set->holders++;
	return before;
}

/* The entry may have gone meanwhile; what was taken of it is as good. */
static struct key_look
look_as_known(struct key_known *before)
{
	struct key_look look = { .is_settled = true, .set = before->set };

	look.finding = before->set != NULL && before->set->ring.count > 0
	    ? KEYS_THERE
	    : KEYS_NONE;
	before->set = NULL;
	return look;
}

/* Remember what a look found, and answer. now_ms and round are of before. A
 * fault may not be worth remembering; but no set comes with one. */
static bool
settle(struct keys_known *known, const struct key_question *question,
    struct key_look *look, uint64_t now_ms, uint32_t round,
    struct key_set **set_out, struct fault *fault)
{
	struct known *entry =
	    keys_cache_find(&known->cache, question->place, question->name);

	if (entry == NULL)
		entry = keys_cache_add(
		    &known->cache, question->place, question->name, now_ms);
	if (entry == NULL
	    || !keys_cache_fill(&known->cache, entry, look, now_ms, round))
		return look_answer(known, look, set_out, fault);
	return entry_answer(entry, set_out, fault);
}

/* The entry of the question, with the lock held; but not while others look for
 * it for the first time, which is waited for. It is new if nobody has looked
 * yet: then the caller has to. NULL: no memory. */
static struct known *
entry_get(struct keys_known *known, const struct key_question *question,
    uint64_t now_ms)
{
	struct known *entry;

	/* It may have made place meanwhile. */
	while ((entry = keys_cache_find(
		    &known->cache, question->place, question->name))
		!= NULL
	    && entry->is_new)
		pthread_cond_wait(&known->learnt, &known->lock);
	if (entry != NULL)
		keys_cache_touch(&known->cache, entry, now_ms);
	else
		entry = keys_cache_add(
		    &known->cache, question->place, question->name, now_ms);
	return entry;
}

/* The keys of one entry, held; NULL: there are none. */
bool
keys_known_find(struct keys_known *known, const struct key_question *question,
    struct key_set **set_out, struct fault *fault)
{
	uint64_t now_ms = keys_known_now_ms(known);
	struct key_known before;
	struct known *entry;
	struct key_look look;
	uint32_t round;
	bool is_found;
	bool has_changed;

	*set_out = NULL;
	lock(known);
	entry = entry_get(known, question, now_ms);
	if (entry != NULL && !entry->is_new && is_fresh(known, entry, now_ms)) {
		is_found = entry_answer(entry, set_out, fault);
		unlock(known);
		return is_found;
	}
	before = known_take(entry);
	round = known->cache.round;
	unlock(known);

	has_changed = keys_ask(question, &before, now_ms, &look);

	lock(known);
	if (!has_changed)
		look = look_as_known(&before);
	is_found =
	    settle(known, question, &look, now_ms, round, set_out, fault);
	keys_set_drop(before.set, &known->cache.garbage);
	pthread_cond_broadcast(&known->learnt);
	unlock(known);
	return is_found;
}

/* Has one entry anything, good or bad? */
bool
keys_known_has(struct keys_known *known, const struct key_question *question)
{
	const struct known *entry;
	struct key_set *set;
	bool is_known;
	bool has;

	lock(known);
	entry = keys_cache_find(&known->cache, question->place, question->name);
	is_known = entry != NULL && !entry->is_new;
	unlock(known);
	/* What is known costs less to look at again than to look for. */
	if (!is_known)
		return keys_ask_has(question);
	has = !keys_known_find(known, question, &set, NULL) || set != NULL;
	keys_known_drop(known, &set);
	return has;
}

bool
keys_known_borrow(struct keys_known *known, struct key_set *set,
    const char *selector, struct key_set *lender)
{
	bool is_good;

	lock(known);
	is_good = keys_set_borrow(set, selector, lender);
	unlock(known);
	return is_good;
}

void
keys_known_drop(struct keys_known *known, struct key_set **set)
{
	lock(known);
	keys_set_drop(*set, &known->cache.garbage);
	unlock(known);
	*set = NULL;
}

const struct key_ring *
keys_known_lend(struct keys_known *known, struct key_set *set)
{
	if (set == NULL)
		return NULL;
	lock(known);
	known->lent++;
	unlock(known);
	return &set->ring;
}

void
keys_known_return(struct keys_known *known, const struct key_ring **ring)
{
	if (*ring == NULL)
		return;
	lock(known);
	known->lent--;
	/* The ring is the head of its set, and the set is ours to change. */
	keys_set_drop(
	    (struct key_set *)(uintptr_t)*ring, &known->cache.garbage);
	unlock(known);
	*ring = NULL;
}

void
keys_known_forget(struct keys_known *known)
{
	lock(known);
	known->cache.round++;
	unlock(known);
}

void
keys_known_close(struct keys_known **known)
{
	struct keys_known *old = *known;

	if (old == NULL)
		return;
	assert(old->lent == 0);
	keys_cache_clear(&old->cache);
	pthread_cond_destroy(&old->learnt);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*known = NULL;
}
