#include "policy/dmarc.h"

#include "policy/dmarc_state.h"

#include <string.h>

/* Does a policy apply that came out of a search? */
static bool
is_found(const struct dmarc_search *search)
{
	return search->choice.spot != NULL
	    && dmarc_record_use(&search->choice.spot->record, DMARC_RFC9989)
	    != DMARC_USE_NOT;
}

static bool
asks_existence(const struct dmarc_search *search)
{
	const struct dmarc_record *record = &search->choice.spot->record;

	return search->choice.is_subdomain
	    && search->choice.existence == DMARC_EXISTENCE_OPEN
	    && dmarc_record_use(record, DMARC_RFC9989) == DMARC_USE_AS_IT_IS
	    && dmarc_record_minds_existence(record);
}

static bool
is_ever_relaxed(const struct dmarc_search *search)
{
	const struct dmarc_record *record = &search->choice.spot->record;

	return !record->is_dkim_strict || !record->is_spf_strict;
}

/* What alignment by RFC 9989 must know next. */
static struct dmarc_spot *
next_of_strangers(const struct dmarc *dmarc)
{
	for (size_t i = 0; i < dmarc->stranger_count; i++) {
		const struct dmarc_stranger *stranger = &dmarc->strangers[i];
		struct dmarc_spot *open;

		(void)dmarc_walk_align(
		    &dmarc->walk, &stranger->walk, stranger->common, &open);
		if (open != NULL)
			return open;
	}
	return NULL;
}

static void
ask_spot(struct dmarc *dmarc, struct dmarc_spot *spot)
{
	dmarc->asked_spot = spot;
	dmarc->asked = spot != NULL ? &spot->question : NULL;
}

static void
next_by_tree(struct dmarc *dmarc)
{
	struct dmarc_search search = dmarc_search_tree(dmarc);

	if (search.open != NULL) {
		ask_spot(dmarc, search.open);
	} else if (search.lost != NULL || !is_found(&search)) {
		return;
	} else if (asks_existence(&search)) {
		dmarc->asked = &dmarc->is_there;
	} else if (is_ever_relaxed(&search)) {
		ask_spot(dmarc, next_of_strangers(dmarc));
	}
}

/* Find the next question, or come to the end. */
static void
proceed(struct dmarc *dmarc)
{
	ask_spot(dmarc, NULL);
	if (dmarc->wants[DMARC_RFC7489])
		ask_spot(dmarc, dmarc_search_suffix(dmarc).open);
	if (dmarc->asked == NULL && dmarc->wants[DMARC_RFC9989])
		next_by_tree(dmarc);
	if (dmarc->asked == NULL)
		dmarc_finish(dmarc);
}

/* The spot of domain, which is made if there is none yet. */
static struct dmarc_spot *
spot_of(struct dmarc *dmarc, const char *domain, size_t labels)
{
	struct dmarc_spot *spot;

	for (size_t i = 0; i < dmarc->spot_count; i++)
		if (dmarc->spots[i].labels == labels
		    && strcmp(dmarc->spots[i].domain, domain) == 0)
			return &dmarc->spots[i];
	spot = &dmarc->spots[dmarc->spot_count];
	if (!dmarc_spot_init(spot, domain, dmarc->arena))
		return NULL;
	dmarc->spot_count++;
	return spot;
}

/* Lay out the first count names of the walk from domain. */
static bool
lay_walk(struct dmarc *dmarc, struct dmarc_walk *walk, const char *domain,
    size_t count)
{
	size_t labels = dns_labels(domain);

	for (; walk->count < count; walk->count++) {
		size_t left = dmarc_walk_labels(labels, walk->count);
		struct dmarc_spot *spot =
		    spot_of(dmarc, dns_suffix(domain, left), left);

		if (spot == NULL)
			return false;
		walk->levels[walk->count] = spot;
	}
	return true;
}

/* List the identifiers that a walk may be needed for; returns how many names
 * all walks have at most, SIZE_MAX for want of memory. */
