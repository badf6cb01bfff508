/* The From field: which addresses are read in it, and when none is. */
#include "policy/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

static const char *
form_name(enum from_form form)
{
	static const char *const names[] = {
		[FROM_GOOD] = "good",
		[FROM_BROKEN_NAME] = "broken-name",
		[FROM_NO_ADDRESS] = "no-address",
		[FROM_UNUSABLE] = "unusable",
	};

	return names[form];
}

/* name: what is tested, and the section or reason that decides. want: the
 * form, and the text of each mailbox. */
struct from_case {
	const char *name;
	const char *value;
	size_t length;
	const char *want;
};

#define CASE(name, value, want)           \
	{                                 \
		name, OCTETS(value), want \
	}

static const struct from_case from_cases[] = {
	/* RFC 5322 §3.4: the plain forms */
	CASE("addr-spec, 3.4.1", "a@b.example", "good a@b.example"),
	CASE("leading space as SMFIP_HDR_LEADSPC gives it", " a@b.example",
	    "good a@b.example"),
	CASE("angle-addr, 3.4", " <a@b.example>", "good a@b.example"),
	CASE("name-addr, 3.4", " Ann Lee <a@b.example>", "good a@b.example"),
	CASE("no space before the bracket, CFWS is optional",
	    "Ann<a@b.example>", "good a@b.example"),
	CASE("the domain is lower-cased, the local part isn't, RFC 5321 2.4",
	    "Ann <Ann@B.Example>", "good Ann@b.example"),
	CASE("all of atext, 3.2.3", "!#$%&'*+-/=?^_`{|}~@b.example",
	    "good !#$%&'*+-/=?^_`{|}~@b.example"),
	CASE("address extension", "a+x=y@b.example", "good a+x=y@b.example"),
	CASE("percent and bang are plain atext here", "a%x!y@b.example",
	    "good a%x!y@b.example"),
	CASE("single label", "user@localhost", "good user@localhost"),
	CASE("underscore in the domain passes", "a@_x.b_c.example",
	    "good a@_x.b_c.example"),
	CASE("hyphens in place 3 and 4", "a@r3---sn.example",
	    "good a@r3---sn.example"),
	CASE("digits only", "1@2.example", "good 1@2.example"),
	CASE("IP address without brackets is a domain by its octets",
	    "a@192.0.2.1", "good a@192.0.2.1"),

	/* line ends and folds, 3.2.2 and 4.2 */
	CASE("LF at the end", " a@b.example\n", "good a@b.example"),
	CASE("CRLF at the end", " a@b.example\r\n", "good a@b.example"),
	CASE("fold with LF", " Ann\n <a@b.example>", "good a@b.example"),
	CASE("fold with CRLF and tab", " Ann\r\n\t<a@b.example>",
	    "good a@b.example"),
	CASE("fold first", "\n a@b.example", "good a@b.example"),
	CASE("fold after the address", "a@b.example\n ", "good a@b.example"),
	CASE("line of blanks only, 4.2", "Ann\n \n <a@b.example>",
	    "good a@b.example"),
	CASE("fold in a quoted name, 3.2.4", "\"Ann\n Lee\" <a@b.example>",
	    "good a@b.example"),
	CASE("fold in a comment, 3.2.2", "(Ann\r\n Lee) a@b.example",
	    "good a@b.example"),
	CASE("fold in the brackets", "Ann <\n a@b.example\n >",
	    "good a@b.example"),
	CASE("fold between mailboxes", "a@b.example,\n\tc@d.example",
	    "good a@b.example c@d.example"),
	CASE("fold can't part two addresses", "a@b.example\n\tc@d.example",
	    "unusable"),
	CASE("LF that is no fold: a second field for some",
	    "a@b.example\nc@d.example", "unusable"),
	CASE("CRLF that is no fold", "Ann\r\n<a@b.example>", "unusable"),
	CASE("empty line: the end of the header for some",
	    "a@b.example\n\n c@d.example", "unusable"),
	CASE(
	    "CR alone: a line end for some", "Ann\r <a@b.example>", "unusable"),
	CASE("CR alone in a quoted string", "\"A\rB\" <a@b.example>",
	    "unusable"),
	CASE("CR CR LF", "Ann\r\r\n <a@b.example>", "unusable"),
	CASE("CR last", "a@b.example\r", "unusable"),
	CASE("two line ends last", "a@b.example\n\n", "unusable"),

	/* quoted strings, 3.2.4 */
	CASE("quoted name", "\"Ann Lee\" <a@b.example>", "good a@b.example"),
	CASE("empty quoted name is common", "\"\" <a@b.example>",
	    "good a@b.example"),
	CASE("comma in quotes", "\"Lee, Ann\" <a@b.example>",
	    "good a@b.example"),
	CASE("angle brackets in quotes", "\"<c@d.example>\" <a@b.example>",
	    "good a@b.example"),
	CASE(
	    "@ in quotes", "\"c@d.example\" <a@b.example>", "good a@b.example"),
	CASE("escaped quote", "\"A \\\"c@d.example, B\" <a@b.example>",
	    "good a@b.example"),
	CASE("escaped backslash closes", "\"A \\\\\" <a@b.example>",
	    "good a@b.example"),
	CASE("parentheses in quotes", "\"A (\" <a@b.example>",
	    "good a@b.example"),
	CASE("colon and semicolon in quotes", "\"A: B;\" <a@b.example>",
	    "good a@b.example"),
	CASE("quotes beside atoms", "Ann \"the, boss\" Lee <a@b.example>",
	    "good a@b.example"),
	CASE("name ends in the middle of quotes: only by a backslash",
	    "\"A\\\" <c@d.example>, \" <a@b.example>", "good a@b.example"),
	CASE(
	    "quoted local part", "\"a b\"@b.example", "good \"a b\"@b.example"),
	CASE("@ in a quoted local part", "\"c@d.example\"@b.example",
	    "good \"c@d.example\"@b.example"),
	CASE("quotes that aren't needed go", "<\"a\"@b.example>",
	    "good a@b.example"),
	CASE("escapes in a local part", "\"a\\\"\\\\\\b\"@b.example",
	    "good \"a\\\"\\\\b\"@b.example"),
	CASE("fold in a local part: the line end is no text",
	    "\"a\n b\"@b.example", "good \"a b\"@b.example"),
	CASE("tab in a local part, RFC 5321 4.1.2", "\"a\tb\"@b.example",
	    "unusable"),
	CASE("empty quoted local part, erratum 3135", "\"\"@b.example",
	    "unusable"),
	CASE("obs-local-part: words and quoted words, 4.4",
	    "a.\"b c\".d@b.example", "good \"a.b c.d\"@b.example"),
	CASE(
	    "word and quoted word without dot", "a\"b\"@b.example", "unusable"),
	CASE("quotes without end", "\"Ann <a@b.example>",
	    "broken-name a@b.example"),
	CASE("quotes without end before the brackets",
	    "Ann \"Lee <a@b.example>", "broken-name a@b.example"),
	CASE("all of it in quotes: nothing is outside them",
	    "\"Ann <a@b.example>\"", "unusable"),
	CASE("all of it in quotes, and text behind the brackets",
	    "\"Ann <a@b.example> x\"", "unusable"),
	CASE("all of it in quotes, with an escaped quote",
	    "\"Ann \\\" <a@b.example> x\"", "unusable"),
	CASE("an address in quotes only", "\"a@b.example\"", "unusable"),
	CASE("no end, and a second address", "\"c@d.example <a@b.example>",
	    "unusable"),
	CASE("three quotes hide or show the second address",
	    "\"A\" <a@b.example>, \"<c@d.example>", "unusable"),
	CASE("escape at the very end", "<a@b.example> \"\\",
	    "broken-name a@b.example"),

	/* comments, 3.2.2 */
	CASE("comment after", "a@b.example (Ann Lee)", "good a@b.example"),
	CASE("comment before", "(Ann) a@b.example", "good a@b.example"),
	CASE("comment with an address", "a@b.example (c@d.example)",
	    "good a@b.example"),
	CASE("nested comments", "a@b.example (1(2(3)2)1)", "good a@b.example"),
	CASE("escaped parenthesis", "a@b.example (\\) c@d.example)",
	    "good a@b.example"),
	CASE("quotes mean nothing in a comment",
	    "a@b.example (\"), c@d.example", "good a@b.example c@d.example"),
	CASE("comment with brackets", "(<c@d.example>,) Ann <a@b.example>",
	    "good a@b.example"),
	CASE("comments everywhere",
	    "(1)Ann(2)<(3)a(4)@(5)b(6).(7)example(8)>(9)", "good a@b.example"),
	CASE("comment only", "(Ann)", "no-address"),
	CASE("comment with address only", "(a@b.example)", "no-address"),
	CASE("comment without end", "Ann (Lee <a@b.example>",
	    "broken-name a@b.example"),
	CASE("comment without end after", "Ann <a@b.example> (Lee",
	    "broken-name a@b.example"),
	CASE("comment without end after an addr-spec", "a@b.example (Lee",
	    "unusable"),
	CASE("comment too often closed", "Ann :) <a@b.example>",
	    "broken-name a@b.example"),
	CASE("address within a comment that ends", "Ann (<a@b.example>)",
	    "unusable"),
	CASE("address and more within a comment that ends",
	    "Ann (Lee (<a@b.example> x) y)", "unusable"),
	CASE("two ways to hide: comment without end and second address",
	    "<attacker@evil.example>(<victim@bank.example>", "unusable"),
	CASE("comment in the local part, 4.4", "a(x).b@b.example",
	    "good a.b@b.example"),
	CASE("comment can't replace a dot", "a(x)b@b.example", "unusable"),

	/* obsolete forms, 4.1 and 4.4 */
	CASE("spaces around dots and @", "a . b @ c . example",
	    "good a.b@c.example"),
	CASE("spaces in the brackets", "< a @ b.example >", "good a@b.example"),
	CASE(
	    "route", "<@x.example,@y.example:a@b.example>", "good a@b.example"),
	CASE(
	    "route of one", "Ann <@x.example:a@b.example>", "good a@b.example"),
	CASE("route with empty elements and comments",
	    "<, (c) @x.example , , @y.example , : a@b.example>",
	    "good a@b.example"),
	CASE("route without domain", "<:a@b.example>", "unusable"),
	CASE("route without name", "<@:a@b.example>", "unusable"),
	CASE("route without colon", "<@x.example a@b.example>", "unusable"),
	CASE("bracket for the route's colon", "<@x.example>a@b.example>",
	    "unusable"),
	CASE("route without comma", "<@x.example@y.example:a@b.example>",
	    "unusable"),
	CASE("route outside of brackets", "@x.example:a@b.example", "unusable"),
	CASE("route alone", "<@x.example:>", "unusable"),
	CASE("dots in a name, 4.1", "John Q. Public <a@b.example>",
	    "good a@b.example"),
	CASE("name that is a domain", "b.example <a@b.example>",
	    "good a@b.example"),
	CASE("name that begins with a dot", ".NET Team <a@b.example>",
	    "broken-name a@b.example"),
	CASE("empty elements", ",, a@b.example ,(x),", "good a@b.example"),
	CASE("empty element last", "a@b.example, ", "good a@b.example"),
	CASE("trailing dot names the same domain", "a@b.example.",
	    "good a@b.example"),
	CASE("two trailing dots", "a@b.example..", "unusable"),
	CASE("empty label", "a@b..example", "unusable"),
	CASE("label first empty", "a@.b.example", "unusable"),
	CASE("dot alone", "a@.", "unusable"),
	CASE("dots side by side in the local part: read one way only",
	    "<a..b@b.example>", "good \"a..b\"@b.example"),
	CASE("dot last in the local part", "a.@b.example",
	    "good \"a.\"@b.example"),
	CASE("dot first in the local part", ".a@b.example",
	    "good \".a\"@b.example"),

	/* several mailboxes, 3.6.2 */
	CASE("two", "a@b.example,c@d.example", "good a@b.example c@d.example"),
	CASE("two with brackets", "<a@b.example>,<c@d.example>",
	    "good a@b.example c@d.example"),
	CASE("named and not", "\"x\" <a@b.example>, <c@d.example>",
	    "good a@b.example c@d.example"),
	CASE("victim first", "victim@bank.example,attacker@evil.example",
	    "good victim@bank.example attacker@evil.example"),
	CASE("the same twice", "a@b.example, a@b.example",
	    "good a@b.example a@b.example"),
	CASE("no comma", "<a@b.example><c@d.example>", "unusable"),
	CASE("space for comma", "<a@b.example> <c@d.example>", "unusable"),
	CASE("space for comma, no brackets", "a@b.example c@d.example",
	    "unusable"),
	CASE("semicolon for comma", "a@b.example; c@d.example", "unusable"),
	CASE("brackets after an address", "a@b.example <c@d.example>",
	    "unusable"),
	CASE("address after brackets", "<a@b.example> c@d.example", "unusable"),
	CASE("text after an address is no part of the domain",
	    "a@b.example Ann", "unusable"),
	CASE("space in a domain", "<a@b c.example>", "unusable"),
	CASE("comment in a domain is no dot, 4.4", "a@b(x)c.example",
	    "unusable"),
	CASE("one good, one broken", "a@b.example, c@", "unusable"),
	CASE("a bare word beside an address: an MTA may qualify it",
	    "root, a@b.example", "unusable"),
	CASE("a bare word in brackets beside an address",
	    "<root>, <a@b.example>", "unusable"),

	/* groups, RFC 6854 */
	CASE("group of one", "Team: a@b.example;", "good a@b.example"),
	CASE("group of two", "Team: Ann <a@b.example>, c@d.example;",
	    "good a@b.example c@d.example"),
	CASE("empty group", "Team:;", "no-address"),
	CASE("empty group with comment", "Team: (nobody) ; (x)", "no-address"),
	CASE("group of empty elements, 4.4", "Team: , ,;", "no-address"),
	CASE("quoted group name", "\"A: B\": a@b.example;", "good a@b.example"),
	CASE("group and mailbox", "Team: a@b.example;, c@d.example",
	    "good a@b.example c@d.example"),
	CASE("empty group and mailbox", "Undisclosed:;, a@b.example",
	    "good a@b.example"),
	CASE("group without name", ": a@b.example;", "unusable"),
	CASE("group in a group", "A: B: a@b.example;;", "unusable"),
	CASE("group in a group, closed once", "A: B: a@b.example;", "unusable"),
	CASE("address as group name", "a@b.example:c@d.example;", "unusable"),
	CASE("group without end", "Team: a@b.example", "unusable"),
	CASE("group without end, brackets: a name with a colon",
	    "Team: Ann <a@b.example>", "broken-name a@b.example"),
	CASE("group without end of two", "Team: <a@b.example>, <c@d.example>",
	    "unusable"),
	CASE("mailbox after a group without comma",
	    "Team: a@b.example; c@d.example", "unusable"),
	CASE("mailto: is no group that ends", "mailto:a@b.example", "unusable"),
	CASE("mailto: in brackets", "Ann <mailto:a@b.example>", "unusable"),
	CASE("semicolon after brackets", "Ann <a@b.example>;",
	    "broken-name a@b.example"),

	/* names that are broken around one address */
	CASE("comma in a bare name: an unqualified word has no domain",
	    "Lee, Ann <a@b.example>", "broken-name a@b.example"),
	CASE("word before a comma", "Ann, <a@b.example>",
	    "broken-name a@b.example"),
	CASE("square brackets in a name", "Ann [x] <a@b.example>",
	    "broken-name a@b.example"),
	CASE("backslash in a name", "Ann \\ Lee <a@b.example>",
	    "broken-name a@b.example"),
	CASE(
	    "text behind", "<a@b.example> trailing", "broken-name a@b.example"),
	CASE("text glued behind: some drop the brackets",
	    "<a@b.example>.evil.example", "unusable"),
	CASE("control character in a name", "A\x01nn <a@b.example>",
	    "broken-name a@b.example"),
	CASE("DEL in a name", "A\x7fnn <a@b.example>",
	    "broken-name a@b.example"),
	CASE("C1 control in a name", "A\xc2\x85nn <a@b.example>",
	    "broken-name a@b.example"),
	CASE("line separator in a name", "A\xe2\x80\xa8nn <a@b.example>",
	    "broken-name a@b.example"),
	CASE("line separator for a comma",
	    "a@b.example\xe2\x80\xa8<c@d.example>", "unusable"),
	CASE("name is the address: nobody can read another",
	    "a@b.example <a@b.example>", "broken-name a@b.example"),
	CASE("name is the address in apostrophes",
	    " 'a@b.example' <a@B.example>", "broken-name a@b.example"),
	CASE("name is the address but for case of the local part",
	    "A@b.example <a@b.example>", "unusable"),
	CASE("name is an address like it", "a@b.exampl <a@b.example>",
	    "unusable"),
	CASE("name ends like the address", "x.a@b.example <a@b.example>",
	    "unusable"),
	CASE("name is the address, and text behind has an @",
	    "a@b.example <a@b.example> c@d.example", "unusable"),
	CASE("broken name and quoted local part", "Lee, Ann <\"a\"@b.example>",
	    "unusable"),
	CASE("broken name and comment in the brackets",
	    "Lee, Ann <a@b.example(x)>", "unusable"),
	CASE("broken name and blanks in the brackets",
	    "Lee, Ann < a@b.example >", "broken-name a@b.example"),
	CASE("broken name and literal", "Lee, Ann <a@[192.0.2.1]>", "unusable"),
	CASE("@ in a bare name", "c@d.example <a@b.example>", "unusable"),
	CASE("@ alone in a name", "Ann @ Work <a@b.example>", "unusable"),
	CASE("@ in a broken quoted name", "\"a@b\" c\" <a@b.example>",
	    "unusable"),

	/* 8-bit text, RFC 6532 */
	CASE("UTF-8 name", "J\xc3\xb6rg <a@b.example>", "good a@b.example"),
	CASE("UTF-8 in quotes and comments",
	    "\"J\xc3\xb6rg\" (\xe2\x82\xac) <a@b.example>", "good a@b.example"),
	CASE("escaped UTF-8, RFC 6532 3.2", "\"J\\\xc3\xb6rg\" <a@b.example>",
	    "good a@b.example"),
	CASE(
	    "Latin-1 name", "J\xf6rg <a@b.example>", "broken-name a@b.example"),
	CASE("Latin-1 in quotes", "\"J\xf6rg, X\" <a@b.example>",
	    "broken-name a@b.example"),
	CASE("Latin-1 in a comment", "<a@b.example> (J\xf6rg)",
	    "broken-name a@b.example"),
	CASE("Latin-1 and two addresses",
	    "J\xf6rg <a@b.example>, <c@d.example>", "unusable"),
	CASE("Latin-1 in quotes that hold all", "\"J\xf6rg <a@b.example>\"",
	    "unusable"),
	CASE("Latin-1 in quotes that hold all, text behind",
	    "\"J\xf6rg <a@b.example> x\"", "unusable"),
	CASE("Shift-JIS: the second octet of a character is an @",
	    "\x81@ <a@b.example>", "unusable"),
	CASE("ISO-2022-JP in quotes: an @ is half a letter",
	    "\"\x1b$B%@\x1b(B\" <a@b.example>", "unusable"),
	CASE("Latin-1 in the local part", "<j\xf6rg@b.example>", "unusable"),
	CASE("Latin-1 in the domain", "<a@b\xfc.example>", "unusable"),
	CASE("overlong UTF-8 of <", "\xc0\xbc <a@b.example>",
	    "broken-name a@b.example"),
	CASE("overlong UTF-8 in the address", "<a\xc0\xae@b.example>",
	    "unusable"),
	CASE("surrogate in the name", "\xed\xa0\x80 <a@b.example>",
	    "broken-name a@b.example"),
	CASE("UTF-8 cut at the end", "<a@b.example> \xc3",
	    "broken-name a@b.example"),
	CASE("UTF-8 local part, RFC 6531", "<j\xc3\xb6rg@b.example>",
	    "good j\xc3\xb6rg@b.example"),
	CASE("U-label",
	    "a@b\xc3\xbc"
	    "cher.example",
	    "good a@xn--bcher-kva.example"),
	CASE("U-label in capitals",
	    "a@B\xc3\x9c"
	    "CHER.Example",
	    "good a@xn--bcher-kva.example"),
	CASE("U-label decomposed, NFC",
	    "a@bu\xcc\x88"
	    "cher.example",
	    "good a@xn--bcher-kva.example"),
	CASE("sharp s stays, non-transitional",
	    "a@stra\xc3\x9f"
	    "e.example",
	    "good a@xn--strae-oqa.example"),
	CASE("ideographic full stop is a dot, UTS 46",
	    "a@b\xe3\x80\x82"
	    "example",
	    "good a@b.example"),
	CASE("full-width @ becomes no @",
	    "a@c.example\xef\xbc\xa0"
	    "b.example",
	    "unusable"),
	CASE("full-width solidus",
	    "a@c\xef\xbc\x8f"
	    "b.example",
	    "unusable"),
	CASE("full-width comma",
	    "a@b.example\xef\xbc\x8c"
	    "c@d.example",
	    "unusable"),
	CASE("emoji is no U-label, IDNA2008", "a@\xf0\x9f\x92\xa9.example",
	    "unusable"),
	CASE("no-break space in the domain", "a@b.example\xc2\xa0", "unusable"),

	/* encoded words, RFC 2047: never decoded */
	CASE("encoded word", "=?utf-8?q?J=C3=B6rg?= <a@b.example>",
	    "good a@b.example"),
	CASE("encoded words, folded",
	    "=?utf-8?B?SsO2?=\n =?utf-8?B?cmc=?= <a@b.example>",
	    "good a@b.example"),
	CASE("decodes to an address",
	    "=?utf-8?q?=3Cvictim=40bank.example=3E?= <a@b.example>",
	    "good a@b.example"),
	CASE("decodes to a NUL", "=?utf-8?b?AA==?= <a@b.example>",
	    "good a@b.example"),
	CASE("raw @ in an encoded word",
	    "=?utf-8?q?c@d.example?= <a@b.example>", "unusable"),
	CASE("encoded word for an address",
	    "=?utf-8?q?victim=40bank.example?=", "no-address"),
	CASE("encoded word as local part is just one",
	    "=?utf-8?q?a?=@b.example", "good =?utf-8?q?a?=@b.example"),
	CASE("raw comma in an encoded word",
	    "=?utf-8?q?Lee,_Ann?= <a@b.example>", "broken-name a@b.example"),

	/* nothing, or nothing sure */
	CASE("empty", "", "no-address"),
	CASE("blanks", " \t ", "no-address"),
	CASE("line end only", "\r\n", "no-address"),
	CASE("commas", ",,,", "no-address"),
	CASE("a name", "Ann Lee", "no-address"),
	CASE("a user name", "root (Cron Daemon)", "no-address"),
	CASE("empty brackets", "Ann <>", "no-address"),
	CASE("unqualified", "<root>", "no-address"),
	CASE("@ alone", "@", "unusable"),
	CASE("@ in brackets", "<@>", "unusable"),
	CASE("no local part", "@b.example", "unusable"),
	CASE("no domain", "a@", "unusable"),
	CASE("no domain in brackets", "Ann <a@>", "unusable"),
	CASE("two @", "a@b@c.example", "unusable"),
	CASE("two @ in brackets", "<a@b.example@c.example>", "unusable"),
	CASE("bracket not closed", "Ann <a@b.example", "unusable"),
	CASE("bracket not opened", "a@b.example>", "unusable"),
	CASE("brackets turned", ">a@b.example<", "unusable"),
	CASE("brackets twice", "Ann <<a@b.example>>", "unusable"),
	CASE("@ before the bracket", "a@<b.example>", "unusable"),
	CASE("local part outside", "a <@b.example>", "unusable"),
	CASE("words before @", "Ann a@b.example", "unusable"),
	CASE("words in brackets", "<Ann a@b.example>", "unusable"),
	CASE(
	    "IPv4 literal, not usable for a From", "a@[192.0.2.1]", "unusable"),
	CASE("IPv6 literal", "Ann <a@[IPv6:2001:db8::1]>", "unusable"),
	CASE("literal beside an address", "a@b.example, c@[192.0.2.1]",
	    "unusable"),
	CASE("slash in a domain: keys lie in directories",
	    "a@x/../../b.example", "unusable"),
	CASE("wildcard domain", "a@*.example", "unusable"),
	CASE("NUL after an address", "a@b.example\0.evil.example", "unusable"),
	CASE("NUL in a name", "A\0nn <a@b.example>", "unusable"),
	CASE("NUL in the local part", "<a\0b@b.example>", "unusable"),
	CASE("NUL in a comment", "a@b.example (\0)", "unusable"),
	CASE("NUL in quotes, escaped", "\"\\\0\" <a@b.example>", "unusable"),
	CASE("NUL last", "a@b.example\0", "unusable"),
	CASE("NUL only", "\0", "unusable"),

	/* sizes */
	CASE("local part over 64 octets, taken leniently", X64 X64 "@b.example",
	    "good " X64 X64 "@b.example"),
	CASE("label of 63 octets", "a@" X63 ".example",
	    "good a@" X63 ".example"),
	CASE("label of 64 octets", "a@" X64 ".example", "unusable"),
	CASE("domain of 253 octets",
	    "a@" X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxx",
	    "good a@" X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxx"),
	CASE("domain of 254 octets",
	    "a@" X63 "." X63 "." X63 "." X16 X16 X16 X8 "xxxxxx", "unusable"),
	CASE("address of 1024 octets",
	    X256 X256 X256 X64 X64 X64 X16 X16 X16 X8 "xxxxxx@b",
	    "good " X256 X256 X256 X64 X64 X64 X16 X16 X16 X8 "xxxxxx@b"),
	CASE("address of 1025 octets",
	    X256 X256 X256 X64 X64 X64 X16 X16 X16 X8 "xxxxxxx@b", "unusable"),
	CASE("an address too long is no reason to take another",
	    X256 X256 X256 X256 "@b.example, c@d.example", "unusable"),
	CASE("a name that long is none of the address's business",
	    X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256 X256
	    " <a@b.example>",
	    "good a@b.example"),
};

/* The form and the mailboxes of value as words; freed by the caller. */
static char *
from_words(struct arena *arena, const char *value, size_t length)
{
	struct from_field from;
	char *words = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&words, &size);

	assert_non_null(out);
	if (!address_from(arena, value, length, &from)) {
		fputs("no memory", out);
	} else {
		fputs(form_name(from.form), out);
		for (size_t i = 0; i < from.count; i++)
			fprintf(out, " %s", from.mailboxes[i].text);
		if ((from.problem == NULL) != (from.form == FROM_GOOD))
			fputs(" (and a problem doesn't fit the form)", out);
		if (from.problem != NULL && from.problem[0] == '\0')
			fputs(" (and no words for the problem)", out);
	}
	assert_int_equal(fclose(out), 0);
	return words;
}

