#include "milter/io/keys_tables.h"

#include "milter/io/keys_file.h"
#include "milter/io/secret_file.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { STAMPS = 2, MS_PER_S = 1000, NS_PER_MS = 1000000 };

/* What the files of a pair looked like. */
struct look {
	bool is_there[STAMPS];
	struct key_stamp stamps[STAMPS];
};

/* A pair as the configuration names it. */
struct slot {
	TAILQ_ENTRY(slot) used; /* in order of use */
	char *names[STAMPS];    /* the second may be empty */
	bool is_refile;
	bool is_being_read; /* by one thread, without the lock */
	bool is_checked;    /* since it was forgotten, and at checked_ms */
	bool is_settled;
	bool is_emptied; /* one of the files, seen first at emptied_ms */
	uint64_t checked_ms;
	uint64_t emptied_ms;
	struct look look;       /* at what was read */
	struct keys_pair *pair; /* held; NULL: never read, or not trusted */
	struct fault trouble;   /* with reading; FAULT_NONE: none */
};

TAILQ_HEAD(slot_list, slot);

struct keys_tables {
	pthread_mutex_t lock;   /* of all below; never held while reading */
	pthread_cond_t changed; /* somebody has read a pair */
	struct slot_list slots; /* the last used first */
	size_t count;
};

struct keys_tables *
keys_tables_open(void)
{
	struct keys_tables *tables = calloc(1, sizeof(*tables));

	if (tables == NULL)
		return NULL;
	if (pthread_mutex_init(&tables->lock, NULL) != 0) {
		free(tables);
		return NULL;
	}
	if (pthread_cond_init(&tables->changed, NULL) != 0) {
		pthread_mutex_destroy(&tables->lock);
		free(tables);
		return NULL;
	}
	TAILQ_INIT(&tables->slots);
	return tables;
}

static void
pair_free(struct keys_pair *pair)
{
	if (pair == NULL)
		return;
	opendkim_free(&pair->tables);
	free(pair->open_lines);
	free(pair);
}

/* One holder less, with the lock held. Returns it if that was the last one. */
static struct keys_pair *
pair_drop(struct keys_pair *pair)
{
	return pair != NULL && --pair->holders == 0 ? pair : NULL;
}

/* ---- reading, without the lock ------------------------------------------ */

/* What one reading of a pair finds. */
struct reading {
	const char *names[STAMPS];
	bool is_refile;
	bool has_keys; /* the KeyTable in force */
	struct look look;
	bool is_settled;
	bool is_open;           /* to others; then there is no pair */
	struct keys_pair *pair; /* NULL, with words: it can't be read */
	struct fault trouble;
	struct fault bad_line; /* the first one */
};

enum outcome {
	OUTCOME_SAME,  /* nothing has changed */
	OUTCOME_LATER, /* somebody is writing */
	OUTCOME_READ,  /* or it can't be read */
};

static void
look_at(const char *const names[STAMPS], struct look *look_out)
{
	*look_out = (struct look){ 0 };
	for (size_t i = 0; i < STAMPS; i++) {
		struct stat status;

		if (*names[i] == '\0' || stat(names[i], &status) != 0)
			continue;
		look_out->is_there[i] = true;
		look_out->stamps[i] = keys_stamp(&status);
	}
}

static bool
is_same_look(const struct look *one, const struct look *other)
{
	for (size_t i = 0; i < STAMPS; i++)
		if (one->is_there[i] != other->is_there[i]
		    || (one->is_there[i]
			&& !keys_stamps_are_equal(
			    &one->stamps[i], &other->stamps[i])))
			return false;
	return true;
}

/* How long ago, in milliseconds, time was; 0 if it is to come. */
static uint64_t
age_ms(const struct timespec *time, const struct timespec *now)
{
	int64_t age = ((int64_t)now->tv_sec - time->tv_sec) * MS_PER_S
	    + (now->tv_nsec - time->tv_nsec) / NS_PER_MS;

	return age > 0 ? (uint64_t)age : 0;
}

/* Has nobody written for a while? A change that lies far in the future was made
 * under another clock. */
static bool
is_quiet(const struct look *look, const struct timespec *now)
{
	for (size_t i = 0; i < STAMPS; i++)
		if (look->is_there[i]
		    && keys_stamp_is_young(&look->stamps[i], now)
		    && age_ms(&look->stamps[i].changed, now)
			< KEYS_TABLES_QUIET_MS)
			return false;
	return true;
}

static bool
is_settled(const struct look *look, const struct timespec *now)
{
	for (size_t i = 0; i < STAMPS; i++)
		if (look->is_there[i]
		    && !keys_stamp_is_settled(&look->stamps[i], now))
			return false;
	return true;
}

