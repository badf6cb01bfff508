/* signing: which domains may sign a message and which of its header fields
 * are covered (design §3, RFC 6376 §5.4). Keys themselves are milter/io/keys'
 * affair; here only names are chosen. */
#ifndef POLICY_SIGNING_H
#define POLICY_SIGNING_H

#include "policy/arena.h"
#include "policy/facts.h"

#include <stdbool.h>
#include <stddef.h>

enum canonicalization { CANON_SIMPLE, CANON_RELAXED };

/* Names of header fields; borrowed from the snapshot. */
struct field_names {
	const char *const *names;
	size_t count;
};

/* Who makes the signatures. */
enum signing_engine {
	SIGNING_POSTERN,  /* our own, on OpenSSL's EVP */
	SIGNING_OPENDKIM, /* libopendkim */
};

enum {
	/* Most signatures of one message. */
	SIGNING_SIGNATURES = 8,
};

/* How one domain's key signs. Immutable. */
struct signing_rules {
	enum canonicalization header_canon;
	enum canonicalization body_canon;
	struct field_names headers;  /* to sign when present; never empty */
	struct field_names oversign; /* also signed once more than present */
	uint64_t expire_s;           /* x= that long after t=; 0: no x= */
};

enum { SIGNING_CANDIDATES = 8 };

/* The domains whose key could sign mail of author_domain: itself, then its
 * parents, nearest first; at most SIGNING_CANDIDATES, none without a dot
 * (except author_domain itself). Pointers into author_domain. Returns how
 * many were put into candidates. */
size_t signing_candidates(
    const char *author_domain, const char *candidates[SIGNING_CANDIDATES]);

/* The field names of RFC 6376 §5.4.1 with those of RFC 8058 (List-Unsubscribe,
 * List-Unsubscribe-Post), used when sign.headers is empty. Static. */
struct field_names signing_default_headers(void);

/* Is name one that must never be signed (Return-Path, Received, Comments,
 * Keywords, DKIM-Signature, Authentication-Results, ...: RFC 6376 §5.4.1)?
 * Configuration refuses those. */
bool signing_is_volatile(const char *name);

/* Does name's value belong into the signature under rules? Case is ignored.
 * List-Unsubscribe and List-Unsubscribe-Post always do. */
bool signing_covers(const struct signing_rules *rules, const char *name);

/* Which signing key files there can be: is name a selector (RFC 6376 §3.1:
 * sub-domains, letters digits hyphen underscore dot, 1..200 octets)? */
bool signing_is_selector(const char *name);

#endif
