#include "milter/io/store_lmdb_calls.h"
#include "milter/io/store_lmdb_file.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 12 }; /* charges of most messages at most: need no allocation */

/* What was read for a charge. Where two are of one key under one limit the
 * first has the window of both. */
struct counted {
	size_t first;
	struct count_override override;
	struct window window;
};

/* What store_charge() was asked. */
struct charging {
	struct lmdb_job job; /* first */
	const struct charge *charges;
	size_t count;
	bool is_look_only;
	struct charge_answer *answers;
	struct store_receipt *receipt;
	bool has_words; /* the receipt's were found */
	struct counted *counted;
};

static size_t
first_alike(const struct charge *charges, size_t index)
{
	const struct charge *charge = &charges[index];
	size_t i = 0;

	while (i < index
	    && ((charges[i].limit != charge->limit
		    && strcmp(charges[i].limit->name, charge->limit->name) != 0)
		|| strcmp(charges[i].key, charge->key) != 0))
		i++;
	return i;
}

static int
read_window(MDB_txn *txn, const struct charge *charge, uint64_t now_ms,
    struct window *window_out)
{
	const struct limit *limit = charge->limit;
	struct record_key name;
	bool was_there;
	int status = lmdb_name(RECORD_WINDOW, limit->name, charge->key, &name);

	if (status == 0)
		status =
		    lmdb_get_window(txn, limit, &name, window_out, &was_there);
	if (status == 0)
		store_bring_up(window_out, limit, now_ms);
	return status;
}

static int
answer_one(struct charging *asked, MDB_txn *txn, const struct record_meta *meta,
    size_t index)
{
	const struct charge *charge = &asked->charges[index];
	struct charge_answer *answer = &asked->answers[index];
	struct counted *counted = &asked->counted[index];
	bool has_window = charge->limit->count != LIMIT_BLOCKS;
	uint64_t now_ms = meta->last_ms;
	uint64_t cost = charge->cost;
	char words[STORE_WORDS + 1];
	int status =
	    lmdb_get_override(txn, meta, charge, &counted->override, words);

	counted->first = first_alike(asked->charges, index);
	if (status == 0 && has_window && counted->first == index)
		status = read_window(txn, charge, now_ms, &counted->window);
	if (status == 0 && charge->limit->count == LIMIT_NEW_RECIPIENTS)
		status = lmdb_new_cost(txn, charge, now_ms, &cost);
	if (status != 0)
		return status;
	store_answer(has_window ? &asked->counted[counted->first].window : NULL,
	    charge, &counted->override, cost,
	    store_pending(asked->charges, asked->answers, index), now_ms,
	    answer);
	if (!answer->fits && answer->is_overridden && !asked->has_words) {
		memcpy(asked->receipt->words, words, strlen(words) + 1);
		asked->has_words = true;
	}
	return 0;
}

/* Count what the answer says that it costs. */
static int
count_one(struct charging *asked, MDB_txn *txn, uint64_t now_ms, size_t index)
{
	const struct charge *charge = &asked->charges[index];
	struct counted *counted = &asked->counted[index];
	struct window *window = &asked->counted[counted->first].window;
	struct record_key name;
	int status;

	if (charge->limit->count == LIMIT_BLOCKS
	    || asked->answers[index].cost == 0)
		return 0;
	store_count(
	    window, charge, &counted->override, now_ms, &asked->answers[index]);
	status =
	    lmdb_name(RECORD_WINDOW, charge->limit->name, charge->key, &name);
	return status != 0 ? status : lmdb_put_window(txn, &name, window);
}

static int
count_all(struct charging *asked, MDB_txn *txn, uint64_t now_ms)
{
	int status = 0;

	for (size_t i = 0; i < asked->count && status == 0; i++) {
		const struct charge *charge = &asked->charges[i];

		if (charge->is_look)
			continue;
		status = count_one(asked, txn, now_ms, i);
		if (status == 0 && charge->recipient_count > 0)
			status = lmdb_remember(txn, charge, now_ms);
	}
	return status;
}

static int
count_refusals(struct charging *asked, MDB_txn *txn, uint64_t now_ms)
{
	int status = 0;

	for (size_t i = 0; i < asked->count && status == 0; i++)
		if (asked->charges[i].counts_refusal)
			status = count_one(asked, txn, now_ms, i);
	return status;
}

static bool
fits_all(const struct charging *asked)
{
	for (size_t i = 0; i < asked->count; i++)
		if (asked->charges[i].is_binding && !asked->answers[i].fits)
			return false;
	return true;
}

