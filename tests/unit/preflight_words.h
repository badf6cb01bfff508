/* preflight_words: messages of which SPF, DKIM and DMARC are known, and the
 * reply and what to publish that are wanted for each. */
#ifndef TESTS_UNIT_PREFLIGHT_WORDS_H
#define TESTS_UNIT_PREFLIGHT_WORDS_H

#include "policy/preflight.h"

#include <stdbool.h>
#include <stddef.h>

enum { WORDS_ADDRESSES = 6, WORDS_SIGNATURES = 3, WORDS_OCTETS = 400 };

struct words_outcome {
	const char *address;
	enum spf_result result;
	const char *domain; /* NULL: "example.com" */
	const char *record;
	const char *mechanism;
	const char *where;
	const char *problem;
	bool is_no_domain;
	enum spf_cause cause;
	const char *bad;
	const char *both[2];
	bool is_foreign; /* not aligned */
	bool is_unsure;  /* of its alignment */
};

struct words_signature {
	const char *domain;
	enum preflight_signature_state state;
	bool is_theirs;
	enum dkim_key_state key; /* of ours */
	bool has_other_text;     /* where that isn't published */
	const char *words;
	bool is_foreign;
	bool is_unsure;
	enum dkim_key_type type;
};

/* A message of example.com (or author) with what is found about it. The wanted
 * words are one line; the wanted mends are parted by '|', "-" for none. */
struct words_case {
	const char *name;
	struct words_outcome spf[WORDS_ADDRESSES];
	struct words_signature signatures[WORDS_SIGNATURES];
	bool is_unsigned;
	bool has_idle_key;
	bool is_null_sender;
	const char *sender; /* when egress isn't set */
	const char *author;
	const char *from_problem;
	struct dmarc_finding finding; /* org and policy domain: example.com */
	const struct dmarc_finding *other; /* by RFC 7489, if not the same */
	bool is_both_pass; /* the only profile; else the two standards */
	const char *line;
	const char *mends;
};

/* Of the record, if it is found. */
#define REJECT                              \
	.finding = { .status = DMARC_FOUND, \
		.policy = DMARC_REJECT,     \
		.asked = DMARC_REJECT,      \
		.tag = "p" }
#define TAGGED(which)                       \
	.finding = { .status = DMARC_FOUND, \
		.policy = DMARC_REJECT,     \
		.asked = DMARC_REJECT,      \
		.tag = which }

/* What lies with SPF, and all the rest. */
extern const struct words_case words_spf_cases[];
extern const size_t words_spf_count;
extern const struct words_case words_other_cases[];
extern const size_t words_other_count;

/* Judge the message, in arena. Ends the test for want of memory. */
struct preflight_judgement
words_judge(const struct words_case *c, struct arena *arena);

#endif
