#include "milter/ctl/ctl.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/print.h"
#include "milter/ctl/question.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* What is counted under a limit, and when one more fits. */
struct count {
	const struct limit *limit;
	const struct store_override *override; /* NULL: none */
	uint64_t used;
	uint64_t max;
	bool holds; /* for the plan of the account, as far as it is known */
	bool fits;
	bool is_never;    /* there won't be room ever */
	uint64_t room_ms; /* from now */
};

/* What is shown of a name. */
struct view {
	struct question question;
	struct overrides overrides;
	struct count *counts;
	size_t count;
	const struct store_override *block; /* NULL: nothing blocks it */
	enum limit_key block_key;           /* whose block it is */
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
	if (ctl->is_over || !question_key(question))
		return false;
	if (argc - optind == 1)
		question->typed = argv[optind];
	if (argc - optind <= 1)
		return true;
	ctl->status = ctl_usage(ctl, "one account at a time");
	return false;
}

/* Everything up to the open store. The one global name need not be given. */
static bool
begin(struct question *question, int argc, char **argv)
{
	if (!read_arguments(question, argc, argv) || !question_read(question)
	    || (question->limit_name != NULL
		&& question_find_limit(question) == NULL))
		return false;
	if (question->typed == NULL && question->key == LIMIT_KEY_GLOBAL)
		question->typed = "all";
	if (question->typed == NULL) {
		question->ctl->status =
		    ctl_usage(question->ctl, "whose? name an account");
		return false;
	}
	return question_fold(question) && question_open(question);
}

static bool
is_wanted(const struct question *question, const struct limit *limit)
{
	if (question->limit_name != NULL
	    && strcmp(limit->name, question->limit_name) != 0)
		return false;
	return limit->key == question->key;
}

/* Of other keys it isn't known whose plan is asked for. */
static bool
holds(const struct question *question, const struct limit *limit)
{
	const struct conf *conf = question->ctl->conf;

	if (limit == &question->hold_limit || !question->is_account_known)
		return true;
	return limits_holds(
	    &conf->limits, limit, holder_plan(conf, &question->account));
}

/* The limit's own max where there is no override. */
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
		.max = answer.max,
		.holds = holds(question, limit),
		.fits = answer.fits,
		.is_never = !answer.fits && answer.room_at_ms == UINT64_MAX };
	if (!answer.fits && answer.room_at_ms > receipt.now_ms)
		count_out->room_ms = answer.room_at_ms - receipt.now_ms;
	return true;
}

/* What is said of the name, or of its parent, whose block is its own too. */
static bool
is_said(const void *context, const struct store_override *override)
{
	const struct question *question = context;

	return strcmp(override->key, question->name) == 0
	    || (question->is_account_known
		&& strcmp(override->key, question->account.parent) == 0);
}

static void
find_block(struct view *view)
{
	const struct question *question = &view->question;

	view->block_key = question->key;
	view->block =
	    overrides_block(&view->overrides, question->key, question->name);
	if (view->block != NULL || !question->is_account_known)
		return;
	view->block_key = LIMIT_KEY_PARENT;
	view->block = overrides_block(
	    &view->overrides, LIMIT_KEY_PARENT, question->account.parent);
}

/* A limit that isn't of the account's plan is worth a line only if something
 * is there: it was of his plan before. */
static bool
is_worth_it(const struct question *question, const struct count *count)
{
	return count->holds || count->used > 0 || count->override != NULL
	    || question->limit_name != NULL;
}

static bool
look_all(struct view *view, struct fault *fault)
{
	struct question *question = &view->question;
	size_t most = question_limit_count(question);

	view->counts =
	    arena_alloc(&question->arena, most * sizeof(*view->counts));
	if (view->counts == NULL) {
		fault_memory(fault);
		return false;
	}
	if (!overrides_read(question->store, is_said, question,
		&question->arena, &view->overrides, fault))
		return false;
	for (size_t i = 0; i < most; i++) {
		const struct limit *limit = question_limit(question, i);
		struct count *count = &view->counts[view->count];

		if (!is_wanted(question, limit))
			continue;
		if (!look(question, limit, count, fault))
			return false;
		count->override = overrides_find(
		    &view->overrides, limit->name, question->name);
		view->count += is_worth_it(question, count);
	}
	find_block(view);
	return true;
}