static int
apply_charge(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct charging *asked = (struct charging *)job;
	size_t pages;
	int status = 0;
	bool fits;

	memset(asked->answers, 0, asked->count * sizeof(*asked->answers));
	memset(asked->receipt, 0, sizeof(*asked->receipt));
	asked->has_words = false;
	asked->receipt->now_ms = meta->last_ms;
	for (size_t i = 0; i < asked->count && status == 0; i++)
		status = answer_one(asked, txn, meta, i);
	if (status != 0)
		return status;
	fits = fits_all(asked);
	asked->receipt->is_charged = fits;
	if (asked->is_look_only
	    || (!fits
		&& !store_refuses(
		    asked->charges, asked->answers, asked->count)))
		return 0;
	job->has_changed = true;
	pages = lmdb_pages(txn);
	status = fits ? count_all(asked, txn, meta->last_ms)
		      : count_refusals(asked, txn, meta->last_ms);
	return status != 0 ? status : lmdb_check_room(lmdb, txn, pages);
}

bool
lmdb_charge(struct store *store, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault)
{
	struct counted few[FEW];
	struct charging asked = {
		.job = { .apply = apply_charge, .is_write = !is_look_only },
		.charges = charges,
		.count = count,
		.is_look_only = is_look_only,
		.answers = answers_out,
		.receipt = receipt_out,
		.counted = few,
	};
	bool is_done;

	if (count > FEW)
		asked.counted = malloc(count * sizeof(*asked.counted));
	if (asked.counted == NULL) {
		fault_memory(fault);
		return false;
	}
	is_done = lmdb_ask((struct store_lmdb *)store, &asked.job, true, fault);
	if (!is_done)
		receipt_out->is_charged = false;
	if (asked.counted != few)
		free(asked.counted);
	return is_done;
}

static int
take_back_one(MDB_txn *txn, const struct charge *charge,
    const struct charge_answer *answer, uint64_t now_ms)
{
	const struct limit *limit = charge->limit;
	struct record_key name;
	struct window window;
	bool was_there;
	int status = 0;

	if (limit->count == LIMIT_BLOCKS)
		return 0;
	if (charge->recipient_count > 0)
		status = lmdb_forget(txn, charge, now_ms);
	if (status == 0)
		status =
		    lmdb_name(RECORD_WINDOW, limit->name, charge->key, &name);
	if (status == 0)
		status =
		    lmdb_get_window(txn, limit, &name, &window, &was_there);
	if (status != 0 || !was_there)
		return status;
	window_take_back(&window, limit->per_ms, answer->slot, answer->cost);
	return lmdb_put_window(txn, &name, &window);
}

struct refunding {
	struct lmdb_job job; /* first */
	const struct charge *charges;
	const struct charge_answer *answers;
	size_t count;
};

static int
apply_refund(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct refunding *asked = (struct refunding *)job;
	int status = 0;

	(void)lmdb;
	job->has_changed = true;
	for (size_t i = 0; i < asked->count && status == 0; i++)
		if (!asked->charges[i].is_look)
			status = take_back_one(txn, &asked->charges[i],
			    &asked->answers[i], meta->last_ms);
	return status;
}

bool
lmdb_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault)
{
	struct refunding asked = {
		.job = { .apply = apply_refund, .is_write = true },
		.charges = charges,
		.answers = answers,
		.count = count,
	};

	(void)receipt;
	return lmdb_ask((struct store_lmdb *)store, &asked.job, false, fault);
}

static int
add_one(MDB_txn *txn, const struct store_late *late, uint64_t now_ms)
{
	struct record_key name;
	struct window window;
	bool was_there;
	int status;

	if (!store_late_counts(late, now_ms)
	    || late->limit->count == LIMIT_BLOCKS)
		return 0;
	status = lmdb_name(RECORD_WINDOW, late->limit->name, late->key, &name);
	if (status == 0)
		status = lmdb_get_window(
		    txn, late->limit, &name, &window, &was_there);
	if (status != 0)
		return status;
	store_bring_up(&window, late->limit, now_ms);
	window_add_at(&window, now_ms - late->age_ms, late->cost);
	return lmdb_put_window(txn, &name, &window);
}

struct adding {
	struct lmdb_job job; /* first */
	const struct store_late *late;
	size_t count;
	uint64_t now_ms;
};

static int
apply_add(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct adding *asked = (struct adding *)job;
	size_t pages = lmdb_pages(txn);
	int status = 0;

	job->has_changed = true;
	asked->now_ms = meta->last_ms;
	/* Only asked whether it can write: a full file can't, though this one
	 * small change would go well. */
	if (asked->count == 0 && pages >= lmdb->page_max)
		return MDB_MAP_FULL;
	for (size_t i = 0; i < asked->count && status == 0; i++)
		status = add_one(txn, &asked->late[i], meta->last_ms);
	return status != 0 ? status : lmdb_check_room(lmdb, txn, pages);
}

bool
lmdb_add(struct store *store, const struct store_late *late, size_t count,
    uint64_t *now_ms_out, struct fault *fault)
{
	struct adding asked = {
		.job = { .apply = apply_add, .is_write = true },
		.late = late,
		.count = count,
	};

	if (!lmdb_ask((struct store_lmdb *)store, &asked.job, false, fault))
		return false;
	*now_ms_out = asked.now_ms;
	return true;
}
