/* dkim_signature: a DKIM-Signature field in writing (RFC 6376 §3.5). Tags,
 * their order and the folding are libopendkim's (2.11.0~beta2), octet by octet,
 * so that the signatures of both can be compared. Pure. */
#ifndef POLICY_DKIM_SIGNATURE_H
#define POLICY_DKIM_SIGNATURE_H

#include "policy/arena.h"
#include "policy/dkim_key.h"
#include "policy/fault.h"
#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DKIM_SIGNATURE_NAME "DKIM-Signature"

enum { DKIM_SIGNATURE_IDENTITY_OCTETS = 255 }; /* of i=, encoded */

/* What a signature says. Borrowed. */
struct dkim_signature {
	enum dkim_key_type type; /* a= */
	enum canonicalization header_canon;
	enum canonicalization body_canon;
	const char *domain;   /* d=; dkim_signature_may_name() */
	const char *selector; /* s=; likewise */
	const char *identity; /* i=; dkim_signature_identity(); NULL: no i= */
	uint64_t time_s;      /* t=, seconds since 1970 */
	uint64_t expire_s;    /* x= that long after t=; 0: no x= */
	const char *covered;  /* h=: names, a colon between two */
	const char *body_b64; /* bh= */
};

/* Can name stand in d= or s= without upsetting the tags around it: letters,
 * digits, "-", "_" and "."? Whether it is a domain is not asked. */
bool dkim_signature_may_name(const char *name);

/* identity as it stands in i= (§3.5): in DKIM-Quoted-Printable (§2.11), so that
 * a local part of any characters but controls, UTF-8 too, upsets no tag; the
 * domain normalised (policy/address.h). Lives in the arena. NULL with words:
 * FAULT_PERMANENT if it isn't "[LOCAL]@DOMAIN", the domain not that of d= nor
 * below it, or what libopendkim misreads at receivers: more than one "@", more
 * than DKIM_SIGNATURE_IDENTITY_OCTETS. */
const char *dkim_signature_identity(const char *identity, const char *domain,
    struct arena *arena, struct fault *fault);

/* The whole field as it is hashed: "DKIM-Signature: v=1; ...", b= empty, folds
 * CRLF, no line end (§3.7). Lives in the arena. NULL for want of memory. */
const char *dkim_signature_hashed(const struct dkim_signature *signature,
    struct arena *arena, size_t *length_out);

/* The value to be put into the message, as the milter protocol has it: a space
 * in front, folds LF. hashed is what dkim_signature_hashed() gave, b64 goes
 * into b=. Lives in the arena. NULL for want of memory. */
const char *dkim_signature_value(const struct dkim_signature *signature,
    const char *hashed, const char *b64, struct arena *arena);

#endif
