#include "milter/ctl/ctl.h"
#include "milter/ctl/print.h"

#include <json-c/json.h>
#include <stdio.h>

/* Large maps take their time. */
enum { PATIENCE_MS = 120000 };

/* A configuration that can't be read doesn't tell where the daemon listens
 * either; and the daemon would say of it what is said here. */
static struct json_object *
answer_bad_conf(struct ctl *ctl)
{
	struct conf_errors errors = { NULL, 0 };
	struct json_object *answer = NULL;
	struct json_object *list;

	ctl->conf = conf_read(ctl->file, &errors);
	if (ctl->conf == NULL) {
		answer = json_object_new_object();
		list = json_object_new_array();
		for (size_t i = 0; i < errors.count; i++)
			json_object_array_add(
			    list, print_json_text(errors.lines[i]));
		json_object_object_add(
		    answer, "ok", json_object_new_boolean(false));
		json_object_object_add(answer, "errors", list);
	}
	conf_errors_clear(&errors);
	return answer;
}

/* Print the lines that answer has under name. Returns how many. */
static size_t
print_lines(struct json_object *answer, const char *name, const char *label)
{
	struct json_object *lines;
	size_t count = 0;

	if (json_object_object_get_ex(answer, name, &lines)
	    && json_object_is_type(lines, json_type_array))
		count = json_object_array_length(lines);
	for (size_t i = 0; i < count; i++) {
		const char *line =
		    json_object_get_string(json_object_array_get_idx(lines, i));

		print_line(
		    stderr, "", "%s%s", label, line != NULL ? line : "?");
	}
	return count;
}

static void
tell(struct json_object *answer, bool is_done)
{
	size_t count = print_lines(answer, "errors", "");

	(void)print_lines(answer, "warnings", "warning: ");
	if (is_done)
		puts("The new configuration is in force.");
	else if (count > 0)
		fputs("The configuration that was in force stays.\n", stderr);
	else
		fputs("The configuration that was in force stays; the "
		      "daemon's log says why.\n",
		    stderr);
}

int
ctl_reload(struct ctl *ctl, int argc, char **argv)
{
	struct json_object *answer;
	struct json_object *ok;
	struct fault fault;
	bool is_done;

	if (!ctl_no_arguments(ctl, argc, argv))
		return ctl->status;
	answer = answer_bad_conf(ctl);
	if (answer == NULL)
		answer = ctl_ask(ctl, "reload", PATIENCE_MS, &fault);
	if (answer == NULL)
		return ctl_fail(&fault);
	is_done = json_object_object_get_ex(answer, "ok", &ok)
	    && json_object_get_boolean(ok);
	if (ctl->is_json) {
		print_json(answer);
	} else {
		tell(answer, is_done);
		json_object_put(answer);
	}
	return is_done ? CTL_YES : CTL_NO;
}
