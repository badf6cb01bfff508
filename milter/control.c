#include "milter/control.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { QUESTION_BYTES = 64, PATIENCE_S = 5 };

/* The mode of the socket says the same; a path that somebody opened up by
 * mistake gives nothing away. */
static bool
may_ask(const struct daemon *daemon, int fd)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0
	    && (peer.uid == 0 || peer.uid == daemon->identity.uid);
}

static bool
read_question(int fd, char *question)
{
	size_t length = 0;
	char *end = NULL;

	while (end == NULL && length < QUESTION_BYTES - 1) {
		ssize_t got =
		    read(fd, question + length, QUESTION_BYTES - 1 - length);

		if (got <= 0)
			return false;
		length += (size_t)got;
		question[length] = '\0';
		end = strchr(question, '\n');
	}
	if (end == NULL)
		return false;
	*end = '\0';
	return true;
}

static void
add_lines(struct json_object *answer, const char *name,
    const struct conf_errors *lines)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < lines->count; i++)
		json_object_array_add(
		    list, json_object_new_string(lines->lines[i]));
	json_object_object_add(answer, name, list);
}

static void
add_warning(void *context, const struct fault *fault)
{
	conf_errors_add(context, "%s", fault->words);
}

static struct json_object *
answer_reload(struct daemon *daemon)
{
	struct json_object *answer = json_object_new_object();
	struct conf_errors errors = { NULL, 0 };
	struct conf_errors warnings;
	bool is_done = daemon_reload(daemon, &errors, &warnings);

	if (is_done)
		watching_ask(&daemon->services, add_warning, &warnings);
	json_object_object_add(answer, "ok", json_object_new_boolean(is_done));
	add_lines(answer, "errors", &errors);
	add_lines(answer, "warnings", &warnings);
	conf_errors_clear(&errors);
	conf_errors_clear(&warnings);
	return answer;
}

static struct json_object *
answer_question(struct daemon *daemon, const char *question)
{
	struct json_object *answer;

	if (strcmp(question, "reload") == 0)
		return answer_reload(daemon);
	if (strcmp(question, "status") == 0) {
		answer = daemon_status(daemon);
	} else {
		answer = json_object_new_object();
		if (strcmp(question, "forget") == 0)
			refusals_clear(daemon->services.refusals);
		else
			json_object_object_add(answer, "error",
			    json_object_new_string("unknown question"));
	}
	json_object_object_add(answer, "ok",
	    json_object_new_boolean(
		!json_object_object_get_ex(answer, "error", NULL)));
	return answer;
}

static void
write_answer(int fd, struct json_object *answer)
{
	size_t length;
	const char *line = json_object_to_json_string_length(
	    answer, JSON_C_TO_STRING_PLAIN, &length);
	size_t done = 0;

	while (line != NULL && done < length) {
		ssize_t sent =
		    send(fd, line + done, length - done, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		done += (size_t)sent;
	}
	(void)send(fd, "\n", 1, MSG_NOSIGNAL);
}

static void
serve_one(struct daemon *daemon, int fd)
{
	struct timeval patience = { PATIENCE_S, 0 };
	char question[QUESTION_BYTES];
	struct json_object *answer;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience))
		!= 0
	    || setsockopt(
		   fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience))
		!= 0
	    || !may_ask(daemon, fd) || !read_question(fd, question))
		return;
	answer = answer_question(daemon, question);
	write_answer(fd, answer);
	json_object_put(answer);
}

void
control_serve(struct daemon *daemon)
{
	struct pollfd waiting = { .fd = daemon->control_fd, .events = POLLIN };
	int fd;

	while (!atomic_load(&daemon->is_ending)) {
		if (poll(&waiting, 1, 1000) <= 0)
			continue;
		fd = accept4(daemon->control_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve_one(daemon, fd);
		close(fd);
	}
}
