/* What a value can do to a log line: nothing. */
#include "tests/unit/log_bench.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- values ---- */

static const struct value_case {
	const char *name;
	const char *value;
	const char *logfmt;
	const char *json;
} value_cases[] = {
	{ "an address", "<a.b+c@d.example>", "<a.b+c@d.example>",
	    "\"<a.b+c@d.example>\"" },
	{ "a word that ends like a mark", "a>", "a>", "\"a>\"" },
	{ "an IPv6 address", "2001:db8::1", "2001:db8::1", "\"2001:db8::1\"" },
	{ "empty", "", "\"\"", "\"\"" },
	{ "a blank", "a b", "\"a b\"", "\"a b\"" },
	{ "an equals sign", "a=b", "\"a=b\"", "\"a=b\"" },
	{ "a quote", "a\"b", "\"a\\\"b\"", "\"a\\\"b\"" },
	{ "a quote alone", "\"", "\"\\\"\"", "\"\\\"\"" },
	{ "a backslash", "a\\", "\"a\\\\\"", "\"a\\\\\"" },
	{ "an escaped quote", "\\\" x=1", "\"\\\\\\\" x=1\"",
	    "\"\\\\\\\" x=1\"" },
	{ "a single quote", "a'b", "\"a'b\"", "\"a'b\"" },
	{ "a slash", "a/b", "a/b", "\"a/b\"" },
	{ "percent signs", "%s%n", "%s%n", "\"%s%n\"" },
	{ "an attempt at a field", "x action=accept reason=none",
	    "\"x action=accept reason=none\"",
	    "\"x action=accept reason=none\"" },
	{ "an attempt at a line", "x\nevent=message action=accept",
	    "\"x?event=message action=accept\"",
	    "\"x?event=message action=accept\"" },
	{ "an attempt at leaving the quotes", "x\" action=accept y=\"",
	    "\"x\\\" action=accept y=\\\"\"",
	    "\"x\\\" action=accept y=\\\"\"" },
	{ "CR and tab", "a\r\tb", "a??b", "\"a??b\"" },
	{ "an escape sequence", "\033[2Ja", "?[2Ja", "\"?[2Ja\"" },
	{ "DEL", "a\177b", "a?b", "\"a?b\"" },
	{ "UTF-8", "j\303\266rg", "\"j\303\266rg\"", "\"j\303\266rg\"" },
	{ "an astral character", "\360\237\230\200", "\"\360\237\230\200\"",
	    "\"\360\237\230\200\"" },
	{ "a blank outside ASCII", "a\302\240b", "\"a\302\240b\"",
	    "\"a\302\240b\"" },
	{ "Latin-1", "j\366rg", "j?rg", "\"j?rg\"" },
	{ "an overlong slash", "a\300\257b", "a??b", "\"a??b\"" },
	{ "a surrogate", "a\355\240\200b", "a???b", "\"a???b\"" },
	{ "above Unicode", "a\364\220\200\200b", "a????b", "\"a????b\"" },
	{ "half a character at the end", "a\303", "a?", "\"a?\"" },
	{ "a C1 control", "a\302\205b", "a?b", "\"a?b\"" },
	{ "a line separator", "a\342\200\250b", "a?b", "\"a?b\"" },
	{ "a bidi override", "a\342\200\256gpj.exe", "a?gpj.exe",
	    "\"a?gpj.exe\"" },
	{ "a bidi isolate", "a\342\201\246b", "a?b", "\"a?b\"" },
};

static void
test_values(void **state)
{
	struct bench *bench = *state;
	char want[512];

	for (size_t i = 0; i < ITEMS(value_cases); i++) {
		const struct value_case *c = &value_cases[i];
		const char *got;

		bench->conf.format = LOG_FORMAT_LOGFMT;
		bench_open(bench);
		bench_empty(bench);
		bench_log(bench->log, c->value, strlen(c->value));
		got = bench_event(bench_read(bench, bench->file));
		snprintf(
		    want, sizeof(want), "event=test v=%s end=7\n", c->logfmt);
		if (strcmp(got, want) != 0)
			fail_msg("%s: wanted %s, got %s", c->name, want, got);

		bench->conf.format = LOG_FORMAT_JSON;
		assert_true(
		    log_reopen(bench->log, &bench->conf, &bench->fault));
		bench_empty(bench);
		bench_log(bench->log, c->value, strlen(c->value));
		got = strstr(bench_read(bench, bench->file), "\"event\"");
		snprintf(want, sizeof(want),
		    "\"event\":\"test\",\"v\":%s,\"end\":7}\n", c->json);
		if (got == NULL || strcmp(got, want) != 0)
			fail_msg("%s: wanted %s, got %s", c->name, want,
			    bench->seen);
		log_close(&bench->log);
	}
}

