#include "milter/io/store_memory.h"

#include "milter/io/store_count.h"
#include "milter/io/store_memory_overrides.h"
#include "milter/io/store_memory_recipients.h"
#include "policy/window.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	TEND_KEYS = 1024, /* looked at in one store_tend() */
	COUNTS_BATCH = 64,
};

/* What the tree compares. Two strings, not one put together: "a" + "bc" is
 * not "ab" + "c". */
struct name {
	const char *limit;
	const char *key;
};

struct counted {
	struct name name; /* first */
	struct window window;
	struct counted *newer; /* in the order of the last charge */
	struct counted *older;
	char text[]; /* of name */
};

/* Somebody on his way from the oldest to the newest, who hasn't the lock all
 * the time. */
struct walk {
	struct counted *next;
	struct walk *other;
};

/* A search tree, not a hash table: keys are chosen by outsiders. */
struct store_memory {
	struct store store; /* first */
	pthread_mutex_t lock;
	struct store_clock clock;
	uint64_t epoch;
	void *tree;
	struct counted *newest;
	struct counted *oldest;
	struct walk tending; /* next NULL: begin with the oldest */
	struct walk *walks;
	size_t count;
	size_t key_max;
	struct memory_overrides *overrides;
	struct memory_recipients *recipients;
};

static int
compare(const void *one, const void *other)
{
	const struct name *a = one;
	const struct name *b = other;
	int order = strcmp(a->limit, b->limit);

	return order != 0 ? order : strcmp(a->key, b->key);
}

static struct counted *
find(struct store_memory *memory, const struct limit *limit, const char *key)
{
	struct name name = { .limit = limit->name, .key = key };
	void *node = tfind(&name, &memory->tree, compare);

	return node != NULL ? *(struct counted **)node : NULL;
}

static void
take_out(struct store_memory *memory, struct counted *entry)
{
	for (struct walk *walk = memory->walks; walk != NULL;
	     walk = walk->other)
		if (walk->next == entry)
			walk->next = entry->newer;
	*(entry->newer != NULL ? &entry->newer->older : &memory->newest) =
	    entry->older;
	*(entry->older != NULL ? &entry->older->newer : &memory->oldest) =
	    entry->newer;
}

static void
put_newest(struct store_memory *memory, struct counted *entry)
{
	entry->newer = NULL;
	entry->older = memory->newest;
	*(memory->newest != NULL ? &memory->newest->newer : &memory->oldest) =
	    entry;
	memory->newest = entry;
}

static void
drop(struct store_memory *memory, struct counted *entry)
{
	take_out(memory, entry);
	(void)tdelete(entry, &memory->tree, compare);
	memory->count--;
	free(entry);
}

/* The key's entry, now the newest; made if there is none. */
static struct counted *
find_or_make(
    struct store_memory *memory, const struct limit *limit, const char *key)
{
	struct counted *entry = find(memory, limit, key);
	size_t limit_size = strlen(limit->name) + 1;
	size_t key_size = strlen(key) + 1;

	if (entry != NULL) {
		take_out(memory, entry);
		put_newest(memory, entry);
		return entry;
	}
	entry = calloc(1, sizeof(*entry) + limit_size + key_size);
	if (entry == NULL)
		return NULL;
	memcpy(entry->text, limit->name, limit_size);
	memcpy(entry->text + limit_size, key, key_size);
	entry->name.limit = entry->text;
	entry->name.key = entry->text + limit_size;
	window_init(&entry->window, limit->per_ms);
	if (tsearch(entry, &memory->tree, compare) == NULL) {
		free(entry);
		return NULL;
	}
	put_newest(memory, entry);
	if (++memory->count > memory->key_max)
		drop(memory, memory->oldest);
	return entry;
}

static const struct store_override *
find_override(const struct store_memory *memory, const struct charge *charge,
    uint64_t now, struct count_override *override_out)
{
	const struct store_override *found = memory_overrides_find(
	    memory->overrides, charge->limit->name, charge->key, now);

	*override_out = (struct count_override){ .is_there = found != NULL };
	if (found != NULL) {
		override_out->max = found->max;
		override_out->until_ms = found->until_ms;
	}
	return found;
}

