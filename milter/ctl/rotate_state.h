/* rotate_state: how far the exchange of a domain's keys has come, in a file
 * KEYS/.rotate/DOMAIN, so that whoever calls next carries on. The file is
 * replaced as a whole: what is read was written to its end. */
#ifndef MILTER_CTL_ROTATE_STATE_H
#define MILTER_CTL_ROTATE_STATE_H

#include "milter/ctl/check_domain_list.h"
#include "milter/io/keys.h"
#include "policy/dns.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ROTATE_SELECTOR_BYTES = 256,
	ROTATE_SERVER_BYTES = 64, /* "ADDRESS@PORT" */
	ROTATE_WORDS_BYTES = 400,
	ROTATE_NEW = 2,       /* one of each algorithm */
	ROTATE_RETIRING = 24, /* several rotations may retire at once */
	ROTATE_SERVERS = 8,
	ROTATE_LACKS = 16, /* servers told of; there may be more */
	ROTATE_STATE_BYTES = 64 * 1024,
};

/* What has been done; what comes next is done again after a crash. */
enum rotate_step {
	ROTATE_BEGUN,     /* decided; next: the new key files */
	ROTATE_MADE,      /* the keys are there; next: their records */
	ROTATE_PUBLISHED, /* next: all name servers must show them */
	ROTATE_SWITCHING, /* next: the new files sign, the old ones don't */
	ROTATE_SWITCHED,  /* next: old records and files go, in their time */
	ROTATE_DONE,
	ROTATE_CANCELLING, /* next: what was made is taken back */
	ROTATE_STEPS,
};

/* How records come into the DNS. */
enum rotate_way { ROTATE_PRINT, ROTATE_NSUPDATE, ROTATE_HOOK, ROTATE_WAYS };

struct rotate_key {
	char selector[ROTATE_SELECTOR_BYTES];
	enum key_algorithm algorithm;
	unsigned bits;       /* of a new RSA key */
	uint64_t until_s;    /* of one that retires; Unix time */
	bool is_withdrawn;   /* of one that retires: its record has gone */
	enum rotate_way way; /* of one that retires: how it goes */
};

/* A name server that doesn't show a new key's record. */
struct rotate_lack {
	char words[ROTATE_WORDS_BYTES]; /* which one, and what it says */
};

struct rotation {
	char domain[DNS_NAME_OCTETS + 1];
	enum rotate_step step;
	enum rotate_way way;
	uint64_t begun_s, checked_s, switched_s; /* Unix time; 0: never */
	uint64_t retire_after_s;

	struct rotate_key made[ROTATE_NEW]; /* the new ones */
	size_t made_count;
	struct rotate_key olds[KEYS_PER_DOMAIN]; /* to be replaced by them */
	size_t old_count;
	struct rotate_key retiring[ROTATE_RETIRING];
	size_t retiring_count;

	/* Asked in the place of those that the zone names. */
	char servers[ROTATE_SERVERS][ROTATE_SERVER_BYTES];
	size_t server_count;

	/* The last look at the name servers: so many of so many lack a record;
	 * the first of them. */
	size_t lacking, asked;
	struct rotate_lack lacks[ROTATE_LACKS];
	size_t lack_count;
	char finding[ROTATE_WORDS_BYTES]; /* why it doesn't go on; "": it does
					   */
	bool is_failed; /* it won't, till somebody mends that */
};

/* "begun", ..., "done", "cancelling". */
const char *rotate_step_name(enum rotate_step step);

/* "print", "nsupdate", "hook". */
const char *rotate_way_name(enum rotate_way way);

/* The way of that name. False: there is none. */
bool rotate_way_find(const char *name, enum rotate_way *way_out);

/* "rsa", "ed25519". */
const char *rotate_algorithm_name(enum key_algorithm algorithm);

/* Is it between its beginning and its switch? */
bool rotate_is_under_way(const struct rotation *rotation);

/* Does it wait for name servers, and were they asked not so long ago, as long
 * as it has waited already? Never for more than six hours. */
bool rotate_may_rest(const struct rotation *rotation, uint64_t now_s);

/* Did it switch at a time that is yet to come? Then the clock was ahead, by
 * more than clocks differ. */
bool rotate_is_ahead(const struct rotation *rotation, uint64_t now_s);

/* Take that for the present, so that keys retire as long after it as they
 * should. */
void rotate_set_back(struct rotation *rotation, uint64_t now_s);

/* Keep words, cleaned, as why it doesn't go on, for good if is_failed; NULL: it
 * does. */
void rotate_set_finding(
    struct rotation *rotation, const char *words, bool is_failed);

/* Ask these servers (count of them, at most ROTATE_SERVERS) in the place of
 * those that the zone names. */
void rotate_set_servers(
    struct rotation *rotation, const char *const *servers, size_t count);

/* Write the state down as text into space; false: it doesn't fit. */
bool rotate_state_format(
    const struct rotation *rotation, char *space, size_t size_bytes);

/* Read such a text, which is cut up by that. False with words "line N: ...".
 */
bool rotate_state_parse(
    char *text, struct rotation *rotation_out, struct fault *fault);

/* Read the state of domain. *is_there_out: is there one? False with words that
 * name the file. */
bool rotate_state_read(const char *keys, const char *domain,
    struct rotation *rotation_out, bool *is_there_out, struct fault *fault);

/* Put the state on the disk, so that it outlives a crash of the host. To be
 * called with the domain locked. */
bool rotate_state_write(
    const char *keys, const struct rotation *rotation, struct fault *fault);

/* Can anything be written where states are, on whose disk the keys are too? To
 * be asked after a domain has failed: false, with words that name the place and
 * the cure, if no other can do better: the disk or the quota is full, or nobody
 * may write there. What may pass by itself counts as yes. */
bool rotate_state_has_room(const char *keys, struct fault *fault);

/* Forget domain; no state is no fault. To be called with the domain locked. */
bool
rotate_state_remove(const char *keys, const char *domain, struct fault *fault);

/* Add every domain that has a state. */
bool rotate_state_list(
    const char *keys, struct check_domain_list *list, struct fault *fault);

#endif
