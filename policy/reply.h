/* reply: template and verdict → SMTP reply (RFC 5321 §4.2, RFC 3463). The
 * reply says what is wrong, whose it is, and what would mend it. */
#ifndef POLICY_REPLY_H
#define POLICY_REPLY_H

#include "policy/account.h"
#include "policy/fault.h"
#include "policy/text.h"
#include "policy/verdict.h"

#include <stdbool.h>

enum { REPLY_TEXT_BYTES = 400 };

struct reply {
	char code[4];                 /* "450" */
	char status[8];               /* "4.7.1" */
	char words[REPLY_TEXT_BYTES]; /* one line of printable ASCII, no CR or
					 LF; '%' is not doubled */
};

/* What templates may name beside the verdict. Any may be NULL. */
struct reply_facts {
	const char *account;
	const char *id;
};

/* Build the reply of a verdict that refuses (TEMPFAIL or REJECT). Text from
 * outside is cleaned. Never fails: what doesn't fit is cut visibly. */
void reply_build(const struct verdict *verdict, const struct reply_facts *facts,
    struct reply *reply_out);

/* Check a template of the configuration: printable ASCII, every %{name}
 * known: account limit max count per retry_after domain reason id, and subject
 * (whom or what it is about). "%%" is a percent sign. False with words that
 * name the first mistake. */
bool reply_check_template(const char *template, struct fault *fault);

#endif
