#include "milter/ctl/rotate_steps.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A state is written anew if nothing but the time of the last look has changed
 * since. */
enum { LOOK_AGE_S = 3600 };

/* What a step came to. */
enum move {
	MOVE_ON,   /* the next step is there to be done */
	MOVE_STOP, /* no further now */
	MOVE_FAIL, /* row->fault says why */
};

const char *
rotate_outcome_name(enum rotate_outcome outcome)
{
	static const char *const names[] = {
		[ROTATE_NOTHING] = "none",
		[ROTATE_LEFT] = "left",
		[ROTATE_WAITS] = "waiting",
		[ROTATE_HAS_SWITCHED] = "switched",
		[ROTATE_IS_DONE] = "done",
		[ROTATE_CANCELLED] = "cancelled",
		[ROTATE_LATER] = "later",
		[ROTATE_FAILED] = "failed",
	};

	return names[outcome];
}

struct rotate_row *
rotate_row_open(const char *domain)
{
	struct rotate_row *row = calloc(1, sizeof(*row));

	if (row == NULL)
		return NULL;
	arena_init(&row->arena, ROTATE_ROW_ARENA_BYTES);
	row->domain = arena_strdup(&row->arena, domain);
	if (row->domain == NULL)
		rotate_row_free(&row);
	return row;
}

void
rotate_row_free(struct rotate_row **row)
{
	if (*row == NULL)
		return;
	arena_clear(&(*row)->arena);
	free(*row);
	*row = NULL;
}

static bool
save(const struct rotate_tools *tools, struct rotate_row *row)
{
	row->has_moved = true;
	return rotate_state_write(tools->keys, row->rotation, &row->fault);
}

/* What there was to do before step is done, whatever went wrong before. */
static enum move
enter(const struct rotate_tools *tools, struct rotate_row *row,
    enum rotate_step step)
{
	row->rotation->step = step;
	rotate_set_finding(row->rotation, NULL, false);
	return save(tools, row) ? MOVE_ON : MOVE_FAIL;
}

/* ---- records ---- */

/* The record of the key's file, if it can be read; base64 and text may be NULL
 * where it can't. False for want of memory. */
static bool
describe(struct rotate_row *row, const struct rotate_key *key,
    const struct key_public *public, struct rotate_record *record_out)
{
	char *text = NULL;

	*record_out = (struct rotate_record){ .domain = row->domain,
		.selector = key->selector,
		.algorithm = key->algorithm };
	record_out->name = arena_printf(
	    &row->arena, "%s._domainkey.%s", key->selector, row->domain);
	if (public != NULL) {
		text = keys_record_text(public->algorithm, public->base64);
		record_out->base64 = arena_strdup(&row->arena, public->base64);
		if (text != NULL)
			record_out->text = arena_strdup(&row->arena, text);
		free(text);
	}
	if (record_out->name != NULL
	    && (public == NULL
		|| (record_out->base64 != NULL && record_out->text != NULL)))
		return true;
	fault_memory(&row->fault);
	return false;
}

/* The record of a new key, which is the one that was decided on. */
static bool
find_record(const struct rotate_files *files, struct rotate_row *row,
    const struct rotate_key *key, struct rotate_record *record_out)
{
	enum key_role role = rotate_files_has(files, key->selector, KEY_PENDING)
	    ? KEY_PENDING
	    : KEY_SIGNING;
	struct key_public public;
	bool is_found = false;

	if (row->rotation->step != ROTATE_SWITCHING)
		role = KEY_PENDING;
	if (!rotate_files_public(
		files, key->selector, role, &public, &row->fault))
		return false;
	if (public.algorithm != key->algorithm)
		fault_set(&row->fault, FAULT_PERMANENT,
		    "%s/%s%s: another key than was made: cancel the rotation",
		    files->path, key->selector, keys_role_ending(role));
	else
		is_found = describe(row, key, &public, record_out);
	keys_public_clear(&public);
	return is_found;
}

