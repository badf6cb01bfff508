/* verify with several signatures, and ended or called at the wrong time. */
#include "tests/unit/verify_fixture.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- several ------------------------------------------------------------- */

static void
test_none(void **state)
{
	struct verified verified;

	(void)state;
	verify_conclude(verify_begun("a.example"), &verify_plain, &verified);
	assert_false(verified.is_wanted);
	assert_int_equal(0, verified.count);
}

/* All are checked, each for itself; the result is in the message's order. */
static void
test_several(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;

	(void)state;
	verify_add_signed_by(verifier, "list.example", "");
	verify_add(verifier, "Received", " from x");
	verify_add_signature(verifier, " v=1; d=B.example");
	verify_add_signed_by(verifier, "other.example", "i=@a.example; ");
	verify_add_signed_by(verifier, "nokey.example", "");
	verify_add_signed_by(verifier, "a.example", "");
	verify_conclude(verifier, &verify_plain, &verified);
	assert_true(verified.is_wanted);
	assert_int_equal(5, verified.count);
	verify_expect_at(&verified, 0, "list.example", VERIFY_GOOD);
	verify_expect_at(&verified, 1, "b.example", VERIFY_BAD);
	verify_expect_at(&verified, 2, "other.example", VERIFY_BAD);
	verify_expect_at(&verified, 3, "nokey.example", VERIFY_BAD);
	verify_expect_at(&verified, 4, "a.example", VERIFY_GOOD);
}

/* The nearest to the author are checked, wherever they stand. */
static void
test_nearest_first(void **state)
{
	struct verifier *verifier = verify_begun("sub.a.example");
	struct verified verified;

	(void)state;
	verify_add_signed_by(verifier, "list.example", "");
	verify_add_signed_by(verifier, "other.example", "");
	verify_add_signed_by(verifier, "b.example", "");
	verify_add_signed_by(verifier, "x.a.example", "");
	verify_add_signed_by(verifier, "a.example", "");
	verify_add_signed_by(verifier, "sub.a.example", "");
	verify_conclude(verifier, &verify_plain, &verified);
	assert_int_equal(6, verified.count);
	verify_expect_at(&verified, 0, "list.example", VERIFY_GOOD);
	verify_expect_at(&verified, 1, "other.example", VERIFY_SKIPPED);
	verify_expect_at(&verified, 2, "b.example", VERIFY_SKIPPED);
	verify_expect_at(&verified, 3, "x.a.example", VERIFY_BAD);
	verify_expect_at(&verified, 4, "a.example", VERIFY_GOOD);
	verify_expect_at(&verified, 5, "sub.a.example", VERIFY_GOOD);
}

/* Only what is checked is there. */
static void
test_has(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	bool is_wanted;

	(void)state;
	for (int i = 0; i < VERIFY_SIGNATURES; i++)
		verify_add_signed_by(verifier, "a.example", "");
	verify_add_signed_by(verifier, "b.example", "");
	verify_add_signature(verifier, " v=1; d=c.example; s=rsa");
	assert_false(verify_has(verifier, "a.example", "rsa"));
	assert_true(verify_end_of_header(verifier, &is_wanted, NULL));
	assert_true(verify_has(verifier, "a.example", "rsa"));
	assert_true(verify_has(verifier, "a.example", "RSA"));
	assert_false(verify_has(verifier, "a.example", "ed"));
	assert_false(verify_has(verifier, "b.example", "rsa"));
	assert_false(verify_has(verifier, "c.example", "rsa"));
	verify_end(&verifier);
}

