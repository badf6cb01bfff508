#include "policy/dmarc_state.h"

#include <string.h>

bool
dmarc_may_pass(const struct dmarc *dmarc, size_t i)
{
	return dmarc->question->may_pass == NULL
	    || dmarc->question->may_pass[i];
}

bool
dmarc_is_author(const struct dmarc *dmarc, size_t i)
{
	return strcmp(dmarc->question->identifiers[i].domain, dmarc->domain)
	    == 0;
}

bool
dmarc_is_alone(const struct dmarc *dmarc)
{
	size_t same = 0;

	for (size_t i = 0; i < dmarc->count; i++) {
		if (!dmarc_may_pass(dmarc, i))
			continue;
		if (!dmarc_is_author(dmarc, i))
			return false;
		same++;
	}
	return same > 0;
}

struct dmarc_search
dmarc_search_tree(const struct dmarc *dmarc)
{
	struct dmarc_spot *author = dmarc->walk.levels[0];
	struct dmarc_search search = { .open = NULL };
	struct dmarc_place place;

	if (author->state == DMARC_SPOT_ONE) {
		search.choice.spot = author;
		if (dmarc_record_use(&author->record, DMARC_RFC9989)
		    == DMARC_USE_NOT)
			return search;
		search.org = dmarc->domain;
		if (dmarc_is_alone(dmarc))
			return search;
	}
	place = dmarc_walk_place(&dmarc->walk);
	search.open = place.open;
	search.org = place.org;
	if (place.open != NULL || author->state == DMARC_SPOT_ONE)
		return search;
	search.lost = place.lost;
	search.choice.is_subdomain = true;
	search.choice.existence = dmarc->existence;
	search.choice.spot =
	    place.org_spot != NULL ? place.org_spot : place.psd_spot;
	return search;
}

struct dmarc_search
dmarc_search_suffix(const struct dmarc *dmarc)
{
	struct dmarc_spot *spot = dmarc->walk.levels[0];
	struct dmarc_search search = { .org = dmarc->suffix_org };

	if (spot->state == DMARC_SPOT_NONE && dmarc->suffix != NULL) {
		spot = dmarc->suffix;
		search.choice.is_subdomain = true;
	}
	if (spot->state == DMARC_SPOT_OPEN)
		search.open = spot;
	else if (spot->state == DMARC_SPOT_LOST)
		search.lost = spot;
	else if (spot->state != DMARC_SPOT_NONE)
		search.choice.spot = spot;
	return search;
}

static void
align_by_tree(const struct dmarc *dmarc, struct dmarc_finding *finding)
{
	for (size_t i = 0; i < dmarc->stranger_count; i++) {
		const struct dmarc_stranger *stranger = &dmarc->strangers[i];
		struct dmarc_spot *open;
		enum dmarc_alignment alignment = DMARC_UNSURE;

		if (finding->status == DMARC_FOUND
		    && !(finding->record.is_dkim_strict
			&& finding->record.is_spf_strict))
			alignment = dmarc_walk_align(&dmarc->walk,
			    &stranger->walk, stranger->common, &open);
		finding->by_dkim[stranger->index] = alignment;
		finding->by_spf[stranger->index] = alignment;
	}
}

static enum dmarc_alignment
align_by_suffix(const struct dmarc *dmarc, size_t i)
{
	const char *org = dmarc->question->identifiers[i].suffix_org;

	if (org == NULL || dmarc->suffix_org == NULL)
		return DMARC_UNSURE;
	/* A public suffix is its own organization, and nobody else's. */
	return strcmp(org, dmarc->suffix_org) == 0 ? DMARC_RELAXEDLY
						   : DMARC_NOT_ALIGNED;
}

/* What holds whatever else does: the same domain is aligned, and without a
 * record, by a strict one, and for what can't pass nothing else is. */
static void
align_by_rule(const struct dmarc *dmarc, struct dmarc_finding *finding)
{
	bool is_dkim_strict = finding->record.is_dkim_strict;
	bool is_spf_strict = finding->record.is_spf_strict;

	for (size_t i = 0; i < dmarc->count; i++) {
		bool is_open =
		    dmarc_may_pass(dmarc, i) && finding->status != DMARC_ABSENT;

		if (dmarc_is_author(dmarc, i)) {
			finding->by_dkim[i] = DMARC_STRICTLY;
			finding->by_spf[i] = DMARC_STRICTLY;
			continue;
		}
		if (!is_open || is_dkim_strict)
			finding->by_dkim[i] = DMARC_NOT_ALIGNED;
		if (!is_open || is_spf_strict)
			finding->by_spf[i] = DMARC_NOT_ALIGNED;
	}
}

/* Why there is none though there is something: for the problem. */
static const struct dmarc_spot *
first_broken(struct dmarc_spot *const *spots, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (spots[i]->state == DMARC_SPOT_SEVERAL
		    || spots[i]->is_broken)
			return spots[i];
	return NULL;
}

static bool
finish_by_tree(struct dmarc *dmarc, struct dmarc_finding *finding)
{
	struct dmarc_search search = dmarc_search_tree(dmarc);
	bool is_good;

	finding->org_domain = search.org;
	if (search.choice.spot == NULL)
		search.choice.spot =
		    first_broken(dmarc->walk.levels, dmarc->walk.count);
	is_good = search.lost != NULL
	    ? dmarc_finding_lose(finding, search.lost, dmarc->arena)
	    : dmarc_finding_fill(
		finding, &search.choice, DMARC_RFC9989, dmarc->arena);
	align_by_tree(dmarc, finding);
	align_by_rule(dmarc, finding);
	return is_good;
}

static bool
finish_by_suffix(struct dmarc *dmarc, struct dmarc_finding *finding)
{
	struct dmarc_search search = dmarc_search_suffix(dmarc);
	struct dmarc_spot *const spots[] = { dmarc->walk.levels[0],
		dmarc->suffix };
	bool is_good = true;

	finding->org_domain = search.org;
	if (search.lost != NULL) {
		is_good =
		    dmarc_finding_lose(finding, search.lost, dmarc->arena);
	} else if (search.choice.spot == NULL && search.org == NULL) {
		finding->status = DMARC_LOST;
		finding->problem = "there is no public suffix list: install "
				   "the package publicsuffix";
	} else {
		if (search.choice.spot == NULL)
			search.choice.spot =
			    first_broken(spots, dmarc->suffix != NULL ? 2 : 1);
		is_good = dmarc_finding_fill(
		    finding, &search.choice, DMARC_RFC7489, dmarc->arena);
	}
	for (size_t i = 0; i < dmarc->count; i++) {
		finding->by_dkim[i] = align_by_suffix(dmarc, i);
		finding->by_spf[i] = finding->by_dkim[i];
	}
	align_by_rule(dmarc, finding);
	return is_good;
}

/* Without memory nothing is known for sure. */
void
dmarc_finish(struct dmarc *dmarc)
{
	struct dmarc_finding *by = dmarc->outcome.by;

	if (dmarc->wants[DMARC_RFC9989]
	    && !finish_by_tree(dmarc, &by[DMARC_RFC9989])) {
		by[DMARC_RFC9989].status = DMARC_LOST;
		by[DMARC_RFC9989].problem = "out of memory";
	}
	if (dmarc->wants[DMARC_RFC7489]
	    && !finish_by_suffix(dmarc, &by[DMARC_RFC7489])) {
		by[DMARC_RFC7489].status = DMARC_LOST;
		by[DMARC_RFC7489].problem = "out of memory";
	}
}
