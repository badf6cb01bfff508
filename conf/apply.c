#include "conf/apply.h"

#include "conf/nearest.h"
#include "conf/values.h"

#include <string.h>

void *
build_alloc(struct build *build, size_t size_bytes)
{
	void *memory = arena_alloc(build->arena, size_bytes);

	if (memory == NULL)
		problems_memory(&build->problems);
	return memory;
}

/* The first of a list that has what was written in section. */
static const struct written *
written_of(const struct conf_private *own, const char *section)
{
	static const char prefix[] = "domain ";
	const size_t length = sizeof(prefix) - 1;
	const struct domain_conf *domain;

	if (strncmp(section, prefix, length) != 0)
		return own->written;
	domain = build_domain(&own->conf, section + length);
	return domain != NULL ? own->domain_written[domain - own->conf.domains]
			      : NULL;
}

const struct written *
build_written(
    const struct conf_private *own, const char *section, const char *option)
{
	for (const struct written *written = written_of(own, section);
	     written != NULL; written = written->next)
		if (strcmp(written->section, section) == 0
		    && strcmp(written->option, option) == 0)
			return written;
	return NULL;
}

struct place
build_place(const struct build *build, const char *section, const char *option)
{
	const struct written *written =
	    build_written(build->own, section, option);

	if (written == NULL)
		return (struct place){ build->source, 0 };
	return (struct place){ written->source, written->line };
}

static void
remember(struct build *build, struct applied *applied,
    const struct option *option, const struct parse_option *given, bool is_bad)
{
	struct written *written = build_alloc(build, sizeof(*written));

	if (written == NULL)
		return;
	if (applied->kept == NULL)
		applied->kept = values_keep(build, applied->shown);
	written->section = applied->kept;
	written->option = option->name;
	written->source = given->source;
	written->line = given->line;
	written->is_bad = is_bad;
	written->where = arena_printf(
	    build->arena, "%s:%zu", given->source->name, given->line);
	if (written->section == NULL || written->where == NULL) {
		problems_memory(&build->problems);
		return;
	}
	written->next = *applied->written;
	*applied->written = written;
}

static void *
base_of(const struct places *places, const struct option *option)
{
	if (strcmp(option->section, "sign") == 0)
		return places->sign;
	if (strcmp(option->section, "senders") == 0)
		return places->senders;
	if (strcmp(option->section, "preflight") == 0)
		return places->preflight;
	if (strncmp(option->section, "class", strlen("class")) == 0)
		return places->class;
	if (strcmp(option->section, "limit") == 0)
		return places->limit;
	if (strcmp(option->section, "plan") == 0)
		return places->plan;
	if (strcmp(option->section, "listener") == 0)
		return places->listener;
	if (strcmp(option->section, "domain") == 0)
		return places->domain;
	return places->conf;
}

void
apply_standards(
    struct build *build, const char *section, const struct places *places)
{
	size_t count;
	const struct option *options = options_all(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(options[i].section, section) == 0)
			values_standard(
			    build, &options[i], base_of(places, &options[i]));
}

/* A section whose rows have the name, or NULL. */
static const char *
section_with(const char *name)
{
	size_t count;
	const struct option *options = options_all(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(options[i].name, name) == 0)
			return options[i].section;
	return NULL;
}

/* Is the word one slip away from the name? */
static bool
is_slip(const char *word, const char *name)
{
	struct nearest nearest;

	nearest_begin(&nearest, word);
	nearest_offer(&nearest, name);
	return nearest.best != NULL && nearest.distance <= 1;
}

/* Who wrote the very name of an option that stands elsewhere meant that one,
 * unless it is but a slip away from one that may stand here. */
static void
explain_unknown(struct build *build, const struct applied *applied,
    const struct parse_option *given)
{
	struct problems *problems = &build->problems;
	const char *name = problems_excerpt(problems, given->name);
	const char *elsewhere = section_with(given->name);
	const struct option *nearest =
	    options_nearest(applied->name, applied->label, given->name);
	const char *place =
	    *applied->name == '\0' ? "outside of sections" : "in this section";

	if (applied->label != NULL && strcmp(applied->label, "inbound") == 0)
		problems_add(problems, given->source, given->line,
		    "%s: class inbound takes no options: its mail is left "
		    "alone; remove it",
		    name);
	else if (nearest != NULL
	    && (elsewhere == NULL || is_slip(given->name, nearest->name)))
		problems_add(problems, given->source, given->line,
		    "%s: there is no such option %s; did you mean %s?", name,
		    place, nearest->name);
	else if (elsewhere != NULL && *elsewhere == '\0')
		problems_add(problems, given->source, given->line,
		    "%s: there is no such option in this section; it stands "
		    "outside of sections",
		    name);
	else if (elsewhere != NULL)
		problems_add(problems, given->source, given->line,
		    "%s: there is no such option %s; it stands in section %s",
		    name, place, elsewhere);
	else
		problems_add(problems, given->source, given->line,
		    "%s: there is no such option; postern.conf(5) lists those "
		    "there are",
		    name);
}

