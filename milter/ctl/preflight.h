/* preflight: what a receiver will make of a message, told step by step: records
 * read, terms counted, identifiers aligned or not, for each egress address and
 * each profile. For `posternctl preflight`, `explain` and `check-domain`. */
#ifndef MILTER_CTL_PREFLIGHT_H
#define MILTER_CTL_PREFLIGHT_H

#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_object;

/* What there is to tell. All borrowed. */
struct preflight_story {
	const struct preflight_evidence *evidence;
	const struct preflight_judgement *judgement;
	const bool *is_used; /* of each profile: does it decide? */
};

/* Print all of it for people. arena is for the telling alone. False: no
 * memory. */
bool preflight_text(
    const struct preflight_story *story, struct arena *arena, FILE *out);

/* Print what to publish or change, a line each; nothing if there is nothing.
 * label stands before the first of them. */
void preflight_text_cures(
    const struct preflight_judgement *judgement, const char *label, FILE *out);

/* Add "spf", "dkim", "dmarc", "profiles" and "reasons" to a JSON object. */
void
preflight_json(const struct preflight_story *story, struct json_object *object);

/* The reasons as a JSON array, the gravest first. */
struct json_object *
preflight_json_reasons(const struct preflight_judgement *judgement);

/* The finding that judgement's org_domain and policy_domain are of: the
 * decider's, of the author that decided; NULL: there is no author. */
const struct dmarc_finding *
preflight_finding(const struct preflight_story *story);

#endif
