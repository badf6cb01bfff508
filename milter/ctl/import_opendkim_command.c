#include "milter/ctl/ctl.h"
#include "milter/ctl/import_opendkim.h"
#include "milter/ctl/print.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_BYTES = 256 * 1024 * 1024 };

/* What was asked for. */
struct request {
	struct ctl *ctl;
	struct arena arena;
	struct import_order order;
	const char *owners;
	const char *output; /* NULL: standard output */
};

static bool
refuse(struct request *request, const char *words)
{
	request->ctl->status = ctl_usage(request->ctl, words);
	return false;
}

static bool
fail(struct request *request, const struct fault *fault)
{
	request->ctl->status = ctl_fail(fault);
	return false;
}

static bool
check_owners(struct request *request)
{
	struct import_order *order = &request->order;
	const char *owners = request->owners;

	if (owners == NULL)
		order->owners = order->map != NULL ? IMPORT_OWNERS_MAP
						   : IMPORT_OWNERS_FOUND;
	else if (strcmp(owners, "all") == 0)
		order->owners = IMPORT_OWNERS_ALL;
	else if (strcmp(owners, "own") == 0)
		order->owners = IMPORT_OWNERS_OWN;
	else if (strcmp(owners, "map") == 0)
		order->owners = IMPORT_OWNERS_MAP;
	else
		return refuse(request, "--owners: all, own or map");
	if (order->owners == IMPORT_OWNERS_MAP && order->map == NULL)
		return refuse(request,
		    "which map? (--map texthash:/etc/postfix/sender_logins)");
	if (order->owners != IMPORT_OWNERS_MAP && order->map != NULL)
		return refuse(request, "--map goes with --owners map");
	return true;
}

static bool
read_arguments(struct request *request, int argc, char **argv)
{
	enum { OPTION_OUTPUT = 256, OPTION_OWNERS, OPTION_MAP };
	static const struct option options[] = {
		CTL_OPTIONS,
		{ "output", required_argument, NULL, OPTION_OUTPUT },
		{ "owners", required_argument, NULL, OPTION_OWNERS },
		{ "map", required_argument, NULL, OPTION_MAP },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = ctl_option(request->ctl, argc, argv, options)) != -1) {
		if (option == OPTION_OUTPUT)
			request->output = optarg;
		else if (option == OPTION_OWNERS)
			request->owners = optarg;
		else
			request->order.map = optarg;
	}
	if (request->ctl->is_over)
		return false;
	if (argc - optind != 1)
		return refuse(request,
		    argc > optind ? "one file at a time"
				  : "which file? (/etc/opendkim.conf)");
	request->order.file = argv[optind];
	return check_owners(request);
}

/* path as it is seen from everywhere. */
static const char *
absolute(struct request *request, const char *path, struct fault *fault)
{
	char *found = realpath(path, NULL);
	const char *kept =
	    found != NULL ? arena_strdup(&request->arena, found) : NULL;

	if (found == NULL)
		fault_set(fault, FAULT_PERMANENT, "%s: %s", path,
		    strerrordesc_np(errno));
	else if (kept == NULL)
		fault_memory(fault);
	free(found);
	return kept;
}

static bool
find_places(struct request *request)
{
	struct import_order *order = &request->order;
	struct stat status;
	struct fault fault;

	order->file = absolute(request, order->file, &fault);
	if (order->file == NULL)
		return fail(request, &fault);
	if (request->output == NULL || stat(request->output, &status) != 0
	    || !S_ISDIR(status.st_mode))
		return true;
	order->directory = absolute(request, request->output, &fault);
	return order->directory != NULL || fail(request, &fault);
}

