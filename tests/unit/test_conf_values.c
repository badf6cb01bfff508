/* What configurations mean: values, defaults, what classes inherit, and what
 * is warned of. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>

/* Show what a configuration says of a field: its name, then the number of
 * what has several. */

static const char *const actions[] = { "accept", "observe", "hold", "tempfail",
	"reject" };
static const char *const modes[] = { "enforce", "observe" };
static const char *const yes_no[] = { "no", "yes" };

static void
show_fields(struct text *out, const struct field_names *fields)
{
	for (size_t i = 0; i < fields->count; i++)
		text_addf(out, "%s%s", i > 0 ? "," : "", fields->names[i]);
}

static void
show_sign(struct text *out, const struct sign_conf *sign, const char *field)
{
	const char *canons[] = { "simple", "relaxed" };

	if (strcmp(field, "keys") == 0)
		text_add(out, sign->places.directory);
	else if (strcmp(field, "canon") == 0)
		text_addf(out, "%s/%s", canons[sign->rules.header_canon],
		    canons[sign->rules.body_canon]);
	else if (strcmp(field, "headers") == 0)
		show_fields(out, &sign->rules.headers);
	else if (strcmp(field, "oversign") == 0)
		show_fields(out, &sign->rules.oversign);
	else if (strcmp(field, "fallback") == 0)
		text_add(out, sign->fallback_domain);
	else if (strcmp(field, "expire") == 0)
		text_addf(out, "%" PRIu64, sign->rules.expire_s);
	else if (strcmp(field, "missing") == 0)
		text_add(out, actions[sign->on_missing_key]);
	else if (strcmp(field, "error") == 0)
		text_add(out, actions[sign->on_key_error]);
	else
		fail_msg("no field %s", field);
}

static void
show_senders(
    struct text *out, const struct senders_conf *senders, const char *field)
{
	const char *owners[] = { "own", "map", "all" };

	if (strcmp(field, "owners") == 0)
		text_add(out, owners[senders->rules.owners]);
	else if (strcmp(field, "map") == 0)
		show_map(out, senders->map);
	else if (strcmp(field, "default_domain") == 0)
		text_add(out, senders->rules.default_domain);
	else if (strcmp(field, "delimiter") == 0)
		text_add(out, senders->rules.recipient_delimiter);
	else if (strcmp(field, "check") == 0)
		text_addf(out, "envelope=%s from=%s",
		    yes_no[senders->rules.check_envelope],
		    yes_no[senders->rules.check_from]);
	else if (strcmp(field, "mismatch") == 0)
		text_add(out, actions[senders->rules.on_mismatch]);
	else if (strcmp(field, "bad_from") == 0)
		text_add(out, actions[senders->rules.on_bad_from]);
	else if (strcmp(field, "case") == 0)
		text_add(out, yes_no[senders->rules.is_case_sensitive]);
	else
		fail_msg("no field %s", field);
}

static void
show_class(struct text *out, const struct class_conf *class, const char *field)
{
	if (strcmp(field, "mode") == 0)
		text_add(out, modes[class->mode]);
	else if (strcmp(field, "sign") == 0)
		text_add(out, yes_no[class->sign]);
	else if (strcmp(field, "limits") == 0)
		text_add(out, yes_no[class->limits]);
	else if (strcmp(field, "recipients") == 0)
		text_addf(out, "%" PRIu64, class->max_recipients);
	else if (strcmp(field, "trust") == 0)
		text_add(out, yes_no[class->trust_envelope]);
	else if (strcmp(field, "hold") == 0)
		text_addf(out, "%" PRIu64, class->hold_max);
	else if (strncmp(field, "sign.", 5) == 0)
		show_sign(out, &class->sign_conf, field + 5);
	else
		show_senders(out, &class->senders, field);
}

