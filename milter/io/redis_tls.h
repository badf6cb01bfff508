/* redis_tls: TLS of connections to Redis. There are two of it, of which
 * configure takes one: redis_tls_hiredis.c for hiredis 1.0 and later, and
 * redis_tls_none.c. */
#ifndef MILTER_IO_REDIS_TLS_H
#define MILTER_IO_REDIS_TLS_H

#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct redisContext;
struct redis_tls;

/* Is TLS built in? */
bool redis_tls_is_built_in(void);

/* What connections have in common: the system's CAs (or those that the
 * environment's SSL_CERT_FILE and SSL_CERT_DIR name). NULL with words. */
struct redis_tls *redis_tls_open(struct fault *fault);

/* Begin TLS on a connected, non-blocking context: shake hands and see that the
 * server's certificate is good and host's (a name or an address). False with
 * words, and the context is then of no use; FAULT_PERMANENT if the certificate
 * isn't good. Any thread; the context has one user at a time. */
bool redis_tls_begin(struct redis_tls *tls, struct redisContext *context,
    const char *host, uint64_t deadline_us, struct fault *fault);

/* Close it. Empties the pointer; takes NULL. No connection may be left. */
void redis_tls_close(struct redis_tls **tls);

#endif
