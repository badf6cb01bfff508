#include "policy/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define HOST "mx1.example.net"
#define NO_UID (-1)
#define TEN "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

enum { ARENA_BYTES = 1 << 18 };

/* Bits of what a case switches on. */
enum {
	CASE_SENSITIVE = 1,
	TRUST_ENVELOPE = 2,
	DEFAULT_DOMAIN = 4, /* customers.example */
	NETWORKS = 8,
	CLIENT_BEFORE_SASL = 16,
	SASL_ONLY = 32,
	NO_HOST = 64,
	BAD_HOST = 128,
	NO_SENDER = 256, /* an envelope sender that is no mailbox */
};

static const enum traffic_class submission = CLASS_SUBMISSION;
static const enum traffic_class inbound = CLASS_INBOUND;

static const struct {
	const char *name;
	const enum traffic_class *fixed;
	const char *login, *client;
	uint16_t port;
	bool is_port_known;
	enum traffic_class want;
} classes[] = {
	{ "a login", NULL, "alice", "192.0.2.9", 4711, true, CLASS_SUBMISSION },
	{ "an empty login is none", NULL, "", "192.0.2.9", 4711, true,
	    CLASS_INBOUND },
	{ "a login over loopback", NULL, "alice", "127.0.0.1", 4711, true,
	    CLASS_SUBMISSION },
	{ "a login with port 0", NULL, "alice", "127.0.0.1", 0, true,
	    CLASS_SUBMISSION },
	{ "sendmail(1)", NULL, NULL, "127.0.0.1", 0, true, CLASS_LOCAL },
	{ "sendmail(1), IPv6", NULL, NULL, "::1", 0, true, CLASS_LOCAL },
	{ "sendmail(1), empty login", NULL, "", "127.0.0.1", 0, true,
	    CLASS_LOCAL },
	{ "TCP over loopback", NULL, NULL, "127.0.0.1", 4711, true,
	    CLASS_RELAY },
	{ "loopback, port not told", NULL, NULL, "127.0.0.1", 0, false,
	    CLASS_RELAY },
	{ "a client that hung up early", NULL, NULL, "unknown", 0, true,
	    CLASS_INBOUND },
	{ "nothing told of the client", NULL, NULL, "unknown", 0, false,
	    CLASS_INBOUND },
	{ "port 0 from elsewhere", NULL, NULL, "203.0.113.1", 0, true,
	    CLASS_INBOUND },
	{ "port 0 from a relay network", NULL, NULL, "192.0.2.1", 0, true,
	    CLASS_RELAY },
	{ "a relay network", NULL, NULL, "192.0.2.1", 4711, true, CLASS_RELAY },
	{ "a relay network, mapped", NULL, NULL, "::ffff:192.0.2.1", 4711, true,
	    CLASS_RELAY },
	{ "a relay network, IPv6", NULL, NULL, "2001:db8::5", 4711, true,
	    CLASS_RELAY },
	{ "from elsewhere", NULL, NULL, "203.0.113.1", 4711, true,
	    CLASS_INBOUND },
	{ "from elsewhere, IPv6", NULL, NULL, "2001:db9::5", 4711, true,
	    CLASS_INBOUND },
	{ "a listener fixes it", &submission, NULL, "203.0.113.1", 4711, true,
	    CLASS_SUBMISSION },
	{ "a listener before a login", &inbound, "alice", "192.0.2.1", 4711,
	    true, CLASS_INBOUND },
	{ "a listener before sendmail(1)", &inbound, NULL, "127.0.0.1", 0, true,
	    CLASS_INBOUND },
};