static struct json_object *
count_json(const struct view *view, const struct count *count)
{
	const struct limit *limit = count->limit;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "limit", print_json_text(limit->name));
	json_object_object_add(
	    object, "count", print_json_text(limits_count_name(limit->count)));
	json_object_object_add(
	    object, "used", json_object_new_uint64(count->used));
	json_object_object_add(
	    object, "max", json_object_new_uint64(count->max));
	json_object_object_add(
	    object, "configured_max", json_object_new_uint64(limit->max));
	json_object_object_add(object, "override",
	    overrides_json(count->override, view->overrides.now_ms));
	json_object_object_add(
	    object, "per", print_json_seconds(limit->per_ms));
	json_object_object_add(object, "action",
	    print_json_text(verdict_action_name(limit->action)));
	json_object_object_add(object, "mode",
	    print_json_text(
		limit->mode == MODE_OBSERVE ? "observe" : "enforce"));
	json_object_object_add(
	    object, "holds", json_object_new_boolean(count->holds));
	json_object_object_add(
	    object, "fits", json_object_new_boolean(count->fits));
	json_object_object_add(object, "room_in",
	    count->is_never ? NULL : print_json_seconds(count->room_ms));
	return object;
}

static struct json_object *
block_json(const struct view *view)
{
	struct json_object *object =
	    overrides_json(view->block, view->overrides.now_ms);

	if (object == NULL)
		return NULL;
	json_object_object_add(
	    object, "key", print_json_text(limits_key_name(view->block_key)));
	json_object_object_add(
	    object, "value", print_json_text(view->block->key));
	return object;
}

static const char *
plan_name(const struct question *question)
{
	const struct plan *plan =
	    holder_plan(question->ctl->conf, &question->account);

	return plan != NULL ? plan->name : NULL;
}

static void
show_json(const struct view *view)
{
	const struct question *question = &view->question;
	struct json_object *answer = question_head(question);
	struct json_object *list = json_object_new_array();

	if (question->key == LIMIT_KEY_ACCOUNT) {
		bool is_known = question->is_account_known;

		json_object_object_add(
		    answer, "account", print_json_text(question->name));
		json_object_object_add(answer, "parent",
		    print_json_text(
			is_known ? question->account.parent : NULL));
		json_object_object_add(answer, "plan",
		    print_json_text(is_known ? plan_name(question) : NULL));
	}
	json_object_object_add(answer, "blocked", block_json(view));
	for (size_t i = 0; i < view->count; i++)
		json_object_array_add(list, count_json(view, &view->counts[i]));
	json_object_object_add(answer, "limits", list);
	print_json(answer);
}

/* "(REASON)" with the blank before it, or nothing. */
static const char *
reason_of(const struct store_override *override, struct arena *arena)
{
	const char *words = *override->words != '\0'
	    ? arena_printf(arena, " (%s)", override->words)
	    : "";

	return words != NULL ? words : "";
}

