/* Our own engine: its signatures are verified here as RFC 6376 §6.1 says, with
 * the RFC's own steps for canonicalization and OpenSSL for the rest. That they
 * are also libopendkim's is compared in test_signer. */
#include "milter/io/signer_engine.h"
#include "tests/unit/canon_model.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
	TEXT_OCTETS = 16384,
	SIGNATURE_OCTETS = 512,
	HASH_OCTETS = 32,
	THREADS = 4,
	THREAD_MESSAGES = 10,
};

static struct key keys[] = {
	{ .domain = "a.example",
	    .selector = "ed",
	    .algorithm = KEY_ED25519_SHA256 },
	{ .domain = "a.example",
	    .selector = "rsa",
	    .algorithm = KEY_RSA_SHA256 },
};

/* As the milter protocol has them. Names that occur more than once, in other
 * letters too. */
static const struct {
	const char *name;
	const char *value;
} message[] = {
	{ "To", " first@b.example" },
	{ "From", " \"A  B\" <a@a.example>" },
	{ "TO", "\tsecond@b.example,\n\t third@b.example" },
	{ "Subject", "  two  blanks \n and a fold\t" },
	{ "to", "fourth@b.example" },
	{ "Message-ID", "\n <1@a.example>" },
};

static const char body[] = " one \t two\r\n\r\n\tthree \r\n \r\n\r\n";

static const char *const oversigned[] = { "From", "Reply-To" };

static int
make_keys(void **state)
{
	(void)state;
	keys[0].pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	keys[1].pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	return keys[0].pkey != NULL && keys[1].pkey != NULL ? 0 : -1;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(keys[0].pkey);
	EVP_PKEY_free(keys[1].pkey);
	return 0;
}

static struct signing_rules
rules_of(enum canonicalization header, enum canonicalization body_canon)
{
	return (struct signing_rules){
		.header_canon = header,
		.body_canon = body_canon,
		.oversign = { oversigned, COUNT(oversigned) },
	};
}

static void
collect(struct signer_fields *fields, enum canonicalization canon)
{
	struct fault fault = { 0 };

	signer_fields_init(fields, canon);
	for (size_t i = 0; i < COUNT(message); i++)
		if (!signer_fields_add(fields, message[i].name,
			strlen(message[i].name),
			strcasecmp(message[i].name, "From") == 0,
			message[i].value, strlen(message[i].value), &fault))
			fail_msg("%s: %s", message[i].name, fault.words);
	if (!signer_fields_choose(fields, &fault))
		fail_msg("%s", fault.words);
}

/* What is signed, and with what. */
struct order {
	struct signing_rules rules[SIGNING_SIGNATURES];
	struct signer_use uses[SIGNING_SIGNATURES];
	struct signer_fields sets[SIGNING_SIGNATURES];
	const struct signer_fields *fields[SIGNING_SIGNATURES];
	bool is_dropped[SIGNING_SIGNATURES];
	char *values[SIGNING_SIGNATURES];
	size_t count;
};

static void
order_add(
    struct order *order, const struct key *key, struct signing_rules rules)
{
	size_t which = order->count++;

	order->rules[which] = rules;
	order->uses[which] =
	    (struct signer_use){ .key = key, .rules = &order->rules[which] };
	collect(&order->sets[which], rules.header_canon);
	order->fields[which] = &order->sets[which];
}

static void
order_clear(struct order *order)
{
	for (size_t i = 0; i < order->count; i++) {
		signer_fields_clear(&order->sets[i]);
		free(order->values[i]);
	}
}

static void *
begin(struct order *order, size_t *faulty, struct fault *fault)
{
	const struct signer_job job = {
		.uses = order->uses,
		.count = order->count,
		.time_s = 1700000000,
		.fields = order->fields,
	};

	return signer_postern.begin(&job, faulty, fault);
}

/* Sign a body in pieces of so many octets. */
static void
sign(struct order *order, const char *text, size_t length, size_t piece)
{
	struct fault fault = { 0 };
	size_t faulty;
	void *work = begin(order, &faulty, &fault);

	if (work == NULL)
		fail_msg("begin: %s", fault.words);
	for (size_t at = 0; at < length; at += piece)
		if (!signer_postern.body(work, (const unsigned char *)text + at,
			length - at < piece ? length - at : piece, &fault))
			fail_msg("body: %s", fault.words);
	if (!signer_postern.finish(
		work, order->is_dropped, order->values, &faulty, &fault))
		fail_msg("finish: %s", fault.words);
	assert_int_equal(faulty, SIGNER_NO_USE);
	assert_int_equal(ERR_peek_error(), 0);
	signer_postern.end(work);
}

