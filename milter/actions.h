/* actions: carries a verdict out in libmilter's words: reply, signatures
 * inserted, hold. Beside callbacks, the only file that knows libmilter. */
#ifndef MILTER_ACTIONS_H
#define MILTER_ACTIONS_H

#include "milter/session.h"
#include "policy/verdict.h"

#include <libmilter/mfapi.h>

/* Answer MAIL or RCPT: CONTINUE, or the refusal with its reply set. */
sfsistat actions_answer(
    SMFICTX *ctx, const struct session *session, const struct verdict *verdict);

/* Carry out the verdict at the end of the message: insert signatures, hold,
 * or refuse. If the MTA can't be told, *verdict becomes a temporary failure
 * and what was charged is given back. */
sfsistat
actions_perform(SMFICTX *ctx, struct session *session, struct verdict *verdict);

#endif