static void
answer_one(struct store_memory *memory, const struct charge *charges, size_t i,
    const struct count_override *override, uint64_t now,
    struct charge_answer *answers)
{
	const struct charge *charge = &charges[i];
	const struct counted *entry;
	uint64_t cost = charge->cost;
	uint64_t pending = store_pending(charges, answers, i);
	struct window window;

	if (charge->limit->count == LIMIT_BLOCKS) {
		store_answer(NULL, charge, override, cost, 0, now, &answers[i]);
		return;
	}
	if (charge->limit->count == LIMIT_NEW_RECIPIENTS)
		cost = memory_recipients_cost(memory->recipients, charge);
	entry = find(memory, charge->limit, charge->key);
	if (entry != NULL)
		window = entry->window;
	else
		window_init(&window, charge->limit->per_ms);
	store_bring_up(&window, charge->limit, now);
	store_answer(
	    &window, charge, override, cost, pending, now, &answers[i]);
}

/* Answer all charges; true if no binding one says no. */
static bool
answer_all(struct store_memory *memory, const struct charge *charges,
    size_t count, uint64_t now, struct charge_answer *answers_out, char *words)
{
	bool is_told = false;
	bool fits = true;

	for (size_t i = 0; i < count; i++) {
		struct count_override override;
		const struct store_override *found =
		    find_override(memory, &charges[i], now, &override);

		answer_one(memory, charges, i, &override, now, answers_out);
		if (answers_out[i].fits)
			continue;
		if (charges[i].is_binding)
			fits = false;
		if (found != NULL && !is_told) {
			memcpy(words, found->words, strlen(found->words) + 1);
			is_told = true;
		}
	}
	return fits;
}

/* Make sure that there is an entry for all, so that counting can't fail half
 * way. key_max is such that none of them drives out another. */
static bool
make_all(struct store_memory *memory, const struct charge *charges,
    const struct charge_answer *answers, size_t count, bool refuses)
{
	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];

		if (!store_is_counted(charge, &answers[i], refuses))
			continue;
		if (find_or_make(memory, charge->limit, charge->key) == NULL)
			return false;
		if (charge->limit->count == LIMIT_NEW_RECIPIENTS
		    && !memory_recipients_make(memory->recipients, charge))
			return false;
	}
	return true;
}

static void
count_all(struct store_memory *memory, const struct charge *charges,
    size_t count, uint64_t now, bool refuses, struct charge_answer *answers)
{
	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];
		struct count_override override;
		struct counted *entry;

		if (!store_is_counted(charge, &answers[i], refuses))
			continue;
		entry = find(memory, charge->limit, charge->key);
		(void)find_override(memory, charge, now, &override);
		store_bring_up(&entry->window, charge->limit, now);
		store_count(
		    &entry->window, charge, &override, now, &answers[i]);
		if (charge->limit->count == LIMIT_NEW_RECIPIENTS)
			memory_recipients_add(memory->recipients, charge);
	}
}

static bool
charge_locked(struct store_memory *memory, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out)
{
	uint64_t now = store_clock_now(&memory->clock, 0);
	bool refuses = false;

	receipt_out->now_ms = now;
	receipt_out->is_charged = answer_all(
	    memory, charges, count, now, answers_out, receipt_out->words);
	if (!receipt_out->is_charged)
		refuses = store_refuses(charges, answers_out, count);
	if (is_look_only || (!receipt_out->is_charged && !refuses))
		return true;
	if (!make_all(memory, charges, answers_out, count, refuses)) {
		receipt_out->is_charged = false;
		return false;
	}
	count_all(memory, charges, count, now, refuses, answers_out);
	return true;
}

static bool
memory_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	bool is_done;

	(void)pthread_mutex_lock(&memory->lock);
	is_done = charge_locked(
	    memory, charges, count, is_look_only, answers_out, receipt_out);
	(void)pthread_mutex_unlock(&memory->lock);
	if (!is_done)
		fault_memory(fault);
	return is_done;
}

