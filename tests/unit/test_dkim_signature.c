/* The DKIM-Signature field in writing (RFC 6376 §3.5). That it is what
 * libopendkim writes is compared where both sign. */
#include "policy/canon.h"
#include "policy/dkim_signature.h"
#include "tests/unit/canon_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Octets of base64. */
#define B11 "abcdefghijk"
#define B22 B11 B11
#define B44 B22 B22
#define B88 B44 B44

enum {
	TEXT_OCTETS = 8192,
	COLUMNS_MOST = 76, /* 75, and the space that isn't counted */
	DOMAIN_MOST = 64,  /* that fits on a line */
	ED25519_B64 = 88,
	RSA_2048_B64 = 344,
};

static const struct {
	const char *name;
	struct dkim_signature signature;
	const char *b64;
	const char *hashed;
	const char *value;
} cases[] = {
	{
	    .name = "RSA, relaxed/simple",
	    .signature = { .type = DKIM_KEY_RSA,
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_SIMPLE,
		.domain = "a.example",
		.selector = "s1",
		.time_s = 1700000000,
		.covered = "From:To:From",
		.body_b64 = B44 },
	    .b64 = B88 B88,
	    .hashed = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; "
		      "d=a.example; s=s1;\r\n"
		      "\tt=1700000000; bh=" B44 ";\r\n"
		      "\th=From:To:From;\r\n"
		      "\tb=",
	    .value = " v=1; a=rsa-sha256; c=relaxed/simple; d=a.example; "
		     "s=s1;\n"
		     "\tt=1700000000; bh=" B44 ";\n"
		     "\th=From:To:From;\n"
		     "\tb=" B44 "abcdefghijkabcdefghij\n"
		     "\t k" B44 "abcdefghijkabcdefghij\n"
		     "\t k" B44,
	},
	{
	    .name = "Ed25519, relaxed/relaxed: the fold before b= is a blank",
	    .signature = { .type = DKIM_KEY_ED25519,
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_RELAXED,
		.domain = "a.example",
		.selector = "s1",
		.time_s = 7,
		.expire_s = 86400,
		.covered = "From",
		.body_b64 = B44 },
	    .b64 = B88,
	    .hashed = "DKIM-Signature: v=1; a=ed25519-sha256; "
		      "c=relaxed/relaxed; d=a.example; s=s1;\r\n"
		      "\tt=7; x=86407; bh=" B44 ";\r\n"
		      "\th=From; b=",
	    .value = " v=1; a=ed25519-sha256; c=relaxed/relaxed; "
		     "d=a.example; s=s1;\n"
		     "\tt=7; x=86407; bh=" B44 ";\n"
		     "\th=From;\n"
		     "\tb=" B44 "abcdefghijkabcdefghij\n"
		     "\t kabcdefghijk" B11,
	},
	{
	    .name = "Ed25519, simple/simple: the fold goes behind b=",
	    .signature = { .type = DKIM_KEY_ED25519,
		.header_canon = CANON_SIMPLE,
		.body_canon = CANON_SIMPLE,
		.domain = "a.example",
		.selector = "s1",
		.time_s = 7,
		.covered = "From",
		.body_b64 = B44 },
	    .b64 = B88,
	    .hashed = "DKIM-Signature: v=1; a=ed25519-sha256; "
		      "c=simple/simple; d=a.example; s=s1;\r\n"
		      "\tt=7; bh=" B44 "; h=From; b=",
	    .value = " v=1; a=ed25519-sha256; c=simple/simple; "
		     "d=a.example; s=s1;\n"
		     "\tt=7; bh=" B44 "; h=From; b=\n"
		     "\t" B44 "abcdefghijkabcdefghij\n"
		     "\t kabcdefghijk" B11,
	},
	{
	    .name = "i= stands behind x=, and isn't folded",
	    .signature = { .type = DKIM_KEY_RSA,
		.header_canon = CANON_SIMPLE,
		.body_canon = CANON_SIMPLE,
		.domain = "a.example",
		.selector = "s1",
		.identity = B88 "=3B@sub.a.example",
		.time_s = 7,
		.expire_s = 1,
		.covered = "From",
		.body_b64 = B44 },
	    .b64 = B11,
	    .hashed = "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; "
		      "d=a.example; s=s1; t=7;\r\n"
		      "\tx=8;\r\n"
		      "\ti=" B88 "=3B@sub.a.example;\r\n"
		      "\tbh=" B44 "; h=From;\r\n"
		      "\tb=",
	    .value = " v=1; a=rsa-sha256; c=simple/simple; d=a.example; "
		     "s=s1; t=7;\n"
		     "\tx=8;\n"
		     "\ti=" B88 "=3B@sub.a.example;\n"
		     "\tbh=" B44 "; h=From;\n"
		     "\tb=" B11,
	},
	{
	    .name = "h= is folded between names, long ones too",
	    .signature = { .type = DKIM_KEY_RSA,
		.header_canon = CANON_SIMPLE,
		.body_canon = CANON_RELAXED,
		.domain = "a.example",
		.selector = "s1",
		.time_s = 7,
		.covered = "From:To:Subject:Date:Message-ID:MIME-Version:"
			   "Content-Type:X-" B88 ":List-Unsubscribe:From",
		.body_b64 = B44 },
	    .b64 = B11,
	    .hashed = "DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; "
		      "d=a.example; s=s1; t=7;\r\n"
		      "\tbh=" B44 ";\r\n"
		      "\th=From:To:Subject:Date:Message-ID:MIME-Version:"
		      "Content-Type:\r\n"
		      "\t X-" B88 ":\r\n"
		      "\t List-Unsubscribe:From;\r\n"
		      "\tb=",
	    .value = " v=1; a=rsa-sha256; c=simple/relaxed; d=a.example; "
		     "s=s1; t=7;\n"
		     "\tbh=" B44 ";\n"
		     "\th=From:To:Subject:Date:Message-ID:MIME-Version:"
		     "Content-Type:\n"
		     "\t X-" B88 ":\n"
		     "\t List-Unsubscribe:From;\n"
		     "\tb=" B11,
	},
	{
	    .name = "the largest times; a selector that fills a line",
	    .signature = { .type = DKIM_KEY_RSA,
		.header_canon = CANON_RELAXED,
		.body_canon = CANON_RELAXED,
		.domain = "a.example",
		.selector = B88,
		.time_s = UINT64_MAX - 1,
		.expire_s = 1,
		.covered = "From",
		.body_b64 = B44 },
	    .b64 = B11,
	    .hashed = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; "
		      "d=a.example;\r\n"
		      "\ts=" B88 ";\r\n"
		      "\tt=18446744073709551614; x=18446744073709551615;\r\n"
		      "\tbh=" B44 "; h=From;\r\n"
		      "\tb=",
	    .value = " v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.example;\n"
		     "\ts=" B88 ";\n"
		     "\tt=18446744073709551614; x=18446744073709551615;\n"
		     "\tbh=" B44 "; h=From;\n"
		     "\tb=" B11,
	},
};

