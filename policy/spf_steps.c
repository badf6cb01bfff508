#include "policy/spf_steps.h"

#include <string.h>

enum { FIRST_ROOM = 16 };

static bool
grow(struct spf_steps *steps)
{
	size_t room = steps->room > 0 ? 2 * steps->room : FIRST_ROOM;
	struct spf_step *list = arena_alloc(steps->arena, room * sizeof(*list));

	if (list == NULL)
		return false;
	if (steps->count > 0)
		memcpy(list, steps->list, steps->count * sizeof(*list));
	steps->list = list;
	steps->room = room;
	return true;
}

bool
spf_steps_add(
    struct spf_steps *steps, const struct spf_step *step, size_t *number_out)
{
	*number_out = SPF_STEPS;
	if (steps->count == SPF_STEPS)
		return true;
	if (steps->count == steps->room && !grow(steps))
		return false;
	*number_out = steps->count;
	steps->list[steps->count++] = *step;
	return true;
}

void
spf_steps_tell(
    struct spf_steps *steps, size_t number, bool is_match, const char *remark)
{
	if (number >= steps->count)
		return;
	steps->list[number].is_match = is_match;
	if (remark != NULL)
		steps->list[number].remark = remark;
}
