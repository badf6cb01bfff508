/* tables: looks things up in the sources that maps may have beside a file read
 * with the configuration: LMDB files as postmap(1) makes them, Redis hashes,
 * and servers that speak Postfix's socketmap protocol. Answers, also that there
 * is none, are kept for a while, a bounded number of them; where a source can't
 * be asked what it said last holds on. Locked inside: any thread. */
#ifndef MILTER_IO_TABLES_H
#define MILTER_IO_TABLES_H

#include "conf/conf.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct redis_pool;
struct tables;

/* An entry of a source that is being listed. */
struct table_entry {
	const char *key;   /* as it is there: it needn't be one that is found */
	const char *value; /* NULL: it can't be had */
	const char *trouble; /* why; names neither key nor source */
};

/* Empty tables that keep at most answers_max answers. redis is borrowed and
 * may be NULL: then Redis hashes can't be asked. NULL: no memory. */
struct tables *tables_open(size_t answers_max, struct redis_pool *redis);

/* Another clock, in milliseconds, for tests; before anything else. */
void tables_set_clock(
    struct tables *tables, uint64_t (*clock_ms)(void *context), void *context);

/* The value of key in source, in the arena; NULL if it has none. key is in
 * lower case, as maps have it. An answer is asked for again after ttl_ms. A
 * server that can't be asked is tried again twice a second by one caller; no
 * other waits for it meanwhile. *is_stale_out: the source couldn't be asked,
 * and this is what it said before. False with words: it couldn't be asked or
 * didn't want to answer, and nothing is known (FAULT_TEMPORARY; FAULT_PERMANENT
 * if it said so), or no memory. */
bool tables_find(struct tables *tables, const struct map_source *source,
    const char *key, uint64_t ttl_ms, struct arena *arena,
    const char **value_out, bool *is_stale_out, struct fault *fault);

/* Can all of source be listed? A socketmap answers for a key at a time. False
 * with words. */
bool tables_may_list(const struct map_source *source, struct fault *fault);

/* Call take for each entry of source, in no order, until it says false; both
 * last as long as the call. The source is asked, step by step, whatever it said
 * before, and nothing is kept of it: values may be private keys, and are wiped.
 * What changes meanwhile may be seen or not, and Redis may give an entry twice.
 * False with words: it can't be listed, or not to its end. */
bool tables_each(struct tables *tables, const struct map_source *source,
    bool (*take)(void *context, const struct table_entry *entry), void *context,
    struct fault *fault);

/* Have all answers asked for anew (a reload). Where a source can't be asked now
 * what it said last still holds. */
void tables_forget(struct tables *tables);

/* Close connections that nobody has used for a while. To be called about once
 * a second. */
void tables_tend(struct tables *tables);

/* Close them. Empties the pointer; takes NULL. No call may be under way. */
void tables_close(struct tables **tables);

#endif
