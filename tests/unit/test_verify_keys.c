/* What verify makes of keys: what the DNS says, or doesn't. */
#include "tests/unit/verify_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct key_case {
	const char *name;
	const char *record; /* %s: the public key; NULL: nothing there */
	enum verify_state state;
	const char *words;
	const char *tags;
	enum which_key key;
	bool is_bare;
};

static const struct key_case key_cases[] = {
	{ .name = "p= only", .record = "p=%s" },
	{ .name = "all tags",
	    .record =
		"v=DKIM1; h=sha1:sha256; k=rsa; n=x; s=email; t=y; p=%s" },
	{ .name = "t=s, and i= is d=",
	    .record = "v=DKIM1; t=s; p=%s",
	    .tags = "i=j@a.example; " },
	{ .name = "t=s, and no i=", .record = "v=DKIM1; t=s; p=%s" },
	{ .name = "notes longer than libopendkim's buffer",
	    .record = "v=DKIM1; p=%s; n=" },
	{ .name = "t=s, and i= below d=",
	    .record = "v=DKIM1; t=s; p=%s",
	    .tags = "i=j@b.a.example; ",
	    .state = VERIFY_BAD,
	    .words = "t=s" },
	{ .name = "revoked",
	    .record = "v=DKIM1; p=",
	    .state = VERIFY_BAD,
	    .words = "at rsa._domainkey.a.example is revoked" },
	{ .name = "nothing there",
	    .state = VERIFY_BAD,
	    .words = "no key at rsa._domainkey.a.example" },
	{ .name = "no key",
	    .record = "v=spf1 -all",
	    .state = VERIFY_BAD,
	    .words = "no key" },
	{ .name = "no sha256",
	    .record = "v=DKIM1; h=sha1; p=%s",
	    .state = VERIFY_BAD,
	    .words = "h=" },
	{ .name = "not for mail",
	    .record = "v=DKIM1; s=tls; p=%s",
	    .state = VERIFY_BAD,
	    .words = "s=" },
	{ .name = "no key in it",
	    .record = "v=DKIM1; p=AAAA",
	    .state = VERIFY_BAD,
	    .words = "rsa._domainkey.a.example" },
	{ .name = "another kind",
	    .record = "v=DKIM1; k=ed25519; p=%s",
	    .state = VERIFY_BAD,
	    .words = "rsa._domainkey.a.example" },
	{ .name = "768 bits",
	    .record = "v=DKIM1; p=%s",
	    .key = SIGNER_RSA_SMALL,
	    .state = VERIFY_BAD,
	    .words = "1024 bits" },
	{ .name = "1024 bits",
	    .record = "v=DKIM1; p=%s",
	    .key = SIGNER_RSA_OTHER },
	{ .name = "a bare RSAPublicKey",
	    .record = "v=DKIM1; p=%s",
	    .is_bare = true,
	    .state = VERIFY_LOST,
	    .words = "form" },
	{ .name = "a key that libopendkim has no room for",
	    .record = "v=DKIM1; p=%s",
	    .key = SIGNER_RSA_LARGE,
	    .state = VERIFY_LOST,
	    .words = "length" },
};

static char *
record_of(const struct key_case *c)
{
	const char *public =
	    c->is_bare ? verify_public_bare(c->key) : verify_public(c->key);
	const char *at = strstr(c->record, "%s");
	size_t length = strlen(c->record);
	bool is_long = length > 2 && strcmp(c->record + length - 2, "n=") == 0;
	char *text;

	if (at == NULL)
		return strdup(c->record);
	assert_true(
	    asprintf(&text, "%.*s%s%s%*s", (int)(at - c->record), c->record,
		public, at + 2, is_long ? 1500 : 0, is_long ? "x" : "")
	    > 0);
	return text;
}

static void
test_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(key_cases); i++) {
		const struct key_case *c = &key_cases[i];
		char *record = c->record != NULL ? record_of(c) : NULL;
		char *signature;
		char *value;
		struct verified verified;

		verify_dns_reset();
		verify_dns_put("rsa._domainkey.a.example", record);
		assert_true(
		    asprintf(&value, "%sd=a.example; %s%s", SIGNATURE_START,
			c->tags != NULL ? c->tags : "", SIGNATURE_END)
		    > 0);
		signature =
		    verify_sign(c->key, value, PLAIN_HEADER, verify_plain.body);
		verify_message(signature, &verify_plain, 0, &verified);
		verify_expect(c->name, &verified, c->state,
		    c->words != NULL ? c->words : "");
		free(value);
		free(signature);
		free(record);
	}
	verify_dns_reset();
}

static void
test_lost_key(void **state)
{
	char *signature = verify_sign(SIGNER_RSA,
	    SIGNATURE_START "d=a.example; " SIGNATURE_END, PLAIN_HEADER,
	    verify_plain.body);
	struct verified verified;

	(void)state;
	verify_dns_reset();
	verify_dns_lose("rsa._domainkey.a.example");
	verify_message(signature, &verify_plain, 0, &verified);
	verify_expect("lost", &verified, VERIFY_LOST,
	    "no answer about its key at rsa._domainkey.a.example");
	assert_string_equal("a.example", verified.all[0].domain);
	assert_string_equal("rsa", verified.all[0].selector);
	verify_dns_reset();
	free(signature);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_lost_key),
	};

	return cmocka_run_group_tests(tests, verify_make, verify_free);
}
