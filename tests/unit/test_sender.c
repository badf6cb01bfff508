#include "policy/sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 18 };

static struct mailbox
mailbox_of(struct arena *arena, const char *text)
{
	struct mailbox mailbox = { 0 };
	struct fault fault;

	if (text != NULL
	    && !address_mailbox(arena, text, strlen(text), &mailbox, &fault))
		fail_msg("\"%s\": wanted a mailbox, got %s", text, fault.words);
	return mailbox;
}

/* Bits of what a case switches on. */
enum { CASE_SENSITIVE = 1, DEFAULT_DOMAIN = 2, HAS_KEY = 4, TOO_LONG = 8 };

struct owner_case {
	const char *name;
	enum owners owners;
	enum account_source source;
	const char *account; /* name */
	const char *own;     /* address, or "@domain" alone; NULL: none */
	const char *mailbox;
	const char *logins; /* what the map has for it */
	unsigned switches;
	bool want;
};

#define SASL ACCOUNT_SASL
#define ALICE SASL, "alice@a.example", "alice@a.example"
#define BARE SASL, "alice", NULL
/* as account_identify() makes it with default_domain d.example */
#define QUALIFIED SASL, "alice", "alice@d.example"

static const struct owner_case owners[] = {
	/* own */
	{ "own address", OWNERS_OWN, ALICE, "alice@a.example", NULL, 0, true },
	{ "own domain", OWNERS_OWN, ALICE, "sales@a.example", NULL, 0, true },
	{ "own domain in capitals", OWNERS_OWN, ALICE, "Sales@A.EXAMPLE", NULL,
	    0, true },
	{ "own domain as U-label", OWNERS_OWN, SASL,
	    "alice@xn--bcher-kva.example",
	    "alice@B\xc3\x9c"
	    "CHER.example",
	    "bob@xn--bcher-kva.example", NULL, 0, true },
	{ "own domain, the other way round", OWNERS_OWN, SASL,
	    "alice@xn--bcher-kva.example", "alice@xn--bcher-kva.example",
	    "bob@b\xc3\xbc"
	    "cher.example",
	    NULL, 0, true },
	{ "another domain", OWNERS_OWN, ALICE, "alice@b.example", NULL, 0,
	    false },
	{ "a subdomain is another domain", OWNERS_OWN, ALICE,
	    "alice@sub.a.example", NULL, 0, false },
	{ "the parent is another domain", OWNERS_OWN, SASL, "a@s.a.example",
	    "a@s.a.example", "a@a.example", NULL, 0, false },
	{ "a domain that ends alike", OWNERS_OWN, ALICE, "alice@evil-a.example",
	    NULL, 0, false },
	{ "a domain that begins alike", OWNERS_OWN, ALICE,
	    "alice@a.example.net", NULL, 0, false },
	{ "own address as another's local part", OWNERS_OWN, ALICE,
	    "\"alice@a.example\"@b.example", NULL, 0, false },
	{ "a lookalike domain", OWNERS_OWN, ALICE, "alice@\xd0\xb0.example",
	    NULL, 0, false },
	{ "a bare login owns nothing", OWNERS_OWN, BARE, "alice@a.example",
	    NULL, 0, false },
	{ "nor does the default domain then count", OWNERS_OWN, BARE,
	    "alice@d.example", NULL, DEFAULT_DOMAIN, false },
	{ "a qualified login", OWNERS_OWN, QUALIFIED, "alice@d.example", NULL,
	    DEFAULT_DOMAIN, true },
	{ "own doesn't read the map", OWNERS_OWN, ALICE, "x@b.example",
	    "alice@a.example", 0, false },
	{ "own doesn't look at keys", OWNERS_OWN, ALICE, "x@b.example", NULL,
	    HAS_KEY, false },
	{ "an address literal, one's own", OWNERS_OWN, SASL, "a@[192.0.2.1]",
	    "a@[192.0.2.1]", "A@[192.0.2.1]", NULL, 0, true },
	{ "an address literal, another's", OWNERS_OWN, SASL, "a@[192.0.2.1]",
	    "a@[192.0.2.1]", "b@[192.0.2.1]", NULL, 0, false },
	{ "the null sender is nobody's address", OWNERS_ALL, ALICE, NULL,
	    "alice@a.example", HAS_KEY, false },
	{ "a name that was cut", OWNERS_ALL, ALICE, "alice@a.example",
	    "alice@a.example", HAS_KEY | TOO_LONG, false },
	/* the other sources */
	{ "a trusted envelope", OWNERS_OWN, ACCOUNT_ENVELOPE, "b@b.example",
	    "b@b.example", "x@b.example", NULL, 0, true },
	{ "a trusted envelope, another domain", OWNERS_OWN, ACCOUNT_ENVELOPE,
	    "b@b.example", "b@b.example", "b@a.example", NULL, 0, false },
	{ "the host's own name", OWNERS_OWN, ACCOUNT_HOST,
	    "local:mx.example.net", "@mx.example.net", "root@mx.example.net",
	    NULL, 0, true },
	{ "not the host's domain", OWNERS_OWN, ACCOUNT_HOST,
	    "local:mx.example.net", "@mx.example.net", "root@example.net", NULL,
	    0, false },
	{ "a customer's domain from PHP", OWNERS_OWN, ACCOUNT_HOST,
	    "local:mx.example.net", "@mx.example.net", "shop@a.example", NULL,
	    HAS_KEY, false },
	{ "the host by map", OWNERS_MAP, ACCOUNT_HOST, "local:mx.example.net",
	    "@mx.example.net", "shop@a.example", "local:mx.example.net", 0,
	    true },
	{ "the host, one tenant", OWNERS_ALL, ACCOUNT_HOST,
	    "local:mx.example.net", "@mx.example.net", "shop@a.example", NULL,
	    HAS_KEY, true },
	{ "bounces: the host's own name", OWNERS_OWN, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net",
	    "MAILER-DAEMON@mx.example.net", NULL, 0, true },
	{ "bounces: nothing else", OWNERS_OWN, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net", "shop@a.example", NULL,
	    HAS_KEY, false },
	{ "bounces: not by map", OWNERS_MAP, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net", "shop@a.example",
	    "bounces:mx.example.net", HAS_KEY, false },
	{ "bounces: not by a key", OWNERS_ALL, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net", "shop@a.example", NULL,
	    HAS_KEY, false },
	{ "a uid owns nothing by itself", OWNERS_OWN, ACCOUNT_UID, "uid:1001",
	    "@a.example", "u@a.example", NULL, HAS_KEY, false },
	{ "a uid by map", OWNERS_MAP, ACCOUNT_UID, "uid:1001", NULL,
	    "u@a.example", "uid:1001", 0, true },
	{ "another uid", OWNERS_MAP, ACCOUNT_UID, "uid:1002", NULL,
	    "u@a.example", "uid:1001", 0, false },
	{ "a uid that begins alike", OWNERS_MAP, ACCOUNT_UID, "uid:100", NULL,
	    "u@a.example", "uid:1001", 0, false },
	{ "a uid by key", OWNERS_ALL, ACCOUNT_UID, "uid:1001", NULL,
	    "u@a.example", NULL, HAS_KEY, true },
	{ "a network called by an address", OWNERS_OWN, ACCOUNT_NETWORK,
	    "alice@a.example", "alice@a.example", "alice@a.example", NULL, 0,
	    true },
	{ "a network called by a name", OWNERS_OWN, ACCOUNT_NETWORK, "panel",
	    NULL, "alice@a.example", NULL, 0, false },
	{ "a network by map", OWNERS_MAP, ACCOUNT_NETWORK, "panel", NULL,
	    "x@a.example", "bob panel", 0, true },
	{ "another host's account", OWNERS_OWN, ACCOUNT_HEADER, "a@a.example",
	    "a@a.example", "a@a.example", NULL, 0, true },
	{ "another host's bounces: its name", OWNERS_OWN, ACCOUNT_HEADER,
	    "bounces:p.example", "@p.example", "x@p.example", NULL, 0, true },
	{ "another host's bounces: not by a key", OWNERS_ALL, ACCOUNT_HEADER,
	    "bounces:p.example", "@p.example", "x@a.example", NULL, HAS_KEY,
	    false },
	{ "a client owns nothing by itself", OWNERS_OWN, ACCOUNT_CLIENT,
	    "client:192.0.2.1", "@a.example", "x@a.example", NULL, HAS_KEY,
	    false },
	{ "a client by map", OWNERS_MAP, ACCOUNT_CLIENT,
	    "client:2001:db8:0:1::/64", NULL, "x@a.example",
	    "client:2001:db8:0:1::/64", 0, true },
	/* map */
	{ "map: its own anyway", OWNERS_MAP, ALICE, "x@a.example", NULL, 0,
	    true },
	{ "map: the only login", OWNERS_MAP, ALICE, "x@b.example",
	    "alice@a.example", 0, true },
	{ "map: nothing found", OWNERS_MAP, ALICE, "x@b.example", NULL, 0,
	    false },
	{ "map: an empty value", OWNERS_MAP, ALICE, "x@b.example", "", 0,
	    false },
	{ "map: only separators", OWNERS_MAP, ALICE, "x@b.example", " ,\t, ", 0,
	    false },
	{ "map: commas", OWNERS_MAP, ALICE, "x@b.example",
	    "bob@b.example,alice@a.example", 0, true },
	{ "map: blanks", OWNERS_MAP, ALICE, "x@b.example",
	    "bob@b.example alice@a.example carol", 0, true },
	{ "map: both, and tabs", OWNERS_MAP, ALICE, "x@b.example",
	    ",bob , \talice@a.example,", 0, true },
	{ "map: folded lines", OWNERS_MAP, ALICE, "x@b.example",
	    "bob\r\n alice@a.example\n", 0, true },
	{ "map: somebody else", OWNERS_MAP, ALICE, "x@b.example",
	    "bob@b.example, carol@c.example", 0, false },
	{ "map: capitals in the value", OWNERS_MAP, ALICE, "x@b.example",
	    "Alice@A.Example", 0, true },
	{ "map: capitals, case-sensitive", OWNERS_MAP, ALICE, "x@b.example",
	    "Alice@a.example", CASE_SENSITIVE, false },
	{ "map: the domain's are never sensitive", OWNERS_MAP, SASL,
	    "Alice@a.example", "Alice@a.example", "x@b.example",
	    "Alice@A.Example", CASE_SENSITIVE, true },
	{ "map: a U-label in the value", OWNERS_MAP, SASL,
	    "alice@xn--bcher-kva.example", NULL, "x@b.example",
	    "alice@b\xc3\xbc"
	    "cher.example",
	    0, true },
	{ "map: a last dot in the value", OWNERS_MAP, ALICE, "x@b.example",
	    "alice@a.example.", 0, true },
	{ "map: needless quotes in the value", OWNERS_MAP, ALICE, "x@b.example",
	    "\"alice\"@a.example", 0, true },
	{ "map: part of a login", OWNERS_MAP, SASL, "ali", NULL, "x@b.example",
	    "alice", 0, false },
	{ "map: more than a login", OWNERS_MAP, SASL, "alices", NULL,
	    "x@b.example", "alice", 0, false },
	{ "map: a login with a comma in it", OWNERS_MAP, SASL, "alice,bob",
	    NULL, "x@b.example", "alice,bob", 0, false },
	{ "map: a login with a blank in it", OWNERS_MAP, SASL, "x alice", NULL,
	    "x@b.example", "x alice", 0, false },
	{ "map: map doesn't look at keys", OWNERS_MAP, ALICE, "x@b.example",
	    NULL, HAS_KEY, false },
	/* bare logins and default_domain */
	{ "bare in both", OWNERS_MAP, BARE, "x@b.example", "alice", 0, true },
	{ "bare login, address in the map, no default", OWNERS_MAP, BARE,
	    "x@b.example", "alice@d.example", 0, false },
	{ "bare login, address in the map", OWNERS_MAP, QUALIFIED,
	    "x@b.example", "Alice@D.example", DEFAULT_DOMAIN, true },
	{ "bare login, address elsewhere in the map", OWNERS_MAP, QUALIFIED,
	    "x@b.example", "alice@a.example", DEFAULT_DOMAIN, false },
	{ "bare login, longer domain in the map", OWNERS_MAP, QUALIFIED,
	    "x@b.example", "alice@d.example.net", DEFAULT_DOMAIN, false },
	{ "address, bare in the map", OWNERS_MAP, SASL, "alice@d.example",
	    "alice@d.example", "x@b.example", "alice", DEFAULT_DOMAIN, true },
	{ "address, bare in the map, no default", OWNERS_MAP, ALICE,
	    "x@b.example", "alice", 0, false },
	{ "address elsewhere, bare in the map", OWNERS_MAP, ALICE,
	    "x@b.example", "alice", DEFAULT_DOMAIN, false },
	{ "longer address, bare in the map", OWNERS_MAP, SASL,
	    "malice@d.example", "malice@d.example", "x@b.example", "alice",
	    DEFAULT_DOMAIN, false },
	{ "bare in the map, case-sensitive", OWNERS_MAP, SASL,
	    "alice@d.example", "alice@d.example", "x@b.example", "Alice",
	    DEFAULT_DOMAIN | CASE_SENSITIVE, false },
	{ "quotes in a bare login", OWNERS_MAP, SASL, "\"alice\"", NULL,
	    "x@b.example", "\"alice\"@d.example", DEFAULT_DOMAIN, false },
	/* names that aren't theirs */
	{ "a login of the name uid:0", OWNERS_MAP, SASL, "sasl:uid:0", NULL,
	    "root@b.example", "uid:0", 0, false },
	{ "the same, with default domain", OWNERS_MAP, SASL, "sasl:uid:0", NULL,
	    "root@b.example", "uid:0", DEFAULT_DOMAIN, false },
	{ "uid:0 at the default domain", OWNERS_MAP, SASL,
	    "\"uid:0\"@d.example", "\"uid:0\"@d.example", "root@b.example",
	    "uid:0", DEFAULT_DOMAIN, false },
	{ "uid:0 at the default domain, unquoted", OWNERS_MAP, SASL,
	    "sasl:uid:0@d.example", NULL, "root@b.example", "uid:0",
	    DEFAULT_DOMAIN, false },
	{ "a uid is not short for an address", OWNERS_MAP, ACCOUNT_UID, "uid:0",
	    NULL, "root@b.example", "uid:0@d.example \"uid:0\"@d.example",
	    DEFAULT_DOMAIN, false },
	{ "a login that the map names with its prefix", OWNERS_MAP, SASL,
	    "sasl:uid:0", NULL, "x@b.example", "sasl:uid:0", 0, true },
	/* all */
	{ "all: a key", OWNERS_ALL, ALICE, "x@b.example", NULL, HAS_KEY, true },
	{ "all: no key", OWNERS_ALL, ALICE, "x@b.example", NULL, 0, false },
	{ "all: its own without key", OWNERS_ALL, ALICE, "x@a.example", NULL, 0,
	    true },
	{ "all: a bare login", OWNERS_ALL, BARE, "x@b.example", NULL, HAS_KEY,
	    true },
	{ "all doesn't read the map", OWNERS_ALL, ALICE, "x@b.example",
	    "alice@a.example", 0, false },
};