static void
expect(const char *name, const char *wanted, const char *got)
{
	if (strcmp(wanted, got) != 0)
		fail_msg("%s: wanted\n%s\ngot\n%s", name, wanted, got);
}

static void
table_holds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena arena;
		const char *hashed, *value;
		size_t length;

		arena_init(&arena, 1 << 20);
		hashed =
		    dkim_signature_hashed(&cases[i].signature, &arena, &length);
		assert_non_null(hashed);
		expect(cases[i].name, cases[i].hashed, hashed);
		assert_int_equal(length, strlen(hashed));
		value = dkim_signature_value(
		    &cases[i].signature, hashed, cases[i].b64, &arena);
		assert_non_null(value);
		expect(cases[i].name, cases[i].value, value);
		arena_clear(&arena);
	}
}

/* What a verifier hashes: the field with the value of b=, blanks and all, taken
 * out (§3.5, §3.7), in canonical form. */
static size_t
verifiers_form(
    enum canonicalization canon, const char *value, unsigned char *to)
{
	static unsigned char text[TEXT_OCTETS];
	const char *b = strstr(value, "b=");
	size_t length = strlen("DKIM-Signature:");

	while (b != NULL && b[-1] != ' ' && b[-1] != '\t')
		b = strstr(b + 1, "b=");
	assert_non_null(b);
	memcpy(text, "DKIM-Signature:", length);
	for (const char *at = value; at < b + 2; at++) {
		if (*at == '\n')
			text[length++] = '\r';
		text[length++] = (unsigned char)*at;
	}
	return canon_model_header(canon, text, length, false, to);
}

