/* The pool with several real servers: sentinels whose master changes, and a
 * cluster whose slots move. */
#include "milter/io/clock.h"
#include "milter/io/redis_slot.h"
#include "tests/contract/redis_pools.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LINKS = 4, THREADS = 4, WAIT_MS = 60000, ROOM = 512 };

/* Load that goes on while things change: each thread adds to one key, and
 * knows how often that certainly was, or may have been, done. */
struct load {
	struct redis_pool *pool;
	pthread_t threads[THREADS];
	atomic_bool is_over;
	atomic_uint done;
	atomic_uint unsure;
	atomic_uint bad; /* answers that are none */
	const char *command;
};

static void *
add(void *context)
{
	struct load *load = context;

	while (!load->is_over) {
		struct fault fault = { 0 };
		bool is_unsent = false;
		struct redisReply *answer =
		    pool_try(load->pool, load->command, &is_unsent, &fault);

		if (answer != NULL && answer->type == REDIS_REPLY_INTEGER)
			load->done++;
		else if (answer != NULL)
			load->bad++;
		else if (!is_unsent)
			load->unsure++;
		freeReplyObject(answer);
	}
	return NULL;
}

static void
load_begin(struct load *load, struct redis_pool *pool, const char *command)
{
	*load = (struct load){ .pool = pool, .command = command };
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&load->threads[i], NULL, add, load), 0);
}

static void
load_join(struct load *load)
{
	load->is_over = true;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(load->threads[i], NULL), 0);
}

/* What the threads use is gone once the test has failed. */
static void
load_fail(struct load *load, const char *words)
{
	load_join(load);
	fail_msg("%s", words);
}

/* Wait until more has been done. */
static void
load_await(struct load *load, unsigned more)
{
	uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	unsigned before = load->done;

	while (load->done < before + more) {
		if (clock_monotonic_ms() > until_ms)
			load_fail(load, "nothing is done any more");
		(void)poll(NULL, 0, 2);
	}
}

static void
load_end(struct load *load)
{
	load_join(load);
	assert_int_equal(load->bad, 0);
}

static long
number_of(struct redis_pool *pool, const char *command)
{
	struct fault fault = { 0 };
	struct redisReply *answer = pool_try(pool, command, NULL, &fault);
	long number;

	if (answer == NULL)
		fail_msg("%s: %s", command, fault.words);
	number = answer->str != NULL ? strtol(answer->str, NULL, 10) : -1;
	freeReplyObject(answer);
	return number;
}

/* servers[0] the master, [1] its replica, [2] the sentinel. The master has a
 * password when password isn't "", and so has the sentinel. */
static void
start_sentinel(struct pool_fixture *fixture, const char *password)
{
	struct redis_server *servers = fixture->servers;
	char text[ROOM];
	int length;

	redis_server_start(&servers[0], fixture->directory, "one", NULL);
	redis_server_start(&servers[1], fixture->directory, "two", NULL);
	freeReplyObject(redis_server_ask(
	    &servers[1], "REPLICAOF 127.0.0.1 %d", servers[0].port));
	redis_server_await(
	    &servers[1], "INFO replication", "master_link_status:up");
	length = snprintf(text, sizeof(text),
	    "sentinel monitor m 127.0.0.1 %u 1\n"
	    "sentinel down-after-milliseconds m 1000\n"
	    "sentinel failover-timeout m 5000\n%s%s\n",
	    servers[0].port, password[0] != '\0' ? "requirepass " : "",
	    password);
	assert_true(length > 0 && (size_t)length < sizeof(text));
	redis_server_start_sentinel(
	    &servers[2], fixture->directory, "sentinel", text);
	if (password[0] == '\0')
		redis_server_await(
		    &servers[2], "SENTINEL MASTER m", "num-slaves");
}

/* One sentinel that isn't there, and one that is. */
static struct redis_place
sentinel_place(struct pool_fixture *fixture, const char *master)
{
	return redis_server_place(&fixture->arena,
	    "redis+sentinel://127.0.0.1:1,127.0.0.1:%u/%s",
	    fixture->servers[2].port, master);
}

static void
await_replica_known(struct pool_fixture *fixture)
{
	char name[32];

	(void)snprintf(
	    name, sizeof(name), "127.0.0.1:%u", fixture->servers[1].port);
	redis_server_await(&fixture->servers[2], "SENTINEL REPLICAS m", name);
}

