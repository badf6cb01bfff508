/* OpenDKIM's tables: what is wrong with a line, and with a file. */
#include "tests/unit/opendkim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The words of what is told follow the file's path. */
struct bad_case {
	const char *name;
	const char *text;
	size_t length; /* 0: up to its NUL */
	const char *want;
};

#define FORM "write NAME DOMAIN:SELECTOR:KEYFILE"

static const struct bad_case key_cases[] = {
	{ "a name alone", "# x\n\nk1\n", 0, ":3: a name alone; " FORM },
	{ "no colon", "k1 a.example\n", 0,
	    ":1: there is no \":\" in it; " FORM },
	{ "one colon", "k1 a.example:s1\n", 0,
	    ":1: there is only one \":\" in it; " FORM },
	{ "no domain", "k1 :s1:/k\n", 0,
	    ":1: no domain before the first \":\"; " FORM },
	{ "no domain name", "k1 a!b:s1:/k\n", 0,
	    ":1: before the first \":\" must be a domain, or \"%\" for the "
	    "sender's, and it is none; " FORM },
	{ "% and more (opendkim signs with it as it stands)",
	    "k1 mail.%:s1:/k\n", 0, ":1: before the first \":\" must be" },
	{ "an empty label", "k1 a..b:s1:/k\n", 0,
	    ":1: before the first \":\" must be" },
	{ "a blank before the colon (opendkim signs with it)",
	    "k1 a.example :s1:/k\n", 0, ":1: before the first \":\" must be" },
	{ "no selector", "k1 a.example::/k\n", 0,
	    ":1: between the \":\" must be a selector" },
	{ "a bad selector", "k1 a.example:s 1:/k\n", 0,
	    ":1: between the \":\" must be a selector" },
	{ "a selector of %", "k1 a.example:%:/k\n", 0,
	    ":1: between the \":\" must be a selector" },
	{ "no key", "k1 a.example:s1:\n", 0,
	    ":1: nothing after the second \":\"; " FORM },
	{ "a path that is none for opendkim", "k1 a.example:s1:keys/k\n", 0,
	    ":1: after the second \":\" is neither a path" },
	{ "base64, but no key", "k1 a.example:s1:ABCD\n", 0,
	    ":1: after the second \":\" is neither a path" },
	{ "a key with what no base64 has", "k1 a.example:s1:MIIB*\n", 0,
	    ":1: after the second \":\" is neither a path" },
	{ "a NUL", "k1 a.example:s1:/k\0x\n", 21,
	    ":1: a NUL octet; this is no text file" },
	{ "a control character", "k1 a.example:s1:/k\x1bx\n", 0,
	    ":1: a control character" },
	{ "a DEL", "k1 a.example:s1:/k\x7fx\n", 0, ":1: a control character" },
	{ "no UTF-8", "k1 a.example:s1:/k\xFC\n", 0,
	    ":1: octets that are no UTF-8" },
	{ "twice the same name", "k1 a.example:s1:/1\n#\nk1 a.example:s1:/1\n",
	    0,
	    ":3: the entry of line 1 has the same name, and is the one that "
	    "counts; each needs a name of its own" },
	{ "a pattern as a name", "*.example a.example:s1:/k\n", 0,
	    ":1: a pattern as a name isn't read: names of keys are looked up "
	    "as they are; write a line for each key, without \"*\"" },
	{ "a star as a name", "* %:s1:/k\n", 0,
	    ":1: a pattern as a name isn't read: " },
	{ "a line after a bad one", "k1\nk2 a.example:s2:/k2\nk3 x\n", 0,
	    ":1: a name alone" },
};

