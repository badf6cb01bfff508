#include "tests/contract/store_suite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TESTS_MOST = 64, NAME_BYTES = 128 };

static int
setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture_init(fixture);
	fixture->kind = *state;
	fixture->store = fixture->kind->open(fixture);
	assert_non_null(fixture->store);
	*state = fixture;
	return 0;
}

static int
teardown(void **state)
{
	fixture_clear(*state);
	free(*state);
	return 0;
}

static int
run_kind(
    const struct store_kind *kind, const struct store_test *tests, size_t count)
{
	struct CMUnitTest units[TESTS_MOST] = { { .name = NULL } };
	char names[TESTS_MOST][NAME_BYTES];
	size_t used = 0;

	assert(count <= TESTS_MOST);
	for (size_t i = 0; i < count; i++) {
		if (tests[i].needs_kept && !kind->is_kept)
			continue;
		(void)snprintf(names[used], sizeof names[used], "%s: %s",
		    kind->name, tests[i].name);
		units[used] = (struct CMUnitTest){ names[used], tests[i].run,
			setup, teardown, (void *)(uintptr_t)kind };
		used++;
	}
	return _cmocka_run_group_tests(kind->name, units, used, NULL, NULL);
}

int
store_suite_run(const struct store_test *tests, size_t count)
{
	int failed = 0;

	for (size_t k = 0; k < store_kind_count; k++)
		failed += run_kind(&store_kinds[k], tests, count);
	return failed;
}

struct store_override
override_of(const struct limit *limit, const char *key, uint64_t max)
{
	return (struct store_override){
		.limit_name = limit->name, .key = key, .max = max, .words = ""
	};
}

bool
is_away(const struct fixture *fixture)
{
	return strcmp(fixture->kind->name, store_kind_away) == 0;
}

void
set_override(struct fixture *fixture, const struct store_override *override)
{
	struct fault fault = { 0 };

	if (!store_set(fixture->store, override, &fault) && !is_away(fixture))
		fail_msg("%s %s: wanted it set, got %s", override->limit_name,
		    override->key, fault.words);
}

bool
unset_override(struct fixture *fixture, const char *limit_name, const char *key)
{
	struct fault fault = { 0 };
	bool was_there;

	if (!store_unset(fixture->store, limit_name, key, &was_there, &fault)
	    && !is_away(fixture))
		fail_msg("%s %s: wanted it unset, got %s", limit_name, key,
		    fault.words);
	return was_there;
}

void
charge_all(struct fixture *fixture, const struct charge *charges, size_t count,
    bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out)
{
	struct fault fault = { 0 };

	if (!store_charge(fixture->store, charges, count, is_look_only,
		answers_out, receipt_out, &fault))
		fail_msg("%s: wanted an answer, got %s", fixture->kind->name,
		    fault.words);
}
