#include "tests/unit/verify_fixture.h"

#include "milter/io/clock.h"
#include "milter/io/resolver.h"
#include "milter/io/signer.h"
#include "policy/text.h"

#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	RECORDS = 64,
	RECORD_OCTETS = 4096,
	VALUE_OCTETS = 32768,
	TIMEOUT_MS = 10000,
};

struct record {
	char name[256];
	char text[RECORD_OCTETS];
	enum dns_status status;
};

static EVP_PKEY *pkeys[SIGNER_KEYS];
static struct key_material materials[SIGNER_KEYS];
static char *bare[SIGNER_KEYS];
static struct record records[RECORDS];
static size_t record_count;
static struct verify_library *library;
static struct resolver *resolver;

static char *
base64_of(const unsigned char *data, size_t length)
{
	char *text = malloc(4 * (length + 2) / 3 + 8);

	assert_non_null(text);
	EVP_EncodeBlock((unsigned char *)text, data, (int)length);
	return text;
}

/* RSAPublicKey, without what i2d_PUBKEY(3) puts around it. */
static char *
bare_of(EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	int length = i2d_PublicKey(pkey, &der);
	char *text;

	assert_true(length > 0);
	text = base64_of(der, (size_t)length);
	OPENSSL_free(der);
	return text;
}

/* An RSA key of more primes than two, which are found sooner. */
static EVP_PKEY *
make_rsa(unsigned bits, unsigned primes)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *pkey = NULL;
	OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_BITS, &bits),
		OSSL_PARAM_construct_uint(OSSL_PKEY_PARAM_RSA_PRIMES, &primes),
		OSSL_PARAM_construct_end(),
	};

	assert_non_null(context);
	assert_int_equal(1, EVP_PKEY_keygen_init(context));
	assert_int_equal(1, EVP_PKEY_CTX_set_params(context, parameters));
	assert_int_equal(1, EVP_PKEY_generate(context, &pkey));
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static void
take_key(enum which_key which, EVP_PKEY *pkey)
{
	assert_non_null(pkey);
	pkeys[which] = pkey;
	assert_true(keys_material_of(pkey, &materials[which], NULL));
	if (which != SIGNER_ED25519)
		bare[which] = bare_of(pkey);
}

/* The DNS: an answer at once, to every question. */
static void
answer(void *context, struct resolver *asked, uint64_t ticket,
    const struct dns_question *question)
{
	struct dns_record txt = { .text = "" };
	struct dns_answer found = { .status = DNS_NXDOMAIN, .ttl_s = 1 };

	(void)context;
	for (size_t i = 0; i < record_count; i++) {
		if (!dns_equal(records[i].name, question->name))
			continue;
		txt.text = records[i].text;
		txt.text_length = strlen(txt.text);
		found.status = records[i].status;
		found.why = found.status == DNS_LOST ? "no answer" : NULL;
		found.records = &txt;
		found.count = found.status == DNS_FOUND ? 1 : 0;
	}
	resolver_told(asked, ticket, &found);
}

