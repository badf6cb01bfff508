#include "conf/apply.h"

#include "conf/values.h"

#include <string.h>

/* "25M" of messages would be 26214400 of them. */
static void
check_unit(struct build *build, const struct applied *applied,
    const struct limit *limit)
{
	const struct option *option = options_find("limit", NULL, "max");
	const struct parse_option *given = applied->seen[options_index(option)];
	const char *text;

	if (limit->count == LIMIT_BYTES || given == NULL || given->is_broken
	    || given->is_list)
		return;
	text = given->values->text;
	if (*text != '\0' && strchr("KMGT", text[strlen(text) - 1]) != NULL)
		problems_add(&build->problems, given->source, given->line,
		    "max: \"%s\" is a size, but %s are counted; write digits "
		    "alone, or count = bytes",
		    problems_excerpt(&build->problems, text),
		    limits_count_name(limit->count));
}

static void
apply_limit(struct build *build, const struct parse_section *section,
    struct limit *limits, size_t *count)
{
	struct applied applied = apply_begin(section, build->conf);
	struct limit *limit = &limits[*count];
	const struct parse_section *first;

	if (section->label == NULL || !values_is_label(section->label)) {
		problems_add(&build->problems, section->source, section->line,
		    "a limit needs a name of 1 to %d letters, digits, '_', "
		    "'.' and '-'; write limit \"hourly\" {",
		    LIMIT_NAME_OCTETS);
		return;
	}
	first = apply_earlier(build, section, section->label);
	applied.shown = apply_shown(build, "limit", section->label);
	applied.places.limit = limit;
	if (first != NULL) {
		apply_duplicate(build, &applied, first);
		return;
	}
	apply_standards(build, "limit", &applied.places);
	limit->name = values_keep(build, section->label);
	apply_options(build, &applied);
	check_unit(build, &applied, limit);
	(*count)++;
}

/* What one message may cost at most: a limit on from_domain counts once for
 * each author. */
static size_t
charges_of(const struct limit *limit)
{
	return limit->key == LIMIT_KEY_FROM_DOMAIN ? ADDRESS_MAILBOXES : 1;
}

static bool
is_too_many(struct build *build, const struct parse_section *section,
    const struct limit *limits, size_t count)
{
	size_t charges = 0;

	for (size_t i = 0; i < count; i++)
		charges += charges_of(&limits[i]);
	if (charges <= LIMITS_CHARGES_MOST)
		return false;
	problems_add(&build->problems, section->source, section->line,
	    "limit %s is one too many: there can be %d, of which one with key "
	    "= from_domain counts for %d",
	    problems_excerpt(&build->problems, section->label),
	    LIMITS_CHARGES_MOST, ADDRESS_MAILBOXES);
	return true;
}

static void
use(struct build *build, struct limit *limits, size_t count)
{
	build->limits = limits;
	build->conf->limits.limits = limits;
	build->conf->limits.count = count;
	for (size_t i = 0; i < count; i++)
		if (limits[i].count == LIMIT_NEW_RECIPIENTS)
			build->conf->limits.counts_new = true;
}

static void
apply_written(struct build *build, size_t written)
{
	size_t room = written;
	struct limit *limits;
	size_t count = 0;

	if (room > LIMITS_CHARGES_MOST)
		room = LIMITS_CHARGES_MOST + 1;
	limits = build_alloc(build, (room + 1) * sizeof(*limits));
	if (limits == NULL)
		return;
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL && !build->problems.is_out_of_memory;
	     section = section->next) {
		if (strcmp(section->name, "limit") != 0)
			continue;
		apply_limit(build, section, limits, &count);
		if (is_too_many(build, section, limits, count))
			break;
	}
	use(build, limits, count);
}

/* What holds as long as no limit and no plan is written. */
static void
apply_built_in(struct build *build)
{
	static const struct limit standard[] = {
		{ .name = "hourly",
		    .key = LIMIT_KEY_ACCOUNT,
		    .count = LIMIT_RECIPIENTS,
		    .max = 500,
		    .per_ms = 3600 * 1000,
		    .action = ACTION_TEMPFAIL },
		{ .name = "daily",
		    .key = LIMIT_KEY_ACCOUNT,
		    .count = LIMIT_RECIPIENTS,
		    .max = 2000,
		    .per_ms = 24 * 3600 * 1000,
		    .action = ACTION_REJECT },
	};
	struct limit *limits = build_alloc(build, sizeof(standard));

	if (limits == NULL)
		return;
	memcpy(limits, standard, sizeof(standard));
	use(build, limits, sizeof(standard) / sizeof(standard[0]));
}

void
apply_limits(struct build *build)
{
	size_t written = apply_count(build, "limit");

	if (written == 0 && apply_count(build, "plan") == 0)
		apply_built_in(build);
	else
		apply_written(build, written);
}
