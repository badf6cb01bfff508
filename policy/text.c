#include "policy/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MARK_LENGTH = 3 }; /* of "..." */

void
text_init(struct text *text, char *space, size_t size_bytes)
{
	assert(size_bytes > MARK_LENGTH);
	text->data = space;
	text->data[0] = '\0';
	text->length = 0;
	text->size_bytes = size_bytes;
	text->is_cut = false;
}

/* Where a UTF-8 character begins at or before end, so that a cut doesn't
 * leave half of one. */
static size_t
character_start(const char *data, size_t end)
{
	while (end > 0 && ((unsigned char)data[end] & 0xC0) == 0x80)
		end--;
	return end;
}

static void
cut(struct text *text)
{
	size_t end = text->size_bytes - 1 - MARK_LENGTH;

	if (end > text->length)
		end = text->length;
	if (end < text->length)
		end = character_start(text->data, end);
	memcpy(text->data + end, "...", MARK_LENGTH + 1);
	text->length = end + MARK_LENGTH;
	text->is_cut = true;
}

/* Append length octets as one: all of them or, with a cut, none. */
static void
add_whole(struct text *text, const char *data, size_t length)
{
	if (text->is_cut)
		return;
	if (length > text->size_bytes - 1 - text->length) {
		cut(text);
		return;
	}
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

static void
add_octets(struct text *text, const char *data, size_t length)
{
	size_t room = text->size_bytes - 1 - text->length;

	if (text->is_cut)
		return;
	if (length <= room) {
		add_whole(text, data, length);
		return;
	}
	add_whole(text, data, room);
	cut(text);
}

void
text_add(struct text *text, const char *string)
{
	add_octets(text, string, strlen(string));
}

void
text_addf(struct text *text, const char *format, ...)
{
	size_t room = text->size_bytes - text->length;
	va_list arguments;
	int length;

	if (text->is_cut)
		return;
	va_start(arguments, format);
	length = vsnprintf(text->data + text->length, room, format, arguments);
	va_end(arguments);
	if (length < 0) {
		text->data[text->length] = '\0';
	} else if ((size_t)length < room) {
		text->length += (size_t)length;
	} else {
		text->length = text->size_bytes - 1;
		cut(text);
	}
}

size_t
text_utf8_length(const char *data, size_t length)
{
	const unsigned char *octets = (const unsigned char *)data;
	uint32_t character;
	uint32_t least;
	size_t size;

	if (length == 0)
		return 0;
	if (octets[0] < 0x80)
		return 1;
	if ((octets[0] & 0xE0) == 0xC0) {
		size = 2;
		character = octets[0] & 0x1F;
		least = 0x80;
	} else if ((octets[0] & 0xF0) == 0xE0) {
		size = 3;
		character = octets[0] & 0x0F;
		least = 0x800;
	} else if ((octets[0] & 0xF8) == 0xF0) {
		size = 4;
		character = octets[0] & 0x07;
		least = 0x10000;
	} else {
		return 0;
	}
	if (length < size)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((octets[i] & 0xC0) != 0x80)
			return 0;
		character = character << 6 | (octets[i] & 0x3F);
	}
	if (character < least || character > 0x10FFFF
	    || (character >= 0xD800 && character <= 0xDFFF))
		return 0;
	return size;
}

static uint32_t
decode(const char *data, size_t size)
{
	const unsigned char *octets = (const unsigned char *)data;
	static const unsigned char masks[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
	uint32_t character = octets[0] & masks[size];

	for (size_t i = 1; i < size; i++)
		character = character << 6 | (octets[i] & 0x3F);
	return character;
}

/* Characters that move the cursor, turn the direction of writing, or can't be
 * seen, so that a reader of the log could be deceived. */
static bool
is_deceiving(uint32_t character)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0x0000, 0x001F }, { 0x007F, 0x009F }, /* C0, DEL, C1 */
		{ 0x00AD, 0x00AD },                     /* soft hyphen */
		{ 0x061C, 0x061C },                     /* Arabic mark */
		{ 0x115F, 0x1160 }, { 0x3164, 0x3164 }, /* Hangul fillers */
		{ 0x180E, 0x180E }, { 0x200B, 0x200F }, /* zero width, marks */
		{ 0x2028, 0x202E }, /* line, paragraph, embeddings, overrides */
		{ 0x2060, 0x206F }, /* joiners, isolates */
		{ 0xD800, 0xF8FF }, /* surrogates, private use */
		{ 0xFE00, 0xFE0F }, /* variation selectors */
		{ 0xFEFF, 0xFEFF }, { 0xFFF0, 0xFFFF }, /* BOM, specials */
		{ 0xE0000, 0x10FFFF },                  /* tags, private use */
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (character >= ranges[i].first && character <= ranges[i].last)
			return true;
	return false;
}

void
text_add_clean(
    struct text *text, const char *data, size_t length, bool keep_utf8)
{
	size_t size;

	for (size_t i = 0; i < length && !text->is_cut; i += size) {
		size = text_utf8_length(data + i, length - i);
		if (size == 0 || (size > 1 && !keep_utf8)
		    || is_deceiving(decode(data + i, size))) {
			add_whole(text, "?", 1);
			if (size == 0)
				size = 1;
		} else {
			add_whole(text, data + i, size);
		}
	}
}

void
text_add_duration(struct text *text, uint64_t duration_ms)
{
	static const struct {
		uint64_t unit_ms;
		const char *name;
	} units[] = {
		{ 86400000, "d" },
		{ 3600000, "h" },
		{ 60000, "min" },
		{ 1000, "s" },
	};
	size_t i = 0;

	/* The largest unit that says it exactly, or of which there are so many
	 * that rounding up doesn't matter: "1 h", "90 s", "11 h" for 10.5
	 * hours. */
	while (i < 3 && duration_ms < 10 * units[i].unit_ms
	    && (duration_ms == 0 || duration_ms % units[i].unit_ms != 0))
		i++;
	text_addf(text, "%" PRIu64 " %s",
	    duration_ms / units[i].unit_ms
		+ (duration_ms % units[i].unit_ms != 0),
	    units[i].name);
}

bool
text_number(const char *string, uint64_t minimum, uint64_t maximum,
    uint64_t *number_out)
{
	uint64_t number = 0;

	if (*string == '\0')
		return false;
	for (; *string != '\0'; string++) {
		unsigned digit = (unsigned)(unsigned char)*string - '0';

		if (digit > 9 || number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	if (number < minimum || number > maximum)
		return false;
	*number_out = number;
	return true;
}

static char
lower(char character)
{
	return character >= 'A' && character <= 'Z'
	    ? (char)(character - 'A' + 'a')
	    : character;
}

void
text_lower(char *string)
{
	for (; *string != '\0'; string++)
		*string = lower(*string);
}

bool
text_equal_case(const char *one, const char *other)
{
	while (*one != '\0' && lower(*one) == lower(*other)) {
		one++;
		other++;
	}
	return lower(*one) == lower(*other);
}
