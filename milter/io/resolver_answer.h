/* resolver_answer: what libunbound takes and gives, as policy/dns.h has it:
 * names as text, rdata as records. The rdata comes from servers that the
 * customer runs: whatever is not what RFC 1035 §3.3 and RFC 3596 §2.2 say is
 * refused. Plain data, no state: any thread. */
#ifndef MILTER_IO_RESOLVER_ANSWER_H
#define MILTER_IO_RESOLVER_ANSWER_H

#include "policy/arena.h"
#include "policy/dns.h"
#include "policy/spf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* A name of the most octets, each of them escaped. */
	RESOLVER_NAME_BYTES = 4 * 255 + 1,
	/* TTL of a negative answer that brought no SOA (RFC 2308 §5 leaves it
	 * to us). */
	RESOLVER_NO_SOA_S = 60,
	/* Most that the records of one answer may take: 64 kB of text, as much
	 * as there can be, in pieces that are not too small. */
	RESOLVER_ANSWER_BYTES = 384 << 10,
	/* Names of one answer that are of use (RFC 7208 §4.6.4); of MX one more
	 * tells that there are too many; of NS more than a zone has use for. */
	RESOLVER_ANSWER_MX = SPF_NAMES + 1,
	RESOLVER_ANSWER_PTR = SPF_NAMES,
	RESOLVER_ANSWER_NS = 16,
};

/* The rdata of the records of one answer, in its order. */
struct resolver_rdata {
	const unsigned char *const *data;
	const size_t *lengths;
	size_t count;
};

/* Write name (dns_is_name()) as libunbound wants to be asked: what isn't a
 * letter, digit, hyphen or underscore as \DDD, a last dot. space has
 * RESOLVER_NAME_BYTES. */
void resolver_answer_name(const char *name, char *space);

/* How many of so many records about type are kept: the first ones. */
size_t resolver_answer_kept(enum dns_type type, size_t count);

/* Do the records of so much rdata take more than RESOLVER_ANSWER_BYTES? */
bool resolver_answer_is_large(const struct resolver_rdata *rdata);

/* Read the records of an answer about type into records_out, which has room
 * for rdata->count; their text lives in arena. False: one of them is
 * malformed, or no memory. */
bool
resolver_answer_records(enum dns_type type, const struct resolver_rdata *rdata,
    struct arena *arena, struct dns_record *records_out);

/* Does packet, an answer without error and without data, only tell of other
 * servers (NS records and no SOA, RFC 2308 §2.2)? It comes from a server that
 * doesn't know, and doesn't ask for us either. What can't be read counts as
 * one. */
bool resolver_answer_is_referral(const unsigned char *packet, size_t length);

/* How long a negative answer holds, of which packet is what libunbound made of
 * it and ttl_s what it says. */
uint32_t resolver_answer_negative_ttl(
    const unsigned char *packet, size_t length, uint32_t ttl_s);

#endif
