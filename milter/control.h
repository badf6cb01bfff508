/* control: the socket of posternctl. A connection is one question, a line, and
 * one answer, a line of JSON: {"ok":true,...}. Questions: "status", "reload",
 * "forget" (remembered refusals). Only root and the daemon's own user may
 * ask. */
#ifndef MILTER_CONTROL_H
#define MILTER_CONTROL_H

#include "milter/daemon.h"

/* Answer on daemon->control_fd, one connection at a time and each at most 5
 * seconds, until daemon->is_ending; for a thread of its own. */
void control_serve(struct daemon *daemon);

#endif
