#include "milter/ctl/amount.h"
#include "milter/ctl/ctl.h"
#include "milter/ctl/name.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/print.h"
#include "milter/ctl/question.h"
#include "milter/ctl/queue.h"
#include "milter/ctl/queue_owner.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	MATCH_BYTES = 1024 * 1024, /* to find out whose one message is */
	ROWS_MOST = 1000,          /* messages shown to people */
};

/* Who is to be blocked, or no longer. */
struct order {
	struct question question;
	const char *for_typed; /* --for; NULL: for good */
	const char *reason;    /* never NULL */
	bool has_queue;        /* --queue */
	const char *queue_typed;
	const char *postfix; /* --postfix; NULL: Postfix's own */

	uint64_t for_ms; /* 0: for good */
	bool is_hold;
	const struct limit *limit;
	struct overrides was;
	struct runner *runner;
	struct queue queue;
	struct fault queue_fault; /* FAULT_NONE: it was looked at */
};

static bool
refuse(struct order *order, const char *words)
{
	struct ctl *ctl = order->question.ctl;

	ctl->status = ctl_usage(ctl, words);
	return false;
}

static bool
fail(struct order *order, const struct fault *fault)
{
	order->question.ctl->status = ctl_fail(fault);
	return false;
}

static bool
take_name(struct order *order, int argc, char **argv)
{
	struct question *question = &order->question;

	if (question->ctl->is_over || !question_key(question))
		return false;
	if (argc - optind != 1)
		return refuse(order,
		    argc > optind ? "one name at a time"
				  : "whom? name an account");
	question->typed = argv[optind];
	order->limit = limits_block(question->key);
	return order->limit != NULL
	    || refuse(order,
		"everybody can't be blocked; --key can be account, parent, "
		"from_domain, client_ip or sender");
}

static bool
read_options(struct order *order, int argc, char **argv)
{
	enum {
		OPTION_KEY = 256,
		OPTION_FOR,
		OPTION_REASON,
		OPTION_QUEUE,
		OPTION_POSTFIX
	};
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "for", required_argument, NULL, OPTION_FOR },
		{ "reason", required_argument, NULL, OPTION_REASON },
		{ "queue", optional_argument, NULL, OPTION_QUEUE },
		{ "postfix", required_argument, NULL, OPTION_POSTFIX },
		{ NULL, 0, NULL, 0 },
	};
	struct question *question = &order->question;
	int option;

	order->reason = "";
	while (
	    (option = ctl_option(question->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_KEY)
			question->key_name = optarg;
		else if (option == OPTION_FOR)
			order->for_typed = optarg;
		else if (option == OPTION_REASON)
			order->reason = optarg;
		else if (option == OPTION_POSTFIX)
			order->postfix = optarg;
		else
			order->queue_typed = optarg;
		order->has_queue |= option == OPTION_QUEUE;
	}
	return take_name(order, argc, argv);
}

static bool
check_options(struct order *order)
{
	const char *what = order->queue_typed;
	struct fault fault;

	order->is_hold = what != NULL && strcmp(what, "hold") == 0;
	if (what != NULL && !order->is_hold && strcmp(what, "list") != 0)
		return refuse(order, "--queue: list or hold");
	if (order->postfix != NULL && !order->has_queue)
		return refuse(order, "--postfix goes with --queue");
	if (order->postfix != NULL && order->postfix[0] != '/')
		return refuse(order, "--postfix: a path from /");
	if (!amount_reason(order->reason, &fault)
	    || (order->for_typed != NULL
		&& !amount_duration(order->for_typed, &order->for_ms, &fault)))
		return fail(order, &fault);
	return true;
}

/* Whoever looks into the queue has to be started while there are rights. */
static bool
start_runner(struct order *order)
{
	struct fault fault;

	if (!order->has_queue)
		return true;
	if (!queue_owner_can_tell(
		order->question.key, order->question.name, &fault))
		return fail(order, &fault);
	if (geteuid() != 0)
		return refuse(order,
		    "--queue: only root may look into "
		    "Postfix's queue");
	order->runner = runner_open(order->postfix, &fault);
	return order->runner != NULL || fail(order, &fault);
}

