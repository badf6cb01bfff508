/* What one signature has that the others of the message don't: what it is lost
 * for, and its identity (i=). */
#include "tests/unit/signer_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SIMPLE CANON_SIMPLE
#define RELAXED CANON_RELAXED

enum {
	USES_MOST = 3,
	FIELDS_MOST = 4,
	LONG_WORD_OCTETS = 5 * 1024 * 1024,
	LENGTH_MOST = 140, /* of local parts: more than a line */
};

/* ---- what is lost ------------------------------------------------------- */

static const char *const from_only[] = { "From" };
static const char *const from_to[] = { "From", "To" };
static const char *const from_subject[] = { "From", "Subject" };

#define FROM                                \
	{                                   \
		from_only, COUNT(from_only) \
	}
#define FROM_TO                         \
	{                               \
		from_to, COUNT(from_to) \
	}
#define FROM_SUBJECT                              \
	{                                         \
		from_subject, COUNT(from_subject) \
	}

/* A field, or many of them. */
struct lost_field {
	const char *name;
	const char *value;
	size_t times;  /* 0: once */
	size_t length; /* 0: as it is; else that many of its first octet */
};

/* What is wanted of one use. */
struct lost_use {
	struct signing_rules rules;
	const char *covered; /* h=; "*": any; NULL: it is lost */
	const char *words;   /* why */
	bool is_dropped;
};

struct lost_case {
	const char *name;
	struct lost_field fields[FIELDS_MOST];
	bool has_long_word; /* in the body */
	struct lost_use uses[USES_MOST];
	const char *words; /* of the fault, if none is left */
	bool is_opendkim_only;
};

#define RULES(header, body, list, more)   \
	.rules = {                        \
		.header_canon = (header), \
		.body_canon = (body),     \
		.headers = list,          \
		.oversign = more,         \
	}

#define FROM_FIELD                           \
	{                                    \
		"From", " j@a.example", 0, 0 \
	}

