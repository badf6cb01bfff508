/* resolver_fixture: a resolver over a source and a clock of the test. */
#ifndef TESTS_UNIT_RESOLVER_FIXTURE_H
#define TESTS_UNIT_RESOLVER_FIXTURE_H

#include "milter/io/resolver.h"
#include "tests/fake/answers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct resolver_fixture {
	struct answers *answers;
	struct resolver *resolver;
	atomic_uint_least64_t now_ms;
};

enum { RESOLVER_FIXTURE_NAME = 96 };

/* Write into space (RESOLVER_FIXTURE_NAME) name with a number for its '#'. */
void resolver_fixture_name(char *space, const char *name, unsigned number);

/* Open one with a cache of so many octets. */
void resolver_fixture_open(struct resolver_fixture *fixture, size_t bytes);

void resolver_fixture_close(struct resolver_fixture *fixture);

/* An asker; the test ends where there is none. */
struct resolver_asker *
resolver_fixture_begin(struct resolver_fixture *fixture, uint64_t timeout_ms);

/* Ask about the A records of name; NULL: it is under way. */
const struct dns_answer *
resolver_fixture_ask(struct resolver_asker *asker, const char *name);

/* Ask and wait till it is answered. */
const struct dns_answer *
resolver_fixture_await(struct resolver_asker *asker, const char *name);

/* The status that an asker of its own gets at once. */
enum dns_status
resolver_fixture_status(struct resolver_fixture *fixture, const char *name);

/* Have an asker of its own give up name, for all. Takes RESOLVER_SHORT_MS. */
void
resolver_fixture_give_up(struct resolver_fixture *fixture, const char *name);

/* Fail unless it is as wanted. */
void resolver_fixture_expect(
    const char *what, const struct dns_answer *answer, enum dns_status wanted);

/* Answers to give. */
extern const struct dns_answer resolver_fixture_found;    /* 192.0.2.1 */
extern const struct dns_answer resolver_fixture_other;    /* 192.0.2.2 */
extern const struct dns_answer resolver_fixture_nxdomain; /* TTL 300 too */
extern const struct dns_answer resolver_fixture_lost;

#endif
