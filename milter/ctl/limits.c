#include "milter/charging.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/name.h"
#include "milter/ctl/print.h"
#include "policy/arena.h"

#include <assert.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BYTES = 4 * 1024 * 1024,
	FORGET_MS = 2000, /* the daemon finds out by itself soon after */
};

/* Whose counts, and under which limits. */
struct question {
	struct ctl *ctl;
	const char *typed;
	const char *key_name;   /* --key */
	const char *limit_name; /* --limit */

	struct arena arena;
	enum limit_key key;
	const char *name; /* folded */
	struct limit hold_limit;
	const struct limit **limits;
	size_t count;
	struct store *store;
};

static bool
read_arguments(struct question *question, int argc, char **argv)
{
	enum { OPTION_KEY = 256, OPTION_LIMIT };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "limit", required_argument, NULL, OPTION_LIMIT },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl *ctl = question->ctl;
	int option;

	while ((option = ctl_option(ctl, argc, argv, options)) != -1) {
		if (option == OPTION_KEY)
			question->key_name = optarg;
		else
			question->limit_name = optarg;
	}
	if (ctl->is_over)
		return false;
	if (question->key_name != NULL
	    && !name_key(question->key_name, &question->key)) {
		ctl->status =
		    ctl_usage(ctl, "--key: account, from_domain or client_ip");
		return false;
	}
	if (argc - optind == 1) {
		question->typed = argv[optind];
		return true;
	}
	ctl->status = ctl_usage(ctl,
	    argc > optind ? "one account at a time" : "whose? name an account");
	return false;
}

/* All limits that there are: the configured ones, and what hold_max of class
 * local stands for. */
static const struct limit *
limit_at(const struct question *question, size_t i)
{
	const struct limit_set *set = &question->ctl->conf->limits;

	return i < set->count ? &set->limits[i] : &question->hold_limit;
}

static bool
is_wanted(const struct question *question, const struct limit *limit)
{
	if (question->limit_name != NULL
	    && strcmp(limit->name, question->limit_name) != 0)
		return false;
	return limit->key == question->key;
}

static bool
refuse_limit(const struct question *question)
{
	size_t count = question->ctl->conf->limits.count + 1;
	char *names = NULL;
	size_t size;
	FILE *stream = open_memstream(&names, &size);

	if (stream == NULL)
		return false;
	fprintf(stream, "\"%s\" is no limit", question->limit_name);
	if (question->key_name != NULL)
		fprintf(stream, " with key = %s", question->key_name);
	fputs("; there are:", stream);
	for (size_t i = 0; i < count; i++) {
		const struct limit *limit = limit_at(question, i);

		fprintf(stream, "%s %s (%s)", i > 0 ? "," : "", limit->name,
		    limits_key_name(limit->key));
	}
	if (fclose(stream) == 0)
		fprintf(stderr, "posternctl: %s\n", names);
	free(names);
	return false;
}

/* A limit that is named tells its key. */
static bool
choose_limits(struct question *question, struct fault *fault)
{
	size_t count = question->ctl->conf->limits.count + 1;

	question->limits =
	    arena_alloc(&question->arena, count * sizeof(*question->limits));
	if (question->limits == NULL) {
		fault_memory(fault);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		const struct limit *limit = limit_at(question, i);

		if (question->key_name == NULL && question->limit_name != NULL
		    && strcmp(limit->name, question->limit_name) == 0)
			question->key = limit->key;
	}
	for (size_t i = 0; i < count; i++)
		if (is_wanted(question, limit_at(question, i)))
			question->limits[question->count++] =
			    limit_at(question, i);
	return true;
}

static bool
begin(struct question *question, int argc, char **argv)
{
	struct ctl *ctl = question->ctl;
	struct fault fault = { .kind = FAULT_NONE };
	struct account_rules rules;

	arena_init(&question->arena, ARENA_BYTES);
	if (!read_arguments(question, argc, argv))
		return false;
	ctl->status = CTL_USAGE;
	if (!ctl_read(ctl))
		return false;
	rules = ctl->conf->accounts;
	rules.default_domain =
	    ctl->conf->classes[CLASS_SUBMISSION].senders.rules.default_domain;
	question->hold_limit =
	    charging_hold_limit(&ctl->conf->classes[CLASS_LOCAL]);
	if (!choose_limits(question, &fault)
	    || !name_fold(question->key, &rules, question->typed,
		&question->arena, &question->name, &fault)) {
		ctl->status = ctl_fail(&fault);
		return false;
	}
	if (question->count == 0 && question->limit_name != NULL)
		return refuse_limit(question);
	if (ctl_become(ctl, &fault))
		question->store = ctl_store(ctl, &fault);
	if (question->store == NULL)
		ctl->status = ctl_fail(&fault);
	return question->store != NULL;
}

static int
end(struct question *question, int status)
{
	store_close(&question->store);
	arena_clear(&question->arena);
	return status;
}

/* What is counted under a limit, and when one more fits. */
struct count {
	const struct limit *limit;
	uint64_t used;
	bool fits;
	bool is_never;    /* there won't be room ever */
	uint64_t room_ms; /* from now */
};

static bool
look(const struct question *question, const struct limit *limit,
    struct count *count_out, struct fault *fault)
{
	struct charge charge = { .limit = limit,
		.key = question->name,
		.cost = 1,
		.is_binding = true,
		.is_look = limit->count == LIMIT_REFUSALS };
	struct charge_answer answer;
	struct store_receipt receipt;

	if (!store_charge(
		question->store, &charge, 1, true, &answer, &receipt, fault))
		return false;
	*count_out = (struct count){ .limit = limit,
		.used = answer.used,
		.fits = answer.fits,
		.is_never = !answer.fits && answer.room_at_ms == UINT64_MAX };
	if (!answer.fits && answer.room_at_ms > receipt.now_ms)
		count_out->room_ms = answer.room_at_ms - receipt.now_ms;
	return true;
}

