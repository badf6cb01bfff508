#include "milter/resolving.h"

bool
resolving_open(const struct conf *conf, struct suffixes **suffixes_out,
    struct resolver **resolver_out, struct fault *fault)
{
	struct resolver_rules rules = {
		.servers = conf->dns.servers,
		.server_count = conf->dns.server_count,
		.trust_anchor = conf->dns.trust_anchor,
		.cache_bytes = conf->dns.cache_bytes,
	};

	*resolver_out = NULL;
	*suffixes_out = suffixes_open(NULL, fault);
	if (*suffixes_out == NULL)
		return false;
	rules.suffixes = *suffixes_out;
	*resolver_out = resolver_open(&rules, fault);
	if (*resolver_out != NULL)
		return true;
	fault_prefix(fault, "%s: ", conf_where(conf, "dns", "servers"));
	suffixes_close(suffixes_out);
	return false;
}

void
resolving_close(struct suffixes **suffixes, struct resolver **resolver)
{
	resolver_close(resolver);
	suffixes_close(suffixes);
}