static const struct lost_case lost_cases[] = {
	{ .name = "VT in From",
	    .fields = { { "From", " J\v <j@a.example>", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM, FROM),
			  .words = "From: it has a vertical tab" },
		{ RULES(SIMPLE, SIMPLE, FROM, FROM), .covered = "From:From" },
		{ RULES(RELAXED, RELAXED, FROM, FROM_TO),
		    .words = "From: it has a vertical tab" } } },
	{ .name = "VT in what only one oversigns",
	    .fields = { FROM_FIELD, { "subject", " \v", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM_SUBJECT, FROM),
			  .covered = "From:From" },
		{ RULES(RELAXED, SIMPLE, FROM_SUBJECT, FROM_SUBJECT),
		    .words = "field subject: it has a vertical" },
		{ RULES(SIMPLE, SIMPLE, FROM_SUBJECT, FROM_SUBJECT),
		    .covered = "From:subject:From:Subject" } } },
	{ .name = "too many of what only one oversigns",
	    .fields = { FROM_FIELD, { "To", " x", 1500, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM_TO, FROM_TO),
			  .words = "an oversigned header field occurs" },
		{ RULES(RELAXED, SIMPLE, FROM, FROM), .covered = "From:From" },
		{ RULES(RELAXED, RELAXED, FROM_TO, FROM), .covered = "*" } } },
	{ .name = "more than SIGNER_FIELDS",
	    .fields = { FROM_FIELD, { "To", " x", SIGNER_FIELDS, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM_SUBJECT, FROM),
			  .covered = "From:From" },
		{ RULES(SIMPLE, SIMPLE, FROM_TO, FROM),
		    .words = "To: too many covered fields" } } },
	{ .name = "more than SIGNER_HEADER_BYTES",
	    .fields = { FROM_FIELD, { "To", "x", 0, SIGNER_HEADER_BYTES } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM_TO, FROM),
			  .words = "To: the header is too large" },
		{ RULES(RELAXED, RELAXED, FROM, FROM),
		    .covered = "From:From" } } },
	{ .name = "no From",
	    .fields = { { "To", " x", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM_TO, FROM),
			  .words = "no From" },
		{ RULES(SIMPLE, SIMPLE, FROM_TO, FROM), .words = "no From" } },
	    .words = "no From" },
	{ .name = "all, for what comes first",
	    .fields = { FROM_FIELD, { "To", "\v", 0, 0 },
		{ "Subject", "\f", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM, FROM_SUBJECT),
			  .words = "field Subject" },
		{ RULES(RELAXED, SIMPLE, FROM, FROM_TO),
		    .words = "field To" } },
	    .words = "field To" },
	{ .name = "all that aren't dropped",
	    .fields = { FROM_FIELD, { "To", "\v", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM, FROM),
			  .covered = "From:From", .is_dropped = true },
		{ RULES(RELAXED, SIMPLE, FROM, FROM_TO),
		    .words = "field To" } },
	    .words = "field To" },
	{ .name = "one dropped, one lost, one left",
	    .fields = { FROM_FIELD, { "To", "\v", 0, 0 } },
	    .uses = { { RULES(RELAXED, SIMPLE, FROM, FROM_TO),
			  .words = "field To" },
		{ RULES(RELAXED, SIMPLE, FROM, FROM), .covered = "From:From",
		    .is_dropped = true },
		{ RULES(SIMPLE, SIMPLE, FROM, FROM),
		    .covered = "From:From" } } },
	/* What libopendkim can't do is lost with that engine only. */
	{ .name = "tab before the colon",
	    .fields = { FROM_FIELD, { "To\t", " x", 0, 0 } },
	    .uses = { { RULES(SIMPLE, SIMPLE, FROM_TO, FROM),
			  .covered = "From:To:From", .words = "takes no tab" },
		{ RULES(RELAXED, SIMPLE, FROM_TO, FROM),
		    .covered = "From:To:From" },
		{ RULES(SIMPLE, SIMPLE, FROM, FROM), .covered = "From:From" } },
	    .is_opendkim_only = true },
	{ .name = "a long word in the body",
	    .fields = { FROM_FIELD },
	    .has_long_word = true,
	    .uses = { { RULES(SIMPLE, SIMPLE, FROM, FROM),
			  .covered = "From:From" },
		{ RULES(SIMPLE, RELAXED, FROM, FROM), .covered = "From:From",
		    .words = "without a blank" } },
	    .is_opendkim_only = true },
	{ .name = "a long word in the body, and none left",
	    .fields = { FROM_FIELD },
	    .has_long_word = true,
	    .uses = { { RULES(SIMPLE, SIMPLE, FROM, FROM),
			  .covered = "From:From", .is_dropped = true },
		{ RULES(SIMPLE, RELAXED, FROM, FROM), .covered = "From:From",
		    .words = "without a blank" } },
	    .words = "without a blank",
	    .is_opendkim_only = true },
};

static size_t
count_uses(const struct lost_case *c)
{
	size_t count = 0;

	while (count < USES_MOST && c->uses[count].rules.headers.count > 0)
		count++;
	return count;
}

static bool
feed_field(
    struct signer *signer, const struct lost_field *field, struct fault *fault)
{
	size_t length =
	    field->length > 0 ? field->length : strlen(field->value);
	char *value = malloc(length + 1);
	bool is_taken = true;

	assert_non_null(value);
	if (field->length > 0)
		memset(value, field->value[0], length);
	else
		memcpy(value, field->value, length);
	for (size_t i = 0; i < (field->times > 0 ? field->times : 1); i++)
		is_taken = is_taken
		    && signer_header(signer, field->name, value, length, fault);
	free(value);
	return is_taken;
}

static bool
feed_message(
    struct signer *signer, const struct lost_case *c, struct fault *fault)
{
	unsigned char *word = malloc(LONG_WORD_OCTETS);
	bool is_taken = true;

