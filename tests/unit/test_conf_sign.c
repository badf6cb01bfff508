/* What configurations say of signing: where keys are, which signatures there
 * are and who makes them, how keys are exchanged. What single domains have of
 * their own is in test_conf_domains.c. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>

/* The files that these tests name besides those of the fixture. */
static const struct {
	const char *name;
	mode_t mode;
} own_files[] = {
	{ "key.table", 0644 },
	{ "signing.table", 0644 },
	{ "publish", 0755 },
	{ "not-a-program", 0644 },
	{ "keys.lmdb", 0640 },
	{ "open.lmdb", 0644 },
};

static int
begin(void **state)
{
	if (fixture_begin(state) != 0)
		return -1;
	for (size_t i = 0; i < COUNT(own_files); i++) {
		char path[128];

		write_file(own_files[i].name, "");
		path_in(path, sizeof(path), own_files[i].name);
		if (chmod(path, own_files[i].mode) != 0)
			return -1;
	}
	return 0;
}

static int
end(void **state)
{
	for (size_t i = 0; i < COUNT(own_files); i++)
		remove_file(own_files[i].name);
	return fixture_end(state);
}

static const char *
or_none(const char *string)
{
	return *string != '\0' ? string : "-";
}

/* Directory, tables (one with patterns in brackets, one of which the first
 * match counts with "1st"), map. */
static void
show_places(struct text *out, const struct key_places *places)
{
	text_addf(out, "%s %s ", or_none(places->directory),
	    or_none(places->key_table));
	text_addf(out, places->is_refile ? "[%s] " : "%s ",
	    or_none(places->signing_table));
	if (!places->takes_all)
		text_add(out, "1st ");
	show_map(out, places->map);
}

static void
show_sign(struct text *out, const struct sign_conf *sign)
{
	show_places(out, &sign->places);
	text_addf(out, " fallback=%s also=%s engine=%s check=%" PRIu64,
	    or_none(sign->fallback_domain), or_none(sign->also_sign),
	    sign->engine == SIGNING_POSTERN ? "postern" : "opendkim",
	    sign->self_check);
}

static void
show_rotate(struct text *out, const struct rotate_conf *rotate)
{
	text_addf(out, "%" PRIu64 " %s %s %s %s", rotate->retire_after_s,
	    or_none(rotate->hook), or_none(rotate->nsupdate_key),
	    or_none(rotate->nsupdate_server),
	    rotate->is_published ? "published" : "printed");
}

static void
show(struct text *out, const struct conf *conf, const char *field)
{
	for (int i = 0; i < CLASS_COUNT; i++)
		if (strcmp(field, facts_class_name((enum traffic_class)i))
		    == 0) {
			show_sign(out, &conf->classes[i].sign_conf);
			return;
		}
	if (strcmp(field, "sign") == 0)
		show_sign(out, &conf->sign);
	else if (strcmp(field, "rotate") == 0)
		show_rotate(out, &conf->rotate);
	else if (strcmp(field, "key_cache") == 0)
		text_addf(out, "%" PRIu64, conf->key_cache);
	else if (strcmp(field, "warnings") == 0)
		for (size_t i = 0; i < conf->warning_count; i++)
			text_addf(out, "%s|", conf->warnings[i] + strlen(file));
	else
		fail_msg("no field %s", field);
}

#define KEYS "/etc/postern/keys"
#define REST " fallback=- also=- engine=postern check=0"
#define TABLES "key_table = key.table signing_table = "
#define QUIET "senders { owners = all } egress = { \"192.0.2.1 a.example\" } "

