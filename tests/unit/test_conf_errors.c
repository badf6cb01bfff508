/* Bad configurations: every error, with its file and line. */
#include "tests/unit/conf_fixture.h"

struct bad_case {
	const char *name;
	const char *text;
	const char *errors[8]; /* beginnings, without the file's name */
};

static const struct bad_case bad_cases[] = {
	/* names */
	{ "an unknown option", "\nfoo = 1",
	    { ":2: foo: there is no such option; postern.conf(5)" } },
	{ "a near miss", "liste = fd:3",
	    { ":1: liste: there is no such option outside of sections; did "
	      "you mean listen?" } },
	{ "an option of a section", "keys = keys",
	    { ":1: keys: there is no such option outside of sections; it "
	      "stands in section sign" } },
	{ "an option of the top level", "log { listen = fd:3 }",
	    { ":1: listen: there is no such option in this section; it "
	      "stands outside of sections" } },
	{ "an option that comes later", "reinject_networks = { }",
	    { ":1: reinject_networks: there is no such option" } },
	{ "an unknown section", "http { listen = x }",
	    { ":1: there is no section http; postern.conf(5)" } },
	{ "a near miss of a section", "sender { }",
	    { ":1: there is no section sender; did you mean senders?" } },
	{ "an option as a section", "relay_networks { }",
	    { ":1: relay_networks is an option, not a section; write "
	      "relay_networks = ..." } },
	{ "an unknown class", "class rellay { }",
	    { ":1: class \"rellay\": the classes are submission, local, relay "
	      "and inbound; did you mean relay?" } },
	{ "a class without a name", "class { }",
	    { ":1: class \"\": the classes are" } },
	{ "a limit without a name", "limit { max = 1 per = 1h }",
	    { ":1: a limit needs a name" } },
	{ "a limit with an empty name", "limit \"\" { max = 1 per = 1h }",
	    { ":1: a limit needs a name" } },
	{ "a limit with a bad name", "limit \"a b\" { max = 1 per = 1h }",
	    { ":1: a limit needs a name" } },
	{ "a limit with a long name",
	    "limit aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaa { max = 1 per = 1h }",
	    { ":1: a limit needs a name of 1 to 64 letters" } },
	{ "a section with a name", "log main { format = json }",
	    { ":1: section log takes no name; write log {" } },
	{ "a listener without a name", "listener { }",
	    { ":1: a listener needs a port" } },
	{ "port nought", "listener 0 { }", { ":1: a listener needs a port" } },
	{ "port 65536", "listener 65536 { }",
	    { ":1: a listener needs a port" } },
	{ "a huge port", "listener 99999999999999999999999 { }",
	    { ":1: a listener needs a port" } },

	/* twice */
	{ "an option twice", "max_busy = 1\n\nmax_busy = 1",
	    { ":3: max_busy: is set already at @/t.conf:1; remove one" } },
	{ "a section twice", "log { }\nlog { level = nope }",
	    { ":2: section log is there already at @/t.conf:1",
		":2: level: \"nope\" is none of error, warning, info" } },
	{ "a limit twice",
	    "limit a { max = 1 per = 1h }\n\nlimit a { mux = 1 }",
	    { ":3: section limit a is there already at @/t.conf:1",
		":3: mux: there is no such option in this section; did you "
		"mean max?" } },
	{ "a class twice", "class relay { }\nclass relay { sign = maybe }",
	    { ":2: section class relay is there already at @/t.conf:1",
		":2: sign: \"maybe\" is neither yes nor no" } },
	{ "a listener twice", "listener 25 { }\nlistener \"025\" { }",
	    { ":2: section listener 25 is there already at @/t.conf:1" } },
	{ "an option twice, in a class",
	    "class relay {\nowners = own\nowners = all }",
	    { ":3: owners: is set already at @/t.conf:2" } },

	/* forms */
	{ "a list where a value is wanted", "mode = { enforce }",
	    { ":1: mode: one value is wanted, not a list" } },
	{ "a value where a list is wanted", "relay_networks = 10.0.0.0/8",
	    { ":1: relay_networks: a list is wanted; write { 10.0.0.0/8 }" } },
	{ "an empty list", "accounts { identify = { } }",
	    { ":1: identify: the list is empty" } },
	{ "a missing value is told once", "limit a { max =\nper = 1h }",
	    { ":1: max: no value after '='" } },

	/* types */
	{ "a word", "mode = enforced",
	    { ":1: mode: \"enforced\" is none of enforce, observe; did you "
	      "mean enforce?" } },
	{ "an unknown backend", "store { backend = sqlite }",
	    { ":1: backend: \"sqlite\" is none of lmdb, redis" } },
	{ "an empty word", "mode = \"\"",
	    { ":1: mode: \"\" is none of enforce, observe" } },
	{ "a number", "max_busy = many",
	    { ":1: max_busy: \"many\" is no number in digits" } },
	{ "a negative number", "max_busy = -1",
	    { ":1: max_busy: \"-1\" is no number" } },
	{ "hexadecimal", "max_busy = 0x10",
	    { ":1: max_busy: \"0x10\" is no number" } },
	{ "an empty number", "max_busy = \"\"",
	    { ":1: max_busy: \"\" is no number" } },
	{ "too small", "max_busy = 0",
	    { ":1: max_busy: \"0\" is out of bounds; it can be 1 to 65536" } },
	{ "too large", "max_busy = 65537",
	    { ":1: max_busy: \"65537\" is out of bounds" } },
	{ "beyond 64 bits", "max_busy = 18446744073709551617",
	    { ":1: max_busy: \"18446744073709551617\" is out of bounds" } },
	{ "beyond anything",
	    "max_busy = 99999999999999999999999999999999999999999999",
	    { ":1: max_busy: \"9999999999" } },
	{ "a boolean", "class relay { sign = true }",
	    { ":1: sign: \"true\" is neither yes nor no" } },
	{ "a duration without unit", "limit a { max = 1 per = 3600 }",
	    { ":1: per: \"3600\" has no unit; write ms, s, m, h or d" } },
	{ "a duration with another unit", "limit a { max = 1 per = 1w }",
	    { ":1: per: \"1w\" is no duration" } },
	{ "a duration with a blank", "limit a { max = 1 per = \"1 h\" }",
	    { ":1: per: \"1 h\" is no duration" } },
	{ "an empty duration", "limit a { max = 1 per = \"\" }",
	    { ":1: per: \"\" is no duration" } },
	{ "no duration at all", "limit a { max = 1 per = 0s }",
	    { ":1: per: \"0s\" is out of bounds; it can be 1ms to 366d" } },
	{ "too long a duration", "limit a { max = 1 per = 367d }",
	    { ":1: per: \"367d\" is out of bounds" } },
	{ "a duration beyond 64 bits",
	    "limit a { max = 1 per = 213503982335d }",
	    { ":1: per: \"213503982335d\" is out of bounds" } },
	{ "a part of a second", "sign { expire = 90500ms }",
	    { ":1: expire: \"90500ms\" is no whole number of seconds" } },
	{ "too short a duration", "sign { expire = 59s }",
	    { ":1: expire: \"59s\" is out of bounds; it can be 1m to "
	      "3650d" } },
	{ "a size", "store { size = 25MB }",
	    { ":1: size: \"25MB\" is no size" } },
	{ "too small a size", "store { size = 1K }",
	    { ":1: size: \"1K\" is out of bounds; it can be 1M to 1T" } },
	{ "a size beyond 64 bits", "store { size = 16777217T }",
	    { ":1: size: \"16777217T\" is out of bounds" } },
	{ "no octal", "socket_mode = 0680",
	    { ":1: socket_mode: \"0680\" is no mode" } },
	{ "too much octal", "socket_mode = 1777",
	    { ":1: socket_mode: \"1777\" is out of bounds" } },
	{ "long octal", "socket_mode = 00660",
	    { ":1: socket_mode: \"00660\" is no mode" } },
	{ "a user with a blank", "user = \"a b\"",
	    { ":1: user: \"a b\" can't be the name" } },
	{ "a user like an option", "user = -r",
	    { ":1: user: \"-r\" can't be the name" } },
	{ "a network", "relay_networks = { 10.0.0.0/8,\n10.0.0.0/33,\nfoo }",
	    { ":2: relay_networks: \"10.0.0.0/33\"",
		":3: relay_networks: \"foo\"" } },
	{ "host bits", "relay_networks = { 10.0.0.1/8 }",
	    { ":1: relay_networks: \"10.0.0.1/8\" has bits" } },
	{ "a domain", "sign { fallback_domain = a..example }",
	    { ":1: fallback_domain: " } },
	{ "a domain literal", "senders { default_domain = \"[192.0.2.1]\" }",
	    { ":1: default_domain: " } },
	{ "a canonicalization", "sign { canonicalization = relaxed }",
	    { ":1: canonicalization: \"relaxed\" is none of" } },
	{ "delimiters", "senders { recipient_delimiter = \"a\" }",
	    { ":1: recipient_delimiter: \"a\" is no set of signs" } },
	{ "an at sign as delimiter", "senders { recipient_delimiter = \"@\" }",
	    { ":1: recipient_delimiter: \"@\" is no set of signs" } },
	{ "a source that comes later",
	    "accounts { identify = { sasl,\ncertificate } }",
	    { ":2: identify: \"certificate\" is none of sasl, network, "
	      "header, uid, host, client" } },
	{ "a source twice", "accounts { identify = { sasl, sasl } }",
	    { ":1: identify: \"sasl\" is in the list twice" } },
	{ "a check twice", "senders { check = { from, from } }",
	    { ":1: check: \"from\" is in the list twice" } },
	{ "an unknown check", "senders { check = { form } }",
	    { ":1: check: \"form\" is none of envelope, from; did you mean "
	      "from?" } },

	/* header fields */
	{ "a field with a colon", "sign { headers = { From, \"To:\" } }",
	    { ":1: headers: \"To:\" is no name of a header field" } },
	{ "an empty field", "sign { headers = { From, \"\" } }",
	    { ":1: headers: \"\" is no name of a header field" } },
	{ "a field that changes", "sign { oversign = { From, received } }",
	    { ":1: oversign: \"received\" changes on the way" } },
	{ "a field twice", "sign { headers = { From, To, tO } }",
	    { ":1: headers: \"tO\" is in the list twice" } },
	{ "no From", "sign {\nheaders = { To }\noversign = { } }",
	    { ":2: headers: From is missing" } },
	{ "no From in a class",
	    "sign { oversign = { } }\nclass relay { headers = { To } }",
	    { ":2: headers: From is missing" } },

	/* sockets, paths, files */
	{ "no kind of socket", "listen = /run/p.sock",
	    { ":1: listen: \"/run/p.sock\" is no socket; write "
	      "\"unix:/path\"" } },
	{ "no path of a socket",
	    "listen = unix:", { ":1: listen: \"unix:\" names no path" } },
	{ "too long a socket",
	    "listen = unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    { ":1: listen: a path of 109 octets; it can be 107" } },
	{ "no port", "listen = inet:@127.0.0.1",
	    { ":1: listen: \"inet:@127.0.0.1\" names no port" } },
	{ "no host", "listen = inet:8895@",
	    { ":1: listen: \"inet:8895@\" names no port" } },
	{ "a port out of bounds", "listen = inet:65536@127.0.0.1",
	    { ":1: listen: \"inet:65536@127.0.0.1\" names no port" } },
	{ "a descriptor of a standard stream", "listen = fd:2",
	    { ":1: listen: \"fd:2\" names no descriptor" } },
	{ "a TCP control socket", "control = inet:1@127.0.0.1",
	    { ":1: control: \"inet:1@127.0.0.1\" is no unix socket" } },
	{ "one socket for both", "listen = unix:/run/p\ncontrol = unix:/run/p",
	    { ":2: control: is the same socket as listen" } },
	{ "a log target", "log { target = sylog }",
	    { ":1: target: \"sylog\" is neither syslog nor stderr nor a "
	      "path" } },
	{ "no keys directory", "sign {\nkeys = nowhere }",
	    { ":2: keys: @/nowhere: there is no such directory" } },
	{ "keys that are a file", "sign {\nkeys = map }",
	    { ":2: keys: @/map: is not a directory" } },
	{ "empty keys", "sign { keys = \"\" }",
	    { ":1: keys: is empty, and neither key_table nor key_map is "
	      "set" } },
	{ "keys of a class", "class local { keys = nowhere }",
	    { ":1: keys: @/nowhere: there is no such directory" } },
	{ "another kind of map", "senders { owners = map map = hash:map }",
	    { ":1: map: \"hash:map\" is no map that can be read here; write "
	      "\"texthash:FILE\"" } },
	{ "no map file", "senders {\nowners = map\nmap = texthash:nowhere }",
	    { ":3: map: @/nowhere: can't be read: No such file" } },
	{ "a bad map", "senders { owners = map\nmap = texthash:badmap }",
	    { ":2: map: @/badmap:3: b@a.example has no value; write "
	      "\"ADDRESS LOGIN\"" } },
	{ "no map", "senders {\n\nowners = map }",
	    { ":3: owners: map needs a map; write map = "
	      "\"texthash:FILE\"" } },
	{ "no map in a class", "class local { owners = map }",
	    { ":1: owners: map needs a map" } },
	{ "an empty map", "senders { owners = map\nmap = \"\" }",
	    { ":2: map: is empty, but owners = map" } },
	{ "no network file", "accounts { networks = nowhere }",
	    { ":1: networks: @/nowhere: can't be read" } },
	{ "a bad network file", "accounts { networks = map }",
	    { ":1: networks: @/map:1: " } },
	{ "no directory to include", "\ninclude_dir = nowhere",
	    { ":2: include_dir: @/nowhere: there is no such directory" } },

	/* limits */
	{ "a limit without max", "\nlimit a { per = 1h }",
	    { ":2: limit a: max is missing; write for example max = 500" } },
	{ "a limit without anything", "limit a { }",
	    { ":1: limit a: max is missing", ":1: limit a: per is missing" } },
	{ "an unknown key", "limit a { max = 1 per = 1h key = parents }",
	    { ":1: key: \"parents\" is none of account, parent, from_domain, "
	      "client_ip, sender, global; did you mean parent?" } },
	{ "an unknown count", "limit a { max = 1 per = 1h count = octets }",
	    { ":1: count: \"octets\" is none of messages, recipients, "
	      "new_recipients, bytes, refusals" } },
	{ "per nought", "limit a { max = 1 per = \"0\" }",
	    { ":1: per: \"0\" has no unit" } },
	{ "a size of messages",
	    "limit a { max = 25M per = 1h count = messages }",
	    { ":1: max: \"25M\" is a size, but messages are counted; write "
	      "digits alone, or count = bytes" } },
	{ "a size of what is counted by default",
	    "limit a { max = 1K per = 1h }",
	    { ":1: max: \"1K\" is a size, but recipients are counted" } },
	{ "no number and no size", "limit a { max = 5MB per = 1h }",
	    { ":1: max: \"5MB\" is no number; write digits, for bytes with K, "
	      "M, G or T behind them" } },
	{ "max too large a size",
	    "limit a { max = 1000T per = 1h count = bytes }",
	    { ":1: max: \"1000T\" is out of bounds; it can be 0 to "
	      "1000000000000000" } },
	{ "a warning without its sign",
	    "limit a { max = 1 per = 1h warn = 80 }",
	    { ":1: warn: \"80\" is no percentage; write digits and '%'" } },
	{ "a warning of nothing", "limit a { max = 1 per = 1h warn = 0% }",
	    { ":1: warn: \"0%\" is out of bounds; it can be 1% to 100%" } },
	{ "a warning above all", "limit a { max = 1 per = 1h warn = 101% }",
	    { ":1: warn: \"101%\" is out of bounds" } },

	/* plans */
	{ "a plan without a name", "plan { limits = { } }",
	    { ":1: a plan needs a name of 1 to 64 letters" } },
	{ "a plan with a bad name", "plan \"a b\" { limits = { } }",
	    { ":1: a plan needs a name" } },
	{ "a plan without limits", "\nplan a { }",
	    { ":2: plan a: limits is missing; write for example limits = { "
	      "hourly, daily }" } },
	{ "a plan twice", "plan a { limits = { } }\nplan a { limits = { x } }",
	    { ":2: section plan a is there already at @/t.conf:1",
		":2: limits: \"x\" is no limit" } },
	{ "a near miss of a limit",
	    "limit hourly { max = 1 per = 1h }\n"
	    "plan a { limits = { hourli } }",
	    { ":2: limits: \"hourli\" is no limit; did you mean hourly?" } },
	{ "no such limit",
	    "limit h { max = 1 per = 1h } limit d { max = 1 per = 1d }\n"
	    "plan a { limits = { h,\nweekly } }",
	    { ":3: limits: \"weekly\" is no limit; there are h, d" } },
	{ "a plan of the built-in limits", "plan a { limits = { hourly } }",
	    { ":1: limits: \"hourly\" is no limit: none is written, and a "
	      "plan takes the place of the built-in ones" } },
	{ "a limit twice in a plan",
	    "limit h { max = 1 per = 1h }\nplan a { limits = { h, h } }",
	    { ":2: limits: \"h\" is in the list twice" } },
	{ "limits that are no list",
	    "limit h { max = 1 per = 1h }\nplan a { limits = h }",
	    { ":2: limits: a list is wanted; write { h }" } },
	{ "a bad limit in a plan is told once",
	    "plan a { limits = { h } }\nlimit h { max = x per = 1h }",
	    { ":2: max: \"x\" is no number" } },
	{ "a limit too many in a plan is told once",
	    "limit a { max = 1 per = 1h key = from_domain }\n"
	    "limit b { max = 1 per = 1h key = from_domain }\n"
	    "limit c { max = 1 per = 1h key = from_domain }\n"
	    "limit d { max = 1 per = 1h key = from_domain }\n"
	    "limit e { max = 1 per = 1h }\nlimit f { max = 1 per = 1h }\n"
	    "plan p { limits = { a, e, f } }",
	    { ":5: limit e is one too many" } },
	{ "no such default",
	    "plan gold { limits = { } }\naccounts { default_plan = glod }",
	    { ":2: default_plan: there is no plan glod; did you mean gold?" } },
	{ "a default without plans", "accounts { default_plan = default }",
	    { ":1: default_plan: there is no plan default; write plan "
	      "\"default\" {" } },
	{ "a default that can't be", "accounts { default_plan = \"a b\" }",
	    { ":1: default_plan: \"a b\" is no name of 1 to 64 letters" } },

	/* Redis */
	{ "Redis nowhere", "store {\nbackend = redis }",
	    { ":2: backend: redis needs store.url, which says where that "
	      "is" } },
	{ "Redis at nothing", "store {\nbackend = redis\nurl = \"\" }",
	    { ":2: backend: redis needs store.url" } },
	{ "a bad URL is told once",
	    "store { backend = redis\nurl = redis }\n"
	    "accounts { map = redis:a }",
	    { ":2: url: is no place of Redis; write redis://HOST:6379/0, "
	      "rediss://" } },
	{ "a password in a URL",
	    "store { backend = redis\nurl = redis://u:hunter2@h }",
	    { ":2: url: holds a password, which others may read here; put it "
	      "into a file and write password_file" } },
	{ "a prefix of signs", "store { prefix = \"{a}\" }",
	    { ":1: prefix: \"{a}\" is no name of 1 to 64 letters" } },
	{ "an empty prefix", "store { prefix = \"\" }",
	    { ":1: prefix: \"\" is no name" } },
	{ "a long prefix",
	    "store { prefix = "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
	    "}",
	    { ":1: prefix: \"aaaa" } },
	{ "too short a timeout", "store { timeout = 9ms }",
	    { ":1: timeout: \"9ms\" is out of bounds; it can be 10ms to "
	      "10s" } },
	{ "too long a timeout", "store { timeout = 11s }",
	    { ":1: timeout: \"11s\" is out of bounds" } },
	{ "no share", "store { local_share = 0% }",
	    { ":1: local_share: \"0%\" is out of bounds; it can be 1% to "
	      "100%" } },
	{ "an empty share", "store { local_share = \"\" }",
	    { ":1: local_share: \"\" is no percentage" } },

	/* maps of accounts */
	{ "a map in Redis nowhere", "accounts {\nmap = redis:a }",
	    { ":2: map: a map in Redis needs store.url" } },
	{ "a senders' map in Redis nowhere",
	    "senders {\nowners = map\nmap = redis:a }",
	    { ":3: map: a map in Redis needs store.url" } },
	{ "a class's map in Redis nowhere",
	    "class local { owners = map\nmap = redis:a }",
	    { ":2: map: a map in Redis needs store.url" } },
	{ "a map without a key", "accounts { map = redis: }",
	    { ":1: map: \"redis:\" names no key of a Redis hash" } },
	{ "no LMDB file", "accounts { map = lmdb:nowhere }",
	    { ":1: map: @/nowhere.lmdb: there is no such file; make it with "
	      "postmap" } },
	{ "an LMDB directory", "accounts { map = lmdb:keys }",
	    { ":1: map: @/keys: is no file" } },
	{ "an LMDB map without a path", "accounts { map = lmdb: }",
	    { ":1: map: \"lmdb:\" names no path" } },
	{ "a map of accounts that can't be",
	    "plan gold { limits = { } }\n"
	    "accounts {\nmap = texthash:badaccounts }",
	    { ":3: map: @/badaccounts:6: erin has no value; write \"LOGIN "
	      "ACCOUNT PARENT PLAN\"",
		":3: map: @/badaccounts:3: bob: there is no plan glod; did you "
		"mean gold?",
		":3: map: @/badaccounts:4: carol: ",
		":3: map: @/badaccounts:5: dave: there is no plan silver" } },
	{ "a map of accounts without plans",
	    "accounts { map = texthash:accounts }",
	    { ":1: map: @/accounts:1: alice: there is no plan gold",
		":1: map: @/accounts:2: @b.example: there is no plan "
		"free" } },
	{ "too long a time to live", "accounts { map_ttl = 2d }",
	    { ":1: map_ttl: \"2d\" is out of bounds; it can be 1s to 1d" } },
	{ "no time to live", "accounts { map_ttl = 0s }",
	    { ":1: map_ttl: \"0s\" is out of bounds" } },

	/* identity */
	{ "From as identity", "identity_header = From",
	    { ":1: identity_header: \"From\" is no name of a header field of "
	      "one's own; write one that begins with \"X-\"" } },
	{ "a signature as identity", "identity_header = DKIM-Signature",
	    { ":1: identity_header: \"DKIM-Signature\" is no name" } },
	{ "a field without more", "identity_header = X-",
	    { ":1: identity_header: \"X-\" is no name" } },
	{ "a field with a colon of its own", "identity_header = \"X-A:\"",
	    { ":1: identity_header: \"X-A:\" is no name" } },
	{ "a field with a blank", "identity_header = \"X-A B\"",
	    { ":1: identity_header: \"X-A B\" is no name" } },
	{ "a field with an umlaut", "identity_header = \"X-\xC3\xBC\"",
	    { ":1: identity_header: \"X-" } },
	{ "no trusted network", "trusted_networks = { 10.0.0.1/8 }",
	    { ":1: trusted_networks: \"10.0.0.1/8\" has bits" } },

	{ "a limit can't accept",
	    "limit a { max = 1 per = 1h action = accept }",
	    { ":1: action: \"accept\" is none of tempfail, reject, hold" } },
	{ "a bad template", "limit a { max = 1 per = 1h reply = \"%{nope}\" }",
	    { ":1: reply: " } },
	{ "max too large", "limit a { max = 1000000000000001 per = 1h }",
	    { ":1: max: \"1000000000000001\" is out of bounds" } },
	{ "too many limits on domains",
	    "limit a { max = 1 per = 1h key = from_domain }\n"
	    "limit b { max = 1 per = 1h key = from_domain }\n"
	    "limit c { max = 1 per = 1h key = from_domain }\n"
	    "limit d { max = 1 per = 1h key = from_domain }\n"
	    "limit e { max = 1 per = 1h }",
	    { ":5: limit e is one too many" } },

	/* classes and listeners */
	{ "an option in inbound", "class inbound {\nlimits = yes\nkeys = x }",
	    { ":2: limits: class inbound takes no options",
		":3: keys: class inbound takes no options" } },
	{ "local's option in relay", "class relay { hold_max = 1 }",
	    { ":1: hold_max: there is no such option in this section; it "
	      "stands in section class local" } },
	{ "a listener's unknown class", "listener 25 { class = outbound }",
	    { ":1: class: \"outbound\" is none of submission, local, relay, "
	      "inbound" } },
	{ "inbound is left alone",
	    "listener 25 { class = inbound require_tls = yes }",
	    { ":1: class: mail of class inbound is left alone" } },

	/* the text itself */
	{ "Latin-1", "user = \"p\xF6\"", { ":1: octet 0xF6 is not UTF-8" } },
	{ "a hostile name", "\"a\\\"%s%n\" = 1",
	    { ":1: a\"%s%n: names of options stand without quotes",
		":1: a\"%s%n: there is no such option" } },
	{ "a very long value",
	    "mode = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	    { ":1: mode: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	      "aaaaaaaaaaa...\" is none of enforce, observe" } },
};

