/* SPF by the cases of tests/cases/spf_*.json: each zone is asked by the machine
 * in two ways, one question after the other, and with all that it hints at
 * answered beforehand. */
#include "policy/spf.h"

#include "policy/text.h"
#include "tests/fake/zone.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#ifndef TESTS_CASES
#define TESTS_CASES "tests/cases"
#endif

enum {
	ZONE_BYTES = 16 << 20,
	CASE_BYTES = 1 << 20,
	FILES_MOST = 32,
	CASES_LEAST = 500,
	HINTS_MOST = 64,
};

/* One case, read. */
struct spf_case {
	const char *file, *about, *name, *section;
	const char *want;
	struct json_object *object;
	struct spf_identity identity;
};

static const char *
text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value)
	    || !json_object_is_type(value, json_type_string))
		fail_msg("no text \"%s\" in %s", key,
		    json_object_to_json_string(object));
	return json_object_get_string(value);
}

/* The identity of a case: HELO for the null sender (§2.4). */
static void
read_identity(struct json_object *object, struct spf_identity *identity,
    struct arena *arena)
{
	const char *sender = text_of(object, "mail_from");
	const char *at = strrchr(sender, '@');

	*identity = (struct spf_identity){ .helo = text_of(object, "helo"),
		.wants_explanation = true };
	if (!network_address(text_of(object, "ip"), &identity->client))
		fail_msg("%s is no address", text_of(object, "ip"));
	if (sender[0] == '\0') {
		identity->domain = identity->helo;
		return;
	}
	if (at == NULL)
		fail_msg("%s is no mailbox", sender);
	identity->domain = at + 1;
	identity->local = arena_copy(arena, sender, (size_t)(at - sender));
}

static void
fail_case(const struct spf_case *c, const char *what, const char *want,
    const char *got, const struct spf_outcome *outcome)
{
	fail_msg("%s: %s: %s (%s): %s: wanted %s, got %s (problem: %s)",
	    c->file, c->about, c->name, c->section, what, want, got,
	    outcome->problem != NULL ? outcome->problem : "none");
}

static void
check_count(const struct spf_case *c, const char *key, unsigned got,
    const struct spf_outcome *outcome)
{
	struct json_object *value;
	char number[16];

	if (!json_object_object_get_ex(c->object, key, &value)
	    || json_object_get_int(value) == (int)got)
		return;
	(void)snprintf(number, sizeof(number), "%u", got);
	fail_case(c, key, json_object_get_string(value), number, outcome);
}

static void
check_explanation(const struct spf_case *c, const struct spf_outcome *outcome)
{
	struct json_object *value;
	const char *want = "none", *got = "none";

	if (!json_object_object_get_ex(c->object, "explanation", &value))
		return;
	if (value != NULL)
		want = json_object_get_string(value);
	if (outcome->explanation != NULL)
		got = outcome->explanation;
	if (strcmp(want, got) != 0)
		fail_case(c, "explanation", want, got, outcome);
}

/* What holds whatever the case. */
static void
check_sense(const struct spf_case *c, const struct spf_outcome *outcome)
{
	bool is_error = outcome->result == SPF_PERMERROR
	    || outcome->result == SPF_TEMPERROR || outcome->result == SPF_NONE;

	if (is_error != (outcome->problem != NULL))
		fail_case(c, "problem", is_error ? "words" : "none",
		    outcome->problem != NULL ? outcome->problem : "none",
		    outcome);
	if (is_error && outcome->mechanism != NULL)
		fail_case(c, "mechanism", "none", outcome->mechanism, outcome);
	if (outcome->result == SPF_PASS && outcome->mechanism == NULL)
		fail_case(c, "mechanism", "one", "none", outcome);
	if (outcome->terms > SPF_TERMS)
		fail_case(c, "terms", "at most ten", "more", outcome);
	if (outcome->domain == NULL)
		fail_case(c, "domain", "one", "none", outcome);
}

static void
check_case(const struct spf_case *c, const struct spf_outcome *outcome)
{
	const char *got = spf_result_name(outcome->result);

	if (strcmp(c->want, got) != 0)
		fail_case(c, "result", c->want, got, outcome);
	check_count(c, "terms", outcome->terms, outcome);
	check_count(c, "voids", outcome->voids, outcome);
	check_explanation(c, outcome);
	check_sense(c, outcome);
}

/* Give spf the answers to all that it hints at, and to what it hints at then,
 * until nothing is left. */
static void
teach(struct zone *zone, struct spf *spf, struct arena *arena)
{
	struct dns_question hints[HINTS_MOST];
	size_t count, before = SIZE_MAX;

	while ((count = spf_machine.hints(spf, hints, HINTS_MOST)) > 0) {
		for (size_t i = 0; i < count; i++)
			spf_machine.learn(spf, &hints[i],
			    zone_answer(zone, &hints[i], arena));
		/* What is lost stays a hint. */
		if (count == before)
			return;
		before = count;
	}
}

