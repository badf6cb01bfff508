/* spf_steps: what an SPF check did, step by step, for people. */
#ifndef POLICY_SPF_STEPS_H
#define POLICY_SPF_STEPS_H

#include "policy/arena.h"
#include "policy/spf.h"

#include <stdbool.h>
#include <stddef.h>

struct spf_steps {
	struct arena *arena;
	struct spf_step *list;
	size_t count;
	size_t room;
};

/* Add a step; *number_out is what spf_steps_tell() knows it by. When there
 * are SPF_STEPS already it is left out. False: no memory. */
bool spf_steps_add(
    struct spf_steps *steps, const struct spf_step *step, size_t *number_out);

/* Say more of a step: did it match, and a remark (lives on; NULL: leave what
 * is there). */
void spf_steps_tell(
    struct spf_steps *steps, size_t number, bool is_match, const char *remark);

#endif
