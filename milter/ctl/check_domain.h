/* check_domain: is all that a domain needs published? What a receiver makes of
 * a message from it, signed by its keys here (check_domain_places()), with an
 * envelope sender of the same domain; and whether bounces find back to it. */
#ifndef MILTER_CTL_CHECK_DOMAIN_H
#define MILTER_CTL_CHECK_DOMAIN_H

#include "milter/ctl/asking.h"
#include "milter/ctl/opinion.h"
#include "milter/io/keys.h"
#include "policy/arena.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>

enum check_domain_state {
	CHECK_DOMAIN_GOOD,
	CHECK_DOMAIN_LATER, /* it can't be told now */
	CHECK_DOMAIN_WRONG,
	CHECK_DOMAIN_STATES,
};

/* Something to be told of a domain. */
struct check_domain_thing {
	const char *words; /* not cleaned */
	const char *mend;  /* a record to publish, or a phrase; NULL */
};

enum {
	/* Every reason of preflight, and what is found beside. */
	CHECK_DOMAIN_THINGS = 80,
	CHECK_DOMAIN_ARENA_BYTES = 32 * 1024 * 1024,
};

/* A domain that was checked. */
struct check_domain_row {
	struct arena arena; /* all of it */
	const char *domain;
	enum check_domain_state state;
	bool is_judged; /* then the next three are there */
	struct preflight_evidence evidence;
	struct preflight_judgement judgement;
	const struct dmarc_finding *finding; /* NULL: none */
	bool has_opinion;
	struct opinion opinion;
	const char *key_fault; /* why a key can't be used; NULL */
	struct check_domain_thing things[CHECK_DOMAIN_THINGS];
	size_t thing_count;
};

/* What all checks share. Any number of threads. */
struct check_domain_tools {
	const struct asking *asking;
	struct keys *keys;
	struct opinion_process *process; /* NULL: no second opinions */
};

/* Check one domain, as it was typed. NULL: no memory. */
struct check_domain_row *
check_domain_one(const struct check_domain_tools *tools, const char *typed);

/* Free it. Empties the pointer; takes NULL. */
void check_domain_row_free(struct check_domain_row **row);

/* "good", "later", "wrong". */
const char *check_domain_state_name(enum check_domain_state state);

#endif
