/* Both engines make the same signatures, octet by octet, of the same messages:
 * what they hash, and how they write it down, is the same. RSA (PKCS #1 v1.5)
 * and Ed25519 sign without chance, so equal b= mean equal hashes of the
 * header. */
#include "policy/text.h"
#include "tests/unit/signer_corpus.h"
#include "tests/unit/signer_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	MESSAGES = 600,
	COLUMNS = 130,
	IDENTITY_CHARACTERS = 20, /* of up to 12 octets, encoded */
	IDENTITY_BYTES = 128,
};

static const char *const from_list[] = { "From" };
static const char *const long_list[] = { "From", "subject", "X-Absent", "To",
	"X-Another-Absent-Field", "Reply-To" };
static const char *const twice_list[] = { "From", "From", "TO" };
static const char *const other_list[] = { "X-Other", "X-Tag", "Received",
	("X-A-Name-Of-Many-Letters-That-Is-Longer-Than-A-Line-Of-The-"
	 "Signature-Has-Columns") };

/* ---- both on one message ------------------------------------------------- */

/* What one engine makes of a message. */
struct made {
	char *values[SIGNING_SIGNATURES]; /* or why there is none */
	bool is_lost[SIGNING_SIGNATURES];
	struct fault fault;
	char difference[FAULT_WORDS_BYTES];
};

static bool
feed(struct signer *signer, const struct corpus_message *message, uint64_t seed,
    struct fault *fault)
{
	for (size_t i = 0; i < message->count; i++)
		if (!signer_header(signer, message->fields[i].name,
			message->fields[i].value,
			message->fields[i].value_length, fault))
			return false;
	if (!signer_end_of_header(signer, fault))
		return false;
	for (size_t at = 0; at < message->body_length;) {
		size_t left = message->body_length - at;
		size_t most = corpus_random(&seed, 3) == 0 ? 3 : 20000;
		size_t piece = 1 + corpus_random(&seed, most);

		if (piece > left)
			piece = left;
		if (!signer_body(signer, message->body + at, piece, fault))
			return false;
		at += piece;
	}
	return true;
}

static void
make(const struct signer_order *order, const struct corpus_message *message,
    uint64_t seed, struct made *made_out)
{
	struct signer *signer = signer_begun(order);
	const char *const *values;
	size_t count;

	*made_out = (struct made){ .fault = { .kind = FAULT_NONE } };
	if (feed(signer, message, seed, &made_out->fault)
	    && signer_finish(signer, &values, &count, &made_out->fault)) {
		for (size_t i = 0; i < count; i++) {
			const char *why = signer_lost(signer, i);

			assert_true((values[i] == NULL) == (why != NULL));
			made_out->is_lost[i] = why != NULL;
			made_out->values[i] =
			    strdup(why != NULL ? why : values[i]);
		}
		if (signer_difference(signer) != NULL)
			snprintf(made_out->difference,
			    sizeof(made_out->difference), "%s",
			    signer_difference(signer));
	}
	signer_end(&signer);
}

static void
made_clear(struct made *made)
{
	for (size_t i = 0; i < SIGNING_SIGNATURES; i++)
		free(made->values[i]);
}

/* Sign by both; returns how many signatures there were. */
static size_t
compare(const char *name, struct signer_order *order,
    const struct corpus_message *message, uint64_t seed)
{
	struct made own, theirs;
	size_t made = 0;

	order->engine = SIGNING_POSTERN;
	make(order, message, seed, &own);
	order->engine = SIGNING_OPENDKIM;
	make(order, message, seed + 1, &theirs);
	if (strcmp(own.fault.words, theirs.fault.words) != 0)
		fail_msg("%s: postern says \"%s\", opendkim \"%s\"", name,
		    own.fault.words, theirs.fault.words);
	for (size_t i = 0; i < order->count; i++) {
		if (own.values[i] == NULL)
			continue;
		if (strcmp(own.values[i], theirs.values[i]) != 0)
			fail_msg("%s, %s: postern:%s\nopendkim:%s", name,
			    order->uses[i].key->selector, own.values[i],
			    theirs.values[i]);
		made += own.is_lost[i] ? 0 : 1;
	}
	if (own.difference[0] != '\0' || theirs.difference[0] != '\0')
		fail_msg("%s: self check: %s%s", name, own.difference,
		    theirs.difference);
	made_clear(&own);
	made_clear(&theirs);
	return made;
}

/* ---- the corpus ---------------------------------------------------------- */

static struct signing_rules
random_rules(uint64_t *seed)
{
	static const struct field_names oversigns[] = { { NULL, 0 },
		{ from_list, COUNT(from_list) },
		{ long_list, COUNT(long_list) },
		{ twice_list, COUNT(twice_list) } };
	struct signing_rules rules = {
		.header_canon =
		    corpus_random(seed, 2) == 0 ? CANON_SIMPLE : CANON_RELAXED,
		.body_canon =
		    corpus_random(seed, 2) == 0 ? CANON_SIMPLE : CANON_RELAXED,
		.headers = signing_default_headers(),
		.oversign = oversigns[corpus_random(seed, COUNT(oversigns))],
	};

	if (corpus_random(seed, 3) == 0)
		rules.headers =
		    (struct field_names){ other_list, COUNT(other_list) };
	if (corpus_random(seed, 3) == 0)
		rules.expire_s = 1 + corpus_random(seed, 100000000);
	return rules;
}

