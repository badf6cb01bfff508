/* account: which traffic class a message belongs to, and whom it is charged
 * to. What a sender says of himself proves nothing: only what the MTA, the
 * kernel or the configuration vouches for names an account.
 *
 * Names of accounts that no login can take: "uid:N", "local:HOST",
 * "bounces:HOST", "client:ADDRESS". A login that begins with one of these
 * prefixes (or with "sasl:") gets "sasl:" put before it.
 *
 * "uid:N" and "client:ADDRESS" mean something on one host only: two panel hosts
 * both have a uid 33 and a client 10.0.0.1. Where a host tells another whose
 * mail it brings (identity_header) it therefore says "uid:33@HOST". The host
 * that is told so takes the name as it is, since it is complete. A login
 * without a domain is meant to be the same person everywhere; where it isn't,
 * default_domain tells them apart. */
#ifndef POLICY_ACCOUNT_H
#define POLICY_ACCOUNT_H

#include "policy/facts.h"

enum {
	ACCOUNT_OCTETS = 512
}; /* longest account name; see REASON_ACCOUNT_NAME */

enum account_source {
	ACCOUNT_SASL,
	ACCOUNT_NETWORK,
	ACCOUNT_HEADER, /* identity_header of a trusted client */
	ACCOUNT_UID,
	ACCOUNT_HOST,
	ACCOUNT_CLIENT,
	ACCOUNT_ENVELOPE, /* trust_envelope = yes */
	ACCOUNT_BOUNCES,
	ACCOUNT_SOURCE_COUNT,
};

struct network_account {
	struct network network;
	const char *account;
};

/* What the configuration says; borrowed from the snapshot. */
struct account_rules {
	/* accounts.identify: the sources to try, in order, without
	 * ENVELOPE and BOUNCES */
	enum account_source identify[ACCOUNT_SOURCE_COUNT];
	size_t identify_count;
	const struct network_account *networks; /* longest prefix wins */
	size_t network_count;
	bool is_case_sensitive;
	bool trust_envelope;        /* of the class local */
	const char *default_domain; /* of the class's senders; "" none */
};

/* Whom a message is charged to. Pointers live in the arena. */
struct account {
	enum account_source source;
	const char *name;   /* folded to lower case unless case_sensitive */
	bool is_too_long;   /* name would be over ACCOUNT_OCTETS; it is cut */
	struct mailbox own; /* the address the account has by its name: a
			       login that is (or default_domain makes) one, a
			       trusted envelope sender; all NULL: none */
	const char
	    *own_domain;    /* that address's domain; for the host's own
			       account and bounces the host's name; or NULL */
	const char *parent; /* the customer it belongs to: what accounts.map
			       says, else own_domain, else its name */
	const char *plan;   /* by accounts.map; NULL: the default one */
	const char *host;   /* of a uid or a client that is known by its number
			       only: the host that gave it; else NULL */
};

/* The class of a message, from what is known at MAIL (design §1).
 * fixed: the class a listener fixes, or NULL. relay_networks: count of them. */
enum traffic_class account_class(const struct message_facts *facts,
    const enum traffic_class *fixed, const struct network *relay_networks,
    size_t relay_network_count);

/* Is this a message handed in by a program of this host through sendmail(1):
 * a loopback client with port 0? A client without an address isn't: Postfix
 * shows one that hung up early like that, also with port 0. */
bool account_is_local_submission(const struct connection_facts *connection);

/* What accounts.map says of an account: "ACCOUNT PARENT PLAN", parted by
 * blanks; the last two may be missing, and "-" leaves a thing as it is. */
struct account_entry {
	const char *account; /* NULL: as it is; folded */
	const char *parent;
	const char *plan;
};

/* Read such a value. False with words if it is none, or for want of memory. */
bool account_entry_parse(const char *value, bool is_case_sensitive,
    struct arena *arena, struct account_entry *entry_out, struct fault *fault);

enum { ACCOUNT_MAP_KEYS = 2 };

/* The keys that accounts.map is asked for, in order: the account's name in
 * lower case, then "@DOMAIN" of its own domain, if it has one; none for a name
 * that is too long. *count_out of at most ACCOUNT_MAP_KEYS. False only for want
 * of memory. */
bool account_map_keys(const struct account *account, struct arena *arena,
    const char **keys_out, size_t *count_out);

/* Make of an account what its entry says (NULL: there is none): name, parent,
 * plan. What it owns stays; a new name is its parent too if the old one was. */
void account_apply(struct account *account, const struct account_entry *entry);

/* What identity_header says, as the name of an account: read back what
 * account_identity_value() wrote. Blanks at both ends and folds don't count.
 * False with words if it is no name: empty, over ACCOUNT_OCTETS, with a blank,
 * an octet that isn't visible ASCII, or a '%' without two digits. */
bool account_identity_read(const char *value, struct arena *arena,
    const char **name_out, struct fault *fault);

/* The account's name, with "@HOST" behind it if it has a host, as the value of
 * a header field: octets other than visible ASCII, and '%', as "%XX"; folded
 * (LF and a blank) where it would be too long for a line. NULL for want of
 * memory. */
const char *
account_identity_value(const struct account *account, struct arena *arena);

/* Find the account: the first source of rules->identify that has one; CLIENT
 * is tried last even if it isn't listed, so there always is one. In CLASS_LOCAL
 * the null sender without a login is "bounces:HOST". CLASS_INBOUND has the
 * client only. HOST is the MTA's macro j, normalised, or "localhost".
 * trust_envelope counts for sendmail(1) only (account_is_local_submission()).
 * What a trusted client says (facts->identity) is the name as it is, folded; if
 * that is an address, or another host's "local:HOST" or "bounces:HOST", it owns
 * what it would own there. The parent is found and there is no plan, as if no
 * map said anything. False only for want of memory. */
bool account_identify(const struct account_rules *rules,
    const struct message_facts *facts, enum traffic_class traffic_class,
    struct arena *arena, struct account *account_out);

/* "sasl", "network", "header", "uid", "host", "client", "envelope",
 * "bounces". */
const char *account_source_name(enum account_source source);

#endif
