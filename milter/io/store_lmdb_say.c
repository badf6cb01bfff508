#include "milter/io/store_lmdb_calls.h"
#include "milter/io/store_lmdb_file.h"

#include <string.h>

struct resetting {
	struct lmdb_job job; /* first */
	struct record_key *name;
	bool was_there;
};

static int
apply_reset(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct resetting *asked = (struct resetting *)job;
	MDB_val name = record_key_value(asked->name);
	int status = mdb_del(txn, LMDB_MAIN, &name, NULL);

	(void)lmdb;
	job->has_changed = true;
	asked->was_there = status == 0;
	meta->epoch++;
	return status == MDB_NOTFOUND ? 0 : status;
}

bool
lmdb_reset(struct store *store, const struct limit *limit, const char *key,
    bool *was_there_out, struct fault *fault)
{
	struct record_key name;
	struct resetting asked = {
		.job = { .apply = apply_reset, .is_write = true },
		.name = &name,
	};

	if (!record_key(RECORD_WINDOW, limit->name, key, &name)) {
		fault_memory(fault);
		return false;
	}
	if (!lmdb_ask((struct store_lmdb *)store, &asked.job, false, fault))
		return false;
	*was_there_out = asked.was_there;
	return true;
}

struct telling {
	struct lmdb_job job; /* first */
	uint64_t epoch;
};

static int
apply_tell(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	(void)lmdb;
	(void)txn;
	((struct telling *)job)->epoch = meta->epoch;
	return 0;
}

bool
lmdb_epoch(struct store *store, uint64_t *epoch_out, struct fault *fault)
{
	struct telling asked = { .job.apply = apply_tell };

	if (!lmdb_ask((struct store_lmdb *)store, &asked.job, false, fault))
		return false;
	*epoch_out = asked.epoch;
	return true;
}

struct saying {
	struct lmdb_job job; /* first */
	struct record_key *name;
	const struct record_override *override; /* NULL: it is taken back */
	bool was_there;
};

/* Drop the overrides that have ended, hashed ones or the others. */
static int
drop_ended(MDB_txn *txn, struct record_meta *meta, bool is_hashed)
{
	unsigned char prefix[RECORD_KEY_OCTETS];
	MDB_val key = { .mv_data = prefix };
	MDB_cursor *cursor;
	MDB_val value;
	int status = mdb_cursor_open(txn, LMDB_MAIN, &cursor);

	if (status != 0)
		return status;
	key.mv_size = record_prefix(RECORD_OVERRIDE, is_hashed, NULL, prefix);
	status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (status == 0 && record_kind_of(&key) == RECORD_OVERRIDE) {
		if (record_idle_at(&key, &value) <= meta->last_ms) {
			status = mdb_cursor_del(cursor, 0);
			meta->overrides -= meta->overrides > 0;
		}
		if (status == 0)
			status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return status == MDB_NOTFOUND ? 0 : status;
}

static int
make_place(MDB_txn *txn, struct record_meta *meta)
{
	int status = 0;

	if (meta->overrides >= STORE_OVERRIDES)
		status = drop_ended(txn, meta, false);
	if (status == 0 && meta->overrides >= STORE_OVERRIDES)
		status = drop_ended(txn, meta, true);
	return status == 0 && meta->overrides >= STORE_OVERRIDES ? LMDB_MANY
								 : status;
}

static int
put_override(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct saying *asked, bool is_new)
{
	unsigned char space[RECORD_OCTETS];
	MDB_val key = record_key_value(asked->name);
	MDB_val value = { .mv_data = space };
	size_t pages = lmdb_pages(txn);
	int status = is_new ? make_place(txn, meta) : 0;

	if (status != 0)
		return status;
	meta->overrides += is_new;
	value.mv_size =
	    record_write_override(asked->name, asked->override, space);
	status = mdb_put(txn, LMDB_MAIN, &key, &value, 0);
	return status != 0 ? status : lmdb_check_room(lmdb, txn, pages);
}

static int
apply_say(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct saying *asked = (struct saying *)job;
	MDB_val key = record_key_value(asked->name);
	MDB_val value;
	int status = mdb_get(txn, LMDB_MAIN, &key, &value);

	if (status != 0 && status != MDB_NOTFOUND)
		return status;
	job->has_changed = true;
	asked->was_there =
	    status == 0 && record_idle_at(&key, &value) > meta->last_ms;
	meta->epoch++;
	if (asked->override != NULL)
		return put_override(
		    lmdb, txn, meta, asked, status == MDB_NOTFOUND);
	if (status == MDB_NOTFOUND)
		return 0;
	meta->overrides -= meta->overrides > 0;
	return mdb_del(txn, LMDB_MAIN, &key, NULL);
}

/* Say something about a key; override NULL: take it back. */
static bool
say(struct store *store, const char *limit_name, const char *key,
    const struct record_override *override, bool *was_there_out,
    struct fault *fault)
{
	struct record_key name;
	struct saying asked = {
		.job = { .apply = apply_say, .is_write = true },
		.name = &name,
		.override = override,
	};

	if (strlen(limit_name) > LIMIT_NAME_OCTETS) {
		fault_set(fault, FAULT_PERMANENT,
		    "no limit has a name longer than %d octets",
		    (int)LIMIT_NAME_OCTETS);
		return false;
	}
	if (!record_key(RECORD_OVERRIDE, limit_name, key, &name)) {
		fault_memory(fault);
		return false;
	}
	if (!lmdb_ask((struct store_lmdb *)store, &asked.job, true, fault))
		return false;
	*was_there_out = asked.was_there;
	return true;
}

bool
lmdb_set(struct store *store, const struct store_override *override,
    struct fault *fault)
{
	const struct record_override said = {
		.max = override->max,
		.until_ms = override->until_ms,
		.words = override->words,
		.words_length = strlen(override->words),
	};
	bool was_there;

	return say(store, override->limit_name, override->key, &said,
	    &was_there, fault);
}

bool
lmdb_unset(struct store *store, const char *limit_name, const char *key,
    bool *was_there_out, struct fault *fault)
{
	return say(store, limit_name, key, NULL, was_there_out, fault);
}
