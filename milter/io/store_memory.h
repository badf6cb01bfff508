/* store_memory: the store's promise in this process's memory only: what a
 * relay has left when its store is gone, and what a look-only command has when
 * there is none. Bounded: when full, the key that is idle longest goes;
 * new recipients have a bound of their own (store_memory_recipients.h). */
#ifndef MILTER_IO_STORE_MEMORY_H
#define MILTER_IO_STORE_MEMORY_H

#include "milter/io/store.h"

#include <stddef.h>
#include <stdint.h>

/* A store for at most key_max keys. clock_ms as in store_lmdb_set_clock();
 * NULL: the system's. NULL for want of memory. */
struct store *store_memory_open(
    size_t key_max, uint64_t (*clock_ms)(void *context), void *context);

#endif