/* What is bad in itself takes nobody's place. */
static void
test_broken_take_no_place(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;

	(void)state;
	for (int i = 0; i < 10; i++)
		verify_add_signature(verifier, " v=1; d=a.example");
	for (int i = 0; i < VERIFY_SIGNATURES; i++)
		verify_add_signed_by(verifier, "a.example", "");
	verify_add_signed_by(verifier, "a.example", "");
	verify_conclude(verifier, &verify_plain, &verified);
	assert_int_equal(11 + VERIFY_SIGNATURES, verified.count);
	verify_expect_at(&verified, 9, "a.example", VERIFY_BAD);
	for (size_t i = 10; i < 10 + VERIFY_SIGNATURES; i++)
		verify_expect_at(&verified, i, "a.example", VERIFY_GOOD);
	verify_expect_at(
	    &verified, 10 + VERIFY_SIGNATURES, "a.example", VERIFY_SKIPPED);
}

static void
test_more_fields_than_looked_at(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	struct verified verified;

	(void)state;
	for (int i = 1; i < VERIFY_FIELDS; i++)
		verify_add_signature(verifier, "");
	verify_add_signed_by(verifier, "a.example", "");
	verify_add_signed_by(verifier, "b.example", "");
	verify_conclude(verifier, &verify_plain, &verified);
	assert_int_equal(VERIFY_FIELDS, verified.count);
	verify_expect_at(&verified, 0, "", VERIFY_BAD);
	verify_expect_at(
	    &verified, VERIFY_FIELDS - 1, "a.example", VERIFY_GOOD);
}

/* ---- signatures over signatures (RFC 6376 §5.4) -------------------------- */

#define OTHER " v=1; d=b.example; s=x; h=from; i=@; l=9; a=x; b=y; bh=z"
#define OTHER_RELAXED                                                        \
	"dkim-signature:v=1; d=b.example; s=x; h=from; i=@; l=9; a=x; b=y; " \
	"bh=z\r\n"

struct cover_case {
	const char *name;
	const char *covered;
	const char *header;    /* that is hashed */
	const char *others[6]; /* below it */
	enum verify_state state;
	const char *words;
};

static const struct cover_case cover_cases[] = {
	{ "none", "from", "from:J <j@a.example>\r\n", { OTHER }, VERIFY_GOOD,
	    "" },
	{ "one", "from:dkim-signature",
	    "from:J <j@a.example>\r\n" OTHER_RELAXED, { OTHER }, VERIFY_GOOD,
	    "" },
	{ "two of two", "from:dkim-signature:DKIM-Signature",
	    "from:J <j@a.example>\r\n" OTHER_RELAXED OTHER_RELAXED,
	    { OTHER, OTHER }, VERIFY_GOOD, "" },
	{ "the lower of two", "dkim-signature:from",
	    OTHER_RELAXED "from:J <j@a.example>\r\n",
	    { " v=1; d=c.example", OTHER }, VERIFY_GOOD, "" },
	{ "altered", "from:dkim-signature",
	    "from:J <j@a.example>\r\n" OTHER_RELAXED, { " v=1; d=c.example" },
	    VERIFY_BAD, "header" },
	/* It would be itself that is covered: nobody can have made that. */
	{ "one that is gone", "from:dkim-signature",
	    "from:J <j@a.example>\r\n" OTHER_RELAXED, { NULL }, VERIFY_BAD,
	    "header" },
	{ "itself, and more names than fields",
	    "from:to:subject:dkim-signature:x:y", PLAIN_HEADER, { NULL },
	    VERIFY_BAD, "header" },
	{ "too many",
	    "from:dkim-signature:dkim-signature:dkim-signature:dkim-signature:"
	    "dkim-signature",
	    "from:J <j@a.example>\r\n", { OTHER, OTHER, OTHER, OTHER, OTHER },
	    VERIFY_LOST, "too many" },
	{ "one that libopendkim must not see", "from:dkim-signature",
	    "from:J <j@a.example>\r\n",
	    { " v=1; d=b.example; s=x; h=from; a=x; b=y; bh=z; i=a@b=" },
	    VERIFY_LOST, "can't read" },
};

