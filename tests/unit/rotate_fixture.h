/* rotate_fixture: a key directory of a test's own, and a world for rotations in
 * which the test says what name servers show, what publishing comes to and how
 * late it is. */
#ifndef TESTS_UNIT_ROTATE_FIXTURE_H
#define TESTS_UNIT_ROTATE_FIXTURE_H

#include "milter/ctl/rotate_domain.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROTATE_DOMAIN "a.example"

enum {
	ROTATE_PATH_BYTES = 512,
	ROTATE_TEXT_BYTES = 4096,
	ROTATE_NOW_S = 1795392000, /* 2026-11-23, 00:00 */
	ROTATE_WEEK_S = 7 * 86400,
};

struct rotate_bed {
	char keys[64]; /* the directory */
	struct rotate_tools tools;
	struct rotate_order order;
	uint64_t now_s;

	bool is_shown;     /* every server shows what it should */
	const char *late;  /* else this one doesn't; NULL: ns2 */
	const char *lost;  /* the servers can't be found: why; NULL */
	const char *taken; /* a name that has a record of somebody else's */
	enum fault_kind publishing; /* FAULT_NONE: it works */
	bool has_elsewhere;
	char log[ROTATE_TEXT_BYTES]; /* "add s1;remove s2;" */
	_Atomic size_t checks;
};

/* Make the directory; the order is to print, retire after a week. */
void rotate_bed_open(struct rotate_bed *bed);

/* Remove it and all that is in it. */
void rotate_bed_close(struct rotate_bed *bed);

/* Make a key of domain that signs, seconds old. */
void rotate_bed_key(struct rotate_bed *bed, const char *domain,
    const char *selector, enum key_algorithm algorithm, unsigned seconds);

/* The files of a domain's directory, hidden ones too, in order: "a.private
 * b.pending "; "-" if there is no directory. In a static space. */
const char *rotate_bed_files(const struct rotate_bed *bed, const char *domain);

/* Write text to a file below the directory. */
void rotate_bed_put(
    const struct rotate_bed *bed, const char *name, const char *text);

/* Fail the test unless the two texts are the same. */
void rotate_want(const char *about, const char *want, const char *got);

#endif
