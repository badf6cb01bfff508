/* What posternctl import-opendkim makes of an opendkim.conf: what is written,
 * what is told, and that postern reads it. */
#include "tests/unit/import_fixture.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WANTS = 10 };

/* Tables, and what is told of them. */
#define TABLES                             \
	"Mode s\nMultipleSignatures yes\n" \
	"KeyTable file:@/keys\nSigningTable refile:@/signing\n"
/* What is told with each: of Socket, SubDomains and OversignHeaders. */
#define REST_SINGLE "-:Socket -:mail -:OversignHeaders"

/* Each note as "LINE:WORD", "!" before a loss, "-" for no line. */
static void
list_notes(const struct import_answer *answer, char out[TEXT_BYTES])
{
	size_t length = 0;

	out[0] = '\0';
	for (const struct import_note *note = answer->notes; note != NULL;
	     note = note->next) {
		const char *colon = strrchr(note->where, ':');

		length += (size_t)snprintf(out + length, TEXT_BYTES - length,
		    "%s%s%s:%.*s", length > 0 ? " " : "",
		    note->is_loss ? "!" : "", colon != NULL ? colon + 1 : "-",
		    (int)strcspn(note->words, " :'"), note->words);
	}
}

struct import_case {
	const char *name;
	const char *text;           /* '@' is the directory */
	const char *notes;          /* see list_notes() */
	const char *wants[WANTS];   /* are in the result */
	const char *refuses[WANTS]; /* are not */
};

