#include "policy/zone_line.h"

#include "policy/preflight.h"
#include "policy/preflight_mend.h"
#include "policy/spf.h"
#include "tests/unit/preflight_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { MX_RECORDS = 11 }; /* one more than may be looked at */

/* Read the strings of a zone line back. Returns how many; *longest_out is the
 * most octets of one. */
static size_t
read_strings(const char *line, char *value, size_t *longest_out)
{
	size_t strings = 0, length = 0;

	*longest_out = 0;
	for (const char *at = strchr(line, '"'); at != NULL;
	     at = strchr(at, '"')) {
		size_t begun = length;

		for (at++; *at != '"'; at++) {
			unsigned octet;

			assert_true(*at != '\0');
			if (*at == '\\' && at[1] >= '0' && at[1] <= '9') {
				assert_int_equal(
				    sscanf(at + 1, "%3u", &octet), 1);
				value[length++] = (char)octet;
				at += 3;
				continue;
			}
			if (*at == '\\')
				at++;
			value[length++] = *at;
		}
		at++;
		if (length - begun > *longest_out)
			*longest_out = length - begun;
		strings++;
	}
	value[length] = '\0';
	return strings;
}

static const struct {
	const char *name;
	size_t octets;  /* of the record */
	size_t strings; /* 0: a phrase instead */
} sizes[] = {
	{ "one string", 255 - 14, 1 },
	{ "an octet more", 256 - 14, 2 },
	{ "two strings", 510 - 14, 2 },
	{ "three strings", 511 - 14, 3 },
	{ "the longest that is shown", 2000, 8 },
	{ "one that is too long", 2001, 0 },
	{ "a record of 32 kB", 32768, 0 },
};

static void
long_records_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct words_case c = { .name = sizes[i].name, REJECT };
		char *record, *value;
		struct preflight_judgement judgement;
		size_t strings, longest;
		struct arena arena;
		const char *mend;

		arena_init(&arena, 1 << 20);
		record = arena_alloc(&arena, sizes[i].octets + 1);
		value = arena_alloc(&arena, sizes[i].octets + 64);
		assert_true(record != NULL && value != NULL);
		memset(record, 'a', sizes[i].octets);
		memcpy(record, "v=spf1 a:", 9);
		memcpy(record + sizes[i].octets - 5, " -all", 5);
		c.spf[0] = (struct words_outcome){ .address = "192.0.2.1",
			.result = SPF_FAIL,
			.record = record,
			.mechanism = "-all",
			.where = "example.com" };
		judgement = words_judge(&c, &arena);
		mend = judgement.reasons[0].mend;
		assert_non_null(mend);
		if (sizes[i].strings == 0) {
			assert_string_equal(mend,
			    "add ip4:192.0.2.1 to the SPF record of "
			    "example.com, near its beginning");
			arena_clear(&arena);
			continue;
		}
		strings = read_strings(mend, value, &longest);
		if (strings != sizes[i].strings || longest > 255
		    || (strchr(mend, '(') != NULL) != (strings > 1))
			fail_msg("%s: wanted %zu strings, got %zu, the longest "
				 "of %zu: %s",
			    sizes[i].name, sizes[i].strings, strings, longest,
			    mend);
		assert_int_equal(strlen(value), sizes[i].octets + 14);
		assert_string_equal(
		    value + strlen(value) - 19, " ip4:192.0.2.1 -all");
		arena_clear(&arena);
	}
}

