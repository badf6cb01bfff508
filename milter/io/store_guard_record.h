/* store_guard_record: what the store inside a guard has counted, on its way
 * into the guard's local store, so that there is something to go by when the
 * one inside is gone. Noting is done in memory, in a message's way; telling the
 * local store is done beside it. Locked inside: any thread. */
#ifndef MILTER_IO_STORE_GUARD_RECORD_H
#define MILTER_IO_STORE_GUARD_RECORD_H

#include "milter/io/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guard_record;

/* An empty record that keeps at most most counts until they are told. local is
 * borrowed. NULL: no memory. */
struct guard_record *guard_record_open(struct store *local, size_t most);

/* Note what was counted of a message; refuses: its refusal. receipt->local_ms
 * is set, for guard_record_take_back(). */
void guard_record_note(struct guard_record *record,
    const struct charge *charges, const struct charge_answer *answers,
    size_t count, bool refuses, struct store_receipt *receipt);

/* Note that it was given back. What the local store knows already is taken out
 * of it with the next guard_record_tell(). */
void guard_record_take_back(struct guard_record *record,
    const struct charge *charges, const struct charge_answer *answers,
    size_t count, const struct store_receipt *receipt);

/* Strike out what stands for key under limit. */
void guard_record_forget(
    struct guard_record *record, const struct limit *limit, const char *key);

/* Tell the local store all of it. On return it knows whatever was noted before
 * the call, also what other threads were about to tell it; unless it fails:
 * what is left is told the next time. */
bool guard_record_tell(struct guard_record *record, struct fault *fault);

/* How many counts were too many to keep, since this was last asked. */
size_t guard_record_lost(struct guard_record *record);

/* Free it. Empties the pointer; takes NULL. */
void guard_record_close(struct guard_record **record);

#endif
