/* The table of options: sound in itself, and what is asked of it. */
#include "conf/nearest.h"
#include "conf/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The section of a row without the name of a class. */
static bool
is_known_section(const char *section)
{
	return *section == '\0' || options_section(section) != NULL
	    || strcmp(section, "class submission") == 0
	    || strcmp(section, "class local") == 0
	    || strcmp(section, "class relay") == 0;
}

static bool
needs_words(enum option_type type)
{
	return type == OPTION_WORD || type == OPTION_ORDER
	    || type == OPTION_FLAGS || type == OPTION_CANON
	    || type == OPTION_LOG_TARGET;
}

static bool
needs_more(enum option_type type)
{
	return type == OPTION_ORDER || type == OPTION_NETWORKS
	    || type == OPTION_CANON || type == OPTION_LOG_TARGET
	    || type == OPTION_NETWORK_MAP || type == OPTION_EGRESS
	    || type == OPTION_SERVERS || type == OPTION_SIGNING_TABLE;
}

/* What a domain's block doesn't say is its class's affair; everything else has
 * a default of its own. */
static bool
has_right_default(const struct option *option)
{
	if (strcmp(option->section, "domain") == 0)
		return option->standard != NULL && *option->standard == '\0';
	return option->standard == NULL || *option->standard != '\0';
}

static void
every_row_is_sound(void **state)
{
	size_t count;
	const struct option *options = options_all(&count);

	(void)state;
	assert_true(count > 0 && count <= OPTIONS_MOST);
	for (size_t i = 0; i < count; i++) {
		const struct option *o = &options[i];

		if (!is_known_section(o->section))
			fail_msg("%s: unknown section %s", o->name, o->section);
		if (o->meaning == NULL || *o->meaning == '\0'
		    || strchr(o->meaning, '\n') != NULL)
			fail_msg("%s: wanted one line of meaning", o->name);
		if (needs_words(o->type) != (o->words != NULL))
			fail_msg("%s: words don't fit its type", o->name);
		if (needs_more(o->type) != (o->more != 0))
			fail_msg("%s: more doesn't fit its type", o->name);
		if (o->maximum < o->minimum)
			fail_msg("%s: bounds are the wrong way round", o->name);
		if (*options_type_name(o->type) == '\0')
			fail_msg("%s: its type has no name", o->name);
		if (options_index(o) != i)
			fail_msg("%s: wanted index %zu, got %zu", o->name, i,
			    options_index(o));
		if (o->standard == NULL && strcmp(o->section, "limit") != 0
		    && strcmp(o->section, "plan") != 0)
			fail_msg("%s: has no default", o->name);
		if (!has_right_default(o))
			fail_msg(
			    "%s: has a default of the wrong kind", o->name);
	}
}

/* Two rows that could both be meant by a name in one place. */
static void
no_name_is_ambiguous(void **state)
{
	static const char *const classes[] = { "submission", "local", "relay" };
	size_t count;
	const struct option *options = options_all(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t j = i + 1; j < count; j++) {
			if (strcmp(options[i].name, options[j].name) != 0)
				continue;
			if (strcmp(options[i].section, options[j].section) == 0)
				fail_msg("%s is there twice in \"%s\"",
				    options[i].name, options[i].section);
			for (size_t k = 0; k < COUNT(classes); k++)
				if (options_allows(
					"class", classes[k], &options[i])
				    && options_allows(
					"class", classes[k], &options[j]))
					fail_msg("%s is there twice in class "
						 "%s",
					    options[i].name, classes[k]);
		}
}

struct find_case {
	const char *name;
	const char *section;
	const char *label;
	const char *option;
	const char *want; /* its row's section; NULL: not allowed there */
};