/* Read one field of a logfmt line as strictly as can be. Returns what follows
 * it, or NULL if it isn't one. */
static const char *
read_field(const char *place, char *key, size_t key_size)
{
	size_t length = strcspn(place, "= \"\\\n");

	if (length == 0 || length >= key_size || place[length] != '=')
		return NULL;
	memcpy(key, place, length);
	key[length] = '\0';
	place += length + 1;
	if (*place != '"')
		return place + strcspn(place, " =\"\\\n");
	for (place++; *place != '"'; place++) {
		if (*place == '\\')
			place++;
		if (*place == '\0' || *place == '\n')
			return NULL;
	}
	return place + 1;
}

/* Whatever a value is, the line has the fields that we gave it. */
static void
expect_fields(const struct bench *bench, const char *name)
{
	static const char *const want[] = { "time", "level", "event", "v",
		"end" };
	const char *place = bench->seen;
	char key[16];

	for (size_t i = 0; i < ITEMS(want); i++) {
		place = read_field(place, key, sizeof(key));
		if (place == NULL || strcmp(key, want[i]) != 0)
			fail_msg("%s: wanted field %s, got: %s", name, want[i],
			    bench->seen);
		if (*place++ != (i + 1 < ITEMS(want) ? ' ' : '\n'))
			fail_msg("%s: %s doesn't end where it should: %s", name,
			    want[i], bench->seen);
	}
	if (*place != '\0')
		fail_msg("%s: more than one line: %s", name, bench->seen);
}

static void
test_every_octet(void **state)
{
	struct bench *bench = *state;
	char name[64];
	char value[4];

	bench_open(bench);
	for (unsigned octet = 0; octet < 256; octet++) {
		for (unsigned place = 0; place < 3; place++) {
			memcpy(value, "x=y", sizeof(value));
			value[place] = (char)octet;
			snprintf(
			    name, sizeof(name), "octet %u at %u", octet, place);
			bench_empty(bench);
			bench_log(bench->log, value, 3);
			bench_read(bench, bench->file);
			expect_fields(bench, name);
		}
	}
}

static void
test_json_is_read_back(void **state)
{
	struct bench *bench = *state;
	const char value[] = "\"\\/\n\0{}[]\303\266\377";
	struct json_object *object;
	struct json_object *v = NULL;

	bench->conf.format = LOG_FORMAT_JSON;
	bench_open(bench);
	bench_log(bench->log, value, sizeof(value) - 1);
	object = json_tokener_parse(bench_read(bench, bench->file));
	assert_non_null(object);
	assert_true(json_object_object_get_ex(object, "v", &v));
	assert_string_equal(json_object_get_string(v), "\"\\/??{}[]\303\266?");
	assert_int_equal(json_object_object_length(object), 5);
	json_object_put(object);
}

static const struct length_case {
	const char *name;
	const char *unit; /* repeated */
	size_t times;
	size_t kept; /* units before the dots */
	bool is_cut;
} length_cases[] = {
	{ "512 octets", "a", 512, 512, false },
	{ "513 octets", "a", 513, 509, true },
	{ "a hundred thousand", "a", 100000, 509, true },
	{ "escapes count: 256", "\"", 256, 256, false },
	{ "escapes count: 257", "\"", 257, 254, true },
	{ "backslashes: 257", "\\", 257, 254, true },
	{ "two octets a character: 256", "\303\266", 256, 256, false },
	{ "two octets a character: 257", "\303\266", 257, 254, true },
	{ "four octets a character: 128", "\360\237\230\200", 128, 128, false },
	{ "four octets a character: 129", "\360\237\230\200", 129, 127, true },
};

static void
test_lengths(void **state)
{
	struct bench *bench = *state;

	bench_open(bench);
	for (size_t i = 0; i < ITEMS(length_cases); i++) {
		const struct length_case *c = &length_cases[i];
		size_t unit = strlen(c->unit);
		bool is_escaped = strchr("\"\\", c->unit[0]) != NULL;
		char *value = malloc(c->times * unit + 1);
		const char *got;
		size_t kept = 0;

		assert_non_null(value);
		for (size_t n = 0; n < c->times; n++)
			memcpy(value + n * unit, c->unit, unit);
		bench_empty(bench);
		bench_log(bench->log, value, c->times * unit);
		free(value);

		got = strstr(bench_read(bench, bench->file), " v=");
		assert_non_null(got);
		expect_fields(bench, c->name);
		got += 3 + (unit > 1 || is_escaped ? 1 : 0);
		for (; strncmp(got + is_escaped, c->unit, unit) == 0; kept++)
			got += unit + is_escaped;
		if (kept != c->kept)
			fail_msg("%s: wanted %zu kept, got %zu", c->name,
			    c->kept, kept);
		if ((strncmp(got, "...", 3) == 0) != c->is_cut)
			fail_msg("%s: wanted %s, got: %s", c->name,
			    c->is_cut ? "dots" : "no dots", got);
	}
}

