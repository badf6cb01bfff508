#include "milter/ctl/ctl.h"
#include "milter/ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 10000, ARENA_BYTES = 1024 * 1024 };

/* How the numbers of an answer are shown; all others as they are. */
static bool
is_duration(const char *key)
{
	return strcmp(key, "uptime") == 0 || strcmp(key, "store_since") == 0;
}

static bool
is_time(const char *key)
{
	return strcmp(key, "loaded") == 0;
}

static void
add_value(struct table *table, const char *key, struct json_object *value)
{
	uint64_t number = json_object_get_uint64(value);
	time_t seconds = (time_t)number;
	struct tm parts;
	char when[64];

	if (is_duration(key))
		table_cell(table, "%s",
		    number > 0 ? print_duration(table->arena, number * 1000)
			       : "0 s");
	else if (is_time(key) && localtime_r(&seconds, &parts) != NULL
	    && strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", &parts) > 0)
		table_cell(table, "%s", when);
	else
		table_cell(table, "%s", json_object_get_string(value));
}

/* Words for people: "messages under way". */
static void
add_key(struct table *table, const char *key)
{
	char *words = arena_strdup(table->arena, key);

	for (char *place = words; place != NULL && *place != '\0'; place++)
		if (*place == '_')
			*place = ' ';
	table_cell(table, "%s", words != NULL ? words : key);
}

/* Whatever the daemon says is shown, also by a posternctl that is older. */
static bool
print_values(struct json_object *status, struct arena *arena)
{
	struct table table;

	table_init(&table, arena, "ll");
	json_object_object_foreach(status, key, value)
	{
		if (json_object_is_type(value, json_type_object)
		    || strcmp(key, "ok") == 0)
			continue;
		table_row(&table);
		add_key(&table, key);
		add_value(&table, key, value);
	}
	return table_print(&table, stdout);
}

/* A row for each class, a column for each action. */
static bool
print_messages(struct json_object *classes, struct arena *arena)
{
	bool has_heading = false;
	struct table table;

	table_init(&table, arena, "lrrrrrrr");
	json_object_object_foreach(classes, name, actions)
	{
		if (!json_object_is_type(actions, json_type_object))
			continue;
		if (!has_heading) {
			table_row(&table);
			table_cell(&table, "CLASS");
			json_object_object_foreach(actions, heading, ignored)
			{
				(void)ignored;
				table_cell(&table, "%s", heading);
			}
			has_heading = true;
		}
		table_row(&table);
		table_cell(&table, "%s", name);
		json_object_object_foreach(actions, action, number)
		{
			(void)action;
			table_cell(
			    &table, "%s", json_object_get_string(number));
		}
	}
	printf("\nmessages\n");
	return table_print(&table, stdout);
}

static bool
print_status(struct json_object *status, struct arena *arena)
{
	struct json_object *messages;

	if (!print_values(status, arena))
		return false;
	return !json_object_object_get_ex(status, "messages", &messages)
	    || !json_object_is_type(messages, json_type_object)
	    || print_messages(messages, arena);
}

int
ctl_status(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *status;
	struct arena arena;
	struct fault fault;
	bool is_shown;

	if (!ctl_no_arguments(ctl, argc, argv))
		return ctl->status;
	if (!ctl_read(ctl))
		return CTL_USAGE;
	status = ctl_ask(ctl, "status", PATIENCE_MS, &fault);
	if (status == NULL)
		return ctl_fail(&fault);
	if (ctl->is_json) {
		print_json(status);
		return CTL_YES;
	}
	arena_init(&arena, ARENA_BYTES);
	is_shown = print_status(status, &arena);
	arena_clear(&arena);
	json_object_put(status);
	if (is_shown)
		return CTL_YES;
	fault_memory(&fault);
	return ctl_fail(&fault);
}
