#include "milter/ctl/ctl.h"
#include "milter/ctl/overrides.h"
#include "milter/ctl/print.h"
#include "milter/ctl/question.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* The kind of key that an override blocks. False: it is no block. */
static bool
find_kind(const struct store_override *override, enum limit_key *key_out)
{
	for (int key = 0; key < LIMIT_KEY_COUNT; key++) {
		const struct limit *block = limits_block((enum limit_key)key);

		if (block == NULL || override->max != 0
		    || strcmp(block->name, override->limit_name) != 0)
			continue;
		*key_out = (enum limit_key)key;
		return true;
	}
	return false;
}

static bool
is_block(const void *context, const struct store_override *override)
{
	const struct question *question = context;
	enum limit_key key;

	return find_kind(override, &key)
	    && (question->key_name == NULL || key == question->key);
}

static void
tell_json(const struct overrides *blocks)
{
	struct json_object *answer = json_object_new_object();
	struct json_object *list = json_object_new_array();
	enum limit_key key;

	for (size_t i = 0; i < blocks->count; i++) {
		const struct store_override *block = &blocks->list[i];
		struct json_object *one = overrides_json(block, blocks->now_ms);

		if (find_kind(block, &key))
			json_object_object_add(
			    one, "key", print_json_text(limits_key_name(key)));
		json_object_object_add(
		    one, "value", print_json_text(block->key));
		json_object_array_add(list, one);
	}
	json_object_object_add(answer, "blocked", list);
	print_json(answer);
}

static bool
tell_text(const struct overrides *blocks, struct arena *arena)
{
	static const char *const words[] = { "KEY", "NAME", "UNTIL", "REASON" };
	struct table table;
	enum limit_key key;

	if (blocks->count == 0) {
		puts("Nobody is blocked.");
		return true;
	}
	table_init(&table, arena, "llll");
	table_row(&table);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		table_cell(&table, "%s", words[i]);
	for (size_t i = 0; i < blocks->count; i++) {
		const struct store_override *block = &blocks->list[i];

		if (!find_kind(block, &key))
			continue;
		table_row(&table);
		table_cell(&table, "%s", limits_key_name(key));
		table_cell(&table, "%s", block->key);
		table_cell(&table, "%s",
		    block->until_ms != 0 ? print_time(arena, block->until_ms)
					 : "for good");
		if (*block->words != '\0')
			table_cell(&table, "%s", block->words);
	}
	return table_print(&table, stdout);
}

static bool
read_arguments(struct question *question, int argc, char **argv)
{
	enum { OPTION_KEY = 256 };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "key", required_argument, NULL, OPTION_KEY },
		{ NULL, 0, NULL, 0 },
	};

	while (ctl_option(question->ctl, argc, argv, options) != -1)
		question->key_name = optarg;
	if (question->ctl->is_over || !question_key(question))
		return false;
	if (optind == argc)
		return true;
	question->ctl->status =
	    ctl_usage(question->ctl, "no arguments are expected");
	return false;
}

int
ctl_blocked(struct ctl *ctl, int argc, char **argv)
{
	struct question question = { .ctl = ctl };
	struct overrides blocks = { .list = NULL };
	struct fault fault;
	int status = CTL_YES;

	if (!read_arguments(&question, argc, argv) || !question_read(&question)
	    || !question_open(&question))
		return question_end(&question, ctl->status);
	if (!overrides_read(question.store, is_block, &question,
		&question.arena, &blocks, &fault)) {
		status = ctl_fail(&fault);
	} else if (ctl->is_json) {
		tell_json(&blocks);
	} else if (!tell_text(&blocks, &question.arena)) {
		fault_memory(&fault);
		status = ctl_fail(&fault);
	}
	overrides_clear(&blocks);
	return question_end(&question, status);
}
