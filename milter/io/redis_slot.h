/* redis_slot: which of a cluster's slots a key has. Pure. */
#ifndef MILTER_IO_REDIS_SLOT_H
#define MILTER_IO_REDIS_SLOT_H

enum { REDIS_SLOTS = 16384 };

/* The slot of key: that of what stands between its first '{' and the next '}',
 * if there is something. Any thread. */
unsigned redis_slot(const char *key);

#endif