static void
expect_from(const struct from_case *c)
{
	/* Exactly as large as it is, so that a sanitizer sees a step beyond. */
	char *value = malloc(c->length > 0 ? c->length : 1);
	struct arena arena;
	char *got;

	assert_non_null(value);
	memcpy(value, c->value, c->length);
	arena_init(&arena, ARENA_BYTES);
	got = from_words(&arena, value, c->length);
	if (strcmp(got, c->want) != 0)
		fail_msg(
		    "%s: wanted \"%s\", got \"%s\"", c->name, c->want, got);
	free(got);
	free(value);
	arena_clear(&arena);
}

static void
test_from(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(from_cases); i++)
		expect_from(&from_cases[i]);
}

/* Both line ends are the same, wherever a fold stands. */
static void
test_from_line_ends(void **state)
{
	struct arena arena;
	char crlf[2048];
	size_t length;
	char *got;

	(void)state;
	for (size_t i = 0; i < COUNT(from_cases); i++) {
		const struct from_case *c = &from_cases[i];

		if (2 * c->length > sizeof(crlf)
		    || memchr(c->value, '\r', c->length) != NULL)
			continue;
		length = 0;
		for (size_t k = 0; k < c->length; k++) {
			if (c->value[k] == '\n')
				crlf[length++] = '\r';
			crlf[length++] = c->value[k];
		}
		arena_init(&arena, ARENA_BYTES);
		got = from_words(&arena, crlf, length);
		if (strcmp(got, c->want) != 0)
			fail_msg("%s, with CRLF: wanted \"%s\", got \"%s\"",
			    c->name, c->want, got);
		free(got);
		arena_clear(&arena);
	}
}

