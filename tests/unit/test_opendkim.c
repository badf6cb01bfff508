/* OpenDKIM's tables: which keys an address and a domain get. The cases follow
 * what opendkim 2.11.0~beta2 (Debian 12) does with the same tables, or its
 * manual, where that is said. */
#include "tests/unit/opendkim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MOST = 8, ARENA_BYTES = 1024 * 1024 };

/* The KeyTable of most cases. */
static const char keys[] = "# name domain:selector:key\n"
			   "k1 one.example:s1:/k1\n"
			   "k2   two.example:s2:/k2  \n"
			   "\n"
			   "k3\tthree.example:s3:/k3 # the third\n"
			   " k4 four.example:s4:/k4\r\n"
			   "any %:sany:/any\n"
			   "path %:spath:/keys/%/%.pem\n"
			   "fixed d.example:sfixed:/keys/%/k\n"
			   "foo.example.com foo.example.com:sfoo:/foo\n";

struct match_case {
	const char *name;
	const char *keys; /* NULL: those above */
	const char *signing;
	const char *local;
	const char *domain;
	const char *want;
	size_t most; /* 0: MOST */
};

#define USER_60 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567"

#define USER_240 USER_60 USER_60 USER_60 USER_60

/* As long as a domain may be: 253 octets. */
#define LONGEST USER_60 "abc." USER_60 "abc." USER_60 "abc." USER_60 "a"

