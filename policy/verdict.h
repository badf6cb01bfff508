/* verdict: what policy makes of facts and evidence: an action and its
 * reason, how verdicts combine, and what observe mode makes of one. */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

/* In order of severity. */
enum action {
	ACTION_ACCEPT,
	ACTION_OBSERVE, /* accept, but say what is wrong */
	ACTION_HOLD,    /* into the MTA's hold queue; for a person to look at */
	ACTION_TEMPFAIL, /* 4xx */
	ACTION_REJECT,   /* 5xx */
};

enum mode { MODE_ENFORCE, MODE_OBSERVE };

/* Why. verdict_reason_name() gives the word for the log and for scripts;
 * words once given stay. */
enum reason {
	REASON_NONE,
	REASON_AUTH_REQUIRED,       /* 530 5.7.0 */
	REASON_TLS_REQUIRED,        /* 530 5.7.0 */
	REASON_TOO_MANY_RECIPIENTS, /* 452 4.5.3 */
	REASON_ACCOUNT_NAME,        /* account name can't be used: 550 5.7.1 */
	REASON_LIMIT,               /* over a sending limit */
	REASON_COST,                /* this one message costs more than max */
	REASON_BLOCKED,             /* blocked by the administrator */
	REASON_HOLD_MAX,            /* over the limit, and too many held */
	REASON_BAD_FROM,            /* From missing, doubled or unusable */
	REASON_ENVELOPE_MISMATCH,   /* may not use this envelope sender */
	REASON_FROM_MISMATCH,       /* may not use this header From */
	REASON_MISSING_KEY,         /* no key for the author's domain */
	REASON_KEY_ERROR,           /* a key is there, but can't be used */
	REASON_UNALIGNED,           /* receivers will find it unaligned (DMARC):
				       550 5.7.26 */
	REASON_NO_DMARC,          /* the author's domain has no DMARC record */
	REASON_DNS,               /* the DNS gave no answer to judge by */
	REASON_NO_AUTHOR,         /* no domain of From that DMARC could be
				     asked of */
	REASON_STORE_AWAY,        /* counts can't be had; on_failure */
	REASON_MAP_AWAY,          /* a map that decides can't be asked */
	REASON_BUSY,              /* max_busy messages are being judged */
	REASON_STOPPING,          /* the daemon drains */
	REASON_HEADERS_TOO_LARGE, /* header beyond what is looked at */
	REASON_MEMORY,
	REASON_COUNT,
};

struct limit;

/* Mere data; pointers live in the message's arena or the snapshot. */
struct verdict {
	enum action action; /* what is done */
	enum action would;  /* what would be done if nothing only observed */
	enum reason reason;
	const char *subject; /* the domain, address or key it is about; may
				be text from outside; NULL: nothing */
	const char *detail;  /* words for the log; NULL: nothing */
	const struct limit *limit; /* for REASON_LIMIT and _COST */
	uint64_t max;              /* what it allows, override included */
	uint64_t retry_after_ms;   /* when there is room again; 0: unknown */
};

/* The verdict that lets a message pass. */
struct verdict verdict_accept(void);

/* What is done if action is asked for in mode: in MODE_OBSERVE the message
 * passes and only would tells. ACTION_OBSERVE is a rejection that is observed:
 * what the option's other value would do. */
struct verdict verdict_make(enum action action, enum mode mode,
    enum reason reason, const char *subject);

/* Of two verdicts of one message the one that counts: the more severe
 * action; of equal ones the more severe would; then the first that has a
 * reason or a detail. */
struct verdict verdict_worse(struct verdict first, struct verdict second);

/* Is a refusal with this verdict the sender's doing, and so counted among his
 * refusals? A fault of ours isn't. */
bool verdict_blames_sender(const struct verdict *verdict);

/* Does the message leave now or after somebody looked (accept or hold)? */
bool verdict_leaves(const struct verdict *verdict);

/* Turn a refusal into what class local may see: never 4xx (Postfix would
 * retry the file for ever), never 5xx unless may_bounce; hold instead. */
struct verdict verdict_local(struct verdict verdict, bool may_bounce);

/* "accept", "observe", "hold", "tempfail", "reject". */
const char *verdict_action_name(enum action action);

/* "limit", "from_mismatch", ... "none". */
const char *verdict_reason_name(enum reason reason);

#endif
