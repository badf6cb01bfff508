#include "tests/unit/preflight_words.h"

const struct words_case words_spf_cases[] = {
	{ .name = "the example of the manual",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 mx -all",
		.mechanism = "-all",
		.where = "example.com" } },
	    .is_unsigned = true,
	    REJECT,
	    .line =
		"SPF of example.com doesn't include 192.0.2.10; no DKIM key "
		"of example.com here; its DMARC policy is reject",
	    .mends = "example.com. IN TXT \"v=spf1 mx ip4:192.0.2.10 -all\"|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "two addresses",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_SOFTFAIL,
			 .record = "v=spf1 mx ~all",
			 .mechanism = "~all",
			 .where = "example.com" },
		{ .address = "2001:db8::1",
		    .result = SPF_SOFTFAIL,
		    .record = "v=spf1 mx ~all",
		    .mechanism = "~all",
		    .where = "example.com" } },
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10 and "
		    "2001:db8::1; no DKIM key of example.com here; its DMARC "
		    "policy is reject",
	    .mends = "example.com. IN TXT \"v=spf1 mx ip4:192.0.2.10 "
		     "ip6:2001:db8::1 ~all\"|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "one of two addresses",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_PASS,
			 .record = "v=spf1 a ~all" },
		{ .address = "192.0.2.11",
		    .result = SPF_SOFTFAIL,
		    .record = "v=spf1 a ~all",
		    .mechanism = "~all",
		    .where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.11",
	    .mends = "example.com. IN TXT \"v=spf1 a ip4:192.0.2.11 ~all\"" },
	{ .name = "five addresses",
	    .spf = { { .address = "192.0.2.1",
			 .result = SPF_NEUTRAL,
			 .record = "v=spf1" },
		{ .address = "192.0.2.2",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1" },
		{ .address = "192.0.2.3",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1" },
		{ .address = "192.0.2.4",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1" },
		{ .address = "192.0.2.5",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.1, 192.0.2.2, "
		    "192.0.2.3 and 2 more",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 "
		     "ip4:192.0.2.3 ip4:192.0.2.4 ip4:192.0.2.5\"" },
	{ .name = "three addresses",
	    .spf = { { .address = "192.0.2.1",
			 .result = SPF_NEUTRAL,
			 .record = "v=spf1 ?all " },
		{ .address = "192.0.2.2",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1 ?all " },
		{ .address = "192.0.2.3",
		    .result = SPF_NEUTRAL,
		    .record = "v=spf1 ?all " } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.1, 192.0.2.2 "
		    "and 192.0.2.3",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 "
		     "ip4:192.0.2.3 ?all\"" },
	{ .name = "a term refuses it",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 a -ip4:192.0.2.0/24 mx -all",
		.mechanism = "-ip4:192.0.2.0/24",
		.where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com refuses 192.0.2.10 "
		    "(-ip4:192.0.2.0/24)",
	    .mends = "example.com. IN TXT \"v=spf1 a ip4:192.0.2.10 "
		     "-ip4:192.0.2.0/24 mx -all\"" },
	{ .name = "a term is neutral about it",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NEUTRAL,
		.record = "v=spf1 ?include:b.example -all",
		.mechanism = "?include:b.example",
		.where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't vouch for 192.0.2.10 "
		    "(?include:b.example)",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "?include:b.example -all\"" },
	{ .name = "two terms, two reasons, one record",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_FAIL,
			 .record = "v=spf1 -ip4:192.0.2.10 -all",
			 .mechanism = "-ip4:192.0.2.10",
			 .where = "example.com" },
		{ .address = "192.0.2.11",
		    .result = SPF_FAIL,
		    .record = "v=spf1 -ip4:192.0.2.10 -all",
		    .mechanism = "-all",
		    .where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com refuses 192.0.2.10 (-ip4:192.0.2.10); "
		    "SPF of example.com doesn't include 192.0.2.11",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip4:192.0.2.11 -ip4:192.0.2.10 -all\"|"
		     "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip4:192.0.2.11 -ip4:192.0.2.10 -all\"" },
	{ .name = "redirect= is the last",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1 mx Redirect=_spf.b.example",
		.mechanism = "-all",
		.where = "_spf.b.example" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10",
	    .mends = "example.com. IN TXT \"v=spf1 mx ip4:192.0.2.10 "
		     "Redirect=_spf.b.example\"" },
	{ .name = "all without a qualifier's case, exp= behind",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_FAIL,
		.record = "v=spf1  -ALL exp=e.example.com",
		.mechanism = "-ALL",
		.where = "example.com" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -ALL "
		     "exp=e.example.com\"" },
	{ .name = "allow.example is not all",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NEUTRAL,
		.record = "v=spf1 a:allow.example" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com doesn't include 192.0.2.10",
	    .mends = "example.com. IN TXT \"v=spf1 a:allow.example "
		     "ip4:192.0.2.10\"" },
	{ .name = "no SPF record",
	    .spf = { { .address = "192.0.2.10", .result = SPF_NONE },
		{ .address = "2001:db8::1", .result = SPF_NONE } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "example.com has no SPF record",
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 ~all\"" },
	{ .name = "no SPF record of the HELO",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_NONE,
			 .domain = "mx1.example.com" },
		{ .address = "192.0.2.11",
		    .result = SPF_NONE,
		    .domain = "mx2.example.com" } },
	    .is_null_sender = true,
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "mx1.example.com (HELO) has no SPF record; mx2.example.com "
		    "(HELO) has no SPF record",
	    .mends = "mx1.example.com. IN TXT \"v=spf1 ip4:192.0.2.10 ~all\"|"
		     "mx2.example.com. IN TXT \"v=spf1 ip4:192.0.2.11 ~all\"" },
	{ .name = "a sender that can't have SPF",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NONE,
		.domain = "[192.0.2.7]" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "[192.0.2.7] can't have an SPF record",
	    .mends = "send it with an envelope sender whose domain is in the "
		     "DNS" },
	{ .name = "a sender of one label",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_NONE,
		.domain = "localhost",
		.is_foreign = true } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "localhost can't have an SPF record; SPF is of localhost, "
		    "which isn't aligned with example.com",
	    .mends = "send it with an envelope sender whose domain is in the "
		     "DNS|"
		     "send it with an envelope sender of or below "
		     "example.com" },
	{ .name = "broken SPF",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PERMERROR,
		.record = "v=spf1 foo",
		.where = "example.com",
		.problem = "unknown term \"foo\"" } },
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF of example.com is broken: unknown term \"foo\"; no "
		    "DKIM key of example.com here; its DMARC policy is reject",
	    .mends = "correct the SPF record of example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "an included record is broken",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PERMERROR,
		.record = "v=spf1 include:b.example",
		.where = "b.example",
		.problem = "more than ten terms ask the DNS." } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.com is broken: more than ten terms ask the "
		    "DNS",
	    .mends = "correct the SPF record of b.example" },
#define BROKEN(...)                                \
	.spf = { { .address = "192.0.2.10",        \
		     .result = SPF_PERMERROR,      \
		     .where = "example.com",       \
		     .problem = "why",             \
		     __VA_ARGS__ },                \
		{ .address = "2001:db8::1",        \
		    .result = SPF_PERMERROR,       \
		    .where = "example.com",        \
		    .problem = "why",              \
		    __VA_ARGS__ } },               \
	.signatures = { { .domain = "example.com", \
	    .state = PREFLIGHT_VERIFIES } },       \
	REJECT, .line = "SPF of example.com is broken: why"
	{ .name = "too many look-ups",
	    BROKEN(.record = "v=spf1  a mx include:b.example -all",
		.cause = SPF_CAUSE_LIMIT),
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 a mx include:b.example -all\"" },
	{ .name = "too many look-ups of a redirect alone",
	    BROKEN(.record = "v=spf1 redirect=b.example",
		.cause = SPF_CAUSE_LIMIT),
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 redirect=b.example\"" },
	{ .name = "a syntax error",
	    BROKEN(.record = "v=spf1 ip4:1.2.3 -all", .cause = SPF_CAUSE_SYNTAX,
		.bad = "ip4:1.2.3"),
	    .mends = "correct \"ip4:1.2.3\" in the SPF record of "
		     "example.com" },
	{ .name = "a syntax error that is no friend",
	    BROKEN(.record = "v=spf1 \x1b[2J", .cause = SPF_CAUSE_SYNTAX,
		.bad = "\x1b[2J"),
	    .mends = "correct \"?[2J\" in the SPF record of example.com" },
	{ .name = "an octet that can't stand in a record",
	    BROKEN(.record = "v=spf1 a\xff", .cause = SPF_CAUSE_SYNTAX),
	    .mends = "correct the SPF record of example.com" },
	{ .name = "two records",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL,
		.both = { "v=spf1 mx IP4:192.0.2.10 -all ip4:192.0.2.77",
		    "v=spf1 MX include:b.example ~all" }),
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 mx include:b.example ~all\" ; in place "
		     "of both" },
	{ .name = "two records without all",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL,
		.both = { "v=spf1 -a", "v=spf1" }),
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 -a\" ; in place of both" },
	{ .name = "two records, of which one lets everybody",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL,
		.both = { "v=spf1 -all", "v=spf1 all" }),
	    .mends = "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 "
		     "ip6:2001:db8::1 +all\" ; in place of both" },
	{ .name = "two records, of which one redirects",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL,
		.both = { "v=spf1 mx -all", "v=spf1 redirect=b.example" }),
	    .mends = "leave one SPF record of example.com, with "
		     "ip4:192.0.2.10 ip6:2001:db8::1 in it" },
	{ .name = "two records, of which one is wrong",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL,
		.both = { "v=spf1 mx -all", "v=spf1 x\xff -all" }),
	    .mends = "leave one SPF record of example.com, with "
		     "ip4:192.0.2.10 ip6:2001:db8::1 in it" },
	{ .name = "three records",
	    BROKEN(.cause = SPF_CAUSE_SEVERAL),
	    .mends = "leave one SPF record of example.com, with "
		     "ip4:192.0.2.10 ip6:2001:db8::1 in it" },
	{ .name = "SPF lost comes first",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_FAIL,
			 .record = "v=spf1 -all",
			 .mechanism = "-all",
			 .where = "example.com" },
		{ .address = "192.0.2.11",
		    .result = SPF_TEMPERROR,
		    .problem = "example.com: no answer in time" } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_UNKNOWN,
		.key = DKIM_KEY_LOST,
		.words = "s1._domainkey.example.com can't be looked up "
			 "(SERVFAIL): its name servers must answer" } },
	    REJECT,
	    .line = "SPF of example.com couldn't be looked up: example.com: no "
		    "answer in time; s1._domainkey.example.com can't be looked "
		    "up (SERVFAIL): its name servers must answer; SPF of "
		    "example.com doesn't include 192.0.2.10",
	    .mends = "-|-|"
		     "example.com. IN TXT \"v=spf1 ip4:192.0.2.10 -all\"" },
	{ .name = "SPF of a foreign domain",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "bounce.example.net",
		.is_foreign = true } },
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF passes for bounce.example.net, which isn't aligned "
		    "with example.com; no DKIM key of example.com here; its "
		    "DMARC policy is reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "SPF of a foreign domain fails from one address",
	    .spf = { { .address = "192.0.2.10",
			 .result = SPF_PASS,
			 .domain = "example.net",
			 .is_foreign = true },
		{ .address = "192.0.2.11",
		    .result = SPF_FAIL,
		    .domain = "example.net",
		    .record = "v=spf1 -all",
		    .mechanism = "-all",
		    .where = "example.net",
		    .is_foreign = true } },
	    .signatures = { { .domain = "example.com",
		.state = PREFLIGHT_VERIFIES } },
	    REJECT,
	    .line = "SPF of example.net doesn't include 192.0.2.11; SPF passes "
		    "for example.net, which isn't aligned with example.com",
	    .mends = "example.net. IN TXT \"v=spf1 ip4:192.0.2.11 -all\"|"
		     "send it with an envelope sender of or below "
		     "example.com" },
	{ .name = "aspf=s and adkim=s",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "bounce.example.com",
		.is_foreign = true } },
	    .signatures = { { .domain = "mail.example.com",
		.state = PREFLIGHT_VERIFIES,
		.is_foreign = true } },
	    .finding = { .status = DMARC_FOUND,
		.policy = DMARC_QUARANTINE,
		.asked = DMARC_QUARANTINE,
		.tag = "p",
		.record = { .is_spf_strict = true, .is_dkim_strict = true } },
	    .line = "SPF passes for bounce.example.com, which isn't aligned "
		    "with example.com (aspf=s); the DKIM signature of "
		    "mail.example.com isn't aligned with example.com "
		    "(adkim=s); its DMARC policy is quarantine",
	    .mends = "send it with an envelope sender of exactly example.com|"
		     "sign with a key of example.com: posternctl genkey "
		     "example.com|-" },
	{ .name = "HELO of a foreign domain",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "mx.example.net",
		.is_foreign = true } },
	    .is_null_sender = true,
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF passes for mx.example.net, which isn't aligned with "
		    "example.com; no DKIM key of example.com here; its DMARC "
		    "policy is reject",
	    .mends = "send it with a HELO of or below example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "alignment not known",
	    .spf = { { .address = "192.0.2.10",
		.result = SPF_PASS,
		.domain = "b.example.com",
		.is_unsure = true } },
	    .signatures = { { .domain = "c.example.com",
		.state = PREFLIGHT_VERIFIES,
		.is_unsure = true } },
	    REJECT,
	    .line = "whether b.example.com is aligned with example.com "
		    "couldn't be looked up; whether c.example.com is aligned "
		    "with example.com couldn't be looked up",
	    .mends = "-|-" },
	{ .name = "egress not set",
	    .sender = "example.com",
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF is unknown, as egress isn't set; no DKIM key of "
		    "example.com here; its DMARC policy is reject",
	    .mends = "set egress to the addresses that mail leaves from|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
	{ .name = "egress not set, and it wouldn't help",
	    .sender = "foreign.example",
	    .is_unsigned = true,
	    REJECT,
	    .line = "SPF is of foreign.example, which isn't aligned with "
		    "example.com; no DKIM key of example.com here; its DMARC "
		    "policy is reject",
	    .mends = "send it with an envelope sender of or below example.com|"
		     "make one and publish it: posternctl genkey example.com|"
		     "-" },
};

const size_t words_spf_count =
    sizeof(words_spf_cases) / sizeof(words_spf_cases[0]);
