/* A rotation that is killed at any system call that changes something: whoever
 * carries on comes to the same end, and some key signs at every moment. */
#include "tests/unit/rotate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POINTS_MOST = 2000, POINTS_LEAST = 20 };

/* In a child: how many more moments it lives. 0: for ever. */
static unsigned left;

/* A moment at which the process may end: one before and one after each call. */
static void
moment(void)
{
	if (left > 0 && --left == 0)
		(void)raise(SIGKILL);
}

/* These stand in for the C library's in all that is linked here. */

#define AROUND(call)           \
	do {                   \
		long result;   \
		moment();      \
		result = call; \
		moment();      \
		return result; \
	} while (0)

static long
call_renameat2(
    int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	AROUND(syscall(SYS_renameat2, from_fd, from, to_fd, to, flags));
}

int
renameat2(
    int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	return (int)call_renameat2(from_fd, from, to_fd, to, flags);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return (int)call_renameat2(from_fd, from, to_fd, to, 0);
}

static long
call_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	AROUND(syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

int
linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return (int)call_linkat(from_fd, from, to_fd, to, flags);
}

static long
call_unlinkat(int fd, const char *name, int flags)
{
	AROUND(syscall(SYS_unlinkat, fd, name, flags));
}

int
unlinkat(int fd, const char *name, int flags)
{
	return (int)call_unlinkat(fd, name, flags);
}

static long
call_mkdirat(int fd, const char *name, mode_t mode)
{
	AROUND(syscall(SYS_mkdirat, fd, name, mode));
}

int
mkdirat(int fd, const char *name, mode_t mode)
{
	return (int)call_mkdirat(fd, name, mode);
}

int
mkdir(const char *name, mode_t mode)
{
	return (int)call_mkdirat(AT_FDCWD, name, mode);
}

static long
call_fsync(int fd)
{
	AROUND(syscall(SYS_fsync, fd));
}

int
fsync(int fd)
{
	return (int)call_fsync(fd);
}

static long
call_write(int fd, const void *data, size_t length)
{
	/* Half of it, as a full disk or a crash would have it. */
	if (left == 1 && length > 1)
		(void)syscall(SYS_write, fd, data, length / 2);
	AROUND(syscall(SYS_write, fd, data, length));
}

ssize_t
write(int fd, const void *data, size_t length)
{
	return call_write(fd, data, length);
}

static long
call_pwrite(int fd, const void *data, size_t length, off_t at)
{
	AROUND(syscall(SYS_pwrite64, fd, data, length, at));
}

ssize_t
pwrite(int fd, const void *data, size_t length, off_t at)
{
	return call_pwrite(fd, data, length, at);
}

/* ---- a life ended at each of its moments ---- */

/* What is killed, and what whoever comes next does. */
struct life {
	const char *name;
	void (*prepare)(struct rotate_bed *bed);
	void (*live)(struct rotate_bed *bed);
	void (*go_on)(struct rotate_bed *bed);
	const char *want_files; /* at the end */
	bool has_keys;          /* some key signs at every moment */
};

/* Live in a child, for so many moments. True: it was killed before its end. */
static bool
is_killed(struct rotate_bed *bed, const struct life *life, unsigned moments)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		left = moments;
		life->live(bed);
		left = 0;
		_exit(0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	if (WIFEXITED(status))
		assert_int_equal(0, WEXITSTATUS(status));
	else
		assert_int_equal(SIGKILL, WTERMSIG(status));
	return WIFSIGNALED(status);
}

static void
want_signing(
    const struct rotate_bed *bed, const struct life *life, unsigned moments)
{
	const char *files = rotate_bed_files(bed, ROTATE_DOMAIN);

	if (life->has_keys && strstr(files, ".private ") == NULL)
		fail_msg("%s: killed at moment %u: nothing signs: %s",
		    life->name, moments, files);
}

/* What is left must be what others may use: whole keys. */
static void
want_whole(
    const struct rotate_bed *bed, const struct life *life, unsigned moments)
{
	struct rotate_file_list list;
	struct rotate_files files;
	struct fault fault;

	if (!rotate_files_peek(&files, bed->keys, ROTATE_DOMAIN, &fault)) {
		rotate_files_close(&files);
		return;
	}
	assert_true(rotate_files_list(&files, &list, &fault));
	for (size_t i = 0; i < list.count; i++) {
		struct key_public public;

		if (list.files[i].role == KEY_RETIRING)
			continue; /* it may be half wiped */
		if (list.files[i].role == KEY_PENDING
		    && strcmp(life->name, "cancelled") == 0)
			continue;
		if (!rotate_files_public(&files, list.files[i].selector,
			list.files[i].role, &public, &fault))
			fail_msg("%s: killed at moment %u: %s", life->name,
			    moments, fault.words);
		keys_public_clear(&public);
	}
	rotate_files_close(&files);
}

