/* The pool with a peer that isn't Redis, or not as it should be: octets that
 * come one by one, garbage, answers without end, a server that isn't ready, a
 * resolver that hangs. */
#include "milter/io/clock.h"
#include "milter/io/store_redis_list.h"
#include "tests/contract/redis_pools.h"

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_BYTES = 64, CHUNK_BYTES = 65536, DRIBBLE_MS = 20 };

/* How it goes on when said was said. */
enum then {
	THEN_WAIT,    /* for the next command */
	THEN_CLOSE,   /* the connection */
	THEN_DRIBBLE, /* one octet of said again and again, with pauses */
	THEN_FLOOD,   /* said again and again, as fast as it is read */
};

/* What it says to each command, and to those from the second on if that is
 * something else. */
struct script {
	const char *said;
	const char *said_later;
	enum then then;
};

struct fake {
	struct script script;
	char path[PATH_BYTES];
	pthread_t thread;
	int listener;
	atomic_bool is_over;
	atomic_uint commands;
};

static bool
say(const struct fake *fake, int fd, const char *said, size_t length)
{
	while (length > 0 && !fake->is_over) {
		ssize_t sent =
		    send(fd, said, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd one = { .fd = fd, .events = POLLOUT };

		if (sent > 0) {
			said += sent;
			length -= (size_t)sent;
		} else if (errno != EAGAIN)
			return false;
		else
			(void)poll(&one, 1, 50);
	}
	return !fake->is_over;
}

static bool
go_on(const struct fake *fake, int fd)
{
	const char *said = fake->script.said;
	size_t length = strlen(said);

	if (fake->script.then == THEN_DRIBBLE)
		for (size_t i = 0; say(fake, fd, &said[i % length], 1); i++)
			(void)poll(NULL, 0, DRIBBLE_MS);
	if (fake->script.then == THEN_FLOOD)
		while (say(fake, fd, said, length))
			;
	return fake->script.then == THEN_WAIT;
}

/* Each read is taken for a command, which small ones are. */
static void
converse(struct fake *fake, int fd)
{
	char chunk[4096];

	while (!fake->is_over) {
		struct pollfd one = { .fd = fd, .events = POLLIN };
		const char *said = fake->script.said;

		if (poll(&one, 1, 20) <= 0)
			continue;
		if (recv(fd, chunk, sizeof(chunk), 0) <= 0)
			return;
		if (fake->commands++ > 0 && fake->script.said_later != NULL)
			said = fake->script.said_later;
		if ((fake->script.then == THEN_DRIBBLE
			|| say(fake, fd, said, strlen(said)))
		    && go_on(fake, fd))
			continue;
		return;
	}
}

static void *
serve(void *context)
{
	struct fake *fake = context;

	while (!fake->is_over) {
		struct pollfd one = { .fd = fake->listener, .events = POLLIN };
		int fd = -1;

		if (poll(&one, 1, 20) > 0)
			fd = accept(fake->listener, NULL, NULL);
		if (fd < 0)
			continue;
		converse(fake, fd);
		(void)close(fd);
	}
	return NULL;
}

static void
fake_start(struct fake *fake, const struct pool_fixture *fixture,
    const struct script *script)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*fake = (struct fake){ .script = *script };
	(void)snprintf(
	    fake->path, sizeof(fake->path), "%s/fake", fixture->directory);
	memcpy(address.sun_path, fake->path, strlen(fake->path));
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fake->listener >= 0);
	assert_int_equal(bind(fake->listener, (const struct sockaddr *)&address,
			     sizeof(address)),
	    0);
	assert_int_equal(listen(fake->listener, 16), 0);
	assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

static void
fake_stop(struct fake *fake)
{
	fake->is_over = true;
	assert_int_equal(pthread_join(fake->thread, NULL), 0);
	(void)close(fake->listener);
	(void)unlink(fake->path);
}

