#include "milter/io/redis_answer.h"
#include "milter/io/redis_cluster.h"
#include "milter/io/redis_slot.h"
#include "milter/io/secret_file.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ANSWER_BYTES = 512 };

static const struct answer_case {
	const char *words;
	enum redis_answer_kind kind;
	unsigned slot;
	const char *shown; /* the node that it sends to */
} cases[] = {
	{ "ERR no such key", REDIS_ANSWER_OWN, 0, "" },
	{ "NOSCRIPT No matching script.", REDIS_ANSWER_OWN, 0, "" },
	{ "", REDIS_ANSWER_OWN, 0, "" },
	{ "READONLYX", REDIS_ANSWER_OWN, 0, "" },
	{ "READONLY You can't", REDIS_ANSWER_WRONG, 0, "" },
	{ "LOADING Redis", REDIS_ANSWER_WRONG, 0, "" },
	{ "MASTERDOWN Link", REDIS_ANSWER_WRONG, 0, "" },
	{ "TRYAGAIN Multiple", REDIS_ANSWER_AGAIN, 0, "" },
	{ "CLUSTERDOWN The", REDIS_ANSWER_DOWN, 0, "" },
	{ "NOAUTH Authentication", REDIS_ANSWER_REFUSED, 0, "" },
	{ "NOPERM this user", REDIS_ANSWER_REFUSED, 0, "" },
	{ "ERR max number of clients reached", REDIS_ANSWER_FULL, 0, "" },
	{ "ERR Error running script: user_script:1: -READONLY You",
	    REDIS_ANSWER_WRONG, 0, "" },
	{ "ERR -READONLY ", REDIS_ANSWER_OWN, 0, "" },
	{ "MOVED 3999 127.0.0.1:6381", REDIS_ANSWER_MOVED, 3999,
	    "127.0.0.1:6381" },
	{ "MOVED 0 db.example:1", REDIS_ANSWER_MOVED, 0, "db.example:1" },
	{ "MOVED 16383 2001:db8::1:6379", REDIS_ANSWER_MOVED, 16383,
	    "[2001:db8::1]:6379" },
	{ "MOVED 1 :7000", REDIS_ANSWER_MOVED, 1, "here:7000" },
	{ "ASK 5 10.0.0.1:65535", REDIS_ANSWER_ASK, 5, "10.0.0.1:65535" },
	{ "MOVED 16384 a:1", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED -1 a:1", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 a:0", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 a:65536", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 a:", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 a", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED ", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED :1 a", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 ?:7000", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 /tmp/s:7000", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 1 a\tb:7000", REDIS_ANSWER_DOWN, 0, "" },
	{ "MOVED 99999999999 a:1", REDIS_ANSWER_DOWN, 0, "" },
};

static void
test_kinds(void **state)
{
	struct redis_node here;

	(void)state;
	assert_true(redis_node_set(&here, "here", 4, 6379));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct answer_case *c = &cases[i];
		char copy[ANSWER_BYTES];
		struct redisReply answer = { .type = REDIS_REPLY_ERROR,
			.str = copy };
		char shown[REDIS_NODE_SHOWN_BYTES] = "";
		struct redis_node node = { .port = 0 };
		unsigned slot = 0;
		enum redis_answer_kind got;

		memcpy(copy, c->words, strlen(c->words) + 1);
		answer.len = strlen(copy);
		got = redis_answer_kind(&answer, &here, &slot, &node);
		if (got == REDIS_ANSWER_MOVED || got == REDIS_ANSWER_ASK)
			redis_node_show(&node, shown);
		if (got != c->kind || strcmp(shown, c->shown) != 0
		    || (c->shown[0] != '\0' && slot != c->slot))
			fail_msg("%s: wanted %d %u %s, got %d %u %s", c->words,
			    c->kind, c->slot, c->shown, got, slot, shown);
		/* The same words as a value mean nothing. */
		answer.type = REDIS_REPLY_STRING;
		assert_int_equal(
		    redis_answer_kind(&answer, &here, &slot, &node),
		    REDIS_ANSWER_OWN);
	}
}

/* A host of any length is either taken whole or not at all. */
static void
test_long_host(void **state)
{
	char words[ANSWER_BYTES] = "MOVED 1 ";
	char host[300];
	struct redisReply answer = { .type = REDIS_REPLY_ERROR, .str = words };
	struct redis_node here;
	struct redis_node node;
	unsigned slot;

	(void)state;
	assert_true(redis_node_set(&here, "h", 1, 1));
	memset(host, 'a', sizeof(host));
	for (int length = 250; length < 260; length++) {
		bool is_taken;

		(void)snprintf(
		    words, sizeof(words), "MOVED 1 %.*s:1", length, host);
		is_taken = redis_answer_kind(&answer, &here, &slot, &node)
		    == REDIS_ANSWER_MOVED;
		assert_int_equal(is_taken, length < REDIS_NODE_HOST_BYTES);
		if (is_taken)
			assert_int_equal(strlen(node.host), length);
	}
}