static bool
memory_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;

	(void)receipt;
	(void)fault;
	(void)pthread_mutex_lock(&memory->lock);
	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];
		struct counted *entry;

		if (charge->is_look)
			continue;
		entry = find(memory, charge->limit, charge->key);
		if (entry != NULL)
			window_take_back(&entry->window, charge->limit->per_ms,
			    answers[i].slot, answers[i].cost);
		if (charge->limit->count == LIMIT_NEW_RECIPIENTS)
			memory_recipients_forget(memory->recipients, charge);
	}
	(void)pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool
memory_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	bool is_done = true;
	uint64_t now;

	(void)pthread_mutex_lock(&memory->lock);
	now = store_clock_now(&memory->clock, 0);
	*now_ms_out = now;
	for (size_t i = 0; i < count && is_done; i++)
		is_done = !store_late_counts(&late[i], now)
		    || find_or_make(memory, late[i].limit, late[i].key) != NULL;
	for (size_t i = 0; i < count && is_done; i++) {
		struct counted *entry;

		if (!store_late_counts(&late[i], now))
			continue;
		entry = find(memory, late[i].limit, late[i].key);
		store_bring_up(&entry->window, late[i].limit, now);
		window_add_at(
		    &entry->window, now - late[i].age_ms, late[i].cost);
	}
	(void)pthread_mutex_unlock(&memory->lock);
	if (!is_done)
		fault_memory(fault);
	return is_done;
}

static bool
memory_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	struct counted *entry;

	(void)fault;
	(void)pthread_mutex_lock(&memory->lock);
	entry = find(memory, limit, key);
	*was_there_out = entry != NULL;
	if (entry != NULL)
		drop(memory, entry);
	memory->epoch++;
	(void)pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool
memory_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;

	(void)fault;
	(void)pthread_mutex_lock(&memory->lock);
	*epoch_out = memory->epoch;
	(void)pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool
memory_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	bool is_done;

	(void)pthread_mutex_lock(&memory->lock);
	is_done = memory_overrides_set(memory->overrides, override,
	    store_clock_now(&memory->clock, 0), fault);
	if (is_done)
		memory->epoch++;
	(void)pthread_mutex_unlock(&memory->lock);
	return is_done;
}

static bool
memory_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;

	(void)fault;
	(void)pthread_mutex_lock(&memory->lock);
	*was_there_out = memory_overrides_unset(memory->overrides, limit_name,
	    key, store_clock_now(&memory->clock, 0));
	memory->epoch++;
	(void)pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool
memory_visit_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	size_t place = SIZE_MAX;
	bool goes_on = true;

	while (goes_on) {
		struct memory_overrides_batch batch;
		bool is_done;

		(void)pthread_mutex_lock(&memory->lock);
		*now_ms_out = store_clock_now(&memory->clock, 0);
		is_done = memory_overrides_copy(
		    memory->overrides, *now_ms_out, &place, &batch);
		(void)pthread_mutex_unlock(&memory->lock);
		if (!is_done) {
			fault_memory(fault);
			return false;
		}
		goes_on = batch.count > 0;
		for (size_t i = 0; i < batch.count && goes_on; i++)
			goes_on = visit(context, batch.all[i]);
		memory_overrides_free(&batch);
	}
	return true;
}

static void
begin_walk(struct store_memory *memory, struct walk *walk)
{
	walk->next = memory->oldest;
	walk->other = memory->walks;
	memory->walks = walk;
}

static void
end_walk(struct store_memory *memory, struct walk *walk)
{
	struct walk **link = &memory->walks;

	while (*link != walk)
		link = &(*link)->other;
	*link = walk->other;
}

/* What is used of a key now. */
static uint64_t
used_now(const struct counted *entry, const struct limit *limit, uint64_t now)
{
	struct window window = entry->window;

	store_bring_up(&window, limit, now);
	return window_sum(&window);
}

struct used {
	char *key;
	uint64_t used;
};

/* Copy the next keys of a limit that have used something; *left_io is how many
 * are looked at at most: those that are charged meanwhile come again at the
 * end, and there would be no end. */
