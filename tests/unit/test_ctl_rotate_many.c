/* Many domains, by several threads. */
#include "milter/ctl/rotate_crew.h"
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { DOMAINS = 60, THREADS = 8 };

struct run {
	struct rotate_bed bed;
	size_t counts[ROTATE_OUTCOMES];
	size_t taken;
};

static struct rotate_row *
start(void *context, const char *domain)
{
	struct run *run = context;

	return rotate_domain_start(
	    &run->bed.tools, &run->bed.order, domain, true);
}

static struct rotate_row *
start_some(void *context, const char *domain)
{
	(void)context;
	return strcmp(domain, "d30.example") < 0 ? rotate_row_open(domain)
						 : NULL;
}

static void
take(void *context, struct rotate_row *row)
{
	struct run *run = context;

	run->counts[row->outcome]++;
	run->taken++;
}

static void
fill(struct check_domain_list *list)
{
	char name[32];

	for (int i = 10; i < 10 + DOMAINS; i++) {
		(void)snprintf(name, sizeof(name), "d%d.example", i);
		assert_true(check_domain_list_add(list, name, NULL));
	}
	check_domain_list_sort(list);
}

static void
test_all(void **state)
{
	static struct run run;
	struct check_domain_list list = { .count = 0 };
	const struct rotate_job job = { start, take, &run };
	struct fault fault;

	(void)state;
	rotate_bed_open(&run.bed);
	fill(&list);
	run.bed.order.must_have_key = true;
	for (size_t i = 0; i < list.count; i += 2)
		rotate_bed_key(
		    &run.bed, list.names[i], "old", KEY_ED25519_SHA256, 9);
	assert_true(rotate_crew(&job, &list, THREADS, &fault));
	assert_int_equal(DOMAINS, run.taken);
	assert_int_equal(DOMAINS / 2, run.counts[ROTATE_WAITS]);
	assert_int_equal(DOMAINS / 2, run.counts[ROTATE_LEFT]);
	/* Those under way are left to go on by themselves. */
	assert_true(rotate_crew(&job, &list, THREADS, &fault));
	assert_int_equal(DOMAINS + DOMAINS / 2, run.counts[ROTATE_LEFT]);
	check_domain_list_clear(&list);
	assert_true(rotate_crew(&job, &list, THREADS, &fault));
	rotate_bed_close(&run.bed);
}

static void
test_no_memory(void **state)
{
	struct run run = { .taken = 0 };
	struct check_domain_list list = { .count = 0 };
	const struct rotate_job job = { start_some, take, &run };
	struct fault fault;

	(void)state;
	fill(&list);
	assert_false(rotate_crew(&job, &list, THREADS, &fault));
	assert_int_equal(FAULT_MEMORY, fault.kind);
	assert_true(run.taken <= 20);
	check_domain_list_clear(&list);
}

/* Give a row's outcome back, which must be that. */
static void
want_row(const char *about, enum rotate_outcome want, struct rotate_row *row)
{
	assert_non_null(row);
	if (row->outcome != want)
		fail_msg("%s: wanted %s, got %s: %s", about,
		    rotate_outcome_name(want),
		    rotate_outcome_name(row->outcome), row->fault.words);
	rotate_row_free(&row);
}

static struct rotate_row *
go_on(struct rotate_bed *bed)
{
	return rotate_domain_continue(&bed->tools, ROTATE_DOMAIN);
}

/* A domain that somebody else serves by now costs no more than it must. */
static void
test_patience(void **state)
{
	struct rotate_bed *bed = &(struct rotate_bed){ .now_s = 0 };
	size_t checks;

	(void)state;
	rotate_bed_open(bed);
	bed->order.wants_ed25519 = true;
	want_row("begun", ROTATE_WAITS,
	    rotate_domain_start(
		&bed->tools, &bed->order, ROTATE_DOMAIN, false));
	bed->tools.is_patient = true;
	for (unsigned i = 0; i < 4; i++) {
		bed->now_s += 900;
		want_row("the first hour", ROTATE_WAITS, go_on(bed));
	}
	assert_int_equal(5, bed->checks);
	bed->now_s += 10 * 86400;
	want_row("after days", ROTATE_WAITS, go_on(bed));
	checks = bed->checks;
	bed->now_s += 6 * 3600 - 1;
	want_row("so soon", ROTATE_WAITS, go_on(bed));
	assert_int_equal(checks, bed->checks);
	bed->now_s -= 20 * 86400;
	want_row("the clock was wrong", ROTATE_WAITS, go_on(bed));
	assert_int_equal(checks + 1, bed->checks);
	bed->now_s += 40 * 86400;
	bed->lost = "SERVFAIL";
	want_row("nobody to ask", ROTATE_LATER, go_on(bed));
	want_row("what is known", ROTATE_LATER,
	    rotate_domain_look(&bed->tools, ROTATE_DOMAIN));
	want_row("so soon again", ROTATE_LATER, go_on(bed));
	bed->tools.is_patient = false;
	bed->is_shown = true;
	bed->lost = NULL;
	want_row("asked for by name", ROTATE_IS_DONE, go_on(bed));
	rotate_bed_close(bed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
