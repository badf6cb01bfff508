/* log: log lines. Every value is cleaned here, so no caller can forget. One
 * log for the process; locked inside. No caller asks whether logging is on. */
#ifndef MILTER_IO_LOG_H
#define MILTER_IO_LOG_H

#include "conf/conf.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log;

/* Open the log as conf says. NULL with words if the file can't be opened. */
struct log *log_open(const struct log_conf *conf, struct fault *fault);

/* Change target, format and level (a reload); also opens a file anew
 * (rotation). On failure the old ones stay. */
bool
log_reopen(struct log *log, const struct log_conf *conf, struct fault *fault);

/* Flush and close. Empties the pointer; takes NULL. */
void log_close(struct log **log);

/* A line that tells of a change of state: event=EVENT msg="..." */
void log_event(struct log *log, enum log_level level, const char *event,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* A line under construction: key=value fields in the order of the calls. */
struct log_line;

/* Begin a line. NULL for want of memory: the calls below take that and do
 * nothing. */
struct log_line *log_line_begin(struct log *log, enum log_level level);

/* Add a field. key is ours; value may be hostile and may be NULL (then the
 * field is left out). Values over 512 octets are cut visibly. */
void log_line_text(struct log_line *line, const char *key, const char *value);

/* The same for a value with a length (NULs become '?'). */
void log_line_octets(
    struct log_line *line, const char *key, const char *value, size_t length);

/* The same for a number. */
void log_line_number(struct log_line *line, const char *key, uint64_t value);

/* Write the line (in one write(2)) and free it. */
void log_line_end(struct log_line **line);

#endif
