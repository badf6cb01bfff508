#include "milter/io/store_guard.h"

#include "milter/io/clock.h"
#include "milter/io/store_count.h"
#include "milter/io/store_guard_mirror.h"
#include "milter/io/store_guard_state.h"
#include "policy/text.h"

#include <stdlib.h>
#include <string.h>

/* Which store counted a charge. */
enum { ORIGIN_INNER = 1, ORIGIN_LOCAL = 2 };

void
guard_change(const struct store_guard *guard, bool is_up, const char *words)
{
	if (guard->rules.on_change != NULL)
		guard->rules.on_change(
		    guard->rules.on_change_context, is_up, words);
}

struct store *
guard_enter(struct store_guard *guard)
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

void
guard_note_failure(struct store_guard *guard, const struct fault *fault)
{
	struct text text;

	guard->probe_at_ms = clock_monotonic_ms() + guard->rules.retry_ms;
	text_init(&text, guard->words, sizeof guard->words);
	text_add(&text, fault->words);
}

/* Of several calls that fail together one tells. */
void
guard_leave(struct store_guard *guard, const struct fault *failed)
{
	bool is_change = false;

	(void)pthread_mutex_lock(&guard->lock);
	guard->users--;
	if (failed != NULL && guard->is_up) {
		is_change = true;
		guard->is_up = false;
		guard->since_ms = clock_monotonic_ms();
		guard_note_failure(guard, failed);
	}
	(void)pthread_mutex_unlock(&guard->lock);
	if (is_change)
		guard_change(guard, false, failed->words);
}

void
guard_end(struct store_guard *guard, struct store *inner, bool is_done,
    const struct fault *failed)
{
	struct fault ignored;
	uint64_t now_ms;

	if (!is_done && failed->kind != FAULT_TEMPORARY)
		is_done = store_add(inner, NULL, 0, &now_ms, &ignored);
	guard_leave(guard, is_done ? NULL : failed);
}

/* The fault of a call that nobody can answer: failed says why, or, without it,
 * what made the store be away. */
static void
away(struct store_guard *guard, const struct fault *failed, struct fault *fault)
{
	char words[FAULT_WORDS_BYTES];

	if (failed != NULL) {
		if (fault != NULL)
			*fault = *failed;
		return;
	}
	(void)pthread_mutex_lock(&guard->lock);
	memcpy(words, guard->words, sizeof words);
	(void)pthread_mutex_unlock(&guard->lock);
	fault_set(fault, FAULT_TEMPORARY, "store is away: %s", words);
}

/* The same of a command that was carried out in local. */
static void
away_but_here(
    struct store_guard *guard, const struct fault *failed, struct fault *fault)
{
	away(guard, failed, fault);
	if (guard->rules.has_local
	    && (failed == NULL || failed->kind != FAULT_PERMANENT))
		fault_prefix(
		    fault, "done on this host only, until the store is back: ");
}

/* What was counted in local is to be told to the store inside. */
static void
note_charges(struct store_guard *guard, const struct charge *charges,
    const struct charge_answer *answers, size_t count, bool refuses,
    uint64_t now_ms)
{
	(void)pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < count; i++)
		if (store_is_counted(&charges[i], &answers[i], refuses))
			journal_add(guard->journal, charges[i].limit,
			    charges[i].key, now_ms, answers[i].cost);
	(void)pthread_mutex_unlock(&guard->lock);
}

/* Was a refusal counted, for want of anything else? */
static bool
is_refusal(const struct charge *charges, const struct charge_answer *answers,
    size_t count, bool is_look_only, const struct store_receipt *receipt)
{
	return !is_look_only && !receipt->is_charged
	    && store_refuses(charges, answers, count);
}

/* The max that a message is told of is the real one: a message that only the
 * share is too small for must not be refused for good. */
static void
tell_real_max(
    const struct charge *charge, uint64_t percent, struct charge_answer *answer)
{
	if (!answer->is_overridden)
		answer->max = charge->limit->max;
	else if (answer->max <= UINT64_MAX / 100)
		answer->max = answer->max * 100 / percent;
}