int
verify_make(void **state)
{
	static const struct resolver_source source = { .start = answer };
	struct resolver_rules rules = { .cache_bytes = 1 << 20 };
	struct fault fault = { 0 };

	(void)state;
	take_key(SIGNER_RSA, make_rsa(2048, 2));
	take_key(SIGNER_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	take_key(SIGNER_RSA_SMALL, make_rsa(768, 2));
	take_key(SIGNER_RSA_LARGE, make_rsa(6144, 4));
	take_key(SIGNER_RSA_OTHER, make_rsa(1024, 2));
	library = verify_library_open(&fault);
	if (library == NULL)
		fail_msg("library: %s", fault.words);
	resolver = resolver_open_with(&rules, &source, &fault);
	if (resolver == NULL)
		fail_msg("resolver: %s", fault.words);
	verify_dns_reset();
	return 0;
}

int
verify_free(void **state)
{
	(void)state;
	resolver_close(&resolver);
	verify_library_close(&library);
	for (size_t i = 0; i < SIGNER_KEYS; i++) {
		keys_material_clear(&materials[i]);
		EVP_PKEY_free(pkeys[i]);
		free(bare[i]);
	}
	return 0;
}

const struct verify_library *
verify_library(void)
{
	return library;
}

struct resolver *
verify_resolver(void)
{
	return resolver;
}

const char *
verify_public(enum which_key key)
{
	return materials[key].public_b64;
}

const char *
verify_public_bare(enum which_key key)
{
	return bare[key];
}

static void
put(const char *name, enum dns_status status, const char *text)
{
	struct record *record = &records[record_count++];

	assert_true(record_count <= RECORDS);
	assert_true(strlen(text) < sizeof(record->text));
	snprintf(record->name, sizeof(record->name), "%s", name);
	snprintf(record->text, sizeof(record->text), "%s", text);
	record->status = status;
	resolver_forget(resolver);
}

void
verify_dns_put(const char *name, const char *text)
{
	put(name, text != NULL ? DNS_FOUND : DNS_NODATA,
	    text != NULL ? text : "");
}

void
verify_dns_lose(const char *name)
{
	put(name, DNS_LOST, "");
}

static void
put_key(const char *name, const char *type, enum which_key key)
{
	char text[RECORD_OCTETS];

	snprintf(text, sizeof(text), "v=DKIM1; k=%s; p=%s", type,
	    verify_public(key));
	verify_dns_put(name, text);
}

void
verify_dns_reset(void)
{
	static const char *const domains[] = { "a.example", "sub.a.example",
		"b.example", "list.example", "other.example" };

	record_count = 0;
	for (size_t i = 0; i < COUNT(domains); i++) {
		char name[256];

		snprintf(name, sizeof(name), "rsa._domainkey.%s", domains[i]);
		put_key(name, "rsa", SIGNER_RSA);
		snprintf(name, sizeof(name), "ed._domainkey.%s", domains[i]);
		put_key(name, "ed25519", SIGNER_ED25519);
	}
}

/* ---- signatures by hand -------------------------------------------------- */

static char *
body_hash(const char *body)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	assert_int_equal(
	    1, EVP_Digest(body, strlen(body), hash, NULL, EVP_sha256(), NULL));
	return base64_of(hash, sizeof(hash));
}

static char *
signature_of(enum which_key key, const char *data)
{
	bool is_rsa = key != SIGNER_ED25519;
	unsigned char hash[SHA256_DIGEST_LENGTH];
	unsigned char signature[2048];
	size_t length = sizeof(signature);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	assert_non_null(context);
	assert_int_equal(
	    1, EVP_Digest(data, strlen(data), hash, NULL, EVP_sha256(), NULL));
	assert_int_equal(1,
	    EVP_DigestSignInit(
		context, NULL, is_rsa ? EVP_sha256() : NULL, NULL, pkeys[key]));
	/* RFC 8463 §3: what Ed25519 signs is the hash. */
	assert_int_equal(1,
	    EVP_DigestSign(context, signature, &length,
		is_rsa ? (const unsigned char *)data : hash,
		is_rsa ? strlen(data) : sizeof(hash)));
	EVP_MD_CTX_free(context);
	return base64_of(signature, length);
}

static void
add_time(struct text *text, char which)
{
	uint64_t now_s = clock_unix_s();

	switch (which) {
	case 'L':
		now_s -= 2000;
		break;
	case 'P':
		now_s -= 1000;
		break;
	case 'F':
		now_s += 1000;
		break;
	default:
		now_s += 2000;
		break;
	}
	text_addf(text, "%" PRIu64, now_s);
}

static void
expand(struct text *text, const char *value, const char *hash,
    const char *signature)
{
	for (; *value != '\0'; value++) {
		if (*value != '#') {
			text_addf(text, "%c", *value);
			continue;
		}
		value++;
		if (*value == 'H')
			text_add(text, hash);
		else if (*value == 'B')
			text_add(text, signature);
		else
			add_time(text, *value);
	}
	assert_false(text->is_cut);
}