/* What stands after tag in value, up to the next semicolon, without blanks. */
static const char *
tag_of(const char *value, const char *tag, char found[TEXT_OCTETS])
{
	size_t tag_length = strlen(tag);
	size_t length = 0;
	const char *at = value;

	while (strncmp(at, tag, tag_length) != 0 || at[tag_length] != '=') {
		at = strchr(at, ';');
		if (at == NULL)
			fail_msg("no %s= in %s", tag, value);
		at += 1 + strspn(at + 1, " \t\n");
	}
	for (at += tag_length + 1; *at != ';' && *at != '\0'; at++)
		if (strchr(" \t\n", *at) == NULL)
			found[length++] = *at;
	found[length] = '\0';
	return found;
}

/* The field as an MTA sends it. */
static size_t
sent_field(const char *name, const char *value, unsigned char *to)
{
	size_t length = strlen(name);

	memcpy(to, name, length);
	to[length++] = ':';
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			to[length++] = '\r';
		to[length++] = (unsigned char)*value;
	}
	return length;
}

/* The fields that h= lists, each name the lowest that isn't taken yet
 * (§5.4.2). Returns the octets written. */
static size_t
covered_fields(
    enum canonicalization canon, const char *value, unsigned char *to)
{
	char list[TEXT_OCTETS];
	bool is_taken[COUNT(message)] = { false };
	unsigned char text[256];
	size_t length = 0;

	tag_of(value, "h", list);
	for (const char *name = list; *name != '\0';) {
		size_t octets = strcspn(name, ":");

		for (size_t i = COUNT(message); i-- > 0;) {
			if (is_taken[i] || strlen(message[i].name) != octets
			    || strncasecmp(message[i].name, name, octets) != 0)
				continue;
			is_taken[i] = true;
			length += canon_model_header(canon, text,
			    sent_field(message[i].name, message[i].value, text),
			    true, to + length);
			break;
		}
		name += octets + (name[octets] == ':' ? 1 : 0);
	}
	for (size_t i = 0; i < COUNT(message); i++)
		if (!is_taken[i])
			fail_msg(
			    "%s isn't covered: h=%s", message[i].name, list);
	return length;
}

/* The octets of the header whose hash is signed (§3.7). */
static size_t
signed_octets(enum canonicalization canon, const char *value, unsigned char *to)
{
	size_t length = covered_fields(canon, value, to);
	unsigned char text[TEXT_OCTETS];
	char without[TEXT_OCTETS];
	const char *b = strstr(value, "b=");

	while (b != NULL && b[-1] != ' ' && b[-1] != '\t')
		b = strstr(b + 1, "b=");
	assert_non_null(b);
	snprintf(without, sizeof(without), "%.*s", (int)(b + 2 - value), value);
	return length
	    + canon_model_header(canon, text,
		sent_field("DKIM-Signature", without, text), false,
		to + length);
}

static void
hash_of(const unsigned char *data, size_t length, unsigned char *hash)
{
	assert_int_equal(
	    EVP_Digest(data, length, hash, NULL, EVP_sha256(), NULL), 1);
}

/* Only what others know of a key. */
static EVP_PKEY *
public_part(EVP_PKEY *pkey)
{
	unsigned char *der = NULL;
	int length = i2d_PUBKEY(pkey, &der);
	const unsigned char *at = der;
	EVP_PKEY *result;

	assert_true(length > 0);
	result = d2i_PUBKEY(NULL, &at, length);
	assert_non_null(result);
	OPENSSL_free(der);
	return result;
}

static bool
verifies(const struct key *key, const unsigned char *octets, size_t length,
    const char *b64)
{
	unsigned char signature[SIGNATURE_OCTETS + 4];
	unsigned char hash[HASH_OCTETS];
	size_t b64_length = strlen(b64);
	int raw = EVP_DecodeBlock(
	    signature, (const unsigned char *)b64, (int)b64_length);
	bool is_rsa = key->algorithm == KEY_RSA_SHA256;
	EVP_PKEY *pkey = public_part(key->pkey);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int result;

	assert_true(raw > 0 && context != NULL);
	for (const char *at = b64 + b64_length; at[-1] == '='; at--)
		raw--;
	hash_of(octets, length, hash);
	assert_int_equal(EVP_DigestVerifyInit(context, NULL,
			     is_rsa ? EVP_sha256() : NULL, NULL, pkey),
	    1);
	result = EVP_DigestVerify(context, signature, (size_t)raw,
	    is_rsa ? octets : hash, is_rsa ? length : sizeof(hash));
	ERR_clear_error();
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	return result == 1;
}

