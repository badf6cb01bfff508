#include "milter/io/store_guard_record.h"

#include "milter/io/clock.h"
#include "milter/io/store_count.h"
#include "milter/io/store_journal.h"
#include "policy/window.h"

#include <pthread.h>
#include <stdlib.h>

enum { TOLD_AT_ONCE = 256 };

struct guard_record {
	struct store *local;

	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t told;  /* a batch is in the local store */
	struct journal *counted;
	struct journal *given_back;
	size_t telling; /* batches that are on their way */
};

struct guard_record *
guard_record_open(struct store *local, size_t most)
{
	struct guard_record *record = calloc(1, sizeof(*record));
	struct journal *counted = journal_open(most);
	struct journal *given_back = journal_open(most);

	if (record == NULL || counted == NULL || given_back == NULL
	    || pthread_mutex_init(&record->lock, NULL) != 0) {
		journal_close(&counted);
		journal_close(&given_back);
		free(record);
		return NULL;
	}
	(void)pthread_cond_init(&record->told, NULL); /* can't fail on Linux */
	record->local = local;
	record->counted = counted;
	record->given_back = given_back;
	return record;
}

/* Times here are the monotonic clock's. The local store is told ages: its own
 * clock can't be asked in a message's way. */
void
guard_record_note(struct guard_record *record, const struct charge *charges,
    const struct charge_answer *answers, size_t count, bool refuses,
    struct store_receipt *receipt)
{
	receipt->local_ms = clock_monotonic_ms();
	(void)pthread_mutex_lock(&record->lock);
	for (size_t i = 0; i < count; i++)
		if (store_is_counted(&charges[i], &answers[i], refuses))
			journal_add(record->counted, charges[i].limit,
			    charges[i].key, receipt->local_ms, answers[i].cost);
	(void)pthread_mutex_unlock(&record->lock);
}

void
guard_record_take_back(struct guard_record *record,
    const struct charge *charges, const struct charge_answer *answers,
    size_t count, const struct store_receipt *receipt)
{
	uint64_t at_ms = receipt->local_ms;

	(void)pthread_mutex_lock(&record->lock);
	for (size_t i = 0; i < count; i++) {
		uint64_t taken;

		if (!store_is_counted(&charges[i], &answers[i], false))
			continue;
		taken = journal_take_back(record->counted, charges[i].limit,
		    charges[i].key, at_ms, answers[i].cost);
		if (taken < answers[i].cost)
			journal_add(record->given_back, charges[i].limit,
			    charges[i].key, at_ms, answers[i].cost - taken);
	}
	(void)pthread_mutex_unlock(&record->lock);
}

void
guard_record_forget(
    struct guard_record *record, const struct limit *limit, const char *key)
{
	(void)pthread_mutex_lock(&record->lock);
	journal_forget(record->counted, limit, key);
	journal_forget(record->given_back, limit, key);
	(void)pthread_mutex_unlock(&record->lock);
}

static uint64_t
age_of(const struct journal_entry *entry)
{
	uint64_t now_ms = clock_monotonic_ms();

	return now_ms > entry->at_ms ? now_ms - entry->at_ms : 0;
}

static bool
add(struct store *local, struct journal_entry **batch, size_t count,
    struct fault *fault)
{
	struct store_late late[TOLD_AT_ONCE];
	uint64_t now_ms;

	for (size_t i = 0; i < count; i++)
		late[i] = (struct store_late){
			.limit = &batch[i]->limit,
			.key = batch[i]->key,
			.cost = batch[i]->cost,
			.age_ms = age_of(batch[i]),
		};
	return store_add(local, late, count, &now_ms, fault);
}

static bool
refund(struct store *local, struct journal_entry **batch, size_t count,
    struct fault *fault)
{
	const struct store_receipt receipt = { .is_charged = true };
	struct charge charges[TOLD_AT_ONCE];
	struct charge_answer answers[TOLD_AT_ONCE];
	uint64_t now_ms;

	if (!store_add(local, NULL, 0, &now_ms, fault))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t age_ms = age_of(batch[i]);

		charges[i] = (struct charge){
			.limit = &batch[i]->limit,
			.key = batch[i]->key,
			.cost = batch[i]->cost,
		};
		answers[i] = (struct charge_answer){
			.cost = batch[i]->cost,
			.slot = window_slot(batch[i]->limit.per_ms,
			    now_ms > age_ms ? now_ms - age_ms : 0),
		};
	}
	return store_refund(local, charges, answers, count, &receipt, fault);
}

/* With the lock held, which is let go meanwhile. */
static bool
tell_batch(struct guard_record *record, struct journal *journal,
    size_t *left_io, struct fault *fault)
{
	struct journal_entry *batch[TOLD_AT_ONCE];
	size_t count = 0;
	bool is_told;

	while (count < TOLD_AT_ONCE && count < *left_io
	    && (batch[count] = journal_take(journal)) != NULL)
		count++;
	*left_io = count < TOLD_AT_ONCE ? 0 : *left_io - count;
	record->telling++;
	(void)pthread_mutex_unlock(&record->lock);
	is_told = (journal == record->counted ? add : refund)(
	    record->local, batch, count, fault);
	(void)pthread_mutex_lock(&record->lock);
	record->telling--;
	(void)pthread_cond_broadcast(&record->told);
	while (count > 0) {
		count--;
		if (is_told)
			journal_free(&batch[count]);
		else
			journal_put_back(journal, batch[count]);
	}
	return is_told;
}

/* What was there at the beginning; more may come all the time. */
static bool
tell_all(
    struct guard_record *record, struct journal *journal, struct fault *fault)
{
	size_t left = journal_count(journal);

	while (left > 0)
		if (!tell_batch(record, journal, &left, fault))
			return false;
	return true;
}

/* What was given back is told last: it may be among what was counted. Others
 * don't hold the lock while they tell, and each of their calls has an end. */
bool
guard_record_tell(struct guard_record *record, struct fault *fault)
{
	bool is_told;

	(void)pthread_mutex_lock(&record->lock);
	is_told = tell_all(record, record->counted, fault);
	while (record->telling > 0)
		(void)pthread_cond_wait(&record->told, &record->lock);
	is_told = is_told && tell_all(record, record->given_back, fault);
	(void)pthread_mutex_unlock(&record->lock);
	return is_told;
}

size_t
guard_record_lost(struct guard_record *record)
{
	size_t lost;

	(void)pthread_mutex_lock(&record->lock);
	lost = journal_lost(record->counted);
	(void)journal_lost(record->given_back); /* then it counts too much */
	(void)pthread_mutex_unlock(&record->lock);
	return lost;
}

void
guard_record_close(struct guard_record **record)
{
	if (*record == NULL)
		return;
	journal_close(&(*record)->counted);
	journal_close(&(*record)->given_back);
	(void)pthread_cond_destroy(&(*record)->told);
	(void)pthread_mutex_destroy(&(*record)->lock);
	free(*record);
	*record = NULL;
}
