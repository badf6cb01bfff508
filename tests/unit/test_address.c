/* Mailboxes, paths and domains: what is read, and what isn't. */
#include "policy/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 4 << 20 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(literal) (literal), sizeof(literal) - 1
#define X8 "xxxxxxxx"
#define X16 X8 X8
#define X63 X16 X16 X16 X8 "xxxxxxx"
#define X64 X16 X16 X16 X16
#define X256 X64 X64 X64 X64

#define CASE(name, value, want)           \
	{                                 \
		name, OCTETS(value), want \
	}

/* name: what is tested, and the section or reason that decides. */
struct octets_case {
	const char *name;
	const char *text;
	size_t length;
	const char *want; /* NULL: refused */
};

static const struct octets_case domain_cases[] = {
	CASE("plain", "a.example", "a.example"),
	CASE("lower case", "A.EXAMPLE", "a.example"),
	CASE("last dot", "a.example.", "a.example"),
	CASE("one label", "localhost", "localhost"),
	CASE("underscore", "_dmarc.a.example", "_dmarc.a.example"),
	CASE("underscore beside a U-label",
	    "_x.b\xc3\xbc"
	    "cher.example",
	    "_x.xn--bcher-kva.example"),
	CASE("A-label in capitals", "XN--BCHER-KVA.example",
	    "xn--bcher-kva.example"),
	CASE("an A-label that decodes to nothing is a name in the DNS",
	    "xn--a.example", "xn--a.example"),
	CASE("U-label and last ideographic full stop",
	    "b\xc3\xbc"
	    "cher\xe3\x80\x82",
	    "xn--bcher-kva"),
	CASE("two last dots of different kind",
	    "b\xc3\xbc"
	    "cher\xe3\x80\x82.",
	    NULL),
	CASE("Greek final sigma stays, non-transitional",
	    "\xcf\x83\xcf\x82.example", "xn--3xab.example"),
	CASE("full-width letters", "\xef\xbd\x81.example", "a.example"),
	CASE("empty", "", NULL),
	CASE("dot", ".", NULL),
	CASE("two dots", "..", NULL),
	CASE("dot first", ".a.example", NULL),
	CASE("empty label", "a..example", NULL),
	CASE("empty label beside a U-label", "a..b\xc3\xbc.example", NULL),
	CASE("label that UTS 46 maps to nothing", "\xc2\xad.example", NULL),
	CASE("soft hyphen alone", "\xc2\xad", NULL),
	CASE("literal", "[192.0.2.1]", NULL),
	CASE("space", "a b.example", NULL),
	CASE("slash", "a/b.example", NULL),
	CASE("at sign", "a@b.example", NULL),
	CASE("NUL", "a\0b.example", NULL),
	CASE("NUL beside a U-label", "b\xc3\xbc.example\0.evil.example", NULL),
	CASE("line end", "a.example\n", NULL),
	CASE("maps to a solidus, U+2100", "\xe2\x84\x80.example", NULL),
	CASE("maps to an at sign",
	    "a\xef\xbc\xa0"
	    "b.example",
	    NULL),
	CASE("one dot leader",
	    "a\xe2\x80\xa4"
	    "b.example",
	    NULL),
	CASE("broken UTF-8", "b\xfc.example", NULL),
	CASE("UTF-8 cut at the end", "b\xc3", NULL),
	CASE("right-to-left override",
	    "\xe2\x80\xae"
	    "a.example",
	    NULL),
	CASE("label of 63", X63 ".example", X63 ".example"),
	CASE("label of 64", X64 ".example", NULL),
	CASE("253 and a last dot",
	    X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxx.",
	    X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxx"),
	CASE("254", X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxxx", NULL),
	CASE("over 1024", X256 X256 X256 X256 "x", NULL),
	CASE("a U-label that grows too long",
	    "\xc3\xbc" X16 X16 X16 X8 "xxxx.example", NULL),
};

/* What a function that may refuse has said: got must be want, and a refusal
 * must have words. */
static void
expect_text(const struct octets_case *c, bool is_taken, const char *got,
    const struct fault *fault)
{
	if (!is_taken)
		got = NULL;
	if ((got == NULL) != (c->want == NULL)
	    || (got != NULL && strcmp(got, c->want) != 0))
		fail_msg("%s: wanted %s, got %s (%s)", c->name,
		    c->want != NULL ? c->want : "a refusal",
		    got != NULL ? got : "a refusal", fault->words);
	if (got == NULL
	    && (fault->kind != FAULT_PERMANENT || fault->words[0] == '\0'))
		fail_msg("%s: wanted a permanent fault with words, got %d",
		    c->name, (int)fault->kind);
}

static void
test_domain(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(domain_cases); i++) {
		const struct octets_case *c = &domain_cases[i];
		struct fault fault = { 0 };
		const char *domain = NULL;
		struct arena arena;
		bool is_taken;

		arena_init(&arena, ARENA_BYTES);
		is_taken =
		    address_domain(&arena, c->text, c->length, &domain, &fault);
		expect_text(c, is_taken, domain, &fault);
		arena_clear(&arena);
	}
}

static const struct octets_case mailbox_cases[] = {
	CASE("dot-string", "a.b@b.example", "a.b@b.example"),
	CASE("quoted", "\"a b\"@b.example", "\"a b\"@b.example"),
	CASE("quoted for nothing", "\"a.b\"@b.example", "a.b@b.example"),
	CASE("needless escape", "\"\\a\"@b.example", "a@b.example"),
	CASE("escapes kept where needed", "\"\\\\\\\"\"@b.example",
	    "\"\\\\\\\"\"@b.example"),
	CASE("dots side by side", "a..b@b.example", "\"a..b\"@b.example"),
	CASE("UTF-8", "\xc3\xbc@b\xc3\xbc.example",
	    "\xc3\xbc@xn--b-eha.example"),
	CASE("UTF-8 in quotes", "\"\xc3\xbc x\"@b.example",
	    "\"\xc3\xbc x\"@b.example"),
	CASE("IPv4 literal", "a@[192.0.2.1]", "a@[192.0.2.1]"),
	CASE("IPv6 literal", "a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]"),
	CASE("literal of no address", "a@[x]", NULL),
	CASE("IPv6 without tag", "a@[2001:db8::1]", NULL),
	CASE("IPv6 literal of IPv4", "a@[IPv6:192.0.2.1]", NULL),
	CASE("empty literal", "a@[]", NULL),
	CASE("literal not closed", "a@[192.0.2.1", NULL),
	CASE("literal and more", "a@[192.0.2.1].example", NULL),
	CASE("literal with NUL", "a@[192.0.2.1\0x]", NULL),
	CASE("bracket alone", "a@[", NULL),
	CASE("trailing dot", "a@b.example.", "a@b.example"),
	CASE("empty", "", NULL),
	CASE("no domain", "a", NULL),
	CASE("@ last", "a@", NULL),
	CASE("@ first", "@b.example", NULL),
	CASE("two @", "a@b@c.example", NULL),
	CASE("empty quotes", "\"\"@b.example", NULL),
	CASE("quotes not closed", "\"a@b.example", NULL),
	CASE("escape last", "\"a\\", NULL),
	CASE("quotes and word", "\"a\"b@c.example", NULL),
	CASE("quote in a word", "a\"b@c.example", NULL),
	CASE("control in quotes", "\"a\x01\"@b.example", NULL),
	CASE("C1 control", "a\xc2\x80@b.example", NULL),
	CASE("tab in quotes", "\"a\tb\"@b.example", NULL),
	CASE("NUL in quotes", "\"a\0\"@b.example", NULL),
	CASE("NUL", "a\0@b.example", NULL),
	CASE("space", "a b@c.example", NULL),
	CASE("space first", " a@b.example", NULL),
	CASE("space last", "a@b.example ", NULL),
	CASE("line end", "a@b.example\n", NULL),
	CASE("angle brackets", "<a@b.example>", NULL),
	CASE("comment", "a(x)@b.example", NULL),
	CASE("comma", "a,b@c.example", NULL),
	CASE("Latin-1", "\xfc@b.example", NULL),
	CASE("100 kB would be refused alike: over 3072 octets",
	    X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256
	    "x@b.example",
	    NULL),
	CASE("over 1024 octets", X256 X256 X256 X256 "@b.example", NULL),
};

static void
test_mailbox(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(mailbox_cases); i++) {
		const struct octets_case *c = &mailbox_cases[i];
		char *text = malloc(c->length > 0 ? c->length : 1);
		struct mailbox mailbox;
		struct fault fault = { 0 };
		struct arena arena;
		bool is_taken;

		assert_non_null(text);
		memcpy(text, c->text, c->length);
		arena_init(&arena, ARENA_BYTES);
		is_taken =
		    address_mailbox(&arena, text, c->length, &mailbox, &fault);
		expect_text(c, is_taken, mailbox.text, &fault);
		if (is_taken
		    && mailbox.is_literal != (mailbox.domain[0] == '['))
			fail_msg("%s: is_literal is wrong", c->name);
		arena_clear(&arena);
		free(text);
	}
}

