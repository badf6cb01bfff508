#include "policy/preflight.h"

#include "policy/preflight_reasons.h"

/* What can be said of a condition when some answers were lost. In this order
 * "and" is the least of two and "or" the greatest. */
enum truth { NO, MAYBE, YES };

static enum truth
both(enum truth one, enum truth other)
{
	return one < other ? one : other;
}

static enum truth
either(enum truth one, enum truth other)
{
	return one > other ? one : other;
}

/* What is judged. SPF that is unknown counts as not passing, unless one hopes:
 * then as passing, and as aligned if that can't be ruled out. */
struct view {
	const struct preflight_evidence *evidence;
	bool is_hopeful;
};

struct standing {
	enum truth spf;  /* passes and is aligned */
	enum truth dkim; /* a signature verifies and is aligned */
};

static enum truth
is_aligned(
    const enum dmarc_alignment alignment[DMARC_IDENTIFIERS], size_t identifier)
{
	if (identifier >= DMARC_IDENTIFIERS)
		return NO;
	switch (alignment[identifier]) {
	case DMARC_STRICTLY:
	case DMARC_RELAXEDLY:
		return YES;
	case DMARC_UNSURE:
		return MAYBE;
	case DMARC_NOT_ALIGNED:
		break;
	}
	return NO;
}

/* Does SPF pass, as seen from an egress address? */
static enum truth
spf_passes(const struct view *view, size_t address)
{
	if (view->evidence->spf_count == 0)
		return view->is_hopeful ? YES : NO;
	switch (view->evidence->spf[address].outcome->result) {
	case SPF_PASS:
		return YES;
	case SPF_TEMPERROR:
		return MAYBE;
	default:
		return NO;
	}
}

static enum truth
spf_is_aligned(const struct view *view, size_t address,
    const struct dmarc_finding *finding)
{
	const struct preflight_evidence *evidence = view->evidence;
	enum truth truth = MAYBE; /* the HELO of who knows which host */

	if (evidence->spf_count > 0)
		return is_aligned(
		    finding->by_spf, evidence->spf[address].identifier);
	if (evidence->sender_domain != NULL)
		truth =
		    is_aligned(finding->by_spf, evidence->sender_identifier);
	return truth == MAYBE && view->is_hopeful ? YES : truth;
}

static enum truth
verifies(const struct preflight_signature *signature)
{
	switch (signature->state) {
	case PREFLIGHT_VERIFIES:
		return YES;
	case PREFLIGHT_UNKNOWN:
		return MAYBE;
	case PREFLIGHT_FAILS:
		break;
	}
	return NO;
}

/* Does any signature verify, whosever it is? */
static enum truth
any_verifies(const struct preflight_evidence *evidence)
{
	enum truth truth = NO;

	for (size_t i = 0; i < evidence->signature_count; i++)
		truth = either(truth, verifies(&evidence->signatures[i]));
	return truth;
}

/* Under a record that was found. */
static struct standing
standing_under(const struct view *view, size_t address,
    const struct dmarc_finding *finding)
{
	const struct preflight_evidence *evidence = view->evidence;
	struct standing standing = { .dkim = NO };

	standing.spf = both(
	    spf_passes(view, address), spf_is_aligned(view, address, finding));
	for (size_t i = 0; i < evidence->signature_count; i++) {
		const struct preflight_signature *signature =
		    &evidence->signatures[i];
		enum truth truth = both(verifies(signature),
		    is_aligned(finding->by_dkim, signature->identifier));

		standing.dkim = either(standing.dkim, truth);
	}
	return standing;
}

static struct preflight_cell
judge_dmarc(const struct view *view, size_t address,
    const struct dmarc_finding *finding)
{
	struct preflight_cell cell = { .result = PREFLIGHT_NO_POLICY };
	static const enum preflight_result failures[] = {
		[DMARC_NONE] = PREFLIGHT_FAIL_NONE,
		[DMARC_QUARANTINE] = PREFLIGHT_FAIL_QUARANTINE,
		[DMARC_REJECT] = PREFLIGHT_FAIL_REJECT,
	};
	struct standing standing;

	if (finding->status == DMARC_LOST)
		cell.result = PREFLIGHT_TEMPERROR;
	if (finding->status != DMARC_FOUND)
		return cell;
	standing = standing_under(view, address, finding);
	cell.is_spf_aligned = standing.spf == YES;
	cell.is_dkim_aligned = standing.dkim == YES;
	switch (either(standing.spf, standing.dkim)) {
	case YES:
		cell.result = PREFLIGHT_PASS;
		break;
	case MAYBE:
		cell.result = PREFLIGHT_TEMPERROR;
		break;
	case NO:
		cell.result = finding->is_policy_unsure
		    ? PREFLIGHT_TEMPERROR
		    : failures[finding->policy];
		break;
	}
	return cell;
}

