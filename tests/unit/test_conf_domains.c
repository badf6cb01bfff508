/* What configurations say of single domains: which rules hold for their
 * signatures, what is wrong with a block, and many of them. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>
#include <time.h>

static const char *const canons[] = { "simple", "relaxed" };

static const struct {
	const char *name;
	const char *text;
	const char *errors[4]; /* beginnings, without the file's name */
} bad_cases[] = {
	{ "a domain without a name", "domain { expire = 14d }",
	    { ":1: a domain's section needs its name; write domain "
	      "\"a.example\" {" } },
	{ "an empty name", "domain \"\" { }", { ":1: domain \"\": " } },
	{ "no domain", "domain a..example { }",
	    { ":1: domain \"a..example\": an empty label in a domain" } },
	{ "an address", "domain \"info@a.example\" { }",
	    { ":1: domain \"info@a.example\": " } },
	{ "an address literal", "domain \"[192.0.2.1]\" { }",
	    { ":1: domain \"[192.0.2.1]\": an address literal" } },
	{ "a domain twice",
	    "domain a.example { }\n\ndomain A.Example. { expire = soon }",
	    { ":3: section domain a.example is there already at @/t.conf:1; "
	      "write its options there",
		":3: expire: \"soon\" is no duration" } },
	{ "a domain twice, in both its forms",
	    "domain xn--bcher-kva.example { }\n"
	    "domain \"b\xC3\xBC"
	    "cher.example\" { }",
	    { ":2: section domain xn--bcher-kva.example is there already at "
	      "@/t.conf:1" } },
	{ "a domain three times",
	    "domain a.example { }\ndomain a.example { }\n"
	    "domain b.example { }\ndomain a.example { }",
	    { ":2: section domain a.example is there already at @/t.conf:1",
		":4: section domain a.example is there already at "
		"@/t.conf:1" } },
	{ "a domain's option twice",
	    "domain a.example {\nexpire = 14d\nexpire = 14d }",
	    { ":3: expire: is set already at @/t.conf:2" } },
	{ "an option of sign",
	    "domain a.example {\nengine = opendkim\nkeys = keys }",
	    { ":2: engine: there is no such option in this section; it "
	      "stands in section sign",
		":3: keys: there is no such option" } },
	{ "a domain in a near miss", "domian a.example { }",
	    { ":1: there is no section domian; did you mean domain?" } },
	{ "a domain without From",
	    "domain a.example {\nheaders = { Subject } oversign = { } }",
	    { ":2: headers: From is in neither headers nor oversign in class "
	      "submission, and every signature must cover it" } },
	{ "a domain that oversigns no From, of a class that has only that",
	    "class relay { headers = { To } }\n"
	    "domain a.example {\noversign = { } }",
	    { ":3: oversign: From is in neither headers nor oversign in class "
	      "relay" } },
	{ "a field that changes",
	    "domain a.example { headers = { From, Received } }",
	    { ":1: headers: \"Received\" changes on the way" } },
	{ "an empty canonicalization",
	    "domain a.example { canonicalization = \"\" }",
	    { ":1: canonicalization: \"\" is none of" } },
	{ "too short an expiry", "domain a.example { expire = 59s }",
	    { ":1: expire: \"59s\" is out of bounds" } },
};

static void
bad_domains_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad_cases); i++) {
		const char *text = bad_cases[i].text;
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, text, strlen(text), &errors);

		if (conf != NULL)
			fail_msg("%s: was read", bad_cases[i].name);
		check_errors(
		    bad_cases[i].name, &errors, file, bad_cases[i].errors);
		conf_errors_clear(&errors);
	}
}

#define QUIET "senders { owners = all } egress = { \"192.0.2.1 a.example\" } "

static const struct {
	const char *name;
	const char *text;
	const char *want; /* without the file's name */
} warnings[] = {
	{ "a domain's short expiry",
	    QUIET "domain a.example {\nexpire = 4d }\n"
		  "domain b.example { expire = 14d }",
	    ":2: expire: a message may wait in a queue for 5 days, and its "
	    "signature be void when it arrives; write \"14d\" (domain "
	    "a.example)|" },
	{ "many of them are told once",
	    QUIET "domain b.example { expire = 1d }\n"
		  "domain a.example { expire = 1d }",
	    ":2: expire: a message may wait in a queue for 5 days, and its "
	    "signature be void when it arrives; write \"14d\" (domain "
	    "a.example and others)|" },
};

