/* verify: the signatures that are already on a message (mailing lists,
 * redirects, customers' own signers), checked by libopendkim while the message
 * streams by; their keys come through the resolver (RFC 6376 §6). A verifier:
 * one user at a time; nothing thread-local. */
#ifndef MILTER_IO_VERIFY_H
#define MILTER_IO_VERIFY_H

#include "milter/io/resolver.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	VERIFY_SIGNATURES = 4, /* checked of one message */
	VERIFY_FIELDS = 32,    /* DKIM-Signature fields that are looked at */
};

enum verify_state {
	VERIFY_GOOD,
	VERIFY_BAD,     /* it doesn't verify: altered, revoked, expired, ... */
	VERIFY_LOST,    /* it can't be told: its key couldn't be looked up, or
			   libopendkim can't check it */
	VERIFY_SKIPPED, /* not checked: there are more than VERIFY_SIGNATURES */
};

/* One DKIM-Signature field. Text lives in the verifier. */
struct verify_signature {
	const char *domain;   /* d=, normalised; "" if there is none */
	const char *selector; /* s=, normalised; "" if there is none */
	enum verify_state state;
	const char *words; /* why it isn't VERIFY_GOOD; cleaned; else NULL */
	bool is_partial;   /* it is good, but leaves out what stands at the
			      body's end (l=): some receivers don't count it */
};

struct verify_library;
struct verifier;

/* Make libopendkim ready. NULL with words. Immutable afterwards. */
struct verify_library *verify_library_open(struct fault *fault);

/* Free it; no verifier may be left. Empties the pointer; takes NULL. */
void verify_library_close(struct verify_library **library);

/* Begin a message. Its signatures are chosen in the order of how near they
 * are to one of the author domains (normalised, borrowed until
 * verify_end_of_header()): the same, a parent or child, the same last two
 * labels, any other; of equals the uppermost field first. Times are compared
 * with the time of this call. NULL with words. */
struct verifier *verify_begin(const struct verify_library *library,
    const char *const *authors, size_t author_count, struct fault *fault);

/* The next header field, as signer_header() has it. All fields are wanted, as
 * a signature may cover any. A header that is too large is no fault: its
 * signatures are VERIFY_LOST then. DKIM-Signature fields after VERIFY_FIELDS
 * aren't looked at. */
bool verify_header(struct verifier *verifier, const char *name,
    const char *value, size_t value_length, struct fault *fault);

/* All header fields are in. *is_wanted_out: there is a DKIM-Signature field;
 * else the verifier may be ended. */
bool verify_end_of_header(
    struct verifier *verifier, bool *is_wanted_out, struct fault *fault);

/* After verify_end_of_header(): will a signature of this domain (normalised)
 * and selector be checked? */
bool verify_has(
    const struct verifier *verifier, const char *domain, const char *selector);

/* The next piece of the body, CRLF line ends; pieces may be cut anywhere. A
 * missing last line end is taken as there. */
bool verify_body(struct verifier *verifier, const unsigned char *data,
    size_t length, struct fault *fault);

/* Check them. Keys are asked through asker, all at once; past its deadline a
 * signature is VERIFY_LOST. *signatures_out gets *count_out entries, in the
 * order of the message; they live until verify_end(). A fault of an earlier
 * call makes all of them VERIFY_LOST that aren't bad in themselves. */
void verify_finish(struct verifier *verifier, struct resolver_asker *asker,
    const struct verify_signature **signatures_out, size_t *count_out);

/* Free it. Empties the pointer; takes NULL. */
void verify_end(struct verifier **verifier);

#endif