static void
test_failover(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	uint64_t until_ms = clock_monotonic_ms() + WAIT_MS;
	struct load load;
	long count;

	start_sentinel(fixture, "");
	await_replica_known(fixture);
	place = sentinel_place(fixture, "m");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	load_begin(&load, fixture->pool, "INCR n");
	load_await(&load, 50);
	/* The sentinel reports its replicas every ten seconds, and takes one
	 * for good a while after. */
	for (bool is_begun = false; !is_begun;) {
		struct redisReply *answer = redis_server_ask(
		    &fixture->servers[2], "SENTINEL FAILOVER m");

		is_begun = answer->type == REDIS_REPLY_STATUS;
		freeReplyObject(answer);
		if (clock_monotonic_ms() > until_ms)
			load_fail(&load, "the sentinel finds no replica fit");
		(void)poll(NULL, 0, is_begun ? 0 : 20);
	}
	redis_server_await(&fixture->servers[1], "ROLE", "master");
	redis_server_await(&fixture->servers[0], "ROLE", "slave");
	load_await(&load, 50);
	load_end(&load);
	/* What was said by the old master in its last moment may be lost, but
	 * nothing is done twice. */
	count = number_of(fixture->pool, "GET n");
	assert_true(count <= (long)(load.done + load.unsure));
	redis_server_kill(&fixture->servers[0], SIGKILL);
	pool_want(fixture->pool, "INCR n", "");
	redis_pool_tend(fixture->pool);
	pool_want(fixture->pool, "INCR n", "");
}

static void
test_sentinel_faults(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;

	pool_write_password(fixture, "deep", 0600);
	start_sentinel(fixture, "deep");
	place = sentinel_place(fixture, "m");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(fixture->pool, "GET k", FAULT_PERMANENT, "NOAUTH");
	redis_server_tell(&fixture->servers[0], "CONFIG SET requirepass deep");
	pool_open(
	    fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, LINKS);
	pool_want(fixture->pool, "SET k v", "OK");
	place = sentinel_place(fixture, "other");
	pool_open(
	    fixture, &place, fixture->password_file, POOL_TIMEOUT_MS, LINKS);
	pool_want_fault(fixture->pool, "GET k", FAULT_TEMPORARY,
	    "knows no master \"other\"");
}

/* The sentinel names a node that is a replica: it isn't used, even to look. */
static void
test_not_master(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;

	start_sentinel(fixture, "");
	place = sentinel_place(fixture, "m");
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	freeReplyObject(redis_server_ask(&fixture->servers[0],
	    "REPLICAOF 127.0.0.1 %d", fixture->servers[1].port));
	pool_want_fault(
	    fixture->pool, "GET k", FAULT_TEMPORARY, "it is a replica");
}

/* The server of a cluster that has key's slot by its range. */
static struct redis_server *
owner_of(struct pool_fixture *fixture, const char *key)
{
	unsigned slot = redis_slot(key);

	return &fixture->servers[slot < 5461 ? 0 : slot < 10923 ? 1 : 2];
}

static struct redis_place
cluster_place(struct pool_fixture *fixture)
{
	return redis_server_place(&fixture->arena,
	    "redis+cluster://127.0.0.1:1,127.0.0.1:%u",
	    fixture->servers[0].port);
}

static void
node_id(const struct redis_server *server, char id_out[64])
{
	struct redisReply *answer = redis_server_ask(server, "CLUSTER MYID");

	(void)snprintf(id_out, 64, "%s", answer->str);
	freeReplyObject(answer);
}

static void
set_slot(const struct redis_server *server, unsigned slot, const char *what,
    const char *id)
{
	struct redisReply *answer = redis_server_ask(
	    server, "CLUSTER SETSLOT %d %s %s", slot, what, id);

	if (answer->type != REDIS_REPLY_STATUS)
		fail_msg("SETSLOT %s: %s", what, answer->str);
	freeReplyObject(answer);
}

static void
test_cluster(void **state)
{
	static const char *const keys[] = { "a", "b", "c", "foo", "bar",
		"{t}:1", "{t}:2", "{}x", "x{y", "12}{34}" };
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	char command[64];

	redis_servers_start_cluster(fixture->servers, fixture->directory);
	place = cluster_place(fixture);
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct redisReply *answer = redis_server_ask(
		    &fixture->servers[0], "CLUSTER KEYSLOT %s", keys[i]);

		assert_int_equal(answer->integer, redis_slot(keys[i]));
		freeReplyObject(answer);
		(void)snprintf(
		    command, sizeof(command), "SET %s %zu", keys[i], i);
		pool_want(fixture->pool, command, "OK");
		(void)snprintf(command, sizeof(command), "GET %s", keys[i]);
		assert_int_equal(number_of(fixture->pool, command), i);
	}
	pool_want(fixture->pool, "DBSIZE", "");
	/* All the servers at once aren't more than links_max. */
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		(void)snprintf(command, sizeof(command), "GET %s", keys[i]);
		assert_int_equal(number_of(fixture->pool, command), i);
	}
}

