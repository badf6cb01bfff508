/* log_bench: a log that writes into a directory of its own, for the tests of
 * log and log_sink. */
#ifndef TESTS_UNIT_LOG_BENCH_H
#define TESTS_UNIT_LOG_BENCH_H

#include "milter/io/log.h"

#include <stdbool.h>
#include <stddef.h>

#define ITEMS(array) (sizeof(array) / sizeof((array)[0]))

enum { BENCH_ROOM = 262144 };

struct bench {
	char directory[64];
	char file[96];  /* where conf says the log is */
	char other[96]; /* another file there */
	char seen[BENCH_ROOM];
	struct log_conf conf;
	struct fault fault;
	struct log *log;
};

/* Set up and torn down around each test, by cmocka. */
int bench_setup(void **state);
int bench_teardown(void **state);

/* Open the log as conf says; fails the test if it can't be. */
void bench_open(struct bench *bench);

/* All that a file has, put into bench->seen. */
const char *bench_read(struct bench *bench, const char *file);

/* Empty the log's file. */
void bench_empty(const struct bench *bench);

/* A line without what stands before "event=": time and level. */
const char *bench_event(const char *line);

/* Log a line with one value between two of ours. */
void bench_log(struct log *log, const char *value, size_t length);

/* Does text begin as pattern does, where 0 stands for any digit? */
bool bench_has_form(const char *text, const char *pattern);

#endif