static size_t
signers_form(enum canonicalization canon, const char *hashed, size_t length,
    unsigned char *to)
{
	struct canon_gathered gathered = { .data = to, .room = TEXT_OCTETS };
	struct canon_sink sink;

	canon_sink_init(&sink, canon_gather, &gathered);
	canon_header(canon, hashed, length, false, &sink);
	canon_sink_flush(&sink);
	return gathered.length;
}

static void
expect_narrow(const char *value)
{
	size_t columns = strlen("DKIM-Signature:");

	for (const char *at = value; *at != '\0'; at++) {
		columns = *at == '\n' ? 0 : columns + (*at == '\t' ? 8 : 1);
		if (columns > COLUMNS_MOST)
			fail_msg("a line of more than %d columns in\n%s",
			    COLUMNS_MOST, value);
	}
}

/* The lines of a folded h= are as full as they may be: a name goes onto the
 * next one only if it, without the colon after it, would pass column 75. */
static void
expect_filled(const char *value)
{
	const char *line = strstr(value, "\n\th=");

	while (line != NULL) {
		const char *end = line + 2 + strcspn(line + 2, ";\n");
		bool is_last = *end == ';';
		/* The tab is eight columns. */
		size_t columns = (size_t)(end - line - 2 + 8 + is_last);
		size_t next;

		if (columns > (is_last ? 75 : 76))
			fail_msg("a line of h= has %zu columns in\n%s", columns,
			    value);
		if (is_last)
			return;
		line = end;
		next = strcspn(line + strlen("\n\t "), ":;");
		if (line[strlen("\n\t ") + next] == ';')
			next++;
		if (columns + next <= 75)
			fail_msg("a line of h= is left too soon in\n%s", value);
	}
}

/* Is what stands in h= what was to be covered? */
static void
expect_covered(const char *value, const char *covered)
{
	const char *at = strstr(value, "h=");

	while (at != NULL && at[-1] != ' ' && at[-1] != '\t')
		at = strstr(at + 1, "h=");
	assert_non_null(at);
	at += 2;
	for (; *covered != '\0'; at++)
		if (strchr(" \t\n", *at) == NULL && *at != *covered++)
			fail_msg("wanted h=...%s in\n%s", covered - 1, value);
	assert_int_equal(*at, ';');
}

static void
expect_verifiable(const struct dkim_signature *signature, size_t b64_octets)
{
	unsigned char signers[TEXT_OCTETS], verifiers[TEXT_OCTETS];
	char b64[RSA_2048_B64 + 1] = "";
	struct arena arena;
	const char *hashed, *value;
	size_t length, other;

	memset(b64, 'b', b64_octets);
	arena_init(&arena, 1 << 20);
	hashed = dkim_signature_hashed(signature, &arena, &length);
	assert_non_null(hashed);
	value = dkim_signature_value(signature, hashed, b64, &arena);
	assert_non_null(value);
	length = signers_form(signature->header_canon, hashed, length, signers);
	other = verifiers_form(signature->header_canon, value, verifiers);
	if (length != other || memcmp(signers, verifiers, length) != 0)
		fail_msg("signed is\n%s\nwritten is\n%s", hashed, value);
	expect_narrow(value);
	expect_filled(value);
	expect_covered(value, signature->covered);
	arena_clear(&arena);
}

