/* DMARC records: what is one, and what is read out of it. */
#include "policy/dmarc_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS = 256 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OCTETS(literal) (literal), sizeof(literal) - 1
#define V "v=DMARC1;"

/* want: what differs from a record without tags, in the words of describe();
 * NULL: no record. */
struct record_case {
	const char *name;
	const char *text;
	size_t length;
	const char *want;
};

static const struct record_case cases[] = {
	{ "p alone, RFC 9989 §4.7", OCTETS(V " p=none"), "p=none" },
	{ "all policies", OCTETS(V "p=reject;sp=quarantine;np=none"),
	    "p=reject sp=quarantine np=none" },
	{ "case of a policy, §4.8", OCTETS(V "p=QuArAnTiNe"), "p=quarantine" },
	{ "case of tag names, §4.8", OCTETS("V=DMARC1;P=none;RUA=MAILTO:a@b"),
	    "p=none rua" },
	{ "a policy that is none", OCTETS(V "p=r;sp=no;np=x"),
	    "p=? sp=? np=?" },
	{ "empty policies", OCTETS(V "p=;sp= ;np=\t"), "p=? sp=? np=?" },
	{ "a policy with more behind it", OCTETS(V "p=reject now"), "p=?" },
	{ "blanks in a policy", OCTETS(V "p=rej ect"), "p=?" },
	{ "NUL behind a policy", OCTETS(V "p=reject\0"), "p=?" },
	{ "a line end behind a policy", OCTETS(V "p=reject\n"), "p=?" },
	{ "a line end before a name", OCTETS(V "\np=reject"), "" },
	{ "the version alone", OCTETS("v=DMARC1"), "" },
	{ "the version and a blank", OCTETS("v=DMARC1 \t"), "" },
	{ "blanks around =", OCTETS("v \t= \tDMARC1\t ;p\t=\t none ;"),
	    "p=none" },
	{ "psd=y", OCTETS(V "psd=y"), "psd=y" },
	{ "psd=N", OCTETS(V "psd=N"), "psd=n" },
	{ "psd=u", OCTETS(V "psd=u"), "" },
	{ "psd=yes", OCTETS(V "psd=yes"), "" },
	{ "t=y", OCTETS(V "t=y"), "t" },
	{ "t=Y", OCTETS(V "t=Y"), "t" },
	{ "t=n", OCTETS(V "t=n"), "" },
	{ "t=y:s is of DKIM", OCTETS(V "t=y:s"), "" },
	{ "adkim=s", OCTETS(V "adkim=s"), "adkim" },
	{ "aspf=S", OCTETS(V "aspf=S"), "aspf" },
	{ "adkim=r, aspf=x", OCTETS(V "adkim=r;aspf=x"), "" },
	{ "pct=0", OCTETS(V "pct=0"), "pct=0" },
	{ "pct=007", OCTETS(V "pct=007"), "pct=7" },
	{ "pct=100", OCTETS(V "pct=100"), "" },
	{ "pct=101", OCTETS(V "pct=101"), "" },
	{ "pct=999", OCTETS(V "pct=999"), "" },
	{ "pct=0000", OCTETS(V "pct=0000"), "" },
	{ "pct=5%", OCTETS(V "pct=5%"), "" },
	{ "pct=+5", OCTETS(V "pct=+5"), "" },
	{ "pct=1 0", OCTETS(V "pct=1 0"), "" },
	{ "tags that only begin alike", OCTETS(V "pp=none;psdx=y;adkim1=s"),
	    "" },
	{ "a name with a hyphen is none", OCTETS(V "p-x=1;p=none"), "p=none" },
	{ "a name that begins with a digit", OCTETS(V "1p=1;p=none"),
	    "p=none" },
	{ "pieces that are no tags, alike", OCTETS(V "a;a;;;=;=;p=none"),
	    "p=none" },
	{ "a second = belongs to the value", OCTETS(V "x=a=b;p=none"),
	    "p=none" },

	{ "rua", OCTETS(V "rua=mailto:dmarc@example.com"), "rua" },
	{ "rua with a query", OCTETS(V "rua=mailto:a@b?subject=x"), "rua" },
	{ "rua with what is encoded", OCTETS(V "rua=mailto:a%21b%2Cc@d"),
	    "rua" },
	{ "rua with % and no digits", OCTETS(V "rua=mailto:a%2@b"), "" },
	{ "rua with % at the end", OCTETS(V "rua=https:a%"), "" },
	{ "rua with a size", OCTETS(V "rua=mailto:a@b!50"), "rua" },
	{ "rua with sizes of all kinds", OCTETS(V "rua=mailto:a@b!1K"), "rua" },
	{ "rua with a size of no number", OCTETS(V "rua=mailto:a@b!m"), "" },
	{ "rua with an unknown size", OCTETS(V "rua=mailto:a@b!5p"), "" },
	{ "rua with two sizes", OCTETS(V "rua=mailto:a@b!5m!6m"), "" },
	{ "rua with a size alone", OCTETS(V "rua=!5m"), "" },
	{ "rua, the last of several", OCTETS(V "rua=,x, mailto:a ,\tftp:x\t"),
	    "rua" },
	{ "rua, none of several", OCTETS(V "rua=a@b,mailto:,mailto:@,:x,"),
	    "" },
	{ "rua without local part", OCTETS(V "rua=mailto:@b"), "" },
	{ "rua without domain", OCTETS(V "rua=mailto:a@"), "" },
	{ "rua with two @", OCTETS(V "rua=mailto:a@b@c"), "" },
	{ "rua with a query but nobody", OCTETS(V "rua=mailto:?to=a@b"), "" },
	{ "rua with a path", OCTETS(V "rua=mailto://a@b"), "" },
	{ "rua with a blank in it", OCTETS(V "rua=mailto:a b@c"), "" },
	{ "rua with a NUL in it", OCTETS(V "rua=mailto:a\0@c"), "" },
	{ "rua with octets above 127", OCTETS(V "rua=mailto:\xc3\xbc@c"), "" },
	{ "rua with a scheme of digits", OCTETS(V "rua=1x:y"), "" },
	{ "rua with an odd scheme", OCTETS(V "rua=x-y.z+1:y"), "rua" },
	{ "rua with nothing behind the scheme", OCTETS(V "rua=https:"), "" },
	{ "ruf is not rua", OCTETS(V "ruf=mailto:a@b"), "" },

	{ "nothing", OCTETS(""), NULL },
	{ "another version", OCTETS("v=DMARC2;p=none"), NULL },
	{ "case of the version", OCTETS("v=dmarc1;p=none"), NULL },
	{ "a longer version", OCTETS("v=DMARC1x;p=none"), NULL },
	{ "NUL in the version", OCTETS("v=DMARC1\0;p=none"), NULL },
	{ "a cut version", OCTETS("v=DMARC"), NULL },
	{ "no semicolon", OCTETS("v=DMARC1 p=none"), NULL },
	{ "a blank in front", OCTETS(" v=DMARC1;p=none"), NULL },
	{ "a semicolon in front", OCTETS(";v=DMARC1;p=none"), NULL },
	{ "a quote in front", OCTETS("\"v=DMARC1;p=none"), NULL },
	{ "version second", OCTETS("p=none;v=DMARC1"), NULL },
	{ "SPF", OCTETS("v=spf1 -all"), NULL },
	{ "a tag twice, RFC 6376 §3.2", OCTETS(V "p=none;p=none"), NULL },
	{ "a tag twice, in other case", OCTETS(V "p=none;P=none"), NULL },
	{ "an unknown tag twice", OCTETS(V "p=none;zz=1;y=2;zz=3"), NULL },
	{ "the version twice", OCTETS(V V "p=none"), NULL },
};

