/* The snapshot: read from files, asked, held and released. */
#include "tests/unit/conf_fixture.h"

#include <pthread.h>

static void
a_file_has_a_size(void **state)
{
	size_t length = 16 * 1024 * 1024 + 1;
	char *text = malloc(length);
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', length);
	conf = conf_read_text(file, text, length - 1, &errors);
	assert_non_null(conf);
	conf_release(&conf);
	assert_null(conf_read_text(file, text, length, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(errors.lines[0], "is larger than 16 MiB"));
	conf_errors_clear(&errors);
	free(text);
}

static void
a_missing_file_is_told(void **state)
{
	char path[128];
	struct conf_errors errors;

	(void)state;
	path_in(path, sizeof(path), "missing.conf");
	assert_null(conf_read(path, &errors));
	assert_int_equal(errors.count, 1);
	assert_non_null(strstr(
	    errors.lines[0], "missing.conf: can't be read: No such file"));
	conf_errors_clear(&errors);
	assert_null(conf_read(directory, &errors));
	assert_non_null(strstr(errors.lines[0], "Is a directory"));
	conf_errors_clear(&errors);
}

/* Files of a directory are read in the order of their names' octets; what
 * isn't *.conf, and what is hidden, isn't. */
static void
a_directory_is_included(void **state)
{
	struct conf_errors errors;
	struct conf *conf;
	char want[300];

	(void)state;
	write_file("t.conf", "include_dir = conf.d\nmax_busy = 7\n");
	write_file("conf.d/b.conf", "limit b { max = 1 per = 1h }\n");
	write_file("conf.d/B.conf",
	    "limit B { max = 1 per = 1h }\n"
	    "senders { owners = all }\n");
	write_file("conf.d/a.conf", "log { target = ./a.log }\n");
	write_file("conf.d/c.conf.bak", "nonsense\n");
	write_file("conf.d/.d.conf", "nonsense\n");
	conf = conf_read(file, &errors);
	if (conf == NULL)
		fail_with("include", &errors);
	assert_int_equal(conf->limits.count, 2);
	assert_string_equal(conf->limits.limits[0].name, "B");
	assert_string_equal(conf->limits.limits[1].name, "b");
	assert_string_equal(conf->file, file);
	assert_int_equal(conf->max_busy, 7);

	/* paths are relative to the file that they stand in */
	path_in(want, sizeof(want), "conf.d/a.log");
	assert_string_equal(conf->log.file, want);
	path_in(want, sizeof(want), "conf.d/a.conf:1");
	assert_string_equal(conf_where(conf, "log", "target"), want);
	conf_release(&conf);
	for (int i = 0; i < 5; i++)
		remove_file((const char *const[]){ "conf.d/b.conf",
		    "conf.d/B.conf", "conf.d/a.conf", "conf.d/c.conf.bak",
		    "conf.d/.d.conf" }[i]);
}

static void
places_are_remembered(void **state)
{
	static const char text[] = "max_busy = 5\n"
				   "sign {\n expire = 14d }\n"
				   "class local {\n mode = enforce }\n"
				   "limit a { max = 1\n per = 1h }\n"
				   "listener 025 {\n class = relay }\n"
				   "plan p {\n limits = { a } }\n";
	static const struct {
		const char *section, *option, *where; /* NULL: not set */
	} cases[] = {
		{ "", "max_busy", "@/t.conf:1" },
		{ "", "listen", NULL },
		{ "sign", "expire", "@/t.conf:3" },
		{ "sign", "keys", NULL },
		{ "class local", "mode", "@/t.conf:5" },
		{ "class relay", "mode", NULL },
		{ "class local", "expire", NULL },
		{ "limit a", "per", "@/t.conf:7" },
		{ "listener 25", "class", "@/t.conf:9" },
		{ "plan p", "limits", "@/t.conf:11" },
		{ "accounts", "default_plan", NULL },
		{ "nope", "nope", NULL },
	};
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, text, sizeof(text) - 1, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("places", &errors);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char want[200];
		const char *got =
		    conf_where(conf, cases[i].section, cases[i].option);

		if (cases[i].where != NULL)
			expand(cases[i].where, want, sizeof(want));
		else
			snprintf(want, sizeof(want), "%s (default)", file);
		if (strcmp(got, want) != 0)
			fail_msg("%s.%s: wanted %s, got %s", cases[i].section,
			    cases[i].option, want, got);
		if (conf_is_set(conf, cases[i].section, cases[i].option)
		    != (cases[i].where != NULL))
			fail_msg("%s.%s: conf_is_set() is wrong",
			    cases[i].section, cases[i].option);
	}
	conf_release(&conf);
}

