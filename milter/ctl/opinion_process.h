/* opinion_process: the process that libspf2 and libopendmarc live in. It is
 * begun before there are threads and before a private key was read, so that
 * nothing worth having is in its memory; for each job it makes a child of its
 * own, which goes into the jail (opinion_jail.h) and does that job alone. */
#ifndef MILTER_CTL_OPINION_PROCESS_H
#define MILTER_CTL_OPINION_PROCESS_H

#include "policy/fault.h"

struct opinion_process;

/* Begin it. The caller must have one thread. NULL with words. */
struct opinion_process *opinion_process_begin(struct fault *fault);

/* A socket of packets (opinion_wire.h) to a new child, which waits for its job
 * there. The caller's to close. -1: it can't be had. Any thread. */
int opinion_process_child(struct opinion_process *process);

/* End it. Empties the pointer; takes NULL. */
void opinion_process_end(struct opinion_process **process);

#endif
