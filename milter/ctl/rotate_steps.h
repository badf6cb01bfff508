/* rotate_steps: carries the exchange of a domain's keys on, step by step: new
 * key files, their records, the look at the name servers, the switch, and the
 * end of the old keys. What a step does can be done again, and the state is
 * written before and after, so that a process that is killed anywhere leaves
 * what the next one carries on with. There is a key that signs at every moment:
 * the new ones begin before the old ones end. */
#ifndef MILTER_CTL_ROTATE_STEPS_H
#define MILTER_CTL_ROTATE_STEPS_H

#include "milter/ctl/rotate_check.h"
#include "milter/ctl/rotate_files.h"
#include "milter/ctl/rotate_state.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROTATE_ROW_ARENA_BYTES = 64 * 1024 * 1024 };

/* What the steps ask the world; any number of threads may call. */
struct rotate_tools {
	const char *keys; /* the directory of all domains */
	void *context;
	uint64_t (*now_s)(void *context); /* Unix time */

	/* rotate_check(), on rotation's servers. */
	bool (*check)(void *context, const struct rotation *rotation,
	    const struct rotate_record *record, struct arena *arena,
	    struct rotate_finding *finding_out, struct fault *fault);

	/* rotate_publish(). */
	bool (*publish)(void *context, const struct rotation *rotation,
	    enum rotate_way way, const struct rotate_record *record,
	    bool is_added, struct arena *arena, struct fault *fault);

	/* Wait for the turn of one more domain; NULL: no need. */
	void (*pace)(void *context);

	/* Does domain, which has no key files, sign with keys from elsewhere?
	 */
	bool (*has_elsewhere)(void *context, const char *domain);

	/* How long a record stays whose key signs no more, where no rotation
	 * says so. */
	uint64_t retire_after_s;

	/* Servers are asked less often of a rotation that has waited for
	 * long. */
	bool is_patient;
};

enum rotate_outcome {
	ROTATE_NOTHING,      /* there is no rotation */
	ROTATE_LEFT,         /* left alone: see fault.words */
	ROTATE_WAITS,        /* not all name servers show the records yet */
	ROTATE_HAS_SWITCHED, /* the new keys sign; old ones retire */
	ROTATE_IS_DONE,
	ROTATE_CANCELLED,
	ROTATE_LATER,  /* it doesn't go on now: see fault */
	ROTATE_FAILED, /* somebody must mend something: see fault */
	ROTATE_OUTCOMES,
};

/* What became of a domain in one call. */
struct rotate_row {
	struct arena arena; /* all of it */
	const char *domain;
	enum rotate_outcome outcome;
	bool has_moved;            /* something was done in this call */
	bool is_new;               /* the rotation began in this call */
	bool is_usual;             /* of ROTATE_LEFT: as it should be */
	bool signs_on;             /* of ROTATE_CANCELLED: has it a key? */
	const char *wiped;         /* of ROTATE_CANCELLED: "s1.pending"; NULL */
	struct rotation *rotation; /* NULL: there is none */

	/* Of ROTATE_LEFT, LATER and FAILED; of ROTATE_CANCELLED: why a record
	 * wasn't removed; of ROTATE_NOTHING: what there is all the same. */
	struct fault fault;

	/* The new keys' records, while it is under way. */
	struct rotate_record records[ROTATE_NEW];
	size_t record_count;

	/* Names whose record somebody is to remove from the DNS now. */
	const char *removable[ROTATE_FILES];
	size_t removable_count;
};

/* An empty row. NULL: no memory. */
struct rotate_row *rotate_row_open(const char *domain);

/* Free it. Empties the pointer; takes NULL. */
void rotate_row_free(struct rotate_row **row);

/* Carry row->rotation, which isn't being cancelled, on as far as it comes, with
 * files open and locked. Sets row->outcome and what belongs to it. */
void rotate_advance(const struct rotate_tools *tools,
    const struct rotate_files *files, struct rotate_row *row);

/* Keep row->fault as the reason why it doesn't go on, for whoever asks later,
 * and set row->outcome by it. */
void rotate_hold(const struct rotate_tools *tools, struct rotate_row *row);

/* The record of a key of row's domain in a file of that role; base64 and text
 * are NULL if that can't be read. False for want of memory, with row->fault. */
bool rotate_describe(const struct rotate_files *files, struct rotate_row *row,
    const struct rotate_key *key, enum key_role role,
    struct rotate_record *record_out);

/* Take a record out of the DNS; by ROTATE_PRINT say in row->removable that
 * somebody must. False with row->fault. */
bool rotate_withdraw(const struct rotate_tools *tools, struct rotate_row *row,
    enum rotate_way way, const struct rotate_record *record);

/* Say that somebody is to remove the record of that name from the DNS. */
void rotate_leave_record(struct rotate_row *row, const char *name);

/* Does the domain have a key that signs? What can't be read counts as one. */
bool rotate_signs(const struct rotate_files *files, struct rotate_row *row);

/* The records of the new keys, as far as these are there, into row. False with
 * row->fault. */
bool
rotate_find_records(const struct rotate_files *files, struct rotate_row *row);

/* "waiting", "switched", "done", ... */
const char *rotate_outcome_name(enum rotate_outcome outcome);

#endif