static struct account
account_of(const struct owner_case *c, struct arena *arena)
{
	struct account account = { .source = c->source,
		.name = c->account,
		.is_too_long = (c->switches & TOO_LONG) != 0 };

	if (c->own != NULL && c->own[0] == '@') {
		account.own_domain = c->own + 1;
	} else if (c->own != NULL) {
		account.own = mailbox_of(arena, c->own);
		if (!account.own.is_literal)
			account.own_domain = account.own.domain;
	}
	return account;
}

static struct sender_rules
rules_of(const struct owner_case *c)
{
	return (struct sender_rules){ .owners = c->owners,
		.default_domain =
		    (c->switches & DEFAULT_DOMAIN) != 0 ? "d.example" : "",
		.recipient_delimiter = "+",
		.is_case_sensitive = (c->switches & CASE_SENSITIVE) != 0 };
}

static void
addresses_have_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(owners); i++) {
		const struct owner_case *c = &owners[i];
		struct sender_rules rules = rules_of(c);
		struct sender_evidence evidence = { .logins = c->logins,
			.has_key = (c->switches & HAS_KEY) != 0 };
		struct arena arena;
		struct account account;
		struct mailbox mailbox;
		bool is_plain_evidence =
		    c->logins == NULL && (c->switches & HAS_KEY) == 0;

		arena_init(&arena, ARENA_BYTES);
		account = account_of(c, &arena);
		mailbox = mailbox_of(&arena, c->mailbox);
		if (sender_owns(&rules, &account, &mailbox, &evidence)
		    != c->want)
			fail_msg("%s: wanted %s, got the opposite", c->name,
			    c->want ? "owned" : "foreign");
		/* no evidence is the same as evidence of nothing */
		if (is_plain_evidence
		    && sender_owns(&rules, &account, &mailbox, NULL) != c->want)
			fail_msg("%s, no evidence: wanted %s, got the "
				 "opposite",
			    c->name, c->want ? "owned" : "foreign");
		arena_clear(&arena);
	}
}

