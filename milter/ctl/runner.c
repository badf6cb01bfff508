#include "milter/ctl/runner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	WORDS_BYTES = 256,
	ARGUMENTS = RUNNER_IDS + 8,
	PROGRAM_SECONDS = 300, /* none takes so long */
	STATUS_NOT_THERE = 127,
	STATUS_NOT_RUN = 126,
};

/* Where Postfix's programs are; an administrator's own path may be without
 * sbin. */
static const char path[] = "/usr/sbin:/usr/bin:/sbin:/bin:"
			   "/usr/local/sbin:/usr/local/bin";

struct runner {
	int link; /* to the other process, a packet each way */
	pid_t pid;
	const char *name; /* of the program under way */
	char *directory;  /* NULL: Postfix's own */
};

struct request {
	enum runner_program program;
	size_t count;
	char ids[RUNNER_IDS][RUNNER_ID_OCTETS + 1];
};

struct result {
	int status; /* as of wait(2) */
	char words[WORDS_BYTES];
};

static const struct {
	const char *name;
	const char *arguments[2];
} programs[] = {
	[RUNNER_HOST] = { "postconf", { "-h", "myhostname" } },
	[RUNNER_LIST] = { "postqueue", { "-j", NULL } },
	[RUNNER_ENVELOPE] = { "postcat", { "-e", "-q" } },
	[RUNNER_HOLD] = { "postsuper", { NULL, NULL } },
};

bool
runner_is_id(const char *text)
{
	static const char letters[] = "0123456789"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz";
	size_t length = strlen(text);

	/* postsuper(1) takes ALL for every message there is. */
	return length > 0 && length <= RUNNER_ID_OCTETS
	    && strspn(text, letters) == length && strcmp(text, "ALL") != 0;
}

/* ---- the process that stays root ---- */

/* postsuper(1) wants its option before each id. */
static void
find_arguments(const struct runner *runner, const struct request *request,
    const char *arguments[2 * ARGUMENTS])
{
	size_t count = 0;

	arguments[count++] = programs[request->program].name;
	if (runner->directory != NULL) {
		arguments[count++] = "-c";
		arguments[count++] = runner->directory;
	}
	for (size_t i = 0; i < 2; i++)
		if (programs[request->program].arguments[i] != NULL)
			arguments[count++] =
			    programs[request->program].arguments[i];
	for (size_t i = 0; i < request->count; i++) {
		if (request->program == RUNNER_HOLD)
			arguments[count++] = "-h";
		arguments[count++] = request->ids[i];
	}
	arguments[count] = NULL;
}

/* The program itself, in a process of its own. */
static void
become_program(const struct runner *runner, const struct request *request,
    int out, int errors)
{
	const char *arguments[2 * ARGUMENTS];
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	void *vector = arguments; /* execvp(3) changes none of them */

	find_arguments(runner, request, arguments);
	if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0
	    || dup2(out, STDOUT_FILENO) < 0
	    || dup2(errors >= 0 ? errors : nothing, STDERR_FILENO) < 0
	    || chdir("/") != 0 || setenv("PATH", path, 1) != 0)
		_exit(STATUS_NOT_RUN);
	alarm(PROGRAM_SECONDS);
	execvp(arguments[0], vector);
	_exit(errno == ENOENT ? STATUS_NOT_THERE : STATUS_NOT_RUN);
}

static bool
send_descriptor(int link, int descriptor)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	char octet = '.';
	struct iovec vector = { .iov_base = &octet, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &descriptor, sizeof(descriptor));
	return sendmsg(link, &message, MSG_NOSIGNAL) == 1;
}

/* The first line of what it said. */
static void
read_words(int errors, char *words)
{
	ssize_t length =
	    errors >= 0 ? pread(errors, words, WORDS_BYTES - 1, 0) : 0;

	words[length > 0 ? length : 0] = '\0';
	words[strcspn(words, "\n")] = '\0';
}

static bool
is_sound(const struct request *request, ssize_t length)
{
	if (length != sizeof(*request) || request->count > RUNNER_IDS
	    || request->program > RUNNER_HOLD)
		return false;
	for (size_t i = 0; i < request->count; i++)
		if (memchr(request->ids[i], '\0', sizeof(request->ids[i]))
			== NULL
		    || !runner_is_id(request->ids[i]))
			return false;
	return true;
}

/* Run one program: first the descriptor goes, then, at the end, the result.
 * False: there is nobody any more to run it for. */
