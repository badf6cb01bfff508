#include "milter/ctl/rotate_print.h"

#include "milter/ctl/print.h"
#include "milter/ctl/rotate_publish.h"
#include "policy/zone_line.h"

#include <json-c/json.h>
#include <string.h>

enum { MS = 1000, LONG_S = 86400 };

/* ---- in words ---- */

/* "s1, s2": the selectors of keys; NULL: no memory. */
static const char *
names_of(struct arena *arena, const struct rotate_key *keys, size_t count)
{
	const char *names = "";

	for (size_t i = 0; i < count && names != NULL; i++)
		names = arena_printf(arena, "%s%s%s", names, i > 0 ? ", " : "",
		    keys[i].selector);
	return names;
}

/* Has it been waiting for so long, at its last look, that it may not be a
 * matter of time? */
static bool
waits_long(const struct rotation *rotation)
{
	return rotation->step == ROTATE_PUBLISHED && rotation->lacking > 0
	    && rotation->checked_s > rotation->begun_s
	    && rotation->checked_s - rotation->begun_s >= LONG_S;
}

static const char *
waiting_words(struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	if (rotation->step == ROTATE_CANCELLING)
		return "it is being cancelled";
	if (rotation->step != ROTATE_PUBLISHED)
		return "the new keys' records aren't published yet";
	if (rotation->checked_s == 0 || rotation->asked == 0)
		return "the name servers haven't been asked yet";
	return arena_printf(&row->arena,
	    "%zu of %zu answers of name servers lack the new record%s%s",
	    rotation->lacking, rotation->asked,
	    waits_long(rotation) ? ", since " : "",
	    waits_long(rotation)
		? print_time(&row->arena, rotation->begun_s * MS)
		: "");
}

static const char *
cancelled_words(struct rotate_row *row)
{
	const char *wiped = "nothing was left of new keys";
	const char *kept = "";

	if (row->wiped != NULL)
		wiped = arena_printf(&row->arena, "%s %s", row->wiped,
		    row->removable_count > 0 ? "is wiped"
					     : "is wiped, its record removed");
	if (row->fault.kind != FAULT_NONE)
		kept = arena_printf(&row->arena,
		    "; the record could not be removed: %s", row->fault.words);
	return wiped == NULL || kept == NULL
	    ? NULL
	    : arena_printf(&row->arena, "%s; %s%s", wiped,
		row->signs_on ? "the old keys sign on"
			      : "it has no key that signs",
		kept);
}

/* The one that stays longest. */
static uint64_t
last_until_ms(const struct rotation *rotation)
{
	uint64_t until_s = 0;

	for (size_t i = 0; i < rotation->retiring_count; i++)
		if (rotation->retiring[i].until_s > until_s)
			until_s = rotation->retiring[i].until_s;
	return until_s > UINT64_MAX / MS ? UINT64_MAX : until_s * MS;
}

static const char *
switched_words(struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;
	const char *olds =
	    names_of(&row->arena, rotation->retiring, rotation->retiring_count);
	const char *news =
	    names_of(&row->arena, rotation->made, rotation->made_count);
	const char *until = print_time(&row->arena, last_until_ms(rotation));

	if (olds == NULL || news == NULL)
		return NULL;
	if (*news == '\0')
		return arena_printf(
		    &row->arena, "%s retires until %s", olds, until);
	return arena_printf(&row->arena,
	    "%s signs; %s signs no more, its record stays until %s", news, olds,
	    until);
}

static const char *
done_words(struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;
	const char *news =
	    names_of(&row->arena, rotation->made, rotation->made_count);

	return news == NULL
	    ? NULL
	    : arena_printf(&row->arena, "%s signs, since %s", news,
		print_time(&row->arena, rotation->switched_s * MS));
}

