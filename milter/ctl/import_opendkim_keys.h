/* import_opendkim_keys: KeyTable and SigningTable, or the single key of
 * Domain, Selector and KeyFile. Private to import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_KEYS_H
#define MILTER_CTL_IMPORT_OPENDKIM_KEYS_H

#include "milter/ctl/import_opendkim_work.h"

/* Does OpenDKIM sign at all (Mode)? */
bool import_signs(const struct import *import);

/* Write the options of section sign that say where the keys are, put tables
 * into the answer where they are needed, and find import->signing_domains. */
void import_keys(struct import *import);

#endif
