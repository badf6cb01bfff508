#include "conf/problems.h"

#include "policy/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_BYTES = 64 };

void
problems_init(struct problems *problems, struct arena *arena)
{
	problems->arena = arena;
	problems->count = 0;
	problems->total = 0;
	problems->is_out_of_memory = false;
}

void
problems_memory(struct problems *problems)
{
	problems->is_out_of_memory = true;
}

bool
problems_none(const struct problems *problems)
{
	return problems->total == 0 && !problems->is_out_of_memory;
}

void
problems_add(struct problems *problems, const struct problem_source *source,
    size_t line, const char *format, ...)
{
	char raw[2 * PROBLEM_OCTETS]; /* longer, so that a cut shows */
	char clean[PROBLEM_OCTETS];
	struct text text;
	struct problem *problem;
	va_list arguments;

	problems->total++;
	if (problems_is_full(problems))
		return;
	va_start(arguments, format);
	if (vsnprintf(raw, sizeof(raw), format, arguments) < 0)
		raw[0] = '\0';
	va_end(arguments);
	text_init(&text, clean, sizeof(clean));
	text_add_clean(&text, raw, strlen(raw), true);

	problem = &problems->list[problems->count];
	problem->source = source;
	problem->line = line;
	problem->order = problems->count;
	problem->words = arena_strdup(problems->arena, clean);
	if (problem->words == NULL)
		problems_memory(problems);
	else
		problems->count++;
}

bool
problems_is_full(const struct problems *problems)
{
	return problems->count == PROBLEMS_MOST;
}

const char *
problems_excerpt(struct problems *problems, const char *string)
{
	char *space;
	struct text text;

	if (problems_is_full(problems))
		return "";
	space = arena_alloc(problems->arena, EXCERPT_BYTES);
	if (space == NULL) {
		problems_memory(problems);
		return "";
	}
	text_init(&text, space, EXCERPT_BYTES);
	text_add_clean(&text, string, strnlen(string, EXCERPT_BYTES), true);
	return space;
}

static int
by_place(const void *one, const void *other)
{
	const struct problem *a = one;
	const struct problem *b = other;

	if (a->source->number != b->source->number)
		return a->source->number < b->source->number ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static char *
line_of(const struct problem *problem)
{
	char *line;
	int length;

	if (problem->line == 0)
		length = asprintf(
		    &line, "%s: %s", problem->source->name, problem->words);
	else
		length = asprintf(&line, "%s:%zu: %s", problem->source->name,
		    problem->line, problem->words);
	return length < 0 ? NULL : line;
}

static char *
line_of_rest(const struct problems *problems)
{
	char *line;

	if (asprintf(&line, "%s: and %zu more", problems->list[0].source->name,
		problems->total - problems->count)
	    < 0)
		return NULL;
	return line;
}

bool
problems_lines(struct problems *problems, char ***lines_out, size_t *count_out)
{
	bool has_rest =
	    problems->count > 0 && problems->total > problems->count;
	char **lines;
	size_t count = 0;
	bool is_whole = true;

	*lines_out = NULL;
	*count_out = 0;
	if (problems->count == 0)
		return true;
	lines = calloc(problems->count + 1, sizeof(*lines));
	if (lines == NULL)
		return false;
	qsort(problems->list, problems->count, sizeof(problems->list[0]),
	    by_place);
	for (size_t i = 0; i < problems->count && is_whole; i++) {
		lines[count] = line_of(&problems->list[i]);
		is_whole = lines[count] != NULL;
		count += is_whole;
	}
	if (is_whole && has_rest) {
		lines[count] = line_of_rest(problems);
		is_whole = lines[count] != NULL;
		count += is_whole;
	}
	*lines_out = lines;
	*count_out = count;
	return is_whole;
}
