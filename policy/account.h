/* account: which traffic class a message belongs to, and whom it is charged
 * to. What a sender says of himself proves nothing: only what the MTA, the
 * kernel or the configuration vouches for names an account.
 *
 * Names of accounts that no login can take: "uid:N", "local:HOST",
 * "bounces:HOST", "client:ADDRESS". A login that begins with one of these
 * prefixes (or with "sasl:") gets "sasl:" put before it. */
#ifndef POLICY_ACCOUNT_H
#define POLICY_ACCOUNT_H

#include "policy/facts.h"

enum {
	ACCOUNT_OCTETS = 512
}; /* longest account name; see REASON_ACCOUNT_NAME */

enum account_source {
	ACCOUNT_SASL,
	ACCOUNT_NETWORK,
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
	    *own_domain; /* that address's domain; for the host's own
			    account and bounces the host's name; or NULL */
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

/* Find the account: the first source of rules->identify that has one; CLIENT
 * is tried last even if it isn't listed, so there always is one. In CLASS_LOCAL
 * the null sender without a login is "bounces:HOST". CLASS_INBOUND has the
 * client only. HOST is the MTA's macro j, normalised, or "localhost".
 * trust_envelope counts for sendmail(1) only (account_is_local_submission()).
 * False only for want of memory. */
bool account_identify(const struct account_rules *rules,
    const struct message_facts *facts, enum traffic_class traffic_class,
    struct arena *arena, struct account *account_out);

/* "sasl", "network", "uid", "host", "client", "envelope", "bounces". */
const char *account_source_name(enum account_source source);

#endif
