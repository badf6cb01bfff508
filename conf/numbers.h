/* numbers: digits with a unit, held against the bounds of the option's row. */
#ifndef CONF_NUMBERS_H
#define CONF_NUMBERS_H

#include "conf/values.h"

/* Each reads a value of the type it is called after into its field. */
void numbers_number(const struct reading *reading);
void numbers_amount(const struct reading *reading);

/* So do these, whose values have a unit. */
void numbers_size(const struct reading *reading);
void numbers_percent(const struct reading *reading);
void numbers_duration(const struct reading *reading);

#endif
