#include "conf/apply.h"

#include "conf/nearest.h"
#include "conf/values.h"
#include "policy/text.h"

#include <string.h>

enum { PLANS_MOST = 1000 };

bool
build_has_limit(const struct build *build, const char *name)
{
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL; section = section->next)
		if (strcmp(section->name, "limit") == 0
		    && section->label != NULL
		    && strcmp(section->label, name) == 0)
			return true;
	return false;
}

static void
apply_plan(struct build *build, const struct parse_section *section,
    struct plan *plans, size_t *count)
{
	struct applied applied = apply_begin(section, build->conf);
	struct plan *plan = &plans[*count];
	const struct parse_section *first;

	if (section->label == NULL || !values_is_label(section->label)) {
		problems_add(&build->problems, section->source, section->line,
		    "a plan needs a name of 1 to %d letters, digits, '_', "
		    "'.' and '-'; write plan \"default\" {",
		    LIMIT_NAME_OCTETS);
		return;
	}
	first = apply_earlier(build, section, section->label);
	applied.shown = apply_shown(build, "plan", section->label);
	applied.places.plan = plan;
	if (first != NULL) {
		apply_duplicate(build, &applied, first);
		return;
	}
	plan->name = values_keep(build, section->label);
	apply_options(build, &applied);
	(*count)++;
}

/* Tell that the default plan that was asked for isn't there. */
static void
complain_of_default(struct build *build, const char *name)
{
	struct place place = build_place(build, "accounts", "default_plan");
	const struct limit_set *set = &build->conf->limits;
	struct nearest nearest;

	nearest_begin(&nearest, name);
	for (size_t i = 0; i < set->plan_count; i++)
		nearest_offer(&nearest, set->plans[i].name);
	problems_add(&build->problems, place.source, place.line,
	    "default_plan: there is no plan %s; %s%s%s", name,
	    nearest.best != NULL ? "did you mean " : "write plan \"",
	    nearest.best != NULL ? nearest.best : name,
	    nearest.best != NULL ? "?" : "\" {");
}

/* Without a plan called "default" who has no plan has none of the limits that
 * plans name; but a name that somebody wrote must be one. */
static void
choose_default(struct build *build)
{
	struct limit_set *set = &build->conf->limits;
	const char *name = build->conf->account_maps.default_plan;
	const struct written *written =
	    build_written(build->own, "accounts", "default_plan");

	set->default_plan = limits_plan(set, name);
	if (set->default_plan == NULL && written != NULL && !written->is_bad)
		complain_of_default(build, name);
}

void
apply_plans(struct build *build)
{
	size_t room = apply_count(build, "plan");
	size_t most = room < PLANS_MOST ? room : PLANS_MOST;
	struct plan *plans = build_alloc(build, (most + 1) * sizeof(*plans));
	size_t count = 0;

	if (plans == NULL)
		return;
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL && !build->problems.is_out_of_memory;
	     section = section->next) {
		if (strcmp(section->name, "plan") != 0)
			continue;
		if (count == PLANS_MOST) {
			problems_add(&build->problems, section->source,
			    section->line, "more than %d plans", PLANS_MOST);
			break;
		}
		apply_plan(build, section, plans, &count);
	}
	build->conf->limits.plans = plans;
	build->conf->limits.plan_count = count;
	if (!build->problems.is_out_of_memory)
		choose_default(build);
}
