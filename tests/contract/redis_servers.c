#include "tests/contract/redis_servers.h"

#include "milter/io/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 60000, PAUSE_MS = 5, WORDS = 64, ROOM = 256 };

bool
redis_servers_are_there(void)
{
	return access("/usr/bin/redis-server", X_OK) == 0;
}

static void
print_log(const struct redis_server *server)
{
	char path[ROOM];
	char line[1024];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/log", server->directory);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		print_error("%s", line);
	if (file != NULL)
		(void)fclose(file);
}

/* The server may still lose it to another, which fails its test and no other.
 */
uint16_t
redis_servers_free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) },
	};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&address, length), 0);
	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address, &length), 0);
	(void)close(fd);
	return ntohs(address.sin_port);
}

/* The child: becomes the server, and ends with the test. */
static void
become(const struct redis_server *server)
{
	char *words[WORDS];
	char port[8];
	char bus_port[8];
	char file[ROOM];
	const char *const base[] = { "redis-server", "--port", port, "--bind",
		"127.0.0.1", "--unixsocket", server->path, "--dir",
		server->directory, "--save", "", "--logfile", "log",
		"--cluster-enabled", server->bus_port != 0 ? "yes" : "no",
		"--cluster-port", bus_port };
	const char *const sentinel[] = { "redis-server", file, "--sentinel",
		"--port", port, "--bind", "127.0.0.1", "--unixsocket",
		server->path, "--dir", server->directory, "--logfile", "log" };
	const char *const *first = server->is_sentinel ? sentinel : base;
	size_t count = server->is_sentinel
	    ? sizeof(sentinel) / sizeof(*sentinel)
	    : sizeof(base) / sizeof(*base);

	(void)snprintf(port, sizeof(port), "%u", server->port);
	(void)snprintf(bus_port, sizeof(bus_port), "%u", server->bus_port);
	(void)snprintf(
	    file, sizeof(file), "%s/sentinel.conf", server->directory);
	memset(words, 0, sizeof(words));
	memcpy(words, first, count * sizeof(*words));
	for (size_t i = 0; server->words != NULL && server->words[i] != NULL
	     && count < WORDS - 1;
	     i++)
		memcpy(&words[count++], &server->words[i], sizeof(*words));
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0
	    || chdir(server->directory) != 0
	    || freopen("/dev/null", "w", stdout) == NULL)
		_exit(126);
	(void)execv("/usr/bin/redis-server", words);
	_exit(127);
}

static redisContext *
try_connect(const struct redis_server *server)
{
	const struct timeval time = { .tv_sec = 20 };
	redisContext *context = redisConnectUnixWithTimeout(server->path, time);

	if (context != NULL && context->err == 0
	    && redisSetTimeout(context, time) == REDIS_OK)
		return context;
	if (context != NULL)
		redisFree(context);
	return NULL;
}

static void
await_start(struct redis_server *server)
{
	uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;

	for (;;) {
		redisContext *context = try_connect(server);
		struct redisReply *answer =
		    context != NULL ? redisCommand(context, "PING") : NULL;

		if (context != NULL)
			redisFree(context);
		freeReplyObject(answer);
		if (answer != NULL)
			return;
		if (clock_monotonic_ms() > until_ms
		    || waitpid(server->pid, NULL, WNOHANG) != 0)
			break;
		(void)poll(NULL, 0, PAUSE_MS);
	}
	print_log(server);
	fail_msg("%s: redis-server didn't start", server->directory);
}

void
redis_server_restart(struct redis_server *server)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	/* As the daemon does: writing to a server that has gone is an error to
	 * hiredis, and must not end the test. */
	assert_int_equal(sigaction(SIGPIPE, &ignore, NULL), 0);
	(void)unlink(server->path);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		become(server);
	await_start(server);
}

static void
prepare(struct redis_server *server, const char *parent, const char *name)
{
	int length;

	if (!redis_servers_are_there())
		skip();
	length = snprintf(server->directory, sizeof(server->directory), "%s/%s",
	    parent, name);
	assert_true(length > 0 && (size_t)length < sizeof(server->directory));
	assert_int_equal(mkdir(server->directory, 0700), 0);
	length = snprintf(
	    server->path, sizeof(server->path), "%s/s", server->directory);
	assert_true(length > 0 && (size_t)length < sizeof(server->path));
	server->port = redis_servers_free_port();
}

void
redis_server_start(struct redis_server *server, const char *parent,
    const char *name, const char *const *words)
{
	*server = (struct redis_server){ .words = words };
	prepare(server, parent, name);
	redis_server_restart(server);
}

void
redis_server_start_sentinel(struct redis_server *server, const char *parent,
    const char *name, const char *configuration)
{
	char path[ROOM];
	FILE *file;

	*server = (struct redis_server){ .is_sentinel = true };
	prepare(server, parent, name);
	(void)snprintf(
	    path, sizeof(path), "%s/sentinel.conf", server->directory);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(configuration, file) >= 0);
	assert_int_equal(fclose(file), 0);
	redis_server_restart(server);
}

