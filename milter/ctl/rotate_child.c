#include "milter/ctl/rotate_child.h"

#include "milter/io/clock.h"
#include "policy/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	OUTPUT_BYTES = 1024,
	PROGRAM_BYTES = 4096,
	LATE_WAIT_MS = 20, /* where a process can't be waited for in poll() */
};

/* What the program gets: no more than it needs. */
#define PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
static char path_variable[] = "PATH=" PATH;
static char locale_variable[] = "LC_ALL=C";
static char *const environment[] = { path_variable, locale_variable, NULL };

/* A program that runs. */
struct run {
	pid_t pid;
	int pid_fd; /* readable once it has ended; -1: can't be had */
	int output;
	char text[OUTPUT_BYTES]; /* what it printed first */
	size_t length;
};

/* The text in a file without a name: unlike a pipe it can't fill up. */
static int
open_input(const char *input)
{
	size_t length = strlen(input), done = 0;
	int fd = memfd_create("input", MFD_CLOEXEC);

	while (fd >= 0 && done < length) {
		ssize_t wrote = write(fd, input + done, length - done);

		if (wrote < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static int
add_actions(posix_spawn_file_actions_t *actions, int input, int output)
{
	int error =
	    posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);

	if (error == 0)
		error = posix_spawn_file_actions_adddup2(
		    actions, output, STDOUT_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(
		    actions, output, STDERR_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(
		    actions, STDERR_FILENO + 1);
	if (error == 0)
		error = posix_spawn_file_actions_addchdir_np(actions, "/");
	return error;
}

/* A process group of its own, and signals as a program expects them. */
static int
set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)posix_spawnattr_setpgroup(attributes, 0);
	(void)posix_spawnattr_setsigmask(attributes, &none);
	(void)posix_spawnattr_setsigdefault(attributes, &all);
	return posix_spawnattr_setflags(attributes,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK
		| POSIX_SPAWN_SETSIGDEF);
}

/* The program of that name in PATH, not in that of whoever calls. False: there
 * is none. */
static bool
find_program(const char *name, char space[PROGRAM_BYTES])
{
	const char *at = PATH;

	for (;;) {
		size_t length = strcspn(at, ":");
		int wrote = snprintf(
		    space, PROGRAM_BYTES, "%.*s/%s", (int)length, at, name);

		if (wrote > 0 && wrote < PROGRAM_BYTES
		    && access(space, X_OK) == 0)
			return true;
		at += length;
		if (*at++ == '\0')
			return false;
	}
}

static int
spawn(const char *program, const char *const *arguments, int input, int output,
    pid_t *pid_out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	/* posix_spawn(3) changes none of them. */
	union {
		const char *const *given;
		char *const *taken;
	} vector = { .given = arguments };
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return error;
	error = posix_spawnattr_init(&attributes);
	if (error == 0) {
		error = add_actions(&actions, input, output);
		if (error == 0)
			error = set_attributes(&attributes);
		if (error == 0)
			error = posix_spawn(pid_out, program, &actions,
			    &attributes, vector.taken, environment);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Start it. 0, or an error number. */
static int
start(struct run *run, const char *const *arguments, const char *input)
{
	char space[PROGRAM_BYTES];
	const char *program = arguments[0];
	int ends[2] = { -1, -1 };
	int in, error;

	if (strchr(program, '/') == NULL) {
		if (!find_program(program, space))
			return ENOENT;
		program = space;
	}
	in = open_input(input);
	error = in < 0 || pipe2(ends, O_CLOEXEC) != 0 ? errno : 0;
	if (error == 0)
		error = spawn(program, arguments, in, ends[1], &run->pid);
	if (in >= 0)
		close(in);
	if (ends[1] >= 0)
		close(ends[1]);
	run->output = ends[0];
	if (error == 0) {
		(void)fcntl(run->output, F_SETFL, O_NONBLOCK);
		run->pid_fd = (int)syscall(SYS_pidfd_open, run->pid, 0);
	} else if (ends[0] >= 0) {
		close(ends[0]);
	}
	return error;
}

/* Keep the first of what it prints, and pass over the rest. False: it prints
 * no more. */
static bool
take_output(struct run *run)
{
	char rest[OUTPUT_BYTES];
	size_t room = sizeof(run->text) - run->length;
	ssize_t got = room > 0
	    ? read(run->output, run->text + run->length, room)
	    : read(run->output, rest, sizeof(rest));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (room > 0)
		run->length += (size_t)got;
	return got > 0;
}

/* Wait for something of it, until then. */
static void
await(struct run *run, bool *prints, uint64_t end_ms)
{
	struct pollfd waits[2] = { { .fd = *prints ? run->output : -1,
				       .events = POLLIN },
		{ .fd = run->pid_fd, .events = POLLIN } };
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t wait_ms = end_ms > now_ms ? end_ms - now_ms : 0;

	if (run->pid_fd < 0 && wait_ms > LATE_WAIT_MS)
		wait_ms = LATE_WAIT_MS;
	if (poll(waits, 2, (int)wait_ms) > 0 && waits[0].revents != 0)
		*prints = take_output(run);
}

/* It keeps its number, which is its group's too, until it is taken below. */
static bool
has_ended(const struct run *run)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT)
	    != 0
	    || info.si_pid == run->pid;
}

/* Wait till it has ended, or its time is over. Returns what waitpid(2) gave;
 * *is_late_out: it had to be killed. */
static int
finish(struct run *run, uint64_t end_ms, bool *is_late_out)
{
	bool prints = true;
	int status = 0;

	*is_late_out = false;
	while (!has_ended(run) && !*is_late_out) {
		await(run, &prints, end_ms);
		*is_late_out = clock_monotonic_ms() >= end_ms;
	}
	*is_late_out = *is_late_out && !has_ended(run);
	/* Also what it has left running: nothing is to go on unseen. */
	(void)kill(-run->pid, SIGKILL);
	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	while (prints && run->length < sizeof(run->text)) {
		size_t before = run->length;

		prints = take_output(run) && run->length > before;
	}
	return status;
}

static void
keep_words(const struct run *run, char words[ROTATE_CHILD_WORDS_BYTES])
{
	size_t length = 0;
	struct text text;

	while (length < run->length && run->text[length] != '\n')
		length++;
	text_init(&text, words, ROTATE_CHILD_WORDS_BYTES);
	text_add_clean(&text, run->text, length, true);
}

bool
rotate_child_run(const char *const *arguments, const char *input,
    uint64_t timeout_ms, struct rotate_child *child_out, struct fault *fault)
{
	struct run run = { .pid_fd = -1, .output = -1 };
	int error = start(&run, arguments, input);
	int status;

	if (error != 0) {
		fault_set(fault,
		    error == ENOENT || error == EACCES || error == ENOEXEC
			    || error == ENOTDIR
			? FAULT_PERMANENT
			: FAULT_TEMPORARY,
		    "%s can't be run: %s", arguments[0], strerror(error));
		return false;
	}
	status = finish(
	    &run, clock_monotonic_ms() + timeout_ms, &child_out->is_late);
	child_out->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	keep_words(&run, child_out->words);
	close(run.output);
	if (run.pid_fd >= 0)
		close(run.pid_fd);
	return true;
}