	assert_non_null(word);
	memset(word, 'w', LONG_WORD_OCTETS);
	for (size_t i = 0; i < FIELDS_MOST && c->fields[i].name != NULL; i++)
		is_taken = is_taken && feed_field(signer, &c->fields[i], fault);
	is_taken = is_taken && signer_end_of_header(signer, fault)
	    && (!c->has_long_word
		|| signer_body(signer, word, LONG_WORD_OCTETS, fault))
	    && signer_text(signer, "x\r\n", fault);
	free(word);
	return is_taken;
}

/* One use is as wanted. */
static void
expect_use(const char *name, const struct lost_use *use, bool is_lost,
    const char *value, const char *why)
{
	if (use->is_dropped) {
		assert_null(value);
		assert_null(why);
	} else if (is_lost) {
		assert_null(value);
		if (why == NULL || strstr(why, use->words) == NULL)
			fail_msg("%s: wanted %s, got %s", name, use->words,
			    why != NULL ? why : "no words");
	} else if (value == NULL || why != NULL)
		fail_msg("%s: wanted h=%s, got %s", name, use->covered,
		    why != NULL ? why : "nothing");
	else if (strcmp(use->covered, "*") != 0)
		signer_expect_tag(name, value, "h", use->covered);
}

/* Do the words of the fault stand for engine too? */
static bool
fails_by(const struct lost_case *c, enum signing_engine engine)
{
	return c->words != NULL
	    && (!c->is_opendkim_only || engine == SIGNING_OPENDKIM);
}

static void
check_lost(const struct lost_case *c, enum signing_engine engine)
{
	struct signer_use uses[SIGNING_SIGNATURES] = { { 0 } };
	struct signer_order order = { .engine = engine,
		.uses = uses,
		.count = count_uses(c),
		.time_s = SIGNER_TIME_S,
		.is_checked = true };
	struct fault fault = { 0 };
	const char *const *values = NULL;
	struct signer *signer;
	size_t count = 0;

	for (size_t i = 0; i < order.count; i++) {
		uses[i].key = &signer_keys[i % 2];
		uses[i].rules = &c->uses[i].rules;
	}
	signer = signer_begun(&order);
	for (size_t i = 0; i < order.count; i++)
		if (c->uses[i].is_dropped)
			signer_drop(signer, i);
	if ((feed_message(signer, c, &fault)
		&& signer_finish(signer, &values, &count, &fault))
	    == fails_by(c, engine))
		fail_msg("%s by %s: wanted %s, got %s", c->name,
		    signer_engine_name(engine),
		    fails_by(c, engine) ? c->words : "signatures", fault.words);
	if (fails_by(c, engine) && strstr(fault.words, c->words) == NULL)
		fail_msg(
		    "%s: wanted %s, got %s", c->name, c->words, fault.words);
	assert_null(signer_faulty_key(signer));
	for (size_t i = 0; i < order.count && !fails_by(c, engine); i++)
		expect_use(c->name, &c->uses[i],
		    c->uses[i].covered == NULL
			|| (c->uses[i].words != NULL
			    && engine == SIGNING_OPENDKIM),
		    values[i], signer_lost(signer, i));
	assert_null(signer_lost(signer, order.count));
	if (!fails_by(c, engine) && signer_difference(signer) != NULL)
		fail_msg("%s by %s: %s", c->name, signer_engine_name(engine),
		    signer_difference(signer));
	signer_end(&signer);
}

static void
what_cant_be_made_is_lost_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lost_cases); i++)
		for (size_t k = 0; k < SIGNER_ENGINES; k++)
			check_lost(&lost_cases[i], signer_engines[k]);
}

/* A key that doesn't fit is the caller's affair, unless nothing was to be
 * signed with it; and it is the key that is named, whichever use is lost. */
