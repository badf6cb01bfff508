/* preflight_fixture: evidence for preflight's tests, made by hand from short
 * strings. */
#ifndef TESTS_UNIT_PREFLIGHT_FIXTURE_H
#define TESTS_UNIT_PREFLIGHT_FIXTURE_H

#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>

enum { FIXTURE_AUTHORS = 3 };

/* What DMARC says of an author by one standard. aligned has a letter for each
 * identifier, the sender's first, then the signatures': S strictly, R
 * relaxedly, '?' not sure, '-' not. by_spf, if set, is SPF's own view. */
struct fixture_finding {
	enum dmarc_status status;
	enum dmarc_policy policy;
	const char *aligned;
	const char *by_spf;
	bool is_policy_unsure;
};

struct fixture_author {
	const char *domain; /* NULL: "a.example" */
	struct fixture_finding by[DMARC_STANDARDS];
};

/* Letters of spf, one for each egress address: p pass, n neutral, o none, s
 * softfail, f fail, t temperror, e permerror; NULL: egress isn't set. The
 * domain of all is identifier 0, or that of spf_ids (a digit each; x nobody).
 * Letters of signatures: V verifies, U unknown, X fails; in small letters not
 * ours. Their identifiers are 1, 2, ... */
struct fixture {
	const char *spf;
	const char *spf_ids;
	const char *signatures;
	size_t author_count;
	struct fixture_author authors[FIXTURE_AUTHORS];
	bool is_null_sender;
};

/* The evidence of fixture, in arena. Ends the test for want of memory. */
struct preflight_evidence
fixture_evidence(const struct fixture *fixture, struct arena *arena);

#endif
