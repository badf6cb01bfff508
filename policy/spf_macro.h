/* spf_macro: the macro language of SPF records (RFC 7208 §7): is a
 * macro-string well formed, and what does it expand to? */
#ifndef POLICY_SPF_MACRO_H
#define POLICY_SPF_MACRO_H

#include "policy/dns.h"
#include "policy/network.h"
#include "policy/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Octets of macros and of text that all expansions of one check may
	 * go through: far more than ten terms of 253 octets need. */
	SPF_MACRO_WORK = 1 << 18,
};

/* Where a macro-string stands. */
enum spf_macro_place {
	SPF_MACRO_NAME,        /* a domain-spec: without c, r and t (§7.2) */
	SPF_MACRO_MODIFIER,    /* the value of an unknown modifier (§6) */
	SPF_MACRO_EXPLANATION, /* what exp= leads to (§6.2): with blanks */
};

/* What the letters stand for (§7.2); all borrowed. */
struct spf_macro_values {
	struct address client;
	const char *sender;        /* s: local part, @, domain */
	const char *local;         /* l */
	const char *sender_domain; /* o */
	const char *domain;        /* d: of the record that is evaluated */
	const char *validated;     /* p; NULL: "unknown" */
	const char *helo;          /* h */
	const char *receiver;      /* r */
	uint64_t now_s;            /* t */
	size_t *work_left;         /* of SPF_MACRO_WORK */
};

/* What is wrong with the macro-string (§7.1), in words; NULL: nothing. */
const char *
spf_macro_problem(const char *text, size_t length, enum spf_macro_place place);

/* What is wrong with the domain-spec: a macro-string that ends in a macro, or
 * in a dot and a top label (§7.1); NULL: nothing. */
const char *spf_macro_name_problem(const char *text, size_t length);

/* Is the macro with this letter (in lower case) in the well-formed
 * macro-string? */
bool spf_macro_has(const char *text, size_t length, char letter);

/* Expand a well-formed domain-spec to a name: lower case, no last dot, cut
 * from the left to 253 octets by whole labels (§7.3). False if what comes out
 * is no name that can be asked. */
bool spf_macro_name(const struct spf_macro_values *values, const char *text,
    size_t length, char name_out[DNS_NAME_OCTETS + 1]);

/* Expand a well-formed explanation, as printable ASCII, behind what text_out
 * holds. */
void spf_macro_explanation(const struct spf_macro_values *values,
    const char *text, size_t length, struct text *text_out);

#endif
