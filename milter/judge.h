/* judge: the order of checks at each event (design §1): it fetches evidence,
 * asks policy, and gives back what a later refusal makes undue. No function
 * here knows of libmilter; all work on the session's open message. */
#ifndef MILTER_JUDGE_H
#define MILTER_JUDGE_H

#include "milter/session.h"
#include "policy/verdict.h"

/* At MAIL: class, listener, account; AUTH or TLS missing, an account known to
 * be over its limit or blocked. Waits for nothing but the kernel (once a
 * connection, on loopback) and accounts.map, where that isn't a file read with
 * the configuration. A verdict that refuses ends the message. */
struct verdict judge_mail(struct session *session);

/* At RCPT, with its argument and {rcpt_mailer} (NULL: not said): counts it. A
 * refusal is of this recipient alone. */
struct verdict
judge_recipient(struct session *session, const char *path, const char *mailer);

/* At the end of the header: whose is From, and which keys may sign. What it
 * finds is kept for judge_message(). */
void judge_headers(struct session *session);

/* A piece of the body, CRLF line ends. */
void
judge_body(struct session *session, const unsigned char *data, size_t length);

/* At the end of the message: the verdict. If it leaves, message->signatures
 * are to be inserted. */
struct verdict judge_message(struct session *session);

/* The MTA couldn't be told: give back what judge_message() charged. */
void judge_take_back(struct session *session);

#endif