static const struct bad_case plain_cases[] = {
	{ "an unknown key", "a.example nosuch\n", 0,
	    ":1: the KeyTable has no good entry nosuch" },
	{ "a key in other case", "a.example GOOD\n", 0,
	    ":1: the KeyTable has no good entry GOOD (upper and lower case "
	    "differ)" },
	{ "a key that is bad itself", "a.example bad\n", 0,
	    ":1: the KeyTable has no good entry bad" },
	{ "no key", "# x\na.example\n", 0, ":2: names no key" },
	{ "an empty key", "a.example :x@a.example\n", 0, ":1: names no key" },
	{ "two keys", "a.example good,good\n", 0,
	    ":1: one name of a KeyTable's entry must be behind the address, "
	    "but there is more" },
	{ "two keys with a blank", "a.example good good\n", 0,
	    ":1: one name of a KeyTable's entry must be behind" },
	{ "a pattern", "*@a.example good\n", 0,
	    ":1: \"*\" within an entry needs \"refile:\"" },
	{ "a pattern of subdomains", "a@*.a.example good\n", 0,
	    ":1: \"*\" within an entry needs \"refile:\"" },
	{ "a domain with @", "@a.example good\n", 0,
	    ":1: nothing before the \"@\"" },
	{ "quotes", "\"a\"@b.example good\n", 0,
	    ":1: write what is before the \"@\" without quotes" },
	{ "no domain", "a@ good\n", 0, ":1: an empty domain" },
	{ "a dot", ". good\n", 0, ":1: an empty domain" },
	{ "no domain name", "a@b/c good\n", 0,
	    ":1: a character that no domain can have" },
	{ "an address literal", "a@[192.0.2.1] good\n", 0, ":1: " },
	{ "the same address twice", "a@b.example good\nA@B.example. good\n", 0,
	    ":2: a@b.example is there before, and the first counts; for "
	    "several keys use a refile" },
	{ "no UTF-8", "\xFC.example good\n", 0,
	    ":1: octets that are no UTF-8" },
	{ "a long key", "a.example abcdefghijklmnopqrst\n", 0,
	    ":1: the KeyTable has no good entry abcdefghijklmnopqrst (" },
	{ "a longer one", "a.example abcdefghijklmnopqrstu\n", 0,
	    ":1: the KeyTable has no good entry ... (" },
	{ "a key of many parts", "a.example s2026._domainkey.mail.example\n", 0,
	    ":1: the KeyTable has no good entry "
	    "s2026._domainkey.mail.example (" },
};

static const struct bad_case refile_cases[] = {
	{ "a line that begins with a blank (opendkim ignores it)",
	    " *@a.example good\n", 0, ":1: begins with a blank" },
	{ "no key (opendkim dies of it)", "*@a.example\n", 0,
	    ":1: names no key" },
	{ "an unknown key", "*@a.example nosuch\n", 0,
	    ":1: the KeyTable has no good entry nosuch" },
	{ "a domain alone", "a.example good\n", 0,
	    ":1: no \"@\" and no \"*\" in it, so that no address fits" },
	{ "a domain with @", "@a.example good\n", 0,
	    ":1: nothing before the \"@\"; write *@DOMAIN" },
	{ "a regular expression", "(a|b)@a.example good\n", 0,
	    ":1: one of [](){}|?^$\\ in it" },
	{ "a dollar (opendkim never finds it)", "a$@a.example good\n", 0,
	    ":1: one of [](){}|?^$\\ in it" },
	{ "an address literal", "*@[192.0.2.1] good\n", 0,
	    ":1: one of [](){}|?^$\\ in it" },
	{ "a quote", "\"a*\"@a.example good\n", 0,
	    ":1: write what is before the \"@\" without quotes" },
	{ "no domain", "a@ good\n", 0, ":1: an empty domain" },
	{ "only a dot behind the star", "*@*. good\n", 0,
	    ":1: an empty domain" },
	{ "subdomains without a star", "*@.a.example good\n", 0,
	    ":1: an empty label in a domain" },
	{ "a U-label in part", "*@\xC3\xBC*.example good\n", 0,
	    ":1: a label with \"*\" must be ASCII" },
	{ "a U-label's end", "*@*\xC3\xBC.example good\n", 0,
	    ":1: a label with \"*\" must be ASCII" },
	{ "what no domain has", "*@*a/b good\n", 0,
	    ":1: a label with \"*\" must be ASCII" },
	{ "a U-label's end, without @", "*\xC3\xBC.example good\n", 0,
	    ":1: a label with \"*\" must be ASCII" },
	{ "what no domain has, without @", "a*b*a/b good\n", 0,
	    ":1: a label with \"*\" must be ASCII" },
};

