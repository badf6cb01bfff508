/* The pool with one real server: logging in, connections that end, time that
 * runs out, many threads. */
#include "milter/io/clock.h"
#include "tests/contract/redis_pools.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 16, ROUNDS = 200, LINKS = 4 };

static struct redis_place
unix_place(struct pool_fixture *fixture, const char *query)
{
	return redis_server_place(&fixture->arena, "redis+unix://%s%s",
	    fixture->servers[0].path, query);
}

static struct redis_place
tcp_place(struct pool_fixture *fixture, const char *user, const char *host,
    const char *rest)
{
	return redis_server_place(&fixture->arena, "redis://%s%s:%u%s", user,
	    host, fixture->servers[0].port, rest);
}

static void
start(struct pool_fixture *fixture, const char *const *words)
{
	redis_server_start(
	    &fixture->servers[0], fixture->directory, "one", words);
}

static void
test_places(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "SET k one", "OK");
	place = unix_place(fixture, "?db=3");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "GET k", "nil");
	pool_want(fixture->pool, "SET k three", "OK");
	place = tcp_place(fixture, "", "127.0.0.1", "/3");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "GET k", "three");
	/* A name, of which one address may have nobody. */
	place = tcp_place(fixture, "", "localhost", "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "GET k", "one");
	redis_pool_tend(fixture->pool);
	pool_want(fixture->pool, "GET k", "one");
	/* The command's own error is an answer. */
	pool_want(fixture->pool, "INCR k", "ERR value is not an integer");
	place = tcp_place(fixture, "", "127.0.0.1", "/99");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(fixture->pool, "GET k", FAULT_PERMANENT, "database 99");
}