static void
expect_body_hash(enum canonicalization canon, const char *value,
    const char *text, size_t length)
{
	unsigned char canonical[TEXT_OCTETS], hash[HASH_OCTETS], b64[64];
	char found[TEXT_OCTETS];
	size_t octets = canon_model_body(
	    canon, (const unsigned char *)text, length, canonical);

	hash_of(canonical, octets, hash);
	EVP_EncodeBlock(b64, hash, sizeof(hash));
	assert_string_equal(tag_of(value, "bh", found), (const char *)b64);
}

static void
expect_good(const struct signer_use *use, const char *value, const char *text,
    size_t length)
{
	unsigned char octets[TEXT_OCTETS];
	char b64[TEXT_OCTETS];
	size_t count = signed_octets(use->rules->header_canon, value, octets);

	expect_body_hash(use->rules->body_canon, value, text, length);
	if (!verifies(use->key, octets, count, tag_of(value, "b", b64)))
		fail_msg("this signature is bad:%s", value);
	/* That the test can tell. */
	octets[count / 2] ^= 1;
	assert_false(verifies(use->key, octets, count, b64));
}

/* Each key with each pair of forms, all of one message at once. */
static void
signatures_verify(void **state)
{
	static struct order order;

	(void)state;
	order = (struct order){ 0 };
	for (unsigned i = 0; i < SIGNING_SIGNATURES; i++)
		order_add(&order, &keys[i % 2],
		    rules_of(i & 2 ? CANON_RELAXED : CANON_SIMPLE,
			i & 4 ? CANON_RELAXED : CANON_SIMPLE));
	sign(&order, body, strlen(body), 5);
	for (size_t i = 0; i < order.count; i++)
		expect_good(
		    &order.uses[i], order.values[i], body, strlen(body));
	order_clear(&order);
}

/* Keys that share rules and fields, which are hashed once for all of them. */
static void
shared_fields_do_no_harm(void **state)
{
	static struct order order;
	struct key other = keys[0];

	(void)state;
	order = (struct order){ 0 };
	other.selector = "other";
	order_add(&order, &keys[0], rules_of(CANON_RELAXED, CANON_SIMPLE));
	order_add(&order, &keys[1], rules_of(CANON_RELAXED, CANON_SIMPLE));
	order_add(&order, &other, rules_of(CANON_RELAXED, CANON_SIMPLE));
	order.fields[1] = order.fields[2] = order.fields[0];
	order.uses[1].rules = order.uses[2].rules = order.uses[0].rules;
	sign(&order, body, strlen(body), 1);
	for (size_t i = 0; i < order.count; i++)
		expect_good(
		    &order.uses[i], order.values[i], body, strlen(body));
	order_clear(&order);
}

/* h= is as the message spells the names, in its order; oversigned names come
 * last, there or not. */
static void
names_are_listed_in_order(void **state)
{
	static struct order order;
	char found[TEXT_OCTETS];

	(void)state;
	order = (struct order){ 0 };
	order_add(&order, &keys[0], rules_of(CANON_RELAXED, CANON_SIMPLE));
	/* One that has no room. */
	order.sets[0].fields[0].is_chosen = false;
	sign(&order, body, strlen(body), 100);
	assert_string_equal(tag_of(order.values[0], "h", found),
	    "From:TO:Subject:to:Message-ID:From:Reply-To");
	order_clear(&order);
}

static const struct {
	const char *name;
	enum canonicalization canon;
	const char *body;
	const char *hash; /* of the form that RFC 6376 says */
} bodies[] = {
	{ "§3.4.3, no body", CANON_SIMPLE, "",
	    "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=" },
	{ "§3.4.4, no body", CANON_RELAXED, "",
	    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
	{ "§3.4.3, empty lines", CANON_SIMPLE, "\r\n\r\n",
	    "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=" },
	{ "§3.4.4, lines of blanks", CANON_RELAXED, " \r\n\t\r\n",
	    "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
};

static void
empty_bodies_have_known_hashes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		static struct order order;
		char found[TEXT_OCTETS];

		order = (struct order){ 0 };
		order_add(
		    &order, &keys[0], rules_of(CANON_RELAXED, bodies[i].canon));
		sign(&order, bodies[i].body, strlen(bodies[i].body), 1);
		if (strcmp(tag_of(order.values[0], "bh", found), bodies[i].hash)
		    != 0)
			fail_msg("%s: wanted %s, got %s", bodies[i].name,
			    bodies[i].hash, found);
		order_clear(&order);
	}
}

