#include "policy/dmarc_finding.h"

enum { PERCENT_ALL = 100 };

enum dmarc_use
dmarc_record_use(
    const struct dmarc_record *record, enum dmarc_standard standard)
{
	bool is_valid =
	    record->p.is_valid && (record->sp.is_valid || !record->sp.is_there);

	if (standard == DMARC_RFC9989)
		is_valid =
		    is_valid && (record->np.is_valid || !record->np.is_there);
	if (is_valid)
		return DMARC_USE_AS_IT_IS;
	return record->has_report_address ? DMARC_USE_AS_NONE : DMARC_USE_NOT;
}

static const struct dmarc_wish *
without_np(const struct dmarc_record *record)
{
	return record->sp.is_there ? &record->sp : &record->p;
}

bool
dmarc_record_minds_existence(const struct dmarc_record *record)
{
	return record->np.is_there
	    && record->np.policy != without_np(record)->policy;
}

static void
fill_asked(struct dmarc_finding *finding, const char *tag,
    const struct dmarc_wish *wish)
{
	finding->tag = tag;
	finding->asked = wish->policy;
}

/* np is for domains that don't exist, sp for those that do and are below the
 * record's, p for the rest (RFC 9989 §4.7). */
static void
choose_tag(struct dmarc_finding *finding, const struct dmarc_choice *choice,
    enum dmarc_standard standard)
{
	const struct dmarc_record *record = &choice->spot->record;
	bool has_np = standard == DMARC_RFC9989 && choice->is_subdomain
	    && dmarc_record_minds_existence(record);
	bool takes_np = has_np && choice->existence == DMARC_EXISTS_NOT;

	if (has_np && choice->existence != DMARC_EXISTS
	    && choice->existence != DMARC_EXISTS_NOT) {
		finding->is_policy_unsure = true;
		takes_np = record->np.policy < without_np(record)->policy;
	}
	if (takes_np)
		fill_asked(finding, "np", &record->np);
	else if (choice->is_subdomain && record->sp.is_there)
		fill_asked(finding, "sp", &record->sp);
	else
		fill_asked(finding, "p", &record->p);
}

static enum dmarc_policy
milder(enum dmarc_policy policy)
{
	return policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_NONE;
}

/* t=y is RFC 9989's, which knows no pct; pct is RFC 7489's. */
static bool
is_lowered(const struct dmarc_record *record, enum dmarc_standard standard)
{
	return standard == DMARC_RFC9989 ? record->is_testing
					 : record->percent < PERCENT_ALL;
}

static const char *
why_none(const struct dmarc_spot *spot, struct arena *arena)
{
	const char *tag = !spot->record.p.is_there                  ? "no p="
	    : !spot->record.p.is_valid                              ? "a p="
	    : spot->record.sp.is_there && !spot->record.sp.is_valid ? "an sp="
								    : "an np=";

	return arena_printf(arena,
	    "%s has %s%s and no rua=: publish p=none, "
	    "p=quarantine or p=reject",
	    spot->question.name, tag,
	    spot->record.p.is_there ? " that is none of none, quarantine and "
				      "reject"
				    : "");
}

static bool
fill_absent(struct dmarc_finding *finding, const struct dmarc_spot *spot,
    struct arena *arena)
{
	finding->status = DMARC_ABSENT;
	if (spot == NULL)
		return true;
	finding->policy_domain = spot->domain;
	finding->text = spot->text;
	if (spot->state == DMARC_SPOT_SEVERAL)
		finding->problem = arena_printf(arena,
		    "%s has several DMARC records: publish one",
		    spot->question.name);
	else if (spot->state == DMARC_SPOT_ONE)
		finding->problem = why_none(spot, arena);
	else
		finding->problem = arena_printf(arena,
		    "%s has a record that can't be read: it must begin with "
		    "v=DMARC1; and have each tag once",
		    spot->question.name);
	return finding->problem != NULL;
}

bool
dmarc_finding_fill(struct dmarc_finding *finding_out,
    const struct dmarc_choice *choice, enum dmarc_standard standard,
    struct arena *arena)
{
	const struct dmarc_spot *spot = choice->spot;
	enum dmarc_use use;

	if (spot == NULL || spot->state != DMARC_SPOT_ONE)
		return fill_absent(finding_out, spot, arena);
	use = dmarc_record_use(&spot->record, standard);
	if (use == DMARC_USE_NOT)
		return fill_absent(finding_out, spot, arena);
	finding_out->status = DMARC_FOUND;
	finding_out->policy_domain = spot->domain;
	finding_out->text = spot->text;
	finding_out->record = spot->record;
	if (use == DMARC_USE_AS_NONE) {
		finding_out->tag = "p";
		return true; /* "as if p=none" (§4.10.1): whatever else says */
	}
	choose_tag(finding_out, choice, standard);
	finding_out->policy = is_lowered(&spot->record, standard)
	    ? milder(finding_out->asked)
	    : finding_out->asked;
	return true;
}

bool
dmarc_finding_lose(struct dmarc_finding *finding_out,
    const struct dmarc_spot *spot, struct arena *arena)
{
	finding_out->status = DMARC_LOST;
	finding_out->problem = arena_printf(arena, "%s can't be looked up (%s)",
	    spot->question.name,
	    spot->remark != NULL ? spot->remark : "no answer");
	return finding_out->problem != NULL;
}
