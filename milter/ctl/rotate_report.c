#include "milter/ctl/print.h"
#include "milter/ctl/rotate_print.h"
#include "milter/io/clock.h"

#include <json-c/json.h>
#include <string.h>

enum {
	BAR_WIDTH = 40,
	BAR_MS = 100, /* not more often */
	DOMAIN_LEAST = 6,
	DOMAIN_MOST = 40,    /* longer ones push the rest of their line */
	STATE_WIDTH = 9,     /* "cancelled" */
	TROUBLES_MOST = 100, /* the rest are only counted */
};

/* ---- the bar ---- */

static void
hide_bar(struct rotate_report *report)
{
	if (report->is_bar_shown)
		fputs("\r\033[K", stderr);
	report->is_bar_shown = false;
}

static void
show_bar(struct rotate_report *report)
{
	uint64_t now_ms = clock_monotonic_ms();
	size_t part;

	if (!report->has_progress || report->total == 0
	    || now_ms - report->bar_ms < BAR_MS)
		return;
	/* What is on the way there comes first, where both are one terminal. */
	(void)fflush(stdout);
	report->bar_ms = now_ms;
	report->is_bar_shown = true;
	part = report->done * BAR_WIDTH / report->total;
	fputs("\r[", stderr);
	for (size_t i = 0; i < BAR_WIDTH; i++)
		fputc(i < part ? '#' : ' ', stderr);
	fprintf(stderr, "] %zu of %zu", report->done, report->total);
}

/* ---- rows ---- */

static FILE *
story_of(const struct rotate_report *report)
{
	return report->has_records ? stderr : stdout;
}

/* Well-formed domains are ASCII. */
static int
width_of(const struct check_domain_list *list)
{
	size_t width = DOMAIN_LEAST;

	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->names[i]) > width)
			width = strlen(list->names[i]);
	return (int)(width < DOMAIN_MOST ? width : DOMAIN_MOST);
}

void
rotate_report_begin(
    struct rotate_report *report, const struct check_domain_list *list)
{
	report->width = width_of(list);
	report->total = list->count;
	if (report->is_json)
		fputs("{ \"domains\": [", stdout);
	show_bar(report);
}

static void
print_object(struct json_object *object)
{
	const char *line = json_object_to_json_string_ext(
	    object, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

	fputs(line != NULL ? line : "null", stdout);
	json_object_put(object);
}

static void
print_row(const struct rotate_report *report, struct rotate_row *row)
{
	FILE *out = story_of(report);

	print_line(out, "", "%-*s  %-*s  %s", report->width, row->domain,
	    (int)STATE_WIDTH, rotate_outcome_name(row->outcome),
	    rotate_print_words(row));
	for (size_t i = 0;
	     rotate_print_has_lacks(row) && i < row->rotation->lack_count; i++)
		print_line(out, "", "    %s", row->rotation->lacks[i].words);
	if (report->is_status)
		rotate_print_records(row, out);
	for (size_t i = 0; i < row->removable_count; i++)
		print_line(out, "", "    remove the record of %s from the DNS",
		    row->removable[i]);
}

/* Did anything happen, or is anything wrong? Where one cause stops all of them,
 * a timer's mail or journal isn't to be filled with it. */
static bool
is_told(struct rotate_report *report, const struct rotate_row *row)
{
	if ((report->hides_done && row->outcome == ROTATE_IS_DONE)
	    || row->is_usual)
		return false;
	if (!report->is_brief || row->has_moved)
		return true;
	return (row->outcome == ROTATE_FAILED || row->outcome == ROTATE_LATER)
	    && (++report->troubles <= TROUBLES_MOST || report->is_json);
}

void
rotate_report_row(struct rotate_report *report, struct rotate_row *row)
{
	hide_bar(report);
	report->done++;
	report->counts[row->outcome]++;
	report->begun += row->is_new;
	if (is_told(report, row)) {
		if (report->is_json) {
			fputs(report->printed > 0 ? ",\n  " : "\n  ", stdout);
			print_object(rotate_print_json(row));
		} else {
			if (report->has_records)
				rotate_print_records(row, stdout);
			print_row(report, row);
			/* Whoever is killed has told what he has done. */
			if (report->has_records)
				(void)fflush(stdout);
		}
		report->printed++;
	}
	show_bar(report);
}

/* ---- the end ---- */

static void
end_json(const struct rotate_report *report, bool is_whole)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(
	    object, "started", json_object_new_uint64(report->begun));
	for (size_t i = 0; i < ROTATE_OUTCOMES; i++)
		json_object_object_add(object,
		    rotate_outcome_name((enum rotate_outcome)i),
		    json_object_new_uint64(report->counts[i]));
	json_object_object_add(
	    object, "whole", json_object_new_boolean(is_whole));
	fputs("],\n\"summary\": ", stdout);
	print_object(object);
	fputs(" }\n", stdout);
}

void
rotate_report_end(struct rotate_report *report, bool is_whole)
{
	const size_t *counts = report->counts;

	hide_bar(report);
	if (report->is_json) {
		end_json(report, is_whole);
		return;
	}
	/* cron(8) sends mail of whatever is printed. */
	if (report->is_brief && report->printed == 0 && is_whole
	    && !report->has_progress)
		return;
	if (report->troubles > TROUBLES_MOST)
		fprintf(story_of(report),
		    "and %zu more that went wrong: posternctl rotate "
		    "--status\n",
		    report->troubles - TROUBLES_MOST);
	fprintf(story_of(report),
	    "%s%zu domain%s: %zu started now, %zu waiting, %zu switched, "
	    "%zu done, %zu left alone, %zu later, %zu failed%s\n",
	    report->printed > 0 ? "\n" : "", report->done,
	    report->done == 1 ? "" : "s", report->begun, counts[ROTATE_WAITS],
	    counts[ROTATE_HAS_SWITCHED], counts[ROTATE_IS_DONE],
	    counts[ROTATE_LEFT] + counts[ROTATE_NOTHING], counts[ROTATE_LATER],
	    counts[ROTATE_FAILED], is_whole ? "" : "; the rest was not done");
}
