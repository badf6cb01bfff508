/* preflight_spf: the reasons that lie with SPF. Of preflight_reasons only.
 * Pure. */
#ifndef POLICY_PREFLIGHT_SPF_H
#define POLICY_PREFLIGHT_SPF_H

#include "policy/preflight_phrases.h"

/* Add them: what SPF says for each egress address, the worst first, then
 * whether its domain is aligned. */
void preflight_spf_reasons(struct preflight_phrases *phrases);

#endif