/* A file of nothing but unknown options has millions of them. */
static void
complain_of_unknown(struct build *build, const struct applied *applied,
    const struct parse_option *given)
{
	if (problems_is_full(&build->problems))
		problems_add(&build->problems, given->source, given->line,
		    "there is no such option");
	else
		explain_unknown(build, applied, given);
}

static void
apply_option(struct build *build, struct applied *applied,
    const struct parse_option *given)
{
	const struct option *option =
	    options_find(applied->name, applied->label, given->name);
	const struct parse_option **seen;
	size_t total;

	if (option == NULL) {
		complain_of_unknown(build, applied, given);
		return;
	}
	if (option->offset == OPTION_NO_FIELD
	    && given->source != build->source) {
		problems_add(&build->problems, given->source, given->line,
		    "%s: stands in the main file only (%s)", option->name,
		    build->source->name);
		return;
	}
	seen = &applied->seen[options_index(option)];
	if (*seen != NULL) {
		problems_add(&build->problems, given->source, given->line,
		    "%s: is set already at %s:%zu; remove one of the two",
		    option->name, (*seen)->source->name, (*seen)->line);
		return;
	}
	*seen = given;
	total = build->problems.total;
	if (!given->is_broken)
		values_read(
		    build, option, given, base_of(&applied->places, option));
	remember(build, applied, option, given,
	    given->is_broken || build->problems.total != total);
}

/* How an option that must be written may look. */
static const char *
example_of(const struct option *option)
{
	switch (option->type) {
	case OPTION_DURATION:
		return "per = \"1h\"";
	case OPTION_LIMITS:
		return "limits = { hourly, daily }";
	default:
		return "max = 500";
	}
}

/* Options that must be written. */
static void
check_missing(struct build *build, const struct applied *applied)
{
	size_t count;
	const struct option *options = options_all(&count);

	for (size_t i = 0; i < count; i++)
		if (options[i].standard == NULL && applied->seen[i] == NULL
		    && options_allows(
			applied->name, applied->label, &options[i]))
			problems_add(&build->problems, applied->section->source,
			    applied->section->line,
			    "%s: %s is missing; write for example %s",
			    problems_excerpt(&build->problems, applied->shown),
			    options[i].name, example_of(&options[i]));
}

void
apply_options(struct build *build, struct applied *applied)
{
	for (const struct parse_option *given = applied->section->options;
	     given != NULL && !build->problems.is_out_of_memory;
	     given = given->next)
		apply_option(build, applied, given);
	if (*applied->name != '\0' && !applied->is_duplicate)
		check_missing(build, applied);
}

struct applied
apply_begin(const struct parse_section *section, struct conf *conf)
{
	return (struct applied){
		.section = section,
		.name = section->name,
		.shown = section->name,
		.written = &conf->own->written,
		.places = { .conf = conf,
		    .sign = &conf->sign,
		    .senders = &conf->senders,
		    .preflight = &conf->preflight },
	};
}

static void
apply_top(struct build *build)
{
	static const char *const sections[] = { "", "log", "dns", "store",
		"sign", "senders", "preflight", "accounts", "rotate" };
	struct applied applied = apply_begin(&build->tree.top, build->conf);

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		apply_standards(build, sections[i], &applied.places);
	apply_options(build, &applied);
}

/* Fields that nobody looks at; false for want of memory. */
static bool
begin_waste(struct build *build, struct places *places_out)
{
	struct conf *conf = arena_alloc(build->scratch, sizeof(*conf));
	struct limit *limit = arena_alloc(build->scratch, sizeof(*limit));
	struct plan *plan = arena_alloc(build->scratch, sizeof(*plan));
	struct listener_conf *listener =
	    arena_alloc(build->scratch, sizeof(*listener));
	struct domain_conf *domain =
	    arena_alloc(build->scratch, sizeof(*domain));

	if (conf == NULL || limit == NULL || plan == NULL || listener == NULL
	    || domain == NULL) {
		problems_memory(&build->problems);
		return false;
	}
	*places_out = (struct places){
		.conf = conf,
		.sign = &conf->sign,
		.senders = &conf->senders,
		.preflight = &conf->preflight,
		.class = &conf->classes[0],
		.limit = limit,
		.plan = plan,
		.listener = listener,
		.domain = domain,
	};
	return true;
}