static void
test_covered_signatures(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cover_cases); i++) {
		const struct cover_case *c = &cover_cases[i];
		struct verifier *verifier = verify_begun("a.example");
		struct verified verified;
		char *signature;
		char *value;

		assert_true(
		    asprintf(&value,
			SIGNATURE_START "d=a.example; h=%s; bh=#H; b=#B",
			c->covered)
		    > 0);
		signature = verify_sign(
		    SIGNER_RSA, value, c->header, verify_plain.body);
		verify_add_signature(verifier, signature);
		for (size_t k = 0; k < COUNT(c->others) && c->others[k] != NULL;
		     k++)
			verify_add_signature(verifier, c->others[k]);
		verify_conclude(verifier, &verify_plain, &verified);
		verified.count = 1;
		verify_expect(c->name, &verified, c->state, c->words);
		free(signature);
		free(value);
	}
}

/* ---- at the wrong time --------------------------------------------------- */

static void
test_ended_early(void **state)
{
	struct verifier *verifier = NULL;
	char *signature = verify_signed_by("a.example", "");
	bool is_wanted;

	(void)state;
	verify_end(&verifier);
	for (int stage = 0; stage < 5; stage++) {
		verifier = verify_begun("a.example");
		if (stage > 0)
			verify_add_signature(verifier, signature);
		if (stage > 1)
			verify_feed_header(verifier, NULL, &verify_plain);
		if (stage > 2)
			assert_true(
			    verify_end_of_header(verifier, &is_wanted, NULL));
		if (stage > 3)
			verify_feed_body(verifier, &verify_plain, 1);
		verify_end(&verifier);
		assert_null(verifier);
	}
	free(signature);
}

/* The first fault stays; what isn't bad in itself is lost then. */
static void
test_order(void **state)
{
	static const unsigned char octet = 'x';

	(void)state;
	for (int mistake = 0; mistake < 4; mistake++) {
		struct verifier *verifier = verify_begun("a.example");
		struct fault fault = { 0 };
		struct verified verified = { 0 };
		bool is_wanted = true;

		verify_add_signed_by(verifier, "a.example", "");
		verify_add_signature(verifier, " v=1; d=b.example");
		if (mistake == 0)
			assert_false(verify_body(verifier, &octet, 1, &fault));
		if (mistake > 0)
			assert_true(
			    verify_end_of_header(verifier, &is_wanted, &fault));
		if (mistake == 1)
			assert_false(
			    verify_header(verifier, "To", " x", 2, &fault));
		if (mistake == 2)
			assert_false(
			    verify_end_of_header(verifier, &is_wanted, &fault));
		if (mistake < 3) {
			assert_int_equal(FAULT_PERMANENT, fault.kind);
			assert_false(verify_body(verifier, &octet, 1, NULL));
			assert_false(
			    verify_end_of_header(verifier, &is_wanted, NULL));
			assert_false(is_wanted);
		}
		verify_done(&verifier, &verified);
		assert_int_equal(2, verified.count);
		verify_expect_at(&verified, 0, "a.example",
		    mistake < 3 ? VERIFY_LOST : VERIFY_BAD);
		verify_expect_at(&verified, 1, "b.example", VERIFY_BAD);
	}
}

static void
test_finished_twice(void **state)
{
	struct verifier *verifier = verify_begun("a.example");
	const struct verify_signature *first, *second;
	struct resolver_asker *asker = resolver_begin(verify_resolver(), 1000);
	char *signature = verify_signed_by("a.example", "");
	size_t first_count, second_count;
	bool is_wanted;

	(void)state;
	verify_feed_header(verifier, signature, &verify_plain);
	assert_true(verify_end_of_header(verifier, &is_wanted, NULL));
	verify_feed_body(verifier, &verify_plain, 0);
	verify_finish(verifier, asker, &first, &first_count);
	verify_finish(verifier, asker, &second, &second_count);
	assert_ptr_equal(first, second);
	assert_int_equal(1, second_count);
	assert_int_equal(VERIFY_GOOD, second[0].state);
	assert_false(
	    verify_body(verifier, (const unsigned char *)"x", 1, NULL));
	resolver_end(&asker);
	verify_end(&verifier);
	free(signature);
}

