/* values: what was written for an option, checked against its row of the
 * table and put into its field. */
#ifndef CONF_VALUES_H
#define CONF_VALUES_H

#include "conf/build.h"

/* One option being read. */
struct reading {
	struct build *build;
	const struct option *option;
	const struct parse_option *given;
	void *base;       /* of the struct that has the field */
	bool is_standard; /* it is the default, not something written */
	const char *text; /* the value; NULL if it is a list */
	size_t line;      /* of the value */
};

/* Read what was given for option into its field of base. What is wrong goes
 * to the build's problems; the field then stays as it is. */
void values_read(struct build *build, const struct option *option,
    const struct parse_option *given, void *base);

/* Put option's default into its field of base. */
void
values_standard(struct build *build, const struct option *option, void *base);

/* The field of a reading's option (NULL if it has none), and its second. */
void *values_field(const struct reading *reading);
void *values_more(const struct reading *reading);

/* May the option be empty? If its default is, or inherited. */
bool values_may_be_empty(const struct reading *reading);

/* Has text 1 to LIMIT_NAME_OCTETS letters, digits, '_', '.' and '-', and
 * nothing else? */
bool values_is_label(const char *text);

/* Tell that the value is wrong: "OPTION: VALUE WORDS". */
void values_refuse(const struct reading *reading, const char *words);

/* The same for one value of a list. */
void values_refuse_entry(const struct reading *reading,
    const struct parse_value *value, const char *words);

/* A copy of text that lives as long as the snapshot; NULL, and problems know,
 * for want of memory. */
const char *values_keep(struct build *build, const char *text);

#endif
