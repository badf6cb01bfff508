/* dmarc: which DMARC record applies to an author domain, which policy it asks
 * for, and which identifiers are aligned with it, by RFC 9989 (tree walk) and
 * by RFC 7489 (public suffix list). A pure machine; see policy/dns.h. */
#ifndef POLICY_DMARC_H
#define POLICY_DMARC_H

#include "policy/arena.h"
#include "policy/dmarc_record.h"
#include "policy/dns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dmarc_standard { DMARC_RFC9989, DMARC_RFC7489, DMARC_STANDARDS };

enum {
	DMARC_WALK = 8,         /* most questions of one walk, §4.10 */
	DMARC_IDENTIFIERS = 32, /* more aren't looked at */
	DMARC_STEPS = 64,
};

/* A domain and its organizational domain by the public suffix list (libpsl;
 * the domain itself if it is a public suffix). All names normalised
 * (address_domain()) and borrowed. */
struct dmarc_domain {
	const char *domain;
	const char *suffix_org; /* NULL: there is no list */
};

/* What is asked: the domain of From, and the domains that SPF or DKIM may have
 * authenticated. */
struct dmarc_question {
	struct dmarc_domain author;
	const struct dmarc_domain *identifiers;
	size_t count; /* at most DMARC_IDENTIFIERS */
	/* Of each identifier: could it matter? One that failed anyway needs no
	 * walk. NULL: all may. */
	const bool *may_pass;
};

enum dmarc_status {
	DMARC_FOUND,  /* a record applies */
	DMARC_ABSENT, /* none does, or it asks for no processing */
	DMARC_LOST,   /* a look-up failed that could have found one */
};

/* Is an identifier aligned with the author domain? */
enum dmarc_alignment {
	DMARC_NOT_ALIGNED,
	DMARC_STRICTLY,  /* the same domain */
	DMARC_RELAXEDLY, /* the same organizational domain */
	DMARC_UNSURE,    /* a look-up failed that decides it */
};

/* One name that was asked for a record. */
struct dmarc_step {
	const char *name;   /* "_dmarc.example.com", or the author domain when
			       its existence was asked for */
	const char *text;   /* the record, not cleaned; NULL: none */
	const char *remark; /* "two records: discarded", ...; NULL */
};

/* By one standard. Text lives in the arena. */
struct dmarc_finding {
	enum dmarc_status status;
	const char *org_domain;    /* of the author domain; NULL: not known */
	const char *policy_domain; /* where the record is, even one that can't
				      be used; NULL: none */
	const char *text;          /* the record, not cleaned; NULL: none */
	struct dmarc_record record;
	enum dmarc_policy asked; /* p, sp or np as it applies */
	enum dmarc_policy
	    policy;            /* after t=y or pct: what failing mail meets */
	const char *tag;       /* which tag said so: "p", "sp", "np" */
	bool is_policy_unsure; /* FOUND, but the look-up failed that decides
				  between sp and np: policy is the milder, and
				  only mail that passes is judged for sure */
	const char *problem; /* in words, when ABSENT though there is a record,
				or LOST; NULL */
	/* Of each identifier, by adkim and by aspf. One that may not pass is
	 * DMARC_STRICTLY or DMARC_NOT_ALIGNED: no more is known of it. */
	enum dmarc_alignment by_dkim[DMARC_IDENTIFIERS];
	enum dmarc_alignment by_spf[DMARC_IDENTIFIERS];
};

struct dmarc_outcome {
	struct dmarc_finding by[DMARC_STANDARDS];
	uint32_t ttl_s; /* the least of all answers that were used; 0: none */
	const struct dmarc_step *steps;
	size_t step_count;
};

struct dmarc;

/* Begin. question and what it points to are borrowed while the machine lives.
 * NULL: no memory. wants says which standards are worked out; the others stay
 * DMARC_ABSENT. */
struct dmarc *dmarc_begin(const struct dmarc_question *question,
    const bool wants[DMARC_STANDARDS], struct arena *arena);

/* How it is driven. Only what a result rests on is asked; all that may be
 * needed later is among the hints. */
extern const struct dns_machine dmarc_machine;

/* What came of it, after the machine came to its end. */
const struct dmarc_outcome *dmarc_outcome(const struct dmarc *dmarc);

/* "rfc9989", "rfc7489". */
const char *dmarc_standard_name(enum dmarc_standard standard);

#endif
