/* The cases of tests/cases/dmarc_*.json, judged as the daemon judges a
 * message: what SPF and DKIM say is given, DMARC's machine asks the zone. */
#include "milter/io/suffixes.h"
#include "policy/preflight.h"
#include "tests/fake/zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TESTS_CASES
#define TESTS_CASES "tests/cases"
#endif

enum {
	ARENA_OCTETS = 8 << 20,
	CASES_LEAST = 120,
	QUESTIONS = 100, /* of one case at most */
	PATH_OCTETS = 1024,
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

/* A message of which SPF and DKIM are known. */
struct message {
	struct dmarc_domain identifiers[DMARC_IDENTIFIERS];
	bool may_pass[DMARC_IDENTIFIERS];
	size_t count;
	struct spf_outcome outcome;
	struct preflight_spf spf;
	struct preflight_signature signatures[PREFLIGHT_SIGNATURES];
	struct preflight_author author;
	struct preflight_evidence evidence;
};

static size_t
identify(struct message *message, const char *domain, bool may_pass,
    const struct suffixes *suffixes)
{
	size_t i = message->count++;

	assert_true(i < DMARC_IDENTIFIERS);
	message->identifiers[i].domain = domain;
	message->identifiers[i].suffix_org = suffixes_org(suffixes, domain);
	message->may_pass[i] = may_pass;
	return i;
}

static enum spf_result
spf_result_of(const char *name)
{
	for (unsigned i = SPF_PASS; i <= SPF_PERMERROR; i++)
		if (strcmp(spf_result_name(i), name) == 0)
			return i;
	fail_msg("\"%s\" is no result of SPF", name);
	return SPF_NONE;
}

static void
read_spf(struct message *message, struct json_object *object,
    const struct suffixes *suffixes)
{
	enum spf_result result = SPF_NONE;
	struct json_object *spf;

	message->outcome.domain = "nobody.invalid";
	message->spf.identifier = PREFLIGHT_NOBODY;
	if (json_object_object_get_ex(object, "spf", &spf)) {
		result = spf_result_of(string(spf, "result"));
		message->outcome.domain = string(spf, "domain");
		message->spf.identifier = identify(message,
		    message->outcome.domain,
		    result == SPF_PASS || result == SPF_TEMPERROR, suffixes);
	}
	message->outcome.result = result;
	message->spf.address = "192.0.2.1";
	message->spf.helo = "mx.example.net";
	message->spf.outcome = &message->outcome;
	message->evidence.spf = &message->spf;
	message->evidence.spf_count = 1;
}

static void
read_signature(struct message *message, struct json_object *object,
    const struct suffixes *suffixes)
{
	const char *result = string(object, "result");
	bool is_lost = strcmp(result, "temperror") == 0;
	bool is_good = strcmp(result, "pass") == 0;
	size_t i = message->evidence.signature_count++;
	struct preflight_signature *signature = &message->signatures[i];

	assert_true(i < PREFLIGHT_SIGNATURES);
	signature->domain = string(object, "domain");
	signature->words = "as the case says";
	signature->state = is_lost ? PREFLIGHT_UNKNOWN
	    : is_good              ? PREFLIGHT_VERIFIES
				   : PREFLIGHT_FAILS;
	signature->identifier =
	    identify(message, signature->domain, is_lost || is_good, suffixes);
}

static void
read_message(struct message *message, struct json_object *object,
    const struct suffixes *suffixes)
{
	struct json_object *dkim;

	*message = (struct message){ .count = 0 };
	read_spf(message, object, suffixes);
	if (json_object_object_get_ex(object, "dkim", &dkim))
		for (size_t i = 0; i < json_object_array_length(dkim); i++)
			read_signature(message,
			    json_object_array_get_idx(dkim, i), suffixes);
	message->author.domain = string(object, "from");
	message->evidence.signatures = message->signatures;
	message->evidence.authors = &message->author;
	message->evidence.author_count = 1;
	message->evidence.sender_domain = message->outcome.domain;
}

/* Compare got with what the case wants under name, if it wants anything.
 * Returns how many are wrong. */
static size_t
compare(const char *where, const char *profile, struct json_object *want,
    const char *name, const char *got)
{
	struct json_object *value;

	if (!json_object_object_get_ex(want, name, &value)
	    || (got != NULL && strcmp(json_object_get_string(value), got) == 0))
		return 0;
	print_error("%s: %s, %s: wanted %s, got %s\n", where, profile, name,
	    json_object_get_string(value), got != NULL ? got : "nothing");
	return 1;
}

static size_t
check_judgement(const struct message *message, struct json_object *object,
    struct arena *arena)
{
	const char *where = string(object, "name");
	struct json_object *want = member(object, "want");
	size_t wrong = 0;

