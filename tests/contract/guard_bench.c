#include "tests/contract/guard_bench.h"

#include "milter/io/store_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 100000 };

static struct store *
opener(void *context, struct fault *notice_out, struct fault *fault)
{
	struct bench *bench = context;

	if (!bench->can_open) {
		fault_set(fault, FAULT_TEMPORARY, "not there");
		return NULL;
	}
	if (bench->has_notice)
		fault_set(notice_out, FAULT_PERMANENT, "moved aside");
	bench->opened++;
	bench->inside = store_memory_open(KEYS, fixture_clock, &bench->fixture);
	return store_faulty_open(bench->inside, &bench->faulty);
}

static void
on_change(void *context, bool is_up, const char *words)
{
	struct bench *bench = context;

	(void)pthread_mutex_lock(&bench->lock);
	*(is_up ? &bench->ups : &bench->downs) += 1;
	(void)snprintf(bench->words, sizeof bench->words, "%s", words);
	(void)pthread_mutex_unlock(&bench->lock);
}

static struct store *
open_local(struct bench *bench)
{
	struct store *local =
	    store_memory_open(KEYS, fixture_clock, &bench->fixture);

	return bench->local_is_faulty
	    ? store_faulty_open(local, &bench->faulty_local)
	    : local;
}

void
bench_open(struct bench *bench, bool has_local, uint64_t retry_ms)
{
	const struct guard_rules rules = { .has_local = has_local,
		.local_share = bench->local_share,
		.retry_ms = retry_ms,
		.on_change = on_change,
		.on_change_context = bench };

	bench->guard = store_guard_open(
	    opener, bench, has_local ? open_local(bench) : NULL, &rules);
	assert_non_null(bench->guard);
}

int
guard_setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	bench->fixture.now_ms = FIXTURE_NOW;
	faulty_init(&bench->faulty);
	faulty_init(&bench->faulty_local);
	(void)pthread_mutex_init(&bench->lock, NULL);
	bench->can_open = true;
	*state = bench;
	return 0;
}

int
guard_teardown(void **state)
{
	struct bench *bench = *state;

	store_close(&bench->guard);
	faulty_clear(&bench->faulty);
	faulty_clear(&bench->faulty_local);
	(void)pthread_mutex_destroy(&bench->lock);
	free(bench);
	return 0;
}

void
want_state(struct bench *bench, bool is_up, size_t ups, size_t downs)
{
	uint64_t since_ms;
	bool got = store_guard_is_up(bench->guard, &since_ms);

	if (got != is_up || bench->ups != ups || bench->downs != downs)
		fail_msg("wanted %s, %zu times up, %zu down, got %s, %zu, "
			 "%zu (%s)",
		    is_up ? "up" : "down", ups, downs, got ? "up" : "down",
		    bench->ups, bench->downs, bench->words);
}

void
want_words(const struct bench *bench, const char *part)
{
	if (strstr(bench->words, part) == NULL)
		fail_msg("wanted \"%s\", got \"%s\"", part, bench->words);
}