static bool
is_block(const void *context, const struct store_override *override)
{
	const struct order *order = context;

	return strcmp(override->limit_name, order->limit->name) == 0
	    && strcmp(override->key, order->question.name) == 0;
}

static bool
begin(struct order *order)
{
	struct question *question = &order->question;
	struct fault fault;

	if (!question_read(question) || !question_fold(question))
		return false;
	if (name_is_foreign(question->key, question->name))
		return refuse(order,
		    "a domain or a sender is blocked for everybody: name it "
		    "without the account");
	if (!start_runner(order) || !question_open(question))
		return false;
	return overrides_read(question->store, is_block, order,
		   &question->arena, &order->was, &fault)
	    || fail(order, &fault);
}

static int
end(struct order *order, int status)
{
	queue_clear(&order->queue);
	overrides_clear(&order->was);
	runner_close(&order->runner);
	return question_end(&order->question, status);
}

/* ---- the queue ---- */

static void
look_into_queue(struct order *order)
{
	struct question *question = &order->question;
	struct fault *fault = &order->queue_fault;
	struct queue_owner owner = { .conf = question->ctl->conf,
		.holder = &question->holder,
		.key = question->key,
		.name = question->name,
		.own = &question->account.own,
		.host = queue_host(order->runner, &question->arena, fault) };

	if (owner.host == NULL)
		return;
	arena_init(&owner.arena, MATCH_BYTES);
	if (queue_search(order->runner, order->is_hold, queue_owner_is, &owner,
		&question->arena, &order->queue, fault))
		fault->kind = FAULT_NONE;
	arena_clear(&owner.arena);
}

static struct json_object *
message_json(const struct queue_found *found)
{
	const struct queued *queued = &found->queued;
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "id", print_json_text(queued->id));
	json_object_object_add(object, "queue", print_json_text(queued->queue));
	json_object_object_add(
	    object, "arrival", print_json_time(queued->arrival_s * 1000));
	json_object_object_add(
	    object, "size", json_object_new_uint64(queued->size_bytes));
	json_object_object_add(
	    object, "sender", print_json_text(queued->sender));
	json_object_object_add(object, "login",
	    *found->login != '\0' ? print_json_text(found->login) : NULL);
	return object;
}

static struct json_object *
queue_json(const struct order *order)
{
	const struct queue *queue = &order->queue;
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();

	json_object_object_add(
	    object, "looked_at", json_object_new_uint64(queue->looked_at));
	json_object_object_add(
	    object, "unread", json_object_new_uint64(queue->unread));
	json_object_object_add(
	    object, "found", json_object_new_uint64(queue->count));
	json_object_object_add(
	    object, "held", json_object_new_uint64(queue_held(queue)));
	for (size_t i = 0; i < queue->count; i++)
		json_object_array_add(list, message_json(&queue->list[i]));
	json_object_object_add(object, "messages", list);
	return object;
}

static void
message_row(struct table *table, const struct queue_found *found)
{
	const struct queued *queued = &found->queued;

	table_row(table);
	table_cell(table, "%s", queued->id);
	table_cell(table, "%s", queued->queue);
	table_cell(
	    table, "%s", print_time(table->arena, queued->arrival_s * 1000));
	table_cell(table, "%" PRIu64, queued->size_bytes);
	table_cell(table, "%s", queued->sender);
	if (*found->login != '\0')
		table_cell(table, "%s", found->login);
}

static void
tell_queue(struct order *order)
{
	static const char *const words[] = { "ID", "QUEUE", "ARRIVED", "SIZE",
		"SENDER", "LOGIN" };
	const struct queue *queue = &order->queue;
	struct table table;

	print_line(stdout, "queue",
	    "%zu of %zu messages are of %s, %zu are on hold", queue->count,
	    queue->looked_at, order->question.name, queue_held(queue));
	if (queue->unread > 0)
		print_line(stdout, " ", "%zu could not be read", queue->unread);
	table_init(&table, &order->question.arena, "lllrll");
	table_row(&table);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		table_cell(&table, "%s", words[i]);
	for (size_t i = 0; i < queue->count && i < ROWS_MOST; i++)
		message_row(&table, &queue->list[i]);
	if (queue->count > 0)
		(void)table_print(&table, stdout);
	if (queue->count > ROWS_MOST)
		printf("and %zu more\n", queue->count - ROWS_MOST);
}