/* A value made of a head, a repeated middle and a tail. */
struct large_case {
	const char *name;
	const char *head, *middle, *tail;
	size_t times;
	const char *want; /* NULL: 64 times a@b.example */
};

static const struct large_case large_cases[] = {
	{ "long name", "", "Ann ", "<a@b.example>", 25000, "good a@b.example" },
	{ "long quoted name", "\"", "A\\\" ", "\" <a@b.example>", 25000,
	    "good a@b.example" },
	{ "long broken name", "\xff", "Ann ", "<a@b.example>", 25000,
	    "broken-name a@b.example" },
	{ "deep comment", "", "(", " <a@b.example>", 100000,
	    "broken-name a@b.example" },
	{ "many comments", "", "(x)", "<a@b.example>", 30000,
	    "good a@b.example" },
	{ "many opened quotes and parentheses", "", "(\"", "<a@b.example>",
	    50000, "broken-name a@b.example" },
	{ "many empty elements", "", ",", "a@b.example", 100000,
	    "good a@b.example" },
	{ "many empty groups", "", "A:;,", "a@b.example", 25000,
	    "good a@b.example" },
	{ "many brackets", "", "<", "a@b.example>", 100000, "unusable" },
	{ "many @", "a", "@", "b.example", 100000, "unusable" },
	{ "many dots", "a", ".", "@b.example", 100000, "unusable" },
	{ "many dots in the domain", "a@b", ".", "example", 100000,
	    "unusable" },
	{ "long domain", "a@b", "\xc3\xbc", ".example", 50000, "unusable" },
	{ "long route", "<", "@x.example,", ":a@b.example>", 10000,
	    "good a@b.example" },
	{ "long local part", "<\"", "\\\"", "\"@b.example>", 50000,
	    "unusable" },
	{ "local part of 900 quotes", "<\"", "\\\"", "\"@b.example>x", 900,
	    "unusable" },
	{ "many folds", "a@b.example", "\n ", "", 50000, "good a@b.example" },
	{ "64 mailboxes", "", "a@b.example,", "", 64, NULL },
	{ "65 mailboxes", "", "a@b.example,", "", 65, "unusable" },
	{ "10000 mailboxes", "", "a@b.example,", "", 10000, "unusable" },
};