#define WITHOUT "; until then the line signs without i="
#define USER_64                            \
	"abcdefghijklmnopqrstuvwxyzabcdef" \
	"abcdefghijklmnopqrstuvwxyzabcdef"

/* Signers; the key's d= is a.example. */
static const struct bad_case signer_cases[] = {
	{ "the author's domain alone (opendkim signs nothing then)",
	    "* good:%\n", 0,
	    ":1: what is behind the \":\" is the signer, for i=, and must be "
	    "@DOMAIN or USER@DOMAIN; write \"@%\" for the author's "
	    "domain" WITHOUT },
	{ "a domain alone", "* good:a.example\n", 0,
	    ":1: what is behind the \":\" is the signer" },
	{ "two @", "* good:x@y@a.example\n", 0,
	    ":1: what is behind the \":\" is the signer" },
	{ "a third part", "* good:@a.example:x\n", 0,
	    ":1: its signer: a character that no domain can have" },
	{ "a blank", "* good: @a.example\n", 0,
	    ":1: what is before the \"@\" of its signer must be ASCII, without "
	    "blanks and what needs quotes" WITHOUT },
	{ "quotes", "* good:\"x\"@a.example\n", 0,
	    ":1: what is before the \"@\" of its signer must be ASCII" },
	{ "a semicolon", "* good:x;y@a.example\n", 0,
	    ":1: what is before the \"@\" of its signer must be ASCII" },
	{ "no ASCII", "* good:\xC3\xBC@a.example\n", 0,
	    ":1: what is before the \"@\" of its signer must be ASCII" },
	{ "no domain", "* good:x@\n", 0, ":1: its signer: an empty domain" },
	{ "an address literal", "* good:x@[192.0.2.1]\n", 0,
	    ":1: its signer: an address literal, not a domain" },
	{ "an empty label before %", "* good:@.%\n", 0,
	    ":1: its signer: an empty label" },
	{ "no domain with %", "* good:@%;x\n", 0, ":1: its signer: " },
	{ "another's domain", "#\n* good:@b.example\n", 0,
	    ":2: its signer's domain is neither the d= of the key nor below it "
	    "(RFC 6376 section 3.5); write \"@\" and that d=, or no "
	    "signer" WITHOUT },
	{ "what only ends like it", "* good:@xa.example\n", 0,
	    ":1: its signer's domain is neither" },
	{ "what is above it", "* good:@example\n", 0,
	    ":1: its signer's domain is neither" },
	{ "another's, whatever % is", "* good:%@b.example\n", 0,
	    ":1: its signer's domain is neither" },
	{ "a long user",
	    "* good:" USER_64 USER_64 USER_64 USER_64 "@a.example\n", 0,
	    ":1: its signer: ... can't be signed: it is too long" },
	{ "longer than any address",
	    "* good:" USER_64 USER_64 USER_64 USER_64 USER_64 USER_64 USER_64
		USER_64 USER_64 USER_64 USER_64 USER_64 USER_64 USER_64 USER_64
		    USER_64 "@a.example\n",
	    0, ":1: its signer is longer than any address" },
};

static const char good_keys[] = "good a.example:s1:/k\nbad\n";

/* The first thing told of a file must begin with its path and what is wanted.
 */
static void
judge(const struct opendkim_fixture *fixture, const char *path,
    const struct bad_case *c)
{
	for (size_t i = 0; i < fixture->told_count; i++) {
		const char *words = fixture->told[i];

		if (strncmp(words, path, strlen(path)) != 0)
			continue;
		words += strlen(path);
		if (strncmp(words, c->want, strlen(c->want)) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"", c->name,
			    c->want, words);
		return;
	}
	fail_msg("%s: wanted \"%s\", got nothing", c->name, c->want);
}

