/* What verify makes of one signature: made by our signer and altered, and by
 * hand in all the forms that RFC 6376 allows and forbids. */
#include "milter/io/verify_field.h"
#include "tests/unit/verify_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- by our own signer --------------------------------------------------- */

static const char *const from_to_subject[] = { "From", "To", "Subject" };
static const char *const from_only[] = { "From" };

static struct signing_rules
rules_of(enum canonicalization header, enum canonicalization body)
{
	return (struct signing_rules){
		.header_canon = header,
		.body_canon = body,
		.headers = { from_to_subject, COUNT(from_to_subject) },
		.oversign = { from_only, COUNT(from_only) },
	};
}

static const struct test_message original = {
	.fields = { { "Received", " from x\n\tby y" },
	    { "From", " \"J. Doe\" <j@a.example>" },
	    { "To", " a@b.example,\n\tc@d.example" },
	    { "Subject", "  Two  words\n\tand a fold " } },
	.body = "One line \t of text\r\n\r\n  another \r\n\r\n\r\n",
};

enum canon_set { NONE = 0, SIMPLE = 1, RELAXED = 2, BOTH = 3 };

/* The message as it arrives; which canonicalizations of the header, and of the
 * body, take it for the original. */
struct change {
	const char *name;
	struct test_message message;
	enum canon_set header;
	enum canon_set body;
};

#define FROM                                        \
	{                                           \
		"From", " \"J. Doe\" <j@a.example>" \
	}
#define TO                                           \
	{                                            \
		"To", " a@b.example,\n\tc@d.example" \
	}
#define SUBJECT                                          \
	{                                                \
		"Subject", "  Two  words\n\tand a fold " \
	}
#define BODY "One line \t of text\r\n\r\n  another \r\n\r\n\r\n"

static const struct change changes[] = {
	{ "unchanged", { { FROM, TO, SUBJECT }, BODY, 0 }, BOTH, BOTH },
	{ "fields added above",
	    { { { "Received", " from b" }, { "List-Id", " <l.b.example>" },
		  FROM, TO, SUBJECT },
		BODY, 0 },
	    BOTH, BOTH },
	{ "fields in another order", { { SUBJECT, TO, FROM }, BODY, 0 }, BOTH,
	    BOTH },
	{ "unfolded",
	    { { FROM, TO, { "Subject", "  Two  words\tand a fold " } }, BODY,
		0 },
	    RELAXED, BOTH },
	{ "blanks in a field",
	    { { FROM, TO, { "Subject", " Two words and a fold" } }, BODY, 0 },
	    RELAXED, BOTH },
	{ "case of a name",
	    { { FROM, TO, { "SUBJECT", "  Two  words\n\tand a fold " } }, BODY,
		0 },
	    RELAXED, BOTH },
	{ "a blank before the colon",
	    { { FROM, TO, { "Subject ", "  Two  words\n\tand a fold " } }, BODY,
		0 },
	    RELAXED, BOTH },
	{ "a field altered",
	    { { FROM, TO, { "Subject", "  Two  words\n\tand a folD " } }, BODY,
		0 },
	    NONE, BOTH },
	{ "a tag in the subject",
	    { { FROM, TO, { "Subject", " [l]  Two  words\n\tand a fold " } },
		BODY, 0 },
	    NONE, BOTH },
	{ "a field removed", { { FROM, TO }, BODY, 0 }, NONE, BOTH },
	{ "a second Subject above",
	    { { { "Subject", " x" }, FROM, TO, SUBJECT }, BODY, 0 }, BOTH,
	    BOTH },
	{ "a second Subject below",
	    { { FROM, TO, SUBJECT, { "Subject", " x" } }, BODY, 0 }, NONE,
	    BOTH },
	{ "a second From above",
	    { { { "From", " x@b.example" }, FROM, TO, SUBJECT }, BODY, 0 },
	    NONE, BOTH },
	{ "another From",
	    { { { "From", " x@a.example" }, TO, SUBJECT }, BODY, 0 }, NONE,
	    BOTH },
	{ "no From", { { TO, SUBJECT }, BODY, 0 }, NONE, BOTH },
	{ "blanks in the body",
	    { { FROM, TO, SUBJECT }, "One line of\ttext \r\n\r\n another\r\n",
		0 },
	    BOTH, RELAXED },
	{ "line ends at the end",
	    { { FROM, TO, SUBJECT },
		"One line \t of text\r\n\r\n  another \r\n", 0 },
	    BOTH, BOTH },
	{ "no line end at the end",
	    { { FROM, TO, SUBJECT }, "One line \t of text\r\n\r\n  another ",
		0 },
	    BOTH, BOTH },
	{ "body altered",
	    { { FROM, TO, SUBJECT },
		"One line \t of Text\r\n\r\n  another \r\n\r\n\r\n", 0 },
	    BOTH, NONE },
	{ "a footer",
	    { { FROM, TO, SUBJECT },
		"One line \t of text\r\n\r\n  another \r\n\r\n\r\n-- \r\nl\r\n",
		0 },
	    BOTH, NONE },
	{ "no body", { { FROM, TO, SUBJECT }, "", 0 }, BOTH, NONE },
};

