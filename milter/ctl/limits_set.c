#include "milter/ctl/amount.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/print.h"
#include "milter/ctl/question.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* What is to be said of a name. */
struct order {
	struct question question;
	const char *max_typed; /* "default": what was said is taken back */
	const char *for_typed; /* --for; NULL: for good */
	const char *reason;    /* never NULL */

	const struct limit *limit;
	bool is_default;
	uint64_t max;
	uint64_t for_ms; /* 0: for good */
	struct overrides was;
};

static bool
refuse(struct order *order, const char *words)
{
	struct ctl *ctl = order->question.ctl;

	ctl->status = ctl_usage(ctl, words);
	return false;
}

static bool
read_arguments(struct order *order, int argc, char **argv)
{
	enum { OPTION_FOR = 256, OPTION_REASON };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "for", required_argument, NULL, OPTION_FOR },
		{ "reason", required_argument, NULL, OPTION_REASON },
		{ NULL, 0, NULL, 0 },
	};
	struct question *question = &order->question;
	int option;

	order->reason = "";
	while (
	    (option = ctl_option(question->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_FOR)
			order->for_typed = optarg;
		else
			order->reason = optarg;
	}
	if (question->ctl->is_over)
		return false;
	if (argc - optind != 3)
		return refuse(order,
		    "an account, a limit and its max (or default) are "
		    "expected");
	question->typed = argv[optind];
	question->limit_name = argv[optind + 1];
	order->max_typed = argv[optind + 2];
	order->is_default = strcmp(order->max_typed, "default") == 0;
	if (order->is_default
	    && (order->for_typed != NULL || *order->reason != '\0'))
		return refuse(order,
		    "default takes neither --for nor "
		    "--reason");
	return true;
}

static bool
read_amounts(struct order *order)
{
	struct fault fault;
	bool is_good = amount_reason(order->reason, &fault)
	    && (order->for_typed == NULL
		|| amount_duration(order->for_typed, &order->for_ms, &fault))
	    && (order->is_default
		|| amount_max(order->max_typed, order->limit->count,
		    &order->max, &fault));

	if (!is_good)
		order->question.ctl->status = ctl_fail(&fault);
	return is_good;
}

static bool
is_same(const void *context, const struct store_override *override)
{
	const struct order *order = context;

	return strcmp(override->limit_name, order->limit->name) == 0
	    && strcmp(override->key, order->question.name) == 0;
}

static bool
begin(struct order *order, int argc, char **argv)
{
	struct question *question = &order->question;
	struct fault fault;

	if (!read_arguments(order, argc, argv) || !question_read(question))
		return false;
	order->limit = question_find_limit(question);
	if (order->limit == NULL || !read_amounts(order)
	    || !question_fold(question) || !question_open(question))
		return false;
	if (overrides_read(question->store, is_same, order, &question->arena,
		&order->was, &fault))
		return true;
	question->ctl->status = ctl_fail(&fault);
	return false;
}

static int
end(struct order *order, int status)
{
	overrides_clear(&order->was);
	return question_end(&order->question, status);
}

/* What held or holds: "900 until ...", "500 by the configuration". */
static const char *
max_words(struct order *order, const struct store_override *override)
{
	struct arena *arena = &order->question.arena;
	const char *words;

	if (override == NULL)
		words = arena_printf(arena, "%" PRIu64 " by the configuration",
		    order->limit->max);
	else
		words = arena_printf(arena, "%" PRIu64 " %s", override->max,
		    overrides_until(override, arena));
	return words != NULL ? words : "?";
}

static void
tell(struct order *order, const struct store_override *was,
    const struct store_override *is)
{
	struct question *question = &order->question;
	const struct limit *limit = order->limit;
	struct json_object *answer;

	if (!question->ctl->is_json) {
		print_line(stdout, "", "%s: %s was %s, is %s", question->name,
		    limit->name, max_words(order, was), max_words(order, is));
		return;
	}
	answer = question_head(question);
	json_object_object_add(answer, "limit", print_json_text(limit->name));
	json_object_object_add(answer, "max",
	    json_object_new_uint64(is != NULL ? is->max : limit->max));
	json_object_object_add(
	    answer, "configured_max", json_object_new_uint64(limit->max));
	json_object_object_add(
	    answer, "was", overrides_json(was, order->was.now_ms));
	json_object_object_add(
	    answer, "override", overrides_json(is, order->was.now_ms));
	print_json(answer);
}

/* What is said of a limit that no plan of the account's names has no effect,
 * which its author had better know. */
static void
warn_of_plan(const struct order *order)
{
	const struct question *question = &order->question;
	const struct conf *conf = question->ctl->conf;

	if (!question->is_account_known || order->limit == &question->hold_limit
	    || limits_holds(&conf->limits, order->limit,
		holder_plan(conf, &question->account)))
		return;
	fputs("posternctl: ", stderr);
	print_line(stderr, "",
	    "%s isn't in the plan of %s, so this has no effect now",
	    order->limit->name, question->name);
}

int
ctl_limits_set(struct ctl *ctl, int argc, char **argv)
{
	struct order order = { .question = { .ctl = ctl, .is_change = true } };
	struct question *question = &order.question;
	const struct store_override *was;
	struct store_override is;
	struct fault fault;
	bool was_there = true;
	bool is_done;

	if (!begin(&order, argc, argv))
		return end(&order, ctl->status);
	was = overrides_find(&order.was, order.limit->name, question->name);
	is = (struct store_override){ .limit_name = order.limit->name,
		.key = question->name,
		.max = order.max,
		.until_ms =
		    order.for_ms > 0 ? order.was.now_ms + order.for_ms : 0,
		.words = order.reason };
	is_done = order.is_default ? store_unset(question->store, is.limit_name,
		      is.key, &was_there, &fault)
				   : store_set(question->store, &is, &fault);
	if (!is_done)
		return end(&order, ctl_fail(&fault));
	question_forget(question);
	tell(&order, was, order.is_default ? NULL : &is);
	if (!order.is_default)
		warn_of_plan(&order);
	return end(&order, was_there ? CTL_YES : CTL_NO);
}
