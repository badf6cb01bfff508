#include "milter/io/signer_fields.h"

#include "milter/io/signer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How much of a field name is put into words. */
enum { WORDS_NAME_OCTETS = 60 };

void
signer_fields_init(struct signer_fields *fields, enum canonicalization canon)
{
	/* A text can double, each LF becoming CRLF. */
	*fields = (struct signer_fields){ .canon = canon };
	arena_init(&fields->arena, 4 * (size_t)SIGNER_HEADER_BYTES);
}

void
signer_fields_clear(struct signer_fields *fields)
{
	free(fields->fields);
	free(fields->names);
	arena_clear(&fields->arena);
	signer_fields_init(fields, fields->canon);
}

bool
signer_fields_is_name(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] < 33 || name[i] > 126 || name[i] == ':'
		    || name[i] == ';')
			return false;
	return length > 0;
}

static bool
refuse(
    struct fault *fault, const char *name, size_t name_length, const char *why)
{
	int shown = name_length < WORDS_NAME_OCTETS ? (int)name_length
						    : WORDS_NAME_OCTETS;

	fault_set(
	    fault, FAULT_PERMANENT, "header field %.*s: %s", shown, name, why);
	return false;
}

/* What keeps value from being hashed alike by everybody, or NULL. *folds_out:
 * how many LFs have no CR before them. Seen under relaxed canonicalization:
 * VT and FF are blanks anywhere to libopendkim 2.11.0~beta2, at both ends to
 * dkimpy 1.1.4, in front to Mail::DKIM 1.20230212, and nowhere to RFC 6376
 * §3.4.2; other control characters are text to all. A NUL ends a value for
 * libopendkim and in the milter protocol; a lone CR becomes a line end or a
 * blank in some MTAs, and is a blank to the same three. */
static const char *
unsignable(const char *value, size_t length, bool is_relaxed, size_t *folds_out)
{
	*folds_out = 0;
	for (size_t i = 0; i < length; i++) {
		char next = i + 1 < length ? value[i + 1] : '\0';

		switch (value[i]) {
		case '\0':
			return "it has a NUL, so it can't be signed";
		case '\v':
		case '\f':
			if (is_relaxed)
				return "it has a vertical tab or form feed, so "
				       "it can't be signed";
			break;
		case '\r':
			if (next != '\n')
				return "it has a lone CR, so it can't be "
				       "signed";
			break;
		case '\n':
			if (next != ' ' && next != '\t')
				return "it has a line end that is no fold, so "
				       "it can't be signed";
			if (i == 0 || value[i - 1] != '\r')
				++*folds_out;
			break;
		default:
			break;
		}
	}
	return NULL;
}

/* Which entry of names is that of name; a new one if need be. */
static bool
name_find(struct signer_fields *fields, const char *name, size_t length,
    size_t *index_out)
{
	struct signer_name *names = fields->names;
	size_t room = fields->name_room;
	const char *text;

	for (size_t i = 0; i < fields->name_count; i++) {
		if (names[i].length == length
		    && strncasecmp(names[i].text, name, length) == 0) {
			*index_out = i;
			return true;
		}
	}
	if (fields->name_count == room) {
		room = room == 0 ? 32 : 2 * room;
		names = realloc(names, room * sizeof(*names));
		if (names == NULL)
			return false;
		fields->names = names;
		fields->name_room = room;
	}
	text = arena_copy(&fields->arena, name, length);
	if (text == NULL)
		return false;
	*index_out = fields->name_count++;
	names[*index_out] =
	    (struct signer_name){ .text = text, .length = length };
	return true;
}

static struct signer_field *
field_new(struct signer_fields *fields, size_t text_octets)
{
	struct signer_field *all = fields->fields;
	struct signer_field *field;

	if (fields->count == fields->room) {
		size_t room = fields->room == 0 ? 64 : 2 * fields->room;

		all = realloc(all, room * sizeof(*all));
		if (all == NULL)
			return NULL;
		fields->fields = all;
		fields->room = room;
	}
	field = &all[fields->count];
	*field = (struct signer_field){ 0 };
	field->text = arena_alloc(&fields->arena, text_octets + 1);
	if (field->text == NULL)
		return NULL;
	fields->count++;
	return field;
}

