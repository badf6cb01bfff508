/* spf_hints: what an SPF check may ask later, so that it can be asked beside
 * what it asks now: the names in the records that are read, and in those that
 * are included by them as far as their answers were learned. No term is looked
 * at that can't be reached within SPF_TERMS, and nothing that hangs on %{p}. */
#ifndef POLICY_SPF_HINTS_H
#define POLICY_SPF_HINTS_H

#include "policy/dns.h"
#include "policy/spf.h"

#include <stddef.h>

struct spf;

/* At most room questions that aren't answered, the likeliest first; their
 * names live as long as the check. Less for want of memory. */
size_t spf_hints_list(
    struct spf *spf, struct dns_question *questions_out, size_t room);

/* Keep the answer to a question of spf_hints_list(); any other is ignored. The
 * answer is borrowed for the call. */
void spf_hints_learn(struct spf *spf, const struct dns_question *question,
    const struct dns_answer *answer);

#endif