/* Charge in local, where a share of each max is what holds. */
static bool
charge_share(struct store_guard *guard, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	uint64_t percent = guard->rules.local_share;
	struct limit limits[STORE_CHARGES];
	struct charge shared[STORE_CHARGES];
	bool is_done;

	if (percent == 100 || count == 0)
		return store_charge(guard->local, charges, count, is_look_only,
		    answers_out, receipt_out, fault);
	for (size_t i = 0; i < count; i++) {
		limits[i] = *charges[i].limit;
		limits[i].max = guard_share(limits[i].max, percent);
		shared[i] = charges[i];
		shared[i].limit = &limits[i];
	}
	is_done = store_charge(guard->local, shared, count, is_look_only,
	    answers_out, receipt_out, fault);
	for (size_t i = 0; is_done && i < count; i++)
		tell_real_max(&charges[i], percent, &answers_out[i]);
	return is_done;
}

static bool
charge_locally(struct store_guard *guard, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	bool refuses;

	(void)guard_record_tell(guard->record, fault);
	if (!charge_share(guard, charges, count, is_look_only, answers_out,
		receipt_out, fault))
		return false;
	receipt_out->origin = ORIGIN_LOCAL;
	refuses =
	    is_refusal(charges, answers_out, count, is_look_only, receipt_out);
	if ((receipt_out->is_charged && !is_look_only) || refuses)
		note_charges(guard, charges, answers_out, count, refuses,
		    receipt_out->now_ms);
	return true;
}

static void
charged_inside(struct store_guard *guard, const struct charge *charges,
    const struct charge_answer *answers, size_t count, bool is_look_only,
    struct store_receipt *receipt)
{
	bool refuses =
	    is_refusal(charges, answers, count, is_look_only, receipt);

	receipt->origin = ORIGIN_INNER;
	if (guard->record != NULL
	    && ((receipt->is_charged && !is_look_only) || refuses))
		guard_record_note(
		    guard->record, charges, answers, count, refuses, receipt);
}

static bool
guard_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);

	if (inner != NULL) {
		bool is_done = store_charge(inner, charges, count, is_look_only,
		    answers_out, receipt_out, &failed);

		/* Noted before it is left: whoever finds the breaker open
		 * later finds this too. */
		if (is_done)
			charged_inside(guard, charges, answers_out, count,
			    is_look_only, receipt_out);
		guard_end(guard, inner, is_done, &failed);
		if (is_done)
			return true;
	}
	if (guard->rules.has_local)
		return charge_locally(guard, charges, count, is_look_only,
		    answers_out, receipt_out, fault);
	away(guard, inner != NULL ? &failed : NULL, fault);
	return false;
}

