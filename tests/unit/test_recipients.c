/* Recipients as numbers. */
#include "policy/recipients.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { ARENA_BYTES = 1 << 20 };

/* By sha256sum(1): the numbers are kept in stores, and may not change. */
static const struct {
	const char *name, *path;
	uint64_t want;
} digests[] = {
	{ "an address", "<User@Example.Com>", 0xb4c9a289323b21a0ULL },
	{ "A-labels",
	    "<User@B\xc3\x9c"
	    "CHER.example>",
	    0xdb62323f2a86b51fULL },
	{ "no address", "<postmaster>", 0x430791ef3582cd70ULL },
	{ "the null path", "<>", 0x24295a9c545a402dULL },
	{ "quotes that are needed", "<\"A b\"@a.example>",
	    0xd21bccabc6214a11ULL },
};

static void
digests_stay_what_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(digests); i++) {
		struct arena arena;
		uint64_t got;

		arena_init(&arena, ARENA_BYTES);
		assert_true(recipients_digest(digests[i].path, &arena, &got));
		if (got != digests[i].want)
			fail_msg("%s: wanted %" PRIx64 ", got %" PRIx64,
			    digests[i].name, digests[i].want, got);
		arena_clear(&arena);
	}
}

/* Ways to write addresses: those of one group are one recipient, and none of
 * another's. */
static const struct {
	unsigned group;
	const char *path;
} ways[] = {
	{ 1, "<user@example.com>" },
	{ 1, "user@example.com" },
	{ 1, "<User@Example.COM>" },
	{ 1, "<USER@example.com.>" },
	{ 1, "<\"user\"@example.com>" },
	{ 1, "<@relay.example:user@example.com>" },
	{ 2, "<user@example.org>" },
	{ 3, "<user+tag@example.com>" },
	{ 4, "<u.ser@example.com>" },
	{ 5,
	    "<user@b\xc3\xbc"
	    "cher.example>" },
	{ 5, "<user@xn--bcher-kva.example>" },
	{ 6, "<\"us er\"@example.com>" },
	{ 7, "<user@[192.0.2.1]>" },
	{ 8, "<postmaster>" },
	{ 9, "<>" },
	{ 10, "<user@>" },
	{ 11, "<user@example.com\r\n>" },
	{ 12, "<\xff\xfe@example.com>" },
	{ 13, "\"" },
};

static void
one_address_is_one_number(void **state)
{
	uint64_t got[COUNT(ways)];
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT(ways); i++) {
		assert_true(recipients_digest(ways[i].path, &arena, &got[i]));
		for (size_t k = 0; k < i; k++)
			if ((got[i] == got[k])
			    != (ways[i].group == ways[k].group))
				fail_msg("%s and %s: wanted %s, got the "
					 "opposite",
				    ways[k].path, ways[i].path,
				    ways[i].group == ways[k].group ? "one"
								   : "two");
	}
	arena_clear(&arena);
}

static void
list_is_sorted_and_each_is_once(void **state)
{
	static const uint64_t added[] = { 7, UINT64_MAX, 3, 7, 0, 3, 1ULL << 63,
		7 };
	static const uint64_t wanted[] = { 0, 3, 7, 1ULL << 63, UINT64_MAX };
	struct message_facts facts = { .recipient_count = COUNT(added) };
	const uint64_t *list;
	struct arena arena;
	size_t count = 9;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_true(recipients_list(&facts, &arena, &list, &count));
	assert_int_equal(count, 0);
	for (size_t i = 0; i < COUNT(added); i++)
		assert_true(recipients_add(&facts, &arena, added[i]));
	assert_int_equal(facts.recipients_kept, COUNT(added));
	assert_true(recipients_list(&facts, &arena, &list, &count));
	assert_int_equal(count, COUNT(wanted));
	assert_memory_equal(list, wanted, sizeof(wanted));
	/* What was noted stays as it came. */
	assert_memory_equal(facts.recipients, added, sizeof(added));
	arena_clear(&arena);
}

static void
only_so_many_are_noted(void **state)
{
	struct message_facts facts = { .recipient_count = 0 };
	const uint64_t *list;
	struct arena arena;
	size_t count;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (uint64_t i = 0; i < FACTS_RECIPIENTS + 100; i++)
		assert_true(
		    recipients_add(&facts, &arena, i * 0x9e3779b97f4a7c15ULL));
	assert_int_equal(facts.recipients_kept, FACTS_RECIPIENTS);
	assert_true(facts.recipients_room <= FACTS_RECIPIENTS);
	assert_true(recipients_list(&facts, &arena, &list, &count));
	assert_int_equal(count, FACTS_RECIPIENTS);
	for (size_t i = 1; i < count; i++)
		assert_true(list[i - 1] < list[i]);
	arena_clear(&arena);
}

/* Wherever memory ends, it is told, and what was noted before stays. */
static void
want_of_memory_is_told(void **state)
{
	struct message_facts facts = { .recipient_count = 0 };
	struct arena arena, none;
	const uint64_t *list;
	uint64_t digest;
	size_t count;
	size_t noted = 0;

	(void)state;
	arena_init(&none, 0);
	assert_false(recipients_digest("<user@example.com>", &none, &digest));
	arena_init(&arena, 8192);
	while (recipients_add(&facts, &arena, noted))
		noted++;
	assert_true(noted >= 64 && noted < FACTS_RECIPIENTS);
	assert_int_equal(facts.recipients_kept, noted);
	for (size_t i = 0; i < noted; i++)
		assert_int_equal(facts.recipients[i], i);
	assert_false(recipients_list(&facts, &none, &list, &count));
	arena_clear(&arena);
	arena_clear(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_stay_what_they_are),
		cmocka_unit_test(one_address_is_one_number),
		cmocka_unit_test(list_is_sorted_and_each_is_once),
		cmocka_unit_test(only_so_many_are_noted),
		cmocka_unit_test(want_of_memory_is_told),
	};

	return cmocka_run_group_tests_name("recipients", tests, NULL, NULL);
}
