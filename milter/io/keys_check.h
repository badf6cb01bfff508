/* keys_check: parts of what is checked before mail needs it; for all that lies
 * in files there is keys_check() of milter/io/keys.h. */
#ifndef MILTER_IO_KEYS_CHECK_H
#define MILTER_IO_KEYS_CHECK_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <stddef.h>

struct tables;

/* Read OpenDKIM's tables of places, which must name some, as they are now, and
 * call complain with what keeps them out of force, and with each bad line, as
 * keys_check() does; but look at no keys. Returns how many faults there are,
 * also where there are too many bad lines for all of them to be told. */
size_t keys_check_tables(const struct key_places *places,
    void (*complain)(void *context, const struct fault *fault), void *context);

/* Read up to most values of map, by tables, as keys_find() would, and call
 * complain with each fault: "map KIND:NAME: DOMAIN: words"; or, if the map
 * can't be asked, or not to its end, with why. Returns how many were at fault.
 * What can't be listed (a socketmap) isn't looked at, nor is the file of an
 * LMDB map that isn't trusted, which keys_check() tells. One thread at a time.
 */
size_t
keys_check_map(const struct map_source *map, struct tables *tables, size_t most,
    void (*complain)(void *context, const struct fault *fault), void *context);

#endif
