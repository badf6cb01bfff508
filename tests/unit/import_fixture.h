/* What the tests of import-opendkim share: a directory with files that an
 * opendkim.conf may name, and what is looked at of an answer. */
#ifndef TESTS_UNIT_IMPORT_FIXTURE_H
#define TESTS_UNIT_IMPORT_FIXTURE_H

#include "milter/ctl/import_opendkim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	ARENA_BYTES = 16 * 1024 * 1024,
	PATH_BYTES = 256,
	TEXT_BYTES = 32 * 1024,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A single key, the beginning of most. */
#define SINGLE "Mode s\nDomain a.example\nSelector s1\nKeyFile /k\n"
/* The directory. */
extern char import_place[];

/* The path of name in the directory. */
const char *import_path_of(char path[PATH_BYTES], const char *name);

/* text with '@' before a '/' as the directory. */
void import_expand(const char *text, char out[TEXT_BYTES]);

/* Write a file there, '@' as above. */
void import_write(const char *name, const char *text);

/* text without comments, blanks as one, so that a table can hold it. */
void import_squeeze(const char *text, char out[TEXT_BYTES]);

/* Fail unless postern -t takes conf. */
void import_want_accepted(const char *name, const char *conf);

/* Import text, '@' as above; order->file is set here. */
void import_text(const char *text, struct import_order *order,
    struct arena *arena, struct import_answer *answer_out);

/* Of a group of tests. */
int import_begin(void **state);
int import_end(void **state);

#endif