static const struct fake_case {
	const char *name;
	struct script script;
	const char *part;  /* of the fault's words */
	uint64_t least_ms; /* that it takes; the timeout is 300 */
	bool is_unsent;    /* the command certainly wasn't done */
} cases[] = {
	{ .name = "an octet now and then",
	    .script = { .said = "$100\r\n0123456789", .then = THEN_DRIBBLE },
	    .part = "in time",
	    .least_ms = 290 },
	{ .name = "a line without an end",
	    .script = { .said = "+", .then = THEN_DRIBBLE },
	    .part = "in time",
	    .least_ms = 290 },
	{ .name = "half an answer, then nothing",
	    .script = { .said = "$10\r\nabc" },
	    .part = "in time",
	    .least_ms = 290 },
	{ .name = "half an answer, then the end",
	    .script = { .said = "$10\r\nabc", .then = THEN_CLOSE },
	    .part = "closed the connection" },
	{ .name = "no answer, but the end",
	    .script = { .said = "", .then = THEN_CLOSE },
	    .part = "" },
	{ .name = "another protocol",
	    .script = { .said = "HTTP/1.1 400 Bad Request\r\n\r\n" },
	    .part = "another service" },
	{ .name = "a length that is none",
	    .script = { .said = "$x\r\n" },
	    .part = "" },
	{ .name = "a number of elements that costs all memory",
	    .script = { .said = "*1000000000\r\n" },
	    .part = "" },
	{ .name = "elements in elements",
	    .script = { .said = "*400000\r\n*400000\r\n" },
	    .part = "" },
	{ .name = "deeper than there is a bottom",
	    .script = { .said = "*1\r\n", .then = THEN_FLOOD },
	    .part = "" },
	{ .name = "a string without end",
	    .script = { .said = "$536870000\r\n", .then = THEN_FLOOD },
	    .part = "" },
	{ .name = "LOADING for ever",
	    .script = { .said = "-LOADING Redis is loading the dataset in "
				"memory\r\n" },
	    .part = "LOADING",
	    .is_unsent = true },
	{ .name = "MASTERDOWN for ever",
	    .script = { .said = "-MASTERDOWN Link with MASTER is down and "
				"replica-serve-stale-data is set to 'no'."
				"\r\n" },
	    .part = "MASTERDOWN",
	    .is_unsent = true },
	{ .name = "a script's READONLY before Redis 7",
	    .script = { .said = "-ERR Error running script (call to f_0): "
				"@user_script:1: @user_script: 1: -READONLY "
				"You can't write against a read only "
				"replica.\r\n" },
	    .part = "READONLY",
	    .is_unsent = true },
	{ .name = "too many clients",
	    .script = { .said = "-ERR max number of clients reached\r\n",
		.then = THEN_CLOSE },
	    .part = "max number of clients",
	    .is_unsent = true },
	{ .name = "CLUSTERDOWN",
	    .script = { .said = "-CLUSTERDOWN Hash slot not served\r\n" },
	    .part = "CLUSTERDOWN",
	    .is_unsent = true },
};

static void
test_faults(void **state)
{
	struct pool_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct fake_case *c = &cases[i];
		struct fault fault = { 0 };
		struct redis_place place;
		bool is_unsent = !c->is_unsent;
		struct redisReply *answer;
		uint64_t took_ms;
		struct fake fake;

		fake_start(&fake, fixture, &c->script);
		place = redis_server_place(
		    &fixture->arena, "redis+unix://%s", fake.path);
		pool_open(fixture, &place, "", 300, 2);
		took_ms = clock_monotonic_ms();
		answer = pool_try(fixture->pool, "GET k", &is_unsent, &fault);
		took_ms = clock_monotonic_ms() - took_ms;
		fake_stop(&fake);
		if (answer != NULL)
			fail_msg("%s: wanted a fault, got %s", c->name,
			    answer->str != NULL ? answer->str : "an answer");
		if (fault.kind != FAULT_TEMPORARY
		    || strstr(fault.words, c->part) == NULL)
			fail_msg("%s: wanted %s, got %d: %s", c->name, c->part,
			    fault.kind, fault.words);
		if (is_unsent != c->is_unsent)
			fail_msg("%s: wanted unsent %d", c->name, c->is_unsent);
		if (took_ms < c->least_ms || took_ms > 2000)
			fail_msg(
			    "%s: took %ju ms", c->name, (uintmax_t)took_ms);
	}
}

