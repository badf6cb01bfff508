#include "milter/ctl/print.h"

#include "milter/io/clock.h"
#include "policy/text.h"

#include <assert.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LABEL_WIDTH = 12,
	GAP_WIDTH = 2,
	DURATION_BYTES = 32,
	TIME_BYTES = 40,
	BAR_WIDTH = 40,
	BAR_MS = 100, /* not more often */
};

#define YEAR_10000_MS 253402300800000ULL

struct table_row {
	const char *cells[TABLE_COLUMNS];
	size_t widths[TABLE_COLUMNS];
	size_t count;
	struct table_row *next;
};

/* Cleaning makes nothing longer, but a text has room for its own marks. */
static void
clean(const char *words, char *space, size_t size)
{
	struct text text;

	text_init(&text, space, size);
	text_add_clean(&text, words, strlen(words), true);
}

static size_t
clean_size(const char *words)
{
	return strlen(words) + 4;
}

void
print_text(FILE *out, const char *words)
{
	char *space = malloc(clean_size(words));

	if (space != NULL)
		clean(words, space, clean_size(words));
	fprintf(out, "%s\n", space != NULL ? space : "(no memory)");
	free(space);
}

void
print_line(FILE *out, const char *label, const char *format, ...)
{
	char *words = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&words, format, arguments) < 0)
		words = NULL;
	va_end(arguments);
	fprintf(out, "%-*s", *label != '\0' ? LABEL_WIDTH : 0, label);
	print_text(out, words != NULL ? words : "(no memory)");
	free(words);
}

void
table_init(struct table *table, struct arena *arena, const char *alignment)
{
	assert(strlen(alignment) <= TABLE_COLUMNS);
	*table = (struct table){ .arena = arena, .alignment = alignment };
}

void
table_row(struct table *table)
{
	struct table_row *row = arena_alloc(table->arena, sizeof(*row));

	if (row == NULL) {
		table->is_broken = true;
		return;
	}
	if (table->last != NULL)
		table->last->next = row;
	else
		table->first = row;
	table->last = row;
}

/* Characters of well-formed UTF-8. */
static size_t
width_of(const char *cell)
{
	size_t width = 0;

	for (; *cell != '\0'; cell++)
		width += ((unsigned char)*cell & 0xC0) != 0x80;
	return width;
}

void
table_cell(struct table *table, const char *format, ...)
{
	struct table_row *row = table->last;
	char *words = NULL;
	char *cell = NULL;
	va_list arguments;
	int length;

	if (table->is_broken)
		return;
	assert(row != NULL);
	if (row->count == strlen(table->alignment))
		return;
	va_start(arguments, format);
	length = vasprintf(&words, format, arguments);
	va_end(arguments);
	if (length >= 0) {
		cell = arena_alloc(table->arena, clean_size(words));
		if (cell != NULL)
			clean(words, cell, clean_size(words));
		free(words);
	}
	if (cell == NULL) {
		table->is_broken = true;
		return;
	}
	row->widths[row->count] = width_of(cell);
	row->cells[row->count++] = cell;
}

static void
pad(FILE *out, size_t width)
{
	fprintf(out, "%*s", (int)width, "");
}

bool
table_print(const struct table *table, FILE *out)
{
	size_t widths[TABLE_COLUMNS] = { 0 };

	if (table->is_broken)
		return false;
	for (const struct table_row *row = table->first; row != NULL;
	     row = row->next)
		for (size_t i = 0; i < row->count; i++)
			if (row->widths[i] > widths[i])
				widths[i] = row->widths[i];
	for (const struct table_row *row = table->first; row != NULL;
	     row = row->next) {
		fputs(table->indent != NULL ? table->indent : "", out);
		for (size_t i = 0; i < row->count; i++) {
			size_t space = widths[i] - row->widths[i];
			bool is_right = table->alignment[i] == 'r';

			pad(out, is_right ? space : 0);
			fputs(row->cells[i], out);
			/* No blanks at the end of a line. */
			if (i + 1 < row->count)
				pad(out, (is_right ? 0 : space) + GAP_WIDTH);
		}
		fputc('\n', out);
	}
	return true;
}