static void
show_listeners(struct text *out, const struct conf *conf)
{
	for (size_t i = 0; i < conf->listener_count; i++) {
		const struct listener_conf *listener = &conf->listeners[i];

		text_addf(out, "%s%s:%d:%s:%s:%s", i > 0 ? " " : "",
		    listener->name, listener->port,
		    listener->has_class
			? facts_class_name(listener->traffic_class)
			: "-",
		    yes_no[listener->require_auth],
		    yes_no[listener->require_tls]);
	}
}

static void
show_accounts(struct text *out, const struct account_rules *rules)
{
	for (size_t i = 0; i < rules->identify_count; i++)
		text_addf(out, "%s%s", i > 0 ? "," : "",
		    account_source_name(rules->identify[i]));
	text_addf(out, " %s", yes_no[rules->is_case_sensitive]);
	for (size_t i = 0; i < rules->network_count; i++)
		text_addf(out, " %s", rules->networks[i].account);
}

static void
show_top(struct text *out, const struct conf *conf, const char *field)
{
	if (strcmp(field, "listen") == 0)
		text_add(out, conf->listen);
	else if (strcmp(field, "socket_mode") == 0)
		text_addf(out, "%o", conf->socket_mode);
	else if (strcmp(field, "names") == 0)
		text_addf(out, "%s:%s", conf->user, conf->socket_group);
	else if (strcmp(field, "control") == 0)
		text_add(out, conf->control);
	else if (strcmp(field, "mode") == 0)
		text_add(out, modes[conf->mode]);
	else if (strcmp(field, "max_busy") == 0)
		text_addf(out, "%" PRIu64, conf->max_busy);
	else if (strcmp(field, "relay_networks") == 0)
		show_networks(
		    out, conf->relay_networks, conf->relay_network_count);
	else if (strcmp(field, "accounts") == 0)
		show_accounts(out, &conf->accounts);
	else if (strcmp(field, "log") == 0)
		text_addf(out, "%d %s %d %d", (int)conf->log.target,
		    conf->log.file != NULL ? conf->log.file : "-",
		    (int)conf->log.format, (int)conf->log.level);
	else if (strcmp(field, "store") == 0)
		text_addf(out, "%d %s %" PRIu64 " %d", (int)conf->store.backend,
		    conf->store.path, conf->store.size_bytes,
		    (int)conf->store.on_failure);
	else if (strcmp(field, "listeners") == 0)
		show_listeners(out, conf);
	else if (strcmp(field, "warnings") == 0)
		for (size_t i = 0; i < conf->warning_count; i++)
			text_addf(out, "%s|", conf->warnings[i] + strlen(file));
	else if (strncmp(field, "sign.", 5) == 0)
		show_sign(out, &conf->sign, field + 5);
	else
		show_senders(out, &conf->senders, field);
}

/* field may begin with the name of a class: "relay mode". */
static void
show(struct text *out, const struct conf *conf, const char *field)
{
	for (int i = 0; i < CLASS_COUNT; i++) {
		const char *name = facts_class_name((enum traffic_class)i);
		size_t length = strlen(name);

		if (strncmp(field, name, length) == 0 && field[length] == ' ') {
			show_class(out, &conf->classes[i], field + length + 1);
			return;
		}
	}
	show_top(out, conf, field);
}

struct good_case {
	const char *name;
	const char *text;
	const char *field;
	const char *want; /* '@' stands for the directory of the test */
};

/* What RFC 6376 §5.4.1 and RFC 8058 name, in signing.c's order. */
#define STANDARD_HEADERS                                                      \
	"From,Reply-To,Subject,Date,To,Cc,Resent-Date,Resent-From,Resent-To," \
	"Resent-Cc,In-Reply-To,References,List-Id,List-Help,"                 \
	"List-Unsubscribe,List-Unsubscribe-Post,List-Subscribe,List-Post,"    \
	"List-Owner,List-Archive"