bool
rotate_find_records(const struct rotate_files *files, struct rotate_row *row)
{
	row->record_count = 0;
	for (size_t i = 0; i < row->rotation->made_count; i++) {
		if (!find_record(files, row, &row->rotation->made[i],
			&row->records[row->record_count]))
			return false;
		row->record_count++;
	}
	return true;
}

/* ---- the new keys ---- */

static bool
make_key(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, const struct rotate_key *key)
{
	const struct key_order order = { .directory = tools->keys,
		.domain = row->domain,
		.selector = key->selector,
		.role = KEY_PENDING,
		.algorithm = key->algorithm,
		.bits = key->bits,
		.owner_uid = geteuid(),
		.owner_gid = getegid() };
	struct key_public public;

	if (!rotate_files_sweep(files, key->selector, &row->fault))
		return false;
	/* From before a crash. */
	if (rotate_files_has(files, key->selector, KEY_PENDING))
		return true;
	if (!keys_make(&order, &public, &row->fault))
		return false;
	keys_public_clear(&public);
	return true;
}

static enum move
make_keys(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	for (size_t i = 0; i < rotation->made_count; i++)
		if (!make_key(tools, files, row, &rotation->made[i]))
			return MOVE_FAIL;
	return enter(tools, row, ROTATE_MADE);
}

static enum move
publish(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	if (!rotate_find_records(files, row))
		return MOVE_FAIL;
	for (size_t i = 0; i < row->record_count; i++)
		if (!tools->publish(tools->context, rotation, rotation->way,
			&row->records[i], true, &row->arena, &row->fault))
			return MOVE_FAIL;
	return enter(tools, row, ROTATE_PUBLISHED);
}

/* ---- the name servers ---- */

/* Put what was found of one record to what was found of those before. */
static void
add_finding(struct rotation *rotation, const struct rotate_finding *finding)
{
	rotation->asked += finding->asked;
	rotation->lacking += finding->lacking;
	for (size_t i = 0;
	     i < finding->lack_count && rotation->lack_count < ROTATE_LACKS;
	     i++)
		rotation->lacks[rotation->lack_count++] = finding->lacks[i];
}

static bool
look_for_all(const struct rotate_tools *tools, struct rotate_row *row)
{
	struct rotate_finding *finding =
	    arena_alloc(&row->arena, sizeof(*finding));

	if (finding == NULL) {
		fault_memory(&row->fault);
		return false;
	}
	row->rotation->asked = 0;
	row->rotation->lacking = 0;
	row->rotation->lack_count = 0;
	for (size_t i = 0; i < row->record_count; i++) {
		if (!tools->check(tools->context, row->rotation,
			&row->records[i], &row->arena, finding, &row->fault))
			return false;
		add_finding(row->rotation, finding);
	}
	return true;
}

/* Does it say the same as before, and not so long ago? */
static bool
is_same_look(const struct rotation *before, const struct rotation *now)
{
	if (before->asked != now->asked || before->lacking != now->lacking
	    || before->lack_count != now->lack_count
	    || before->finding[0] != '\0'
	    || now->checked_s - before->checked_s >= LOOK_AGE_S)
		return false;
	for (size_t i = 0; i < now->lack_count; i++)
		if (strcmp(before->lacks[i].words, now->lacks[i].words) != 0)
			return false;
	return true;
}

/* The servers weren't found: what they showed the last time stays known, and
 * when this was tried. */
static enum move
keep_look(const struct rotate_tools *tools, struct rotate_row *row,
    const struct rotation *before)
{
	uint64_t now_s = tools->now_s(tools->context);
	bool has_moved = row->has_moved;
	struct fault fault = row->fault;

	*row->rotation = *before;
	if (now_s - before->checked_s >= LOOK_AGE_S) {
		row->rotation->checked_s = now_s;
		(void)save(tools, row);
	}
	row->has_moved = has_moved;
	row->fault = fault;
	return MOVE_FAIL;
}

