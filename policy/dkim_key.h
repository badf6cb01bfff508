/* dkim_key: the public key that a domain publishes (RFC 6376 §3.6.1, RFC 8301,
 * RFC 8463), read and compared with the key that signs. Pure. */
#ifndef POLICY_DKIM_KEY_H
#define POLICY_DKIM_KEY_H

#include "policy/arena.h"
#include "policy/dns.h"

#include <stdbool.h>

enum dkim_key_state {
	DKIM_KEY_GOOD,      /* a signature by this key will verify */
	DKIM_KEY_MISSING,   /* no record there */
	DKIM_KEY_LOST,      /* the DNS gave no answer */
	DKIM_KEY_REVOKED,   /* p= is empty */
	DKIM_KEY_BAD,       /* the record can't be used: see words */
	DKIM_KEY_DIFFERENT, /* another key is published */
};

enum dkim_key_type { DKIM_KEY_RSA, DKIM_KEY_ED25519 };

/* The key that signs, or whose record is looked for; borrowed. */
struct dkim_key_wanted {
	const char *domain;
	const char *selector;
	enum dkim_key_type type;
	const char *public_b64; /* as in p=, without blanks; NULL: any key
				   will do */
};

/* What is published. Text lives in the arena given to dkim_key_begin(). */
struct dkim_key_finding {
	enum dkim_key_state state;
	const char *name;    /* SELECTOR._domainkey.DOMAIN */
	const char *words;   /* what is wrong, and what to publish; NULL when
				good. Cleaned. */
	const char *record;  /* the text of the record, not cleaned; NULL */
	bool has_other_text; /* of DKIM_KEY_MISSING: there are TXT records, but
				none is a key */
	bool is_testing;     /* t=y: some receivers count it for nothing */
	bool is_strict;      /* t=s: i= must be d= exactly */
	unsigned bits;       /* of an RSA key; 0: not known */
	uint32_t ttl_s;
};

struct dkim_key;

/* Begin: one question. NULL: no memory. wanted is borrowed. Several TXT
 * records at the name: the ones that are key records count; RFC 6376 §3.6.2.2
 * leaves it open which of several, so all must be good. */
struct dkim_key *
dkim_key_begin(const struct dkim_key_wanted *wanted, struct arena *arena);

/* How it is driven. */
extern const struct dns_machine dkim_key_machine;

/* What is published, after the machine came to its end. */
const struct dkim_key_finding *dkim_key_finding(const struct dkim_key *key);

/* "good", "missing", "lost", "revoked", "bad", "different". */
const char *dkim_key_state_name(enum dkim_key_state state);

#endif
