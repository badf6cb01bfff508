/* keys_domain: a look into one domain's key directory: what is there, and
 * whether it is still what was there before. Remembers nothing. Private to
 * keys. */
#ifndef MILTER_IO_KEYS_DOMAIN_H
#define MILTER_IO_KEYS_DOMAIN_H

#include "milter/io/keys_look.h"

/* Can domain be a directory's name here: a normalised domain and no path? */
bool keys_domain_is_name(const char *domain);

/* Look what keys there are in directory/domain, and read them. */
void keys_domain_look(
    const char *directory, const char *domain, struct key_look *look_out);

/* Is directory/domain as a settled look without fault found it? set is that
 * look's, and may be NULL. Reads no file, and doesn't look at directory itself.
 */
bool keys_domain_is_as_before(
    const char *directory, const char *domain, const struct key_set *set);

/* Is there a ".private" file, usable or not, or a fault on the way to it? */
bool keys_domain_has(const char *directory, const char *domain);

/* Is directory there and safe from others' writing? */
bool keys_directory_is_safe(const char *directory, struct fault *fault);

#endif
