/* rotate_check: do all authoritative name servers show exactly the record of a
 * new key? Each address of each of them is asked directly, delegations and
 * aliases at the name are followed. */
#ifndef MILTER_CTL_ROTATE_CHECK_H
#define MILTER_CTL_ROTATE_CHECK_H

#include "milter/ctl/asking.h"
#include "milter/ctl/rotate_ask.h"
#include "milter/ctl/rotate_state.h"
#include "policy/arena.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>

/* A key's record. */
struct rotate_record {
	const char *domain;
	const char *selector;
	enum key_algorithm algorithm;
	const char *base64; /* p=; NULL: any */
	const char *name;   /* SELECTOR._domainkey.DOMAIN */
	const char *text;   /* "v=DKIM1; ..."; NULL: not known */
};

/* What was found. Lives in the arena it was found with, as far as it isn't
 * within. */
struct rotate_finding {
	size_t asked, lacking; /* servers; lacking 0: all show it */
	struct rotate_lack lacks[ROTATE_LACKS];
	size_t lack_count;
	bool has_records;  /* some server has TXT records there */
	const char *owner; /* where the record stands: its name, or what that is
			      an alias of */
	const char *zone;  /* of owner; NULL: not known */
};

/* Shared by threads; all of it borrowed. */
struct rotate_checker {
	const struct asking *asking;
	struct rotate_asker *asker;
	uint64_t timeout_ms; /* for one round of questions */
};

/* Look. servers (count of them, as rotate_servers_read() takes them) are asked
 * in the place of those that the zone names, if there are any. False with
 * words: who is to be asked can't be found. Any thread. */
bool rotate_check(const struct rotate_checker *checker,
    const struct rotate_record *record,
    const char (*servers)[ROTATE_SERVER_BYTES], size_t count,
    struct arena *arena, struct rotate_finding *finding_out,
    struct fault *fault);

#endif
