#include "milter/ctl/rotate_domain.h"

#include <stdio.h>
#include <string.h>

static void
set_outcome(struct rotate_row *row)
{
	row->outcome =
	    row->fault.kind == FAULT_PERMANENT ? ROTATE_FAILED : ROTATE_LATER;
}

static bool
forget_memory(struct rotate_row *row)
{
	fault_memory(&row->fault);
	return false;
}

/* ---- what there is ---- */

/* The domain's keys; NULL: they can't be listed. */
static const struct rotate_file_list *
find_keys(const struct rotate_tools *tools, struct rotate_row *row)
{
	struct rotate_file_list *list = arena_alloc(&row->arena, sizeof(*list));
	struct rotate_files files = { .fd = -1 };
	struct fault ignored;
	bool is_read = list != NULL
	    && rotate_files_peek(&files, tools->keys, row->domain, &ignored)
	    && rotate_files_list(&files, list, &ignored);

	rotate_files_close(&files);
	return is_read ? list : NULL;
}

/* Of a state that can't be read: what is to be done. No key may be lost that is
 * published already. */
static void
tell_of_damage(const struct rotate_tools *tools, struct rotate_row *row)
{
	const struct rotate_file_list *list = find_keys(tools, row);
	const char *words = arena_strdup(&row->arena, row->fault.words);

	if (words == NULL)
		return;
	fault_set(&row->fault, FAULT_PERMANENT,
	    "%s; keys there: %s; posternctl rotate --cancel %s wipes what is "
	    "new and forgets the rotation; if all name servers show a new key, "
	    "it can be kept: rename it to .private and remove the state",
	    words,
	    list != NULL ? rotate_files_words(list, &row->arena) : "none",
	    row->domain);
}

/* Of a domain without a state: new keys that were left behind. */
static void
tell_of_rest(const struct rotate_tools *tools, struct rotate_row *row)
{
	const struct rotate_file_list *list = find_keys(tools, row);

	row->outcome = ROTATE_NOTHING;
	if (list == NULL || rotate_files_count(list, KEY_PENDING) == 0)
		return;
	fault_set(&row->fault, FAULT_PERMANENT,
	    "there is no rotation, but a new key was left: %s; posternctl "
	    "rotate --cancel %s wipes it; if all name servers show it, it can "
	    "be kept: rename it to .private",
	    rotate_files_words(list, &row->arena), row->domain);
}

/* Read the state into row->rotation, which is NULL if there is none. False:
 * row->fault says why. */
static bool
read_state(const struct rotate_tools *tools, struct rotate_row *row)
{
	struct rotation *rotation = arena_alloc(&row->arena, sizeof(*rotation));
	bool is_there = false;

	row->rotation = NULL;
	if (rotation == NULL)
		return forget_memory(row);
	if (!rotate_state_read(
		tools->keys, row->domain, rotation, &is_there, &row->fault))
		return false;
	row->rotation = is_there ? rotation : NULL;
	return true;
}

/* The same; else row->outcome is set too. */
static bool
need_state(const struct rotate_tools *tools, struct rotate_row *row)
{
	if (read_state(tools, row))
		return true;
	set_outcome(row);
	if (row->outcome == ROTATE_FAILED)
		tell_of_damage(tools, row);
	return false;
}

static bool
open_files(const struct rotate_tools *tools, struct rotate_row *row,
    bool is_made, struct rotate_files *files_out, bool *is_there_out)
{
	if (rotate_files_open(files_out, tools->keys, row->domain, is_made,
		is_there_out, &row->fault))
		return true;
	set_outcome(row);
	return false;
}

/* Its records may be there still. */
static bool
leave_records(
    struct rotate_row *row, const struct rotate_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = arena_printf(&row->arena, "%s._domainkey.%s",
		    keys[i].selector, row->domain);

		if (name == NULL)
			return forget_memory(row);
		if (!keys[i].is_withdrawn)
			rotate_leave_record(row, name);
	}
	return true;
}

/* Nobody needs keys of a domain whose directory somebody has removed. */
static void
forget(const struct rotate_tools *tools, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;
	bool is_published =
	    rotate_is_under_way(rotation) && rotation->step != ROTATE_BEGUN;

	if ((is_published
		&& !leave_records(row, rotation->made, rotation->made_count))
	    || !leave_records(row, rotation->retiring, rotation->retiring_count)
	    || !rotate_state_remove(tools->keys, row->domain, &row->fault)) {
		row->removable_count = 0;
		set_outcome(row);
		return;
	}
	row->has_moved = true;
	row->rotation = NULL;
	row->outcome = ROTATE_LEFT;
	fault_set(&row->fault, FAULT_PERMANENT,
	    "its key directory has gone, so its rotation is forgotten");
}

/* ---- taking back ---- */

