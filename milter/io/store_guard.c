#include "milter/io/store_guard.h"

#include "milter/io/clock.h"
#include "milter/io/store_journal.h"
#include "policy/text.h"
#include "policy/window.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Which store counted a charge. */
enum { ORIGIN_INNER = 1, ORIGIN_LOCAL = 2 };

enum { REPLAY_BATCH = 64 };

/* While is_up, calls go to the store inside, each counted in users. The call
 * that fails first ends that. From then on nobody enters; whoever comes first
 * after probe_at_ms (is_probing keeps out the second) waits for the last user
 * to be gone, closes the store, opens it anew, tells it what it missed, and
 * lets the others in again. The lock is never held across a call of a store. */
struct store_guard {
	struct store store; /* first */
	store_opener *opener;
	void *context;
	struct store *local;
	struct guard_rules rules;

	pthread_mutex_t lock; /* of all that follows */
	struct store *inner;
	size_t users;
	bool is_up;
	bool is_probing;
	uint64_t since_ms;
	uint64_t probe_at_ms;
	struct journal *journal;
	char words[FAULT_WORDS_BYTES]; /* of the last failure */
};

static void
change(const struct store_guard *guard, bool is_up, const char *words)
{
	if (guard->rules.on_change != NULL)
		guard->rules.on_change(
		    guard->rules.on_change_context, is_up, words);
}

/* May this call go to the store inside? If so it is to be left. */
static struct store *
enter(struct store_guard *guard)
{
	struct store *inner = NULL;

	(void)pthread_mutex_lock(&guard->lock);
	if (guard->is_up) {
		inner = guard->inner;
		guard->users++;
	}
	(void)pthread_mutex_unlock(&guard->lock);
	return inner;
}

static void
note_failure(struct store_guard *guard, const struct fault *fault)
{
	struct text text;

	guard->probe_at_ms = clock_monotonic_ms() + guard->rules.retry_ms;
	text_init(&text, guard->words, sizeof guard->words);
	text_add(&text, fault->words);
}

/* Of several calls that fail together one tells. */
static void
leave(struct store_guard *guard, const struct fault *failed)
{
	bool is_change = false;

	(void)pthread_mutex_lock(&guard->lock);
	guard->users--;
	if (failed != NULL && guard->is_up) {
		is_change = true;
		guard->is_up = false;
		guard->since_ms = clock_monotonic_ms();
		note_failure(guard, failed);
	}
	(void)pthread_mutex_unlock(&guard->lock);
	if (is_change)
		change(guard, false, failed->words);
}

/* The fault of a call that nobody can answer. */
static void
away(struct store_guard *guard, struct fault *fault)
{
	char words[FAULT_WORDS_BYTES];

	(void)pthread_mutex_lock(&guard->lock);
	memcpy(words, guard->words, sizeof words);
	(void)pthread_mutex_unlock(&guard->lock);
	fault_set(fault, FAULT_TEMPORARY, "store is away: %s", words);
}

/* Take up to REPLAY_BATCH entries. If there are none left, a probe has ended
 * well: the store is up in the same moment, no charge can be noted between. */
static size_t
take_batch(
    struct store_guard *guard, struct journal_entry **batch, bool is_probe)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&guard->lock);
	while (count < REPLAY_BATCH
	    && (batch[count] = journal_take(guard->journal)) != NULL)
		count++;
	if (count == 0 && is_probe) {
		guard->is_up = true;
		guard->is_probing = false;
		guard->since_ms = clock_monotonic_ms();
	}
	(void)pthread_mutex_unlock(&guard->lock);
	return count;
}

static void
give_batch_back(
    struct store_guard *guard, struct journal_entry **batch, size_t count)
{
	(void)pthread_mutex_lock(&guard->lock);
	while (count > 0)
		journal_put_back(guard->journal, batch[--count]);
	(void)pthread_mutex_unlock(&guard->lock);
}

static bool
add_batch(struct store_guard *guard, struct store *inner,
    struct journal_entry **batch, size_t count, struct fault *fault)
{
	struct store_late late[REPLAY_BATCH];
	uint64_t local_ms = 0;
	uint64_t now_ms;

