#include "milter/io/socketmap_link.h"

#include "milter/io/dial.h"
#include "policy/text.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum {
	FIRST_BYTES = 1024, /* nearly all answers have less */
	DIGITS_MOST = 6,    /* of a netstring's length */
};

struct socketmap_link {
	int fd;
	bool is_spoilt;
	char socket[];
};

/* What came before the length of the answer was known. */
struct beginning {
	char octets[FIRST_BYTES];
	size_t used;
	size_t head;   /* octets up to the ':'; 0: not seen yet */
	size_t length; /* of the answer */
};

/* "HOST:PORT", or a path, as a node; false if it is neither. */
static bool
read_socket(const char *socket, struct redis_node *node_out)
{
	const char *host = socket + strlen("inet:");
	const char *colon = strrchr(socket, ':');
	uint64_t port;
	size_t length;

	if (strncmp(socket, "unix:", strlen("unix:")) == 0)
		return redis_node_set(node_out, host, strlen(host), 0);
	if (strncmp(socket, "inet:", strlen("inet:")) != 0 || colon <= host
	    || !text_number(colon + 1, 1, UINT16_MAX, &port))
		return false;
	length = (size_t)(colon - host);
	if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
		host++;
		length -= 2;
	}
	return redis_node_set(node_out, host, length, (uint16_t)port);
}

/* A host that was never asked for is waited for, others are looked up again
 * now and then in nobody's way. */
static size_t
find_addresses(struct redis_names *names, const struct redis_node *node,
    uint64_t wait_us, struct redis_address addresses_out[REDIS_ADDRESSES])
{
	size_t count = redis_names_find(names, node, addresses_out);

	redis_names_refresh(names, count > 0 ? 0 : wait_us);
	return count > 0 ? count : redis_names_find(names, node, addresses_out);
}

struct socketmap_link *
socketmap_link_open(const char *socket, struct redis_names *names,
    uint64_t deadline_us, struct fault *fault)
{
	struct redis_address addresses[REDIS_ADDRESSES];
	size_t size = strlen(socket) + 1;
	struct socketmap_link *link;
	struct redis_node node;
	size_t count;

	if (!read_socket(socket, &node)) {
		fault_set(fault, FAULT_PERMANENT,
		    "is no socket; write inet:HOST:PORT or unix:PATH");
		return NULL;
	}
	link = calloc(1, sizeof(*link) + size);
	if (link == NULL) {
		fault_memory(fault);
		return NULL;
	}
	memcpy(link->socket, socket, size);
	count =
	    find_addresses(names, &node, dial_left_us(deadline_us), addresses);
	link->fd = dial(addresses, count, deadline_us, fault);
	if (link->fd < 0) {
		free(link);
		return NULL;
	}
	return link;
}

void
socketmap_link_close(struct socketmap_link **link)
{
	if (*link == NULL)
		return;
	(void)close((*link)->fd);
	free(*link);
	*link = NULL;
}

const char *
socketmap_link_socket(const struct socketmap_link *link)
{
	return link->socket;
}

