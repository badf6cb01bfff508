/* spf_record: the syntax of an SPF record (RFC 7208 §4.5, §4.6.1, §5, §6,
 * §12). All of a record is checked before any of it is evaluated (§4.6). */
#ifndef POLICY_SPF_RECORD_H
#define POLICY_SPF_RECORD_H

#include "policy/arena.h"
#include "policy/spf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spf_mechanism {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
};

/* A domain-spec; its macros aren't expanded. */
struct spf_spec {
	const char *text; /* length octets; NULL: there is none */
	size_t length;
};

/* A directive. */
struct spf_term {
	enum spf_mechanism mechanism;
	enum spf_result result; /* of its qualifier, should it match */
	const char *text;       /* as published */
	struct spf_spec spec;
	uint8_t octets[16]; /* of ip4 (the first four) and ip6 */
	unsigned bits4;     /* of a network, 0 to 32 */
	unsigned bits6;     /* 0 to 128 */
};

/* What points into it lives in the arena given to spf_record_read(). */
struct spf_record {
	const char *text;  /* as published, a NUL in it as '?' */
	const char *words; /* the same with NUL for each blank */
	size_t length;
	struct spf_spec redirect;
	const char *redirect_text; /* the whole modifier; NULL: none */
	struct spf_spec explanation;
	/* Where the first directives that are counted begin in words, without
	 * those behind an "all", which are never reached. */
	uint16_t counted[SPF_TERMS];
	size_t counted_count;
	bool has_all;
	const char *problem; /* a syntax error in words; NULL: none */
	const char *bad;     /* the term with the error; "" the whole */
};

/* Is it an SPF record: does it begin with the version alone (§4.5)? */
bool spf_record_is_one(const char *text, size_t length);

/* Read a record of length octets, for which spf_record_is_one() holds, and
 * check all of it. False only for want of memory. */
bool spf_record_read(struct spf_record *record, const char *text, size_t length,
    struct arena *arena);

/* The directive that begins there: one of counted. */
void spf_record_at(const struct spf_record *record, size_t position,
    struct spf_term *term_out);

/* The next directive of a record without problem; *position is 0 to begin
 * with, and *term_out points into the record. False: there are no more. */
bool spf_record_next(const struct spf_record *record, size_t *position,
    struct spf_term *term_out);

/* Does the mechanism ask the DNS, and so count (§4.6.4)? */
bool spf_record_is_counted(enum spf_mechanism mechanism);

#endif
