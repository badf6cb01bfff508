#include "milter/io/redis_link.h"

#include "milter/io/dial.h"
#include "milter/io/redis_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* hiredis 1.0 changed how createArray() is told the number of elements. */
#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

enum {
	CHUNK_BYTES = 16384,
	/* A receive timeout of the socket need not be set anew for less. */
	SLACK_US = 2000,
};

/* A plain link reads with the socket's own timeout, which spares the poll(2)
 * of each command; under TLS one record may take several reads, each of which
 * would have that time, so there the socket doesn't block. */
struct redis_link {
	redisContext *context;
	struct redis_node node;
	redisReplyObjectFunctions functions;
	void *(*create_array)(const redisReadTask *, element_count);
	size_t elements_left; /* of the answer being read */
	uint64_t timeout_us;  /* what the socket's is; 0 none */
	bool is_tls;
	bool is_broken;
};

/* Words for what errno says. */
static void
fail_errno(struct redis_link *link, struct fault *fault)
{
	int error = errno;

	link->is_broken = true;
	fault_set(fault, error == ENOMEM ? FAULT_MEMORY : FAULT_TEMPORARY, "%s",
	    strerror(error));
}

static void
fail(struct redis_link *link, struct fault *fault, const char *words)
{
	link->is_broken = true;
	fault_set(fault, FAULT_TEMPORARY, "%s", words);
}

static void
fail_late(struct redis_link *link, struct fault *fault)
{
	fail(link, fault, "no answer in time");
}

static bool
set_timeout(int fd, int option, uint64_t us)
{
	struct timeval time = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_usec = (suseconds_t)(us % 1000000),
	};

	return setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) == 0;
}

/* A hostile count of elements would cost memory for each, for a dozen octets
 * in the answer. */
static void *
create_array(const redisReadTask *task, element_count count)
{
	struct redis_link *link = task->privdata;

	if ((size_t)count > link->elements_left) /* a negative one too */
		return NULL;
	link->elements_left -= (size_t)count;
	return link->create_array(task, count);
}

static bool
adopt(struct redis_link *link, int fd)
{
	redisContext *context = redisConnectFd(fd);

	if (context == NULL)
		return false;
	link->context = context;
	link->functions = *context->reader->fn;
	link->create_array = link->functions.createArray;
	link->functions.createArray = create_array;
	context->reader->fn = &link->functions;
	context->reader->privdata = link;
	context->flags &= ~REDIS_BLOCK;
	return true;
}

