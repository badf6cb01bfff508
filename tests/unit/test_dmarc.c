/* DMARC by the cases of tests/cases/dmarc_*.json: each zone is asked by the
 * machine, and a message judged by what it finds. */
#include "policy/dmarc.h"

#include "milter/io/suffixes.h"
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
	ARENA_BYTES = 8 << 20,
	FILES = 16,
	CASES_LEAST = 120,
	QUESTIONS = 64, /* of one case at most */
	WORDS = 256,
	PATH_BYTES = 1024,
};

static const char *const profiles[DMARC_STANDARDS] = { "rfc9989", "rfc7489" };

/* The identifiers of one case. */
struct message {
	struct dmarc_domain domains[DMARC_IDENTIFIERS];
	const char *results[DMARC_IDENTIFIERS];
	bool is_spf[DMARC_IDENTIFIERS];
	bool may_pass[DMARC_IDENTIFIERS];
	size_t count;
};

static const char *
folder(void)
{
	const char *set = getenv("TESTS_CASES");

	return set != NULL ? set : TESTS_CASES;
}

static struct json_object *
member(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value))
		fail_msg(
		    "no %s in %s", name, json_object_to_json_string(object));
	return value;
}

static const char *
string(struct json_object *object, const char *name)
{
	return json_object_get_string(member(object, name));
}

static void
message_add(struct message *message, struct json_object *identifier,
    const struct suffixes *suffixes, bool is_spf)
{
	size_t i = message->count++;
	const char *result = string(identifier, "result");

	assert_true(i < DMARC_IDENTIFIERS);
	message->domains[i].domain = string(identifier, "domain");
	message->domains[i].suffix_org =
	    suffixes_org(suffixes, message->domains[i].domain);
	message->results[i] = result;
	message->is_spf[i] = is_spf;
	message->may_pass[i] =
	    strcmp(result, "pass") == 0 || strcmp(result, "temperror") == 0;
}

static void
message_read(struct message *message, struct json_object *object,
    const struct suffixes *suffixes)
{
	struct json_object *spf, *dkim;

	*message = (struct message){ .count = 0 };
	if (json_object_object_get_ex(object, "spf", &spf))
		message_add(message, spf, suffixes, true);
	if (!json_object_object_get_ex(object, "dkim", &dkim))
		return;
	for (size_t i = 0; i < json_object_array_length(dkim); i++)
		message_add(message, json_object_array_get_idx(dkim, i),
		    suffixes, false);
}

/* What a receiver says: RFC 9989 §5.3.5 and §5.3.6. */
static const char *
judge(const struct dmarc_finding *finding, const struct message *message)
{
	static const char *const failures[] = {
		[DMARC_NONE] = "fail-none",
		[DMARC_QUARANTINE] = "fail-quarantine",
		[DMARC_REJECT] = "fail-reject",
	};
	bool is_unsure = finding->is_policy_unsure;

	if (finding->status != DMARC_FOUND)
		return finding->status == DMARC_LOST ? "temperror"
						     : "no-policy";
	for (size_t i = 0; i < message->count; i++) {
		enum dmarc_alignment alignment = message->is_spf[i]
		    ? finding->by_spf[i]
		    : finding->by_dkim[i];
		bool is_pass = strcmp(message->results[i], "pass") == 0;

		if (!message->may_pass[i] || alignment == DMARC_NOT_ALIGNED)
			continue;
		if (is_pass && alignment != DMARC_UNSURE)
			return "pass";
		is_unsure = true;
	}
	return is_unsure ? "temperror" : failures[finding->policy];
}

/* Compare got with what the case wants under name, if it wants anything. */
static size_t
compare(const char *where, struct json_object *want, const char *name,
    const char *got)
{
	struct json_object *value;

	if (!json_object_object_get_ex(want, name, &value)
	    || (got != NULL && strcmp(json_object_get_string(value), got) == 0))
		return 0;
	print_error("%s: %s: wanted %s, got %s\n", where, name,
	    json_object_get_string(value), got != NULL ? got : "nothing");
	return 1;
}

/* A finding must hold together, whatever it says. */
static size_t
check_finding(const char *where, const struct dmarc_finding *finding)
{
	bool is_found = finding->status == DMARC_FOUND;
	bool is_right = finding->policy <= finding->asked
	    && (!is_found
		|| (finding->policy_domain != NULL && finding->text != NULL
		    && finding->tag != NULL && finding->problem == NULL))
	    && (finding->status != DMARC_LOST || finding->problem != NULL)
	    && (finding->status != DMARC_ABSENT
		|| finding->policy_domain == NULL || finding->problem != NULL);

	if (!is_right)
		print_error(
		    "%s: a finding that doesn't hold together\n", where);
	return is_right ? 0 : 1;
}

