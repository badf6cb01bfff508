#include "milter/ctl/rotate_print.h"

#include "milter/ctl/print.h"

#include <json-c/json.h>

enum {
	STATE_WIDTH = 9,     /* "cancelled" */
	TROUBLES_MOST = 100, /* the rest are only counted */
};

/* ---- rows ---- */

static FILE *
story_of(const struct rotate_report *report)
{
	return report->has_records ? stderr : stdout;
}

void
rotate_report_begin(
    struct rotate_report *report, const struct check_domain_list *list)
{
	report->width = check_domain_list_width(list);
	report->total = list->count;
	if (report->is_json)
		fputs("{ \"domains\": [", stdout);
	print_bar_show(&report->bar, report->done, report->total);
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
	print_bar_hide(&report->bar);
	report->done++;
	report->counts[row->outcome]++;
	report->begun += row->is_new;
	if (is_told(report, row)) {
		if (report->is_json) {
			fputs(report->printed > 0 ? ",\n  " : "\n  ", stdout);
			print_json_piece(rotate_print_json(row));
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
	print_bar_show(&report->bar, report->done, report->total);
}

/* ---- the end ---- */

static void
end_json(const struct rotate_report *report, bool is_whole)
{
	struct json_object *object = json_object_new_object();

	print_json_add_number(object, "started", report->begun);
	for (size_t i = 0; i < ROTATE_OUTCOMES; i++)
		print_json_add_number(object,
		    rotate_outcome_name((enum rotate_outcome)i),
		    report->counts[i]);
	print_json_add_bool(object, "whole", is_whole);
	fputs("],\n\"summary\": ", stdout);
	print_json_piece(object);
	fputs(" }\n", stdout);
}

void
rotate_report_end(struct rotate_report *report, bool is_whole)
{
	const size_t *counts = report->counts;

	print_bar_hide(&report->bar);
	if (report->is_json) {
		end_json(report, is_whole);
		return;
	}
	/* cron(8) sends mail of whatever is printed. */
	if (report->is_brief && report->printed == 0 && is_whole
	    && !report->bar.is_wanted)
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
