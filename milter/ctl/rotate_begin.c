#include "milter/ctl/rotate_begin.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	SUFFIXES = 26,
	ALGORITHMS = 2,
	DATE_BYTES = 16,
	AHEAD_S = 3600,   /* clocks of others may be a little ahead */
	BITS_MOST = 8192, /* what milter/io/keys_file.h lets be */
};

/* What is being decided. */
struct choice {
	const struct rotate_tools *tools;
	const struct rotate_files *files;
	const struct rotate_order *order;
	struct rotate_row *row;
	struct rotation *rotation;
	struct rotate_file_list *list;
	bool has[ALGORITHMS]; /* the domain signs with such keys */
	unsigned bits;        /* of its largest RSA key */
	uint64_t newest_s;    /* when its newest key was made */
};

static bool
leave(struct rotate_row *row, const char *words)
{
	row->outcome = ROTATE_LEFT;
	fault_set(&row->fault, FAULT_PERMANENT, "%s", words);
	return false;
}

/* row->fault says why. */
static bool
fail(struct rotate_row *row)
{
	row->outcome =
	    row->fault.kind == FAULT_PERMANENT ? ROTATE_FAILED : ROTATE_LATER;
	return false;
}

/* ---- what there is ---- */

static bool
take_old(struct choice *choice, const struct rotate_file *file)
{
	struct rotation *rotation = choice->rotation;
	struct rotate_key *old = &rotation->olds[rotation->old_count];
	struct key_public public;

	if (rotation->old_count == KEYS_PER_DOMAIN) {
		fault_set(&choice->row->fault, FAULT_PERMANENT,
		    "%s: more than %d keys: remove some", choice->files->path,
		    KEYS_PER_DOMAIN);
		return false;
	}
	if (!rotate_files_public(choice->files, file->selector, KEY_SIGNING,
		&public, &choice->row->fault))
		return false;
	*old = (struct rotate_key){ .algorithm = public.algorithm };
	(void)snprintf(
	    old->selector, sizeof(old->selector), "%s", file->selector);
	rotation->old_count++;
	choice->has[public.algorithm] = true;
	if (public.algorithm == KEY_RSA_SHA256 && public.bits > choice->bits)
		choice->bits = public.bits;
	if (file->modified_s > choice->newest_s)
		choice->newest_s = file->modified_s;
	keys_public_clear(&public);
	return true;
}

static bool
find_olds(struct choice *choice)
{
	for (size_t i = 0; i < choice->list->count; i++)
		if (choice->list->files[i].role == KEY_SIGNING
		    && !take_old(choice, &choice->list->files[i]))
			return false;
	return true;
}

/* May it be rotated, by what there is? */
static bool
is_due(struct choice *choice)
{
	const struct rotate_order *order = choice->order;
	const struct rotate_tools *tools = choice->tools;
	uint64_t now_s = tools->now_s(tools->context);
	size_t count = choice->rotation->old_count;

	if (count == 0 && order->must_have_key)
		return leave(choice->row, "it has no key here");
	if (count == 0
	    && tools->has_elsewhere(tools->context, choice->row->domain)) {
		fault_set(&choice->row->fault, FAULT_PERMANENT,
		    "the keys of %s come from sign.key_table or sign.key_map: "
		    "exchange them there; only those in sign.keys are rotated",
		    choice->row->domain);
		return fail(choice->row);
	}
	if (count > 0 && order->older_than_s > 0
	    && choice->newest_s > now_s + AHEAD_S)
		return leave(choice->row,
		    "its key is of a time to come: see whether the clock is "
		    "right, and touch the key's file if it is");
	if (count > 0 && order->older_than_s > 0
	    && choice->newest_s + order->older_than_s > now_s) {
		choice->row->is_usual = true;
		return leave(choice->row, "its key is young");
	}
	return true;
}

/* Those of an algorithm that isn't rotated stay. */
static void
keep_wanted(struct choice *choice, const bool *wants)
{
	struct rotation *rotation = choice->rotation;
	size_t count = 0;

	for (size_t i = 0; i < rotation->old_count; i++)
		if (wants[rotation->olds[i].algorithm])
			rotation->olds[count++] = rotation->olds[i];
	rotation->old_count = count;
}

/* ---- what is to be ---- */

