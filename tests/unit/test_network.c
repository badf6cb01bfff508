#include "policy/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An address read, then written again; NULL: it isn't one. */
static const struct {
	const char *name, *text, *want, *want_client;
} addresses[] = {
	{ "IPv4", "192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "IPv4, all zero", "0.0.0.0", "0.0.0.0", "0.0.0.0" },
	{ "IPv4, all one", "255.255.255.255", "255.255.255.255",
	    "255.255.255.255" },
	{ "mapped is IPv4", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "mapped in hex", "::FFFF:c000:0201", "192.0.2.1", "192.0.2.1" },
	{ "mapped, with prefix", "IPv6:::ffff:192.0.2.1", "192.0.2.1",
	    "192.0.2.1" },
	{ "IPv6", "2001:db8:0:1:2:3:4:5", "2001:db8:0:1:2:3:4:5",
	    "2001:db8:0:1::/64" },
	{ "IPv6 in capitals", "2001:DB8::A", "2001:db8::a", "2001:db8::/64" },
	{ "IPv6 of Postfix", "IPv6:2001:db8::1", "2001:db8::1",
	    "2001:db8::/64" },
	{ "the prefix in small letters", "ipv6:2001:db8::1", "2001:db8::1",
	    "2001:db8::/64" },
	{ "leading zeros go", "2001:0db8:0000::0001", "2001:db8::1",
	    "2001:db8::/64" },
	{ "the longest run is short", "2001:0:0:1:0:0:0:1", "2001:0:0:1::1",
	    "2001:0:0:1::/64" },
	{ "one zero group stays", "2001:db8:0:1:1:1:1:1",
	    "2001:db8:0:1:1:1:1:1", "2001:db8:0:1::/64" },
	{ "IPv6 loopback is a host", "::1", "::1", "::1" },
	{ "IPv6, all zero", "::", "::", "::/64" },
	{ "link-local", "fe80::1", "fe80::1", "fe80::/64" },
	{ "empty", "", NULL, NULL },
	{ "only the prefix", "IPv6:", NULL, NULL },
	{ "IPv4 behind IPv6:", "IPv6:192.0.2.1", NULL, NULL },
	{ "the prefix twice", "IPv6:IPv6:::1", NULL, NULL },
	{ "a name", "localhost", NULL, NULL },
	{ "Postfix's unknown", "unknown", NULL, NULL },
	{ "three numbers", "192.0.2", NULL, NULL },
	{ "five numbers", "192.0.2.1.1", NULL, NULL },
	{ "a number too large", "192.0.2.256", NULL, NULL },
	{ "octal", "192.0.2.010", NULL, NULL },
	{ "hex", "0x7f.0.0.1", NULL, NULL },
	{ "one number", "2130706433", NULL, NULL },
	{ "a zone", "fe80::1%eth0", NULL, NULL },
	{ "brackets", "[2001:db8::1]", NULL, NULL },
	{ "a blank before", " 192.0.2.1", NULL, NULL },
	{ "a blank after", "192.0.2.1 ", NULL, NULL },
	{ "a line end", "192.0.2.1\n", NULL, NULL },
	{ "a port", "192.0.2.1:25", NULL, NULL },
	{ "nine groups", "1:2:3:4:5:6:7:8:9", NULL, NULL },
	{ "two runs", "2001::db8::1", NULL, NULL },
	{ "a network", "192.0.2.0/24", NULL, NULL },
	{ "no text", NULL, NULL, NULL },
};

static void
address_is_read_and_written(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < COUNT(addresses); i++) {
		const char *name = addresses[i].name;
		const char *want = addresses[i].want;
		const char *want_client = addresses[i].want_client;
		struct address address;
		const char *got, *got_client;
		bool is_one = network_address(addresses[i].text, &address);

		if (is_one != (want != NULL) || address.is_known != is_one)
			fail_msg("%s: wanted %s, got %s", name,
			    want != NULL ? "an address" : "none",
			    is_one ? "an address" : "none");
		got = network_text(&arena, &address);
		got_client = network_client(&arena, &address);
		if (want == NULL)
			want = want_client = "unknown";
		if (strcmp(got, want) != 0)
			fail_msg("%s: wanted %s, got %s", name, want, got);
		if (strcmp(got_client, want_client) != 0)
			fail_msg("%s: wanted client %s, got %s", name,
			    want_client, got_client);
	}
	arena_clear(&arena);
}

