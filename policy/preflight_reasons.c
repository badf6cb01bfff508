#include "policy/preflight_reasons.h"

#include "policy/dns.h"
#include "policy/preflight_dkim.h"
#include "policy/preflight_mend.h"
#include "policy/preflight_phrases.h"
#include "policy/preflight_spf.h"
#include "policy/text.h"

#include <string.h>

/* Where the record is, or would be. */
static const char *
record_name(struct preflight_phrases *phrases, const char *domain)
{
	const char *name = arena_printf(phrases->arena, "_dmarc.%s", domain);

	phrases->is_short_of_memory |= name == NULL;
	return name;
}

static void
add_from(struct preflight_phrases *phrases)
{
	const char *problem = phrases->evidence->from_problem;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_FROM,
		.words = arena_printf(phrases->arena,
		    "From has no domain that can be looked up: %s",
		    preflight_phrases_quote(phrases, problem)),
		.mend = "send it with one From field that holds one address",
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

/* " for subdomains (sp)", when it isn't p that applies. */
static const char *
scope_of(const struct dmarc_finding *finding)
{
	if (finding->tag != NULL && strcmp(finding->tag, "sp") == 0)
		return " for subdomains (sp)";
	if (finding->tag != NULL && strcmp(finding->tag, "np") == 0)
		return " for subdomains that don't exist (np)";
	return "";
}

/* ", taken as quarantine (t=y)", when failing mail meets less than was asked
 * for. */
static const char *
softening_of(
    struct preflight_phrases *phrases, const struct dmarc_finding *finding)
{
	const char *words;

	if (finding->policy == finding->asked)
		return "";
	if (phrases->judgement->decider == PREFLIGHT_RFC7489)
		words = arena_printf(phrases->arena, ", taken as %s (pct=%u)",
		    dmarc_policy_name(finding->policy),
		    finding->record.percent);
	else
		words = arena_printf(phrases->arena, ", taken as %s (t=y)",
		    dmarc_policy_name(finding->policy));
	phrases->is_short_of_memory |= words == NULL;
	return words != NULL ? words : "";
}

static void
add_policy(
    struct preflight_phrases *phrases, const struct dmarc_finding *finding)
{
	const char *domain = finding->policy_domain;
	const char *scope = scope_of(finding);
	struct preflight_reason reason = { .kind = PREFLIGHT_DMARC_POLICY };

	if (domain == NULL)
		domain = phrases->judgement->author;
	reason.domain = domain;
	reason.record = record_name(phrases, domain);
	if (*scope == '\0' && phrases->subject != NULL
	    && dns_equal(phrases->subject, domain))
		reason.words =
		    arena_printf(phrases->arena, "its DMARC policy is %s%s",
			dmarc_policy_name(finding->asked),
			softening_of(phrases, finding));
	else
		reason.words = arena_printf(phrases->arena,
		    "the DMARC policy of %s%s is %s%s", domain, scope,
		    dmarc_policy_name(finding->asked),
		    softening_of(phrases, finding));
	preflight_phrases_add(phrases, &reason, domain);
}

/* What those ask who want both, whatever the record says. */
static void
add_both_policy(struct preflight_phrases *phrases)
{
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DMARC_POLICY,
		.domain = phrases->judgement->author,
		.words = "SPF and DKIM must both pass for large receivers",
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_absent(
    struct preflight_phrases *phrases, const struct dmarc_finding *finding)
{
	const char *author = phrases->judgement->author;
	const char *domain =
	    finding->org_domain != NULL ? finding->org_domain : author;
	struct preflight_reason reason = { .kind = PREFLIGHT_DMARC_NONE };

	if (finding->problem != NULL) {
		reason.kind = PREFLIGHT_DMARC_IGNORED;
		if (finding->policy_domain != NULL)
			domain = finding->policy_domain;
		reason.words = arena_printf(phrases->arena,
		    "DMARC of %s doesn't apply: %s", domain,
		    preflight_phrases_quote(phrases, finding->problem));
		reason.mend = arena_printf(
		    phrases->arena, "correct the record at _dmarc.%s", domain);
	} else {
		reason.words = arena_printf(
		    phrases->arena, "%s has no DMARC record", domain);
		reason.mend = preflight_mend_dmarc(domain, phrases->arena);
	}
	reason.domain = domain;
	reason.record = record_name(phrases, domain);
	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_dmarc_lost(
    struct preflight_phrases *phrases, const struct dmarc_finding *finding)
{
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DMARC_LOST,
		.domain = author,
		.record = record_name(phrases, author),
		.words = arena_printf(phrases->arena,
		    "DMARC of %s is unknown now: %s", author,
		    preflight_phrases_quote(phrases, finding->problem)),
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

/* There is a record, but which of its policies is meant isn't known. */
static void
add_policy_lost(
    struct preflight_phrases *phrases, const struct dmarc_finding *finding)
{
	const char *author = phrases->judgement->author;
	struct preflight_reason reason = {
		.kind = PREFLIGHT_DMARC_LOST,
		.domain = author,
		.words = arena_printf(phrases->arena,
		    "which DMARC policy of %s applies is unknown now%s%s",
		    finding->policy_domain != NULL ? finding->policy_domain
						   : author,
		    finding->problem != NULL ? ": " : "",
		    finding->problem != NULL
			? preflight_phrases_quote(phrases, finding->problem)
			: ""),
	};

	preflight_phrases_add(phrases, &reason, NULL);
}

static void
add_dmarc(struct preflight_phrases *phrases)
{
	const struct dmarc_finding *finding = phrases->finding;
	bool is_failing =
	    phrases->judgement->result >= PREFLIGHT_FAIL_QUARANTINE
	    || phrases->judgement->result == PREFLIGHT_FAIL_NONE;

	switch (finding->status) {
	case DMARC_ABSENT:
		add_absent(phrases, finding);
		break;
	case DMARC_LOST:
		add_dmarc_lost(phrases, finding);
		break;
	case DMARC_FOUND:
		if (finding->is_policy_unsure
		    && phrases->judgement->result == PREFLIGHT_TEMPERROR)
			add_policy_lost(phrases, finding);
		if (is_failing
		    && phrases->judgement->decider != PREFLIGHT_BOTH_PASS)
			add_policy(phrases, finding);
		break;
	}
	if (is_failing && phrases->judgement->decider == PREFLIGHT_BOTH_PASS)
		add_both_policy(phrases);
}

/* The profiles that are used and don't agree. */
static void
add_difference(
    struct preflight_phrases *phrases, const bool is_used[PREFLIGHT_PROFILES])
{
	const struct preflight_judgement *judgement = phrases->judgement;
	struct preflight_reason reason = { .kind = PREFLIGHT_DIFFERS,
		.domain = judgement->author };
	char space[PREFLIGHT_QUOTE_OCTETS];
	bool is_different = false;
	struct text text;

	text_init(&text, space, sizeof(space));
	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++) {
		if (!is_used[i])
			continue;
		is_different |= judgement->by[i] != judgement->result;
		text_addf(&text, "%sby %s it is %s",
		    text.length > 0 ? ", " : "", preflight_profile_name(i),
		    preflight_result_name(judgement->by[i]));
	}
	if (!is_different)
		return;
	reason.words = space;
	preflight_phrases_add(phrases, &reason, NULL);
}

static bool
is_lost(const struct preflight_reason *reason)
{
	return reason->kind == PREFLIGHT_SPF_LOST
	    || reason->kind == PREFLIGHT_DKIM_LOST
	    || reason->kind == PREFLIGHT_DMARC_LOST;
}

/* Give them out, the gravest first: of a temporary result what was lost. */
static bool
give(struct preflight_phrases *phrases, struct preflight_judgement *judgement)
{
	bool is_sorted = judgement->result == PREFLIGHT_TEMPERROR;
	struct preflight_reason *reasons;
	size_t count = 0;

	if (phrases->is_short_of_memory)
		return false;
	if (phrases->count == 0)
		return true;
	reasons =
	    arena_alloc(phrases->arena, phrases->count * sizeof(*reasons));
	if (reasons == NULL)
		return false;
	for (size_t i = 0; i < phrases->count; i++)
		if (!is_sorted || is_lost(&phrases->reasons[i]))
			reasons[count++] = phrases->reasons[i];
	for (size_t i = 0; is_sorted && i < phrases->count; i++)
		if (!is_lost(&phrases->reasons[i]))
			reasons[count++] = phrases->reasons[i];
	judgement->reasons = reasons;
	judgement->reason_count = count;
	return true;
}

/* Is it known that the author's domain doesn't exist? Then that is graver than
 * that it has no record. */
static bool
is_author_missing(const struct preflight_phrases *phrases)
{
	const struct preflight_evidence *evidence = phrases->evidence;

	for (size_t i = 0; i < evidence->spf_count; i++) {
		const struct spf_outcome *outcome = evidence->spf[i].outcome;

		if (outcome->is_no_domain
		    && dns_equal(outcome->domain, phrases->judgement->author))
			return true;
	}
	return false;
}

bool
preflight_reasons(const struct preflight_evidence *evidence,
    const struct dmarc_finding *finding, const bool is_used[PREFLIGHT_PROFILES],
    struct arena *arena, struct preflight_judgement *judgement)
{
	/* Not cleared as a whole: mostly it stays all but empty. */
	struct preflight_phrases phrases;
	bool is_dmarc_first;

	phrases.arena = arena;
	phrases.evidence = evidence;
	phrases.judgement = judgement;
	phrases.finding = finding;
	phrases.subject = NULL;
	phrases.count = 0;
	phrases.is_short_of_memory = false;
	if (finding == NULL) {
		add_from(&phrases);
		return give(&phrases, judgement);
	}
	is_dmarc_first = judgement->result == PREFLIGHT_NO_POLICY
	    && !is_author_missing(&phrases);
	if (is_dmarc_first)
		add_dmarc(&phrases);
	preflight_spf_reasons(&phrases);
	preflight_dkim_reasons(&phrases);
	if (!is_dmarc_first)
		add_dmarc(&phrases);
	add_difference(&phrases, is_used);
	return give(&phrases, judgement);
}

const char *
preflight_line(const struct preflight_judgement *judgement, size_t most,
    struct arena *arena)
{
	size_t length = 0, count = 0;
	struct text text;
	char *space;

	for (; count < judgement->reason_count; count++) {
		size_t more = strlen(judgement->reasons[count].words)
		    + (count > 0 ? strlen("; ") : 0);

		if (more > most - length)
			break;
		length += more;
	}
	/* The first one alone is better cut than left out. */
	if (count == 0 && judgement->reason_count > 0 && most > strlen("..."))
		count = 1;
	space = arena_alloc(arena, most + sizeof("..."));
	if (space == NULL)
		return NULL;
	text_init(
	    &text, space, most + 1 > sizeof("...") ? most + 1 : sizeof("..."));
	for (size_t i = 0; i < count; i++)
		text_addf(&text, "%s%s", i > 0 ? "; " : "",
		    judgement->reasons[i].words);
	return space;
}

const char *
preflight_reason_name(enum preflight_reason_kind kind)
{
	static const char *const names[] = {
		[PREFLIGHT_SPF_UNKNOWN] = "spf_unknown",
		[PREFLIGHT_SPF_MISSING] = "spf_missing",
		[PREFLIGHT_SPF_REFUSES] = "spf_refuses",
		[PREFLIGHT_SPF_BROKEN] = "spf_broken",
		[PREFLIGHT_SPF_LOST] = "spf_lost",
		[PREFLIGHT_SPF_NOT_ALIGNED] = "spf_not_aligned",
		[PREFLIGHT_DKIM_NONE] = "dkim_none",
		[PREFLIGHT_DKIM_NO_KEY] = "dkim_no_key",
		[PREFLIGHT_DKIM_KEY] = "dkim_key",
		[PREFLIGHT_DKIM_FAILS] = "dkim_fails",
		[PREFLIGHT_DKIM_LOST] = "dkim_lost",
		[PREFLIGHT_DKIM_NOT_ALIGNED] = "dkim_not_aligned",
		[PREFLIGHT_DMARC_POLICY] = "dmarc_policy",
		[PREFLIGHT_DMARC_NONE] = "dmarc_none",
		[PREFLIGHT_DMARC_IGNORED] = "dmarc_ignored",
		[PREFLIGHT_DMARC_LOST] = "dmarc_lost",
		[PREFLIGHT_FROM] = "from",
		[PREFLIGHT_DIFFERS] = "differs",
	};

	return (unsigned)kind < sizeof(names) / sizeof(names[0]) ? names[kind]
								 : "?";
}