/* The text of a mailbox of the greatest size is read back, though quoting
 * makes it longer than what is allowed of a mailbox. */
static void
test_mailbox_reads_its_own_text(void **state)
{
	char written[2 * ADDRESS_OCTETS + 8];
	struct mailbox mailbox;
	struct mailbox again;
	struct arena arena;
	char *at = written;

	(void)state;
	*at++ = '"';
	for (size_t i = 0; i < ADDRESS_OCTETS - 2; i++) {
		*at++ = '\\';
		*at++ = '"';
	}
	memcpy(at, "\"@b", 4);
	arena_init(&arena, ARENA_BYTES);
	assert_true(
	    address_mailbox(&arena, written, strlen(written), &mailbox, NULL));
	assert_string_equal(mailbox.text, written);
	assert_true(address_mailbox(
	    &arena, mailbox.text, strlen(mailbox.text), &again, NULL));
	assert_true(address_equal(&mailbox, &again, true));
	arena_clear(&arena);
}

static const struct octets_case path_cases[] = {
	CASE("brackets", "<a@b.example>", "a@b.example"),
	CASE("no brackets, as Sendmail may give it", "a@b.example",
	    "a@b.example"),
	CASE("null", "<>", ""),
	CASE("nothing", "", ""),
	CASE("blanks", "  ", ""),
	CASE("blanks around", " <a@b.example> ", "a@b.example"),
	CASE("route, RFC 5321 4.1.1.3", "<@x.example,@y.example:a@b.example>",
	    "a@b.example"),
	CASE("route without brackets", "@x.example:a@b.example", "a@b.example"),
	CASE("quoted with bracket", "<\"a>\"@b.example>", "\"a>\"@b.example"),
	CASE("literal", "<a@[192.0.2.1]>", "a@[192.0.2.1]"),
	CASE("UTF-8", "<a@b\xc3\xbc.example>", "a@xn--b-eha.example"),
	CASE("route and nothing", "<@x.example:>", NULL),
	CASE("broken route", "<@x.example,a@b.example>", NULL),
	CASE("route without domain", "<@:a@b.example>", NULL),
	CASE("route not closed", "<@x.example>", NULL),
	CASE("comma last in a route", "<@x.example,", NULL),
	CASE("unqualified", "<postmaster>", NULL),
	CASE("bracket not closed", "<a@b.example", NULL),
	CASE("bracket not opened", "a@b.example>", NULL),
	CASE("bracket alone", "<", NULL),
	CASE("brackets twice", "<<a@b.example>>", NULL),
	CASE("brackets turned", "><", NULL),
	CASE("blank in brackets", "< >", NULL),
	CASE("blank in an address", "<a @b.example>", NULL),
	CASE("more behind", "<a@b.example> SIZE=1", NULL),
	CASE("two", "<a@b.example><c@d.example>", NULL),
	CASE("name", "Ann <a@b.example>", NULL),
};

