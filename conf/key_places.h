/* key_places: classes may have their keys in the same places, or in places of
 * which one part is the same: that is looked at once. Pure. */
#ifndef CONF_KEY_PLACES_H
#define CONF_KEY_PLACES_H

#include "conf/conf.h"

#include <stdbool.h>

/* The same tables of OpenDKIM, read in the same way? */
bool key_places_same_tables(
    const struct key_places *one, const struct key_places *other);

/* The same directory, tables and map? */
bool
key_places_same(const struct key_places *one, const struct key_places *other);

/* Leave out of one which of these other has, too: "" and NULL are in their
 * place. */
void
key_places_leave_out(struct key_places *one, const struct key_places *other);

#endif
