#include "milter/snapshot.h"

#include "milter/io/signer.h"

#include <stdlib.h>
#include <string.h>

/* Can signatures be made as the classes and the domains' own blocks want them?
 */
static bool
check_rules(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if (conf->classes[i].sign
		    && !signer_check_rules(
			&conf->classes[i].sign_conf.rules, fault))
			return false;
	for (size_t i = 0; i < conf->domain_count; i++) {
		struct signing_rules rules;

		conf_signing_rules(conf, &conf->classes[CLASS_SUBMISSION],
		    conf->domains[i].domain, &rules);
		if (signer_check_rules(&rules, fault))
			continue;
		fault_prefix(fault, "domain \"%s\": ", conf->domains[i].domain);
		return false;
	}
	return true;
}

struct snapshot *
snapshot_open(struct conf *conf, struct fault *fault)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (snapshot == NULL) {
		conf_release(&conf);
		fault_memory(fault);
		return NULL;
	}
	snapshot->conf = conf;
	atomic_init(&snapshot->holders, 1);
	if (!check_rules(conf, fault))
		snapshot_release(&snapshot);
	return snapshot;
}

/* An option that can't change while the process runs. */
struct begun_option {
	const char *section;
	const char *name;
	bool is_other;
};

static bool
are_other_texts(const char *one, const char *other)
{
	return strcmp(one, other) != 0;
}

static const char *
url_of(const struct conf *conf)
{
	return conf->store.url != NULL ? conf->store.url->shown : "";
}

static bool
are_other_servers(const struct dns_conf *one, const struct dns_conf *other)
{
	if (one->server_count != other->server_count)
		return true;
	for (size_t i = 0; i < one->server_count; i++)
		if (strcmp(one->servers[i], other->servers[i]) != 0)
			return true;
	return false;
}

static void
tell_waiting(const struct conf *next, const struct begun_option *option,
    void (*tell)(void *context, const char *words), void *context)
{
	struct fault fault;

	fault_set(&fault, FAULT_NONE, "%s: %s%s%s: takes effect at a restart",
	    conf_where(next, option->section, option->name), option->section,
	    *option->section != '\0' ? "." : "", option->name);
	tell(context, fault.words);
}

void
snapshot_list_waiting(const struct conf *next, const struct conf *began,
    void (*tell)(void *context, const char *words), void *context)
{
	const struct store_conf *store = &next->store;
	const struct store_conf *old = &began->store;
	const struct begun_option options[] = {
		{ "", "listen", are_other_texts(next->listen, began->listen) },
		{ "", "socket_mode", next->socket_mode != began->socket_mode },
		{ "", "socket_group",
		    are_other_texts(next->socket_group, began->socket_group) },
		{ "", "control",
		    are_other_texts(next->control, began->control) },
		{ "", "user", are_other_texts(next->user, began->user) },
		{ "", "key_cache", next->key_cache != began->key_cache },
		{ "dns", "servers",
		    are_other_servers(&next->dns, &began->dns) },
		{ "dns", "trust_anchor",
		    are_other_texts(
			next->dns.trust_anchor, began->dns.trust_anchor) },
		{ "dns", "cache_size",
		    next->dns.cache_bytes != began->dns.cache_bytes },
		{ "store", "backend", store->backend != old->backend },
		{ "store", "path", are_other_texts(store->path, old->path) },
		{ "store", "size", store->size_bytes != old->size_bytes },
		{ "store", "url",
		    are_other_texts(url_of(next), url_of(began)) },
		{ "store", "password_file",
		    are_other_texts(store->password_file, old->password_file) },
		{ "store", "prefix",
		    are_other_texts(store->prefix, old->prefix) },
		{ "store", "timeout", store->timeout_ms != old->timeout_ms },
		{ "store", "on_failure", store->on_failure != old->on_failure },
		{ "store", "local_share",
		    store->local_share != old->local_share },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].is_other)
			tell_waiting(next, &options[i], tell, context);
}

void
snapshot_release(struct snapshot **snapshot)
{
	struct snapshot *old = *snapshot;

	*snapshot = NULL;
	if (old == NULL || atomic_fetch_sub(&old->holders, 1) > 1)
		return;
	conf_release(&old->conf);
	free(old);
}

void
snapshot_slot_init(struct snapshot_slot *slot, struct snapshot *first)
{
	pthread_mutex_init(&slot->lock, NULL);
	slot->current = first;
}

struct snapshot *
snapshot_slot_hold(struct snapshot_slot *slot)
{
	struct snapshot *snapshot;

	pthread_mutex_lock(&slot->lock);
	snapshot = slot->current;
	atomic_fetch_add(&snapshot->holders, 1);
	pthread_mutex_unlock(&slot->lock);
	return snapshot;
}

void
snapshot_slot_swap(struct snapshot_slot *slot, struct snapshot *next)
{
	struct snapshot *old;

	pthread_mutex_lock(&slot->lock);
	old = slot->current;
	slot->current = next;
	pthread_mutex_unlock(&slot->lock);
	snapshot_release(&old);
}

void
snapshot_slot_clear(struct snapshot_slot *slot)
{
	snapshot_release(&slot->current);
	pthread_mutex_destroy(&slot->lock);
}