bool
socketmap_link_is_alive(struct socketmap_link *link)
{
	char octet;

	if (link->is_spoilt)
		return false;
	/* Nothing was asked: an octet that waits would be taken for the
	 * beginning of the next answer. */
	return recv(link->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0
	    && errno == EAGAIN;
}

static enum socketmap_end
fail(struct fault *fault, enum socketmap_end end, const char *words)
{
	fault_set(fault, FAULT_TEMPORARY, "%s", words);
	return end;
}

/* Go on after a call of the system that did nothing; another end than
 * SOCKETMAP_ANSWERED is that of the question. */
static enum socketmap_end
go_on(const struct socketmap_link *link, short events, uint64_t deadline_us,
    struct fault *fault)
{
	int error = errno;

	if (error == EINTR)
		return SOCKETMAP_ANSWERED;
	if (error != EAGAIN)
		return fail(fault, SOCKETMAP_UNHEARD, strerrordesc_np(error));
	if (!dial_wait(link->fd, events, deadline_us))
		return fail(fault, SOCKETMAP_LATE, "no answer in time");
	return SOCKETMAP_ANSWERED;
}

static enum socketmap_end
send_all(const struct socketmap_link *link, const char *data, size_t length,
    uint64_t deadline_us, struct fault *fault)
{
	enum socketmap_end end = SOCKETMAP_ANSWERED;
	size_t done = 0;

	while (done < length && end == SOCKETMAP_ANSWERED) {
		ssize_t sent = send(link->fd, data + done, length - done,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0)
			done += (size_t)sent;
		else
			end = go_on(link, POLLOUT, deadline_us, fault);
	}
	return end;
}

/* Some octets, at least one. */
static enum socketmap_end
receive(const struct socketmap_link *link, char *space, size_t room,
    uint64_t deadline_us, size_t *got_out, struct fault *fault)
{
	enum socketmap_end end = SOCKETMAP_ANSWERED;

	*got_out = 0;
	while (end == SOCKETMAP_ANSWERED) {
		ssize_t got = recv(link->fd, space, room, MSG_DONTWAIT);

		if (got > 0) {
			*got_out = (size_t)got;
			return SOCKETMAP_ANSWERED;
		}
		if (got == 0)
			return fail(fault, SOCKETMAP_UNHEARD,
			    "the server closed the connection");
		end = go_on(link, POLLIN, deadline_us, fault);
	}
	return end;
}

/* Look for "LENGTH:". False: it can't be one any more. */
static bool
read_head(struct beginning *beginning)
{
	char digits[DIGITS_MOST + 1];
	size_t count = 0;
	uint64_t length;

	while (count < beginning->used && count <= DIGITS_MOST
	    && beginning->octets[count] >= '0'
	    && beginning->octets[count] <= '9')
		count++;
	if (count > DIGITS_MOST || (count > 1 && beginning->octets[0] == '0'))
		return false;
	if (count == beginning->used)
		return true;
	memcpy(digits, beginning->octets, count);
	digits[count] = '\0';
	if (beginning->octets[count] != ':'
	    || !text_number(digits, 0, SIZE_MAX, &length))
		return false;
	beginning->head = count + 1;
	beginning->length = (size_t)length;
	return true;
}

static enum socketmap_end
receive_beginning(const struct socketmap_link *link, uint64_t deadline_us,
    struct beginning *beginning, struct fault *fault)
{
	beginning->used = 0;
	beginning->head = 0;
	while (beginning->head == 0) {
		size_t got;
		enum socketmap_end end =
		    receive(link, beginning->octets + beginning->used,
			sizeof(beginning->octets) - beginning->used,
			deadline_us, &got, fault);

		if (end == SOCKETMAP_UNHEARD && beginning->used > 0)
			end = SOCKETMAP_BROKEN;
		if (end != SOCKETMAP_ANSWERED)
			return end;
		beginning->used += got;
		if (!read_head(beginning))
			return fail(fault, SOCKETMAP_BROKEN,
			    "the answer is no netstring; is it a socketmap "
			    "server?");
	}
	if (beginning->length > SOCKETMAP_REPLY_BYTES)
		return fail(
		    fault, SOCKETMAP_BROKEN, "an answer of more than 64 KiB");
	return SOCKETMAP_ANSWERED;
}

/* Fill the rest of space, which has room for what is announced and its ','. */
static enum socketmap_end
receive_rest(struct socketmap_link *link, const struct beginning *beginning,
    uint64_t deadline_us, char *space, struct fault *fault)
{
	size_t wanted = beginning->length + 1;
	size_t used = beginning->used - beginning->head;

	link->is_spoilt = used > wanted;
	if (used > wanted)
		used = wanted;
	memcpy(space, beginning->octets + beginning->head, used);
	while (used < wanted) {
		size_t got;
		enum socketmap_end end = receive(link, space + used,
		    wanted - used, deadline_us, &got, fault);

		if (end == SOCKETMAP_UNHEARD)
			end = SOCKETMAP_BROKEN;
		if (end != SOCKETMAP_ANSWERED)
			return end;
		used += got;
	}
	if (space[beginning->length] != ',')
		return fail(fault, SOCKETMAP_BROKEN,
		    "the answer is no netstring: ',' is missing at its end");
	space[beginning->length] = '\0';
	return SOCKETMAP_ANSWERED;
}

static enum socketmap_end
receive_answer(struct socketmap_link *link, uint64_t deadline_us,
    char **answer_out, size_t *length_out, struct fault *fault)
{
	struct beginning beginning;
	enum socketmap_end end =
	    receive_beginning(link, deadline_us, &beginning, fault);
	char *answer;

	if (end != SOCKETMAP_ANSWERED)
		return end;
	answer = malloc(beginning.length + 1);
	if (answer == NULL) {
		fault_memory(fault);
		return SOCKETMAP_BROKEN;
	}
	end = receive_rest(link, &beginning, deadline_us, answer, fault);
	if (end != SOCKETMAP_ANSWERED) {
		free(answer);
		return end;
	}
	*answer_out = answer;
	*length_out = beginning.length;
	return SOCKETMAP_ANSWERED;
}

enum socketmap_end
socketmap_link_ask(struct socketmap_link *link, const char *request,
    size_t length, uint64_t deadline_us, char **answer_out, size_t *length_out,
    struct fault *fault)
{
	enum socketmap_end end =
	    send_all(link, request, length, deadline_us, fault);

	*answer_out = NULL;
	*length_out = 0;
	if (end == SOCKETMAP_ANSWERED)
		end = receive_answer(
		    link, deadline_us, answer_out, length_out, fault);
	if (end != SOCKETMAP_ANSWERED)
		link->is_spoilt = true;
	return end;
}
