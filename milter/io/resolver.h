/* resolver: every DNS question of the process: one libunbound, one cache of
 * answers, one deadline for a message. An answer is kept as long as its TTL
 * says (negative ones too, RFC 2308), at least RESOLVER_TTL_MIN_S and at most
 * RESOLVER_TTL_MAX_S; that nothing could be had is kept for RESOLVER_LOST_MS
 * (RFC 2308 §7). A question that is under way is not asked twice: everybody
 * waits for the one. Below a registrable domain where a question was given up,
 * others don't wait longer than RESOLVER_SHORT_MS until one is answered again:
 * of a thousand messages for a domain whose DNS is dead only the first wait
 * long. Where too many questions are under way, in all or below one domain, the
 * next waits for its turn.
 *
 * Names are chosen by outsiders, and none of them is to lose the answers of
 * another: what a message had no time left to wait for is lost to it alone,
 * unless the question had been under way for RESOLVER_SHORT_MS; and what is
 * only hinted at isn't asked where it would take the room of what is needed.
 *
 * Locked inside: any thread. An asker: one user at a time. */
#ifndef MILTER_IO_RESOLVER_H
#define MILTER_IO_RESOLVER_H

#include "policy/arena.h"
#include "policy/dns.h"
#include "policy/fault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RESOLVER_TTL_MIN_S = 1,
	RESOLVER_TTL_MAX_S = 86400,
	/* Who has just published what was missing isn't to wait long. */
	RESOLVER_NEGATIVE_MAX_S = 300,
	RESOLVER_LOST_MS = 15000,
	RESOLVER_SHORT_MS = 300,
	/* Questions of one asker; what is asked beyond is DNS_LOST. No message
	 * can need so many: one of its checks can't take another's share. */
	RESOLVER_QUESTIONS = 4096,
	/* Of these, hinted at and under way at once. */
	RESOLVER_HINTS = 64,
	/* Under way at once for the whole process. */
	RESOLVER_UNDER_WAY = 4096,
};

struct suffixes;
struct resolver;
struct resolver_asker;

/* What it is opened by; borrowed for the call. */
struct resolver_rules {
	/* "ADDRESS" or "ADDRESS@PORT"; none: those of resolv_conf. */
	const char *const *servers;
	size_t server_count;
	const char *resolv_conf;         /* NULL: /etc/resolv.conf */
	const char *trust_anchor;        /* a file; "" or NULL: no validation */
	size_t cache_bytes;              /* most that answers may take */
	const struct suffixes *suffixes; /* borrowed till close; NULL: a
					    registrable domain is the last two
					    labels */
};

struct resolver_counters {
	uint64_t asked;   /* questions to the DNS */
	uint64_t hits;    /* answered from the cache */
	uint64_t lost;    /* that ended as DNS_LOST */
	uint64_t entries; /* in the cache now */
	uint64_t bytes;   /* that these take */
	uint64_t under_way;
};

/* Make libunbound ready; asks nothing yet. Starts a thread of its own: call it
 * after the process has become who it stays, not before a fork. NULL with
 * words. */
struct resolver *
resolver_open(const struct resolver_rules *rules, struct fault *fault);

/* Another source of answers instead of libunbound, for tests of faults that
 * can't be had. start() gives the question away; the answer comes by
 * resolver_told(), from any thread, during start() or later, or never. Its
 * strings are borrowed for that call. */
struct resolver_source {
	void (*start)(void *context, struct resolver *resolver, uint64_t ticket,
	    const struct dns_question *question);
	void *context;
};

/* Make a resolver that asks source, whose context lives as long. NULL with
 * words. */
struct resolver *resolver_open_with(const struct resolver_rules *rules,
    const struct resolver_source *source, struct fault *fault);

/* Take the answer to the question of ticket; one that nobody waits for any
 * more is passed over. */
void resolver_told(struct resolver *resolver, uint64_t ticket,
    const struct dns_answer *answer);

/* The monotonic clock in milliseconds that TTLs run by; a test may put its own
 * in place before the first question. Waiting is by the real one. */
void resolver_set_clock(struct resolver *resolver,
    uint64_t (*clock_ms)(void *context), void *context);

/* Begin to ask for one message (or one line of a table). It waits no longer
 * than timeout_ms in all. NULL: no memory. */
struct resolver_asker *
resolver_begin(struct resolver *resolver, uint64_t timeout_ms);

/* Begin to look at what the cache knows: nothing is asked, and what isn't known
 * is DNS_LOST. NULL: no memory. */
struct resolver_asker *resolver_peek(struct resolver *resolver);

/* Was an asker of resolver_peek() asked for something that isn't known? */
bool resolver_has_missed(const struct resolver_asker *asker);

/* The answer to question, if it is known now; it stays as it is until
 * resolver_end(). NULL: it is under way, or waits for its turn (ask again after
 * resolver_wait()).
 * A name that is none (dns_is_name()) is DNS_NXDOMAIN. Never waits. */
const struct dns_answer *
resolver_ask(struct resolver_asker *asker, const struct dns_question *question);

/* The same for what the asker may need later. It isn't asked, and NULL is the
 * answer, where its registrable domain is dead, where more than half of the
 * room of that domain or of all is taken, where RESOLVER_HINTS of the asker are
 * under way, and after the deadline; it may be asked or hinted at again. */
const struct dns_answer *resolver_hint(
    struct resolver_asker *asker, const struct dns_question *question);

/* Wait until at least one question of this asker that was under way is
 * answered. False: the deadline has passed, or nothing is under way; every
 * resolver_ask() now has an answer, be it DNS_LOST. */
bool resolver_wait(struct resolver_asker *asker);

/* Give back all answers of asker. What is under way goes on, for the cache.
 * Empties the pointer; takes NULL. */
void resolver_end(struct resolver_asker **asker);

/* Forget all answers (posternctl reload). */
void resolver_forget(struct resolver *resolver);

/* What it has done since it was opened, and holds now. */
struct resolver_counters resolver_counters(struct resolver *resolver);

/* Close it; no asker may be left. Empties the pointer; takes NULL. */
void resolver_close(struct resolver **resolver);

#endif
