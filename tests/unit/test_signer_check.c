/* The self check says what is wrong, and nothing when nothing is: engines are
 * played here that go wrong in one way each. */
#include "milter/io/signer_engine.h"
#include "milter/io/signer_proof.h"
#include "tests/unit/signer_fixture.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- engines that go wrong ----------------------------------------------- */

enum wrong {
	WRONG_NOTHING,
	WRONG_TAKES,
	WRONG_BEGIN,
	WRONG_BODY,
	WRONG_HASHED, /* for one use, or SIGNER_NO_USE: for all */
	WRONG_FINISH,
	WRONG_VALUE, /* old in that of faulty becomes new */
};

/* Does what our own engine does, but for one thing. */
struct play {
	enum wrong wrong;
	enum fault_kind kind; /* of its fault */
	size_t faulty;
	const char *old, *new; /* of the same length */
};

static struct play first, second;

static bool
goes_wrong(const struct play *play, enum wrong where, size_t *faulty_out,
    struct fault *fault)
{
	if (play->wrong != where)
		return false;
	*faulty_out = play->faulty;
	fault_set(fault, play->kind, "played fault");
	return true;
}

static void
change(char *value, const char *old, const char *new)
{
	char *at = strstr(value, old);

	if (at == NULL)
		fail_msg("no %s in %s", old, value);
	else
		memcpy(at, new, strlen(new));
}

static bool
play_has_hashed(const struct play *play, size_t which, struct fault *fault)
{
	size_t faulty;

	return (play->faulty != SIGNER_NO_USE && play->faulty != which)
	    || !goes_wrong(play, WRONG_HASHED, &faulty, fault);
}

static bool
play_finish(const struct play *play, void *work, const bool *is_left_out,
    char **values_out, size_t *faulty_out, struct fault *fault)
{
	struct fault ignored;

	for (size_t i = 0; i < 2; i++)
		if (!is_left_out[i] && !play_has_hashed(play, i, &ignored))
			fail_msg("use %zu, which it denied, is asked for", i);
	if (goes_wrong(play, WRONG_FINISH, faulty_out, fault)
	    || !signer_postern.finish(
		work, is_left_out, values_out, faulty_out, fault))
		return false;
	if (play->wrong == WRONG_VALUE)
		change(values_out[play->faulty], play->old, play->new);
	return true;
}

#define PLAYED(play)                                                       \
	static void *play##_begin(const struct signer_job *job,            \
	    size_t *faulty_out, struct fault *fault)                       \
	{                                                                  \
		return goes_wrong(&(play), WRONG_BEGIN, faulty_out, fault) \
		    ? NULL                                                 \
		    : signer_postern.begin(job, faulty_out, fault);        \
	}                                                                  \
	static bool play##_body(void *work, const unsigned char *data,     \
	    size_t length, struct fault *fault)                            \
	{                                                                  \
		size_t faulty;                                             \
                                                                           \
		return !goes_wrong(&(play), WRONG_BODY, &faulty, fault)    \
		    && signer_postern.body(work, data, length, fault);     \
	}                                                                  \
	static bool play##_takes(                                          \
	    const struct signer_fields *fields, struct fault *fault)       \
	{                                                                  \
		size_t faulty;                                             \
                                                                           \
		return fields->count == 0                                  \
		    || !goes_wrong(&(play), WRONG_TAKES, &faulty, fault);  \
	}                                                                  \
	static bool play##_has_hashed(                                     \
	    const void *work, size_t which, struct fault *fault)           \
	{                                                                  \
		(void)work;                                                \
		return play_has_hashed(&(play), which, fault);             \
	}                                                                  \
	static bool play##_finish(void *work, const bool *is_left_out,     \
	    char **values_out, size_t *faulty_out, struct fault *fault)    \
	{                                                                  \
		return play_finish(&(play), work, is_left_out, values_out, \
		    faulty_out, fault);                                    \
	}                                                                  \
	static void play##_end(void *work)                                 \
	{                                                                  \
		signer_postern.end(work);                                  \
	}                                                                  \
	static const struct signer_engine play##_engine = {                \
		.name = #play,                                             \
		.takes = play##_takes,                                     \
		.has_hashed = play##_has_hashed,                           \
		.begin = play##_begin,                                     \
		.body = play##_body,                                       \
		.finish = play##_finish,                                   \
		.end = play##_end,                                         \
	}