static const struct {
	const char *name;
	const char *text;
	const char *field;
	const char *want; /* '@' stands for the directory of the test */
} good_cases[] = {
	{ "by default", "", "sign", KEYS " - - -" REST },
	{ "a class by default", "", "relay", KEYS " - - -" REST },
	{ "key_cache by default", "", "key_cache", "30000" },
	{ "a small cache", "key_cache = 16", "key_cache", "16" },
	{ "a large cache", "key_cache = 1000000", "key_cache", "1000000" },

	/* OpenDKIM's tables */
	{ "tables", "sign { " TABLES "signing.table }", "sign",
	    KEYS " @/key.table @/signing.table -" REST },
	{ "tables as OpenDKIM names them",
	    "sign { key_table = file:key.table signing_table = "
	    "file:./signing.table }",
	    "sign", KEYS " @/key.table @/signing.table -" REST },
	{ "a KeyTable called a refile",
	    "sign { key_table = refile:key.table signing_table = "
	    "signing.table }",
	    "sign", KEYS " @/key.table @/signing.table -" REST },
	{ "patterns", "sign { " TABLES "refile:signing.table }", "sign",
	    KEYS " @/key.table [@/signing.table] -" REST },
	{ "the first match",
	    "sign { " TABLES "signing.table\n"
	    "multiple_signatures = no }",
	    "sign", KEYS " @/key.table @/signing.table 1st -" REST },
	{ "all matches, as written",
	    "sign { " TABLES "signing.table multiple_signatures = yes }",
	    "sign", KEYS " @/key.table @/signing.table -" REST },
	{ "a class's first match",
	    "sign { " TABLES "signing.table }\n"
	    "class relay { multiple_signatures = no }",
	    "relay", KEYS " @/key.table @/signing.table 1st -" REST },
	{ "and all of another",
	    "sign { " TABLES "signing.table multiple_signatures = no }\n"
	    "class relay { multiple_signatures = yes }",
	    "relay", KEYS " @/key.table @/signing.table -" REST },
	{ "tables written empty",
	    "sign { key_table = \"\" signing_table = \"\" }", "sign",
	    KEYS " - - -" REST },
	{ "tables instead of a directory",
	    "sign { keys = \"\" " TABLES "signing.table }", "sign",
	    "- @/key.table @/signing.table -" REST },
	{ "a class inherits tables", "sign { " TABLES "refile:signing.table }",
	    "local", KEYS " @/key.table [@/signing.table] -" REST },
	{ "a class has its own signing table",
	    "sign { " TABLES "refile:signing.table }\n"
	    "class local { signing_table = signing.table }",
	    "local", KEYS " @/key.table @/signing.table -" REST },
	{ "of that class only",
	    "sign { " TABLES "refile:signing.table }\n"
	    "class local { signing_table = signing.table }",
	    "relay", KEYS " @/key.table [@/signing.table] -" REST },
	{ "a class without the tables",
	    "sign { " TABLES "refile:signing.table }\n"
	    "class relay { key_table = \"\" signing_table = \"\" }",
	    "relay", KEYS " - - -" REST },
	{ "a class alone without a directory",
	    "sign { " TABLES "signing.table }\nclass relay { keys = \"\" }",
	    "relay", "- @/key.table @/signing.table -" REST },

	/* maps */
	{ "keys in Redis",
	    "store { url = redis://h }\nsign { key_map = redis:keys }", "sign",
	    KEYS " - - redis:keys:0" REST },
	{ "keys in Redis alone",
	    "store { url = redis://h }\nsign { keys = \"\" key_map = "
	    "redis:keys }",
	    "sign", "- - - redis:keys:0" REST },
	{ "keys in LMDB", "sign { key_map = lmdb:keys }", "sign",
	    KEYS " - - lmdb:@/keys.lmdb:0" REST },
	{ "keys behind a socket",
	    "sign { key_map = \"socketmap:unix:s:keys\" }", "sign",
	    KEYS " - - socketmap:unix:@/s:keys" REST },
	{ "a class's keys in Redis",
	    "store { url = redis://h }\nclass relay { key_map = redis:k }",
	    "relay", KEYS " - - redis:k:0" REST },
	{ "and not another's",
	    "store { url = redis://h }\nclass relay { key_map = redis:k }",
	    "local", KEYS " - - -" REST },

	/* which signatures, and who makes them */
	{ "also_sign",
	    "sign { also_sign = B\xC3\xBC"
	    "cher.Example. }",
	    "submission",
	    KEYS " - - - fallback=- also=xn--bcher-kva.example engine=postern "
		 "check=0" },
	{ "a class without also_sign",
	    "sign { also_sign = a.example }\nclass local { also_sign = \"\" }",
	    "local", KEYS " - - -" REST },
	{ "libopendkim", "sign { engine = opendkim }", "relay",
	    KEYS " - - - fallback=- also=- engine=opendkim check=0" },
	{ "libopendkim in a class", "class relay { engine = opendkim }",
	    "relay", KEYS " - - - fallback=- also=- engine=opendkim check=0" },
	{ "and postern in another", "class relay { engine = opendkim }",
	    "local", KEYS " - - -" REST },
	{ "self_check", "sign { self_check = 1% }", "local",
	    KEYS " - - - fallback=- also=- engine=postern check=1" },
	{ "self_check of all", "sign { self_check = 100% }", "local",
	    KEYS " - - - fallback=- also=- engine=postern check=100" },
	{ "self_check of none",
	    "sign { self_check = 5% }\nclass local { self_check = 0% }",
	    "local", KEYS " - - -" REST },
	{ "self_check written empty",
	    "sign { self_check = 5% }\nclass local { self_check = \"\" }",
	    "local", KEYS " - - -" REST },

	/* the exchange of keys */
	{ "rotate by default", "", "rotate", "604800 - - - printed" },
	{ "rotate",
	    "rotate { retire_after = 14d hook = publish nsupdate_key = k.key "
	    "nsupdate_server = NS1.Example.Net. publish = yes }",
	    "rotate", "1209600 @/publish @/k.key ns1.example.net published" },
	{ "a server's address",
	    "rotate { nsupdate_server = \"2001:DB8:0::1\" }", "rotate",
	    "604800 - - 2001:db8::1 printed" },
	{ "a server with a port",
	    "rotate { nsupdate_server = \"127.0.0.1@5353\" }", "rotate",
	    "604800 - - 127.0.0.1@5353 printed" },
	{ "a server's name with a port",
	    "rotate { nsupdate_server = localhost@53 }", "rotate",
	    "604800 - - localhost@53 printed" },

	/* warnings */
	{ "nothing to warn of",
	    QUIET "sign { also_sign = a.example fallback_domain = b.example }",
	    "warnings", "" },
	{ "a fallback that signs anyway",
	    QUIET "sign { also_sign = a.example\n"
		  "fallback_domain = a.example }",
	    "warnings",
	    ":2: fallback_domain: is also_sign too, whose key signs every "
	    "message anyway; take one of the two away|" },
	{ "a fallback that saves from a refusal",
	    QUIET "sign { also_sign = a.example on_missing_key = reject\n"
		  "fallback_domain = a.example }",
	    "warnings", "" },
	{ "a class's fallback that signs anyway",
	    QUIET "sign { also_sign = a.example }\n"
		  "class relay {\nfallback_domain = a.example }",
	    "warnings",
	    ":3: fallback_domain: is also_sign too, whose key signs every "
	    "message anyway; take one of the two away|" },
	{ "a URL for keys",
	    QUIET "store { url = redis://h } sign { key_map = redis:a }",
	    "warnings", "" },
	{ "a URL for a class's keys",
	    QUIET "store { url = redis://h } class relay { key_map = redis:a }",
	    "warnings", "" },
	{ "a key that is gone too soon", QUIET "rotate {\nretire_after = 1d }",
	    "warnings",
	    ":2: retire_after: a message may wait in a queue for 5 days, and "
	    "the key of its signature be gone when it arrives; write "
	    "\"7d\"|" },
};