static const struct import_case cases[] = {
	{ "a single key", SINGLE, REST_SINGLE,
	    { "canonicalization = \"simple/simple\"", "owners = all",
		"class submission { on_fail_reject = observe }",
		"mode = observe" },
	    { "key_table", "relay_networks", "listen =", "dns {", "headers",
		"sign = no" } },
	{ "names in any case, comments, CR LF",
	    "MODE s # sign\r\n\tdomain\ta.example  \r\nsELECTOR s1\r\n"
	    "#KeyFile /other\r\nKeyFile /k\r\nSubdomains Yes\r\n",
	    "-:Socket -:OversignHeaders", { "owners = all" }, { NULL } },
	{ "nothing at all", "", "!-:Mode -:Socket !-:neither -:OversignHeaders",
	    { "owners = own" }, { NULL } },
	{ "no such setting, and one without a value",
	    SINGLE "Frobnicate yes\nSelector\n",
	    "!5:Frobnicate !6:Selector " REST_SINGLE, { NULL }, { NULL } },
	{ "the last line holds",
	    SINGLE "Canonicalization simple\nCanonicalization relaxed\n",
	    "5:Canonicalization " REST_SINGLE,
	    { "canonicalization = \"relaxed/simple\"" }, { NULL } },
	{ "verifying is lost",
	    "Mode sv\nDomain a.example\nSelector s1\n"
	    "KeyFile /k\nClockDrift 3\nOn-BadSignature r\n",
	    "!1:Mode " REST_SINGLE, { NULL }, { "sign = no" } },
	{ "Mode isn't set", "Domain a.example\nSelector s1\nKeyFile /k\n",
	    "!-:Mode " REST_SINGLE, { NULL }, { NULL } },
	{ "only verifies", "Mode v\n",
	    "!1:Mode !1:Mode -:Socket -:OversignHeaders",
	    { "class submission { sign = no on_fail_reject = observe }",
		"class relay { sign = no }", "class local { sign = no }" },
	    { NULL } },
	{ "a wrong Mode",
	    "Mode sx\nDomain a.example\nSelector s1\nKeyFile /k\n",
	    "!1:Mode " REST_SINGLE, { NULL }, { NULL } },

	/* the keys */
	{ "several domains may be several owners",
	    "Mode s\nDomain a.example, B.Example.\nSelector s1\nKeyFile /k\n",
	    REST_SINGLE " !-:OpenDKIM", { "owners = own" },
	    { "owners = all" } },
	{ "one domain twice is one",
	    "Mode s\nDomain a.example,A.EXAMPLE\nSelector s1\nKeyFile /k\n",
	    REST_SINGLE, { "owners = all" }, { NULL } },
	{ "domains in a file",
	    "Mode s\nDomain file:@/domains\nSelector s1\nKeyFile /k\n",
	    REST_SINGLE " !-:OpenDKIM", { "owners = own" }, { NULL } },
	{ "domains in no file",
	    "Mode s\nDomain /nowhere/d\nSelector s1\nKeyFile /k\n",
	    "-:Socket !2:Domain -:OversignHeaders", { NULL }, { NULL } },
	{ "domains in a data base",
	    "Mode s\nDomain /d.db\nSelector s1\nKeyFile /k\n",
	    "-:Socket !2:Domain -:OversignHeaders", { NULL }, { NULL } },
	{ "every domain",
	    "Mode s\nDomain *\nSelector s1\nKeyFile /k\nSubDomains no\n",
	    "-:Socket 5:SubDomains !2:Domain -:OversignHeaders !-:OpenDKIM",
	    { "owners = own" }, { NULL } },
	{ "no selector", "Mode s\nDomain a.example\nSelector a b\nKeyFile /k\n",
	    "-:Socket !3:Selector -:OversignHeaders", { NULL }, { NULL } },
	{ "no domain", "Mode s\nDomain a..example\nSelector s\nKeyFile /k\n",
	    "-:Socket !2:Domain -:mail -:OversignHeaders", { NULL }, { NULL } },
	{ "tables", TABLES,
	    "-:Socket 3:KeyTable 4:SigningTable -:OversignHeaders !-:OpenDKIM",
	    { "key_table = \"@/keys\"", "signing_table = \"refile:@/signing\"",
		"owners = own" },
	    { NULL } },
	{ "one key in tables",
	    "Mode s\nMultipleSignatures yes\nKeyTable @/onekey\n"
	    "SigningTable file:@/plain\n",
	    "-:Socket 3:KeyTable 4:SigningTable -:OversignHeaders",
	    { "key_table = \"@/onekey\"", "signing_table = \"@/plain\"",
		"owners = all", "multiple_signatures = yes" },
	    { "refile:", "i=" } },
	{ "relative tables",
	    "Mode s\nMultipleSignatures yes\nKeyTable file:keys\n"
	    "SigningTable refile:./signing\n",
	    "-:Socket 3:KeyTable 4:SigningTable -:OversignHeaders !-:OpenDKIM",
	    { "key_table = \"@/keys\"",
		"signing_table = \"refile:@/signing\"" },
	    { NULL } },
	{ "relative to BaseDirectory",
	    "BaseDirectory @/sub\nMode s\nMultipleSignatures yes\n"
	    "KeyTable file:keys\nSigningTable refile:signing\n",
	    "-:Socket 4:KeyTable 5:SigningTable -:OversignHeaders",
	    { "key_table = \"@/sub/keys\"",
		"signing_table = \"refile:@/sub/signing\"" },
	    { NULL } },
	{ "the first match only",
	    "Mode s\nKeyTable file:@/keys\nSigningTable refile:@/signing\n",
	    "-:Socket 2:KeyTable 3:SigningTable -:OversignHeaders !-:OpenDKIM",
	    { "multiple_signatures = no" }, { NULL } },
	{ "the first match only, as it is written",
	    "Mode s\nMultipleSignatures No\nKeyTable file:@/keys\n"
	    "SigningTable refile:@/everybody\n",
	    "-:Socket 3:KeyTable 4:SigningTable -:OversignHeaders !-:OpenDKIM",
	    { "multiple_signatures = no" }, { NULL } },
	{ "it says nothing of a single key", SINGLE "MultipleSignatures no\n",
	    REST_SINGLE, { NULL }, { "multiple_signatures" } },
	{ "a KeyTable before all of a single key",
	    SINGLE "MultipleSignatures yes\nKeyTable file:@/onekey\n"
		   "SigningTable file:@/onesign\nSubDomains y\n",
	    "-:Socket 6:KeyTable 7:SigningTable 2:Domain 4:KeyFile 3:Selector "
	    "8:SubDomains "
	    "-:OversignHeaders",
	    { "key_table" }, { NULL } },
	{ "a KeyTable alone", "Mode s\nKeyTable file:@/onekey\n",
	    "-:Socket 2:KeyTable !2:KeyTable -:OversignHeaders", { NULL },
	    { "key_table", "signing_table" } },
	{ "a SigningTable alone", SINGLE "SigningTable file:@/onesign\n",
	    "-:Socket !5:SigningTable -:mail -:OversignHeaders", { NULL },
	    { "signing_table" } },
	{ "tables that are lists",
	    "Mode s\nMultipleSignatures yes\n"
	    "KeyTable csl:k=a.example:s1:/k\nSigningTable a.example=k\n",
	    "-:Socket 3:KeyTable !3:KeyTable !4:SigningTable -:OversignHeaders",
	    { NULL }, { "key_table", "signing_table" } },
	{ "a KeyTable called a refile",
	    "Mode s\nMultipleSignatures yes\nKeyTable refile:@/keys\n"
	    "SigningTable refile:@/signing\n",
	    "-:Socket 3:KeyTable 4:SigningTable -:OversignHeaders !-:OpenDKIM",
	    { "key_table = \"@/keys\"",
		"signing_table = \"refile:@/signing\"" },
	    { NULL } },
	{ "a KeyTable of patterns",
	    "Mode s\nMultipleSignatures yes\nKeyTable refile:@/starkeys\n"
	    "SigningTable refile:@/signing\n",
	    "-:Socket 3:KeyTable !3:KeyTable 4:SigningTable "
	    "-:OversignHeaders !-:OpenDKIM",
	    { "key_table = \"@/starkeys\"" }, { NULL } },
	{ "data bases",
	    "Mode s\nMultipleSignatures yes\nKeyTable dsn:mysql://u:p@h/d\n"
	    "SigningTable LDAP://x\n",
	    "-:Socket !3:KeyTable !4:SigningTable -:OversignHeaders "
	    "!-:OpenDKIM",
	    { NULL }, { "key_table", "signing_table" } },
	{ "other data bases",
	    "Mode s\nMultipleSignatures yes\nKeyTable lua:/x.lua\n"
	    "SigningTable erlang:a@b:c:d:e\n",
	    "-:Socket !3:KeyTable !4:SigningTable -:OversignHeaders "
	    "!-:OpenDKIM",
	    { NULL }, { NULL } },
	{ "tables that aren't there",
	    "Mode s\nMultipleSignatures yes\nKeyTable file:/nowhere/k\n"
	    "SigningTable refile:/nowhere/s\n",
	    "-:Socket !3:KeyTable !4:SigningTable -:OversignHeaders "
	    "!-:OpenDKIM",
	    { NULL }, { "nowhere" } },

	/* how it signs */
	{ "one word is the header's", SINGLE "Canonicalization RELAXED\n",
	    REST_SINGLE, { "canonicalization = \"relaxed/simple\"" },
	    { NULL } },
	{ "two words", SINGLE "Canonicalization simple/relaxed\n", REST_SINGLE,
	    { "canonicalization = \"simple/relaxed\"" }, { NULL } },
	{ "no canonicalization", SINGLE "Canonicalization nowsp/simple\n",
	    "-:Socket -:mail !5:Canonicalization -:OversignHeaders", { NULL },
	    { "canonicalization" } },
	{ "SignHeaders", SINGLE "SignHeaders From,Subject , to\n", REST_SINGLE,
	    { "headers = { \"From\", \"Subject\", \"to\" }" }, { NULL } },
	{ "SignHeaders as a change",
	    SINGLE "SignHeaders *,-subject,+X-Mailer,+Date\n", REST_SINGLE,
	    { "headers = { \"From\", \"Reply-To\", \"Date\", \"To\",",
		"\"List-Archive\", \"X-Mailer\" }" },
	    { "Subject", "-subject" } },
	{ "signs in front mean nothing without a star",
	    SINGLE "SignHeaders Subject,+To\n", REST_SINGLE,
	    { "headers = { \"Subject\", \"+To\", \"From\" }" }, { NULL } },
	{ "OmitHeaders take away, but not From",
	    SINGLE "SignHeaders From,To,Cc\nOmitHeaders from,cc\n", REST_SINGLE,
	    { "headers = { \"From\", \"To\" }" }, { NULL } },
	{ "OmitHeaders as a change", SINGLE "OmitHeaders *,+Reply-To,-Bcc\n",
	    REST_SINGLE, { "headers = { \"From\", \"Subject\"," },
	    { "\"Reply-To\"" } },
	{ "OmitHeaders that omits nothing",
	    SINGLE "SignHeaders Received,To\nOmitHeaders .\n",
	    "-:Socket -:mail !5:SignHeaders -:OversignHeaders",
	    { "headers = { \"To\", \"From\" }" }, { "Received" } },
	{ "no names of fields", SINGLE "SignHeaders From,a b,\"x\",c\xE4\n",
	    "-:Socket -:mail !5:SignHeaders !5:SignHeaders -:OversignHeaders",
	    { "headers = { \"From\", \"\\\"x\\\"\" }" }, { NULL } },
	{ "OversignHeaders", SINGLE "OverSignHeaders From,Subject\n",
	    "-:Socket -:mail", { "oversign = { \"From\", \"Subject\" }" },
	    { "headers =" } },
	{ "SignatureTTL", SINGLE "SignatureTTL 604800\n", REST_SINGLE,
	    { "expire = \"604800s\"" }, { NULL } },
	{ "SignatureTTL of nothing", SINGLE "SignatureTTL 0\n", REST_SINGLE,
	    { NULL }, { "expire" } },
	{ "SignatureTTL that is none", SINGLE "SignatureTTL 1d\n",
	    "-:Socket -:mail -:OversignHeaders !5:SignatureTTL", { NULL },
	    { "expire" } },
	{ "what is done about errors", SINGLE "On-SignatureError Reject\n",
	    REST_SINGLE, { "on_key_error = reject" }, { NULL } },
	{ "what is done by default, by a letter", SINGLE "On-Default a\n",
	    REST_SINGLE, { "on_key_error = accept" }, { NULL } },
	{ "what can't be done about errors",
	    SINGLE "On-SignatureError quarantine\n",
	    "-:Socket -:mail -:OversignHeaders !5:On-SignatureError", { NULL },
	    { "on_key_error" } },
	{ "keys",
	    SINGLE "MinimumKeyBits 2048\nRequireSafeKeys no\n"
		   "SignatureAlgorithm rsa-sha1\n",
	    REST_SINGLE " 5:MinimumKeyBits !6:RequireSafeKeys "
			"!7:SignatureAlgorithm",
	    { NULL }, { NULL } },
	{ "keys as they always are",
	    SINGLE "MinimumKeyBits 1024\nRequireSafeKeys yes\n"
		   "SignatureAlgorithm rsa-sha256\nSenderHeaders from\n",
	    REST_SINGLE, { NULL }, { NULL } },
	{ "other senders",
	    SINGLE "SenderHeaders Sender,From\n"
		   "SenderMacro x\n",
	    "!6:SenderMacro " REST_SINGLE " !5:SenderHeaders", { NULL },
	    { NULL } },

	/* the hosts */
	{ "a port", SINGLE "Socket inet:8891@localhost\n",
	    "-:mail -:OversignHeaders", { "listen = \"inet:8891@localhost\"" },
	    { NULL } },
	{ "a port of IPv6", SINGLE "Socket inet6:8891@[::1]\n",
	    "-:mail -:OversignHeaders", { "listen = \"inet6:8891@::1\"" },
	    { NULL } },
	{ "a port of all addresses", SINGLE "Socket inet:8891\n",
	    "-:mail -:OversignHeaders", { "listen = \"inet:8891\"" },
	    { NULL } },
	{ "a path",
	    SINGLE "Socket local:/run/opendkim/opendkim.sock\n"
		   "UMask 007\nUserID opendkim:postfix\n",
	    "5:Socket 7:UserID -:mail -:OversignHeaders", { NULL },
	    { "listen =" } },
	{ "no socket", SINGLE "Socket inet:smtp@localhost\n",
	    "!5:Socket -:mail -:OversignHeaders", { NULL }, { "listen =" } },
	{ "a socket with a quote", SINGLE "Socket inet:8891@a\"b\n",
	    "!5:Socket -:mail -:OversignHeaders", { NULL }, { "listen =" } },
	{ "internal hosts",
	    SINGLE "InternalHosts 127.0.0.1, localhost, [2001:db8::]/32,"
		   "10.0.0.0/8,192.0.2.7\n",
	    REST_SINGLE,
	    { "relay_networks = { \"127.0.0.1/32\", \"::1/128\", "
	      "\"2001:db8::/32\", \"10.0.0.0/8\", \"192.0.2.7/32\" }" },
	    { "sign = no" } },
	{ "internal hosts in a file", SINGLE "InternalHosts refile:@/hosts\n",
	    "-:Socket !5:InternalHosts -:mail -:OversignHeaders",
	    { "relay_networks = { \"127.0.0.1/32\", \"192.0.2.0/24\" }" },
	    { "example" } },
	{ "internal hosts without this one",
	    SINGLE "InternalHosts 192.0.2.0/24\n", REST_SINGLE,
	    { "class local { sign = no }" }, { NULL } },
	{ "an exception", SINGLE "InternalHosts 192.0.2.0/30,!192.0.2.1\n",
	    REST_SINGLE,
	    { "relay_networks = { \"192.0.2.2/31\", \"192.0.2.0/32\" }" },
	    { "192.0.2.1" } },
	{ "an exception of an exception",
	    SINGLE "InternalHosts !192.0.2.0/24,192.0.2.7,192.0.0.0/16\n",
	    REST_SINGLE,
	    { "\"192.0.2.7/32\", \"192.0.128.0/17\"", "\"192.0.3.0/24\" }" },
	    { "192.0.0.0/16", "192.0.2.0" } },
	{ "an exception of all", SINGLE "InternalHosts 192.0.2.1,!192.0.2.1\n",
	    REST_SINGLE, { "relay_networks = { }" }, { NULL } },
	{ "an exception that is a name",
	    SINGLE "InternalHosts 127.0.0.1,!x.example,192.0.2.1/24\n",
	    "-:Socket !5:InternalHosts !5:InternalHosts -:mail "
	    "-:OversignHeaders",
	    { "relay_networks = { \"127.0.0.1/32\" }" }, { NULL } },
	{ "peers", SINGLE "PeerList 192.0.2.1\nExternalIgnoreList 192.0.2.2\n",
	    "-:Socket 5:PeerList -:mail -:OversignHeaders", { NULL },
	    { NULL } },
	{ "resolvers",
	    SINGLE "Nameservers 127.0.0.1, ::1,here\n"
		   "DNSTimeout 10\n",
	    "-:Socket !5:Nameservers -:mail -:OversignHeaders",
	    { "dns { servers = { \"127.0.0.1\", \"::1\" } timeout = "
	      "\"10s\" }" },
	    { NULL } },
	{ "a resolver of IPv6", SINGLE "Nameservers ::1\n", REST_SINGLE,
	    { "dns { servers = { \"::1\" } }" }, { NULL } },
	{ "an endless time", SINGLE "DNSTimeout 0\n",
	    "-:Socket 5:DNSTimeout -:mail -:OversignHeaders",
	    { "timeout = \"15s\"" }, { NULL } },
	{ "DNSSEC", SINGLE "TrustAnchorFile @/plain\n", REST_SINGLE,
	    { "trust_anchor = \"@/plain\"" }, { NULL } },
	{ "DNSSEC without its file", SINGLE "TrustAnchorFile /nowhere/a\n",
	    "-:Socket 5:TrustAnchorFile -:mail -:OversignHeaders", { NULL },
	    { "trust_anchor" } },
	{ "names of the MTA",
	    SINGLE "MTA MSA\nMacroList daemon_name=ORIGINATING|MSA,"
		   "{auth_type},i\nInternalHosts 192.0.2.1\n",
	    REST_SINGLE " 6:MacroList !6:MacroList -:all",
	    { "listener \"MSA\" { class = submission }",
		"listener \"ORIGINATING\" { class = submission }" },
	    { "class local" } },
	{ "names of the MTA in a file", SINGLE "MacroList file:@/macros\n",
	    REST_SINGLE " -:all",
	    { "listener \"A\" { class = submission } "
	      "listener \"B\" { class = submission }" },
	    { NULL } },

	/* other things */
	{ "what needs nothing",
	    SINGLE "Syslog no\nSyslogSuccess yes\nAutoRestart yes\n"
		   "AutoRestartRate 10/1h\nBackground no\nPidFile /p\n"
		   "SyslogFacility mail\nLogWhy no\nX-Header no\n"
		   "FixCRLF false\nAllowSHA1Only yes\nQueryCache yes\n",
	    REST_SINGLE, { NULL }, { NULL } },
	{ "what is told",
	    SINGLE "SyslogFacility local0\nLogWhy yes\nFixCRLF true\n"
		   "Statistics /s\nSoftwareHeader 1\n",
	    "6:LogWhy 7:FixCRLF 8:Statistics 9:SoftwareHeader -:Socket "
	    "5:SyslogFacility -:mail -:OversignHeaders",
	    { NULL }, { NULL } },
	{ "what is lost",
	    SINGLE "DontSignMailTo x@y.example\nResignMailTo l\n"
		   "SetupPolicyScript /l\nPOPDBFile /p\n",
	    "!5:DontSignMailTo !6:ResignMailTo !7:SetupPolicyScript "
	    "!8:POPDBFile " REST_SINGLE,
	    { NULL }, { NULL } },
	{ "included", "Include @/more\nSelector s2\n",
	    "3:Selector " REST_SINGLE, { "expire = \"99s\"" }, { NULL } },
	{ "included from nowhere", SINGLE "Include nowhere\n",
	    "!5:Include " REST_SINGLE, { NULL }, { NULL } },
	{ "included in itself", SINGLE "Include loop\n",
	    "!1:Include " REST_SINGLE, { NULL }, { NULL } },
};

