/* dmarc_finding: which record applies and what it asks for, once it is known
 * what stands at each name (RFC 9989 §4.10.1, RFC 7489 §6.6.3). Part of
 * dmarc. */
#ifndef POLICY_DMARC_FINDING_H
#define POLICY_DMARC_FINDING_H

#include "policy/arena.h"
#include "policy/dmarc.h"
#include "policy/dmarc_walk.h"

#include <stdbool.h>

/* What a receiver makes of a record (RFC 9989 §4.10.1, RFC 7489 §6.6.3 step
 * 6). */
enum dmarc_use {
	DMARC_USE_AS_IT_IS,
	DMARC_USE_AS_NONE, /* a policy in it is none: it counts as p=none */
	DMARC_USE_NOT,     /* and nobody is told: no processing at all */
};

enum dmarc_existence {
	DMARC_EXISTENCE_OPEN, /* not asked */
	DMARC_EXISTS,
	DMARC_EXISTS_NOT,
	DMARC_EXISTENCE_LOST,
};

/* Where the record of an author domain is. */
struct dmarc_choice {
	const struct dmarc_spot *spot;  /* NULL: there is none */
	bool is_subdomain;              /* of the record's domain: sp, np */
	enum dmarc_existence existence; /* of the author domain; of meaning
					   where np decides */
};

/* What a receiver by the standard makes of record. */
enum dmarc_use dmarc_record_use(
    const struct dmarc_record *record, enum dmarc_standard standard);

/* Does it matter to mail from a subdomain whether that exists: does np ask for
 * something else than what holds without it? */
bool dmarc_record_minds_existence(const struct dmarc_record *record);

/* Fill status, policy and words of *finding_out by the record chosen. False:
 * no memory. */
bool dmarc_finding_fill(struct dmarc_finding *finding_out,
    const struct dmarc_choice *choice, enum dmarc_standard standard,
    struct arena *arena);

/* It can't be told, for want of the answer about spot. False: no memory. */
bool dmarc_finding_lose(struct dmarc_finding *finding_out,
    const struct dmarc_spot *spot, struct arena *arena);

#endif