static bool
serve_one(const struct runner *runner, const struct request *request)
{
	struct result result = { .status = -1 };
	int errors = memfd_create("errors", MFD_CLOEXEC);
	int ends[2];
	pid_t pid;
	bool is_sent;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0)
		become_program(runner, request, ends[1], errors);
	close(ends[1]);
	is_sent = send_descriptor(runner->link, ends[0]);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, &result.status, 0) < 0)
		if (errno != EINTR)
			break;
	read_words(errors, result.words);
	if (errors >= 0)
		close(errors);
	return is_sent
	    && send(runner->link, &result, sizeof(result), MSG_NOSIGNAL)
	    == sizeof(result);
}

static void
serve(const struct runner *runner)
{
	struct request request;
	ssize_t length;

	do
		length = recv(runner->link, &request, sizeof(request), 0);
	while (is_sound(&request, length) && serve_one(runner, &request));
	_exit(0);
}

/* ---- the process that asks ---- */

static bool
fork_server(struct runner *runner, struct fault *fault)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
		fault_set(
		    fault, FAULT_TEMPORARY, "socketpair: %s", strerror(errno));
		return false;
	}
	runner->link = ends[1];
	runner->pid = fork();
	if (runner->pid == 0) {
		close(ends[0]);
		serve(runner);
	}
	close(ends[1]);
	runner->link = ends[0];
	if (runner->pid > 0)
		return true;
	fault_set(fault, FAULT_TEMPORARY, "fork: %s", strerror(errno));
	return false;
}

struct runner *
runner_open(const char *directory, struct fault *fault)
{
	struct runner *runner = calloc(1, sizeof(*runner));

	if (runner == NULL) {
		fault_memory(fault);
		return NULL;
	}
	runner->link = -1;
	if (directory != NULL)
		runner->directory = strdup(directory);
	if (directory != NULL && runner->directory == NULL)
		fault_memory(fault);
	else if (fork_server(runner, fault))
		return runner;
	runner_close(&runner);
	return NULL;
}

static int
receive_descriptor(int link)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char octet;
	struct iovec vector = { .iov_base = &octet, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space) };
	const struct cmsghdr *head;
	int descriptor;

	if (recvmsg(link, &message, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	head = CMSG_FIRSTHDR(&message);
	if (head == NULL || head->cmsg_type != SCM_RIGHTS
	    || head->cmsg_len != CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&descriptor, CMSG_DATA(head), sizeof(descriptor));
	return descriptor;
}

static bool
is_gone(const struct runner *runner, struct fault *fault)
{
	fault_set(fault, FAULT_TEMPORARY,
	    "%s couldn't be run: the process that runs it has ended",
	    runner->name);
	return false;
}

int
runner_start(struct runner *runner, enum runner_program program,
    const char *const *ids, size_t count, struct fault *fault)
{
	struct request request;
	int descriptor = -1;

	assert(count <= RUNNER_IDS);
	memset(&request, 0, sizeof(request));
	request.program = program;
	request.count = count;
	for (size_t i = 0; i < count; i++) {
		assert(runner_is_id(ids[i]));
		memcpy(request.ids[i], ids[i], strlen(ids[i]));
	}
	runner->name = programs[program].name;
	if (send(runner->link, &request, sizeof(request), MSG_NOSIGNAL)
	    == sizeof(request))
		descriptor = receive_descriptor(runner->link);
	if (descriptor < 0)
		(void)is_gone(runner, fault);
	return descriptor;
}

bool
runner_finish(struct runner *runner, struct fault *fault)
{
	struct result result;
	int code;

	if (recv(runner->link, &result, sizeof(result), 0) != sizeof(result))
		return is_gone(runner, fault);
	if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == 0)
		return true;
	result.words[WORDS_BYTES - 1] = '\0';
	code = WIFEXITED(result.status) ? WEXITSTATUS(result.status) : 0;
	if (code == STATUS_NOT_THERE)
		fault_set(fault, FAULT_PERMANENT,
		    "%s isn't there: is Postfix on this host?", runner->name);
	else if (*result.words != '\0')
		fault_set(fault, FAULT_TEMPORARY, "%s", result.words);
	else
		fault_set(fault, FAULT_TEMPORARY, "%s ended badly (%s %d)",
		    runner->name, code != 0 ? "status" : "signal",
		    code != 0 ? code : WTERMSIG(result.status));
	return false;
}

void
runner_close(struct runner **runner)
{
	if (*runner == NULL)
		return;
	if ((*runner)->link >= 0)
		close((*runner)->link);
	if ((*runner)->pid > 0)
		(void)waitpid((*runner)->pid, NULL, 0);
	free((*runner)->directory);
	free(*runner);
	*runner = NULL;
}
