#include "tests/unit/zone_resolver.h"

#include "tests/fake/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <json-c/json.h>

enum { ARENA_BYTES = 16 * 1024 * 1024, CACHE_BYTES = 4 * 1024 * 1024 };

static void
start(void *context, struct resolver *resolver, uint64_t ticket,
    const struct dns_question *question)
{
	struct zone_resolver *zone = context;

	zone->asked++;
	resolver_told(
	    resolver, ticket, zone_answer(zone->zone, question, &zone->arena));
}

void
zone_resolver_open(struct zone_resolver *zone, const char *text)
{
	const struct resolver_rules rules = { .cache_bytes = CACHE_BYTES };
	const struct resolver_source source = { .start = start,
		.context = zone };
	struct fault fault;

	*zone = (struct zone_resolver){ .asked = 0 };
	arena_init(&zone->arena, ARENA_BYTES);
	zone->object = json_tokener_parse(text);
	assert_non_null(zone->object);
	zone->zone = zone_read(zone->object, &zone->arena);
	zone->resolver = resolver_open_with(&rules, &source, &fault);
	assert_non_null(zone->resolver);
}

void
zone_resolver_close(struct zone_resolver *zone)
{
	resolver_close(&zone->resolver);
	json_object_put(zone->object);
	arena_clear(&zone->arena);
}