/* SPF and DKIM, and one of them aligned by whichever standard: who asks for
 * both doesn't say which. */
static struct preflight_cell
judge_both(
    const struct view *view, size_t address, const struct dmarc_outcome *dmarc)
{
	enum truth dkim = any_verifies(view->evidence);
	enum truth spf = spf_passes(view, address);
	enum truth has_record = NO, has_aligned = NO;
	struct preflight_cell cell = { .result = PREFLIGHT_FAIL_REJECT };

	for (size_t i = 0; i < DMARC_STANDARDS; i++) {
		const struct dmarc_finding *finding = &dmarc->by[i];
		struct standing standing;

		if (finding->status == DMARC_LOST) {
			has_record = either(has_record, MAYBE);
			has_aligned = either(has_aligned, MAYBE);
		}
		if (finding->status != DMARC_FOUND)
			continue;
		standing = standing_under(view, address, finding);
		has_record = YES;
		has_aligned =
		    either(has_aligned, either(standing.spf, standing.dkim));
		cell.is_spf_aligned |= standing.spf == YES;
		cell.is_dkim_aligned |= standing.dkim == YES;
	}
	switch (both(both(dkim, spf), both(has_record, has_aligned))) {
	case YES:
		cell.result = PREFLIGHT_PASS;
		break;
	case MAYBE:
		cell.result = PREFLIGHT_TEMPERROR;
		break;
	case NO:
		break;
	}
	return cell;
}

static struct preflight_cell
judge_author(const struct view *view, enum preflight_profile profile,
    size_t address, size_t author)
{
	const struct dmarc_outcome *dmarc =
	    view->evidence->authors[author].dmarc;
	struct preflight_cell cell;

	switch (profile) {
	case PREFLIGHT_RFC9989:
		cell = judge_dmarc(view, address, &dmarc->by[DMARC_RFC9989]);
		break;
	case PREFLIGHT_RFC7489:
		cell = judge_dmarc(view, address, &dmarc->by[DMARC_RFC7489]);
		break;
	default:
		cell = judge_both(view, address, dmarc);
		break;
	}
	cell.author = author;
	return cell;
}

/* The author that comes off worst; of equals the first. */
static struct preflight_cell
judge_address(
    const struct view *view, enum preflight_profile profile, size_t address)
{
	struct preflight_cell worst = { .result = PREFLIGHT_PERMERROR };

	for (size_t i = 0; i < view->evidence->author_count; i++) {
		struct preflight_cell cell =
		    judge_author(view, profile, address, i);

		if (i == 0 || cell.result > worst.result)
			worst = cell;
	}
	return worst;
}

/* The result of the worst address; cells_out (may be NULL) gets all. */
static enum preflight_result
judge_profile(const struct view *view, enum preflight_profile profile,
    size_t addresses, struct preflight_cell *cells_out)
{
	enum preflight_result worst = PREFLIGHT_PASS;

	for (size_t i = 0; i < addresses; i++) {
		struct preflight_cell cell = judge_address(view, profile, i);

		if (cell.result > worst)
			worst = cell.result;
		if (cells_out != NULL)
			cells_out[i] = cell;
	}
	return worst;
}

/* Would it pass, for all that can be told, if SPF passed? */
static bool
might_pass(const struct preflight_evidence *evidence,
    const bool is_used[PREFLIGHT_PROFILES])
{
	const struct view view = { .evidence = evidence, .is_hopeful = true };

	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++)
		if (is_used[i]
		    && judge_profile(&view, i, 1, NULL) <= PREFLIGHT_NO_POLICY)
			return true;
	return false;
}

/* The finding to speak of; of both_pass that of the standard which found
 * something. NULL: there is no author. */
static const struct dmarc_finding *
finding_of(const struct preflight_evidence *evidence, size_t author,
    enum preflight_profile profile)
{
	const struct dmarc_finding *by;

	if (evidence->author_count == 0)
		return NULL;
	by = evidence->authors[author].dmarc->by;
	if (profile == PREFLIGHT_RFC7489)
		return &by[DMARC_RFC7489];
	if (profile == PREFLIGHT_BOTH_PASS
	    && by[DMARC_RFC9989].status != DMARC_FOUND
	    && by[DMARC_RFC7489].status != DMARC_ABSENT)
		return &by[DMARC_RFC7489];
	return &by[DMARC_RFC9989];
}

