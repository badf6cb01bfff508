/* network: client addresses and networks of them. IPv4 lives in IPv6's room
 * as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so that there is one comparison and
 * an IPv4 client on an IPv6 socket is the same client. */
#ifndef POLICY_NETWORK_H
#define POLICY_NETWORK_H

#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stdint.h>

struct address {
	uint8_t octets[16];
	bool is_known; /* false: the MTA didn't say */
};

struct network {
	struct address address; /* host bits are zero */
	uint8_t bits;           /* 0..128, IPv4's counted from 96 */
};

/* An address in the text form of inet_pton(3), IPv4 or IPv6; Postfix's
 * "IPv6:" before it is let through. False if it isn't one. */
bool network_address(const char *text, struct address *address_out);

/* "192.0.2.0/24", "2001:db8::/32", "[2001:db8::]/32" as Postfix writes it, or
 * an address alone (one host). False with words: not a network, or host bits
 * set ("did you mean ...?"). */
bool network_parse(
    const char *text, struct network *network_out, struct fault *fault);

/* Is address known and within network? An IPv6 network shorter than 96 bits
 * holds no IPv4 address: ::/0 is all of IPv6 and nothing else. */
bool network_has(const struct network *network, const struct address *address);

/* Is address within 127.0.0.0/8, or ::1? */
bool network_is_loopback(const struct address *address);

/* The usual text: dotted for IPv4 (mapped too), RFC 5952 for IPv6,
 * "unknown" if not known. Lives in the arena; NULL for want of memory. */
const char *network_text(struct arena *arena, const struct address *address);

/* Whom a client address stands for when it is counted: an IPv4 address
 * itself, an IPv6 client's /64, since a host has all of that to itself:
 * "192.0.2.1", "2001:db8:0:1::/64". NULL for want of memory. */
const char *network_client(struct arena *arena, const struct address *address);

#endif