static void
faulty_keys_are_named_behind_lost_uses(void **state)
{
	struct key bad = signer_keys[SIGNER_RSA];
	struct signing_rules strict = signer_rules(RELAXED, SIMPLE);
	struct signing_rules rules = signer_rules(SIMPLE, SIMPLE);

	(void)state;
	bad.algorithm = KEY_ED25519_SHA256;
	for (size_t i = 0; i < 2 * SIGNER_ENGINES; i++) {
		bool is_lost = i % 2 == 0;
		struct signer_use uses[] = {
			{ is_lost ? &bad : &signer_keys[SIGNER_RSA], &strict,
			    NULL },
			{ &signer_keys[SIGNER_ED25519], &rules, NULL },
			{ is_lost ? &signer_keys[SIGNER_RSA] : &bad, &rules,
			    NULL },
		};
		const struct signer_order order = {
			.engine = signer_engines[i / 2],
			.uses = uses,
			.count = COUNT(uses),
			.time_s = SIGNER_TIME_S,
		};
		struct signer *signer = signer_begun(&order);
		struct fault fault = { 0 };

		assert_true(
		    signer_field(signer, "From", " \vj@a.example", &fault));
		if (signer_end_of_header(signer, &fault) != is_lost)
			fail_msg("%s", fault.words);
		assert_ptr_equal(
		    is_lost ? NULL : &bad, signer_faulty_key(signer));
		signer_end(&signer);
	}
}

/* ---- identities ---------------------------------------------------------- */

/* What a message of From alone is signed as by one engine, with identity. The
 * caller frees it. */
static char *
signed_as(enum signing_engine engine, const struct signing_rules *rules,
    size_t key, const char *identity)
{
	const struct signer_use use = { &signer_keys[key], rules, identity };
	const struct signer_order order = { .engine = engine,
		.uses = &use,
		.count = 1,
		.time_s = SIGNER_TIME_S,
		.is_checked = true };
	struct signer *signer = signer_begun(&order);
	struct fault fault = { 0 };
	const char *const *values = NULL;
	size_t count;
	char *value;

	if (!signer_field(signer, "From", " j@a.example", &fault)
	    || !signer_end_of_header(signer, &fault)
	    || !signer_text(signer, "x\r\n", &fault)
	    || !signer_finish(signer, &values, &count, &fault))
		fail_msg("%s: %s", identity, fault.words);
	if (signer_difference(signer) != NULL)
		fail_msg("%s: %s", identity, signer_difference(signer));
	value = strdup(values[0]);
	assert_non_null(value);
	signer_end(&signer);
	return value;
}

/* Both engines write identity, as wanted, and the same octets; each checks the
 * other, and its key's public part. */
static void
expect_identity(const char *identity, const char *wanted, size_t turn)
{
	struct signing_rules rules = signer_rules(
	    turn & 1 ? RELAXED : SIMPLE, turn & 2 ? RELAXED : SIMPLE);
	size_t key = turn & 4 ? SIGNER_RSA_ODD : SIGNER_ED25519;
	char *own, *theirs;

	rules.expire_s = turn & 8 ? 1000 : 0;
	own = signed_as(SIGNING_POSTERN, &rules, key, identity);
	theirs = signed_as(SIGNING_OPENDKIM, &rules, key, identity);
	if (strcmp(own, theirs) != 0)
		fail_msg("%s: postern:%s\nopendkim:%s", identity, own, theirs);
	signer_expect_tag(identity, own, "i", wanted);
	free(own);
	free(theirs);
}

static const struct {
	const char *identity, *wanted;
} identities[] = {
	{ "@a.example", "@a.example" },
	{ "joe@a.example", "joe@a.example" },
	{ "@news.a.example", "@news.a.example" },
	{ "joe@1.2.a.example", "joe@1.2.a.example" },
	{ "j;b=o=e@a.example", "j=3Bb=3Do=3De@a.example" },
	{ "\"j o:e\"@a.example", "\"j=20o:e\"@a.example" },
	{ "=20@a.example", "=3D20@a.example" },
	{ "j\xc3\xbcrg@a.example", "j=C3=BCrg@a.example" },
	{ "x@m\xc3\xbcnchen.A.Example.", "x@xn--mnchen-3ya.a.example" },
};

