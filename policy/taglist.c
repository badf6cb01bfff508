#include "policy/taglist.h"

#include <string.h>

static char
lower(char octet)
{
	return octet >= 'A' && octet <= 'Z' ? (char)(octet - 'A' + 'a') : octet;
}

static bool
is_letter(char octet)
{
	return lower(octet) >= 'a' && lower(octet) <= 'z';
}

static bool
is_blank(const struct taglist *list, char octet)
{
	return octet != '\0' && strchr(list->rules->blanks, octet) != NULL;
}

/* tag-name of RFC 6376 §3.2: a letter, then letters, digits, underscores. */
static bool
is_name(const char *name, size_t length)
{
	if (length == 0 || !is_letter(name[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!is_letter(name[i]) && name[i] != '_'
		    && (name[i] < '0' || name[i] > '9'))
			return false;
	return true;
}

/* Take the blanks off both ends. */
static void
trim(const struct taglist *list, const char **text, size_t *length)
{
	while (*length > 0 && is_blank(list, (*text)[*length - 1]))
		(*length)--;
	while (*length > 0 && is_blank(list, (*text)[0])) {
		(*text)++;
		(*length)--;
	}
}

bool
taglist_init(struct taglist *list, const struct taglist_rules *rules,
    const char *text, size_t length)
{
	list->rules = rules;
	list->text = text;
	list->length = length;
	list->at = 0;
	list->is_at_end = length == 0;
	list->count = 0; /* names: only what was noted is read */
	return length <= TAGLIST_OCTETS;
}

static void
divide(const struct taglist *list, const char *piece, size_t length,
    struct tag *tag_out)
{
	const char *equals = length > 0 ? memchr(piece, '=', length) : NULL;

	tag_out->name = piece;
	tag_out->name_length = length;
	tag_out->value = piece + length;
	tag_out->value_length = 0;
	if (equals != NULL) {
		tag_out->name_length = (size_t)(equals - piece);
		tag_out->value = equals + 1;
		tag_out->value_length = length - tag_out->name_length - 1;
	}
	trim(list, &tag_out->name, &tag_out->name_length);
	trim(list, &tag_out->value, &tag_out->value_length);
	tag_out->is_tag =
	    equals != NULL && is_name(tag_out->name, tag_out->name_length);
}

bool
taglist_next(struct taglist *list, struct tag *tag_out)
{
	const char *piece = list->text + list->at, *end;
	size_t left = list->length - list->at;
	bool is_last;

	if (list->is_at_end)
		return false;
	end = left > 0 ? memchr(piece, ';', left) : NULL;
	is_last = end == NULL;
	if (end != NULL)
		left = (size_t)(end - piece);
	list->at += left + (is_last ? 0 : 1);
	list->is_at_end = is_last;
	trim(list, &piece, &left);
	divide(list, piece, left, tag_out);
	return !is_last || left > 0;
}

/* FNV-1a of the name as it is compared. */
static uint32_t
hash_of(const struct taglist *list, const struct tag *tag)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < tag->name_length; i++) {
		char octet = tag->name[i];

		if (!list->rules->is_name_case_sensitive)
			octet = lower(octet);
		hash = (hash ^ (unsigned char)octet) * 16777619u;
	}
	return hash;
}

static bool
is_same(const char *one, const char *other, size_t length, bool is_sensitive)
{
	if (is_sensitive)
		return memcmp(one, other, length) == 0;
	for (size_t i = 0; i < length; i++)
		if (lower(one[i]) != lower(other[i]))
			return false;
	return true;
}

bool
taglist_note(struct taglist *list, const struct tag *tag)
{
	bool is_sensitive = list->rules->is_name_case_sensitive;
	uint32_t hash = hash_of(list, tag);

	for (size_t i = 0; i < list->count; i++)
		if (list->names[i].hash == hash
		    && list->names[i].length == tag->name_length
		    && is_same(list->text + list->names[i].start, tag->name,
			tag->name_length, is_sensitive))
			return false;
	if (list->count == TAGLIST_TAGS)
		return false;
	list->names[list->count].hash = hash;
	list->names[list->count].start = (uint16_t)(tag->name - list->text);
	list->names[list->count].length = (uint16_t)tag->name_length;
	list->count++;
	return true;
}

bool
taglist_is(const struct taglist *list, const struct tag *tag, const char *name)
{
	return tag->is_tag && strlen(name) == tag->name_length
	    && is_same(tag->name, name, tag->name_length,
		list->rules->is_name_case_sensitive);
}

bool
tag_says(const struct tag *tag, const char *word, bool is_case_sensitive)
{
	return strlen(word) == tag->value_length
	    && is_same(tag->value, word, tag->value_length, is_case_sensitive);
}