/* Its last try has failed, or this call has for reasons of its own. */
static const char *
failed_words(struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	if (row->fault.kind != FAULT_NONE
	    && (rotation == NULL || !rotation->is_failed
		|| strcmp(row->fault.words, rotation->finding) != 0))
		return row->fault.words;
	if (rotation == NULL)
		return "";
	/* From here on there is nothing to cancel. */
	if (rotation->step >= ROTATE_SWITCHING)
		return arena_printf(
		    &row->arena, "%s; mend it", rotation->finding);
	return arena_printf(&row->arena,
	    "%s; mend it, or posternctl rotate --cancel %s", rotation->finding,
	    row->domain);
}

static const char *
find_words(struct rotate_row *row)
{
	switch (row->outcome) {
	case ROTATE_NOTHING:
		return row->fault.kind != FAULT_NONE ? row->fault.words
						     : "there is no rotation";
	case ROTATE_WAITS:
		return waiting_words(row);
	case ROTATE_HAS_SWITCHED:
		return switched_words(row);
	case ROTATE_IS_DONE:
		return done_words(row);
	case ROTATE_CANCELLED:
		return cancelled_words(row);
	case ROTATE_FAILED:
		return failed_words(row);
	case ROTATE_LEFT:
	case ROTATE_LATER:
	case ROTATE_OUTCOMES:
		break;
	}
	if (row->fault.kind != FAULT_NONE)
		return row->fault.words;
	return row->rotation != NULL ? row->rotation->finding : "";
}

const char *
rotate_print_words(struct rotate_row *row)
{
	const char *words = find_words(row);

	return words != NULL ? words : "";
}

/* A line of a zone file, with the TTL that nsupdate would give it; NULL: no
 * memory. */
static const char *
line_of(struct rotate_row *row, const struct rotate_record *record)
{
	const char *line = zone_line_txt(
	    &row->arena, record->name, record->text, strlen(record->text));

	return line == NULL
	    ? NULL
	    : arena_printf(&row->arena, "%s. %d%s", record->name,
		ROTATE_PUBLISH_TTL_S, line + strlen(record->name) + 1);
}

void
rotate_print_records(struct rotate_row *row, FILE *out)
{
	for (size_t i = 0; i < row->record_count; i++) {
		const char *line = line_of(row, &row->records[i]);

		if (line != NULL)
			print_text(out, line);
	}
}

bool
rotate_print_has_lacks(const struct rotate_row *row)
{
	return (row->outcome == ROTATE_WAITS || row->outcome == ROTATE_LATER
		   || row->outcome == ROTATE_FAILED)
	    && row->rotation != NULL && row->rotation->step == ROTATE_PUBLISHED
	    && row->rotation->lacking > 0;
}

/* ---- one domain ---- */

static void
print_made(struct rotate_row *row, FILE *out)
{
	const struct rotation *rotation = row->rotation;
	const char *olds;

	for (size_t i = 0; i < rotation->made_count; i++) {
		const struct rotate_key *key = &rotation->made[i];

		if (key->algorithm == KEY_RSA_SHA256)
			print_line(out, i == 0 ? "new" : " ",
			    "%s (rsa, %u bits)", key->selector, key->bits);
		else
			print_line(out, i == 0 ? "new" : " ", "%s (%s)",
			    key->selector,
			    rotate_algorithm_name(key->algorithm));
	}
	olds = names_of(&row->arena, rotation->olds, rotation->old_count);
	if (olds != NULL && *olds != '\0')
		print_line(out, "old", "%s, until the switch", olds);
}

static void
print_lacks(struct rotate_row *row, FILE *out)
{
	const struct rotation *rotation = row->rotation;

	if (rotation->checked_s > 0)
		print_line(out, "asked", "%s",
		    print_time(&row->arena, rotation->checked_s * MS));
	for (size_t i = 0; i < rotation->lack_count; i++)
		print_line(out, " ", "%s", rotation->lacks[i].words);
	if (rotation->lacking > rotation->lack_count)
		print_line(out, " ", "and %zu more",
		    rotation->lacking - rotation->lack_count);
	if (waits_long(rotation))
		print_line(out, "hint",
		    "posternctl rotate --server ADDRESS ... %s asks these "
		    "alone from now on; --cancel gives it up",
		    row->domain);
}