/* As posternctl genkey writes it. */
static void
keys_are_split(void **state)
{
	static char b64[393];
	static const struct dkim_key_wanted wanted = { .domain = "example.com",
		.selector = "s1",
		.type = DKIM_KEY_RSA,
		.public_b64 = b64 };
	static const struct dkim_key_finding key = { .state = DKIM_KEY_MISSING,
		.name = "s1._domainkey.example.com" };
	static const struct preflight_signature signature = { .domain =
								  "example.com",
		.selector = "s1",
		.is_ours = true,
		.state = PREFLIGHT_FAILS,
		.key = &key,
		.wanted = &wanted };
	static const bool is_used[PREFLIGHT_PROFILES] = { true, false, false };
	static const char begins[] =
	    "s1._domainkey.example.com. IN TXT ( \"v=DKIM1; k=rsa; p=MMMM";
	struct dmarc_outcome dmarc = { .by = { { .status = DMARC_FOUND } } };
	const struct preflight_author author = { .domain = "example.com",
		.dmarc = &dmarc };
	const struct preflight_evidence evidence = { .signatures = &signature,
		.signature_count = 1,
		.authors = &author,
		.author_count = 1,
		.sender_domain = "example.com" };
	struct preflight_judgement judgement;
	size_t strings, longest;
	struct arena arena;
	const char *mend;
	char value[512];

	(void)state;
	memset(b64, 'M', sizeof(b64) - 1);
	arena_init(&arena, 1 << 20);
	assert_true(preflight_judge(&evidence, is_used, &arena, &judgement));
	for (size_t i = 0; i < judgement.reason_count; i++) {
		if (judgement.reasons[i].kind != PREFLIGHT_DKIM_KEY)
			continue;
		mend = judgement.reasons[i].mend;
		assert_non_null(mend);
		assert_memory_equal(mend, begins, strlen(begins));
		assert_string_equal(mend + strlen(mend) - 4, "M\" )");
		strings = read_strings(mend, value, &longest);
		assert_int_equal(strings, 2);
		assert_int_equal(longest, 255);
		assert_int_equal(
		    strlen(value), strlen("v=DKIM1; k=rsa; p=") + 392);
		arena_clear(&arena);
		return;
	}
	fail_msg("wanted that the key isn't published, got no such reason");
}

/* A DNS in which example.com has the records given, of which the second may be
 * NULL; an include that never ends, and eleven MX records. */
static void
answer(struct spf *spf, const char *const records[2])
{
	const struct dns_question *question = spf_machine.asks(spf);
	struct dns_record found[MX_RECORDS] = { 0 };
	struct dns_answer answer = { .status = DNS_NXDOMAIN, .records = found };

	if (strcmp(question->name, "example.com") == 0) {
		for (size_t i = 0; i < 2 && records[i] != NULL; i++)
			found[answer.count++].text = records[i];
	} else if (strcmp(question->name, "again.example") == 0) {
		found[answer.count++].text = "v=spf1 include:again.example";
	} else if (question->type == DNS_MX
	    && strcmp(question->name, "many.example") == 0) {
		while (answer.count < MX_RECORDS)
			found[answer.count++].name = "mx.example";
	}
	for (size_t i = 0; i < answer.count && found[i].text != NULL; i++)
		found[i].text_length = strlen(found[i].text);
	if (answer.count > 0)
		answer.status = DNS_FOUND;
	spf_machine.answer(spf, &answer);
}

static const struct spf_outcome *
run_records(const char *const records[2], struct arena *arena)
{
	static struct spf_identity identity = { .domain = "example.com",
		.helo = "mx.example.com" };
	struct spf *spf;

	assert_true(network_address("192.0.2.99", &identity.client));
	spf = spf_begin(&identity, arena);
	assert_non_null(spf);
	while (spf_machine.asks(spf) != NULL)
		answer(spf, records);
	return spf_outcome(spf);
}

static const char *
mend_of(const struct spf_outcome *outcome, struct arena *arena)
{
	const struct preflight_spf spf = { .address = "192.0.2.99",
		.outcome = outcome };
	const struct preflight_evidence evidence = { .spf = &spf,
		.spf_count = 1 };

	return preflight_mend_broken(&evidence, outcome, arena);
}

