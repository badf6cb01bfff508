/* spf_check: the inside of an SPF check, which spf.c, spf_terms.c and
 * spf_hints.c share: where it stands, what it knows, how it asks and ends.
 *
 * Nothing here remembers where in a term it was: a term is tried anew after
 * each answer, and finds what it asked before among what is known. */
#ifndef POLICY_SPF_CHECK_H
#define POLICY_SPF_CHECK_H

#include "policy/arena.h"
#include "policy/dns.h"
#include "policy/spf.h"
#include "policy/spf_known.h"
#include "policy/spf_macro.h"
#include "policy/spf_record.h"
#include "policy/spf_steps.h"

#include <stdbool.h>
#include <stddef.h>

/* A record that is being evaluated: the identity's, or one that is included
 * by the record of the frame below. */
struct spf_frame {
	const char *domain;
	const char *via;       /* the term that leads here; NULL: none */
	const char *via_where; /* in whose record it stands */
	const struct spf_record *record; /* NULL: not read yet */
	size_t position;                 /* in it */
	unsigned depth;      /* of includes and redirects, 0 the first */
	unsigned terms_then; /* counted when the record was read */
	bool is_hinted;      /* what its terms ask */

	/* The term that is being tried, and, when all are done, redirect=
	 * (then only its text and spec are set). */
	bool has_term;
	bool is_redirecting;
	struct spf_term term;
	size_t step; /* in steps */
	bool is_void;
	bool is_expanded;
	const char *target; /* <target-name>, if is_expanded; NULL: it's no
			       name that can be asked */
};

enum spf_phase {
	SPF_EVALUATES,
	SPF_EXPLAINS, /* asks for exp= */
	SPF_ENDED,
};

struct spf_hints;

struct spf {
	struct spf *self; /* for hints, which notes what it has said */
	const struct spf_identity *identity;
	struct arena *arena;
	const char *local;  /* of the sender; never empty */
	const char *sender; /* local@domain */
	enum spf_phase phase;
	struct spf_outcome outcome;
	struct spf_steps steps;
	size_t work_left; /* of SPF_MACRO_WORK */

	struct spf_frame frames[SPF_TERMS + 1];
	size_t frame_count;

	bool is_waiting; /* for the answer to question */
	struct dns_question question;
	size_t asked;
	struct spf_table table;
	const char *reverse;     /* the client's name for PTR; NULL: not yet */
	struct spf_hints *hints; /* NULL: nobody wanted any yet */
};

/* The frame on top. */
struct spf_frame *spf_check_top(struct spf *spf);

/* The answer to a question; name must live as long as the check. NULL: it must
 * be waited for, or the check has ended. */
const struct spf_known *
spf_check_look_up(struct spf *spf, const char *name, enum dns_type type);

/* The type of the client's address. */
enum dns_type spf_check_address_type(const struct spf *spf);

/* The name below in-addr.arpa or ip6.arpa for the client; NULL: no memory, and
 * the check has ended. */
const char *spf_check_reverse(struct spf *spf);

/* Is the known answer about an address of a name such that the name is the
 * client's? */
bool spf_check_is_client(const struct spf *spf, const struct spf_known *known);

/* If the answer is a void look-up of the term, count that, once for a term.
 * False: that was one too many, and the check has ended. */
bool spf_check_void(
    struct spf *spf, struct spf_frame *frame, const struct spf_known *known);

/* Expand a domain-spec, or without one take the frame's domain. *name_out is
 * NULL if what comes out can't be asked. False: something must be waited for,
 * or the check has ended. is_counted: a void look-up for %{p} counts. */
bool spf_check_name(struct spf *spf, struct spf_frame *frame,
    const struct spf_spec *spec, bool is_counted, const char **name_out);

/* What macros stand for in a record of domain; validated may be NULL. */
void spf_check_values(struct spf *spf, const char *domain,
    const char *validated, struct spf_macro_values *values_out);

/* The name that %{p} is for domain (§7.3). False as spf_check_name(). */
bool spf_check_validated(struct spf *spf, struct spf_frame *frame,
    bool is_counted, const char **name_out);

/* End the check with an error, formatted as by printf(3). */
void spf_check_fail(struct spf *spf, enum spf_result result, const char *format,
    ...) __attribute__((format(printf, 3, 4)));

/* End the check for want of memory. */
void spf_check_starve(struct spf *spf);

#endif
