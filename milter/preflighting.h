/* preflighting: fetches the evidence on what a receiver will see of a message,
 * asks policy/preflight what that amounts to, and says what is done about it
 * (design §5). The signatures already on it are checked while it streams. */
#ifndef MILTER_PREFLIGHTING_H
#define MILTER_PREFLIGHTING_H

#include "milter/session.h"

/* After signatures_begin(): if the message has signatures already, feed its
 * header to the verifier. */
void preflighting_begin(struct session *session);

/* A piece of the body. */
void preflighting_body(
    struct session *session, const unsigned char *data, size_t length);

/* At the end of the message, which would leave: the verdict of preflight.
 * What is in the cache of the resolver is judged at once. Where the DNS has to
 * be asked the limits are looked at before, so that a flood that they refuse
 * makes no questions. Afterwards message->preflight holds what was found
 * (NULL: not looked at, message->preflight_note says why), keys that aren't
 * published are left out where another one is, and so are those whose good
 * signature the message has already. */
struct verdict preflighting_judge(struct session *session);

#endif
