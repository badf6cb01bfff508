/* Entries of the cache by name: all that are in are found, nothing else is. */
#include "milter/io/keys_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { NAMES = 2000, ROUNDS = 20000, PLACES = 2 };

/* Any addresses will do. */
static struct key_place first_place, second_place;
static struct key_place *const places[PLACES] = { &first_place, &second_place };

/* Numbers that look random and are the same in each run (xorshift64). */
static size_t
random_below(size_t bound)
{
	static uint64_t state = 0x9e3779b97f4a7c15U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)(state % bound);
}

static struct known *
entry_make(size_t place, const char *name)
{
	struct known *entry = calloc(1, sizeof(*entry) + strlen(name) + 1);

	assert_non_null(entry);
	entry->place = places[place];
	memcpy(entry->name, name, strlen(name) + 1);
	return entry;
}

static void
test_empty(void **state)
{
	struct keys_index index;

	(void)state;
	assert_true(keys_index_init(&index));
	assert_null(keys_index_find(&index, places[0], ""));
	assert_null(keys_index_find(&index, places[0], "a.example"));
	keys_index_clear(&index);
	keys_index_clear(&index);
}

/* The same names in two places, in and out in any order. */
static void
test_in_and_out(void **state)
{
	static struct known *in[PLACES][NAMES];
	struct keys_index index;
	size_t count = 0;
	char name[32];

	(void)state;
	assert_true(keys_index_init(&index));
	for (size_t i = 0; i < ROUNDS; i++) {
		size_t place = random_below(PLACES);
		size_t which = random_below(NAMES);
		struct known **slot = &in[place][which];

		snprintf(name, sizeof(name), "d%zu.example", which);
		assert_ptr_equal(
		    *slot, keys_index_find(&index, places[place], name));
		if (*slot == NULL) {
			*slot = entry_make(place, name);
			assert_true(keys_index_add(&index, *slot));
			count++;
		} else {
			keys_index_remove(&index, *slot);
			free(*slot);
			*slot = NULL;
			count--;
		}
		assert_int_equal(count, index.count);
	}
	for (size_t place = 0; place < PLACES; place++)
		for (size_t i = 0; i < NAMES; i++) {
			snprintf(name, sizeof(name), "d%zu.example", i);
			assert_ptr_equal(in[place][i],
			    keys_index_find(&index, places[place], name));
			if (in[place][i] != NULL)
				keys_index_remove(&index, in[place][i]);
			free(in[place][i]);
		}
	assert_int_equal(0, index.count);
	keys_index_clear(&index);
	assert_null(index.chains);
}

/* However many there are, a chain has few; and where each is isn't known to
 * who chooses the names. */
static void
test_chains(void **state)
{
	static struct known *entries[NAMES];
	struct keys_index first, second;
	size_t longest = 0, same = 0;

	(void)state;
	assert_true(keys_index_init(&first));
	assert_true(keys_index_init(&second));
	for (size_t i = 0; i < NAMES; i++) {
		char name[32];
		uint32_t hash;

		snprintf(name, sizeof(name), "d%zu.example", i);
		entries[i] = entry_make(0, name);
		assert_true(keys_index_add(&second, entries[i]));
		hash = entries[i]->hash;
		keys_index_remove(&second, entries[i]);
		assert_true(keys_index_add(&first, entries[i]));
		same += hash == entries[i]->hash;
	}
	assert_true(same < 3);
	for (size_t i = 0; i < first.chain_count; i++) {
		size_t length = 0;

		for (const struct known *entry = first.chains[i]; entry != NULL;
		     entry = entry->same_chain)
			length++;
		if (length > longest)
			longest = length;
	}
	assert_in_range(longest, 1, 16);
	assert_in_range(first.chain_count, NAMES, (uintmax_t)2 * NAMES);
	for (size_t i = 0; i < NAMES; i++) {
		keys_index_remove(&first, entries[i]);
		free(entries[i]);
	}
	keys_index_clear(&first);
	keys_index_clear(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_in_and_out),
		cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