PLAYED(first);
PLAYED(second);

/* The header of the message: two names are of one length, and mixed; one value
 * is empty. */
static const struct {
	const char *name, *value;
} header[] = { { "To", " a" }, { "From", " j@a.example" }, { "Cc", "" },
	{ "To", " c" }, { "Subject", " one" } };

/* Sign a message with RSA and Ed25519, keys as given. *values_out, which may be
 * NULL, gets the values if all goes well. */
static struct signer *
signed_with(
    const struct key *keys, const char *const **values_out, struct fault *fault)
{
	static const char *const names[] = { "From", "To", "Cc", "Subject" };
	struct signing_rules rules = signer_rules(CANON_RELAXED, CANON_SIMPLE);
	const struct signer_use uses[] = { { &keys[0], &rules, NULL },
		{ &keys[1], &rules, NULL } };
	const struct signer_order order = {
		.uses = uses, .count = 2, .time_s = SIGNER_TIME_S
	};
	const char *const *values;
	struct signer *signer;
	size_t count;

	rules.headers = (struct field_names){ names, COUNT(names) };
	signer =
	    signer_begin_with(&order, &first_engine, &second_engine, fault);
	assert_non_null(signer);
	for (size_t i = 0; i < COUNT(header); i++)
		(void)signer_field(
		    signer, header[i].name, header[i].value, fault);
	if (signer_end_of_header(signer, fault)
	    && signer_text(signer, "x\r\n", fault)
	    && signer_finish(signer, &values, &count, fault)
	    && values_out != NULL)
		*values_out = values;
	return signer;
}

struct check_case {
	const char *name;
	struct play first, second;
	const char *words; /* of the difference; NULL: none */
};

static const struct check_case check_cases[] = {
	{ .name = "nothing wrong" },
	{ .name = "the other can't begin",
	    .second = { WRONG_BEGIN, FAULT_PERMANENT, 0, NULL, NULL },
	    .words = "first signs the message, second doesn't: played fault" },
	{ .name = "nor take the body",
	    .second = { WRONG_BODY, FAULT_PERMANENT, 0, NULL, NULL },
	    .words = "first signs the message, second doesn't: played fault" },
	{ .name = "nor finish",
	    .second = { WRONG_FINISH, FAULT_PERMANENT, SIGNER_NO_USE, NULL,
		NULL },
	    .words = "first signs the message, second doesn't: played fault" },
	{ .name = "its limit, in the header",
	    .second = { WRONG_TAKES, FAULT_PERMANENT, 0, NULL, NULL } },
	{ .name = "its limit, in the body",
	    .second = { WRONG_HASHED, FAULT_PERMANENT, SIGNER_NO_USE, NULL,
		NULL } },
	{ .name = "its limit, in the body of one",
	    .second = { WRONG_HASHED, FAULT_PERMANENT, 1, NULL, NULL } },
	{ .name = "the rest is compared",
	    .first = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .second = { WRONG_HASHED, FAULT_PERMANENT, 1, NULL, NULL },
	    .words = "t=1800000000 and t=1700000000" },
	{ .name = "no memory",
	    .second = { WRONG_BODY, FAULT_MEMORY, 0, NULL, NULL } },
	{ .name = "another bh=",
	    .second = { WRONG_VALUE, 0, 0, "bh=", "bh=//" },
	    .words = "first and second differ at octet" },
	{ .name = "another time",
	    .second = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .words = "t=1700000000 and t=1800000000" },
	{ .name = "another version",
	    .second = { WRONG_VALUE, 0, 0, "v=1", "v=2" },
	    .words = "v=1 and v=2" },
	{ .name = "folded elsewhere",
	    .second = { WRONG_VALUE, 0, 0, " d=", "\nd=" },
	    .words = "d=a.example and d=a.example" },
	{ .name = "another time in the second signature",
	    .second = { WRONG_VALUE, 0, 1, "t=17", "t=18" },
	    .words = "a.example/k1: first and second differ at octet" },
	/* Wrong alike, so that they don't differ. */
	{ .name = "both have another time",
	    .first = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .second = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .words = "a.example/k0: the signature by first doesn't verify: "
		     "its b=" },
	{ .name = "both, in the second signature",
	    .first = { WRONG_VALUE, 0, 1, "t=17", "t=18" },
	    .second = { WRONG_VALUE, 0, 1, "t=17", "t=18" },
	    .words = "a.example/k1: the signature by first doesn't verify" },
	{ .name = "both leave a name out",
	    .first = { WRONG_VALUE, 0, 0, ":Subject", ":Nothing" },
	    .second = { WRONG_VALUE, 0, 0, ":Subject", ":Nothing" },
	    .words = "first doesn't verify" },
	{ .name = "both lack h=",
	    .first = { WRONG_VALUE, 0, 0, "h=To", "y=To" },
	    .second = { WRONG_VALUE, 0, 0, "h=To", "y=To" },
	    .words = "it lacks a=, b=, bh=, c= or h=" },
	{ .name = "b= is cut off",
	    .first = { WRONG_VALUE, 0, 0, "\tb=", "\tb=;" },
	    .second = { WRONG_VALUE, 0, 0, "\tb=", "\tb=;" },
	    .words = "first doesn't verify" },
	{ .name = "what isn't checked by the other is verified",
	    .first = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .second = { WRONG_TAKES, FAULT_PERMANENT, 0, NULL, NULL },
	    .words = "first doesn't verify" },
	{ .name = "neither is what it could not hash the body of",
	    .first = { WRONG_VALUE, 0, 0, "t=17", "t=18" },
	    .second = { WRONG_HASHED, FAULT_PERMANENT, 0, NULL, NULL },
	    .words = "first doesn't verify" },
};