static void
check_change(const struct change *c, const char *signature,
    const struct signing_rules *rules, size_t piece)
{
	enum canon_set header =
	    rules->header_canon == CANON_RELAXED ? RELAXED : SIMPLE;
	enum canon_set body =
	    rules->body_canon == CANON_RELAXED ? RELAXED : SIMPLE;
	bool is_header_same = (c->header & header) != 0;
	struct verified verified;
	char name[128];

	snprintf(name, sizeof(name), "%s, %d/%d, pieces of %zu", c->name,
	    header, body, piece);
	verify_message(signature, &c->message, piece, &verified);
	assert_true(verified.is_wanted);
	if (!is_header_same)
		verify_expect(name, &verified, VERIFY_BAD, "the header");
	else if ((c->body & body) == 0)
		verify_expect(name, &verified, VERIFY_BAD, "the body");
	else
		verify_expect(name, &verified, VERIFY_GOOD, "");
}

static void
check_changes(enum which_key key)
{
	for (int which = 0; which < 4; which++) {
		struct signing_rules rules =
		    rules_of(which & 1 ? CANON_RELAXED : CANON_SIMPLE,
			which & 2 ? CANON_RELAXED : CANON_SIMPLE);
		char *signature =
		    verify_sign_ours(key, "a.example", NULL, &rules, &original);

		for (size_t i = 0; i < COUNT(changes); i++)
			for (size_t piece = 0; piece < 4; piece++)
				check_change(
				    &changes[i], signature, &rules, piece);
		free(signature);
	}
}

static void
test_rsa(void **state)
{
	(void)state;
	verify_dns_reset();
	check_changes(SIGNER_RSA);
}

static void
test_ed25519(void **state)
{
	(void)state;
	verify_dns_reset();
	check_changes(SIGNER_ED25519);
}

/* Whatever our signer writes into i= is read back. */
static void
test_identities(void **state)
{
	static const char *const identities[] = { "@a.example",
		"joe@news.a.example", "j;o=e@a.example", "\"j e\"@a.example",
		"j\xc3\xb6@b\xc3\xbc.a.example", NULL };
	char longest[VERIFY_IDENTITY_OCTETS + 1];
	const size_t local = sizeof(longest) - sizeof("@a.example");

	(void)state;
	verify_dns_reset();
	memset(longest, 'l', local);
	memcpy(longest + local, "@a.example", sizeof("@a.example"));
	for (size_t i = 0; i < 4 * COUNT(identities); i++) {
		const char *identity = identities[i / 4];
		struct signing_rules rules = rules_of(
		    i & 1 ? CANON_RELAXED : CANON_SIMPLE, CANON_SIMPLE);
		struct verified verified;
		char *signature;

		if (identity == NULL)
			identity = longest;
		signature =
		    verify_sign_ours(i & 2 ? SIGNER_RSA : SIGNER_ED25519,
			"a.example", identity, &rules, &original);
		assert_non_null(strstr(signature, "i="));
		verify_message(signature, &original, 0, &verified);
		verify_expect(identity, &verified, VERIFY_GOOD, "");
		free(signature);
	}
}