void
redis_server_kill(struct redis_server *server, int signal)
{
	if (server->pid <= 0)
		return;
	(void)kill(server->pid, signal);
	(void)kill(server->pid, SIGCONT);
	while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
	server->pid = 0;
}

static int
remove_one(
    const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

void
redis_server_stop(struct redis_server *server)
{
	redis_server_kill(server, SIGKILL);
	if (server->directory[0] != '\0')
		(void)nftw(
		    server->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	*server = (struct redis_server){ .pid = 0 };
}

/* NULL if there is no answer. */
static struct redisReply *
try_ask(
    const struct redis_server *server, const char *format, va_list arguments)
{
	redisContext *context = try_connect(server);
	struct redisReply *answer = NULL;

	if (context != NULL) {
		answer = redisvCommand(context, format, arguments);
		redisFree(context);
	}
	return answer;
}

/* Here format is words of our own, without arguments. */
static struct redisReply *
try_plain(const struct redis_server *server, const char *format, ...)
{
	struct redisReply *answer;
	va_list arguments;

	va_start(arguments, format);
	answer = try_ask(server, format, arguments);
	va_end(arguments);
	return answer;
}

struct redisReply *
redis_server_ask(const struct redis_server *server, const char *format, ...)
{
	struct redisReply *answer;
	va_list arguments;

	va_start(arguments, format);
	answer = try_ask(server, format, arguments);
	va_end(arguments);
	if (answer == NULL) {
		print_log(server);
		fail_msg("%s: no answer to %s", server->directory, format);
	}
	return answer;
}

/* Does any string of the answer have text in it? */
static bool
has_text(const struct redisReply *answer, const char *text)
{
	if (answer->type == REDIS_REPLY_ARRAY) {
		for (size_t i = 0; i < answer->elements; i++)
			if (has_text(answer->element[i], text))
				return true;
		return false;
	}
	return answer->str != NULL && strstr(answer->str, text) != NULL;
}

void
redis_server_await(
    const struct redis_server *server, const char *command, const char *text)
{
	uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	bool is_there = false;

	while (!is_there) {
		struct redisReply *answer = try_plain(server, command);

		/* A server that becomes the master drops its clients. */
		is_there = answer != NULL && has_text(answer, text);
		freeReplyObject(answer);
		if (!is_there && clock_monotonic_ms() > until_ms) {
			print_log(server);
			fail_msg("%s: %s: wanted %s in vain", server->directory,
			    command, text);
		}
		if (!is_there)
			(void)poll(NULL, 0, PAUSE_MS);
	}
}

void
redis_server_tell(const struct redis_server *server, const char *command)
{
	struct redisReply *answer = redis_server_ask(server, command);

	if (answer->type != REDIS_REPLY_STATUS
	    || strcmp(answer->str, "OK") != 0)
		fail_msg("%s: wanted OK, got %s", command,
		    answer->str != NULL ? answer->str : "no text");
	freeReplyObject(answer);
}

void
redis_servers_start_cluster(struct redis_server servers[3], const char *parent)
{
	static const char *const names[3] = { "c1", "c2", "c3" };
	static const char *const slots[3] = { "CLUSTER ADDSLOTSRANGE 0 5460",
		"CLUSTER ADDSLOTSRANGE 5461 10922",
		"CLUSTER ADDSLOTSRANGE 10923 16383" };
	static const char *const epochs[3] = { "CLUSTER SET-CONFIG-EPOCH 1",
		"CLUSTER SET-CONFIG-EPOCH 2", "CLUSTER SET-CONFIG-EPOCH 3" };

	for (size_t i = 0; i < 3; i++) {
		servers[i] =
		    (struct redis_server){ .bus_port =
					       redis_servers_free_port() };
		prepare(&servers[i], parent, names[i]);
		redis_server_restart(&servers[i]);
		redis_server_tell(&servers[i], epochs[i]);
		redis_server_tell(&servers[i], slots[i]);
	}
	for (size_t i = 1; i < 3; i++)
		freeReplyObject(redis_server_ask(&servers[0],
		    "CLUSTER MEET 127.0.0.1 %d %d", servers[i].port,
		    servers[i].bus_port));
	for (size_t i = 0; i < 3; i++) {
		redis_server_await(
		    &servers[i], "CLUSTER INFO", "cluster_slots_ok:16384");
		redis_server_await(
		    &servers[i], "CLUSTER INFO", "cluster_state:ok");
	}
}

struct redis_place
redis_server_place(struct arena *arena, const char *format, ...)
{
	struct fault fault = { 0 };
	struct redis_place place;
	va_list arguments;
	char url[ROOM];
	int length;

	va_start(arguments, format);
	length = vsnprintf(url, sizeof(url), format, arguments);
	va_end(arguments);
	assert_true(length > 0 && (size_t)length < sizeof(url));
	if (!redis_place_read(url, arena, &place, &fault))
		fail_msg("%s: %s", url, fault.words);
	return place;
}
