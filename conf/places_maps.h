/* places_maps: values that name a map: a file, a hash of Redis, a server. */
#ifndef CONF_PLACES_MAPS_H
#define CONF_PLACES_MAPS_H

#include "conf/values.h"

/* Read a value of the type map into the field of the reading's option, and tell
 * what is wrong with it: nothing, "texthash:FILE", read at once; "lmdb:FILE",
 * which must be there; "redis:KEY"; or "socketmap:inet:HOST:PORT:NAME" and
 * "socketmap:unix:PATH:NAME", which need not answer yet. Private keys are in no
 * texthash, and in no file that others may read. */
void places_map(const struct reading *reading);

#endif
