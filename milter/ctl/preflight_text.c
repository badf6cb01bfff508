#include "milter/ctl/preflight.h"

#include "milter/ctl/print.h"

#include <string.h>

enum {
	LINE_OCTETS = 900, /* of the reply that is shown */
	INDENT = 2,
	/* Deeper includes are indented no further. */
	DEPTH_MOST = 10,
};

static const char lost_words[] = "can't be told: a look-up failed";

/* The number that a step has among those that count. */
struct counting {
	unsigned counted;
};

static void
tell_step(const struct spf_step *step, struct counting *counting, FILE *out)
{
	unsigned depth = step->depth < DEPTH_MOST ? step->depth : DEPTH_MOST;
	int indent = (int)(INDENT + depth * INDENT * 2);
	const char *before = step->remark != NULL ? "; " : "";
	const char *remark = step->remark != NULL ? step->remark : "";

	if (step->kind == SPF_STEP_RECORD) {
		print_line(out, " ", "%*s%s: %s%s%s", indent, "", step->domain,
		    step->text, before, remark);
		return;
	}
	if (step->kind == SPF_STEP_NOTHING) {
		print_line(out, " ", "%*s%s: %s", indent, "", step->domain,
		    step->remark != NULL ? remark : "no SPF record");
		return;
	}
	indent += INDENT;
	if (step->is_counted && counting->counted == SPF_TERMS)
		print_line(out, " ", "%*s%s: not asked%s%s", indent, "",
		    step->text, before, remark);
	else if (step->is_counted)
		print_line(out, " ", "%*s%s: %s, look-up %u of %d%s%s", indent,
		    "", step->text, step->is_match ? "matches" : "no match",
		    ++counting->counted, (int)SPF_TERMS, before, remark);
	else
		print_line(out, " ", "%*s%s: %s%s%s", indent, "", step->text,
		    step->is_match ? "matches" : "no match", before, remark);
}

static void
tell_spf(const struct preflight_spf *spf, FILE *out)
{
	const struct spf_outcome *outcome = spf->outcome;
	struct counting counting = { 0 };

	print_line(out, "SPF", "%s: mail of %s from %s (HELO %s)",
	    spf_result_name(outcome->result), outcome->domain, spf->address,
	    spf->helo);
	for (size_t i = 0; i < outcome->step_count; i++)
		tell_step(&outcome->steps[i], &counting, out);
	if (outcome->mechanism != NULL)
		print_line(out, " ", "decided by %s of %s", outcome->mechanism,
		    outcome->where != NULL ? outcome->where : outcome->domain);
	if (outcome->problem != NULL)
		print_line(out, " ", "%s", outcome->problem);
	if (outcome->explanation != NULL)
		print_line(
		    out, " ", "its explanation: %s", outcome->explanation);
	print_line(out, " ", "%u of %d look-ups, %u of %d without an answer",
	    outcome->terms, (int)SPF_TERMS, outcome->voids, (int)SPF_VOIDS);
}

static void
tell_all_spf(const struct preflight_evidence *evidence, FILE *out)
{
	if (evidence->spf_count == 0)
		print_line(out, "SPF",
		    "unknown: egress isn't set, and there is no --ip");
	for (size_t i = 0; i < evidence->spf_count; i++)
		tell_spf(&evidence->spf[i], out);
}

static const char *
state_words(const struct preflight_signature *signature)
{
	switch (signature->state) {
	case PREFLIGHT_VERIFIES:
		return "verifies";
	case PREFLIGHT_FAILS:
		return "doesn't verify";
	case PREFLIGHT_UNKNOWN:
		break;
	}
	return lost_words;
}