static bool
refund_locally(struct store_guard *guard, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	(void)pthread_mutex_lock(&guard->lock);
	for (size_t i = 0; i < count; i++)
		if (store_is_counted(&charges[i], &answers[i], false))
			(void)journal_take_back(guard->journal,
			    charges[i].limit, charges[i].key, receipt->now_ms,
			    answers[i].cost);
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
	bool is_done = false;

	if (receipt->origin == ORIGIN_LOCAL)
		return refund_locally(
		    guard, charges, answers, count, receipt, fault);
	if (guard->record != NULL)
		guard_record_take_back(
		    guard->record, charges, answers, count, receipt);
	inner = guard_enter(guard);
	if (inner != NULL) {
		is_done = store_refund(
		    inner, charges, answers, count, receipt, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (!is_done)
		away(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

static bool
guard_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);
	bool is_done = false;

	if (inner != NULL) {
		is_done = store_add(inner, late, count, now_ms_out, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (!is_done)
		away(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

static bool
guard_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	bool was_here = false;
	bool is_done = false;
	struct store *inner;

	(void)pthread_mutex_lock(&guard->lock);
	journal_forget(guard->journal, limit, key);
	(void)pthread_mutex_unlock(&guard->lock);
	if (guard->record != NULL) {
		guard_record_forget(guard->record, limit, key);
		(void)store_reset(guard->local, limit, key, &was_here, &failed);
	}
	failed = (struct fault){ 0 };
	inner = guard_enter(guard);
	if (inner != NULL) {
		is_done =
		    store_reset(inner, limit, key, was_there_out, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (!is_done)
		away_but_here(guard, inner != NULL ? &failed : NULL, fault);
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
	struct store *inner = guard_enter(guard);

	if (inner != NULL) {
		bool is_done = store_epoch(inner, epoch_out, &failed);

		guard_end(guard, inner, is_done, &failed);
		if (is_done)
			return true;
	}
	if (guard->rules.has_local)
		return store_epoch(guard->local, epoch_out, fault);
	away(guard, inner != NULL ? &failed : NULL, fault);
	return false;
}

/* An override that the store inside has no room for isn't set here either:
 * it would be taken back when the two are compared. */
static bool
guard_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);
	bool is_done = false;

	if (inner != NULL) {
		is_done = store_set(inner, override, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (guard->rules.has_local
	    && (is_done || failed.kind != FAULT_PERMANENT)) {
		struct store_override own =
		    guard_share_override(override, guard->rules.local_share);
		struct fault ignored;

		(void)store_set(guard->local, &own, &ignored);
	}
	if (!is_done)
		away_but_here(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

static bool
guard_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);
	bool is_done = false;

	if (inner != NULL) {
		is_done =
		    store_unset(inner, limit_name, key, was_there_out, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (guard->rules.has_local) {
		struct fault ignored;
		bool was_here;

		(void)store_unset(
		    guard->local, limit_name, key, &was_here, &ignored);
		*was_there_out = is_done ? *was_there_out : was_here;
	}
	if (!is_done)
		away_but_here(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

/* If the store inside fails half way, local isn't visited in its place: much
 * would come twice. */
static bool
guard_overrides(struct store *store, store_override_visit *visit, void *context,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);
	bool is_done = false;

	if (inner == NULL && guard->rules.has_local)
		return store_overrides(
		    guard->local, visit, context, now_ms_out, fault);
	if (inner != NULL) {
		is_done =
		    store_overrides(inner, visit, context, now_ms_out, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (!is_done)
		away(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

static bool
guard_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault failed = { 0 };
	struct store *inner = guard_enter(guard);
	bool is_done = false;

	if (inner == NULL && guard->rules.has_local) {
		(void)guard_record_tell(guard->record, &failed);
		return store_counts(guard->local, limit, visit, context, fault);
	}
	if (inner != NULL) {
		is_done = store_counts(inner, limit, visit, context, &failed);
		guard_end(guard, inner, is_done, &failed);
	}
	if (!is_done)
		away(guard, inner != NULL ? &failed : NULL, fault);
	return is_done;
}

static void
guard_close(struct store *store)
{
	struct store_guard *guard = (struct store_guard *)store;

	guard_record_close(&guard->record);
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
	.set = guard_set,
	.unset = guard_unset,
	.overrides = guard_overrides,
	.counts = guard_counts,
	.tend = guard_tend,
	.close = guard_close,
};

/* All that it is made of, but for the store inside; NULL: no memory. */
static struct store_guard *
make(struct store *local, const struct guard_rules *rules)
{
	struct store_guard *guard = calloc(1, sizeof(*guard));

	if (guard == NULL)
		return NULL;
	guard->journal = journal_open(GUARD_JOURNAL);
	if (rules->has_local)
		guard->record = guard_record_open(local, GUARD_JOURNAL);
	if (guard->journal == NULL
	    || (rules->has_local && guard->record == NULL)
	    || pthread_mutex_init(&guard->lock, NULL) != 0) {
		journal_close(&guard->journal);
		guard_record_close(&guard->record);
		free(guard);
		return NULL;
	}
	guard->local = local;
	guard->rules = *rules;
	if (rules->local_share == 0 || rules->local_share > 100)
		guard->rules.local_share = 100;
	return guard;
}

struct store *
store_guard_open(store_opener *opener, void *context, struct store *local,
    const struct guard_rules *rules)
{
	struct store_guard *guard = make(local, rules);
	struct fault notice;
	struct fault fault;

	if (guard == NULL) {
		store_close(&local);
		return NULL;
	}
	guard->store.class = &guard_class;
	guard->store.name = "guarded store";
	guard->opener = opener;
	guard->context = context;
	guard->since_ms = clock_monotonic_ms();
	guard->inner = guard_open_inner(guard, &notice, &fault);
	guard->is_up = guard->inner != NULL;
	if (!guard->is_up) {
		guard_note_failure(guard, &fault);
		guard_change(guard, false, fault.words);
	} else if (notice.kind != FAULT_NONE) {
		guard_change(guard, true, notice.words);
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
