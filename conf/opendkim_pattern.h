/* opendkim_pattern: the two ends of a SigningTable's line: whom it is for, and
 * its signer, which becomes i=. For conf/opendkim alone. */
#ifndef CONF_OPENDKIM_PATTERN_H
#define CONF_OPENDKIM_PATTERN_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* Longest pattern: no address that is looked at is longer (ADDRESS_OCTETS). */
enum { OPENDKIM_PATTERN_OCTETS = 1024 };

/* Bring the left side of a plain file's line into the form in which it is
 * looked for: "user@host", "host", "user@.domain", ".domain", "user@*" or "*",
 * in lower case, with A-labels. *pattern_out lives in arena, or is text, which
 * is changed. False with words. */
bool opendkim_pattern_plain(struct arena *arena, char *text,
    const char **pattern_out, struct fault *fault);

/* The same for a line of a refile: text in which each "*" stands for anything,
 * nothing included. */
bool opendkim_pattern_glob(struct arena *arena, char *text,
    const char **pattern_out, struct fault *fault);

/* Does the pattern, of whose "*" there must be at least one, fit all of the
 * length octets of subject? Takes time in proportion to the two lengths. */
bool
opendkim_pattern_fits(const char *pattern, const char *subject, size_t length);

/* text with each "%" replaced by domain. NULL: no memory. */
const char *opendkim_pattern_fill(
    struct arena *arena, const char *text, const char *domain);

/* What a signer, "[USER]@DOMAIN" in which "%" stands for the author's domain,
 * makes of i=: what dkim_signature_identity() takes, in printable ASCII, its
 * domain normalised. domain is the key's d=, which i= must be at or below (RFC
 * 6376 §3.5); NULL: it isn't asked about. False with words: it can't be i=. */
bool opendkim_pattern_signer(struct arena *arena, const char *signer,
    const char *author_domain, const char *domain, const char **identity_out,
    struct fault *fault);

/* Can the signer of a line be i= at all? domain is the key's d=, or NULL if
 * that is each author's own. False with words. */
bool opendkim_pattern_signer_check(struct arena *arena, const char *signer,
    const char *domain, struct fault *fault);

#endif