	if (!store_add(guard->local, NULL, 0, &local_ms, fault))
		return false;
	for (size_t i = 0; i < count; i++)
		late[i] = (struct store_late){
			.limit = &batch[i]->limit,
			.key = batch[i]->key,
			.cost = batch[i]->cost,
			.age_ms = local_ms > batch[i]->at_ms
			    ? local_ms - batch[i]->at_ms
			    : 0,
		};
	return store_add(inner, late, count, &now_ms, fault);
}

/* Tell the store inside what was charged while it was away. */
static bool
replay(struct store_guard *guard, struct store *inner, bool is_probe,
    uint64_t *added_out, struct fault *fault)
{
	struct journal_entry *batch[REPLAY_BATCH];
	size_t count;

	*added_out = 0;
	while ((count = take_batch(guard, batch, is_probe)) > 0) {
		if (!add_batch(guard, inner, batch, count, fault)) {
			give_batch_back(guard, batch, count);
			return false;
		}
		*added_out += count;
		while (count > 0)
			journal_free(&batch[--count]);
	}
	return true;
}

static void
tell_return(struct store_guard *guard, uint64_t away_ms, uint64_t added,
    const struct fault *notice)
{
	char words[FAULT_WORDS_BYTES];
	struct text text;
	size_t lost;

	(void)pthread_mutex_lock(&guard->lock);
	lost = journal_lost(guard->journal);
	(void)pthread_mutex_unlock(&guard->lock);
	text_init(&text, words, sizeof words);
	text_add(&text, "answers again after ");
	text_add_duration(&text, away_ms);
	if (added > 0)
		text_addf(&text,
		    "; %" PRIu64 " counts made meanwhile were added", added);
	if (lost > 0)
		text_addf(&text,
		    "; %zu counts made meanwhile were too many to keep", lost);
	if (notice->kind != FAULT_NONE)
		text_addf(&text, "; %s", notice->words);
	change(guard, true, words);
}

/* Open the store inside, and see whether it can write. */
static struct store *
open_inner(struct store_guard *guard, struct fault *notice, struct fault *fault)
{
	struct store *inner;
	uint64_t now_ms;

	memset(notice, 0, sizeof(*notice));
	memset(fault, 0, sizeof(*fault));
	inner = guard->opener(guard->context, notice, fault);
	if (inner == NULL)
		return NULL;
	store_tend(inner); /* one that is full may find room */
	if (!store_add(inner, NULL, 0, &now_ms, fault))
		store_close(&inner);
	return inner;
}

/* Is it this call's turn to see whether the store is there again? It then has
 * what is left of the old one, if nobody else uses that any more. */
static bool
begin_probe(
    struct store_guard *guard, uint64_t grace_ms, struct store **old_out)
{
	bool is_mine;

	(void)pthread_mutex_lock(&guard->lock);
	is_mine = !guard->is_up && !guard->is_probing && guard->users == 0
	    && clock_monotonic_ms() >= guard->probe_at_ms + grace_ms;
	if (is_mine) {
		guard->is_probing = true;
		*old_out = guard->inner;
		guard->inner = NULL;
	}
	(void)pthread_mutex_unlock(&guard->lock);
	return is_mine;
}

static void
probe(struct store_guard *guard, uint64_t grace_ms)
{
	struct store *inner = NULL;
	struct fault notice;
	struct fault fault;
	uint64_t since_ms;
	uint64_t added;

	if (!begin_probe(guard, grace_ms, &inner))
		return;
	store_close(&inner);
	inner = open_inner(guard, &notice, &fault);
	(void)pthread_mutex_lock(&guard->lock);
	since_ms = guard->since_ms;
	guard->inner = inner;
	(void)pthread_mutex_unlock(&guard->lock);

	if (inner != NULL && replay(guard, inner, true, &added, &fault)) {
		tell_return(
		    guard, clock_monotonic_ms() - since_ms, added, &notice);
		return;
	}
	(void)pthread_mutex_lock(&guard->lock);
	note_failure(guard, &fault);
	guard->is_probing = false;
	(void)pthread_mutex_unlock(&guard->lock);
}