static void
bad_keys_are_told(void **state)
{
	struct opendkim_fixture *fixture = *state;

	opendkim_fixture_write(fixture->signing_table, "", 0);
	for (size_t i = 0; i < COUNT(key_cases); i++) {
		const struct bad_case *c = &key_cases[i];
		struct opendkim_tables *tables;

		opendkim_fixture_write(fixture->key_table, c->text,
		    c->length > 0 ? c->length : strlen(c->text));
		tables = opendkim_fixture_load(fixture, false);
		assert_non_null(tables);
		judge(fixture, fixture->key_table, c);
		assert_int_equal(fixture->bad_count, fixture->told_count);
		opendkim_free(&tables);
	}
}

static void
bad_lines_are_told(struct opendkim_fixture *fixture,
    const struct bad_case *cases, size_t count, bool is_refile)
{
	for (size_t i = 0; i < count; i++) {
		struct opendkim_tables *tables = opendkim_fixture_read(
		    fixture, good_keys, cases[i].text, is_refile);

		judge(fixture, fixture->signing_table, &cases[i]);
		assert_int_equal(fixture->bad_count, 2);
		assert_int_equal(fixture->told_count, 2);
		opendkim_free(&tables);
	}
}

static void
bad_lines_of_plain_files_are_told(void **state)
{
	bad_lines_are_told(*state, plain_cases, COUNT(plain_cases), false);
}

static void
bad_lines_of_refiles_are_told(void **state)
{
	bad_lines_are_told(*state, refile_cases, COUNT(refile_cases), true);
}

/* They cost i=, not the signature. */
static void
bad_signers_are_told(void **state)
{
	struct opendkim_fixture *fixture = *state;

	bad_lines_are_told(fixture, signer_cases, COUNT(signer_cases), false);
	for (size_t i = 0; i < COUNT(signer_cases); i++) {
		struct opendkim_tables *tables = opendkim_fixture_read(
		    fixture, good_keys, signer_cases[i].text, false);
		struct opendkim_key found[2];
		struct arena arena;
		size_t count;

		arena_init(&arena, 65536);
		assert_true(opendkim_match(
		    tables, "x", "a.example", &arena, found, 2, &count));
		if (count != 1 || found[0].identity != NULL)
			fail_msg("%s: wanted a key, got %s",
			    signer_cases[i].name,
			    opendkim_fixture_show(found, count));
		arena_clear(&arena);
		opendkim_free(&tables);
	}
}

/* The shortest key there is: Ed25519, in base64 of PKCS#8. */
#define KEY "MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"

enum { TOLD_OCTETS = 24 };

/* Is a piece of the key in words, whatever became of its letters? */
static bool
has_key(const char *words)
{
	for (const char *at = KEY; strlen(at) >= TOLD_OCTETS; at++) {
		char piece[TOLD_OCTETS + 1] = "";

		memcpy(piece, at, TOLD_OCTETS);
		if (strcasestr(words, piece) != NULL)
			return true;
	}
	return false;
}

static void
expect_untold(const struct opendkim_fixture *fixture, const char *text)
{
	assert_true(fixture->told_count > 0);
	for (size_t i = 0; i < fixture->told_count; i++)
		if (has_key(fixture->told[i]))
			fail_msg("%s: told %s", text, fixture->told[i]);
}

/* Somebody put a key into the table, in lines, or in the wrong place. */
static void
keys_are_never_told(void **state)
{
	static const char *const texts[] = {
		"k1 a.example:s1:-----BEGIN PRIVATE KEY-----\n" KEY
		"\n-----END PRIVATE KEY-----\n",
		"k1 " KEY "\n",
		"k1 s1:" KEY "\n",
		"k1 " KEY ":s1:a.example\n",
		"k1 a.example." KEY ":s1:/k\n",
		"k1 x " KEY ":s1:/k\n",
		"k1 a.example:" KEY ":/k\n",
		"k1 a.example:s1:x" KEY "\n",
		"k1 a.example:s1:" KEY "!\n",
		KEY "\n",
		KEY ":s1:a.example\n",
		KEY " a.example:s:/x\n" KEY " b.example:s:/x\n",
		KEY " x\n",
	};
	struct opendkim_fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct opendkim_tables *tables =
		    opendkim_fixture_read(fixture, texts[i], "", false);

		expect_untold(fixture, texts[i]);
		opendkim_free(&tables);
		/* The tables were swapped, or all is in both. */
		for (int is_refile = 0; is_refile < 2; is_refile++) {
			tables = opendkim_fixture_read(
			    fixture, "", texts[i], is_refile);
			expect_untold(fixture, texts[i]);
			opendkim_free(&tables);
		}
	}
}

