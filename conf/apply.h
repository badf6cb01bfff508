/* apply: a parsed tree → the fields of the snapshot, section by section, with
 * classes inheriting what sign, senders and preflight say. Only apply, limits
 * and classes include this; others call apply_tree(). */
#ifndef CONF_APPLY_H
#define CONF_APPLY_H

#include "conf/build.h"

/* Where the fields of a section's options are. Rows of sign, senders and
 * preflight have theirs in the class if they stand in one. */
struct places {
	struct conf *conf;
	struct sign_conf *sign;
	struct senders_conf *senders;
	struct preflight_conf *preflight;
	struct class_conf *class;
	struct limit *limit;
	struct plan *plan;
	struct listener_conf *listener;
	struct domain_conf *domain;
};

/* A section being applied. */
struct applied {
	const struct parse_section *section;
	const char *name;  /* its kind */
	const char *label; /* of a class; else NULL */
	const char *shown; /* with its label: "limit hourly" */
	bool is_duplicate; /* of a section that was applied */
	struct places places;
	const char *kept; /* shown, as long as the snapshot; NULL: not yet */
	struct written **written; /* what was written goes there */
	const struct parse_option *seen[OPTIONS_MOST];
};

/* Begin a section whose options go to the snapshot's own fields. */
struct applied
apply_begin(const struct parse_section *section, struct conf *conf);

/* Put the defaults of all rows of section into their fields. */
void apply_standards(
    struct build *build, const char *section, const struct places *places);

/* Read the section's options into their fields. */
void apply_options(struct build *build, struct applied *applied);

/* A section that is there already: told, and still read for mistakes, with
 * fields that nobody looks at. */
void apply_duplicate(struct build *build, struct applied *applied,
    const struct parse_section *first);

/* The first section before this one of the same kind and, unless it is NULL,
 * label; or NULL. */
const struct parse_section *apply_earlier(const struct build *build,
    const struct parse_section *section, const char *label);

/* How many sections of a kind there are. */
size_t apply_count(const struct build *build, const char *name);

/* "NAME LABEL", in scratch. */
const char *
apply_shown(struct build *build, const char *name, const char *label);

/* All limits, and the plans, which name them and come after them. */
void apply_limits(struct build *build);
void apply_plans(struct build *build);

/* All sections of a kind. */
void apply_listeners(struct build *build);
void apply_classes(struct build *build);

/* What is said of single domains. There may be a hundred thousand: the first
 * takes their sections out of the tree, so that nothing else walks over them,
 * the second reads them. */
void apply_part_domains(struct build *build);
void apply_domains(struct build *build);

#endif