static void
expect_difference(
    const char *name, const struct signer *signer, const char *words)
{
	const char *got = signer_difference(signer);

	if (words == NULL ? got != NULL
			  : got == NULL || strstr(got, words) == NULL)
		fail_msg("%s: wanted %s, got %s", name,
		    words != NULL ? words : "nothing",
		    got != NULL ? got : "nothing");
}

static void
take_keys(struct key keys[2], size_t one, size_t other)
{
	keys[0] = signer_keys[one];
	keys[0].selector = "k0";
	keys[1] = signer_keys[other];
	keys[1].selector = "k1";
}

static void
test_differences(void **state)
{
	struct key keys[2];

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(check_cases); i++) {
		const struct check_case *c = &check_cases[i / 2];
		struct fault fault = { 0 };
		struct signer *signer;

		first = c->first;
		second = c->second;
		if (i % 2 == 0)
			take_keys(keys, SIGNER_ED25519, SIGNER_RSA);
		else
			take_keys(keys, SIGNER_RSA, SIGNER_ED25519);
		signer = signed_with(keys, NULL, &fault);
		if (fault.kind != FAULT_NONE)
			fail_msg("%s: %s", c->name, fault.words);
		expect_difference(c->name, signer, c->words);
		assert_int_equal(0, ERR_peek_error());
		signer_end(&signer);
	}
}

/* The first engine's faults are the signer's. */
static void
test_first_fails(void **state)
{
	static const struct {
		struct play play;
		bool is_key;
	} cases[] = {
		{ { WRONG_BEGIN, FAULT_PERMANENT, 1, NULL, NULL }, true },
		{ { WRONG_BEGIN, FAULT_MEMORY, SIGNER_NO_USE, NULL, NULL },
		    false },
		{ { WRONG_BODY, FAULT_PERMANENT, 1, NULL, NULL }, false },
		{ { WRONG_FINISH, FAULT_TEMPORARY, 1, NULL, NULL }, true },
		{ { WRONG_FINISH, FAULT_PERMANENT, SIGNER_NO_USE, NULL, NULL },
		    false },
		{ { WRONG_TAKES, FAULT_PERMANENT, 0, NULL, NULL }, false },
		{ { WRONG_HASHED, FAULT_PERMANENT, SIGNER_NO_USE, NULL, NULL },
		    false },
	};
	struct key keys[2];

	(void)state;
	take_keys(keys, SIGNER_ED25519, SIGNER_RSA);
	second = (struct play){ 0 };
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fault fault = { 0 };
		struct signer *signer;

		first = cases[i].play;
		signer = signed_with(keys, NULL, &fault);
		assert_int_equal(cases[i].play.kind, fault.kind);
		assert_string_equal("played fault", fault.words);
		assert_ptr_equal(cases[i].is_key ? &keys[1] : NULL,
		    signer_faulty_key(signer));
		assert_null(signer_difference(signer));
		signer_end(&signer);
	}
}

/* ---- public parts that don't fit ----------------------------------------- */

