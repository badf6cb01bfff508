/* dmarc_walk: the names that are asked for a DMARC record, what was found at
 * each, and the tree walk over them (RFC 9989 §4.10). Part of dmarc. */
#ifndef POLICY_DMARC_WALK_H
#define POLICY_DMARC_WALK_H

#include "policy/arena.h"
#include "policy/dmarc.h"
#include "policy/dmarc_record.h"
#include "policy/dns.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	/* A walk goes on with this many labels after its first name. */
	DMARC_WALK_LABELS = DMARC_WALK - 1,
};

enum dmarc_spot_state {
	DMARC_SPOT_OPEN,    /* not asked yet */
	DMARC_SPOT_NONE,    /* no record, or none that can be asked for */
	DMARC_SPOT_ONE,     /* one record */
	DMARC_SPOT_SEVERAL, /* more than one */
	DMARC_SPOT_LOST,    /* no answer */
};

/* A domain that may have a record. Plain data; text in the machine's arena. */
struct dmarc_spot {
	const char *domain;
	size_t labels; /* of it */
	struct dns_question question;
	enum dmarc_spot_state state;
	struct dmarc_record record; /* of DMARC_SPOT_ONE */
	const char *text;           /* of a record, without NUL; NULL: none */
	bool is_broken;     /* of DMARC_SPOT_NONE: something there begins like a
			       record, and can't be read */
	const char *remark; /* for people; NULL: nothing */
};

/* The names of a walk, from the longest to the shortest. They are borrowed,
 * and several walks share them. */
struct dmarc_walk {
	struct dmarc_spot *levels[DMARC_WALK];
	size_t count;
};

/* What a walk came to; or what it must know next, or that it can't. */
struct dmarc_place {
	struct dmarc_spot *open; /* not NULL: ask this, nothing else is set */
	struct dmarc_spot *lost; /* not NULL: it can't be told, for want of
				    this answer */
	const char *org;         /* the organizational domain */
	struct dmarc_spot *org_spot; /* its record; NULL: it has none */
	struct dmarc_spot *psd_spot; /* the record with psd=y above it; NULL */
};

/* Begin a spot for domain (borrowed). A name that is too long to be asked for
 * has no record. False: no memory. */
bool dmarc_spot_init(
    struct dmarc_spot *spot, const char *domain, struct arena *arena);

/* What was found there. For want of memory it is lost. */
void dmarc_spot_read(struct dmarc_spot *spot, const struct dns_answer *answer,
    struct arena *arena);

/* Does a walk end here: psd=y or psd=n? */
bool dmarc_spot_stops(const struct dmarc_spot *spot);

/* How many names a walk from domain has, and the label count of each
 * (§4.10, steps 4 and 7): index 0 is domain itself. */
size_t dmarc_walk_length(size_t labels);
size_t dmarc_walk_labels(size_t labels, size_t index);

/* The spot of the walk with so many labels; NULL: the walk doesn't ask it. */
struct dmarc_spot *
dmarc_walk_find(const struct dmarc_walk *walk, size_t labels);

/* Walk as far as is known, and select the organizational domain (§4.10.2). */
struct dmarc_place dmarc_walk_place(const struct dmarc_walk *walk);

/* How many of their last labels two names share. */
size_t dmarc_walk_common(const char *one, const char *other);

/* Are two different domains in relaxed alignment: have they one organizational
 * domain? DMARC_RELAXEDLY, DMARC_NOT_ALIGNED, or DMARC_UNSURE where a lost
 * answer decides it. *open_out: what must be asked first; then the result
 * means nothing. common: how many labels they share. */
enum dmarc_alignment dmarc_walk_align(const struct dmarc_walk *author,
    const struct dmarc_walk *identifier, size_t common,
    struct dmarc_spot **open_out);

#endif
