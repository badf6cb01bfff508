/* The resolver with libunbound, in life: many askers, forgetting, closing, and
 * what its threads do with signals and without descriptors. */
#include "tests/contract/resolver_place.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 8 };

static const struct dns_server_rule rules[] = {
	{ .name = "good.example.com", .records = { PLACE_A("192.0.2.1") } },
	{ .name = "*.good.example.com", .records = { PLACE_A("192.0.2.1") } },
	{ .name = "silent.example.com", .act = DNS_SERVER_SILENT },
	{ .name = "*.silent.example.net", .act = DNS_SERVER_SILENT },
	{ .name = NULL },
};

/* ---- many at once ---- */

struct crowd {
	struct resolver_place place;
	atomic_size_t lost;
};

static void *
ask_many(void *context)
{
	struct crowd *crowd = context;
	struct resolver_asker *asker =
	    resolver_begin(crowd->place.resolver, PLACE_LONG_MS);
	char name[64];

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 100; i++) {
			const struct dns_question question = { .name = name,
				.type = DNS_A };

			(void)snprintf(
			    name, sizeof name, "n%u.good.example.com", i);
			if (round == 0)
				(void)resolver_ask(asker, &question);
			else if (resolver_place_await(asker, name, DNS_A)
				     ->status
			    != DNS_FOUND)
				crowd->lost++;
		}
	resolver_end(&asker);
	return NULL;
}

static void
test_crowd(void **state)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];
	char name[64];

	(void)state;
	resolver_place_open(&crowd.place, rules);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, ask_many, &crowd), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crowd.lost, 0);
	assert_int_equal(resolver_counters(crowd.place.resolver).asked, 100);
	for (unsigned i = 0; i < 100; i++) {
		size_t count;

		(void)snprintf(name, sizeof name, "n%u.good.example.com", i);
		count = dns_server_count(crowd.place.server, name, 0);
		/* One more where the machine was too slow for libunbound. */
		if (count < 1 || count > 2)
			fail_msg(
			    "%s: wanted it asked once, got %zu", name, count);
	}
	resolver_place_close(&crowd.place);
}

/* ---- the life of it ---- */

static void
test_forget(void **state)
{
	static const struct dns_server_rule changed[] = {
		{ .name = "good.example.com",
		    .rcode = 3,
		    .has_soa = true,
		    .soa_ttl_s = 10 },
		{ .name = "silent.example.com",
		    .records = { PLACE_A("192.0.2.1") } },
		{ .name = NULL },
	};
	struct resolver_asker *asker;
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	assert_int_equal(resolver_place_status(
			     place.resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	/* This one is under way meanwhile, and asked anew. */
	asker = resolver_begin(place.resolver, PLACE_LONG_MS);
	assert_null(resolver_ask(asker,
	    &(const struct dns_question){
		.name = "silent.example.com", .type = DNS_A }));
	dns_server_follow(place.server, changed);
	assert_int_equal(resolver_place_status(
			     place.resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	resolver_forget(place.resolver);
	assert_int_equal(resolver_place_status(
			     place.resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_NXDOMAIN);
	assert_int_equal(
	    resolver_place_await(asker, "silent.example.com", DNS_A)->status,
	    DNS_FOUND);
	resolver_end(&asker);
	resolver_place_close(&place);
}

static void *
forget_often(void *context)
{
	struct crowd *crowd = context;

	for (unsigned i = 0; i < 5; i++)
		resolver_forget(crowd->place.resolver);
	return NULL;
}

/* Nothing is lost by forgetting while all is busy. */
static void
test_forget_busy(void **state)
{
	static struct crowd crowd;
	pthread_t threads[THREADS];

	(void)state;
	resolver_place_open(&crowd.place, rules);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL,
			i % 4 == 0 ? forget_often : ask_many, &crowd),
		    0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(crowd.lost, 0);
	resolver_place_close(&crowd.place);
}

/* Whatever is under way, it closes, and more than once in a process. */
static void
test_close_busy(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct resolver_asker *asker;
		struct resolver_place place;
		char name[64];

		resolver_place_open(&place, rules);
		asker = resolver_begin(place.resolver, 1);
		for (unsigned i = 0; i < 300; i++) {
			const struct dns_question question = { .name = name,
				.type = DNS_A };

			(void)snprintf(name, sizeof name, "n%u.%s", i,
			    i % 2 == 0 ? "silent.example.net"
				       : "good.example.com");
			(void)resolver_ask(asker, &question);
		}
		if (round > 0)
			while (resolver_wait(asker))
				continue;
		resolver_end(&asker);
		resolver_place_close(&place);
	}
}

/* The signals that some thread of this process is ready to hear. */
static unsigned long long
heard_by(const char *task)
{
	char path[300];
	char line[256];
	unsigned long long blocked = 0;
	FILE *file;

	(void)snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
	file = fopen(path, "re");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "SigBlk:", 7) == 0)
			blocked = strtoull(line + 7, NULL, 16);
	if (file != NULL)
		(void)fclose(file);
	return ~blocked;
}

static void
test_signals(void **state)
{
	static const int signals[] = { SIGTERM, SIGHUP, SIGINT, SIGUSR1,
		SIGUSR2, SIGCHLD, SIGALRM, SIGPIPE };
	const struct dirent *entry;
	sigset_t all, before, after;
	struct resolver_place place;
	unsigned deaf = 0;
	char own[32];
	DIR *tasks;

	(void)state;
	/* The server's own thread is none of ours. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &before);
	place.server = dns_server_start(rules);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	{
		const char *servers[] = { dns_server_address(place.server) };

		place.resolver = resolver_place_open_at(servers, 1, NULL);
		assert_non_null(place.resolver);
	}
	assert_int_equal(resolver_place_status(
			     place.resolver, "good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	resolver_forget(place.resolver);
	(void)pthread_sigmask(SIG_BLOCK, NULL, &after);
	(void)snprintf(own, sizeof own, "%d", getpid());
	tasks = opendir("/proc/self/task");
	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL) {
		unsigned long long heard;

		if (entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
			continue;
		heard = heard_by(entry->d_name);
		for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
			if ((heard >> (signals[i] - 1) & 1) != 0)
				fail_msg(
				    "a thread hears signal %d", signals[i]);
		deaf++;
	}
	(void)closedir(tasks);
	assert_true(deaf >= 2);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		assert_int_equal(sigismember(&before, signals[i]),
		    sigismember(&after, signals[i]));
	resolver_place_close(&place);
}

/* Without descriptors questions are lost; with some again they aren't. */
static void
test_descriptors(void **state)
{
	struct rlimit before, none;
	struct resolver_place place;

	(void)state;
	resolver_place_open(&place, rules);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(
	    resolver_place_status(place.resolver, "a.good.example.com", 1000),
	    DNS_LOST);
	resolver_forget(place.resolver);
	assert_null(resolver_place_open_at(NULL, 0, NULL));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(resolver_place_status(place.resolver,
			     "b.good.example.com", PLACE_LONG_MS),
	    DNS_FOUND);
	resolver_place_close(&place);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_forget_busy),
		cmocka_unit_test(test_close_busy),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
