/* What configurations say of preflight: how mail leaves, how names are looked
 * up, what is done about what a receiver will see. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>

static const char *const actions[] = { "accept", "observe", "hold", "tempfail",
	"reject" };

static void
show_egress(struct text *out, const struct conf *conf)
{
	for (size_t i = 0; i < conf->egress_count; i++)
		text_addf(out, "%s%s %s", i > 0 ? "," : "",
		    conf->egress[i].text, conf->egress[i].helo);
}

static void
show_dns(struct text *out, const struct dns_conf *dns)
{
	for (size_t i = 0; i < dns->server_count; i++)
		text_addf(out, "%s ", dns->servers[i]);
	text_addf(out, "%" PRIu64 " %s %" PRIu64, dns->timeout_ms,
	    *dns->trust_anchor != '\0' ? dns->trust_anchor : "-",
	    dns->cache_bytes);
}

/* The action of each result, then the profiles, then check_published_key. */
static void
show_preflight(struct text *out, const struct preflight_conf *preflight)
{
	static const enum preflight_result order[] = { PREFLIGHT_PASS,
		PREFLIGHT_FAIL_REJECT, PREFLIGHT_FAIL_QUARANTINE,
		PREFLIGHT_FAIL_NONE, PREFLIGHT_NO_POLICY, PREFLIGHT_TEMPERROR,
		PREFLIGHT_PERMERROR };

	for (size_t i = 0; i < COUNT(order); i++)
		text_addf(out, "%s ", actions[preflight->on[order[i]]]);
	for (int i = 0; i < PREFLIGHT_PROFILES; i++)
		text_add(out, preflight->profiles[i] ? "1" : "0");
	text_add(out, preflight->checks_keys ? " keys" : " no keys");
}

static void
show_class(struct text *out, const struct class_conf *class)
{
	text_add(out, class->preflight ? "yes " : "no ");
	show_preflight(out, &class->preflight_conf);
}

static void
show(struct text *out, const struct conf *conf, const char *field)
{
	for (int i = 0; i < CLASS_COUNT; i++)
		if (strcmp(field, facts_class_name((enum traffic_class)i))
		    == 0) {
			show_class(out, &conf->classes[i]);
			return;
		}
	if (strcmp(field, "egress") == 0)
		show_egress(out, conf);
	else if (strcmp(field, "egress_map") == 0)
		show_map(out, conf->egress_map);
	else if (strcmp(field, "authserv_id") == 0)
		text_add(out, conf->authserv_id);
	else if (strcmp(field, "local_mailers") == 0)
		for (size_t i = 0; i < conf->local_mailers.count; i++)
			text_addf(out, "%s ", conf->local_mailers.names[i]);
	else if (strcmp(field, "dns") == 0)
		show_dns(out, &conf->dns);
	else if (strcmp(field, "preflight") == 0)
		show_preflight(out, &conf->preflight);
	else if (strcmp(field, "senders.map") == 0)
		show_map(out, conf->senders.map);
	else if (strcmp(field, "warnings") == 0)
		for (size_t i = 0; i < conf->warning_count; i++)
			text_addf(out, "%s|", conf->warnings[i] + strlen(file));
	else
		fail_msg("no field %s", field);
}

/* Of a class by default; what begins with the action of fail-reject. */
#define OTHERS " observe observe accept accept observe 110 keys"

#define UNSET                                                         \
	": egress: is not set, so SPF is unknown, and what rests on " \
	"it is only logged; write the addresses that mail leaves "    \
	"from and the names said there: egress = { \"192.0.2.1 mx1."  \
	"example.net\" }|"

