/* How lines look is decided here; where they go, in log_sink. A line holds the
 * sink that it began with, so a reload or a rotation never waits for a line,
 * nor a line for it: the lock guards one pointer and is never held across a
 * write. */
#include "milter/io/log.h"

#include "milter/io/log_sink.h"
#include "policy/text.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	/* Of a value as it is written, escapes included. Half a dozen values
	 * of a message's line can be this long by a sender's will, and the line
	 * then still has less than PIPE_BUF octets: a pipe doesn't mix such
	 * lines with those of other threads. */
	VALUE_OCTETS = 512,
	CUT_OCTETS = 3, /* "..." */
	/* Looked at of a value: enough to know that it is too long, even when
	 * the last character looked at is only half there. */
	LOOK_OCTETS = VALUE_OCTETS + 8,
	LINE_OCTETS = 1024, /* room that most lines need */
};

struct log {
	pthread_mutex_t lock;
	struct log_sink *sink; /* under the lock; what it points at is not */
};

struct log_line {
	struct log_sink *sink;
	enum log_level level;
	struct json_object *json; /* NULL in logfmt */
	bool has_field;
	bool is_broken; /* no memory: the line is lost */

	/* The line itself, beginning with the '\n' that log_sink_write() asks
	 * for. Grows with the fields: their number is ours, their length
	 * bounded. */
	char *data;
	size_t length;
	size_t size_bytes;
};

static const char *
level_name(enum log_level level)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	return names[level];
}

static void
line_add(struct log_line *line, const char *data, size_t length)
{
	if (line->is_broken)
		return;
	if (line->size_bytes - line->length < length) {
		size_t size_bytes = 2 * line->size_bytes + length;
		char *more = realloc(line->data, size_bytes);

		if (more == NULL) {
			line->is_broken = true;
			return;
		}
		line->data = more;
		line->size_bytes = size_bytes;
	}
	memcpy(line->data + line->length, data, length);
	line->length += length;
}

static void
line_add_string(struct log_line *line, const char *string)
{
	line_add(line, string, strlen(string));
}

/* Add a field to a JSON line, which takes over value. */
static void
line_add_json(struct log_line *line, const char *key, struct json_object *value)
{
	if (value == NULL
	    || json_object_object_add(line->json, key, value) != 0) {
		json_object_put(value);
		line->is_broken = true;
	}
}

/* Begin a field of a logfmt line. */
static void
line_add_key(struct log_line *line, const char *key)
{
	if (line->has_field)
		line_add_string(line, " ");
	line->has_field = true;
	line_add_string(line, key);
	line_add_string(line, "=");
}

/* How many octets is this one of a cleaned value when it is written? */
static size_t
octet_cost(char octet)
{
	return octet == '"' || octet == '\\' ? 2 : 1;
}

/* Cut a cleaned value, visibly and between characters, so that it has at most
 * VALUE_OCTETS with its escapes. Returns its length. */
static size_t
value_fit(char *value, size_t length)
{
	size_t cost = 0;
	size_t kept = 0; /* what fits beside the dots */

	for (size_t i = 0; i < length;) {
		size_t step = text_utf8_length(value + i, length - i);

		step = step > 0 ? step : 1;
		cost += step > 1 ? step : octet_cost(value[i]);
		if (cost > VALUE_OCTETS) {
			memcpy(value + kept, "...", CUT_OCTETS);
			return kept + CUT_OCTETS;
		}
		i += step;
		if (cost <= VALUE_OCTETS - CUT_OCTETS)
			kept = i;
	}
	return length;
}

/* Can a cleaned value stand without quotes? Only if nothing in it means
 * anything to whoever splits lines: blanks (those outside ASCII too), '=',
 * quotes, backslashes. */
static bool
value_is_bare(const char *value, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (value[i] <= ' ' || value[i] > '~'
		    || strchr("\"'`=\\", value[i]) != NULL)
			return false;
	}
	return length > 0;
}

static void
line_add_quoted(struct log_line *line, const char *value, size_t length)
{
	size_t from = 0;

	line_add_string(line, "\"");
	for (size_t i = 0; i < length; i++) {
		if (octet_cost(value[i]) == 1)
			continue;
		line_add(line, value + from, i - from);
		line_add_string(line, "\\");
		from = i; /* the octet itself goes with what follows */
	}
	line_add(line, value + from, length - from);
	line_add_string(line, "\"");
}

/* Put the time and the level first, where nobody behind us does. */
static void
line_stamp(struct log_line *line)
{
	struct timespec now;
	struct tm utc;
	char seconds[32];
	char stamp[64];

	if (!line->sink->has_time)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) != NULL) {
		strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &utc);
		snprintf(stamp, sizeof(stamp), "%s.%03ldZ", seconds,
		    now.tv_nsec / 1000000);
		log_line_text(line, "time", stamp);
	}
	log_line_text(line, "level", level_name(line->level));
}

static void
line_free(struct log_line *line)
{
	if (line == NULL)
		return;
	log_sink_release(&line->sink);
	json_object_put(line->json);
	free(line->data);
	free(line);
}

/* A line for sink, held by the line from now on. NULL: no memory, and a loss
 * has been counted. */