/* All show it, or it is to be looked for again later. */
static enum move
take_look(const struct rotate_tools *tools, struct rotate_row *row,
    const struct rotation *before)
{
	struct rotation *rotation = row->rotation;
	bool has_moved = row->has_moved;

	rotation->checked_s = tools->now_s(tools->context);
	rotate_set_finding(rotation, NULL, false);
	if (rotation->lacking == 0 && rotation->asked > 0)
		return enter(tools, row, ROTATE_SWITCHING);
	if (is_same_look(before, rotation))
		return MOVE_STOP;
	if (!save(tools, row))
		return MOVE_FAIL;
	row->has_moved = has_moved;
	return MOVE_STOP;
}

static enum move
look(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	struct rotation *before = arena_alloc(&row->arena, sizeof(*before));

	if (before == NULL) {
		fault_memory(&row->fault);
		return MOVE_FAIL;
	}
	*before = *row->rotation;
	if (!rotate_find_records(files, row))
		return MOVE_FAIL;
	return look_for_all(tools, row) ? take_look(tools, row, before)
					: keep_look(tools, row, before);
}

/* ---- the switch ---- */

static bool
begin_signing(const struct rotate_files *files, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	for (size_t i = 0; i < rotation->made_count; i++)
		if (!rotate_files_turn(files, rotation->made[i].selector,
			KEY_PENDING, KEY_SIGNING, &row->fault))
			return false;
	return true;
}

/* An old key that somebody has removed needs no retiring of its file; its
 * record may still be wanted. */
static bool
end_signing(const struct rotate_files *files, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	for (size_t i = 0; i < rotation->old_count; i++)
		if (rotate_files_has(
			files, rotation->olds[i].selector, KEY_SIGNING)
		    && !rotate_files_turn(files, rotation->olds[i].selector,
			KEY_SIGNING, KEY_RETIRING, &row->fault))
			return false;
	return true;
}

static enum move
switch_over(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	struct rotation *rotation = row->rotation;
	uint64_t now_s = tools->now_s(tools->context);

	if (!begin_signing(files, row) || !end_signing(files, row))
		return MOVE_FAIL;
	for (size_t i = 0; i < rotation->old_count
	     && rotation->retiring_count < ROTATE_RETIRING;
	     i++) {
		struct rotate_key *key =
		    &rotation->retiring[rotation->retiring_count++];

		*key = rotation->olds[i];
		key->until_s = now_s + rotation->retire_after_s;
		key->way = rotation->way;
	}
	rotation->old_count = 0;
	rotation->switched_s = now_s;
	return enter(tools, row, ROTATE_SWITCHED);
}

/* ---- the end ---- */

bool
rotate_describe(const struct rotate_files *files, struct rotate_row *row,
    const struct rotate_key *key, enum key_role role,
    struct rotate_record *record_out)
{
	struct key_public public;
	struct fault ignored;
	bool is_known =
	    rotate_files_public(files, key->selector, role, &public, &ignored);
	bool is_described =
	    describe(row, key, is_known ? &public : NULL, record_out);

	keys_public_clear(&public);
	return is_described;
}

void
rotate_leave_record(struct rotate_row *row, const char *name)
{
	assert(row->removable_count < ROTATE_FILES);
	row->removable[row->removable_count++] = name;
}

bool
rotate_withdraw(const struct rotate_tools *tools, struct rotate_row *row,
    enum rotate_way way, const struct rotate_record *record)
{
	if (way == ROTATE_PRINT) {
		rotate_leave_record(row, record->name);
		return true;
	}
	return tools->publish(tools->context, row->rotation, way, record, false,
	    &row->arena, &row->fault);
}

static bool
withdraw_old(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, const struct rotate_key *key)
{
	struct rotate_record record;

	return rotate_describe(files, row, key, KEY_RETIRING, &record)
	    && rotate_withdraw(tools, row, key->way, &record);
}