static void
short_expiries_are_warned_of(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(warnings); i++) {
		const char *text = warnings[i].text;
		struct conf_errors errors;
		struct conf *conf =
		    conf_read_text(file, text, strlen(text), &errors);
		char space[1000];
		struct text got;

		if (conf == NULL)
			fail_with(warnings[i].name, &errors);
		text_init(&got, space, sizeof(space));
		for (size_t k = 0; k < conf->warning_count; k++)
			text_addf(
			    &got, "%s|", conf->warnings[k] + strlen(file));
		conf_release(&conf);
		if (strcmp(space, warnings[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    warnings[i].name, warnings[i].want, space);
	}
}

static void
show_fields(struct text *out, const struct field_names *fields)
{
	struct field_names standard = signing_default_headers();

	if (fields->names == standard.names) {
		text_add(out, "standard");
		return;
	}
	for (size_t i = 0; i < fields->count; i++)
		text_addf(out, "%s%s", i > 0 ? "," : "", fields->names[i]);
}

static void
show_rules(struct text *out, const struct signing_rules *rules)
{
	text_addf(out, "%s/%s ", canons[rules->header_canon],
	    canons[rules->body_canon]);
	show_fields(out, &rules->headers);
	text_add(out, " +");
	show_fields(out, &rules->oversign);
	text_addf(out, " %" PRIu64, rules->expire_s);
}

/* What the cases are read from: the section, a class, and domains that change
 * one thing each, or nothing, or all. */
static const char rules_text[] =
    "domain all.example {\n"
    "	headers = { From, Subject } oversign = { From, To }\n"
    "	canonicalization = simple/relaxed expire = 30d }\n"
    "domain canon.example { canonicalization = \"simple/simple\" }\n"
    "domain headers.example { headers = { From } }\n"
    "domain standard.example { headers = { } }\n"
    "domain oversign.example { oversign = { } }\n"
    "domain expire.example { expire = 30d }\n"
    "domain never.example { expire = \"\" }\n"
    "domain nothing.example { }\n"
    "domain \"B\xC3\x9C"
    "CHER.example.\" { expire = 30d }\n"
    "sign { headers = { From, Date } expire = 14d }\n"
    "class relay { headers = { } expire = 20d oversign = { From, Cc } }\n";

static const struct {
	const char *name;
	enum traffic_class traffic_class;
	const char *domain;
	const char *want;
} rule_cases[] = {
	{ "an unknown domain", CLASS_SUBMISSION, "other.example",
	    "relaxed/simple From,Date +From 1209600" },
	{ "an unknown domain in a class", CLASS_RELAY, "other.example",
	    "relaxed/simple standard +From,Cc 1728000" },
	{ "no domain", CLASS_SUBMISSION, "",
	    "relaxed/simple From,Date +From 1209600" },
	{ "an empty block", CLASS_SUBMISSION, "nothing.example",
	    "relaxed/simple From,Date +From 1209600" },
	{ "an empty block in a class", CLASS_RELAY, "nothing.example",
	    "relaxed/simple standard +From,Cc 1728000" },
	{ "canonicalization alone", CLASS_SUBMISSION, "canon.example",
	    "simple/simple From,Date +From 1209600" },
	{ "canonicalization alone in a class", CLASS_RELAY, "canon.example",
	    "simple/simple standard +From,Cc 1728000" },
	{ "headers alone", CLASS_SUBMISSION, "headers.example",
	    "relaxed/simple From +From 1209600" },
	{ "headers alone in a class", CLASS_RELAY, "headers.example",
	    "relaxed/simple From +From,Cc 1728000" },
	{ "the RFC's headers again", CLASS_SUBMISSION, "standard.example",
	    "relaxed/simple standard +From 1209600" },
	{ "nothing oversigned", CLASS_RELAY, "oversign.example",
	    "relaxed/simple standard + 1728000" },
	{ "expiry alone", CLASS_RELAY, "expire.example",
	    "relaxed/simple standard +From,Cc 2592000" },
	{ "no expiry", CLASS_SUBMISSION, "never.example",
	    "relaxed/simple From,Date +From 0" },
	{ "all of it", CLASS_SUBMISSION, "all.example",
	    "simple/relaxed From,Subject +From,To 2592000" },
	{ "all of it, whatever the class", CLASS_RELAY, "all.example",
	    "simple/relaxed From,Subject +From,To 2592000" },
	{ "a U-label", CLASS_SUBMISSION, "xn--bcher-kva.example",
	    "relaxed/simple From,Date +From 2592000" },
	{ "not its subdomains", CLASS_SUBMISSION, "sub.all.example",
	    "relaxed/simple From,Date +From 1209600" },
	{ "not its parent", CLASS_SUBMISSION, "example",
	    "relaxed/simple From,Date +From 1209600" },
};

static void
domains_change_what_they_say(void **state)
{
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, rules_text, sizeof(rules_text) - 1, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("domains", &errors);
	for (size_t i = 0; i < COUNT(rule_cases); i++) {
		struct signing_rules rules;
		char space[1000];
		struct text got;

		conf_signing_rules(conf,
		    &conf->classes[rule_cases[i].traffic_class],
		    rule_cases[i].domain, &rules);
		text_init(&got, space, sizeof(space));
		show_rules(&got, &rules);
		if (strcmp(space, rule_cases[i].want) != 0)
			fail_msg("%s: wanted \"%s\", got \"%s\"",
			    rule_cases[i].name, rule_cases[i].want, space);
		/* RFC 8058 §4, RFC 6376 §5.4 */
		if (!signing_covers(&rules, "List-Unsubscribe")
		    || !signing_covers(&rules, "List-Unsubscribe-Post")
		    || !signing_covers(&rules, "From"))
			fail_msg("%s: something isn't covered that must be",
			    rule_cases[i].name);
	}
	conf_release(&conf);
}

static void
places_of_domains_are_remembered(void **state)
{
	static const char text[] = "domain b.example {\n expire = 14d }\n"
				   "domain A.example {\n headers = { From }\n"
				   " expire = 14d }\n";
	static const struct {
		const char *section, *option, *where; /* NULL: not set */
	} cases[] = {
		{ "domain a.example", "headers", ":4" },
		{ "domain a.example", "expire", ":5" },
		{ "domain b.example", "expire", ":2" },
		{ "domain b.example", "headers", NULL },
		{ "domain c.example", "expire", NULL },
		{ "domain ", "expire", NULL },
		{ "domain", "expire", NULL },
		{ "sign", "expire", NULL },
	};
	struct conf_errors errors;
	struct conf *conf =
	    conf_read_text(file, text, sizeof(text) - 1, &errors);

	(void)state;
	if (conf == NULL)
		fail_with("places", &errors);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *got =
		    conf_where(conf, cases[i].section, cases[i].option);
		const char *want =
		    cases[i].where != NULL ? cases[i].where : " (default)";

		if (strcmp(got + strlen(file), want) != 0)
			fail_msg("%s, %s: wanted %s, got %s", cases[i].section,
			    cases[i].option, want, got);
		if (conf_is_set(conf, cases[i].section, cases[i].option)
		    != (cases[i].where != NULL))
			fail_msg("%s, %s: conf_is_set() is wrong",
			    cases[i].section, cases[i].option);
	}
	conf_release(&conf);
}

