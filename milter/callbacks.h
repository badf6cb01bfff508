/* callbacks: libmilter's words into ours and back; nothing is decided here. */
#ifndef MILTER_CALLBACKS_H
#define MILTER_CALLBACKS_H

#include "milter/session.h"
#include "policy/fault.h"

#include <stdbool.h>

/* Register with libmilter, which is to serve the listening socket fd. Once in
 * a process (libmilter gives callbacks no argument of ours). services must
 * live until callbacks_end(). */
bool callbacks_register(struct services *services, int fd, struct fault *fault);

/* Serve; for a thread of its own, in which SIGTERM, SIGINT and SIGHUP are
 * then blocked. Returns only if libmilter gives up. */
void callbacks_serve(void);

/* From now on no callback does anything: waits for those that run, and frees
 * the sessions that are left. libmilter itself goes on until the process
 * ends. */
void callbacks_end(void);

#endif
