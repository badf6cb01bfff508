/* spf_terms: does a term of an SPF record match (RFC 7208 §5)? */
#ifndef POLICY_SPF_TERMS_H
#define POLICY_SPF_TERMS_H

#include "policy/spf_check.h"

enum spf_trial {
	SPF_TRIAL_WAITS, /* for an answer, or the check has ended */
	SPF_TRIAL_MATCHES,
	SPF_TRIAL_MISSES,
};

/* Try the term of frame, which isn't an include. */
enum spf_trial spf_terms_try(struct spf *spf, struct spf_frame *frame);

/* Expand the term's domain-spec into frame->target. False: something must be
 * waited for, or the check has ended. */
bool spf_terms_expand(struct spf *spf, struct spf_frame *frame);

#endif