static void
test_recovers(void **state)
{
	static const struct script scripts[] = {
		{ .said = "-LOADING Redis is loading\r\n",
		    .said_later = "+fine\r\n" },
		{ .said = "-READONLY You can't write\r\n",
		    .said_later = "+fine\r\n" },
		{ .said = "-TRYAGAIN Multiple keys\r\n",
		    .said_later = "+fine\r\n" },
	};
	struct pool_fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		struct redis_place place;
		struct fake fake;

		fake_start(&fake, fixture, &scripts[i]);
		place = redis_server_place(
		    &fixture->arena, "redis+unix://%s", fake.path);
		pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 2);
		pool_want(fixture->pool, "GET k", "fine");
		assert_int_equal(fake.commands, 2);
		fake_stop(&fake);
	}
}

/* What is left over from one answer is never the next one's. */
static void
test_two_answers(void **state)
{
	static const struct script script = { .said = "+one\r\n+two\r\n",
		.said_later = "+three\r\n" };
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	struct fake fake;

	fake_start(&fake, fixture, &script);
	place =
	    redis_server_place(&fixture->arena, "redis+unix://%s", fake.path);
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 2);
	pool_want(fixture->pool, "GET k", "one");
	pool_want(fixture->pool, "GET k", "three");
	fake_stop(&fake);
}

/* It listens, but takes nobody in, and its queue is full. */
static void
test_full_queue(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	uint64_t start_ms;
	int fds[3];
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/full", fixture->directory);
	memcpy(address.sun_path, path, strlen(path));
	for (size_t i = 0; i < 3; i++) {
		fds[i] = socket(AF_UNIX,
		    SOCK_STREAM | SOCK_CLOEXEC | (i > 0 ? SOCK_NONBLOCK : 0),
		    0);
		assert_true(fds[i] >= 0);
	}
	assert_int_equal(
	    bind(fds[0], (const struct sockaddr *)&address, sizeof(address)),
	    0);
	assert_int_equal(listen(fds[0], 0), 0);
	for (size_t i = 1; i < 3; i++)
		(void)connect(
		    fds[i], (const struct sockaddr *)&address, sizeof(address));
	place = redis_server_place(&fixture->arena, "redis+unix://%s", path);
	pool_open(fixture, &place, "", 200, 2);
	start_ms = clock_monotonic_ms();
	pool_want_fault(fixture->pool, "GET k", FAULT_TEMPORARY, "");
	assert_in_range(clock_monotonic_ms() - start_ms, 190, 20000);
	for (size_t i = 0; i < 3; i++)
		(void)close(fds[i]);
}

/* A server that never says that SCAN is over. */
static void
test_endless_scan(void **state)
{
	static const struct script script = { .said =
						  "*2\r\n$1\r\n7\r\n*0\r\n" };
	static char name[] = "fake";
	static char control[] = "{p}:c";
	struct pool_fixture *fixture = *state;
	struct store_redis redis = { .name = name, .control = control };
	struct fault fault = { 0 };
	struct redis_place place;
	struct fake fake;
	bool is_done;

	fake_start(&fake, fixture, &script);
	place =
	    redis_server_place(&fixture->arena, "redis+unix://%s", fake.path);
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 2);
	redis.pool = fixture->pool;
	is_done = store_redis_tidy(&redis, &fault);
	fake_stop(&fake);
	assert_false(is_done);
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	if (strstr(fault.words, "HSCAN doesn't come to an end") == NULL)
		fail_msg("wanted no end, got %s", fault.words);
}

/* ---- what is left of a password ---- */

static const char password[] = "a-password-to-be-wiped";
static atomic_uint freed;
static atomic_uint unwiped;

/* In the place of hiredis' own. */
void
redisFreeCommand(char *command)
{
	if (command == NULL)
		return;
	freed++;
	if (memmem(command, malloc_usable_size(command), password,
		strlen(password))
	    != NULL)
		unwiped++;
	free(command);
}

static void
test_password_is_wiped(void **state)
{
	static const struct script script = { .said = "+OK\r\n" };
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	struct fake fake;

	pool_write_password(fixture, password, 0600);
	fake_start(&fake, fixture, &script);
	place =
	    redis_server_place(&fixture->arena, "redis+unix://%s", fake.path);
	pool_open(fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, 2);
	freed = 0;
	pool_want(fixture->pool, "GET k", "OK");
	fake_stop(&fake);
	assert_int_equal(freed, 2);
	assert_int_equal(unwiped, 0);
}

/* ---- a resolver that hangs ---- */

static struct resolver {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stuck;
	unsigned asked;
	unsigned inside;
	unsigned open_to_signals; /* asked by a thread that gets SIGTERM */
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER };

