#include "policy/signing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define L63 "123456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *name, *author, *want; /* with a blank after each */
} candidates[] = {
	{ "a domain", "a.example", "a.example " },
	{ "a subdomain", "mail.a.example", "mail.a.example a.example " },
	{ "two below", "x.mail.a.example",
	    "x.mail.a.example mail.a.example a.example " },
	{ "no dot", "localhost", "localhost " },
	{ "A-labels", "xn--bcher-kva.example", "xn--bcher-kva.example " },
	{ "one-letter labels", "x.y.z", "x.y.z y.z " },
	{ "eight", "1.2.3.4.5.6.7.8.9",
	    "1.2.3.4.5.6.7.8.9 2.3.4.5.6.7.8.9 3.4.5.6.7.8.9 4.5.6.7.8.9 "
	    "5.6.7.8.9 6.7.8.9 7.8.9 8.9 " },
	{ "no more than eight", "0.1.2.3.4.5.6.7.8.9",
	    "0.1.2.3.4.5.6.7.8.9 1.2.3.4.5.6.7.8.9 2.3.4.5.6.7.8.9 "
	    "3.4.5.6.7.8.9 4.5.6.7.8.9 5.6.7.8.9 6.7.8.9 7.8.9 " },
	{ "an address literal", "[192.0.2.1]", "" },
	{ "empty", "", "" },
	{ "no author", NULL, "" },
};

static void
candidates_are_the_domain_and_its_parents(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(candidates); i++) {
		const char *found[SIGNING_CANDIDATES];
		size_t count = signing_candidates(candidates[i].author, found);
		char got[512] = "";
		size_t used = 0;

		for (size_t k = 0; k < count; k++)
			used += (size_t)snprintf(
			    got + used, sizeof got - used, "%s ", found[k]);
		if (strcmp(got, candidates[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    candidates[i].name, candidates[i].want, got);
	}
}

static const struct {
	const char *name;
	bool want;
} volatiles[] = {
	{ "Return-Path", true },
	{ "return-path", true },
	{ "RECEIVED", true },
	{ "Received-SPF", true },
	{ "Comments", true },
	{ "Keywords", true },
	{ "Bcc", true },
	{ "Resent-Bcc", true },
	{ "DKIM-Signature", true },
	{ "Authentication-Results", true },
	{ "ARC-Seal", true },
	{ "From", false },
	{ "Subject", false },
	{ "Message-ID", false },
	{ "Received-", false },
	{ "Receive", false },
	{ "X-Received", false },
	{ "", false },
};

static void
volatile_fields_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(volatiles); i++)
		if (signing_is_volatile(volatiles[i].name) != volatiles[i].want)
			fail_msg("\"%s\": wanted %s, got the opposite",
			    volatiles[i].name,
			    volatiles[i].want ? "volatile" : "signable");
}

/* Of the built-in list none may be volatile, and none be there twice. */
static void
default_headers_are_sound(void **state)
{
	static const char *const wanted[] = { "From", "Reply-To", "Subject",
		"Date", "To", "Cc", "Resent-Date", "Resent-From", "Resent-To",
		"Resent-Cc", "In-Reply-To", "References", "List-Id",
		"List-Help", "List-Unsubscribe", "List-Subscribe", "List-Post",
		"List-Owner", "List-Archive", "List-Unsubscribe-Post" };
	struct field_names got = signing_default_headers();

	(void)state;
	assert_int_equal(got.count, COUNT(wanted));
	for (size_t i = 0; i < COUNT(wanted); i++) {
		size_t times = 0;

		for (size_t k = 0; k < got.count; k++)
			times += strcmp(got.names[k], wanted[i]) == 0;
		if (times != 1)
			fail_msg(
			    "%s: wanted once, got %zu times", wanted[i], times);
		if (signing_is_volatile(wanted[i]))
			fail_msg(
			    "%s: wanted signable, got volatile", wanted[i]);
	}
}

static const struct {
	const char *name, *field;
	bool want;
} covers[] = {
	{ "listed", "Subject", true },
	{ "listed, other case", "sUBJECT", true },
	{ "oversigned only", "X-Mine", true },
	{ "oversigned only, other case", "x-mine", true },
	{ "From though not listed", "From", true },
	{ "from in small letters", "from", true },
	{ "RFC 8058", "List-Unsubscribe", true },
	{ "RFC 8058, POST", "list-unsubscribe-POST", true },
	{ "not listed", "To", false },
	{ "part of a name", "Subjec", false },
	{ "more than a name", "Subject-X", false },
	{ "a blank behind", "Subject ", false },
	{ "volatile", "Received", false },
	{ "empty", "", false },
};

static void
covered_fields_are_told(void **state)
{
	static const char *const headers[] = { "Subject" };
	static const char *const oversign[] = { "X-Mine" };
	static const struct signing_rules rules = {
		.headers = { headers, 1 },
		.oversign = { oversign, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(covers); i++)
		if (signing_covers(&rules, covers[i].field) != covers[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    covers[i].name,
			    covers[i].want ? "covered" : "left out");
}

static const struct {
	const char *name, *selector;
	bool want;
} selectors[] = {
	{ "usual", "s1", true },
	{ "one octet", "a", true },
	{ "a digit", "2026", true },
	{ "capitals", "Mail", true },
	{ "a hyphen", "mail-2026", true },
	{ "an underscore", "mail_2026", true },
	{ "an underscore first", "_mail", true },
	{ "two labels", "brisbane.2026", true },
	{ "a label of 63", L63, true },
	{ "a label of 64", L63 "4", false },
	{ "200 octets", L63 "." L63 "." L63 ".12345678", true },
	{ "201 octets", L63 "." L63 "." L63 ".123456789", false },
	{ "empty", "", false },
	{ "a dot", ".", false },
	{ "the parent directory", "..", false },
	{ "up and away", "../../etc/passwd", false },
	{ "a slash", "a/b", false },
	{ "hidden", ".s1", false },
	{ "a dot behind", "s1.", false },
	{ "two dots", "a..b", false },
	{ "a hyphen first", "-s1", false },
	{ "a hyphen last", "s1-", false },
	{ "a hyphen last in a label", "s1-.x", false },
	{ "a blank", "s 1", false },
	{ "a semicolon ends the tag", "s1;d=evil.example", false },
	{ "an equals sign", "s=1", false },
	{ "a line end", "s1\n", false },
	{ "octets above 127", "s\xc3\xbc", false },
};

static void
selectors_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(selectors); i++)
		if (signing_is_selector(selectors[i].selector)
		    != selectors[i].want)
			fail_msg("%s: wanted %s, got the opposite",
			    selectors[i].name,
			    selectors[i].want ? "a selector" : "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_are_the_domain_and_its_parents),
		cmocka_unit_test(volatile_fields_are_told),
		cmocka_unit_test(default_headers_are_sound),
		cmocka_unit_test(covered_fields_are_told),
		cmocka_unit_test(selectors_are_told),
	};

	return cmocka_run_group_tests_name("signing", tests, NULL, NULL);
}