/* How a rotation is taken back. */
struct undo {
	const struct rotate_tools *tools;
	const struct rotate_files *files;
	struct rotate_row *row;
	bool is_noted; /* the state says so: it may be done by and by */
	bool is_last;  /* nobody tries to remove the records later */
};

static bool
wipe_new(struct undo *undo, const char *selector)
{
	struct rotate_row *row = undo->row;
	bool is_there = rotate_files_has(undo->files, selector, KEY_PENDING);

	if (!rotate_files_wipe(undo->files, selector, KEY_PENDING, &row->fault)
	    || !rotate_files_sweep(undo->files, selector, &row->fault))
		return false;
	row->has_moved = true;
	if (is_there)
		row->wiped = arena_printf(&row->arena, "%s%s%s%s",
		    row->wiped != NULL ? row->wiped : "",
		    row->wiped != NULL ? ", " : "", selector,
		    keys_role_ending(KEY_PENDING));
	return true;
}

/* What can't be removed is somebody's to remove: at once if nobody else can,
 * else when all has been tried. */
static bool
withdraw_new(struct undo *undo, const struct rotate_record *record)
{
	struct rotate_row *row = undo->row;

	if (rotate_withdraw(undo->tools, row, row->rotation->way, record))
		return true;
	if (row->fault.kind == FAULT_MEMORY
	    || (row->fault.kind == FAULT_TEMPORARY && !undo->is_last))
		return false;
	rotate_leave_record(row, record->name);
	return true;
}

/* Where no note can be made the key goes first: a process that finds it later
 * can't begin to use it while its record vanishes. */
static bool
undo_key(struct undo *undo, const struct rotate_key *key)
{
	struct rotate_record record;

	return rotate_describe(
		   undo->files, undo->row, key, KEY_PENDING, &record)
	    && (undo->is_noted || wipe_new(undo, key->selector))
	    && withdraw_new(undo, &record) && wipe_new(undo, key->selector);
}

/* What an earlier rotation left to retire goes on. */
static bool
undo_state(struct undo *undo)
{
	struct rotate_row *row = undo->row;
	struct rotation *rotation = row->rotation;
	struct fault fault;
	bool is_done;

	row->signs_on = rotate_signs(undo->files, row);
	if (rotation->retiring_count == 0)
		is_done =
		    rotate_state_remove(undo->tools->keys, row->domain, &fault);
	else {
		rotation->step = ROTATE_SWITCHED;
		rotation->made_count = 0;
		rotation->old_count = 0;
		rotate_set_finding(rotation, NULL, false);
		is_done =
		    rotate_state_write(undo->tools->keys, rotation, &fault);
	}
	if (!is_done)
		row->fault = fault;
	return is_done;
}

static void
take_back(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, bool is_asked_for)
{
	struct rotation *rotation = row->rotation;
	struct undo undo = { .tools = tools,
		.files = files,
		.row = row,
		.is_noted = true,
		.is_last =
		    is_asked_for && rotation->step == ROTATE_CANCELLING };
	bool is_done = true;

	if (rotation->step != ROTATE_CANCELLING) {
		rotation->step = ROTATE_CANCELLING;
		rotate_set_finding(rotation, NULL, false);
		undo.is_noted =
		    rotate_state_write(tools->keys, rotation, &row->fault);
		undo.is_last = !undo.is_noted;
		row->has_moved = true;
	}
	row->fault = (struct fault){ .kind = FAULT_NONE };
	for (size_t i = 0; i < rotation->made_count && is_done; i++)
		is_done = undo_key(&undo, &rotation->made[i]);
	if (is_done && undo_state(&undo))
		row->outcome = ROTATE_CANCELLED;
	else
		rotate_hold(tools, row);
}

/* Keys whose rotation isn't known retire by hand. */
static bool
keep_retiring(struct undo *undo, const struct rotate_file_list *list)
{
	struct rotation *rotation = undo->row->rotation;
	const struct rotate_tools *tools = undo->tools;
	uint64_t now_s = tools->now_s(tools->context);

	(void)snprintf(rotation->domain, sizeof(rotation->domain), "%s",
	    undo->row->domain);
	rotation->way = ROTATE_PRINT;
	rotation->begun_s = rotation->switched_s = now_s;
	rotation->retire_after_s = tools->retire_after_s;
	for (size_t i = 0;
	     i < list->count && rotation->retiring_count < ROTATE_RETIRING;
	     i++) {
		struct rotate_key *key =
		    &rotation->retiring[rotation->retiring_count];

		if (list->files[i].role != KEY_RETIRING)
			continue;
		*key = (struct rotate_key){ .algorithm = KEY_RSA_SHA256,
			.way = ROTATE_PRINT,
			.until_s = now_s + tools->retire_after_s };
		(void)snprintf(key->selector, sizeof(key->selector), "%s",
		    list->files[i].selector);
		rotation->retiring_count++;
	}
	return undo_state(undo);
}