static const struct match_case plain_cases[] = {
	{ "an address", NULL, "a@foo.example.com k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "another address", NULL, "a@foo.example.com k1\n", "b",
	    "foo.example.com", "", 0 },
	{ "a host", NULL, "foo.example.com k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 0 },
	{ "a host is not its subdomains", NULL, "example.com k2\n", "b",
	    "foo.example.com", "", 0 },
	{ "subdomains", NULL, ".example.com k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 0 },
	{ "subdomains of any depth", NULL, ".example.com k2\n", "b",
	    "x.y.foo.example.com", "two.example/s2 /k2", 0 },
	{ "subdomains are not the domain", NULL, ".example.com k2\n", "b",
	    "example.com", "", 0 },
	{ "a user of subdomains", NULL, "b@.com k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 0 },
	{ "a user anywhere", NULL, "b@* k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 0 },
	{ "everybody", NULL, "* k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 0 },
	{ "the order of opendkim, not of the file", NULL,
	    "* k1\nb@* k2\n.example.com k3\nb@.example.com k4\n"
	    "foo.example.com any\nb@foo.example.com foo.example.com\n",
	    "b", "foo.example.com",
	    "foo.example.com/sfoo /foo, foo.example.com/sany /any, "
	    "four.example/s4 /k4, three.example/s3 /k3, two.example/s2 /k2, "
	    "one.example/s1 /k1",
	    0 },
	{ "the nearest parent first", NULL,
	    ".com k1\nb@.com k2\n.example.com k3\n", "b", "foo.example.com",
	    "three.example/s3 /k3, two.example/s2 /k2, one.example/s1 /k1", 0 },
	{ "one, as without MultipleSignatures", NULL,
	    "* k1\nb@foo.example.com k2\n", "b", "foo.example.com",
	    "two.example/s2 /k2", 1 },
	{ "none wanted", NULL, "* k1\n", "b", "foo.example.com", "", SIZE_MAX },
	{ "the same key twice is once", NULL,
	    "* k1\nfoo.example.com k1\nb@* k2\n", "b", "foo.example.com",
	    "one.example/s1 /k1, two.example/s2 /k2", 0 },
	{ "a line whose pattern was there before hides none behind it", NULL,
	    "foo.example.com k1\nfoo.example.com k2\n* k3\n", "b",
	    "foo.example.com", "one.example/s1 /k1, three.example/s3 /k3", 0 },
	{ "case of a table", NULL, "A@Foo.Example.Com k1\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "case of a local part", NULL, "a@foo.example.com k1\n", "A",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "an extension is another user", NULL, "a@foo.example.com k1\n", "a+x",
	    "foo.example.com", "", 0 },
	{ "a table's last dot", NULL, "foo.example.com. k1\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a U-label", NULL, "M\xC3\xBCller.example k1\n", "a",
	    "xn--mller-kva.example", "one.example/s1 /k1", 0 },
	{ "a long U-label", NULL, "a@\xE4\xB8\xAD\xE5\x9B\xBD.example k1\n",
	    "a", "xn--fiqs8s.example", "one.example/s1 /k1", 0 },
	{ "a local part that isn't ASCII", NULL,
	    "\xC3\xBC@foo.example.com k1\n", "\xC3\xBC", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a local part with an @", NULL, "foo.example.com k1\nb@* k2\n",
	    "b@foo.example.com", "evil.example", "", 0 },
	{ "a local part of a star", NULL, "b@* k1\n", "*", "foo.example.com",
	    "", 0 },
	{ "a local part that names a host", NULL, "foo.example.com k1\n",
	    "foo.example.com", "evil.example", "", 0 },
	{ "no local part", NULL, "foo.example.com k1\n", "", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a longer domain with the same end", NULL, "example.com k1\n", "a",
	    "notexample.com", "", 0 },
	{ "the longest domain", NULL, "* k1\n", "a", LONGEST,
	    "one.example/s1 /k1", 0 },
	{ "no domain", NULL, "* k1\n", "a", "", "", 0 },
	{ "an address literal", NULL, "* any\n", "a", "[192.0.2.1]", "", 0 },
	{ "a domain that would climb", NULL, "* path\n", "a", "../../etc", "",
	    0 },
	{ "a comment behind", NULL, "foo.example.com k1#x\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a blank line, and a blank before", NULL,
	    "\n \t\n  foo.example.com\t k1 \t\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "line ends of DOS", NULL, "x.example k2\r\nfoo.example.com k1\r\n",
	    "a", "foo.example.com", "one.example/s1 /k1", 0 },
	{ "no last line end", NULL, "foo.example.com k1", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a byte order mark", NULL,
	    "\xEF\xBB\xBF"
	    "foo.example.com k1",
	    "a", "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a signer", NULL, "foo.example.com k1:b@foo.example.com\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "no signer", NULL, "foo.example.com k1:\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a key named after the domain", NULL, "* %\n", "a", "foo.example.com",
	    "foo.example.com/sfoo /foo", 0 },
	{ "no key named after the domain", NULL, "* %\na@* k1\n", "a",
	    "bar.example.com", "one.example/s1 /k1", 0 },
	{ "%: d= and path", NULL, "* path\n", "a", "foo.example.com",
	    "foo.example.com/spath /keys/foo.example.com/foo.example.com.pem",
	    0 },
	{ "a path made of % ends where it ends",
	    "1 %:s1:/%\n2 a.example:s2:/2\n", "foo.example.com 1\n* 2\n", "a",
	    "foo.example.com",
	    "foo.example.com/s1 /foo.example.com, a.example/s2 /2", 0 },
	{ "% of the path is d=, not the author's domain", NULL, "* fixed\n",
	    "a", "foo.example.com", "d.example/sfixed /keys/d.example/k", 0 },
	{ "the first of two names", "k a.example:s1:/1\nk a.example:s2:/2\n",
	    "* k\n", "a", "b.example", "a.example/s1 /1", 0 },
	{ "names differ by case", "k a.example:s1:/1\nK a.example:s2:/2\n",
	    "* K\n", "a", "b.example", "a.example/s2 /2", 0 },
	{ "relative paths",
	    "1 a.example:1:./x\n2 a.example:2:../y\n3 a.example:3:././z\n",
	    "b.example 1\na@* 2\n* 3\n", "a", "b.example",
	    "a.example/1 @DIR@/x, a.example/2 @DIR@/../y, a.example/3 "
	    "@DIR@/z",
	    0 },
	{ "% in a relative path", "k %:s:./%/k\n", "* k\n", "a", "b.example",
	    "b.example/s @DIR@/b.example/k", 0 },
	{ "a colon in a path", "k a.example:s:/x:y z\n", "* k\n", "a",
	    "b.example", "a.example/s /x:y z", 0 },
	{ "a key in DER", "k a.example:s:MIIEvQIBADAN+/=\n", "* k\n", "a",
	    "b.example", "a.example/s =MIIEvQIBADAN+/=", 0 },
	{ "a key in PEM",
	    "k a.example:s:-----BEGIN PRIVATE KEY-----MC4CAQ%A-----END "
	    "PRIVATE KEY-----\n",
	    "* k\n", "a", "b.example",
	    "a.example/s =-----BEGIN PRIVATE KEY-----MC4CAQ%A-----END "
	    "PRIVATE KEY-----",
	    0 },
	{ "a domain of the KeyTable",
	    "k B\xC3\xBC"
	    "cher.Example.:s.t:/k\n",
	    "* k\n", "a", "b.example", "xn--bcher-kva.example/s.t /k", 0 },
	{ "no KeyTable entry", "", "", "a", "b.example", "", 0 },
};

static const struct match_case refile_cases[] = {
	{ "a domain", NULL, "*@foo.example.com k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "all of the pattern must fit", NULL, "*@foo.example.com k1\n", "a",
	    "foo.example.com.evil.example", "", 0 },
	{ "and from its beginning", NULL, "a@* k1\n", "ba", "foo.example.com",
	    "", 0 },
	{ "an address", NULL, "a@foo.example.com k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "another address", NULL, "a@foo.example.com k1\n", "aa",
	    "foo.example.com", "", 0 },
	{ "a domain is not its subdomains", NULL, "*@example.com k1\n", "a",
	    "foo.example.com", "", 0 },
	{ "subdomains", NULL, "*@*.example.com k1\n", "a", "x.foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "subdomains are not the domain", NULL, "*@*.example.com k1\n", "a",
	    "example.com", "", 0 },
	{ "a star may be nothing", NULL, "a*@foo.example.com k1\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a dot is a dot", NULL, "*@foo.example.com k1\n", "a",
	    "foozexample.com", "", 0 },
	{ "a plus is a plus", NULL, "list+*@foo.example.com k1\n", "list+x",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a plus isn't one or more", NULL, "list+*@foo.example.com k1\n",
	    "listt", "foo.example.com", "", 0 },
	{ "the end of a domain", NULL, "*example.com k1\n", "a",
	    "notexample.com", "one.example/s1 /k1", 0 },
	{ "everybody", NULL, "* k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "stars in a row", NULL, "*** k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a user anywhere", NULL, "a@* k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "all that fit, in the file's order (the manual; opendkim loses "
	  "those between the first and the last)",
	    NULL,
	    "* k4\na@* k3\n*@foo.example.com k2\na@foo.example.com k1\n"
	    "*@bar.example.com any\n",
	    "a", "foo.example.com",
	    "four.example/s4 /k4, three.example/s3 /k3, two.example/s2 /k2, "
	    "one.example/s1 /k1",
	    0 },
	{ "one, as without MultipleSignatures", NULL,
	    "*@example.com k1\n* k2\n*@foo.example.com k3\n", "a",
	    "foo.example.com", "two.example/s2 /k2", 1 },
	{ "two of four", NULL,
	    "a*@foo.example.com k1\n*.com k2\na@* k3\n* k4\n", "a",
	    "foo.example.com", "one.example/s1 /k1, two.example/s2 /k2", 2 },
	{ "a pattern with several keys", NULL,
	    "*@foo.example.com k3\n*@foo.example.com k1\n"
	    "*@foo.example.com k2\n",
	    "a", "foo.example.com",
	    "three.example/s3 /k3, one.example/s1 /k1, two.example/s2 /k2", 0 },
	{ "the same key twice is once", NULL,
	    "*@foo.example.com k1\n* k2\n*@* k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1, two.example/s2 /k2", 0 },
	{ "the line that comes first counts, found late", NULL,
	    "* k1\n*.com k2\n*@foo.example.com k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1, two.example/s2 /k2", 0 },
	{ "and the keys between stay", NULL,
	    "* k1\n*com k2\n*@foo.example.com k1\n*example.com k3\n", "a",
	    "foo.example.com",
	    "one.example/s1 /k1, two.example/s2 /k2, three.example/s3 /k3", 0 },
	{ "and no more than are wanted", NULL,
	    "* k1\n*com k2\n*@foo.example.com k1\n*example.com k3\n", "a",
	    "foo.example.com", "one.example/s1 /k1, two.example/s2 /k2", 2 },
	{ "a local part longer than any pattern", NULL,
	    "*@foo.example.com k1\n",
	    USER_240 USER_240 USER_240 USER_240 USER_240, "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "case", NULL, "A*@Foo.Example.Com k1\n", "aB", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a piece in the middle", NULL, "a*b*c@foo.example.com k1\n", "axbxc",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a piece that isn't there", NULL, "a*b*c@foo.example.com k1\n", "axc",
	    "foo.example.com", "", 0 },
	{ "pieces in the other order", NULL, "*b*a*@foo.example.com k1\n", "ab",
	    "foo.example.com", "", 0 },
	{ "odd", NULL, "a*b@*c* k1\n", "axxb", "q.cx.example",
	    "one.example/s1 /k1", 0 },
	{ "odd, not fitting", NULL, "a*b@*c* k1\n", "axxb", "q.dx.example", "",
	    0 },
	{ "head and tail don't overlap", NULL, "aba*ba@foo.example.com k1\n",
	    "aba", "foo.example.com", "", 0 },
	{ "head and tail may touch", NULL, "ab*ba@foo.example.com k1\n", "abba",
	    "foo.example.com", "one.example/s1 /k1", 0 },
	{ "a piece in the rest only", NULL, "a*a*a@foo.example.com k1\n", "aa",
	    "foo.example.com", "", 0 },
	{ "a star beside all of the address", NULL,
	    "*a@foo.example.com k1\na@foo.example.com* k2\n", "a",
	    "foo.example.com", "one.example/s1 /k1, two.example/s2 /k2", 0 },
	{ "many heads of one tail", NULL,
	    "a*@foo.example.com k1\nab*@foo.example.com k2\n"
	    "b*@foo.example.com k3\nabc@foo.example.com k4\n",
	    "abc", "foo.example.com",
	    "one.example/s1 /k1, two.example/s2 /k2, four.example/s4 /k4", 0 },
	{ "a U-label", NULL, "*@M\xC3\xBCller.example k1\n", "a",
	    "xn--mller-kva.example", "one.example/s1 /k1", 0 },
	{ "a U-label behind a star", NULL, "*@*.m\xC3\xBCller.example k1\n",
	    "a", "x.xn--mller-kva.example", "one.example/s1 /k1", 0 },
	{ "a last dot", NULL, "*@foo.example.com. k1\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "a local part with an @", NULL, "*@foo.example.com k1\n",
	    "a@foo.example.com", "evil.example", "", 0 },
	{ "a local part like a pattern", NULL, "b@foo.example.com k1\n", "*",
	    "foo.example.com", "", 0 },
	{ "a comment behind", NULL, "*@foo.example.com k1#x\n# *@* k2\n", "a",
	    "foo.example.com", "one.example/s1 /k1", 0 },

	/* Signers. */
	{ "the key's domain", NULL, "*@foo.example.com k1:@one.example\n", "a",
	    "foo.example.com", "one.example/s1 /k1 i=@one.example", 0 },
	{ "a user below it", NULL, "*@* k1:News+x@Mail.ONE.example.\n", "a",
	    "foo.example.com", "one.example/s1 /k1 i=News+x@mail.one.example",
	    0 },
	{ "nothing behind the colon", NULL, "* k1:\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "blanks behind the signer", NULL, "* k1:@one.example \t\n", "a",
	    "foo.example.com", "one.example/s1 /k1 i=@one.example", 0 },
	{ "a U-label", "u m\xC3\xBCller.example:s1:/u\n",
	    "* u:@M\xC3\xBCller.example\n", "a", "foo.example.com",
	    "xn--mller-kva.example/s1 /u i=@xn--mller-kva.example", 0 },
	{ "%, and d=%", NULL, "* path:@%\n", "a", "foo.example.com",
	    "foo.example.com/spath /keys/foo.example.com/foo.example.com.pem "
	    "i=@foo.example.com",
	    0 },
	{ "below %, with % as user", NULL, "* path:%.%@mail.%\n", "a", "b.c",
	    "b.c/spath /keys/b.c/b.c.pem i=b.c.b.c@mail.b.c", 0 },
	{ "a U-label before %", NULL, "* path:@M\xC3\xBCller.%\n", "a", "b.c",
	    "b.c/spath /keys/b.c/b.c.pem i=@xn--mller-kva.b.c", 0 },
	{ "% is the author's domain, not d=", NULL, "* k1:@%\n", "a",
	    "mail.one.example", "one.example/s1 /k1 i=@mail.one.example", 0 },
	{ "which doesn't fit d=", NULL, "* k1:@%\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },
	{ "nor does what only ends like it", NULL, "* k1:@%\n", "a",
	    "someone.example", "one.example/s1 /k1", 0 },
	{ "nor what is above it", NULL, "* k1:@%\n", "a", "example",
	    "one.example/s1 /k1", 0 },
	{ "% within a label", NULL, "* k1:@x%\n", "a", "one.example",
	    "one.example/s1 /k1", 0 },
	{ "one domain, and d=%", NULL, "* path:@foo.example.com\n", "a",
	    "x.foo.example.com",
	    "x.foo.example.com/spath "
	    "/keys/x.foo.example.com/x.foo.example.com.pem",
	    0 },
	{ "a key named after the domain, and %", NULL, "*@* %:a@%\n", "a",
	    "foo.example.com", "foo.example.com/sfoo /foo i=a@foo.example.com",
	    0 },
	{ "as long as it may be", NULL, "* k1:" USER_240 "%@one.example\n", "a",
	    "b.c", "one.example/s1 /k1 i=" USER_240 "b.c@one.example", 0 },
	{ "one longer", NULL, "* k1:" USER_240 "%@one.example\n", "a", "b.cd",
	    "one.example/s1 /k1", 0 },
	{ "encoded, it just fits", NULL, "* k1:=" USER_240 "@one.example\n",
	    "a", "b", "one.example/s1 /k1 i==" USER_240 "@one.example", 0 },
	{ "encoded, it is too long", NULL, "* k1:=" USER_240 "%@one.example\n",
	    "a", "b", "one.example/s1 /k1", 0 },
	{ "a label gets too long", NULL, "* path:@" USER_60 "%\n", "a",
	    "bcde.f", "bcde.f/spath /keys/bcde.f/bcde.f.pem", 0 },
	{ "each line its own", NULL,
	    "* k1:@one.example\n* k2\n* k3:c@%\n* k4:d@four.example\n", "a",
	    "three.example",
	    "one.example/s1 /k1 i=@one.example, two.example/s2 /k2, "
	    "three.example/s3 /k3 i=c@three.example, "
	    "four.example/s4 /k4 i=d@four.example",
	    0 },
	{ "a key twice: the first line's", NULL,
	    "x@* k1:a@one.example\n* k1:b@one.example\n", "x",
	    "foo.example.com", "one.example/s1 /k1 i=a@one.example", 0 },
	{ "in the table's order", NULL,
	    "x@* k1:a@one.example\n* k1:b@one.example\n", "y",
	    "foo.example.com", "one.example/s1 /k1 i=b@one.example", 0 },
	{ "a signer that can't be costs no signature", NULL,
	    "* k1:@two.example\n", "a", "foo.example.com", "one.example/s1 /k1",
	    0 },
	{ "nor one that is none", NULL, "* k1:%\n", "a", "foo.example.com",
	    "one.example/s1 /k1", 0 },

	{ "a key named after the domain", NULL, "*@* %\n", "a",
	    "foo.example.com", "foo.example.com/sfoo /foo", 0 },
	{ "no key named after the domain", NULL, "*@* %\n* k2\n", "a",
	    "bar.example.com", "two.example/s2 /k2", 0 },
	{ "%: d= and path", NULL, "* path\n", "a", "foo.example.com",
	    "foo.example.com/spath /keys/foo.example.com/foo.example.com.pem",
	    0 },
	{ "an empty table", NULL, "", "a", "foo.example.com", "", 0 },
};

static void
match(struct opendkim_fixture *fixture, const struct match_case *c,
    bool is_refile)
{
	struct opendkim_tables *tables = opendkim_fixture_read(
	    fixture, c->keys != NULL ? c->keys : keys, c->signing, is_refile);
	struct opendkim_key found[MOST];
	struct arena arena;
	size_t most = c->most == 0 ? MOST : c->most;
	size_t count;
	const char *got;
	const char *want;

	arena_init(&arena, ARENA_BYTES);
	if (most == SIZE_MAX)
		most = 0;
	assert_true(opendkim_match(
	    tables, c->local, c->domain, &arena, found, most, &count));
	got = opendkim_fixture_show(found, count);
	want = opendkim_fixture_fill(fixture, c->want);
	if (strcmp(got, want) != 0)
		fail_msg("%s: wanted \"%s\", got \"%s\"", c->name, want, got);
	arena_clear(&arena);
	opendkim_free(&tables);
	assert_null(tables);
}

static void
plain_files_are_asked_in_opendkims_order(void **state)
{
	for (size_t i = 0; i < COUNT(plain_cases); i++)
		match(*state, &plain_cases[i], false);
}

static void
refiles_are_read_from_the_top(void **state)
{
	for (size_t i = 0; i < COUNT(refile_cases); i++)
		match(*state, &refile_cases[i], true);
}

struct domain_case {
	const char *name;
	const char *domain;
	size_t most;
	const char *want;
};

static const char domain_keys[] = "1 a.example:s1:/1\n"
				  "2 %:s2:/%/2\n"
				  "3 b.example:s3:/3\n"
				  "4 A.Example:s4:/4\n"
				  "5 %:s5:/5\n"
				  "6 a.example:s6:/6\n";

static const struct domain_case domain_cases[] = {
	{ "its own and those for all", "a.example", MOST,
	    "a.example/s1 /1, a.example/s2 /a.example/2, a.example/s4 /4, "
	    "a.example/s5 /5, a.example/s6 /6" },
	{ "only those for all", "c.example", MOST,
	    "c.example/s2 /c.example/2, c.example/s5 /5" },
	{ "no more than wanted", "a.example", 3,
	    "a.example/s1 /1, a.example/s2 /a.example/2, a.example/s4 /4" },
	{ "one", "b.example", 1, "b.example/s2 /b.example/2" },
	{ "none wanted", "a.example", 0, "" },
	{ "parents don't count", "x.a.example", 1,
	    "x.a.example/s2 /x.a.example/2" },
	{ "no domain", "", MOST, "" },
	{ "the token is no domain", "%/x", MOST, "" },
};

static void
domains_have_their_keys(void **state)
{
	struct opendkim_tables *tables =
	    opendkim_fixture_read(*state, domain_keys, "", false);

	for (size_t i = 0; i < COUNT(domain_cases); i++) {
		const struct domain_case *c = &domain_cases[i];
		struct opendkim_key found[MOST];
		struct arena arena;
		size_t count;
		const char *got;

		arena_init(&arena, ARENA_BYTES);
		assert_true(opendkim_of_domain(
		    tables, c->domain, &arena, found, c->most, &count));
		got = opendkim_fixture_show(found, count);
		if (strcmp(got, c->want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name,
			    c->want, got);
		arena_clear(&arena);
	}
	opendkim_free(&tables);
}

struct walk {
	struct opendkim_key keys[MOST];
	size_t count;
	size_t most;
};

static bool
take(void *context, const struct opendkim_key *key)
{
	struct walk *walk = context;

	walk->keys[walk->count++] = *key;
	return walk->count < walk->most;
}

static void
every_entry_is_shown(void **state)
{
	struct opendkim_tables *tables = opendkim_fixture_read(*state,
	    "b b.example:s1:./%/k\n\n# x\nbad\na %:s2:MIIB\n"
	    "b a.example:s3:/3\nc c.example:s4:/4\n",
	    "", false);
	struct walk walk = { .most = MOST };

	opendkim_each(tables, take, &walk);
	assert_string_equal(opendkim_fixture_show(walk.keys, walk.count),
	    opendkim_fixture_fill(
		*state, "b.example/s1 @DIR@/%/k, %/s2 =MIIB, c.example/s4 /4"));
	assert_string_equal(walk.keys[1].name, "a");
	assert_int_equal(walk.keys[0].line, 1);
	assert_int_equal(walk.keys[1].line, 5);
	assert_int_equal(walk.keys[2].line, 7);
	walk = (struct walk){ .most = 2 };
	opendkim_each(tables, take, &walk);
	assert_int_equal(walk.count, 2);
	opendkim_free(&tables);
}

/* What a question gives with so much memory; NULL: it couldn't be answered. */
static const char *
answer(const struct opendkim_tables *tables, bool is_match, size_t cap)
{
	struct opendkim_key found[MOST];
	struct arena arena;
	size_t count;
	const char *shown = NULL;

	arena_init(&arena, cap);
	if (is_match ? opendkim_match(
		tables, "a", "foo.example.com", &arena, found, MOST, &count)
		     : opendkim_of_domain(
			 tables, "d.example", &arena, found, MOST, &count))
		shown = opendkim_fixture_show(found, count);
	arena_clear(&arena);
	return shown;
}

/* The entry "path" of foo.example.com. */
#define FILLED "foo.example.com/spath /keys/foo.example.com/foo.example.com.pem"

/* With ever more memory the first answer is all of it: a key that can't be
 * given for want of memory must not look like one that isn't there. */
static void
no_memory_is_said(void **state)
{
	static const struct {
		bool is_match, is_refile;
		const char *want;
	} cases[] = {
		{ true, true, FILLED " i=@foo.example.com" },
		{ true, false, FILLED " i=@foo.example.com" },
		{ false, false,
		    "d.example/sany /any, d.example/spath "
		    "/keys/d.example/d.example.pem, "
		    "d.example/sfixed /keys/d.example/k" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct opendkim_tables *tables = opendkim_fixture_read(
		    *state, keys, "* path:@%\n", cases[i].is_refile);
		const char *got = NULL;
		size_t cap = 0;

		for (; got == NULL && cap < ARENA_BYTES; cap += 16)
			got = answer(tables, cases[i].is_match, cap);
		assert_true(cap > 16);
		assert_non_null(got);
		assert_string_equal(cases[i].want, got);
		opendkim_free(&tables);
		opendkim_free(&tables);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_files_are_asked_in_opendkims_order),
		cmocka_unit_test(refiles_are_read_from_the_top),
		cmocka_unit_test(domains_have_their_keys),
		cmocka_unit_test(every_entry_is_shown),
		cmocka_unit_test(no_memory_is_said),
	};

	return cmocka_run_group_tests(
	    tests, opendkim_fixture_setup, opendkim_fixture_teardown);
}
