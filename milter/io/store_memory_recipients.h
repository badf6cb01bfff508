/* store_memory_recipients: whom the keys of a store in memory have written to.
 * Bounded: when there is no more room, the key that wrote longest ago goes, and
 * its recipients are new again. One user at a time. */
#ifndef MILTER_IO_STORE_MEMORY_RECIPIENTS_H
#define MILTER_IO_STORE_MEMORY_RECIPIENTS_H

#include "policy/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_recipients;

/* None yet; NULL: no memory. */
struct memory_recipients *memory_recipients_open(void);

/* What a charge for new recipients costs. */
uint64_t memory_recipients_cost(
    const struct memory_recipients *recipients, const struct charge *charge);

/* Make room for a charge's recipients, so that memory_recipients_add() can't
 * fail. There is room for those of all charges of one message. False: no
 * memory. */
bool memory_recipients_make(
    struct memory_recipients *recipients, const struct charge *charge);

/* Remember them, and forget them. */
void memory_recipients_add(
    struct memory_recipients *recipients, const struct charge *charge);
void memory_recipients_forget(
    struct memory_recipients *recipients, const struct charge *charge);

/* Free it. Empties the pointer; takes NULL. */
void memory_recipients_close(struct memory_recipients **recipients);

#endif
