/* verify_field: a DKIM-Signature field read before libopendkim sees it (RFC
 * 6376 §3.5, RFC 8301, RFC 8463, RFC 8616): what is certainly bad never gets
 * there, nor does what the library would read otherwise than the RFC, or past
 * its buffers. Private to verify. */
#ifndef MILTER_IO_VERIFY_FIELD_H
#define MILTER_IO_VERIFY_FIELD_H

#include "policy/arena.h"
#include "policy/dkim_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* What libopendkim (2.11.0~beta2) takes of h=: it cuts the rest. */
	VERIFY_COVERED_OCTETS = 4095,
	/* And of i=: what it unfolds there has 257 octets. */
	VERIFY_IDENTITY_OCTETS = 255,
	/* How far t= may lie ahead; as much as the library allows. What is
	 * less than that it takes for the future. */
	VERIFY_DRIFT_S = 300,
};

enum verify_field_state {
	VERIFY_FIELD_GOOD,   /* libopendkim can check it */
	VERIFY_FIELD_BAD,    /* it can't verify, whoever checks it */
	VERIFY_FIELD_BEYOND, /* it may, but libopendkim can't tell */
};

/* What it says. Text lives in the arena that it was read into. */
struct verify_field {
	enum verify_field_state state;
	const char *words;           /* why it isn't VERIFY_FIELD_GOOD; NULL */
	const char *domain;          /* d=, normalised; "" if there is none */
	const char *selector;        /* s=, normalised; "" if there is none */
	const char *identity_domain; /* of i=, normalised; d= if none */
	const char *covered;         /* h= without blanks */
	enum dkim_key_type key_type; /* a= */
	bool is_header_relaxed;      /* c= */
	bool is_body_relaxed;
	bool has_body_length; /* l= */
	/* It may be fed to libopendkim at least: it isn't upset by it. */
	bool is_harmless;
};

/* Read the value of a DKIM-Signature field (folds LF or CRLF). now_s: seconds
 * since the epoch. Never fails: for want of memory it is
 * VERIFY_FIELD_BEYOND. */
void verify_field_read(struct arena *arena, const char *value, size_t length,
    uint64_t now_s, struct verify_field *field_out);

#endif