/* Messages don't wait for a probe as long as store_tend() is called: it is
 * left twice the time for it. */
static void
probe_for_want_of_tending(struct store_guard *guard)
{
	probe(guard, guard->rules.retry_ms);
}

/* What the store inside has counted is noted here too, so that there is
 * something to go by when it is gone. */
static void
record_locally(struct store_guard *guard, const struct charge *charges,
    size_t count, struct store_receipt *receipt)
{
	struct store_late late[STORE_CHARGES];
	struct fault fault;
	size_t used = 0;

	if (!guard->rules.has_local)
		return;
	for (size_t i = 0; i < count; i++)
		if (!charges[i].is_look)
			late[used++] = (struct store_late){
				.limit = charges[i].limit,
				.key = charges[i].key,
				.cost = charges[i].cost,
			};
	if (!store_add(guard->local, late, used, &receipt->local_ms, &fault))
		receipt->local_ms = 0;
}

static void
note_charges(struct store_guard *guard, const struct charge *charges,
    size_t count, uint64_t now_ms)
{
	(void)pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < count; i++)
		if (!charges[i].is_look && charges[i].cost > 0)
			journal_add(guard->journal, charges[i].limit,
			    charges[i].key, now_ms, charges[i].cost);
	(void)pthread_mutex_unlock(&guard->lock);
}

static bool
charge_locally(struct store_guard *guard, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	if (!guard->rules.has_local) {
		away(guard, fault);
		return false;
	}
	if (!store_charge(guard->local, charges, count, is_look_only,
		answers_out, receipt_out, fault))
		return false;
	receipt_out->origin = ORIGIN_LOCAL;
	if (receipt_out->is_charged && !is_look_only)
		note_charges(guard, charges, count, receipt_out->now_ms);
	return true;
}

static bool
guard_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner;
	bool is_done;

	probe_for_want_of_tending(guard);
	inner = enter(guard);
	if (inner != NULL) {
		is_done = store_charge(inner, charges, count, is_look_only,
		    answers_out, receipt_out, &failed);
		leave(guard, is_done ? NULL : &failed);
		if (is_done) {
			receipt_out->origin = ORIGIN_INNER;
			if (receipt_out->is_charged && !is_look_only)
				record_locally(
				    guard, charges, count, receipt_out);
			return true;
		}
	}
	return charge_locally(guard, charges, count, is_look_only, answers_out,
	    receipt_out, fault);
}

/* The local store has its own clock, and so its own slots. */
static void
take_back_record(struct store_guard *guard, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt)
{
	struct charge_answer own[STORE_CHARGES];
	struct fault fault;

	if (receipt->local_ms == 0 || !guard->rules.has_local)
		return;
	for (size_t i = 0; i < count; i++) {
		own[i] = answers[i];
		own[i].slot =
		    window_slot(charges[i].limit->per_ms, receipt->local_ms);
	}
	(void)store_refund(guard->local, charges, own, count, receipt, &fault);
}

static bool
refund_locally(struct store_guard *guard, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	(void)pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < count; i++)
		if (!charges[i].is_look)
			journal_take_back(guard->journal, charges[i].limit,
			    charges[i].key, receipt->now_ms, charges[i].cost);
	(void)pthread_mutex_unlock(&guard->lock);
	return store_refund(
	    guard->local, charges, answers, count, receipt, fault);
}

/* What was charged locally and has been told to the store inside since stays
 * charged there: which slots it is in isn't known any more. */
static bool
guard_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner;
	bool is_done;

	if (receipt->origin == ORIGIN_LOCAL)
		return refund_locally(
		    guard, charges, answers, count, receipt, fault);
	take_back_record(guard, charges, answers, count, receipt);
	inner = enter(guard);
	if (inner == NULL) {
		away(guard, fault);
		return false;
	}
	is_done =
	    store_refund(inner, charges, answers, count, receipt, &failed);
	leave(guard, is_done ? NULL : &failed);
	if (!is_done && fault != NULL)
		*fault = failed;
	return is_done;
}

