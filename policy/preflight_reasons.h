/* preflight_reasons: why preflight judged as it did, in words that fit into an
 * SMTP reply, each with what would mend it. Pure. */
#ifndef POLICY_PREFLIGHT_REASONS_H
#define POLICY_PREFLIGHT_REASONS_H

#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>

/* Fill judgement->reasons and reason_count; everything else stands there
 * already. finding is the decider's for the author that decided; NULL: there
 * is no author. All text is in arena. False: no memory. */
bool preflight_reasons(const struct preflight_evidence *evidence,
    const struct dmarc_finding *finding, const bool is_used[PREFLIGHT_PROFILES],
    struct arena *arena, struct preflight_judgement *judgement);

#endif