/* Wherever the tags break, a verifier sees the form that was signed. */
static void
verifiers_see_what_was_signed(void **state)
{
	char domain[DOMAIN_MOST + 1], name[60], covered[256];

	(void)state;
	for (size_t i = 0; i < (size_t)DOMAIN_MOST * 8; i++) {
		struct dkim_signature signature = {
			.type = i % 2 == 0 ? DKIM_KEY_RSA : DKIM_KEY_ED25519,
			.header_canon =
			    i / 2 % 2 == 0 ? CANON_SIMPLE : CANON_RELAXED,
			.body_canon = CANON_SIMPLE,
			.domain = domain,
			.selector = "s",
			.identity = i % 3 == 0 ? "j=3Bo@b.example" : NULL,
			.time_s = 1700000000,
			.expire_s = i / 4 % 2,
			.covered = covered,
			.body_b64 = B44,
		};
		size_t octets = 1 + i / 8;

		memset(domain, 'd', octets);
		domain[octets] = '\0';
		for (size_t longest = 1; longest < 60; longest++) {
			memset(name, 'n', longest);
			name[longest] = '\0';
			snprintf(covered, sizeof(covered),
			    "From:To:Subject:Message-ID:MIME-Version:Cc:Date:"
			    "Content-Type:%s:Reply-To:References:%s",
			    name, name);
			expect_verifiable(&signature,
			    signature.type == DKIM_KEY_RSA ? RSA_2048_B64
							   : ED25519_B64);
		}
	}
}

static void
names_that_upset_tags_are_known(void **state)
{
	static const char *const good[] = { "a.example", "A-b_c.1", "s" };
	static const char *const bad[] = { "", "a;b", "a b", "a=b", "a\tb",
		"a\x01", "\xc3\xa4.example", "a\nb" };

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!dkim_signature_may_name(good[i]))
			fail_msg("%s isn't let through", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (dkim_signature_may_name(bad[i]))
			fail_msg("\"%s\" is let through", bad[i]);
}

static const struct {
	const char *identity;
	const char *wanted; /* as it stands in i=; NULL: refused */
	const char *words;
} identities[] = {
	{ "@a.example", "@a.example", NULL },
	{ "joe@a.example", "joe@a.example", NULL },
	{ "joe@news.a.example", "joe@news.a.example", NULL },
	{ "joe@A.EXAMPLE.", "joe@a.example", NULL },
	{ "j=o;e@a.example", "j=3Do=3Be@a.example", NULL },
	{ "=3B@a.example", "=3D3B@a.example", NULL },
	{ "\"j o\\\"e\"@a.example", "\"j=20o\\\"e\"@a.example", NULL },
	{ "!#$%&'*+-/?^_`{|}~:,<>@a.example",
	    "!#$%&'*+-/?^_`{|}~:,<>@a.example", NULL },
	{ "j\xc3\xb6@a.example", "j=C3=B6@a.example", NULL },
	{ "x@b\xc3\xbc.a.example", "x@xn--b-eha.a.example", NULL },
	{ "", NULL, "one \"@\"" },
	{ "joe", NULL, "one \"@\"" },
	{ "a.example", NULL, "one \"@\"" },
	{ "\"j@x\"@a.example", NULL, "one \"@\"" },
	{ "@", NULL, "its domain" },
	{ "joe@", NULL, "its domain" },
	{ "joe@.a.example", NULL, "its domain" },
	{ "joe@a..a.example", NULL, "its domain" },
	{ "joe@[192.0.2.1]", NULL, "its domain" },
	{ "joe@x;b=y.a.example", NULL, "its domain" },
	{ "joe@x y.a.example", NULL, "its domain" },
	{ "joe@x\ny.a.example", NULL, "its domain" },
	{ "joe@b.example", NULL, "isn't the key's" },
	{ "joe@xa.example", NULL, "isn't the key's" },
	{ "joe@example", NULL, "isn't the key's" },
	{ "joe@a.example.org", NULL, "isn't the key's" },
	{ "j\noe@a.example", NULL, "a control or no UTF-8" },
	{ "j\x01@a.example", NULL, "a control or no UTF-8" },
	{ "j\x7f@a.example", NULL, "a control or no UTF-8" },
	{ "j\xc2\x85@a.example", NULL, "a control or no UTF-8" },
	{ "j\xc3@a.example", NULL, "a control or no UTF-8" },
	{ "\xff@a.example", NULL, "a control or no UTF-8" },
	{ B88 B88 B44 B22 "abc@a.example", B88 B88 B44 B22 "abc@a.example",
	    NULL },
	{ B88 B88 B44 B22 "abcd@a.example", NULL, "too long" },
	{ B88 B88 B44 B22 "a;@a.example", NULL, "too long" },
};

