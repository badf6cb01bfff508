/* zone_line: a TXT record as a line of a zone file (RFC 1035 §5.1), to be
 * published as it stands. Pure. */
#ifndef POLICY_ZONE_LINE_H
#define POLICY_ZONE_LINE_H

#include "policy/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum { ZONE_LINE_STRING_OCTETS = 255 }; /* of one string, RFC 1035 §3.3 */

/* Can name stand in a zone file as it is: labels of letters, digits, hyphen
 * and underscore, with no last dot? */
bool zone_line_is_name(const char *name);

/* The TXT record of name that holds the length octets at value, in as many
 * strings as it takes: "a.example. IN TXT "v=spf1 -all"", with several strings
 * in parentheses. Quotes, backslashes and what isn't printable ASCII are
 * escaped. zone_line_is_name() must hold for name. NULL: no memory. */
const char *zone_line_txt(
    struct arena *arena, const char *name, const char *value, size_t length);

#endif
