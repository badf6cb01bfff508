/* spf: check_host() of RFC 7208 as a pure machine: the record and what its
 * terms need are asked by way of policy/dns.h, the result comes out. Cost is
 * bounded by construction (RFC 7208 §4.6.4): ten terms that ask the DNS in the
 * whole check, two void look-ups, ten names of one mx or ptr, SPF_QUESTIONS
 * questions and SPF_RECORD_OCTETS octets of a record. */
#ifndef POLICY_SPF_H
#define POLICY_SPF_H

#include "policy/arena.h"
#include "policy/dns.h"
#include "policy/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 7208 §2.6; in the order of how good they are for a sender. */
enum spf_result {
	SPF_PASS,
	SPF_NEUTRAL,
	SPF_NONE,
	SPF_SOFTFAIL,
	SPF_FAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
};

enum {
	SPF_TERMS = 10, /* that ask the DNS, §4.6.4 */
	SPF_VOIDS = 2,  /* look-ups without an answer, §4.6.4 */
	SPF_NAMES = 10, /* of an mx or ptr mechanism, §4.6.4 */
	/* Ten terms of eleven questions each, the records, an explanation. */
	SPF_QUESTIONS = 150,
	SPF_RECORD_OCTETS = 32768, /* longer: permerror */
	SPF_STEPS = 200,           /* most that are kept for showing */
	SPF_EXPLANATION_OCTETS = 400,
	SPF_BOTH_OCTETS = 450,
};

/* What check_host() is asked (§4.1); borrowed while the machine lives. */
struct spf_identity {
	struct address client;  /* <ip>; IPv4-mapped is IPv4 (§5) */
	const char *domain;     /* of MAIL FROM, or of HELO for the null
				   sender; as it came (U-labels, last dot, ...) */
	const char *local;      /* local part of the sender; "" or NULL:
				   postmaster (§4.3) */
	const char *helo;       /* %{h} */
	const char *receiver;   /* %{r} in exp=; NULL: "unknown" */
	uint64_t now_s;         /* %{t} in exp= */
	bool wants_explanation; /* ask for exp= after a fail */
};

enum spf_step_kind {
	SPF_STEP_RECORD,  /* a record was read: text is it */
	SPF_STEP_TERM,    /* a term was tried: text is it, as published */
	SPF_STEP_NOTHING, /* no record was found there */
};

/* One step of the check, for people. */
struct spf_step {
	enum spf_step_kind kind;
	unsigned depth;     /* of includes and redirects: 0 the first */
	const char *domain; /* whose record */
	const char *text;   /* any octets from the DNS but NUL: to be cleaned */
	bool is_match;
	bool is_counted;    /* it counts among SPF_TERMS */
	const char *remark; /* "void look-up", "limit", ...; NULL: nothing */
};

/* What kind of permerror it is, as far as there is a cure for it. */
enum spf_cause {
	SPF_CAUSE_OTHER,
	SPF_CAUSE_SYNTAX,  /* of the first record */
	SPF_CAUSE_SEVERAL, /* records of the identity's domain */
	SPF_CAUSE_LIMIT,   /* §4.6.4: what matches before isn't concerned */
};

/* All text lives in the arena given to spf_begin(). What came from the DNS is
 * not cleaned, but is free of NUL. */
struct spf_outcome {
	enum spf_result result;
	const char *domain;    /* the identity's, normalised; as it came if it
				  can't be */
	const char *mechanism; /* the term that matched; NULL: none did */
	const char *where;     /* whose record that term stands in, or the
				  error; NULL: no record */
	const char *problem;   /* temperror, permerror, none: why, in words
				  that name the record and the term */
	bool is_no_domain;     /* of a none: the domain doesn't exist */
	enum spf_cause cause;  /* of a permerror */
	const char *bad;       /* of SPF_CAUSE_SYNTAX: the term; NULL: none */
	const char *both[2];   /* of SPF_CAUSE_SEVERAL: the records, if they are
				  two, of at most SPF_BOTH_OCTETS each; NULL */
	const char
	    *explanation;   /* of exp= after a fail, printable ASCII; NULL */
	const char *record; /* the first record; NULL: none */
	unsigned terms;     /* that asked the DNS */
	unsigned voids;
	uint32_t ttl_s; /* the least of all answers that were used; UINT32_MAX:
			   none was */
	const struct spf_step *steps;
	size_t step_count;
};

struct spf;

/* Begin a check. NULL: no memory. All memory comes from arena; when that has
 * no more to give during the check, the result is SPF_TEMPERROR. */
struct spf *spf_begin(const struct spf_identity *identity, struct arena *arena);

/* How it is driven. */
extern const struct dns_machine spf_machine;

/* What came of it, after the machine came to its end (asks nothing). */
const struct spf_outcome *spf_outcome(const struct spf *spf);

/* "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror". */
const char *spf_result_name(enum spf_result result);

#endif