static void
identities_upset_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(identities); i++) {
		const char *identity = identities[i].identity;
		struct fault fault = { .kind = FAULT_NONE };
		struct arena arena;
		const char *got;

		arena_init(&arena, 1 << 20);
		got = dkim_signature_identity(
		    identity, "a.example", &arena, &fault);
		if (identities[i].wanted != NULL)
			expect(identity, identities[i].wanted,
			    got != NULL ? got : fault.words);
		else if (got != NULL)
			fail_msg(
			    "%s: wanted it refused, got %s", identity, got);
		else if (fault.kind != FAULT_PERMANENT
		    || strstr(fault.words, identities[i].words) == NULL)
			fail_msg("%s: wanted %s, got %s", identity,
			    identities[i].words, fault.words);
		arena_clear(&arena);
	}
}

/* What is far too long is refused before it takes memory. */
static void
endless_identities_are_refused(void **state)
{
	enum { OCTETS = 1 << 20 };
	char *identity = malloc(OCTETS + sizeof("@a.example"));
	struct fault fault = { .kind = FAULT_NONE };
	struct arena arena;

	(void)state;
	assert_non_null(identity);
	memset(identity, 'l', OCTETS);
	memcpy(identity + OCTETS, "@a.example", sizeof("@a.example"));
	arena_init(&arena, 64);
	assert_null(
	    dkim_signature_identity(identity, "a.example", &arena, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	arena_clear(&arena);
	free(identity);
}

/* An arena without room gives NULL and says why, wherever it ends; never half
 * an identity. */
static void
identities_say_want_of_memory(void **state)
{
	const char *got = NULL;
	size_t cap = 0;

	(void)state;
	for (; got == NULL && cap < TEXT_OCTETS; cap += 16) {
		struct fault fault = { .kind = FAULT_NONE };
		struct arena arena;

		arena_init(&arena, cap);
		got = dkim_signature_identity(
		    B22 "@a.example", "a.example", &arena, &fault);
		if (got == NULL)
			assert_int_equal(FAULT_MEMORY, fault.kind);
		else
			assert_string_equal(B22 "@a.example", got);
		arena_clear(&arena);
	}
	assert_non_null(got);
}

/* Nor half a field. */
static void
fields_say_want_of_memory(void **state)
{
	struct arena arena;
	size_t length;

	(void)state;
	arena_init(&arena, 64);
	assert_null(
	    dkim_signature_hashed(&cases[0].signature, &arena, &length));
	assert_null(dkim_signature_value(
	    &cases[0].signature, cases[0].hashed, cases[0].b64, &arena));
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_holds),
		cmocka_unit_test(verifiers_see_what_was_signed),
		cmocka_unit_test(names_that_upset_tags_are_known),
		cmocka_unit_test(identities_upset_nothing),
		cmocka_unit_test(endless_identities_are_refused),
		cmocka_unit_test(identities_say_want_of_memory),
		cmocka_unit_test(fields_say_want_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
