/* resolver_place: a resolver with libunbound and the server that it asks. */
#ifndef TESTS_CONTRACT_RESOLVER_PLACE_H
#define TESTS_CONTRACT_RESOLVER_PLACE_H

#include "milter/io/resolver.h"
#include "tests/contract/dns_server.h"

#include <stddef.h>
#include <stdint.h>

enum {
	PLACE_CACHE_BYTES = 4 << 20,
	PLACE_LONG_MS = 60000, /* nothing here takes so long */
};

#define PLACE_A(text)                                        \
	{                                                    \
		.type = DNS_A, .ttl_s = 300, .value = (text) \
	}

struct resolver_place {
	struct dns_server *server;
	struct resolver *resolver;
};

/* Open both; the test fails where that can't be. rules: as dns_server_start()
 * takes them. */
void resolver_place_open(
    struct resolver_place *place, const struct dns_server_rule *rules);

void resolver_place_close(struct resolver_place *place);

/* A resolver alone, of these servers; NULL with words. */
struct resolver *resolver_place_open_at(
    const char *const *servers, size_t count, struct fault *fault);

/* Ask and wait for the answer. */
const struct dns_answer *resolver_place_await(
    struct resolver_asker *asker, const char *name, enum dns_type type);

/* What an asker of its own gets for the A records of name. */
enum dns_status resolver_place_status(
    struct resolver *resolver, const char *name, uint64_t timeout_ms);

#endif
