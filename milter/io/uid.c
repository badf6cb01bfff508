#include "milter/io/uid.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 16 * 1024 };

/* States of a socket that a process can still hold and write to or read
 * from. The kernel tells no uid of the others, but 0. */
enum {
	HELD_STATES = 1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1
	    | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSE_WAIT,
	ALL_STATES = (1 << (TCP_CLOSING + 1)) - 2,
	OTHER_ENDS_STATES = 1 << TCP_LISTEN | 1 << TCP_SYN_RECV,
};

/* What is asked for, and what came of it so far. */
struct inquiry {
	const struct address *client;
	const struct address *daemon; /* NULL: any */
	uint16_t client_port;
	uint16_t daemon_port; /* 0: any */
	bool is_search;       /* daemon or daemon_port is not known */
	bool is_found;
	bool is_doubtful; /* one of the sockets has no owner, or another */
	uint32_t uid;
};

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
};

static int64_t
now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
is_v4(const struct address *address)
{
	struct in6_addr aligned; /* octets needn't be */

	memcpy(&aligned, address->octets, sizeof(aligned));
	return IN6_IS_ADDR_V4MAPPED(&aligned);
}

static bool
is_specified(const struct address *address)
{
	static const struct address any = { .is_known = true };
	static const struct address any_v4 = { .is_known = true,
		.octets = { [10] = 0xff, [11] = 0xff } };

	return address != NULL && address->is_known
	    && memcmp(address->octets, any.octets, sizeof any.octets) != 0
	    && memcmp(address->octets, any_v4.octets, sizeof any.octets) != 0;
}

/* Say that the kernel can't be asked, and what to do about it. Returns
 * false. */
static bool
refused(struct fault *fault, const char *what, int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EINTR:
		fault_set(fault, FAULT_TEMPORARY, "sock_diag: %s: %s", what,
		    strerror(error));
		break;
	default:
		fault_set(fault, FAULT_PERMANENT,
		    "sock_diag: %s: %s: allow AF_NETLINK sockets "
		    "(RestrictAddressFamilies= of the unit) and load the "
		    "kernel "
		    "module tcp_diag, or take uid out of accounts.identify",
		    what, strerror(error));
	}
	return false;
}

/* Put the octets of an address where sock_diag(7) has them. */
static void
put_address(int family, const struct address *address, __be32 place[4])
{
	if (family == AF_INET)
		memcpy(place, address->octets + 12, 4);
	else
		memcpy(place, address->octets, 16);
}

static bool
is_address(int family, const __be32 place[4], const struct address *address)
{
	return family == AF_INET
	    ? is_v4(address) && memcmp(place, address->octets + 12, 4) == 0
	    : memcmp(place, address->octets, 16) == 0;
}

static bool
send_request(int link, const struct inquiry *inquiry, int family,
    uint32_t sequence, struct fault *fault)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct request request = {
		.header = { .nlmsg_len = sizeof request,
		    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		    .nlmsg_flags = NLM_F_REQUEST,
		    .nlmsg_seq = sequence },
		.diag = { .sdiag_family = (uint8_t)family,
		    .sdiag_protocol = IPPROTO_TCP,
		    .idiag_states = ALL_STATES & ~OTHER_ENDS_STATES },
	};
	struct inet_diag_sockid *id = &request.diag.id;

	id->idiag_sport = htons(inquiry->client_port);
	id->idiag_dport = htons(inquiry->daemon_port);
	id->idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (inquiry->is_search) {
		request.header.nlmsg_flags |= NLM_F_DUMP;
	} else {
		put_address(family, inquiry->client, id->idiag_src);
		put_address(family, inquiry->daemon, id->idiag_dst);
	}
	if (sendto(link, &request, sizeof request, MSG_NOSIGNAL,
		(const struct sockaddr *)&kernel, sizeof kernel)
	    != (ssize_t)sizeof request)
		return refused(fault, "asking", errno);
	return true;
}

/* One socket that the kernel told of. It looks a listener up where no
 * connection is, and when searching it doesn't compare addresses: so all is
 * compared here. */
static void
take_socket(struct inquiry *inquiry, const struct inet_diag_msg *told)
{
	int family = told->idiag_family;
	bool is_held;

	if (told->id.idiag_sport != htons(inquiry->client_port)
	    || (inquiry->daemon_port != 0
		&& told->id.idiag_dport != htons(inquiry->daemon_port))
	    || !is_address(family, told->id.idiag_src, inquiry->client)
	    || (inquiry->daemon != NULL
		&& !is_address(family, told->id.idiag_dst, inquiry->daemon)))
		return;
	/* A socket that its process closed has no inode any more, and with
	 * many kernels the uid 0 then: whoever sends all of a message at once
	 * and closes would be root. */
	is_held = told->idiag_state < 32
	    && (HELD_STATES & 1U << told->idiag_state) != 0
	    && told->idiag_inode != 0;
	if (!is_held || (inquiry->is_found && inquiry->uid != told->idiag_uid))
		inquiry->is_doubtful = true;
	inquiry->is_found = true;
	inquiry->uid = told->idiag_uid;
}

/* One message of a datagram. */
struct told {
	uint16_t type;
	uint32_t sequence;
	const char *data;
	size_t length;
};

