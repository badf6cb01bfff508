/* Organizational domains by the public suffix list: Debian's, as DAFSA and as
 * text, the newest there is, and files that are none. */
#include "milter/io/suffixes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FOLDER "/usr/share/publicsuffix/public_suffix_list."

enum { PATH_BYTES = 64 };

struct domain_case {
	const char *name;
	const char *domain;
	const char *want;
};

static const struct domain_case cases[] = {
	{ "registered", "example.com", "example.com" },
	{ "below it", "a.b.mail.example.com", "example.com" },
	{ "a top-level domain", "com", "com" },
	{ "a suffix of two labels", "co.uk", "co.uk" },
	{ "registered there", "shop.co.uk", "shop.co.uk" },
	{ "below that", "mail.shop.co.uk", "shop.co.uk" },
	{ "a wildcard's own name is under it", "foo.ck", "foo.ck" },
	{ "registered under a wildcard", "a.foo.ck", "a.foo.ck" },
	{ "below that", "b.a.foo.ck", "a.foo.ck" },
	{ "an exception to it", "www.ck", "www.ck" },
	{ "below the exception", "a.www.ck", "www.ck" },
	{ "a private suffix", "github.io", "github.io" },
	{ "under a private suffix", "a.me.github.io", "me.github.io" },
	{ "a top-level domain in A-labels", "xn--p1ai", "xn--p1ai" },
	{ "registered there", "a.b.xn--p1ai", "b.xn--p1ai" },
	{ "a suffix in A-labels", "xn--55qx5d.cn", "xn--55qx5d.cn" },
	{ "registered there", "b.a.xn--55qx5d.cn", "a.xn--55qx5d.cn" },
	{ "an unknown top-level domain", "nowhere", "nowhere" },
	{ "registered there", "a.b.nowhere", "b.nowhere" },
	{ "an underscore", "_dmarc.example.com", "example.com" },
	{ "one-letter labels", "a.x.com", "x.com" },
};

/* file: as for suffixes_open(). */
static void
expect_all(const char *file)
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	struct suffixes *suffixes = suffixes_open(file, &fault);
	size_t wrong = 0;

	if (suffixes == NULL)
		fail_msg("%s", fault.words);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct domain_case *c = &cases[i];
		const char *got = suffixes_org(suffixes, c->domain);

		/* It must point into the domain. */
		if (strcmp(got, c->want) == 0
		    && got == c->domain + strlen(c->domain) - strlen(got))
			continue;
		print_error("%s, %s: wanted %s, got %s\n", c->name, c->domain,
		    c->want, got);
		wrong++;
	}
	suffixes_close(&suffixes);
	assert_null(suffixes);
	assert_int_equal(wrong, 0);
}

static void
test_dafsa(void **state)
{
	(void)state;
	expect_all(FOLDER "dafsa");
}

static void
test_text(void **state)
{
	(void)state;
	expect_all(FOLDER "dat");
}

static void
test_newest(void **state)
{
	(void)state;
	expect_all(NULL);
}

static void
test_public(void **state)
{
	static const struct {
		const char *domain;
		bool want;
	} publics[] = {
		{ "com", true },
		{ "co.uk", true },
		{ "www.ck", false }, /* an exception of *.ck */
		{ "anything.ck", true },
		{ "example.com", false },
		{ "example.co.uk", false },
		{ "blogspot.com", false }, /* a company's */
		{ "localhost", false },
		{ "nosuchtld", false },
		{ "host.nosuchtld", false },
	};
	struct suffixes *suffixes = suffixes_open(FOLDER "dafsa", NULL);

	(void)state;
	assert_non_null(suffixes);
	for (size_t i = 0; i < COUNT(publics); i++)
		if (suffixes_is_public(suffixes, publics[i].domain)
		    != publics[i].want)
			fail_msg("%s: wanted %d", publics[i].domain,
			    publics[i].want);
	assert_false(suffixes_is_public(NULL, "com"));
	suffixes_close(&suffixes);
}

static void
expect_refusal(const char *file)
{
	struct fault fault = { .kind = FAULT_NONE, .words = "" };
	struct suffixes *suffixes = suffixes_open(file, &fault);

	if (suffixes != NULL)
		fail_msg("%s was read as a list", file);
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	assert_non_null(strstr(fault.words, file));
	assert_null(suffixes_open(file, NULL));
}

/* A file with text in it, which the caller unlinks. */
static void
write_file(char path[PATH_BYTES], const char *text)
{
	int fd;

	(void)snprintf(path, PATH_BYTES, "/tmp/test_suffixes-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
}

static void
test_no_list(void **state)
{
	char path[PATH_BYTES];

	(void)state;
	expect_refusal("/nonexistent/list");
	expect_refusal("/tmp");
	write_file(path, "");
	expect_refusal(path);
	(void)unlink(path);
	write_file(path, "user:x:1000:1000::/home/user:/bin/sh\n");
	expect_refusal(path);
	(void)unlink(path);
	write_file(path, ".DAFSA@PSL_0   \n garbage");
	expect_refusal(path);
	(void)unlink(path);
}

static void
test_own_list(void **state)
{
	char path[PATH_BYTES];
	struct suffixes *suffixes;

	(void)state;
	write_file(path, "// ours\ncom\nexample.com\n");
	suffixes = suffixes_open(path, NULL);
	(void)unlink(path);
	assert_non_null(suffixes);
	assert_string_equal(
	    suffixes_org(suffixes, "a.b.example.com"), "b.example.com");
	assert_string_equal(
	    suffixes_org(suffixes, "a.b.example.net"), "example.net");
	suffixes_close(&suffixes);
	suffixes_close(&suffixes);
}

static void
test_without(void **state)
{
	(void)state;
	assert_null(suffixes_org(NULL, "a.example.com"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dafsa),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_own_list),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