static void
drop(struct rotation *rotation, size_t which)
{
	rotation->retiring_count--;
	for (size_t i = which; i < rotation->retiring_count; i++)
		rotation->retiring[i] = rotation->retiring[i + 1];
}

/* End a key whose time has come. One that somebody has made sign again stays,
 * and so does its record. */
static bool
end_key(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row, size_t which)
{
	struct rotate_key *key = &row->rotation->retiring[which];

	if (!rotate_files_has(files, key->selector, KEY_SIGNING)) {
		if (!key->is_withdrawn && !withdraw_old(tools, files, row, key))
			return false;
		key->is_withdrawn = true;
		if ((key->way != ROTATE_PRINT && !save(tools, row))
		    || !rotate_files_wipe(
			files, key->selector, KEY_RETIRING, &row->fault))
			return false;
	}
	drop(row->rotation, which);
	rotate_set_finding(row->rotation, NULL, false);
	return save(tools, row);
}

static enum move
retire(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	struct rotation *rotation = row->rotation;
	uint64_t now_s = tools->now_s(tools->context);

	if (rotate_is_ahead(rotation, now_s)) {
		rotate_set_back(rotation, now_s);
		if (!save(tools, row))
			return MOVE_FAIL;
	}
	for (size_t i = 0; i < rotation->retiring_count;) {
		if (rotation->retiring[i].until_s > now_s)
			i++;
		else if (!end_key(tools, files, row, i))
			return MOVE_FAIL;
	}
	if (rotation->retiring_count > 0)
		return MOVE_STOP;
	return enter(tools, row, ROTATE_DONE);
}

/* ---- all of it ---- */

bool
rotate_signs(const struct rotate_files *files, struct rotate_row *row)
{
	struct rotate_file_list *list = arena_alloc(&row->arena, sizeof(*list));
	struct fault ignored;

	return list == NULL || !rotate_files_list(files, list, &ignored)
	    || rotate_files_count(list, KEY_SIGNING) > 0;
}

static enum move
do_step(const struct rotate_tools *tools, const struct rotate_files *files,
    struct rotate_row *row)
{
	switch (row->rotation->step) {
	case ROTATE_BEGUN:
		return make_keys(tools, files, row);
	case ROTATE_MADE:
		return publish(tools, files, row);
	case ROTATE_PUBLISHED:
		return look(tools, files, row);
	case ROTATE_SWITCHING:
		return switch_over(tools, files, row);
	case ROTATE_SWITCHED:
		return retire(tools, files, row);
	case ROTATE_DONE:
	case ROTATE_CANCELLING:
	case ROTATE_STEPS:
		break;
	}
	return MOVE_STOP;
}

static enum rotate_outcome
outcome_of(enum rotate_step after)
{
	if (after == ROTATE_DONE)
		return ROTATE_IS_DONE;
	return after == ROTATE_SWITCHED ? ROTATE_HAS_SWITCHED : ROTATE_WAITS;
}

/* That the reason can't be written changes nothing. */
void
rotate_hold(const struct rotate_tools *tools, struct rotate_row *row)
{
	bool has_moved = row->has_moved;
	struct fault fault = row->fault;
	bool is_failed = fault.kind == FAULT_PERMANENT;

	row->outcome = is_failed ? ROTATE_FAILED : ROTATE_LATER;
	if (row->rotation->is_failed != is_failed
	    || strcmp(row->rotation->finding, fault.words) != 0) {
		rotate_set_finding(row->rotation, fault.words, is_failed);
		(void)save(tools, row);
	}
	row->has_moved = has_moved;
	row->fault = fault;
}

void
rotate_advance(const struct rotate_tools *tools,
    const struct rotate_files *files, struct rotate_row *row)
{
	enum move move;

	do
		move = do_step(tools, files, row);
	while (move == MOVE_ON);
	if (move == MOVE_FAIL)
		rotate_hold(tools, row);
	else
		row->outcome = outcome_of(row->rotation->step);
}
