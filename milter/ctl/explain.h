/* explain: what came of a message that was judged without being sent, told
 * step by step. */
#ifndef MILTER_CTL_EXPLAIN_H
#define MILTER_CTL_EXPLAIN_H

#include "milter/session.h"

#include <stdbool.h>

/* Everything that is to be told. The session's message is still open. */
struct explanation {
	struct session *session;
	bool is_client_assumed; /* nobody said where it comes from */
	bool is_sender_assumed; /* the envelope sender is the author */
	bool is_recipient_assumed;
	bool is_at_mail;               /* judged at MAIL: refused there */
	const struct opinion *opinion; /* NULL: wasn't asked for */
	struct verdict verdict;
	struct verdict recipient_verdict; /* of recipients that are refused */
};

/* Print it for people. False: no memory. */
bool explain_text(const struct explanation *explanation);

/* Print it for programs. */
void explain_json(const struct explanation *explanation);

#endif
