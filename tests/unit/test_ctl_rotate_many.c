/* Many domains, by several threads. */
#include "milter/ctl/rotate_crew.h"
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DOMAINS = 60, THREADS = 8 };

/* So many calls write something, then all end with error; 0: none does. */
static _Atomic long room;
static _Atomic int error;

/* Stands in for the C library's in all that is linked here. */
ssize_t
write(int fd, const void *data, size_t length)
{
	int now = atomic_load(&error);

	if (now != 0 && atomic_fetch_sub(&room, 1) <= 0) {
		errno = now;
		return -1;
	}
	return syscall(SYS_write, fd, data, length);
}

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
	const struct rotate_job job = { run.bed.keys, start, take, &run };
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
	const struct rotate_job job = { "", start_some, take, &run };
	struct fault fault;

	(void)state;
	fill(&list);
	assert_false(rotate_crew(&job, &list, THREADS, &fault));
	assert_int_equal(FAULT_MEMORY, fault.kind);
	assert_true(run.taken <= 20);
	check_domain_list_clear(&list);
}

/* ---- nothing can be written ---- */

struct trouble {
	const char *name;
	int error;
	long files;       /* written before it */
	const char *cure; /* NULL: it isn't the same for every domain */
};

static size_t
failures(const struct run *run)
{
	return run->counts[ROTATE_LATER] + run->counts[ROTATE_FAILED];
}

/* One error that names the place, at most one failure of each thread, and the
 * rest isn't touched. */
static void
want_end(const struct trouble *trouble, const struct run *run, bool is_whole,
    const struct fault *fault)
{
	if (trouble->cure == NULL) {
		if (!is_whole || run->taken != DOMAINS || failures(run) == 0)
			fail_msg("%s: wanted all tried, got %zu: %s",
			    trouble->name, run->taken, fault->words);
		return;
	}
	if (is_whole || fault->kind != FAULT_PERMANENT
	    || strncmp(fault->words, run->bed.keys, strlen(run->bed.keys)) != 0
	    || strstr(fault->words, strerror(trouble->error)) == NULL
	    || strstr(fault->words, trouble->cure) == NULL)
		fail_msg("%s: wanted \"%s/...: %s: ...%s\", got \"%s\"",
		    trouble->name, run->bed.keys, strerror(trouble->error),
		    trouble->cure, is_whole ? "(whole)" : fault->words);
	if (failures(run) == 0 || failures(run) > THREADS
	    || run->taken == DOMAINS)
		fail_msg("%s: wanted 1 to %d failures, got %zu of %zu",
		    trouble->name, THREADS, failures(run), run->taken);
}

static struct rotate_row *
carry_on(void *context, const char *domain)
{
	struct run *run = context;

	return rotate_domain_continue(&run->bed.tools, domain);
}

/* When there is room again, all come as far as if there had always been. */
static void
want_nothing_lost(
    const char *name, struct run *run, const struct check_domain_list *list)
{
	const struct rotate_job begin = { run->bed.keys, start, take, run };
	const struct rotate_job go_on = { run->bed.keys, carry_on, take, run };
	struct fault fault;

	assert_true(rotate_crew(&begin, list, THREADS, &fault));
	memset(run->counts, 0, sizeof(run->counts));
	assert_true(rotate_crew(&go_on, list, THREADS, &fault));
	if (run->counts[ROTATE_WAITS] != DOMAINS)
		fail_msg("%s: then wanted %d waiting, got %zu", name, DOMAINS,
		    run->counts[ROTATE_WAITS]);
	for (size_t i = 0; i < list->count; i++)
		rotate_want(list->names[i], "20261123.pending old.private ",
		    rotate_bed_files(&run->bed, list->names[i]));
	rotate_want(name, "",
	    strstr(rotate_bed_files(&run->bed, ".rotate"), "..trial") == NULL
		? ""
		: "a trial is left");
}

static void
run_into(const struct trouble *trouble)
{
	static struct run run;
	struct check_domain_list list = { .count = 0 };
	const struct rotate_job job = { run.bed.keys, start, take, &run };
	struct fault fault = { .words = "" };
	bool is_whole;

	run = (struct run){ .taken = 0 };
	rotate_bed_open(&run.bed);
	run.bed.order.must_have_key = true;
	fill(&list);
	for (size_t i = 0; i < list.count; i++)
		rotate_bed_key(
		    &run.bed, list.names[i], "old", KEY_ED25519_SHA256, 9);
	atomic_store(&room, trouble->files);
	atomic_store(&error, trouble->error);
	is_whole = rotate_crew(&job, &list, THREADS, &fault);
	atomic_store(&error, 0);
	want_end(trouble, &run, is_whole, &fault);
	want_nothing_lost(trouble->name, &run, &list);
	check_domain_list_clear(&list);
	rotate_bed_close(&run.bed);
}

static void
test_no_room(void **state)
{
	static const struct trouble troubles[] = {
		{ "a full disk", ENOSPC, 0, "make room" },
		{ "full after a state", ENOSPC, 1, "make room" },
		{ "full after some", ENOSPC, THREADS + 3, "make room" },
		{ "full after many", ENOSPC, 100, "make room" },
		{ "a full quota", EDQUOT, 2, "make room" },
		{ "a read-only disk", EROFS, 0, "be written to" },
		{ "another user's", EACCES, 0, "the daemon's user" },
		{ "a broken disk", EIO, 5, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(troubles) / sizeof(*troubles); i++)
		run_into(&troubles[i]);
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
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
