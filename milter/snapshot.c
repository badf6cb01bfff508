#include "milter/snapshot.h"

#include "milter/io/signer.h"

#include <stdlib.h>

/* Can signatures be made as the classes and the domains' own blocks want them?
 */
static bool
check_rules(const struct conf *conf, struct fault *fault)
{
	for (size_t i = 0; i < CLASS_COUNT; i++)
		if (i != CLASS_INBOUND && conf->classes[i].sign
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