static void
good_configurations_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good_cases); i++) {
		const char *text = good_cases[i].text;
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, text, strlen(text), &errors);
		char want[1000];
		char space[1000];
		struct text got;

		if (conf == NULL)
			fail_with(good_cases[i].name, &errors);
		text_init(&got, space, sizeof(space));
		show(&got, conf, good_cases[i].field);
		expand(good_cases[i].want, want, sizeof(want));
		conf_release(&conf);
		if (strcmp(space, want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    good_cases[i].name, want, space);
	}
}

static const struct {
	const char *name;
	const char *text;
	const char *errors[4]; /* beginnings, without the file's name */
} bad_cases[] = {
	{ "too small a cache", "key_cache = 15",
	    { ":1: key_cache: \"15\" is out of bounds; it can be 16 to "
	      "1000000" } },
	{ "too large a cache", "key_cache = 1000001",
	    { ":1: key_cache: \"1000001\" is out of bounds" } },

	/* OpenDKIM's tables */
	{ "a maybe", "sign {\nmultiple_signatures = first }",
	    { ":2: multiple_signatures: \"first\" is neither yes nor no" } },
	{ "key_cache in a section (a name of it is near)",
	    "sign {\nkey_cache = 20 }",
	    { ":2: key_cache: there is no such option in this section; it "
	      "stands outside of sections" } },
	{ "key_cache in a class", "class relay { key_cache = 20 }",
	    { ":1: key_cache: there is no such option in this section; it "
	      "stands outside of sections" } },
	{ "a section's option in another that has a similar one",
	    "rotate { key_map = \"\" }",
	    { ":1: key_map: there is no such option in this section; it stands "
	      "in section sign" } },
	{ "a slip that is another section's option", "sign { key = \"\" }",
	    { ":1: key: there is no such option in this section; did you mean "
	      "keys?" } },
	{ "one table alone", "sign {\nkey_table = key.table }",
	    { ":2: key_table: is set, but signing_table isn't; OpenDKIM's two "
	      "tables need one another" } },
	{ "the other one alone", "sign {\nsigning_table = signing.table }",
	    { ":2: signing_table: is set, but key_table isn't; OpenDKIM's two "
	      "tables need one another" } },
	{ "one table alone in a class",
	    "sign { " TABLES "signing.table }\n"
	    "class relay { signing_table = \"\" }",
	    { ":1: key_table: is set, but signing_table isn't" } },
	{ "a table that isn't there",
	    "sign {\nkey_table = nowhere\n"
	    "signing_table = signing.table }",
	    { ":2: key_table: @/nowhere: there is no such file; make it, or "
	      "mend the path" } },
	{ "a directory as table",
	    "sign {\nkey_table = key.table\n"
	    "signing_table = refile:keys }",
	    { ":3: signing_table: @/keys: is no file" } },
	{ "a KeyTable in capitals",
	    "sign { key_table = \"REFILE:key.table\"\n"
	    "signing_table = signing.table }",
	    { ":1: key_table: \"REFILE:key.table\" is no table" } },
	{ "no path behind a KeyTable's refile",
	    "sign { key_table = refile:\nsigning_table = signing.table }",
	    { ":1: key_table: \"refile:\" names no path" } },
	{ "a list as table",
	    "sign { key_table = key.table\n"
	    "signing_table = \"csl:a.example s1\" }",
	    { ":2: signing_table: \"csl:a.example s1\" is no table that can "
	      "be read here; write a path, \"file:PATH\" or, for one with "
	      "patterns, \"refile:PATH\"" } },
	{ "a table in LDAP",
	    "sign { key_table = \"ldap://h/dc=a\"\nsigning_table = "
	    "\"dsn:mysql://h/d\" }",
	    { ":1: key_table: \"ldap://h/dc=a\" is no table that can be read "
	      "here; write a path, or \"file:PATH\"; keys that aren't in "
	      "files can be in key_map",
		":2: signing_table: \"dsn:mysql://h/d\" is no table" } },
	{ "capitals", "sign { " TABLES "\"REFILE:signing.table\" }",
	    { ":1: signing_table: \"REFILE:signing.table\" is no table" } },
	{ "no path behind it",
	    "sign { key_table = file:\nsigning_table = refile: }",
	    { ":1: key_table: \"file:\" names no path",
		":2: signing_table: \"refile:\" names no path" } },
	{ "a table of a class", "class local {\nkey_table = nowhere }",
	    { ":2: key_table: @/nowhere: there is no such file" } },

	/* keys elsewhere */
	{ "no keys anywhere", "sign {\nkeys = \"\" }",
	    { ":2: keys: is empty, and neither key_table nor key_map is set, "
	      "so that there are no keys" } },
	{ "no keys of a class", "class relay {\nkeys = \"\" }",
	    { ":2: keys: is empty, and neither" } },
	{ "no keys, and a bad map", "sign { keys = \"\"\nkey_map = lmdb:x }",
	    { ":2: key_map: @/x.lmdb: there is no such file" } },
	{ "keys in a text file", "sign { key_map = texthash:map }",
	    { ":1: key_map: \"texthash:map\" is a text file; keys in files "
	      "belong into the directory that keys names" } },
	{ "another kind of map", "sign { key_map = hash:map }",
	    { ":1: key_map: \"hash:map\" is no map that keys can be in; write "
	      "\"redis:KEY\", \"lmdb:FILE\"" } },
	{ "keys that others may read", "sign { key_map = lmdb:open }",
	    { ":1: key_map: @/open.lmdb: it holds private keys, and others "
	      "may read or write it; chmod 640 it" } },
	{ "keys in Redis nowhere", "sign {\nkey_map = redis:a }",
	    { ":2: key_map: a map in Redis needs store.url" } },
	{ "a class's keys in Redis nowhere",
	    "class relay {\nkey_map = redis:a }",
	    { ":2: key_map: a map in Redis needs store.url" } },

	/* which signatures, and who makes them */
	{ "no domain to sign also", "sign { also_sign = a..example }",
	    { ":1: also_sign: " } },
	{ "an unknown engine", "sign { engine = openssl }",
	    { ":1: engine: \"openssl\" is none of postern, opendkim" } },
	{ "a near miss of an engine", "class relay { engine = opendkm }",
	    { ":1: engine: \"opendkm\" is none of postern, opendkim; did you "
	      "mean opendkim?" } },
	{ "a share without its sign", "sign { self_check = 1 }",
	    { ":1: self_check: \"1\" is no percentage" } },
	{ "a broken share", "sign { self_check = 0.1% }",
	    { ":1: self_check: \"0.1%\" is no percentage" } },
	{ "more than all", "sign { self_check = 101% }",
	    { ":1: self_check: \"101%\" is out of bounds; it can be 0% to "
	      "100%" } },

	/* the exchange of keys */
	{ "rotate with a name", "rotate a { }",
	    { ":1: section rotate takes no name; write rotate {" } },
	{ "retired at once", "rotate { retire_after = 0s }",
	    { ":1: retire_after: \"0s\" is out of bounds; it can be 1s to "
	      "3650d" } },
	{ "never retired", "rotate { retire_after = \"\" }",
	    { ":1: retire_after: \"\" is no duration" } },
	{ "no hook there", "rotate { hook = nowhere }",
	    { ":1: hook: @/nowhere: there is no such program" } },
	{ "a hook that can't run", "rotate { hook = not-a-program }",
	    { ":1: hook: @/not-a-program: can't be executed; chmod 755 it" } },
	{ "a directory as hook", "rotate { hook = keys }",
	    { ":1: hook: @/keys: is no program" } },
	{ "no server", "rotate { nsupdate_server = \"ns1 5353\" }",
	    { ":1: nsupdate_server: \"ns1 5353\" is no server; write "
	      "\"ns1.example.net\"" } },
	{ "no port", "rotate { nsupdate_server = ns1@0 }",
	    { ":1: nsupdate_server: \"ns1@0\" is no server" } },
	{ "more than a server", "rotate { nsupdate_server = \"ns1@53@54\" }",
	    { ":1: nsupdate_server: \"ns1@53@54\" is no server" } },
	{ "no host", "rotate { nsupdate_server = \"@53\" }",
	    { ":1: nsupdate_server: \"@53\" is no server" } },
	{ "published without a key", "rotate {\npublish = yes }",
	    { ":2: publish: nsupdate needs a key that the name server knows; "
	      "write nsupdate_key = \"FILE\", or publish = no" } },
	{ "neither yes nor no", "rotate { publish = maybe }",
	    { ":1: publish: \"maybe\" is neither yes nor no" } },
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_configurations_are_read),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests_name("conf_sign", tests, begin, end);
}
