/* import_opendkim_sign: how OpenDKIM makes signatures, and for whom. Private to
 * import_opendkim. */
#ifndef MILTER_CTL_IMPORT_OPENDKIM_SIGN_H
#define MILTER_CTL_IMPORT_OPENDKIM_SIGN_H

#include "milter/ctl/import_opendkim_work.h"

/* Say what is lost of OpenDKIM's other half, verifying. */
void import_mode(struct import *import);

/* Write section sign. */
void import_signing(struct import *import);

/* Write section senders: OpenDKIM signs any author for any client that may have
 * signatures, postern only for the account whose domain it is. After
 * import_signing(). */
void import_senders(struct import *import);

#endif
