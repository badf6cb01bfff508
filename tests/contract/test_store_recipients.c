/* New recipients: those that a key never wrote to cost, others don't. Held
 * against every store. */
#include "tests/contract/store_suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, MOST = 5000 };

static const uint64_t hour_ms = 3600000;

static struct limit
new_limit(const char *name, enum limit_key kind, uint64_t max)
{
	struct limit limit = limit_of(name, max, hour_ms);

	limit.key = kind;
	limit.count = LIMIT_NEW_RECIPIENTS;
	return limit;
}

/* Recipients are numbers with all 64 bits in use, in ascending order. */
static void
fill(uint64_t *digests, uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		digests[i] = (first + i) * 0x10000000000fULL;
}

static struct charge
new_charge(const struct limit *limit, const char *key, const uint64_t *digests,
    size_t count)
{
	struct charge charge = charge_of(limit, key, count);

	charge.recipients = digests;
	charge.recipient_count = count;
	return charge;
}

/* Write to recipients first .. first + count - 1; what it cost. */
static uint64_t
write_to(struct fixture *fixture, const struct limit *limit, const char *key,
    uint64_t first, size_t count)
{
	uint64_t *digests = calloc(count, sizeof(*digests));
	struct charge charge;
	struct charge_answer answer;
	struct store_receipt receipt;

	fill(digests, first, count);
	charge = new_charge(limit, key, digests, count);
	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	assert_true(receipt.is_charged);
	free(digests);
	return answer.cost;
}

static void
want_cost(struct fixture *fixture, const struct limit *limit, const char *key,
    uint64_t first, size_t count, uint64_t wanted)
{
	uint64_t got = write_to(fixture, limit, key, first, count);

	if (got != wanted)
		fail_msg("%s %s %" PRIu64 "+%zu: wanted %" PRIu64
			 " new ones, got %" PRIu64,
		    limit->name, key, first, count, wanted, got);
}

static void
test_first_time(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);

	want_cost(fixture, &limit, "k", 1, 3, 3);
	want_number("used", 3, used_of(fixture->store, &limit, "k"));
	want_cost(fixture, &limit, "k", 1, 3, 0);
	want_cost(fixture, &limit, "k", 3, 3, 2);
	want_cost(fixture, &limit, "j", 3, 3, 3);
	want_number("used", 5, used_of(fixture->store, &limit, "k"));
	/* They are remembered for longer than they are counted. */
	fixture->now_ms += 2 * hour_ms;
	store_tend(fixture->store);
	want_cost(fixture, &limit, "k", 1, 6, 1);
	want_number("used", 1, used_of(fixture->store, &limit, "k"));
}

/* Extreme digests are digests like any other. */
static void
test_extremes(void **state)
{
	static const uint64_t digests[] = { 0, 1, UINT64_MAX / 2,
		UINT64_MAX / 2 + 1, 0x0a0d0a0d00ff00ffULL, UINT64_MAX - 1,
		UINT64_MAX };
	static const size_t order[] = { 0, 1, 4, 2, 3, 5, 6 };
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);

	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 7; i++) {
			const struct charge charge =
			    new_charge(&limit, "k", &digests[order[i]], 1);
			struct charge_answer answer;
			struct store_receipt receipt;

			charge_all(
			    fixture, &charge, 1, false, &answer, &receipt);
			want_number("cost", round == 0, answer.cost);
		}
}

/* What isn't listed is new for sure. */
static void
test_beyond(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);
	uint64_t digests[2];
	struct charge charge;
	struct charge_answer answer;
	struct store_receipt receipt;

	fill(digests, 1, 2);
	charge = new_charge(&limit, "k", digests, 2);
	charge.cost = 7;
	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	want_number("first", 7, answer.cost);
	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	want_number("second", 5, answer.cost);
	want_number("used", 12, used_of(fixture->store, &limit, "k"));
}

/* Per key of a kind, not per limit: two windows of one key both count what is
 * new, and know alike; another kind's key of that name knows nothing. */
