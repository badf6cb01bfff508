/* preflight_mend: what to publish, so that a receiver makes something better
 * of the message: lines of a zone file, or where none can be given a phrase.
 * Pure. All results live in arena; NULL: no memory, or there is nothing to
 * publish. */
#ifndef POLICY_PREFLIGHT_MEND_H
#define POLICY_PREFLIGHT_MEND_H

#include "policy/arena.h"
#include "policy/preflight.h"

enum {
	/* A longer SPF record isn't shown again: its owner is told what to
	 * add. */
	PREFLIGHT_MEND_OCTETS = 2000,
};

/* The SPF record of the outcome's domain with the addresses that it doesn't
 * include, before the term that refuses them; a new one if there is none. Of
 * all egress addresses whose SPF is of that domain. */
const char *preflight_mend_spf(const struct preflight_evidence *evidence,
    const struct spf_outcome *outcome, struct arena *arena);

/* What cures a permerror. Where a limit is exceeded (SPF_CAUSE_LIMIT): the
 * record with the addresses first, so that they match before. Of two records:
 * both in one, with the addresses. Else a phrase that names what to correct. */
const char *preflight_mend_broken(const struct preflight_evidence *evidence,
    const struct spf_outcome *outcome, struct arena *arena);

/* The record of the key that signs. */
const char *
preflight_mend_key(const struct dkim_key_wanted *wanted, struct arena *arena);

/* A first DMARC record for domain. */
const char *preflight_mend_dmarc(const char *domain, struct arena *arena);

#endif
