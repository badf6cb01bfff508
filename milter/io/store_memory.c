#include "milter/io/store_memory.h"

#include "milter/io/store_count.h"
#include "policy/window.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TEND_KEYS = 1024 }; /* looked at in one store_tend() */

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

/* A search tree, not a hash table: keys are chosen by outsiders. */
struct store_memory {
	struct store store; /* first */
	pthread_mutex_t lock;
	struct store_clock clock;
	uint64_t epoch;
	void *tree;
	struct counted *newest;
	struct counted *oldest;
	struct counted *tend_next; /* NULL: begin with the oldest */
	size_t count;
	size_t key_max;
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
	if (memory->tend_next == entry)
		memory->tend_next = entry->newer;
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

/* Answer all charges; true if no binding one says no. */
static bool
answer_all(struct store_memory *memory, const struct charge *charges,
    size_t count, uint64_t now, struct charge_answer *answers_out)
{
	bool fits = true;

	for (size_t i = 0; i < count; i++) {
		const struct charge *charge = &charges[i];
		const struct counted *entry =
		    find(memory, charge->limit, charge->key);
		struct window window;

		if (entry != NULL)
			window = entry->window;
		else
			window_init(&window, charge->limit->per_ms);
		store_bring_up(&window, charge->limit, now);
		store_answer(&window, charge, store_pending(charges, i), now,
		    &answers_out[i]);
		if (charge->is_binding && !answers_out[i].fits)
			fits = false;
	}
	return fits;
}

/* Make sure that there is an entry for all, so that counting can't fail half
 * way. key_max is such that none of them drives out another. */
static bool
make_all(
    struct store_memory *memory, const struct charge *charges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!charges[i].is_look && charges[i].cost > 0
		    && find_or_make(memory, charges[i].limit, charges[i].key)
			== NULL)
			return false;
	return true;
}

static void
count_all(struct store_memory *memory, const struct charge *charges,
    size_t count, uint64_t now, struct charge_answer *answers)
{
	for (size_t i = 0; i < count; i++) {
		struct counted *entry;

		if (charges[i].is_look || charges[i].cost == 0)
			continue;
		entry = find(memory, charges[i].limit, charges[i].key);
		store_bring_up(&entry->window, charges[i].limit, now);
		store_count(&entry->window, &charges[i], now, &answers[i]);
	}
}

static bool
memory_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_memory *memory = (struct store_memory *)store;
	bool is_done = true;
	uint64_t now;

	(void)pthread_mutex_lock(&memory->lock);
	now = store_clock_now(&memory->clock, 0);
	receipt_out->now_ms = now;
	receipt_out->is_charged =
	    answer_all(memory, charges, count, now, answers_out);
	if (receipt_out->is_charged && !is_look_only) {
		is_done = make_all(memory, charges, count);
		receipt_out->is_charged = is_done;
		if (is_done)
			count_all(memory, charges, count, now, answers_out);
	}
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
		struct counted *entry;

		if (charges[i].is_look)
			continue;
		entry = find(memory, charges[i].limit, charges[i].key);
		if (entry != NULL)
			window_take_back(&entry->window,
			    charges[i].limit->per_ms, answers[i].slot,
			    charges[i].cost);
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

static void
memory_tend(struct store *store)
{
	struct store_memory *memory = (struct store_memory *)store;
	uint64_t now;

	(void)pthread_mutex_lock(&memory->lock);
	now = store_clock_now(&memory->clock, 0);
	if (memory->tend_next == NULL)
		memory->tend_next = memory->oldest;
	for (size_t i = 0; i < TEND_KEYS && memory->tend_next != NULL; i++) {
		struct counted *entry = memory->tend_next;

		memory->tend_next = entry->newer;
		if (window_idle_at(&entry->window) <= now)
			drop(memory, entry);
	}
	(void)pthread_mutex_unlock(&memory->lock);
}

static void
memory_close(struct store *store)
{
	struct store_memory *memory = (struct store_memory *)store;

	while (memory->oldest != NULL)
		drop(memory, memory->oldest);
	(void)pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static const struct store_class memory_class = {
	.charge = memory_charge,
	.refund = memory_refund,
	.add = memory_add,
	.reset = memory_reset,
	.epoch = memory_epoch,
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
	if (pthread_mutex_init(&memory->lock, NULL) != 0) {
		free(memory);
		return NULL;
	}
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
