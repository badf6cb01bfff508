/* snapshot: a configuration and what was made ready from it, shared by all
 * messages that began under it. Immutable once made; counted; the slot where
 * the current one lies is locked inside. */
#ifndef MILTER_SNAPSHOT_H
#define MILTER_SNAPSHOT_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <pthread.h>
#include <stdatomic.h>

struct snapshot {
	struct conf *conf;
	atomic_size_t holders;
};

/* Where the current snapshot lies. */
struct snapshot_slot {
	pthread_mutex_t lock;
	struct snapshot *current;
};

/* Make a snapshot of conf, which is taken over (released on failure too). The
 * caller holds it. NULL with words. */
struct snapshot *snapshot_open(struct conf *conf, struct fault *fault);

/* Some options are begun with, and stay: call tell for each that next has
 * otherwise than began, with which the process began ("FILE:LINE: store.path:
 * takes effect at a restart"). */
void snapshot_list_waiting(const struct conf *next, const struct conf *began,
    void (*tell)(void *context, const char *words), void *context);

/* One holder less; the last one frees it. Empties the pointer; takes NULL. */
void snapshot_release(struct snapshot **snapshot);

/* An empty slot, taking over the caller's hold of first. */
void snapshot_slot_init(struct snapshot_slot *slot, struct snapshot *first);

/* The current snapshot, held for the caller. */
struct snapshot *snapshot_slot_hold(struct snapshot_slot *slot);

/* Put next (whose hold is taken over) in the place of the current one. */
void snapshot_slot_swap(struct snapshot_slot *slot, struct snapshot *next);

/* Empty the slot. */
void snapshot_slot_clear(struct snapshot_slot *slot);

#endif
