/* preflight: what a receiver will make of a message (design §5): the evidence
 * on SPF, DKIM and DMARC judged, for each egress address and each profile.
 * Pure: everything was looked up before. */
#ifndef POLICY_PREFLIGHT_H
#define POLICY_PREFLIGHT_H

#include "policy/arena.h"
#include "policy/dkim_key.h"
#include "policy/dmarc.h"
#include "policy/network.h"
#include "policy/spf.h"

#include <stdbool.h>
#include <stddef.h>

/* In the order of severity: the worst counts over egress addresses and
 * authors, the mildest over profiles. That a look-up was lost is milder than
 * a failure that is sure. */
enum preflight_result {
	PREFLIGHT_PASS,
	PREFLIGHT_NO_POLICY, /* no DMARC record applies */
	PREFLIGHT_FAIL_NONE, /* fails, and the policy is none */
	PREFLIGHT_TEMPERROR, /* can't be told now */
	PREFLIGHT_PERMERROR, /* From has no domain that can be looked up */
	PREFLIGHT_FAIL_QUARANTINE,
	PREFLIGHT_FAIL_REJECT,
	PREFLIGHT_RESULTS,
};

enum preflight_profile {
	PREFLIGHT_RFC9989,
	PREFLIGHT_RFC7489,
	PREFLIGHT_BOTH_PASS, /* SPF and DKIM pass, one of them is aligned, there
				is a DMARC record; else refused */
	PREFLIGHT_PROFILES,
};

enum {
	PREFLIGHT_AUTHORS = 8,
	PREFLIGHT_SIGNATURES = 24, /* more aren't looked at */
	PREFLIGHT_EGRESS = 16,
	/* In the place of an identifier's index: there is none that could be
	 * aligned (the domain of a signature that doesn't verify, a sender
	 * without a domain). */
	PREFLIGHT_NOBODY = DMARC_IDENTIFIERS,
};

/* An address that mail leaves from, and the name that is said there. */
struct egress {
	struct address address;
	const char *text; /* the address as text */
	const char *helo; /* normalised */
};

/* SPF as seen from one egress address. */
struct preflight_spf {
	const char *address; /* as text */
	const char *helo;
	const struct spf_outcome *outcome;
	size_t identifier; /* index of its domain among the identifiers, or
			      PREFLIGHT_NOBODY */
};

enum preflight_signature_state {
	PREFLIGHT_VERIFIES,
	PREFLIGHT_FAILS,
	PREFLIGHT_UNKNOWN, /* its key couldn't be looked up, or it wasn't
			      looked at */
};

/* A signature that will be on the message. */
struct preflight_signature {
	const char *domain;
	const char *selector; /* NULL: not known (a signature taken as given) */
	bool is_ours;         /* about to be added; else there already */
	enum preflight_signature_state state;
	const struct dkim_key_finding *key;   /* of ours; NULL: not asked for */
	const struct dkim_key_wanted *wanted; /* the key that signs; NULL: not
						 ours, or not known */
	const char *words; /* why it isn't PREFLIGHT_VERIFIES; NULL */
	size_t identifier; /* index among the identifiers, or PREFLIGHT_NOBODY
			    */
};

/* One domain of From. */
struct preflight_author {
	const char *domain;
	const struct dmarc_outcome *dmarc; /* its identifiers: those above */
};

struct preflight_evidence {
	const struct preflight_spf *spf;
	size_t spf_count; /* 0: egress isn't set, SPF is unknown */
	/* Of the domain that SPF would be about if egress were set;
	 * PREFLIGHT_NOBODY: that isn't known either (the null sender, as the
	 * HELO isn't). Only looked at while spf_count is 0. */
	size_t sender_identifier;
	const char *sender_domain; /* the same as text; NULL: the null sender */
	const struct preflight_signature *signatures;
	size_t signature_count;
	const struct preflight_author *authors;
	size_t author_count;
	const char *from_problem; /* why there is no author; NULL: there is */
	bool is_unsigned;    /* no key signs for the author's domain here */
	bool has_idle_key;   /* the only author's domain has a key here, but it
				isn't used for this message */
	bool is_null_sender; /* SPF is of HELO */
};