static void
tell_signature(const struct preflight_signature *signature, FILE *out)
{
	const struct dkim_key_finding *key = signature->key;

	print_line(out, "signature", "d=%s%s%s: %s%s", signature->domain,
	    signature->selector != NULL ? ", s=" : "",
	    signature->selector != NULL ? signature->selector : "",
	    state_words(signature),
	    signature->is_ours ? ", with a key from here" : "");
	if (signature->words != NULL)
		print_line(out, " ", "  %s", signature->words);
	if (key != NULL && key->record != NULL)
		print_line(out, " ", "  %s: %s", key->name, key->record);
	if (key != NULL && key->is_testing)
		print_line(out, " ",
		    "  t=y: the domain is testing, and some receivers count it "
		    "for nothing");
}

static void
tell_signatures(const struct preflight_evidence *evidence, FILE *out)
{
	if (evidence->signature_count == 0)
		print_line(out, "signature", "no signature");
	for (size_t i = 0; i < evidence->signature_count; i++)
		tell_signature(&evidence->signatures[i], out);
}

static const char *
alignment_words(
    const enum dmarc_alignment alignment[DMARC_IDENTIFIERS], size_t identifier)
{
	if (identifier >= DMARC_IDENTIFIERS)
		return "not aligned";
	switch (alignment[identifier]) {
	case DMARC_STRICTLY:
		return "aligned, the same domain";
	case DMARC_RELAXEDLY:
		return "aligned, of the same organization";
	case DMARC_UNSURE:
		return lost_words;
	case DMARC_NOT_ALIGNED:
		break;
	}
	return "not aligned";
}

static void
tell_identifiers(const struct preflight_evidence *evidence,
    const struct dmarc_finding *finding, FILE *out)
{
	for (size_t i = 0; i < evidence->spf_count; i++) {
		const struct preflight_spf *spf = &evidence->spf[i];

		print_line(out, " ", "  SPF's %s from %s: %s; SPF is %s",
		    spf->outcome->domain, spf->address,
		    alignment_words(finding->by_spf, spf->identifier),
		    spf_result_name(spf->outcome->result));
	}
	for (size_t i = 0; i < evidence->signature_count; i++) {
		const struct preflight_signature *one =
		    &evidence->signatures[i];

		print_line(out, " ", "  DKIM's %s%s%s%s: %s; it %s",
		    one->domain, one->selector != NULL ? " (s=" : "",
		    one->selector != NULL ? one->selector : "",
		    one->selector != NULL ? ")" : "",
		    alignment_words(finding->by_dkim, one->identifier),
		    one->state == PREFLIGHT_UNKNOWN ? "can't be checked"
						    : state_words(one));
	}
}

static void
tell_policy(const struct dmarc_finding *finding, const char *name, FILE *out)
{
	if (finding->status == DMARC_FOUND)
		print_line(out, " ", "%s: %s asks for %s (%s=%s)", name,
		    finding->policy_domain, dmarc_policy_name(finding->policy),
		    finding->tag, dmarc_policy_name(finding->asked));
	else
		print_line(out, " ", "%s: %s", name,
		    finding->problem != NULL            ? finding->problem
			: finding->status == DMARC_LOST ? lost_words
							: "no record applies");
	print_line(out, " ", "  organizational domain: %s",
	    finding->org_domain != NULL ? finding->org_domain : "not known");
}

static void
tell_author(const struct preflight_evidence *evidence,
    const struct preflight_author *author, FILE *out)
{
	const struct dmarc_outcome *outcome = author->dmarc;

	print_line(out, "DMARC", "of the author's domain %s", author->domain);
	for (size_t i = 0; i < outcome->step_count; i++) {
		const struct dmarc_step *step = &outcome->steps[i];

		print_line(out, " ", "  %s: %s%s%s", step->name,
		    step->text != NULL         ? step->text
			: step->remark != NULL ? ""
					       : "no record",
		    step->remark != NULL && step->text != NULL ? "; " : "",
		    step->remark != NULL ? step->remark : "");
	}
	for (size_t i = 0; i < DMARC_STANDARDS; i++) {
		const struct dmarc_finding *finding = &outcome->by[i];

		tell_policy(
		    finding, dmarc_standard_name((enum dmarc_standard)i), out);
		tell_identifiers(evidence, finding, out);
	}
}