void
apply_duplicate(struct build *build, struct applied *applied,
    const struct parse_section *first)
{
	problems_add(&build->problems, applied->section->source,
	    applied->section->line,
	    "section %s is there already at %s:%zu; write its options there",
	    problems_excerpt(&build->problems, applied->shown),
	    first->source->name, first->line);
	applied->is_duplicate = true;
	if (!problems_is_full(&build->problems)
	    && begin_waste(build, &applied->places))
		apply_options(build, applied);
}

const struct parse_section *
apply_earlier(const struct build *build, const struct parse_section *section,
    const char *label)
{
	for (const struct parse_section *before = build->tree.sections;
	     before != section; before = before->next)
		if (strcmp(before->name, section->name) == 0
		    && (label == NULL
			|| (before->label != NULL
			    && strcmp(before->label, label) == 0)))
			return before;
	return NULL;
}

static void
apply_plain(struct build *build, const struct parse_section *section)
{
	struct applied applied = apply_begin(section, build->conf);
	const struct parse_section *first = apply_earlier(build, section, NULL);

	if (section->label != NULL)
		problems_add(&build->problems, section->source, section->line,
		    "section %s takes no name; write %s {", section->name,
		    section->name);
	if (first != NULL)
		apply_duplicate(build, &applied, first);
	else
		apply_options(build, &applied);
}

size_t
apply_count(const struct build *build, const char *name)
{
	size_t count = 0;

	for (const struct parse_section *section = build->tree.sections;
	     section != NULL; section = section->next)
		count += strcmp(section->name, name) == 0;
	return count;
}

const char *
apply_shown(struct build *build, const char *name, const char *label)
{
	const char *both = arena_printf(build->scratch, "%s %s", name, label);

	if (both == NULL) {
		problems_memory(&build->problems);
		return name;
	}
	return both;
}

static void
complain_of_section(struct build *build, const struct parse_section *section)
{
	struct problems *problems = &build->problems;
	const char *name = problems_excerpt(problems, section->name);
	const char *nearest = options_nearest_section(section->name);

	if (options_find("", NULL, section->name) != NULL)
		problems_add(problems, section->source, section->line,
		    "%s is an option, not a section; write %s = ...", name,
		    name);
	else if (nearest != NULL)
		problems_add(problems, section->source, section->line,
		    "there is no section %s; did you mean %s?", name, nearest);
	else
		problems_add(problems, section->source, section->line,
		    "there is no section %s; postern.conf(5) lists those "
		    "there are",
		    name);
}

/* Sections without a name, and unknown ones. */
static void
apply_sections(struct build *build)
{
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL && !build->problems.is_out_of_memory;
	     section = section->next) {
		const struct option_section *kind =
		    options_section(section->name);

		if (kind == NULL)
			complain_of_section(build, section);
		else if (kind->label == LABEL_NONE)
			apply_plain(build, section);
	}
}

/* What one option means for others. */
static void
fold(struct build *build)
{
	struct conf *conf = build->conf;
	bool is_case_sensitive = conf->accounts.is_case_sensitive;

	conf->senders.rules.is_case_sensitive = is_case_sensitive;
	for (int i = 0; i < CLASS_COUNT; i++)
		conf->classes[i].senders.rules.is_case_sensitive =
		    is_case_sensitive;
	if (conf->mode == MODE_ENFORCE)
		return;
	for (int i = 0; i < CLASS_COUNT; i++)
		conf->classes[i].mode = MODE_OBSERVE;
	for (size_t i = 0; i < conf->limits.count; i++)
		build->limits[i].mode = MODE_OBSERVE;
}

static void
use_standard_headers(struct signing_rules *rules)
{
	if (rules->headers.count == 0)
		rules->headers = signing_default_headers();
}

void
apply_tree(struct build *build)
{
	struct conf *conf = build->conf;

	apply_part_domains(build);
	apply_top(build);
	apply_sections(build);
	conf->hands_on = conf->identity_header != NULL
	    && *conf->identity_header != '\0'
	    && conf->trusted_network_count == 0;
	apply_classes(build);
	apply_limits(build);
	apply_plans(build);
	apply_listeners(build);
	apply_domains(build);
	if (build->problems.is_out_of_memory)
		return;
	use_standard_headers(&conf->sign.rules);
	for (int i = 0; i < CLASS_COUNT; i++)
		use_standard_headers(&conf->classes[i].sign_conf.rules);
	fold(build);
}