static void
dropped_ones_are_left_out(void **state)
{
	static struct order order;

	(void)state;
	order = (struct order){ 0 };
	for (size_t i = 0; i < 3; i++)
		order_add(&order, &keys[0],
		    rules_of(
			CANON_RELAXED, i == 1 ? CANON_RELAXED : CANON_SIMPLE));
	order.is_dropped[1] = true;
	sign(&order, body, strlen(body), 100);
	assert_null(order.values[1]);
	expect_good(&order.uses[0], order.values[0], body, strlen(body));
	expect_good(&order.uses[2], order.values[2], body, strlen(body));
	order_clear(&order);
}

/* t= and x= as ordered. */
static void
times_are_written(void **state)
{
	static struct order order;
	char found[TEXT_OCTETS];
	struct signing_rules rules = rules_of(CANON_RELAXED, CANON_SIMPLE);

	(void)state;
	order = (struct order){ 0 };
	rules.expire_s = 3600;
	order_add(&order, &keys[0], rules);
	sign(&order, body, strlen(body), 100);
	assert_string_equal(tag_of(order.values[0], "t", found), "1700000000");
	assert_string_equal(tag_of(order.values[0], "x", found), "1700003600");
	order_clear(&order);
}

/* A key that can't sign is named, and leaves nothing behind. */
static void
faulty_keys_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		static struct order order;
		struct key bad = keys[i];
		struct fault fault = { 0 };
		size_t faulty;
		void *work;

		order = (struct order){ 0 };
		bad.selector = "public";
		bad.pkey = public_part(keys[i].pkey);
		order_add(
		    &order, &keys[0], rules_of(CANON_RELAXED, CANON_SIMPLE));
		order_add(&order, &bad, rules_of(CANON_RELAXED, CANON_SIMPLE));
		work = begin(&order, &faulty, &fault);
		assert_non_null(work);
		assert_false(signer_postern.finish(
		    work, order.is_dropped, order.values, &faulty, &fault));
		signer_postern.end(work);
		assert_int_equal(faulty, 1);
		assert_int_equal(fault.kind, FAULT_PERMANENT);
		if (strstr(fault.words, "a.example/public") == NULL)
			fail_msg("the words are %s", fault.words);
		assert_int_equal(ERR_peek_error(), 0);
		EVP_PKEY_free(bad.pkey);
		order_clear(&order);
	}
}

static void
names_that_upset_tags_are_refused(void **state)
{
	static struct order order;
	struct key bad = keys[0];
	struct fault fault = { 0 };
	size_t faulty;

	(void)state;
	order = (struct order){ 0 };
	bad.selector = "s;d=b.example";
	order_add(&order, &keys[0], rules_of(CANON_RELAXED, CANON_SIMPLE));
	order_add(&order, &bad, rules_of(CANON_RELAXED, CANON_SIMPLE));
	assert_null(begin(&order, &faulty, &fault));
	assert_int_equal(faulty, 1);
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	order_clear(&order);
	signer_postern.end(NULL);
}

static void *
sign_alone(void *context)
{
	struct order *order = context;

	for (int i = 0; i < THREAD_MESSAGES; i++) {
		free(order->values[0]);
		sign(order, body, strlen(body), 7);
	}
	return NULL;
}

/* Any number of threads may sign with a key. Neither RSA (PKCS#1 v1.5) nor
 * Ed25519 has anything random in its signature. */
static void
threads_share_keys(void **state)
{
	static struct order orders[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		orders[i] = (struct order){ 0 };
		order_add(&orders[i], &keys[i % 2],
		    rules_of(CANON_RELAXED, CANON_RELAXED));
		assert_int_equal(
		    pthread_create(&threads[i], NULL, sign_alone, &orders[i]),
		    0);
	}
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	expect_good(
	    &orders[0].uses[0], orders[0].values[0], body, strlen(body));
	expect_good(
	    &orders[1].uses[0], orders[1].values[0], body, strlen(body));
	for (size_t i = 2; i < THREADS; i++)
		assert_string_equal(
		    orders[i].values[0], orders[i % 2].values[0]);
	for (size_t i = 0; i < THREADS; i++)
		order_clear(&orders[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(shared_fields_do_no_harm),
		cmocka_unit_test(names_are_listed_in_order),
		cmocka_unit_test(empty_bodies_have_known_hashes),
		cmocka_unit_test(dropped_ones_are_left_out),
		cmocka_unit_test(times_are_written),
		cmocka_unit_test(threads_share_keys),
		cmocka_unit_test(faulty_keys_are_named),
		cmocka_unit_test(names_that_upset_tags_are_refused),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
