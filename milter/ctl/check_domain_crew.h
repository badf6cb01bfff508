/* check_domain_crew: several domains are checked at once, and come out in the
 * order of the list. Only so many are finished and not yet taken, so that
 * memory doesn't grow with the list. */
#ifndef MILTER_CTL_CHECK_DOMAIN_CREW_H
#define MILTER_CTL_CHECK_DOMAIN_CREW_H

#include "milter/ctl/check_domain.h"
#include "milter/ctl/check_domain_list.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum { CHECK_DOMAIN_CREW_MOST = 64 };

/* Check all of list with so many at once; take is given each row, in order,
 * and it is freed afterwards. False with words: no thread or no memory can be
 * had; the rows up to there were given. */
bool check_domain_crew(const struct check_domain_tools *tools,
    const struct check_domain_list *list, size_t at_once,
    void (*take)(void *context, const struct check_domain_row *row),
    void *context, struct fault *fault);

#endif