static void
describe_wish(char *words, const char *name, const struct dmarc_wish *wish)
{
	size_t length = strlen(words);

	if (wish->is_there)
		(void)snprintf(words + length, WORDS - length, "%s=%s ", name,
		    wish->is_valid ? dmarc_policy_name(wish->policy) : "?");
}

static void
describe(char *words, const struct dmarc_record *record)
{
	size_t length;

	*words = '\0';
	describe_wish(words, "p", &record->p);
	describe_wish(words, "sp", &record->sp);
	describe_wish(words, "np", &record->np);
	length = strlen(words);
	(void)snprintf(words + length, WORDS - length, "%s%s%s%s%s",
	    record->psd == DMARC_PSD_YES      ? "psd=y "
		: record->psd == DMARC_PSD_NO ? "psd=n "
					      : "",
	    record->is_testing ? "t " : "",
	    record->is_dkim_strict ? "adkim " : "",
	    record->is_spf_strict ? "aspf " : "",
	    record->has_report_address ? "rua " : "");
	length = strlen(words);
	if (record->percent != 100)
		(void)snprintf(
		    words + length, WORDS - length, "pct=%u ", record->percent);
	length = strlen(words);
	if (length > 0)
		words[length - 1] = '\0';
}

/* From memory that ends where the record does, so that no octet behind it is
 * read unseen. */
static bool
read_copy(const char *text, size_t length, struct dmarc_record *record)
{
	char *copy = malloc(length > 0 ? length : 1);
	bool is_record;

	assert_non_null(copy);
	memcpy(copy, text, length);
	is_record = dmarc_record_read(copy, length, record);
	free(copy);
	return is_record;
}

static void
test_records(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct record_case *c = &cases[i];
		struct dmarc_record record;
		char words[WORDS] = "no record";

		if (read_copy(c->text, c->length, &record))
			describe(words, &record);
		if (strcmp(c->want != NULL ? c->want : "no record", words) == 0)
			continue;
		print_error("%s: wanted '%s', got '%s'\n", c->name,
		    c->want != NULL ? c->want : "no record", words);
		wrong++;
	}
	if (wrong > 0)
		fail_msg("%zu of %zu records wrong", wrong, COUNT(cases));
}

/* A record of length octets: unknown tags, each another, and p at its end. */
static char *
long_record(size_t length, size_t tags)
{
	static const char end[] = ";p=none";
	char *text = malloc(length + 1);
	size_t used = 0;

	assert_non_null(text);
	used = (size_t)snprintf(text, length, "v=DMARC1");
	for (size_t i = 0; i < tags; i++)
		used +=
		    (size_t)snprintf(text + used, length - used, ";x%zu=", i);
	assert_true(used + sizeof(end) <= length + 1);
	memset(text + used, ' ', length - used);
	memcpy(text + length - sizeof(end) + 1, end, sizeof(end));
	return text;
}

static void
expect_long(size_t length, size_t tags, bool want)
{
	char *text = long_record(length, tags);
	struct dmarc_record record;
	bool got = read_copy(text, length, &record);

	if (got != want || (got && !record.p.is_valid))
		fail_msg("%zu octets, %zu tags: wanted %s", length, tags,
		    want ? "a record with p=none" : "none");
	free(text);
}

static void
test_bounds(void **state)
{
	(void)state;
	expect_long(DMARC_RECORD_OCTETS, 1, true);
	expect_long(DMARC_RECORD_OCTETS + 1, 1, false);
	expect_long(8192, 510, true); /* with v and p 512 */
	expect_long(8192, 511, false);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(dmarc_policy_name(DMARC_NONE), "none");
	assert_string_equal(dmarc_policy_name(DMARC_QUARANTINE), "quarantine");
	assert_string_equal(dmarc_policy_name(DMARC_REJECT), "reject");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