static void
class_is_found(void **state)
{
	static const char *const relays[] = { "127.0.0.0/8", "::1",
		"192.0.2.0/29", "2001:db8::/32" };
	struct network networks[COUNT(relays)];

	(void)state;
	for (size_t i = 0; i < COUNT(relays); i++)
		assert_true(network_parse(relays[i], &networks[i], NULL));
	for (size_t i = 0; i < COUNT(classes); i++) {
		struct connection_facts connection = {
			.client_port = classes[i].port,
			.is_port_known = classes[i].is_port_known,
		};
		struct message_facts facts = { .connection = &connection,
			.login = classes[i].login };
		enum traffic_class got;

		(void)network_address(classes[i].client, &connection.client);
		got = account_class(
		    &facts, classes[i].fixed, networks, COUNT(networks));
		if (got != classes[i].want)
			fail_msg("%s: wanted %s, got %s", classes[i].name,
			    facts_class_name(classes[i].want),
			    facts_class_name(got));
	}
}

struct identity_case {
	const char *name;
	enum traffic_class traffic_class;
	const char *login, *client;
	uint16_t port;
	int64_t uid;
	const char *sender; /* NULL: the null sender */
	unsigned switches;
	enum account_source source;
	const char *account;
	const char *own;        /* NULL: none */
	const char *own_domain; /* NULL: none */
};

#define SUBMITTED(login) CLASS_SUBMISSION, login, "203.0.113.9", 4711, NO_UID
#define HANDED_IN CLASS_LOCAL, NULL, "127.0.0.1", 0, NO_UID
#define RELAYED(client) CLASS_RELAY, NULL, client, 4711, NO_UID