static void
test_per_key(void **state)
{
	struct fixture *fixture = *state;
	struct limit hourly = new_limit("hourly", LIMIT_KEY_ACCOUNT, 100);
	struct limit daily = new_limit("daily", LIMIT_KEY_ACCOUNT, 100);
	struct limit parent = new_limit("parent", LIMIT_KEY_PARENT, 100);
	uint64_t digests[3];
	struct charge charges[3];
	struct charge_answer answers[3];
	struct store_receipt receipt;

	daily.per_ms = 24 * hour_ms;
	fill(digests, 1, 3);
	charges[0] = new_charge(&hourly, "k", digests, 3);
	charges[1] = new_charge(&daily, "k", digests, 3);
	charges[2] = new_charge(&parent, "k", digests, 3);
	charge_all(fixture, charges, 2, false, answers, &receipt);
	want_number("hourly", 3, answers[0].cost);
	want_number("daily", 3, answers[1].cost);
	charge_all(fixture, charges, 3, false, answers, &receipt);
	want_number("hourly", 0, answers[0].cost);
	want_number("daily", 0, answers[1].cost);
	want_number("parent", 3, answers[2].cost);
	want_cost(fixture, &daily, "k", 4, 1, 1);
	want_cost(fixture, &hourly, "k", 4, 1, 0);
	want_number("hourly", 3, used_of(fixture->store, &hourly, "k"));
	want_number("daily", 4, used_of(fixture->store, &daily, "k"));
}

/* Nothing is learnt of a message that doesn't leave. */
static void
test_not_learnt(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 5);
	struct limit narrow = limit_of("narrow", 0, hour_ms);
	uint64_t digests[6];
	struct charge charges[2];
	struct charge_answer answers[2];
	struct store_receipt receipt;

	fill(digests, 1, 6);
	charges[0] = new_charge(&limit, "k", digests, 6);
	charges[1] = charge_of(&narrow, "k", 1);
	for (int i = 0; i < 2; i++) {
		charge_all(fixture, charges, 1, false, answers, &receipt);
		assert_false(receipt.is_charged);
		assert_false(answers[0].fits);
		want_number("too many", 6, answers[0].cost);
	}
	charges[0] = new_charge(&limit, "k", digests, 2);
	for (int i = 0; i < 2; i++) {
		charge_all(fixture, charges, 2, false, answers, &receipt);
		assert_false(receipt.is_charged);
		want_number("beside another", 2, answers[0].cost);
	}
	for (int i = 0; i < 2; i++) {
		charge_all(fixture, charges, 1, true, answers, &receipt);
		assert_true(receipt.is_charged);
		want_number("only asked", 2, answers[0].cost);
	}
	charges[0].is_look = true;
	for (int i = 0; i < 2; i++) {
		charge_all(fixture, charges, 1, false, answers, &receipt);
		want_number("only looked at", 2, answers[0].cost);
	}
	want_number("nothing", 0, used_of(fixture->store, &limit, "k"));
	/* Known ones make room for a message with as many. */
	want_cost(fixture, &limit, "k", 1, 4, 4);
	want_cost(fixture, &limit, "k", 1, 5, 1);
	want_cost(fixture, &limit, "k", 1, 5, 0);
}

static void
test_refund(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);
	uint64_t digests[4];
	struct charge charge;
	struct charge_answer answer;
	struct store_receipt receipt;
	struct fault fault;

	want_cost(fixture, &limit, "k", 1, 2, 2);
	fill(digests, 2, 4);
	charge = new_charge(&limit, "k", digests, 4);
	charge_all(fixture, &charge, 1, false, &answer, &receipt);
	want_number("cost", 3, answer.cost);
	assert_true(store_refund(
	    fixture->store, &charge, &answer, 1, &receipt, &fault));
	want_number("used", 2, used_of(fixture->store, &limit, "k"));
	want_cost(fixture, &limit, "k", 1, 1, 0);
	want_cost(fixture, &limit, "k", 3, 3, 3);
}

/* Of a key the last STORE_RECIPIENTS are remembered for sure, and no more than
 * twice as many. */
