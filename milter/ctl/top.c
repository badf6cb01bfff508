#include "milter/ctl/ctl.h"
#include "milter/ctl/leaders.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/print.h"
#include "milter/ctl/question.h"
#include "policy/text.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 10 };

/* Who has sent most, under which limits. */
struct ranking {
	struct question question;
	const char *count_name; /* --count; NULL: whatever is counted */
	uint64_t rows;
	struct json_object *list;

	/* Of the limit that is being looked at. */
	const struct limit *limit;
	struct leaders leaders;
	struct overrides overrides;
	bool is_broken; /* no memory */
};

static bool
refuse(struct ranking *ranking, const char *words)
{
	struct ctl *ctl = ranking->question.ctl;

	ctl->status = ctl_usage(ctl, words);
	return false;
}

static bool
is_count(const char *name)
{
	for (int count = 0; count < LIMIT_BLOCKS; count++)
		if (strcmp(limits_count_name((enum limit_count)count), name)
		    == 0)
			return true;
	return false;
}

static bool
read_arguments(struct ranking *ranking, int argc, char **argv)
{
	enum { OPTION_KEY = 256, OPTION_LIMIT, OPTION_COUNT };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "key", required_argument, NULL, OPTION_KEY },
		{ "limit", required_argument, NULL, OPTION_LIMIT },
		{ "count", required_argument, NULL, OPTION_COUNT },
		{ "number", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct question *question = &ranking->question;
	const char *rows = NULL;
	int option;

	while (
	    (option = ctl_option(question->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_KEY)
			question->key_name = optarg;
		else if (option == OPTION_LIMIT)
			question->limit_name = optarg;
		else if (option == OPTION_COUNT)
			ranking->count_name = optarg;
		else
			rows = optarg;
	}
	if (question->ctl->is_over || !question_key(question))
		return false;
	if (optind != argc)
		return refuse(ranking, "no arguments are expected");
	if (ranking->count_name != NULL && !is_count(ranking->count_name))
		return refuse(ranking,
		    "--count: messages, recipients, new_recipients, bytes or "
		    "refusals");
	ranking->rows = ROWS;
	if (rows != NULL && !text_number(rows, 1, LEADERS_MOST, &ranking->rows))
		return refuse(ranking, "-n: 1 to 1000");
	return true;
}

/* What is held has no place among what is sent, unless it is asked for. */
static bool
is_wanted(const struct ranking *ranking, const struct limit *limit)
{
	const struct question *question = &ranking->question;

	if (question->limit_name != NULL)
		return strcmp(limit->name, question->limit_name) == 0;
	if (limit == &question->hold_limit)
		return false;
	if (question->key_name != NULL && limit->key != question->key)
		return false;
	return ranking->count_name == NULL
	    || strcmp(ranking->count_name, limits_count_name(limit->count))
	    == 0;
}

static bool
note(void *context, const char *key, uint64_t used)
{
	struct ranking *ranking = context;

	if (used > 0 && !leaders_add(&ranking->leaders, key, used))
		ranking->is_broken = true;
	return !ranking->is_broken;
}

/* Is it said of one of the leaders? */
static bool
is_of_leader(const void *context, const struct store_override *override)
{
	const struct ranking *ranking = context;
	const struct leaders *leaders = &ranking->leaders;

	if (strcmp(override->limit_name, ranking->limit->name) != 0)
		return false;
	for (size_t i = 0; i < leaders->count; i++)
		if (strcmp(leaders->list[i].name, override->key) == 0)
			return true;
	return false;
}

static uint64_t
max_of(const struct ranking *ranking, const char *name)
{
	const struct store_override *override =
	    overrides_find(&ranking->overrides, ranking->limit->name, name);

	return override != NULL ? override->max : ranking->limit->max;
}

static void
tell_json(struct ranking *ranking)
{
	const struct limit *limit = ranking->limit;
	struct json_object *object = json_object_new_object();
	struct json_object *top = json_object_new_array();

	json_object_object_add(object, "limit", print_json_text(limit->name));
	json_object_object_add(
	    object, "key", print_json_text(limits_key_name(limit->key)));
	json_object_object_add(
	    object, "count", print_json_text(limits_count_name(limit->count)));
	json_object_object_add(
	    object, "max", json_object_new_uint64(limit->max));
	json_object_object_add(
	    object, "per", print_json_seconds(limit->per_ms));
	for (size_t i = 0; i < ranking->leaders.count; i++) {
		const struct leader *leader = &ranking->leaders.list[i];
		struct json_object *one = json_object_new_object();

		json_object_object_add(
		    one, "name", print_json_text(leader->name));
		json_object_object_add(
		    one, "used", json_object_new_uint64(leader->used));
		json_object_object_add(one, "max",
		    json_object_new_uint64(max_of(ranking, leader->name)));
		json_object_array_add(top, one);
	}
	json_object_object_add(object, "top", top);
	json_object_array_add(ranking->list, object);
}

static void
percent_cell(struct table *table, uint64_t used, uint64_t max)
{
	if (max == 0)
		table_cell(table, "-");
	else
		table_cell(table, "%.0f %%", (double)used * 100 / (double)max);
}

static bool
tell_text(struct ranking *ranking)
{
	static const char *const words[] = { "", "NAME", "USED", "MAX", "" };
	struct arena *arena = &ranking->question.arena;
	const struct limit *limit = ranking->limit;
	struct table table;

	print_line(stdout, "", "%s: %s by %s, per %s", limit->name,
	    limits_count_name(limit->count), limits_key_name(limit->key),
	    print_duration(arena, limit->per_ms));
	if (ranking->leaders.count == 0) {
		puts("  nobody");
		return true;
	}
	table_init(&table, arena, "rlrrr");
	table.indent = "  ";
	table_row(&table);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		table_cell(&table, "%s", words[i]);
	for (size_t i = 0; i < ranking->leaders.count; i++) {
		const struct leader *leader = &ranking->leaders.list[i];
		uint64_t max = max_of(ranking, leader->name);

		table_row(&table);
		table_cell(&table, "%zu", i + 1);
		table_cell(&table, "%s", leader->name);
		table_cell(&table, "%" PRIu64, leader->used);
		table_cell(&table, "%" PRIu64, max);
		percent_cell(&table, leader->used, max);
	}
	return table_print(&table, stdout);
}

/* Find them, then what is said of them, then tell. */
static bool
rank(struct ranking *ranking, struct fault *fault)
{
	struct question *question = &ranking->question;

	if (!leaders_init(&ranking->leaders, ranking->rows)) {
		fault_memory(fault);
		return false;
	}
	if (!store_counts(
		question->store, ranking->limit, note, ranking, fault))
		return false;
	leaders_sort(&ranking->leaders);
	if (!ranking->is_broken
	    && !overrides_read(question->store, is_of_leader, ranking,
		&question->arena, &ranking->overrides, fault))
		return false;
	if (question->ctl->is_json)
		tell_json(ranking);
	else if (!ranking->is_broken)
		ranking->is_broken = !tell_text(ranking);
	if (ranking->is_broken)
		fault_memory(fault);
	return !ranking->is_broken;
}

static int
end(struct ranking *ranking, int status)
{
	json_object_put(ranking->list);
	return question_end(&ranking->question, status);
}

static int
tell_end(struct ranking *ranking, size_t count)
{
	struct json_object *answer;

	if (ranking->question.ctl->is_json) {
		answer = json_object_new_object();
		json_object_object_add(
		    answer, "limits", json_object_get(ranking->list));
		print_json(answer);
	} else if (count == 0) {
		puts("There is no such limit.");
	}
	return end(ranking, CTL_YES);
}

int
ctl_top(struct ctl *ctl, int argc, char **argv)
{
	struct ranking ranking = { .question.ctl = ctl };
	struct question *question = &ranking.question;
	size_t count = 0;
	struct fault fault;

	if (!read_arguments(&ranking, argc, argv) || !question_read(question)
	    || (question->limit_name != NULL
		&& question_find_limit(question) == NULL)
	    || !question_open(question))
		return question_end(question, ctl->status);
	ranking.list = json_object_new_array();
	for (size_t i = 0; i < question_limit_count(question); i++) {
		bool is_good;

		ranking.limit = question_limit(question, i);
		if (!is_wanted(&ranking, ranking.limit))
			continue;
		if (count++ > 0 && !ctl->is_json)
			puts("");
		is_good = rank(&ranking, &fault);
		leaders_clear(&ranking.leaders);
		overrides_clear(&ranking.overrides);
		if (!is_good)
			return end(&ranking, ctl_fail(&fault));
	}
	return tell_end(&ranking, count);
}
