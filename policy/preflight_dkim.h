/* preflight_dkim: the reasons that lie with DKIM. Of preflight_reasons only.
 * Pure. */
#ifndef POLICY_PREFLIGHT_DKIM_H
#define POLICY_PREFLIGHT_DKIM_H

#include "policy/preflight_phrases.h"

/* Add them: our keys as they are published; and if no signature verifies that
 * is aligned, why there is none. */
void preflight_dkim_reasons(struct preflight_phrases *phrases);

#endif