/* ---- by hand ------------------------------------------------------------- */

#define SIMPLE_HEADER \
	"From: J <j@a.example>\r\nTo: t@b.example\r\nSubject: Hello\r\n"
#define SIGNED(more) SIGNATURE_START "d=a.example; " more SIGNATURE_END

struct hand_case {
	const char *name;
	const char *value;
	enum verify_state state;
	const char *words;
	const char *header;      /* that is hashed; NULL: PLAIN_HEADER */
	const char *hashed_body; /* NULL: the message's */
	enum which_key key;
	bool is_partial;
};

static const struct hand_case hand_cases[] = {
	{ .name = "good", .value = SIGNED("") },
	{ .name = "good, Ed25519",
	    .value = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=a.example; "
		     "s=ed; " SIGNATURE_END,
	    .key = SIGNER_ED25519 },
	{ .name = "no blanks",
	    .value = "v=1;a=rsa-sha256;c=relaxed/relaxed;d=a.example;s=rsa;"
		     "h=from:to:subject;bh=#H;b=#B" },
	{ .name = "a semicolon at the end", .value = SIGNED("") ";" },
	{ .name = "tags in another order",
	    .value = "b=#B; bh=#H; h=from:to:subject; s=rsa; d=a.example; "
		     "c=relaxed/relaxed; a=rsa-sha256; v=1" },
	{ .name = "words in another case",
	    .value = "v=1; a=RSA-SHA256; c=Relaxed/Relaxed; d=A.Example; "
		     "s=RSA; h=FROM:To:subject; bh=#H; b=#B" },
	{ .name = "unknown tags", .value = SIGNED("foo=bar; z=a:b|c; ") },
	{ .name = "empty unknown tag", .value = SIGNED("foo=; ") },
	{ .name = "blanks in h=",
	    .value = SIGNATURE_START
	    "d=a.example; h=from : to : subject; bh=#H; b=#B" },
	{ .name = "c= without the body's half: simple",
	    .value = "v=1; a=rsa-sha256; c=relaxed; d=a.example; "
		     "s=rsa; " SIGNATURE_END },
	{ .name = "no c=: simple",
	    .value = "v=1; a=rsa-sha256; d=a.example; s=rsa; " SIGNATURE_END
		     "; foo=c=simple",
	    .header = SIMPLE_HEADER },
	{ .name = "c=simple",
	    .value = "v=1; a=rsa-sha256; c=simple; d=a.example; "
		     "s=rsa; " SIGNATURE_END,
	    .header = SIMPLE_HEADER },
	{ .name = "q=", .value = SIGNED("q=dns/txt; ") },
	{ .name = "q= with others", .value = SIGNED("q=foo/bar : dns/txt; ") },
	{ .name = "t= and x=", .value = SIGNED("t=#P; x=#F; ") },
	{ .name = "x= without t=", .value = SIGNED("x=#F; ") },
	{ .name = "i= is d=", .value = SIGNED("i=@a.example; ") },
	{ .name = "i= with a local part", .value = SIGNED("i=j@a.example; ") },
	{ .name = "i= within d=", .value = SIGNED("i=j@b.A.example; ") },
	{ .name = "i= quoted", .value = SIGNED("i=j=3Dk@a.example; ") },
	{ .name = "l= of all", .value = SIGNED("l=4; ") },
	{ .name = "l= of a part",
	    .value = SIGNED("l=2; "),
	    .hashed_body = "Hi",
	    .is_partial = true },
	{ .name = "l=0",
	    .value = SIGNED("l=0; "),
	    .hashed_body = "",
	    .is_partial = true },
	{ .name = "fields that aren't there",
	    .value = SIGNATURE_START
	    "d=a.example; h=from:to:subject:cc:from:x; bh=#H; b=#B" },
	{ .name = "only From is covered",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=#H; b=#B",
	    .header = "from:J <j@a.example>\r\n" },
	{ .name = "all fields and more of its own kind",
	    .value = SIGNATURE_START
	    "d=a.example; h=from:to:subject:x:y:z; bh=#H; b=#B" },

	/* bad, whoever checks it */
	{ .name = "the hash of another body",
	    .value = SIGNED(""),
	    .hashed_body = "Ho\r\n",
	    .state = VERIFY_BAD,
	    .words = "body" },
	{ .name = "another header",
	    .value = SIGNED(""),
	    .header = "from:K <j@a.example>\r\n",
	    .state = VERIFY_BAD,
	    .words = "header" },
	{ .name = "another key",
	    .value = SIGNED(""),
	    .key = SIGNER_RSA_OTHER,
	    .state = VERIFY_BAD,
	    .words = "key is another" },
	{ .name = "l= beyond the body",
	    .value = SIGNED("l=5; "),
	    .state = VERIFY_BAD,
	    .words = "length" },
	{ .name = "l= far beyond the body",
	    .value = SIGNED("l=9223372036854775812; "),
	    .state = VERIFY_BAD,
	    .words = "longer than the body" },
	{ .name = "l= no number",
	    .value = SIGNED("l=-1; "),
	    .state = VERIFY_BAD,
	    .words = "l=" },
	{ .name = "expired",
	    .value = SIGNED("t=#L; x=#P; "),
	    .state = VERIFY_BAD,
	    .words = "expired" },
	{ .name = "made in the future",
	    .value = SIGNED("t=#F; "),
	    .state = VERIFY_BAD,
	    .words = "future" },
	{ .name = "ends before it begins",
	    .value = SIGNED("t=#G; x=#F; "),
	    .state = VERIFY_BAD,
	    .words = "future" },
	{ .name = "i= elsewhere",
	    .value = SIGNED("i=j@b.example; "),
	    .state = VERIFY_BAD,
	    .words = "within d=" },
	{ .name = "i= ends like d=",
	    .value = SIGNED("i=j@ba.example; "),
	    .state = VERIFY_BAD,
	    .words = "within d=" },
	{ .name = "i= above d=",
	    .value = SIGNED("i=j@example; "),
	    .state = VERIFY_BAD,
	    .words = "within d=" },
	{ .name = "i= broken at its end",
	    .value = SIGNED("i=j@a.example=; "),
	    .state = VERIFY_BAD,
	    .words = "i=" },
	{ .name = "i= broken before its end",
	    .value = SIGNED("i=j@a.example=4; "),
	    .state = VERIFY_BAD,
	    .words = "i=" },
	{ .name = "i= with a NUL",
	    .value = SIGNED("i==00j@a.example; "),
	    .state = VERIFY_BAD,
	    .words = "i=" },
	{ .name = "i= without a domain",
	    .value = SIGNED("i=j; "),
	    .state = VERIFY_BAD,
	    .words = "i=" },
	{ .name = "From isn't covered",
	    .value = SIGNATURE_START "d=a.example; h=to:subject; bh=#H; b=#B",
	    .state = VERIFY_BAD,
	    .words = "From" },
	{ .name = "something like From is covered",
	    .value = SIGNATURE_START "d=a.example; h=fro:fromm:to; bh=#H; b=#B",
	    .state = VERIFY_BAD,
	    .words = "From" },
	{ .name = "sha1",
	    .value = "v=1; a=rsa-sha1; c=relaxed/relaxed; d=a.example; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "RFC 8301" },
	{ .name = "unknown algorithm",
	    .value = "v=1; a=rsa-sha512; d=a.example; s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "a=" },
	{ .name = "the key is of another kind",
	    .value = "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=a.example; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "kind" },
	{ .name = "unknown canonicalization",
	    .value = "v=1; a=rsa-sha256; c=nofws; d=a.example; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "c=" },
	{ .name = "unknown canonicalization of the body",
	    .value = "v=1; a=rsa-sha256; c=relaxed/nofws; d=a.example; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "c=" },
	{ .name = "another version",
	    .value = "v=2; a=rsa-sha256; d=a.example; s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "v=" },
	{ .name = "q= without the DNS",
	    .value = SIGNED("q=http; "),
	    .state = VERIFY_BAD,
	    .words = "q=" },
	{ .name = "a tag twice",
	    .value = SIGNED("d=a.example; "),
	    .state = VERIFY_BAD,
	    .words = "twice" },
	{ .name = "an empty tag",
	    .value = SIGNED("; "),
	    .state = VERIFY_BAD,
	    .words = "list of tags" },
	{ .name = "a tag without =",
	    .value = SIGNED("foo; "),
	    .state = VERIFY_BAD,
	    .words = "list of tags" },
	{ .name = "blanks within d=",
	    .value = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a. example; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "blanks" },
	{ .name = "no b=",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=#H",
	    .state = VERIFY_BAD,
	    .words = "b=" },
	{ .name = "b= empty",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=#H; b=",
	    .state = VERIFY_BAD,
	    .words = "b=" },
	{ .name = "b= no base64",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=#H; b=!#B",
	    .state = VERIFY_BAD,
	    .words = "b=" },
	{ .name = "b= cut",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=#H; b=AAAA",
	    .state = VERIFY_BAD,
	    .words = "header" },
	{ .name = "bh= of another length",
	    .value = SIGNATURE_START "d=a.example; h=from; bh=AAAA; b=#B",
	    .state = VERIFY_BAD,
	    .words = "bh=" },
	{ .name = "no key there",
	    .value = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.example; "
		     "s=none; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "no key at none._domainkey.a.example" },
	{ .name = "d= with a last dot",
	    .value = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=a.example.; "
		     "s=rsa; " SIGNATURE_END,
	    .state = VERIFY_BAD,
	    .words = "d=" },

	/* not bad by the RFC, but libopendkim errs */
	{ .name = "blanks before the = of b=",
	    .value =
		SIGNATURE_START "d=a.example; h=from:to:subject; bh=#H; b =#B",
	    .state = VERIFY_LOST,
	    .words = "b=" },
	{ .name = "a tag whose name ends in b",
	    .value = SIGNED("zb=x; "),
	    .state = VERIFY_LOST,
	    .words = "b=" },
	{ .name = "a tag in upper case",
	    .value = SIGNED("D=b.example; "),
	    .state = VERIFY_LOST,
	    .words = "upper case" },
	{ .name = "t= soon after the epoch",
	    .value = SIGNED("t=1; "),
	    .state = VERIFY_LOST,
	    .words = "t=" },
	{ .name = "x= at the end of days",
	    .value = SIGNED("x=99999999999999999999999; "),
	    .state = VERIFY_LOST,
	    .words = "x=" },
	{ .name = "U-labels",
	    .value = "v=1; a=rsa-sha256; c=relaxed/relaxed; "
		     "d=b\xc3\xbc"
		     "cher.a.example; s=rsa; " SIGNATURE_END,
	    .state = VERIFY_LOST,
	    .words = "ASCII" },
	{ .name = "i= with two @",
	    .value = SIGNED("i=\"j@k\"@a.example; "),
	    .state = VERIFY_LOST,
	    .words = "i=" },
};

static void
test_by_hand(void **state)
{
	(void)state;
	verify_dns_reset();
	for (size_t i = 0; i < COUNT(hand_cases); i++) {
		const struct hand_case *c = &hand_cases[i];
		char *signature = verify_sign(c->key, c->value,
		    c->header != NULL ? c->header : PLAIN_HEADER,
		    c->hashed_body != NULL ? c->hashed_body
					   : verify_plain.body);
		struct verified verified;

		verify_message(signature, &verify_plain, 0, &verified);
		verify_expect(c->name, &verified, c->state,
		    c->words != NULL ? c->words : "");
		if (verified.all[0].is_partial != c->is_partial)
			fail_msg(
			    "%s: wanted partial %d", c->name, c->is_partial);
		free(signature);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_ed25519),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_by_hand),
	};

	return cmocka_run_group_tests(tests, verify_make, verify_free);
}