struct redis_link *
redis_link_open(const struct redis_node *node,
    const struct redis_address *addresses, size_t count, struct redis_tls *tls,
    uint64_t deadline_us, struct fault *fault)
{
	struct redis_link *link;
	int fd = dial(addresses, count, deadline_us, fault);
	int on = 1;

	if (fd < 0)
		return NULL;
	/* It only makes the end of a dead server known sooner. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	link = calloc(1, sizeof(*link));
	if (link == NULL || !adopt(link, fd)) {
		(void)close(fd);
		free(link);
		fault_memory(fault);
		return NULL;
	}
	link->node = *node;
	link->is_tls = tls != NULL;
	if (fcntl(fd, F_SETFL, link->is_tls ? O_NONBLOCK : 0) != 0)
		fail_errno(link, fault);
	else if (tls == NULL
	    || redis_tls_begin(
		tls, link->context, node->host, deadline_us, fault))
		return link;
	redis_link_close(&link);
	return NULL;
}

void
redis_link_close(struct redis_link **link)
{
	if (*link == NULL)
		return;
	redisFree((*link)->context);
	free(*link);
	*link = NULL;
}

const struct redis_node *
redis_link_node(const struct redis_link *link)
{
	return &link->node;
}

static bool
send_plain(struct redis_link *link, const char *data, size_t length,
    uint64_t deadline_us, bool *is_unsent_out, struct fault *fault)
{
	size_t done = 0;

	while (done < length) {
		ssize_t sent = send(link->context->fd, data + done,
		    length - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			done += (size_t)sent;
			*is_unsent_out = false;
		} else if (errno == EAGAIN) {
			if (dial_wait(link->context->fd, POLLOUT, deadline_us))
				continue;
			fail_late(link, fault);
			return false;
		} else if (errno != EINTR) {
			fail_errno(link, fault);
			return false;
		}
	}
	return true;
}

/* What hiredis says that went wrong under TLS. */
static void
fail_context(struct redis_link *link, struct fault *fault)
{
	fail(link, fault,
	    link->context->errstr[0] != '\0' ? link->context->errstr
					     : "the connection broke");
}

static bool
send_tls(struct redis_link *link, const char *data, size_t length,
    uint64_t deadline_us, bool *is_unsent_out, struct fault *fault)
{
	int is_done = 0;

	if (redisAppendFormattedCommand(link->context, data, length)
	    != REDIS_OK) {
		link->is_broken = true;
		fault_memory(fault);
		return false;
	}
	*is_unsent_out = false;
	for (;;) {
		if (redisBufferWrite(link->context, &is_done) != REDIS_OK) {
			fail_context(link, fault);
			return false;
		}
		if (is_done != 0)
			return true;
		if (!dial_wait(link->context->fd, POLLOUT, deadline_us)) {
			fail_late(link, fault);
			return false;
		}
	}
}

/* Give the socket a timeout that ends at the deadline, or little later. */
static bool
arm(struct redis_link *link, uint64_t deadline_us, struct fault *fault)
{
	uint64_t us = dial_left_us(deadline_us);

	if (us == 0) {
		fail_late(link, fault);
		return false;
	}
	if (link->timeout_us != 0 && link->timeout_us <= us + SLACK_US
	    && link->timeout_us >= us / 2)
		return true;
	if (!set_timeout(link->context->fd, SO_RCVTIMEO, us)) {
		fail_errno(link, fault);
		return false;
	}
	link->timeout_us = us;
	return true;
}

/* Read what is there, at least an octet; how many goes to *got_out. */
static bool
read_plain(struct redis_link *link, uint64_t deadline_us, size_t *got_out,
    struct fault *fault)
{
	char chunk[CHUNK_BYTES];

	for (;;) {
		ssize_t got;

		if (!arm(link, deadline_us, fault))
			return false;
		got = recv(link->context->fd, chunk, sizeof(chunk), 0);
		if (got > 0) {
			*got_out = (size_t)got;
			if (redisReaderFeed(
				link->context->reader, chunk, (size_t)got)
			    == REDIS_OK)
				return true;
			link->is_broken = true;
			fault_memory(fault);
			return false;
		}
		if (got == 0) {
			fail(link, fault, "the server closed the connection");
			return false;
		}
		if (errno != EAGAIN && errno != EINTR) {
			fail_errno(link, fault);
			return false;
		}
	}
}

/* The same under TLS: OpenSSL may have octets that poll(2) doesn't see, so it
 * is asked first. */
static bool
read_tls(struct redis_link *link, uint64_t deadline_us, size_t *got_out,
    struct fault *fault)
{
	redisReader *reader = link->context->reader;

	for (;;) {
		size_t before = reader->len;

		if (redisBufferRead(link->context) != REDIS_OK) {
			fail_context(link, fault);
			return false;
		}
		if (reader->len > before) {
			*got_out = reader->len - before;
			return true;
		}
		if (!dial_wait(link->context->fd, POLLIN, deadline_us)) {
			fail_late(link, fault);
			return false;
		}
	}
}

static struct redisReply *
read_answer(struct redis_link *link, uint64_t deadline_us, struct fault *fault)
{
	size_t total = 0;

	link->elements_left = REDIS_ANSWER_ELEMENTS;
	while (total <= REDIS_ANSWER_BYTES) {
		void *answer = NULL;
		size_t got = 0;
		bool is_read = link->is_tls
		    ? read_tls(link, deadline_us, &got, fault)
		    : read_plain(link, deadline_us, &got, fault);

		if (!is_read)
			return NULL;
		total += got;
		if (redisReaderGetReply(link->context->reader, &answer)
		    != REDIS_OK) {
			fail(link, fault,
			    "it sent what Redis doesn't: is it another "
			    "service?");
			return NULL;
		}
		if (answer != NULL)
			return answer;
	}
	fail(link, fault, "its answer is too long");
	return NULL;
}

/* hiredis doesn't change the words, but has forgotten to say so. */
static long long
format(char **command_out, int count, const char *const *words,
    const size_t *lengths)
{
	const char **argv;

	memcpy(&argv, &words, sizeof(argv));
	return redisFormatCommandArgv(command_out, count, argv, lengths);
}

struct redisReply *
redis_link_command(struct redis_link *link, int count, const char *const *words,
    const size_t *lengths, uint64_t deadline_us, bool *is_unsent_out,
    struct fault *fault)
{
	char *command = NULL;
	long long length = format(&command, count, words, lengths);
	bool is_sent;

	*is_unsent_out = true;
	if (length < 0) {
		fault_memory(fault);
		return NULL;
	}
	is_sent = (link->is_tls ? send_tls : send_plain)(
	    link, command, (size_t)length, deadline_us, is_unsent_out, fault);
	/* It may be AUTH. */
	explicit_bzero(command, (size_t)length);
	redisFreeCommand(command);
	return is_sent ? read_answer(link, deadline_us, fault) : NULL;
}

bool
redis_link_is_alive(struct redis_link *link)
{
	redisReader *reader = link->context->reader;
	char octet;
	ssize_t got;

	/* An answer that nobody asked for: of whatever came before. */
	if (link->is_broken || reader->pos != reader->len)
		return false;
	got = recv(link->context->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	/* TLS has words of its own, such as session tickets. */
	return got > 0 && link->is_tls
	    && redisBufferRead(link->context) == REDIS_OK
	    && reader->pos == reader->len;
}