static bool
has_room(struct choice *choice)
{
	const struct rotation *rotation = choice->rotation;
	size_t signing = rotate_files_count(choice->list, KEY_SIGNING);

	/* Old and new ones sign together for a moment. */
	if (signing + rotation->made_count > KEYS_PER_DOMAIN)
		fault_set(&choice->row->fault, FAULT_PERMANENT,
		    "%s: with new keys there would be more than %d: remove "
		    "some",
		    choice->files->path, KEYS_PER_DOMAIN);
	else if (rotation->retiring_count + rotation->old_count
	    > ROTATE_RETIRING)
		fault_set(&choice->row->fault, FAULT_PERMANENT,
		    "%s: too many keys are retiring: wait for some to go",
		    choice->row->domain);
	else
		return true;
	return false;
}

/* Is the selector used by a key here, by one that was just decided on, or by a
 * record that the name servers show? If they can't be asked it isn't known to
 * be. */
static bool
is_taken(struct choice *choice, const char *selector)
{
	const struct rotate_tools *tools = choice->tools;
	struct rotate_finding *finding;
	struct rotate_record record = { .domain = choice->row->domain,
		.selector = selector };
	struct fault ignored;

	if (rotate_files_find(choice->list, selector) != NULL)
		return true;
	for (size_t i = 0; i < choice->rotation->made_count; i++)
		if (strcmp(choice->rotation->made[i].selector, selector) == 0)
			return true;
	record.name = arena_printf(&choice->row->arena, "%s._domainkey.%s",
	    selector, choice->row->domain);
	finding = arena_alloc(&choice->row->arena, sizeof(*finding));
	return record.name != NULL && finding != NULL
	    && tools->check(tools->context, choice->rotation, &record,
		&choice->row->arena, finding, &ignored)
	    && finding->has_records;
}

static const char *
by_date(const struct choice *choice, char date[DATE_BYTES])
{
	time_t now = (time_t)choice->tools->now_s(choice->tools->context);
	struct tm parts;

	if (gmtime_r(&now, &parts) == NULL
	    || strftime(date, DATE_BYTES, "%Y%m%d", &parts) == 0)
		return "new";
	return date;
}

/* A selector for the next new key: what was asked for, or the date, with a
 * letter for the algorithm where there are two, and one more where that is
 * taken. */
static bool
find_selector(struct choice *choice, struct rotate_key *key, bool is_one_of_two)
{
	const char *wanted = choice->order->selector;
	char date[DATE_BYTES];
	const char *base = wanted != NULL ? wanted : by_date(choice, date);
	const char *letter = !is_one_of_two    ? ""
	    : key->algorithm == KEY_RSA_SHA256 ? "r"
					       : "e";

	(void)snprintf(
	    key->selector, sizeof(key->selector), "%s%s", base, letter);
	if (!is_taken(choice, key->selector))
		return true;
	for (int i = 0; wanted == NULL && i < SUFFIXES; i++) {
		(void)snprintf(key->selector, sizeof(key->selector), "%s%s%c",
		    base, letter, 'a' + i);
		if (!is_taken(choice, key->selector))
			return true;
	}
	fault_set(&choice->row->fault, FAULT_PERMANENT,
	    "selector %s of %s is taken, here or in the DNS: take another "
	    "--selector",
	    key->selector, choice->row->domain);
	return false;
}

static bool
add_key(struct choice *choice, enum key_algorithm algorithm, bool is_one_of_two)
{
	struct rotation *rotation = choice->rotation;
	struct rotate_key *key = &rotation->made[rotation->made_count];
	struct key_order order = { .domain = choice->row->domain,
		.algorithm = algorithm };

	*key = (struct rotate_key){ .algorithm = algorithm };
	if (algorithm == KEY_RSA_SHA256)
		key->bits = choice->order->bits != 0 ? choice->order->bits
		    : choice->bits > ROTATE_BITS && choice->bits <= BITS_MOST
		    ? choice->bits
		    : ROTATE_BITS;
	if (!find_selector(choice, key, is_one_of_two))
		return false;
	order.selector = key->selector;
	order.bits = key->bits;
	if (!keys_may_make(&order, &choice->row->fault))
		return false;
	rotation->made_count++;
	return true;
}

static bool
decide(struct choice *choice)
{
	const struct rotate_order *order = choice->order;
	bool wants[ALGORITHMS] = { [KEY_RSA_SHA256] = order->wants_rsa,
		[KEY_ED25519_SHA256] = order->wants_ed25519 };

	if (!order->wants_rsa && !order->wants_ed25519) {
		wants[KEY_RSA_SHA256] = choice->has[KEY_RSA_SHA256]
		    || !choice->has[KEY_ED25519_SHA256];
		wants[KEY_ED25519_SHA256] = choice->has[KEY_ED25519_SHA256];
	}
	keep_wanted(choice, wants);
	for (int i = 0; i < ALGORITHMS; i++)
		if (wants[i]
		    && !add_key(choice, (enum key_algorithm)i,
			wants[KEY_RSA_SHA256] && wants[KEY_ED25519_SHA256]))
			return false;
	return has_room(choice);
}