static void
bad_configurations_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const struct bad_case *c = &bad_cases[i];
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, c->text, strlen(c->text), &errors);

		if (conf != NULL)
			fail_msg("%s: was read", c->name);
		check_errors(c->name, &errors, file, c->errors);
		conf_errors_clear(&errors);
	}
}

static void
all_errors_of_a_file_are_told(void **state)
{
	static const char text[] =
	    /*  1 */ "# a file with many mistakes\n"
		     /*  2 */ "listen = \"unix:/run/p.sock\"\n"
		     /*  3 */ "socket_mod = \"0660\"\n"
		     /*  4 */ "mode enforce\n"
		     /*  5 */ "max_busy = 0   # none?\n"
		     /*  6 */ "relay_networks = {\n"
		     /*  7 */ "    10.0.0.0/8,      # fine\n"
		     /*  8 */ "    10.1.2.3/16,\n"
		     /*  9 */ "    nonsense,\n"
		     /* 10 */ "}\n"
		     /* 11 */ "listen = \"fd:3\"\n"
		     /* 12 */ "// no comment\n"
		     /* 13 */ "log {\n"
		     /* 14 */ "    format = xml   level = loud\n"
		     /* 15 */ "    colour = \"red\n"
		     /* 16 */ "}\n"
		     /* 17 */ "\n"
		     /* 18 */ "store { size = 25MB }\n"
		     /* 19 */ "sign {\n"
		     /* 20 */ "    keys = \"nowhere\"\n"
		     /* 21 */ "    headers = { Subject, Received }\n"
		     /* 22 */ "    oversign = { }\n"
		     /* 23 */ "    expire = 14\n"
		     /* 24 */ "}\n"
		     /* 25 */ "senders { owners = map }\n"
		     /* 26 */ "limit \"a\" { max = 5  per = 0s }\n"
		     /* 27 */ "limit \"a\" { max = 5  per = 1h }\n"
		     /* 28 */ "limit { max = 5  per = 1h }\n"
		     /* 29 */ "class inbound { limits = yes }\n"
		     /* 30 */ "class relay { hold_max = 5 }\n"
		     /* 31 */ "http { timeout = 5s }\n"
		     /* 32 */ "listener \"70000\" { }\n"
		     /* 33 */ "user = caf\xE9\n"
		     /* 34 */ "log { }\n"
		     /* 35 */ "accounts { identify = { sasl, password }\n";
	static const char *const wanted[] = {
		":3: socket_mod: there is no such option outside of sections; "
		"did you mean socket_mode?",
		":4: mode: '=' is missing after the name: mode = enforce",
		":5: max_busy: \"0\" is out of bounds; it can be 1 to 65536",
		":8: relay_networks: \"10.1.2.3/16\" has bits",
		":9: relay_networks: \"nonsense\" is not a network",
		":11: listen: is set already at @/t.conf:2; remove one of the "
		"two",
		":12: //: '=' is missing after the name",
		":14: format: \"xml\" is none of logfmt, json",
		":14: level: \"loud\" is none of error, warning, info, debug",
		":15: the string that begins here has no closing '\"'",
		":15: colour: there is no such option",
		":18: size: \"25MB\" is no size",
		":20: keys: @/nowhere: there is no such directory",
		":21: headers: \"Received\" changes on the way",
		":21: headers: From is missing",
		":23: expire: \"14\" has no unit",
		":25: owners: map needs a map",
		":26: per: \"0s\" is out of bounds",
		":27: section limit a is there already at @/t.conf:26",
		":28: a limit needs a name",
		":29: limits: class inbound takes no options",
		":30: hold_max: there is no such option in this section",
		":31: there is no section http",
		":32: a listener needs a port",
		":33: octet 0xE9 is not UTF-8",
		":34: section log is there already at @/t.conf:13",
		":35: section accounts that begins here has no '}'",
		":35: identify: \"password\" is none of sasl",
		NULL,
	};
	struct conf_errors errors;

	(void)state;
	assert_null(conf_read_text(file, text, sizeof(text) - 1, &errors));
	check_errors("many mistakes", &errors, file, wanted);
	conf_errors_clear(&errors);
}