/* The comments that conf begins with, on one line. */
static void
join_head(const char *conf, char out[TEXT_BYTES])
{
	size_t length = 0;

	for (const char *at = conf; *at != '\0' && length + 1 < TEXT_BYTES;
	     at++) {
		bool is_blank = strchr(" \n", *at) != NULL;

		if (at[0] == '\n' && at[1] != '#')
			break;
		if (at[0] == '#' && (at == conf || at[-1] == '\n'))
			continue;
		if (!is_blank || (length > 0 && out[length - 1] != ' '))
			out[length++] = is_blank ? ' ' : *at;
	}
	out[length] = '\0';
}

/* Each note stands under the heading that it belongs to. */
static void
want_headings(const char *name, const struct import_answer *answer)
{
	static const char loss[] = "What OpenDKIM does and postern won't:";
	char text[TEXT_BYTES], line[TEXT_BYTES];
	const char *different;

	join_head(answer->conf, text);
	different = strstr(text, "What is different:");
	for (const struct import_note *note = answer->notes; note != NULL;
	     note = note->next) {
		const char *from =
		    note->is_loss ? strstr(text, loss) : different;
		const char *at;

		(void)snprintf(line, sizeof(line), "%s%s%s", note->where,
		    *note->where != '\0' ? ": " : "", note->words);
		at = from != NULL ? strstr(from, line) : NULL;
		if (at == NULL
		    || (note->is_loss && different != NULL && at > different))
			fail_msg("%s: where is \"%s\" in %s", name, line, text);
	}
}