/* A new file; what is there already is somebody's work. */
static bool
write_file(const char *path, const char *text, struct fault *fault)
{
	size_t length = strlen(text), written = 0;
	int descriptor =
	    open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int error;

	if (descriptor < 0) {
		fault_set(fault, FAULT_PERMANENT, "%s: %s", path,
		    errno == EEXIST ? "is there already; move it away, or "
				      "take another place"
				    : strerrordesc_np(errno));
		return false;
	}
	error = fchmod(descriptor, 0644) == 0 ? 0 : errno;
	while (error == 0 && written < length) {
		ssize_t put =
		    write(descriptor, text + written, length - written);

		if (put >= 0)
			written += (size_t)put;
		else if (errno != EINTR)
			error = errno;
	}
	if (close(descriptor) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return true;
	fault_set(
	    fault, FAULT_PERMANENT, "%s: %s", path, strerrordesc_np(error));
	return false;
}

static bool
write_beside(struct request *request, const char *name, const char *text,
    struct fault *fault)
{
	const char *path;

	if (text == NULL)
		return true;
	path = arena_printf(
	    &request->arena, "%s/%s", request->order.directory, name);
	if (path == NULL) {
		fault_memory(fault);
		return false;
	}
	return write_file(path, text, fault);
}

static bool
write_all(struct request *request, const struct import_answer *answer,
    struct fault *fault)
{
	if (request->output == NULL) {
		if (!request->ctl->is_json)
			fputs(answer->conf, stdout);
		return true;
	}
	if (request->order.directory == NULL)
		return write_file(request->output, answer->conf, fault);
	return write_beside(request, IMPORT_KEY_TABLE, answer->key_table, fault)
	    && write_beside(
		request, IMPORT_SIGNING_TABLE, answer->signing_table, fault)
	    && write_beside(request, "postern.conf", answer->conf, fault);
}

static void
tell(const struct import_answer *answer)
{
	for (const struct import_note *note = answer->notes; note != NULL;
	     note = note->next)
		fprintf(stderr, "posternctl: %s%s%s%s\n", note->where,
		    *note->where != '\0' ? ": " : "",
		    note->is_loss ? "no equivalent: " : "", note->words);
	if (answer->commands != NULL)
		fputs("To be run as root before the start:\n", stderr);
	for (const struct import_command *command = answer->commands;
	     command != NULL; command = command->next)
		fprintf(stderr, "  %s\n", command->text);
}

static void
tell_json(const struct import_answer *answer)
{
	struct json_object *object = json_object_new_object();
	struct json_object *notes = json_object_new_array();
	struct json_object *commands = json_object_new_array();

	for (const struct import_note *note = answer->notes; note != NULL;
	     note = note->next) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(
		    one, "where", print_json_text(note->where));
		json_object_object_add(
		    one, "words", print_json_text(note->words));
		json_object_object_add(one, "has_equivalent",
		    json_object_new_boolean(!note->is_loss));
		json_object_array_add(notes, one);
	}
	for (const struct import_command *command = answer->commands;
	     command != NULL; command = command->next)
		json_object_array_add(commands, print_json_text(command->text));
	json_object_object_add(
	    object, "configuration", json_object_new_string(answer->conf));
	json_object_object_add(object, "notes", notes);
	json_object_object_add(object, "commands", commands);
	print_json(object);
}

static int
run(struct request *request)
{
	struct import_answer answer;
	struct fault fault;

	if (!find_places(request))
		return request->ctl->status;
	if (!import_opendkim(&request->order, &request->arena, &answer, &fault)
	    || !write_all(request, &answer, &fault))
		return ctl_fail(&fault);
	if (request->ctl->is_json)
		tell_json(&answer);
	else
		tell(&answer);
	return answer.has_loss ? CTL_NO : CTL_YES;
}

int
ctl_import_opendkim(struct ctl *ctl, int argc, char **argv)
{
	struct request request = { .ctl = ctl };
	int status;

	arena_init(&request.arena, ARENA_BYTES);
	status =
	    read_arguments(&request, argc, argv) ? run(&request) : ctl->status;
	arena_clear(&request.arena);
	return status;
}