static void
keys_in_patterns_are_never_told(void **state)
{
	static const char *const texts[] = {
		KEY " k\n" KEY " k\n",
		KEY " k\nx@a." KEY " k\n",
		"x@a.example k\nx@a.example k\n" KEY "@a.example k\n" KEY
		"@a.example k\n",
		"*" KEY " k\n*@a." KEY " k\n",
		"*@a.example " KEY "\n*a " KEY ":x\n*a k " KEY "\n",
	};
	struct opendkim_fixture *fixture = *state;

	for (size_t i = 0; i < 2 * COUNT(texts); i++) {
		struct opendkim_tables *tables = opendkim_fixture_read(fixture,
		    "k a.example:s:/k\nbad\n", texts[i / 2], i % 2 == 0);

		expect_untold(fixture, texts[i / 2]);
		opendkim_free(&tables);
	}
}

/* Stand in for the C library's, also in what the tables call (by the second
 * name if it is built with _FORTIFY_SOURCE), and see whether the key goes. */
void __explicit_bzero_chk(void *data, size_t length, size_t room);

static size_t wiped_keys;

void
explicit_bzero(void *data, size_t length)
{
	volatile char *octets = data;
	char seen[256];
	size_t count = length < sizeof(seen) ? length : sizeof(seen);

	for (size_t i = 0; i < count; i++)
		seen[i] = octets[i];
	wiped_keys += memmem(seen, count, KEY, strlen(KEY)) != NULL;
	while (length > 0)
		octets[--length] = 0;
}

void
__explicit_bzero_chk(void *data, size_t length, size_t room)
{
	assert_true(length <= room);
	(explicit_bzero)(data, length);
}

static void
keys_are_wiped(void **state)
{
	static const char *const texts[] = {
		"k a.example:s:" KEY "\n",
		"k " KEY "\n",
		KEY " a.example:s:/k\n",
	};
	struct opendkim_fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct opendkim_tables *tables =
		    opendkim_fixture_read(fixture, texts[i], "", false);

		wiped_keys = 0;
		opendkim_free(&tables);
		assert_int_equal(1, wiped_keys);
		/* If the other table can't be read, too. */
		assert_int_equal(0, unlink(fixture->signing_table));
		assert_null(opendkim_fixture_load(fixture, false));
		assert_int_equal(2, wiped_keys);
	}
}

static void
good_lines_are_counted(void **state)
{
	struct opendkim_tables *tables = opendkim_fixture_read(*state,
	    "a a.example:s:/k\nb b.example:s:" KEY "\nb b.example:s:" KEY
	    "\nbad\n",
	    "*@a.example a\n*@b.example b\n*@c.example bad\n* a\n", true);
	struct opendkim_counts counts = opendkim_count(tables);

	assert_int_equal(2, counts.keys);
	/* One of them is no entry, but a secret. */
	assert_int_equal(2, counts.inline_keys);
	assert_int_equal(3, counts.rules);
	opendkim_free(&tables);
}

/* A line of that many octets, in a KeyTable and in both SigningTables. */
static void
long_lines(struct opendkim_fixture *fixture, size_t length, bool is_bad)
{
	char *text = malloc(length + 2);
	struct opendkim_tables *tables;

	assert_non_null(text);
	memset(text, 'A', length);
	memcpy(text, "k a.example:s:MI", 16);
	text[length] = '\n';
	opendkim_fixture_write(fixture->key_table, text, length + 1);
	opendkim_fixture_write(fixture->signing_table, "* k", 3);
	tables = opendkim_fixture_load(fixture, true);
	assert_non_null(tables);
	assert_int_equal(fixture->bad_count, is_bad ? 2 : 0);
	if (is_bad)
		assert_non_null(strstr(fixture->told[0],
		    ":1: longer than 16384 octets; begin a new line"));
	opendkim_free(&tables);
	free(text);
}