static struct log_line *
line_begin(struct log_sink *sink, enum log_level level)
{
	struct log_line *line = calloc(1, sizeof(*line));

	if (line == NULL) {
		atomic_fetch_add(&sink->losses, 1);
		log_sink_release(&sink);
		return NULL;
	}
	line->sink = sink;
	line->level = level;
	line->size_bytes = LINE_OCTETS;
	line->data = malloc(line->size_bytes);
	if (sink->format == LOG_FORMAT_JSON)
		line->json = json_object_new_object();
	if (line->data == NULL
	    || (sink->format == LOG_FORMAT_JSON && line->json == NULL)) {
		atomic_fetch_add(&sink->losses, 1);
		line_free(line);
		return NULL;
	}
	line_add_string(line, "\n");
	if (sink->is_journal) {
		char prefix[] = "<0>"; /* sd-daemon(3) */

		prefix[1] = (char)('0' + log_sink_priority(level));
		line_add_string(line, prefix);
	}
	line_stamp(line);
	return line;
}

/* End a line and hand it to its sink. False: it is lost, and counted. */
static bool
line_write(struct log_line *line)
{
	if (line->json != NULL) {
		const char *string = json_object_to_json_string_ext(line->json,
		    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

		if (string != NULL)
			line_add_string(line, string);
		else
			line->is_broken = true;
	}
	line_add_string(line, "\n");
	if (line->is_broken) {
		atomic_fetch_add(&line->sink->losses, 1);
		return false;
	}
	return log_sink_write(
	    line->sink, line->level, line->data, line->length);
}

/* Lines can be written again: say how many could not. Whatever the level, for
 * those lines had passed it. */
static void
say_losses(struct log_sink *sink)
{
	unsigned long long losses = atomic_exchange(&sink->losses, 0);
	struct log_line *line;

	if (losses == 0)
		return;
	line = line_begin(log_sink_hold(sink), LOG_LEVEL_WARNING);
	log_line_text(line, "event", "log_lost");
	log_line_number(line, "lines", losses);
	if (line == NULL || !line_write(line)) /* that line isn't counted */
		atomic_fetch_add(&sink->losses, losses - 1);
	line_free(line);
}

struct log *
log_open(const struct log_conf *conf, struct fault *fault)
{
	struct log *log = calloc(1, sizeof(*log));

	if (log == NULL || pthread_mutex_init(&log->lock, NULL) != 0) {
		free(log);
		fault_memory(fault);
		return NULL;
	}
	log->sink = log_sink_open(conf, fault);
	if (log->sink == NULL) {
		pthread_mutex_destroy(&log->lock);
		free(log);
		return NULL;
	}
	return log;
}

bool
log_reopen(struct log *log, const struct log_conf *conf, struct fault *fault)
{
	struct log_sink *sink = log_sink_open(conf, fault);
	struct log_sink *old;

	if (sink == NULL)
		return false;
	pthread_mutex_lock(&log->lock);
	old = log->sink;
	log->sink = sink;
	atomic_fetch_add(&sink->losses, atomic_exchange(&old->losses, 0));
	pthread_mutex_unlock(&log->lock);
	log_sink_release(&old);
	return true;
}

void
log_close(struct log **log)
{
	if (*log == NULL)
		return;
	log_sink_release(&(*log)->sink);
	pthread_mutex_destroy(&(*log)->lock);
	free(*log);
	*log = NULL;
}

struct log_line *
log_line_begin(struct log *log, enum log_level level)
{
	struct log_sink *sink;

	if (log == NULL)
		return NULL;
	pthread_mutex_lock(&log->lock);
	sink = log_sink_hold(log->sink);
	pthread_mutex_unlock(&log->lock);
	if (level > sink->level) {
		log_sink_release(&sink);
		return NULL;
	}
	return line_begin(sink, level);
}

void
log_line_octets(
    struct log_line *line, const char *key, const char *value, size_t length)
{
	char space[LOOK_OCTETS + 1];
	struct text clean;

	if (line == NULL || value == NULL)
		return;
	text_init(&clean, space, sizeof(space));
	text_add_clean(
	    &clean, value, length < LOOK_OCTETS ? length : LOOK_OCTETS, true);
	length = value_fit(space, clean.length);
	if (line->json != NULL) {
		line_add_json(
		    line, key, json_object_new_string_len(space, (int)length));
		return;
	}
	line_add_key(line, key);
	if (value_is_bare(space, length))
		line_add(line, space, length);
	else
		line_add_quoted(line, space, length);
}

void
log_line_text(struct log_line *line, const char *key, const char *value)
{
	if (value != NULL)
		log_line_octets(line, key, value, strlen(value));
}

void
log_line_number(struct log_line *line, const char *key, uint64_t value)
{
	char digits[24];

	if (line == NULL)
		return;
	if (line->json != NULL) {
		line_add_json(line, key, json_object_new_uint64(value));
		return;
	}
	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	line_add_key(line, key);
	line_add_string(line, digits);
}

void
log_line_end(struct log_line **line)
{
	if (*line == NULL)
		return;
	if (line_write(*line))
		say_losses((*line)->sink);
	line_free(*line);
	*line = NULL;
}

void
log_event(struct log *log, enum log_level level, const char *event,
    const char *format, ...)
{
	char words[LOOK_OCTETS + 1];
	struct log_line *line = log_line_begin(log, level);
	va_list arguments;

	if (line == NULL)
		return;
	/* Longer words would be cut, visibly, like any value. */
	va_start(arguments, format);
	if (vsnprintf(words, sizeof(words), format, arguments) < 0)
		words[0] = '\0';
	va_end(arguments);
	log_line_text(line, "event", event);
	log_line_text(line, "msg", words);
	log_line_end(&line);
}