char *
verify_sign(enum which_key key, const char *value, const char *header,
    const char *hashed_body)
{
	bool is_simple = strstr(value, "c=simple") != NULL;
	char *hash = body_hash(hashed_body);
	char *space = malloc(VALUE_OCTETS);
	char *data;
	char *signature;
	struct text text;

	assert_non_null(space);
	text_init(&text, space, VALUE_OCTETS);
	expand(&text, value, hash, "");
	assert_true(
	    asprintf(&data, "%s%s%s", header,
		is_simple ? "DKIM-Signature: " : "dkim-signature:", space)
	    > 0);
	signature = signature_of(key, data);
	text_init(&text, space, VALUE_OCTETS);
	text_add(&text, " ");
	expand(&text, value, hash, signature);
	free(data);
	free(hash);
	free(signature);
	return space;
}

char *
verify_sign_ours(enum which_key key, const char *domain, const char *identity,
    const struct signing_rules *rules, const struct test_message *message)
{
	struct key own = { .domain = domain,
		.selector = key == SIGNER_ED25519 ? "ed" : "rsa",
		.algorithm =
		    key == SIGNER_ED25519 ? KEY_ED25519_SHA256 : KEY_RSA_SHA256,
		.pkey = pkeys[key] };
	const struct signer_use use = {
		.key = &own, .rules = rules, .identity = identity
	};
	const struct signer_order order = { .engine = SIGNING_POSTERN,
		.uses = &use,
		.count = 1,
		.time_s = clock_unix_s() };
	struct fault fault = { 0 };
	struct signer *signer = signer_begin(&order, &fault);
	const char *const *values = NULL;
	size_t count = 0;
	char *value;

	for (size_t i = 0; signer != NULL && i < COUNT(message->fields)
	     && message->fields[i].name != NULL;
	     i++)
		signer_header(signer, message->fields[i].name,
		    message->fields[i].value, strlen(message->fields[i].value),
		    &fault);
	if (signer == NULL || !signer_end_of_header(signer, &fault)
	    || !signer_body(signer, (const unsigned char *)message->body,
		message->body_length > 0 ? message->body_length
					 : strlen(message->body),
		&fault)
	    || !signer_finish(signer, &values, &count, &fault))
		fail_msg("signing: %s", fault.words);
	value = strdup(values[0]);
	assert_non_null(value);
	signer_end(&signer);
	return value;
}

const struct test_message verify_plain = {
	.fields = { { "From", " J <j@a.example>" }, { "To", " t@b.example" },
	    { "Subject", " Hello" } },
	.body = "Hi\r\n",
};

/* ---- messages ------------------------------------------------------------ */

static const char *authors[1];

struct verifier *
verify_begun(const char *author)
{
	struct fault fault = { 0 };
	struct verifier *verifier;

	authors[0] = author;
	verifier = verify_begin(library, authors, 1, &fault);
	if (verifier == NULL)
		fail_msg("begin: %s", fault.words);
	return verifier;
}

void
verify_add(struct verifier *verifier, const char *name, const char *value)
{
	struct fault fault = { 0 };
	size_t length = strlen(value);
	/* Without the NUL, so that reading on is seen. */
	char *copy = malloc(length + (length == 0));

	assert_non_null(copy);
	memcpy(copy, value, length);
	if (!verify_header(verifier, name, copy, length, &fault))
		fail_msg("header %s: %s", name, fault.words);
	free(copy);
}

void
verify_feed_header(struct verifier *verifier, const char *signature,
    const struct test_message *message)
{
	if (signature != NULL)
		verify_add(verifier, "DKIM-Signature", signature);
	for (size_t i = 0;
	     i < COUNT(message->fields) && message->fields[i].name != NULL; i++)
		verify_add(verifier, message->fields[i].name,
		    message->fields[i].value);
}

void
verify_feed_body(
    struct verifier *verifier, const struct test_message *message, size_t piece)
{
	size_t length = message->body_length > 0 ? message->body_length
						 : strlen(message->body);
	struct fault fault = { 0 };

	for (size_t at = 0; at < length;) {
		size_t size =
		    piece == 0 || piece > length - at ? length - at : piece;

		if (!verify_body(verifier,
			(const unsigned char *)message->body + at, size,
			&fault))
			fail_msg("body: %s", fault.words);
		at += size;
	}
}