/* Take back new keys of which no state knows. False: row->fault. */
static bool
clean_up(
    struct undo *undo, const struct rotate_file_list *list, bool is_damaged)
{
	struct rotate_row *row = undo->row;

	for (size_t i = 0; i < list->count; i++) {
		const struct rotate_file *file = &list->files[i];
		const char *name = arena_printf(&row->arena, "%s._domainkey.%s",
		    file->selector, row->domain);

		if (file->role != KEY_PENDING)
			continue;
		if (name == NULL)
			return forget_memory(row);
		if (!wipe_new(undo, file->selector))
			return false;
		rotate_leave_record(row, name);
	}
	row->signs_on = rotate_signs(undo->files, row);
	return !is_damaged || keep_retiring(undo, list);
}

/* Cancel where no rotation is under way: new keys may be left all the same. */
static void
cancel_rest(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, bool is_damaged)
{
	struct rotate_file_list *list = arena_alloc(&row->arena, sizeof(*list));
	struct undo undo = { .tools = tools, .files = files, .row = row };

	row->fault = (struct fault){ .kind = FAULT_NONE };
	row->outcome = ROTATE_NOTHING;
	if (is_damaged)
		row->rotation =
		    arena_alloc(&row->arena, sizeof(*row->rotation));
	if (list == NULL || (is_damaged && row->rotation == NULL)) {
		(void)forget_memory(row);
		set_outcome(row);
		return;
	}
	if (files->fd >= 0 && !rotate_files_list(files, list, &row->fault)) {
		set_outcome(row);
		return;
	}
	if (!is_damaged && rotate_files_count(list, KEY_PENDING) == 0)
		return;
	if (clean_up(&undo, list, is_damaged))
		row->outcome = ROTATE_CANCELLED;
	else
		set_outcome(row);
}

static bool
has_switched(const struct rotation *rotation)
{
	return rotation->step == ROTATE_SWITCHING
	    || !rotate_is_under_way(rotation);
}

static void
cancel(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, bool is_there)
{
	if (row->rotation == NULL) {
		cancel_rest(tools, files, row, false);
	} else if (!is_there) {
		forget(tools, row);
		if (row->outcome == ROTATE_LEFT)
			row->outcome = ROTATE_CANCELLED;
	} else if (!has_switched(row->rotation)) {
		take_back(tools, files, row, true);
	} else {
		if (row->rotation->step != ROTATE_SWITCHING)
			cancel_rest(tools, files, row, false);
		if (row->outcome != ROTATE_NOTHING)
			return;
		row->outcome = ROTATE_FAILED;
		fault_set(&row->fault, FAULT_PERMANENT,
		    "%s: its new keys sign already: there is nothing to "
		    "cancel; rotate again for others",
		    row->domain);
	}
}

/* A state that nobody can read is no reason to stay in it. */
struct rotate_row *
rotate_domain_cancel(const struct rotate_tools *tools, const char *domain)
{
	struct rotate_row *row = rotate_row_open(domain);
	struct rotate_files files = { .fd = -1 };
	bool is_there;

	if (row == NULL)
		return NULL;
	if (open_files(tools, row, false, &files, &is_there)) {
		if (read_state(tools, row))
			cancel(tools, &files, row, is_there);
		else if (row->fault.kind == FAULT_PERMANENT)
			cancel_rest(tools, &files, row, true);
		else
			set_outcome(row);
	}
	rotate_files_close(&files);
	return row;
}

/* ---- starting ---- */

static void
advance(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	if (row->rotation->step == ROTATE_CANCELLING)
		take_back(tools, files, row, false);
	else
		rotate_advance(tools, files, row);
}

/* The records that somebody is to publish, as far as they can be had. */
static void
find_shown(const struct rotate_files *files, struct rotate_row *row)
{
	struct fault fault = row->fault;

	if ((row->rotation->step != ROTATE_PUBLISHED
		&& row->rotation->step != ROTATE_MADE)
	    || !rotate_find_records(files, row))
		row->record_count = 0;
	row->fault = fault;
}

/* One is under way. */
static void
go_on(const struct rotate_tools *tools, const struct rotate_files *files,
    const struct rotate_order *order, struct rotate_row *row, bool is_alone)
{
	if (is_alone) {
		row->outcome = ROTATE_LEFT;
		fault_set(&row->fault, FAULT_PERMANENT,
		    "a rotation is under way already");
		/* Whoever collects records may have missed it. */
		if (row->rotation->way == ROTATE_PRINT
		    && order->way == ROTATE_PRINT)
			find_shown(files, row);
	} else if (rotate_is_other(order, row->rotation)) {
		row->outcome = ROTATE_FAILED;
		fault_set(&row->fault, FAULT_PERMANENT,
		    "%s: a rotation to selector %s is under way: cancel it "
		    "first",
		    row->domain, row->rotation->made[0].selector);
	} else if (rotate_adopt(tools, order, row)) {
		advance(tools, files, row);
	}
}

