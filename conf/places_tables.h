/* places_tables: values that name OpenDKIM's tables, as opendkim.conf(5) has
 * them. What is in a table is read with the keys. */
#ifndef CONF_PLACES_TABLES_H
#define CONF_PLACES_TABLES_H

#include "conf/values.h"

/* Each of the following reads a value of the type it is called after into the
 * field of the reading's option, and tells what is wrong with it.
 *
 * A KeyTable: a path, which "file:" or "refile:" may stand before, of a file
 * that must be there and be readable; or nothing. */
void places_key_table(const struct reading *reading);

/* A SigningTable: the same, or "refile:" and a path for one with patterns. */
void places_signing_table(const struct reading *reading);

#endif
