#include "milter/io/clock.h"
#include "milter/io/store_guard_mirror.h"
#include "milter/io/store_guard_state.h"
#include "policy/text.h"

#include <inttypes.h>
#include <string.h>

enum {
	REPLAY_BATCH = 64,
	MIRROR_RETRY_MS = 5000, /* when not all overrides could be set */
};

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
		guard->is_mirrored = false;
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
	size_t unrecorded;
	size_t lost;

	(void)pthread_mutex_lock(&guard->lock);
	lost = journal_lost(guard->journal);
	(void)pthread_mutex_unlock(&guard->lock);
	unrecorded =
	    guard->record != NULL ? guard_record_lost(guard->record) : 0;
	text_init(&text, words, sizeof words);
	text_add(&text, "answers again after ");
	text_add_duration(&text, away_ms);
	if (added > 0)
		text_addf(&text,
		    "; %" PRIu64 " counts made meanwhile were added", added);
	if (lost > 0)
		text_addf(&text,
		    "; %zu counts made meanwhile were too many to keep", lost);
	if (unrecorded > 0)
		text_addf(&text,
		    "; %zu counts made before were too many to keep here",
		    unrecorded);
	if (notice->kind != FAULT_NONE)
		text_addf(&text, "; %s", notice->words);
	guard_change(guard, true, words);
}

/* Open the store inside, and see whether it can write. */
struct store *
guard_open_inner(
    struct store_guard *guard, struct fault *notice, struct fault *fault)
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
begin_probe(struct store_guard *guard, struct store **old_out)
{
	bool is_mine;

	(void)pthread_mutex_lock(&guard->lock);
	is_mine = !guard->is_up && !guard->is_probing && guard->users == 0
	    && clock_monotonic_ms() >= guard->probe_at_ms;
	if (is_mine) {
		guard->is_probing = true;
		*old_out = guard->inner;
		guard->inner = NULL;
	}
	(void)pthread_mutex_unlock(&guard->lock);
	return is_mine;
}

static void
probe(struct store_guard *guard)
{
	struct store *inner = NULL;
	struct fault notice;
	struct fault fault;
	uint64_t since_ms;
	uint64_t added;

	if (!begin_probe(guard, &inner))
		return;
	store_close(&inner);
	inner = guard_open_inner(guard, &notice, &fault);
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
	guard_note_failure(guard, &fault);
	guard->is_probing = false;
	(void)pthread_mutex_unlock(&guard->lock);
}

/* A charge that found the store away may have been noted after it was back. */
static bool
replay_late(struct store_guard *guard, struct store *inner, struct fault *fault)
{
	uint64_t added;

	return replay(guard, inner, false, &added, fault);
}

/* Is it this call's turn to mirror the overrides of that epoch? */
static bool
begin_mirror(struct store_guard *guard, uint64_t epoch)
{
	bool is_mine;

	(void)pthread_mutex_lock(&guard->lock);
	is_mine = !guard->is_mirroring
	    && (!guard->is_mirrored || guard->mirrored_epoch != epoch)
	    && clock_monotonic_ms() >= guard->mirror_at_ms;
	guard->is_mirroring = guard->is_mirroring || is_mine;
	(void)pthread_mutex_unlock(&guard->lock);
	return is_mine;
}

static void
end_mirror(struct store_guard *guard, uint64_t epoch, bool is_whole)
{
	(void)pthread_mutex_lock(&guard->lock);
	guard->is_mirroring = false;
	guard->is_mirrored = is_whole;
	guard->mirrored_epoch = epoch;
	guard->mirror_at_ms =
	    is_whole ? 0 : clock_monotonic_ms() + MIRROR_RETRY_MS;
	(void)pthread_mutex_unlock(&guard->lock);
}

/* The epoch is read first: what changes meanwhile is seen the next time. */
static bool
mirror(struct store_guard *guard, struct store *inner, struct fault *fault)
{
	bool is_whole = false;
	bool is_asked;
	uint64_t epoch;

	if (!guard->rules.has_local)
		return true;
	if (!store_epoch(inner, &epoch, fault))
		return false;
	if (!begin_mirror(guard, epoch))
		return true;
	is_asked = guard_mirror(
	    inner, guard->local, guard->rules.local_share, &is_whole, fault);
	end_mirror(guard, epoch, is_whole);
	return is_asked;
}

void
guard_tend(struct store *store)
{
	struct store_guard *guard = (struct store_guard *)store;
	struct fault fault = { 0 };
	struct store *inner;

	probe(guard);
	inner = guard_enter(guard);
	if (inner != NULL) {
		bool is_done;

		store_tend(inner);
		is_done = replay_late(guard, inner, &fault)
		    && mirror(guard, inner, &fault);
		guard_end(guard, inner, is_done, &fault);
	}
	if (guard->record != NULL)
		(void)guard_record_tell(guard->record, &fault);
	if (guard->local != NULL)
		store_tend(guard->local);
}