static void
test_generations(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 1000000);
	uint64_t *digests = calloc(MOST, sizeof(*digests));
	struct charge charge;
	struct charge_answer answer;
	struct store_receipt receipt;

	for (uint64_t first = 0; first < MOST; first += 100)
		want_cost(fixture, &limit, "k", first, 100, 100);
	fill(digests, MOST - STORE_RECIPIENTS, STORE_RECIPIENTS);
	charge = new_charge(&limit, "k", digests, STORE_RECIPIENTS);
	charge_all(fixture, &charge, 1, true, &answer, &receipt);
	want_number("the last", 0, answer.cost);
	fill(digests, 0, MOST);
	charge = new_charge(&limit, "k", digests, MOST);
	charge_all(fixture, &charge, 1, true, &answer, &receipt);
	if (answer.cost < MOST - 2 * STORE_RECIPIENTS
	    || answer.cost > MOST - STORE_RECIPIENTS)
		fail_msg("wanted %d..%d new ones, got %" PRIu64,
		    MOST - 2 * STORE_RECIPIENTS, MOST - STORE_RECIPIENTS,
		    answer.cost);
	/* A message with more than are remembered. */
	want_cost(fixture, &limit, "j", 0, MOST, MOST);
	charge = new_charge(&limit, "j", digests, MOST);
	charge_all(fixture, &charge, 1, true, &answer, &receipt);
	assert_true(answer.cost >= MOST - 2 * STORE_RECIPIENTS);
	assert_true(answer.cost <= MOST - STORE_RECIPIENTS);
	free(digests);
}

static void
test_kept(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);

	want_cost(fixture, &limit, "k", 1, 3, 3);
	store_close(&fixture->store);
	fixture->store = fixture->kind->open(fixture);
	want_cost(fixture, &limit, "k", 1, 4, 1);
}

/* Another limit's counts forgotten, these are remembered. */
static void
test_reset(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 100);
	struct fault fault;
	bool was_there;

	want_cost(fixture, &limit, "k", 1, 3, 3);
	if (!store_reset(fixture->store, &limit, "k", &was_there, &fault))
		assert_true(is_away(fixture));
	want_number("reset", 0, used_of(fixture->store, &limit, "k"));
	want_cost(fixture, &limit, "k", 1, 3, 0);
}

struct worker {
	struct fixture *fixture;
	const struct limit *limit;
	uint64_t charged;
	bool has_failed;
};

static void *
write_thread(void *argument)
{
	struct worker *worker = argument;

	for (uint64_t i = 1; i <= 60; i++) {
		uint64_t digests[2];
		struct charge charge;
		struct charge_answer answer;
		struct store_receipt receipt;
		struct fault fault;

		fill(digests, i, 2);
		charge = new_charge(worker->limit, "k", digests, 2);
		if (!store_charge(worker->fixture->store, &charge, 1, false,
			&answer, &receipt, &fault))
			worker->has_failed = true;
		else if (receipt.is_charged)
			worker->charged += answer.cost;
	}
	return NULL;
}

/* All write to the same ones: each is new to one thread only. */
static void
test_threads(void **state)
{
	struct fixture *fixture = *state;
	struct limit limit = new_limit("n", LIMIT_KEY_ACCOUNT, 1000);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	uint64_t charged = 0;

	for (size_t i = 0; i < THREADS; i++) {
		workers[i] =
		    (struct worker){ .fixture = fixture, .limit = &limit };
		assert_int_equal(pthread_create(&threads[i], NULL, write_thread,
				     &workers[i]),
		    0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_false(workers[i].has_failed);
		charged += workers[i].charged;
	}
	want_number("new ones", 61, charged);
	want_number("used", 61, used_of(fixture->store, &limit, "k"));
}

static const struct store_test tests[] = {
	{ "new recipients", test_first_time, false },
	{ "extreme digests", test_extremes, false },
	{ "more recipients than digests", test_beyond, false },
	{ "recipients of a key", test_per_key, false },
	{ "recipients not learnt", test_not_learnt, false },
	{ "recipients given back", test_refund, false },
	{ "recipients forgotten", test_generations, false },
	{ "recipients kept over a restart", test_kept, true },
	{ "recipients outlive a reset", test_reset, false },
	{ "new recipients, by threads", test_threads, false },
};

int
main(void)
{
	return store_suite_run(tests, sizeof tests / sizeof tests[0]);
}