static const struct {
	struct owner_case of; /* mailbox is the domain */
} domains[] = {
	{ { "own domain", OWNERS_OWN, ALICE, "a.example", NULL, 0, true } },
	{ { "another domain", OWNERS_OWN, ALICE, "b.example", NULL, HAS_KEY,
	    false } },
	{ { "a parent's key", OWNERS_OWN, SASL, "x@s.a.example",
	    "x@s.a.example", "a.example", NULL, HAS_KEY, false } },
	{ { "a parent's key by map", OWNERS_MAP, SASL, "x@s.a.example",
	    "x@s.a.example", "a.example", "x@s.a.example", 0, true } },
	{ { "by map, somebody else's", OWNERS_MAP, ALICE, "b.example",
	    "bob@b.example", HAS_KEY, false } },
	{ { "all", OWNERS_ALL, ALICE, "b.example", NULL, HAS_KEY, true } },
	{ { "all, no key", OWNERS_ALL, ALICE, "b.example", NULL, 0, false } },
	{ { "the host's", OWNERS_OWN, ACCOUNT_HOST, "local:mx.example.net",
	    "@mx.example.net", "mx.example.net", NULL, 0, true } },
	{ { "bounces, the host's", OWNERS_ALL, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net", "mx.example.net", NULL,
	    0, true } },
	{ { "bounces, another's", OWNERS_ALL, ACCOUNT_BOUNCES,
	    "bounces:mx.example.net", "@mx.example.net", "a.example", NULL,
	    HAS_KEY, false } },
	{ { "a uid", OWNERS_OWN, ACCOUNT_UID, "uid:0", "@a.example",
	    "a.example", NULL, HAS_KEY, false } },
	{ { "a bare login", OWNERS_OWN, BARE, "a.example", NULL, HAS_KEY,
	    false } },
	{ { "a name that was cut", OWNERS_ALL, ALICE, "a.example", NULL,
	    HAS_KEY | TOO_LONG, false } },
};

