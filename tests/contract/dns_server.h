/* dns_server: a small DNS server for tests, that does what no good one does:
 * it keeps silent, lies, cuts and loops as its rules say. UDP and TCP on one
 * port of 127.0.0.1, in a thread of the test. What can't be done ends the
 * test program. */
#ifndef TESTS_CONTRACT_DNS_SERVER_H
#define TESTS_CONTRACT_DNS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Record types that policy/dns.h doesn't have. */
enum { DNS_SERVER_CNAME = 5, DNS_SERVER_SOA = 6 };

enum dns_server_act {
	DNS_SERVER_ANSWER,
	DNS_SERVER_SILENT,   /* no answer at all */
	DNS_SERVER_WRONG_ID, /* the answer, under another number */
	DNS_SERVER_GARBAGE,  /* octets that are no packet */
	DNS_SERVER_CUT,      /* the answer, cut in the middle of a record */
	DNS_SERVER_LYING,    /* an answer that says it has more records */
	DNS_SERVER_EMPTY,    /* a packet without question and answer */
	DNS_SERVER_OTHER,    /* the answer to another question */
	DNS_SERVER_TCP_ONLY, /* truncated over UDP */
	DNS_SERVER_NO_TCP,   /* truncated over UDP, and TCP is hung up */
};

/* One record, or many alike. */
struct dns_server_record {
	uint16_t type;
	uint32_t ttl_s;
	const char *owner; /* NULL: the name asked for */
	/* A and AAAA: text of an address; TXT: one string of at most 255
	 * octets; MX: "10 name"; PTR and CNAME: a name; SOA: its minimum. Names
	 * as in zone files: \DDD for an octet, "." is the root. */
	const char *value;
	/* TXT: so many times the string; others: so many records, the last
	 * octet of addresses counting up. 0: once. */
	unsigned times;
	bool is_malformed; /* its rdata lacks an octet that it should have */
};

struct dns_server_rule {
	const char *name; /* "*.example.com": all below; "*": all */
	uint16_t type;    /* 0: all */
	enum dns_server_act act;
	unsigned rcode;
	unsigned delay_ms;
	struct dns_server_record records[12]; /* till type 0 */
	bool has_soa;                         /* in the authority section */
	uint32_t soa_ttl_s;                   /* and its minimum */
};

struct dns_server;

/* Start it. rules: the first that fits is followed; name NULL ends them; where
 * none fits: NXDOMAIN without SOA. Borrowed. */
struct dns_server *dns_server_start(const struct dns_server_rule *rules);

/* Other rules from now on. */
void dns_server_follow(
    struct dns_server *server, const struct dns_server_rule *rules);

/* "127.0.0.1@PORT". Lives as long as the server. */
const char *dns_server_address(const struct dns_server *server);

/* How many queries came for name (NULL: any) about type (0: any). */
size_t
dns_server_count(struct dns_server *server, const char *name, uint16_t type);

/* The same, of those over TCP. */
size_t dns_server_count_tcp(struct dns_server *server, const char *name);

/* Stop it. Empties the pointer; takes NULL. */
void dns_server_stop(struct dns_server **server);

#endif