static void
domains_of_several_files_are_one_list(void **state)
{
	static const char *const wanted[] = {
		"@/conf.d/b.conf:2: section domain a.example is there already "
		"at @/t.conf:2",
		NULL,
	};
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	write_file("t.conf", "include_dir = conf.d\ndomain a.example { }\n");
	write_file("conf.d/a.conf", "domain 0.example { expire = 14d }\n");
	write_file("conf.d/b.conf", "domain b.example { }\n");
	conf = conf_read(file, &errors);
	if (conf == NULL)
		fail_with("several files", &errors);
	assert_int_equal(conf->domain_count, 3);
	assert_string_equal(conf->domains[0].domain, "0.example");
	assert_string_equal(conf->domains[1].domain, "a.example");
	assert_string_equal(conf->domains[2].domain, "b.example");
	conf_release(&conf);
	write_file(
	    "conf.d/b.conf", "domain b.example { }\ndomain a.example { }\n");
	assert_null(conf_read(file, &errors));
	check_errors("several files", &errors, file, wanted);
	conf_errors_clear(&errors);
	remove_file("conf.d/a.conf");
	remove_file("conf.d/b.conf");
	write_file("t.conf", "");
}

/* The text of a configuration with that many domains, in no order. */
static char *
text_of_domains(size_t count)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	for (size_t i = 0; i < count; i++)
		fprintf(stream,
		    "domain \"d%zu.example\" { expire = \"%zud\" "
		    "headers = { From, Subject, Date, To } }\n",
		    i * 7919 % count, 10 + i * 7919 % count % 1000);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static struct conf *
