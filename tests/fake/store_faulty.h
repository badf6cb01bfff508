/* store_faulty: a store around a store that fails or waits on command. */
#ifndef TESTS_FAKE_STORE_FAULTY_H
#define TESTS_FAKE_STORE_FAULTY_H

#include "milter/io/store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* The commands, in the caller's memory; they outlive the store. Locked
 * inside. */
struct faulty {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_failing;
	bool is_odd;
	bool is_holding;
	size_t held_most;
	size_t held;   /* calls that wait now */
	size_t calls;  /* calls so far, tending left out */
	size_t closed; /* stores that were closed */
};

void faulty_init(struct faulty *faulty);
void faulty_clear(struct faulty *faulty);

/* From now on calls fail, or no longer do. */
void faulty_fail(struct faulty *faulty, bool is_failing);

/* The next call alone fails, and for good: with FAULT_PERMANENT. */
void faulty_fail_once(struct faulty *faulty);

/* From now on calls wait, or those that wait go on (and then do or fail, as
 * faulty_fail() said). */
void faulty_hold(struct faulty *faulty, bool is_holding);

/* The same of one call only; others pass by. */
void faulty_hold_one(struct faulty *faulty);

/* Wait until count calls are held. */
void faulty_wait_held(struct faulty *faulty, size_t count);

size_t faulty_calls(struct faulty *faulty);
size_t faulty_closed(struct faulty *faulty);

/* A store that owns inner. NULL for want of memory. */
struct store *store_faulty_open(struct store *inner, struct faulty *faulty);

#endif