/* A network read; words: what the fault must say. */
static const struct {
	const char *name, *text;
	int want_bits; /* -1: not a network */
	const char *words;
} networks[] = {
	{ "IPv4", "192.0.2.0/24", 120, NULL },
	{ "IPv4, one host", "192.0.2.1", 128, NULL },
	{ "IPv4, one host, said so", "192.0.2.1/32", 128, NULL },
	{ "all of IPv4", "0.0.0.0/0", 96, NULL },
	{ "in the middle of an octet", "192.0.2.64/26", 122, NULL },
	{ "loopback", "127.0.0.0/8", 104, NULL },
	{ "IPv6", "2001:db8::/32", 32, NULL },
	{ "IPv6, one host", "2001:db8::1", 128, NULL },
	{ "all of IPv6", "::/0", 0, NULL },
	{ "IPv6 in brackets", "[2001:db8::]/32", 32, NULL },
	{ "one host in brackets", "[::1]", 128, NULL },
	{ "IPv4 in brackets", "[192.0.2.0]/24", 120, NULL },
	{ "mapped", "::ffff:192.0.2.0/120", 120, NULL },
	{ "mapped loopback of Postfix", "[::ffff:127.0.0.0]/104", 104, NULL },
	{ "an odd prefix", "2001:db8:8000::/33", 33, NULL },
	{ "host bits", "192.0.2.1/24", -1, "did you mean 192.0.2.0/24?" },
	{ "host bits, odd prefix", "192.0.2.127/26", -1,
	    "did you mean 192.0.2.64/26?" },
	{ "host bits, IPv6", "2001:db8::1/32", -1,
	    "did you mean 2001:db8::/32?" },
	{ "host bits, all", "192.0.2.1/0", -1, "did you mean 0.0.0.0/0?" },
	{ "host bits, mapped", "::ffff:192.0.2.1/120", -1,
	    "did you mean ::ffff:192.0.2.0/120?" },
	{ "host bits, beyond mapped", "::ffff:192.0.2.1/64", -1,
	    "did you mean ::/64?" },
	{ "a prefix too long", "192.0.2.0/33", -1, "from 0 to 32" },
	{ "an IPv6 prefix too long", "2001:db8::/129", -1, "from 0 to 128" },
	{ "no prefix", "192.0.2.0/", -1, "from 0 to 32" },
	{ "a mask", "192.0.2.0/255.255.255.0", -1, "from 0 to 32" },
	{ "two slashes", "192.0.2.0/24/24", -1, "from 0 to 32" },
	{ "a negative prefix", "192.0.2.0/-1", -1, "from 0 to 32" },
	{ "a prefix with plus", "192.0.2.0/+24", -1, "from 0 to 32" },
	{ "a prefix beyond numbers", "192.0.2.0/99999999999999999999999", -1,
	    "from 0 to 32" },
	{ "a blank", "192.0.2.0 /24", -1, "not a network" },
	{ "empty", "", -1, "not a network" },
	{ "only a slash", "/24", -1, "not a network" },
	{ "a name", "example.net", -1, "like 192.0.2.0/24" },
	{ "a short form", "192.0.2/24", -1, "not a network" },
	{ "an open bracket", "[2001:db8::/32", -1, "not a network" },
	{ "something behind the bracket", "[2001:db8::1]x/32", -1,
	    "not a network" },
	{ "empty brackets", "[]", -1, "not a network" },
	{ "a long text",
	    "2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8",
	    -1, "not a network" },
};

static void
network_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(networks); i++) {
		const char *name = networks[i].name;
		struct fault fault = { .kind = FAULT_NONE };
		struct network network;
		bool is_one = network_parse(networks[i].text, &network, &fault);

		if (is_one != (networks[i].want_bits >= 0))
			fail_msg("%s: wanted %s, got %s: %s", name,
			    is_one ? "a fault" : "a network",
			    is_one ? "a network" : "a fault", fault.words);
		if (is_one && network.bits != networks[i].want_bits)
			fail_msg("%s: wanted %d bits, got %d", name,
			    networks[i].want_bits, network.bits);
		if (!is_one
		    && (fault.kind != FAULT_PERMANENT
			|| strstr(fault.words, networks[i].words) == NULL))
			fail_msg("%s: wanted \"%s\", got \"%s\"", name,
			    networks[i].words, fault.words);
		/* a caller that does not care about words */
		assert_true(
		    network_parse(networks[i].text, &network, NULL) == is_one);
	}
}

