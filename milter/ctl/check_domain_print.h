/* check_domain_print: what `posternctl check-domain` says, line by line as it
 * is known, as a table or as one JSON object. */
#ifndef MILTER_CTL_CHECK_DOMAIN_PRINT_H
#define MILTER_CTL_CHECK_DOMAIN_PRINT_H

#include "milter/ctl/check_domain.h"
#include "milter/ctl/check_domain_list.h"
#include "milter/ctl/print.h"
#include "milter/io/fcrdns.h"

#include <stdbool.h>
#include <stddef.h>

/* An egress address as the DNS knows it. */
struct check_domain_egress {
	const struct egress *egress;
	struct fcrdns fcrdns;
};

/* What has been printed so far; mere data of this module. */
struct check_domain_report {
	bool is_json;
	const bool *is_used; /* of each profile: does it decide? */
	int width;           /* of the domains' column */
	size_t total;
	size_t printed;
	size_t counts[CHECK_DOMAIN_STATES];
	size_t warned; /* of those that are good */
	struct print_bar bar;
};

/* Begin: the addresses that mail leaves from (count of them), and the heading
 * for the domains of list. */
void check_domain_report_begin(struct check_domain_report *report,
    const struct check_domain_egress *egress, size_t count,
    const struct check_domain_list *list);

/* The next domain. */
void check_domain_report_row(
    struct check_domain_report *report, const struct check_domain_row *row);

/* The sums. is_whole: every domain of the list was given. */
void check_domain_report_end(struct check_domain_report *report, bool is_whole);

#endif