/* The slot goes from one server to another with all its keys, as redis-cli
 * does it, while it is counted on. */
static void
test_slot_moves(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_server *from;
	struct redis_server *to;
	struct redis_place place;
	struct load load;
	char from_id[64];
	char to_id[64];
	unsigned slot = redis_slot("{k}:n");

	redis_servers_start_cluster(fixture->servers, fixture->directory);
	place = cluster_place(fixture);
	pool_open(fixture, &place, "", POOL_TIMEOUT_MS, LINKS);
	from = owner_of(fixture, "{k}:n");
	to = &fixture->servers[from == &fixture->servers[0] ? 1 : 0];
	node_id(from, from_id);
	node_id(to, to_id);
	load_begin(&load, fixture->pool, "INCR {k}:n");
	load_await(&load, 50);
	set_slot(to, slot, "IMPORTING", from_id);
	set_slot(from, slot, "MIGRATING", to_id);
	load_await(&load, 50);
	/* A key that isn't there yet is asked for at the other. */
	pool_want(fixture->pool, "SET {k}:new v", "OK");
	pool_want(fixture->pool, "GET {k}:new", "v");
	freeReplyObject(redis_server_ask(
	    from, "MIGRATE 127.0.0.1 %d {k}:n 0 5000", to->port));
	load_await(&load, 50);
	set_slot(to, slot, "NODE", to_id);
	set_slot(from, slot, "NODE", to_id);
	load_await(&load, 50);
	load_end(&load);
	assert_int_equal(load.unsure, 0);
	assert_int_equal(
	    number_of(fixture->pool, "GET {k}:n"), (long)load.done);
}

/* Two keys, one of which is at either node: TRYAGAIN until they are not. */
static void
test_try_again(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_server *from;
	struct redis_server *to;
	struct redis_place place;
	struct fault fault = { 0 };
	bool is_unsent = false;
	char from_id[64];
	char to_id[64];
	unsigned slot = redis_slot("{k}:1");

	redis_servers_start_cluster(fixture->servers, fixture->directory);
	place = cluster_place(fixture);
	pool_open(fixture, &place, "", 300, LINKS);
	from = owner_of(fixture, "{k}:1");
	to = &fixture->servers[from == &fixture->servers[0] ? 1 : 0];
	node_id(from, from_id);
	node_id(to, to_id);
	pool_want(fixture->pool, "SET {k}:1 v", "OK");
	set_slot(to, slot, "IMPORTING", from_id);
	set_slot(from, slot, "MIGRATING", to_id);
	pool_want(fixture->pool, "SET {k}:2 v", "OK");
	assert_null(
	    pool_try(fixture->pool, "DEL {k}:1 {k}:2", &is_unsent, &fault));
	assert_true(is_unsent);
	assert_non_null(strstr(fault.words, "TRYAGAIN"));
	assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

/* A node is gone: the others are asked, and say that nobody has its slots. */
static void
test_cluster_loss(void **state)
{
	struct pool_fixture *fixture = *state;
	struct redis_place place;
	char id[64];

	redis_servers_start_cluster(fixture->servers, fixture->directory);
	place = redis_server_place(&fixture->arena,
	    "redis+cluster://127.0.0.1:%u,127.0.0.1:%u",
	    fixture->servers[0].port, fixture->servers[1].port);
	pool_open(fixture, &place, "", 1000, LINKS);
	pool_want(fixture->pool, "SET foo v", "OK"); /* slot 12182 */
	redis_server_kill(&fixture->servers[2], SIGKILL);
	pool_want_fault(fixture->pool, "GET foo", FAULT_TEMPORARY, "");
	/* Another takes its slots, as after a failover. */
	node_id(&fixture->servers[1], id);
	set_slot(&fixture->servers[0], 12182, "NODE", id);
	set_slot(&fixture->servers[1], 12182, "NODE", id);
	pool_want(fixture->pool, "SET foo v", "OK");
	/* The first of the URL is gone. */
	redis_server_kill(&fixture->servers[0], SIGKILL);
	pool_want(fixture->pool, "GET foo", "v");
}

#define POOL_TEST(test) \
	cmocka_unit_test_setup_teardown(test, pools_setup, pools_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_failover),
		POOL_TEST(test_sentinel_faults),
		POOL_TEST(test_not_master),
		POOL_TEST(test_cluster),
		POOL_TEST(test_slot_moves),
		POOL_TEST(test_try_again),
		POOL_TEST(test_cluster_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