static void
test_login(void **state)
{
	static const char *const words[] = { "--requirepass", "deep", NULL };
	struct pool_fixture *fixture = *state;
	struct redis_place place;

	start(fixture, words);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(fixture->pool, "GET k", FAULT_PERMANENT, "NOAUTH");
	pool_write_password(fixture, "deep", 0600);
	pool_open(
	    fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "GET k", "nil");
	pool_want(
	    fixture->pool, "ACL SETUSER bob on >dark ~k +get +select", "OK");
	place = unix_place(fixture, "?user=bob");
	pool_open(
	    fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(fixture->pool, "GET k", FAULT_PERMANENT, "\"bob\"");
	pool_want_fault(
	    fixture->pool, "GET k", FAULT_PERMANENT, fixture->password_file);
	/* A changed file is read at the next login. */
	pool_write_password(fixture, "dark", 0640);
	pool_want(fixture->pool, "GET k", "nil");
	pool_want_fault(
	    fixture->pool, "SET k v", FAULT_PERMANENT, "\"bob\": NOPERM");
	place = unix_place(fixture, "?user=bob&db=1");
	pool_open(
	    fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "GET k", "nil");
	/* It is gone when the next login needs it. */
	redis_server_kill(&fixture->servers[0], SIGKILL);
	redis_server_restart(&fixture->servers[0]);
	assert_int_equal(unlink(fixture->password_file), 0);
	pool_want_fault(
	    fixture->pool, "GET k", FAULT_PERMANENT, "No such file");
}

static void
want_no_pool(const struct redis_place *place, const char *password_file,
    const char *part)
{
	const struct redis_pool_rules rules = {
		.timeout_ms = POOL_TIMEOUT_MS,
		.password_file = password_file,
		.links_max = 1,
	};
	struct fault fault = { 0 };
	struct redis_pool *pool = redis_pool_open(place, &rules, &fault);

	if (pool != NULL)
		fail_msg("%s: wanted no pool", part);
	if (fault.kind != FAULT_PERMANENT || strstr(fault.words, part) == NULL)
		fail_msg(
		    "wanted %s, got %d: %s", part, fault.kind, fault.words);
}

static void
test_open(void **state)
{
	struct pool_fixture *fixture = *state;
	const char *file = fixture->password_file;
	struct redis_place place =
	    redis_server_place(&fixture->arena, "redis://127.0.0.1:1");

	want_no_pool(&place, file, "No such file");
	pool_write_password(fixture, "p", 0604);
	want_no_pool(&place, file, "chmod 600");
	pool_write_password(fixture, "p", 0620);
	want_no_pool(&place, file, "chmod 600");
	pool_write_password(fixture, "", 0600);
	want_no_pool(&place, file, "first line is empty");
	want_no_pool(&place, fixture->directory, "not a regular file");
	if (!redis_pool_has_tls()) {
		place =
		    redis_server_place(&fixture->arena, "rediss://127.0.0.1");
		want_no_pool(&place, "", "hiredis 1.0");
	}
}

static void
test_unreachable(void **state)
{
	struct pool_fixture *fixture = *state;
	struct fault fault = { 0 };
	bool is_unsent = false;
	struct redis_place place;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	redis_server_kill(&fixture->servers[0], SIGKILL);
	assert_null(pool_try(fixture->pool, "GET k", &is_unsent, &fault));
	assert_true(is_unsent);
	assert_non_null(strstr(fault.words, place.shown));
	/* It is asked again as soon as it is there. */
	redis_server_restart(&fixture->servers[0]);
	pool_want(fixture->pool, "GET k", "nil");
	/* No name: at once, and no waiting for a resolver. */
	place = redis_server_place(&fixture->arena, "redis://nobody.invalid");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(
	    fixture->pool, "GET k", FAULT_TEMPORARY, "address isn't known");
}

static void
test_ended_links(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	for (int i = 0; i < 20; i++) {
		pool_want(fixture->pool, "INCR k", "");
		freeReplyObject(redis_server_ask(
		    &fixture->servers[0], "CLIENT KILL TYPE normal"));
	}
	pool_want(fixture->pool, "GET k", "20");
	for (int i = 0; i < 3; i++) {
		redis_server_kill(&fixture->servers[0], SIGKILL);
		redis_server_restart(&fixture->servers[0]);
		pool_want(fixture->pool, "INCR k", "1");
	}
}

static void
test_stopped_server(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	struct fault fault = { 0 };
	bool is_unsent = true;

	start(fixture, NULL);
	place = tcp_place(fixture, "", "127.0.0.1", "");
	pool_open(fixture, &place, "", 200, LINKS);
	pool_want(fixture->pool, "SET k v", "OK");
	assert_int_equal(kill(fixture->servers[0].pid, SIGSTOP), 0);
	/* With an idle link, and then without. */
	for (int i = 0; i < 3; i++) {
		uint64_t start_ms = clock_monotonic_ms();
		uint64_t took_ms;

		assert_null(
		    pool_try(fixture->pool, "INCR n", &is_unsent, &fault));
		took_ms = clock_monotonic_ms() - start_ms;
		assert_false(is_unsent);
		if (took_ms < 190 || took_ms > 20000)
			fail_msg("wanted 200 ms, got %ju", (uintmax_t)took_ms);
		assert_non_null(strstr(fault.words, "in time"));
	}
	assert_int_equal(kill(fixture->servers[0].pid, SIGCONT), 0);
	/* A late answer is nobody's. */
	redis_server_await(&fixture->servers[0], "PING", "PONG");
	pool_want(fixture->pool, "GET k", "v");
}

/* READONLY is no answer to be given on, nor is it asked for ever. */
static void
test_replica(void **state)
{
	struct pool_fixture *fixture = *state;
	struct fault fault = { 0 };
	bool is_unsent = false;
	struct redis_place place;
	struct redisReply *answer;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "SET k v", "OK");
	redis_server_tell(
	    &fixture->servers[0], "CONFIG SET min-replicas-to-write 0");
	redis_server_tell(&fixture->servers[0], "REPLICAOF 127.0.0.1 1");
	answer = pool_try(fixture->pool, "SET k w", &is_unsent, &fault);
	assert_null(answer);
	assert_true(is_unsent);
	assert_non_null(strstr(fault.words, "READONLY"));
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
	redis_server_tell(&fixture->servers[0], "REPLICAOF NO ONE");
	pool_want(fixture->pool, "SET k w", "OK");
}

struct worker {
	struct redis_pool *pool;
	pthread_t thread;
	const char *command;
	int number;
	unsigned bad;
	struct fault fault;
};

