/* signals: turns signals into octets on a pipe. */
#ifndef MILTER_SIGNALS_H
#define MILTER_SIGNALS_H

#include "policy/fault.h"

#include <pthread.h>
#include <stdbool.h>

enum { SIGNALS_STOP = 'S', SIGNALS_RELOAD = 'R', SIGNALS_MILTER_ENDED = 'M' };

/* From now on SIGTERM and SIGINT write SIGNALS_STOP, SIGHUP and SIGUSR1
 * SIGNALS_RELOAD, to pipe_fd (non-blocking). SIGPIPE is ignored. For the main
 * thread, before there are others. libmilter's own signal thread gets none of
 * them any more: it would stop without draining, SIGHUP too. */
bool signals_catch(int pipe_fd, struct fault *fault);

/* Make attributes for threads that begin with these signals blocked, so that
 * only the main one runs the handlers. False: no memory. */
bool signals_attributes(pthread_attr_t *attributes, struct fault *fault);

#endif
