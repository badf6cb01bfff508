#include "milter/io/verify_header.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
verify_header_init(struct verify_header *header)
{
	*header = (struct verify_header){ 0 };
	/* A text can double, each LF becoming CRLF; and a NUL, and how blocks
	 * are used. */
	arena_init(&header->arena, 4 * (size_t)VERIFY_HEADER_BYTES);
}

void
verify_header_clear(struct verify_header *header)
{
	free(header->fields);
	arena_clear(&header->arena);
	verify_header_init(header);
}

size_t
verify_header_name_length(const char *name)
{
	size_t length = strlen(name);

	while (
	    length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t'))
		length--;
	return length;
}

/* Can it stand in h= (RFC 5322 §2.2, RFC 6376 §3.5)? */
static bool
is_name(const char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (name[i] < 33 || name[i] > 126 || name[i] == ':'
		    || name[i] == ';')
			return false;
	return length > 0;
}

/* What keeps value from reaching every verifier as it is, or NULL.
 * *folds_out: how many LFs have no CR before them. */
static const char *
flaw_of(const char *value, size_t length, size_t *folds_out)
{
	const char *flaw = NULL;

	*folds_out = 0;
	for (size_t i = 0; i < length; i++) {
		char next = i + 1 < length ? value[i + 1] : '\0';

		if (value[i] == '\0')
			flaw = "it covers a field with a NUL";
		else if (value[i] == '\r' && next != '\n')
			flaw = "it covers a field with a lone CR";
		else if (value[i] == '\n') {
			if (next != ' ' && next != '\t')
				flaw = "it covers a field with a line end that "
				       "is no fold";
			if (i == 0 || value[i - 1] != '\r')
				++*folds_out;
		}
	}
	return flaw;
}

static struct verify_header_field *
field_new(struct verify_header *header, size_t text_octets)
{
	struct verify_header_field *all = header->fields;
	struct verify_header_field *field;

	if (header->count == header->room) {
		size_t room = header->room == 0 ? 64 : 2 * header->room;

		all = realloc(all, room * sizeof(*all));
		if (all == NULL)
			return NULL;
		header->fields = all;
		header->room = room;
	}
	field = &all[header->count];
	*field = (struct verify_header_field){ 0 };
	field->text = arena_alloc(&header->arena, text_octets + 1);
	if (field->text == NULL)
		return NULL;
	header->count++;
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
has_vertical(const char *value, size_t length)
{
	return length > 0
	    && (memchr(value, '\v', length) != NULL
		|| memchr(value, '\f', length) != NULL);
}

bool
verify_header_add(struct verify_header *header, const char *name,
    const char *value, size_t value_length, size_t signature)
{
	size_t name_length = verify_header_name_length(name);
	size_t whole_name = strlen(name);
	struct verify_header_field *field;
	const char *flaw;
	size_t folds;

	if (!is_name(name, name_length))
		return true;
	if (header->count == VERIFY_HEADER_FIELDS
	    || value_length > VERIFY_HEADER_BYTES
	    || whole_name > VERIFY_HEADER_BYTES
	    || header->octets + whole_name + value_length
		> VERIFY_HEADER_BYTES) {
		header->is_too_large = true;
		return true;
	}
	flaw = flaw_of(value, value_length, &folds);
	field = field_new(header, whole_name + 1 + value_length + folds);
	if (field == NULL)
		return false;
	field->flaw = flaw;
	field->signature = signature;
	field->name_length = name_length;
	/* The library takes VT and FF for blanks, RFC 6376 §3.4.2 doesn't. */
	if (has_vertical(value, value_length))
		field->flaw_relaxed = "libopendkim misreads a vertical tab or "
				      "form feed in a field that it covers";
	/* Nor does it take a tab before the colon, which doesn't count when
	 * relaxed. */
	if (memchr(name, '\t', whole_name) != NULL) {
		field->flaw_simple = "libopendkim takes no tab before a colon";
		whole_name = name_length;
	}
	memcpy(field->text, name, whole_name);
	field->text[whole_name] = ':';
	field->length = whole_name + 1
	    + copy_folded(field->text + whole_name + 1, value, value_length);
	header->octets += whole_name + value_length;
	return true;
}

/* A name in h=, and how often it stands there. */
struct covered_name {
	const char *text;
	size_t length;
	size_t count;
};

static int
compare(const void *one, const void *other)
{
	const struct covered_name *a = one;
	const struct covered_name *b = other;
	size_t shorter = a->length < b->length ? a->length : b->length;
	int order = strncasecmp(a->text, b->text, shorter);

	if (order == 0 && a->length != b->length)
		order = a->length < b->length ? -1 : 1;
	return order;
}

/* The names of an h=, sorted, each once. NULL: no memory. */
static struct covered_name *
names_of(const char *covered, size_t *count_out)
{
	struct covered_name *names;
	size_t count = 1;
	size_t kept = 0;

	for (const char *at = covered; *at != '\0'; at++)
		if (*at == ':')
			count++;
	names = calloc(count, sizeof(*names));
	if (names == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		names[i].text = covered;
		names[i].length = strcspn(covered, ":");
		names[i].count = 1;
		covered += names[i].length + 1;
	}
	qsort(names, count, sizeof(*names), compare);
	for (size_t i = 1; i < count; i++)
		if (compare(&names[kept], &names[i]) == 0)
			names[kept].count++;
		else
			names[++kept] = names[i];
	*count_out = kept + 1;
	return names;
}

bool
verify_header_cover(struct verify_header *header, const char *covered)
{
	size_t count;
	struct covered_name *names = names_of(covered, &count);

	if (names == NULL)
		return false;
	for (size_t i = header->count; i-- > 0;) {
		struct verify_header_field *field = &header->fields[i];
		struct covered_name key = { .text = field->text,
			.length = field->name_length };
		struct covered_name *name =
		    bsearch(&key, names, count, sizeof(*names), compare);

		field->is_covered = name != NULL && name->count > 0;
		if (field->is_covered)
			name->count--;
	}
	free(names);
	return true;
}