/* Take the next message off a datagram. False at its end. */
static bool
next_message(const char **at, size_t *left, struct told *told_out)
{
	struct nlmsghdr header;
	size_t step;

	if (*left < sizeof header)
		return false;
	memcpy(&header, *at, sizeof header);
	if (header.nlmsg_len < sizeof header || header.nlmsg_len > *left)
		return false;
	told_out->type = header.nlmsg_type;
	told_out->sequence = header.nlmsg_seq;
	told_out->data = *at + NLMSG_HDRLEN;
	told_out->length = header.nlmsg_len - NLMSG_HDRLEN;
	step = NLMSG_ALIGN(header.nlmsg_len);
	if (step > *left)
		step = *left;
	*at += step;
	*left -= step;
	return true;
}

/* The kernel's last word: an error number, or that this was all. A single
 * socket that isn't there is an error to it, to us an answer. */
static bool
take_last(
    const struct inquiry *inquiry, const struct told *told, struct fault *fault)
{
	int error = 0;

	if (told->length >= sizeof error)
		memcpy(&error, told->data, sizeof error);
	if (error >= 0 || (error == -ENOENT && !inquiry->is_search))
		return true;
	return refused(fault, "answer", -error);
}

/* Read one datagram's messages. *is_done_out: the answer is complete. */
static bool
read_messages(struct inquiry *inquiry, const char *data, size_t length,
    uint32_t sequence, bool *is_done_out, struct fault *fault)
{
	struct inet_diag_msg socket_told;
	struct told told;

	while (next_message(&data, &length, &told)) {
		if (told.sequence != sequence)
			continue;
		if (told.type == NLMSG_DONE || told.type == NLMSG_ERROR) {
			*is_done_out = true;
			return take_last(inquiry, &told, fault);
		}
		if (told.type != SOCK_DIAG_BY_FAMILY)
			continue;
		if (told.length < sizeof socket_told)
			return refused(fault, "answer", EPROTO);
		memcpy(&socket_told, told.data, sizeof socket_told);
		take_socket(inquiry, &socket_told);
		if (!inquiry->is_search)
			*is_done_out = true;
	}
	return true;
}

/* Wait for the kernel's next datagram. Its length; 0 if it isn't the
 * kernel's; -1 with words. */
static ssize_t
next_datagram(int link, void *space, size_t size, int64_t deadline_ms,
    struct fault *fault)
{
	struct sockaddr_nl from = { 0 };
	struct iovec vector = { .iov_base = space, .iov_len = size };
	struct msghdr message = { .msg_name = &from,
		.msg_namelen = sizeof from,
		.msg_iov = &vector,
		.msg_iovlen = 1 };
	struct pollfd waiting = { .fd = link, .events = POLLIN };
	int64_t left_ms = deadline_ms - now_ms();
	ssize_t length;

	if (left_ms < 0 || poll(&waiting, 1, (int)left_ms) == 0) {
		fault_set(fault, FAULT_TEMPORARY,
		    "sock_diag: no answer within %d ms", UID_WAIT_MS);
		return -1;
	}
	length = recvmsg(link, &message, MSG_DONTWAIT);
	if (length < 0 && errno != EINTR && errno != EAGAIN) {
		refused(fault, "reading", errno);
		return -1;
	}
	if (length >= 0 && (message.msg_flags & MSG_TRUNC) != 0) {
		refused(fault, "answer", EMSGSIZE);
		return -1;
	}
	return length > 0 && from.nl_pid == 0 ? length : 0;
}

static bool
ask(int link, struct inquiry *inquiry, int family, uint32_t sequence,
    int64_t deadline_ms, struct fault *fault)
{
	char space[ANSWER_BYTES];
	bool is_done = false;

	if (!send_request(link, inquiry, family, sequence, fault))
		return false;
	while (!is_done) {
		ssize_t length = next_datagram(
		    link, space, sizeof space, deadline_ms, fault);

		if (length < 0
		    || !read_messages(inquiry, space, (size_t)length, sequence,
			&is_done, fault))
			return false;
	}
	return true;
}

/* A connection of IPv4 can lie on sockets of either family. One that is
 * asked for by all it has is found in both; a search goes by family. */
static bool
ask_families(int link, struct inquiry *inquiry, struct fault *fault)
{
	int64_t deadline_ms = now_ms() + UID_WAIT_MS;
	int family = is_v4(inquiry->client) ? AF_INET : AF_INET6;

	if (!ask(link, inquiry, family, 1, deadline_ms, fault))
		return false;
	return family == AF_INET6 || !inquiry->is_search
	    || ask(link, inquiry, AF_INET6, 2, deadline_ms, fault);
}

bool
uid_of_client(const struct address *client, uint16_t client_port,
    const struct address *daemon, uint16_t daemon_port, bool *found_out,
    uint32_t *uid_out, struct fault *fault)
{
	struct inquiry inquiry = { .client = client,
		.daemon = is_specified(daemon) ? daemon : NULL,
		.client_port = client_port,
		.daemon_port = daemon_port };
	bool is_answered;
	int link;

	*found_out = false;
	*uid_out = 0;
	if (!network_is_loopback(client) || client_port == 0)
		return true;
	if (inquiry.daemon != NULL && is_v4(daemon) != is_v4(client))
		return true; /* no connection has two families */
	inquiry.is_search = inquiry.daemon == NULL || daemon_port == 0;

	link = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (link < 0)
		return refused(fault, "socket", errno);
	is_answered = ask_families(link, &inquiry, fault);
	(void)close(link);
	if (is_answered && inquiry.is_found && !inquiry.is_doubtful) {
		*found_out = true;
		*uid_out = inquiry.uid;
	}
	return is_answered;
}