static const struct identity_case identities[] = {
	/* logins */
	{ "a login that is an address", SUBMITTED("alice@a.example"),
	    "bob@b.example", 0, ACCOUNT_SASL, "alice@a.example",
	    "alice@a.example", "a.example" },
	{ "capitals are folded", SUBMITTED("Alice@A.Example"), NULL, 0,
	    ACCOUNT_SASL, "alice@a.example", "Alice@a.example", "a.example" },
	{ "case-sensitive: only the domain is", SUBMITTED("Alice@A.Example"),
	    NULL, CASE_SENSITIVE, ACCOUNT_SASL, "Alice@a.example",
	    "Alice@a.example", "a.example" },
	{ "a U-label",
	    SUBMITTED("alice@B\xc3\x9c"
		      "CHER.example"),
	    NULL, 0, ACCOUNT_SASL, "alice@xn--bcher-kva.example",
	    "alice@xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "a last dot", SUBMITTED("alice@a.example."), NULL, 0, ACCOUNT_SASL,
	    "alice@a.example", "alice@a.example", "a.example" },
	{ "a bare login", SUBMITTED("Alice"), NULL, 0, ACCOUNT_SASL, "alice",
	    NULL, NULL },
	{ "a bare login, qualified", SUBMITTED("Alice"), NULL, DEFAULT_DOMAIN,
	    ACCOUNT_SASL, "alice@customers.example", "Alice@customers.example",
	    "customers.example" },
	{ "the same login with its domain",
	    SUBMITTED("alice@Customers.example"), NULL, DEFAULT_DOMAIN,
	    ACCOUNT_SASL, "alice@customers.example", "alice@customers.example",
	    "customers.example" },
	{ "case-sensitive", SUBMITTED("Alice"), NULL, CASE_SENSITIVE,
	    ACCOUNT_SASL, "Alice", NULL, NULL },
	{ "default_domain leaves an address alone",
	    SUBMITTED("alice@a.example"), NULL, DEFAULT_DOMAIN, ACCOUNT_SASL,
	    "alice@a.example", "alice@a.example", "a.example" },
	{ "an address that can't be read is not qualified",
	    SUBMITTED("bob@b.example@"), NULL, DEFAULT_DOMAIN, ACCOUNT_SASL,
	    "bob@b.example@", NULL, NULL },
	{ "nor one without local part", SUBMITTED("@b.example"), NULL,
	    DEFAULT_DOMAIN, ACCOUNT_SASL, "@b.example", NULL, NULL },
	{ "quotes around a login don't make it somebody else",
	    SUBMITTED("\"bob\""), NULL, DEFAULT_DOMAIN, ACCOUNT_SASL, "\"bob\"",
	    NULL, NULL },
	{ "nor a backslash", SUBMITTED("b\\ob"), NULL, DEFAULT_DOMAIN,
	    ACCOUNT_SASL, "b\\ob", NULL, NULL },
	{ "a blank in front", SUBMITTED(" bob"), NULL, DEFAULT_DOMAIN,
	    ACCOUNT_SASL, " bob", NULL, NULL },
	{ "a login with a dot", SUBMITTED("bob.smith"), NULL, DEFAULT_DOMAIN,
	    ACCOUNT_SASL, "bob.smith@customers.example",
	    "bob.smith@customers.example", "customers.example" },
	{ "needless quotes in an address", SUBMITTED("\"bob\"@b.example"), NULL,
	    0, ACCOUNT_SASL, "bob@b.example", "bob@b.example", "b.example" },
	{ "an address literal is one address", SUBMITTED("bob@[192.0.2.1]"),
	    NULL, 0, ACCOUNT_SASL, "bob@[192.0.2.1]", "bob@[192.0.2.1]", NULL },
	{ "control characters stay", SUBMITTED("bob\r\nalice"), NULL,
	    DEFAULT_DOMAIN, ACCOUNT_SASL, "bob\r\nalice", NULL, NULL },
	{ "octets above 127 stay",
	    SUBMITTED("b\xfc"
		      "b"),
	    NULL, DEFAULT_DOMAIN, ACCOUNT_SASL,
	    "b\xfc"
	    "b",
	    NULL, NULL },
	/* names that no login can take */
	{ "uid:", SUBMITTED("uid:0"), NULL, DEFAULT_DOMAIN, ACCOUNT_SASL,
	    "sasl:uid:0", NULL, NULL },
	{ "uid: in capitals", SUBMITTED("UID:0"), NULL, 0, ACCOUNT_SASL,
	    "sasl:uid:0", NULL, NULL },
	{ "uid: in capitals, case-sensitive", SUBMITTED("UID:0"), NULL,
	    CASE_SENSITIVE, ACCOUNT_SASL, "sasl:UID:0", NULL, NULL },
	{ "local:", SUBMITTED("local:" HOST), NULL, 0, ACCOUNT_SASL,
	    "sasl:local:" HOST, NULL, NULL },
	{ "bounces:", SUBMITTED("bounces:" HOST), NULL, 0, ACCOUNT_SASL,
	    "sasl:bounces:" HOST, NULL, NULL },
	{ "client:", SUBMITTED("client:192.0.2.1"), NULL, 0, ACCOUNT_SASL,
	    "sasl:client:192.0.2.1", NULL, NULL },
	{ "sasl: itself", SUBMITTED("sasl:uid:0"), NULL, 0, ACCOUNT_SASL,
	    "sasl:sasl:uid:0", NULL, NULL },
	{ "uid: at a domain", SUBMITTED("uid:0@a.example"), NULL, 0,
	    ACCOUNT_SASL, "sasl:uid:0@a.example", NULL, NULL },
	{ "uid: quoted at a domain", SUBMITTED("\"uid:0\"@a.example"), NULL, 0,
	    ACCOUNT_SASL, "\"uid:0\"@a.example", "\"uid:0\"@a.example",
	    "a.example" },
	{ "uid without colon is a login", SUBMITTED("uid0"), NULL, 0,
	    ACCOUNT_SASL, "uid0", NULL, NULL },
	/* the chain */
	{ "a login goes before a network", CLASS_SUBMISSION, "alice",
	    "192.0.2.1", 4711, NO_UID, NULL, NETWORKS, ACCOUNT_SASL, "alice",
	    NULL, NULL },
	{ "the order is the configuration's", SUBMITTED("alice"), NULL,
	    CLIENT_BEFORE_SASL, ACCOUNT_CLIENT, "client:203.0.113.9", NULL,
	    NULL },
	{ "an empty login is none", SUBMITTED(""), NULL, 0, ACCOUNT_CLIENT,
	    "client:203.0.113.9", NULL, NULL },
	{ "the client though not listed", RELAYED("192.0.2.77"),
	    "bob@b.example", SASL_ONLY, ACCOUNT_CLIENT, "client:192.0.2.77",
	    NULL, NULL },
	{ "a network", RELAYED("192.0.2.77"), "bob@b.example", NETWORKS,
	    ACCOUNT_NETWORK, "panel", NULL, NULL },
	{ "the longest prefix", RELAYED("192.0.2.1"), NULL, NETWORKS,
	    ACCOUNT_NETWORK, "alice@xn--bcher-kva.example",
	    "Alice@xn--bcher-kva.example", "xn--bcher-kva.example" },
	{ "between the two", RELAYED("192.0.2.9"), NULL, NETWORKS,
	    ACCOUNT_NETWORK, "rack nine", NULL, NULL },
	{ "no network", RELAYED("198.51.100.1"), NULL, NETWORKS, ACCOUNT_CLIENT,
	    "client:198.51.100.1", NULL, NULL },
	{ "an IPv6 client is its /64", RELAYED("2001:db8:0:1:2:3:4:5"), NULL, 0,
	    ACCOUNT_CLIENT, "client:2001:db8:0:1::/64", NULL, NULL },
	{ "a mapped client", RELAYED("::ffff:192.0.2.1"), NULL, 0,
	    ACCOUNT_CLIENT, "client:192.0.2.1", NULL, NULL },
	{ "an unknown client", RELAYED("unknown"), NULL, NETWORKS,
	    ACCOUNT_CLIENT, "client:unknown", NULL, NULL },
	{ "a uid", CLASS_RELAY, NULL, "127.0.0.1", 4711, 1001, "bob@b.example",
	    0, ACCOUNT_UID, "uid:1001", NULL, NULL },
	{ "uid 0", CLASS_RELAY, NULL, "127.0.0.1", 4711, 0, NULL, 0,
	    ACCOUNT_UID, "uid:0", NULL, NULL },
	{ "the largest uid", CLASS_RELAY, NULL, "127.0.0.1", 4711, UINT32_MAX,
	    NULL, 0, ACCOUNT_UID, "uid:4294967295", NULL, NULL },
	{ "a login goes before a uid", CLASS_SUBMISSION, "alice", "127.0.0.1",
	    4711, 1001, NULL, 0, ACCOUNT_SASL, "alice", NULL, NULL },
	{ "the host is for local only", RELAYED("127.0.0.1"), NULL, 0,
	    ACCOUNT_CLIENT, "client:127.0.0.1", NULL, NULL },
	{ "inbound is the client, whatever else is there", CLASS_INBOUND,
	    "alice", "192.0.2.1", 4711, 1001, NULL, NETWORKS, ACCOUNT_CLIENT,
	    "client:192.0.2.1", NULL, NULL },
	/* local */
	{ "sendmail(1)", HANDED_IN, "bob@b.example", 0, ACCOUNT_HOST,
	    "local:" HOST, NULL, HOST },
	{ "a host without name", HANDED_IN, "bob@b.example", NO_HOST,
	    ACCOUNT_HOST, "local:localhost", NULL, "localhost" },
	{ "a host with a broken name", HANDED_IN, "bob@b.example", BAD_HOST,
	    ACCOUNT_HOST, "local:localhost", NULL, "localhost" },
	{ "the null sender is the bounces'", HANDED_IN, NULL, 0,
	    ACCOUNT_BOUNCES, "bounces:" HOST, NULL, HOST },
	{ "also if the envelope is trusted", HANDED_IN, NULL, TRUST_ENVELOPE,
	    ACCOUNT_BOUNCES, "bounces:" HOST, NULL, HOST },
	{ "also if uid is the only other source", CLASS_LOCAL, NULL,
	    "127.0.0.1", 0, 1001, NULL, 0, ACCOUNT_BOUNCES, "bounces:" HOST,
	    NULL, HOST },
	{ "a null sender elsewhere is judged like any other",
	    SUBMITTED("alice"), NULL, 0, ACCOUNT_SASL, "alice", NULL, NULL },
	{ "a login has its own null sender", CLASS_LOCAL, "alice", "127.0.0.1",
	    4711, NO_UID, NULL, TRUST_ENVELOPE, ACCOUNT_SASL, "alice", NULL,
	    NULL },
	{ "a trusted envelope", HANDED_IN, "Bob@B.example", TRUST_ENVELOPE,
	    ACCOUNT_ENVELOPE, "bob@b.example", "Bob@b.example", "b.example" },
	{ "a trusted envelope that is no mailbox", HANDED_IN, "bob",
	    TRUST_ENVELOPE | NO_SENDER, ACCOUNT_HOST, "local:" HOST, NULL,
	    HOST },
	{ "a trusted envelope takes no name of ours", HANDED_IN,
	    "\"uid:0\"@b.example", TRUST_ENVELOPE, ACCOUNT_ENVELOPE,
	    "\"uid:0\"@b.example", "\"uid:0\"@b.example", "b.example" },
	{ "only sendmail(1)'s envelope is trusted", CLASS_LOCAL, NULL,
	    "127.0.0.1", 4711, 1001, "bob@b.example", TRUST_ENVELOPE,
	    ACCOUNT_UID, "uid:1001", NULL, NULL },
	{ "and none of a submission", SUBMITTED("alice"), "bob@b.example",
	    TRUST_ENVELOPE, ACCOUNT_SASL, "alice", NULL, NULL },
};

