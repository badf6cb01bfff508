/* opendkim_fixture: OpenDKIM's tables from texts, for tests. */
#ifndef TESTS_UNIT_OPENDKIM_FIXTURE_H
#define TESTS_UNIT_OPENDKIM_FIXTURE_H

#include "conf/opendkim.h"

#include <stdbool.h>
#include <stddef.h>

enum { OPENDKIM_FIXTURE_TOLD = 128 };

/* Where the tables are while a test runs, and what was told of them. */
struct opendkim_fixture {
	char directory[64];
	char key_table[96];
	char signing_table[96];
	char told[OPENDKIM_FIXTURE_TOLD][FAULT_WORDS_BYTES];
	size_t told_count; /* may be more than fit into told */
	size_t bad_count;
	struct fault fault;
};

/* For cmocka: *state is a fixture between the two. */
int opendkim_fixture_setup(void **state);
int opendkim_fixture_teardown(void **state);

/* Write a file of the fixture: length octets. */
void opendkim_fixture_write(const char *path, const char *text, size_t length);

/* Read the tables that are there. */
struct opendkim_tables *
opendkim_fixture_load(struct opendkim_fixture *fixture, bool is_refile);

/* Write both tables, "@DIR@" replaced by their directory, and read them; fails
 * the test if they can't be read. */
struct opendkim_tables *opendkim_fixture_read(struct opendkim_fixture *fixture,
    const char *keys, const char *signing, bool is_refile);

/* The keys as one text, "domain/selector key", or "domain/selector key i=..."
 * where that is given, ", " between them. It lives until the next call. */
const char *
opendkim_fixture_show(const struct opendkim_key *keys, size_t count);

/* The text with "@DIR@" replaced. It lives until the next call. */
const char *
opendkim_fixture_fill(const struct opendkim_fixture *fixture, const char *text);

#endif