static const struct {
	const char *name, *network, *address;
	bool want;
} members[] = {
	{ "within", "192.0.2.0/24", "192.0.2.200", true },
	{ "the first", "192.0.2.0/24", "192.0.2.0", true },
	{ "one before", "192.0.2.0/24", "192.0.1.255", false },
	{ "the last", "192.0.2.0/24", "192.0.2.255", true },
	{ "one after", "192.0.2.0/24", "192.0.3.0", false },
	{ "mapped client", "192.0.2.0/24", "::ffff:192.0.2.7", true },
	{ "mapped network", "::ffff:192.0.2.0/120", "192.0.2.7", true },
	{ "odd bits, within", "192.0.2.64/26", "192.0.2.127", true },
	{ "odd bits, after", "192.0.2.64/26", "192.0.2.128", false },
	{ "one host", "192.0.2.1", "192.0.2.1", true },
	{ "the next host", "192.0.2.1", "192.0.2.2", false },
	{ "all of IPv4", "0.0.0.0/0", "203.0.113.9", true },
	{ "all of IPv4 has no IPv6", "0.0.0.0/0", "2001:db8::1", false },
	{ "all of IPv6", "::/0", "2001:db8::1", true },
	{ "all of IPv6 has no IPv4", "::/0", "192.0.2.1", false },
	{ "nor a mapped one", "::/0", "::ffff:192.0.2.1", false },
	{ "::/64 has no IPv4", "::/64", "192.0.2.1", false },
	{ "all mapped is all of IPv4", "::ffff:0:0/96", "192.0.2.1", true },
	{ "IPv6, within", "2001:db8::/32", "2001:db8:ffff::1", true },
	{ "IPv6, outside", "2001:db8::/32", "2001:db9::1", false },
	{ "IPv6, odd bits", "2001:db8:8000::/33", "2001:db8:7fff::1", false },
	{ "IPv4-compatible is not IPv4", "192.0.2.0/24", "::192.0.2.1", false },
	{ "unknown is nowhere", "0.0.0.0/0", "unknown", false },
	{ "unknown is not in IPv6", "::/0", "unknown", false },
};

static void
network_has_its_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(members); i++) {
		struct network network;
		struct address address;

		assert_true(network_parse(members[i].network, &network, NULL));
		(void)network_address(members[i].address, &address);
		if (network_has(&network, &address) != members[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    members[i].name,
			    members[i].want ? "within" : "outside");
	}
}

static const struct {
	const char *name, *address;
	bool want;
} loopbacks[] = {
	{ "the usual", "127.0.0.1", true },
	{ "the last", "127.255.255.255", true },
	{ "mapped", "::ffff:127.0.0.1", true },
	{ "IPv6", "::1", true },
	{ "one before", "126.255.255.255", false },
	{ "one after", "128.0.0.0", false },
	{ "IPv6, the next", "::2", false },
	{ "wildcard", "0.0.0.0", false },
	{ "IPv6 wildcard", "::", false },
	{ "IPv4-compatible", "::127.0.0.1", false },
	{ "elsewhere", "2001:db8::1", false },
	{ "unknown", "unknown", false },
};

static void
loopback_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(loopbacks); i++) {
		struct address address;

		(void)network_address(loopbacks[i].address, &address);
		if (network_is_loopback(&address) != loopbacks[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    loopbacks[i].name,
			    loopbacks[i].want ? "loopback" : "none");
	}
}

/* Every prefix length: the network of an address has it, and not the address
 * that differs in the last bit of the prefix. */
static void
every_prefix_counts_its_bits(void **state)
{
	(void)state;
	for (unsigned bits = 4; bits <= 128; bits++) {
		struct network network = { .bits = (uint8_t)bits };
		struct address address = { .is_known = true };
		uint8_t last = (uint8_t)(0x80u >> (bits - 1) % 8);

		/* not mapped: the first octet is 0x20 */
		network.address.octets[0] = address.octets[0] = 0x20;
		assert_true(network_has(&network, &address));
		address.octets[(bits - 1) / 8] ^= last;
		if (network_has(&network, &address))
			fail_msg("/%u: wanted bit %u to count", bits, bits);
		if (bits == 128)
			break;
		address.octets[(bits - 1) / 8] ^= last;
		address.octets[bits / 8] ^= (uint8_t)(0x80u >> bits % 8);
		if (!network_has(&network, &address))
			fail_msg(
			    "/%u: wanted bit %u not to count", bits, bits + 1);
	}
}

static void
want_of_memory_is_told(void **state)
{
	struct arena arena;
	struct address address;

	(void)state;
	arena_init(&arena, 0);
	assert_true(network_address("2001:db8::1", &address));
	assert_null(network_text(&arena, &address));
	assert_null(network_client(&arena, &address));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_read_and_written),
		cmocka_unit_test(network_is_read),
		cmocka_unit_test(network_has_its_addresses),
		cmocka_unit_test(loopback_is_told),
		cmocka_unit_test(every_prefix_counts_its_bits),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