static struct network_account networks[] = {
	{ .account = "Panel" },
	{ .account = "Alice@B\xc3\x9c"
		     "CHER.example" },
	{ .account = "rack nine" },
	{ .account = "never" },
};

static struct account_rules
rules_of(unsigned switches)
{
	struct account_rules rules = {
		.identify = { ACCOUNT_SASL, ACCOUNT_NETWORK, ACCOUNT_HEADER,
		    ACCOUNT_UID, ACCOUNT_HOST, ACCOUNT_CLIENT },
		.identify_count = 6,
		.is_case_sensitive = (switches & CASE_SENSITIVE) != 0,
		.trust_envelope = (switches & TRUST_ENVELOPE) != 0,
		.default_domain =
		    (switches & DEFAULT_DOMAIN) != 0 ? "customers.example" : "",
	};

	if ((switches & CLIENT_BEFORE_SASL) != 0) {
		rules.identify[0] = ACCOUNT_CLIENT;
		rules.identify[5] = ACCOUNT_SASL;
	}
	if ((switches & SASL_ONLY) != 0)
		rules.identify_count = 1;
	if ((switches & NETWORKS) != 0) {
		rules.networks = networks;
		rules.network_count = COUNT(networks);
	}
	return rules;
}

static const char *
shown(const char *text)
{
	return text != NULL ? text : "(none)";
}

