/* store_suite: runs tests against every kind of store. */
#ifndef TESTS_CONTRACT_STORE_SUITE_H
#define TESTS_CONTRACT_STORE_SUITE_H

#include "tests/contract/store_kinds.h"

#include <stdbool.h>
#include <stddef.h>

/* One test of the promise; *state is a fixture with an open store. */
struct store_test {
	const char *name;
	CMUnitTestFunction run;
	bool needs_kept; /* only of kinds whose counts outlive closing */
};

/* Run them all, each with a new store. Returns how many failed. */
int store_suite_run(const struct store_test *tests, size_t count);

/* An override for good, without words. */
struct store_override
override_of(const struct limit *limit, const char *key, uint64_t max);

/* Set, and take back, an override. A guard whose store is away does it in its
 * own and says that it failed; any other must succeed. */
void
set_override(struct fixture *fixture, const struct store_override *override);
bool unset_override(
    struct fixture *fixture, const char *limit_name, const char *key);

/* Is the store a guard whose store is away? */
bool is_away(const struct fixture *fixture);

/* Charge, which must work. */
void charge_all(struct fixture *fixture, const struct charge *charges,
    size_t count, bool is_look_only, struct charge_answer *answers_out,
    struct store_receipt *receipt_out);

#endif