bool
keys_tables_are_trusted(const char *path, const struct key_stamp *stamp,
    bool has_keys, struct fault *fault)
{
	struct stat status = { .st_uid = stamp->owner,
		.st_gid = stamp->group,
		.st_mode = stamp->mode };
	char who[SECRET_FILE_WHO_BYTES];

	if (has_keys)
		return secret_file_is_trusted(&status, path,
		    "keys stand in it, and others can read or write it: chmod "
		    "600 it",
		    fault);
	status.st_mode = S_IFREG | (stamp->mode & S_IWOTH);
	if (!secret_file_is_trusted(
		&status, path, "everybody can write it: chmod go-w it", fault))
		return false;
	if ((stamp->mode & S_IWGRP) == 0)
		return true;
	/* A group may write it that might read a key. */
	status.st_mode = S_IFREG | S_IRGRP;
	if (secret_file_is_trusted(&status, path, "", NULL))
		return true;
	/* Who doesn't listen need not wait for the user database. */
	if (fault != NULL)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: %s can write it: chmod g-w it", path,
		    secret_file_group(stamp->group, who));
	return false;
}

/* Judge the files as they look. Not trusted: nothing of them is to be used. */
static bool
judge(struct reading *reading, const struct look *look, bool has_keys)
{
	for (size_t i = 0; i < STAMPS && !reading->is_open; i++)
		reading->is_open = look->is_there[i]
		    && !keys_tables_are_trusted(reading->names[i],
			&look->stamps[i], has_keys && i == 0,
			&reading->trouble);
	if (reading->is_open) {
		pair_free(reading->pair);
		reading->pair = NULL;
	}
	return !reading->is_open;
}

static void
note_bad_line(void *context, const struct fault *fault)
{
	struct reading *reading = context;

	if (reading->bad_line.kind == FAULT_NONE)
		reading->bad_line = *fault;
}

/* The lines that keys_tables_is_open() knows, of all that are walked over. */
struct line_walk {
	struct keys_pair *pair;
	size_t room;
	bool has_failed;
};

static bool
note_open_line(void *context, const struct opendkim_key *key)
{
	struct line_walk *walk = context;
	struct keys_pair *pair = walk->pair;

	if (key->is_inline || strcmp(key->domain, "%") != 0
	    || strchr(key->key, '%') == NULL)
		return true;
	if (pair->open_count == walk->room) {
		size_t room = walk->room > 0 ? 2 * walk->room : 4;
		size_t *more = reallocarray(
		    pair->open_lines, room, sizeof(*pair->open_lines));

		walk->has_failed = more == NULL;
		if (more == NULL)
			return false;
		pair->open_lines = more;
		walk->room = room;
	}
	pair->open_lines[pair->open_count++] = key->line;
	return true;
}

/* The first bad line, and how many more there are. */
static void
tell_bad_lines(const struct reading *reading, size_t count, struct fault *fault)
{
	*fault = reading->bad_line;
	if (count > 1)
		fault_set(fault, reading->bad_line.kind,
		    "%s (and %zu more bad lines)", reading->bad_line.words,
		    count - 1);
}

static void
read_pair(struct reading *reading)
{
	struct keys_pair *pair = calloc(1, sizeof(*pair));
	struct line_walk walk = { .pair = pair };
	size_t count = 0;

	if (pair == NULL) {
		fault_memory(&reading->trouble);
		return;
	}
	pair->holders = 1;
	pair->tables = opendkim_read(reading->names[0], reading->names[1],
	    reading->is_refile, note_bad_line, reading, &count,
	    &reading->trouble);
	if (pair->tables == NULL) {
		pair_free(pair);
		return;
	}
	pair->counts = opendkim_count(pair->tables);
	tell_bad_lines(reading, count, &pair->bad_lines);
	opendkim_each(pair->tables, note_open_line, &walk);
	if (walk.has_failed) {
		fault_memory(&reading->trouble);
		pair_free(pair);
		return;
	}
	reading->pair = pair;
}

/* Look at the files, and read them if they aren't as before was, which was all
 * settled or is NULL. must_read: whether somebody is writing or not. Who may
 * write them counts at once. */
static enum outcome
read_again(struct reading *reading, const struct look *before, bool must_read)
{
	struct timespec now;
	struct look after;

	clock_gettime(CLOCK_REALTIME, &now);
	look_at(reading->names, &reading->look);
	if (before != NULL && is_same_look(before, &reading->look))
		return OUTCOME_SAME;
	if (!judge(reading, &reading->look, reading->has_keys))
		return OUTCOME_READ;
	if (!must_read && !is_quiet(&reading->look, &now))
		return OUTCOME_LATER;
	read_pair(reading);
	reading->is_settled = is_settled(&reading->look, &now);
	look_at(reading->names, &after);
	if (reading->pair != NULL
	    && !judge(reading, &after, reading->pair->counts.inline_keys > 0))
		return OUTCOME_READ;
	if (is_same_look(&reading->look, &after))
		return OUTCOME_READ;
	/* Written to meanwhile. */
	reading->is_settled = false;
	if (must_read)
		return OUTCOME_READ;
	pair_free(reading->pair);
	reading->pair = NULL;
	return OUTCOME_LATER;
}