static const struct {
	const char *name;
	const char *text;
	const char *field;
	const char *want; /* '@' stands for the directory of the test */
} good_cases[] = {
	/* how mail leaves */
	{ "egress by default", "", "egress", "" },
	{ "an address", "egress = { \"192.0.2.1 mx1.example.net\" }", "egress",
	    "192.0.2.1 mx1.example.net" },
	{ "addresses",
	    "egress = { \"192.0.2.1  MX1.Example.Net.\",\n"
	    "\"2001:DB8:0::1 b\xC3\xBC"
	    "cher.example\", }",
	    "egress",
	    "192.0.2.1 mx1.example.net,2001:db8::1 xn--bcher-kva.example" },
	{ "egress_map by default", "", "egress_map", "-" },
	{ "a map of egress",
	    "egress_map = texthash:egress\n"
	    "egress = { \"192.0.2.1 mx1.a.example\" }",
	    "egress_map", "texthash:@/egress:4" },
	{ "a map of egress in a socketmap",
	    "egress_map = \"socketmap:inet:127.0.0.1:8004:egress\"",
	    "egress_map", "socketmap:inet:127.0.0.1:8004:egress" },
	{ "authserv_id by default", "", "authserv_id", "" },
	{ "an authserv_id", "authserv_id = Relay.Example", "authserv_id",
	    "relay.example" },
	{ "local_mailers by default", "", "local_mailers",
	    "local virtual lmtp dovecot " },
	{ "other mailers", "local_mailers = { local, \"*file*\", Cyrus-LMTP }",
	    "local_mailers", "local *file* Cyrus-LMTP " },
	{ "no mailers", "local_mailers = { }", "local_mailers", "" },

	/* names */
	{ "dns by default", "", "dns", "5000 - 33554432" },
	{ "servers",
	    "dns { servers = { 127.0.0.1@5353, \"2001:DB8::53\", "
	    "192.0.2.53, \"::1@053\" } }",
	    "dns",
	    "127.0.0.1@5353 2001:db8::53 192.0.2.53 ::1@53 5000 - 33554432" },
	{ "one server at two ports",
	    "dns { servers = { 127.0.0.1, 127.0.0.1@5353 } }", "dns",
	    "127.0.0.1 127.0.0.1@5353 5000 - 33554432" },
	{ "the shortest timeout, the smallest cache",
	    "dns { timeout = 100ms cache_size = 1M }", "dns", "100 - 1048576" },
	{ "the longest timeout, the largest cache",
	    "dns { timeout = 15s cache_size = 4G }", "dns",
	    "15000 - 4294967296" },
	{ "a trust anchor", "dns { trust_anchor = plain }", "dns",
	    "5000 @/plain 33554432" },
	{ "a trust anchor written empty", "dns { trust_anchor = \"\" }", "dns",
	    "5000 - 33554432" },

	/* what is done */
	{ "preflight by default", "", "preflight", "accept observe" OTHERS },
	{ "submission refuses by default", "", "submission",
	    "yes accept reject" OTHERS },
	{ "local observes", "", "local", "yes accept observe" OTHERS },
	{ "relay observes", "", "relay", "yes accept observe" OTHERS },
	{ "inbound is left alone", "", "inbound", "no accept observe" OTHERS },
	{ "the section holds for submission too",
	    "preflight { on_fail_reject = observe }", "submission",
	    "yes accept observe" OTHERS },
	{ "whatever the order",
	    "class submission { sign = no } "
	    "preflight { on_fail_reject = accept }",
	    "submission", "yes accept accept" OTHERS },
	{ "unless the class says otherwise",
	    "preflight { on_fail_reject = observe } "
	    "class submission { on_fail_reject = hold }",
	    "submission", "yes accept hold" OTHERS },
	{ "another option of the section changes nothing of it",
	    "preflight { on_fail_none = reject }", "submission",
	    "yes accept reject observe reject accept accept observe 110 "
	    "keys" },
	{ "the section holds elsewhere",
	    "preflight { on_fail_reject = tempfail }", "relay",
	    "yes accept tempfail" OTHERS },
	{ "a class's own", "class relay { on_fail_reject = reject }", "relay",
	    "yes accept reject" OTHERS },
	{ "a class's own isn't the section's",
	    "class relay { on_fail_reject = reject }", "preflight",
	    "accept observe" OTHERS },
	{ "every action",
	    "preflight { on_fail_reject = reject on_fail_quarantine = hold "
	    "on_fail_none = tempfail on_no_policy = observe on_temperror = "
	    "tempfail on_permerror = accept }",
	    "local",
	    "yes accept reject hold tempfail observe tempfail accept 110 "
	    "keys" },
	{ "profiles", "preflight { profiles = { both_pass, rfc7489 } }",
	    "relay",
	    "yes accept observe observe observe accept accept observe 011 "
	    "keys" },
	{ "a class's profiles",
	    "preflight { profiles = { rfc9989 } } "
	    "class local { profiles = { both_pass } }",
	    "local",
	    "yes accept observe observe observe accept accept observe 001 "
	    "keys" },
	{ "keys aren't compared", "preflight { check_published_key = no }",
	    "local",
	    "yes accept observe observe observe accept accept observe 110 "
	    "no keys" },
	{ "a class without", "class local { preflight = no }", "local",
	    "no accept observe" OTHERS },
	{ "a host that hands on", "identity_header = X-A", "submission",
	    "no accept reject" OTHERS },
	{ "a host that hands on, a class that does",
	    "identity_header = X-A class submission { preflight = yes }",
	    "submission", "yes accept reject" OTHERS },
	{ "a relay that believes it",
	    "identity_header = X-A trusted_networks = { 10.0.0.1 }", "relay",
	    "yes accept observe" OTHERS },

	/* socketmaps */
	{ "a socketmap at a port",
	    "senders { owners = map "
	    "map = \"socketmap:inet:db.example:8004:senders\" }",
	    "senders.map", "socketmap:inet:db.example:8004:senders" },
	{ "a socketmap at an IPv6 port",
	    "senders { owners = map map = \"socketmap:inet:[::1]:8004:a\" }",
	    "senders.map", "socketmap:inet:[::1]:8004:a" },
	{ "a socketmap at a path",
	    "senders { owners = map "
	    "map = \"socketmap:unix:/run/a:b/s:senders\" }",
	    "senders.map", "socketmap:unix:/run/a:b/s:senders" },
	{ "a socketmap at a relative path",
	    "senders { owners = map map = \"socketmap:unix:s:senders\" }",
	    "senders.map", "socketmap:unix:@/s:senders" },

	/* warnings */
	{ "egress isn't set", "senders { owners = all }", "warnings", UNSET },
	{ "egress is set to nothing", "senders { owners = all }\negress = { }",
	    "warnings", ":2" UNSET },
	{ "nothing can be refused for it",
	    "senders { owners = all } preflight { on_fail_reject = observe }",
	    "warnings", "" },
	{ "another class refuses",
	    "senders { owners = all } preflight { on_fail_reject = observe } "
	    "class relay { mode = enforce on_temperror = tempfail }",
	    "warnings", UNSET },
	{ "another class refuses, but observes",
	    "senders { owners = all } preflight { on_fail_reject = observe } "
	    "class relay { on_fail_reject = reject }",
	    "warnings", "" },
	{ "no preflight, no egress",
	    "senders { owners = all } class submission { preflight = no }",
	    "warnings", "" },
	{ "a map alone says where mail leaves from",
	    "senders { owners = all } egress_map = lmdb:logins", "warnings",
	    "" },
	{ "addresses that nobody sees",
	    "senders { owners = all }\negress = { \"192.0.2.1 a.example\",\n"
	    "\"10.0.0.1 b.example\", \"::1 c.example\" }",
	    "warnings",
	    ":2: egress: receivers will hardly see 10.0.0.1, which is an "
	    "address of a private network or of this host; write the one that "
	    "mail has when it reaches them|"
	    ":2: egress: receivers will hardly see ::1, which is an address "
	    "of a private network or of this host; write the one that mail "
	    "has when it reaches them|" },
};

