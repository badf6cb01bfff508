/* preflight_phrases: the list of reasons while it is drawn up, and how its
 * phrases are made harmless. Of preflight's own modules only. Pure. */
#ifndef POLICY_PREFLIGHT_PHRASES_H
#define POLICY_PREFLIGHT_PHRASES_H

#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	/* Two for each address, one for each signature, and those on From,
	 * DMARC and the profiles. */
	PREFLIGHT_REASONS = 2 * PREFLIGHT_EGRESS + PREFLIGHT_SIGNATURES + 8,
	PREFLIGHT_WORDS_OCTETS = 1000, /* most of one phrase */
	PREFLIGHT_QUOTE_OCTETS = 160,  /* most that it quotes at a time */
};

struct preflight_phrases {
	struct arena *arena;
	const struct preflight_evidence *evidence;
	const struct preflight_judgement *judgement;
	/* The decider's, for the author that decided; NULL: no author. */
	const struct dmarc_finding *finding;
	struct preflight_reason reasons[PREFLIGHT_REASONS];
	/* The domain that the last phrase speaks of at its end; NULL: none. */
	const char *subject;
	size_t count;
	bool is_short_of_memory;
};

/* Add a reason, whose words are cleaned here; NULL words: no memory. One that
 * says the same as another isn't added again. subject: the domain that a
 * following "its" would mean; NULL: none. */
void preflight_phrases_add(struct preflight_phrases *phrases,
    const struct preflight_reason *reason, const char *subject);

/* text as far as it may stand in a phrase: cleaned, and cut visibly after
 * PREFLIGHT_QUOTE_OCTETS. NULL text: "no reason given". Never NULL: "" for
 * want of memory. */
const char *
preflight_phrases_quote(struct preflight_phrases *phrases, const char *text);

/* Is the identifier aligned, or may it be? At DMARC_NOT_ALIGNED it is sure
 * that it isn't. alignment is by_spf or by_dkim of the finding. */
enum dmarc_alignment preflight_phrases_alignment(
    const enum dmarc_alignment alignment[DMARC_IDENTIFIERS], size_t identifier);

/* " (aspf=s)" if it would be aligned but for that, else "". tag: "aspf=s". */
const char *preflight_phrases_strict(struct preflight_phrases *phrases,
    const char *domain, bool is_strict, const char *tag);

#endif
