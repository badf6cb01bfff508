#include "tests/unit/opendkim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
opendkim_fixture_setup(void **state)
{
	struct opendkim_fixture *fixture = calloc(1, sizeof(*fixture));

	if (fixture == NULL)
		return -1;
	snprintf(fixture->directory, sizeof(fixture->directory),
	    "/tmp/postern-opendkim-XXXXXX");
	if (mkdtemp(fixture->directory) == NULL) {
		free(fixture);
		return -1;
	}
	snprintf(fixture->key_table, sizeof(fixture->key_table), "%s/keys",
	    fixture->directory);
	snprintf(fixture->signing_table, sizeof(fixture->signing_table),
	    "%s/signing", fixture->directory);
	*state = fixture;
	return 0;
}

int
opendkim_fixture_teardown(void **state)
{
	struct opendkim_fixture *fixture = *state;

	unlink(fixture->key_table);
	unlink(fixture->signing_table);
	rmdir(fixture->directory);
	free(fixture);
	return 0;
}

void
opendkim_fixture_write(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void
note(void *context, const struct fault *fault)
{
	struct opendkim_fixture *fixture = context;
	size_t at = fixture->told_count++;

	assert_int_equal(fault->kind, FAULT_PERMANENT);
	if (at < OPENDKIM_FIXTURE_TOLD)
		memcpy(fixture->told[at], fault->words, FAULT_WORDS_BYTES);
}

struct opendkim_tables *
opendkim_fixture_load(struct opendkim_fixture *fixture, bool is_refile)
{
	fixture->told_count = 0;
	return opendkim_read(fixture->key_table, fixture->signing_table,
	    is_refile, note, fixture, &fixture->bad_count, &fixture->fault);
}

const char *
opendkim_fixture_fill(const struct opendkim_fixture *fixture, const char *text)
{
	static char filled[65536];
	size_t length = 0;

	while (*text != '\0') {
		size_t size = 1;
		const char *from = text;

		if (strncmp(text, "@DIR@", 5) == 0) {
			from = fixture->directory;
			size = strlen(from);
			text += 4;
		}
		assert_true(length + size < sizeof(filled));
		memcpy(filled + length, from, size);
		length += size;
		text++;
	}
	filled[length] = '\0';
	return filled;
}

struct opendkim_tables *
opendkim_fixture_read(struct opendkim_fixture *fixture, const char *keys,
    const char *signing, bool is_refile)
{
	struct opendkim_tables *tables;
	const char *text = opendkim_fixture_fill(fixture, keys);

	opendkim_fixture_write(fixture->key_table, text, strlen(text));
	text = opendkim_fixture_fill(fixture, signing);
	opendkim_fixture_write(fixture->signing_table, text, strlen(text));
	tables = opendkim_fixture_load(fixture, is_refile);
	if (tables == NULL)
		fail_msg("%s", fixture->fault.words);
	return tables;
}

const char *
opendkim_fixture_show(const struct opendkim_key *keys, size_t count)
{
	static char shown[65536];
	size_t length = 0;

	shown[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		length +=
		    (size_t)snprintf(shown + length, sizeof(shown) - length,
			"%s%s/%s %s%s%s%s", i > 0 ? ", " : "", keys[i].domain,
			keys[i].selector, keys[i].is_inline ? "=" : "",
			keys[i].key, keys[i].identity != NULL ? " i=" : "",
			keys[i].identity != NULL ? keys[i].identity : "");
		assert_true(length < sizeof(shown));
	}
	return shown;
}
