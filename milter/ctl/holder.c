#include "milter/ctl/holder.h"

#include "milter/stores.h"

enum { ANSWERS = 1000 };

bool
holder_open(struct holder *holder, const struct conf *conf, struct fault *fault)
{
	*holder = (struct holder){ .conf = conf };
	if (conf->account_maps.map == NULL)
		return true;
	if (!stores_open_pool(conf, &holder->pool, fault))
		return false;
	holder->tables = tables_open(ANSWERS, holder->pool);
	if (holder->tables == NULL)
		fault_memory(fault);
	return holder->tables != NULL;
}

bool
holder_find(struct holder *holder, struct account *account, struct arena *arena,
    struct fault *fault)
{
	const struct accounts_conf *maps = &holder->conf->account_maps;
	const char *keys[ACCOUNT_MAP_KEYS];
	const char *value = NULL;
	struct account_entry entry;
	bool is_stale;
	size_t count;

	if (holder->tables == NULL)
		return true;
	if (!account_map_keys(account, arena, keys, &count)) {
		fault_memory(fault);
		return false;
	}
	for (size_t i = 0; i < count && value == NULL; i++)
		if (!tables_find(holder->tables, maps->map, keys[i],
			maps->map_ttl_ms, arena, &value, &is_stale, fault))
			return false;
	if (value == NULL)
		return true;
	if (!account_entry_parse(value,
		holder->conf->accounts.is_case_sensitive, arena, &entry,
		fault)) {
		fault_prefix(fault, "accounts.map: ");
		return false;
	}
	account_apply(account, &entry);
	return true;
}

/* As the daemon takes it: a plan that isn't there is as if none was named. */
const struct plan *
holder_plan(const struct conf *conf, const struct account *account)
{
	const struct plan *plan = NULL;

	if (account->plan != NULL)
		plan = limits_plan(&conf->limits, account->plan);
	return plan != NULL ? plan : conf->limits.default_plan;
}

void
holder_close(struct holder *holder)
{
	tables_close(&holder->tables);
	redis_pool_close(&holder->pool);
}
