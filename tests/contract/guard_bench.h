/* guard_bench: a guard around a store that fails on command, with a clock that
 * the test moves, and what the guard said. */
#ifndef TESTS_CONTRACT_GUARD_BENCH_H
#define TESTS_CONTRACT_GUARD_BENCH_H

#include "milter/io/store_guard.h"
#include "tests/contract/store_kinds.h"
#include "tests/fake/store_faulty.h"

#include <pthread.h>

enum { GUARD_LONG_MS = 3600000 }; /* until the breaker looks again */

struct bench {
	struct fixture fixture; /* the clock of both stores */
	struct faulty faulty;
	bool can_open;
	bool has_notice;
	size_t opened;
	struct store *guard;
	struct store *inside; /* what store_faulty has, opened last */
	uint64_t local_share;
	bool local_is_faulty;
	struct faulty faulty_local;

	pthread_mutex_t lock;
	size_t ups;
	size_t downs;
	char words[FAULT_WORDS_BYTES];
};

/* For cmocka: *state is a bench whose guard isn't open yet. */
int guard_setup(void **state);
int guard_teardown(void **state);

/* Open the guard. */
void bench_open(struct bench *bench, bool has_local, uint64_t retry_ms);

/* Is it up or not, and how often has it said so? */
void want_state(struct bench *bench, bool is_up, size_t ups, size_t downs);

/* Are these in what it said last? */
void want_words(const struct bench *bench, const char *part);

#endif