static void
lines_are_bounded(void **state)
{
	long_lines(*state, 1023, false); /* where opendkim cuts */
	long_lines(*state, 16384, false);
	long_lines(*state, 16385, true);
	long_lines(*state, 1024 * 1024, true);
}

/* Whose octets count is the line without its comment. */
static void
comments_are_not_bounded(void **state)
{
	struct opendkim_fixture *fixture = *state;
	static char text[40000];
	struct opendkim_tables *tables;

	memset(text, '\xFC', sizeof(text));
	memcpy(text, "k a.example:s:/k #", 18);
	opendkim_fixture_write(fixture->key_table, text, sizeof(text));
	opendkim_fixture_write(fixture->signing_table, "* k", 3);
	tables = opendkim_fixture_load(fixture, false);
	assert_non_null(tables);
	assert_int_equal(fixture->bad_count, 0);
	opendkim_free(&tables);
}

static void
long_parts_are_refused(void **state)
{
	struct opendkim_fixture *fixture = *state;
	static char text[8192];
	static char fill[5000];

	memset(fill, 'a', sizeof(fill) - 1);
	snprintf(text, sizeof(text), "%.1024s a.example:s:/k\n", fill);
	opendkim_free(&(struct opendkim_tables *){
	    opendkim_fixture_read(fixture, text, "", false) });
	assert_non_null(strstr(fixture->told[0], ":1: the name is too long"));
	snprintf(text, sizeof(text), "k a.example:s:/%.4095s\n", fill);
	opendkim_free(&(struct opendkim_tables *){
	    opendkim_fixture_read(fixture, text, "", false) });
	assert_non_null(strstr(fixture->told[0], "key file is too long"));
	memset(fill, '%', 20);
	snprintf(text, sizeof(text), "k a.example:s:/%.20s\n", fill);
	opendkim_free(&(struct opendkim_tables *){
	    opendkim_fixture_read(fixture, text, "", false) });
	assert_non_null(strstr(fixture->told[0], "key file is too long"));
}

/* The second one is too long as A-labels only. */
static void
long_addresses_are_refused(void **state)
{
	static const struct {
		int local_length;
		const char *domain;
		size_t bad_count;
	} cases[] = {
		{ 1014, "a.example", 0 },
		{ 1015, "a.example", 1 },
		{ 1008, "m\xC3\xBCller.example", 1 },
		{ 1002, "m\xC3\xBCller.example", 0 },
	};
	struct opendkim_fixture *fixture = *state;
	static char fill[1100];
	static char text[2048];

	memset(fill, 'a', sizeof(fill) - 1);
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		struct opendkim_tables *tables;

		snprintf(text, sizeof(text), "%.*s@%s k\n",
		    cases[i / 2].local_length, fill, cases[i / 2].domain);
		tables = opendkim_fixture_read(
		    fixture, "k a.example:s:/k\n", text, i % 2 == 0);
		assert_int_equal(fixture->bad_count, cases[i / 2].bad_count);
		if (fixture->bad_count > 0)
			assert_non_null(strstr(
			    fixture->told[0], ":1: longer than any address"));
		opendkim_free(&tables);
	}
}

static void
not_all_bad_lines_are_told(void **state)
{
	struct opendkim_fixture *fixture = *state;
	static char text[103 * 2 + 1];
	struct opendkim_tables *tables;
	char want[160];

	for (size_t i = 0; i < 103; i++)
		memcpy(text + 2 * i, "k\n", 2);
	tables = opendkim_fixture_read(fixture, text, text, true);
	assert_int_equal(fixture->bad_count, 206);
	assert_int_equal(fixture->told_count, 202);
	snprintf(
	    want, sizeof(want), "%s: and 3 more bad lines", fixture->key_table);
	assert_string_equal(fixture->told[100], want);
	opendkim_free(&tables);
	/* nobody needs to listen */
	tables = opendkim_read(fixture->key_table, fixture->signing_table, true,
	    NULL, NULL, &fixture->bad_count, &fixture->fault);
	assert_non_null(tables);
	assert_int_equal(fixture->bad_count, 206);
	opendkim_free(&tables);
}

