/* resolver_context: a context of libunbound, set up as resolver_unbound needs
 * it. */
#ifndef MILTER_IO_RESOLVER_CONTEXT_H
#define MILTER_IO_RESOLVER_CONTEXT_H

#include "milter/io/resolver.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct ub_ctx;

enum {
	RESOLVER_SERVERS = 16,
	RESOLVER_SERVER_BYTES = 128,
	RESOLVER_CLASS_IN = 1,
};

/* What contexts are opened by. Mere data. */
struct resolver_setup {
	char servers[RESOLVER_SERVERS][RESOLVER_SERVER_BYTES];
	size_t server_count;
	bool is_named;      /* they come from the rules */
	char *trust_anchor; /* NULL: no validation */
};

/* Fill *setup_out, zeroed, from rules; resolv.conf is read here. False with
 * words. To be cleared in either case. */
bool resolver_setup_init(struct resolver_setup *setup_out,
    const struct resolver_rules *rules, struct fault *fault);

/* Give back what it holds. Takes a zeroed one. */
void resolver_setup_clear(struct resolver_setup *setup);

/* A context whose thread runs, with the signals blocked that the caller's
 * thread has blocked. To be freed by ub_ctx_delete(). NULL with words. */
struct ub_ctx *
resolver_context_open(const struct resolver_setup *setup, struct fault *fault);

#endif