/* ---- what is kept ------------------------------------------------------- */

static void
slot_remove(struct keys_tables *tables, struct slot *slot)
{
	TAILQ_REMOVE(&tables->slots, slot, used);
	tables->count--;
	pair_free(pair_drop(slot->pair));
	for (size_t i = 0; i < STAMPS; i++)
		free(slot->names[i]);
	free(slot);
}

/* The pair that was used longest ago and that nobody is busy with makes place.
 */
static void
make_room(struct keys_tables *tables)
{
	struct slot *slot = TAILQ_LAST(&tables->slots, slot_list);

	while (slot != NULL && slot->is_being_read)
		slot = TAILQ_PREV(slot, slot_list, used);
	if (slot != NULL)
		slot_remove(tables, slot);
}

static struct slot *
slot_find(struct keys_tables *tables, const struct key_places *places)
{
	struct slot *slot;

	TAILQ_FOREACH(slot, &tables->slots, used)
	if (slot->is_refile == places->is_refile
	    && strcmp(slot->names[0], places->key_table) == 0
	    && strcmp(slot->names[1], places->signing_table) == 0)
		return slot;
	return NULL;
}

static struct slot *
slot_add(struct keys_tables *tables, const struct key_places *places)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL)
		return NULL;
	slot->names[0] = strdup(places->key_table);
	slot->names[1] = strdup(places->signing_table);
	slot->is_refile = places->is_refile;
	if (slot->names[0] == NULL || slot->names[1] == NULL) {
		free(slot->names[0]);
		free(slot->names[1]);
		free(slot);
		return NULL;
	}
	if (tables->count == KEYS_TABLES_PAIRS)
		make_room(tables);
	TAILQ_INSERT_HEAD(&tables->slots, slot, used);
	tables->count++;
	return slot;
}

/* Is there nothing any more in one of the tables that were read, so lately that
 * it may be being written? */
static bool
is_half_written(
    struct slot *slot, const struct reading *reading, uint64_t now_ms)
{
	const struct keys_pair *old = slot->pair;
	const struct keys_pair *new = reading->pair;
	bool was_emptied = slot->is_emptied;
	bool has_keys = new != NULL &&new->counts.keys > 0;

	slot->is_emptied = old != NULL && new != NULL
	    && ((old->counts.keys > 0 && !has_keys)
		|| (old->counts.rules > 0 && new->counts.rules == 0));
	if (!slot->is_emptied)
		return false;
	if (!was_emptied)
		slot->emptied_ms = now_ms;
	else if (now_ms >= slot->emptied_ms + KEYS_TABLES_EMPTY_MS) {
		slot->is_emptied = false;
		return false;
	}
	fault_set(&slot->trouble, FAULT_TEMPORARY,
	    "%s: no good entry in it any more: what was there holds for %d s, "
	    "in case it is being written",
	    slot->names[has_keys ? 1 : 0], KEYS_TABLES_EMPTY_MS / MS_PER_S);
	return true;
}

/* Put what was read in force. Returns what is to be freed without the lock. */
static struct keys_pair *
slot_fill(struct slot *slot, const struct reading *reading, uint64_t now_ms)
{
	struct keys_pair *old;

	slot->trouble = reading->trouble;
	if (is_half_written(slot, reading, now_ms))
		return reading->pair;
	if (reading->pair == NULL && !reading->is_open)
		return NULL; /* what was there stays, and is tried again */
	old = pair_drop(slot->pair);
	slot->pair = reading->pair;
	slot->look = reading->look;
	slot->is_settled = reading->is_settled;
	return old;
}

/* Look at the slot's files. The lock is held, but not meanwhile; nobody removes
 * the slot while it is_being_read. Returns as slot_fill() does. */
static struct keys_pair *
slot_look(struct keys_tables *tables, struct slot *slot, uint64_t now_ms)
{
	struct reading reading = {
		.names = { slot->names[0], slot->names[1] },
		.is_refile = slot->is_refile,
		.has_keys =
		    slot->pair != NULL && slot->pair->counts.inline_keys > 0,
	};
	bool must_read = slot->pair == NULL;
	bool is_known = slot->pair != NULL && slot->is_settled;
	struct look before = slot->look;
	struct keys_pair *old = NULL;
	enum outcome outcome;

	slot->is_being_read = true;
	/* Before the look: who forgets meanwhile is heard. */
	slot->is_checked = true;
	slot->checked_ms = now_ms;
	pthread_mutex_unlock(&tables->lock);
	outcome = read_again(&reading, is_known ? &before : NULL, must_read);
	pthread_mutex_lock(&tables->lock);
	if (outcome == OUTCOME_READ)
		old = slot_fill(slot, &reading, now_ms);
	else if (outcome == OUTCOME_SAME)
		slot->trouble = (struct fault){ 0 };
	slot->is_being_read = false;
	pthread_cond_broadcast(&tables->changed);
	return old;
}