/* What is to be published makes it pass. */
static void
broken_records_are_mended(void **state)
{
	static const char *const rows[][2] = {
		{ "v=spf1 include:again.example -all", NULL },
		{ "v=spf1  redirect=again.example", NULL },
		{ "v=spf1 a:x.example a:y.example a:z.example", NULL },
		{ "v=spf1 mx:many.example -all", NULL },
		{ "v=spf1 a:x.example -all", "v=spf1 -a:x.example ~all" },
		{ "v=spf1", "V=SPF1 -all" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *records[2] = { NULL, NULL };
		const struct spf_outcome *outcome;
		struct arena arena;
		const char *line, *begin;

		arena_init(&arena, 1 << 20);
		outcome = run_records(rows[i], &arena);
		assert_int_equal(outcome->result, SPF_PERMERROR);
		line = mend_of(outcome, &arena);
		begin = strstr(line, "example.com. IN TXT \"v=spf1 ip4:");
		if (begin != line)
			fail_msg(
			    "%s: wanted a record, got %s", rows[i][0], line);
		begin = strchr(line, '"') + 1;
		records[0] = arena_copy(
		    &arena, begin, (size_t)(strrchr(line, '"') - begin));
		outcome = run_records(records, &arena);
		if (outcome->result != SPF_PASS)
			fail_msg("%s: wanted pass, got %s: %s", records[0],
			    spf_result_name(outcome->result), outcome->problem);
		arena_clear(&arena);
	}
}

/* Those that no record is offered for. */
static void
other_mends_name_what_is_wrong(void **state)
{
	static const char *const rows[][3] = {
		{ "v=spf1 ip4:192.0.2.1/33 -all", NULL,
		    "correct \"ip4:192.0.2.1/33\" in the SPF record of "
		    "example.com" },
		{ "v=spf1 include:nowhere.example -all", NULL,
		    "correct the SPF record of example.com" },
		{ "v=spf1 -all", "v=spf1 x:y -all",
		    "leave one SPF record of example.com, with "
		    "ip4:192.0.2.99 in it" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct arena arena;

		arena_init(&arena, 1 << 20);
		assert_string_equal(
		    mend_of(run_records(rows[i], &arena), &arena), rows[i][2]);
		arena_clear(&arena);
	}
}

static const struct {
	const char *name;
	bool want;
} names[] = {
	{ "example.com", true },
	{ "_dmarc.example.com", true },
	{ "xn--bcher-kva.example", true },
	{ "A.example", true },
	{ "", false },
	{ ".", false },
	{ "example.com.", false },
	{ "a b.example", false },
	{ "a\".example", false },
	{ "a;b.example", false },
	{ "\\065.example", false },
	{ "$ORIGIN", false },
	{ "@", false },
	{ "a\n.example", false },
	{ "[192.0.2.1]", false },
	{ "b\xc3\xbc.example", false },
};

static void
zone_names_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (zone_line_is_name(names[i].name) != names[i].want)
			fail_msg("\"%s\": wanted that it %s be written, got "
				 "the opposite",
			    names[i].name, names[i].want ? "can" : "can't");
}

static void
zone_lines_hold_any_octets(void **state)
{
	char all[256], value[512];
	struct arena arena;
	const char *line;
	size_t longest;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 1);
	arena_init(&arena, 1 << 16);
	line = zone_line_txt(&arena, "a.example", all, 255);
	assert_non_null(line);
	for (const char *at = line; *at != '\0'; at++)
		assert_in_range(*at, 0x20, 0x7e);
	assert_int_equal(read_strings(line, value, &longest), 1);
	assert_string_equal(value, all);
	line = zone_line_txt(&arena, "a.example", "", 0);
	assert_string_equal(line, "a.example. IN TXT \"\"");
	line = zone_line_txt(&arena, "a.example", "\0", 1);
	assert_string_equal(line, "a.example. IN TXT \"\\000\"");
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_records_are_split),
		cmocka_unit_test(keys_are_split),
		cmocka_unit_test(broken_records_are_mended),
		cmocka_unit_test(other_mends_name_what_is_wrong),
		cmocka_unit_test(zone_names_are_told),
		cmocka_unit_test(zone_lines_hold_any_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