void
verify_done(struct verifier **verifier, struct verified *verified_out)
{
	struct resolver_asker *asker = resolver_begin(resolver, TIMEOUT_MS);
	const struct verify_signature *signatures;

	assert_non_null(asker);
	verify_finish(*verifier, asker, &signatures, &verified_out->count);
	resolver_end(&asker);
	for (size_t i = 0; i < verified_out->count; i++) {
		const struct verify_signature *one = &signatures[i];

		snprintf(verified_out->all[i].domain,
		    sizeof(verified_out->all[i].domain), "%s", one->domain);
		snprintf(verified_out->all[i].selector,
		    sizeof(verified_out->all[i].selector), "%s", one->selector);
		snprintf(verified_out->all[i].words,
		    sizeof(verified_out->all[i].words), "%s",
		    one->words != NULL ? one->words : "");
		verified_out->all[i].state = one->state;
		verified_out->all[i].is_partial = one->is_partial;
		/* Words are there if, and only if, it isn't good. */
		if ((one->state == VERIFY_GOOD) != (one->words == NULL))
			fail_msg("state %d with words %s", one->state,
			    one->words != NULL ? one->words : "NULL");
	}
	verify_end(verifier);
	assert_null(*verifier);
}

void
verify_message(const char *signature, const struct test_message *message,
    size_t piece, struct verified *verified_out)
{
	struct verifier *verifier = verify_begun("a.example");
	struct fault fault = { 0 };

	*verified_out = (struct verified){ 0 };
	verify_feed_header(verifier, signature, message);
	if (!verify_end_of_header(verifier, &verified_out->is_wanted, &fault))
		fail_msg("end of header: %s", fault.words);
	verify_feed_body(verifier, message, piece);
	verify_done(&verifier, verified_out);
}

void
verify_expect(const char *name, const struct verified *verified,
    enum verify_state state, const char *words)
{
	if (verified->count != 1)
		fail_msg(
		    "%s: wanted 1 signature, got %zu", name, verified->count);
	if (verified->all[0].state != state
	    || strstr(verified->all[0].words, words) == NULL)
		fail_msg("%s: wanted state %d (%s), got %d (%s)", name, state,
		    words, verified->all[0].state, verified->all[0].words);
}

/* A good signature of domain; more: further tags. The caller frees it. */
char *
verify_signed_by(const char *domain, const char *more)
{
	char *value;
	char *signature;

	assert_true(asprintf(&value, SIGNATURE_START "d=%s; %s" SIGNATURE_END,
			domain, more)
	    > 0);
	signature =
	    verify_sign(SIGNER_RSA, value, PLAIN_HEADER, verify_plain.body);
	free(value);
	return signature;
}

void
verify_add_signature(struct verifier *verifier, const char *value)
{
	verify_add(verifier, "DKIM-Signature", value);
}

void
verify_add_signed_by(
    struct verifier *verifier, const char *domain, const char *more)
{
	char *signature = verify_signed_by(domain, more);

	verify_add_signature(verifier, signature);
	free(signature);
}

/* The rest of the message, and what was found. */
void
verify_conclude(struct verifier *verifier, const struct test_message *message,
    struct verified *verified_out)
{
	struct fault fault = { 0 };

	*verified_out = (struct verified){ 0 };
	verify_feed_header(verifier, NULL, message);
	if (!verify_end_of_header(verifier, &verified_out->is_wanted, &fault))
		fail_msg("end of header: %s", fault.words);
	verify_feed_body(verifier, message, 0);
	verify_done(&verifier, verified_out);
}

void
verify_expect_at(const struct verified *verified, size_t which,
    const char *domain, enum verify_state state)
{
	if (which >= verified->count
	    || strcmp(verified->all[which].domain, domain) != 0
	    || verified->all[which].state != state)
		fail_msg("%zu of %zu: wanted %s in state %d, got %s in state "
			 "%d (%s)",
		    which, verified->count, domain, state,
		    verified->all[which].domain, verified->all[which].state,
		    verified->all[which].words);
}
