/* suffixes: organizational domains by the public suffix list (RFC 7489 §3.2),
 * libpsl's. Immutable once open: any thread. */
#ifndef MILTER_IO_SUFFIXES_H
#define MILTER_IO_SUFFIXES_H

#include "policy/fault.h"

#include <stdbool.h>

struct suffixes;

/* Read the list: file (Debian's package publicsuffix, DAFSA or text), or with
 * NULL the newest that libpsl finds, its built-in one included. NULL with
 * words. */
struct suffixes *suffixes_open(const char *file, struct fault *fault);

/* The organizational domain of domain (normalised): its public suffix and one
 * label more, pointing into domain; domain itself if it is a public suffix. A
 * top-level domain that the list doesn't know is a public suffix. suffixes may
 * be NULL: then NULL. */
const char *suffixes_org(const struct suffixes *suffixes, const char *domain);

/* Is domain (normalised) one under which anybody may register (co.uk)? Those
 * that companies offer (blogspot.com) are domains of their own, and a top-level
 * domain that the list doesn't know is none. suffixes may be NULL: then false.
 */
bool suffixes_is_public(const struct suffixes *suffixes, const char *domain);

/* Free it. Empties the pointer; takes NULL. */
void suffixes_close(struct suffixes **suffixes);

#endif
