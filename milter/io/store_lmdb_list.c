#include "milter/io/store_lmdb_calls.h"
#include "milter/io/store_lmdb_file.h"

#include <stdlib.h>
#include <string.h>

enum {
	PIECE = 64,        /* what is found in one transaction */
	PIECE_LOOKS = 512, /* records looked at for it */
};

/* One record, to be told of when the transaction is over. */
struct item {
	char names[RECORD_KEPT_OCTETS + 1];
	const char *key; /* in names, behind the limit's */
	uint64_t number; /* max of an override; used */
	uint64_t until_ms;
	char words[STORE_WORDS + 1];
};

/* A piece of the file: the records of one kind, under one limit if that is
 * given. A caller may take long with what he is told, so he is told outside of
 * the transaction, and the next one goes on from the last key. */
struct listing {
	struct lmdb_job job; /* first */
	enum record_kind kind;
	const struct limit *limit; /* NULL: all */
	bool is_hashed;
	struct lmdb_position last; /* length 0: none so far */
	struct lmdb_position next;
	bool is_over;
	uint64_t now_ms;
	size_t count;
	struct item items[PIECE];
};

/* Take a record, if it is one of those that are asked for. */
static int
take(struct listing *listing, const MDB_val *key, const MDB_val *value)
{
	struct item *item = &listing->items[listing->count];
	const struct limit *limit = listing->limit;
	enum record_state state = record_check(key, value);
	struct record_override override;
	struct window window;

	if (state != RECORD_GOOD)
		return lmdb_status(state);
	item->key = record_names(key, value, item->names);
	if (listing->kind == RECORD_OVERRIDE) {
		(void)record_read_override(key, value, &override);
		item->number = override.max;
		item->until_ms = override.until_ms;
		memcpy(item->words, override.words, override.words_length);
		item->words[override.words_length] = '\0';
		listing->count++;
		return 0;
	}
	if (limit == NULL || strcmp(item->names, limit->name) != 0)
		return 0;
	(void)record_read(key, value, &window);
	store_bring_up(&window, limit, listing->now_ms);
	item->number = window_sum(&window);
	listing->count += item->number > 0;
	return 0;
}

static bool
begins_with(const MDB_val *key, const unsigned char *prefix, size_t length)
{
	return key->mv_size >= length
	    && memcmp(key->mv_data, prefix, length) == 0;
}

static int
list_piece(struct listing *listing, MDB_cursor *cursor)
{
	const struct lmdb_position *last = &listing->last;
	struct lmdb_position *next = &listing->next;
	unsigned char prefix[RECORD_KEY_OCTETS];
	size_t length = record_prefix(listing->kind, listing->is_hashed,
	    listing->limit != NULL ? listing->limit->name : NULL, prefix);
	MDB_val key = { length, prefix };
	MDB_val value;
	int status;

	*next = *last;
	if (next->length > 0)
		key = (MDB_val){ next->length, next->octets };
	status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	for (size_t looked = 0; status == 0; looked++) {
		bool is_last = key.mv_size == last->length
		    && memcmp(key.mv_data, last->octets, last->length) == 0;

		if (!begins_with(&key, prefix, length))
			return MDB_NOTFOUND;
		if (looked == PIECE_LOOKS || listing->count == PIECE)
			return 0;
		if (!is_last)
			status = take(listing, &key, &value);
		if (status != 0)
			return status;
		memcpy(next->octets, key.mv_data, key.mv_size);
		next->length = key.mv_size;
		status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return status;
}

static int
apply_list(struct store_lmdb *lmdb, MDB_txn *txn, struct record_meta *meta,
    struct lmdb_job *job)
{
	struct listing *listing = (struct listing *)job;
	MDB_cursor *cursor;
	int status = mdb_cursor_open(txn, LMDB_MAIN, &cursor);

	(void)lmdb;
	if (status != 0)
		return status;
	listing->now_ms = meta->last_ms;
	listing->count = 0;
	status = list_piece(listing, cursor);
	mdb_cursor_close(cursor);
	listing->is_over = status == MDB_NOTFOUND;
	return status == MDB_NOTFOUND ? 0 : status;
}

/* Who is told: one of the two. */
struct audience {
	store_override_visit *override;
	store_count_visit *count;
	void *context;
	uint64_t *now_ms_out; /* the time of the first piece; may be NULL */
};

/* False: that is enough. */
static bool
tell(const struct listing *listing, const struct audience *audience,
    uint64_t now_ms)
{
	for (size_t i = 0; i < listing->count; i++) {
		const struct item *item = &listing->items[i];
		const struct store_override override = {
			.limit_name = item->names,
			.key = item->key,
			.max = item->number,
			.until_ms = item->until_ms,
			.words = item->words,
		};

		if (audience->count != NULL) {
			if (!audience->count(
				audience->context, item->key, item->number))
				return false;
		} else if ((item->until_ms == 0 || item->until_ms > now_ms)
		    && !audience->override(audience->context, &override)) {
			return false;
		}
	}
	return true;
}

static bool
list_all(struct store_lmdb *lmdb, struct listing *listing,
    const struct audience *audience, struct fault *fault)
{
	uint64_t now_ms = 0;

	for (int half = 0; half < 2; half++) {
		listing->is_hashed = half > 0;
		listing->last.length = 0;
		do {
			if (!lmdb_ask(lmdb, &listing->job, false, fault))
				return false;
			listing->last = listing->next;
			if (now_ms == 0) {
				now_ms = listing->now_ms;
				if (audience->now_ms_out != NULL)
					*audience->now_ms_out = now_ms;
			}
			if (!tell(listing, audience, now_ms))
				return true;
		} while (!listing->is_over);
	}
	return true;
}

static bool
list(struct store *store, enum record_kind kind, const struct limit *limit,
    const struct audience *audience, struct fault *fault)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	bool is_done;

	if (listing == NULL) {
		fault_memory(fault);
		return false;
	}
	listing->job.apply = apply_list;
	listing->kind = kind;
	listing->limit = limit;
	is_done =
	    list_all((struct store_lmdb *)store, listing, audience, fault);
	free(listing);
	return is_done;
}

bool
lmdb_overrides(struct store *store, store_override_visit *visit, void *context,
    uint64_t *now_ms_out, struct fault *fault)
{
	const struct audience audience = {
		.override = visit,
		.context = context,
		.now_ms_out = now_ms_out,
	};

	return list(store, RECORD_OVERRIDE, NULL, &audience, fault);
}

bool
lmdb_counts(struct store *store, const struct limit *limit,
    store_count_visit *visit, void *context, struct fault *fault)
{
	const struct audience audience = {
		.count = visit,
		.context = context,
	};

	return list(store, RECORD_WINDOW, limit, &audience, fault);
}