static void
domains_have_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(domains); i++) {
		const struct owner_case *c = &domains[i].of;
		struct sender_rules rules = rules_of(c);
		struct sender_evidence evidence = { .logins = c->logins,
			.has_key = (c->switches & HAS_KEY) != 0 };
		struct arena arena;
		struct account account;

		arena_init(&arena, ARENA_BYTES);
		account = account_of(c, &arena);
		if (sender_owns_domain(&rules, &account, c->mailbox, &evidence)
		    != c->want)
			fail_msg("%s: wanted %s, got the opposite", c->name,
			    c->want ? "owned" : "foreign");
		arena_clear(&arena);
	}
}

static const struct {
	const char *name;
	enum owners owners;
	const char *default_domain;
	bool has_map, want;
} evers[] = {
	{ "own", OWNERS_OWN, "", false, false },
	{ "own, with a map that isn't asked", OWNERS_OWN, "", true, false },
	{ "own, default domain", OWNERS_OWN, "d.example", false, true },
	{ "own, no text", OWNERS_OWN, NULL, false, false },
	{ "map without map", OWNERS_MAP, "", false, false },
	{ "map", OWNERS_MAP, "", true, true },
	{ "map without map, default domain", OWNERS_MAP, "d.example", false,
	    true },
	{ "all", OWNERS_ALL, "", false, true },
};

