#include "milter/ctl/client.h"

#include "milter/io/clock.h"

#include <assert.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE_BYTES = 4096 };

/* One question under way. */
struct client {
	const char *path;
	uint64_t until_ms;
	int fd;
	char *answer;
	size_t length;
};

static bool
refused(const struct client *client, struct fault *fault)
{
	bool is_gone = errno == ENOENT || errno == ECONNREFUSED;

	if (is_gone)
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: nobody answers there: does postern run?",
		    client->path);
	else if (errno == EACCES || errno == EPERM)
		fault_set(fault, FAULT_PERMANENT,
		    "%s: only root and the daemon's user may ask",
		    client->path);
	else
		fault_set(fault, FAULT_TEMPORARY, "%s: %s", client->path,
		    strerror(errno));
	return false;
}

/* Wait for something to read; false with words when time is up. */
static bool
is_ready(const struct client *client, struct fault *fault)
{
	struct pollfd waiting = { .fd = client->fd, .events = POLLIN };
	uint64_t now_ms = clock_monotonic_ms();

	while (now_ms < client->until_ms) {
		int count = poll(&waiting, 1, (int)(client->until_ms - now_ms));

		if (count > 0)
			return true;
		if (count < 0 && errno != EINTR)
			return refused(client, fault);
		now_ms = clock_monotonic_ms();
	}
	fault_set(fault, FAULT_TEMPORARY,
	    "%s: postern doesn't answer in time: try again", client->path);
	return false;
}

static bool
open_link(struct client *client, struct fault *fault)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(client->path) >= sizeof(address.sun_path)) {
		fault_set(fault, FAULT_PERMANENT,
		    "%s: a socket's path has at most %zu octets", client->path,
		    sizeof(address.sun_path) - 1);
		return false;
	}
	memcpy(address.sun_path, client->path, strlen(client->path));
	/* Non-blocking: a full backlog is EAGAIN, not a wait without end. */
	client->fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd >= 0
	    && connect(client->fd, (struct sockaddr *)&address, sizeof(address))
		== 0)
		return true;
	return refused(client, fault);
}

static bool
send_question(
    const struct client *client, const char *question, struct fault *fault)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "%s\n", question);

	assert(length > 0 && (size_t)length < sizeof(line));
	/* So few octets always fit into a new socket. */
	if (send(client->fd, line, (size_t)length, MSG_NOSIGNAL) == length)
		return true;
	return refused(client, fault);
}

static bool
has_answer(const struct client *client)
{
	return client->length > 0 && client->answer[client->length - 1] == '\n';
}

static bool
read_piece(struct client *client, bool *is_end_out, struct fault *fault)
{
	char *grown = realloc(client->answer, client->length + PIECE_BYTES);
	ssize_t got;

	if (grown == NULL) {
		fault_memory(fault);
		return false;
	}
	client->answer = grown;
	got = read(client->fd, client->answer + client->length, PIECE_BYTES);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		got = 0;
	else if (got < 0)
		return refused(client, fault);
	else
		*is_end_out = got == 0;
	client->length += (size_t)got;
	return true;
}

static bool
read_answer(struct client *client, struct fault *fault)
{
	bool is_end = false;

	while (!is_end && !has_answer(client)
	    && client->length < CLIENT_ANSWER_BYTES)
		if (!is_ready(client, fault)
		    || !read_piece(client, &is_end, fault))
			return false;
	if (has_answer(client))
		return true;
	if (client->length == 0)
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: postern hung up: it ends, or this user may not ask "
		    "it (root and the daemon's own may)",
		    client->path);
	else
		fault_set(fault, FAULT_TEMPORARY,
		    "%s: half an answer: try again", client->path);
	return false;
}

static struct json_object *
parse(struct client *client, struct fault *fault)
{
	struct json_object *answer;

	client->answer[client->length - 1] = '\0';
	answer = json_tokener_parse(client->answer);
	if (json_object_is_type(answer, json_type_object))
		return answer;
	json_object_put(answer);
	fault_set(fault, FAULT_PERMANENT,
	    "%s: no answer of postern: does something else listen there?",
	    client->path);
	return NULL;
}

struct json_object *
client_ask(const char *path, const char *question, uint64_t patience_ms,
    struct fault *fault)
{
	struct client client = { .path = path,
		.until_ms = clock_monotonic_ms() + patience_ms,
		.fd = -1 };
	struct json_object *answer = NULL;

	if (open_link(&client, fault) && send_question(&client, question, fault)
	    && read_answer(&client, fault))
		answer = parse(&client, fault);
	if (client.fd >= 0)
		close(client.fd);
	free(client.answer);
	return answer;
}