const char *
print_duration(struct arena *arena, uint64_t duration_ms)
{
	char *space = arena_alloc(arena, DURATION_BYTES);
	struct text text;

	if (space == NULL)
		return "?";
	text_init(&text, space, DURATION_BYTES);
	if (duration_ms == 0)
		text_add(&text, "now");
	else
		text_add_duration(&text, duration_ms);
	return space;
}

/* Never before the moment itself. False: it has no year of four digits. */
static bool
whole_seconds(uint64_t time_ms, time_t *seconds_out)
{
	if (time_ms > YEAR_10000_MS - 1000)
		return false;
	*seconds_out = (time_t)(time_ms / 1000 + (time_ms % 1000 != 0));
	return true;
}

const char *
print_time(struct arena *arena, uint64_t time_ms)
{
	char *space = arena_alloc(arena, TIME_BYTES);
	struct tm parts;
	time_t seconds;

	if (space == NULL || !whole_seconds(time_ms, &seconds)
	    || localtime_r(&seconds, &parts) == NULL
	    || strftime(space, TIME_BYTES, "%Y-%m-%d %H:%M:%S %z", &parts) == 0)
		return "?";
	return space;
}

struct json_object *
print_json_time(uint64_t time_ms)
{
	char space[TIME_BYTES];
	struct tm parts;
	time_t seconds;

	if (!whole_seconds(time_ms, &seconds)
	    || gmtime_r(&seconds, &parts) == NULL
	    || strftime(space, sizeof(space), "%Y-%m-%dT%H:%M:%SZ", &parts)
		== 0)
		return NULL;
	return json_object_new_string(space);
}

struct json_object *
print_json_text(const char *text)
{
	struct json_object *string;
	char *space;

	if (text == NULL)
		return NULL; /* which is what JSON's null is to json-c */
	space = malloc(clean_size(text));
	if (space == NULL)
		return NULL;
	clean(text, space, clean_size(text));
	string = json_object_new_string(space);
	free(space);
	return string;
}

struct json_object *
print_json_seconds(uint64_t duration_ms)
{
	char text[32];

	if (duration_ms % 1000 == 0)
		return json_object_new_uint64(duration_ms / 1000);
	(void)snprintf(text, sizeof(text), "%" PRIu64 ".%03" PRIu64,
	    duration_ms / 1000, duration_ms % 1000);
	return json_object_new_double_s((double)duration_ms / 1000, text);
}

void
print_json_add_text(
    struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, print_json_text(text));
}

void
print_json_add_number(
    struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

void
print_json_add_bool(struct json_object *object, const char *key, bool is_so)
{
	json_object_object_add(object, key, json_object_new_boolean(is_so));
}

void
print_json(struct json_object *object)
{
	const char *line = json_object_to_json_string_ext(object,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
		| JSON_C_TO_STRING_NOSLASHESCAPE);

	if (line != NULL)
		printf("%s\n", line);
	json_object_put(object);
}

void
print_json_piece(struct json_object *object)
{
	const char *line = json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

	fputs(line != NULL ? line : "null", stdout);
	json_object_put(object);
}

void
print_bar_show(struct print_bar *bar, size_t done, size_t total)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t part;

	if (!bar->is_wanted || total == 0 || now_ms - bar->drawn_ms < BAR_MS)
		return;
	/* What is on the way there comes first, where both are one terminal. */
	(void)fflush(stdout);
	bar->drawn_ms = now_ms;
	bar->is_shown = true;
	part = done * BAR_WIDTH / total;
	fputs("\r[", stderr);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		fputc(i < part ? '#' : ' ', stderr);
	fprintf(stderr, "] %zu of %zu", done, total);
}

void
print_bar_hide(struct print_bar *bar)
{
	if (bar->is_shown)
		fputs("\r\033[K", stderr);
	bar->is_shown = false;
}
