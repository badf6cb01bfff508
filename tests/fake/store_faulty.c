#include "tests/fake/store_faulty.h"

#include <stdint.h>
#include <stdlib.h>

struct store_faulty {
	struct store store; /* first */
	struct store *inner;
	struct faulty *faulty;
};

void
faulty_init(struct faulty *faulty)
{
	*faulty = (struct faulty){ .is_failing = false };
	(void)pthread_mutex_init(&faulty->lock, NULL);
	(void)pthread_cond_init(&faulty->changed, NULL);
}

void
faulty_clear(struct faulty *faulty)
{
	(void)pthread_cond_destroy(&faulty->changed);
	(void)pthread_mutex_destroy(&faulty->lock);
}

void
faulty_fail(struct faulty *faulty, bool is_failing)
{
	(void)pthread_mutex_lock(&faulty->lock);
	faulty->is_failing = is_failing;
	(void)pthread_mutex_unlock(&faulty->lock);
}

void
faulty_fail_once(struct faulty *faulty)
{
	(void)pthread_mutex_lock(&faulty->lock);
	faulty->is_odd = true;
	(void)pthread_mutex_unlock(&faulty->lock);
}

void
faulty_hold(struct faulty *faulty, bool is_holding)
{
	(void)pthread_mutex_lock(&faulty->lock);
	faulty->is_holding = is_holding;
	faulty->held_most = SIZE_MAX;
	(void)pthread_cond_broadcast(&faulty->changed);
	(void)pthread_mutex_unlock(&faulty->lock);
}

void
faulty_hold_one(struct faulty *faulty)
{
	(void)pthread_mutex_lock(&faulty->lock);
	faulty->is_holding = true;
	faulty->held_most = 1;
	(void)pthread_mutex_unlock(&faulty->lock);
}

void
faulty_wait_held(struct faulty *faulty, size_t count)
{
	(void)pthread_mutex_lock(&faulty->lock);
	while (faulty->held < count)
		(void)pthread_cond_wait(&faulty->changed, &faulty->lock);
	(void)pthread_mutex_unlock(&faulty->lock);
}

static size_t
read_count(struct faulty *faulty, const size_t *count)
{
	size_t value;

	(void)pthread_mutex_lock(&faulty->lock);
	value = *count;
	(void)pthread_mutex_unlock(&faulty->lock);
	return value;
}

size_t
faulty_calls(struct faulty *faulty)
{
	return read_count(faulty, &faulty->calls);
}

size_t
faulty_closed(struct faulty *faulty)
{
	return read_count(faulty, &faulty->closed);
}

/* Do as commanded; true if the call may go on. */
static bool
obey(struct store *store, struct fault *fault)
{
	struct faulty *faulty = ((struct store_faulty *)store)->faulty;
	bool is_failing;
	bool is_odd;

	(void)pthread_mutex_lock(&faulty->lock);
	faulty->calls++;
	if (faulty->is_holding && faulty->held < faulty->held_most) {
		faulty->held++;
		(void)pthread_cond_broadcast(&faulty->changed);
		while (faulty->is_holding)
			(void)pthread_cond_wait(
			    &faulty->changed, &faulty->lock);
		faulty->held--;
	}
	is_failing = faulty->is_failing;
	is_odd = faulty->is_odd;
	faulty->is_odd = false;
	(void)pthread_mutex_unlock(&faulty->lock);
	if (is_failing)
		fault_set(fault, FAULT_TEMPORARY, "told to fail");
	else if (is_odd)
		fault_set(fault, FAULT_PERMANENT, "told to find it odd");
	return !is_failing && !is_odd;
}

static struct store *
inner_of(struct store *store)
{
	return ((struct store_faulty *)store)->inner;
}

static bool
faulty_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_charge(inner_of(store), charges, count, is_look_only,
		answers_out, receipt_out, fault);
}

static bool
faulty_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	return obey(store, fault)
	    && store_refund(
		inner_of(store), charges, answers, count, receipt, fault);
}

static bool
faulty_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_add(inner_of(store), late, count, now_ms_out, fault);
}

static bool
faulty_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_reset(inner_of(store), limit, key, was_there_out, fault);
}

static bool
faulty_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_epoch(inner_of(store), epoch_out, fault);
}

static bool
faulty_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	return obey(store, fault)
	    && store_set(inner_of(store), override, fault);
}

static bool
faulty_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_unset(
		inner_of(store), limit_name, key, was_there_out, fault);
}

static bool
faulty_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault)
{
	return obey(store, fault)
	    && store_overrides(
		inner_of(store), visit, context, now_ms_out, fault);
}

static bool
faulty_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	return obey(store, fault)
	    && store_counts(inner_of(store), limit, visit, context, fault);
}

static void
faulty_tend(struct store *store)
{
	store_tend(inner_of(store));
}

static void
faulty_close(struct store *store)
{
	struct store_faulty *self = (struct store_faulty *)store;

	(void)pthread_mutex_lock(&self->faulty->lock);
	self->faulty->closed++;
	(void)pthread_mutex_unlock(&self->faulty->lock);
	store_close(&self->inner);
	free(self);
}

static const struct store_class faulty_class = {
	.charge = faulty_charge,
	.refund = faulty_refund,
	.add = faulty_add,
	.reset = faulty_reset,
	.epoch = faulty_epoch,
	.set = faulty_set,
	.unset = faulty_unset,
	.overrides = faulty_overrides,
	.counts = faulty_counts,
	.tend = faulty_tend,
	.close = faulty_close,
};

struct store *
store_faulty_open(struct store *inner, struct faulty *faulty)
{
	struct store_faulty *self = calloc(1, sizeof(*self));

	if (self == NULL) {
		store_close(&inner);
		return NULL;
	}
	self->store.class = &faulty_class;
	self->store.name = "faulty";
	self->inner = inner;
	self->faulty = faulty;
	return &self->store;
}
