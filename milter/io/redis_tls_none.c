#include "milter/io/redis_tls.h"

bool
redis_tls_is_built_in(void)
{
	return false;
}

struct redis_tls *
redis_tls_open(struct fault *fault)
{
	fault_set(fault, FAULT_PERMANENT,
	    "this postern has no TLS for Redis, which needs hiredis 1.0 or "
	    "later: use redis:// through a tunnel, or redis+unix://");
	return NULL;
}

bool
redis_tls_begin(struct redis_tls *tls, struct redisContext *context,
    const char *host, uint64_t deadline_us, struct fault *fault)
{
	(void)tls;
	(void)context;
	(void)host;
	(void)deadline_us;
	fault_set(fault, FAULT_PERMANENT, "no TLS for Redis is built in");
	return false;
}

void
redis_tls_close(struct redis_tls **tls)
{
	*tls = NULL;
}
