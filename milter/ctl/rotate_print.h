/* rotate_print: what became of domains, for people and for programs. */
#ifndef MILTER_CTL_ROTATE_PRINT_H
#define MILTER_CTL_ROTATE_PRINT_H

#include "milter/ctl/check_domain_list.h"
#include "milter/ctl/print.h"
#include "milter/ctl/rotate_steps.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A table of many domains, as it is printed row by row. */
struct rotate_report {
	/* Set before it begins. */
	bool is_json;
	bool is_brief;        /* no rows of those that nothing happened to */
	bool hides_done;      /* finished rotations are only counted */
	bool is_status;       /* records stand below their rows */
	bool has_records;     /* records go to standard output, and all else to
				 standard error */
	struct print_bar bar; /* of it, whether it is wanted */

	size_t total;
	size_t done;
	size_t counts[ROTATE_OUTCOMES];
	size_t begun; /* rotations that are new */
	size_t printed;
	size_t troubles; /* rows that went wrong, where it is brief */
	int width;       /* of the domains */
};

/* In words what is to be known of it, in the arena of the row: "2 of 4 name
 * servers don't show it yet"; "" for want of memory. */
const char *rotate_print_words(struct rotate_row *row);

/* Does it wait for name servers some of which lacked a record, the last time
 * they were asked? */
bool rotate_print_has_lacks(const struct rotate_row *row);

/* Print the records of new keys, ready for a zone file. */
void rotate_print_records(struct rotate_row *row, FILE *out);

/* Print one domain alone, in several lines. */
void rotate_print_one(struct rotate_row *row, FILE *out);

/* The same as a JSON object, which is the caller's. */
struct json_object *rotate_print_json(struct rotate_row *row);

/* Print what comes before the rows: of the domains in list, if it is known. */
void rotate_report_begin(
    struct rotate_report *report, const struct check_domain_list *list);

/* Print a row, and count it. */
void rotate_report_row(struct rotate_report *report, struct rotate_row *row);

/* Print what comes after the last, which wasn't the last of all unless
 * is_whole. */
void rotate_report_end(struct rotate_report *report, bool is_whole);

#endif