static const char *
yes_or_no(bool is_so)
{
	return is_so ? "passes, aligned" : "-";
}

static void
add_cells(struct table *table, const struct preflight_story *story, size_t i)
{
	const struct preflight_judgement *judgement = story->judgement;
	const struct preflight_evidence *evidence = story->evidence;

	for (size_t k = 0; k < judgement->addresses; k++) {
		const struct preflight_cell *cell =
		    &judgement->cells[i * judgement->addresses + k];

		table_row(table);
		table_cell(table, "%s%s",
		    preflight_profile_name((enum preflight_profile)i),
		    story->is_used[i] ? "" : " (not used)");
		table_cell(table, "from %s",
		    k < evidence->spf_count ? evidence->spf[k].address
					    : "an unknown address");
		table_cell(table, "SPF %s", yes_or_no(cell->is_spf_aligned));
		table_cell(table, "DKIM %s", yes_or_no(cell->is_dkim_aligned));
		table_cell(table, "%s", preflight_result_name(cell->result));
	}
}

static bool
tell_profiles(
    const struct preflight_story *story, struct arena *arena, FILE *out)
{
	struct table table;

	print_line(out, "profiles", "the mildest of those used decides");
	table_init(&table, arena, "lllll");
	table.indent = "    ";
	for (size_t i = 0; i < PREFLIGHT_PROFILES; i++)
		add_cells(&table, story, i);
	return table_print(&table, out);
}

/* Was the same said of an earlier reason? */
static bool
is_told_before(const struct preflight_judgement *judgement, size_t reason)
{
	const struct preflight_reason *reasons = judgement->reasons;

	for (size_t i = 0; i < reason; i++)
		if (reasons[i].mend != NULL
		    && strcmp(reasons[i].mend, reasons[reason].mend) == 0)
			return true;
	return false;
}

void
preflight_text_cures(
    const struct preflight_judgement *judgement, const char *label, FILE *out)
{
	bool is_first = true;

	for (size_t i = 0; i < judgement->reason_count; i++) {
		const struct preflight_reason *reason = &judgement->reasons[i];

		if (reason->mend == NULL || is_told_before(judgement, i))
			continue;
		print_line(out, is_first ? label : " ", "%s", reason->mend);
		is_first = false;
	}
}

static bool
tell_verdict(
    const struct preflight_story *story, struct arena *arena, FILE *out)
{
	const struct preflight_judgement *judgement = story->judgement;
	const char *line = preflight_line(judgement, LINE_OCTETS, arena);

	if (line == NULL)
		return false;
	print_line(out, "preflight", "%s, by %s",
	    preflight_result_name(judgement->result),
	    preflight_profile_name(judgement->decider));
	if (judgement->rests_on_unknown_spf)
		print_line(out, " ",
		    "it rests on SPF failing, which isn't known while egress "
		    "isn't set: it would only be logged");
	for (size_t i = 0; i < judgement->reason_count; i++)
		print_line(out, i == 0 ? "because" : " ", "%s",
		    judgement->reasons[i].words);
	if (judgement->result != PREFLIGHT_PASS && *line != '\0')
		print_line(out, "in short", "%s", line);
	preflight_text_cures(judgement, "to do", out);
	return true;
}

bool
preflight_text(
    const struct preflight_story *story, struct arena *arena, FILE *out)
{
	const struct preflight_evidence *evidence = story->evidence;

	tell_all_spf(evidence, out);
	tell_signatures(evidence, out);
	if (evidence->from_problem != NULL)
		print_line(out, "From", "%s", evidence->from_problem);
	for (size_t i = 0; i < evidence->author_count; i++)
		tell_author(evidence, &evidence->authors[i], out);
	return tell_profiles(story, arena, out)
	    && tell_verdict(story, arena, out);
}
