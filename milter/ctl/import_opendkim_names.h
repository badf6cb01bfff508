/* import_opendkim_names: all settings that OpenDKIM has, and what becomes of
 * those that nothing in postern.conf stands for. Private to import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_NAMES_H
#define MILTER_CTL_IMPORT_OPENDKIM_NAMES_H

#include "milter/ctl/import_opendkim_work.h"

/* Note what there is to say of each setting that no other part of
 * import_opendkim converts, of names that OpenDKIM hasn't, of lines without a
 * value, and of lines that a later one of the same name replaces. */
void import_names(struct import *import);

#endif
