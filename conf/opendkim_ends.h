/* opendkim_ends: the lines of a SigningTable put together by the two ends of
 * their patterns, so that those that may fit an address are found in time that
 * grows with the address only. For conf/opendkim alone.
 *
 * An end is found by its octets in the index: first its tail alone, for each
 * tail that the address may have; then, where there are patterns with that
 * tail and something before their "*", each head. What is left has to be
 * compared only where there is something between two "*". */
#ifndef CONF_OPENDKIM_ENDS_H
#define CONF_OPENDKIM_ENDS_H

#include "conf/opendkim_lines.h"
#include "conf/opendkim_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Put the rules together, which were read from the lines of the file with
 * these numbers. Of a plain file those whose pattern was there before are
 * complained of, and dropped. False: no memory. */
bool opendkim_ends_make(struct opendkim_rules *rules,
    struct opendkim_lines *file, const uint32_t *lines);

/* The end with an empty head and this tail; NULL: there is none. */
const struct opendkim_end *
opendkim_ends_of_tail(const struct opendkim_rules *rules, const char *tail);

/* The end with this head, which isn't empty, and the tail of the end bare. */
const struct opendkim_end *
opendkim_ends_of_head(const struct opendkim_rules *rules,
    const struct opendkim_end *bare, const char *head);

#endif
