/* store: where charges are kept. One promise, kept by each implementation
 * (design §6): of the charges of one message either all are counted or none;
 * in no window of length `per` is more than `max` counted by binding charges;
 * a key's clock is the store's and never goes back. tests/contract holds the
 * suite that each must pass. */
#ifndef MILTER_IO_STORE_H
#define MILTER_IO_STORE_H

#include "policy/fault.h"
#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STORE_CHARGES = LIMITS_ALL_MOST,
	STORE_OVERRIDES = 100000, /* most that there may be */
	STORE_WORDS = 200,        /* octets of what an override says */
	/* New recipients: of a key, the last so many at least are remembered,
	 * and twice as many at most. */
	STORE_RECIPIENTS = 1024,
};

/* What an administrator said of one key under one limit: another max, for a
 * while or for good. With max 0 under a limit of limits_block() the key is
 * blocked. */
struct store_override {
	const char *limit_name;
	const char *key;
	uint64_t max;
	uint64_t until_ms; /* store's clock, it ends then; 0: it doesn't */
	const char *words; /* why; at most STORE_WORDS octets; never NULL */
};

/* What came of a charge as a whole. */
struct store_receipt {
	bool is_charged;   /* all were counted; else none was */
	uint64_t now_ms;   /* the store's clock at the charge */
	unsigned origin;   /* which store of a guard counted it */
	uint64_t local_ms; /* when a guard's local store recorded it too; 0:
			      it didn't */
	/* Of the first charge that an override doesn't let pass: its words. */
	char words[STORE_WORDS + 1];
};

/* A charge that another store has let pass. Its age, not its time, is told:
 * two stores need not have the same clock. */
struct store_late {
	const struct limit *limit;
	const char *key;
	uint64_t cost;
	uint64_t age_ms; /* how long ago it was counted */
};

struct store;

/* Called for one override, whose strings are gone afterwards; false: enough. */
typedef bool
store_override_visit(void *context, const struct store_override *override);

/* Called for one key and what is used of its limit; false: enough. */
typedef bool store_count_visit(void *context, const char *key, uint64_t used);

/* What an implementation provides. Everything is locked inside: any thread.
 * Each call has its own deadline. */
struct store_class {
	bool (*charge)(struct store *store, const struct charge *charges,
	    size_t count, bool is_look_only, struct charge_answer *answers_out,
	    struct store_receipt *receipt_out, struct fault *fault);
	bool (*refund)(struct store *store, const struct charge *charges,
	    const struct charge_answer *answers, size_t count,
	    const struct store_receipt *receipt, struct fault *fault);
	bool (*add)(struct store *store, const struct store_late *late,
	    size_t count, uint64_t *now_ms_out, struct fault *fault);
	bool (*reset)(struct store *store, const struct limit *limit,
	    const char *key, bool *was_there_out, struct fault *fault);
	bool (*epoch)(
	    struct store *store, uint64_t *epoch_out, struct fault *fault);
	bool (*set)(struct store *store, const struct store_override *override,
	    struct fault *fault);
	bool (*unset)(struct store *store, const char *limit_name,
	    const char *key, bool *was_there_out, struct fault *fault);
	bool (*overrides)(struct store *store, store_override_visit *visit,
	    void *context, uint64_t *now_ms_out, struct fault *fault);
	bool (*counts)(struct store *store, const struct limit *limit,
	    store_count_visit *visit, void *context, struct fault *fault);
	void (*tend)(struct store *store); /* may be NULL */
	void (*close)(struct store *store);
};

/* The head of every implementation's own struct. */
struct store {
	const struct store_class *class;
	const char *name; /* "lmdb /var/lib/postern", for messages */
};

/* Count the charges, all or none: none if a binding one (looks too) doesn't
 * fit. answers_out has count entries and is filled in either case, with what
 * was used before. An override decides in place of limit->max. New recipients
 * cost what isn't remembered of them for the charge's kind of key and key,
 * whatever the limit; once charged they are. If nothing is counted for a
 * binding charge that refuses, one is counted for each look that counts
 * refusals. is_look_only: nothing is counted whatever the answers, and
 * is_charged says whether it would have been. Two charges of one key under one
 * limit are one after the other. count is at most STORE_CHARGES, more is a
 * fault. False: the store couldn't be asked (then nothing was counted as far
 * as it is known). */
bool store_charge(struct store *store, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault);

/* Give back what store_charge() counted. All that still lies in the window is
 * taken out; looks are skipped. The recipients of the charges are forgotten,
 * new or not: to be new once more than due does no harm. */
bool store_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault);

/* Count charges that another store has let pass, all or none, whether they
 * fit or not; those older than their window are left out. count is at most
 * STORE_CHARGES; with 0 the store merely shows whether it can write.
 * *now_ms_out is its clock. */
bool store_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault);

/* Forget what was counted for key under limit, and move the epoch on, so that
 * every daemon on this store forgets its remembered refusals. */
bool store_reset(struct store *store, const struct limit *limit,
    const char *key, bool *was_there_out, struct fault *fault);

/* Say that a key has another max under a limit, in the place of what was said
 * before, and move the epoch on. FAULT_PERMANENT if there are STORE_OVERRIDES
 * of them. */
bool store_set(struct store *store, const struct store_override *override,
    struct fault *fault);

/* Take that back, and move the epoch on. An override that has ended isn't
 * there. */
bool store_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault);

/* Visit all overrides that haven't ended at *now_ms_out, the store's clock, in
 * no order. One that comes or goes meanwhile may be missed. */
bool store_overrides(struct store *store, store_override_visit *visit,
    void *context, uint64_t *now_ms_out, struct fault *fault);

/* Visit all keys that have used something of a limit, in no order. One whose
 * count changes meanwhile may be missed or be visited twice; this may take
 * long, and gets in no charge's way. */
bool store_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault);

/* A number that changes whenever store_reset(), store_set() or store_unset()
 * was called by anybody. */
bool store_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault);

/* What is to be done once a second beside the messages' way: write to disk,
 * drop idle keys (a bounded number a call). Never fails; faults show at the
 * next charge. */
void store_tend(struct store *store);

/* Close it. Empties the pointer; takes NULL. No call may be under way. */
void store_close(struct store **store);

#endif
