/* print: answers for people (cleaned, aligned) and for programs (JSON). Every
 * value is cleaned here, so no caller can forget. */
#ifndef MILTER_CTL_PRINT_H
#define MILTER_CTL_PRINT_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_object;

enum { TABLE_COLUMNS = 8 };

struct table_row;

/* A table whose columns are as wide as their widest cell. It lives in an
 * arena; no memory is remembered, and told by table_print(). */
struct table {
	struct arena *arena;
	const char *alignment; /* 'l' or 'r' for each column */
	const char *indent;
	struct table_row *first, *last;
	bool is_broken;
};

/* Print a line with a label: "LABEL       words". label may be "": no label;
 * or " ": the place of one, for lines below the first. Words may hold text
 * from outside. */
void print_line(FILE *out, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Print a line of text from outside. */
void print_text(FILE *out, const char *words);

/* An empty table; each row has a cell for each letter of alignment, at most
 * TABLE_COLUMNS. */
void
table_init(struct table *table, struct arena *arena, const char *alignment);

/* Begin the next row. */
void table_row(struct table *table);

/* The next cell of the row; what comes after the last column is left out. */
void table_cell(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print the table. False: there was no memory for it. */
bool table_print(const struct table *table, FILE *out);

/* A duration in the words of replies ("45 min"; "now" for 0), in the arena;
 * "?" for want of memory. */
const char *print_duration(struct arena *arena, uint64_t duration_ms);

/* A moment of the store's or this host's clock, for people of this host's time
 * zone: "2026-11-22 23:59:59 +0100"; "?" for want of memory, or after the year
 * 9999. */
const char *print_time(struct arena *arena, uint64_t time_ms);

/* The same as a JSON string in UTC: "2026-11-22T22:59:59Z"; NULL as above. */
struct json_object *print_json_time(uint64_t time_ms);

/* A JSON string of text from outside (well-formed UTF-8 without controls);
 * JSON null for NULL. */
struct json_object *print_json_text(const char *text);

/* A duration as JSON number of seconds; whole seconds are whole numbers. */
struct json_object *print_json_seconds(uint64_t duration_ms);

/* Give object a member: a text as print_json_text() has it, a number, a truth.
 */
void print_json_add_text(
    struct json_object *object, const char *key, const char *text);
void print_json_add_number(
    struct json_object *object, const char *key, uint64_t number);
void
print_json_add_bool(struct json_object *object, const char *key, bool is_so);

/* Print object on standard output, and put it. */
void print_json(struct json_object *object);

/* The same in one line without its end: a piece of a larger whole. */
void print_json_piece(struct json_object *object);

/* A bar on standard error that shows how far something has come. */
struct print_bar {
	bool is_wanted; /* set before the first use: is it a terminal? */
	bool is_shown;
	uint64_t drawn_ms;
};

/* Show it, unless that was done a moment ago, or nothing is to be done. */
void print_bar_show(struct print_bar *bar, size_t done, size_t total);

/* Take it away, before anything else is printed. */
void print_bar_hide(struct print_bar *bar);

#endif