static void
test_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(path_cases); i++) {
		const struct octets_case *c = &path_cases[i];
		bool want_null = c->want != NULL && c->want[0] == '\0';
		struct fault fault = { 0 };
		struct mailbox mailbox;
		struct arena arena;
		bool is_taken;
		bool is_null;

		arena_init(&arena, ARENA_BYTES);
		is_taken =
		    address_path(&arena, c->text, &mailbox, &is_null, &fault);
		if (is_null != want_null)
			fail_msg("%s: wanted is_null %d, got %d", c->name,
			    want_null, is_null);
		if (is_null
		    && (mailbox.text != NULL || mailbox.local != NULL
			|| mailbox.domain != NULL))
			fail_msg("%s: wanted an empty mailbox", c->name);
		expect_text(c, is_taken, is_null ? "" : mailbox.text, &fault);
		arena_clear(&arena);
	}
}

static void
test_parent(void **state)
{
	static const struct {
		const char *domain, *want;
	} cases[] = {
		{ "a.b.example", "b.example" },
		{ "x.a.b.example", "a.b.example" },
		{ "b.example", NULL },
		{ "example", NULL },
		{ "", NULL },
		{ "[192.0.2.1]", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *want = cases[i].want;
		const char *got = address_parent(cases[i].domain);

		if ((got == NULL) != (want == NULL)
		    || (got != NULL && strcmp(got, want) != 0))
			fail_msg("%s: wanted %s, got %s", cases[i].domain,
			    want != NULL ? want : "none",
			    got != NULL ? got : "none");
	}
}

static void
test_equal(void **state)
{
	static const struct {
		const char *one, *other;
		bool want_exact, want_folded;
	} cases[] = {
		{ "a@b.example", "a@b.example", true, true },
		{ "a@b.example", "a@B.EXAMPLE.", true, true },
		{ "a@b.example", "A@b.example", false, true },
		{ "a@b.example", "\"a\"@b.example", true, true },
		{ "a@b.example", "ab@b.example", false, false },
		{ "a@b.example", "a@c.example", false, false },
		{ "a@b\xc3\xbc.example", "a@xn--b-eha.example", true, true },
		{ "\xc3\xbc@b.example", "\xc3\x9c@b.example", false, false },
		{ "", "a@b.example", false, false },
		{ "a@b.example", "", false, false },
		{ "", "", false, false }, /* the null sender is nobody's */
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mailbox one;
		struct mailbox other;
		bool is_null;
		bool exact;
		bool folded;

		assert_true(
		    address_path(&arena, cases[i].one, &one, &is_null, NULL));
		assert_true(address_path(
		    &arena, cases[i].other, &other, &is_null, NULL));
		exact = address_equal(&one, &other, true);
		folded = address_equal(&one, &other, false);
		if (exact != cases[i].want_exact
		    || folded != cases[i].want_folded)
			fail_msg("%s, %s: wanted %d %d, got %d %d",
			    cases[i].one, cases[i].other, cases[i].want_exact,
			    cases[i].want_folded, exact, folded);
	}
	arena_clear(&arena);
}

static void
test_atext(void **state)
{
	static const char specials[] = "()<>[]:;@\\,.\" \t\r\n\x7f";

	(void)state;
	for (int c = 0; c < 128; c++) {
		char octet = (char)c;
		size_t want = c > ' ' && strchr(specials, c) == NULL ? 1 : 0;

		if (address_atext(&octet, 1) != want)
			fail_msg("octet %d: wanted %zu", c, want);
	}
	assert_int_equal(address_atext("", 0), 0);
	assert_int_equal(address_atext("\xc3\xbc", 2), 2);
	assert_int_equal(address_atext("\xc3\xbc", 1), 0);
	assert_int_equal(address_atext("\xc2\x9f", 2), 0);
	assert_int_equal(address_atext("\xc2\xa0", 2), 2);
	assert_int_equal(address_atext("\xe2\x82\xac", 3), 3);
	assert_int_equal(address_atext("\xe2\x80\xa7", 3), 3);
	assert_int_equal(address_atext("\xe2\x80\xa8", 3), 0);
	assert_int_equal(address_atext("\xe2\x80\xa9", 3), 0);
}

/* However early memory ends, it is memory that is said to be missing, and
 * never that the address is bad. */
static void
test_no_memory(void **state)
{
	static const char *const paths[] = { "<a@b.example>",
		"\"a b\"@b\xc3\xbc.example", "<@x:a@[192.0.2.1]>" };
	struct mailbox mailbox;
	struct fault fault;
	struct arena arena;
	bool is_null;
	bool is_done;
	size_t cap;

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		is_done = false;
		for (cap = 0; !is_done; cap += 8) {
			fault.kind = FAULT_NONE;
			arena_init(&arena, cap);
			is_done = address_path(
			    &arena, paths[i], &mailbox, &is_null, &fault);
			arena_clear(&arena);
			if (!is_done && fault.kind != FAULT_MEMORY)
				fail_msg("%s with %zu octets of memory: "
					 "wanted a fault for memory, got %s",
				    paths[i], cap, fault.words);
		}
		assert_true(cap > 8);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_mailbox_reads_its_own_text),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_parent),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_atext),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
