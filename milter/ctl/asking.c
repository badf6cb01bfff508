#include "milter/ctl/asking.h"

#include "milter/io/redis_pool.h"
#include "milter/io/tables.h"
#include "milter/resolving.h"
#include "milter/stores.h"

enum { ANSWERS = 1000 };

/* In section "sign", or of a class that signs. */
static bool
has_key_map(const struct conf *conf)
{
	for (int i = 0; i < CLASS_COUNT; i++)
		if (conf->classes[i].sign
		    && conf->classes[i].sign_conf.places.map != NULL)
			return true;
	return conf->sign.places.map != NULL;
}

static bool
open_map(struct asking *asking, struct fault *fault)
{
	const struct conf *conf = asking->conf;

	if (conf->egress_map == NULL && !has_key_map(conf))
		return true;
	if (!stores_open_pool(asking->conf, &asking->pool, fault))
		return false;
	asking->tables = tables_open(ANSWERS, asking->pool);
	if (asking->tables == NULL)
		fault_memory(fault);
	return asking->tables != NULL;
}

bool
asking_open(struct asking *asking, const struct conf *conf, struct fault *fault)
{
	*asking = (struct asking){ .conf = conf };
	return resolving_open(conf, &asking->suffixes, &asking->resolver, fault)
	    && open_map(asking, fault);
}

struct resolver_asker *
asking_begin(const struct asking *asking)
{
	return resolver_begin(asking->resolver, asking->conf->dns.timeout_ms);
}

void
asking_close(struct asking *asking)
{
	tables_close(&asking->tables);
	redis_pool_close(&asking->pool);
	resolving_close(&asking->suffixes, &asking->resolver);
}