static size_t
find_strangers(struct dmarc *dmarc)
{
	size_t names = DMARC_WALK + 1;

	dmarc->strangers =
	    arena_alloc(dmarc->arena, dmarc->count * sizeof(*dmarc->strangers));
	if (dmarc->strangers == NULL)
		return SIZE_MAX;
	for (size_t i = 0; i < dmarc->count; i++) {
		const char *domain = dmarc->question->identifiers[i].domain;
		struct dmarc_stranger *stranger;
		size_t common;

		if (!dmarc_may_pass(dmarc, i) || dmarc_is_author(dmarc, i))
			continue;
		common = dmarc_walk_common(dmarc->domain, domain);
		if (common == 0)
			continue;
		stranger = &dmarc->strangers[dmarc->stranger_count++];
		stranger->index = i;
		stranger->common = common;
		names += dmarc_walk_length(dns_labels(domain));
	}
	return names;
}

static bool
lay_walks(struct dmarc *dmarc)
{
	size_t names = DMARC_WALK + 1, length;

	if (dmarc->wants[DMARC_RFC9989])
		names = find_strangers(dmarc);
	if (names == SIZE_MAX)
		return false;
	dmarc->spots = arena_alloc(dmarc->arena, names * sizeof(*dmarc->spots));
	if (dmarc->spots == NULL)
		return false;
	length = dmarc->wants[DMARC_RFC9989]
	    ? dmarc_walk_length(dns_labels(dmarc->domain))
	    : 1;
	if (!lay_walk(dmarc, &dmarc->walk, dmarc->domain, length))
		return false;
	for (size_t i = 0; i < dmarc->stranger_count; i++) {
		struct dmarc_stranger *stranger = &dmarc->strangers[i];
		const char *domain =
		    dmarc->question->identifiers[stranger->index].domain;

		if (!lay_walk(dmarc, &stranger->walk, domain,
			dmarc_walk_length(dns_labels(domain))))
			return false;
	}
	if (!dmarc->wants[DMARC_RFC7489] || dmarc->suffix_org == NULL
	    || strcmp(dmarc->suffix_org, dmarc->domain) == 0)
		return true;
	dmarc->suffix =
	    spot_of(dmarc, dmarc->suffix_org, dns_labels(dmarc->suffix_org));
	return dmarc->suffix != NULL;
}

struct dmarc *
dmarc_begin(const struct dmarc_question *question,
    const bool wants[DMARC_STANDARDS], struct arena *arena)
{
	struct dmarc *dmarc = arena_alloc(arena, sizeof(*dmarc));

	if (dmarc == NULL)
		return NULL;
	dmarc->question = question;
	dmarc->count = question->count < DMARC_IDENTIFIERS
	    ? question->count
	    : (size_t)DMARC_IDENTIFIERS;
	dmarc->arena = arena;
	for (int i = 0; i < DMARC_STANDARDS; i++) {
		dmarc->wants[i] = wants[i];
		dmarc->outcome.by[i].status = DMARC_ABSENT;
	}
	dmarc->domain = arena_strdup(arena, question->author.domain);
	dmarc->suffix_org = arena_strdup(arena, question->author.suffix_org);
	if (dmarc->domain == NULL
	    || (dmarc->suffix_org == NULL
		&& question->author.suffix_org != NULL)
	    || !lay_walks(dmarc))
		return NULL;
	dmarc->is_there = (struct dns_question){ dmarc->domain, DNS_A };
	dmarc->step_room = dmarc->spot_count + 1 < DMARC_STEPS
	    ? dmarc->spot_count + 1
	    : (size_t)DMARC_STEPS;
	dmarc->steps =
	    arena_alloc(arena, dmarc->step_room * sizeof(*dmarc->steps));
	dmarc->outcome.steps = dmarc->steps;
	if (dmarc->steps == NULL)
		return NULL;
	proceed(dmarc);
	return dmarc;
}

static const struct dns_question *
machine_asks(const void *machine)
{
	const struct dmarc *dmarc = machine;

	return dmarc->asked;
}

static void
step_add(
    struct dmarc *dmarc, const char *name, const char *text, const char *remark)
{
	if (dmarc->outcome.step_count == dmarc->step_room)
		return;
	dmarc->steps[dmarc->outcome.step_count++] =
	    (struct dmarc_step){ name, text, remark };
}

/* That a name has no address says nothing: it is there if anything is (RFC
 * 9989 §3.2.13). */
static void
read_existence(struct dmarc *dmarc, const struct dns_answer *answer)
{
	const char *remark = "exists";

	dmarc->existence = DMARC_EXISTS;
	if (answer->status == DNS_NXDOMAIN) {
		dmarc->existence = DMARC_EXISTS_NOT;
		remark = "doesn't exist";
	} else if (answer->status == DNS_LOST) {
		dmarc->existence = DMARC_EXISTENCE_LOST;
		remark = arena_printf(dmarc->arena,
		    "no answer whether it exists: %s",
		    answer->why != NULL ? answer->why : "unknown");
	}
	step_add(dmarc, dmarc->domain, NULL, remark);
}

