#include "tests/contract/resolver_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct resolver *
resolver_place_open_at(
    const char *const *servers, size_t count, struct fault *fault)
{
	const struct resolver_rules rules = { .servers = servers,
		.server_count = count,
		.cache_bytes = PLACE_CACHE_BYTES };

	return resolver_open(&rules, fault);
}

void
resolver_place_open(
    struct resolver_place *place, const struct dns_server_rule *rules)
{
	struct fault fault = { 0 };
	const char *servers[1];

	place->server = dns_server_start(rules);
	servers[0] = dns_server_address(place->server);
	place->resolver = resolver_place_open_at(servers, 1, &fault);
	if (place->resolver == NULL)
		fail_msg("resolver_open: %s", fault.words);
}

void
resolver_place_close(struct resolver_place *place)
{
	resolver_close(&place->resolver);
	dns_server_stop(&place->server);
}

const struct dns_answer *
resolver_place_await(
    struct resolver_asker *asker, const char *name, enum dns_type type)
{
	const struct dns_question question = { .name = name, .type = type };
	const struct dns_answer *answer;

	assert_non_null(asker);
	while ((answer = resolver_ask(asker, &question)) == NULL)
		(void)resolver_wait(asker);
	return answer;
}

enum dns_status
resolver_place_status(
    struct resolver *resolver, const char *name, uint64_t timeout_ms)
{
	struct resolver_asker *asker = resolver_begin(resolver, timeout_ms);
	enum dns_status status =
	    resolver_place_await(asker, name, DNS_A)->status;

	resolver_end(&asker);
	return status;
}