static bool
is_due(const struct slot *slot, uint64_t now_ms)
{
	if (slot->is_being_read)
		return false;
	/* The clock may have been read before another thread's. */
	return !slot->is_checked
	    || (now_ms > slot->checked_ms
		&& now_ms - slot->checked_ms >= KEYS_STALE_MS);
}

/* With the lock held. *old_out is to be freed without it. */
static bool
take(struct keys_tables *tables, const struct key_places *places,
    uint64_t now_ms, struct keys_pair **pair_out, struct keys_pair **old_out,
    struct fault *fault)
{
	struct slot *slot = slot_find(tables, places);

	if (slot == NULL)
		slot = slot_add(tables, places);
	if (slot == NULL) {
		fault_memory(fault);
		return false;
	}
	TAILQ_REMOVE(&tables->slots, slot, used);
	TAILQ_INSERT_HEAD(&tables->slots, slot, used);
	if (is_due(slot, now_ms))
		*old_out = slot_look(tables, slot, now_ms);
	while (slot != NULL && slot->is_being_read && slot->pair == NULL) {
		pthread_cond_wait(&tables->changed, &tables->lock);
		/* It may have made place meanwhile. */
		slot = slot_find(tables, places);
	}
	if (slot != NULL && slot->pair != NULL) {
		slot->pair->holders++;
		*pair_out = slot->pair;
		return true;
	}
	if (slot == NULL)
		fault_memory(fault);
	else if (fault != NULL)
		*fault = slot->trouble;
	return false;
}

bool
keys_tables_take(struct keys_tables *tables, const struct key_places *places,
    uint64_t now_ms, struct keys_pair **pair_out, struct fault *fault)
{
	struct keys_pair *old = NULL;
	bool is_taken;

	*pair_out = NULL;
	if (*places->key_table == '\0')
		return true;
	pthread_mutex_lock(&tables->lock);
	is_taken = take(tables, places, now_ms, pair_out, &old, fault);
	pthread_mutex_unlock(&tables->lock);
	pair_free(old);
	return is_taken;
}

void
keys_tables_give(struct keys_tables *tables, struct keys_pair **pair)
{
	struct keys_pair *old;

	if (*pair == NULL)
		return;
	pthread_mutex_lock(&tables->lock);
	old = pair_drop(*pair);
	pthread_mutex_unlock(&tables->lock);
	*pair = NULL;
	pair_free(old);
}

bool
keys_tables_trouble(struct keys_tables *tables, const struct key_places *places,
    struct fault *fault)
{
	const struct fault *trouble = NULL;
	const struct slot *slot;
	bool has_trouble;

	pthread_mutex_lock(&tables->lock);
	slot = slot_find(tables, places);
	if (slot != NULL && slot->trouble.kind != FAULT_NONE)
		trouble = &slot->trouble;
	else if (slot != NULL && slot->pair != NULL)
		trouble = &slot->pair->bad_lines;
	has_trouble = trouble != NULL && trouble->kind != FAULT_NONE;
	if (has_trouble && fault != NULL)
		*fault = *trouble;
	pthread_mutex_unlock(&tables->lock);
	return has_trouble;
}

static int
compare_lines(const void *one, const void *other)
{
	const size_t *a = one;
	const size_t *b = other;

	return (*a > *b) - (*a < *b);
}

bool
keys_tables_is_open(const struct keys_pair *pair, size_t line)
{
	return pair->open_count > 0
	    && bsearch(&line, pair->open_lines, pair->open_count, sizeof(line),
		   compare_lines)
	    != NULL;
}

void
keys_tables_forget(struct keys_tables *tables)
{
	struct slot *slot;

	pthread_mutex_lock(&tables->lock);
	TAILQ_FOREACH(slot, &tables->slots, used)
	{
		slot->is_checked = false;
		slot->is_settled = false;
	}
	pthread_mutex_unlock(&tables->lock);
}

void
keys_tables_close(struct keys_tables **tables)
{
	struct keys_tables *old = *tables;

	if (old == NULL)
		return;
	while (!TAILQ_EMPTY(&old->slots))
		slot_remove(old, TAILQ_FIRST(&old->slots));
	pthread_cond_destroy(&old->changed);
	pthread_mutex_destroy(&old->lock);
	free(old);
	*tables = NULL;
}
