#include "tests/unit/preflight_words.h"

#define P10(text) text text text text text text text text text text
#define LABEL60 P10("abcdef")

/* Of the longest form: four labels, 253 octets. */
#define LONG_NAME LABEL60 ".b" LABEL60 ".c" LABEL60 ".d" LABEL60 ".exam"

static const struct dmarc_finding finds_nothing = { .status = DMARC_ABSENT };

const struct words_case words_other_cases[] = {
	{ .name = "the keys aren't published",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
				.state = PREFLIGHT_FAILS,
				.key = DKIM_KEY_MISSING },
		{ .domain = "b.example.com",
		    .state = PREFLIGHT_FAILS,
		    .key = DKIM_KEY_DIFFERENT,
		    .type = DKIM_KEY_ED25519 },
		{ .domain = "c.example.com",
		    .state = PREFLIGHT_FAILS,
		    .key = DKIM_KEY_REVOKED,
		    .type = DKIM_KEY_ED25519 } },
	    REJECT,
	    .line = "s1._domainkey.example.com isn't published; "
		    "s1._domainkey.b.example.com has another key; the key at "
		    "s1._domainkey.c.example.com is revoked (p= is empty)",
	    .mends = "s1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; "
		     "p=MIIB/+=\"|"
		     "s1._domainkey.b.example.com. IN TXT \"v=DKIM1; "
		     "k=ed25519; p=MIIB/+=\"|"
		     "s1._domainkey.c.example.com. IN TXT \"v=DKIM1; "
		     "k=ed25519; p=MIIB/+=\"" },
	{ .name = "something else is published in a key's place",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_FAILS,
		.key = DKIM_KEY_MISSING,
		.has_other_text = true } },
	    REJECT,
	    .line = "s1._domainkey.example.com has a TXT record, but no DKIM "
		    "key",
	    .mends = "s1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; "
		     "p=MIIB/+=\"" },
	{ .name = "a published key that can't be used, nothing else",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_FAILS,
		.key = DKIM_KEY_BAD,
		.words = "s1._domainkey.example.com has an h= without "
			 "sha256: publish the record anew" } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10; "
		    "s1._domainkey.example.com has an h= without sha256: "
		    "publish the record anew; the DMARC policy of example.com "
		    "is reject",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"|"
		     "s1._domainkey.example.com. IN TXT \"v=DKIM1; k=rsa; "
		     "p=MIIB/+=\"|-" },
	{ .name = "a key is lost, but another is good",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
				.state = PREFLIGHT_VERIFIES },
		{ .domain = "example.com",
		    .state = PREFLIGHT_UNKNOWN,
		    .key = DKIM_KEY_LOST } },
	    REJECT,
	    .line = "",
	    .mends = "" },
	{ .name = "what was on it doesn't verify",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "lists.example.net",
		.is_foreign = true } },
	    .is_unsigned = true,
	    .signatures = { { .domain = "example.com",
				.state = PREFLIGHT_FAILS,
				.is_theirs = true,
				.words = "the body was altered" },
		{ .domain = "foreign.example",
		    .state = PREFLIGHT_FAILS,
		    .is_theirs = true,
		    .words = "the body was altered" },
		{ .domain = "lists.example.net",
		    .state = PREFLIGHT_VERIFIES,
		    .is_theirs = true,
		    .is_foreign = true } },
	    REJECT,
	    .line = "SPF passes for lists.example.net, which isn't aligned "
		    "with example.com; no DKIM key of example.com here; the "
		    "DKIM signature of example.com doesn't verify: the body "
		    "was altered; the DKIM signature of lists.example.net "
		    "isn't aligned with example.com; its DMARC policy is "
		    "reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-|-|-" },
	{ .name = "of many signatures of others one is told",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "lists.example.net",
		.is_foreign = true } },
	    .is_unsigned = true,
	    .signatures = { { .domain = "lists.example.net",
				.state = PREFLIGHT_VERIFIES,
				.is_theirs = true,
				.is_foreign = true },
		{ .domain = "more.example",
		    .state = PREFLIGHT_VERIFIES,
		    .is_theirs = true,
		    .is_foreign = true } },
	    REJECT,
	    .line = "SPF passes for lists.example.net, which isn't aligned "
		    "with example.com; no DKIM key of example.com here; the "
		    "DKIM signature of lists.example.net isn't aligned with "
		    "example.com; its DMARC policy is reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-|-" },
	{ .name = "a list's message whose author's signature is intact",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "lists.example.net",
		.is_foreign = true } },
	    .is_unsigned = true,
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES,
		.is_theirs = true } },
	    REJECT,
	    .line = "SPF passes for lists.example.net, which isn't aligned "
		    "with example.com",
	    .mends =
		"send it with an envelope sender of or below example.com" },
	{ .name = "what was on it couldn't be checked",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "lists.example.net",
		.is_foreign = true } },
	    .is_unsigned = true,
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_UNKNOWN,
		.is_theirs = true,
		.words = "there are too many" } },
	    REJECT,
	    .line = "the DKIM signature of example.com couldn't be checked: "
		    "there are too many; SPF passes for lists.example.net, "
		    "which isn't aligned with example.com; no DKIM key of "
		    "example.com here",
	    .mends = "-|"
		     "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey "
		     "example.com" },
	{ .name = "a key that doesn't sign",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    .has_idle_key = true,
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10; the DKIM "
		    "key of example.com isn't used for this message; its DMARC "
		    "policy is reject",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"|"
		     "see that sign is on and that the account may use "
		     "example.com: senders.map, senders.default_domain|-" },
	{ .name = "a key that doesn't sign, and a signature of others",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "lists.example.net",
		.is_foreign = true } },
	    .has_idle_key = true,
	    .signatures = { { .domain = "lists.example.net",
		.state = PREFLIGHT_VERIFIES,
		.is_theirs = true,
		.is_foreign = true } },
	    REJECT,
	    .line = "SPF passes for lists.example.net, which isn't aligned "
		    "with example.com; the DKIM key of example.com isn't used "
		    "for this message; the DKIM signature of lists.example.net "
		    "isn't aligned with example.com; its DMARC policy is "
		    "reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "see that sign is on and that the account may use "
		     "example.com: senders.map, senders.default_domain|-|-" },
	{ .name = "whether there are keys isn't known",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10; no DKIM "
		    "signature of example.com; its DMARC policy is reject",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"|-|-" },
	{ .name = "signed by another domain of ours",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    .signatures = { { .domain = "provider.example",
		.state = PREFLIGHT_VERIFIES,
		.is_foreign = true } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10; the DKIM "
		    "signature of provider.example isn't aligned with "
		    "example.com; its DMARC policy is reject",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"|"
		     "sign with a key of example.com: posternctl genkey "
		     "example.com|-" },

	{ .name = "policy for subdomains",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "x.example",
		.is_foreign = true } },
	    .author = "mail.example.com",
	    .is_unsigned = true,
	    TAGGED("sp"),
	    .line = "SPF passes for x.example, which isn't aligned with "
		    "mail.example.com; no DKIM key of mail.example.com here; "
		    "the DMARC policy of example.com for subdomains (sp) is "
		    "reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey "
		     "mail.example.com|-" },
	{ .name = "policy of the organization, p",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "x.example",
		.is_foreign = true } },
	    .author = "mail.example.com",
	    .is_unsigned = true,
	    TAGGED("p"),
	    .line = "SPF passes for x.example, which isn't aligned with "
		    "mail.example.com; no DKIM key of mail.example.com here; "
		    "the DMARC policy of example.com is reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey "
		     "mail.example.com|-" },
	{ .name = "policy for what doesn't exist",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "x.example",
		.is_foreign = true } },
	    .author = "nosuch.example.com",
	    .is_unsigned = true,
	    TAGGED("np"),
	    .line = "SPF passes for x.example, which isn't aligned with "
		    "nosuch.example.com; no DKIM key of nosuch.example.com "
		    "here; the DMARC policy of example.com for subdomains that "
		    "don't exist (np) is reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey "
		     "nosuch.example.com|-" },
	{ .name = "t=y",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    .is_unsigned = true,
	    .finding = { .status = DMARC_FOUND,
		.policy = DMARC_QUARANTINE,
		.asked = DMARC_REJECT,
		.record = { .is_testing = true },
		.tag = "p" },
	    .line = "SPF of example.com doesn't include 192.0.2.10; no DKIM "
		    "key of example.com here; its DMARC policy is reject, "
		    "taken as quarantine (t=y)",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "no DMARC record",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    .line = "example.com has no DMARC record",
	    .finding = { .status = DMARC_ABSENT },
	    .mends = "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"" },
	{ .name = "no DMARC record is the first of the reasons",
	    .spf = { { .address = "192.0.2.10", .result = SPF_NONE } },
	    .is_unsigned = true,
	    .finding = { .status = DMARC_ABSENT },
	    .line = "example.com has no DMARC record; example.com has no SPF "
		    "record; no DKIM key of example.com here",
	    .mends = "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"|"
		     "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 ~all\"|"
		     "make one and publish it: posternctl genkey "
		     "example.com" },
	{ .name = "that the domain doesn't exist is the first",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NONE,
		.is_no_domain = true } },
	    .is_unsigned = true,
	    .finding = { .status = DMARC_ABSENT },
	    .line = "example.com doesn't exist in the DNS, and has no SPF "
		    "record; no DKIM key of example.com here; example.com has "
		    "no DMARC record",
	    .mends = "send it with an envelope sender whose domain is in the "
		     "DNS|"
		     "make one and publish it: posternctl genkey example.com|"
		     "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"" },
	{ .name = "that the HELO doesn't exist",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NONE,
		.domain = "mx.example.com",
		.is_no_domain = true } },
	    .is_null_sender = true,
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    .finding = { .status = DMARC_ABSENT },
	    .line = "example.com has no DMARC record; mx.example.com (HELO) "
		    "doesn't exist in the DNS, and has no SPF record",
	    .mends = "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"|"
		     "mx.example.com. IN TXT \"v=spf1 ip4:192.0.2.10 ~all\"" },
	{ .name = "a DMARC record that can't be used",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    .finding = { .status = DMARC_ABSENT,
		.problem = "_dmarc.example.com has several DMARC records: "
			   "publish one" },
	    .line = "DMARC of example.com doesn't apply: _dmarc.example.com "
		    "has several DMARC records: publish one",
	    .mends = "correct the record at _dmarc.example.com" },
	{ .name = "the DMARC record is lost",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    .finding = { .status = DMARC_LOST,
		.problem = "_dmarc.example.com can't be looked up "
			   "(SERVFAIL)" },
	    .line = "DMARC of example.com is unknown now: _dmarc.example.com "
		    "can't be looked up (SERVFAIL)",
	    .mends = "-" },
	{ .name = "which policy isn't known",
	    .spf = { { .address = "192.0.2.10", .result = SPF_NONE } },
	    .is_unsigned = true,
	    .finding = { .status = DMARC_FOUND, .is_policy_unsure = true },
	    .line = "which DMARC policy of example.com applies is unknown now; "
		    "example.com has no SPF record; no DKIM key of example.com "
		    "here",
	    .mends = "-|"
		     "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 ~all\"|"
		     "make one and publish it: posternctl genkey "
		     "example.com" },
	{ .name = "From without an address",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .from_problem = "there are two From fields",
	    .line = "From has no domain that can be looked up: there are two "
		    "From fields",
	    .mends = "send it with one From field that holds one address" },
	{ .name = "the profiles differ",
	    .spf = { { .address = "192.0.2.10", .result = SPF_NONE } },
	    .is_unsigned = true,
	    REJECT,
	    .other = &finds_nothing,
	    .line = "example.com has no DMARC record; example.com has no SPF "
		    "record; no DKIM key of example.com here; by rfc9989 it is "
		    "fail-reject, by rfc7489 it is no-policy",
	    .mends = "_dmarc.example.com. IN TXT \"v=DMARC1; p=none\"|"
		     "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 ~all\"|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "both must pass",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .is_unsigned = true,
	    .is_both_pass = true,
	    REJECT,
	    .line = "no DKIM key of example.com here; SPF and DKIM must both "
		    "pass for large receivers",
	    .mends = "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "nothing is wrong",
	    .spf = { { .address = "192.0.2.10", .result = SPF_PASS } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "",
	    .mends = "" },

	/* What the DNS says is no friend. */
	{ .name = "control characters and line ends",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PERMERROR,
		.record = "v=spf1",
		.problem = "unknown term \"\r\n250 ok\x1b[2J\x80\xc3\xa9\"" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com is broken: unknown term \"??250 "
		    "ok?[2J??\"",
	    .mends = "correct the SPF record of example.com" },
	{ .name = "a long problem is cut",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PERMERROR,
		.record = "v=spf1",
		.problem = P10("ninety-nine bottles ") } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com is broken: ninety-nine bottles "
		    "ninety-nine bottles ninety-nine bottles ninety-nine "
		    "bottles ninety-nine bottles ninety-nine bottles "
		    "ninety-nine bottles ninety-nine bottl...",
	    .mends = "correct the SPF record of example.com" },
	{ .name = "quotes and octets in a record",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NEUTRAL,
		.record = "v=spf1 a:\"\\\x7f\xff ?all",
		.mechanism = "?all",
		.where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10",
	    .mends = "example.com. IN TXT \"v=spf1 a:\\\"\\\\\\127\\255 "
		     "ip4:192.0.2.10 ?all\"" },
	{ .name = "names of the greatest length",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = LONG_NAME,
		.is_foreign = true } },
	    .author =
		"a" LABEL60 ".b" LABEL60 ".c" LABEL60 ".d" LABEL60 ".other",
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF passes for " LONG_NAME
		    ", which isn't aligned with a" LABEL60
		    ".babcdefabcdefabcdefabcdefabcdefabcdefabcde...",
	    .mends =
		"send it with an envelope sender of or below example.com|"
		"make one and publish it: posternctl genkey "
		"a" LABEL60 ".b" LABEL60 ".c" LABEL60 ".d" LABEL60 ".other|-" },
};

const size_t words_other_count =
    sizeof(words_other_cases) / sizeof(words_other_cases[0]);
