/* evidence: everything that preflight judges by, gathered: SPF for each egress
 * address, the published keys, DMARC for each author; all look-ups of one
 * message run side by side under one deadline. Shared by the daemon and
 * posternctl. One user at a time. */
#ifndef MILTER_IO_EVIDENCE_H
#define MILTER_IO_EVIDENCE_H

#include "milter/io/lookup.h"
#include "milter/io/suffixes.h"
#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A signature that is taken as given: already verified, or said to verify. */
struct evidence_signature {
	const char *domain;   /* normalised */
	const char *selector; /* NULL: not known */
	enum preflight_signature_state state;
	const char *words; /* why it doesn't verify; NULL */
};

/* What is asked; all borrowed, domains normalised. */
struct evidence_question {
	const struct egress *egress;        /* at most PREFLIGHT_EGRESS */
	size_t egress_count;                /* 0: SPF is unknown */
	const char *sender_local;           /* of MAIL FROM */
	const char *sender_domain;          /* NULL: the null sender */
	const char *const *authors;         /* distinct domains of From */
	size_t author_count;                /* at most PREFLIGHT_AUTHORS */
	const char *from_problem;           /* set when there are none */
	const struct dkim_key_wanted *keys; /* that are going to sign */
	size_t key_count;
	bool checks_keys;  /* check_published_key; no: taken as published */
	bool has_idle_key; /* a key of an author's domain is here, but doesn't
			      sign this message: it isn't the account's, or
			      nothing is signed */
	bool are_keys_unknown; /* nothing is to be said of keys that don't
				  sign */
	/* Those that are there already. Of all that there are, the keys first,
	 * PREFLIGHT_SIGNATURES are looked at: the likeliest to help. */
	const struct evidence_signature *signatures;
	size_t signature_count;
	bool wants_explanation; /* SPF's exp= */
	uint64_t now_s;
	const char *receiver; /* SPF's %{r}; NULL: "unknown" */
};

/* Gather it. Everything in *evidence_out lives in arena. False: no memory. */
bool evidence_gather(struct resolver_asker *asker,
    const struct suffixes *suffixes, const struct evidence_question *question,
    struct arena *arena, struct preflight_evidence *evidence_out);

#endif
