#include "milter/ctl/check_domain_print.h"

#include "milter/ctl/preflight.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum {
	SPF_WIDTH = 9,      /* "permerror", "temperror" */
	DKIM_WIDTH = 9,     /* "different" */
	DMARC_WIDTH = 10,   /* "quarantine" */
	VERDICT_WIDTH = 15, /* "fail-quarantine" */
};

/* ---- the words of a line ---- */

static const char *
spf_word(const struct check_domain_row *row)
{
	return row->is_judged && row->evidence.spf_count > 0
	    ? spf_result_name(row->judgement.spf_result)
	    : "-";
}

/* The worst of the keys; those after "good" are in the order of the enum. */
static const char *
dkim_word(const struct check_domain_row *row)
{
	enum dkim_key_state worst = DKIM_KEY_GOOD;
	bool has_key = false;

	if (row->key_fault != NULL)
		return "unusable";
	if (!row->is_judged)
		return "-";
	for (size_t i = 0; i < row->evidence.signature_count; i++) {
		const struct dkim_key_finding *key =
		    row->evidence.signatures[i].key;

		if (key == NULL)
			continue;
		has_key = true;
		/* That one is lost is milder than that one is wrong. */
		if (worst == DKIM_KEY_GOOD
		    || (worst == DKIM_KEY_LOST && key->state != DKIM_KEY_GOOD))
			worst = key->state;
	}
	return has_key ? dkim_key_state_name(worst) : "no key";
}

static const char *
dmarc_word(const struct check_domain_row *row)
{
	if (row->finding == NULL)
		return "-";
	if (row->finding->status == DMARC_LOST)
		return "lost";
	return row->finding->status == DMARC_FOUND
	    ? dmarc_policy_name(row->finding->policy)
	    : "-";
}

static const char *
verdict_word(const struct check_domain_row *row)
{
	return row->is_judged ? preflight_result_name(row->judgement.result)
			      : "-";
}

/* ---- as a table ---- */

/* Two terms that refuse two addresses are mended by the same record. */
static bool
is_told_before(const struct check_domain_row *row, size_t thing)
{
	for (size_t i = 0; i < thing; i++)
		if (row->things[i].mend != NULL
		    && strcmp(row->things[i].mend, row->things[thing].mend)
			== 0)
			return true;
	return false;
}

static void
print_details(const struct check_domain_row *row)
{
	for (size_t i = 0; i < row->thing_count; i++) {
		const struct check_domain_thing *thing = &row->things[i];

		if (i > 0)
			print_line(stdout, "", "    %s", thing->words);
		if (thing->mend != NULL && !is_told_before(row, i))
			print_line(stdout, "", "        %s", thing->mend);
	}
	for (size_t i = 0;
	     row->has_opinion && i < row->opinion.difference_count; i++)
		print_line(stdout, "", "    %s", row->opinion.differences[i]);
}

static void
print_row(const struct check_domain_report *report,
    const struct check_domain_row *row)
{
	const char *warning =
	    row->state == CHECK_DOMAIN_GOOD && row->thing_count > 0
	    ? "warning: "
	    : "";

	print_line(stdout, "", "%-*s  %-*s  %-*s  %-*s  %-*s  %s%s",
	    report->width, row->domain, (int)SPF_WIDTH, spf_word(row),
	    (int)DKIM_WIDTH, dkim_word(row), (int)DMARC_WIDTH, dmarc_word(row),
	    (int)VERDICT_WIDTH, verdict_word(row), warning,
	    row->thing_count > 0 ? row->things[0].words : "-");
	print_details(row);
}

static void
print_egress(const struct check_domain_egress *egress, size_t count)
{
	if (count == 0)
		print_line(stdout, "egress",
		    "isn't set: SPF is unknown, and nothing is said of it");
	for (size_t i = 0; i < count; i++) {
		const struct check_domain_egress *one = &egress[i];

		if (one->fcrdns.state == FCRDNS_GOOD)
			print_line(stdout, "egress",
			    "%s, HELO %s: its name is %s, and goes back to it",
			    one->egress->text, one->egress->helo,
			    one->fcrdns.name);
		else
			print_line(stdout, "egress", "%s%s",
			    one->fcrdns.state == FCRDNS_BAD ? "warning: " : "",
			    one->fcrdns.words);
	}
	fputc('\n', stdout);
}

static void
print_heading(const struct check_domain_report *report)
{
	print_line(stdout, "", "%-*s  %-*s  %-*s  %-*s  %-*s  %s",
	    report->width, "DOMAIN", (int)SPF_WIDTH, "SPF", (int)DKIM_WIDTH,
	    "DKIM", (int)DMARC_WIDTH, "DMARC", (int)VERDICT_WIDTH, "VERDICT",
	    "WHAT TO DO");
}

