#include "milter/io/dial.h"

#include "milter/io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

uint64_t
dial_left_us(uint64_t deadline_us)
{
	uint64_t now_us = clock_monotonic_us();

	return deadline_us > now_us ? deadline_us - now_us : 0;
}

bool
dial_wait(int fd, short events, uint64_t deadline_us)
{
	struct pollfd one = { .fd = fd, .events = events };

	for (;;) {
		uint64_t ms = (dial_left_us(deadline_us) + 999) / 1000;
		int ready;

		if (ms == 0)
			return false;
		ready = poll(&one, 1, ms < INT_MAX ? (int)ms : INT_MAX);
		if (ready > 0)
			return true;
		if (ready < 0 && errno != EINTR)
			return false;
	}
}

/* 0, or an errno. */
static int
connect_tcp(int fd, const struct redis_address *address, uint64_t deadline_us)
{
	int error = 0;
	socklen_t length = sizeof(error);
	int on = 1;

	/* It only makes it faster. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return errno;
	if (connect(
		fd, (const struct sockaddr *)&address->socket, address->length)
	    == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return errno;
	if (!dial_wait(fd, POLLOUT, deadline_us))
		return ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return errno;
	return error;
}

/* Without blocking, a unix socket whose queue is full would fail at once. */
static int
connect_unix(int fd, const struct redis_address *address, uint64_t deadline_us)
{
	for (;;) {
		uint64_t us = dial_left_us(deadline_us);
		struct timeval time = {
			.tv_sec = (time_t)(us / 1000000),
			.tv_usec = (suseconds_t)(us % 1000000),
		};

		if (us == 0)
			return ETIMEDOUT;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))
		    != 0)
			return errno;
		if (connect(fd, (const struct sockaddr *)&address->socket,
			address->length)
		    == 0)
			return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
		if (errno != EINTR)
			return errno == EAGAIN ? ETIMEDOUT : errno;
	}
}

static int
dial_one(const struct redis_address *address, uint64_t deadline_us,
    struct fault *fault)
{
	int family = address->socket.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = errno;

	if (fd >= 0)
		error = family == AF_UNIX
		    ? connect_unix(fd, address, deadline_us)
		    : connect_tcp(fd, address, deadline_us);
	if (fd >= 0 && error == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	fault_set(fault, FAULT_TEMPORARY, "can't connect: %s",
	    strerrordesc_np(error));
	return -1;
}

int
dial(const struct redis_address *addresses, size_t count, uint64_t deadline_us,
    struct fault *fault)
{
	int fd = -1;

	fault_set(fault, FAULT_TEMPORARY,
	    "its host's address isn't known (yet): the resolver must know it");
	for (size_t i = 0; i < count && fd < 0; i++) {
		uint64_t share_us = dial_left_us(deadline_us) / (count - i);

		fd = dial_one(
		    &addresses[i], clock_monotonic_us() + share_us, fault);
	}
	return fd;
}