static struct json_object *
count_json(const struct count *count)
{
	const struct limit *limit = count->limit;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "limit", print_json_text(limit->name));
	json_object_object_add(
	    object, "count", print_json_text(limits_count_name(limit->count)));
	json_object_object_add(
	    object, "used", json_object_new_uint64(count->used));
	json_object_object_add(
	    object, "max", json_object_new_uint64(limit->max));
	json_object_object_add(
	    object, "per", print_json_seconds(limit->per_ms));
	json_object_object_add(object, "action",
	    print_json_text(verdict_action_name(limit->action)));
	json_object_object_add(object, "mode",
	    print_json_text(
		limit->mode == MODE_OBSERVE ? "observe" : "enforce"));
	json_object_object_add(
	    object, "fits", json_object_new_boolean(count->fits));
	json_object_object_add(object, "room_in",
	    count->is_never ? NULL : print_json_seconds(count->room_ms));
	return object;
}

static void
count_row(struct table *table, const struct count *count)
{
	const struct limit *limit = count->limit;

	table_row(table);
	table_cell(table, "%s%s", limit->name,
	    limit->mode == MODE_OBSERVE ? " (observes)" : "");
	table_cell(table, "%" PRIu64, count->used);
	table_cell(table, "%" PRIu64, limit->max);
	table_cell(table, "%s", limits_count_name(limit->count));
	table_cell(table, "%s", print_duration(table->arena, limit->per_ms));
	table_cell(table, "%s",
	    count->is_never ? "never"
			    : print_duration(table->arena, count->room_ms));
}

static void
count_heading(struct table *table)
{
	static const char *const words[] = { "LIMIT", "USED", "MAX", "OF",
		"PER", "ROOM" };

	table_row(table);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		table_cell(table, "%s", words[i]);
}

static struct json_object *
answer_head(const struct question *question)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(
	    answer, "key", print_json_text(limits_key_name(question->key)));
	json_object_object_add(
	    answer, "value", print_json_text(question->name));
	return answer;
}

static int
show_json(const struct question *question, const struct count *counts)
{
	struct json_object *answer = answer_head(question);
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < question->count; i++)
		json_object_array_add(list, count_json(&counts[i]));
	json_object_object_add(answer, "limits", list);
	print_json(answer);
	return CTL_YES;
}

static int
show_text(struct question *question, const struct count *counts)
{
	struct table table;
	struct fault fault;

	if (question->count == 0) {
		printf("There is no limit with key = %s.\n",
		    limits_key_name(question->key));
		return CTL_YES;
	}
	print_line(stdout, "", "%s", question->name);
	table_init(&table, &question->arena, "lrrlll");
	count_heading(&table);
	for (size_t i = 0; i < question->count; i++)
		count_row(&table, &counts[i]);
	if (table_print(&table, stdout))
		return CTL_YES;
	fault_memory(&fault);
	return ctl_fail(&fault);
}

int
ctl_limits_show(struct ctl *ctl, int argc, char **argv)
{
	struct question question = { .ctl = ctl };
	struct fault fault;
	struct count *counts;

	if (!begin(&question, argc, argv))
		return end(&question, ctl->status);
	counts = arena_alloc(&question.arena, question.count * sizeof(*counts));
	if (counts == NULL) {
		fault_memory(&fault);
		return end(&question, ctl_fail(&fault));
	}
	for (size_t i = 0; i < question.count; i++)
		if (!look(&question, question.limits[i], &counts[i], &fault))
			return end(&question, ctl_fail(&fault));
	return end(&question,
	    ctl->is_json ? show_json(&question, counts)
			 : show_text(&question, counts));
}

/* What the daemon remembers goes with it. Where it can't be asked it finds out
 * by itself, or doesn't run. */
static void
forget(const struct ctl *ctl)
{
	json_object_put(ctl_ask(ctl, "forget", FORGET_MS, NULL));
}

static int
tell_reset(const struct question *question, const bool *was_there)
{
	struct json_object *answer = answer_head(question);
	struct json_object *list = json_object_new_array();
	bool is_any = false;

	for (size_t i = 0; i < question->count; i++) {
		struct json_object *one = json_object_new_object();

		is_any |= was_there[i];
		json_object_object_add(
		    one, "limit", print_json_text(question->limits[i]->name));
		json_object_object_add(
		    one, "reset", json_object_new_boolean(was_there[i]));
		json_object_array_add(list, one);
		if (was_there[i] && !question->ctl->is_json)
			print_line(stdout, question->limits[i]->name,
			    "%s starts anew", question->name);
	}
	json_object_object_add(answer, "limits", list);
	if (question->ctl->is_json)
		print_json(answer);
	else
		json_object_put(answer);
	if (!is_any && !question->ctl->is_json)
		print_line(
		    stdout, "", "Nothing is counted for %s.", question->name);
	return is_any ? CTL_YES : CTL_NO;
}

int
ctl_limits_reset(struct ctl *ctl, int argc, char **argv)
{
	struct question question = { .ctl = ctl };
	struct fault fault;
	bool *was_there;

	if (!begin(&question, argc, argv))
		return end(&question, ctl->status);
	was_there =
	    arena_alloc(&question.arena, question.count * sizeof(*was_there));
	if (was_there == NULL) {
		fault_memory(&fault);
		return end(&question, ctl_fail(&fault));
	}
	for (size_t i = 0; i < question.count; i++)
		if (!store_reset(question.store, question.limits[i],
			question.name, &was_there[i], &fault))
			return end(&question, ctl_fail(&fault));
	forget(ctl);
	return end(&question, tell_reset(&question, was_there));
}
