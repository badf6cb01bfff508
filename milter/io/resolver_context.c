#include "milter/io/resolver_context.h"

#include "milter/io/clock.h"
#include "policy/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unbound.h>
#include <unistd.h>

enum {
	START_MS = 10000, /* for libunbound's thread to say something */
	SOCKETS_MOST = 2048,
	SOCKETS_LEAST = 16,
	SOCKETS_PART = 4, /* of the process's descriptors: no more than 1/4 */
};

/* libunbound answers questions about these by itself, unless told not to. An
 * internal DNS may well have them. ("nodefault" would say it better, but
 * libunbound 1.17 misreads it when it comes as an option.) */
static const char *const own_zones[] = { "localhost.", "127.in-addr.arpa.",
	("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	 "ip6.arpa."),
	"home.arpa.", "onion.", "test.", "invalid.", "resolver.arpa.",
	"service.arpa." };

struct option {
	const char *name;
	const char *value;
};

static const struct option options[] = {
	{ "verbosity:", "0" },
	{ "use-syslog:", "no" },
	/* The reverse zones of private and documentation addresses. */
	{ "unblock-lan-zones:", "yes" },
	{ "insecure-lan-zones:", "yes" },
	{ "do-not-query-localhost:", "no" },
	{ "qname-minimisation:", "no" }, /* the servers do that for us */
	{ "rrset-roundrobin:", "no" },   /* the order of the answer */
	{ "edns-buffer-size:", "1232" },
	/* What has the answer to a question is resolver's cache; this one has
	 * what leads to answers. */
	{ "msg-cache-size:", "4m" },
	{ "rrset-cache-size:", "4m" },
	{ "key-cache-size:", "4m" },
	{ "neg-cache-size:", "1m" },
	{ "msg-cache-slabs:", "1" },
	{ "rrset-cache-slabs:", "1" },
	{ "outgoing-num-tcp:", "32" },
	{ "num-queries-per-thread:", "4096" },
	/* A question that a server is slow to answer, as it asks the dead
	 * servers of some customer, must not have it taken for dead itself:
	 * libunbound does so once its patience for it, which doubles with each
	 * time-out, is above 12 s. It forgets it sooner than that. And as a
	 * quick answer to another question makes the patience short again, it
	 * has a least that makes the ten times a question is sent last longer
	 * than a message waits. */
	{ "infra-host-ttl:", "5" },
	{ "infra-cache-min-rtt:", "600" },
};

/* ---- the servers ---- */

static bool
add_server(struct resolver_setup *setup, const char *server, size_t length)
{
	char *space;

	if (setup->server_count == RESOLVER_SERVERS || length == 0
	    || length >= RESOLVER_SERVER_BYTES)
		return false;
	space = setup->servers[setup->server_count];
	memcpy(space, server, length);
	space[length] = '\0';
	setup->server_count++;
	return true;
}

/* The "nameserver" lines of resolv.conf(5); what isn't one is none of ours. */
static void
read_resolv_conf(struct resolver_setup *setup, FILE *file)
{
	static const char word[] = "nameserver";
	static const char blank[] = " \t\r\n";
	char line[512];

	while (fgets(line, sizeof(line), file) != NULL) {
		const char *rest = line + strspn(line, blank);

		if (strncmp(rest, word, sizeof word - 1) != 0)
			continue;
		rest += sizeof word - 1;
		if (strspn(rest, " \t") == 0)
			continue;
		rest += strspn(rest, blank);
		(void)add_server(setup, rest, strcspn(rest, blank));
	}
}

static bool
find_servers(struct resolver_setup *setup, const struct resolver_rules *rules,
    struct fault *fault)
{
	const char *path = rules->resolv_conf != NULL ? rules->resolv_conf
						      : "/etc/resolv.conf";
	FILE *file;

	for (size_t i = 0; i < rules->server_count; i++)
		if (!add_server(
			setup, rules->servers[i], strlen(rules->servers[i]))) {
			fault_set(fault, FAULT_PERMANENT,
			    "%s: not an address, or one of more than %d "
			    "servers",
			    rules->servers[i], RESOLVER_SERVERS);
			return false;
		}
	setup->is_named = setup->server_count > 0;
	if (setup->is_named)
		return true;
	file = fopen(path, "re");
	if (file == NULL && rules->resolv_conf != NULL) {
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", path, strerror(errno));
		return false;
	}
	if (file != NULL) {
		read_resolv_conf(setup, file);
		(void)fclose(file);
	}
	/* What resolv.conf(5) says of a file that names none. */
	if (setup->server_count == 0)
		(void)add_server(setup, "127.0.0.1", strlen("127.0.0.1"));
	return true;
}

/* ---- a context of libunbound ---- */

/* Each question on its way over UDP has a socket of its own (RFC 5452), for as
 * long as the server is silent; where there is none left all others wait. But
 * no more than a part of what the process may have. */
static void
sockets_text(char *space, size_t size)
{
	struct rlimit limit = { .rlim_cur = SOCKETS_LEAST * SOCKETS_PART };
	rlim_t sockets;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	sockets = limit.rlim_cur / SOCKETS_PART;
	if (sockets > SOCKETS_MOST)
		sockets = SOCKETS_MOST;
	if (sockets < SOCKETS_LEAST)
		sockets = SOCKETS_LEAST;
	(void)snprintf(space, size, "%u", (unsigned)sockets);
}

static bool
set_option(struct ub_ctx *context, const char *name, const char *value,
    struct fault *fault)
{
	int status = ub_ctx_set_option(context, name, value);

	if (status == 0)
		return true;
	fault_set(fault, FAULT_PERMANENT, "libunbound: %s %s: %s", name, value,
	    ub_strerror(status));
	return false;
}

static bool
set_options(struct ub_ctx *context, bool validates, struct fault *fault)
{
	char sockets[16];
	char zone[128];

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (!set_option(
			context, options[i].name, options[i].value, fault))
			return false;
	for (size_t i = 0; i < sizeof(own_zones) / sizeof(*own_zones); i++) {
		(void)snprintf(
		    zone, sizeof(zone), "%s transparent", own_zones[i]);
		if (!set_option(context, "local-zone:", zone, fault))
			return false;
	}
	sockets_text(sockets, sizeof(sockets));
	return set_option(context, "outgoing-range:", sockets, fault)
	    && set_option(context,
		"module-config:", validates ? "validator iterator" : "iterator",
		fault);
}

/* Is what follows an '@' a port? libunbound takes any number for one. */
static bool
has_port(const char *server)
{
	const char *at = strchr(server, '@');
	uint64_t port;

	return at == NULL || text_number(at + 1, 1, UINT16_MAX, &port);
}

/* All servers that were named must be good ones; of resolv.conf at least one,
 * as it may have forms that libunbound doesn't know. */
static bool
set_servers(const struct resolver_setup *setup, struct ub_ctx *context,
    struct fault *fault)
{
	size_t count = 0;

	for (size_t i = 0; i < setup->server_count; i++) {
		const char *server = setup->servers[i];

		if (has_port(server) && ub_ctx_set_fwd(context, server) == 0)
			count++;
		else
			fault_set(fault, FAULT_PERMANENT,
			    "%s: not the address of a server; write it like "
			    "192.0.2.1, 192.0.2.1@5353 or 2001:db8::1",
			    server);
	}
	return setup->is_named ? count == setup->server_count : count > 0;
}

static void
on_start(void *context, int status, struct ub_result *result)
{
	int *status_out = context;

	*status_out = status;
	ub_resolve_free(result);
}

/* Have libunbound start its thread, and hear from it. It is asked for what is
 * no name, which it sends nobody. A failure may leave a thread that is there
 * or not, which libunbound doesn't know either: then the context is left, as
 * to delete it could end the process. */
static bool
start_thread(const struct resolver_setup *setup, struct ub_ctx **context,
    struct fault *fault)
{
	uint64_t until_ms = clock_monotonic_ms() + START_MS;
	int answer = 1; /* none yet */
	int status = ub_resolve_async(
	    *context, "..", DNS_A, RESOLVER_CLASS_IN, &answer, on_start, NULL);

	if (status == UB_INITFAIL && setup->trust_anchor != NULL) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: no trust anchor; it should hold DS or DNSKEY records "
		    "as in a zone file",
		    setup->trust_anchor);
		return false;
	}
	if (status != 0) {
		fault_set(fault, FAULT_TEMPORARY, "libunbound: %s",
		    ub_strerror(status));
		return false;
	}
	while (answer == 1 && clock_monotonic_ms() < until_ms) {
		struct pollfd ready = { .fd = ub_fd(*context),
			.events = POLLIN };

		(void)poll(&ready, 1, 100);
		(void)ub_process(*context);
	}
	if (answer != 1)
		return true;
	*context = NULL;
	fault_set(
	    fault, FAULT_TEMPORARY, "libunbound: its thread doesn't start");
	return false;
}

