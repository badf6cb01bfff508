#include "tests/unit/signer_fixture.h"

#include "tests/unit/public_text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct key signer_keys[SIGNER_KEYS] = {
	[SIGNER_ED25519] = { .selector = "ed",
	    .algorithm = KEY_ED25519_SHA256 },
	[SIGNER_RSA] = { .selector = "rsa" },
	[SIGNER_RSA_2048] = { .selector = "rsa2048" },
	[SIGNER_RSA_ODD] = { .selector = "odd_1" },
	[SIGNER_RSA_OTHER] = { .selector = "other.sub" },
};

static char *publics[SIGNER_KEYS];

static const size_t rsa_bits[SIGNER_KEYS] = {
	[SIGNER_RSA] = 1024,
	[SIGNER_RSA_2048] = 2048,
	[SIGNER_RSA_ODD] = 1096,
	[SIGNER_RSA_OTHER] = 1024,
};

const enum signing_engine signer_engines[SIGNER_ENGINES] = { SIGNING_POSTERN,
	SIGNING_OPENDKIM };

static const char *const from_only[] = { "From" };
static const char *const from_to_subject[] = { "From", "To", "Subject" };

const char *
signer_engine_name(enum signing_engine engine)
{
	return engine == SIGNING_POSTERN ? "postern" : "opendkim";
}

int
signer_make_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_KEYS; i++) {
		struct key *key = &signer_keys[i];

		key->domain = "a.example";
		key->pkey = key->algorithm == KEY_RSA_SHA256
		    ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", rsa_bits[i])
		    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		assert_non_null(key->pkey);
		publics[i] = public_text(key->pkey);
	}
	return 0;
}

const char *
signer_public(enum signer_key which)
{
	return publics[which];
}

int
signer_free_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNER_KEYS; i++) {
		EVP_PKEY_free(signer_keys[i].pkey);
		free(publics[i]);
	}
	return 0;
}

struct signing_rules
signer_rules(enum canonicalization header, enum canonicalization body)
{
	return (struct signing_rules){
		.header_canon = header,
		.body_canon = body,
		.headers = { from_to_subject, COUNT(from_to_subject) },
		.oversign = { from_only, COUNT(from_only) },
	};
}

struct signer_order
signer_order_of(enum signing_engine engine, const struct signing_rules *rules,
    struct signer_use *uses)
{
	uses[0] = (struct signer_use){ .key = &signer_keys[SIGNER_ED25519],
		.rules = rules };
	uses[1] = (struct signer_use){ .key = &signer_keys[SIGNER_RSA],
		.rules = rules };
	return (struct signer_order){
		.engine = engine,
		.uses = uses,
		.count = 2,
		.time_s = SIGNER_TIME_S,
	};
}

struct signer *
signer_begun(const struct signer_order *order)
{
	struct fault fault = { 0 };
	struct signer *signer = signer_begin(order, &fault);

	if (signer == NULL)
		fail_msg("begin: %s", fault.words);
	return signer;
}

bool
signer_field(struct signer *signer, const char *name, const char *value,
    struct fault *fault)
{
	return signer_header(signer, name, value, strlen(value), fault);
}

bool
signer_text(struct signer *signer, const char *data, struct fault *fault)
{
	return signer_body(
	    signer, (const unsigned char *)data, strlen(data), fault);
}

char *
signer_tag(const char *value, const char *tag)
{
	char *wanted = NULL;
	char *found = calloc(1, strlen(value) + 1);
	size_t length = 0;
	const char *at;

	assert_non_null(found);
	assert_true(asprintf(&wanted, "%s=", tag) > 0);
	for (at = strstr(value, wanted);
	     at != NULL && strchr(" \t", at[-1]) == NULL;
	     at = strstr(at + 1, wanted))
		;
	if (at == NULL)
		fail_msg("no %s= in %s", tag, value);
	else
		for (at += strlen(wanted); *at != ';' && *at != '\0'; at++)
			if (strchr(" \t\n", *at) == NULL)
				found[length++] = *at;
	free(wanted);
	return found;
}

void
signer_expect_tag(
    const char *name, const char *value, const char *tag, const char *wanted)
{
	char *got = signer_tag(value, tag);

	if (strcmp(got, wanted) != 0)
		fail_msg("%s: wanted %s=%s, got %s", name, tag, wanted, got);
	free(got);
}
