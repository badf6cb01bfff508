#include "milter/io/store.h"

#include <assert.h>
#include <string.h>

bool
store_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	memset(receipt_out, 0, sizeof(*receipt_out));
	if (count > STORE_CHARGES) {
		fault_set(fault, FAULT_PERMANENT,
		    "%zu counts for one message; at most %d can be had", count,
		    (int)STORE_CHARGES);
		return false;
	}
	memset(answers_out, 0, count * sizeof(*answers_out));
	return store->class->charge(store, charges, count, is_look_only,
	    answers_out, receipt_out, fault);
}

bool
store_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	if (!receipt->is_charged)
		return true;
	return store->class->refund(
	    store, charges, answers, count, receipt, fault);
}

bool
store_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	assert(count <= STORE_CHARGES);
	*now_ms_out = 0;
	return store->class->add(store, late, count, now_ms_out, fault);
}

bool
store_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	*was_there_out = false;
	return store->class->reset(store, limit, key, was_there_out, fault);
}

bool
store_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	*epoch_out = 0;
	return store->class->epoch(store, epoch_out, fault);
}

bool
store_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	assert(strlen(override->words) <= STORE_WORDS);
	return store->class->set(store, override, fault);
}

bool
store_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	*was_there_out = false;
	return store->class->unset(
	    store, limit_name, key, was_there_out, fault);
}

bool
store_overrides(struct store *store, store_override_visit *visit, void *context,
    uint64_t *now_ms_out, struct fault *fault)
{
	*now_ms_out = 0;
	return store->class->overrides(
	    store, visit, context, now_ms_out, fault);
}

bool
store_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	return store->class->counts(store, limit, visit, context, fault);
}

void
store_tend(struct store *store)
{
	if (store->class->tend != NULL)
		store->class->tend(store);
}

void
store_close(struct store **store)
{
	if (*store != NULL)
		(*store)->class->close(*store);
	*store = NULL;
}
