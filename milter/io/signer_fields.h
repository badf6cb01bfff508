/* signer_fields: the header fields of one message that its signatures cover:
 * collected, brought into the form that is hashed, chosen. Private to
 * signer. */
#ifndef MILTER_IO_SIGNER_FIELDS_H
#define MILTER_IO_SIGNER_FIELDS_H

#include "policy/arena.h"
#include "policy/fault.h"
#include "policy/signing.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	/* libopendkim, here and at receivers, copies the names of all fields,
	 * a colon after each, into 4096 octets and cuts what is longer without
	 * a word: the signature would be bad. */
	SIGNER_NAME_OCTETS = 4095,
};

/* One collected field. */
struct signer_field {
	char *text;     /* "Name: value", folds CRLF; lives in the arena */
	size_t length;  /* of text */
	size_t name;    /* which entry of names */
	bool is_chosen; /* to be hashed */
};

/* A field name that the message has. */
struct signer_name {
	const char *text; /* as first seen; lives in the arena */
	size_t length;
	bool is_oversigned;
	bool is_left_out; /* one of its fields can't be signed: so is none */
	bool has_chosen;  /* while choosing: the last one is in */
	bool is_closed;   /* while choosing: the ones above are not wanted */
};

struct signer_fields {
	enum canonicalization canon; /* of the header */
	struct arena arena;
	struct signer_field *fields;
	size_t count;
	size_t room;
	struct signer_name *names;
	size_t name_count;
	size_t name_room;
	size_t octets; /* of all texts */
};

/* No field yet. */
void
signer_fields_init(struct signer_fields *fields, enum canonicalization canon);

/* Is name, length octets, a field name of RFC 5322 §2.2 that can stand in h=
 * (so without ';')? */
bool signer_fields_is_name(const char *name, size_t length);

/* Collect a field. name may have blanks at its end, which name_length doesn't
 * count; under relaxed canonicalization they don't matter. A value that
 * verifiers read differently, or that MTAs change (NUL, lone CR, LF that is no
 * fold; VT and FF under relaxed canonicalization), is not collected: then no
 * field of that name is signed; if it is From or oversigned, which must be,
 * that is a FAULT_PERMANENT. So are too many or too long fields. */
bool signer_fields_add(struct signer_fields *fields, const char *name,
    size_t name_length, bool is_oversigned, const char *value,
    size_t value_length, struct fault *fault);

/* Is there a From among them? */
bool signer_fields_has_from(const struct signer_fields *fields);

/* Mark what is to be hashed: all fields if their names fit into
 * SIGNER_NAME_OCTETS; else all of the oversigned names, the last of every
 * other name, and what fits of the rest, from the bottom up. FAULT_PERMANENT
 * if the first two alone don't fit. */
bool signer_fields_choose(struct signer_fields *fields, struct fault *fault);

/* Free all. */
void signer_fields_clear(struct signer_fields *fields);

#endif
