/* authorize: fetches what is to be known about the addresses of a message
 * (map, keys) and asks policy/sender whether the account may use them. */
#ifndef MILTER_AUTHORIZE_H
#define MILTER_AUTHORIZE_H

#include "milter/session.h"
#include "policy/sender.h"

/* Read From, judge its form and the ownership of envelope sender and authors.
 * Fills facts.from, is_author_owned and is_envelope_ours, and makes
 * message->verdict what came of it. False: no memory. */
bool authorize_message(struct session *session);

/* What is to be known of mailbox for sender_owns() to answer (map, key). False:
 * no memory. */
bool authorize_evidence(struct session *session, const struct mailbox *mailbox,
    struct sender_evidence *evidence_out);

/* May the message's account sign as the whole of domain, which has a key? */
bool authorize_domain(struct session *session, const char *domain);

#endif