/* ---- threads ------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 50 };

struct worker {
	pthread_t thread;
	const char *signature;
	int good;
};

static enum verify_state
verify_in_thread(const char *signature)
{
	static const char *const authors[] = { "a.example" };
	struct verifier *verifier =
	    verify_begin(verify_library(), authors, 1, NULL);
	struct resolver_asker *asker = resolver_begin(verify_resolver(), 10000);
	const struct verify_signature *signatures;
	enum verify_state state = VERIFY_LOST;
	bool is_wanted;
	size_t count;

	(void)verify_header(
	    verifier, "DKIM-Signature", signature, strlen(signature), NULL);
	for (size_t i = 0; verify_plain.fields[i].name != NULL; i++)
		(void)verify_header(verifier, verify_plain.fields[i].name,
		    verify_plain.fields[i].value,
		    strlen(verify_plain.fields[i].value), NULL);
	(void)verify_end_of_header(verifier, &is_wanted, NULL);
	(void)verify_body(verifier, (const unsigned char *)verify_plain.body,
	    strlen(verify_plain.body), NULL);
	verify_finish(verifier, asker, &signatures, &count);
	if (count == 1)
		state = signatures[0].state;
	resolver_end(&asker);
	verify_end(&verifier);
	return state;
}

static void *
work(void *context)
{
	struct worker *worker = context;

	for (int i = 0; i < ROUNDS; i++)
		worker->good +=
		    verify_in_thread(worker->signature) == VERIFY_GOOD;
	return NULL;
}

/* The library is shared by all threads. */
static void
test_threads(void **state)
{
	struct worker workers[THREADS];
	char *signature = verify_signed_by("a.example", "");

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .signature = signature };
		assert_int_equal(0,
		    pthread_create(
			&workers[i].thread, NULL, work, &workers[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(0, pthread_join(workers[i].thread, NULL));
		assert_int_equal(ROUNDS, workers[i].good);
	}
	free(signature);
}

/* ---- memory -------------------------------------------------------------- */

/* No verification leaves anything behind, good or bad, once everything is
 * warm. Under a sanitizer it is that one that tells. */
static void
test_no_growth(void **state)
{
	char *rsa = verify_signed_by("a.example", "");
	char *ed25519 = verify_sign(SIGNER_ED25519,
	    "v=1; a=ed25519-sha256; c=relaxed/relaxed; d=a.example; s=ed; "
	    "h=from:to:subject:dkim-signature; bh=#H; b=#B",
	    PLAIN_HEADER OTHER_RELAXED, verify_plain.body);
	char *bad = verify_sign(SIGNER_RSA_OTHER,
	    SIGNATURE_START "d=a.example; " SIGNATURE_END, PLAIN_HEADER,
	    verify_plain.body);
	size_t before = 0;
	struct verified verified;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct verifier *verifier = verify_begun("a.example");

		if (i == 1000)
			before = mallinfo2().uordblks;
		verify_add_signature(verifier, rsa);
		verify_add_signature(verifier, bad);
		verify_add_signature(verifier, ed25519);
		verify_add_signature(verifier, OTHER);
		verify_conclude(verifier, &verify_plain, &verified);
		verify_expect_at(&verified, 0, "a.example", VERIFY_GOOD);
		verify_expect_at(&verified, 1, "a.example", VERIFY_BAD);
		verify_expect_at(&verified, 2, "a.example", VERIFY_GOOD);
	}
	if (mallinfo2().uordblks > before + 16384)
		fail_msg("1000 verifications left %zu octets",
		    mallinfo2().uordblks - before);
	free(rsa);
	free(ed25519);
	free(bad);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_nearest_first),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_broken_take_no_place),
		cmocka_unit_test(test_more_fields_than_looked_at),
		cmocka_unit_test(test_covered_signatures),
		cmocka_unit_test(test_ended_early),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_finished_twice),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_no_growth),
	};

	return cmocka_run_group_tests(tests, verify_make, verify_free);
}
