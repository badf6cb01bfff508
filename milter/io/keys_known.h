/* keys_known: the cache of parsed keys, shared by all threads: what is asked
 * for is answered from it, or looked for by whoever asks. While one looks
 * again, others go on with what was known. Locked inside: any thread. Private
 * to keys. */
#ifndef MILTER_IO_KEYS_KNOWN_H
#define MILTER_IO_KEYS_KNOWN_H

#include "milter/io/keys_ask.h"

struct keys_known;

/* As keys_open() and keys_set_clock(). */
struct keys_known *keys_known_open(size_t most, struct tables *tables);
void keys_known_set_clock(struct keys_known *known,
    uint64_t (*clock_ms)(void *context), void *context);

/* The time by its clock. */
uint64_t keys_known_now_ms(const struct keys_known *known);

/* Make a question about name in a place; name and map are borrowed. place is a
 * directory's name, else "". False: no memory. */
bool keys_known_question(struct keys_known *known, enum key_place_kind kind,
    const char *place, const struct map_source *map, const char *name,
    struct key_question *question_out);

/* The keys of one entry, held; NULL: there are none. False with words. */
bool
keys_known_find(struct keys_known *known, const struct key_question *question,
    struct key_set **set_out, struct fault *fault);

/* Has one entry anything, good or bad? */
bool
keys_known_has(struct keys_known *known, const struct key_question *question);

/* keys_set_borrow(), which makes one more holder. */
bool keys_known_borrow(struct keys_known *known, struct key_set *set,
    const char *selector, struct key_set *lender);

/* One holder less. Empties the pointer; takes NULL. */
void keys_known_drop(struct keys_known *known, struct key_set **set);

/* Lend a held set to a caller of keys, and take it back. Takes NULL. */
const struct key_ring *
keys_known_lend(struct keys_known *known, struct key_set *set);
void keys_known_return(struct keys_known *known, const struct key_ring **ring);

/* Ask maps anew. */
void keys_known_forget(struct keys_known *known);

/* Free it; nothing may be held or lent. Empties the pointer; takes NULL. */
void keys_known_close(struct keys_known **known);

#endif