static size_t
check_outcome(const char *name, struct json_object *object,
    const struct dmarc_outcome *outcome, const struct message *message,
    size_t asked)
{
	struct json_object *want = member(object, "want"), *asks;
	size_t wrong = 0;

	for (int i = 0; i < DMARC_STANDARDS; i++) {
		const struct dmarc_finding *finding = &outcome->by[i];
		struct json_object *by = member(want, profiles[i]);
		char where[WORDS];

		(void)snprintf(where, sizeof(where), "%s (%s), %s", name,
		    string(object, "section"), profiles[i]);
		wrong += compare(where, by, "result", judge(finding, message));
		wrong += compare(where, by, "org", finding->org_domain);
		wrong +=
		    compare(where, by, "policy_domain", finding->policy_domain);
		wrong += check_finding(where, finding);
	}
	if (json_object_object_get_ex(object, "asks", &asks)
	    && (size_t)json_object_get_int(asks) != asked) {
		print_error("%s: wanted %s questions, got %zu\n", name,
		    json_object_get_string(asks), asked);
		wrong++;
	}
	if (asked > 0
	    && (outcome->step_count != asked || outcome->ttl_s != 300)) {
		print_error(
		    "%s: %zu questions, but %zu steps and a TTL of %u\n", name,
		    asked, outcome->step_count, (unsigned)outcome->ttl_s);
		wrong++;
	}
	return wrong;
}

static size_t
run_case(struct json_object *zone_object, struct json_object *object,
    const struct suffixes *suffixes)
{
	const char *name = string(object, "name");
	const char *from = string(object, "from");
	const bool wants[DMARC_STANDARDS] = { true, true };
	struct dmarc_question question;
	struct message message;
	struct arena arena;
	struct dmarc *dmarc;
	struct zone *zone;
	size_t asked, wrong;

	arena_init(&arena, ARENA_BYTES);
	message_read(&message, object, suffixes);
	question = (struct dmarc_question){
		.author = { from, suffixes_org(suffixes, from) },
		.identifiers = message.domains,
		.count = message.count,
		.may_pass = message.may_pass,
	};
	zone = zone_read(zone_object, &arena);
	dmarc = dmarc_begin(&question, wants, &arena);
	assert_non_null(dmarc);
	asked = zone_run(zone, &dmarc_machine, dmarc, QUESTIONS, &arena);
	wrong =
	    check_outcome(name, object, dmarc_outcome(dmarc), &message, asked);
	arena_clear(&arena);
	return wrong;
}

/* Counts the cases of a file in *count, those that are wrong are returned. */
static size_t
run_file(const char *name, const struct suffixes *suffixes, size_t *count)
{
	struct json_object *groups;
	char path[PATH_BYTES];
	size_t wrong = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder(), name);
	groups = json_object_from_file(path);
	if (groups == NULL)
		fail_msg("%s: %s", path, json_util_get_last_err());
	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *group =
		    json_object_array_get_idx(groups, i);
		struct json_object *cases = member(group, "cases");

		for (size_t j = 0; j < json_object_array_length(cases); j++) {
			wrong += run_case(member(group, "zone"),
			    json_object_array_get_idx(cases, j), suffixes);
			(*count)++;
		}
	}
	json_object_put(groups);
	return wrong;
}

static int
is_ours(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return strncmp(entry->d_name, "dmarc_", 6) == 0 && length > 5
	    && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static void
test_cases(void **state)
{
	struct suffixes *suffixes = suffixes_open(NULL, NULL);
	struct dirent **entries = NULL;
	int files = scandir(folder(), &entries, is_ours, alphasort);
	size_t count = 0, wrong = 0;

	(void)state;
	assert_non_null(suffixes);
	for (int i = 0; i < files; i++) {
		wrong += run_file(entries[i]->d_name, suffixes, &count);
		free(entries[i]);
	}
	free(entries);
	suffixes_close(&suffixes);
	if (wrong > 0 || count < CASES_LEAST)
		fail_msg("%zu of %zu cases wrong", wrong, count);
	print_message("%zu cases\n", count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