/* ---- as JSON ---- */

static void
add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, print_json_text(text));
}

static struct json_object *
egress_json(const struct check_domain_egress *egress)
{
	static const char *const states[] = {
		[FCRDNS_GOOD] = "good",
		[FCRDNS_BAD] = "bad",
		[FCRDNS_LOST] = "lost",
	};
	struct json_object *one = json_object_new_object();

	add_text(one, "address", egress->egress->text);
	add_text(one, "helo", egress->egress->helo);
	add_text(one, "name", egress->fcrdns.name);
	add_text(one, "fcrdns", states[egress->fcrdns.state]);
	add_text(one, "problem", egress->fcrdns.words);
	return one;
}

static struct json_object *
things_json(const struct check_domain_row *row)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < row->thing_count; i++) {
		struct json_object *one = json_object_new_object();

		add_text(one, "words", row->things[i].words);
		add_text(one, "mend", row->things[i].mend);
		json_object_array_add(list, one);
	}
	return list;
}

static void
print_json_row(const struct check_domain_row *row, const bool *is_used)
{
	struct json_object *object = json_object_new_object();
	const struct preflight_story story = { .evidence = &row->evidence,
		.judgement = &row->judgement,
		.is_used = is_used };

	add_text(object, "domain", row->domain);
	add_text(object, "state", check_domain_state_name(row->state));
	add_text(object, "verdict", row->is_judged ? verdict_word(row) : NULL);
	add_text(object, "key_fault", row->key_fault);
	json_object_object_add(object, "to_do", things_json(row));
	if (row->is_judged)
		preflight_json(&story, object);
	if (row->has_opinion)
		opinion_json(&row->opinion, object);
	print_json_piece(object);
}

static void
begin_json(const struct check_domain_egress *egress, size_t count)
{
	fputs("{ \"egress\": [", stdout);
	for (size_t i = 0; i < count; i++) {
		fputs(i > 0 ? ",\n  " : "\n  ", stdout);
		print_json_piece(egress_json(&egress[i]));
	}
	fputs("],\n\"domains\": [", stdout);
}

static void
end_json(const struct check_domain_report *report, bool is_whole)
{
	struct json_object *object = json_object_new_object();

	for (size_t i = 0; i < CHECK_DOMAIN_STATES; i++)
		json_object_object_add(object,
		    check_domain_state_name((enum check_domain_state)i),
		    json_object_new_uint64(report->counts[i]));
	json_object_object_add(
	    object, "warnings", json_object_new_uint64(report->warned));
	json_object_object_add(
	    object, "whole", json_object_new_boolean(is_whole));
	fputs("],\n\"summary\": ", stdout);
	print_json_piece(object);
	fputs(" }\n", stdout);
}

/* ---- all of it ---- */

void
check_domain_report_begin(struct check_domain_report *report,
    const struct check_domain_egress *egress, size_t count,
    const struct check_domain_list *list)
{
	report->width = check_domain_list_width(list);
	report->total = list->count;
	if (report->is_json) {
		begin_json(egress, count);
	} else {
		print_egress(egress, count);
		print_heading(report);
	}
	print_bar_show(&report->bar, report->printed, report->total);
}

void
check_domain_report_row(
    struct check_domain_report *report, const struct check_domain_row *row)
{
	print_bar_hide(&report->bar);
	if (report->is_json) {
		fputs(report->printed > 0 ? ",\n  " : "\n  ", stdout);
		print_json_row(row, report->is_used);
	} else {
		print_row(report, row);
	}
	report->printed++;
	report->counts[row->state]++;
	if (row->state == CHECK_DOMAIN_GOOD && row->thing_count > 0)
		report->warned++;
	print_bar_show(&report->bar, report->printed, report->total);
}

void
check_domain_report_end(struct check_domain_report *report, bool is_whole)
{
	const size_t *counts = report->counts;

	print_bar_hide(&report->bar);
	if (report->is_json) {
		end_json(report, is_whole);
		return;
	}
	printf("\n%zu domain%s: %zu well (%zu with a warning), %zu wrong, "
	       "%zu can't be told now%s\n",
	    report->printed, report->printed == 1 ? "" : "s",
	    counts[CHECK_DOMAIN_GOOD], report->warned,
	    counts[CHECK_DOMAIN_WRONG], counts[CHECK_DOMAIN_LATER],
	    is_whole ? "" : "; the rest wasn't checked");
}
