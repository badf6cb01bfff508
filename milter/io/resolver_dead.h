/* resolver_dead: below which registrable domains questions are under way, and
 * below which of them one was given up, so that nobody waits long for the
 * next. Where several domains in a row gave no answer, with none from anywhere
 * since they were asked, it is the servers that are dead, and with them every
 * domain. Times are the caller's, of one clock. One user at a time. */
#ifndef MILTER_IO_RESOLVER_DEAD_H
#define MILTER_IO_RESOLVER_DEAD_H

#include "milter/io/resolver_asker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Domains given up that are remembered; then the oldest is forgotten.
	 */
	RESOLVER_DEAD_DOMAINS = 4096,
	/* So many in a row: it is the servers. */
	RESOLVER_DEAD_ROW = 8,
	/* Questions under way below one domain, and below a dead one: what is
	 * asked beyond waits. One customer's DNS can't take all the places
	 * there are. */
	RESOLVER_DOMAIN_UNDER_WAY = 256,
	RESOLVER_DEAD_UNDER_WAY = 16,
};

struct suffixes;
struct resolver_dead;
struct resolver_domain;

/* No domain is dead. suffixes: as struct resolver_rules has it. NULL: no
 * memory. */
struct resolver_dead *resolver_dead_open(const struct suffixes *suffixes);

/* Whose name this is; entered, until resolver_dead_leave(). NULL: no memory. */
struct resolver_domain *
resolver_dead_enter(struct resolver_dead *dead, const char *name);

/* Was a question below domain given up, or those of so many others that it is
 * the servers? */
bool resolver_dead_is(
    const struct resolver_dead *dead, const struct resolver_domain *domain);

/* May one question more below domain be asked? */
bool resolver_dead_has_room(const struct resolver_domain *domain);

/* Is no more than half of that room taken? */
bool resolver_dead_has_half(const struct resolver_domain *domain);

/* Who waits for room below domain; it must have entered. */
struct resolver_queue *resolver_dead_queue(struct resolver_domain *domain);

/* A number that tells domain from all others. */
uint64_t resolver_dead_id(const struct resolver_domain *domain);

/* It has been asked: it counts as under way until resolver_dead_done(). */
void resolver_dead_asked(struct resolver_domain *domain);
void resolver_dead_done(struct resolver_domain *domain);

/* A question below domain, asked at begun_ms, was given up. It says nothing of
 * the servers if these have answered anything since then, or if it is the name
 * of an address: who has one block of IPv6 has thousands of such zones. */
void resolver_dead_gave_up(struct resolver_dead *dead,
    struct resolver_domain *domain, uint64_t begun_ms);

/* One was answered at now_ms, early or late: it lives, and the servers do. */
void resolver_dead_answered(struct resolver_dead *dead,
    struct resolver_domain *domain, uint64_t now_ms);

/* Does it seem that no server answers? */
bool resolver_dead_is_all(const struct resolver_dead *dead);

/* Enter it once more. */
void resolver_dead_enter_again(struct resolver_domain *domain);

/* Domain is no longer needed by who entered it. */
void resolver_dead_leave(struct resolver_domain *domain);

/* Forget which are dead. */
void resolver_dead_forget(struct resolver_dead *dead);

/* Free it; nobody may have entered. Empties the pointer; takes NULL. */
void resolver_dead_close(struct resolver_dead **dead);

#endif
