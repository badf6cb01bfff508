/* remember: who was refused for a limit or a block, and has no room for
 * anything, is refused at MAIL from then on without asking the store: account,
 * parent, client or everybody (design §6). */
#ifndef MILTER_REMEMBER_H
#define MILTER_REMEMBER_H

#include "milter/session.h"

/* After the store has refused a message: remember those of its charges' keys
 * that have no room for even one more. */
void remember_charges(struct session *session);

/* Is somebody remembered that the message begun is charged to? The verdict
 * then refuses. Class local, which is never refused at MAIL, has no use for
 * it. */
struct verdict remember_judge(struct session *session);

#endif
