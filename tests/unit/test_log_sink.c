/* Where lines go, and that a target which fails stops nobody. */
#include "tests/unit/log_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- syslog(3), kept for looking at; libc's is never called ---- */

static struct {
	char ident[16];
	int facility;
	int priority;
	char words[4096];
	unsigned count;
} spoken;

void openlog(const char *ident, int option, int facility);
void syslog(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void __syslog_chk(int priority, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void
openlog(const char *ident, int option, int facility)
{
	(void)option;
	snprintf(spoken.ident, sizeof(spoken.ident), "%s", ident);
	spoken.facility = facility;
}

static void speak(int priority, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void
speak(int priority, const char *format, va_list arguments)
{
	spoken.priority = priority;
	spoken.count++;
	vsnprintf(spoken.words, sizeof(spoken.words), format, arguments);
}

void
syslog(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	speak(priority, format, arguments);
	va_end(arguments);
}

/* What syslog() becomes with FORTIFY_SOURCE. */
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	speak(priority, format, arguments);
	va_end(arguments);
}

/* ---- targets ---- */

static void
test_syslog(void **state)
{
	static const struct {
		enum log_level level;
		int priority; /* RFC 5424 §6.2.1 */
	} cases[] = { { LOG_LEVEL_ERROR, 3 }, { LOG_LEVEL_WARNING, 4 },
		{ LOG_LEVEL_INFO, 6 }, { LOG_LEVEL_DEBUG, 7 } };
	struct bench *bench = *state;

	bench->conf.target = LOG_TARGET_SYSLOG;
	bench->conf.level = LOG_LEVEL_DEBUG;
	bench_open(bench);
	assert_string_equal(spoken.ident, "postern");
	assert_int_equal(spoken.facility, 2 << 3); /* mail */
	for (size_t i = 0; i < ITEMS(cases); i++) {
		log_event(bench->log, cases[i].level, "test", "%s", "100%n");
		assert_int_equal(spoken.priority, cases[i].priority);
		assert_int_equal(spoken.count, i + 1);
		assert_string_equal(spoken.words, "event=test msg=100%n");
	}
	bench->conf.format = LOG_FORMAT_JSON;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	log_event(bench->log, LOG_LEVEL_INFO, "test", "words");
	assert_string_equal(
	    spoken.words, "{\"event\":\"test\",\"msg\":\"words\"}");
}

/* stderr replaced by ours; put back by stderr_back(). */
static int
stderr_to(int fd)
{
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	assert_true(saved >= 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return saved;
}

static void
stderr_back(int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
}

/* Each write to a socket of packets is one packet, so this sees writes. */
static void
test_stderr(void **state)
{
	struct bench *bench = *state;
	struct stat status;
	char stream[64];
	char got[4][4096];
	int ends[2];
	int saved;

	memset(got, 0, sizeof(got));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(fstat(ends[1], &status), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
	    (uintmax_t)status.st_ino);
	bench->conf.target = LOG_TARGET_STDERR;

	saved = stderr_to(ends[1]);
	bench->log = log_open(&bench->conf, &bench->fault);
	bench_log(bench->log, "to stderr", 9);
	setenv("JOURNAL_STREAM", stream, 1);
	log_reopen(bench->log, &bench->conf, &bench->fault);
	bench_log(bench->log, "to the journal", 14);
	bench->conf.format = LOG_FORMAT_JSON;
	log_reopen(bench->log, &bench->conf, &bench->fault);
	bench_log(bench->log, "json", 4);
	bench->conf.format = LOG_FORMAT_LOGFMT;
	setenv("JOURNAL_STREAM", "1:1", 1); /* somebody else's */
	log_reopen(bench->log, &bench->conf, &bench->fault);
	bench_log(bench->log, "redirected", 10);
	log_close(&bench->log);
	stderr_back(saved);

	for (size_t i = 0; i < 4; i++)
		assert_true(
		    recv(ends[0], got[i], sizeof(got[i]) - 1, MSG_DONTWAIT)
		    > 0);
	assert_true(bench_has_form(
	    got[0], "time=0000-00-00T00:00:00.000Z level=info "));
	assert_string_equal(
	    bench_event(got[0]), "event=test v=\"to stderr\" end=7\n");
	assert_string_equal(
	    got[1], "<6>event=test v=\"to the journal\" end=7\n");
	assert_string_equal(
	    got[2], "<6>{\"event\":\"test\",\"v\":\"json\",\"end\":7}\n");
	assert_true(bench_has_form(
	    got[3], "time=0000-00-00T00:00:00.000Z level=info "));
	assert_true(recv(ends[0], got[0], 1, MSG_DONTWAIT) < 0);
	close(ends[0]);
	close(ends[1]);
}

static void
test_stderr_closed(void **state)
{
	struct bench *bench = *state;
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	assert_true(saved >= 0);
	close(STDERR_FILENO);
	bench->conf.target = LOG_TARGET_STDERR;
	bench->log = log_open(&bench->conf, &bench->fault);
	stderr_back(saved);
	assert_null(bench->log);
	assert_non_null(strstr(bench->fault.words, "stderr"));
}

static void
test_cannot_open(void **state)
{
	struct bench *bench = *state;
	char missing[128];

	bench_open(bench);
	snprintf(missing, sizeof(missing), "%s/none/log", bench->directory);
	bench->conf.file = missing;
	assert_false(log_reopen(bench->log, &bench->conf, &bench->fault));
	assert_int_equal(bench->fault.kind, FAULT_PERMANENT);
	assert_non_null(strstr(bench->fault.words, missing));
	bench_log(bench->log, "old", 3);
	assert_string_equal(bench_event(bench_read(bench, bench->file)),
	    "event=test v=old end=7\n");

	log_close(&bench->log);
	assert_null(bench->log);
	log_close(&bench->log);
	assert_null(log_open(&bench->conf, &bench->fault));
	assert_null(log_open(&bench->conf, NULL));
}

/* Opening a FIFO that nobody reads would wait for a reader. */
static void
test_fifo(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(mkfifo(bench->file, 0600), 0);
	assert_null(log_open(&bench->conf, &bench->fault));
	assert_non_null(strstr(bench->fault.words, bench->file));
}

static void
test_file_mode(void **state)
{
	struct bench *bench = *state;
	mode_t before = umask(0);
	struct stat status;

	bench_open(bench);
	umask(before);
	assert_int_equal(stat(bench->file, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
}

/* A file that was there is added to; one that was moved away is left to the
 * lines begun before. */
static void
test_rotation(void **state)
{
	struct bench *bench = *state;
	struct log_line *line;

	bench_open(bench);
	bench_log(bench->log, "1", 1);
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	line = log_line_begin(bench->log, LOG_LEVEL_INFO);
	log_line_text(line, "event", "late");

	assert_int_equal(rename(bench->file, bench->other), 0);
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_log(bench->log, "2", 1);
	log_line_end(&line);

	assert_string_equal(bench_event(bench_read(bench, bench->file)),
	    "event=test v=2 end=7\n");
	assert_non_null(
	    strstr(bench_read(bench, bench->other), "event=test v=1 end=7\n"));
	assert_non_null(strstr(bench->seen, "event=late\n"));
}

/* A line outlives its log: it holds what it needs. */
static void
test_close_before_end(void **state)
{
	struct bench *bench = *state;
	struct log_line *line;

	bench_open(bench);
	line = log_line_begin(bench->log, LOG_LEVEL_INFO);
	log_line_text(line, "event", "last");
	log_close(&bench->log);
	log_line_end(&line);
	assert_string_equal(
	    bench_event(bench_read(bench, bench->file)), "event=last\n");
}

/* ---- targets that fail ---- */

static void
expect_losses(struct bench *bench, const char *name, const char *losses)
{
	char want[64];

	snprintf(want, sizeof(want), "event=log_lost lines=%s\n", losses);
	bench_read(bench, bench->file);
	if (strstr(bench->seen, want) == NULL)
		fail_msg("%s: wanted %s, got %s", name, want, bench->seen);
}

static void
test_full_disk(void **state)
{
	struct bench *bench = *state;

	bench->conf.file = "/dev/full";
	bench_open(bench);
	for (size_t i = 0; i < 3; i++)
		bench_log(bench->log, "lost", 4);
	bench->conf.file = bench->file;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_log(bench->log, "kept", 4);
	expect_losses(bench, "a full disk", "3");
	assert_null(strstr(bench->seen, "v=lost"));
	bench_empty(bench);
	bench_log(bench->log, "kept", 4);
	assert_null(strstr(bench_read(bench, bench->file), "log_lost"));
}

/* What is left of a line when the disk fills in the middle of it must not be
 * the beginning of the next one. */
static void
test_torn_line(void **state)
{
	struct bench *bench = *state;
	struct rlimit before, limit;
	const char *rest;

	bench_open(bench);
	bench_log(bench->log, "first", 5);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = strlen(bench_read(bench, bench->file)) + 50;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	bench_log(bench->log, "torn", 4); /* 50 octets of it */
	bench_log(bench->log, "gone", 4); /* SIGXFSZ, if it weren't caught */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	bench_log(bench->log, "last", 4);

	expect_losses(bench, "a torn line", "2");
	assert_null(strstr(bench->seen, "v=gone"));
	rest = strstr(bench->seen, "v=first end=7\ntime=");
	assert_non_null(rest);
	rest += strlen("v=first end=7\n");
	assert_int_equal(strcspn(rest, "\n"), 50);
	assert_true(bench_has_form(
	    rest + 51, "time=0000-00-00T00:00:00.000Z level=info event="));
	assert_non_null(strstr(rest + 51, "v=last end=7\n"));
}

/* The line that tells of losses can be lost too: then the next one tells. */
static void
test_notice_lost(void **state)
{
	struct bench *bench = *state;
	struct rlimit before, limit;

	bench_open(bench);
	bench_log(bench->log, "size", 4);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = strlen(bench_read(bench, bench->file));
	bench_empty(bench);
	bench->conf.file = "/dev/full";
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_log(bench->log, "lost", 4);
	bench_log(bench->log, "lost", 4);
	bench->conf.file = bench->file;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	bench_log(bench->log, "kept", 4); /* it fits, the notice doesn't */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_null(strstr(bench_read(bench, bench->file), "log_lost"));
	bench_log(bench->log, "kept", 4);
	expect_losses(bench, "a lost notice", "2");
}

/* Nobody reads stderr any more, and SIGPIPE would kill. */
static void
test_broken_pipe(void **state)
{
	struct bench *bench = *state;
	struct sigaction ours = { .sa_handler = SIG_DFL };
	struct sigaction before;
	sigset_t pending;
	int ends[2];
	int saved;

	assert_int_equal(sigaction(SIGPIPE, &ours, &before), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	bench->conf.target = LOG_TARGET_STDERR;
	saved = stderr_to(ends[1]);
	bench->log = log_open(&bench->conf, &bench->fault);
	bench_log(bench->log, "lost", 4);
	bench_log(bench->log, "lost", 4);
	stderr_back(saved);
	close(ends[1]);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGPIPE), 0);
	sigaction(SIGPIPE, &before, NULL);

	bench->conf.target = LOG_TARGET_FILE;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_log(bench->log, "kept", 4);
	expect_losses(bench, "a broken pipe", "2");
}

/* A signal that was waiting before a write fails isn't swallowed by it. */
static void
test_pending_signal_stays(void **state)
{
	struct bench *bench = *state;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t pipe_only, mask, pending;
	int ends[2];
	int saved;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigaction(SIGPIPE, &by_default, NULL);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipe_only, &mask), 0);
	assert_int_equal(raise(SIGPIPE), 0);

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	bench->conf.target = LOG_TARGET_STDERR;
	saved = stderr_to(ends[1]);
	bench->log = log_open(&bench->conf, &bench->fault);
	bench_log(bench->log, "lost", 4);
	stderr_back(saved);
	close(ends[1]);

	assert_int_equal(sigpending(&pending), 0);
	sigaction(SIGPIPE, &ignore, NULL); /* drops the one that waits */
	sigaction(SIGPIPE, &by_default, NULL);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	assert_int_equal(sigismember(&pending, SIGPIPE), 1);
}

/* ---- threads ---- */

enum { WRITERS = 4, LINES = 200, REOPENINGS = 50 };

struct writer {
	struct log *log;
	pthread_t thread;
	unsigned number;
};

static void *
write_lines(void *argument)
{
	const struct writer *writer = argument;
	struct log_line *line;

	for (unsigned i = 0; i < LINES; i++) {
		line = log_line_begin(writer->log, LOG_LEVEL_INFO);
		log_line_text(line, "event", "thread");
		log_line_number(line, "writer", writer->number);
		log_line_number(line, "n", i);
		log_line_text(line, "pad", "a value with blanks in it");
		log_line_end(&line);
	}
	return NULL;
}

static void
count_lines(
    struct bench *bench, const char *file, unsigned counts[WRITERS][LINES])
{
	char *place = NULL;
	unsigned writer, n;
	int length;

	bench_read(bench, file);
	for (char *line = strtok_r(bench->seen, "\n", &place); line != NULL;
	     line = strtok_r(NULL, "\n", &place)) {
		const char *event = bench_event(line);

		length = 0;
		if (sscanf(event,
			"event=thread writer=%u n=%u "
			"pad=\"a value with blanks in it\"%n",
			&writer, &n, &length)
			!= 2
		    || length == 0 || event[length] != '\0' || writer >= WRITERS
		    || n >= LINES)
			fail_msg("a mixed line: %s", line);
		counts[writer][n]++;
	}
}

/* Lines of several threads, while the target changes under them, are each
 * there once and whole. */
static void
test_threads(void **state)
{
	struct bench *bench = *state;
	struct log_conf other = bench->conf;
	struct writer writers[WRITERS];
	static unsigned counts[WRITERS][LINES];

	memset(counts, 0, sizeof(counts));
	other.file = bench->other;
	bench_open(bench);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].log = bench->log;
		writers[i].number = i;
		assert_int_equal(pthread_create(&writers[i].thread, NULL,
				     write_lines, &writers[i]),
		    0);
	}
	for (unsigned i = 0; i < REOPENINGS; i++)
		assert_true(log_reopen(bench->log,
		    i % 2 == 0 ? &other : &bench->conf, &bench->fault));
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	log_close(&bench->log);

	count_lines(bench, bench->file, counts);
	count_lines(bench, bench->other, counts);
	for (unsigned i = 0; i < WRITERS; i++) {
		for (unsigned n = 0; n < LINES; n++) {
			if (counts[i][n] != 1)
				fail_msg("writer %u, line %u: wanted once, "
					 "got %u times",
				    i, n, counts[i][n]);
		}
	}
}

/* The same while every write fails: losses are counted, none is forgotten. */
static void
test_threads_losing(void **state)
{
	struct bench *bench = *state;
	struct writer writers[WRITERS];
	char want[16];

	bench->conf.file = "/dev/full";
	bench_open(bench);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].log = bench->log;
		writers[i].number = i;
		assert_int_equal(pthread_create(&writers[i].thread, NULL,
				     write_lines, &writers[i]),
		    0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	bench->conf.file = bench->file;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_log(bench->log, "kept", 4);
	snprintf(want, sizeof(want), "%u", (unsigned)(WRITERS * LINES));
	expect_losses(bench, "threads that lose", want);
}

#define CASE(test) \
	cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_syslog),
		CASE(test_stderr),
		CASE(test_stderr_closed),
		CASE(test_cannot_open),
		CASE(test_fifo),
		CASE(test_file_mode),
		CASE(test_rotation),
		CASE(test_close_before_end),
		CASE(test_full_disk),
		CASE(test_torn_line),
		CASE(test_notice_lost),
		CASE(test_broken_pipe),
		CASE(test_pending_signal_stays),
		CASE(test_threads),
		CASE(test_threads_losing),
	};

	return cmocka_run_group_tests_name("log_sink", tests, NULL, NULL);
}