static size_t
copy_folded(char *to, const char *value, size_t length)
{
	size_t written = 0;

	for (size_t i = 0; i < length; i++) {
		if (value[i] == '\n' && (i == 0 || value[i - 1] != '\r'))
			to[written++] = '\r';
		to[written++] = value[i];
	}
	return written;
}

static bool
is_from(const char *name, size_t length)
{
	return length == 4 && strncasecmp(name, "From", 4) == 0;
}

/* Keep a copy of a value that is good. */
static bool
field_keep(struct signer_fields *fields, size_t index, const char *name,
    size_t name_length, const char *value, size_t value_length, size_t folds)
{
	struct signer_field *field =
	    field_new(fields, name_length + 1 + value_length + folds);

	if (field == NULL)
		return false;
	field->name = index;
	memcpy(field->text, name, name_length);
	field->text[name_length] = ':';
	field->length = name_length + 1
	    + copy_folded(field->text + name_length + 1, value, value_length);
	fields->octets += name_length + value_length;
	return true;
}

bool
signer_fields_add(struct signer_fields *fields, const char *name,
    size_t name_length, bool is_oversigned, const char *value,
    size_t value_length, struct fault *fault)
{
	bool is_relaxed = fields->canon == CANON_RELAXED;
	/* Blanks before the colon go under relaxed canonicalization. */
	size_t kept_length = is_relaxed ? name_length : strlen(name);
	const char *why;
	size_t folds;
	size_t index;

	if (fields->count == SIGNER_FIELDS)
		return refuse(fault, name, name_length,
		    "too many covered fields, so none is signed");
	if (value_length > SIGNER_HEADER_BYTES
	    || kept_length > SIGNER_HEADER_BYTES
	    || fields->octets + kept_length + value_length
		> SIGNER_HEADER_BYTES)
		return refuse(fault, name, name_length,
		    "the header is too large to be signed");
	why = unsignable(value, value_length, is_relaxed, &folds);
	if (why != NULL && (is_oversigned || is_from(name, name_length)))
		return refuse(fault, name, name_length, why);
	if (!name_find(fields, name, name_length, &index)) {
		fault_memory(fault);
		return false;
	}
	fields->names[index].is_oversigned = is_oversigned;
	if (why != NULL)
		fields->names[index].is_left_out = true;
	if (fields->names[index].is_left_out)
		return true;
	if (field_keep(
		fields, index, name, kept_length, value, value_length, folds))
		return true;
	fault_memory(fault);
	return false;
}

bool
signer_fields_has_from(const struct signer_fields *fields)
{
	for (size_t i = 0; i < fields->name_count; i++)
		if (is_from(fields->names[i].text, fields->names[i].length))
			return true;
	return false;
}

/* Choose what may not be missing: oversigned fields, because h= says that
 * there are no more of them, and the last of every name (RFC 6376 §5.4.2).
 * Returns the octets that their names take. */
static size_t
choose_needed(struct signer_fields *fields)
{
	size_t used = 0;

	for (size_t i = fields->count; i-- > 0;) {
		struct signer_field *field = &fields->fields[i];
		struct signer_name *name = &fields->names[field->name];

		if (name->is_left_out
		    || (name->has_chosen && !name->is_oversigned))
			continue;
		name->has_chosen = true;
		field->is_chosen = true;
		used += name->length + 1;
	}
	return used;
}

bool
signer_fields_choose(struct signer_fields *fields, struct fault *fault)
{
	size_t used = choose_needed(fields);

	if (used > SIGNER_NAME_OCTETS) {
		fault_set(fault, FAULT_PERMANENT,
		    "an oversigned header field occurs too often for the "
		    "message to be signed");
		return false;
	}
	for (size_t i = fields->count; i-- > 0;) {
		struct signer_field *field = &fields->fields[i];
		struct signer_name *name = &fields->names[field->name];

		if (field->is_chosen || name->is_closed || name->is_left_out)
			continue;
		if (used + name->length + 1 > SIGNER_NAME_OCTETS) {
			/* None above this one may be signed without it. */
			name->is_closed = true;
			continue;
		}
		field->is_chosen = true;
		used += name->length + 1;
	}
	return true;
}