static const struct good_case good_cases[] = {
	/* an empty file */
	{ "listen by default", "", "listen",
	    "unix:/var/spool/postfix/postern/postern.sock" },
	{ "socket_mode by default", "", "socket_mode", "660" },
	{ "user and group by default", "", "names", "postern:postfix" },
	{ "control by default", "", "control", "/run/postern/control.sock" },
	{ "mode by default", "", "mode", "enforce" },
	{ "max_busy by default", "", "max_busy", "64" },
	{ "relay_networks by default", "", "relay_networks",
	    "127.0.0.0/104,::1/128" },
	{ "accounts by default", "", "accounts",
	    "sasl,network,header,uid,host,client no" },
	{ "log by default", "", "log", "0 - 0 2" },
	{ "store by default", "", "store", "0 /var/lib/postern 1073741824 0" },
	{ "listeners by default", "", "listeners", "" },
	{ "keys by default", "", "sign.keys", "/etc/postern/keys" },
	{ "canonicalization by default", "", "sign.canon", "relaxed/simple" },
	{ "headers by default", "", "sign.headers", STANDARD_HEADERS },
	{ "oversign by default", "", "sign.oversign", "From" },
	{ "fallback by default", "", "sign.fallback", "" },
	{ "expire by default", "", "sign.expire", "0" },
	{ "on_missing_key by default", "", "sign.missing", "accept" },
	{ "on_key_error by default", "", "sign.error", "tempfail" },
	{ "owners by default", "", "owners", "own" },
	{ "map by default", "", "map", "-" },
	{ "default_domain by default", "", "default_domain", "" },
	{ "delimiter by default", "", "delimiter", "+" },
	{ "check by default", "", "check", "envelope=yes from=yes" },
	{ "on_mismatch by default", "", "mismatch", "observe" },
	{ "on_bad_from by default", "", "bad_from", "observe" },
	{ "submission enforces", "", "submission mode", "enforce" },
	{ "local observes", "", "local mode", "observe" },
	{ "relay observes", "", "relay mode", "observe" },
	{ "inbound observes", "", "inbound mode", "observe" },
	{ "submission signs", "", "submission sign", "yes" },
	{ "inbound doesn't sign", "", "inbound sign", "no" },
	{ "inbound has no limits", "", "inbound limits", "no" },
	{ "any number of recipients", "", "submission recipients", "0" },
	{ "hold_max by default", "", "local hold", "1000" },
	{ "the envelope isn't trusted", "", "local trust", "no" },
	{ "a class has headers too", "", "relay sign.headers",
	    STANDARD_HEADERS },

	/* the top level */
	{ "a unix socket", "listen = \"unix:/run/p.sock\"", "listen",
	    "unix:/run/p.sock" },
	{ "a relative unix socket", "listen = unix:p.sock", "listen",
	    "unix:@/p.sock" },
	{ "a TCP socket", "listen = \"inet:8895@127.0.0.1\"", "listen",
	    "inet:8895@127.0.0.1" },
	{ "a TCP socket of a name", "listen = inet:8895@localhost", "listen",
	    "inet:8895@localhost" },
	{ "an IPv6 socket", "listen = \"inet6:8895@::1\"", "listen",
	    "inet6:8895@::1" },
	{ "a TCP socket everywhere", "listen = inet:8895", "listen",
	    "inet:8895" },
	{ "a descriptor", "listen = fd:3", "listen", "fd:3" },
	{ "a mode without a nought", "socket_mode = 600", "socket_mode",
	    "600" },
	{ "mode nought", "socket_mode = 0", "socket_mode", "0" },
	{ "no user, no group", "user = \"\" socket_group = \"\"", "names",
	    ":" },
	{ "numbers as names", "user = 105 socket_group = 106", "names",
	    "105:106" },
	{ "no control socket", "control = \"\"", "control", "" },
	{ "a relative control socket", "control = \"unix:./c\"", "control",
	    "@/c" },
	{ "ten is ten", "max_busy = 010", "max_busy", "10" },
	{ "a number in quotes", "max_busy = \"65536\"", "max_busy", "65536" },
	{ "no networks", "relay_networks = { }", "relay_networks", "" },
	{ "networks", "relay_networks = { 10.0.0.0/8, \"2001:db8::/32\", }",
	    "relay_networks", "10.0.0.0/104,2001:db8::/32" },

	/* the sections */
	{ "a log on stderr", "log { target = stderr }", "log", "1 - 0 2" },
	{ "a log file", "log { target = \"/var/log/p\" format = json }", "log",
	    "2 /var/log/p 1 2" },
	{ "a relative log file", "log { target = ./p.log level = debug }",
	    "log", "2 @/p.log 0 3" },
	{ "a store", "store { path = p size = 25M on_failure = tempfail }",
	    "store", "0 @/p 26214400 2" },
	{ "a size in octets", "store { size = 1048576 }", "store",
	    "0 /var/lib/postern 1048576 0" },
	{ "the largest store", "store { size = 1T on_failure = accept }",
	    "store", "0 /var/lib/postern 1099511627776 1" },
	{ "keys beside the file", "sign { keys = keys }", "sign.keys",
	    "@/keys" },
	{ "canonicalization", "sign { canonicalization = simple/relaxed }",
	    "sign.canon", "simple/relaxed" },
	{ "headers", "sign { headers = { From, Subject } }", "sign.headers",
	    "From,Subject" },
	{ "From in oversign alone", "sign { headers = { Subject } }",
	    "sign.headers", "Subject" },
	{ "nothing oversigned", "sign { oversign = { } }", "sign.oversign",
	    "" },
	{ "From in headers alone", "sign { headers = { fROM } oversign = { } }",
	    "sign.headers", "fROM" },
	{ "a fallback", "sign { fallback_domain = Host.Example. }",
	    "sign.fallback", "host.example" },
	{ "a fallback with an umlaut",
	    "sign { fallback_domain = b\xC3\xBC"
	    "cher.example }",
	    "sign.fallback", "xn--bcher-kva.example" },
	{ "expire", "sign { expire = 14d }", "sign.expire", "1209600" },
	{ "expire written empty", "sign { expire = \"\" }", "sign.expire",
	    "0" },
	{ "on_missing_key", "sign { on_missing_key = reject }", "sign.missing",
	    "reject" },
	{ "owners all", "senders { owners = all }", "owners", "all" },
	{ "a map", "senders { owners = map map = texthash:map }", "map",
	    "texthash:@/map:2" },
	{ "no checks", "senders { check = { } }", "check",
	    "envelope=no from=no" },
	{ "one check", "senders { check = { from } }", "check",
	    "envelope=no from=yes" },
	{ "no delimiter", "senders { recipient_delimiter = \"\" }", "delimiter",
	    "" },
	{ "two delimiters", "senders { recipient_delimiter = \"+-\" }",
	    "delimiter", "+-" },
	{ "refused mismatches", "senders { on_mismatch = reject }", "mismatch",
	    "reject" },
	{ "identify", "accounts { identify = { host, sasl } }", "accounts",
	    "host,sasl no" },
	{ "networks of accounts", "accounts { networks = networks }",
	    "accounts", "sasl,network,header,uid,host,client no panel1 ten" },
	{ "case counts", "accounts { case_sensitive = yes }", "case", "yes" },
	{ "case counts in classes", "accounts { case_sensitive = yes }",
	    "relay case", "yes" },

	/* listeners */
	{ "the sample's listener",
	    "listener \"587\" { class = submission require_auth = yes "
	    "require_tls = yes }",
	    "listeners", "587:587:submission:yes:yes" },
	{ "listeners by port and name",
	    "listener 025 { class = inbound }\n"
	    "listener ORIGINATING { require_tls = yes }",
	    "listeners", "25:25:inbound:no:no ORIGINATING:0:-:no:yes" },
	{ "a class written empty", "listener 25 { class = \"\" }", "listeners",
	    "25:25:-:no:no" },

	/* classes and what they inherit */
	{ "a class's mode", "class relay { mode = enforce }", "relay mode",
	    "enforce" },
	{ "of that class only", "class relay { mode = enforce }", "local mode",
	    "observe" },
	{ "the daemon observes: submission", "mode = observe",
	    "submission mode", "observe" },
	{ "the daemon observes: a class that enforces",
	    "mode = observe class relay { mode = enforce }", "relay mode",
	    "observe" },
	{ "an observing class", "class submission { mode = observe }",
	    "submission mode", "observe" },
	{ "a class inherits", "senders { on_mismatch = reject }",
	    "relay mismatch", "reject" },
	{ "a class overrides",
	    "senders { on_mismatch = reject } class relay { on_mismatch = "
	    "observe }",
	    "relay mismatch", "observe" },
	{ "whatever the order",
	    "class relay { on_mismatch = observe } senders { on_mismatch = "
	    "reject }",
	    "relay mismatch", "observe" },
	{ "and others still inherit",
	    "class relay { on_mismatch = observe } senders { on_mismatch = "
	    "reject }",
	    "local mismatch", "reject" },
	{ "the section stays as it is", "class relay { owners = all }",
	    "owners", "own" },
	{ "a class has other headers",
	    "class local { headers = { From, Date } }", "local sign.headers",
	    "From,Date" },
	{ "a class goes back to the default headers",
	    "sign { headers = { From } } class local { headers = { } }",
	    "local sign.headers", STANDARD_HEADERS },
	{ "a class has other keys", "class local { keys = keys }",
	    "local sign.keys", "@/keys" },
	{ "a class has its own map",
	    "class relay { owners = map map = texthash:map }", "relay map",
	    "texthash:@/map:2" },
	{ "a class shares a map", "senders { owners = map map = texthash:map }",
	    "local map", "texthash:@/map:2" },
	{ "a class without signatures", "class local { sign = no }",
	    "local sign", "no" },
	{ "recipients", "class submission { max_recipients = 100 }",
	    "submission recipients", "100" },
	{ "local's own", "class local { trust_envelope = yes hold_max = 0 }",
	    "local hold", "0" },
	{ "an empty inbound", "class inbound { }", "inbound mode", "observe" },
	{ "inbound stays untouched", "sign { expire = 14d }", "inbound sign",
	    "no" },

	/* warnings */
	{ "bare logins are warned of", "", "warnings",
	    ": owners: a login without a domain owns no address, and its mail "
	    "is never signed; if there are such logins, set "
	    "senders.default_domain, or owners = map and senders.map, or "
	    "owners = all|" },
	{ "not with a default domain", "senders { default_domain = a.example }",
	    "warnings", "" },
	{ "not with owners = all", "senders { owners = all }", "warnings", "" },
	{ "not with a map",
	    "class submission { owners = map map = texthash:map }", "warnings",
	    "" },
	{ "inet is warned of",
	    "senders { owners = all }\nlisten = inet:8895@127.0.0.1",
	    "warnings",
	    ":2: listen: whoever can reach this port can claim any login and "
	    "read back a signature; use \"unix:/path\", or keep others away "
	    "from the port|" },
	{ "a socket for everybody",
	    "senders { owners = all }\nsocket_mode = 0666", "warnings",
	    ":2: socket_mode: every user of this host can claim any login and "
	    "read back a signature; write \"0660\"|" },
	{ "a socket for nobody", "senders { owners = all }\nsocket_mode = 0600",
	    "warnings",
	    ":2: socket_mode: group postfix can't connect; write \"0660\"|" },
	{ "a socket for its owner",
	    "senders { owners = all }\nsocket_mode = 0600 socket_group = "
	    "\"\"",
	    "warnings", "" },
	{ "a socket where everybody writes",
	    "senders { owners = all }\nlisten = unix:open/s", "warnings",
	    ":2: listen: everybody can write into @/open and replace the "
	    "socket; use a directory of postern's own|" },
	{ "observing is warned of",
	    "senders { owners = all }\n\nmode = observe", "warnings",
	    ":3: mode: observe: everything is decided and logged, nothing is "
	    "refused; write enforce when the log looks right|" },
	{ "the whole Internet",
	    "senders { owners = all }\nrelay_networks = { 0.0.0.0/0 }",
	    "warnings",
	    ":2: relay_networks: this is the whole Internet; list the "
	    "networks that may relay without a login|" },
	{ "a map for nothing", "senders {\nowners = all\nmap = texthash:map\n}",
	    "warnings",
	    ":3: map: is not used in class submission, where owners isn't "
	    "map; write owners = map|" },
	{ "a network file for nothing",
	    "senders { owners = all }\naccounts {\nidentify = { sasl }\n"
	    "networks = networks }",
	    "warnings",
	    ":4: networks: the file is not used; add network to identify|" },
	{ "a host that hands on is told so",
	    "senders { owners = own }\nidentity_header = X-A", "warnings",
	    ":2: identity_header: without trusted_networks this host writes "
	    "X-A, and leaves signing, preflight and limits to the relay that "
	    "believes it; a class can set sign, preflight and limits to "
	    "yes|" },
	{ "trust in nothing",
	    "senders { owners = all }\ntrusted_networks = { 10.0.0.1 }",
	    "warnings",
	    ":2: trusted_networks: is not used; set identity_header to the "
	    "field that these clients write|" },
	{ "trust in everybody",
	    "senders { owners = all } class relay { mode = enforce } "
	    "identity_header = X-A\n"
	    "trusted_networks = { 10.0.0.1, \"::/0\" }",
	    "warnings",
	    ":2: trusted_networks: this is the whole Internet, and anybody "
	    "can claim any account; list the hosts that write the field|" },
	{ "a trusted host whose limits only observe",
	    "senders { owners = all } identity_header = X-A\n"
	    "trusted_networks = { 10.0.0.1 }",
	    "warnings",
	    ":1: identity_header: what these clients bring is of class relay, "
	    "whose limits are only observed; write class relay { mode = "
	    "enforce }|" },
	{ "a field that nobody reads",
	    "senders { owners = all } class relay { mode = enforce } "
	    "trusted_networks = { 10.0.0.1 }\n"
	    "identity_header = X-A accounts { identify = { sasl } }",
	    "warnings",
	    ":2: identity_header: is not used; add header to identify|" },
	{ "a URL for nothing",
	    "senders { owners = all }\nstore {\nurl = redis://h }", "warnings",
	    ":3: url: is not used; write backend = redis, or take it away|" },
	{ "a URL for a map",
	    "senders { owners = all } store { url = redis://h }\n"
	    "accounts { map = redis:a }",
	    "warnings", "" },
	{ "a URL for a class's map",
	    "store { url = redis://h } senders { owners = all }\n"
	    "class relay { owners = map map = redis:a }",
	    "warnings", "" },
	{ "a short expiry", "senders { owners = all } sign { expire = 1d }",
	    "warnings",
	    ":1: expire: a message may wait in a queue for 5 days, and its "
	    "signature be void when it arrives; write \"14d\"|" },
};

/* All are of a host whose egress is known: that it isn't is warned of, which
 * test_conf_preflight looks at. */
static struct conf *
read_case(const struct good_case *c, struct conf_errors *errors)
{
	char space[2000];
	struct text text;

	text_init(&text, space, sizeof(space));
	text_addf(
	    &text, "%s\negress = { \"192.0.2.1 mx1.example.net\" }", c->text);
	assert_false(text.is_cut);
	return conf_read_text(file, space, text.length, errors);
}

static void
good_configurations_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++) {
		const struct good_case *c = &good_cases[i];
		struct conf_errors errors;
		struct conf *conf = read_case(c, &errors);
		char want[1000];
		char space[1000];
		struct text got;

		if (conf == NULL)
			fail_with(c->name, &errors);
		text_init(&got, space, sizeof(space));
		show(&got, conf, c->field);
		expand(c->want, want, sizeof(want));
		conf_release(&conf);
		if (strcmp(space, want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name, want,
			    space);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_configurations_are_read),
	};

	return cmocka_run_group_tests_name(
	    "conf_values", tests, fixture_begin, fixture_end);
}