read_domains(size_t count)
{
	char *text = text_of_domains(count);
	struct conf_errors errors;
	struct conf *conf = conf_read_text(file, text, strlen(text), &errors);

	free(text);
	if (conf == NULL)
		fail_with("many domains", &errors);
	return conf;
}

static void
many_domains_are_found(void **state)
{
	enum { DOMAINS = 10000 };
	struct conf *conf = read_domains(DOMAINS);

	(void)state;
	assert_int_equal(conf->domain_count, DOMAINS);
	for (size_t i = 1; i < DOMAINS; i++)
		if (strcmp(conf->domains[i - 1].domain, conf->domains[i].domain)
		    >= 0)
			fail_msg("%s and %s: out of order",
			    conf->domains[i - 1].domain,
			    conf->domains[i].domain);
	for (size_t i = 0; i < DOMAINS; i++) {
		struct signing_rules rules;
		char name[40];

		snprintf(name, sizeof(name), "d%zu.example", i);
		conf_signing_rules(
		    conf, &conf->classes[CLASS_LOCAL], name, &rules);
		if (rules.expire_s != (10 + i % 1000) * 86400)
			fail_msg("%s: wanted %zu days, got %" PRIu64 " s", name,
			    10 + i % 1000, rules.expire_s);
		if (rules.headers.count != 4)
			fail_msg("%s: wanted 4 headers, got %zu", name,
			    rules.headers.count);
	}
	conf_release(&conf);
}

/* The least processor time of a few that reading so many domains takes. */
static clock_t
time_of_domains(size_t count)
{
	clock_t least = 0;

	for (int i = 0; i < 3; i++) {
		clock_t begun = clock();
		struct conf *conf = read_domains(count);
		clock_t taken = clock() - begun;

		conf_release(&conf);
		if (i == 0 || taken < least)
			least = taken;
	}
	return least;
}

/* If every domain were held against all others, sixteen times as many would
 * take 256 times as long. */
static void
time_grows_with_the_number_of_domains(void **state)
{
	clock_t few = time_of_domains(1000);
	clock_t many = time_of_domains(16000);

	(void)state;
	if (many > 80 * (few + 1))
		fail_msg("1000 domains: %ld us; 16000: %ld us, more than 80 "
			 "times as long",
		    (long)few, (long)many);
}

/* Sections that are looked for by walking over all of them are few. That is
 * told once, beside what is wrong with those that are read. */
static void
other_sections_are_bounded(void **state)
{
	enum { OTHERS = 4096 };
	static const char want[] =
	    ":4098: more than 4096 sections besides those of domains";
	struct conf_errors errors;
	size_t told = 0;
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	assert_non_null(stream);
	fputs("domain a.example { }\n", stream);
	for (int i = 0; i < OTHERS + 10; i++)
		fputs("log { }\n", stream);
	assert_int_equal(fclose(stream), 0);
	assert_null(conf_read_text(file, text, size, &errors));
	for (size_t i = 0; i < errors.count; i++)
		told += strcmp(errors.lines[i] + strlen(file), want) == 0;
	conf_errors_clear(&errors);
	free(text);
	if (told != 1)
		fail_msg("wanted \"%s\" once, got it %zu times", want, told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_domains_are_refused),
		cmocka_unit_test(short_expiries_are_warned_of),
		cmocka_unit_test(domains_change_what_they_say),
		cmocka_unit_test(places_of_domains_are_remembered),
		cmocka_unit_test(domains_of_several_files_are_one_list),
		cmocka_unit_test(many_domains_are_found),
		cmocka_unit_test(time_grows_with_the_number_of_domains),
		cmocka_unit_test(other_sections_are_bounded),
	};

	return cmocka_run_group_tests_name(
	    "conf_domains", tests, fixture_begin, fixture_end);
}
