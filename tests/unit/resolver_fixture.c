#include "tests/unit/resolver_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct dns_record record = {
	.address = { .octets = { [10] = 0xff, 0xff, 192, 0, 2, 1 },
	    .is_known = true }
};
static const struct dns_record other_record = {
	.address = { .octets = { [10] = 0xff, 0xff, 192, 0, 2, 2 },
	    .is_known = true }
};

const struct dns_answer resolver_fixture_found = {
	.status = DNS_FOUND, .ttl_s = 300, .records = &record, .count = 1
};
const struct dns_answer resolver_fixture_other = {
	.status = DNS_FOUND, .ttl_s = 300, .records = &other_record, .count = 1
};
const struct dns_answer resolver_fixture_nxdomain = { .status = DNS_NXDOMAIN,
	.ttl_s = 300 };
const struct dns_answer resolver_fixture_lost = { .status = DNS_LOST,
	.why = "the test says so" };

static uint64_t
read_clock(void *context)
{
	struct resolver_fixture *fixture = context;

	return atomic_load(&fixture->now_ms);
}

void
resolver_fixture_name(char *space, const char *name, unsigned number)
{
	int before = (int)strcspn(name, "#");

	(void)snprintf(space, RESOLVER_FIXTURE_NAME, "%.*s%u%s", before, name,
	    number, name + before + 1);
}

void
resolver_fixture_open(struct resolver_fixture *fixture, size_t bytes)
{
	const struct resolver_rules rules = { .cache_bytes = bytes };
	struct resolver_source source;
	struct fault fault = { 0 };

	atomic_init(&fixture->now_ms, 1000000);
	fixture->answers = answers_open();
	source = answers_source(fixture->answers);
	fixture->resolver = resolver_open_with(&rules, &source, &fault);
	if (fixture->resolver == NULL)
		fail_msg("resolver_open_with: %s", fault.words);
	resolver_set_clock(fixture->resolver, read_clock, fixture);
}

void
resolver_fixture_close(struct resolver_fixture *fixture)
{
	resolver_close(&fixture->resolver);
	answers_close(&fixture->answers);
}

struct resolver_asker *
resolver_fixture_begin(struct resolver_fixture *fixture, uint64_t timeout_ms)
{
	struct resolver_asker *asker =
	    resolver_begin(fixture->resolver, timeout_ms);

	assert_non_null(asker);
	return asker;
}

const struct dns_answer *
resolver_fixture_ask(struct resolver_asker *asker, const char *name)
{
	const struct dns_question question = { .name = name, .type = DNS_A };

	return resolver_ask(asker, &question);
}

const struct dns_answer *
resolver_fixture_await(struct resolver_asker *asker, const char *name)
{
	const struct dns_answer *answer;

	while ((answer = resolver_fixture_ask(asker, name)) == NULL)
		(void)resolver_wait(asker);
	return answer;
}

enum dns_status
resolver_fixture_status(struct resolver_fixture *fixture, const char *name)
{
	struct resolver_asker *asker = resolver_fixture_begin(fixture, 1000);
	const struct dns_answer *answer = resolver_fixture_ask(asker, name);
	enum dns_status status;

	if (answer == NULL)
		fail_msg("%s: it is under way", name);
	status = answer->status;
	resolver_end(&asker);
	return status;
}

void
resolver_fixture_give_up(struct resolver_fixture *fixture, const char *name)
{
	const uint64_t lost = resolver_counters(fixture->resolver).lost;

	/* Once more if this thread was too slow to have waited long enough. */
	while (resolver_counters(fixture->resolver).lost == lost) {
		struct resolver_asker *asker =
		    resolver_fixture_begin(fixture, RESOLVER_SHORT_MS + 10);

		resolver_fixture_expect(
		    name, resolver_fixture_await(asker, name), DNS_LOST);
		resolver_end(&asker);
	}
}

void
resolver_fixture_expect(
    const char *what, const struct dns_answer *answer, enum dns_status wanted)
{
	if (answer == NULL)
		fail_msg("%s: wanted %d, it is under way", what, wanted);
	if (answer->status != wanted)
		fail_msg("%s: wanted %d, got %d (%s)", what, wanted,
		    answer->status, answer->why != NULL ? answer->why : "");
}
