/* rotate_domain: what may be done with one domain's rotation: start it, carry
 * it on, cancel it, look at it. Each locks the domain for as long as it takes.
 * Any thread. */
#ifndef MILTER_CTL_ROTATE_DOMAIN_H
#define MILTER_CTL_ROTATE_DOMAIN_H

#include "milter/ctl/rotate_begin.h"
#include "milter/ctl/rotate_steps.h"

#include <stdbool.h>

/* Start a rotation of domain (normalised), and carry it on as far as it comes.
 * One that is under way is carried on instead, unless is_alone: then it is left
 * alone. NULL: no memory. */
struct rotate_row *rotate_domain_start(const struct rotate_tools *tools,
    const struct rotate_order *order, const char *domain, bool is_alone);

/* Carry the rotation of domain on. NULL: no memory. */
struct rotate_row *
rotate_domain_continue(const struct rotate_tools *tools, const char *domain);

/* Take back a rotation that hasn't switched, or new keys whose rotation has
 * lost its state. NULL: no memory. */
struct rotate_row *
rotate_domain_cancel(const struct rotate_tools *tools, const char *domain);

/* See how far it is; nothing is changed, nobody asked. NULL: no memory. */
struct rotate_row *
rotate_domain_look(const struct rotate_tools *tools, const char *domain);

#endif