static char *
repeated(const struct large_case *c, size_t *length_out)
{
	char *value = NULL;
	FILE *out = open_memstream(&value, length_out);

	assert_non_null(out);
	fputs(c->head, out);
	for (size_t i = 0; i < c->times; i++)
		fputs(c->middle, out);
	fputs(c->tail, out);
	assert_int_equal(fclose(out), 0);
	return value;
}

static void
test_from_large(void **state)
{
	static const struct large_case all = { .head = "good",
		.middle = " a@b.example",
		.tail = "",
		.times = 64 };
	size_t length;
	char *most = repeated(&all, &length);

	(void)state;
	for (size_t i = 0; i < COUNT(large_cases); i++) {
		const struct large_case *c = &large_cases[i];
		char *value = repeated(c, &length);
		const struct from_case same = { c->name, value, length,
			c->want != NULL ? c->want : most };

		expect_from(&same);
		free(value);
	}
	free(most);
}

/* The parts of a mailbox, beside its text. */
static void
test_from_parts(void **state)
{
	static const char value[] = "X <\"A b\"@B\xc3\xbc"
				    "cher.Example.>";
	struct from_field from;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_true(address_from(&arena, OCTETS(value), &from));
	assert_int_equal(from.count, 1);
	assert_string_equal(from.mailboxes[0].local, "A b");
	assert_string_equal(from.mailboxes[0].domain, "xn--bcher-kva.example");
	assert_false(from.mailboxes[0].is_literal);
	arena_clear(&arena);
}