/* The block stands whatever the queue says. */
static int
status_of(const struct order *order)
{
	if (order->queue_fault.kind == FAULT_NONE)
		return CTL_YES;
	fputs("posternctl: ", stderr);
	print_line(stderr, "", "%s is blocked, but its queue: %s",
	    order->question.name, order->queue_fault.words);
	return order->queue_fault.kind == FAULT_PERMANENT ? CTL_NO : CTL_LATER;
}

/* ---- block ---- */

/* "for good (REASON)" */
static const char *
block_words(struct order *order, const struct store_override *block)
{
	struct arena *arena = &order->question.arena;
	const char *words = arena_printf(arena, "%s%s%s%s",
	    overrides_until(block, arena), *block->words != '\0' ? " (" : "",
	    block->words, *block->words != '\0' ? ")" : "");

	return words != NULL ? words : "?";
}

static void
tell_block(struct order *order, const struct store_override *was,
    const struct store_override *is)
{
	struct question *question = &order->question;
	struct json_object *answer;

	if (!question->ctl->is_json) {
		print_line(stdout, "", "%s %s is blocked %s",
		    limits_key_name(question->key), question->name,
		    block_words(order, is));
		if (was != NULL)
			print_line(
			    stdout, "before", "%s", block_words(order, was));
		if (order->has_queue)
			tell_queue(order);
		return;
	}
	answer = question_head(question);
	json_object_object_add(
	    answer, "blocked", overrides_json(is, order->was.now_ms));
	json_object_object_add(
	    answer, "was", overrides_json(was, order->was.now_ms));
	if (order->has_queue)
		json_object_object_add(answer, "queue", queue_json(order));
	print_json(answer);
}

int
ctl_block(struct ctl *ctl, int argc, char **argv)
{
	struct order order = { .question = { .ctl = ctl, .is_change = true } };
	struct question *question = &order.question;
	struct store_override is;
	struct fault fault;

	if (!read_options(&order, argc, argv) || !check_options(&order)
	    || !begin(&order))
		return end(&order, ctl->status);
	is = (struct store_override){ .limit_name = order.limit->name,
		.key = question->name,
		.max = 0,
		.until_ms =
		    order.for_ms > 0 ? order.was.now_ms + order.for_ms : 0,
		.words = order.reason };
	if (!store_set(question->store, &is, &fault))
		return end(&order, ctl_fail(&fault));
	question_forget(question);
	if (order.has_queue)
		look_into_queue(&order);
	tell_block(&order,
	    overrides_block(&order.was, question->key, question->name), &is);
	return end(&order, status_of(&order));
}

/* ---- unblock ---- */

static bool
read_key(struct order *order, int argc, char **argv)
{
	enum { OPTION_KEY = 256 };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "key", required_argument, NULL, OPTION_KEY },
		{ NULL, 0, NULL, 0 },
	};
	struct question *question = &order->question;

	while (ctl_option(question->ctl, argc, argv, options) != -1)
		question->key_name = optarg;
	return take_name(order, argc, argv);
}

int
ctl_unblock(struct ctl *ctl, int argc, char **argv)
{
	struct order order = { .question.ctl = ctl };
	struct question *question = &order.question;
	struct json_object *answer;
	struct fault fault;
	bool was_there;

	if (!read_key(&order, argc, argv) || !begin(&order))
		return end(&order, ctl->status);
	if (!store_unset(question->store, order.limit->name, question->name,
		&was_there, &fault))
		return end(&order, ctl_fail(&fault));
	question_forget(question);
	if (ctl->is_json) {
		answer = question_head(question);
		json_object_object_add(answer, "blocked", NULL);
		json_object_object_add(answer, "was",
		    overrides_json(overrides_block(&order.was, question->key,
				       question->name),
			order.was.now_ms));
		print_json(answer);
	} else {
		print_line(stdout, "", "%s %s %s",
		    limits_key_name(question->key), question->name,
		    was_there ? "is no longer blocked" : "isn't blocked");
	}
	return end(&order, was_there ? CTL_YES : CTL_NO);
}