static void
mail_of_class_inbound_is_left_alone(void **state)
{
	struct conf_errors errors;
	struct conf *conf = conf_read_text(file, "", 0, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("defaults", &errors);
	for (int i = 0; i < CLASS_COUNT; i++)
		if (conf->classes[i].sign != (i != CLASS_INBOUND)
		    || conf->classes[i].limits != (i != CLASS_INBOUND)
		    || conf->classes[i].preflight != (i != CLASS_INBOUND))
			fail_msg("class %s: not as it should be",
			    facts_class_name((enum traffic_class)i));
	conf_release(&conf);
}

static void
the_listener_of_a_connection_is_found(void **state)
{
	static const char text[] = "listener 587 { require_auth = yes }\n"
				   "listener 25 { class = inbound }\n"
				   "listener relay { class = relay }\n";
	static const struct {
		const char *name;
		const char *daemon_name;
		uint16_t daemon_port;
		const char *want;
	} cases[] = {
		{ "by port", NULL, 25, "25" },
		{ "by another port", "smtpd", 587, "587" },
		{ "the name before the port", "relay", 25, "relay" },
		{ "the name alone", "relay", 0, "relay" },
		{ "no such port", "smtpd", 465, NULL },
		{ "nothing known", NULL, 0, NULL },
		{ "a name that reads like a port", "25", 0, NULL },
		{ "case counts", "Relay", 0, NULL },
	};
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, text, sizeof(text) - 1, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("listeners", &errors);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct connection_facts facts = {
			.daemon_name = cases[i].daemon_name,
			.daemon_port = cases[i].daemon_port,
		};
		const struct listener_conf *listener =
		    conf_listener(conf, &facts);
		const char *got = listener != NULL ? listener->name : "(none)";
		const char *want =
		    cases[i].want != NULL ? cases[i].want : "(none)";

		if (strcmp(got, want) != 0)
			fail_msg(
			    "%s: wanted %s, got %s", cases[i].name, want, got);
	}
	conf_release(&conf);
}

static void *
hold_and_release(void *argument)
{
	struct conf *conf = argument;

	for (int i = 0; i < 2000; i++) {
		struct conf *held = conf_hold(conf);

		if (held->max_busy != 5)
			return NULL;
		conf_release(&held);
	}
	conf_release(&conf);
	return argument;
}

static void
owners_are_counted(void **state)
{
	static const char text[] = "max_busy = 5";
	pthread_t threads[4];
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, text, sizeof(text) - 1, &errors);

	(void)state;
	assert_non_null(conf);
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     hold_and_release, conf_hold(conf)),
		    0);
	conf_release(&conf);
	assert_null(conf);
	conf_release(&conf);
	for (size_t i = 0; i < COUNT(threads); i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
	}
}

/* The text of the sample with the '#' before each option and section taken
 * away. Prose has a blank after its '#'. */
static char *
uncommented(FILE *stream)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	char *line = NULL;
	size_t room = 0;

	assert_non_null(out);
	while (getline(&line, &room, stream) >= 0) {
		size_t blanks = strspn(line, " \t");

		if (line[blanks] == '#' && line[blanks + 1] != ' '
		    && line[blanks + 1] != '\n')
			line[blanks] = ' ';
		fputs(line, out);
	}
	free(line);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The sample is a configuration, as it is and with everything in it. */
static void
the_sample_is_good(void **state)
{
	const char *top = getenv("srcdir");
	char path[1000];
	struct conf_errors errors;
	struct conf *conf;
	char *text;
	FILE *stream;

	(void)state;
	snprintf(path, sizeof(path), "%s/conf/postern.conf.example",
	    top != NULL ? top : ".");
	stream = fopen(path, "r");
	if (stream == NULL)
		fail_msg("%s: not found; run it from the top of the source, "
			 "or set srcdir",
		    path);
	text = uncommented(stream);
	fclose(stream);
	conf = conf_read(path, &errors);
	if (conf == NULL)
		fail_with("the sample", &errors);
	conf_release(&conf);

	/* default of a directory, but written: the test has its own */
	write_file("all.conf", text);
	free(text);
	path_in(path, sizeof(path), "all.conf");
	conf = conf_read(path, &errors);
	if (conf == NULL)
		for (size_t i = 0; i < errors.count; i++)
			if (strstr(errors.lines[i],
				"/etc/postern/keys: there is no such")
			    == NULL)
				fail_msg(
				    "the whole sample: %s", errors.lines[i]);
	conf_errors_clear(&errors);
	conf_release(&conf);
	remove_file("all.conf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_has_a_size),
		cmocka_unit_test(a_missing_file_is_told),
		cmocka_unit_test(a_directory_is_included),
		cmocka_unit_test(places_are_remembered),
		cmocka_unit_test(mail_of_class_inbound_is_left_alone),
		cmocka_unit_test(the_listener_of_a_connection_is_found),
		cmocka_unit_test(owners_are_counted),
		cmocka_unit_test(the_sample_is_good),
	};

	return cmocka_run_group_tests_name(
	    "conf", tests, fixture_begin, fixture_end);
}
