/* address: mailboxes and domains, parsed, normalised and compared (RFC 5321
 * §4.1.2, RFC 5322 §3.4, RFC 6531, RFC 6532, RFC 5890). Nothing here looks
 * anything up. What is compared anywhere in postern went through here first:
 * domains as A-labels in lower case without a last dot, local parts without
 * quoting. */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	ADDRESS_DOMAIN_OCTETS = 253, /* longest domain, RFC 1035 §2.3.4 */
	ADDRESS_OCTETS = 1024,       /* longest mailbox that is looked at */
	ADDRESS_MAILBOXES = 64,      /* most mailboxes of one From field */
};

/* All pointers live in the arena given to the function that filled it. */
struct mailbox {
	const char *local;  /* without quoting; case kept */
	const char *domain; /* normalised; a literal keeps its brackets */
	const char *text;   /* local@domain, local quoted where it must be */
	bool is_literal;    /* the domain is an address literal */
};

/* What a From field's value amounts to. */
enum from_form {
	FROM_GOOD,        /* RFC 5322 (with its obsolete forms) */
	FROM_BROKEN_NAME, /* one <address>, but the name around it is broken */
	FROM_NO_ADDRESS,  /* empty, an empty group, or no address in it */
	FROM_UNUSABLE,    /* something is there, but which address isn't sure */
};

struct from_field {
	enum from_form form;
	struct mailbox *mailboxes; /* count of them; 0 unless GOOD or BROKEN */
	size_t count;
	const char *problem; /* words, when form isn't FROM_GOOD; else NULL */
};

/* The octets of the character at text, if it may stand in an atom (RFC 5322
 * §3.2.3; RFC 6532: any UTF-8 but controls); 0 if not, or if the length
 * octets there don't begin with a whole one. */
size_t address_atext(const char *text, size_t length);

/* Normalise a domain: U-labels to A-labels (UTS 46 non-transitional, as
 * IDNA2008), ASCII lower case, one last dot removed. Underscores are let
 * through. False, with words, for: empty, longer than ADDRESS_DOMAIN_OCTETS,
 * an empty label or one over 63 octets, an address literal, or characters
 * that no domain can have. */
bool address_domain(struct arena *arena, const char *text, size_t length,
    const char **domain_out, struct fault *fault);

/* Parse the Mailbox of RFC 5321 §4.1.2 (local part as Dot-string, leniently,
 * or Quoted-string, UTF-8 allowed by RFC 6531; domain or address literal).
 * length octets, no angle brackets. False with words if it isn't one. */
bool address_mailbox(struct arena *arena, const char *text, size_t length,
    struct mailbox *mailbox_out, struct fault *fault);

/* Parse the argument of MAIL FROM or RCPT TO as libmilter gives it: with or
 * without angle brackets, a source route is skipped (RFC 5321 §4.1.1.3).
 * *is_null_out is true for "<>" and ""; then *mailbox_out is all NULL. */
bool address_path(struct arena *arena, const char *path,
    struct mailbox *mailbox_out, bool *is_null_out, struct fault *fault);

/* Parse the value of a From field (folded or not, line ends LF or CRLF, with
 * or without leading space): mailbox-list and groups with comments, quoted
 * strings, encoded words (left undecoded: they are display names), obsolete
 * routes and spaces (RFC 5322 §3.4, §4.4) and UTF-8 (RFC 6532). When the
 * display name is broken but exactly one addr-spec stands in angle brackets
 * and no second address can be read into the value, the form is
 * FROM_BROKEN_NAME with that mailbox. A mailbox with an address literal is
 * not usable for a From: FROM_UNUSABLE. Never guesses: what two receivers
 * could read differently is FROM_UNUSABLE. NUL is never part of an address.
 * False only for want of memory. */
bool address_from(struct arena *arena, const char *value, size_t length,
    struct from_field *from_out);

/* The domain without its first label, pointing into domain; NULL when what
 * would be left has no dot in it (a top-level domain is nobody's parent). */
const char *address_parent(const char *domain);

/* Are the two the same mailbox? Domains are compared as they are (they are
 * normalised), local parts without ASCII case unless is_case_sensitive. */
bool address_equal(const struct mailbox *one, const struct mailbox *other,
    bool is_case_sensitive);

#endif
