#include "policy/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LABEL_63 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME_253                  \
	LABEL_63                  \
	"." LABEL_63 "." LABEL_63 \
	".aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
test_is_name(void **state)
{
	static const struct {
		const char *name, *text;
		bool want;
	} cases[] = {
		{ "a domain", "example.com", true },
		{ "one label", "com", true },
		{ "an underscore", "_dmarc.example.com", true },
		{ "any octets", "a b\\.\xff.example", true },
		{ "empty", "", false },
		{ "the root", ".", false },
		{ "a last dot", "example.com.", false },
		{ "a first dot", ".example.com", false },
		{ "an empty label", "a..example", false },
		{ "a label of 63", LABEL_63 ".example", true },
		{ "a label of 64", "a" LABEL_63 ".example", false },
		{ "253 octets", NAME_253, true },
		{ "254 octets", NAME_253 "a", false },
	};

	(void)state;
	assert_int_equal(strlen(NAME_253), DNS_NAME_OCTETS);
	for (size_t i = 0; i < COUNT(cases); i++)
		if (dns_is_name(cases[i].text) != cases[i].want)
			fail_msg("%s: wanted %d, got %d", cases[i].name,
			    cases[i].want, !cases[i].want);
}

static void
test_suffix(void **state)
{
	static const struct {
		const char *name;
		size_t labels, count;
		const char *want;
	} cases[] = {
		{ "a.b.c", 3, 2, "b.c" },
		{ "a.b.c", 3, 3, "a.b.c" },
		{ "a.b.c", 3, 4, "a.b.c" },
		{ "a.b.c", 3, 1, "c" },
		{ "a.b.c", 3, 0, "" },
		{ "com", 1, 1, "com" },
		{ "", 0, 1, "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got = dns_suffix(cases[i].name, cases[i].count);

		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s, %zu: wanted \"%s\", got \"%s\"",
			    cases[i].name, cases[i].count, cases[i].want, got);
		assert_int_equal(dns_labels(cases[i].name), cases[i].labels);
	}
}

static void
test_within(void **state)
{
	static const struct {
		const char *name, *domain;
		bool want;
	} cases[] = {
		{ "example.com", "example.com", true },
		{ "a.b.EXAMPLE.com", "Example.COM", true },
		{ "badexample.com", "example.com", false },
		{ "com", "example.com", false },
		{ "example.com", "", false },
		{ "example.com.evil.example", "example.com", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (dns_is_within(cases[i].name, cases[i].domain)
		    != cases[i].want)
			fail_msg("%s within %s: wanted %d", cases[i].name,
			    cases[i].domain, cases[i].want);
	assert_true(dns_equal("A.example", "a.EXAMPLE"));
	assert_false(dns_equal("a.example", "a.example.com"));
}

static void
test_type_names(void **state)
{
	(void)state;
	assert_string_equal(dns_type_name(DNS_A), "A");
	assert_string_equal(dns_type_name(DNS_AAAA), "AAAA");
	assert_string_equal(dns_type_name(DNS_MX), "MX");
	assert_string_equal(dns_type_name(DNS_NS), "NS");
	assert_string_equal(dns_type_name(DNS_PTR), "PTR");
	assert_string_equal(dns_type_name(DNS_TXT), "TXT");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_name),
		cmocka_unit_test(test_suffix),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_type_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
