/* uid: whose process holds the other end of a loopback TCP connection to the
 * MTA, asked of the kernel with sock_diag(7). */
#ifndef MILTER_IO_UID_H
#define MILTER_IO_UID_H

#include "policy/fault.h"
#include "policy/network.h"

#include <stdbool.h>
#include <stdint.h>

enum { UID_WAIT_MS = 250 };

/* The uid that owns the client's socket of the TCP connection from
 * client:client_port to daemon:daemon_port, if somebody still holds it
 * (ESTABLISHED, FIN_WAIT or CLOSE_WAIT, and not closed). Only loopback clients
 * are asked for.
 *
 * daemon is the MTA's address, daemon_port its port. If one isn't known (NULL,
 * not is_known, all zero; 0), all sockets with the client's address and port
 * are looked at, and all must be held by one uid: else another user's
 * connection to another service could be taken for this one.
 *
 * *found_out is false when there is no such socket (it is gone or closed, or
 * lives in another network namespace), or when it isn't sure. Ask early in
 * the connection. False with words if the kernel can't be asked. Waits at
 * most UID_WAIT_MS. Any thread. */
bool uid_of_client(const struct address *client, uint16_t client_port,
    const struct address *daemon, uint16_t daemon_port, bool *found_out,
    uint32_t *uid_out, struct fault *fault);

#endif