/* However early memory ends: it is memory that is said to be missing, and
 * never that the address is bad. */
static void
test_no_memory(void **state)
{
	static const char *const values[] = { "Ann <a@b.example>, c@d.example",
		"Lee, Ann <a@b\xc3\xbc.example>", "a@b <a@b>", "a@[x]" };
	static const enum from_form forms[] = { FROM_GOOD, FROM_BROKEN_NAME,
		FROM_BROKEN_NAME, FROM_UNUSABLE };
	struct from_field from;
	struct arena arena;
	size_t cap;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		for (cap = 0;; cap += 8) {
			arena_init(&arena, cap);
			if (address_from(
				&arena, values[i], strlen(values[i]), &from))
				break;
			arena_clear(&arena);
			assert_true(cap < ARENA_BYTES);
		}
		if (from.form != forms[i])
			fail_msg("%s with %zu octets of memory: wanted %s, "
				 "got %s",
			    values[i], cap, form_name(forms[i]),
			    form_name(from.form));
		arena_clear(&arena);
	}
}

/* Any cut of any case is read without a step
 * beyond its end, and the form fits the count. */
static void
test_from_prefixes(void **state)
{
	struct from_field from;
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(from_cases); i++) {
		size_t most = from_cases[i].length;

		for (size_t length = 0; length < most && length < 80;
		     length++) {
			char *value = malloc(length > 0 ? length : 1);

			assert_non_null(value);
			memcpy(value, from_cases[i].value, length);
			assert_true(address_from(&arena, value, length, &from));
			if ((from.count > 0)
			    != (from.form == FROM_GOOD
				|| from.form == FROM_BROKEN_NAME))
				fail_msg("%s, %zu octets: form %s with %zu "
					 "mailboxes",
				    from_cases[i].name, length,
				    form_name(from.form), from.count);
			free(value);
			arena_clear(&arena);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from),
		cmocka_unit_test(test_from_line_ends),
		cmocka_unit_test(test_from_large),
		cmocka_unit_test(test_from_parts),
		cmocka_unit_test(test_from_prefixes),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests_name("from_field", tests, NULL, NULL);
}
