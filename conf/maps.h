/* maps: "key value" files in the form of Postfix's texthash: read whole,
 * checked, looked up. Immutable once read. */
#ifndef CONF_MAPS_H
#define CONF_MAPS_H

#include "policy/account.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stddef.h>

struct map;

/* Read a texthash file (postmap(1)'s input form: key, blanks, value; '#'
 * comments; a line that begins with a blank continues the one before). Keys
 * are folded to lower case and their domain part is normalised to A-labels.
 * NULL with words "FILE:LINE: ..." for an unreadable file, a key without a
 * value, or a key that is there twice with different values. */
struct map *map_open(const char *path, struct fault *fault);

/* The value of key (in lower case), or NULL. Any thread. */
const char *map_find(const struct map *map, const char *key);

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