/* What is signed, as it is hashed. */
static void
take_fields(struct signer_fields *fields)
{
	struct fault fault;

	signer_fields_init(fields, CANON_RELAXED);
	for (size_t i = 0; i < COUNT(header); i++)
		assert_true(signer_fields_add(fields, header[i].name,
		    strlen(header[i].name), strcmp(header[i].name, "From") == 0,
		    header[i].value, strlen(header[i].value), &fault));
}

static void
expect_proof(const char *name, const struct signer_fields *fields,
    const char *value, const char *public, const char *words)
{
	const char *why = signer_proof(fields, value, public);

	if (why == NULL ? words != NULL
			: words == NULL || strstr(why, words) == NULL)
		fail_msg("%s: %s", name, why != NULL ? why : "is taken");
	assert_int_equal(0, ERR_peek_error());
}

/* text with a blank behind each octet; the caller frees it. */
static char *
with_blanks(const char *text)
{
	char *blanks = calloc(2, strlen(text) + 1);

	assert_non_null(blanks);
	for (size_t i = 0; text[i] != '\0'; i++) {
		blanks[2 * i] = text[i];
		blanks[2 * i + 1] = ' ';
	}
	return blanks;
}

static void
test_public_parts(void **state)
{
	char *blanks = with_blanks(signer_public(SIGNER_RSA));
	const struct {
		const char *name;
		const char *public;
		const char *of_rsa, *of_ed25519; /* words; NULL: it fits */
	} cases[] = {
		{ "RSA's", signer_public(SIGNER_RSA), NULL,
		    "is no key for its a=" },
		{ "the same with blanks", blanks, NULL,
		    "is no key for its a=" },
		{ "another RSA key's", signer_public(SIGNER_RSA_OTHER),
		    "its b=", "is no key for its a=" },
		{ "Ed25519's", signer_public(SIGNER_ED25519),
		    "is no key for its a=", NULL },
		{ "Ed25519's in DER",
		    "MCowBQYDK2VwAyEA"
		    "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		    "its b=", "is no key for its a=" },
		{ "empty", "", "is no key for its a=", "is no key" },
		{ "no base64", "!!!!", "is no key for its a=", "is no key" },
		{ "only padding", "==", "is no key", "is no key" },
		{ "32 zeros", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		    "is no key", "its b=" },
	};
	struct key keys[2];
	struct signer_fields fields;
	struct fault fault = { 0 };
	const char *const *values = NULL;
	struct signer *signer;

	(void)state;
	first = second = (struct play){ 0 };
	take_keys(keys, SIGNER_RSA, SIGNER_ED25519);
	signer = signed_with(keys, &values, &fault);
	assert_non_null(values);
	take_fields(&fields);
	for (size_t i = 0; i < COUNT(cases); i++) {
		expect_proof(cases[i].name, &fields, values[0], cases[i].public,
		    cases[i].of_rsa);
		expect_proof(cases[i].name, &fields, values[1], cases[i].public,
		    cases[i].of_ed25519);
	}
	signer_fields_clear(&fields);
	signer_end(&signer);
	free(blanks);
}

/* Values that no engine makes don't upset the reading. */
static void
test_odd_values(void **state)
{
	static const char *const values[] = { "", ";", ";;;", "=", "b",
		"b=", "a=;b=;c=;h=;bh=", "a=rsa-;b=;c=relaxed;h=:::;bh=",
		"a=rsa-sha256; bh=; c=relaxed/simple; h=From:From:; b=AAAA",
		" a = x ; b = A ; c = r ; h = From ; bh = ",
		"a=x;c=x;h=From;bh=x;b=A===;", "\n\n\t;b=\n;" };
	struct signer_fields fields;
	struct fault fault;

	(void)state;
	signer_fields_init(&fields, CANON_RELAXED);
	assert_true(
	    signer_fields_add(&fields, "From", 4, true, " \r\n", 1, &fault));
	for (size_t i = 0; i < COUNT(values); i++)
		for (size_t k = 0; k < 2; k++)
			if (signer_proof(&fields, values[i], signer_public(k))
			    == NULL)
				fail_msg("\"%s\" was taken", values[i]);
	signer_fields_clear(&fields);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_first_fails),
		cmocka_unit_test(test_public_parts),
		cmocka_unit_test(test_odd_values),
	};

	return cmocka_run_group_tests_name(
	    "signer check", tests, signer_make_keys, signer_free_keys);
}
