#include "tests/contract/redis_pools.h"

#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARENA_BYTES = 65536, WORDS = 16, ROOM = 512 };

int
pools_setup(void **state)
{
	struct pool_fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	arena_init(&fixture->arena, ARENA_BYTES);
	(void)snprintf(fixture->directory, sizeof(fixture->directory),
	    "/tmp/redis_pool.XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	(void)snprintf(fixture->password_file, sizeof(fixture->password_file),
	    "%s/password", fixture->directory);
	*state = fixture;
	return 0;
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

int
pools_teardown(void **state)
{
	struct pool_fixture *fixture = *state;

	redis_pool_close(&fixture->pool);
	for (size_t i = 0; i < POOL_SERVERS; i++)
		redis_server_stop(&fixture->servers[i]);
	arena_clear(&fixture->arena);
	(void)nftw(fixture->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

void
pool_open(struct pool_fixture *fixture, const struct redis_place *place,
    const char *password_file, uint64_t timeout_ms, size_t links_max)
{
	const struct redis_pool_rules rules = {
		.timeout_ms = timeout_ms,
		.password_file = password_file,
		.links_max = links_max,
	};
	struct fault fault = { 0 };

	redis_pool_close(&fixture->pool);
	fixture->pool = redis_pool_open(place, &rules, &fault);
	if (fixture->pool == NULL)
		fail_msg("%s: %s", place->shown, fault.words);
	assert_string_equal(redis_pool_name(fixture->pool), place->shown);
}

void
pool_write_password(
    const struct pool_fixture *fixture, const char *password, unsigned mode)
{
	FILE *file = fopen(fixture->password_file, "we");

	assert_non_null(file);
	assert_true(fprintf(file, "%s\nnot this line\n", password) > 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(fixture->password_file, (mode_t)mode), 0);
}

struct redisReply *
pool_try(struct redis_pool *pool, const char *command, bool *is_unsent_out,
    struct fault *fault)
{
	const char *words[WORDS];
	size_t lengths[WORDS];
	char copy[ROOM];
	char *rest = copy;
	char *word;
	int count = 0;

	assert_true(strlen(command) < sizeof(copy));
	memcpy(copy, command, strlen(command) + 1);
	while ((word = strsep(&rest, " ")) != NULL) {
		assert_true(count < WORDS);
		words[count] = word;
		lengths[count++] = strlen(word);
	}
	return redis_pool_command(pool, count > 1 ? words[1] : NULL, count,
	    words, lengths, is_unsent_out, fault);
}

void
pool_want(struct redis_pool *pool, const char *command, const char *wanted)
{
	struct fault fault = { 0 };
	char number[24];
	const char *got = "nil";
	struct redisReply *answer = pool_try(pool, command, NULL, &fault);

	if (answer == NULL)
		fail_msg("%s: wanted %s, got %s", command, wanted, fault.words);
	if (answer->type == REDIS_REPLY_INTEGER) {
		(void)snprintf(number, sizeof(number), "%lld", answer->integer);
		got = number;
	} else if (answer->str != NULL)
		got = answer->str;
	if (strncmp(got, wanted, strlen(wanted)) != 0)
		fail_msg("%s: wanted %s, got %s", command, wanted, got);
	freeReplyObject(answer);
}

void
pool_want_fault(struct redis_pool *pool, const char *command,
    enum fault_kind kind, const char *part)
{
	struct fault fault = { 0 };
	struct redisReply *answer = pool_try(pool, command, NULL, &fault);

	if (answer != NULL)
		fail_msg("%s: wanted a fault with %s, got an answer: %s",
		    command, part, answer->str != NULL ? answer->str : "-");
	if (fault.kind != kind || strstr(fault.words, part) == NULL)
		fail_msg("%s: wanted fault %d with %s, got %d: %s", command,
		    kind, part, fault.kind, fault.words);
}
