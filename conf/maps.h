/* maps: "key value" files in the form of Postfix's texthash: read whole,
 * checked, looked up. Immutable once read. */
#ifndef CONF_MAPS_H
#define CONF_MAPS_H

#include "policy/account.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

struct map;

/* Called with a fault of a map: "FILE:LINE: ...". */
typedef void map_complain(void *context, const struct fault *fault);

/* Read a texthash file (postmap(1)'s input form: key, blanks, value; '#'
 * comments; a line that begins with a blank continues the one before). Keys
 * are folded to lower case and their domain part is normalised to A-labels.
 * complain is called for each fault: an unreadable file, a key without a value
 * (form is what to write: "address login"), a key that is there twice with
 * different values, no memory. Lines at fault are left out; NULL if none can
 * be read at all. */
struct map *map_read(
    const char *path, const char *form, map_complain *complain, void *context);

/* The same, all or nothing: NULL with the first of its faults. */
struct map *map_open(const char *path, struct fault *fault);

/* The value of key (in lower case), or NULL. Any thread. */
const char *map_find(const struct map *map, const char *key);

/* Call take for each of its entries, in no order, until it says false. Any
 * thread. */
void map_each(const struct map *map,
    bool (*take)(void *context, const char *key, const char *value),
    void *context);

/* How many keys it has. */
size_t map_size(const struct map *map);

/* Free it. Empties the pointer; takes NULL. */
void map_close(struct map **map);

/* Read a file of lines "network account" (same form as above) into arena,
 * sorted longest prefix first. False with words "FILE:LINE: ...". */
bool map_networks(const char *path, struct arena *arena,
    const struct network_account **networks_out, size_t *count_out,
    struct fault *fault);

#endif