static const struct find_case find_cases[] = {
	{ "top level", "", NULL, "listen", "" },
	{ "section", "log", NULL, "format", "log" },
	{ "an option of another section", "log", NULL, "keys", NULL },
	{ "an unknown section", "nope", NULL, "keys", NULL },
	{ "sign's option in a class", "class", "relay", "keys", "sign" },
	{ "senders' option in a class", "class", "local", "owners", "senders" },
	{ "preflight's option in a class", "class", "relay", "profiles",
	    "preflight" },
	{ "preflight's option in its section", "preflight", NULL,
	    "on_fail_reject", "preflight" },
	{ "preflight's option in inbound", "class", "inbound", "profiles",
	    NULL },
	{ "a class's preflight", "class", "local", "preflight", "class" },
	{ "the resolver's", "dns", NULL, "timeout", "dns" },
	{ "a class's own", "class", "submission", "sign", "class" },
	{ "mode of submission", "class", "submission", "mode",
	    "class submission" },
	{ "mode of local", "class", "local", "mode", "class local" },
	{ "local's option in local", "class", "local", "hold_max",
	    "class local" },
	{ "local's option in relay", "class", "relay", "hold_max", NULL },
	{ "nothing in inbound", "class", "inbound", "sign", NULL },
	{ "not even sign's options in inbound", "class", "inbound", "keys",
	    NULL },
	{ "log's option in a class", "class", "relay", "format", NULL },
	{ "a limit", "limit", NULL, "per", "limit" },
	{ "a plan", "plan", NULL, "limits", "plan" },
	{ "a limit's option in a plan", "plan", NULL, "max", NULL },
	{ "a class's limits", "class", "relay", "limits", "class" },
	{ "the store's URL", "store", NULL, "url", "store" },
	{ "a listener", "listener", NULL, "require_tls", "listener" },
	{ "keys that are kept ready", "", NULL, "key_cache", "" },
	{ "OpenDKIM's table", "sign", NULL, "key_table", "sign" },
	{ "OpenDKIM's table in a class", "class", "relay", "signing_table",
	    "sign" },
	{ "an engine in a class", "class", "local", "engine", "sign" },
	{ "self_check in a class", "class", "submission", "self_check",
	    "sign" },
	{ "a domain's own", "domain", NULL, "expire", "domain" },
	{ "no keys of a domain", "domain", NULL, "keys", NULL },
	{ "no engine of a domain", "domain", NULL, "engine", NULL },
	{ "rotate's", "rotate", NULL, "publish", "rotate" },
	{ "case counts", "", NULL, "Listen", NULL },
};

static void
options_are_found_where_they_belong(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(find_cases); i++) {
		const struct find_case *c = &find_cases[i];
		const struct option *got =
		    options_find(c->section, c->label, c->option);
		const char *section = got != NULL ? got->section : "(none)";
		const char *want = c->want != NULL ? c->want : "(none)";

		if (strcmp(section, want) != 0)
			fail_msg(
			    "%s: wanted %s, got %s", c->name, want, section);
	}
}

struct near_case {
	const char *name;
	const char *section;
	const char *label;
	const char *option;
	const char *want; /* NULL: nothing looks like it */
};

static const struct near_case near_cases[] = {
	{ "a letter left out", "", NULL, "liste", "listen" },
	{ "a letter too many", "", NULL, "listten", "listen" },
	{ "two letters swapped", "", NULL, "lisetn", "listen" },
	{ "another letter", "", NULL, "lasten", "listen" },
	{ "capitals", "", NULL, "Max_Busy", "max_busy" },
	{ "a hyphen", "", NULL, "max-busy", "max_busy" },
	{ "nothing like it", "", NULL, "frobnicate", NULL },
	{ "empty", "", NULL, "", NULL },
	{ "very long", "", NULL,
	    "listenlistenlistenlistenlistenlistenlistenlistenlisten", NULL },
	{ "in its class", "class", "local", "holdmax", "hold_max" },
	{ "not from another class", "class", "relay", "holdmax", NULL },
	{ "sign's in a class", "class", "relay", "key", "keys" },
	{ "a domain's", "domain", NULL, "header", "headers" },
	{ "not sign's in a domain", "domain", NULL, "key", NULL },
};

static void
slips_are_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(near_cases); i++) {
		const struct near_case *c = &near_cases[i];
		const struct option *near =
		    options_nearest(c->section, c->label, c->option);
		const char *got = near != NULL ? near->name : "(none)";
		const char *want = c->want != NULL ? c->want : "(none)";

		if (strcmp(got, want) != 0)
			fail_msg("%s: wanted %s, got %s", c->name, want, got);
	}
}

static void
sections_are_found(void **state)
{
	size_t count;
	const struct option_section *sections = options_sections(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(
		    options_section(sections[i].name), &sections[i]);
	assert_null(options_section(""));
	assert_string_equal(options_nearest_section("senders_"), "senders");
	assert_string_equal(options_nearest_section("Limits"), "limit");
	assert_string_equal(options_nearest_section("domains"), "domain");
	assert_int_equal(options_section("domain")->label, LABEL_DOMAIN);
	assert_string_equal(options_unit_name(UNIT_DOMAINS), "domains");
	assert_null(options_nearest_section("http"));
}

static void
the_nearest_is_the_first_of_equals(void **state)
{
	struct nearest nearest;

	(void)state;
	nearest_begin(&nearest, "abcx");
	nearest_offer(&nearest, "zzzz");
	assert_null(nearest.best);
	nearest_offer(&nearest, "abcd");
	nearest_offer(&nearest, "abce");
	assert_string_equal(nearest.best, "abcd");
	nearest_offer(&nearest, "abcx");
	assert_string_equal(nearest.best, "abcx");
	assert_int_equal(nearest.distance, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_sound),
		cmocka_unit_test(no_name_is_ambiguous),
		cmocka_unit_test(options_are_found_where_they_belong),
		cmocka_unit_test(slips_are_understood),
		cmocka_unit_test(sections_are_found),
		cmocka_unit_test(the_nearest_is_the_first_of_equals),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
