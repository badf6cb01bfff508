/* dmarc_state: what the DMARC machine knows, and what follows from it: the
 * record that applies as far as it is known, and at the end the findings. Part
 * of dmarc. */
#ifndef POLICY_DMARC_STATE_H
#define POLICY_DMARC_STATE_H

#include "policy/dmarc.h"
#include "policy/dmarc_finding.h"
#include "policy/dmarc_walk.h"

#include <stdbool.h>
#include <stddef.h>

/* An identifier that isn't the author domain itself and may be in relaxed
 * alignment with it. */
struct dmarc_stranger {
	struct dmarc_walk walk;
	size_t common; /* labels shared with the author domain */
	size_t index;  /* among the identifiers of the question */
};

struct dmarc {
	const struct dmarc_question *question;
	size_t count;           /* of identifiers that are looked at */
	const char *domain;     /* of the author */
	const char *suffix_org; /* NULL: there is no list */
	bool wants[DMARC_STANDARDS];
	struct arena *arena;
	struct dmarc_spot *spots; /* each name once */
	size_t spot_count;
	struct dmarc_walk walk; /* of the author domain */
	struct dmarc_spot
	    *suffix; /* of suffix_org; NULL: see domain, or none */
	struct dmarc_stranger *strangers;
	size_t stranger_count;
	struct dns_question is_there; /* about the author domain itself */
	enum dmarc_existence existence;
	const struct dns_question *asked; /* NULL: at the end */
	struct dmarc_spot *asked_spot;    /* NULL: is_there is asked */
	struct dmarc_step *steps;
	size_t step_room;
	struct dmarc_outcome outcome;
};

/* What is known of the record that applies by one standard. */
struct dmarc_search {
	struct dmarc_spot *open;       /* not NULL: ask this first */
	const struct dmarc_spot *lost; /* not NULL: it can't be told */
	struct dmarc_choice choice;
	const char *org; /* NULL: not known */
};

/* Could identifier i of the question matter? Is it the author domain? */
bool dmarc_may_pass(const struct dmarc *dmarc, size_t i);
bool dmarc_is_author(const struct dmarc *dmarc, size_t i);

/* Are all identifiers that may pass the author domain itself, and is there
 * one? Then a record there is all that is needed (RFC 9989 §4.10.2). */
bool dmarc_is_alone(const struct dmarc *dmarc);

/* The record that applies by RFC 9989 §4.10.1. With a record at the author
 * domain the walk is for the organizational domain only. */
struct dmarc_search dmarc_search_tree(const struct dmarc *dmarc);

/* By RFC 7489 §6.6.3, steps 1 to 5. */
struct dmarc_search dmarc_search_suffix(const struct dmarc *dmarc);

/* Nothing is left to ask: fill the findings. */
void dmarc_finish(struct dmarc *dmarc);

#endif
