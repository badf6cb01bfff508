#include "milter/ctl/question.h"

#include "milter/charging.h"
#include "milter/ctl/name.h"
#include "milter/ctl/print.h"
#include "milter/stores.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BYTES = 128 * 1024 * 1024, /* for STORE_OVERRIDES of them */
	FORGET_MS = 2000, /* the daemon finds out by itself soon after */
};

static const char memory_name[] = "memory";

bool
question_key(struct question *question)
{
	if (question->key_name == NULL
	    || name_key(question->key_name, &question->key))
		return true;
	question->ctl->status = ctl_usage(question->ctl,
	    "--key: account, parent, from_domain, client_ip, sender or global");
	return false;
}

bool
question_read(struct question *question)
{
	struct ctl *ctl = question->ctl;

	arena_init(&question->arena, ARENA_BYTES);
	ctl->status = CTL_USAGE;
	if (!ctl_read(ctl))
		return false;
	question->hold_limit =
	    charging_hold_limit(&ctl->conf->classes[CLASS_LOCAL]);
	return true;
}

size_t
question_limit_count(const struct question *question)
{
	return question->ctl->conf->limits.count + 1;
}

const struct limit *
question_limit(const struct question *question, size_t i)
{
	const struct limit_set *set = &question->ctl->conf->limits;

	return i < set->count ? &set->limits[i] : &question->hold_limit;
}

static void
refuse_limit(const struct question *question)
{
	char *names = NULL;
	size_t size;
	FILE *stream = open_memstream(&names, &size);

	if (stream == NULL)
		return;
	fprintf(stream, "\"%s\" is no limit", question->limit_name);
	if (question->key_name != NULL)
		fprintf(stream, " with key = %s", question->key_name);
	fputs("; there are:", stream);
	for (size_t i = 0; i < question_limit_count(question); i++) {
		const struct limit *limit = question_limit(question, i);

		fprintf(stream, "%s %s (%s)", i > 0 ? "," : "", limit->name,
		    limits_key_name(limit->key));
	}
	if (fclose(stream) == 0) {
		fputs("posternctl: ", stderr);
		print_text(stderr, names);
	}
	free(names);
}

const struct limit *
question_find_limit(struct question *question)
{
	for (size_t i = 0; i < question_limit_count(question); i++) {
		const struct limit *limit = question_limit(question, i);

		if (strcmp(limit->name, question->limit_name) != 0)
			continue;
		if (question->key_name == NULL)
			question->key = limit->key;
		if (limit->key == question->key)
			return limit;
	}
	refuse_limit(question);
	question->ctl->status = CTL_USAGE;
	return NULL;
}

static struct account_rules
rules_of(const struct conf *conf)
{
	struct account_rules rules = conf->accounts;

	rules.default_domain =
	    conf->classes[CLASS_SUBMISSION].senders.rules.default_domain;
	return rules;
}

bool
question_fold(struct question *question)
{
	struct account_rules rules = rules_of(question->ctl->conf);
	struct fault fault;
	bool is_good;

	if (question->key == LIMIT_KEY_ACCOUNT) {
		is_good = name_account(&rules, question->typed,
		    &question->arena, &question->account, &fault);
		question->name = question->account.name;
	} else {
		is_good = name_fold(question->key, &rules, question->typed,
		    &question->arena, &question->name, &fault);
	}
	if (!is_good)
		question->ctl->status = ctl_fail(&fault);
	return is_good;
}

/* An account that the map gives another name is counted under that one. */
static void
ask_map(struct question *question)
{
	struct fault fault;

	if (!holder_open(&question->holder, question->ctl->conf, &fault)
	    || !holder_find(&question->holder, &question->account,
		&question->arena, &fault)) {
		fputs("posternctl: ", stderr);
		print_text(stderr, fault.words);
		return;
	}
	question->is_account_known = true;
	if (strcmp(question->name, question->account.name) != 0
	    && !question->ctl->is_json)
		print_line(stdout, "", "%s is counted as %s", question->name,
		    question->account.name);
	question->name = question->account.name;
}

/* Where the daemon hasn't run yet ctl_store() has an empty store in memory: to
 * be looked at, but what is said there is lost. */
static struct store *
open_store(const struct question *question, struct fault *fault)
{
	struct store *store = ctl_store(question->ctl, fault);

	if (store == NULL || !question->is_change
	    || strcmp(store->name, memory_name) != 0)
		return store;
	store_close(&store);
	return stores_open(question->ctl->conf, NULL, fault);
}

bool
question_open(struct question *question)
{
	struct ctl *ctl = question->ctl;
	struct fault fault = { .kind = FAULT_NONE };

	if (ctl_become(ctl, &fault))
		question->store = open_store(question, &fault);
	if (question->store == NULL) {
		ctl->status = ctl_fail(&fault);
		return false;
	}
	if (question->name != NULL && question->key == LIMIT_KEY_ACCOUNT)
		ask_map(question);
	return true;
}

void
question_forget(const struct question *question)
{
	json_object_put(ctl_ask(question->ctl, "forget", FORGET_MS, NULL));
}

struct json_object *
question_head(const struct question *question)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(
	    answer, "key", print_json_text(limits_key_name(question->key)));
	json_object_object_add(
	    answer, "value", print_json_text(question->name));
	return answer;
}

int
question_end(struct question *question, int status)
{
	store_close(&question->store);
	holder_close(&question->holder);
	arena_clear(&question->arena);
	return status;
}

int
question_fail(struct question *question, const struct fault *fault)
{
	return question_end(question, ctl_fail(fault));
}