static void
test_slots(void **state)
{
	static const struct {
		const char *key;
		unsigned slot;
	} slots[] = {
		{ "", 0 },
		{ "123456789", 12739 }, /* the specification's own */
		{ "foo", 12182 },
		{ "{foo}bar", 12182 },
		{ "x{foo}{bar}", 12182 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++)
		if (redis_slot(slots[i].key) != slots[i].slot)
			fail_msg("%s: wanted %u, got %u", slots[i].key,
			    slots[i].slot, redis_slot(slots[i].key));
	/* Without a tag all of it counts. */
	assert_int_not_equal(redis_slot("a{foo"), 12182);
	assert_int_not_equal(redis_slot("{}foo"), redis_slot("{}bar"));
}

static void
want_owner(struct redis_cluster *cluster, int slot, const char *shown)
{
	char got[REDIS_NODE_SHOWN_BYTES];
	struct redis_node node;

	redis_cluster_find(cluster, slot, &node);
	redis_node_show(&node, got);
	if (strcmp(got, shown) != 0)
		fail_msg("slot %d: wanted %s, got %s", slot, shown, got);
}

/* A cluster that names ever new nodes doesn't cost ever more. */
static void
test_many_nodes(void **state)
{
	const struct redis_place place = {
		.kind = REDIS_CLUSTER,
		.hosts = { { "a", 1 }, { "b", 2 } },
		.host_count = 2,
	};
	struct redis_cluster *cluster = redis_cluster_open(&place);
	struct redis_node node;

	(void)state;
	assert_non_null(cluster);
	want_owner(cluster, 7, "a:1");
	for (uint16_t i = 1; i < 2000; i++) {
		char shown[REDIS_NODE_SHOWN_BYTES];

		assert_true(redis_node_set(&node, "n", 1, i));
		redis_node_show(&node, shown);
		redis_cluster_learn(cluster, i, &node);
		want_owner(cluster, i, shown);
	}
	redis_cluster_doubt(cluster, &node);
	want_owner(cluster, 1999, "a:1");
	assert_true(redis_node_set(&node, "a", 1, 1));
	redis_cluster_doubt(cluster, &node);
	want_owner(cluster, 1999, "b:2");
	redis_cluster_close(&cluster);
	redis_cluster_close(&cluster);
}

static const struct secret_case {
	const char *name;
	const char *data;
	size_t length;
	mode_t mode;
	const char *wanted; /* the line, or part of the fault's words */
	bool is_good;
} secrets[] = {
	{ "a line", "pass word\n", 10, 0600, "pass word", true },
	{ "no newline", "p", 1, 0400, "p", true },
	{ "two lines", "p\nq\n", 4, 0600, "p", true },
	{ "own group reads", "p\n", 2, 0640, "p", true },
	{ "others read", "p\n", 2, 0604, "chmod 600", false },
	{ "group writes", "p\n", 2, 0620, "chmod 600", false },
	{ "others write", "p\n", 2, 0602, "chmod 600", false },
	{ "empty", "", 0, 0600, "is empty", false },
	{ "empty line", "\np\n", 3, 0600, "is empty", false },
	{ "a NUL", "a\0b\n", 4, 0600, "NUL", false },
};

static void
write_secret(const char *path, const char *data, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, length), length);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

static void
test_secrets(void **state)
{
	char directory[] = "/tmp/secret.XXXXXX";
	char line[SECRET_LINE_BYTES];
	char large[SECRET_LINE_BYTES];
	struct fault fault = { 0 };
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/s", directory);
	assert_false(secret_file_read(path, line, &fault));
	assert_int_equal(fault.kind, FAULT_PERMANENT);
	for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
		const struct secret_case *c = &secrets[i];
		bool is_good;

		fault = (struct fault){ 0 };
		write_secret(path, c->data, c->length, c->mode);
		is_good = secret_file_read(path, line, &fault);
		if (is_good != c->is_good
		    || strstr(is_good ? line : fault.words, c->wanted) == NULL
		    || (is_good && strcmp(line, c->wanted) != 0))
			fail_msg("%s: wanted %s, got %s", c->name, c->wanted,
			    is_good ? line : fault.words);
		assert_int_equal(unlink(path), 0);
	}
	memset(large, 'x', sizeof(large));
	write_secret(path, large, sizeof(large) - 1, 0600);
	assert_true(secret_file_read(path, line, &fault));
	assert_int_equal(strlen(line), sizeof(large) - 1);
	write_secret(path, large, sizeof(large), 0600);
	assert_false(secret_file_read(path, line, &fault));
	assert_null(strstr(fault.words, "xxx"));
	/* Nor does a pipe make it wait. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_false(secret_file_read(path, line, &fault));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_long_host),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_many_nodes),
		cmocka_unit_test(test_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