static void
check_case(const struct import_case *one, const struct import_answer *answer)
{
	char text[TEXT_BYTES], notes[TEXT_BYTES], want[TEXT_BYTES];

	list_notes(answer, notes);
	if (strcmp(one->notes, notes) != 0)
		fail_msg("%s: wanted the notes\n%s, got\n%s\n%s", one->name,
		    one->notes, notes, answer->conf);
	if (answer->has_loss != (strchr(one->notes, '!') != NULL))
		fail_msg("%s: is something lost?", one->name);
	want_headings(one->name, answer);
	import_squeeze(answer->conf, text);
	for (size_t i = 0; i < WANTS && one->wants[i] != NULL; i++) {
		import_expand(one->wants[i], want);
		if (strstr(text, want) == NULL)
			fail_msg(
			    "%s: wanted %s, got %s", one->name, want, text);
	}
	for (size_t i = 0; i < WANTS && one->refuses[i] != NULL; i++)
		if (strstr(text, one->refuses[i]) != NULL)
			fail_msg("%s: wanted no %s, got %s", one->name,
			    one->refuses[i], text);
	import_want_accepted(one->name, answer->conf);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct import_order order = { .owners = IMPORT_OWNERS_FOUND };
		struct import_answer answer;
		struct arena arena;

		arena_init(&arena, ARENA_BYTES);
		import_text(cases[i].text, &order, &arena, &answer);
		check_case(&cases[i], &answer);
		arena_clear(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, import_begin, import_end);
}
