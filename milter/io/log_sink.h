/* log_sink: where log lines go: syslog, stderr or a file. One sink for each
 * (re)opening of the log; whoever holds one may go on writing to it. */
#ifndef MILTER_IO_LOG_SINK_H
#define MILTER_IO_LOG_SINK_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* All but the last three are immutable; those are atomic. */
struct log_sink {
	enum log_target target;
	enum log_format format;
	enum log_level level;
	int fd;          /* -1 for syslog */
	bool is_journal; /* stderr leads to the journal, which wants "<N>" */
	bool has_time;   /* time and level belong on the line */
	atomic_size_t holders;
	atomic_bool is_torn;  /* the last line there has no end */
	atomic_ullong losses; /* lines that weren't written, not yet said */
};

/* Open what conf names, with one holder. NULL with words. */
struct log_sink *
log_sink_open(const struct log_conf *conf, struct fault *fault);

/* One holder more. Returns sink. Any thread that knows it to be held. */
struct log_sink *log_sink_hold(struct log_sink *sink);

/* One holder less; the last one closes it. Empties the pointer. */
void log_sink_release(struct log_sink **sink);

/* Write a line in one write(2), or as one message of syslog(3). octets begin
 * and end with '\n', and have no other: the first is written only if the line
 * before was torn. False if it wasn't written whole; it is then counted as a
 * loss. Raises no signal. */
bool log_sink_write(struct log_sink *sink, enum log_level level,
    const char *octets, size_t length);

/* The number by which syslog and the journal call a level. */
int log_sink_priority(enum log_level level);

#endif