static void
print_removable(const struct rotate_row *row, FILE *out)
{
	for (size_t i = 0; i < row->removable_count; i++)
		print_line(out, "remove",
		    "the record of %s from the DNS: nothing needs it any more",
		    row->removable[i]);
}

void
rotate_print_one(struct rotate_row *row, FILE *out)
{
	const struct rotation *rotation = row->rotation;

	print_line(out, "domain", "%s", row->domain);
	if (rotation != NULL && row->outcome != ROTATE_CANCELLED)
		print_made(row, out);
	print_line(out, "state", "%s: %s", rotate_outcome_name(row->outcome),
	    rotate_print_words(row));
	if (rotate_print_has_lacks(row))
		print_lacks(row, out);
	print_removable(row, out);
}

/* ---- as JSON ---- */

static void
add_time(struct json_object *object, const char *key, uint64_t time_s)
{
	json_object_object_add(object, key,
	    time_s == 0 || time_s > UINT64_MAX / MS
		? NULL
		: print_json_time(time_s * MS));
}

/* The record of a new key; NULL: it isn't told. */
static const struct rotate_record *
record_of(const struct rotate_row *row, const char *selector)
{
	for (size_t i = 0; i < row->record_count; i++)
		if (strcmp(row->records[i].selector, selector) == 0)
			return &row->records[i];
	return NULL;
}

static struct json_object *
key_json(struct rotate_row *row, const struct rotate_key *key)
{
	struct json_object *one = json_object_new_object();
	const struct rotate_record *record = record_of(row, key->selector);

	print_json_add_text(one, "selector", key->selector);
	print_json_add_text(
	    one, "algorithm", rotate_algorithm_name(key->algorithm));
	if (key->bits != 0)
		print_json_add_number(one, "bits", key->bits);
	if (key->until_s != 0)
		add_time(one, "until", key->until_s);
	if (record == NULL)
		return one;
	print_json_add_text(one, "name", record->name);
	print_json_add_text(one, "text", record->text);
	print_json_add_number(one, "ttl", ROTATE_PUBLISH_TTL_S);
	print_json_add_text(one, "record", line_of(row, record));
	return one;
}

static void
add_keys(struct json_object *object, const char *name, struct rotate_row *row,
    const struct rotate_key *keys, size_t count)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(list, key_json(row, &keys[i]));
	json_object_object_add(object, name, list);
}

static struct json_object *
servers_json(const struct rotation *rotation)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	print_json_add_number(object, "asked", rotation->asked);
	print_json_add_number(object, "lacking", rotation->lacking);
	for (size_t i = 0; i < rotation->lack_count; i++)
		json_object_array_add(
		    list, print_json_text(rotation->lacks[i].words));
	json_object_object_add(object, "lacks", list);
	return object;
}

static void
add_rotation(struct json_object *object, struct rotate_row *row)
{
	const struct rotation *rotation = row->rotation;

	print_json_add_text(object, "step", rotate_step_name(rotation->step));
	print_json_add_text(object, "publish", rotate_way_name(rotation->way));
	add_keys(object, "new", row, rotation->made, rotation->made_count);
	add_keys(object, "old", row, rotation->olds, rotation->old_count);
	add_keys(object, "retiring", row, rotation->retiring,
	    rotation->retiring_count);
	add_time(object, "begun", rotation->begun_s);
	add_time(object, "checked", rotation->checked_s);
	add_time(object, "switched", rotation->switched_s);
	json_object_object_add(object, "servers", servers_json(rotation));
}

struct json_object *
rotate_print_json(struct rotate_row *row)
{
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	print_json_add_text(object, "domain", row->domain);
	print_json_add_text(object, "state", rotate_outcome_name(row->outcome));
	print_json_add_text(object, "words", rotate_print_words(row));
	if (row->rotation != NULL)
		add_rotation(object, row);
	for (size_t i = 0; i < row->removable_count; i++)
		json_object_array_add(list, print_json_text(row->removable[i]));
	json_object_object_add(object, "remove", list);
	return object;
}