static void
end_at_each(const struct life *life)
{
	unsigned moments = 1;
	struct rotate_bed bed;
	bool was_killed = true;

	for (; was_killed; moments++) {
		assert_true(moments < POINTS_MOST);
		rotate_bed_open(&bed);
		life->prepare(&bed);
		was_killed = is_killed(&bed, life, moments);
		want_signing(&bed, life, moments);
		want_whole(&bed, life, moments);
		life->go_on(&bed);
		if (strcmp(
			rotate_bed_files(&bed, ROTATE_DOMAIN), life->want_files)
		    != 0)
			fail_msg("%s: killed at moment %u: wanted %s, got %s",
			    life->name, moments, life->want_files,
			    rotate_bed_files(&bed, ROTATE_DOMAIN));
		rotate_bed_close(&bed);
	}
	/* If these calls were made by other functions, nothing was tested. */
	if (moments < POINTS_LEAST)
		fail_msg("%s: only %u moments", life->name, moments);
}

/* ---- lives ---- */

static void
prepare_keys(struct rotate_bed *bed)
{
	bed->is_shown = true;
	bed->order.way = ROTATE_HOOK;
	bed->order.retire_after_s = 0;
	rotate_bed_key(bed, ROTATE_DOMAIN, "one", KEY_ED25519_SHA256, 9);
	rotate_bed_key(bed, ROTATE_DOMAIN, "two", KEY_ED25519_SHA256, 9);
}

/* From its beginning to its end in one call. */
static void
start(struct rotate_bed *bed)
{
	struct rotate_row *row =
	    rotate_domain_start(&bed->tools, &bed->order, ROTATE_DOMAIN, false);

	rotate_row_free(&row);
}

/* A timer carries on; where nothing had been written, somebody starts it
 * again. */
static void
go_on(struct rotate_bed *bed)
{
	struct rotate_row *row =
	    rotate_domain_continue(&bed->tools, ROTATE_DOMAIN);

	assert_non_null(row);
	if (row->outcome == ROTATE_NOTHING) {
		rotate_row_free(&row);
		row = rotate_domain_start(
		    &bed->tools, &bed->order, ROTATE_DOMAIN, false);
		assert_non_null(row);
	}
	if (row->outcome != ROTATE_IS_DONE)
		fail_msg("wanted done, got %s: %s",
		    rotate_outcome_name(row->outcome), row->fault.words);
	rotate_row_free(&row);
}

static void
prepare_nothing(struct rotate_bed *bed)
{
	bed->is_shown = true;
	bed->order.wants_ed25519 = true;
}

static void
prepare_waiting(struct rotate_bed *bed)
{
	prepare_keys(bed);
	bed->is_shown = false;
	start(bed);
}

static void
cancel(struct rotate_bed *bed)
{
	struct rotate_row *row =
	    rotate_domain_cancel(&bed->tools, ROTATE_DOMAIN);

	rotate_row_free(&row);
}

/* A timer, at a time when all servers show the new record. */
static void
go_on_cancelled(struct rotate_bed *bed)
{
	struct rotate_row *row;

	cancel(bed);
	bed->is_shown = true;
	row = rotate_domain_continue(&bed->tools, ROTATE_DOMAIN);

	assert_non_null(row);
	assert_int_equal(ROTATE_NOTHING, row->outcome);
	rotate_row_free(&row);
}

static void
test_exchange(void **state)
{
	static const struct life life = { "exchanged", prepare_keys, start,
		go_on, "20261123.private ", true };

	(void)state;
	end_at_each(&life);
}

static void
test_first(void **state)
{
	static const struct life life = { "the first key", prepare_nothing,
		start, go_on, "20261123.private ", false };

	(void)state;
	end_at_each(&life);
}

static void
test_cancelled(void **state)
{
	static const struct life life = { "cancelled", prepare_waiting, cancel,
		go_on_cancelled, "one.private two.private ", true };

	(void)state;
	end_at_each(&life);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