static void
machine_answer(void *machine, const struct dns_answer *answer)
{
	struct dmarc *dmarc = machine;
	struct dmarc_spot *spot = dmarc->asked_spot;

	if (dmarc->asked == NULL)
		return;
	if (dmarc->outcome.step_count == 0
	    || answer->ttl_s < dmarc->outcome.ttl_s)
		dmarc->outcome.ttl_s = answer->ttl_s;
	if (spot == NULL) {
		read_existence(dmarc, answer);
	} else {
		dmarc_spot_read(spot, answer, dmarc->arena);
		step_add(dmarc, spot->question.name, spot->text, spot->remark);
	}
	proceed(dmarc);
}

struct hints {
	const struct dmarc *dmarc;
	struct dns_question *questions;
	size_t count, room;
};

static void
hint(struct hints *hints, const struct dns_question *question)
{
	if (question == hints->dmarc->asked || hints->count == hints->room)
		return;
	for (size_t i = 0; i < hints->count; i++)
		if (hints->questions[i].name == question->name)
			return;
	hints->questions[hints->count++] = *question;
}

/* Hint at what is open among the names of a walk with most labels or fewer. */
static void
hint_walk(struct hints *hints, const struct dmarc_walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		struct dmarc_spot *spot = walk->levels[i];

		if (spot->state == DMARC_SPOT_OPEN)
			hint(hints, &spot->question);
		if (dmarc_spot_stops(spot))
			break;
	}
}

/* Who shares only a top-level domain with the author is aligned with him only
 * if that has a record: that one is waited for. */
static void
hint_strangers(struct hints *hints)
{
	const struct dmarc *dmarc = hints->dmarc;

	for (size_t i = 0; i < dmarc->stranger_count; i++) {
		const struct dmarc_stranger *stranger = &dmarc->strangers[i];
		struct dmarc_spot *open;

		(void)dmarc_walk_align(
		    &dmarc->walk, &stranger->walk, stranger->common, &open);
		if (open == NULL)
			continue;
		if (stranger->common > 1
		    || dmarc_walk_find(&dmarc->walk, open->labels) != open)
			hint_walk(hints, &stranger->walk);
	}
}

static void
hint_by_tree(struct hints *hints)
{
	const struct dmarc *dmarc = hints->dmarc;
	const struct dmarc_spot *author = dmarc->walk.levels[0];
	struct dmarc_search search = dmarc_search_tree(dmarc);
	bool has_record = author->state == DMARC_SPOT_ONE;

	if (search.lost != NULL || (search.open == NULL && !is_found(&search)))
		return;
	hint_walk(hints, &dmarc->walk);
	if (search.choice.spot == NULL || is_ever_relaxed(&search))
		hint_strangers(hints);
	if (!has_record && dmarc->existence == DMARC_EXISTENCE_OPEN
	    && (search.open != NULL || asks_existence(&search)))
		hint(hints, &dmarc->is_there);
}

static size_t
machine_hints(
    const void *machine, struct dns_question *questions_out, size_t room)
{
	const struct dmarc *dmarc = machine;
	struct hints hints = { dmarc, questions_out, 0, room };

	if (dmarc->asked == NULL)
		return 0;
	if (dmarc->wants[DMARC_RFC7489] && dmarc->suffix != NULL
	    && dmarc->suffix->state == DMARC_SPOT_OPEN
	    && dmarc_search_suffix(dmarc).open != NULL)
		hint(&hints, &dmarc->suffix->question);
	if (dmarc->wants[DMARC_RFC9989])
		hint_by_tree(&hints);
	return hints.count;
}

const struct dns_machine dmarc_machine = {
	.asks = machine_asks,
	.answer = machine_answer,
	.hints = machine_hints,
};

const struct dmarc_outcome *
dmarc_outcome(const struct dmarc *dmarc)
{
	return &dmarc->outcome;
}

const char *
dmarc_standard_name(enum dmarc_standard standard)
{
	switch (standard) {
	case DMARC_RFC9989:
		return "rfc9989";
	case DMARC_RFC7489:
		return "rfc7489";
	case DMARC_STANDARDS:
		break;
	}
	return "?";
}