static void
test_fields_left_out(void **state)
{
	struct bench *bench = *state;
	struct log_line *line;

	bench_open(bench);
	line = log_line_begin(bench->log, LOG_LEVEL_INFO);
	log_line_text(line, "event", "test");
	log_line_text(line, "none", NULL);
	log_line_octets(line, "none", NULL, 5);
	log_line_number(line, "most", UINT64_MAX);
	log_line_number(line, "least", 0);
	log_line_end(&line);
	assert_string_equal(bench_event(bench_read(bench, bench->file)),
	    "event=test most=18446744073709551615 least=0\n");
}

/* A caller that got no line, or has no log, need not know. */
static void
test_no_line(void **state)
{
	struct log_line *line = NULL;
	struct log *log = NULL;

	(void)state;
	log_line_text(line, "k", "v");
	log_line_octets(line, "k", "v", 1);
	log_line_number(line, "k", 1);
	log_line_end(&line);
	log_event(log, LOG_LEVEL_ERROR, "test", "nobody hears");
	log_close(&log);
}

/* More fields than a line has room for at first. */
static void
test_many_fields(void **state)
{
	struct bench *bench = *state;
	struct log_line *line;
	char value[501];
	size_t length;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	bench_open(bench);
	line = log_line_begin(bench->log, LOG_LEVEL_INFO);
	log_line_text(line, "event", "test");
	for (size_t i = 0; i < 40; i++)
		log_line_text(line, "k", value);
	log_line_end(&line);
	length = strlen(bench_event(bench_read(bench, bench->file)));
	assert_int_equal(length, strlen("event=test\n") + 40 * 503);
}

/* ---- level, time, events ---- */

static void
test_levels(void **state)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR,
		LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
	static const char *const names[] = { "level=error", "level=warning",
		"level=info", "level=debug" };
	struct bench *bench = *state;

	for (size_t at = 0; at < ITEMS(levels); at++) {
		bench->conf.level = levels[at];
		bench_open(bench);
		bench_empty(bench);
		for (size_t i = 0; i < ITEMS(levels); i++)
			log_event(bench->log, levels[i], "test", "words");
		bench_read(bench, bench->file);
		for (size_t i = 0; i < ITEMS(levels); i++) {
			bool is_there = strstr(bench->seen, names[i]) != NULL;

			if (is_there != (i <= at))
				fail_msg("log.%s: %s is %s", names[at],
				    names[i], is_there ? "there" : "missing");
		}
		log_close(&bench->log);
	}
}

static void
test_time(void **state)
{
	struct bench *bench = *state;
	const char *got;

	bench_open(bench);
	log_event(bench->log, LOG_LEVEL_INFO, "test", "words");
	got = bench_read(bench, bench->file);
	if (!bench_has_form(
		got, "time=0000-00-00T00:00:00.000Z level=info event="))
		fail_msg("wanted an RFC 3339 time in UTC, got %s", got);
	bench->conf.format = LOG_FORMAT_JSON;
	assert_true(log_reopen(bench->log, &bench->conf, &bench->fault));
	bench_empty(bench);
	log_event(bench->log, LOG_LEVEL_INFO, "test", "words");
	got = bench_read(bench, bench->file);
	if (!bench_has_form(got,
		"{\"time\":\"0000-00-00T00:00:00.000Z\",\"level\":\"info\","))
		fail_msg("wanted an RFC 3339 time in UTC, got %s", got);
}

static void
test_event(void **state)
{
	struct bench *bench = *state;
	char words[2000];
	const char *got;

	bench_open(bench);
	log_event(bench->log, LOG_LEVEL_INFO, "reload", "%s: line %d, \"%s\"",
	    "a.conf", 7, "x\ny");
	assert_string_equal(bench_event(bench_read(bench, bench->file)),
	    "event=reload msg=\"a.conf: line 7, \\\"x?y\\\"\"\n");

	bench_empty(bench);
	memset(words, 'w', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	log_event(bench->log, LOG_LEVEL_INFO, "reload", "%s", words);
	got = bench_event(bench_read(bench, bench->file));
	assert_int_equal(strlen(got), strlen("event=reload msg=\n") + 512);
	assert_string_equal(got + strlen(got) - 5, "w...\n");
}

#define CASE(test) \
	cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_values),
		CASE(test_every_octet),
		CASE(test_json_is_read_back),
		CASE(test_lengths),
		CASE(test_fields_left_out),
		CASE(test_no_line),
		CASE(test_many_fields),
		CASE(test_levels),
		CASE(test_time),
		CASE(test_event),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