bool
resolver_setup_init(struct resolver_setup *setup_out,
    const struct resolver_rules *rules, struct fault *fault)
{
	const char *anchor = rules->trust_anchor;

	if (!find_servers(setup_out, rules, fault))
		return false;
	if (anchor == NULL || *anchor == '\0')
		return true;
	if (access(anchor, R_OK) != 0) {
		fault_set(
		    fault, FAULT_PERMANENT, "%s: %s", anchor, strerror(errno));
		return false;
	}
	setup_out->trust_anchor = strdup(anchor);
	if (setup_out->trust_anchor == NULL)
		fault_memory(fault);
	return setup_out->trust_anchor != NULL;
}

void
resolver_setup_clear(struct resolver_setup *setup)
{
	free(setup->trust_anchor);
	*setup = (struct resolver_setup){ 0 };
}

/* Can the pipes of a context be had? Where not libunbound 1.17 says so too, but
 * loses memory over it. */
static bool
has_descriptors(void)
{
	int one[2], other[2];
	bool is_good = false;

	if (pipe2(one, O_CLOEXEC) != 0)
		return false;
	if (pipe2(other, O_CLOEXEC) == 0) {
		is_good = true;
		(void)close(other[0]);
		(void)close(other[1]);
	}
	(void)close(one[0]);
	(void)close(one[1]);
	return is_good;
}

struct ub_ctx *
resolver_context_open(const struct resolver_setup *setup, struct fault *fault)
{
	struct ub_ctx *context = has_descriptors() ? ub_ctx_create() : NULL;

	if (context == NULL) {
		fault_set(
		    fault, FAULT_TEMPORARY, "libunbound: %s", strerror(errno));
		return NULL;
	}
	(void)ub_ctx_debugout(context, NULL);
	if (set_options(context, setup->trust_anchor != NULL, fault)
	    && set_servers(setup, context, fault)) {
		(void)ub_ctx_async(context, 1);
		if (setup->trust_anchor != NULL)
			(void)ub_ctx_add_ta_file(context, setup->trust_anchor);
		if (start_thread(setup, &context, fault))
			return context;
	}
	ub_ctx_delete(context);
	return NULL;
}
