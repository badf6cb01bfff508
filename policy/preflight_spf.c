#include "policy/preflight_spf.h"

#include "policy/preflight_mend.h"
#include "policy/text.h"
#include "policy/zone_line.h"

#include <string.h>

enum {
	NAMED_ADDRESSES = 3, /* in one phrase; of the others their number */
	NAMED_OCTETS = 256,
};

static bool
is_same_text(const char *one, const char *other)
{
	if (one == NULL || other == NULL)
		return one == other;
	return strcmp(one, other) == 0;
}

/* Is it the same finding? It doesn't matter which address it is for. */
static bool
is_same(const struct spf_outcome *one, const struct spf_outcome *other)
{
	return one->result == other->result
	    && is_same_text(one->domain, other->domain)
	    && is_same_text(one->mechanism, other->mechanism)
	    && is_same_text(one->problem, other->problem);
}

/* Has an earlier address the same finding? */
static bool
is_told(const struct preflight_evidence *evidence, size_t address)
{
	for (size_t i = 0; i < address; i++)
		if (is_same(evidence->spf[i].outcome,
			evidence->spf[address].outcome))
			return true;
	return false;
}

/* "192.0.2.10", "192.0.2.10 and 2001:db8::1", ...: the addresses with this
 * finding. Returns how many. */
static size_t
name_addresses(const struct preflight_evidence *evidence,
    const struct spf_outcome *outcome, struct text *text)
{
	size_t count = 0, named = 0;

	for (size_t i = 0; i < evidence->spf_count; i++)
		count += is_same(evidence->spf[i].outcome, outcome);
	for (size_t i = 0; i < evidence->spf_count; i++) {
		const char *address = evidence->spf[i].address;

		if (!is_same(evidence->spf[i].outcome, outcome))
			continue;
		if (named == NAMED_ADDRESSES) {
			text_addf(text, " and %zu more", count - named);
			break;
		}
		if (named > 0)
			text_add(text,
			    named + 1 == count && count <= NAMED_ADDRESSES
				? " and "
				: ", ");
		text_add_clean(text, address, strlen(address), false);
		named++;
	}
	return count;
}

/* Was it by a term of its own that the address was refused, and not for want
 * of one? */
static bool
is_explicit(const struct spf_outcome *outcome)
{
	const char *term = outcome->mechanism;

	if (term == NULL)
		return false;
	if (*term != '\0' && strchr("+-~?", *term) != NULL)
		term++;
	return !text_equal_case(term, "all");
}

static void
add_refused(struct preflight_phrases *phrases, const struct preflight_spf *spf)
{
	const struct spf_outcome *outcome = spf->outcome;
	struct preflight_reason reason = { .kind = PREFLIGHT_SPF_REFUSES,
		.domain = outcome->domain,
		.record = outcome->domain,
		.mend = preflight_mend_spf(
		    phrases->evidence, outcome, phrases->arena) };
	char space[NAMED_OCTETS];
	struct text addresses;

	text_init(&addresses, space, sizeof(space));
	if (name_addresses(phrases->evidence, outcome, &addresses) == 1)
		reason.address = spf->address;
	if (is_explicit(outcome))
		reason.words = arena_printf(phrases->arena,
		    "SPF of %s %s %s (%s)", outcome->domain,
		    outcome->result == SPF_NEUTRAL ? "doesn't vouch for"
						   : "refuses",
		    space,
		    preflight_phrases_quote(phrases, outcome->mechanism));
	else
		reason.words = arena_printf(phrases->arena,
		    "SPF of %s doesn't include %s", outcome->domain, space);
	preflight_phrases_add(phrases, &reason, outcome->domain);
}

/* A domain of one label has none (RFC 7208 §4.3). */
static bool
can_have_record(const char *domain)
{
	return zone_line_is_name(domain) && strchr(domain, '.') != NULL;
}

static void
add_missing(
    struct preflight_phrases *phrases, const struct spf_outcome *outcome)
{
	static const char in_dns[] =
	    "send it with an envelope sender whose domain is in the DNS";
	struct preflight_reason reason = { .kind = PREFLIGHT_SPF_MISSING,
		.domain = outcome->domain };

	if (can_have_record(outcome->domain)) {
		reason.record = outcome->domain;
		reason.mend = preflight_mend_spf(
		    phrases->evidence, outcome, phrases->arena);
		reason.words =
		    arena_printf(phrases->arena, "%s%s %s", outcome->domain,
			phrases->evidence->is_null_sender ? " (HELO)" : "",
			outcome->is_no_domain
			    ? "doesn't exist in the DNS, and has no SPF record"
			    : "has no SPF record");
		if (outcome->is_no_domain && !phrases->evidence->is_null_sender)
			reason.mend = in_dns;
	} else {
		reason.words =
		    arena_printf(phrases->arena, "%s can't have an SPF record",
			preflight_phrases_quote(phrases, outcome->domain));
		reason.mend = in_dns;
	}
	preflight_phrases_add(phrases, &reason, outcome->domain);
}

