/* store_redis_charge: charging, and giving back: the charges of a message laid
 * out for the script, and its answer read. */
#ifndef MILTER_IO_STORE_REDIS_CHARGE_H
#define MILTER_IO_STORE_REDIS_CHARGE_H

#include "milter/io/store_redis_call.h"

/* Append a window of a call: its key, its length, and how many entries of
 * numbers are to follow. */
void store_redis_put_window(struct store_redis *redis, struct redis_call *call,
    const struct limit *limit, const char *key, size_t count);

/* See store_charge() and store_refund(). Any thread. */
bool store_redis_charge(struct store *store, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out, struct fault *fault);
bool store_redis_refund(struct store *store, const struct charge *charges,
    const struct charge_answer *answers, size_t count,
    const struct store_receipt *receipt, struct fault *fault);

#endif