static void
no_signing_table_is_fine(void **state)
{
	struct opendkim_fixture *fixture = *state;
	struct opendkim_tables *tables;
	struct opendkim_key found[1];
	struct arena arena;
	size_t count;

	opendkim_fixture_write(fixture->key_table, "k a.example:s:/k", 16);
	tables = opendkim_read(fixture->key_table, "", true, NULL, NULL,
	    &fixture->bad_count, &fixture->fault);
	assert_non_null(tables);
	arena_init(&arena, 65536);
	assert_true(
	    opendkim_match(tables, "a", "a.example", &arena, found, 1, &count));
	assert_int_equal(count, 0);
	assert_true(
	    opendkim_of_domain(tables, "a.example", &arena, found, 1, &count));
	assert_int_equal(count, 1);
	arena_clear(&arena);
	opendkim_free(&tables);
}

/* What stands where a table should, and what is said of it. */
static void
refused(struct opendkim_fixture *fixture, const char *path, const char *want)
{
	struct opendkim_tables *tables = opendkim_fixture_load(fixture, true);

	assert_null(tables);
	assert_int_equal(fixture->fault.kind, FAULT_PERMANENT);
	if (strncmp(fixture->fault.words, path, strlen(path)) != 0
	    || strstr(fixture->fault.words, want) == NULL)
		fail_msg("wanted \"%s: %s\", got \"%s\"", path, want,
		    fixture->fault.words);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct opendkim_fixture *fixture = *state;
	const char *paths[] = { fixture->key_table, fixture->signing_table };

	for (size_t i = 0; i < COUNT(paths); i++) {
		opendkim_fixture_write(fixture->key_table, "", 0);
		opendkim_fixture_write(fixture->signing_table, "", 0);
		unlink(paths[i]);
		refused(fixture, paths[i], "can't be read: No such file");
		assert_int_equal(mkdir(paths[i], 0700), 0);
		refused(fixture, paths[i], "can't be read: Is a directory");
		assert_int_equal(rmdir(paths[i]), 0);
		assert_int_equal(mkfifo(paths[i], 0600), 0);
		refused(fixture, paths[i], "is not a regular file");
		unlink(paths[i]);
		opendkim_fixture_write(paths[i], "", 0);
		assert_int_equal(truncate(paths[i], 513L * 1024 * 1024), 0);
		refused(fixture, paths[i], "is larger than 512 MiB");
		unlink(paths[i]);
	}
}

/* Half a table would leave mail unsigned without a word. */
static void
too_many_lines_are_refused(void **state)
{
	struct opendkim_fixture *fixture = *state;
	size_t length = 2 * (10 * 1000 * 1000 + 1);
	char *text = malloc(length);

	assert_non_null(text);
	for (size_t i = 0; i < length; i += 2)
		memcpy(text + i, "k\n", 2);
	opendkim_fixture_write(fixture->key_table, text, length);
	free(text);
	refused(fixture, fixture->key_table, "has more than 10000000 entries");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_keys_are_told),
		cmocka_unit_test(bad_lines_of_plain_files_are_told),
		cmocka_unit_test(bad_lines_of_refiles_are_told),
		cmocka_unit_test(bad_signers_are_told),
		cmocka_unit_test(keys_are_never_told),
		cmocka_unit_test(keys_in_patterns_are_never_told),
		cmocka_unit_test(keys_are_wiped),
		cmocka_unit_test(good_lines_are_counted),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(comments_are_not_bounded),
		cmocka_unit_test(long_parts_are_refused),
		cmocka_unit_test(long_addresses_are_refused),
		cmocka_unit_test(not_all_bad_lines_are_told),
		cmocka_unit_test(no_signing_table_is_fine),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(too_many_lines_are_refused),
	};

	return cmocka_run_group_tests(
	    tests, opendkim_fixture_setup, opendkim_fixture_teardown);
}
