/* limits: which sending limits a message touches, and what each costs. It
 * only thinks; counting is the store's job, so every rule here is tested
 * without one. */
#ifndef POLICY_LIMITS_H
#define POLICY_LIMITS_H

#include "policy/account.h"
#include "policy/arena.h"
#include "policy/facts.h"
#include "policy/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limit_key {
	LIMIT_KEY_ACCOUNT,
	LIMIT_KEY_FROM_DOMAIN,
	LIMIT_KEY_CLIENT_IP
};
enum limit_count { LIMIT_MESSAGES, LIMIT_RECIPIENTS, LIMIT_REFUSALS };

enum {
	LIMIT_NAME_OCTETS = 64,
	/* Every message is held against all limits, and each author's domain
	 * is one charge: a store takes this many of one message. */
	LIMITS_CHARGES_MOST = 256,
};

/* One limit block of the configuration; immutable. */
struct limit {
	const char *name; /* 1..LIMIT_NAME_OCTETS of [A-Za-z0-9_.-] */
	enum limit_key key;
	enum limit_count count;
	uint64_t max; /* 0: never */
	uint64_t per_ms;
	enum action action; /* ACTION_TEMPFAIL, _REJECT or _HOLD */
	enum mode mode;
	const char *reply; /* template; NULL: the built-in one */
};

struct limit_set {
	const struct limit *limits;
	size_t count;
};

/* One thing to be counted. */
struct charge {
	const struct limit *limit; /* borrowed from the snapshot */
	const char *key;           /* whose count; lives in the arena */
	uint64_t cost;             /* in the unit of limit->count */
	bool is_binding; /* false: counted even where it doesn't fit */
	bool is_look;    /* only asked whether cost fits; never counted */
};

/* List what a message costs that would leave: the limits on messages and
 * recipients, in the order of the configuration. A limit that only observes
 * (or all of them, when mode does) is not binding. A from_domain limit counts
 * for every author's domain, once each; where the authors are not all the
 * account's (is_author_owned is false) under a key of domain and account, "-"
 * if there is no usable author. A limit on refusals is looked at with cost 1:
 * who was refused too often is refused further. facts must be complete
 * (recipients, From). *charges_out gets *count_out entries and lives as long
 * as the arena. False only for want of memory. Any thread; the snapshot is
 * immutable. */
bool limits_charges(const struct limit_set *set, enum mode mode,
    const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct charge **charges_out,
    size_t *count_out);

/* List what a refused message costs: one of each limit on refusals, but none
 * of from_domain unless the authors are the account's. Never binding: a
 * refusal is counted, whatever the count. */
bool limits_refusal_charges(const struct limit_set *set,
    const struct account *account, const struct message_facts *facts,
    bool is_author_owned, struct arena *arena, struct charge **charges_out,
    size_t *count_out);

/* What the store said of one charge. */
struct charge_answer {
	uint64_t used; /* before this message */
	bool fits;     /* used + cost <= max */
	uint64_t
	    room_at_ms; /* store's clock: when cost fits; UINT64_MAX never */
	uint64_t
	    one_at_ms; /* store's clock: when a cost of 1 fits, counting
			  what this very charge added; for refusing at MAIL */
	uint64_t slot; /* where it was counted, for giving it back */
};

/* The verdict on a message whose charges got these answers: the most severe
 * limit that doesn't fit, of equals the one with room latest; what only
 * observes gives would. A cost above max is a REJECT at once (REASON_COST).
 * now_ms is the store's. */
struct verdict
limits_judge(const struct charge *charges, const struct charge_answer *answers,
    size_t count, enum mode mode, uint64_t now_ms);

/* "account", "from_domain", "client_ip"; "messages", "recipients",
 * "refusals". */
const char *limits_key_name(enum limit_key key);
const char *limits_count_name(enum limit_count count);

#endif
