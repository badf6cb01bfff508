#include "conf/apply.h"

#include <string.h>

/* Who logs in is told at once, and can mend it: what is certain to be refused
 * by receivers needn't leave. */
static void
begin_preflight(struct build *build, enum traffic_class traffic_class)
{
	struct class_conf *class = &build->conf->classes[traffic_class];

	class->preflight_conf = build->conf->preflight;
	if (traffic_class == CLASS_SUBMISSION
	    && build_written(build->own, "preflight", "on_fail_reject") == NULL)
		class->preflight_conf.on[PREFLIGHT_FAIL_REJECT] = ACTION_REJECT;
}

/* A class begins with what the sections say. */
static void
begin_class(struct build *build, enum traffic_class traffic_class)
{
	struct class_conf *class = &build->conf->classes[traffic_class];
	struct places places = {
		.conf = build->conf,
		.sign = &class->sign_conf,
		.senders = &class->senders,
		.preflight = &class->preflight_conf,
		.class = class,
	};

	class->sign_conf = build->conf->sign;
	class->senders = build->conf->senders;
	begin_preflight(build, traffic_class);
	if (traffic_class == CLASS_INBOUND) {
		class->mode = MODE_OBSERVE; /* left alone */
		return;
	}
	apply_standards(build, "class", &places);
	apply_standards(build,
	    apply_shown(build, "class", facts_class_name(traffic_class)),
	    &places);
	/* Two relays in a row would charge a message twice, the second one
	 * changes what the first one signed, and only it knows how mail leaves
	 * for the Internet. */
	if (build->conf->hands_on) {
		class->sign = false;
		class->limits = false;
		class->preflight = false;
	}
}

static void
apply_class(struct build *build, const struct parse_section *section)
{
	struct applied applied = apply_begin(section, build->conf);
	const struct option_word *word =
	    options_find("listener", NULL, "class")->words;
	const char *label = section->label != NULL ? section->label : "";
	const struct parse_section *first;
	const char *nearest;
	struct class_conf *class;

	while (word->name != NULL && strcmp(word->name, label) != 0)
		word++;
	if (word->name == NULL) {
		nearest = options_nearest_word(
		    options_find("listener", NULL, "class")->words, label);
		problems_add(&build->problems, section->source, section->line,
		    "class \"%s\": the classes are submission, local, relay "
		    "and inbound%s%s%s",
		    problems_excerpt(&build->problems, label),
		    nearest != NULL ? "; did you mean " : "",
		    nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
		return;
	}
	class = &build->conf->classes[word->value];
	applied.label = word->name;
	applied.shown = apply_shown(build, "class", word->name);
	applied.places.sign = &class->sign_conf;
	applied.places.senders = &class->senders;
	applied.places.preflight = &class->preflight_conf;
	applied.places.class = class;
	first = apply_earlier(build, section, label);
	if (first != NULL)
		apply_duplicate(build, &applied, first);
	else
		apply_options(build, &applied);
}

void
apply_classes(struct build *build)
{
	for (int i = 0; i < CLASS_COUNT; i++)
		begin_class(build, (enum traffic_class)i);
	for (const struct parse_section *section = build->tree.sections;
	     section != NULL && !build->problems.is_out_of_memory;
	     section = section->next)
		if (strcmp(section->name, "class") == 0)
			apply_class(build, section);
}
