/* sender: may this account use these addresses (design §4)? It asks by way
 * of a question whose answer (evidence) somebody else fetches, so that it
 * does no I/O itself whatever the map's source. */
#ifndef POLICY_SENDER_H
#define POLICY_SENDER_H

#include "policy/account.h"
#include "policy/facts.h"
#include "policy/verdict.h"

enum owners { OWNERS_OWN, OWNERS_MAP, OWNERS_ALL };

struct sender_rules {
	enum owners owners;
	const char *default_domain;      /* normalised; "" none */
	const char *recipient_delimiter; /* set of characters; "" none */
	bool check_envelope;
	bool check_from;
	bool is_case_sensitive; /* of logins */
	enum action on_mismatch;
	enum action on_bad_from;
};

enum {
	SENDER_PARENTS = 7, /* domains above an address's that are asked for */
	SENDER_KEYS = 3 + SENDER_PARENTS,
};

/* The keys to look up in a map of the form of Postfix's
 * smtpd_sender_login_maps, in this order; the first that is there answers.
 * For a mailbox: user+extension@domain, user@domain, @domain, and then, which
 * Postfix itself doesn't know, "@.parent" for each of the nearest
 * SENDER_PARENTS parents of the domain: it stands for all subdomains of parent
 * and not for parent. All are in lower case. */
struct sender_question {
	const char *keys[SENDER_KEYS];
	size_t count;
};

/* What was found out about one address. */
struct sender_evidence {
	const char *logins; /* value of the first key that is there: logins
			       separated by commas or blanks; NULL: none */
	bool has_key; /* the domain, or a parent of it, has a signing key */
};

/* Which keys of the map decide about mailbox? False: no memory. */
bool
sender_question(const struct sender_rules *rules, const struct mailbox *mailbox,
    struct arena *arena, struct sender_question *question_out);

/* Which keys of the map decide about a whole domain ("@domain", then those of
 * its parents)? False: no memory. */
bool sender_domain_question(const char *domain, struct arena *arena,
    struct sender_question *question_out);

/* May account use mailbox as envelope sender or author? OWN: its own address
 * and any address of its own domain; MAP: that, or it is among the logins
 * (compared with the account's name and, for a bare login, with the name
 * qualified by default_domain); ALL: any domain that has a key, and OWN.
 * Bounces never use more than the host's own domain, whatever owners says.
 * evidence may be NULL: nothing was found out. */
bool
sender_owns(const struct sender_rules *rules, const struct account *account,
    const struct mailbox *mailbox, const struct sender_evidence *evidence);

/* May account use the whole domain, and so its key for a subdomain's mail?
 * OWN: it is its own domain; MAP: or @domain, or a parent's key, names it; ALL:
 * it has a key. */
bool sender_owns_domain(const struct sender_rules *rules,
    const struct account *account, const char *domain,
    const struct sender_evidence *evidence);

/* Could a login without a domain ever use an address, under these rules? If
 * not, that is said once at start (bare logins, no map, no default domain). */
bool sender_can_ever_own(const struct sender_rules *rules, bool has_map);

/* Judge From by its form alone: exactly one From field, with a usable
 * address. mode is the class's. The verdict's subject is NULL. */
struct verdict sender_judge_form(const struct sender_rules *rules,
    enum mode mode, const struct message_facts *facts);

/* Judge ownership: is_envelope_owned and is_from_owned (of all mailboxes of
 * From) are what sender_owns() said; a null sender counts as owned.
 * foreign is the first author that isn't owned, or NULL. */
struct verdict sender_judge_owners(const struct sender_rules *rules,
    enum mode mode, const struct message_facts *facts, bool is_envelope_owned,
    const struct mailbox *foreign);

#endif
