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
	LIMIT_KEY_PARENT,
	LIMIT_KEY_FROM_DOMAIN,
	LIMIT_KEY_CLIENT_IP,
	LIMIT_KEY_SENDER, /* envelope sender */
	LIMIT_KEY_GLOBAL,
	LIMIT_KEY_COUNT
};

enum limit_count {
	LIMIT_MESSAGES,
	LIMIT_RECIPIENTS,
	LIMIT_NEW_RECIPIENTS, /* that this key never wrote to, as far as is
				 remembered */
	LIMIT_BYTES,
	LIMIT_REFUSALS,
	LIMIT_BLOCKS, /* counts nothing: says no while its key has an override
			 with max 0, which is what a block is */
};

enum {
	LIMIT_NAME_OCTETS = 64,
	/* A message is held against all limits of its account, and each
	 * author's domain is one charge: the configuration may ask for so
	 * many of one message. */
	LIMITS_CHARGES_MOST = 256,
	/* Beside those: whether account, parent, client, envelope sender and
	 * each author's domain is blocked, and what is held. */
	LIMITS_BLOCKS_MOST = 4 + ADDRESS_MAILBOXES,
	LIMITS_ALL_MOST = LIMITS_CHARGES_MOST + LIMITS_BLOCKS_MOST + 1,
};

/* One limit block of the configuration; immutable. */
struct limit {
	const char *name; /* 1..LIMIT_NAME_OCTETS of [A-Za-z0-9_.-]; those that
			     aren't configured have a ':' too */
	enum limit_key key;
	enum limit_count count;
	uint64_t max; /* 0: never */
	uint64_t per_ms;
	enum action action; /* ACTION_TEMPFAIL, _REJECT or _HOLD */
	enum mode mode;
	const char *reply;     /* template; NULL: the built-in one */
	uint64_t warn_percent; /* of max: reaching it is told; 0: never */
	bool is_planned; /* some plan names it; else it holds for everybody */
};

/* A choice of limits that accounts have together. Immutable. */
struct plan {
	const char *name;
	const bool *has; /* one for each limit of the set: is it in the plan? */
};

struct limit_set {
	const struct limit *limits;
	size_t count;
	const struct plan *plans;
	size_t plan_count;
	const struct plan *default_plan; /* of accounts that have none of their
					    own; NULL: an empty one */
	bool counts_new;                 /* some limit counts new recipients */
};

/* The plan of that name; NULL: there is none. */
const struct plan *limits_plan(const struct limit_set *set, const char *name);

/* Does a limit of the set hold for an account with this plan (NULL: the
 * default one)? One that no plan names holds for everybody. */
bool limits_holds(const struct limit_set *set, const struct limit *limit,
    const struct plan *plan);

/* One thing to be counted. */
struct charge {
	const struct limit *limit; /* borrowed from the snapshot */
	const char *key;           /* whose count; lives in the arena */
	uint64_t cost;             /* in the unit of limit->count; of new
				      recipients the most it can be */
	bool is_binding; /* false: counted even where it doesn't fit */
	bool is_look;    /* only asked whether cost fits; never counted */
	bool refuses;    /* not fitting, it has the message refused: then looks
			    that count refusals are counted in the same step */
	bool counts_refusal; /* such a look */
	/* LIMIT_NEW_RECIPIENTS: digests of the recipients, each once, in
	 * ascending order; what cost is above their number is new for sure.
	 * They live in the arena. */
	const uint64_t *recipients;
	size_t recipient_count;
};

/* A message as limits see it. All is borrowed. */
struct limits_question {
	const struct limit_set *set;
	enum mode mode;       /* of its class */
	enum mode block_mode; /* of the daemon: a block was asked for, so only
				 this keeps it from being one */
	const struct account *account;
	const struct message_facts
	    *facts;                /* complete: recipients, From, size */
	bool is_author_owned;      /* every author address is the account's */
	const bool *owned_authors; /* which are, one for each mailbox of From;
				      NULL: all or none */
	bool is_sender_owned;      /* so is the envelope sender */
	bool can_refuse;           /* false in class local, which holds */
	bool has_limits;           /* false: only blocks are asked for */
};

/* List what a message costs that would leave: first a look for each key that
 * may be blocked, then the limits that hold for the account's plan, in the
 * order of the configuration. A limit that only observes (or all of them, when
 * mode does) is not binding. A from_domain limit counts for every author's
 * domain, once each; where no author there is the account's under a key of
 * domain and account, "-" if there is no usable author; and a sender limit
 * likewise for the address in lower case, with "<>" for the null sender and "-"
 * for one that is no address. A limit on refusals is looked at
 * with cost 1: who was refused too often is refused further. *charges_out gets
 * *count_out entries and lives as long as the arena. False only for want of
 * memory. Any thread; the snapshot is immutable. */
bool limits_charges(const struct limits_question *question, struct arena *arena,
    struct charge **charges_out, size_t *count_out);

/* List what a refused message costs: one of each limit on refusals, but none
 * of from_domain or sender unless the addresses are the account's. Never
 * binding: a refusal is counted, whatever the count. */
bool limits_refusal_charges(const struct limits_question *question,
    struct arena *arena, struct charge **charges_out, size_t *count_out);

/* The limit that stands for blocks of keys of a kind: "blocked:account". There
 * is none for LIMIT_KEY_GLOBAL (NULL). Immutable, never freed. */
const struct limit *limits_block(enum limit_key key);

/* What the store said of one charge. */
struct charge_answer {
	uint64_t used; /* before this message */
	uint64_t cost; /* what the charge costs; of new recipients, those that
			  are */
	uint64_t max;  /* limit->max, or what an override says */
	bool is_overridden;
	bool warns; /* this charge reached warn_percent of max, for the first
		       time in a window */
	bool fits;  /* used + cost <= max */
	uint64_t
	    room_at_ms; /* store's clock: when cost fits; UINT64_MAX never */
	uint64_t
	    one_at_ms; /* store's clock: when a cost of 1 fits, counting
			  what this very charge added; for refusing at MAIL */
	uint64_t slot; /* where it was counted, for giving it back */
};

/* The verdict on a message whose charges got these answers: the most severe
 * limit that doesn't fit, of equals the one with room latest; what only
 * observes gives would. A cost above max is a REJECT at once (REASON_COST); a
 * key that is blocked too (REASON_BLOCKED). now_ms is the store's. */
struct verdict
limits_judge(const struct charge *charges, const struct charge_answer *answers,
    size_t count, enum mode mode, uint64_t now_ms);

/* "account", "parent", "from_domain", "client_ip", "sender", "global";
 * "messages", "recipients", "new_recipients", "bytes", "refusals",
 * "blocks". */
const char *limits_key_name(enum limit_key key);
const char *limits_count_name(enum limit_count count);

#endif