static void
good_configurations_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++) {
		const char *name = good_cases[i].name;
		const char *text = good_cases[i].text;
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, text, strlen(text), &errors);
		char want[1000];
		char space[1000];
		struct text got;

		if (conf == NULL)
			fail_with(name, &errors);
		text_init(&got, space, sizeof(space));
		show(&got, conf, good_cases[i].field);
		expand(good_cases[i].want, want, sizeof(want));
		conf_release(&conf);
		if (strcmp(space, want) != 0)
			fail_msg(
			    "%s: wanted \"%s\", got \"%s\"", name, want, space);
	}
}

static const struct {
	const char *name;
	const char *text;
	const char *errors[8]; /* beginnings, without the file's name */
} bad_cases[] = {
	/* how mail leaves */
	{ "egress that is no list", "egress = \"192.0.2.1 a.example\"",
	    { ":1: egress: a list is wanted; write { 192.0.2.1 a.example }" } },
	{ "an address without HELO",
	    "egress = { \"192.0.2.1 a.example\",\n192.0.2.2 }",
	    { ":2: egress: \"192.0.2.2\" lacks the name that is said there "
	      "(HELO); write for example \"192.0.2.1 mx1.example.net\"" } },
	{ "no address", "egress = {\n\"mx1.example.net 192.0.2.1\" }",
	    { ":2: egress: \"mx1.example.net\" is no address; write for "
	      "example" } },
	{ "a HELO without a dot", "egress = { \"192.0.2.1 mx1\" }",
	    { ":1: egress: \"mx1\" has no dot" } },
	{ "a HELO that is an address", "egress = { \"192.0.2.1 192.0.2.1\" }",
	    { ":1: egress: \"192.0.2.1\" is an address" } },
	{ "a HELO that can't be", "egress = { \"192.0.2.1 a..example\" }",
	    { ":1: egress: \"a..example\" can't be the name" } },
	{ "an address twice",
	    "egress = { \"192.0.2.1 a.example\",\n"
	    "\"::ffff:192.0.2.1 b.example\" }",
	    { ":2: egress: \"::ffff:192.0.2.1 b.example\" is in the list "
	      "twice; each address has one HELO" } },
	{ "an empty entry", "egress = { \"\" }",
	    { ":1: egress: \"\" is no address" } },
	{ "too many addresses",
	    "egress = { \"192.0.2.1 a.example\", \"192.0.2.2 a.example\", "
	    "\"192.0.2.3 a.example\", \"192.0.2.4 a.example\", "
	    "\"192.0.2.5 a.example\", \"192.0.2.6 a.example\", "
	    "\"192.0.2.7 a.example\", \"192.0.2.8 a.example\", "
	    "\"192.0.2.9 a.example\", \"192.0.2.10 a.example\", "
	    "\"192.0.2.11 a.example\", \"192.0.2.12 a.example\", "
	    "\"192.0.2.13 a.example\", \"192.0.2.14 a.example\", "
	    "\"192.0.2.15 a.example\", \"192.0.2.16 a.example\", "
	    "\"192.0.2.17 a.example\" }",
	    { ":1: egress: 17 entries; there can be 16" } },
	{ "a map of egress that can't be",
	    "egress = { \"192.0.2.1 mx1.a.example\" }\n"
	    "egress_map = texthash:badegress",
	    { ":2: egress_map: @/badegress:5: * has no value; write \"KEY "
	      "ADDRESS HELO\"",
		":2: egress_map: @/badegress:7: @b.example is there already, "
		"with another value; remove one of the lines",
		":2: egress_map: @/badegress:1: transport:bulk: "
		"\"192.0.2.7\" "
		"has no HELO, and isn't in egress; write \"192.0.2.7 ",
		":2: egress_map: @/badegress:2: a.example is never asked for; "
		"keys are transport:NAME, user@domain, @domain, @.domain (its "
		"subdomains) and *",
		":2: egress_map: @/badegress:4: @b.example: \"mx9\" has no "
		"dot",
		":2: egress_map: @/badegress:6: @c.example: \"mx8\" has no "
		"dot" } },
	{ "a map of egress and a bad egress",
	    "egress = { 192.0.2.1 }\negress_map = texthash:badegress",
	    { ":1: egress: \"192.0.2.1\" lacks the name",
		":2: egress_map: @/badegress:5: * has no value",
		":2: egress_map: @/badegress:7: @b.example is there" } },
	{ "a map of egress in Redis nowhere", "\negress_map = redis:a",
	    { ":2: egress_map: a map in Redis needs store.url" } },
	{ "no file of egress", "egress_map = texthash:nowhere",
	    { ":1: egress_map: @/nowhere: " } },
	{ "an authserv_id that is no name", "authserv_id = a..example",
	    { ":1: authserv_id: " } },
	{ "a mailer with a blank", "local_mailers = { local,\n\"a b\" }",
	    { ":2: local_mailers: \"a b\" is no name of 1 to 64 printable "
	      "signs without blanks, such as lmtp" } },
	{ "an empty mailer", "local_mailers = { \"\" }",
	    { ":1: local_mailers: \"\" is no name" } },
	{ "a long mailer",
	    "local_mailers = { "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
	    "}",
	    { ":1: local_mailers: \"aaaa" } },
	{ "a mailer twice", "local_mailers = { lmtp, local, lmtp }",
	    { ":1: local_mailers: \"lmtp\" is in the list twice" } },

	/* names */
	{ "a server's name", "dns {\nservers = { ns1.example.net } }",
	    { ":2: servers: \"ns1.example.net\" is no address of a name "
	      "server; write \"192.0.2.53\", \"2001:db8::53\" or, with a "
	      "port, \"127.0.0.1@5353\"" } },
	{ "a port with a colon", "dns { servers = { \"127.0.0.1:53\" } }",
	    { ":1: servers: \"127.0.0.1:53\" is no address" } },
	{ "no port", "dns { servers = { 127.0.0.1@ } }",
	    { ":1: servers: \"127.0.0.1@\" is no address" } },
	{ "port nought", "dns { servers = { 127.0.0.1@0 } }",
	    { ":1: servers: \"127.0.0.1@0\" is no address" } },
	{ "too large a port", "dns { servers = { 127.0.0.1@65536 } }",
	    { ":1: servers: \"127.0.0.1@65536\" is no address" } },
	{ "a port of letters", "dns { servers = { 127.0.0.1@dns } }",
	    { ":1: servers: \"127.0.0.1@dns\" is no address" } },
	{ "a long port", "dns { servers = { 127.0.0.1@000053 } }",
	    { ":1: servers: \"127.0.0.1@000053\" is no address" } },
	{ "an empty server", "dns { servers = { \"\" } }",
	    { ":1: servers: \"\" is no address" } },
	{ "a server twice",
	    "dns { servers = { 127.0.0.1@53,\n\"::ffff:127.0.0.1@053\" } }",
	    { ":2: servers: \"::ffff:127.0.0.1@053\" is in the list "
	      "twice" } },
	{ "too short a time", "dns { timeout = 99ms }",
	    { ":1: timeout: \"99ms\" is out of bounds; it can be 100ms to "
	      "15s" } },
	{ "too long a time", "dns { timeout = 16s }",
	    { ":1: timeout: \"16s\" is out of bounds" } },
	{ "no time", "dns { timeout = \"\" }",
	    { ":1: timeout: \"\" is no duration" } },
	{ "too small a cache", "dns { cache_size = 1023K }",
	    { ":1: cache_size: \"1023K\" is out of bounds; it can be 1M to "
	      "4G" } },
	{ "too large a cache", "dns { cache_size = 5G }",
	    { ":1: cache_size: \"5G\" is out of bounds" } },
	{ "no trust anchor", "dns { trust_anchor = nowhere }",
	    { ":1: trust_anchor: @/nowhere: there is no such file; make it, "
	      "or mend the path" } },
	{ "a trust anchor that is a directory", "dns { trust_anchor = keys }",
	    { ":1: trust_anchor: @/keys: is no file" } },

	/* what is done */
	{ "no profile", "preflight { profiles = { } }",
	    { ":1: profiles: the list is empty; it needs at least 1" } },
	{ "an unknown profile",
	    "preflight { profiles = { rfc9989,\nrfc7498 "
	    "} }",
	    { ":2: profiles: \"rfc7498\" is none of rfc9989, rfc7489, "
	      "both_pass; did you mean rfc7489?" } },
	{ "a profile twice", "preflight { profiles = { rfc7489, rfc7489 } }",
	    { ":1: profiles: \"rfc7489\" is in the list twice" } },
	{ "an unknown action", "preflight { on_fail_reject = refuse }",
	    { ":1: on_fail_reject: \"refuse\" is none of accept, observe, "
	      "tempfail, reject, hold" } },
	{ "an action for what passes", "preflight { on_pass = reject }",
	    { ":1: on_pass: there is no such option" } },
	{ "a near miss", "class relay { on_fail_rejct = reject }",
	    { ":1: on_fail_rejct: there is no such option in this section; "
	      "did you mean on_fail_reject?" } },
	{ "preflight's option in inbound",
	    "class inbound { on_fail_reject = reject }",
	    { ":1: on_fail_reject: class inbound takes no options" } },
	{ "preflight's option outside", "profiles = { rfc9989 }",
	    { ":1: profiles: there is no such option outside of sections; it "
	      "stands in section preflight" } },
	{ "preflight as an option of itself", "preflight { preflight = no }",
	    { ":1: preflight: there is no such option in this section; it "
	      "stands in section class" } },
	{ "the section twice", "preflight { }\npreflight { profiles = { x } }",
	    { ":2: section preflight is there already at @/t.conf:1",
		":2: profiles: \"x\" is none of" } },
	{ "an option of a class twice",
	    "class relay { on_permerror = reject\non_permerror = accept }",
	    { ":2: on_permerror: is set already at @/t.conf:1" } },

	/* socketmaps */
	{ "a socketmap of nothing", "senders { map = socketmap: }",
	    { ":1: map: \"socketmap:\" names no map of the server, without "
	      "blanks; write \"socketmap:inet:HOST:PORT:NAME\" or "
	      "\"socketmap:unix:PATH:NAME\"" } },
	{ "a socketmap without a name",
	    "senders { map = \"socketmap:inet:localhost:8004:\" }",
	    { ":1: map: \"socketmap:inet:localhost:8004:\" names no map" } },
	{ "a name with a blank", "senders { map = \"socketmap:unix:/s:a b\" }",
	    { ":1: map: \"socketmap:unix:/s:a b\" names no map" } },
	{ "a socketmap without a port",
	    "senders { map = \"socketmap:inet:localhost:senders\" }",
	    { ":1: map: \"socketmap:inet:localhost:senders\" names no "
	      "socket" } },
	{ "a port by its name",
	    "senders { map = \"socketmap:inet:localhost:smtp:a\" }",
	    { ":1: map: \"socketmap:inet:localhost:smtp:a\" names no "
	      "socket" } },
	{ "port nought of a socketmap",
	    "senders { map = \"socketmap:inet:localhost:0:a\" }",
	    { ":1: map: \"socketmap:inet:localhost:0:a\" names no socket" } },
	{ "no host", "senders { map = \"socketmap:inet::8004:a\" }",
	    { ":1: map: \"socketmap:inet::8004:a\" names no socket" } },
	{ "an IPv6 host without brackets",
	    "senders { map = \"socketmap:inet:::1:8004:a\" }",
	    { ":1: map: \"socketmap:inet:::1:8004:a\" names no socket" } },
	{ "an IPv4 host in brackets",
	    "senders { map = \"socketmap:inet:[127.0.0.1]:8004:a\" }",
	    { ":1: map: \"socketmap:inet:[127.0.0.1]:8004:a\" names no "
	      "socket" } },
	{ "a path alone", "senders { map = \"socketmap:/run/s:a\" }",
	    { ":1: map: \"socketmap:/run/s:a\" names no socket" } },
	{ "no path of a socketmap", "senders { map = \"socketmap:unix::a\" }",
	    { ":1: map: \"socketmap:unix::a\" names no socket" } },
	{ "a long path of a socketmap",
	    "senders { map = \"socketmap:unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaa:a\" }",
	    { ":1: map: a path of 119 octets; it can be 107" } },
	{ "no kind of map", "senders { map = \"mysql:/etc/x\" }",
	    { ":1: map: \"mysql:/etc/x\" is no map that can be read here; "
	      "write \"texthash:FILE\"" } },
};

static void
bad_configurations_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const char *text = bad_cases[i].text;
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, text, strlen(text), &errors);

		if (conf != NULL)
			fail_msg("%s: was read", bad_cases[i].name);
		check_errors(
		    bad_cases[i].name, &errors, file, bad_cases[i].errors);
		conf_errors_clear(&errors);
	}
}

/* Keys of a map of egress are as they are asked for. */
static void
keys_of_egress_are_found(void **state)
{
	static const char text[] = "egress_map = texthash:egress\n"
				   "egress = { \"192.0.2.1 mx1.a.example\" }";
	static const char *const keys[] = { "transport:bulk",
		"@.xn--bcher-kva.example", "alice@a.example", "*" };
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, text, sizeof(text) - 1, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("egress", &errors);
	for (size_t i = 0; i < COUNT(keys); i++)
		if (map_find(conf->egress_map->map, keys[i]) == NULL)
			fail_msg("%s: wanted a value, got none", keys[i]);
	conf_release(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_configurations_are_read),
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(keys_of_egress_are_found),
	};

	return cmocka_run_group_tests_name(
	    "conf_preflight", tests, fixture_begin, fixture_end);
}
