/* rotate_publish: puts records into the DNS and takes them out, by nsupdate(1)
 * or by a program of the provider's. */
#ifndef MILTER_CTL_ROTATE_PUBLISH_H
#define MILTER_CTL_ROTATE_PUBLISH_H

#include "conf/conf.h"
#include "milter/ctl/rotate_check.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>

enum { ROTATE_PUBLISH_TTL_S = 3600 };

/* Can this way be gone, by what conf says? False with words that name the
 * option to set. */
bool rotate_publish_can(
    enum rotate_way way, const struct conf *conf, struct fault *fault);

/* Add (is_added) or remove a record, at its own name and nowhere else: where an
 * alias there leads is the customer's say, and may be another's. zone is the
 * zone of that name, or NULL: not known. record->text may be NULL where it is
 * removed. False with words: FAULT_TEMPORARY if it is to be tried again,
 * FAULT_PERMANENT if the program refuses. ROTATE_PRINT does nothing. Any
 * thread. */
bool rotate_publish(enum rotate_way way, const struct rotate_conf *conf,
    const struct rotate_record *record, const char *zone, bool is_added,
    struct arena *arena, struct fault *fault);

/* What nsupdate(1) is told; NULL with words: a name in it isn't one that can be
 * written, or no memory. */
const char *rotate_publish_commands(const struct rotate_conf *conf,
    const struct rotate_record *record, const char *zone, bool is_added,
    struct arena *arena, struct fault *fault);

#endif