static bool
is_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other
					    : strcmp(one, other) == 0;
}

static void
fill_facts(const struct identity_case *c, struct arena *arena,
    struct connection_facts *connection, struct message_facts *facts)
{
	memset(connection, 0, sizeof *connection);
	memset(facts, 0, sizeof *facts);
	(void)network_address(c->client, &connection->client);
	connection->client_port = c->port;
	connection->is_port_known = true;
	connection->mta_host = "MX1.Example.NET.";
	if ((c->switches & NO_HOST) != 0)
		connection->mta_host = NULL;
	if ((c->switches & BAD_HOST) != 0)
		connection->mta_host = "mx1 example\r\nnet";
	connection->has_uid = c->uid != NO_UID;
	if (connection->has_uid)
		connection->uid = (uint32_t)c->uid;
	facts->connection = connection;
	facts->login = c->login;
	facts->is_null_sender = c->sender == NULL;
	facts->is_bad_sender = (c->switches & NO_SENDER) != 0;
	if (c->sender != NULL && !facts->is_bad_sender)
		assert_true(address_mailbox(
		    arena, c->sender, strlen(c->sender), &facts->sender, NULL));
}

/* What doesn't depend on a map: the parent, no plan, and the host of what is
 * only a number there. */
static void
check_rest(const struct identity_case *c, const struct account *got)
{
	const char *parent = c->own_domain != NULL ? c->own_domain : c->account;
	bool has_host = c->traffic_class != CLASS_INBOUND
	    && (c->source == ACCOUNT_UID || c->source == ACCOUNT_CLIENT);

	if (!is_text(got->parent, parent))
		fail_msg("%s: wanted the parent %s, got %s", c->name, parent,
		    shown(got->parent));
	if (got->plan != NULL)
		fail_msg("%s: wanted no plan, got %s", c->name, got->plan);
	if (!is_text(got->host, has_host ? HOST : NULL))
		fail_msg("%s: wanted the host %s, got %s", c->name,
		    has_host ? HOST : "(none)", shown(got->host));
}

