/* store_guard_state: what the files of store_guard have together. Nobody else
 * includes it. */
#ifndef MILTER_IO_STORE_GUARD_STATE_H
#define MILTER_IO_STORE_GUARD_STATE_H

#include "milter/io/store_guard.h"
#include "milter/io/store_guard_record.h"
#include "milter/io/store_journal.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* While is_up, calls go to the store inside, each counted in users. The call
 * that fails first ends that. From then on nobody enters; whoever tends first
 * after probe_at_ms (is_probing keeps out the second) waits for the last user
 * to be gone, closes the store, opens it anew, tells it what it missed, and
 * lets the others in again. The lock is never held across a call of a store. */
struct store_guard {
	struct store store; /* first */
	store_opener *opener;
	void *context;
	struct store *local;
	struct guard_rules rules;
	struct guard_record *record; /* NULL without has_local */

	pthread_mutex_t lock; /* of all that follows */
	struct store *inner;
	size_t users;
	bool is_up;
	bool is_probing;
	uint64_t since_ms;
	uint64_t probe_at_ms;
	struct journal *journal; /* by local's clock */
	bool is_mirroring;
	bool is_mirrored; /* local has the overrides of mirrored_epoch */
	uint64_t mirrored_epoch;
	uint64_t mirror_at_ms;
	char words[FAULT_WORDS_BYTES]; /* of the last failure */
};

/* May this call go to the store inside? Then it is to be left. NULL: no. */
struct store *guard_enter(struct store_guard *guard);

/* Leave it; failed: with what it couldn't be asked, NULL: it could. */
void guard_leave(struct store_guard *guard, const struct fault *failed);

/* Leave the store inside after a call that may have failed with a fault. One
 * that is not about the store being away, but about this call, opens nothing
 * as long as the store answers. */
void guard_end(struct store_guard *guard, struct store *inner, bool is_done,
    const struct fault *failed);

/* Tell on_change. */
void
guard_change(const struct store_guard *guard, bool is_up, const char *words);

/* Keep the words of a failure, and when to try again. With the lock held. */
void guard_note_failure(struct store_guard *guard, const struct fault *fault);

/* Open the store inside, and see whether it can write. NULL with words. */
struct store *guard_open_inner(
    struct store_guard *guard, struct fault *notice, struct fault *fault);

/* store_class.tend. */
void guard_tend(struct store *store);

#endif