/* In the place of the system's: each name is 127.0.0.1. */
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
    struct addrinfo **list_out)
{
	struct addrinfo *one;
	struct sockaddr_in *address;
	sigset_t blocked;

	(void)node;
	(void)service;
	if ((hints->ai_flags & AI_NUMERICHOST) != 0)
		return EAI_NONAME;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	pthread_mutex_lock(&resolver.lock);
	resolver.asked++;
	resolver.inside++;
	resolver.open_to_signals += sigismember(&blocked, SIGTERM) == 0;
	while (resolver.is_stuck)
		pthread_cond_wait(&resolver.changed, &resolver.lock);
	resolver.inside--;
	pthread_mutex_unlock(&resolver.lock);
	one = calloc(1, sizeof(*one));
	address = calloc(1, sizeof(*address));
	if (one == NULL || address == NULL)
		abort();
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	one->ai_family = AF_INET;
	one->ai_addrlen = sizeof(*address);
	one->ai_addr = (struct sockaddr *)address;
	*list_out = one;
	return 0;
}

void
freeaddrinfo(struct addrinfo *list)
{
	free(list->ai_addr);
	free(list);
}

static void
set_stuck(bool is_stuck)
{
	pthread_mutex_lock(&resolver.lock);
	resolver.is_stuck = is_stuck;
	pthread_cond_broadcast(&resolver.changed);
	pthread_mutex_unlock(&resolver.lock);
}

static void
want_resolver(const char *name, unsigned asked, unsigned inside)
{
	pthread_mutex_lock(&resolver.lock);
	if (resolver.asked != asked || resolver.inside != inside
	    || resolver.open_to_signals != 0)
		fail_msg("%s: wanted %u asked and %u inside, got %u and %u, %u "
			 "open to signals",
		    name, asked, inside, resolver.asked, resolver.inside,
		    resolver.open_to_signals);
	pthread_mutex_unlock(&resolver.lock);
}

/* Nobody listens there: that it is tried shows that the address is known. */
static void
await_address(struct redis_pool *pool)
{
	uint64_t start_ms = clock_monotonic_ms();
	struct fault fault = { 0 };

	do {
		if (clock_monotonic_ms() - start_ms > 20000)
			fail_msg("wanted an address, got %s", fault.words);
		(void)poll(NULL, 0, 5);
		assert_null(pool_try(pool, "GET k", NULL, &fault));
	} while (strstr(fault.words, "can't connect") == NULL);
}

static void
test_resolver_hangs(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place =
	    redis_server_place(&fixture->arena, "redis://slow.example:%u", 1U);
	uint64_t start_ms = clock_monotonic_ms();

	set_stuck(true);
	pool_open(fixture, &place, "", 200, 2);
	assert_in_range(clock_monotonic_ms() - start_ms, 190, 10000);
	want_resolver("opened", 1, 1);
	pool_want_fault(
	    fixture->pool, "GET k", FAULT_TEMPORARY, "address isn't known");
	for (int i = 0; i < 3; i++)
		redis_pool_tend(fixture->pool);
	want_resolver("tended", 1, 1);
	/* Another pool has the same thread. */
	pool_open(fixture, &place, "", 200, 2);
	want_resolver("opened again", 1, 1);
	set_stuck(false);
	await_address(fixture->pool);
	redis_pool_tend(fixture->pool);
	want_resolver("known for a while", 1, 0);
	/* Closing doesn't wait. */
	set_stuck(true);
	place =
	    redis_server_place(&fixture->arena, "redis://other.example:%u", 1U);
	pool_open(fixture, &place, "", 200, 2);
	redis_pool_close(&fixture->pool);
	want_resolver("closed", 2, 1);
	set_stuck(false);
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 2);
	await_address(fixture->pool);
}

#define POOL_TEST(test) \
	cmocka_unit_test_setup_teardown(test, pools_setup, pools_teardown)

int
main(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_faults),
		POOL_TEST(test_recovers),
		POOL_TEST(test_two_answers),
		POOL_TEST(test_full_queue),
		POOL_TEST(test_endless_scan),
		POOL_TEST(test_password_is_wiped),
		POOL_TEST(test_resolver_hangs),
	};

	/* As the daemon does. */
	(void)sigaction(SIGPIPE, &ignore, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
