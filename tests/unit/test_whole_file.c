/* Files that are there as a whole or not at all. */
#include "milter/io/whole_file.h"

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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_BYTES = 64, LARGE_BYTES = 4096 };

struct place {
	char path[64];
	int fd;
};

static int
open_place(void **state)
{
	static struct place place;

	(void)snprintf(
	    place.path, sizeof(place.path), "/tmp/postern-whole-XXXXXX");
	assert_non_null(mkdtemp(place.path));
	place.fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place.fd >= 0);
	*state = &place;
	return 0;
}

static int
close_place(void **state)
{
	struct place *place = *state;

	(void)unlinkat(place->fd, "file", 0);
	(void)unlinkat(place->fd, ".file", 0);
	close(place->fd);
	return rmdir(place->path);
}

static bool
put(const struct place *place, bool is_new, const char *text)
{
	const struct whole_file file = { .directory_fd = place->fd,
		.name = "file",
		.hidden = ".file",
		.is_new = is_new,
		.owner_uid = geteuid(),
		.owner_gid = getegid() };

	return whole_file_write(&file, text);
}

/* NULL: there must be no such file. */
static void
want_file(const struct place *place, const char *about, const char *name,
    const char *want)
{
	int fd = openat(place->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[ROOM_BYTES] = "";

	if ((fd >= 0) != (want != NULL))
		fail_msg("%s: %s: wanted %s, got %s", about, name,
		    want != NULL ? want : "no file",
		    fd >= 0 ? "one" : strerror(errno));
	if (fd < 0)
		return;
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	if (strcmp(text, want) != 0)
		fail_msg("%s: %s: wanted \"%s\", got \"%s\"", about, name, want,
		    text);
}

static void
test_replaced(void **state)
{
	const struct place *place = *state;
	mode_t mask = umask(0);
	struct stat status;

	assert_true(put(place, false, "one"));
	want_file(place, "the first", "file", "one");
	assert_true(put(place, false, "another"));
	want_file(place, "replaced", "file", "another");
	want_file(place, "replaced", ".file", NULL);
	assert_int_equal(0, fstatat(place->fd, "file", &status, 0));
	assert_int_equal(0600, status.st_mode & 07777);
	(void)umask(0777);
	assert_true(put(place, false, "a third"));
	(void)umask(mask);
	assert_int_equal(0, fstatat(place->fd, "file", &status, 0));
	assert_int_equal(0600, status.st_mode & 07777);
}

static void
test_new(void **state)
{
	const struct place *place = *state;

	assert_true(put(place, true, "one"));
	want_file(place, "new", "file", "one");
	want_file(place, "new", ".file", NULL);
	assert_false(put(place, true, "another"));
	assert_int_equal(EEXIST, errno);
	want_file(place, "it was there", "file", "one");
	want_file(place, "it was there", ".file", NULL);
}

/* What a crash has left doesn't matter where the name is ours alone; a link
 * there is never written through. */
static void
test_hidden(void **state)
{
	const struct place *place = *state;
	int fd =
	    openat(place->fd, ".file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(12, write(fd, "a longer one", 12));
	close(fd);
	assert_false(put(place, true, "new"));
	assert_int_equal(EEXIST, errno);
	want_file(place, "another's", "file", NULL);
	want_file(place, "another's", ".file", "a longer one");
	assert_true(put(place, false, "one"));
	want_file(place, "left over", "file", "one");
	assert_int_equal(0, symlinkat("file", place->fd, ".file"));
	assert_false(put(place, false, "two"));
	assert_int_equal(ELOOP, errno);
	want_file(place, "a link", "file", "one");
}

/* A disk that fills up in the middle. */
static void
test_no_room(void **state)
{
	const struct place *place = *state;
	static char text[LARGE_BYTES];
	struct rlimit before, limit;
	struct sigaction ours = { .sa_handler = SIG_IGN }, theirs;
	bool is_replaced, is_made;

	memset(text, 'x', sizeof(text) - 1);
	assert_int_equal(0, sigaction(SIGXFSZ, &ours, &theirs));
	assert_true(put(place, false, "one"));
	assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &before));
	limit = before;
	limit.rlim_cur = LARGE_BYTES / 2;
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &limit));
	is_replaced = put(place, false, text);
	is_made = put(place, true, text);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &before));
	assert_int_equal(0, sigaction(SIGXFSZ, &theirs, NULL));
	assert_false(is_replaced);
	assert_false(is_made);
	want_file(place, "no room", "file", "one");
	want_file(place, "no room", ".file", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_replaced, open_place, close_place),
		cmocka_unit_test_setup_teardown(
		    test_new, open_place, close_place),
		cmocka_unit_test_setup_teardown(
		    test_hidden, open_place, close_place),
		cmocka_unit_test_setup_teardown(
		    test_no_room, open_place, close_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