static void
count_row(struct table *table, const struct count *count)
{
	const struct limit *limit = count->limit;

	table_row(table);
	table_cell(table, "%s%s%s", limit->name,
	    limit->mode == MODE_OBSERVE ? " (observes)" : "",
	    count->holds ? "" : " (not in the plan)");
	table_cell(table, "%" PRIu64, count->used);
	table_cell(table, "%" PRIu64, count->max);
	table_cell(table, "%s", limits_count_name(limit->count));
	table_cell(table, "%s", print_duration(table->arena, limit->per_ms));
	table_cell(table, "%s",
	    count->is_never ? "never"
			    : print_duration(table->arena, count->room_ms));
	if (count->override != NULL)
		table_cell(table, "%" PRIu64 " by the configuration, %s%s",
		    limit->max, overrides_until(count->override, table->arena),
		    reason_of(count->override, table->arena));
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

static void
show_head(struct view *view)
{
	struct question *question = &view->question;

	print_line(stdout, "", "%s", question->name);
	if (question->is_account_known) {
		const char *parent = question->account.parent;

		if (strcmp(parent, question->name) != 0)
			print_line(stdout, "parent", "%s", parent);
		if (plan_name(question) != NULL)
			print_line(stdout, "plan", "%s", plan_name(question));
	}
	if (view->block != NULL)
		print_line(stdout, "blocked", "%s%s%s%s",
		    view->block_key != question->key ? "with its parent, " : "",
		    overrides_until(view->block, &question->arena),
		    *view->block->words != '\0' ? ": " : "",
		    view->block->words);
}

static bool
show_text(struct view *view)
{
	struct question *question = &view->question;
	struct table table;

	if (view->count == 0 && view->block == NULL) {
		printf("There is no limit with key = %s%s.\n",
		    limits_key_name(question->key),
		    question->is_account_known ? " in the account's plan" : "");
		return true;
	}
	show_head(view);
	table_init(&table, &question->arena, "lrrllll");
	count_heading(&table);
	for (size_t i = 0; i < view->count; i++)
		count_row(&table, &view->counts[i]);
	return view->count == 0 || table_print(&table, stdout);
}

int
ctl_limits_show(struct ctl *ctl, int argc, char **argv)
{
	struct view view = { .question.ctl = ctl };
	struct question *question = &view.question;
	struct fault fault;
	int status;

	if (!begin(question, argc, argv))
		return question_end(question, ctl->status);
	status = CTL_YES;
	if (!look_all(&view, &fault)) {
		status = ctl_fail(&fault);
	} else if (ctl->is_json) {
		show_json(&view);
	} else if (!show_text(&view)) {
		fault_memory(&fault);
		status = ctl_fail(&fault);
	}
	overrides_clear(&view.overrides);
	return question_end(question, status);
}

/* One line, and one entry of the list, for each limit. */
static bool
reset_one(struct question *question, const struct limit *limit,
    struct json_object *list, bool *is_any, struct fault *fault)
{
	struct json_object *one;
	bool was_there;

	if (!store_reset(
		question->store, limit, question->name, &was_there, fault))
		return false;
	*is_any |= was_there;
	one = json_object_new_object();
	json_object_object_add(one, "limit", print_json_text(limit->name));
	json_object_object_add(
	    one, "reset", json_object_new_boolean(was_there));
	json_object_array_add(list, one);
	if (was_there && !question->ctl->is_json)
		print_line(
		    stdout, limit->name, "%s starts anew", question->name);
	return true;
}

int
ctl_limits_reset(struct ctl *ctl, int argc, char **argv)
{
	struct question question = { .ctl = ctl };
	struct json_object *answer, *list;
	bool is_any = false;
	struct fault fault;

	if (!begin(&question, argc, argv))
		return question_end(&question, ctl->status);
	answer = question_head(&question);
	list = json_object_new_array();
	json_object_object_add(answer, "limits", list);
	for (size_t i = 0; i < question_limit_count(&question); i++) {
		const struct limit *limit = question_limit(&question, i);

		if (is_wanted(&question, limit)
		    && !reset_one(&question, limit, list, &is_any, &fault)) {
			json_object_put(answer);
			return question_fail(&question, &fault);
		}
	}
	question_forget(&question);
	if (ctl->is_json) {
		print_json(answer);
	} else {
		json_object_put(answer);
		if (!is_any)
			print_line(stdout, "", "Nothing is counted for %s.",
			    question.name);
	}
	return question_end(&question, is_any ? CTL_YES : CTL_NO);
}
