/* signatures: finds the keys that may sign a message and streams the message
 * through the signer (design §3). A key signs only for an account that may use
 * its domain. */
#ifndef MILTER_SIGNATURES_H
#define MILTER_SIGNATURES_H

#include "milter/session.h"

/* After authorize_message(): choose the keys and hash the header. A key that
 * is there but can't be used, and a key that is missing, become part of
 * message->verdict as on_key_error and on_missing_key say; signing_note tells
 * why a message isn't signed. */
void signatures_begin(struct session *session);

/* A piece of the body. */
void signatures_body(
    struct session *session, const unsigned char *data, size_t length);

/* Compute them: message->signatures. The verdict says what to do if that
 * failed. */
struct verdict signatures_finish(struct session *session);

#endif