	for (unsigned i = PREFLIGHT_RFC9989; i <= PREFLIGHT_RFC7489; i++) {
		const bool is_used[PREFLIGHT_PROFILES] = {
			i == PREFLIGHT_RFC9989, i == PREFLIGHT_RFC7489, false
		};
		const char *profile = preflight_profile_name(i);
		struct json_object *by = member(want, profile);
		struct preflight_judgement judgement;

		assert_true(preflight_judge(
		    &message->evidence, is_used, arena, &judgement));
		wrong += compare(where, profile, by, "result",
		    preflight_result_name(judgement.result));
		wrong +=
		    compare(where, profile, by, "org", judgement.org_domain);
		wrong += compare(where, profile, by, "policy_domain",
		    judgement.policy_domain);
		if (judgement.result != PREFLIGHT_PASS
		    && judgement.reason_count == 0) {
			print_error("%s: %s: wanted reasons, got none\n", where,
			    profile);
			wrong++;
		}
	}
	return wrong;
}

/* The daemon can't tell DMARC beforehand what may pass, as SPF and keys are
 * asked for at the same time. That must make no difference. */
static size_t
run_case(struct json_object *zone_object, struct json_object *object,
    const struct suffixes *suffixes, bool tells_what_may_pass)
{
	static const bool wants[DMARC_STANDARDS] = { true, true };
	struct dmarc_question question;
	struct message message;
	struct arena arena;
	struct dmarc *dmarc;
	size_t wrong;

	arena_init(&arena, ARENA_OCTETS);
	read_message(&message, object, suffixes);
	question = (struct dmarc_question){
		.author = { message.author.domain,
		    suffixes_org(suffixes, message.author.domain) },
		.identifiers = message.identifiers,
		.count = message.count,
		.may_pass = tells_what_may_pass ? message.may_pass : NULL,
	};
	dmarc = dmarc_begin(&question, wants, &arena);
	assert_non_null(dmarc);
	(void)zone_run(zone_read(zone_object, &arena), &dmarc_machine, dmarc,
	    QUESTIONS, &arena);
	message.author.dmarc = dmarc_outcome(dmarc);
	wrong = check_judgement(&message, object, &arena);
	arena_clear(&arena);
	return wrong;
}

/* Counts the cases of a file in *count; those that are wrong are returned. */
static size_t
run_file(const char *name, const struct suffixes *suffixes, size_t *count)
{
	struct json_object *groups;
	char path[PATH_OCTETS];
	size_t wrong = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder(), name);
	groups = json_object_from_file(path);
	if (groups == NULL)
		fail_msg("%s: %s", path, json_util_get_last_err());
	for (size_t i = 0; i < json_object_array_length(groups); i++) {
		struct json_object *group =
		    json_object_array_get_idx(groups, i);
		struct json_object *zone = member(group, "zone");
		struct json_object *cases = member(group, "cases");

		for (size_t k = 0; k < json_object_array_length(cases); k++) {
			struct json_object *one =
			    json_object_array_get_idx(cases, k);

			wrong += run_case(zone, one, suffixes, false);
			wrong += run_case(zone, one, suffixes, true);
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
cases_are_judged(void **state)
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
		fail_msg("%zu wrong in %zu cases", wrong, count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cases_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