static void
find_decider(const bool is_used[PREFLIGHT_PROFILES],
    struct preflight_judgement *judgement)
{
	judgement->result = PREFLIGHT_RESULTS;
	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++) {
		if (!is_used[i] || judgement->by[i] >= judgement->result)
			continue;
		judgement->result = judgement->by[i];
		judgement->decider = i;
	}
}

/* What stands in the judgement beside the result: the author who came off
 * worst with the decider, and what aligned there. Returns that author. */
static size_t
tell_decision(const struct preflight_evidence *evidence,
    struct preflight_judgement *judgement)
{
	const struct preflight_cell *cells =
	    judgement->cells + judgement->decider * judgement->addresses;
	const struct preflight_cell *worst = cells;

	judgement->is_spf_aligned = judgement->is_dkim_aligned = true;
	for (size_t i = 0; i < judgement->addresses; i++) {
		judgement->is_spf_aligned &= cells[i].is_spf_aligned;
		judgement->is_dkim_aligned &= cells[i].is_dkim_aligned;
		if (cells[i].result > worst->result)
			worst = &cells[i];
	}
	if (evidence->author_count > 0)
		judgement->author = evidence->authors[worst->author].domain;
	return worst->author;
}

static void
tell_spf(const struct preflight_evidence *evidence,
    struct preflight_judgement *judgement)
{
	judgement->spf_result = SPF_NONE;
	for (size_t i = 0; i < evidence->spf_count; i++) {
		enum spf_result result = evidence->spf[i].outcome->result;

		if (i > 0 && result <= judgement->spf_result)
			continue;
		judgement->spf_result = result;
		judgement->spf = &evidence->spf[i];
	}
}

bool
preflight_judge(const struct preflight_evidence *evidence,
    const bool is_used[PREFLIGHT_PROFILES], struct arena *arena,
    struct preflight_judgement *judgement_out)
{
	struct preflight_judgement *judgement = judgement_out;
	const struct view view = { .evidence = evidence };
	const struct dmarc_finding *finding;
	struct preflight_cell *cells;

	*judgement = (struct preflight_judgement){
		.addresses = evidence->spf_count > 0 ? evidence->spf_count : 1,
	};
	cells = arena_alloc(
	    arena, PREFLIGHT_PROFILES * judgement->addresses * sizeof(*cells));
	if (cells == NULL)
		return false;
	judgement->cells = cells;
	for (unsigned i = 0; i < PREFLIGHT_PROFILES; i++)
		judgement->by[i] = judge_profile(&view, i, judgement->addresses,
		    cells + i * judgement->addresses);
	find_decider(is_used, judgement);
	judgement->rests_on_unknown_spf = evidence->spf_count == 0
	    && evidence->author_count > 0
	    && judgement->result > PREFLIGHT_NO_POLICY
	    && might_pass(evidence, is_used);
	tell_spf(evidence, judgement);
	finding = finding_of(
	    evidence, tell_decision(evidence, judgement), judgement->decider);
	if (finding != NULL) {
		judgement->org_domain = finding->org_domain;
		if (finding->status == DMARC_FOUND)
			judgement->policy_domain = finding->policy_domain;
	}
	return preflight_reasons(evidence, finding, is_used, arena, judgement);
}

const char *
preflight_result_name(enum preflight_result result)
{
	static const char *const names[] = {
		[PREFLIGHT_PASS] = "pass",
		[PREFLIGHT_NO_POLICY] = "no-policy",
		[PREFLIGHT_FAIL_NONE] = "fail-none",
		[PREFLIGHT_TEMPERROR] = "temperror",
		[PREFLIGHT_PERMERROR] = "permerror",
		[PREFLIGHT_FAIL_QUARANTINE] = "fail-quarantine",
		[PREFLIGHT_FAIL_REJECT] = "fail-reject",
	};

	return (unsigned)result < PREFLIGHT_RESULTS ? names[result] : "?";
}

const char *
preflight_profile_name(enum preflight_profile profile)
{
	static const char *const names[] = {
		[PREFLIGHT_RFC9989] = "rfc9989",
		[PREFLIGHT_RFC7489] = "rfc7489",
		[PREFLIGHT_BOTH_PASS] = "both_pass",
	};

	return (unsigned)profile < PREFLIGHT_PROFILES ? names[profile] : "?";
}