static void
account_is_identified(void **state)
{
	static const char *const prefixes[] = { "192.0.2.0/24", "192.0.2.1",
		"192.0.2.0/28", "2001:db8::/32" };

	(void)state;
	for (size_t i = 0; i < COUNT(networks); i++)
		assert_true(
		    network_parse(prefixes[i], &networks[i].network, NULL));
	for (size_t i = 0; i < COUNT(identities); i++) {
		const struct identity_case *c = &identities[i];
		struct account_rules rules = rules_of(c->switches);
		struct connection_facts connection;
		struct message_facts facts;
		struct account got;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		fill_facts(c, &arena, &connection, &facts);
		assert_true(account_identify(
		    &rules, &facts, c->traffic_class, &arena, &got));
		if (got.source != c->source || !is_text(got.name, c->account))
			fail_msg("%s: wanted %s %s, got %s %s", c->name,
			    account_source_name(c->source), c->account,
			    account_source_name(got.source), got.name);
		if (!is_text(got.own.text, c->own)
		    || !is_text(got.own_domain, c->own_domain))
			fail_msg("%s: wanted to own %s and %s, got %s and %s",
			    c->name, shown(c->own), shown(c->own_domain),
			    shown(got.own.text), shown(got.own_domain));
		if (got.is_too_long)
			fail_msg(
			    "%s: wanted its whole name, got it cut", c->name);
		check_rest(c, &got);
		arena_clear(&arena);
	}
}

static const struct {
	const char *name, *login;
	bool is_too_long;
} lengths[] = {
	/* with "@customers.example" behind it */
	{ "494 octets",
	    HUNDRED HUNDRED HUNDRED HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN
	    "0123",
	    false },
	{ "495 octets",
	    HUNDRED HUNDRED HUNDRED HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN
	    "01234",
	    true },
	{ "600 octets", HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED, true },
	{ "a reserved name that its prefix makes too long",
	    "uid:" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "01234567", true },
	{ "a reserved name that fits",
	    "uid:" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "012", false },
	{ "an address of 512 octets",
	    HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "01@a.example", false },
	{ "an address of 513 octets",
	    HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED "012@a.example", true },
	{ "1,100 octets",
	    HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
		HUNDRED HUNDRED HUNDRED,
	    true },
};

