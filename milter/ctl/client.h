/* client: asks the daemon by its control socket. */
#ifndef MILTER_CTL_CLIENT_H
#define MILTER_CTL_CLIENT_H

#include "policy/fault.h"

#include <stdint.h>

struct json_object;

enum { CLIENT_ANSWER_BYTES = 4 * 1024 * 1024 }; /* most of an answer */

/* Ask question ("status") of the daemon at the socket path, and wait at most
 * patience_ms for its answer, an object that is the caller's to put. NULL with
 * words: FAULT_TEMPORARY if nobody answers there now, FAULT_PERMANENT if that
 * won't change by waiting. */
struct json_object *client_ask(const char *path, const char *question,
    uint64_t patience_ms, struct fault *fault);

#endif