struct rotate_row *
rotate_domain_start(const struct rotate_tools *tools,
    const struct rotate_order *order, const char *domain, bool is_alone)
{
	struct rotate_row *row = rotate_row_open(domain);
	struct rotate_files files = { .fd = -1 };
	const struct rotation *before;
	bool is_there;

	if (row == NULL)
		return NULL;
	if (open_files(tools, row, rotate_may_have_first(order, domain), &files,
		&is_there)
	    && need_state(tools, row)) {
		before = row->rotation;
		if (!is_there) {
			row->outcome = ROTATE_LEFT;
			fault_set(
			    &row->fault, FAULT_PERMANENT, "it has no key here");
		} else if (before != NULL && rotate_is_under_way(before)) {
			go_on(tools, &files, order, row, is_alone);
		} else if (rotate_begin(tools, &files, order, before, row)) {
			rotate_advance(tools, &files, row);
		}
	}
	if (row->rotation == NULL)
		rotate_files_unmake(&files);
	rotate_files_close(&files);
	return row;
}

/* ---- carrying on ---- */

static enum rotate_outcome
outcome_of(const struct rotation *rotation)
{
	if (rotation->is_failed)
		return ROTATE_FAILED;
	switch (rotation->step) {
	case ROTATE_DONE:
		return ROTATE_IS_DONE;
	case ROTATE_SWITCHED:
		return ROTATE_HAS_SWITCHED;
	case ROTATE_BEGUN:
	case ROTATE_MADE:
	case ROTATE_PUBLISHED:
	case ROTATE_SWITCHING:
	case ROTATE_CANCELLING:
	case ROTATE_STEPS:
		break;
	}
	return rotation->finding[0] != '\0' ? ROTATE_LATER : ROTATE_WAITS;
}

/* Is there nothing to do, now? */
static bool
is_idle(const struct rotate_tools *tools, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;
	uint64_t now_s = tools->now_s(tools->context);

	row->outcome = ROTATE_NOTHING;
	if (rotation == NULL)
		return true;
	if (tools->is_patient && rotate_may_rest(rotation, now_s)) {
		row->outcome = outcome_of(rotation);
		return true;
	}
	if (rotate_is_under_way(rotation))
		return false;
	row->outcome = rotation->step == ROTATE_DONE ? ROTATE_IS_DONE
						     : ROTATE_HAS_SWITCHED;
	if (rotate_is_ahead(rotation, now_s))
		return false;
	for (size_t i = 0; i < rotation->retiring_count; i++)
		if (rotation->retiring[i].until_s <= now_s)
			return false;
	return rotation->step == ROTATE_DONE || rotation->retiring_count > 0;
}

static bool
take_turn(const struct rotate_tools *tools)
{
	if (tools->pace != NULL)
		tools->pace(tools->context);
	return true;
}

struct rotate_row *
rotate_domain_continue(const struct rotate_tools *tools, const char *domain)
{
	struct rotate_row *row = rotate_row_open(domain);
	struct rotate_files files = { .fd = -1 };
	bool is_there;

	if (row == NULL)
		return NULL;
	/* Most are idle: these needn't be locked. */
	if (need_state(tools, row) && !is_idle(tools, row) && take_turn(tools)
	    && open_files(tools, row, false, &files, &is_there)
	    && need_state(tools, row) && !is_idle(tools, row)) {
		if (is_there)
			advance(tools, &files, row);
		else
			forget(tools, row);
	}
	if (row->outcome == ROTATE_NOTHING && row->fault.kind == FAULT_NONE)
		tell_of_rest(tools, row);
	rotate_files_close(&files);
	return row;
}

/* ---- looking ---- */

/* The records of the new keys, and what is wrong with these. */
static void
look_at_records(const struct rotate_tools *tools, struct rotate_row *row)
{
	struct rotate_files files = { .fd = -1 };

	if (!rotate_files_peek(&files, tools->keys, row->domain, &row->fault)
	    || !rotate_find_records(&files, row)) {
		row->record_count = 0;
		set_outcome(row);
	}
	rotate_files_close(&files);
}

struct rotate_row *
rotate_domain_look(const struct rotate_tools *tools, const char *domain)
{
	struct rotate_row *row = rotate_row_open(domain);

	if (row == NULL || !need_state(tools, row))
		return row;
	if (row->rotation == NULL) {
		tell_of_rest(tools, row);
		return row;
	}
	row->outcome = outcome_of(row->rotation);
	if (row->rotation->step == ROTATE_PUBLISHED
	    || row->rotation->step == ROTATE_MADE)
		look_at_records(tools, row);
	return row;
}
