/* opendkim_pattern: the left side of a SigningTable's line, whom it is for.
 * For conf/opendkim alone. */
#ifndef CONF_OPENDKIM_PATTERN_H
#define CONF_OPENDKIM_PATTERN_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* Longest one: no address that is looked at is longer (ADDRESS_OCTETS). */
enum { OPENDKIM_PATTERN_OCTETS = 1024 };

/* Bring the left side of a plain file's line into the form in which it is
 * looked for: "user@host", "host", "user@.domain", ".domain", "user@*" or "*",
 * in lower case, with A-labels. *pattern_out lives in arena, or is text, which
 * is changed. False with words. */
bool opendkim_pattern_plain(struct arena *arena, char *text,
    const char **pattern_out, struct fault *fault);

/* The same for a line of a refile: text in which each "*" stands for anything,
 * nothing included. */
bool opendkim_pattern_glob(struct arena *arena, char *text,
    const char **pattern_out, struct fault *fault);

/* Does the pattern, of whose "*" there must be at least one, fit all of the
 * length octets of subject? Takes time in proportion to the two lengths. */
bool
opendkim_pattern_fits(const char *pattern, const char *subject, size_t length);

#endif
