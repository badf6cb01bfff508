/* gate: never more inside than there may be, and nobody is forgotten. */
#include "milter/io/gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 16, ROUNDS = 500, MOST = 3 };

static void
test_places(void **state)
{
	struct gate *gate = gate_open(2);

	(void)state;
	assert_non_null(gate);
	assert_true(gate_enter(gate, 0));
	assert_true(gate_enter(gate, 0));
	assert_false(gate_enter(gate, 0));
	assert_int_equal(gate_busy(gate), 2);
	gate_leave(gate);
	assert_true(gate_enter(gate, 0));
	gate_resize(gate, 1);
	gate_leave(gate);
	assert_false(gate_enter(gate, 1));
	gate_resize(gate, 2);
	assert_true(gate_enter(gate, 0));
	gate_leave(gate);
	gate_leave(gate);
	assert_int_equal(gate_busy(gate), 0);
	gate_close(&gate);
	assert_null(gate);
	gate_close(&gate);
}

struct crowd {
	struct gate *gate;
	atomic_int inside;
	atomic_int highest;
	atomic_int entered;
};

static void *
go_through(void *context)
{
	struct crowd *crowd = context;

	for (int i = 0; i < ROUNDS; i++) {
		int now, highest;

		if (!gate_enter(crowd->gate, 60000))
			continue;
		now = atomic_fetch_add(&crowd->inside, 1) + 1;
		highest = atomic_load(&crowd->highest);
		while (now > highest
		    && !atomic_compare_exchange_weak(
			&crowd->highest, &highest, now))
			;
		atomic_fetch_add(&crowd->entered, 1);
		atomic_fetch_sub(&crowd->inside, 1);
		gate_leave(crowd->gate);
	}
	return NULL;
}

static void
test_crowd(void **state)
{
	struct crowd crowd = { .gate = gate_open(MOST) };
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, go_through, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&crowd.entered), THREADS * ROUNDS);
	assert_in_range(atomic_load(&crowd.highest), 1, MOST);
	assert_int_equal(gate_busy(crowd.gate), 0);
	gate_close(&crowd.gate);
}

/* Who was inside comes back at once, even where all places are taken; nobody
 * else gets in until there are fewer than fit. */
static void
test_return(void **state)
{
	struct gate *gate = gate_open(1);

	(void)state;
	assert_non_null(gate);
	assert_true(gate_enter(gate, 0));
	gate_leave(gate);
	assert_true(gate_enter(gate, 0));
	gate_return(gate);
	assert_int_equal(gate_busy(gate), 2);
	assert_false(gate_enter(gate, 0));
	gate_leave(gate);
	assert_false(gate_enter(gate, 0));
	gate_leave(gate);
	assert_true(gate_enter(gate, 0));
	gate_leave(gate);
	assert_int_equal(gate_busy(gate), 0);
	gate_close(&gate);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_return),
	};

	return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