static void
errors_above_two_hundred_are_counted(void **state)
{
	enum { LINES = 5000 };
	static char text[LINES * 6 + 1];
	struct conf_errors errors;

	(void)state;
	for (size_t i = 0; i < LINES; i++)
		memcpy(text + 6 * i, "x = 1\n", 6);
	assert_null(conf_read_text(file, text, 6 * LINES, &errors));
	assert_int_equal(errors.count, 201);
	assert_non_null(strstr(errors.lines[0], "t.conf:1: x: "));
	assert_non_null(strstr(errors.lines[199], "t.conf:200: x: "));
	assert_non_null(strstr(errors.lines[200], "t.conf: and 4800 more"));
	conf_errors_clear(&errors);
	conf_errors_clear(&errors);
}

static void
errors_of_included_files_are_told(void **state)
{
	static const char *const wanted[] = {
		":2: mode: \"x\" is none of",
		"@/conf.d/a.conf:1: max_busy: is set already at @/t.conf:1",
		"@/conf.d/a.conf:2: include_dir: stands in the main file only",
		"@/conf.d/b.conf:1: section log is there already at "
		"@/conf.d/a.conf:3",
		"@/conf.d/c.conf: can't be read: Is a directory",
		NULL,
	};
	struct conf_errors errors;
	char path[128];

	(void)state;
	write_file("t.conf", "max_busy = 7\nmode = x\ninclude_dir = conf.d\n");
	write_file(
	    "conf.d/a.conf", "max_busy = 8\ninclude_dir = \".\"\nlog { }\n");
	write_file("conf.d/b.conf", "log { }\n");
	path_in(path, sizeof(path), "conf.d/c.conf");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_null(conf_read(file, &errors));
	check_errors("include", &errors, file, wanted);
	conf_errors_clear(&errors);
	assert_int_equal(rmdir(path), 0);
	remove_file("conf.d/a.conf");
	remove_file("conf.d/b.conf");
}

