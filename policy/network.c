#include "policy/network.h"

#include "policy/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>

enum {
	ADDRESS_BITS = 128,
	MAPPED_BITS = 96, /* where IPv4 begins */
	CLIENT_BITS = 64, /* what one IPv6 host has to itself */
};

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t loopback_v6[16] = { [15] = 1 };

static bool
is_mapped(const uint8_t octets[16])
{
	return memcmp(octets, mapped_prefix, sizeof mapped_prefix) == 0;
}

bool
network_address(const char *text, struct address *address_out)
{
	bool is_v6_only = false;

	memset(address_out, 0, sizeof *address_out);
	if (text == NULL)
		return false;
	if (strncasecmp(text, "IPv6:", 5) == 0) {
		text += 5;
		is_v6_only = true;
	}
	if (inet_pton(AF_INET6, text, address_out->octets) == 1) {
		address_out->is_known = true;
		return true;
	}
	memset(address_out, 0, sizeof *address_out);
	if (is_v6_only
	    || inet_pton(AF_INET, text, address_out->octets + 12) != 1)
		return false;
	memcpy(address_out->octets, mapped_prefix, sizeof mapped_prefix);
	address_out->is_known = true;
	return true;
}

/* Make all but the first bits zero. */
static void
mask(uint8_t octets[16], unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;

		if (keep < 8)
			octets[i] &= (uint8_t)(0xff00u >> keep);
	}
}

/* The usual text of an address into space, which always has room for it. */
static const char *
address_words(const uint8_t octets[16], char space[INET6_ADDRSTRLEN])
{
	const char *text = is_mapped(octets)
	    ? inet_ntop(AF_INET, octets + 12, space, INET6_ADDRSTRLEN)
	    : inet_ntop(AF_INET6, octets, space, INET6_ADDRSTRLEN);

	assert(text != NULL);
	return text;
}

/* Split "ADDRESS/BITS" or "[ADDRESS]/BITS", as Postfix writes its mynetworks,
 * at what stands between the two. False if it can't be either. */
static bool
split(const char *text, char host[INET6_ADDRSTRLEN], const char **bits_out)
{
	bool is_bracketed = *text == '[';
	const char *start = is_bracketed ? text + 1 : text;
	size_t length = strcspn(start, is_bracketed ? "]" : "/");
	const char *rest = start + length;

	if (is_bracketed && *rest++ != ']')
		return false;
	if (length >= INET6_ADDRSTRLEN || (*rest != '\0' && *rest != '/'))
		return false;
	memcpy(host, start, length);
	host[length] = '\0';
	*bits_out = *rest == '/' ? rest + 1 : NULL;
	return true;
}

bool
network_parse(
    const char *text, struct network *network_out, struct fault *fault)
{
	char host[INET6_ADDRSTRLEN], meant[INET6_ADDRSTRLEN];
	const char *bits_text = NULL;
	uint8_t masked[16];
	uint64_t most, bits;
	bool is_dotted;

	memset(network_out, 0, sizeof *network_out);
	if (!split(text, host, &bits_text)
	    || !network_address(host, &network_out->address)) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" is not a network: write it like 192.0.2.0/24, "
		    "2001:db8::/32 or 192.0.2.1",
		    text);
		return false;
	}
	is_dotted = strchr(host, ':') == NULL;
	most = is_dotted ? ADDRESS_BITS - MAPPED_BITS : ADDRESS_BITS;
	bits = most;
	if (bits_text != NULL && !text_number(bits_text, 0, most, &bits)) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" is not a network: after the slash comes a number "
		    "from 0 to %u",
		    text, (unsigned)most);
		return false;
	}
	if (is_dotted)
		bits += MAPPED_BITS;
	network_out->bits = (uint8_t)bits;

	memcpy(masked, network_out->address.octets, sizeof masked);
	mask(masked, network_out->bits);
	if (memcmp(masked, network_out->address.octets, sizeof masked) != 0) {
		fault_set(fault, FAULT_PERMANENT,
		    "\"%s\" has bits set after its prefix: did you mean "
		    "%s%s/%s?",
		    text, !is_dotted && is_mapped(masked) ? "::ffff:" : "",
		    address_words(masked, meant), bits_text);
		return false;
	}
	return true;
}

bool
network_has(const struct network *network, const struct address *address)
{
	uint8_t masked[16];

	if (!address->is_known)
		return false;
	/* ::/0 means all of IPv6, as it does in Postfix's mynetworks: whoever
	 * writes that did not mean to let all of IPv4 in. */
	if (is_mapped(address->octets) && network->bits < MAPPED_BITS)
		return false;
	memcpy(masked, address->octets, sizeof masked);
	mask(masked, network->bits);
	return memcmp(masked, network->address.octets, sizeof masked) == 0;
}

bool
network_is_loopback(const struct address *address)
{
	if (!address->is_known)
		return false;
	if (is_mapped(address->octets))
		return address->octets[12] == 127;
	return memcmp(address->octets, loopback_v6, sizeof loopback_v6) == 0;
}

const char *
network_text(struct arena *arena, const struct address *address)
{
	char space[INET6_ADDRSTRLEN];

	if (!address->is_known)
		return "unknown";
	return arena_strdup(arena, address_words(address->octets, space));
}

const char *
network_client(struct arena *arena, const struct address *address)
{
	char space[INET6_ADDRSTRLEN];
	uint8_t masked[16];

	/* ::1 is this host alone; "::/64" would tell nobody so. */
	if (!address->is_known || is_mapped(address->octets)
	    || network_is_loopback(address))
		return network_text(arena, address);
	memcpy(masked, address->octets, sizeof masked);
	mask(masked, CLIENT_BITS);
	return arena_printf(
	    arena, "%s/%d", address_words(masked, space), CLIENT_BITS);
}
