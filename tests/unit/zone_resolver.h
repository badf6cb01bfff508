/* zone_resolver: a resolver whose answers come out of a zone in memory
 * (tests/fake/zone.h), at once. One user at a time. */
#ifndef TESTS_UNIT_ZONE_RESOLVER_H
#define TESTS_UNIT_ZONE_RESOLVER_H

#include "milter/io/resolver.h"
#include "policy/arena.h"

#include <stddef.h>

struct json_object;
struct zone;

struct zone_resolver {
	struct arena arena;
	struct json_object *object;
	struct zone *zone;
	struct resolver *resolver;
	size_t asked; /* questions that came to the zone */
};

/* Open it with the zone that text (JSON) is. A mistake ends the test. */
void zone_resolver_open(struct zone_resolver *zone, const char *text);

/* Close it; no asker may be left. */
void zone_resolver_close(struct zone_resolver *zone);

#endif
