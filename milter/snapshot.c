#include "milter/snapshot.h"

#include <stdlib.h>

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
	for (size_t i = 0; i < CLASS_COUNT; i++) {
		const struct class_conf *class = &conf->classes[i];

		if (i == CLASS_INBOUND || !class->sign)
			continue;
		snapshot->libraries[i] =
		    signer_library_open(&class->sign_conf.rules, fault);
		if (snapshot->libraries[i] == NULL) {
			snapshot_release(&snapshot);
			return NULL;
		}
	}
	return snapshot;
}

void
snapshot_release(struct snapshot **snapshot)
{
	struct snapshot *old = *snapshot;

	*snapshot = NULL;
	if (old == NULL || atomic_fetch_sub(&old->holders, 1) > 1)
		return;
	for (size_t i = 0; i < CLASS_COUNT; i++)
		signer_library_close(&old->libraries[i]);
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
