/* zone: a DNS in memory for tests of policy's machines, read from the case
 * files of tests/cases. One user at a time.
 *
 * A zone is a JSON object: a name (no last dot) to an array of records:
 *   ["TXT", "text"]  ["TXT", ["its", "strings"]]  ["A", "192.0.2.1"]
 *   ["AAAA", "2001:db8::1"]  ["MX", 10, "mx.example.com"]  ["PTR", "name"]
 *   ["CNAME", "name"]
 *   "SERVFAIL", "TIMEOUT"            every question about the name is lost
 *   ["SERVFAIL", "TXT"], ...         this one is
 * In strings \u00XX is the octet XX. A name with only [] is there without any
 * record; so is every name above one that is there. "*.example.com" is a
 * wildcard (RFC 4592). */
#ifndef TESTS_FAKE_ZONE_H
#define TESTS_FAKE_ZONE_H

#include "policy/arena.h"
#include "policy/dns.h"

#include <stdbool.h>
#include <stddef.h>

struct json_object;
struct zone;

/* Read a zone; a mistake in it ends the test program with words. The zone's
 * memory is arena's. object is borrowed while the zone is used. */
struct zone *zone_read(struct json_object *object, struct arena *arena);

/* The answer to question; in arena. TTL 300 s. */
const struct dns_answer *zone_answer(struct zone *zone,
    const struct dns_question *question, struct arena *arena);

/* Drive machine to its end with the zone's answers; returns how many questions
 * it asked. Hints are looked at (they must be names that can be asked) but
 * change nothing. A machine that asks more than most questions ends the test
 * program. */
size_t zone_run(struct zone *zone, const struct dns_machine *kind,
    void *machine, size_t most, struct arena *arena);

#endif
