/* report: the one log line of a message, and what it adds to the counters. */
#ifndef MILTER_REPORT_H
#define MILTER_REPORT_H

#include "milter/session.h"
#include "policy/verdict.h"

/* Write the line of the session's open message, which ends with verdict;
 * is_at_mail: it was refused at MAIL already. A dry session reports
 * nothing. */
void report_message(
    struct session *session, const struct verdict *verdict, bool is_at_mail);

#endif
