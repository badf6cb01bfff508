/* identify: whom a message is charged to: class and account by what the MTA
 * told us, the kernel knows (who owns the client's socket), a trusted host
 * wrote into identity_header, and accounts.map says (design §1). */
#ifndef MILTER_IDENTIFY_H
#define MILTER_IDENTIFY_H

#include "milter/session.h"

#include <stdbool.h>

/* At MAIL: find listener, class and account of the message begun. False only
 * for want of memory. Where accounts.map can't be asked message->map_fault
 * says why, and the account stays without parent and plan of its own. */
bool identify_message(struct session *session);

/* At the end of the header: believe identity_header, if it came from a trusted
 * client, and find the account anew. False only for want of memory. */
bool identify_by_header(struct session *session);

#endif