static void
a_bare_login_may_never_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(evers); i++) {
		struct sender_rules rules = { .owners = evers[i].owners,
			.default_domain = evers[i].default_domain };

		if (sender_can_ever_own(&rules, evers[i].has_map)
		    != evers[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    evers[i].name, evers[i].want ? "yes" : "no");
	}
}

/* A verdict in one line: "action/would/reason subject". */
static const char *
verdict_line(struct arena *arena, const struct verdict *verdict)
{
	return arena_printf(arena, "%s/%s/%s %s",
	    verdict_action_name(verdict->action),
	    verdict_action_name(verdict->would),
	    verdict_reason_name(verdict->reason),
	    verdict->subject != NULL ? verdict->subject : "-");
}

static const struct {
	const char *name;
	size_t from_count;
	enum from_form form;
	size_t count;
	const char *problem;
	enum action on_bad_from;
	enum mode mode;
	const char *want, *want_detail;
} forms[] = {
	{ "good", 1, FROM_GOOD, 1, NULL, ACTION_REJECT, MODE_ENFORCE,
	    "accept/accept/none -", NULL },
	{ "several mailboxes", 1, FROM_GOOD, 3, NULL, ACTION_REJECT,
	    MODE_ENFORCE, "accept/accept/none -", NULL },
	{ "a broken name is taken", 1, FROM_BROKEN_NAME, 1, "a stray quote",
	    ACTION_REJECT, MODE_ENFORCE, "accept/accept/none -",
	    "a stray quote" },
	{ "none", 0, FROM_GOOD, 0, NULL, ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/bad_from -", "no From field" },
	{ "two", 2, FROM_GOOD, 1, NULL, ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/bad_from -", "more than one From field" },
	{ "forty", 40, FROM_GOOD, 1, NULL, ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/bad_from -", "more than one From field" },
	{ "no address", 1, FROM_NO_ADDRESS, 0, "an empty group", ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/bad_from -", "an empty group" },
	{ "unusable", 1, FROM_UNUSABLE, 0, "two addresses", ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/bad_from -", "two addresses" },
	{ "unusable without words", 1, FROM_UNUSABLE, 0, NULL, ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/bad_from -",
	    "no usable address in From" },
	{ "good, but nobody in it", 1, FROM_GOOD, 0, NULL, ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/bad_from -",
	    "no usable address in From" },
	{ "none, observed", 0, FROM_GOOD, 0, NULL, ACTION_OBSERVE, MODE_ENFORCE,
	    "accept/reject/bad_from -", "no From field" },
	{ "none, the class observes", 0, FROM_GOOD, 0, NULL, ACTION_REJECT,
	    MODE_OBSERVE, "accept/reject/bad_from -", "no From field" },
};

static void
form_of_from_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct sender_rules rules = {
			.on_bad_from = forms[i].on_bad_from,
		};
		struct message_facts facts = {
			.from_count = forms[i].from_count,
			.from = { .form = forms[i].form,
			    .count = forms[i].count,
			    .problem = forms[i].problem },
		};
		struct verdict verdict;
		struct arena arena;
		const char *got;

		arena_init(&arena, ARENA_BYTES);
		verdict = sender_judge_form(&rules, forms[i].mode, &facts);
		got = verdict_line(&arena, &verdict);
		if (strcmp(got, forms[i].want) != 0)
			fail_msg("%s: wanted %s, got %s", forms[i].name,
			    forms[i].want, got);
		if ((verdict.detail == NULL) != (forms[i].want_detail == NULL)
		    || (verdict.detail != NULL
			&& strcmp(verdict.detail, forms[i].want_detail) != 0))
			fail_msg("%s: wanted detail %s, got %s", forms[i].name,
			    forms[i].want_detail, verdict.detail);
		arena_clear(&arena);
	}
}

/* Bits of what is checked and how it is. */
enum { ENVELOPE = 1, FROM = 2, BOTH = 3 };

static const struct {
	const char *name;
	unsigned checked;
	unsigned foreign;   /* which of the two isn't owned */
	const char *sender; /* NULL: the null sender; "bad": no mailbox */
	enum action on_mismatch;
	enum mode mode;
	const char *want;
} mismatches[] = {
	{ "both owned", BOTH, 0, "a@a.example", ACTION_REJECT, MODE_ENFORCE,
	    "accept/accept/none -" },
	{ "From foreign", BOTH, FROM, "a@a.example", ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/from_mismatch victim@v.example" },
	{ "envelope foreign", BOTH, ENVELOPE, "a@a.example", ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/envelope_mismatch a@a.example" },
	{ "both foreign: the first is told", BOTH, BOTH, "a@a.example",
	    ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/envelope_mismatch a@a.example" },
	{ "From not checked", ENVELOPE, FROM, "a@a.example", ACTION_REJECT,
	    MODE_ENFORCE, "accept/accept/none -" },
	{ "envelope not checked", FROM, ENVELOPE, "a@a.example", ACTION_REJECT,
	    MODE_ENFORCE, "accept/accept/none -" },
	{ "only From checked, both foreign", FROM, BOTH, "a@a.example",
	    ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/from_mismatch victim@v.example" },
	{ "nothing checked", 0, BOTH, "a@a.example", ACTION_REJECT,
	    MODE_ENFORCE, "accept/accept/none -" },
	{ "the null sender is owned", BOTH, ENVELOPE, NULL, ACTION_REJECT,
	    MODE_ENFORCE, "accept/accept/none -" },
	{ "the null sender with a foreign From", BOTH, BOTH, NULL,
	    ACTION_REJECT, MODE_ENFORCE,
	    "reject/reject/from_mismatch victim@v.example" },
	{ "a sender that is no mailbox", BOTH, ENVELOPE, "bad", ACTION_REJECT,
	    MODE_ENFORCE, "reject/reject/envelope_mismatch <bad>" },
	{ "From foreign, observed", BOTH, FROM, "a@a.example", ACTION_OBSERVE,
	    MODE_ENFORCE, "accept/reject/from_mismatch victim@v.example" },
	{ "From foreign, the class observes", BOTH, FROM, "a@a.example",
	    ACTION_REJECT, MODE_OBSERVE,
	    "accept/reject/from_mismatch victim@v.example" },
	{ "both foreign, observed", BOTH, BOTH, "a@a.example", ACTION_OBSERVE,
	    MODE_ENFORCE, "accept/reject/envelope_mismatch a@a.example" },
};

static void
ownership_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mismatches); i++) {
		const char *sender = mismatches[i].sender;
		bool is_bad = sender != NULL && strcmp(sender, "bad") == 0;
		struct sender_rules rules = {
			.check_envelope =
			    (mismatches[i].checked & ENVELOPE) != 0,
			.check_from = (mismatches[i].checked & FROM) != 0,
			.on_mismatch = mismatches[i].on_mismatch,
		};
		struct message_facts facts = {
			.envelope_sender = is_bad ? "<bad>" : sender,
			.is_null_sender = sender == NULL,
			.is_bad_sender = is_bad,
		};
		struct mailbox victim;
		struct verdict verdict;
		struct arena arena;
		const char *got;

		arena_init(&arena, ARENA_BYTES);
		victim = mailbox_of(&arena, "victim@v.example");
		if (!is_bad)
			facts.sender = mailbox_of(&arena, sender);
		verdict = sender_judge_owners(&rules, mismatches[i].mode,
		    &facts, (mismatches[i].foreign & ENVELOPE) == 0,
		    (mismatches[i].foreign & FROM) != 0 ? &victim : NULL);
		got = verdict_line(&arena, &verdict);
		if (strcmp(got, mismatches[i].want) != 0)
			fail_msg("%s: wanted %s, got %s", mismatches[i].name,
			    mismatches[i].want, got);
		arena_clear(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_have_owners),
		cmocka_unit_test(domains_have_owners),
		cmocka_unit_test(a_bare_login_may_never_own),
		cmocka_unit_test(form_of_from_is_judged),
		cmocka_unit_test(ownership_is_judged),
	};

	return cmocka_run_group_tests_name("sender", tests, NULL, NULL);
}