static bool
guard_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = enter(guard);
	bool is_done;

	if (inner == NULL) {
		away(guard, fault);
		return false;
	}
	is_done = store_add(inner, late, count, now_ms_out, &failed);
	leave(guard, is_done ? NULL : &failed);
	if (!is_done && fault != NULL)
		*fault = failed;
	return is_done;
}

static bool
guard_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	bool was_here = false;
	struct store *inner;
	bool is_done;

	(void)pthread_mutex_lock(&guard->lock);
	journal_forget(guard->journal, limit, key);
	(void)pthread_mutex_unlock(&guard->lock);
	if (guard->rules.has_local)
		(void)store_reset(guard->local, limit, key, &was_here, &failed);
	probe_for_want_of_tending(guard);
	inner = enter(guard);
	if (inner == NULL) {
		away(guard, fault);
		return false;
	}
	is_done = store_reset(inner, limit, key, was_there_out, &failed);
	leave(guard, is_done ? NULL : &failed);
	if (!is_done && fault != NULL)
		*fault = failed;
	*was_there_out = *was_there_out || was_here;
	return is_done;
}

/* While the store is away refusals rest on the local one, and on its epoch:
 * no two stores have the same. */
static bool
guard_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = enter(guard);
	bool is_done;

	if (inner != NULL) {
		is_done = store_epoch(inner, epoch_out, &failed);
		leave(guard, is_done ? NULL : &failed);
		if (is_done)
			return true;
	}
	if (guard->rules.has_local)
		return store_epoch(guard->local, epoch_out, fault);
	away(guard, fault);
	return false;
}

/* A charge that found the store away may have been noted after it was back. */
static void
replay_late(struct store_guard *guard, struct store *inner)
{
	struct fault fault = { 0 };
	uint64_t added;
	bool is_done = replay(guard, inner, false, &added, &fault);

	leave(guard, is_done ? NULL : &fault);
}

static void
guard_tend(struct store *store)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct store *inner;

	probe(guard, 0);
	inner = enter(guard);
	if (inner != NULL) {
		store_tend(inner);
		replay_late(guard, inner);
	}
	if (guard->local != NULL)
		store_tend(guard->local);
}

static void
guard_close(struct store *store)
{
	struct store_guard *guard = (struct store_guard *)store;

	store_close(&guard->inner);
	store_close(&guard->local);
	journal_close(&guard->journal);
	(void)pthread_mutex_destroy(&guard->lock);
	free(guard);
}

static const struct store_class guard_class = {
	.charge = guard_charge,
	.refund = guard_refund,
	.add = guard_add,
	.reset = guard_reset,
	.epoch = guard_epoch,
	.tend = guard_tend,
	.close = guard_close,
};

struct store *
store_guard_open(store_opener *opener, void *context, struct store *local,
    const struct guard_rules *rules)
{
	struct store_guard *guard = calloc(1, sizeof(*guard));
	struct journal *journal = journal_open(GUARD_JOURNAL);
	struct fault notice;
	struct fault fault;

	if (guard == NULL || journal == NULL
	    || pthread_mutex_init(&guard->lock, NULL) != 0) {
		journal_close(&journal);
		store_close(&local);
		free(guard);
		return NULL;
	}
	guard->store.class = &guard_class;
	guard->store.name = "guarded store";
	guard->opener = opener;
	guard->context = context;
	guard->local = local;
	guard->rules = *rules;
	guard->journal = journal;
	guard->since_ms = clock_monotonic_ms();
	guard->inner = open_inner(guard, &notice, &fault);
	guard->is_up = guard->inner != NULL;
	if (!guard->is_up) {
		note_failure(guard, &fault);
		change(guard, false, fault.words);
	} else if (notice.kind != FAULT_NONE) {
		change(guard, true, notice.words);
	}
	return &guard->store;
}

bool
store_guard_is_up(struct store *store, uint64_t *since_ms_out)
{
	struct store_guard *guard = (struct store_guard *)store;
	bool is_up;

	(void)pthread_mutex_lock(&guard->lock);
	is_up = guard->is_up;
	*since_ms_out = guard->since_ms;
	(void)pthread_mutex_unlock(&guard->lock);
	return is_up;
}
