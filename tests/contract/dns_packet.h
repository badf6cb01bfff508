/* dns_packet: DNS packets as dns_server reads and makes them, good and bad
 * ones (RFC 1035 §4). */
#ifndef TESTS_CONTRACT_DNS_PACKET_H
#define TESTS_CONTRACT_DNS_PACKET_H

#include "tests/contract/dns_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_PACKET_NAME_BYTES = 1024, DNS_PACKET_QUESTION_BYTES = 260 };

struct dns_packet_query {
	uint16_t id;
	char name[DNS_PACKET_NAME_BYTES]; /* no last dot; \DDD for what isn't
					     printable */
	uint16_t type;
	unsigned char question[DNS_PACKET_QUESTION_BYTES]; /* as it came */
	size_t question_length;
	bool has_edns;
	size_t udp_most; /* octets that an answer over UDP may have */
};

/* Read a query. False: it isn't one. */
bool dns_packet_read(const unsigned char *data, size_t length,
    struct dns_packet_query *query_out);

/* What rule says to query, *length_out octets, the caller's to free(). */
unsigned char *dns_packet_make(const struct dns_packet_query *query,
    const struct dns_server_rule *rule, bool is_tcp, size_t *length_out);

#endif