/* The same question twice is one too many. */
static void
run_taught(struct zone *zone, struct spf *spf, const struct spf_case *c,
    struct arena *arena)
{
	struct dns_question asked[SPF_QUESTIONS];
	const struct dns_question *question;
	size_t count = 0;

	while ((question = spf_machine.asks(spf)) != NULL) {
		for (size_t i = 0; i < count; i++)
			if (asked[i].type == question->type
			    && strcmp(asked[i].name, question->name) == 0)
				fail_msg("%s: asked twice: %s", c->name,
				    question->name);
		if (count == SPF_QUESTIONS)
			fail_msg("%s: too many questions", c->name);
		asked[count++] = *question;
		teach(zone, spf, arena);
		spf_machine.answer(spf, zone_answer(zone, question, arena));
	}
}

static bool
is_same_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other
					    : strcmp(one, other) == 0;
}

static bool
is_same(const struct spf_outcome *one, const struct spf_outcome *other)
{
	if (one->result != other->result || one->terms != other->terms
	    || one->voids != other->voids || one->ttl_s != other->ttl_s
	    || one->step_count != other->step_count
	    || !is_same_text(one->mechanism, other->mechanism)
	    || !is_same_text(one->where, other->where)
	    || !is_same_text(one->problem, other->problem)
	    || !is_same_text(one->explanation, other->explanation)
	    || !is_same_text(one->record, other->record))
		return false;
	for (size_t i = 0; i < one->step_count; i++)
		if (one->steps[i].is_match != other->steps[i].is_match
		    || strcmp(one->steps[i].text, other->steps[i].text) != 0
		    || !is_same_text(
			one->steps[i].remark, other->steps[i].remark))
			return false;
	return true;
}

static void
run_case(struct zone *zone, struct spf_case *c)
{
	struct arena arena;
	struct spf *plain, *taught;

	arena_init(&arena, CASE_BYTES);
	read_identity(c->object, &c->identity, &arena);
	plain = spf_begin(&c->identity, &arena);
	taught = spf_begin(&c->identity, &arena);
	assert_non_null(plain);
	assert_non_null(taught);
	(void)zone_run(zone, &spf_machine, plain, SPF_QUESTIONS, &arena);
	check_case(c, spf_outcome(plain));
	run_taught(zone, taught, c, &arena);
	if (!is_same(spf_outcome(plain), spf_outcome(taught)))
		fail_case(c, "with hints answered", "the same", "another",
		    spf_outcome(taught));
	arena_clear(&arena);
}

static size_t
run_group(const char *file, struct json_object *group)
{
	struct json_object *zone_object, *cases;
	struct arena arena;
	struct zone *zone;
	size_t count;

	arena_init(&arena, ZONE_BYTES);
	assert_true(json_object_object_get_ex(group, "zone", &zone_object));
	assert_true(json_object_object_get_ex(group, "cases", &cases));
	zone = zone_read(zone_object, &arena);
	count = json_object_array_length(cases);
	for (size_t i = 0; i < count; i++) {
		struct json_object *object =
		    json_object_array_get_idx(cases, i);
		struct spf_case c = { .file = file,
			.about = text_of(group, "about"),
			.name = text_of(object, "name"),
			.section = text_of(object, "section"),
			.want = text_of(object, "want"),
			.object = object };

		assert_int_equal(strncmp(c.section, "RFC 7208 ", 9), 0);
		run_case(zone, &c);
	}
	arena_clear(&arena);
	return count;
}

static size_t
run_file(const char *folder, const char *file)
{
	char path[4096];
	struct json_object *groups;
	size_t count = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, file);
	groups = json_object_from_file(path);
	if (groups == NULL)
		fail_msg("%s: %s", path, json_util_get_last_err());
	for (size_t i = 0; i < json_object_array_length(groups); i++)
		count += run_group(file, json_object_array_get_idx(groups, i));
	json_object_put(groups);
	return count;
}

static int
is_spf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return strncmp(entry->d_name, "spf_", 4) == 0 && length > 5
	    && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static void
cases_come_out_as_the_rfc_says(void **state)
{
	const char *folder = getenv("TESTS_CASES");
	struct dirent **files = NULL;
	size_t count = 0;
	int found;

	(void)state;
	if (folder == NULL)
		folder = TESTS_CASES;
	found = scandir(folder, &files, is_spf, alphasort);
	if (found < 0 || found > FILES_MOST)
		fail_msg("%s: no cases there", folder);
	for (int i = 0; i < found; i++) {
		count += run_file(folder, files[i]->d_name);
		free(files[i]);
	}
	free(files);
	if (count < CASES_LEAST)
		fail_msg("only %zu cases in %s, %d at least", count, folder,
		    CASES_LEAST);
}

static void
results_have_the_names_of_the_rfc(void **state)
{
	static const char *const names[] = { "pass", "neutral", "none",
		"softfail", "fail", "temperror", "permerror" };

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_string_equal(
		    spf_result_name((enum spf_result)i), names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_come_out_as_the_rfc_says),
		cmocka_unit_test(results_have_the_names_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
