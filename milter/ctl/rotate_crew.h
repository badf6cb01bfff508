/* rotate_crew: several threads that work on many domains. */
#ifndef MILTER_CTL_ROTATE_CREW_H
#define MILTER_CTL_ROTATE_CREW_H

#include "milter/ctl/check_domain_list.h"
#include "milter/ctl/rotate_steps.h"

#include <stdbool.h>
#include <stddef.h>

enum { ROTATE_CREW_MOST = 64 };

/* What is done with a domain, and with what became of it. */
struct rotate_job {
	const char *keys; /* the directory of all domains */
	struct rotate_row *(*work)(void *context, const char *domain);
	/* One at a time, as they come. */
	void (*take)(void *context, struct rotate_row *row);
	void *context;
};

/* Do job with every domain of list, at_once at a time (at most
 * ROTATE_CREW_MOST). False with words: no thread, or no memory, or, as
 * FAULT_PERMANENT, nothing can be written below keys (rotate_state_has_room()),
 * which every domain would fail by; then some were not done. */
bool rotate_crew(const struct rotate_job *job,
    const struct check_domain_list *list, size_t at_once, struct fault *fault);

#endif
