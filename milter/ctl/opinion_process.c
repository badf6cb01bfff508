#include "milter/ctl/opinion_process.h"

#include "milter/ctl/opinion_jail.h"
#include "milter/ctl/opinion_work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TYPE_BYTES = 8 };

struct opinion_process {
	pid_t pid;
	int fd;
};

/* The room of a message that carries one descriptor. */
union carrier {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

const char *
opinion_work_ask(struct opinion_work *work, unsigned type, const char *name)
{
	struct opinion_packet *packet = work->packet;
	char number[TYPE_BYTES];
	const char *kind;

	(void)snprintf(number, sizeof(number), "%u", type);
	opinion_packet_begin(packet, OPINION_QUESTION);
	opinion_packet_add(packet, number);
	opinion_packet_add(packet, name);
	if (!opinion_packet_send(work->fd, packet)
	    || !opinion_packet_receive(work->fd, packet))
		return NULL;
	kind = opinion_packet_next(packet);
	return kind != NULL && strcmp(kind, OPINION_ANSWER) == 0
	    ? opinion_packet_next(packet)
	    : NULL;
}

void
opinion_work_tell(struct opinion_work *work, const char *word, const char *why)
{
	opinion_packet_begin(work->packet, OPINION_RESULT);
	opinion_packet_add(work->packet, word);
	if (why != NULL)
		opinion_packet_add(work->packet, why);
	(void)opinion_packet_send(work->fd, work->packet);
}

/* In the child. The packet is its only large thing. */
static void
work_on(int fd)
{
	static struct opinion_packet packet;
	struct opinion_work work = { .fd = fd, .packet = &packet };
	const char *kind;

	if (!opinion_jail_enter() || !opinion_packet_receive(fd, &packet))
		return;
	kind = opinion_packet_next(&packet);
	if (kind != NULL && strcmp(kind, OPINION_SPF) == 0)
		opinion_work_spf(&work);
	else if (kind != NULL && strcmp(kind, OPINION_DMARC) == 0)
		opinion_work_dmarc(&work);
}

/* The descriptor that a message brings; -1: nobody is there any more. */
static int
receive_descriptor(int from)
{
	union carrier carrier;
	char nothing;
	struct iovec data = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = carrier.room,
		.msg_controllen = sizeof(carrier.room) };
	const struct cmsghdr *head;
	ssize_t received;
	int fd = -1;

	do
		received = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (received < 0 && errno == EINTR);
	head = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	if (head != NULL && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* What libraries print when they fall is for nobody. */
static void
close_the_rest(int fd)
{
	int nowhere = open("/dev/null", O_RDWR);

	if (nowhere < 0)
		_exit(1);
	for (int i = 0; i <= STDERR_FILENO; i++)
		(void)dup2(nowhere, i);
	if (nowhere > STDERR_FILENO)
		close(nowhere);
	if (fd > STDERR_FILENO + 1)
		(void)close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
}

/* Children that have ended need no notice: the socket has told. */
static void __attribute__((noreturn)) serve(int fd)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	int job;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigaction(SIGCHLD, &ignore, NULL);
	(void)sigaction(SIGINT, &ignore, NULL); /* that ends the parent */
	close_the_rest(fd);
	opinion_work_read_suffixes();
	while ((job = receive_descriptor(fd)) >= 0) {
		if (fork() == 0) {
			close(fd);
			work_on(job);
			_exit(0);
		}
		close(job);
	}
	_exit(0);
}

static bool
begin(struct opinion_process *process)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	process->pid = fork();
	if (process->pid == 0) {
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	process->fd = pair[0];
	if (process->pid > 0)
		return true;
	close(process->fd);
	return false;
}

struct opinion_process *
opinion_process_begin(struct fault *fault)
{
	struct opinion_process *process = calloc(1, sizeof(*process));

	if (process == NULL) {
		fault_memory(fault);
		return NULL;
	}
	/* What is buffered would be printed twice. */
	(void)fflush(NULL);
	if (begin(process))
		return process;
	fault_set(fault, FAULT_TEMPORARY,
	    "no process for second opinions can be had: %s", strerror(errno));
	free(process);
	return NULL;
}

static bool
send_descriptor(int to, int fd)
{
	union carrier carrier = { .room = { 0 } };
	char nothing = 0;
	struct iovec data = { .iov_base = &nothing, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = carrier.room,
		.msg_controllen = sizeof(carrier.room) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	ssize_t sent;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	do
		sent = sendmsg(to, &message, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == 1;
}

int
opinion_process_child(struct opinion_process *process)
{
	int pair[2];
	bool is_sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	is_sent = send_descriptor(process->fd, pair[1]);
	close(pair[1]);
	if (is_sent)
		return pair[0];
	close(pair[0]);
	return -1;
}

void
opinion_process_end(struct opinion_process **process)
{
	struct opinion_process *one = *process;

	*process = NULL;
	if (one == NULL)
		return;
	close(one->fd);
	while (waitpid(one->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	free(one);
}