static bool
copy_used(struct store_memory *memory, const struct limit *limit,
    struct walk *walk, size_t *left_io, struct used *used_out,
    size_t *count_out)
{
	uint64_t now = store_clock_now(&memory->clock, 0);

	*count_out = 0;
	for (size_t i = 0; i < TEND_KEYS && walk->next != NULL && *left_io > 0
	     && *count_out < COUNTS_BATCH;
	     i++, --*left_io) {
		const struct counted *entry = walk->next;
		struct used *used = &used_out[*count_out];

		walk->next = entry->newer;
		if (strcmp(entry->name.limit, limit->name) != 0)
			continue;
		used->used = used_now(entry, limit, now);
		if (used->used == 0)
			continue;
		used->key = strdup(entry->name.key);
		if (used->key == NULL)
			return false;
		++*count_out;
	}
	return true;
}

static bool
memory_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	struct used used[COUNTS_BATCH];
	struct walk walk;
	bool goes_on = true;
	bool is_done = true;
	size_t left;

	(void)pthread_mutex_lock(&memory->lock);
	begin_walk(memory, &walk);
	left = memory->count;
	while (goes_on && is_done && left > 0 && walk.next != NULL) {
		size_t count;

		is_done = copy_used(memory, limit, &walk, &left, used, &count);
		(void)pthread_mutex_unlock(&memory->lock);
		for (size_t i = 0; i < count; i++) {
			goes_on = goes_on
			    && visit(context, used[i].key, used[i].used);
			free(used[i].key);
		}
		(void)pthread_mutex_lock(&memory->lock);
	}
	end_walk(memory, &walk);
	(void)pthread_mutex_unlock(&memory->lock);
	if (!is_done)
		fault_memory(fault);
	return is_done;
}

static void
memory_tend(struct store *store)
{
	struct store_memory *memory = (struct store_memory *)store;
	uint64_t now;

	(void)pthread_mutex_lock(&memory->lock);
	now = store_clock_now(&memory->clock, 0);
	if (memory->tending.next == NULL)
		memory->tending.next = memory->oldest;
	for (size_t i = 0; i < TEND_KEYS && memory->tending.next != NULL; i++) {
		struct counted *entry = memory->tending.next;

		memory->tending.next = entry->newer;
		if (window_idle_at(&entry->window) <= now)
			drop(memory, entry);
	}
	memory_overrides_tend(memory->overrides, now);
	(void)pthread_mutex_unlock(&memory->lock);
}

static void
memory_close(struct store *store)
{
	struct store_memory *memory = (struct store_memory *)store;

	while (memory->oldest != NULL)
		drop(memory, memory->oldest);
	memory_overrides_close(&memory->overrides);
	memory_recipients_close(&memory->recipients);
	(void)pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static const struct store_class memory_class = {
	.charge = memory_charge,
	.refund = memory_refund,
	.add = memory_add,
	.reset = memory_reset,
	.epoch = memory_epoch,
	.set = memory_set,
	.unset = memory_unset,
	.overrides = memory_visit_overrides,
	.counts = memory_counts,
	.tend = memory_tend,
	.close = memory_close,
};

struct store *
store_memory_open(
    size_t key_max, uint64_t (*clock_ms)(void *context), void *context)
{
	struct store_memory *memory = calloc(1, sizeof(*memory));
	struct timespec now = { 0 };

	if (memory == NULL)
		return NULL;
	memory->overrides = memory_overrides_open();
	memory->recipients = memory_recipients_open();
	if (memory->overrides == NULL || memory->recipients == NULL
	    || pthread_mutex_init(&memory->lock, NULL) != 0) {
		memory_overrides_close(&memory->overrides);
		memory_recipients_close(&memory->recipients);
		free(memory);
		return NULL;
	}
	memory->walks = &memory->tending;
	/* An epoch differs from that of any store before. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	memory->epoch =
	    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	memory->store.class = &memory_class;
	memory->store.name = "memory";
	memory->clock.read_ms = clock_ms;
	memory->clock.context = context;
	memory->key_max = key_max > STORE_CHARGES ? key_max : STORE_CHARGES;
	return &memory->store;
}