static void
add_broken(struct preflight_phrases *phrases, const struct spf_outcome *outcome)
{
	const char *where =
	    outcome->where != NULL && zone_line_is_name(outcome->where)
	    ? outcome->where
	    : outcome->domain;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_SPF_BROKEN,
		.domain = outcome->domain,
		.record = where,
		.words = arena_printf(phrases->arena, "SPF of %s is broken: %s",
		    outcome->domain,
		    preflight_phrases_quote(phrases, outcome->problem)),
		.mend = preflight_mend_broken(
		    phrases->evidence, outcome, phrases->arena),
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_lost(struct preflight_phrases *phrases, const struct spf_outcome *outcome)
{
	struct preflight_reason reason = {
		.kind = PREFLIGHT_SPF_LOST,
		.domain = outcome->domain,
		.record =
		    outcome->where != NULL ? outcome->where : outcome->domain,
		.words = arena_printf(phrases->arena,
		    "SPF of %s couldn't be looked up: %s", outcome->domain,
		    preflight_phrases_quote(phrases, outcome->problem)),
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_finding(struct preflight_phrases *phrases, const struct preflight_spf *spf)
{
	switch (spf->outcome->result) {
	case SPF_PERMERROR:
		add_broken(phrases, spf->outcome);
		break;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		add_refused(phrases, spf);
		break;
	case SPF_NONE:
		add_missing(phrases, spf->outcome);
		break;
	case SPF_TEMPERROR:
		add_lost(phrases, spf->outcome);
		break;
	case SPF_PASS:
		break;
	}
}

static bool
is_told_apart(const struct preflight_phrases *phrases, const char *domain)
{
	for (size_t i = 0; i < phrases->count; i++)
		if (phrases->reasons[i].kind == PREFLIGHT_SPF_NOT_ALIGNED
		    && strcmp(phrases->reasons[i].domain, domain) == 0)
			return true;
	return false;
}

/* The domain of SPF isn't aligned; is_passing: though it passes. */
static void
add_not_aligned(
    struct preflight_phrases *phrases, const char *domain, bool is_passing)
{
	const struct dmarc_finding *finding = phrases->finding;
	const char *author = phrases->judgement->author;
	bool is_strict = finding->record.is_spf_strict;
	const char *within = is_strict || finding->org_domain == NULL
	    ? author
	    : finding->org_domain;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_SPF_NOT_ALIGNED,
		.domain = domain,
		.words = arena_printf(phrases->arena,
		    "SPF %s %s, which isn't aligned with %s%s",
		    is_passing ? "passes for" : "is of", domain, author,
		    preflight_phrases_strict(
			phrases, domain, is_strict, "aspf=s")),
		.mend = arena_printf(phrases->arena, "send it with %s %s %s",
		    phrases->evidence->is_null_sender ? "a HELO"
						      : "an envelope sender",
		    is_strict ? "of exactly" : "of or below", within),
	};

	if (!is_told_apart(phrases, domain))
		preflight_phrases_add(phrases, &reason, author);
}

static void
add_unsure(struct preflight_phrases *phrases, const char *domain)
{
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DMARC_LOST,
		.domain = domain,
		.words = arena_printf(phrases->arena,
		    "whether %s is aligned with %s couldn't be looked up",
		    domain, author),
	};

	preflight_phrases_add(phrases, &reason, author);
}

/* Alignment of each domain that SPF is about; only a record that was found
 * says what is aligned. */
static void
add_alignment(struct preflight_phrases *phrases, enum spf_result result)
{
	const struct preflight_evidence *evidence = phrases->evidence;

	for (size_t i = 0; i < evidence->spf_count; i++) {
		const struct preflight_spf *spf = &evidence->spf[i];

		if (spf->outcome->result != result
		    || !zone_line_is_name(spf->outcome->domain))
			continue;
		switch (preflight_phrases_alignment(
		    phrases->finding->by_spf, spf->identifier)) {
		case DMARC_NOT_ALIGNED:
			add_not_aligned(
			    phrases, spf->outcome->domain, result == SPF_PASS);
			break;
		case DMARC_UNSURE:
			if (result == SPF_PASS || result == SPF_TEMPERROR)
				add_unsure(phrases, spf->outcome->domain);
			break;
		default:
			break;
		}
	}
}

static void
add_unknown(struct preflight_phrases *phrases)
{
	const struct preflight_evidence *evidence = phrases->evidence;
	static const struct preflight_reason reason = {
		.kind = PREFLIGHT_SPF_UNKNOWN,
		.words = "SPF is unknown, as egress isn't set",
		.mend = "set egress to the addresses that mail leaves from",
	};

	if (phrases->judgement->rests_on_unknown_spf)
		preflight_phrases_add(phrases, &reason, NULL);
	else if (evidence->sender_domain != NULL
	    && phrases->finding->status == DMARC_FOUND
	    && preflight_phrases_alignment(
		   phrases->finding->by_spf, evidence->sender_identifier)
		== DMARC_NOT_ALIGNED)
		add_not_aligned(phrases, evidence->sender_domain, false);
}

void
preflight_spf_reasons(struct preflight_phrases *phrases)
{
	const struct preflight_evidence *evidence = phrases->evidence;
	static const enum spf_result by_gravity[] = { SPF_PERMERROR, SPF_FAIL,
		SPF_SOFTFAIL, SPF_NONE, SPF_NEUTRAL, SPF_TEMPERROR, SPF_PASS };
	enum { RESULTS = sizeof(by_gravity) / sizeof(by_gravity[0]) };

	if (evidence->spf_count == 0) {
		add_unknown(phrases);
		return;
	}
	for (size_t k = 0; k < RESULTS; k++)
		for (size_t i = 0; i < evidence->spf_count; i++)
			if (evidence->spf[i].outcome->result == by_gravity[k]
			    && !is_told(evidence, i))
				add_finding(phrases, &evidence->spf[i]);
	if (phrases->finding->status != DMARC_FOUND)
		return;
	for (size_t k = RESULTS; k > 0; k--)
		add_alignment(phrases, by_gravity[k - 1]);
}
