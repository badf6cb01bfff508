/* rotate_packet: a question to an authoritative name server as a DNS packet,
 * and what its answer says (RFC 1035 §4, RFC 6891). The answer is from
 * outside: whatever can't be read is said to be so. Pure. */
#ifndef MILTER_CTL_ROTATE_PACKET_H
#define MILTER_CTL_ROTATE_PACKET_H

#include "policy/arena.h"
#include "policy/dns.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROTATE_PACKET_QUERY_BYTES = 320,
	ROTATE_PACKET_UDP_BYTES = 1232, /* that we can take over UDP */
	ROTATE_PACKET_NAMES = 16,       /* name servers of a delegation */
};

/* What a server says of the TXT records at a name. */
enum rotate_said {
	ROTATE_SAID_RECORDS, /* here they are */
	ROTATE_SAID_NOTHING, /* there is no TXT record, or no such name */
	ROTATE_SAID_ALIAS,   /* look at name instead (CNAME) */
	ROTATE_SAID_BELOW,   /* the zone name knows, on the servers names */
	ROTATE_SAID_UNKNOWN, /* it isn't one to ask: see words */
};

/* Lives in the arena given to rotate_packet_read(). */
struct rotate_answer {
	enum rotate_said said;
	const struct dns_record *records;
	size_t count;
	const char *name; /* in lower case, no last dot */
	const char *names[ROTATE_PACKET_NAMES];
	size_t name_count;
	const char *words; /* cleaned */
};

/* Write the question for the TXT records at name (dns_is_name()) into space,
 * without recursion. Returns its octets; 0: it is no name for the DNS. */
size_t rotate_packet_ask(unsigned char space[ROTATE_PACKET_QUERY_BYTES],
    uint16_t id, const char *name, bool has_edns);

/* Is packet an answer to the question query, whose octets rotate_packet_ask()
 * gave? */
bool rotate_packet_fits(
    const unsigned char *packet, size_t length, const unsigned char *query);

/* Of one that fits: was it cut, so that it is to be asked again over TCP? */
bool rotate_packet_is_cut(const unsigned char *packet, size_t length);

/* Of one that fits: does the server not know EDNS, so that it is to be asked
 * again without? */
bool rotate_packet_is_old(const unsigned char *packet, size_t length);

/* Read one that fits and isn't cut. False only for want of memory. */
bool rotate_packet_read(const unsigned char *packet, size_t length,
    const char *name, struct arena *arena, struct rotate_answer *answer_out);

#endif