static void
long_names_are_cut_and_own_nothing(void **state)
{
	struct connection_facts connection = { .is_port_known = true };
	struct account_rules rules = rules_of(DEFAULT_DOMAIN);

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct message_facts facts = { .connection = &connection,
			.login = lengths[i].login };
		struct account got;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		assert_true(account_identify(
		    &rules, &facts, CLASS_SUBMISSION, &arena, &got));
		if (got.is_too_long != lengths[i].is_too_long)
			fail_msg("%s: wanted %s, got the opposite",
			    lengths[i].name,
			    lengths[i].is_too_long ? "too long" : "whole");
		if (strlen(got.name) > ACCOUNT_OCTETS)
			fail_msg("%s: wanted at most %d octets, got %zu",
			    lengths[i].name, ACCOUNT_OCTETS, strlen(got.name));
		if (got.is_too_long
		    && (got.own.domain != NULL || got.own_domain != NULL))
			fail_msg("%s: wanted to own nothing, got %s",
			    lengths[i].name, shown(got.own_domain));
		arena_clear(&arena);
	}
}

/* Different people never share an account, whatever they call themselves. */
static void
different_logins_are_different_accounts(void **state)
{
	static const char *const logins[] = { "alice", "alice ", " alice",
		"\"alice\"", "al\\ice", "alice\n", "alice\r", "ali\tce",
		"alice@", "@alice", "alice@a.example", "alice@b.example",
		"alice@@a.example", "alice@a.example\n", "alice @a.example",
		"alice@ a.example", "<alice@a.example>", "alice@a.example@x",
		"alice+x@a.example", "uid:0", "sasl:uid:0", "sasl:sasl:uid:0",
		"\"uid:0\"@a.example", "uid:0@a.example", "local:" HOST,
		"bounces:" HOST, "client:192.0.2.1",
		"\x7f"
		"alice",
		"\xc3\xa4lice", "a\xcc\x88lice", "\xe4lice" };
	struct connection_facts connection = { .is_port_known = true };
	struct account_rules rules = rules_of(DEFAULT_DOMAIN);
	struct account accounts[COUNT(logins)];
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(logins); i++) {
		struct message_facts facts = { .connection = &connection,
			.login = logins[i] };

		assert_true(account_identify(
		    &rules, &facts, CLASS_SUBMISSION, &arena, &accounts[i]));
		for (size_t k = 0; k < i; k++)
			if (strcmp(accounts[i].name, accounts[k].name) == 0)
				fail_msg("%s and %s: wanted two accounts, got "
					 "%s for both",
				    logins[i], logins[k], accounts[i].name);
	}
	arena_clear(&arena);
}

/* With less memory than it needs every identification fails, and none
 * crashes or gives half an account. */
static void
want_of_memory_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(identities); i++) {
		const struct identity_case *c = &identities[i];
		struct account_rules rules = rules_of(c->switches);
		struct connection_facts connection;
		struct message_facts facts;
		struct arena arena, none;
		struct account got;

		arena_init(&arena, ARENA_BYTES);
		arena_init(&none, 0);
		fill_facts(c, &arena, &connection, &facts);
		if (account_identify(
			&rules, &facts, c->traffic_class, &none, &got))
			fail_msg(
			    "%s: wanted a fault, got %s", c->name, got.name);
		arena_clear(&arena);
		arena_clear(&none);
	}
}

static void
sources_have_names(void **state)
{
	static const char *const wanted[] = { "sasl", "network", "header",
		"uid", "host", "client", "envelope", "bounces" };

	(void)state;
	assert_int_equal(COUNT(wanted), ACCOUNT_SOURCE_COUNT);
	for (size_t i = 0; i < COUNT(wanted); i++)
		assert_string_equal(
		    account_source_name((enum account_source)i), wanted[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(class_is_found),
		cmocka_unit_test(account_is_identified),
		cmocka_unit_test(long_names_are_cut_and_own_nothing),
		cmocka_unit_test(different_logins_are_different_accounts),
		cmocka_unit_test(want_of_memory_is_told),
		cmocka_unit_test(sources_have_names),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
