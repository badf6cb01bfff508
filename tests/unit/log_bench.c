#include "tests/unit/log_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int
bench_setup(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	if (bench == NULL)
		return -1;
	snprintf(bench->directory, sizeof(bench->directory),
	    "/tmp/postern-log-XXXXXX");
	if (mkdtemp(bench->directory) == NULL) {
		free(bench);
		return -1;
	}
	snprintf(bench->file, sizeof(bench->file), "%s/log", bench->directory);
	snprintf(
	    bench->other, sizeof(bench->other), "%s/log.1", bench->directory);
	bench->conf = (struct log_conf){ .target = LOG_TARGET_FILE,
		.file = bench->file,
		.format = LOG_FORMAT_LOGFMT,
		.level = LOG_LEVEL_INFO };
	unsetenv("JOURNAL_STREAM");
	*state = bench;
	return 0;
}

int
bench_teardown(void **state)
{
	struct bench *bench = *state;

	log_close(&bench->log);
	unlink(bench->file);
	unlink(bench->other);
	rmdir(bench->directory);
	free(bench);
	return 0;
}

void
bench_open(struct bench *bench)
{
	bench->log = log_open(&bench->conf, &bench->fault);
	if (bench->log == NULL)
		fail_msg("log_open: %s", bench->fault.words);
}

const char *
bench_read(struct bench *bench, const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		fail_msg("%s: %s", file, strerror(errno));
	length = read(fd, bench->seen, sizeof(bench->seen) - 1);
	close(fd);
	assert_true(length >= 0 && length < BENCH_ROOM - 1);
	bench->seen[length] = '\0';
	return bench->seen;
}

const char *
bench_event(const char *line)
{
	const char *event = strstr(line, "event=");

	if (event == NULL)
		fail_msg("no event in: %s", line);
	return event;
}

void
bench_empty(const struct bench *bench)
{
	assert_int_equal(truncate(bench->file, 0), 0);
}

void
bench_log(struct log *log, const char *value, size_t length)
{
	struct log_line *line = log_line_begin(log, LOG_LEVEL_INFO);

	log_line_text(line, "event", "test");
	log_line_octets(line, "v", value, length);
	log_line_number(line, "end", 7);
	log_line_end(&line);
	assert_null(line);
}

bool
bench_has_form(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; pattern++, text++) {
		if (*pattern == '0' ? *text < '0' || *text > '9'
				    : *text != *pattern)
			return false;
	}
	return true;
}