static void
identities_are_written_alike(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(identities); i++)
		for (size_t turn = 0; turn < 16; turn++)
			expect_identity(
			    identities[i].identity, identities[i].wanted, turn);
}

/* Of every length, so that i= and what follows come to stand in every column;
 * with and without characters that are encoded. */
static void
identities_are_folded_alike(void **state)
{
	char local[LENGTH_MOST + 1];
	char encoded[3 * LENGTH_MOST + 1];
	char identity[2 * LENGTH_MOST], wanted[4 * LENGTH_MOST];

	(void)state;
	for (size_t length = 0; length <= LENGTH_MOST; length++)
		/* RSA is dear: bit 2. */
		for (size_t turn = 0; turn < (length % 4 == 0 ? 16 : 4);
		     turn++) {
			bool has_encoded = length > 1 && turn % 3 == 0;

			memset(local, 'l', length);
			local[length] = '\0';
			memcpy(encoded, local, length + 1);
			if (has_encoded) {
				local[1] = ';';
				snprintf(encoded, sizeof(encoded), "l=3B%s",
				    local + 2);
			}
			snprintf(identity, sizeof(identity), "%s@%sa.example",
			    local, turn & 1 ? "sub." : "");
			snprintf(wanted, sizeof(wanted), "%s@%sa.example",
			    encoded, turn & 1 ? "sub." : "");
			expect_identity(identity, wanted, turn);
		}
}

/* As long as may be; and one octet more. */
static void
the_longest_identity_is_whole(void **state)
{
	enum { LOCAL_OCTETS = 255 - 10 };
	struct signing_rules rules = signer_rules(RELAXED, SIMPLE);
	char identity[LOCAL_OCTETS + 20];
	struct signer_use use = { &signer_keys[SIGNER_RSA], &rules, identity };
	const struct signer_order order = { .uses = &use, .count = 1 };
	struct fault fault = { 0 };

	(void)state;
	memset(identity, 'l', LOCAL_OCTETS);
	memcpy(identity + LOCAL_OCTETS, "@a.example", 11);
	for (size_t turn = 0; turn < 16; turn++)
		expect_identity(identity, identity, turn);
	memcpy(identity + LOCAL_OCTETS, "l@a.example", 12);
	assert_null(signer_begin(&order, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(fault.words, "too long"));
}

static void
identities_of_others_are_refused(void **state)
{
	struct signing_rules rules = signer_rules(RELAXED, SIMPLE);
	struct signer_use uses[] = { { &signer_keys[SIGNER_ED25519], &rules,
					 "joe@a.example" },
		{ &signer_keys[SIGNER_RSA], &rules, "joe@b.example" } };
	const struct signer_order order = { .uses = uses,
		.count = COUNT(uses) };
	struct fault fault = { 0 };

	(void)state;
	assert_null(signer_begin(&order, &fault));
	assert_int_equal(FAULT_PERMANENT, fault.kind);
	assert_non_null(strstr(
	    fault.words, "signing with a.example/rsa: i=joe@b.example can't"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cant_be_made_is_lost_alone),
		cmocka_unit_test(faulty_keys_are_named_behind_lost_uses),
		cmocka_unit_test(identities_are_written_alike),
		cmocka_unit_test(identities_are_folded_alike),
		cmocka_unit_test(the_longest_identity_is_whole),
		cmocka_unit_test(identities_of_others_are_refused),
	};

	return cmocka_run_group_tests_name(
	    "signer uses", tests, signer_make_keys, signer_free_keys);
}