/* What was found, as data. */
enum preflight_reason_kind {
	PREFLIGHT_SPF_UNKNOWN,     /* egress isn't set */
	PREFLIGHT_SPF_MISSING,     /* the domain has no record */
	PREFLIGHT_SPF_REFUSES,     /* fail, softfail, neutral */
	PREFLIGHT_SPF_BROKEN,      /* permerror */
	PREFLIGHT_SPF_LOST,        /* temperror */
	PREFLIGHT_SPF_NOT_ALIGNED, /* passes, for another organization */
	PREFLIGHT_DKIM_NONE,       /* no signature at all */
	PREFLIGHT_DKIM_NO_KEY,     /* no key here for the author's domain */
	PREFLIGHT_DKIM_KEY,        /* the published key isn't ours, see words */
	PREFLIGHT_DKIM_FAILS,      /* a signature on it doesn't verify */
	PREFLIGHT_DKIM_LOST,       /* a key couldn't be looked up */
	PREFLIGHT_DKIM_NOT_ALIGNED,
	PREFLIGHT_DMARC_POLICY,  /* what the record asks for */
	PREFLIGHT_DMARC_NONE,    /* there is no record */
	PREFLIGHT_DMARC_IGNORED, /* there is one that can't be used */
	PREFLIGHT_DMARC_LOST,
	PREFLIGHT_FROM,    /* From can't be used */
	PREFLIGHT_DIFFERS, /* the profiles don't agree */
};

struct preflight_reason {
	enum preflight_reason_kind kind;
	const char *domain;  /* whose record or identifier; NULL */
	const char *record;  /* name of the DNS record it is about; NULL */
	const char *address; /* egress address; NULL: all, or none */
	const char *words;   /* one phrase for a reply: cleaned, printable
				ASCII, no line end, no stop at its end */
	const char *mend;    /* what to publish or change: a zone file line, or
				a phrase; NULL: nothing */
};

/* What one profile makes of the message from one egress address. */
struct preflight_cell {
	enum preflight_result result;
	size_t author;        /* the one that came off worst */
	bool is_spf_aligned;  /* passes and is aligned */
	bool is_dkim_aligned; /* a signature verifies and is aligned */
};

struct preflight_judgement {
	enum preflight_result result; /* the mildest over the profiles used */
	enum preflight_result by[PREFLIGHT_PROFILES]; /* the worst over egress
							 addresses; of all
							 profiles, used or not
						       */
	/* [profile * addresses + address] */
	const struct preflight_cell *cells;
	size_t addresses; /* as many as evidence->spf_count; 1 while SPF is
			     unknown */
	enum preflight_profile decider; /* whose result it is */
	bool rests_on_unknown_spf;      /* worse than pass and no-policy, and it
					   might not be if egress were set */
	enum spf_result spf_result;     /* the worst over the addresses;
					   SPF_NONE while SPF is unknown */
	const struct preflight_spf *spf; /* which that is; NULL: none */
	bool is_spf_aligned; /* in the decider's profile, all addresses */
	bool is_dkim_aligned;
	const char *author;        /* the domain of From that decided; NULL */
	const char *org_domain;    /* by the decider; NULL: not known */
	const char *policy_domain; /* NULL: no record applies */
	const struct preflight_reason *reasons; /* the gravest first */
	size_t reason_count;
};

/* Judge evidence under the profiles that is_used marks (at least one). All
 * text is in arena. False: no memory. */
bool preflight_judge(const struct preflight_evidence *evidence,
    const bool is_used[PREFLIGHT_PROFILES], struct arena *arena,
    struct preflight_judgement *judgement_out);

/* All reasons in one line for an SMTP reply, the gravest first, at most most
 * octets, printable ASCII: "SPF of example.com doesn't include 192.0.2.10; no
 * DKIM key of example.com here; its DMARC policy is reject". NULL: no
 * memory. */
const char *preflight_line(const struct preflight_judgement *judgement,
    size_t most, struct arena *arena);

/* "pass", "no-policy", "fail-none", "fail-quarantine", "fail-reject",
 * "temperror", "permerror". */
const char *preflight_result_name(enum preflight_result result);

/* "rfc9989", "rfc7489", "both_pass". */
const char *preflight_profile_name(enum preflight_profile profile);

/* "spf_missing", ... for logs and JSON. */
const char *preflight_reason_name(enum preflight_reason_kind kind);

#endif
