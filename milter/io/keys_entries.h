/* keys_entries: the keys that OpenDKIM's tables name. What is remembered is a
 * key by its file, or by its text, however many domains use it; the rings that
 * are lent give it their names. Private to keys. */
#ifndef MILTER_IO_KEYS_ENTRIES_H
#define MILTER_IO_KEYS_ENTRIES_H

#include "milter/io/keys_known.h"
#include "milter/io/keys_tables.h"

/* Where all that is known is. */
struct keys_entries {
	struct keys_known *known;
	struct keys_tables *tables;
};

/* keys_find(), keys_match() and keys_has() as far as the tables go; all of them
 * find nothing where places names none. */
bool keys_entries_find(const struct keys_entries *entries,
    const struct key_places *places, const char *domain,
    const struct key_ring **ring_out, struct fault *fault);
bool keys_entries_match(const struct keys_entries *entries,
    const struct key_places *places, const char *local_part, const char *domain,
    bool (*may_sign)(void *context, const char *key_domain), void *context,
    struct key_match matches_out[KEYS_MATCHES], size_t *count_out,
    struct fault *fault);
bool keys_entries_has(const struct keys_entries *entries,
    const struct key_places *places, const char *domain);

/* keys_release_match(). */
void keys_entries_return(
    const struct keys_entries *entries, struct key_match *match);

#endif