/* Everyone gets his own answer: ECHO of what only he says. */
static void *
work(void *context)
{
	struct worker *worker = context;

	for (int i = 0; i < ROUNDS; i++) {
		char own[32];
		char command[48];
		struct redisReply *answer;

		(void)snprintf(own, sizeof(own), "%d-%d", worker->number, i);
		(void)snprintf(command, sizeof(command), "ECHO %s", own);
		answer = pool_try(worker->pool, command, NULL, &worker->fault);
		if (answer == NULL || answer->str == NULL
		    || strcmp(answer->str, own) != 0)
			worker->bad++;
		freeReplyObject(answer);
	}
	return NULL;
}

/* How many the server has accepted since it began. */
static long
connections(const struct redis_server *server)
{
	struct redisReply *answer = redis_server_ask(server, "INFO stats");
	const char *found = strstr(answer->str, "total_connections_received:");
	long count;

	assert_non_null(found);
	count = strtol(strchr(found, ':') + 1, NULL, 10);
	freeReplyObject(answer);
	return count;
}

static void
test_threads(void **state)
{
	struct pool_fixture *fixture = *state;
	struct worker workers[THREADS];
	struct redis_place place;
	long before;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", 20000, LINKS);
	before = connections(&fixture->servers[0]);
	for (int i = 0; i < THREADS; i++) {
		workers[i] =
		    (struct worker){ .pool = fixture->pool, .number = i };
		assert_int_equal(
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]),
		    0);
	}
	redis_pool_tend(fixture->pool);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		if (workers[i].bad > 0)
			fail_msg("%u bad answers: %s", workers[i].bad,
			    workers[i].fault.words);
	}
	/* One more is the one that asks. */
	assert_in_range(
	    connections(&fixture->servers[0]) - before, 2, LINKS + 1);
}

static void *
hold(void *context)
{
	struct worker *worker = context;

	freeReplyObject(
	    pool_try(worker->pool, worker->command, NULL, &worker->fault));
	return NULL;
}

/* Who finds no link free waits for one. */
static void
test_busy(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	struct worker worker;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 1);
	worker = (struct worker){
		.pool = fixture->pool,
		.command = "BLPOP list 0.3",
	};
	assert_int_equal(
	    pthread_create(&worker.thread, NULL, hold, &worker), 0);
	redis_server_await(
	    &fixture->servers[0], "INFO clients", "blocked_clients:1");
	pool_want(fixture->pool, "GET k", "nil");
	assert_int_equal(pthread_join(worker.thread, NULL), 0);
	assert_int_equal(worker.fault.kind, FAULT_NONE);
}

/* But not longer than he may. */
static void
test_too_busy(void **state)
{
	struct pool_fixture *fixture = *state;
	uint64_t start_ms = clock_monotonic_ms();
	struct redis_place place;
	struct worker workers[3];
	unsigned unsent = 0;

	start(fixture, NULL);
	place = unix_place(fixture, "");
	pool_open(fixture, &place, "", 300, 1);
	for (int i = 0; i < 3; i++) {
		workers[i] = (struct worker){
			.pool = fixture->pool,
			.command = "BLPOP list 30",
		};
		assert_int_equal(
		    pthread_create(&workers[i].thread, NULL, hold, &workers[i]),
		    0);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].fault.kind, FAULT_TEMPORARY);
		unsent +=
		    strstr(workers[i].fault.words, "all 1 connections") != NULL;
	}
	assert_in_range(unsent, 1, 2);
	assert_in_range(clock_monotonic_ms() - start_ms, 300, 20000);
}

#define POOL_TEST(test) \
	cmocka_unit_test_setup_teardown(test, pools_setup, pools_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_places),
		POOL_TEST(test_login),
		POOL_TEST(test_open),
		POOL_TEST(test_unreachable),
		POOL_TEST(test_ended_links),
		POOL_TEST(test_stopped_server),
		POOL_TEST(test_replica),
		POOL_TEST(test_threads),
		POOL_TEST(test_busy),
		POOL_TEST(test_too_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