/* An identity, or none, in space. */
static const char *
random_identity(uint64_t *seed, char space[IDENTITY_BYTES])
{
	static const char *const characters[] = { "a", "Z", "0", ".", ";", "=",
		"\"", " ", "\\", "\xc3\xbc", "\xf0\x9f\x98\x80" };
	static const char *const tails[] = { "@a.example", "@sub.a.example",
		"@A.Example" };
	size_t length = corpus_random(seed, IDENTITY_CHARACTERS);
	struct text text;

	if (corpus_random(seed, 3) > 0)
		return NULL;
	text_init(&text, space, IDENTITY_BYTES);
	while (length-- > 0)
		text_add(
		    &text, characters[corpus_random(seed, COUNT(characters))]);
	text_add(&text, tails[corpus_random(seed, COUNT(tails))]);
	return space;
}

static void
test_corpus(void **state)
{
	uint64_t seed = 6376;
	size_t made = 0;
	size_t mixed = 0;

	(void)state;
	for (size_t i = 0; i < MESSAGES; i++) {
		struct signing_rules rules[4];
		struct signer_use uses[SIGNING_SIGNATURES];
		struct signer_order order = { .uses = uses,
			.count = COUNT(rules),
			.time_s = 1 + corpus_random(&seed, 0x7fffffff),
			.is_checked = i % 8 == 0 };
		char identity[COUNT(rules)][IDENTITY_BYTES];
		struct corpus_message message;
		char name[32];
		size_t count;

		corpus_make(&seed, &message);
		for (size_t k = 0; k < COUNT(rules); k++) {
			size_t key = corpus_random(&seed, SIGNER_RSA_OTHER);

			/* Its cost is out of proportion. */
			if (key == SIGNER_RSA_2048 && i % 16 > 0)
				key = SIGNER_ED25519;
			rules[k] = random_rules(&seed);
			uses[k] = (struct signer_use){
				.key = &signer_keys[key],
				.rules = &rules[k],
				.identity = random_identity(&seed, identity[k]),
			};
		}
		snprintf(name, sizeof(name), "message %zu", i);
		count = compare(name, &order, &message, seed);
		made += count;
		mixed += count > 0 && count < order.count ? 1 : 0;
		corpus_free(&message);
	}
	/* Oversigned fields that can't be signed are rare. */
	if (made < MESSAGES * 3)
		fail_msg("only %zu signatures were compared", made);
	if (mixed == 0)
		fail_msg("no signature was lost beside others");
}

/* ---- folding ------------------------------------------------------------- */

static struct corpus_field plain_fields[] = {
	{ (char[]){ "From" }, (char[]){ " j@a.example" }, 12 },
	{ (char[]){ "Subject" }, (char[]){ " x" }, 2 },
};
static unsigned char plain_body[] = "Hi\r\n";

/* Names of every length, so that each tag comes to stand in every column. */
static void
test_columns(void **state)
{
	const struct corpus_message message = { plain_fields,
		COUNT(plain_fields), plain_body, sizeof(plain_body) - 1 };
	char domain[COLUMNS + 1], selector[COLUMNS + 1];

	(void)state;
	for (size_t i = 0; i < COLUMNS * 8; i++) {
		struct signing_rules rules =
		    signer_rules(i & 1 ? CANON_RELAXED : CANON_SIMPLE,
			i & 2 ? CANON_RELAXED : CANON_SIMPLE);
		struct key keys[] = { signer_keys[SIGNER_ED25519],
			signer_keys[i & 1 ? SIGNER_RSA_ODD : SIGNER_RSA] };
		const struct signer_use uses[] = { { &keys[0], &rules, NULL },
			{ &keys[1], &rules, NULL } };
		struct signer_order order = { .uses = uses,
			.count = i % 5 == 0 ? 2 : 1,
			.time_s = i + 1,
			.is_checked = i % 5 == 0 };
		const char *name =
		    i & 4 ? "s= in all lengths" : "d= in all lengths";
		size_t length = i / 8 + 1;

		memset(domain, 'd', sizeof(domain));
		memset(selector, 's', sizeof(selector));
		domain[i & 4 ? 5 : length] = '\0';
		selector[i & 4 ? length : 3] = '\0';
		keys[0].domain = keys[1].domain = domain;
		keys[0].selector = keys[1].selector = selector;
		rules.expire_s = i & 2 ? 1000 : 0;
		assert_int_equal(
		    order.count, compare(name, &order, &message, i));
	}
}

/* A list of names of every length, folded at its colons or not at all. */
static void
test_covered(void **state)
{
	char long_name[COLUMNS + 1];
	const char *oversign[] = { "From", long_name, "Subject" };

	(void)state;
	for (size_t i = 0; i < COLUMNS * 4; i++) {
		const struct corpus_message message = { plain_fields,
			COUNT(plain_fields), plain_body,
			sizeof(plain_body) - 1 };
		struct signing_rules rules = signer_rules(
		    i & 1 ? CANON_RELAXED : CANON_SIMPLE, CANON_SIMPLE);
		const struct signer_use use = {
			.key = &signer_keys[SIGNER_ED25519], .rules = &rules
		};
		struct signer_order order = { .uses = &use, .count = 1 };

		order.time_s = 1;
		memset(long_name, 'N', sizeof(long_name));
		long_name[i / 4 + 1] = '\0';
		rules.oversign =
		    (struct field_names){ oversign, i & 2 ? 3 : 2 };
		assert_int_equal(
		    1, compare("a long name", &order, &message, i));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_covered),
	};

	return cmocka_run_group_tests_name(
	    "signer engines", tests, signer_make_keys, signer_free_keys);
}
