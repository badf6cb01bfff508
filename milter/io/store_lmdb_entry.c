#include "milter/io/store_lmdb_entry.h"

#include <errno.h>
#include <string.h>

/* Nothing is written only to say that recipients were written to again, as long
 * as that was said lately. */
static const uint64_t lately_ms = 24 * 3600 * 1000;

int
lmdb_status(enum record_state state)
{
	switch (state) {
	case RECORD_GOOD:
		return 0;
	case RECORD_NEWER:
		return MDB_VERSION_MISMATCH;
	case RECORD_DAMAGED:
		break;
	}
	return MDB_CORRUPTED;
}

int
lmdb_name(enum record_kind kind, const char *name, const char *key,
    struct record_key *name_out)
{
	return record_key(kind, name, key, name_out) ? 0 : ENOMEM;
}

int
lmdb_get_window(MDB_txn *txn, const struct limit *limit,
    struct record_key *name, struct window *window_out, bool *was_there_out)
{
	MDB_val key = record_key_value(name);
	MDB_val value;
	int status = mdb_get(txn, LMDB_MAIN, &key, &value);

	*was_there_out = status == 0;
	if (status == MDB_NOTFOUND) {
		window_init(window_out, limit->per_ms);
		return 0;
	}
	return status != 0 ? status
			   : lmdb_status(record_read(&key, &value, window_out));
}

int
lmdb_put_window(
    MDB_txn *txn, struct record_key *name, const struct window *window)
{
	unsigned char space[RECORD_OCTETS];
	MDB_val key = record_key_value(name);
	MDB_val value = { .mv_data = space };

	value.mv_size = record_write(name, window, space);
	return mdb_put(txn, LMDB_MAIN, &key, &value, 0);
}

int
lmdb_get_override(MDB_txn *txn, const struct record_meta *meta,
    const struct charge *charge, struct count_override *override_out,
    char words_out[STORE_WORDS + 1])
{
	struct record_override override;
	struct record_key name;
	MDB_val value;
	MDB_val key;
	int status;

	override_out->is_there = false;
	if (meta->overrides == 0) /* as it is for most; saves the search */
		return 0;
	status =
	    lmdb_name(RECORD_OVERRIDE, charge->limit->name, charge->key, &name);
	if (status != 0)
		return status;
	key = record_key_value(&name);
	status = mdb_get(txn, LMDB_MAIN, &key, &value);
	if (status == 0)
		status =
		    lmdb_status(record_read_override(&key, &value, &override));
	if (status != 0)
		return status == MDB_NOTFOUND ? 0 : status;
	*override_out = (struct count_override){
		.is_there =
		    override.until_ms == 0 || override.until_ms > meta->last_ms,
		.max = override.max,
		.until_ms = override.until_ms,
	};
	memcpy(words_out, override.words, override.words_length);
	words_out[override.words_length] = '\0';
	return 0;
}

/* Both generations, and as they were read. */
struct recipients {
	struct record_recipients generations[2];
	struct count_recipients known; /* its lists are those above */
	struct count_recipients before;
	uint64_t used_ms; /* of the newer one, before */
};

static int
get_generation(MDB_txn *txn, enum record_kind kind, const struct charge *charge,
    uint64_t now_ms, struct record_recipients *out)
{
	struct record_key name;
	MDB_val value;
	MDB_val key;
	int status = lmdb_name(
	    kind, limits_key_name(charge->limit->key), charge->key, &name);

	out->count = 0;
	out->used_ms = now_ms;
	if (status != 0)
		return status;
	key = record_key_value(&name);
	status = mdb_get(txn, LMDB_MAIN, &key, &value);
	if (status != 0)
		return status == MDB_NOTFOUND ? 0 : status;
	status = lmdb_status(record_read_recipients(&key, &value, out));
	if (status == 0 && record_idle_at(&key, &value) <= now_ms)
		out->count = 0; /* only not yet dropped */
	return status;
}

static int
get_recipients(MDB_txn *txn, const struct charge *charge, uint64_t now_ms,
    struct recipients *out)
{
	struct record_recipients *newer = &out->generations[0];
	struct record_recipients *older = &out->generations[1];
	int status = get_generation(txn, RECORD_RECENT, charge, now_ms, newer);

	if (status == 0)
		status =
		    get_generation(txn, RECORD_OLDER, charge, now_ms, older);
	out->known = (struct count_recipients){
		.newer = newer->digests,
		.newer_count = newer->count,
		.older = older->digests,
		.older_count = older->count,
	};
	out->before = out->known;
	out->used_ms = newer->used_ms;
	return status;
}

static int
put_generation(MDB_txn *txn, enum record_kind kind, const struct charge *charge,
    const struct record_recipients *generation)
{
	unsigned char space[RECORD_RECIPIENTS_OCTETS];
	MDB_val value = { .mv_data = space };
	struct record_key name;
	MDB_val key;
	int status = lmdb_name(
	    kind, limits_key_name(charge->limit->key), charge->key, &name);

	if (status != 0)
		return status;
	key = record_key_value(&name);
	if (generation->count == 0) {
		status = mdb_del(txn, LMDB_MAIN, &key, NULL);
		return status == MDB_NOTFOUND ? 0 : status;
	}
	value.mv_size = record_write_recipients(&name, generation, space);
	return mdb_put(txn, LMDB_MAIN, &key, &value, 0);
}

/* Write what has changed. After a message to very many, the generations may
 * have changed places twice. */
static int
put_recipients(MDB_txn *txn, const struct charge *charge,
    struct recipients *recipients, bool is_used, uint64_t now_ms)
{
	const struct count_recipients *known = &recipients->known;
	const struct count_recipients *before = &recipients->before;
	bool is_swapped = known->newer != before->newer;
	bool is_new = is_swapped
	    || before->newer_count + charge->recipient_count
		> 2 * STORE_RECIPIENTS;
	struct record_recipients *newer = &recipients->generations[is_swapped];
	struct record_recipients *older = &recipients->generations[!is_swapped];
	int status = 0;

	newer->count = known->newer_count;
	older->count = known->older_count;
	if (is_new || known->newer_count != before->newer_count
	    || (is_used && now_ms - recipients->used_ms >= lately_ms)) {
		if (is_used)
			newer->used_ms = now_ms;
		status = put_generation(txn, RECORD_RECENT, charge, newer);
	}
	if (status == 0
	    && (is_new || known->older_count != before->older_count))
		status = put_generation(txn, RECORD_OLDER, charge, older);
	return status;
}

int
lmdb_new_cost(MDB_txn *txn, const struct charge *charge, uint64_t now_ms,
    uint64_t *cost_out)
{
	struct recipients recipients;
	int status = get_recipients(txn, charge, now_ms, &recipients);

	if (status == 0)
		*cost_out = store_new_cost(&recipients.known, charge);
	return status;
}

int
lmdb_remember(MDB_txn *txn, const struct charge *charge, uint64_t now_ms)
{
	struct recipients recipients;
	int status = get_recipients(txn, charge, now_ms, &recipients);

	if (status != 0)
		return status;
	store_remember(&recipients.known, charge);
	return put_recipients(txn, charge, &recipients, true, now_ms);
}

int
lmdb_forget(MDB_txn *txn, const struct charge *charge, uint64_t now_ms)
{
	struct recipients recipients;
	int status = get_recipients(txn, charge, now_ms, &recipients);

	if (status != 0)
		return status;
	store_forget(&recipients.known, charge);
	return put_recipients(txn, charge, &recipients, false, now_ms);
}
