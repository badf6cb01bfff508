#include "milter/ctl/rotate_domain.h"

#include <string.h>

/* Read the state into row->rotation, which is NULL if there is none. False:
 * row->outcome is set. */
static bool
read_state(const struct rotate_tools *tools, struct rotate_row *row)
{
	struct rotation *rotation = arena_alloc(&row->arena, sizeof(*rotation));
	bool is_there = false;

	row->rotation = NULL;
	if (rotation == NULL)
		fault_memory(&row->fault);
	else if (rotate_state_read(tools->keys, row->domain, rotation,
		     &is_there, &row->fault)) {
		row->rotation = is_there ? rotation : NULL;
		return true;
	}
	row->outcome =
	    row->fault.kind == FAULT_PERMANENT ? ROTATE_FAILED : ROTATE_LATER;
	return false;
}

static bool
open_files(const struct rotate_tools *tools, struct rotate_row *row,
    bool is_made, struct rotate_files *files_out, bool *is_there_out)
{
	if (rotate_files_open(files_out, tools->keys, row->domain, is_made,
		is_there_out, &row->fault))
		return true;
	row->outcome =
	    row->fault.kind == FAULT_PERMANENT ? ROTATE_FAILED : ROTATE_LATER;
	return false;
}

/* Nobody needs keys of a domain whose directory somebody has removed. */
static void
forget(const struct rotate_tools *tools, struct rotate_row *row)
{
	row->has_moved = true;
	if (!rotate_state_remove(tools->keys, row->domain, &row->fault)) {
		row->outcome = ROTATE_LATER;
		return;
	}
	row->rotation = NULL;
	row->outcome = ROTATE_LEFT;
	fault_set(&row->fault, FAULT_PERMANENT,
	    "its key directory has gone, so its rotation is forgotten");
}

/* Is what was asked for something else than what is under way? */
static bool
is_other(const struct rotate_order *order, const struct rotation *rotation)
{
	size_t length;

	if (order->selector == NULL)
		return false;
	length = strlen(order->selector);
	for (size_t i = 0; i < rotation->made_count; i++)
		if (strncmp(rotation->made[i].selector, order->selector, length)
		    == 0)
			return false;
	return true;
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
	} else if (is_other(order, row->rotation)) {
		row->outcome = ROTATE_FAILED;
		fault_set(&row->fault, FAULT_PERMANENT,
		    "%s: a rotation to selector %s is under way: cancel it "
		    "first",
		    row->domain, row->rotation->made[0].selector);
	} else {
		rotate_advance(tools, files, row);
	}
}

/* A domain without any key gets a directory only if it is to have one. */
static bool
may_be_made(const struct rotate_order *order, const struct rotate_row *row)
{
	const struct key_order wanted = { .domain = row->domain,
		.selector = "any",
		.algorithm = KEY_ED25519_SHA256 };

	return !order->must_have_key && keys_may_make(&wanted, NULL);
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
	if (open_files(tools, row, may_be_made(order, row), &files, &is_there)
	    && read_state(tools, row)) {
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

/* Is there nothing to do, now? */
static bool
is_idle(const struct rotate_tools *tools, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;
	uint64_t now_s = tools->now_s(tools->context);

	row->outcome = ROTATE_NOTHING;
	if (rotation == NULL)
		return true;
	if (rotate_is_under_way(rotation))
		return false;
	row->outcome = rotation->step == ROTATE_DONE ? ROTATE_IS_DONE
						     : ROTATE_HAS_SWITCHED;
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
	if (read_state(tools, row) && !is_idle(tools, row) && take_turn(tools)
	    && open_files(tools, row, row->rotation->step == ROTATE_BEGUN,
		&files, &is_there)
	    && read_state(tools, row) && !is_idle(tools, row)) {
		if (is_there)
			rotate_advance(tools, &files, row);
		else
			forget(tools, row);
	}
	rotate_files_close(&files);
	return row;
}

struct rotate_row *
rotate_domain_cancel(const struct rotate_tools *tools, const char *domain)
{
	struct rotate_row *row = rotate_row_open(domain);
	struct rotate_files files = { .fd = -1 };
	bool is_there;

	if (row == NULL)
		return NULL;
	if (open_files(tools, row, false, &files, &is_there)
	    && read_state(tools, row)) {
		row->outcome = ROTATE_NOTHING;
		if (row->rotation != NULL && is_there)
			rotate_take_back(tools, &files, row);
		else if (row->rotation != NULL)
			forget(tools, row);
	}
	rotate_files_close(&files);
	return row;
}

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

/* Records are told as far as the new keys are there. */
struct rotate_row *
rotate_domain_look(const struct rotate_tools *tools, const char *domain)
{
	struct rotate_row *row = rotate_row_open(domain);
	struct rotate_files files = { .fd = -1 };
	struct fault ignored;

	if (row == NULL || !read_state(tools, row))
		return row;
	if (row->rotation == NULL)
		return row;
	row->outcome = outcome_of(row->rotation);
	if (row->rotation->step != ROTATE_PUBLISHED
	    && row->rotation->step != ROTATE_MADE)
		return row;
	if (!rotate_files_peek(&files, tools->keys, domain, &ignored)
	    || !rotate_find_records(&files, row))
		row->record_count = 0;
	rotate_files_close(&files);
	return row;
}