static void
plans_are_counted(void **state)
{
	enum { PLANS = 1001 };
	static char space[PLANS * 40];
	static const char *const wanted[] = { ":1001: more than 1000 plans",
		NULL };
	struct conf_errors errors;
	struct text text;
	struct conf *conf;

	(void)state;
	text_init(&text, space, sizeof(space));
	for (size_t i = 0; i < PLANS - 1; i++)
		text_addf(&text, "plan p%zu { limits = { } }\n", i);
	conf = conf_read_text(file, space, text.length, &errors);
	if (conf == NULL)
		fail_with("1000 plans", &errors);
	assert_int_equal(conf->limits.plan_count, 1000);
	assert_non_null(limits_plan(&conf->limits, "p999"));
	conf_release(&conf);
	text_add(&text, "plan more { limits = { } }\n");
	assert_null(conf_read_text(file, space, text.length, &errors));
	check_errors("1001 plans", &errors, file, wanted);
	conf_errors_clear(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_configurations_are_refused),
		cmocka_unit_test(all_errors_of_a_file_are_told),
		cmocka_unit_test(errors_above_two_hundred_are_counted),
		cmocka_unit_test(plans_are_counted),
		cmocka_unit_test(errors_of_included_files_are_told),
	};

	return cmocka_run_group_tests_name(
	    "conf_errors", tests, fixture_begin, fixture_end);
}