/* ---- the rotation ---- */

bool
rotate_may_have_first(const struct rotate_order *order, const char *domain)
{
	const struct key_order wanted = { .domain = domain,
		.selector = "any",
		.algorithm = KEY_ED25519_SHA256 };

	return !order->must_have_key && keys_may_make(&wanted, NULL);
}

static bool
prepare(struct choice *choice, const struct rotation *before)
{
	const struct rotate_order *order = choice->order;
	struct rotate_row *row = choice->row;
	struct rotation *rotation = arena_alloc(&row->arena, sizeof(*rotation));

	choice->list = arena_alloc(&row->arena, sizeof(*choice->list));
	if (rotation == NULL || choice->list == NULL) {
		fault_memory(&row->fault);
		return false;
	}
	choice->rotation = rotation;
	(void)snprintf(
	    rotation->domain, sizeof(rotation->domain), "%s", row->domain);
	rotation->way = order->way;
	rotation->retire_after_s = order->retire_after_s;
	rotate_set_servers(rotation, order->servers, order->server_count);
	if (before != NULL) {
		memcpy(rotation->retiring, before->retiring,
		    sizeof(rotation->retiring));
		rotation->retiring_count = before->retiring_count;
	}
	return rotate_files_list(choice->files, choice->list, &row->fault);
}

bool
rotate_begin(const struct rotate_tools *tools, const struct rotate_files *files,
    const struct rotate_order *order, const struct rotation *before,
    struct rotate_row *row)
{
	struct choice choice = {
		.tools = tools, .files = files, .order = order, .row = row
	};

	if (!prepare(&choice, before) || !find_olds(&choice))
		return fail(row);
	if (!is_due(&choice))
		return false;
	if (tools->pace != NULL)
		tools->pace(tools->context);
	if (!decide(&choice))
		return fail(row);
	choice.rotation->step = ROTATE_BEGUN;
	choice.rotation->begun_s = tools->now_s(tools->context);
	if (!rotate_state_write(tools->keys, choice.rotation, &row->fault))
		return fail(row);
	row->rotation = choice.rotation;
	row->has_moved = true;
	row->is_new = true;
	return true;
}

/* ---- one that is under way ---- */

/* The new key of that algorithm; NULL: there is none. */
static const struct rotate_key *
find_made(const struct rotation *rotation, enum key_algorithm algorithm)
{
	for (size_t i = 0; i < rotation->made_count; i++)
		if (rotation->made[i].algorithm == algorithm)
			return &rotation->made[i];
	return NULL;
}

static bool
has_other_selector(
    const struct rotate_order *order, const struct rotation *rotation)
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

bool
rotate_is_other(
    const struct rotate_order *order, const struct rotation *rotation)
{
	const struct rotate_key *rsa = find_made(rotation, KEY_RSA_SHA256);
	bool has_ed25519 = find_made(rotation, KEY_ED25519_SHA256) != NULL;

	return has_other_selector(order, rotation)
	    || ((order->wants_rsa || order->wants_ed25519)
		&& (order->wants_rsa != (rsa != NULL)
		    || order->wants_ed25519 != has_ed25519))
	    || (order->bits != 0 && rsa != NULL && rsa->bits != order->bits);
}

bool
rotate_adopt(const struct rotate_tools *tools, const struct rotate_order *order,
    struct rotate_row *row)
{
	struct rotation *rotation = row->rotation;
	bool has_way = order->is_way_said && order->way != rotation->way;

	if (rotation->step == ROTATE_CANCELLING
	    || (!has_way && order->server_count == 0
		&& !order->is_retiring_said))
		return true;
	if (has_way && rotation->step == ROTATE_PUBLISHED)
		rotation->step = ROTATE_MADE;
	if (has_way)
		rotation->way = order->way;
	if (order->is_retiring_said)
		rotation->retire_after_s = order->retire_after_s;
	if (order->server_count > 0)
		rotate_set_servers(
		    rotation, order->servers, order->server_count);
	if (rotate_state_write(tools->keys, rotation, &row->fault))
		return true;
	return fail(row);
}
